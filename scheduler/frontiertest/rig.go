package frontiertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

const (
	// enough is the time after which a call that should have returned is taken to hang.
	enough = 20 * time.Second
	// aWhile is how long a claim must stay empty-handed to be taken to have nothing.
	aWhile = 60 * time.Millisecond
	// lease is the lease time of cases that do not ask for another.
	lease = time.Minute
)

// rig is what a case works with: a crawl's name, a clock, and calls that fail the case.
type rig struct {
	testing.TB
	ctx   context.Context
	clock *Clock
	crawl string
	opens Opener
}

func newRig(t testing.TB, open Opener, name string) *rig {
	ctx, cancel := context.WithTimeout(context.Background(), 4*enough)
	t.Cleanup(cancel)
	return &rig{TB: t, ctx: ctx, clock: NewClock(), crawl: crawlName(name), opens: open}
}

// open opens a frontier on the rig's crawl and clock. The gaps of o are filled: unhurried leases, fast hosts.
func (r *rig) open(o Options) scheduler.Frontier {
	r.Helper()
	o.Now = r.clock.Now
	return r.openReal(o)
}

// openReal is open on the real clock.
func (r *rig) openReal(o Options) scheduler.Frontier {
	r.Helper()
	o.Crawl = r.crawl
	o.Lease = cmp.Or(o.Lease, lease)
	o.Pace.Concurrency = cmp.Or(o.Pace.Concurrency, 1000)
	o.MaxExpired = cmp.Or(o.MaxExpired, 10)
	return r.opens(r.TB, o)
}

func (r *rig) advance(d time.Duration) { r.clock.Advance(d) }

// task returns the i-th task of host.
func task(host string, i int) scheduler.Task {
	url := fmt.Sprintf("https://%s/%d", host, i)
	return scheduler.Task{ID: dedup.Of("", url, nil), Host: host, Payload: []byte(url)}
}

// tasks returns the first n tasks of host.
func tasks(host string, n int) []scheduler.Task {
	list := make([]scheduler.Task, n)
	for i := range list {
		list[i] = task(host, i)
	}
	return list
}

func withPriority(t scheduler.Task, p int) scheduler.Task { t.Priority = p; return t }

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// push pushes tasks that must all be new.
func (r *rig) push(f scheduler.Frontier, tasks ...scheduler.Task) {
	r.Helper()
	added, err := f.Push(r.ctx, tasks...)
	r.must(err)
	if added != len(tasks) {
		r.Fatalf("push of %d new tasks added %d", len(tasks), added)
	}
}

// claim claims up to n tasks, and at least one.
func (r *rig) claim(f scheduler.Frontier, n int) []*scheduler.Lease {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, enough)
	defer cancel()
	leases, err := f.Claim(ctx, n)
	if err != nil {
		r.Fatalf("claim: %v", err)
	}
	if len(leases) == 0 || len(leases) > n {
		r.Fatalf("claim of up to %d returned %d leases", n, len(leases))
	}
	return leases
}

// one claims one task.
func (r *rig) one(f scheduler.Frontier) *scheduler.Lease { r.Helper(); return r.claim(f, 1)[0] }

// all claims exactly n tasks, in as many calls as it takes.
func (r *rig) all(f scheduler.Frontier, n int) []*scheduler.Lease {
	r.Helper()
	var leases []*scheduler.Lease
	for len(leases) < n {
		leases = append(leases, r.claim(f, n-len(leases))...)
	}
	return leases
}

// none asserts that there is nothing to claim.
func (r *rig) none(f scheduler.Frontier) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, aWhile)
	defer cancel()
	leases, err := f.Claim(ctx, 100)
	if len(leases) > 0 {
		r.Fatalf("claim returned %d tasks, the first is %s; want none", len(leases), leases[0].Payload)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		r.Fatalf("claim with nothing to claim: %v, want the context's error", err)
	}
}

// is asserts that lease is of task.
func (r *rig) is(l *scheduler.Lease, t scheduler.Task) {
	r.Helper()
	if string(l.Payload) != string(t.Payload) {
		r.Fatalf("claimed %s, want %s", l.Payload, t.Payload)
	}
}

// finish gives each lease the verdict.
func (r *rig) finish(f scheduler.Frontier, v scheduler.Verdict, leases ...*scheduler.Lease) {
	r.Helper()
	results := make([]scheduler.Result, len(leases))
	for i, l := range leases {
		results[i] = scheduler.Result{Lease: l, Verdict: v}
	}
	r.must(f.Finish(r.ctx, results...))
}

// lost asserts that err names exactly these leases.
func (r *rig) lost(err error, leases ...*scheduler.Lease) {
	r.Helper()
	var lost *scheduler.LostError
	if !errors.As(err, &lost) {
		r.Fatalf("error is %v, want a LostError", err)
	}
	if len(lost.Leases) != len(leases) {
		r.Fatalf("%d leases are named as lost, want %d", len(lost.Leases), len(leases))
	}
	for _, l := range leases {
		if !scheduler.Lost(err, l) {
			r.Fatalf("lease of %s is not named as lost", l.Payload)
		}
	}
}

func (r *rig) stats(f scheduler.Frontier) scheduler.Stats {
	r.Helper()
	s, err := f.Stats(r.ctx)
	r.must(err)
	return s
}

func (r *rig) done(f scheduler.Frontier) bool {
	r.Helper()
	done, err := f.Done(r.ctx)
	r.must(err)
	return done
}

// want asserts that a number is as it should be.
func (r *rig) want(name string, got, want int64) {
	r.Helper()
	if got != want {
		r.Errorf("%s = %d, want %d", name, got, want)
	}
}

// sound asserts that the driver, if it can tell, finds nothing broken. Nobody else may be at work.
func (r *rig) sound(f scheduler.Frontier) {
	r.Helper()
	c, ok := f.(scheduler.Checker)
	if !ok {
		return
	}
	broken, err := c.Check(r.ctx)
	r.must(err)
	for _, b := range broken {
		r.Errorf("broken invariant: %s", b)
	}
}

// extra returns f as the optional interface T, or skips the case.
func extra[T any](r *rig, f scheduler.Frontier) T {
	r.Helper()
	e, ok := f.(T)
	if !ok {
		r.Skipf("the driver has no %T", (*T)(nil))
	}
	return e
}
