package frontiertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func waitCases() []testCase {
	return []testCase{
		{"ClaimWaitsAndIsWokenByPush", claimWaitsAndIsWokenByPush},
		{"ClaimWaitsUntilATaskIsDue", claimWaitsUntilATaskIsDue},
		{"ClaimWaitsForTheHost", claimWaitsForTheHost},
		{"ClaimIsWokenByFinish", claimIsWokenByFinish},
		{"ClaimEndsWithContext", claimEndsWithContext},
		{"EveryWaitingClaimIsServed", everyWaitingClaimIsServed},
		{"ClosedFrontierSaysSo", closedFrontierSaysSo},
		{"CloseEndsWaitingCalls", closeEndsWaitingCalls},
	}
}

// waiting claims in the background; the channel yields what came of it.
func (r *rig) waiting(f scheduler.Frontier) <-chan claimed {
	ctx, cancel := context.WithTimeout(r.ctx, enough)
	answer := make(chan claimed, 1)
	go func() {
		defer cancel()
		leases, err := f.Claim(ctx, 1)
		answer <- claimed{leases, err, time.Now()}
	}()
	return answer
}

type claimed struct {
	leases []*scheduler.Lease
	err    error
	at     time.Time
}

// still asserts that the background call has not returned.
func (r *rig) still(answer <-chan claimed) {
	r.Helper()
	select {
	case c := <-answer:
		r.Fatalf("claim returned %d leases, error %v; want it to wait", len(c.leases), c.err)
	case <-time.After(aWhile):
	}
}

// served returns the lease that the background call got.
func (r *rig) served(answer <-chan claimed) *scheduler.Lease {
	r.Helper()
	c := <-answer
	if c.err != nil || len(c.leases) != 1 {
		r.Fatalf("waiting claim returned %d leases, error %v; want one", len(c.leases), c.err)
	}
	return c.leases[0]
}

func claimWaitsAndIsWokenByPush(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	for i := range 3 {
		answer := r.waiting(f)
		r.still(answer)
		r.push(g, task("a.example", i))
		r.is(r.served(answer), task("a.example", i))
	}
}

func claimWaitsUntilATaskIsDue(r *rig) {
	f := r.openReal(Options{})
	later := task("a.example", 0)
	later.Due = time.Now().Add(200 * time.Millisecond)
	r.push(f, later)
	r.is(r.one(f), later)
	if early := time.Until(later.Due); early > 2*time.Millisecond {
		r.Errorf("claimed %v before it was due", early)
	}
}

func claimWaitsForTheHost(r *rig) {
	f := r.openReal(Options{Pace: scheduler.Pace{Delay: 200 * time.Millisecond, Concurrency: 1}})
	r.push(f, tasks("a.example", 2)...)
	start := time.Now()
	l := r.one(f)
	r.finish(f, scheduler.Done(), l)
	r.one(f)
	if took := time.Since(start); took < 198*time.Millisecond {
		r.Errorf("claimed after %v, want the host's delay of 200ms", took)
	}
}

func claimIsWokenByFinish(r *rig) {
	f, g := r.open(Options{Pace: scheduler.Pace{Concurrency: 1}}), r.open(Options{Pace: scheduler.Pace{Concurrency: 1}})
	r.push(f, tasks("a.example", 2)...)
	l := r.one(f)
	answer := r.waiting(g)
	r.still(answer)
	r.finish(f, scheduler.Done(), l)
	r.is(r.served(answer), task("a.example", 1))
}

func claimEndsWithContext(r *rig) {
	f := r.open(Options{})
	ctx, cancel := context.WithCancel(r.ctx)
	answer := make(chan error, 1)
	go func() {
		_, err := f.Claim(ctx, 1)
		answer <- err
	}()
	select {
	case err := <-answer:
		r.Fatalf("claim with nothing to claim returned: %v", err)
	case <-time.After(aWhile):
	}
	cancel()
	select {
	case err := <-answer:
		if !errors.Is(err, context.Canceled) {
			r.Errorf("cancelled claim: %v", err)
		}
	case <-time.After(enough):
		r.Fatal("claim does not end with its context")
	}
	// What is pushed now waits for the next claim: the cancelled one took nothing with it.
	r.push(f, task("a.example", 0))
	r.one(f)
}

func everyWaitingClaimIsServed(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const waiters = 20
	var answers []<-chan claimed
	for i := range waiters {
		answers = append(answers, r.waiting([]scheduler.Frontier{f, g}[i%2]))
	}
	for i := range waiters {
		r.push(f, task("a.example", i))
	}
	got := map[string]bool{}
	for _, a := range answers {
		l := r.served(a)
		if got[string(l.Payload)] {
			r.Errorf("%s is claimed twice", l.Payload)
		}
		got[string(l.Payload)] = true
	}
}

func closedFrontierSaysSo(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	l := r.one(f)
	r.must(f.Close())
	r.must(f.Close())
	_, pushErr := f.Push(r.ctx, task("a.example", 9))
	_, claimErr := f.Claim(r.ctx, 1)
	_, statsErr := f.Stats(r.ctx)
	_, doneErr := f.Done(r.ctx)
	for name, err := range map[string]error{
		"Push": pushErr, "Claim": claimErr, "Stats": statsErr, "Done": doneErr,
		"Extend":   f.Extend(r.ctx, l),
		"Finish":   f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done()}),
		"Hold":     f.Hold(r.ctx, "a.example", r.clock.Now()),
		"SetPace":  f.SetPace(r.ctx, "a.example", scheduler.Pace{}),
		"WaitDone": f.WaitDone(r.ctx),
	} {
		if !errors.Is(err, scheduler.ErrClosed) {
			r.Errorf("%s on a closed frontier: %v, want ErrClosed", name, err)
		}
	}
}

func closeEndsWaitingCalls(r *rig) {
	f := r.open(Options{})
	r.push(f, task("a.example", 0))
	r.one(f)
	var wg sync.WaitGroup
	for name, wait := range map[string]func() error{
		"Claim":    func() error { _, err := f.Claim(r.ctx, 1); return err },
		"WaitDone": func() error { return f.WaitDone(r.ctx) },
	} {
		wg.Go(func() {
			if err := wait(); !errors.Is(err, scheduler.ErrClosed) {
				r.Errorf("%s while the frontier closes: %v, want ErrClosed", name, err)
			}
		})
	}
	time.Sleep(aWhile) // they wait by now; if not, they find it closed, which is the same to them
	r.must(f.Close())
	wg.Wait()
}
