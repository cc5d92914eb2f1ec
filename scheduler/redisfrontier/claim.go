package redisfrontier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// maxClaim is the most tasks that one claim script hands out.
const maxClaim = 1000

// Claim implements [scheduler.Frontier]. It asks partitions that may have work in one round trip, in turn: as many as
// are needed for max tasks by what they gave before. While Redis is away it waits for [Config.Patience], then it returns
// an error wrapping [scheduler.ErrUnavailable].
func (f *Frontier) Claim(ctx context.Context, max int) ([]*scheduler.Lease, error) {
	if max < 1 {
		return nil, fmt.Errorf("claim of %d tasks: want at least one", max)
	}
	var trouble time.Time // when the first claim was sent of those that failed in a row
	for failures := 0; ; {
		if err := f.usable(ctx); err != nil {
			return nil, err
		}
		wait, wanted := false, max
		parts := f.wake.due(max)
		if len(parts) == 0 {
			// Leave word that somebody waits, wherever there is none; then wait.
			wait, wanted = true, 0
			parts = f.wake.untold()
		}
		if len(parts) == 0 {
			if err := f.wake.wait(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if failures == 0 {
			trouble = time.Now()
		}
		leases, err := f.claim(ctx, parts, wanted, wait, trouble)
		if len(leases) > 0 {
			return leases, nil
		}
		switch fate := fateOf(err); {
		case fate == fine:
			failures = 0
			continue
		case errors.Is(err, scheduler.ErrNoCrawl), fate == broken:
			return nil, err
		}
		d := pause(failures)
		failures++
		if time.Since(trouble)+d > f.patience {
			return nil, unavailable(err)
		}
		if err := f.sleep(ctx, d); err != nil {
			return nil, err
		}
	}
}

// claim calls claim.lua on the partitions, once: a claim that is repeated leases tasks to nobody. A claim that is on
// its way is not given up with ctx, for the same reason. The error is that of a partition that did not answer; it is left alone
// for a while, so that those on other servers are not kept waiting. since is when the trouble began, if there is any.
func (f *Frontier) claim(ctx context.Context, parts []int, max int, wait bool, since time.Time) ([]*scheduler.Lease, error) {
	calls, versions := make([]*call, len(parts)), make([]uint64, len(parts))
	wanted := make([]int, len(parts))
	for i, p := range parts {
		wanted[i] = max / len(parts)
		if i < max%len(parts) {
			wanted[i]++
		}
		wanted[i] = min(wanted[i], maxClaim)
		versions[i] = f.wake.version(p)
		calls[i] = f.call(claimScript, p, wanted[i], f.lease.Milliseconds(), f.maxExpired, f.worker, wait)
	}
	claimed := time.Now()
	f.once(context.WithoutCancel(ctx), calls)
	var leases []*scheduler.Lease
	trouble, failed := f.judge(calls, since)
	failed = cmp.Or(failed, trouble)
	for i, c := range calls {
		if !c.done {
			f.wake.rest(c.part)
			continue
		}
		got, now, next, err := f.parseClaim(c.reply, claimed)
		if err != nil {
			return leases, fmt.Errorf("partition %d: %w", c.part, err)
		}
		f.wake.answered(c.part, versions[i], now, next, wait)
		if wanted[i] > 0 {
			f.wake.yielded(c.part, wanted[i], len(got))
		}
		leases = append(leases, got...)
	}
	return leases, failed
}

func (f *Frontier) parseClaim(reply any, claimed time.Time) (leases []*scheduler.Lease, now, next int64, err error) {
	list, ok := reply.([]any)
	if !ok || len(list)%3 != 0 || len(list) == 0 {
		return nil, 0, 0, errReply
	}
	now, ok1 := list[0].(int64)
	next, ok2 := list[1].(int64)
	token, ok3 := list[2].(int64)
	if !ok1 || !ok2 || !ok3 {
		return nil, 0, 0, errReply
	}
	for queue := range slices.Chunk(list[3:], 3) {
		host, ok1 := queue[0].(string)
		level, ok2 := queue[1].(string)
		elements, ok3 := queue[2].([]any)
		if !ok1 || !ok2 || !ok3 {
			return leases, now, next, errReply
		}
		for i := range elements {
			element, ok := elements[i].(string)
			if !ok {
				return leases, now, next, errReply
			}
			l := &scheduler.Lease{Token: scheduler.Token(token), Claimed: claimed, Deadline: claimed.Add(f.lease)}
			if err := parseElement(l, host, level, element); err != nil {
				return leases, now, next, err
			}
			leases = append(leases, l)
			token++
		}
	}
	return leases, now, next, nil
}
