package frontiertest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func rescheduleCases() []testCase {
	return []testCase{
		{"RescheduleTakesMany", rescheduleTakesMany},
		{"RescheduleOfManyReadsAgainOnlyWhatMoved", rescheduleOfManyReadsAgainOnlyWhatMoved},
		{"RescheduleOfManyIsRefusedByHost", rescheduleOfManyIsRefusedByHost},
		{"TaskScheduledTwiceForOneMinuteIsFoundTwice", taskScheduledTwiceForOneMinuteIsFoundTwice},
		{"RevisitsComeInTimeHoweverMany", revisitsComeInTimeHoweverMany},
		{"CrawlIsDoneUntilTheMinuteOfARevisit", crawlIsDoneUntilTheMinuteOfARevisit},
	}
}

func refsOf(tasks ...scheduler.Task) []scheduler.TaskRef {
	refs := make([]scheduler.TaskRef, len(tasks))
	for i, t := range tasks {
		refs[i] = scheduler.TaskRef{Host: t.Host, ID: t.ID}
	}
	return refs
}

// rescheduleTakesMany names more tasks at once than a driver does in one step, some of them twice, some that are unseen, and
// some that are left as they are.
func rescheduleTakesMany(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const n, hosts = 1300, 40
	due := r.clock.Now().Add(50 * time.Hour)
	var all []scheduler.Task
	for i := range n {
		all = append(all, task(fmt.Sprintf("h%d.example", i%hosts), i))
	}
	r.plan(f, due, all...)
	refs := refsOf(all...)
	refs = append(refs, refsOf(all[:10]...)...)
	refs = append(refs, refsOf(tasks("unseen.example", 30)...)...)
	s := extra[scheduler.Rescheduler](r, g)
	calls := map[int]int{}
	changed, err := s.Reschedule(r.ctx, refs, func(i int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		calls[i]++
		if i >= n+10 {
			r.Fatalf("change is called for %s, which is unseen", t.Payload)
		}
		if t.Host != refs[i].Host || t.ID.Short() != refs[i].ID.Short() {
			r.Fatalf("change is called for %d with %s of %s", i, t.Payload, t.Host)
		}
		t.Due = t.Due.Add(-time.Duration(i%100) * time.Minute)
		t.Payload = append(t.Payload, " again"...)
		return t, []float64{1, float64(i)}, i%3 != 0
	})
	r.must(err)
	r.want("answers", int64(len(changed)), int64(len(refs)))
	want, number, total := map[string]time.Time{}, 0.0, 0.0
	for i, done := range changed {
		if done != (i%3 != 0 && i < n+10) {
			r.Errorf("changed[%d] is %v", i, done)
		}
		if i < n+10 && calls[i] == 0 {
			r.Errorf("change is not called for %d", i)
		}
		if i < n {
			want[string(all[i].Payload)] = due
		}
	}
	for i, done := range changed {
		if !done {
			continue
		}
		number, total = number+1, total+float64(i)
		was := string(all[i%n].Payload)
		if _, ok := want[was]; !ok {
			was += " again"
		}
		want[was+" again"] = want[was].Add(-time.Duration(i%100) * time.Minute)
		delete(want, was)
	}
	got := map[string]time.Time{}
	for _, t := range r.scheduled(f) {
		got[string(t.Payload)] = t.Due
		r.dueAt(t.Due, want[string(t.Payload)])
	}
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		r.Errorf("%d tasks are scheduled, or others than the %d wanted", len(got), len(want))
	}
	r.sums(f, "", number, total)
	r.sound(f)
	if changed, err := s.Reschedule(r.ctx, nil, nil); err != nil || len(changed) != 0 {
		r.Errorf("of none: %v %v", changed, err)
	}
}

