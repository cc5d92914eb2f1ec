package frontiertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

func revisitCases() []testCase {
	return []testCase{
		{"LearntPayloadComesWithTheNextVisit", learntPayloadComesWithTheNextVisit},
		{"BadResultIsRefusedBeforeAnything", badResultIsRefusedBeforeAnything},
		{"SumsAddUpForHostAndCrawl", sumsAddUpForHostAndCrawl},
		{"SumsOfALostLeaseAreNotAdded", sumsOfALostLeaseAreNotAdded},
		{"SumsOfManyHostsAreListed", sumsOfManyHostsAreListed},
		{"SumsVanishWithTheirHost", sumsVanishWithTheirHost},
		{"SumsAndPlansVanishWithTheCrawl", sumsAndPlansVanishWithTheCrawl},
		{"DoneWaitsForRevisitsThatAreDue", doneWaitsForRevisitsThatAreDue},
		{"WaitDoneWaitsForRevisitsThatAreDue", waitDoneWaitsForRevisitsThatAreDue},
		{"RescheduledTaskKeepsTheRest", rescheduledTaskKeepsTheRest},
		{"RescheduleTouchesOnlyWhatIsScheduled", rescheduleTouchesOnlyWhatIsScheduled},
		{"BadRescheduleIsRefused", badRescheduleIsRefused},
		{"RescheduleSeesWhatAnotherDid", rescheduleSeesWhatAnotherDid},
		{"TaskMadeDueWakesAWaitingClaim", taskMadeDueWakesAWaitingClaim},
		{"TaskPutOffEndsTheCrawl", taskPutOffEndsTheCrawl},
		{"TaskScheduledTwiceIsFoundTwice", taskScheduledTwiceIsFoundTwice},
		{"RescheduleFindsATaskAmongThousands", rescheduleFindsATaskAmongThousands},
		{"ScheduledAreToldEarliestFirst", scheduledAreToldEarliestFirst},
		{"ScheduledAreToldOnceWhileOthersMove", scheduledAreToldOnceWhileOthersMove},
		{"ReschedulesOfACrowdAddUp", reschedulesOfACrowdAddUp},
	}
}

// sums asserts what is added up for a host, or for the crawl.
func (r *rig) sums(f scheduler.Frontier, host string, want ...float64) {
	r.Helper()
	got, err := extra[scheduler.Ledger](r, f).Sums(r.ctx, host)
	r.must(err)
	if !slices.Equal(got, want) {
		r.Errorf("sums of %q are %v, want %v", host, got, want)
	}
}

func (r *rig) hostSums(f scheduler.Frontier) map[string][]float64 {
	r.Helper()
	all := map[string][]float64{}
	r.must(extra[scheduler.Ledger](r, f).HostSums(r.ctx, func(host string, sums []float64) bool {
		all[host] = slices.Clone(sums)
		return true
	}))
	return all
}

func (r *rig) scheduled(f scheduler.Frontier) []scheduler.Task {
	r.Helper()
	var list []scheduler.Task
	r.must(extra[scheduler.Rescheduler](r, f).Scheduled(r.ctx, func(t scheduler.Task) bool {
		list = append(list, t)
		return true
	}))
	return list
}

// rescheduleOne changes one task.
func rescheduleOne(ctx context.Context, s scheduler.Rescheduler, host string, id dedup.Fingerprint,
	change func(scheduler.Task) (next scheduler.Task, sums []float64, ok bool),
) (bool, error) {
	changed, err := s.Reschedule(ctx, []scheduler.TaskRef{{Host: host, ID: id}}, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		return change(t)
	})
	return len(changed) == 1 && changed[0], err
}

// reschedule changes the task as told, and asserts whether that takes effect.
func (r *rig) reschedule(f scheduler.Frontier, t scheduler.Task, want bool, change func(*scheduler.Task) []float64) {
	r.Helper()
	done, err := rescheduleOne(r.ctx, extra[scheduler.Rescheduler](r, f), t.Host, t.ID, func(is scheduler.Task) (scheduler.Task, []float64, bool) {
		sums := change(&is)
		return is, sums, true
	})
	r.must(err)
	if done != want {
		r.Errorf("reschedule of %s: %v, want %v", t.Payload, done, want)
	}
}

// plan pushes tasks and schedules them.
func (r *rig) plan(f scheduler.Frontier, due time.Time, tasks ...scheduler.Task) {
	r.Helper()
	r.push(f, tasks...)
	r.finish(f, scheduler.Revisit(due), r.all(f, len(tasks))...)
}

