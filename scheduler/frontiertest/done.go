package frontiertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func doneCases() []testCase {
	return []testCase{
		{"EmptyCrawlIsDone", emptyCrawlIsDone},
		{"DoneNeedsDelayedAndLeased", doneNeedsDelayedAndLeased},
		{"DoneIsExactForAChain", doneIsExactForAChain},
		{"WaitDoneReturns", waitDoneReturns},
		{"WaitDoneEndsWithContext", waitDoneEndsWithContext},
	}
}

func emptyCrawlIsDone(r *rig) {
	f := r.open(Options{})
	if !r.done(f) {
		r.Error("a crawl with nothing to do is not done")
	}
	r.must(f.WaitDone(r.ctx))
}

func doneNeedsDelayedAndLeased(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	not := func(state string) {
		r.Helper()
		if r.done(f) || r.done(g) {
			r.Errorf("done with a task %s", state)
		}
	}
	later := task("a.example", 0)
	later.Due = r.clock.Now().Add(time.Minute)
	r.push(f, later)
	not("due later")
	r.advance(61 * time.Second)
	not("queued")
	l := r.one(f)
	not("leased")
	r.finish(f, scheduler.Retry(time.Minute, "x"), l)
	not("delayed")
	r.advance(61 * time.Second)
	r.one(f)
	r.advance(lease + time.Second)
	not("whose lease expired")
	l = r.one(g)
	r.finish(g, scheduler.Release(), l)
	not("released")
	r.finish(g, scheduler.Done(), r.one(f))
	if !r.done(f) || !r.done(g) {
		r.Error("not done with nothing left")
	}
}

// doneIsExactForAChain crawls a chain of pages over many hosts: each page leads to the next one alone, so just
// one task is active at any time, now here, now there, and whoever counts in two places is soon wrong.
func doneIsExactForAChain(r *rig) {
	const length, hosts, workers, watchers = 1200, 61, 3, 2
	page := func(i int) scheduler.Task { return task(fmt.Sprintf("h%d.example", i*i%hosts), i) }
	ctx, cancel := context.WithTimeout(r.ctx, 2*enough)
	defer cancel()
	seed := r.open(Options{})
	r.push(seed, page(0))

	var finishing atomic.Bool // set before the last page is finished
	var next atomic.Int64
	next.Store(1)
	var wg sync.WaitGroup
	for range workers {
		f := r.open(Options{})
		wg.Go(func() {
			for {
				leases, err := f.Claim(ctx, 4)
				if err != nil {
					return // the chain has ended
				}
				for _, l := range leases {
					i := next.Add(1) - 1
					if i < length {
						if _, err := f.Push(ctx, page(int(i))); err != nil {
							r.Errorf("push: %v", err)
						}
					} else {
						finishing.Store(true)
					}
					if err := f.Finish(ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done()}); err != nil {
						r.Errorf("finish: %v", err)
					}
				}
			}
		})
	}
	var checks atomic.Int64
	var watch sync.WaitGroup
	for range watchers {
		f := r.open(Options{})
		watch.Go(func() {
			for {
				done, err := f.Done(ctx)
				if err != nil {
					r.Errorf("done: %v", err)
					return
				}
				checks.Add(1)
				if done {
					if !finishing.Load() {
						r.Errorf("done after about %d of %d pages", next.Load(), length)
					}
					return
				}
			}
		})
	}
	watch.Wait()
	cancel()
	wg.Wait()
	r.want("Done", r.stats(seed).Done, length)
	r.Logf("%d checks over %d pages", checks.Load(), length)
}

func waitDoneReturns(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	answer := make(chan error, 1)
	go func() { answer <- g.WaitDone(r.ctx) }()
	still := func(state string) {
		r.Helper()
		select {
		case err := <-answer:
			r.Fatalf("WaitDone returned with %s: %v", state, err)
		case <-time.After(aWhile):
		}
	}
	still("tasks queued")
	leases := r.all(f, 2)
	still("tasks leased")
	r.finish(f, scheduler.Done(), leases[0])
	still("a task leased")
	r.finish(f, scheduler.Drop("x"), leases[1])
	select {
	case err := <-answer:
		r.must(err)
	case <-time.After(enough):
		r.Fatal("WaitDone does not return, although the crawl is done")
	}
	r.must(f.WaitDone(r.ctx))
}

func waitDoneEndsWithContext(r *rig) {
	f := r.open(Options{})
	r.push(f, task("a.example", 0))
	ctx, cancel := context.WithTimeout(r.ctx, aWhile)
	defer cancel()
	if err := f.WaitDone(ctx); !errors.Is(err, context.DeadlineExceeded) {
		r.Errorf("WaitDone: %v, want the context's error", err)
	}
}
