package frontiertest

import (
	"errors"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func verdictCases() []testCase {
	return []testCase{
		{"ReleaseDoesNotCountAsAttempt", releaseDoesNotCountAsAttempt},
		{"ReleasedTaskIsNext", releasedTaskIsNext},
		{"RetryCountsAttemptAndWaits", retryCountsAttemptAndWaits},
		{"RetryAtOnceIsClaimable", retryAtOnceIsClaimable},
		{"DropIsADeadLetterWithReason", dropIsADeadLetterWithReason},
		{"GoneIsADeadLinkNotAFailure", goneIsADeadLinkNotAFailure},
		{"RevisitComesWhenDueAndIsNotWork", revisitComesWhenDueAndIsNotWork},
		{"RevisitsDueAtOnceAllCome", revisitsDueAtOnceAllCome},
		{"ParkedComesBackOnlyByUnpark", parkedComesBackOnlyByUnpark},
		{"OutcomesAreCountedOnce", outcomesAreCountedOnce},
	}
}

func (r *rig) dead(u scheduler.Undertaker) []scheduler.DeadLetter {
	r.Helper()
	var letters []scheduler.DeadLetter
	r.must(u.Dead(r.ctx, func(d scheduler.DeadLetter) bool {
		letters = append(letters, d)
		return true
	}))
	return letters
}

func releaseDoesNotCountAsAttempt(r *rig) {
	f := r.open(Options{})
	r.push(f, task("a.example", 0))
	for range 5 {
		l := r.one(f)
		r.want("Attempt", int64(l.Attempt), 1)
		r.want("Expired", int64(l.Expired), 0)
		r.finish(f, scheduler.Release(), l)
	}
	s := r.stats(f)
	r.want("Queued", s.Queued, 1)
	r.want("Leased", s.Leased, 0)
	r.want("Retries", s.Retries, 0)
	r.want("Done", s.Done, 0)
	r.want("Expired", s.Expired, 0)
	r.sound(f)
}

func releasedTaskIsNext(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 5)...)
	l := r.one(f)
	r.one(f)
	r.finish(f, scheduler.Release(), l)
	r.is(r.one(f), task("a.example", 0))
	r.is(r.one(f), task("a.example", 2))
}

func retryCountsAttemptAndWaits(r *rig) {
	f := r.open(Options{})
	r.push(f, withPriority(task("a.example", 0), 2))
	for attempt := 1; attempt <= 4; attempt++ {
		l := r.one(f)
		r.is(l, task("a.example", 0))
		r.want("Attempt", int64(l.Attempt), int64(attempt))
		r.want("Priority", int64(l.Priority), 2)
		r.finish(f, scheduler.Retry(10*time.Second, "timeout"), l)
		s := r.stats(f)
		r.want("Delayed", s.Delayed, 1)
		r.want("Leased", s.Leased, 0)
		r.want("Retries", s.Retries, int64(attempt))
		r.want("Done", s.Done, 0)
		if r.done(f) {
			r.Error("done, although a retry is to come")
		}
		r.advance(9 * time.Second)
		r.none(f)
		r.advance(2 * time.Second)
	}
	// An attempt survives an expired lease.
	r.one(f)
	r.advance(lease + time.Second)
	l := r.one(f)
	r.want("Attempt", int64(l.Attempt), 5)
	r.want("Expired", int64(l.Expired), 1)
	r.sound(f)
}

func retryAtOnceIsClaimable(r *rig) {
	f := r.open(Options{})
	r.push(f, task("a.example", 0))
	for _, after := range []time.Duration{0, -time.Hour} {
		r.finish(f, scheduler.Retry(after, "reset"), r.one(f))
	}
	r.want("Attempt", int64(r.one(f).Attempt), 3)
}

func dropIsADeadLetterWithReason(r *rig) {
	f := r.open(Options{})
	dropped := withPriority(task("a.example", 0), -3)
	r.push(f, dropped)
	r.finish(f, scheduler.Retry(0, "timeout"), r.one(f))
	l := r.one(f)
	why := "host answers 503: \"gave up\"\nafter 2 attempts, \x00 ünïcode"
	r.must(f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Drop(why), Status: 503, Outcome: "http_503"}))
	r.none(f)
	s := r.stats(f)
	r.want("Dead", s.Dead, 1)
	r.want("Gone", s.Gone, 0)
	r.want("Done", s.Done, 1)
	r.want("Active", s.Active(), 0)
	if !r.done(f) {
		r.Error("not done")
	}
	r.sound(f)

	letters := r.dead(extra[scheduler.Undertaker](r, f))
	if len(letters) != 1 {
		r.Fatalf("%d dead letters, want 1", len(letters))
	}
	d := letters[0]
	if d.Gone || d.Why != why || d.Status != 503 || d.Attempt != 2 || d.Expired != 0 || !d.At.Equal(r.clock.Now()) {
		r.Errorf("dead letter is %+v", d)
	}
	if d.Host != dropped.Host || string(d.Payload) != string(dropped.Payload) || d.Priority != -3 || d.ID.Short() != dropped.ID.Short() {
		r.Errorf("dead letter holds task %+v, want %+v", d.Task, dropped)
	}
}