// dueAt asserts that a time is the one asked for, or what drivers round it to.
func (r *rig) dueAt(got, want time.Time) {
	r.Helper()
	if got.Before(want) || got.Sub(want) > time.Minute {
		r.Errorf("due is %v, want %v or up to a minute later", got, want)
	}
}

func learntPayloadComesWithTheNextVisit(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	first := withPriority(task("a.example", 0), 3)
	r.push(f, first)
	again := func(v scheduler.Verdict, payload string, attempt int) {
		r.Helper()
		r.finish(f, v, r.one(f))
		r.advance(time.Hour + time.Minute)
		l := r.one(g)
		if string(l.Payload) != payload || l.ID.Short() != first.ID.Short() || l.Host != first.Host || l.Priority != 3 || l.Attempt != attempt {
			r.Errorf("after %v: %+v with payload %q, want payload %q, attempt %d", v, l, l.Payload, payload, attempt)
		}
		r.finish(g, scheduler.Release(), l)
		r.sound(f)
	}
	soon := func() scheduler.Verdict { return scheduler.Revisit(r.clock.Now().Add(time.Hour)) }
	again(soon().WithPayload([]byte("one")), "one", 1)
	again(soon(), "one", 1)
	big := string(bytes.Repeat([]byte("a.example\x00"), scheduler.MaxPayload/10))
	again(soon().WithPayload([]byte(big)), big, 1)
	again(scheduler.Retry(time.Minute, "x").WithPayload([]byte("at a.example")), "at a.example", 2)
	again(scheduler.Retry(0, "x"), "at a.example", 3)
	again(scheduler.Retry(0, "x").WithPayload([]byte("three")), "three", 4)
	again(soon().WithPayload([]byte{}), "", 1)
	again(soon(), "", 1)

	// A holder whose lease is over has nothing to say.
	late := r.one(f)
	r.advance(lease + time.Second)
	r.lost(f.Finish(r.ctx, scheduler.Result{Lease: late, Verdict: soon().WithPayload([]byte("late"))}), late)
	l := r.one(g)
	r.lost(f.Finish(r.ctx, scheduler.Result{Lease: late, Verdict: scheduler.Retry(0, "x").WithPayload([]byte("late"))}), late)
	r.want("bytes of the payload", int64(len(l.Payload)), 0)
	r.finish(g, soon().WithPayload([]byte("last")), l)
	if i, ok := f.(scheduler.Inspector); ok {
		w, err := i.Inspect(r.ctx, first.Host, first.ID)
		r.must(err)
		if w.Place != scheduler.PlaceScheduled || string(w.Task.Payload) != "last" || w.Task.Priority != 3 {
			r.Errorf("inspected as %+v", w)
		}
		r.dueAt(w.Task.Due, r.clock.Now().Add(time.Hour))
	}
	r.sound(f)
}

func badResultIsRefusedBeforeAnything(r *rig) {
	f := r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	leases := r.all(f, 2)
	at := r.clock.Now().Add(time.Hour)
	for name, bad := range map[string]scheduler.Result{
		"a payload too large":          {Verdict: scheduler.Revisit(at).WithPayload(make([]byte, scheduler.MaxPayload+1))},
		"a retry's payload too large":  {Verdict: scheduler.Retry(0, "x").WithPayload(make([]byte, scheduler.MaxPayload+1))},
		"a payload that nobody keeps":  {Verdict: scheduler.Done().WithPayload([]byte("x"))},
		"too many sums":                {Verdict: scheduler.Done(), Sums: make([]float64, scheduler.MaxSums+1)},
		"a sum that is not a number":   {Verdict: scheduler.Done(), Sums: []float64{1, math.NaN()}},
		"a sum that is not finite":     {Verdict: scheduler.Done(), Sums: []float64{math.Inf(-1)}},
		"a revisit's endless sum":      {Verdict: scheduler.Revisit(at), Sums: []float64{math.Inf(1)}},
		"both wrong, payload and sums": {Verdict: scheduler.Park("x").WithPayload([]byte{}), Sums: []float64{math.Inf(1)}},
	} {
		bad.Lease = leases[1]
		err := f.Finish(r.ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done(), Sums: []float64{1}}, bad)
		if err == nil || errors.As(err, new(*scheduler.LostError)) {
			r.Errorf("%s: error %v, want it to be refused", name, err)
		}
	}
	r.want("Leased", r.stats(f).Leased, 2)
	r.sums(f, "")
	// What is just small enough is not.
	r.must(f.Finish(r.ctx, scheduler.Result{
		Lease: leases[0], Verdict: scheduler.Revisit(at).WithPayload(make([]byte, scheduler.MaxPayload)), Sums: make([]float64, scheduler.MaxSums),
	}))
	r.sums(f, "", make([]float64, scheduler.MaxSums)...)
	r.sound(f)
}

