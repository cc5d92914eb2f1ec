package redisfrontier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Done implements [scheduler.Frontier]. It reads all partitions twice. If none had work either time, and none was given
// any between its two readings, then there was none anywhere at the moment between the two rounds: no lease, so
// nobody who may push, and no revisit due, since whoever plans one anew gives a task, too.
func (f *Frontier) Done(ctx context.Context) (bool, error) {
	first, active, err := f.given(ctx)
	if err != nil || active {
		return false, err
	}
	second, active, err := f.given(ctx)
	if err != nil || active {
		return false, err
	}
	for p := range first {
		if first[p] != second[p] {
			return false, nil
		}
	}
	return true, nil
}

// given calls given.lua: it returns how many tasks each partition was ever given, and whether any has work now.
func (f *Frontier) given(ctx context.Context) (given []int64, active bool, err error) {
	replies, err := f.everywhere(ctx, func(p int) *call { return f.call(givenScript, p) })
	if err != nil {
		return nil, false, err
	}
	given = make([]int64, len(replies))
	for p, reply := range replies {
		numbers, ok := intsOf(reply, 2)
		if !ok {
			return nil, false, fmt.Errorf("counters of partition %d: %w", p, errReply)
		}
		given[p] = numbers[0]
		active = active || numbers[1] == 1
	}
	return given, active, nil
}

// WaitDone implements [scheduler.Frontier]. Whoever finishes the last task of a partition looks whether
// the crawl is done, and tells the others.
func (f *Frontier) WaitDone(ctx context.Context) error {
	f.wake.listen()
	for {
		heard := f.wake.heardDone()
		if done, err := f.Done(ctx); done || err != nil {
			return err
		}
		if err := f.waitDone(ctx, heard); err != nil {
			return err
		}
	}
}

// waitDone returns when the crawl is worth a look: when somebody says that it is done, or when it is this frontier's turn
// to look for all.
func (f *Frontier) waitDone(ctx context.Context, heard <-chan struct{}) error {
	for {
		timer := time.NewTimer(doneLook*3/4 + rand.N(doneLook/2)) //nolint:gosec // jitter
		select {
		case <-heard:
			timer.Stop()
			return nil
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-f.closed:
			timer.Stop()
			return scheduler.ErrClosed
		}
		mine, err := f.lock(ctx, doneLockKey(f.crawl), doneLook*3/4, false)
		if err != nil {
			return err
		}
		if !mine {
			continue
		}
		done, err := f.Done(ctx)
		if err != nil {
			return err
		}
		if done {
			f.wake.publish(ctx, "done")
			return nil
		}
	}
}

// lock calls lock.lua: it takes a lock of the crawl, for a while.
func (f *Frontier) lock(ctx context.Context, key string, d time.Duration, renew bool) (mine bool, err error) {
	c := &call{script: lockScript, keys: []string{key, ctlKey(f.crawl)}, args: []any{f.epoch, f.worker, d.Milliseconds(), renew}}
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return false, err
	}
	return c.reply == int64(1), nil
}
