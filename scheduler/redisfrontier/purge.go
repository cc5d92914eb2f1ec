package redisfrontier

import (
	"context"
	"strconv"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// sweepStep is about how many keys one step of a sweep deletes.
const sweepStep = 500

// Purge implements [scheduler.Purger]. The crawl is gone at once; what it leaves is then deleted in small steps. If
// Purge is cut short, the next Open of the name goes on with it.
func (f *Frontier) Purge(ctx context.Context) error {
	done, err := f.purge(ctx)
	if err != nil {
		return err
	}
	if !done {
		return scheduler.ErrNoCrawl
	}
	if err := f.strike(ctx); err != nil {
		return err
	}
	if err := f.sweep(ctx, f.epoch, f.info.Partitions); err != nil {
		return err
	}
	if store, ok := f.exact.(interface {
		Purge(ctx context.Context) error
	}); ok {
		return store.Purge(ctx)
	}
	return nil
}

// purge calls purge.lua. A repetition that finds the work of its first try is told by the epoch in gc.
func (f *Frontier) purge(ctx context.Context) (done bool, err error) {
	c := &call{script: purgeScript, args: []any{f.epoch}, keys: []string{
		ctlKey(f.crawl), gcKey(f.crawl), badSeedsKey(f.crawl), seedLockKey(f.crawl), doneLockKey(f.crawl),
	}}
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return false, err
	}
	if c.reply != int64(1) && c.again {
		err = f.command(ctx, func() (err error) {
			done, err = f.client.HExists(ctx, gcKey(f.crawl), f.epoch).Result()
			return err
		}, gcKey(f.crawl))
		return done, err
	}
	return c.reply == int64(1), nil
}

// strike takes the crawl off the list of crawls, unless one of its name was made meanwhile.
func (f *Frontier) strike(ctx context.Context) error {
	return f.command(ctx, func() error {
		if err := f.client.SRem(ctx, crawlsKey, f.crawl).Err(); err != nil {
			return err
		}
		n, err := f.client.Exists(ctx, ctlKey(f.crawl)).Result()
		if err == nil && n > 0 {
			err = f.client.SAdd(ctx, crawlsKey, f.crawl).Err()
		}
		return err
	}, crawlsKey, ctlKey(f.crawl))
}

// sweep deletes the partitions of a purged crawl, one step of each a round trip. After the first round no script
// finds the crawl any more, and those who wait for it are told.
func (f *Frontier) sweep(ctx context.Context, epoch string, partitions int) error {
	left := make([]int, partitions)
	for p := range left {
		left[p] = p
	}
	for round := 0; len(left) > 0; round++ {
		swept, err := f.sweepOnce(ctx, epoch, left)
		if err != nil {
			return err
		}
		left = swept
		if round == 0 {
			_ = f.client.Publish(ctx, wakeChannel(f.crawl, epoch), "*").Err() // a courtesy
		}
	}
	return f.command(ctx, func() error { return f.client.HDel(ctx, gcKey(f.crawl), epoch).Err() }, gcKey(f.crawl))
}

// sweepOnce calls sweep.lua, and returns the partitions that are not done.
func (f *Frontier) sweepOnce(ctx context.Context, epoch string, parts []int) (left []int, err error) {
	calls := make([]*call, len(parts))
	for i, p := range parts {
		calls[i] = &call{script: sweepScript, part: p, keys: partitionKeys(f.crawl, epoch, p), args: []any{0, sweepStep}}
	}
	if err := f.repeat(ctx, calls); err != nil {
		return nil, err
	}
	for _, c := range calls {
		if c.reply != int64(1) {
			left = append(left, c.part)
		}
	}
	return left, nil
}

// resumeSweeps goes on with what a purge that died has left.
func (f *Frontier) resumeSweeps(ctx context.Context) error {
	var left map[string]string
	err := f.command(ctx, func() (err error) {
		left, err = f.client.HGetAll(ctx, gcKey(f.crawl)).Result()
		return err
	}, gcKey(f.crawl))
	if err != nil {
		return err
	}
	for epoch, text := range left {
		partitions, err := strconv.Atoi(text)
		if err != nil || partitions < 1 || partitions > 4096 {
			continue // not written by us
		}
		if err := f.sweep(ctx, epoch, partitions); err != nil {
			return err
		}
	}
	return nil
}