func sumsAddUpForHostAndCrawl(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.sums(f, "")
	r.sums(f, "a.example")
	r.push(f, append(tasks("a.example", 7), tasks("b.example", 1)...)...)
	var results []scheduler.Result
	var b scheduler.Result
	sums := [][]float64{{1, 0.5}, nil, {}, {-3, 0, 1e300}, {0.25}, {1 << 53}}
	verdicts := []scheduler.Verdict{
		scheduler.Done(), scheduler.Drop("x"), scheduler.Revisit(r.clock.Now().Add(time.Hour)), scheduler.Retry(0, "x"), scheduler.Gone("x"),
		scheduler.Park("x"), scheduler.Release(),
	}
	for _, l := range r.all(f, 8) {
		if l.Host == "b.example" {
			b = scheduler.Result{Lease: l, Verdict: scheduler.Release(), Sums: []float64{0, 0, 0, 4}}
			continue
		}
		i := len(results)
		res := scheduler.Result{Lease: l, Verdict: verdicts[i]}
		if i < len(sums) {
			res.Sums = sums[i]
		}
		results = append(results, res)
	}
	r.must(f.Finish(r.ctx, results[0]))
	r.sums(g, "a.example", 1, 0.5)
	r.must(f.Finish(r.ctx, results[1:]...))
	r.sums(g, "a.example", 1-3+0.25+1<<53, 0.5, 1e300)
	r.sums(g, "b.example")
	r.must(g.Finish(r.ctx, b))
	r.sums(g, "b.example", 0, 0, 0, 4)
	r.sums(f, "", 1-3+0.25+1<<53, 0.5, 1e300, 4)
	r.want("hosts with sums", int64(len(r.hostSums(f))), 2)
	r.sound(f)
}

func sumsOfALostLeaseAreNotAdded(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 2)...)
	l := r.one(f)
	once := scheduler.Result{Lease: l, Verdict: scheduler.Done(), Sums: []float64{2, 3}}
	r.lost(f.Finish(r.ctx, once, once), l) // twice in one call
	for range 3 {
		r.lost(g.Finish(r.ctx, once), l)
	}
	late := r.one(g)
	r.advance(lease + time.Second)
	r.lost(g.Finish(r.ctx, scheduler.Result{Lease: late, Verdict: scheduler.Done(), Sums: []float64{5}}), late)
	r.sums(f, "a.example", 2, 3)
	r.sums(f, "", 2, 3)
	r.sound(f)
}

func sumsOfManyHostsAreListed(r *rig) {
	f := r.open(Options{})
	led := extra[scheduler.Ledger](r, f)
	const hosts = 1300
	var batch []scheduler.Task
	for h := range hosts {
		batch = append(batch, task(fmt.Sprintf("h%d.example", h), h))
	}
	r.push(f, batch...)
	r.push(f, task("silent.example", 0))
	var results []scheduler.Result
	wide := make([]float64, 12)
	for _, l := range r.all(f, hosts+1) {
		res := scheduler.Result{Lease: l, Verdict: scheduler.Done()}
		if l.Host != "silent.example" {
			var h int
			_, err := fmt.Sscanf(l.Host, "h%d.example", &h)
			r.must(err)
			res.Sums = slices.Clone(wide)
			res.Sums[0], res.Sums[11] = float64(h), 1
		}
		results = append(results, res)
	}
	r.must(f.Finish(r.ctx, results...))
	all := r.hostSums(f)
	r.want("hosts listed", int64(len(all)), hosts)
	for h := range hosts {
		if s := all[fmt.Sprintf("h%d.example", h)]; len(s) != 12 || s[0] != float64(h) || s[11] != 1 {
			r.Fatalf("sums of h%d.example are %v", h, s)
		}
	}
	want := slices.Clone(wide)
	want[0], want[11] = hosts*(hosts-1)/2, hosts
	r.sums(f, "", want...)
	calls := 0
	r.must(led.HostSums(r.ctx, func(string, []float64) bool { calls++; return false }))
	r.want("calls of yield that said stop", int64(calls), 1)
	if _, err := led.Sums(r.ctx, string(make([]byte, 256))); err != nil && !errors.Is(err, scheduler.ErrTask) {
		r.Errorf("sums of a host that cannot be: %v", err)
	}
	r.sound(f)
}

