package frontiertest

import (
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func leaseCases() []testCase {
	return []testCase{
		{"LeasedTaskIsNotClaimedAgain", leasedTaskIsNotClaimedAgain},
		{"TokensGrow", tokensGrow},
		{"LateFinishIsRefused", lateFinishIsRefused},
		{"FinishTwiceIsHarmless", finishTwiceIsHarmless},
		{"LostResultsDoNotStopTheOthers", lostResultsDoNotStopTheOthers},
		{"InvalidVerdictIsRefused", invalidVerdictIsRefused},
		{"ExpiredLeaseComesBack", expiredLeaseComesBack},
		{"ExpiredLeaseFreesItsHost", expiredLeaseFreesItsHost},
		{"ExpiredTooOftenIsADeadLetter", expiredTooOftenIsADeadLetter},
		{"ExtendKeepsALease", extendKeepsALease},
		{"ExtendNamesTheLost", extendNamesTheLost},
	}
}

func leasedTaskIsNotClaimedAgain(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, task("a.example", 0))
	r.one(f)
	r.none(f)
	r.none(g)
	r.advance(lease - time.Second)
	r.none(g)
	r.want("Leased", r.stats(g).Leased, 1)
}

func tokensGrow(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 50)...)
	var last scheduler.Token
	for i := range 150 {
		l := r.one([]scheduler.Frontier{f, g}[i%2])
		if l.Token <= last {
			r.Fatalf("token %d after %d", l.Token, last)
		}
		last = l.Token
		r.finish(f, scheduler.Release(), l)
		if i%10 == 0 {
			r.advance(time.Millisecond)
		}
	}
}

func lateFinishIsRefused(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, task("a.example", 0))
	late := r.one(f)
	r.advance(lease + time.Second)
	current := r.one(g)
	for _, v := range []scheduler.Verdict{
		scheduler.Done(), scheduler.Retry(0, "x"), scheduler.Revisit(r.clock.Now()), scheduler.Release(),
		scheduler.Drop("x"), scheduler.Gone("x"), scheduler.Park("x"),
	} {
		r.lost(f.Finish(r.ctx, scheduler.Result{Lease: late, Verdict: v, Outcome: "late", Items: 1, Bytes: 1}), late)
	}
	s := r.stats(f)
	r.want("Leased", s.Leased, 1)
	r.want("Active", s.Active(), 1)
	r.want("Items", s.Items, 0)
	r.want("late outcomes", s.Outcomes["late"], 0)
	r.finish(g, scheduler.Done(), current)
	r.want("Done", r.stats(f).Done, 1)
	r.none(f)
	r.sound(f)
}

func finishTwiceIsHarmless(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	for _, l := range r.all(f, 2) {
		res := scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "ok", Items: 2, Bytes: 10}
		r.must(f.Finish(r.ctx, res))
		r.lost(f.Finish(r.ctx, res), l)
		res.Verdict = scheduler.Release()
		r.lost(f.Finish(r.ctx, res), l)
	}
	r.push(f, task("a.example", 2))
	l := r.one(f)
	res := scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "ok", Items: 2, Bytes: 10}
	r.lost(f.Finish(r.ctx, res, res), l)

	s := r.stats(f)
	r.want("Done", s.Done, 3)
	r.want("Leased", s.Leased, 0)
	r.want("Queued", s.Queued, 0)
	r.want("Items", s.Items, 6)
	r.want("Bytes", s.Bytes, 30)
	r.want("ok outcomes", s.Outcomes["ok"], 3)
	r.sound(f)
}

func lostResultsDoNotStopTheOthers(r *rig) {
	f := r.open(Options{})
	for i := range 10 {
		r.push(f, task(fmt.Sprintf("h%d.example", i), i))
	}
	leases := r.all(f, 10)
	r.finish(f, scheduler.Done(), leases[3], leases[7])
	results := make([]scheduler.Result, len(leases))
	for i, l := range leases {
		results[i] = scheduler.Result{Lease: l, Verdict: scheduler.Done()}
	}
	r.lost(f.Finish(r.ctx, results...), leases[3], leases[7])
	r.want("Done", r.stats(f).Done, 10)
	if !r.done(f) {
		r.Error("not done")
	}
}

