package frontiertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func steerCases() []testCase {
	return []testCase{
		{"HostChangesPriorityInOrder", hostChangesPriorityInOrder},
		{"LevelChangesPriorityOnAllHosts", levelChangesPriorityOnAllHosts},
		{"LongQueueChangesPriorityInOrder", longQueueChangesPriorityInOrder},
		{"RaisedHostOvertakesOthers", raisedHostOvertakesOthers},
		{"PurgedHostIsGone", purgedHostIsGone},
		{"PurgedHostLeavesLongListsInOrder", purgedHostLeavesLongListsInOrder},
		{"PurgedHostKeepsItsPace", purgedHostKeepsItsPace},
		{"PurgeOfTheLastHostEndsTheCrawl", purgeOfTheLastHostEndsTheCrawl},
		{"PurgedCrawlIsNotSteered", purgedCrawlIsNotSteered},
	}
}

func (r *rig) reprioritize(f scheduler.Frontier, host string, from, to, want int) {
	r.Helper()
	n, err := extra[scheduler.Steerer](r, f).Reprioritize(r.ctx, host, from, to)
	r.must(err)
	r.want(fmt.Sprintf("tasks of %q moved from %d to %d", host, from, to), int64(n), int64(want))
}

// order asserts that the tasks of a host are claimed in this order, with these priorities.
func (r *rig) order(f scheduler.Frontier, want ...scheduler.Task) {
	r.Helper()
	for _, t := range want {
		l := r.one(f)
		r.is(l, t)
		r.want("Priority of "+string(l.Payload), int64(l.Priority), int64(t.Priority))
	}
}

func hostChangesPriorityInOrder(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	a := func(i, priority int) scheduler.Task { return withPriority(task("a.example", i), priority) }
	r.push(f, a(0, 0), a(1, 5), a(2, 0), a(3, 0), a(4, 5), a(5, -1))
	r.reprioritize(g, "a.example", 0, 5, 3)
	r.reprioritize(g, "a.example", 0, 5, 0)
	r.reprioritize(g, "a.example", 5, 5, 0)
	r.reprioritize(g, "c.example", 5, 0, 0)
	r.sound(f)
	// To where there is none, and back again; beyond the range is its end.
	r.reprioritize(g, "a.example", 5, -3, 5)
	r.reprioritize(g, "a.example", -3, 1<<40, 5)
	r.sound(f)
	high := scheduler.MaxPriority
	r.want("Queued", r.stats(f).Queued, 6)
	r.order(f, a(1, high), a(4, high), a(0, high))
	r.reprioritize(g, "a.example", -1, high, 1) // behind those that are there
	r.order(f, a(2, high), a(3, high), a(5, high))
	r.none(f)
	r.push(f, task("b.example", 0))
	r.reprioritize(g, "a.example", 0, 3, 0)
	r.order(f, task("b.example", 0))
	r.reprioritize(g, "a.example", high, 0, 0) // what is leased keeps its own
	r.sound(f)
}

func levelChangesPriorityOnAllHosts(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	extra[scheduler.Steerer](r, f)
	const hosts = 700
	var batch []scheduler.Task
	for h := range hosts {
		host := fmt.Sprintf("h%d.example", h)
		batch = append(batch, task(host, 0), withPriority(task(host, 1), 4), withPriority(task(host, 2), -2))
	}
	r.push(f, batch...)
	r.reprioritize(g, "", 0, 4, hosts)
	r.reprioritize(g, "", -2, -5, hosts)
	r.reprioritize(g, "", 0, 4, 0)
	r.sound(f)
	next := map[string][]int{}
	for _, l := range r.all(f, 3*hosts) {
		next[l.Host] = append(next[l.Host], l.Priority)
		want := []scheduler.Task{task(l.Host, 1), task(l.Host, 0), task(l.Host, 2)}[len(next[l.Host])-1]
		r.is(l, want)
	}
	for host, priorities := range next {
		if fmt.Sprint(priorities) != "[4 4 -5]" {
			r.Errorf("priorities of %s are %v", host, priorities)
		}
	}
}

func longQueueChangesPriorityInOrder(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Concurrency: 10_000}})
	extra[scheduler.Steerer](r, f)
	const n = 2600
	batch := tasks("a.example", n)
	r.push(f, batch...)
	r.push(f, withPriority(task("a.example", n), 2), withPriority(task("a.example", n+1), 1))
	r.reprioritize(f, "a.example", 0, 2, n)
	r.sound(f)
	leases := r.all(f, n+2)
	r.is(leases[0], task("a.example", n))
	for i := range batch {
		r.is(leases[1+i], batch[i])
	}
	r.is(leases[n+1], task("a.example", n+1))
	r.sound(f)
}