func sumsVanishWithTheirHost(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	s := extra[scheduler.Steerer](r, f)
	var batch []scheduler.Task
	for i := range 6 {
		batch = append(batch, task([]string{"a.example", "b.example", "c.example"}[i%3], i))
	}
	r.push(f, batch...)
	var held *scheduler.Lease
	for _, l := range r.all(f, 6) {
		if l.Host == "a.example" && held == nil {
			held = l
			continue
		}
		r.must(f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Sums: []float64{1, 0.1}}))
	}
	purge := func(host string) {
		r.Helper()
		_, err := s.PurgeHost(r.ctx, host)
		r.must(err)
		r.sound(f)
	}
	purge("a.example")
	r.lost(f.Finish(r.ctx, scheduler.Result{Lease: held, Verdict: scheduler.Done(), Sums: []float64{8}}), held)
	r.sums(g, "a.example")
	r.sums(g, "b.example", 2, 0.2)
	if sums := r.hostSums(g); len(sums) != 2 {
		r.Errorf("sums of the hosts are %v", sums)
	}
	total, err := extra[scheduler.Ledger](r, g).Sums(r.ctx, "")
	r.must(err)
	if len(total) != 2 || total[0] != 4 || math.Abs(total[1]-0.4) > 1e-9 {
		r.Errorf("the crawl's sums are %v, want 4 and 0.4", total)
	}
	purge("b.example") // which has no task any more
	purge("c.example")
	purge("never.example")
	r.sums(g, "")
	r.want("hosts with sums", int64(len(r.hostSums(g))), 0)
}

func sumsAndPlansVanishWithTheCrawl(r *rig) {
	f, late := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	led, res := extra[scheduler.Ledger](r, late), extra[scheduler.Rescheduler](r, late)
	const n = 700
	t := tasks("a.example", n)
	r.push(f, t...)
	var results []scheduler.Result
	for i, l := range r.all(f, n) {
		at := r.clock.Now().Add(time.Duration(1+i%7) * time.Hour)
		results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(at), Sums: []float64{1}})
	}
	r.must(f.Finish(r.ctx, results...))
	r.must(p.Purge(r.ctx))
	fresh := r.open(Options{})
	for range 2 {
		_, err1 := led.Sums(r.ctx, "")
		_, err2 := led.Sums(r.ctx, "a.example")
		err3 := led.HostSums(r.ctx, func(string, []float64) bool { return true })
		_, err4 := rescheduleOne(r.ctx, res, "a.example", t[0].ID, func(t scheduler.Task) (scheduler.Task, []float64, bool) { return t, nil, true })
		err5 := res.Scheduled(r.ctx, func(scheduler.Task) bool { return true })
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !errors.Is(err, scheduler.ErrNoCrawl) {
				r.Errorf("call %d on a purged crawl: %v, want ErrNoCrawl", i+1, err)
			}
		}
		r.sums(fresh, "")
		r.want("hosts with sums", int64(len(r.hostSums(fresh))), 0)
		r.want("tasks that wait", int64(len(r.scheduled(fresh))), 0)
		r.reschedule(fresh, t[0], false, func(*scheduler.Task) []float64 { return nil })
	}
	r.plan(fresh, r.clock.Now().Add(time.Hour), t[0])
	r.want("tasks that wait", int64(len(r.scheduled(fresh))), 1)
	r.sound(fresh)
}

func doneWaitsForRevisitsThatAreDue(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	is := func(want bool, when string) {
		r.Helper()
		for _, f := range []scheduler.Frontier{f, g} {
			if r.done(f) != want {
				r.Errorf("done is %v %s", !want, when)
			}
		}
	}
	now := r.clock.Now()
	r.push(f, tasks("a.example", 2)...)
	for i, l := range r.all(f, 2) {
		r.finish(f, scheduler.Revisit(now.Add(time.Duration(1+i)*time.Hour)), l)
	}
	is(true, "while all wait for later")
	r.advance(time.Hour - time.Second)
	is(true, "shortly before one is due")
	r.advance(time.Second + time.Minute)
	is(false, "with a revisit due that nobody has claimed")
	late := r.open(Options{}) // as a crawl is opened again after days
	if r.done(late) {
		r.Error("a crawl opened with a revisit due is done")
	}
	l := r.one(late)
	is(false, "while a revisit runs")
	r.finish(late, scheduler.Revisit(r.clock.Now().Add(3*time.Hour)), l)
	is(true, "when only later ones wait")
	r.advance(2 * time.Hour)
	is(false, "with the second due")
	r.finish(f, scheduler.Done(), r.one(f))
	is(true, "when only a later one waits")
	r.advance(100 * 24 * time.Hour)
	is(false, "after a hundred days")
	r.finish(f, scheduler.Done(), r.one(f))
	is(true, "at the end")
	r.sound(f)
}

