package redisfrontier

import (
	"context"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Replay implements [scheduler.Undertaker].
func (f *Frontier) Replay(ctx context.Context, which scheduler.Letters) (int, error) {
	return f.takeLetters(ctx, &which, true)
}

// Forget implements [scheduler.Undertaker].
func (f *Frontier) Forget(ctx context.Context, which scheduler.Letters) (int, error) {
	return f.takeLetters(ctx, &which, false)
}

// takeLetters goes through the lists of all partitions, a part of each a round trip.
func (f *Frontier) takeLetters(ctx context.Context, which *scheduler.Letters, replay bool) (total int, err error) {
	if err := f.usable(ctx); err != nil {
		return 0, err
	}
	var lists []string
	if which.Failed || !which.Links {
		lists = append(lists, "x")
	}
	if which.Links || !which.Failed {
		lists = append(lists, "g")
	}
	for _, list := range lists {
		open := make([]*letterScan, len(f.keys))
		for p := range open {
			open[p] = &letterScan{part: p}
		}
		if which.Host != "" { // all of a host are in one partition
			open = open[f.partition(which.Host):][:1]
		}
		for len(open) > 0 {
			calls := make([]*call, len(open))
			for i, scan := range open {
				calls[i] = f.letterCall(list, which, replay, scan)
			}
			err := f.repeat(ctx, calls)
			var more []*letterScan
			for i, c := range calls {
				if !c.done {
					continue
				}
				n, due, ended, ok := open[i].learn(c.reply)
				if !ok {
					return total, errReply
				}
				total += int(n)
				if due >= 0 {
					f.wake.at(c.part, due)
				}
				if !ended {
					more = append(more, open[i])
				}
			}
			if err != nil {
				return total, err
			}
			open = more
		}
	}
	return total, nil
}

// letterScan is how far a list of letters was gone through.
type letterScan struct {
	part                   int
	first, trimmed, latest int64 // see letters.lua
}

// letterCall calls letters.lua.
func (f *Frontier) letterCall(list string, which *scheduler.Letters, replay bool, scan *letterScan) *call {
	status := ""
	if which.Status != 0 {
		status = strconv.Itoa(which.Status)
	}
	return f.call(lettersScript, scan.part, list, replay, scan.first, scan.trimmed, scan.latest,
		which.Host, status, which.Why, bound(which.After), bound(which.Before))
}

// learn notes what a call learnt.
func (s *letterScan) learn(reply any) (n, due int64, ended, ok bool) {
	v, ok := intsOf(reply, 6)
	if !ok {
		return 0, 0, false, false
	}
	s.first, s.trimmed, s.latest = v[1], v[2], v[3]
	return v[4], v[5], v[0] == 1, true
}

// bound is the first whole millisecond at or after t; empty for the zero time.
func bound(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	if t.Nanosecond()%1e6 > 0 {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}

// intsOf reads a list of exactly n numbers.
func intsOf(reply any, n int) ([]int64, bool) {
	list, _ := reply.([]any)
	if len(list) != n {
		return nil, false
	}
	out := make([]int64, n)
	for i, v := range list {
		var ok bool
		if out[i], ok = v.(int64); !ok {
			return nil, false
		}
	}
	return out, true
}
