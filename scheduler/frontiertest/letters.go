package frontiertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func letterCases() []testCase {
	return []testCase{
		{"LetterTellsFirstAndLastTime", letterTellsFirstAndLastTime},
		{"ReplayedLetterIsAFirstAttempt", replayedLetterIsAFirstAttempt},
		{"ReplayTakesOnlyWhatIsMeant", replayTakesOnlyWhatIsMeant},
		{"ReplayedTwiceAtOnceIsQueuedOnce", replayedTwiceAtOnceIsQueuedOnce},
		{"ReplayWakesWaitingClaims", replayWakesWaitingClaims},
		{"ReplayLosesNothingUnderFlakyConnection", replayLosesNothingUnderFlakyConnection},
		{"ForgottenLettersAreStruckOff", forgottenLettersAreStruckOff},
		{"LettersBeyondTheCapStayCounted", lettersBeyondTheCapStayCounted},
	}
}

func letterTellsFirstAndLastTime(r *rig) {
	f := r.open(Options{MaxExpired: 2})
	u := extra[scheduler.Undertaker](r, f)
	r.push(f, task("at-once.example", 0))
	r.finish(f, scheduler.Drop("x"), r.one(f))

	r.push(f, task("retried.example", 0))
	r.finish(f, scheduler.Retry(0, "x"), r.one(f))
	retried := r.clock.Now().Truncate(time.Second)
	for range 2 {
		r.advance(5 * time.Second)
		r.finish(f, scheduler.Retry(0, "x"), r.one(f))
	}
	r.advance(5 * time.Second)
	r.finish(f, scheduler.Release(), r.one(f))
	r.finish(f, scheduler.Gone("x"), r.one(f))

	r.push(f, task("expired.example", 0))
	r.one(f)
	r.advance(lease + time.Second)
	expired := r.clock.Now().Truncate(time.Second)
	r.finish(f, scheduler.Park("x"), r.one(f))
	_, err := extra[scheduler.Parker](r, f).Unpark(r.ctx, "x")
	r.must(err)
	for range 2 {
		r.one(f)
		r.advance(lease + time.Second)
	}
	r.none(f)
	letters := map[string]scheduler.DeadLetter{}
	for _, d := range r.dead(u) {
		letters[d.Host] = d
	}
	if d := letters["at-once.example"]; !d.First.IsZero() || d.At.IsZero() {
		r.Errorf("dropped at once: %+v", d)
	}
	if d := letters["retried.example"]; !d.First.Equal(retried) || d.At.Sub(retried).Truncate(time.Second) != 15*time.Second || d.Attempt != 4 {
		r.Errorf("failed at %v, 5s, 10s and 15s later: %+v", retried, d)
	}
	if d := letters["expired.example"]; !d.First.Equal(expired) || !d.At.Equal(r.clock.Now()) || d.Expired != 3 {
		r.Errorf("expired from %v to %v: %+v", expired, r.clock.Now(), d)
	}

	// What was revisited begins anew.
	r.push(f, task("again.example", 0))
	r.finish(f, scheduler.Retry(0, "x"), r.one(f))
	r.finish(f, scheduler.Revisit(r.clock.Now().Add(time.Minute)), r.one(f))
	r.advance(3 * time.Minute)
	r.finish(f, scheduler.Drop("x"), r.one(f))
	for _, d := range r.dead(u) {
		if d.Host == "again.example" && (!d.First.IsZero() || d.Attempt != 1) {
			r.Errorf("failed before it was revisited: %+v", d)
		}
	}
	r.sound(f)
}

