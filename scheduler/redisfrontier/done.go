package redisfrontier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Done implements [scheduler.Frontier]. It reads all partitions twice. If none had work either time, and none was given
// any between its two readings, then there was none anywhere at the moment between the two rounds: no lease, so
// nobody who may push.
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

// given returns how many tasks each partition was ever given, and whether any has some now.
func (f *Frontier) given(ctx context.Context) (given []int64, active bool, err error) {
	cmds := make([]*redis.SliceCmd, len(f.keys))
	err = f.command(ctx, func() error {
		pipe := f.client.Pipeline()
		for p := range cmds {
			cmds[p] = pipe.HMGet(ctx, f.keys[p][0], "v", "a", "p", "l", "d")
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		for p, cmd := range cmds {
			if err := cmd.Err(); err != nil {
				return &keyError{f.marks[p], err}
			}
		}
		return nil
	}, f.marks...)
	if err != nil {
		return nil, false, err
	}
	given = make([]int64, len(cmds))
	for p, cmd := range cmds {
		fields := cmd.Val()
		if len(fields) != 5 || fields[0] == nil {
			return nil, false, scheduler.ErrNoCrawl
		}
		for i, field := range fields[1:] {
			text, ok := field.(string)
			if !ok {
				continue // never counted
			}
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, false, fmt.Errorf("counters of partition %d: %w", p, err)
			}
			if i == 0 {
				given[p] = n
			} else if n != 0 {
				active = true
			}
		}
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