func waitDoneWaitsForRevisitsThatAreDue(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	now := r.clock.Now()
	r.push(f, tasks("a.example", 2)...)
	for i, l := range r.all(f, 2) {
		r.finish(f, scheduler.Revisit(now.Add(time.Duration(1+i)*time.Hour)), l)
	}
	r.must(g.WaitDone(r.ctx))
	r.advance(time.Hour + time.Minute)
	answer := make(chan error, 1)
	go func() { answer <- g.WaitDone(r.ctx) }()
	select {
	case err := <-answer:
		r.Fatalf("WaitDone returned with a revisit due: %v", err)
	case <-time.After(aWhile):
	}
	r.finish(f, scheduler.Done(), r.one(f))
	select {
	case err := <-answer:
		r.must(err)
	case <-time.After(enough):
		r.Fatal("WaitDone does not return, although only later revisits wait")
	}
}

func rescheduledTaskKeepsTheRest(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	t, other := withPriority(task("a.example", 0), -2), task("a.example", 1)
	now := r.clock.Now()
	r.plan(f, now.Add(100*time.Hour), t, other)
	look := func(payload string, due time.Time) {
		r.Helper()
		r.sound(f)
		r.want("Scheduled", r.stats(f).Scheduled, 2)
		for _, s := range r.scheduled(g) {
			want := string(other.Payload)
			if s.ID.Short() == t.ID.Short() {
				want = payload
				r.dueAt(s.Due, due)
				r.want("Priority", int64(s.Priority), -2)
			} else {
				r.dueAt(s.Due, now.Add(100*time.Hour))
			}
			if string(s.Payload) != want || s.Host != "a.example" {
				r.Errorf("scheduled is %q of %s, want %q", s.Payload, s.Host, want)
			}
		}
		if i, ok := f.(scheduler.Inspector); ok {
			w, err := i.Inspect(r.ctx, t.Host, t.ID)
			r.must(err)
			if w.Place != scheduler.PlaceScheduled || string(w.Task.Payload) != payload || w.Attempt != 1 {
				r.Errorf("inspected as %+v", w)
			}
			r.dueAt(w.Task.Due, due)
		}
	}
	look(string(t.Payload), now.Add(100*time.Hour))
	r.reschedule(g, t, true, func(is *scheduler.Task) []float64 {
		r.is(&scheduler.Lease{Task: *is}, t)
		r.dueAt(is.Due, now.Add(100*time.Hour))
		r.want("Priority", int64(is.Priority), -2)
		is.Due, is.Payload = now.Add(time.Hour), []byte("learnt")
		is.Priority, is.Host, is.ID = 5, "b.example", dedup.Fingerprint{} // of no effect
		return []float64{1, -2}
	})
	look("learnt", now.Add(time.Hour))
	r.sums(f, "a.example", 1, -2)
	r.sums(f, "b.example")
	r.reschedule(g, t, true, func(is *scheduler.Task) []float64 { is.Due = now.Add(200 * time.Hour); return nil })
	look("learnt", now.Add(200*time.Hour))
	r.reschedule(g, t, true, func(is *scheduler.Task) []float64 { is.Payload = nil; return []float64{1} }) // in its place
	look("", now.Add(200*time.Hour))
	r.reschedule(g, t, true, func(is *scheduler.Task) []float64 {
		is.Due, is.Payload = now.Add(2*time.Hour), []byte("last")
		return nil
	})
	look("last", now.Add(2*time.Hour))
	r.sums(f, "", 2, -2)

	r.advance(2*time.Hour - time.Second)
	r.none(f)
	r.advance(time.Second + time.Minute)
	l := r.one(f)
	if string(l.Payload) != "last" || l.Priority != -2 || l.Attempt != 1 || l.ID.Short() != t.ID.Short() {
		r.Errorf("claimed %+v with payload %q", l, l.Payload)
	}
	r.none(f)
	r.advance(200 * time.Hour)
	r.sound(f)
}