func invalidVerdictIsRefused(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	leases := r.all(f, 2)
	err := f.Finish(r.ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()}, scheduler.Result{Lease: leases[1]})
	if err == nil {
		r.Fatal("the zero verdict is accepted")
	}
	// Nothing of the call took effect.
	r.want("Leased", r.stats(f).Leased, 2)
	r.finish(f, scheduler.Done(), leases...)
}

func expiredLeaseComesBack(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Concurrency: 1}})
	r.push(f, tasks("a.example", 3)...)
	for expired := range 3 {
		l := r.one(f)
		r.is(l, task("a.example", 0)) // in front of those that were pushed after it
		r.want("Lease.Expired", int64(l.Expired), int64(expired))
		r.want("Lease.Attempt", int64(l.Attempt), 1)
		r.advance(lease + time.Second)
	}
	r.is(r.one(f), task("a.example", 0))
	s := r.stats(f)
	r.want("Expired", s.Expired, 3)
	r.want("Retries", s.Retries, 0)
	r.want("Leased", s.Leased, 1)
	r.want("Queued", s.Queued, 2)
	r.sound(f)
}

func expiredLeaseFreesItsHost(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Concurrency: 2}})
	r.push(f, tasks("a.example", 4)...)
	r.all(f, 2)
	r.none(f)
	r.advance(lease + time.Second)
	leases := r.all(f, 2)
	r.none(f)
	r.finish(f, scheduler.Done(), leases...)
	r.all(f, 2)
	r.none(f)
	r.sound(f)
}

func expiredTooOftenIsADeadLetter(r *rig) {
	f := r.open(Options{MaxExpired: 2})
	poison := task("a.example", 0)
	r.push(f, poison)
	for range 3 {
		r.is(r.one(f), poison)
		r.advance(lease + time.Second)
	}
	r.none(f)
	s := r.stats(f)
	r.want("Dead", s.Dead, 1)
	r.want("Expired", s.Expired, 3)
	r.want("Active", s.Active(), 0)
	if !r.done(f) {
		r.Error("not done, although nothing but a dead letter is left")
	}
	r.sound(f)
	if u, ok := f.(scheduler.Undertaker); ok {
		letters := r.dead(u)
		if len(letters) != 1 || letters[0].Gone || letters[0].Why == "" || letters[0].Expired != 3 {
			r.Errorf("dead letters are %+v, want one that expired 3 times, with a reason", letters)
		}
	}
}

func extendKeepsALease(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	leases := r.all(f, 2)
	for range 5 {
		r.advance(lease * 2 / 3)
		before := leases[0].Deadline
		r.must(f.Extend(r.ctx, leases...))
		if !leases[0].Deadline.After(before) {
			r.Errorf("the deadline did not move")
		}
		r.none(g)
	}
	r.finish(f, scheduler.Done(), leases[0])
	// An extension is one lease time from now, not for ever.
	r.advance(lease + time.Second)
	r.is(r.one(g), task("a.example", 1))
	r.want("Expired", r.stats(f).Expired, 1)
	r.sound(f)
}

func extendNamesTheLost(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 3)...)
	leases := r.all(f, 3)
	r.advance(lease / 2)
	r.must(f.Extend(r.ctx, leases[1], leases[2]))
	r.finish(f, scheduler.Done(), leases[2])
	r.advance(lease/2 + time.Second)
	r.is(r.one(g), task("a.example", 0))
	before := leases[0].Deadline
	r.lost(f.Extend(r.ctx, leases...), leases[0], leases[2])
	if !leases[0].Deadline.Equal(before) {
		r.Error("the deadline of a lost lease moved")
	}
	// The one that was held got its full time.
	r.advance(lease - time.Second)
	r.finish(f, scheduler.Done(), leases[1])
}
