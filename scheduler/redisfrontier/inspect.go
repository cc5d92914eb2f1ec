package redisfrontier

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// inspectStep is about how many entries one call looks at: a millisecond or two of Redis' time, in the middle of a list of
// a million.
const inspectStep = 2000

// Inspect implements [scheduler.Inspector]. It reads the partition of the host and nothing else. A queue of a million
// tasks takes 500 short calls.
func (f *Frontier) Inspect(ctx context.Context, host string, id dedup.Fingerprint) (scheduler.Whereabouts, error) {
	if err := f.checkHost(ctx, host); err != nil {
		return scheduler.Whereabouts{}, err
	}
	w, err := f.search(ctx, host, id)
	if err == nil && w.Place == scheduler.PlaceDone { // or it moved from where nobody had looked to where somebody had
		w, err = f.search(ctx, host, id)
	}
	if err == nil && w.Place == scheduler.PlaceDone && f.exact != nil { // it only looks seen to Redis
		var seen []bool
		if seen, err = f.exact.Has(ctx, id); err == nil && !seen[0] {
			w.Place = scheduler.PlaceUnseen
		}
	}
	if err != nil {
		return scheduler.Whereabouts{}, fmt.Errorf("inspect a task of %s: %w", host, err)
	}
	return w, nil
}

// search calls inspect.lua until it has an answer.
func (f *Frontier) search(ctx context.Context, host string, id dedup.Fingerprint) (w scheduler.Whereabouts, err error) {
	fp := f.hints[f.partition(host)].AppendArgs(nil, f.info.Filter.Kind, id)[0]
	var stage, at, off any = 1, "", 0
	for {
		c := f.call(f.seen.inspect, f.partition(host), host, fp, binary.BigEndian.AppendUint64(nil, id.Short()), stage, at, off, inspectStep)
		if err := f.repeat(ctx, []*call{c}); err != nil {
			return w, err
		}
		list, _ := c.reply.([]any)
		if len(list) == 0 {
			return w, errReply
		}
		if list[0] != "" {
			return parseWhereabouts(host, list)
		}
		if len(list) != 4 {
			return w, errReply
		}
		stage, at, off = list[1], list[2], list[3]
	}
}

// parseWhereabouts reads the answer of inspect.lua.
func parseWhereabouts(host string, list []any) (w scheduler.Whereabouts, err error) {
	place, ok := list[0].(string)
	if !ok || len(list) < 8 {
		return w, errReply
	}
	w.Place = scheduler.Place(place)
	numbers, ok := intsOf(list[1:8], 7)
	if !ok {
		return w, errReply
	}
	w.Now = time.UnixMilli(numbers[0])
	w.Host = hostInfo(host, numbers[1:])
	rest := list[8:]
	text := func(i int) string {
		s, is := "", false
		if i < len(rest) {
			s, is = rest[i].(string)
		}
		ok = ok && is
		return s
	}
	number := func(i int) int64 {
		n, is := int64(0), false
		if i < len(rest) {
			n, is = rest[i].(int64)
		}
		ok = ok && is
		return n
	}
	switch w.Place {
	case scheduler.PlaceUnseen, scheduler.PlaceDone:
		return w, nil
	case scheduler.PlaceDead, scheduler.PlaceGone:
		d, err := parseLetter(text(0), w.Place == scheduler.PlaceGone)
		if err != nil {
			return w, err
		}
		w.Task, w.Attempt, w.Expired, w.First, w.Letter = d.Task, d.Attempt, d.Expired, d.First, &d
		return w, nil
	}
	var l scheduler.Lease
	if w.First, err = parseFirst(&l, host, text(0), text(1)); err != nil {
		return w, err
	}
	w.Task, w.Attempt, w.Expired = l.Task, l.Attempt, l.Expired
	switch w.Place {
	case scheduler.PlaceQueued:
		w.Ahead = number(2)
	case scheduler.PlaceLeased:
		token, err := strconv.ParseInt(text(2), 10, 64)
		if err != nil {
			return w, errReply
		}
		w.Token, w.Claimed, w.Deadline, w.Worker = scheduler.Token(token), time.UnixMilli(number(3)), time.UnixMilli(number(4)), text(5)
	case scheduler.PlaceDelayed, scheduler.PlaceScheduled:
		w.Task.Due = time.UnixMilli(number(2))
	case scheduler.PlaceParked:
		w.Label = text(2)
	default:
		ok = false
	}
	if !ok {
		return w, errReply
	}
	return w, nil
}

// hostInfo reads next, inflight, pending, delay, concurrency and whether the pace is the host's own.
func hostInfo(host string, v []int64) scheduler.HostInfo {
	info := scheduler.HostInfo{
		Host: host, Leased: v[1], Queued: v[2], OwnPace: v[5] == 1,
		Pace: scheduler.Pace{Delay: time.Duration(v[3]) * time.Millisecond, Concurrency: int(v[4])},
	}
	if v[0] > 0 {
		info.Next = time.UnixMilli(v[0])
	}
	return info
}

// Hosts implements [scheduler.Inspector].
func (f *Frontier) Hosts(ctx context.Context, yield func(scheduler.HostInfo) bool) error {
	for p := range f.keys {
		for cursor := "0"; ; {
			hosts, next, err := f.hostPage(ctx, p, cursor, "")
			if err != nil {
				return err
			}
			for _, h := range hosts {
				if !yield(h) {
					return nil
				}
			}
			if cursor = next; cursor == "0" {
				break
			}
		}
	}
	return nil
}

// hostPage calls hostlist.lua.
func (f *Frontier) hostPage(ctx context.Context, part int, cursor, level string) (hosts []scheduler.HostInfo, next string, err error) {
	c := f.call(hostListScript, part, cursor, level)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return nil, "", err
	}
	const fields = 7
	list, _ := c.reply.([]any)
	if len(list)%fields != 1 {
		return nil, "", errReply
	}
	next, ok := list[0].(string)
	if !ok {
		return nil, "", errReply
	}
	for i := 1; i < len(list); i += fields {
		host, ok1 := list[i].(string)
		numbers, ok2 := intsOf(list[i+1:i+fields], fields-1)
		if !ok1 || !ok2 {
			return nil, "", errReply
		}
		hosts = append(hosts, hostInfo(host, numbers))
	}
	return hosts, next, nil
}