func replayedLetterIsAFirstAttempt(r *rig) {
	f := r.open(Options{})
	u := extra[scheduler.Undertaker](r, f)
	for _, v := range []scheduler.Verdict{scheduler.Drop("x"), scheduler.Gone("x")} {
		t := withPriority(task(string(v.Kind+'a')+".example", 0), 3)
		r.push(f, t)
		r.one(f)
		r.advance(lease + time.Second)
		r.finish(f, scheduler.Retry(0, "x"), r.one(f))
		r.finish(f, v, r.one(f))
		if !r.done(f) {
			r.Error("not done")
		}

		n, err := u.Replay(r.ctx, scheduler.Letters{})
		r.must(err)
		r.want("replayed", int64(n), 1)
		s := r.stats(f)
		r.want("Dead", s.Dead, 0)
		r.want("Gone", s.Gone, 0)
		r.want("Queued", s.Queued, 1)
		r.want("letters", int64(len(r.dead(u))), 0)
		if r.done(f) {
			r.Error("done, although a letter was replayed")
		}
		r.sound(f)
		added, err := f.Push(r.ctx, t) // it is seen still
		r.must(err)
		r.want("added", int64(added), 0)

		l := r.one(f)
		r.is(l, t)
		r.want("Attempt", int64(l.Attempt), 1)
		r.want("Expired", int64(l.Expired), 0)
		r.want("Priority", int64(l.Priority), 3)
		r.finish(f, v, l)
		if d := r.dead(u); len(d) != 1 || d[0].Attempt != 1 || d[0].Expired != 0 || !d[0].First.IsZero() {
			r.Errorf("given up again: %+v", d)
		}
		_, err = u.Forget(r.ctx, scheduler.Letters{})
		r.must(err)
		r.sound(f)
	}
}

// letters gives up n tasks a host, a minute between any two: those of even hosts as dead letters, the others as dead
// links, with statuses and reasons in turn.
func (r *rig) letters(f scheduler.Frontier, hosts, n int) {
	r.Helper()
	for h := range hosts {
		for i := range n {
			host := fmt.Sprintf("h%d.example", h)
			r.push(f, task(host, i))
			why := fmt.Sprintf("reason %d of %s", i%3, host)
			v := scheduler.Drop(why)
			if h%2 == 1 {
				v = scheduler.Gone(why)
			}
			r.must(f.Finish(r.ctx, scheduler.Result{Lease: r.one(f), Verdict: v, Status: 500 + i%4}))
			r.advance(time.Minute)
		}
	}
}

func replayTakesOnlyWhatIsMeant(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	u := extra[scheduler.Undertaker](r, f)
	start := r.clock.Now()
	const hosts, each = 6, 40
	r.letters(f, hosts, each)
	left := r.dead(u)
	r.want("letters", int64(len(left)), hosts*each)
	queued := int64(0)
	for _, which := range []scheduler.Letters{
		{Host: "h9.example"},
		{Status: 501, Host: "h0.example"},
		{Failed: true, Why: "reason 2 of h"},
		{Links: true, Before: start.Add(60 * time.Minute)},
		{After: start.Add(200 * time.Minute), Status: 503},
		{Why: "h4.example"},
		{Links: true},
		{},
	} {
		var kept []scheduler.DeadLetter
		want := 0
		for _, d := range left {
			if which.Match(&d) {
				want++
			} else {
				kept = append(kept, d)
			}
		}
		n, err := extra[scheduler.Undertaker](r, g).Replay(r.ctx, which)
		r.must(err)
		r.want(fmt.Sprintf("replayed by %+v", which), int64(n), int64(want))
		left, queued = r.dead(u), queued+int64(want)
		if fmt.Sprint(left) != fmt.Sprint(kept) {
			r.Errorf("after %+v these are left:\n%v\nwant\n%v", which, left, kept)
		}
		s := r.stats(f)
		r.want("Queued", s.Queued, queued)
		r.want("Dead and Gone", s.Dead+s.Gone, int64(len(left)))
		r.sound(f)
	}
	r.want("replayed in all", queued, hosts*each)
	got := map[string]bool{}
	for _, l := range r.all(f, hosts*each) {
		got[string(l.Payload)] = true
	}
	r.want("different tasks", int64(len(got)), hosts*each)
}

func replayedTwiceAtOnceIsQueuedOnce(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	extra[scheduler.Undertaker](r, f)
	const hosts, each = 4, 60
	r.letters(f, hosts, each)
	var total atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		u := extra[scheduler.Undertaker](r, []scheduler.Frontier{f, g}[i%2])
		wg.Go(func() {
			n, err := u.Replay(r.ctx, scheduler.Letters{})
			if err != nil {
				r.Errorf("replay: %v", err)
			}
			total.Add(int64(n))
		})
	}
	wg.Wait()
	r.want("replayed by all", total.Load(), hosts*each)
	s := r.stats(f)
	r.want("Queued", s.Queued, hosts*each)
	r.want("Dead", s.Dead, 0)
	r.want("Gone", s.Gone, 0)
	r.sound(f)
}

