package frontiertest

import (
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func orderCases() []testCase {
	return []testCase{
		{"FIFOWithinPriority", fifoWithinPriority},
		{"HigherPriorityFirst", higherPriorityFirst},
		{"PrioritiesBeyondTheRangeAreClamped", prioritiesBeyondTheRangeAreClamped},
		{"LongestDueHostFirst", longestDueHostFirst},
		{"UrgentHostOvertakesWaitingHosts", urgentHostOvertakesWaitingHosts},
		{"UrgentTaskIsNotStuckBehindLowlyOnesElsewhere", urgentTaskIsNotStuckBehindLowlyOnesElsewhere},
		{"NoPriorityStarvesAHost", noPriorityStarvesAHost},
		{"NoHostStarves", noHostStarves},
	}
}

func fifoWithinPriority(r *rig) {
	f := r.open(Options{})
	batch := tasks("a.example", 300)
	r.push(f, batch[:100]...)
	r.push(f, batch[100:]...)
	for i, l := range r.all(f, 300) {
		r.is(l, batch[i])
	}
}

func higherPriorityFirst(r *rig) {
	f := r.open(Options{})
	var batch []scheduler.Task
	for p := scheduler.MinPriority; p <= scheduler.MaxPriority; p++ {
		batch = append(batch, withPriority(task("a.example", p), p))
	}
	r.push(f, batch...)
	for p := scheduler.MaxPriority; p >= scheduler.MinPriority; p-- {
		l := r.one(f)
		r.is(l, task("a.example", p))
		r.want("Priority", int64(l.Priority), int64(p))
	}
}

func prioritiesBeyondTheRangeAreClamped(r *rig) {
	f := r.open(Options{})
	r.push(f,
		withPriority(task("a.example", 0), scheduler.MinPriority),
		withPriority(task("a.example", 1), -1<<40),
		withPriority(task("a.example", 2), scheduler.MaxPriority),
		withPriority(task("a.example", 3), 1<<40),
	)
	for _, want := range []struct{ i, priority int }{
		{2, scheduler.MaxPriority}, {3, scheduler.MaxPriority}, {0, scheduler.MinPriority}, {1, scheduler.MinPriority},
	} {
		l := r.one(f)
		r.is(l, task("a.example", want.i))
		r.want("Priority", int64(l.Priority), int64(want.priority))
	}
}

func longestDueHostFirst(r *rig) {
	f := r.open(Options{Ordered: true})
	const hosts = 20
	for i := range hosts {
		r.push(f, task(fmt.Sprintf("h%d.example", (i*7)%hosts), i))
		r.advance(10 * time.Millisecond)
	}
	for i := range hosts {
		r.is(r.one(f), task(fmt.Sprintf("h%d.example", (i*7)%hosts), i))
	}
}

func urgentHostOvertakesWaitingHosts(r *rig) {
	f := r.open(Options{Ordered: true})
	// Due for 50 minutes, then overtaken by one level; due for 110, by two.
	r.push(f, withPriority(task("patient.example", 0), 0))
	r.advance(time.Hour)
	r.push(f, withPriority(task("waiting.example", 0), 0))
	r.advance(50 * time.Minute)
	r.push(f, withPriority(task("urgent.example", 0), 1), withPriority(task("urgent2.example", 0), 2))
	for _, host := range []string{"urgent2.example", "patient.example", "urgent.example", "waiting.example"} {
		r.is(r.one(f), task(host, 0))
	}

	// A host counts by the best of its tasks, also if that one came later.
	r.push(f, task("a.example", 0))
	r.advance(time.Second)
	r.push(f, task("b.example", 0), withPriority(task("b.example", 1), 5))
	r.is(r.one(f), task("b.example", 1))
	r.is(r.one(f), task("a.example", 0))
	r.is(r.one(f), task("b.example", 0))
	r.sound(f)
}

// urgentTaskIsNotStuckBehindLowlyOnesElsewhere holds for drivers that keep the order within partitions, too: they ask
// all partitions in turn, so the urgent task is served in the first round.
func urgentTaskIsNotStuckBehindLowlyOnesElsewhere(r *rig) {
	const hosts, each, batch = 300, 10, 16
	f := r.open(Options{})
	for h := range hosts {
		var lowly []scheduler.Task
		for i := range each {
			lowly = append(lowly, withPriority(task(fmt.Sprintf("lowly%d.example", h), i), -2))
		}
		r.push(f, lowly...)
	}
	r.advance(time.Minute)
	urgent := withPriority(task("urgent.example", 0), 3)
	r.push(f, urgent)
	for claimed := 0; claimed < hosts*each/10; {
		for _, l := range r.claim(f, batch) {
			if l.Host == urgent.Host {
				return
			}
			claimed++
			r.finish(f, scheduler.Done(), l)
		}
	}
	r.Errorf("the urgent task waits behind a tenth of the others")
}

func noPriorityStarvesAHost(r *rig) {
	f := r.open(Options{Ordered: true, Lease: 24 * time.Hour})
	lowly := withPriority(task("lowly.example", 0), scheduler.MinPriority)
	r.push(f, lowly)
	const levels = scheduler.MaxPriority - scheduler.MinPriority
	// Urgent work that never ends: two urgent hosts become due for each task that is claimed.
	for i := 0; ; i += 2 {
		for j := i; j < i+2; j++ {
			r.push(f, withPriority(task(fmt.Sprintf("urgent%d.example", j), j), scheduler.MaxPriority))
		}
		l := r.one(f)
		if l.Host == lowly.Host {
			// After k half hours the urgent task next in line became due at k/2 of them.
			if i < 8*levels-4 {
				r.Errorf("the lowly host overtook urgent ones after %d turns of half an hour", i/2)
			}
			break
		}
		if i > 8*levels+4 {
			r.Fatalf("the lowly host waits for ever")
		}
		r.finish(f, scheduler.Done(), l)
		r.advance(30 * time.Minute)
	}
}

func noHostStarves(r *rig) {
	const hosts, each, batch = 100, 5, 16
	f := r.open(Options{Ordered: true, Pace: scheduler.Pace{Delay: 10 * time.Millisecond, Concurrency: 1}})
	for i := range each {
		for h := range hosts {
			r.push(f, task(fmt.Sprintf("h%d.example", h), i))
		}
	}
	// Each host is asked once before any is asked twice, although those served are due again at the next claim.
	for round := range each {
		served := map[string]bool{}
		for len(served) < hosts {
			leases := r.claim(f, min(batch, hosts-len(served)))
			for _, l := range leases {
				if served[l.Host] {
					r.Fatalf("round %d: %s is served twice before %d others once", round, l.Host, hosts-len(served))
				}
				served[l.Host] = true
			}
			r.finish(f, scheduler.Done(), leases...)
			r.advance(100 * time.Millisecond)
		}
	}
	if !r.done(f) {
		r.Error("not done")
	}
}