func raisedHostOvertakesOthers(r *rig) {
	f := r.open(Options{Ordered: true})
	extra[scheduler.Steerer](r, f)
	for i := range 5 {
		r.push(f, task(fmt.Sprintf("h%d.example", i), i))
		r.advance(time.Millisecond)
	}
	r.reprioritize(f, "h3.example", 0, 1, 1)
	r.reprioritize(f, "h0.example", 0, -1, 1)
	for _, i := range []int{3, 1, 2, 4, 0} {
		r.is(r.one(f), task(fmt.Sprintf("h%d.example", i), i))
	}
}

func purgedHostIsGone(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	s := extra[scheduler.Steerer](r, f)
	lost, byHost := map[string]*scheduler.Lease{}, map[string][]*scheduler.Lease{}
	r.push(f, append(tasks("a.example", 8), tasks("b.example", 8)...)...)
	for _, l := range r.all(f, 16) {
		byHost[l.Host] = append(byHost[l.Host], l)
	}
	for host, leases := range byHost {
		for i, v := range []scheduler.Verdict{
			scheduler.Release(), scheduler.Retry(time.Minute, "x"), scheduler.Revisit(r.clock.Now().Add(time.Hour)),
			scheduler.Park("x"), scheduler.Drop("x"), scheduler.Gone("x"), scheduler.Done(),
		} {
			r.finish(f, v, leases[i])
		}
		lost[host] = leases[7]
		later := task(host, 8)
		later.Due = r.clock.Now().Add(time.Minute)
		r.push(f, withPriority(task(host, 9), 4), later)
	}
	n, err := s.PurgeHost(r.ctx, "a.example")
	r.must(err)
	r.want("purged", int64(n), 7) // released, retried, to be revisited, parked, leased, later, urgent
	r.sound(f)
	st := r.stats(g)
	for name, got := range map[string]int64{
		"Queued": st.Queued - 2, "Leased": st.Leased - 1, "Delayed": st.Delayed - 2, "Scheduled": st.Scheduled - 1, "Parked": st.Parked - 1,
		"Dead": st.Dead - 2, "Gone": st.Gone - 2, "Seen": st.Seen - 20, "Hosts": st.Hosts - 1, "Done": st.Done - 8,
	} {
		if got != 0 {
			r.Errorf("%s is off by %d: %+v", name, got, st)
		}
	}
	if p, ok := f.(scheduler.Parker); ok {
		parked, err := p.Parked(r.ctx)
		r.must(err)
		r.want("parked under x", parked["x"], 1)
	}
	n, err = s.PurgeHost(r.ctx, "a.example")
	r.must(err)
	r.want("purged again", int64(n), 0)

	// The lease is lost; that of the other host is not.
	r.lost(f.Extend(r.ctx, lost["a.example"], lost["b.example"]), lost["a.example"])
	r.lost(f.Finish(r.ctx, scheduler.Result{Lease: lost["a.example"], Verdict: scheduler.Release(), Outcome: "ok"}), lost["a.example"])
	r.finish(f, scheduler.Done(), lost["b.example"])

	// Nothing comes back, whatever comes due; and all is seen still.
	added, err := f.Push(r.ctx, tasks("a.example", 10)...)
	r.must(err)
	r.want("added", int64(added), 0)
	r.advance(48 * time.Hour)
	if p, ok := f.(scheduler.Parker); ok {
		_, err := p.Unpark(r.ctx, "x")
		r.must(err)
	}
	for _, l := range r.all(g, 6) {
		if l.Host != "b.example" {
			r.Errorf("%s came back", l.Payload)
		}
		r.finish(g, scheduler.Done(), l)
	}
	r.none(g)
	if !r.done(g) {
		r.Error("not done")
	}
	r.push(f, task("a.example", 10))
	r.is(r.one(g), task("a.example", 10))
	r.sound(f)
}