func rescheduleOfManyReadsAgainOnlyWhatMoved(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	all := tasks("a.example", 12)
	now := r.clock.Now()
	r.plan(f, now.Add(time.Hour), all[:10]...)
	r.plan(f, now.Add(30*time.Minute), all[10:]...)
	s := extra[scheduler.Rescheduler](r, g)
	calls := map[int]int{}
	changed, err := s.Reschedule(r.ctx, refsOf(all...), func(i int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		calls[i]++
		if i == 0 && calls[i] == 1 {
			// Meanwhile another one is planned anew, and two are claimed.
			r.reschedule(f, all[3], true, func(is *scheduler.Task) []float64 { is.Payload = []byte("other's"); return []float64{1} })
			r.advance(32 * time.Minute)
			r.all(f, 2)
		}
		t.Payload = append(t.Payload, " and mine"...)
		return t, []float64{10}, true
	})
	r.must(err)
	for i, done := range changed {
		if done != (i < 10) {
			r.Errorf("changed[%d] is %v", i, done)
		}
		want := 1
		if i == 3 {
			want = 2
		}
		r.want(fmt.Sprintf("calls for %d", i), int64(calls[i]), int64(want))
	}
	list := r.scheduled(f)
	r.want("tasks that wait", int64(len(list)), 10)
	for _, t := range list {
		want := string(all[0].Payload[:len(all[0].Payload)-1])
		if t.ID.Short() == all[3].ID.Short() {
			want = "other's"
		}
		if p := string(t.Payload); len(p) < len(want) || p[:len(want)] != want || p[len(p)-9:] != " and mine" {
			r.Errorf("scheduled is %q", p)
		}
	}
	r.sums(f, "", 101)
	r.sound(f)
}

func rescheduleOfManyIsRefusedByHost(r *rig) {
	f := r.open(Options{})
	t := task("a.example", 0)
	r.plan(f, r.clock.Now().Add(time.Hour), t)
	refs := append(refsOf(t), scheduler.TaskRef{ID: t.ID})
	_, err := extra[scheduler.Rescheduler](r, f).Reschedule(r.ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		r.Error("change is called, although a host has no name")
		return t, nil, true
	})
	if err == nil {
		r.Error("a host without a name is not refused")
	}
	r.sound(f)
}

// taskScheduledTwiceForOneMinuteIsFoundTwice takes two plans that an index may not tell apart away one by one.
func taskScheduledTwiceForOneMinuteIsFoundTwice(r *rig) {
	f := r.open(Options{})
	t := task("a.example", 0)
	due := r.clock.Now().Add(100 * time.Hour)
	r.plan(f, due, t)
	for range 2 {
		again := t
		again.DontFilter = true
		r.plan(f, due, again)
	}
	r.want("Scheduled", r.stats(f).Scheduled, 3)
	r.sound(f)
	for left := 2; left >= 0; left-- {
		r.reschedule(f, t, true, func(is *scheduler.Task) []float64 { is.Due = r.clock.Now(); return nil })
		r.sound(f)
		r.finish(f, scheduler.Done(), r.one(f))
		r.want("Scheduled", r.stats(f).Scheduled, int64(left))
		r.sound(f)
	}
	r.reschedule(f, t, false, func(*scheduler.Task) []float64 { return nil })
}