func rescheduleTouchesOnlyWhatIsScheduled(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	never := func(t scheduler.Task, where string) {
		r.Helper()
		r.reschedule(g, t, false, func(*scheduler.Task) []float64 {
			r.Errorf("change is called for a task that is %s", where)
			return []float64{1}
		})
	}
	t := task("a.example", 0)
	never(t, "unseen")
	r.push(f, t)
	never(t, "queued")
	l := r.one(f)
	never(t, "leased")
	r.finish(f, scheduler.Retry(time.Minute, "x"), l)
	never(t, "delayed")
	r.advance(2 * time.Minute)
	r.finish(f, scheduler.Park("x"), r.one(f))
	never(t, "parked")
	r.push(f, task("a.example", 1), task("a.example", 2))
	r.finish(f, scheduler.Drop("x"), r.one(f))
	never(task("a.example", 1), "dead")
	r.finish(f, scheduler.Done(), r.one(f))
	never(task("a.example", 2), "done")

	s := task("a.example", 3)
	r.plan(f, r.clock.Now().Add(time.Hour), s)
	elsewhere := s
	elsewhere.Host = "b.example"
	never(elsewhere, "of another host")
	done, err := rescheduleOne(r.ctx, extra[scheduler.Rescheduler](r, g), s.Host, s.ID, func(t scheduler.Task) (scheduler.Task, []float64, bool) {
		t.Payload = []byte("no")
		return t, []float64{1}, false
	})
	r.must(err)
	if done {
		r.Error("what was left as it is counts as replaced")
	}
	if list := r.scheduled(f); len(list) != 1 || string(list[0].Payload) != string(s.Payload) {
		r.Errorf("scheduled are %v", list)
	}
	r.sums(f, "")
	r.advance(time.Hour + time.Minute)
	r.one(f)
	never(s, "leased again")
	r.sound(f)
}

func badRescheduleIsRefused(r *rig) {
	f := r.open(Options{})
	s := extra[scheduler.Rescheduler](r, f)
	t := task("a.example", 0)
	r.plan(f, r.clock.Now().Add(time.Hour), t)
	for name, change := range map[string]func(*scheduler.Task) []float64{
		"a payload too large": func(t *scheduler.Task) []float64 { t.Payload = make([]byte, scheduler.MaxPayload+1); return nil },
		"too many sums":       func(*scheduler.Task) []float64 { return make([]float64, scheduler.MaxSums+1) },
		"an endless sum":      func(*scheduler.Task) []float64 { return []float64{math.Inf(1)} },
	} {
		done, err := rescheduleOne(r.ctx, s, t.Host, t.ID, func(t scheduler.Task) (scheduler.Task, []float64, bool) {
			t.Due = r.clock.Now()
			sums := change(&t)
			return t, sums, true
		})
		if err == nil || done {
			r.Errorf("%s: %v %v, want it to be refused", name, done, err)
		}
	}
	if _, err := rescheduleOne(r.ctx, s, "", t.ID, nil); !errors.Is(err, scheduler.ErrTask) {
		r.Errorf("a host without a name: %v", err)
	}
	r.none(f)
	r.sums(f, "")
	if list := r.scheduled(f); len(list) != 1 || string(list[0].Payload) != string(t.Payload) {
		r.Errorf("scheduled are %v", list)
	}
}

func rescheduleSeesWhatAnotherDid(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	t := task("a.example", 0)
	now := r.clock.Now()
	r.plan(f, now.Add(time.Hour), t)
	calls := 0
	r.reschedule(f, t, true, func(is *scheduler.Task) []float64 {
		if calls++; calls == 1 {
			r.reschedule(g, t, true, func(is *scheduler.Task) []float64 {
				is.Due, is.Payload = now.Add(3*time.Hour), []byte("other's")
				return []float64{1}
			})
		}
		is.Payload = append(is.Payload, " and mine"...)
		return []float64{10}
	})
	r.want("calls of change", int64(calls), 2)
	list := r.scheduled(g)
	if len(list) != 1 || string(list[0].Payload) != "other's and mine" {
		r.Fatalf("scheduled are %v, want %q", list, "other's and mine")
	}
	r.dueAt(list[0].Due, now.Add(3*time.Hour))
	r.sums(g, "", 11)

	// One that is claimed meanwhile is not touched.
	calls = 0
	r.reschedule(f, t, false, func(is *scheduler.Task) []float64 {
		if calls++; calls == 1 {
			r.advance(4 * time.Hour)
			r.one(g)
		}
		is.Due = now
		return []float64{100}
	})
	r.want("calls of change", int64(calls), 1)
	r.sums(g, "", 11)
	r.want("Leased", r.stats(f).Leased, 1)
	r.sound(f)
}

func taskMadeDueWakesAWaitingClaim(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	t := task("a.example", 0)
	for _, due := range []time.Time{{}, r.clock.Now(), r.clock.Now().Add(-time.Hour), r.clock.Now().Add(-time.Second)} {
		if r.stats(f).Seen == 0 {
			r.plan(f, r.clock.Now().Add(50*time.Hour), t)
		}
		answer := r.waiting(g)
		r.still(answer)
		r.reschedule(f, t, true, func(is *scheduler.Task) []float64 { is.Due = due; return nil })
		l := r.served(answer)
		r.is(l, t)
		r.finish(g, scheduler.Revisit(r.clock.Now().Add(50*time.Hour)), l)
		r.sound(f)
	}
}