func replayWakesWaitingClaims(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	u := extra[scheduler.Undertaker](r, f)
	r.push(f, task("a.example", 0))
	r.finish(f, scheduler.Drop("x"), r.one(f))
	answer := r.waiting(g)
	r.still(answer)
	_, err := u.Replay(r.ctx, scheduler.Letters{})
	r.must(err)
	r.is(r.served(answer), task("a.example", 0))
}

func replayLosesNothingUnderFlakyConnection(r *rig) {
	sure := r.open(Options{})
	extra[scheduler.Undertaker](r, sure)
	const hosts, each = 8, 40
	r.letters(sure, hosts, each)
	commands := faults{every: 3, rand: rand.New(rand.NewPCG(5, 5))}
	var bad atomic.Bool
	f := r.open(Options{Fault: func() Fault {
		if !bad.Load() {
			return NoFault
		}
		return commands.draw()
	}})
	bad.Store(true)
	u := extra[scheduler.Undertaker](r, f)
	for _, which := range []scheduler.Letters{{Status: 500}, {Status: 501, Links: true}, {Failed: true}, {}} {
		r.must(repeat(r.ctx, func() error { _, err := u.Replay(r.ctx, which); return err }))
		s := r.stats(sure)
		r.want("letters and queued", s.Dead+s.Gone+s.Queued, hosts*each)
		r.sound(sure)
	}
	bad.Store(false)
	r.want("Queued", r.stats(sure).Queued, hosts*each)
	got := map[string]bool{}
	for _, l := range r.all(sure, hosts*each) {
		got[string(l.Payload)] = true
	}
	r.want("different tasks", int64(len(got)), hosts*each)
	r.none(sure)
}

func forgottenLettersAreStruckOff(r *rig) {
	f := r.open(Options{})
	u := extra[scheduler.Undertaker](r, f)
	r.letters(f, 2, 30)
	n, err := u.Forget(r.ctx, scheduler.Letters{Host: "h0.example", Status: 502})
	r.must(err)
	r.want("forgotten", int64(n), 7)
	s := r.stats(f)
	r.want("Dead", s.Dead, 23)
	r.want("Gone", s.Gone, 30)
	r.sound(f)
	n, err = u.Forget(r.ctx, scheduler.Letters{})
	r.must(err)
	r.want("forgotten", int64(n), 53)
	s = r.stats(f)
	r.want("Dead and Gone", s.Dead+s.Gone, 0)
	r.want("letters", int64(len(r.dead(u))), 0)
	r.want("Done", s.Done, 60)
	r.none(f)
	added, err := f.Push(r.ctx, tasks("h0.example", 30)...)
	r.must(err)
	r.want("added", int64(added), 0)
	r.sound(f)
}

func lettersBeyondTheCapStayCounted(r *rig) {
	f := r.open(Options{Ordered: true, Pace: scheduler.Pace{Concurrency: 1000}})
	u := extra[scheduler.Undertaker](r, f)
	const most, more = 10_000, 30
	for i := 0; i < most+more; i += 590 {
		var batch []scheduler.Task
		for k := range min(590, most+more-i) {
			batch = append(batch, task("a.example", i+k))
		}
		r.push(f, batch...)
		r.finish(f, scheduler.Drop("x"), r.all(f, len(batch))...)
	}
	r.want("Dead", r.stats(f).Dead, most+more)
	r.sound(f)
	n, err := u.Forget(r.ctx, scheduler.Letters{Host: "b.example"})
	r.must(err)
	r.want("forgotten of another host", int64(n), 0)
	n, err = u.Replay(r.ctx, scheduler.Letters{})
	r.must(err)
	r.want("replayed", int64(n), most)
	s := r.stats(f)
	r.want("Dead", s.Dead, more)
	r.want("Queued", s.Queued, most)
	r.sound(f)
	// There is room again.
	r.finish(f, scheduler.Drop("x"), r.all(f, 100)...)
	r.want("Dead", r.stats(f).Dead, more+100)
	r.want("letters", int64(len(r.dead(u))), 100)
	r.sound(f)
}
