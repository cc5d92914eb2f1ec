package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
)

// embedded measures the frontier in process with its journal, left to the operating system to be synced.
func (b *bench) embedded(ctx context.Context) error {
	r := rounds{}
	config := memfrontier.Config{Pace: scheduler.Pace{Concurrency: 64}, Sync: -1}
	urls := 10 * b.urls // it is fast
	list := tasks(0, urls, perHost)
	for i := range b.rounds {
		dir := filepath.Join(b.dir, fmt.Sprintf("embedded-%d", i))
		f, err := memfrontier.Open(dir, config)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := pushAll(ctx, f, list, b.batch); err != nil {
			return err
		}
		r.add("push", float64(urls)/time.Since(began).Seconds())
		began = time.Now()
		for done := 0; done < urls; {
			leases, err := claimAll(ctx, f, b.batch, b.batch)
			if err != nil {
				return err
			}
			if err := finishAll(ctx, f, leases, b.batch); err != nil {
				return err
			}
			done += len(leases)
		}
		r.add("claim+finish", float64(urls)/time.Since(began).Seconds())
		if err := f.Close(); err != nil {
			return err
		}
	}
	b.least("embedded", "push, journal written", "URLs/s", r.median("push"), 150_000)
	b.least("embedded", "claim + finish, journal written", "URLs/s", r.median("claim+finish"), 200_000)

	took, err := b.recovery(ctx, config)
	if err != nil {
		return err
	}
	b.most("embedded", fmt.Sprintf("recovery of %d URLs after a kill", b.recover), "s", took.Seconds(), 5)
	return nil
}

// recovery is how long it takes to open the journal of a process that was killed: a copy of one that is still open.
func (b *bench) recovery(ctx context.Context, config memfrontier.Config) (time.Duration, error) {
	open, killed := filepath.Join(b.dir, "open"), filepath.Join(b.dir, "killed")
	f, err := memfrontier.Open(open, config)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for i := 0; i < b.recover; i += 100 {
		if err := pushAll(ctx, f, tasks(i, min(100, b.recover-i), 100), 100); err != nil {
			return 0, err
		}
	}
	if err := os.CopyFS(killed, os.DirFS(open)); err != nil {
		return 0, err
	}
	began := time.Now()
	again, err := memfrontier.Open(killed, config)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	if n := again.Recovered().Tasks; n != int64(b.recover) {
		err = fmt.Errorf("%d of %d tasks were recovered", n, b.recover)
	}
	_ = again.Close()
	return took, err
}