// taskPutOffEndsTheCrawl puts off a task that is due, and that nobody has claimed. For some drivers it is queued by then.
func taskPutOffEndsTheCrawl(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	t := task("a.example", 0)
	r.plan(f, r.clock.Now().Add(time.Hour), t)
	r.advance(2 * time.Hour)
	if r.done(g) {
		r.Error("done with a revisit due")
	}
	answer := make(chan error, 1)
	go func() { answer <- g.WaitDone(r.ctx) }()
	select {
	case err := <-answer:
		r.Fatalf("WaitDone returned with a revisit due: %v", err)
	case <-time.After(aWhile):
	}
	s := extra[scheduler.Rescheduler](r, f)
	done, err := rescheduleOne(r.ctx, s, t.Host, t.ID, func(t scheduler.Task) (scheduler.Task, []float64, bool) {
		t.Due = r.clock.Now().Add(time.Hour)
		return t, nil, true
	})
	r.must(err)
	if !done {
		r.finish(f, scheduler.Revisit(r.clock.Now().Add(time.Hour)), r.one(f))
	}
	if !r.done(g) {
		r.Error("not done, although only a later revisit waits")
	}
	select {
	case err := <-answer:
		r.must(err)
	case <-time.After(enough):
		r.Fatal("WaitDone does not return, although only a later revisit waits")
	}
	r.sound(f)
}

func taskScheduledTwiceIsFoundTwice(r *rig) {
	f := r.open(Options{})
	t := task("a.example", 0)
	now := r.clock.Now()
	r.plan(f, now.Add(time.Hour), t)
	for i := range 3 {
		again := t
		again.DontFilter, again.Payload = true, fmt.Append(nil, "again ", i)
		r.plan(f, now.Add(time.Duration(i+2)*time.Hour), again)
	}
	r.sound(f)
	r.want("Scheduled", r.stats(f).Scheduled, 4)
	// Each that is claimed leaves the others to be found.
	for left := 3; left >= 0; left-- {
		r.advance(time.Hour + time.Minute)
		r.finish(f, scheduler.Done(), r.one(f))
		r.sound(f)
		r.reschedule(f, t, left > 0, func(is *scheduler.Task) []float64 { return []float64{1} })
		r.sound(f)
		r.want("Scheduled", r.stats(f).Scheduled, int64(left))
	}
	r.none(f)
	r.sums(f, "", 3)
}

// rescheduleFindsATaskAmongThousands has more in one minute than one step of a driver looks at.
func rescheduleFindsATaskAmongThousands(r *rig) {
	f := r.open(Options{Ordered: true, Pace: scheduler.Pace{Concurrency: 10_000}})
	const n = 5200
	due := r.clock.Now().Add(time.Hour)
	r.plan(f, due, tasks("a.example", n)...)
	for _, i := range []int{0, 1, 49, 50, n / 2, n - 2, n - 1} {
		r.reschedule(f, task("a.example", i), true, func(is *scheduler.Task) []float64 {
			r.is(&scheduler.Lease{Task: *is}, task("a.example", i))
			is.Due = due.Add(time.Hour)
			return []float64{1}
		})
	}
	r.sums(f, "", 7)
	r.sound(f)
	r.want("Scheduled", r.stats(f).Scheduled, n)
	r.advance(time.Hour + time.Minute)
	for range n / 100 {
		r.finish(f, scheduler.Release(), r.one(f))
	}
	r.want("Scheduled, of the hour to come", r.stats(f).Scheduled, 7)
	r.sound(f)
}