func goneIsADeadLinkNotAFailure(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 3)...)
	leases := r.all(f, 3)
	r.must(f.Finish(r.ctx,
		scheduler.Result{Lease: leases[0], Verdict: scheduler.Gone("404 Not Found"), Status: 404},
		scheduler.Result{Lease: leases[1], Verdict: scheduler.Drop("no"), Status: 500},
		scheduler.Result{Lease: leases[2], Verdict: scheduler.Gone("410 Gone"), Status: 410},
	))
	s := r.stats(f)
	r.want("Gone", s.Gone, 2)
	r.want("Dead", s.Dead, 1)
	r.want("Done", s.Done, 3)
	r.sound(f)

	u := extra[scheduler.Undertaker](r, f)
	letters := r.dead(u)
	if len(letters) != 3 || letters[0].Gone || !letters[1].Gone || !letters[2].Gone {
		r.Fatalf("dead letters, then dead links: got %+v", letters)
	}
	status := letters[1].Status + letters[2].Status
	r.want("sum of the statuses of the dead links", int64(status), 404+410)
	// Listing stops when told.
	calls := 0
	r.must(u.Dead(r.ctx, func(scheduler.DeadLetter) bool { calls++; return false }))
	r.want("calls of yield that said stop", int64(calls), 1)
}

func revisitComesWhenDueAndIsNotWork(r *rig) {
	f := r.open(Options{})
	again := withPriority(task("a.example", 0), 1)
	r.push(f, again)
	r.finish(f, scheduler.Retry(0, "timeout"), r.one(f))
	for visit := range 3 {
		l := r.one(f)
		r.is(l, again)
		if visit > 0 {
			r.want("Attempt", int64(l.Attempt), 1)
		}
		r.want("Priority", int64(l.Priority), 1)
		due := r.clock.Now().Add(time.Hour)
		r.finish(f, scheduler.Revisit(due), l)
		s := r.stats(f)
		r.want("Scheduled", s.Scheduled, 1)
		r.want("Done", s.Done, int64(visit+1))
		r.want("Active", s.Active(), 0)
		if !r.done(f) {
			r.Error("a scheduled revisit counts as work")
		}
		r.advance(time.Hour - time.Second)
		r.none(f)
		r.advance(time.Second + time.Minute) // drivers may round up to the next minute
	}
	r.is(r.one(f), again)
	s := r.stats(f)
	r.want("Scheduled", s.Scheduled, 0)
	r.want("Leased", s.Leased, 1)
	if r.done(f) {
		r.Error("done while a revisit runs")
	}
	r.sound(f)
}

// revisitsDueAtOnceAllCome has as many as drivers take at a time, several times over, and leaves nothing of them behind.
func revisitsDueAtOnceAllCome(r *rig) {
	f := r.open(Options{Ordered: true})
	const n = 300
	r.push(f, tasks("a.example", n)...)
	r.finish(f, scheduler.Revisit(r.clock.Now().Add(time.Hour)), r.all(f, n)...)
	r.advance(2 * time.Hour)
	r.finish(f, scheduler.Done(), r.all(f, n)...)
	r.none(f)
	r.want("Scheduled", r.stats(f).Scheduled, 0)
	r.sound(f)
}

func parkedComesBackOnlyByUnpark(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 3)...)
	leases := r.all(f, 3)
	r.finish(f, scheduler.Park("route detail"), leases[0], leases[1])
	r.finish(f, scheduler.Park("route \"list\""), leases[2])
	r.advance(240 * time.Hour)
	r.none(f)
	s := r.stats(f)
	r.want("Parked", s.Parked, 3)
	r.want("Active", s.Active(), 0)
	r.want("Done", s.Done, 0)
	if !r.done(f) {
		r.Error("parked tasks count as work")
	}
	r.sound(f)

	p := extra[scheduler.Parker](r, f)
	parked, err := p.Parked(r.ctx)
	r.must(err)
	if len(parked) != 2 || parked["route detail"] != 2 || parked["route \"list\""] != 1 {
		r.Errorf("parked are %v", parked)
	}
	n, err := p.Unpark(r.ctx, "no such label")
	r.must(err)
	r.want("unparked", int64(n), 0)
	r.none(f)
	n, err = p.Unpark(r.ctx, "route detail", "no such label")
	r.must(err)
	r.want("unparked", int64(n), 2)
	for _, l := range r.all(f, 2) {
		r.want("Attempt", int64(l.Attempt), 1)
		if string(l.Payload) == string(leases[2].Payload) {
			r.Errorf("%s came back under another's label", l.Payload)
		}
	}
	r.none(f)
	r.want("Parked", r.stats(f).Parked, 1)
	r.sound(f)
}

func outcomesAreCountedOnce(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 4)...)
	leases := r.all(f, 4)
	results := []scheduler.Result{
		{Lease: leases[0], Verdict: scheduler.Done(), Outcome: "ok", Items: 3, Bytes: 1 << 33},
		{Lease: leases[1], Verdict: scheduler.Retry(0, "x"), Outcome: "http_503", Bytes: 5},
		{Lease: leases[2], Verdict: scheduler.Done(), Outcome: "ok", Items: 1},
		{Lease: leases[3], Verdict: scheduler.Release()},
	}
	r.must(f.Finish(r.ctx, results...))
	r.lost(g.Finish(r.ctx, results...), leases...)
	s := r.stats(g)
	r.want("ok", s.Outcomes["ok"], 2)
	r.want("http_503", s.Outcomes["http_503"], 1)
	r.want("number of outcomes", int64(len(s.Outcomes)), 2)
	r.want("Items", s.Items, 4)
	r.want("Bytes", s.Bytes, 1<<33+5)

	r.push(f, task("b.example", 0))
	for _, bad := range []string{"Has Space", "ünïcode", strings.Repeat("x", 65)} {
		var lost *scheduler.LostError
		l := r.all(f, 1)[0]
		err := f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: bad})
		if err == nil || errors.As(err, &lost) {
			r.Errorf("outcome %q: error %v, want it to be refused", bad, err)
		}
		r.finish(f, scheduler.Release(), l)
	}
}
