package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
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
		began, cpu := time.Now(), ownCPU()
		if err := pushAll(ctx, f, list, b.batch); err != nil {
			return err
		}
		r.add("push", float64(urls)/time.Since(began).Seconds())
		r.add("push µs", (ownCPU()-cpu).Seconds()*1e6/float64(urls))
		began, cpu = time.Now(), ownCPU()
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
		r.add("claim+finish µs", (ownCPU()-cpu).Seconds()*1e6/float64(urls))
		if err := f.Close(); err != nil {
			return err
		}
	}
	b.least("embedded", "push, journal written", "URLs/s", r.median("push"), 150_000)
	b.least("embedded", "claim + finish, journal written", "URLs/s", r.median("claim+finish"), 200_000)

	took, cpu, err := b.recovery(ctx, config)
	if err != nil {
		return err
	}
	// Others on the machine slow the clock's figures down, these much less.
	b.add("embedded", "CPU of a push", "µs/URL", r.median("push µs"))
	b.add("embedded", "CPU of claim + finish", "µs/URL", r.median("claim+finish µs"))
	b.add("embedded", "CPU of the recovery, all threads", "s", cpu.Seconds())
	b.most("embedded", fmt.Sprintf("recovery of %d URLs after a kill", b.recover), "s", took.Seconds(), 5)
	return nil
}

// recovery is how long it takes to open the journal of a process that was killed: a copy of one that is still open.
func (b *bench) recovery(ctx context.Context, config memfrontier.Config) (took, cpu time.Duration, err error) {
	open, killed := filepath.Join(b.dir, "open"), filepath.Join(b.dir, "killed")
	f, err := memfrontier.Open(open, config)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for i := 0; i < b.recover; i += 100 {
		if err := pushAll(ctx, f, tasks(i, min(100, b.recover-i), 100), 100); err != nil {
			return 0, 0, err
		}
	}
	if err := os.CopyFS(killed, os.DirFS(open)); err != nil {
		return 0, 0, err
	}
	began, used := time.Now(), ownCPU()
	again, err := memfrontier.Open(killed, config)
	if err != nil {
		return 0, 0, err
	}
	took, cpu = time.Since(began), ownCPU()-used
	if n := again.Recovered().Tasks; n != int64(b.recover) {
		err = fmt.Errorf("%d of %d tasks were recovered", n, b.recover)
	}
	_ = again.Close()
	return took, cpu, err
}

// ownCPU is what this process has used, all threads together.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