func scheduledAreToldEarliestFirst(r *rig) {
	f, g := r.open(Options{Ordered: true}), r.open(Options{Ordered: true})
	const n = 2600
	now := r.clock.Now()
	var batch []scheduler.Task
	for i := range n {
		batch = append(batch, withPriority(task(fmt.Sprintf("h%d.example", i%50), i), i%16-8))
	}
	r.push(f, batch...)
	due := map[string]time.Time{}
	var results []scheduler.Result
	for i, l := range r.all(f, n) {
		at := now.Add(time.Duration(1+i*7919%90) * 10 * time.Minute)
		if i%2 == 0 {
			at = now.Add(5 * time.Hour) // many in one minute
		}
		due[string(l.Payload)] = at
		results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(at)})
	}
	r.must(f.Finish(r.ctx, results...))
	list := r.scheduled(g)
	r.want("tasks told", int64(len(list)), n)
	byPayload := map[string]scheduler.Task{}
	for _, t := range batch {
		byPayload[string(t.Payload)] = t
	}
	for i, t := range list {
		if i > 0 && t.Due.Before(list[i-1].Due) {
			r.Fatalf("%s is told after one that is due %v later", t.Payload, list[i-1].Due.Sub(t.Due))
		}
		want, there := byPayload[string(t.Payload)]
		if !there || t.Host != want.Host || t.Priority != want.Priority || t.ID.Short() != want.ID.Short() {
			r.Fatalf("told is %+v, want %+v", t, want)
		}
		r.dueAt(t.Due, due[string(t.Payload)])
		delete(byPayload, string(t.Payload))
	}
	calls := 0
	r.must(extra[scheduler.Rescheduler](r, g).Scheduled(r.ctx, func(scheduler.Task) bool { calls++; return calls < 700 }))
	r.want("calls of yield that said stop at 700", int64(calls), 700)
	r.sound(f)
}

// scheduledAreToldOnceWhileOthersMove has a third of the tasks of one minute planned anew, before and after they are told.
func scheduledAreToldOnceWhileOthersMove(r *rig) {
	o := Options{Ordered: true, Pace: scheduler.Pace{Concurrency: 10_000}}
	f, g := r.open(o), r.open(o)
	const n = 2400
	due := r.clock.Now().Add(time.Hour)
	r.plan(f, due, tasks("a.example", n)...)
	count := map[string]int{}
	calls, moving := 0, 0
	r.must(extra[scheduler.Rescheduler](r, g).Scheduled(r.ctx, func(t scheduler.Task) bool {
		count[string(t.Payload)]++
		if calls++; calls%4 == 0 && moving < n {
			r.reschedule(f, task("a.example", moving), true, func(is *scheduler.Task) []float64 { is.Due = due.Add(-30 * time.Minute); return nil })
			moving += 3
		}
		return true
	}))
	for i := range n {
		t := task("a.example", i)
		if got := count[string(t.Payload)]; got != 1 && (i%3 != 0 || i >= moving) {
			r.Errorf("%s, which was never touched, was told %d times", t.Payload, got)
		}
	}
	r.sound(f)
}

// reschedulesOfACrowdAddUp has many change the same tasks, and claim some of them: what the payloads count and what the sums count
// is the same.
func reschedulesOfACrowdAddUp(r *rig) {
	const n, workers, each = 12, 6, 40
	frontiers := []scheduler.Frontier{r.open(Options{}), r.open(Options{})}
	host := func(i int) string { return fmt.Sprintf("h%d.example", i%5) }
	due := r.clock.Now().Add(time.Hour)
	var all []scheduler.Task
	for i := range n {
		t := task(host(i), i)
		t.Payload = []byte("0")
		all = append(all, t)
	}
	r.plan(frontiers[0], due, all...)
	var wg sync.WaitGroup
	for w := range workers {
		f, draw := frontiers[w%2], rand.New(rand.NewPCG(uint64(w), 4))
		s := extra[scheduler.Rescheduler](r, f)
		wg.Go(func() {
			for range each {
				t, by := all[draw.IntN(n)], 1+draw.IntN(9)
				at := due.Add(time.Duration(draw.IntN(600)) * time.Second)
				done, err := rescheduleOne(r.ctx, s, t.Host, t.ID, func(t scheduler.Task) (scheduler.Task, []float64, bool) {
					v, err := strconv.Atoi(string(t.Payload))
					if err != nil {
						r.Errorf("payload %q", t.Payload)
					}
					t.Payload, t.Due = strconv.AppendInt(nil, int64(v+by), 10), at
					return t, []float64{1, float64(by)}, true
				})
				if err != nil || !done {
					r.Errorf("reschedule: %v %v", done, err)
				}
			}
		})
	}
	wg.Wait()
	counted := map[string]float64{}
	total := 0.0
	for _, t := range r.scheduled(frontiers[0]) {
		v, err := strconv.ParseFloat(string(t.Payload), 64)
		r.must(err)
		counted[t.Host] += v
		total += v
	}
	r.sums(frontiers[1], "", workers*each, total)
	for h, sums := range r.hostSums(frontiers[1]) {
		if sums[1] != counted[h] {
			r.Errorf("payloads of %s count %v, its sums %v", h, counted[h], sums)
		}
	}
	r.want("Scheduled", r.stats(frontiers[0]).Scheduled, n)
	r.sound(frontiers[0])
}