// purgedHostLeavesLongListsInOrder has more in each place than one step of a driver looks at, of two hosts in turn.
func purgedHostLeavesLongListsInOrder(r *rig) {
	f := r.open(Options{Ordered: true, Pace: scheduler.Pace{Concurrency: 10_000}})
	s := extra[scheduler.Steerer](r, f)
	const each = 1300
	due := r.clock.Now().Add(time.Hour)
	for p := range 4 {
		var batch []scheduler.Task
		for i := range each {
			batch = append(batch, task("a.example", p*each+i), task("b.example", p*each+i))
		}
		if p == 0 {
			for i := range batch {
				batch[i].Due = due
			}
		}
		r.push(f, batch...)
		if p == 0 || p == 3 {
			continue
		}
		v := []scheduler.Verdict{{}, scheduler.Revisit(due), scheduler.Park("x")}[p]
		r.finish(f, v, r.all(f, 2*each)...)
	}
	n, err := s.PurgeHost(r.ctx, "a.example")
	r.must(err)
	r.want("purged", int64(n), 4*each)
	r.sound(f)
	st := r.stats(f)
	for name, got := range map[string]int64{"Queued": st.Queued, "Delayed": st.Delayed, "Scheduled": st.Scheduled, "Parked": st.Parked} {
		r.want(name, got, each)
	}
	r.advance(2 * time.Hour)
	for range 4 * each / 1000 { // drivers take what has come due bit by bit
		r.finish(f, scheduler.Release(), r.claim(f, 1)...)
	}
	_, err = extra[scheduler.Parker](r, f).Unpark(r.ctx, "x")
	r.must(err)
	seen := map[string]bool{}
	for _, l := range r.all(f, 4*each) {
		if l.Host != "b.example" || seen[string(l.Payload)] {
			r.Fatalf("claimed %s", l.Payload)
		}
		seen[string(l.Payload)] = true
	}
	r.none(f)
	r.sound(f)
}

func purgedHostKeepsItsPace(r *rig) {
	f, g := r.open(Options{Pace: scheduler.Pace{Concurrency: 1}}), r.open(Options{Pace: scheduler.Pace{Concurrency: 1}})
	s := extra[scheduler.Steerer](r, f)
	r.push(f, tasks("a.example", 2)...)
	r.one(f)
	r.advance(lease / 2)
	_, err := s.PurgeHost(r.ctx, "a.example")
	r.must(err)
	r.sound(f)
	// Whoever had the lease may be at the host still.
	r.push(f, task("a.example", 2), task("b.example", 0))
	r.is(r.one(g), task("b.example", 0))
	r.none(g)
	r.advance(lease/2 - time.Second)
	r.none(g)
	r.advance(2 * time.Second)
	r.is(r.one(g), task("a.example", 2))

	// One without leases can be served at once, and an earlier hold stays.
	r.push(f, task("c.example", 0), task("d.example", 0))
	r.must(f.Hold(r.ctx, "d.example", r.clock.Now().Add(time.Hour)))
	for _, host := range []string{"c.example", "d.example"} {
		n, err := s.PurgeHost(r.ctx, host)
		r.must(err)
		r.want("purged of "+host, int64(n), 1)
	}
	r.push(f, task("c.example", 1), task("d.example", 1))
	r.is(r.one(g), task("c.example", 1))
	r.none(g)
	r.advance(time.Hour + time.Second)
	for _, l := range r.all(g, 3) {
		if l.Host == "c.example" || l.Host == "d.example" || l.Host == "a.example" {
			r.finish(g, scheduler.Done(), l)
		}
	}
	r.sound(f)
}

func purgeOfTheLastHostEndsTheCrawl(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	s := extra[scheduler.Steerer](r, f)
	r.push(f, tasks("a.example", 3)...)
	r.one(f)
	answer := make(chan error, 1)
	go func() { answer <- g.WaitDone(r.ctx) }()
	select {
	case err := <-answer:
		r.Fatalf("WaitDone returned with tasks queued: %v", err)
	case <-time.After(aWhile):
	}
	_, err := s.PurgeHost(r.ctx, "a.example")
	r.must(err)
	if !r.done(g) {
		r.Error("not done, although nothing is left")
	}
	select {
	case err := <-answer:
		r.must(err)
	case <-time.After(enough):
		r.Fatal("WaitDone does not return, although the crawl is done")
	}
}

func purgedCrawlIsNotSteered(r *rig) {
	f, late := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	r.fillEveryState(f)
	r.must(p.Purge(r.ctx))
	fresh := r.open(Options{})
	r.push(fresh, task("h4.example", 4))
	steer, bury, look := extra[scheduler.Steerer](r, late), extra[scheduler.Undertaker](r, late), extra[scheduler.Inspector](r, late)
	_, err1 := steer.Reprioritize(r.ctx, "h4.example", 0, 1)
	_, err2 := steer.Reprioritize(r.ctx, "", 0, 1)
	_, err3 := steer.PurgeHost(r.ctx, "h4.example")
	_, err4 := bury.Replay(r.ctx, scheduler.Letters{})
	_, err5 := bury.Forget(r.ctx, scheduler.Letters{})
	_, err6 := look.Inspect(r.ctx, "h4.example", task("h4.example", 4).ID)
	err7 := look.Hosts(r.ctx, func(scheduler.HostInfo) bool { return true })
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
		if !errors.Is(err, scheduler.ErrNoCrawl) {
			r.Errorf("call %d on a purged crawl: %v, want ErrNoCrawl", i+1, err)
		}
	}
	l := r.one(fresh)
	r.want("Priority", int64(l.Priority), 0)
	r.none(fresh)
	r.sound(fresh)
}
