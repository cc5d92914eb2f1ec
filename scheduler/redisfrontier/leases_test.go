package redisfrontier_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// handClock goes when it is told to.
type handClock struct{ ms atomic.Int64 }

func newHandClock() *handClock {
	c := &handClock{}
	c.ms.Store(time.Now().UnixMilli())
	return c
}

func (c *handClock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *handClock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// claimed claims n tasks, in as many calls as it takes; after each the frontier must be sound.
func claimed(t *testing.T, f *redisfrontier.Frontier, n int) (leases []*scheduler.Lease) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(leases) < n {
		got, err := f.Claim(ctx, n-len(leases))
		if err != nil {
			t.Fatalf("after %d of %d leases: %v", len(leases), n, err)
		}
		leases = append(leases, got...)
		soundly(t, f)
	}
	return leases
}

func TestExtendedLeaseOutlivesTheOthersOfItsClaim(t *testing.T) {
	t.Parallel()
	ctx, clock := context.Background(), newHandClock()
	f := openWith(t, dial(t, servers.Redis(t).URL), redisfrontier.Config{
		Crawl: "extended", Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 64}, Now: clock.now, Logger: quiet(),
	})
	if _, err := f.Push(ctx, someTasks(0, 8, 8)...); err != nil {
		t.Fatal(err)
	}
	first := claimed(t, f, 8)
	clock.advance(40 * time.Second)
	if err := f.Extend(ctx, first[2], first[5]); err != nil {
		t.Fatal(err)
	}
	soundly(t, f)

	clock.advance(20*time.Second - time.Millisecond)
	if err := f.Finish(ctx, scheduler.Result{Lease: first[0], Verdict: scheduler.Done()}); err != nil {
		t.Errorf("in the last millisecond of a lease: %v", err)
	}
	clock.advance(time.Millisecond)
	again := claimed(t, f, 5)
	for _, l := range again {
		if l.Expired != 1 || l.ID == first[2].ID || l.ID == first[5].ID {
			t.Errorf("a lease that expired %d times was handed out again, extended: %t", l.Expired, l.Expired == 0)
		}
	}
	var lost *scheduler.LostError
	err := f.Finish(ctx, scheduler.Result{Lease: first[1], Verdict: scheduler.Done()}, scheduler.Result{Lease: first[2], Verdict: scheduler.Done()})
	if !errors.As(err, &lost) || len(lost.Leases) != 1 || lost.Leases[0] != first[1] {
		t.Errorf("finish of one that expired and one that was extended: %v", err)
	}
	soundly(t, f)

	clock.advance(40 * time.Second) // the extended one ends
	if l := claimed(t, f, 1)[0]; l.ID != first[5].ID {
		t.Errorf("another lease expired than the one whose time was up")
	}
	if err := f.Finish(ctx, scheduler.Result{Lease: first[5], Verdict: scheduler.Done()}); !errors.As(err, &lost) {
		t.Errorf("finish of an extended lease that expired: %v", err)
	}
	soundly(t, f)
}

func TestLargeClaimExpiresInSteps(t *testing.T) {
	t.Parallel()
	const tasks = 500
	ctx, clock := context.Background(), newHandClock()
	f := openWith(t, dial(t, servers.Redis(t).URL), redisfrontier.Config{
		Crawl: "large", Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 64}, Now: clock.now, Logger: quiet(),
	})
	if _, err := f.Push(ctx, someTasks(0, tasks, 8)...); err != nil {
		t.Fatal(err)
	}
	var done []scheduler.Result
	kept := map[scheduler.Token]bool{}
	for i, l := range claimed(t, f, tasks) {
		if i%3 == 0 {
			done = append(done, scheduler.Result{Lease: l, Verdict: scheduler.Done()})
		} else {
			kept[l.Token] = true
		}
	}
	if err := f.Finish(ctx, done...); err != nil {
		t.Fatal(err)
	}
	soundly(t, f)
	clock.advance(time.Minute)
	for _, l := range claimed(t, f, len(kept)) {
		if l.Expired != 1 || kept[l.Token] {
			t.Fatalf("lease %d of a task that expired %d times", l.Token, l.Expired)
		}
	}
	s, err := f.Stats(ctx)
	if err != nil || s.Expired != int64(len(kept)) || s.Leased != int64(len(kept)) || s.Queued != 0 {
		t.Fatalf("%d leases were left to expire: %+v, %v", len(kept), s, err)
	}
}
