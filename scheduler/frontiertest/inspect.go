package frontiertest

import (
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

func inspectCases() []testCase {
	return []testCase{
		{"InspectTellsEveryPlace", inspectTellsEveryPlace},
		{"InspectCountsWhoStandsBefore", inspectCountsWhoStandsBefore},
		{"InspectFindsATaskAmongThousands", inspectFindsATaskAmongThousands},
		{"InspectTellsHowTheHostStands", inspectTellsHowTheHostStands},
		{"BusyHostsAreListed", busyHostsAreListed},
	}
}

// where inspects a task, of which it asserts what is the same in all places.
func (r *rig) where(f scheduler.Frontier, t scheduler.Task, want scheduler.Place) scheduler.Whereabouts {
	r.Helper()
	w, err := extra[scheduler.Inspector](r, f).Inspect(r.ctx, t.Host, t.ID)
	r.must(err)
	if w.Place != want {
		r.Fatalf("%s is %s, want %s: %+v", t.Payload, w.Place, want, w)
	}
	if w.Host.Host != t.Host {
		r.Errorf("%s: told of host %q, want %q", t.Payload, w.Host.Host, t.Host)
	}
	if !w.Now.Equal(r.clock.Now()) {
		r.Errorf("%s: Now is %v, want %v", t.Payload, w.Now, r.clock.Now())
	}
	known := want != scheduler.PlaceUnseen && want != scheduler.PlaceDone
	switch {
	case !known && (w.Attempt != 0 || w.Task.Host != "" || w.Task.Payload != nil):
		r.Errorf("%s is %s, yet there is %+v", t.Payload, want, w)
	case known && (w.Task.Host != t.Host || string(w.Task.Payload) != string(t.Payload) || w.Task.Priority != t.Priority || w.Task.ID.Short() != t.ID.Short()):
		r.Errorf("told of task %+v, want %+v", w.Task, t)
	}
	if letter := want == scheduler.PlaceDead || want == scheduler.PlaceGone; letter != (w.Letter != nil) {
		r.Errorf("%s is %s, and its letter %v", t.Payload, want, w.Letter)
	}
	return w
}

// counted asserts how often a task failed and expired, and when first.
func (r *rig) counted(w scheduler.Whereabouts, attempt, expired int, first time.Time) {
	r.Helper()
	r.want("Attempt of "+string(w.Task.Payload), int64(w.Attempt), int64(attempt))
	r.want("Expired of "+string(w.Task.Payload), int64(w.Expired), int64(expired))
	if !w.First.Equal(first) {
		r.Errorf("First of %s is %v, want %v", w.Task.Payload, w.First, first)
	}
}

func inspectTellsEveryPlace(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	extra[scheduler.Inspector](r, f)
	verdicts := []scheduler.Verdict{
		{}, // held on
		scheduler.Release(), scheduler.Retry(time.Minute, "x"), scheduler.Revisit(r.clock.Now().Add(2 * time.Minute)),
		scheduler.Park("route x"), scheduler.Drop("why"), scheduler.Gone("not there"), scheduler.Done(),
	}
	batch := make([]scheduler.Task, len(verdicts))
	for i := range batch {
		batch[i] = withPriority(task(fmt.Sprintf("h%d.example", i), i), i%3-1)
	}
	r.where(g, batch[0], scheduler.PlaceUnseen)
	r.push(f, batch...)
	began := r.clock.Now()
	leases := map[string]*scheduler.Lease{}
	for _, l := range r.all(f, len(batch)) {
		leases[l.Host] = l
	}
	r.advance(7 * time.Second)
	now := r.clock.Now()
	for i, v := range verdicts[1:] {
		r.must(f.Finish(r.ctx, scheduler.Result{Lease: leases[batch[i+1].Host], Verdict: v, Status: 400 + i}))
	}
	never, second := time.Time{}, now.Truncate(time.Second)

	w := r.where(g, batch[0], scheduler.PlaceLeased)
	r.counted(w, 1, 0, never)
	if w.Token != leases[batch[0].Host].Token || !w.Claimed.Equal(began) || !w.Deadline.Equal(began.Add(lease)) {
		r.Errorf("leased: %+v", w)
	}
	r.want("leased of its host", w.Host.Leased, 1)

	w = r.where(g, batch[1], scheduler.PlaceQueued)
	r.counted(w, 1, 0, never)
	r.want("Ahead", w.Ahead, 0)
	r.want("queued of its host", w.Host.Queued, 1)

	w = r.where(g, batch[2], scheduler.PlaceDelayed)
	r.counted(w, 2, 0, second)
	if due := now.Add(time.Minute); !w.Task.Due.Equal(due) {
		r.Errorf("due at %v, want %v", w.Task.Due, due)
	}

	w = r.where(g, batch[3], scheduler.PlaceScheduled)
	r.counted(w, 1, 0, never)
	if late := w.Task.Due.Sub(verdicts[3].At); late < 0 || late > time.Minute {
		r.Errorf("to be revisited %v after it was asked for, want within a minute", late)
	}

	w = r.where(g, batch[4], scheduler.PlaceParked)
	r.counted(w, 1, 0, never)
	if w.Label != "route x" {
		r.Errorf("parked under %q", w.Label)
	}

	w = r.where(g, batch[5], scheduler.PlaceDead)
	r.counted(w, 1, 0, never)
	if d := w.Letter; d.Gone || d.Why != "why" || d.Status != 404 || !d.At.Equal(now) || !d.First.IsZero() || string(d.Payload) != string(batch[5].Payload) {
		r.Errorf("dead letter %+v", d)
	}
	w = r.where(g, batch[6], scheduler.PlaceGone)
	if d := w.Letter; !d.Gone || d.Why != "not there" || d.Status != 405 {
		r.Errorf("dead link %+v", d)
	}
	r.where(g, batch[7], scheduler.PlaceDone)

	later := task("later.example", 0)
	later.Due = now.Add(time.Hour)
	r.push(f, later)
	if w := r.where(g, later, scheduler.PlaceDelayed); !w.Task.Due.Equal(later.Due) {
		r.Errorf("due at %v, want %v", w.Task.Due, later.Due)
	}
	// The same ID at another host is another place to look.
	if w, err := extra[scheduler.Inspector](r, g).Inspect(r.ctx, "h0.example", batch[1].ID); err != nil || w.Task.Host == batch[1].Host {
		r.Errorf("looked for at another host: %+v, %v", w, err)
	}

	// A lease that ran out is told as such, or as back in its queue.
	r.advance(lease)
	w, err := extra[scheduler.Inspector](r, g).Inspect(r.ctx, batch[0].Host, batch[0].ID)
	r.must(err)
	if expired := w.Place == scheduler.PlaceLeased && !w.Deadline.After(w.Now); !expired && (w.Place != scheduler.PlaceQueued || w.Expired != 1) {
		r.Errorf("its lease ran out: %+v", w)
	}
	ran := r.clock.Now().Truncate(time.Second)
	for _, l := range r.all(f, 3) { // it, what was released, and what was to be tried again
		if l.Host == batch[0].Host {
			r.counted(r.where(g, batch[0], scheduler.PlaceLeased), 1, 1, ran)
			r.advance(3 * time.Second)
			r.finish(f, scheduler.Retry(time.Hour, "x"), l)
			r.counted(r.where(g, batch[0], scheduler.PlaceDelayed), 2, 1, ran)
		}
	}
	r.sound(f)
}

func inspectCountsWhoStandsBefore(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	extra[scheduler.Inspector](r, f)
	var batch []scheduler.Task
	for i := range 30 {
		batch = append(batch, withPriority(task("a.example", i), i*7%5-2))
	}
	r.push(f, batch...)
	r.push(f, tasks("b.example", 20)...)
	ahead := map[string]int64{}
	for _, t := range batch {
		w := r.where(g, t, scheduler.PlaceQueued)
		r.want("queued of the host", w.Host.Queued, 30)
		ahead[string(t.Payload)] = w.Ahead
	}
	next := int64(0)
	for _, l := range r.all(f, 50) {
		if l.Host != "a.example" {
			continue
		}
		if ahead[string(l.Payload)] != next {
			r.Errorf("%s was claimed after %d, but %d stood before it", l.Payload, next, ahead[string(l.Payload)])
		}
		next++
	}
}

// inspectFindsATaskAmongThousands has more in each place than one step of a driver looks at.
func inspectFindsATaskAmongThousands(r *rig) {
	const n = 2600
	o := Options{Pace: scheduler.Pace{Concurrency: 10_000}}
	f, g := r.open(o), r.open(o)
	extra[scheduler.Inspector](r, f)
	some := []int{0, 1, 499, 500, 999, 1000, 1001, n / 2, n - 2, n - 1}
	places := []scheduler.Place{
		scheduler.PlaceDelayed, scheduler.PlaceScheduled, scheduler.PlaceParked, scheduler.PlaceDead, scheduler.PlaceGone, scheduler.PlaceLeased, scheduler.PlaceQueued,
	}
	at := func(p int) int { return p * n }
	for p, place := range places {
		batch := make([]scheduler.Task, n)
		for i := range batch {
			batch[i] = task("a.example", at(p)+i)
		}
		r.push(f, batch...)
		if place == scheduler.PlaceQueued {
			break
		}
		var results []scheduler.Result
		for i, l := range r.all(f, n) {
			var v scheduler.Verdict
			switch place {
			case scheduler.PlaceDelayed:
				v = scheduler.Retry(time.Hour, "x")
			case scheduler.PlaceScheduled:
				v = scheduler.Revisit(r.clock.Now().Add(time.Duration(1+i%300) * time.Hour))
			case scheduler.PlaceParked:
				v = scheduler.Park(fmt.Sprint("label", i%3))
			case scheduler.PlaceDead:
				v = scheduler.Drop("x")
			case scheduler.PlaceGone:
				v = scheduler.Gone("x")
			default:
				continue
			}
			results = append(results, scheduler.Result{Lease: l, Verdict: v})
		}
		r.must(f.Finish(r.ctx, results...))
	}
	for p, place := range places {
		for _, i := range some {
			w := r.where(g, task("a.example", at(p)+i), place)
			if place == scheduler.PlaceQueued {
				r.want("Ahead", w.Ahead, int64(i))
			}
		}
	}
	r.where(g, task("a.example", at(len(places))), scheduler.PlaceUnseen)
	// What is done is told only after all places were looked at.
	l := r.one(f)
	r.finish(f, scheduler.Done(), l)
	r.where(g, task("a.example", at(len(places)-1)), scheduler.PlaceDone)
}

func inspectTellsHowTheHostStands(r *rig) {
	crawl := scheduler.Pace{Concurrency: 2}
	f := r.open(Options{Pace: crawl})
	i := extra[scheduler.Inspector](r, f)
	host := func(name string) scheduler.HostInfo {
		r.Helper()
		w, err := i.Inspect(r.ctx, name, dedup.Of("", name, nil))
		r.must(err)
		return w.Host
	}
	if h := host("unknown.example"); h != (scheduler.HostInfo{Host: "unknown.example", Pace: crawl}) {
		r.Errorf("a host that nothing is known of is %+v", h)
	}
	r.push(f, tasks("a.example", 5)...)
	r.all(f, 2)
	if h := host("a.example"); h.Queued != 3 || h.Leased != 2 || !h.Full() || h.Next.After(r.clock.Now()) || h.Pace != crawl || h.OwnPace {
		r.Errorf("a full host is %+v", h)
	}
	own := scheduler.Pace{Delay: 3 * time.Second, Concurrency: 7}
	until := r.clock.Now().Add(time.Minute)
	r.must(f.SetPace(r.ctx, "a.example", own))
	r.must(f.Hold(r.ctx, "a.example", until))
	if h := host("a.example"); h.Full() || !h.Next.Equal(until) || h.Pace != own || !h.OwnPace {
		r.Errorf("a held host with a pace of its own is %+v", h)
	}
	if _, err := i.Inspect(r.ctx, "", dedup.Fingerprint{}); err == nil {
		r.Error("a host without a name is inspected")
	}
}

func busyHostsAreListed(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	i := extra[scheduler.Inspector](r, g)
	const hosts = 700
	var batch []scheduler.Task
	for h := range hosts {
		batch = append(batch, tasks(fmt.Sprintf("h%d.example", h), 1+h%3)...)
	}
	r.push(f, batch...)
	later := task("later.example", 0)
	later.Due = r.clock.Now().Add(time.Hour)
	r.push(f, later)
	r.must(f.Hold(r.ctx, "held.example", later.Due))
	leased := r.all(f, 50)
	listed := map[string]scheduler.HostInfo{}
	r.must(i.Hosts(r.ctx, func(h scheduler.HostInfo) bool { listed[h.Host] = h; return true }))
	r.want("hosts listed", int64(len(listed)), hosts)
	for h := range hosts {
		name := fmt.Sprintf("h%d.example", h)
		if got := listed[name]; got.Queued+got.Leased != int64(1+h%3) {
			r.Errorf("%s is listed as %+v", name, got)
		}
	}
	busy := int64(0)
	for _, h := range listed {
		busy += h.Leased
	}
	r.want("leased of all hosts", busy, int64(len(leased)))
	calls := 0
	r.must(i.Hosts(r.ctx, func(scheduler.HostInfo) bool { calls++; return false }))
	r.want("calls of yield that said stop", int64(calls), 1)
}