// revisitsComeInTimeHoweverMany lets half a year pass, by steps of minutes and of days, while revisits come due that are few in most
// hours and hundreds in some minutes, and are planned anew all the time. None may be claimed before it is due, and none may be
// missing once it is.
func revisitsComeInTimeHoweverMany(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const n = 1500
	draw := rand.New(rand.NewPCG(11, 5))
	r.advance(time.Minute - r.clock.Now().Sub(r.clock.Now().Truncate(time.Minute)))
	begin := r.clock.Now()
	minute := func(m int) time.Time { return r.clock.Now().Add(time.Duration(m)*time.Minute - 30*time.Second) }
	later := func() time.Time {
		switch draw.IntN(6) {
		case 0:
			return minute(1 + draw.IntN(30))
		case 1: // each seven days at one minute
			weeks := 1 + int(r.clock.Now().Sub(begin).Hours()/(7*24))
			return begin.Add(time.Duration(weeks)*7*24*time.Hour + 30*time.Second)
		case 2:
			return minute(1 + draw.IntN(24*60))
		default:
			return minute(1 + draw.IntN(40*24*60))
		}
	}
	due := map[string]time.Time{}
	tasks := map[string]scheduler.Task{}
	var batch []scheduler.Task
	for i := range n {
		t := task(fmt.Sprintf("h%d.example", i%9), i)
		tasks[string(t.Payload)] = t
		batch = append(batch, t)
	}
	r.push(f, batch...)
	again := func(leases []*scheduler.Lease) {
		var results []scheduler.Result
		for _, l := range leases {
			due[string(l.Payload)] = later()
			results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(due[string(l.Payload)])})
		}
		r.must(f.Finish(r.ctx, results...))
	}
	again(r.all(f, n))
	r.sound(f)
	steps := []time.Duration{time.Minute, 3 * time.Minute, 40 * time.Minute, 7 * time.Hour, 3 * 24 * time.Hour}
	for step := range 150 {
		r.advance(steps[draw.IntN(len(steps))])
		now, ready := r.clock.Now(), 0
		for _, at := range due {
			if at.Before(now) {
				ready++
			}
		}
		leases := r.all(g, ready)
		for _, l := range leases {
			if at := due[string(l.Payload)]; at.After(now) {
				r.Fatalf("step %d: %s is claimed at %v, which is due at %v", step, l.Payload, now, at)
			}
		}
		if step%10 == 0 {
			r.none(g)
		}
		again(leases)
		var some []scheduler.Task
		for _, payload := range slices.Sorted(maps.Keys(due))[draw.IntN(n-40):][:40] {
			some = append(some, tasks[payload])
		}
		changed, err := extra[scheduler.Rescheduler](r, f).Reschedule(r.ctx, refsOf(some...), func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
			r.dueAt(t.Due, due[string(t.Payload)])
			t.Due = later()
			due[string(t.Payload)] = t.Due
			return t, nil, true
		})
		r.must(err)
		if i := slices.Index(changed, false); i >= 0 {
			r.Fatalf("step %d: %s is not found in the calendar", step, some[i].Payload)
		}
		r.want("Scheduled", r.stats(f).Scheduled, n)
		if step%5 == 0 {
			r.sound(f)
		}
	}
	list := r.scheduled(g)
	r.want("tasks told", int64(len(list)), n)
	for i, t := range list {
		r.dueAt(t.Due, due[string(t.Payload)])
		if i > 0 && t.Host == list[i-1].Host && t.Due.Before(list[i-1].Due) { // hosts may be in different partitions
			r.Errorf("%s is told after one that is due later", t.Payload)
		}
	}
	r.sound(f)
}

// crawlIsDoneUntilTheMinuteOfARevisit looks whether a crawl is done, at each of the minutes before a revisit, while nobody claims.
func crawlIsDoneUntilTheMinuteOfARevisit(r *rig) {
	f := r.open(Options{})
	r.plan(f, r.clock.Now().Add(100*time.Minute), task("a.example", 0))
	r.plan(f, r.clock.Now().Add(90*time.Minute), task("a.example", 1))
	for m := range 90 {
		if !r.done(f) {
			r.Fatalf("not done %d minutes before the next revisit", 90-m)
		}
		r.advance(time.Minute)
	}
	r.advance(time.Minute)
	if r.done(f) {
		r.Error("done with a revisit due")
	}
	r.finish(f, scheduler.Done(), r.one(f))
	if !r.done(f) {
		r.Error("not done, although only a later revisit waits")
	}
	r.advance(10 * time.Minute)
	if r.done(f) {
		r.Error("done with the last revisit due")
	}
	r.sound(f)
}
