package frontiertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func crawlCases() []testCase {
	return []testCase{
		{"PauseHandsOutNothing", pauseHandsOutNothing},
		{"ResumeWakesWaitingClaims", resumeWakesWaitingClaims},
		{"PurgeLeavesNothingBehind", purgeLeavesNothingBehind},
		{"PurgedCrawlIsNotResurrected", purgedCrawlIsNotResurrected},
		{"PurgeEndsWaitingClaims", purgeEndsWaitingClaims},
	}
}

func pauseHandsOutNothing(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Pauser](r, f)
	r.push(f, tasks("a.example", 4)...)
	leases := r.all(g, 2)
	r.must(p.Pause(r.ctx))
	r.must(p.Pause(r.ctx))
	if !r.stats(g).Paused {
		r.Error("Stats does not say that the crawl is paused")
	}
	r.none(f)
	r.none(g)
	// Leases go on, and so does pushing.
	r.must(g.Extend(r.ctx, leases...))
	r.finish(g, scheduler.Done(), leases[0])
	r.finish(g, scheduler.Release(), leases[1])
	r.push(g, task("b.example", 0))
	r.none(g)
	r.none(r.open(Options{})) // a worker that comes later
	if r.done(f) {
		r.Error("a paused crawl with work left is done")
	}
	r.must(p.Resume(r.ctx))
	r.must(p.Resume(r.ctx))
	if r.stats(f).Paused {
		r.Error("Stats says that the crawl is paused still")
	}
	r.all(g, 4)
	r.sound(f)
}

func resumeWakesWaitingClaims(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Pauser](r, f)
	r.must(p.Pause(r.ctx))
	answer := r.waiting(g)
	r.push(f, task("a.example", 0))
	r.still(answer)
	r.must(p.Resume(r.ctx))
	r.is(r.served(answer), task("a.example", 0))
}

// fillEveryState leaves something of each kind in the crawl.
func (r *rig) fillEveryState(f scheduler.Frontier) {
	r.Helper()
	for i := range 12 {
		r.push(f, task(fmt.Sprintf("h%d.example", i), i))
	}
	leases := r.all(f, 8)
	for i, v := range []scheduler.Verdict{
		scheduler.Done(), scheduler.Retry(time.Minute, "x"), scheduler.Revisit(r.clock.Now().Add(time.Minute)),
		scheduler.Release(), scheduler.Drop("x"), scheduler.Gone("x"), scheduler.Park("x"),
	} {
		res := scheduler.Result{Lease: leases[i], Verdict: v, Outcome: "ok", Items: 1, Bytes: 1}
		r.must(f.Finish(r.ctx, res))
	}
	r.must(f.Hold(r.ctx, "h0.example", r.clock.Now().Add(time.Hour)))
	r.must(f.SetPace(r.ctx, "h1.example", scheduler.Pace{Delay: time.Hour}))
	if m, ok := f.(scheduler.Memo); ok {
		r.must(m.Save(r.ctx, "h2.example", "robots", []byte("x"), time.Hour))
	}
	if g, ok := f.(scheduler.Registry); ok {
		_, err := g.Heartbeat(r.ctx, scheduler.WorkerInfo{ID: "w"}, time.Hour)
		r.must(err)
	}
}

func purgeLeavesNothingBehind(r *rig) {
	f := r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	r.fillEveryState(f)
	r.must(p.Purge(r.ctx))

	fresh := r.open(Options{})
	s := r.stats(fresh)
	if len(s.Outcomes) != 0 {
		r.Errorf("outcomes left: %v", s.Outcomes)
	}
	s.Outcomes = nil
	if got := fmt.Sprintf("%+v", s); got != fmt.Sprintf("%+v", scheduler.Stats{}) {
		r.Errorf("a crawl made anew has %s", got)
	}
	r.none(fresh)
	if u, ok := fresh.(scheduler.Undertaker); ok {
		r.want("dead letters", int64(len(r.dead(u))), 0)
	}
	if p, ok := fresh.(scheduler.Parker); ok {
		parked, err := p.Parked(r.ctx)
		r.must(err)
		r.want("labels parked", int64(len(parked)), 0)
	}
	if m, ok := fresh.(scheduler.Memo); ok {
		_, found, err := m.Load(r.ctx, "h2.example", "robots")
		r.must(err)
		if found {
			r.Error("a memo is left")
		}
	}
	if g, ok := fresh.(scheduler.Registry); ok {
		workers, err := g.Workers(r.ctx)
		r.must(err)
		r.want("workers", int64(len(workers)), 0)
	}
	// What was seen, held or slowed down is not any more.
	for i := range 12 {
		r.push(fresh, task(fmt.Sprintf("h%d.example", i), i))
	}
	r.push(fresh, task("h1.example", 99))
	r.all(fresh, 13)
	r.advance(48 * time.Hour)
	r.all(fresh, 13) // expired; and nothing of the old crawl has come due with them
	r.none(fresh)
	r.sound(fresh)
}

func purgedCrawlIsNotResurrected(r *rig) {
	f, late := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	r.push(f, tasks("a.example", 3)...)
	leases := r.all(late, 2)
	r.must(p.Purge(r.ctx))

	refused := func(when string) {
		r.Helper()
		_, pushErr := late.Push(r.ctx, task("a.example", 9))
		_, claimErr := late.Claim(r.ctx, 1)
		_, statsErr := late.Stats(r.ctx)
		_, doneErr := late.Done(r.ctx)
		for name, err := range map[string]error{
			"Push": pushErr, "Claim": claimErr, "Stats": statsErr, "Done": doneErr,
			"Extend":   late.Extend(r.ctx, leases...),
			"Finish":   late.Finish(r.ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Release()}),
			"Hold":     late.Hold(r.ctx, "a.example", r.clock.Now().Add(time.Hour)),
			"SetPace":  late.SetPace(r.ctx, "a.example", scheduler.Pace{Delay: time.Hour}),
			"WaitDone": late.WaitDone(r.ctx),
		} {
			var lost *scheduler.LostError
			if (name == "Finish" || name == "Extend") && errors.As(err, &lost) {
				continue // true as well
			}
			if !errors.Is(err, scheduler.ErrNoCrawl) {
				r.Errorf("%s %s: %v, want ErrNoCrawl", name, when, err)
			}
		}
	}
	refused("after the purge")
	fresh := r.open(Options{})
	r.push(fresh, task("a.example", 0))
	refused("after the crawl was made anew")
	s := r.stats(fresh)
	r.want("Queued", s.Queued, 1)
	r.want("Seen", s.Seen, 1)
	r.want("Leased", s.Leased, 0)
	r.is(r.one(fresh), task("a.example", 0))
	r.none(fresh)
	r.sound(fresh)
}

func purgeEndsWaitingClaims(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	answer := r.waiting(g)
	r.still(answer)
	r.must(p.Purge(r.ctx))
	if c := <-answer; !errors.Is(c.err, scheduler.ErrNoCrawl) {
		r.Errorf("waiting claim of a purged crawl: %v, want ErrNoCrawl", c.err)
	}
}
