package frontiertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func modelCases() []testCase {
	var list []testCase
	for seed := range uint64(4) {
		list = append(list, testCase{
			fmt.Sprintf("RandomisedModel-%d", seed),
			func(r *rig) { newModel(r, seed).run() },
		})
	}
	return list
}

// model is what a frontier should be like, in the plainest words: every task with its state. The case does
// the same random things to the model and to the driver. What a claim hands out is the driver's choice, as far
// as the model can see that it is allowed.
//
// All steps of the clock are multiples of 10 ms, and no delay or deadline is, so that nothing ever happens on
// a boundary.
type model struct {
	*rig
	f       scheduler.Frontier
	rand    *rand.Rand
	history []string

	tasks      []*modelTask
	hosts      []*modelHost
	lost       []*scheduler.Lease // whose finish must be refused
	pushed     int
	duplicates int64
	stats      scheduler.Stats // the counters
}

type modelTask struct {
	scheduler.Task
	host     *modelHost
	state    modelState
	attempt  int
	expired  int
	order    int  // of its push
	pristine bool // queued by its push and never touched since
	due      time.Time
	label    string
	lease    *scheduler.Lease
	claimed  time.Time
}

type modelHost struct {
	name     string
	pace     scheduler.Pace
	next     time.Time
	inflight int
	sums     []float64
}

type modelState int

const (
	queued modelState = iota
	leased
	delayed
	scheduled
	parked
	dead
	gone
	done
	removed
)

const (
	modelLease      = lease + 5*time.Millisecond
	modelDelay      = time.Second + 3*time.Millisecond
	modelRetry      = 5*time.Second + 7*time.Millisecond
	modelDue        = 10*time.Second + 9*time.Millisecond
	modelHold       = 8*time.Second + time.Millisecond
	modelRevisit    = 1000 * time.Hour
	modelMaxExpired = 2
)

func newModel(r *rig, seed uint64) *model {
	m := &model{rig: r, rand: rand.New(rand.NewPCG(seed, 7))}
	m.stats.Outcomes = map[string]int64{}
	crawl := scheduler.Pace{Concurrency: 2}
	m.f = r.open(Options{Lease: modelLease, Pace: crawl, MaxExpired: modelMaxExpired})
	for i := range 9 {
		h := &modelHost{name: fmt.Sprintf("h%d.example", i), pace: crawl}
		switch i % 3 {
		case 1:
			h.pace = scheduler.Pace{Delay: modelDelay, Concurrency: 1}
		case 2:
			h.pace = scheduler.Pace{Concurrency: 3}
		}
		if h.pace != crawl {
			r.must(m.f.SetPace(r.ctx, h.name, h.pace))
		}
		m.hosts = append(m.hosts, h)
	}
	return m
}

func (m *model) run() {
	defer func() {
		if m.Failed() {
			m.Logf("what was done:\n%s", m.history)
		}
	}()
	for range 10 {
		for range 40 {
			m.step()
		}
		m.settle()
		m.steer()
		if m.Failed() {
			m.FailNow()
		}
	}
	m.finale()
}

func (m *model) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format+"\n", args...))
}

func (m *model) step() {
	switch n := m.rand.IntN(100); {
	case n < 25:
		m.pushSome()
	case n < 50:
		m.claimSome(1 + m.rand.IntN(5))
	case n < 75:
		m.finishSome()
	case n < 80:
		m.extendSome()
	case n < 84:
		h := m.hosts[m.rand.IntN(len(m.hosts))]
		until := m.clock.Now().Add(modelHold)
		m.note("hold %s", h.name)
		m.must(m.f.Hold(m.ctx, h.name, until))
		h.next = latest(h.next, until)
	case n < 87:
		m.unpark()
	case n < 97:
		m.pass(time.Duration(1+m.rand.IntN(300)) * 10 * time.Millisecond)
	default:
		m.pass(time.Duration(20+m.rand.IntN(50)) * time.Second)
	}
}

func (m *model) pass(d time.Duration) {
	m.note("advance %v", d)
	m.advance(d)
	m.tick()
}

// tick lets leases run out and delays end.
func (m *model) tick() {
	now := m.clock.Now()
	for _, t := range m.tasks {
		switch t.state {
		case leased:
			if t.due.After(now) {
				continue
			}
			m.lost = append(m.lost, t.lease)
			t.host.inflight--
			t.lease, t.pristine = nil, false
			t.expired++
			m.stats.Expired++
			t.state = queued
			if t.expired > modelMaxExpired {
				t.state = dead
			}
		case delayed, scheduled:
			if !t.due.After(now) {
				t.state, t.pristine = queued, false
			}
		}
	}
}

func (m *model) pushSome() {
	var batch []scheduler.Task
	added := 0
	for range 1 + m.rand.IntN(6) {
		if len(m.tasks) > 0 && m.rand.IntN(5) == 0 {
			m.duplicates++
			batch = append(batch, m.tasks[m.rand.IntN(len(m.tasks))].Task)
			continue
		}
		h := m.hosts[m.rand.IntN(len(m.hosts))]
		t := &modelTask{Task: withPriority(task(h.name, m.pushed), m.rand.IntN(3)-1), host: h, attempt: 1, order: m.pushed}
		m.pushed++
		if t.state, t.pristine = queued, true; m.rand.IntN(6) == 0 {
			t.Due = m.clock.Now().Add(modelDue)
			t.state, t.pristine, t.due = delayed, false, t.Due
		}
		m.tasks = append(m.tasks, t)
		batch = append(batch, t.Task)
		added++
	}
	m.note("push %d, %d of them new", len(batch), added)
	n, err := m.f.Push(m.ctx, batch...)
	m.must(err)
	m.want("added", int64(n), int64(added))
}

// available says whether there is something to claim.
func (m *model) available() bool {
	return slices.ContainsFunc(m.tasks, func(t *modelTask) bool { return t.state == queued && m.free(t.host) })
}

func (m *model) free(h *modelHost) bool {
	return h.inflight < h.pace.Concurrency && !h.next.After(m.clock.Now())
}

func (m *model) claimSome(n int) {
	if !m.available() {
		return
	}
	for _, l := range m.claim(m.f, n) {
		m.note("claimed %s", l.Payload)
		m.claimed(l)
	}
}

// claimed checks that the driver could hand out this one, and notes that it did.
func (m *model) claimed(l *scheduler.Lease) {
	i := slices.IndexFunc(m.tasks, func(t *modelTask) bool { return string(t.Payload) == string(l.Payload) })
	if i < 0 {
		m.Fatalf("claimed %s, which nobody pushed", l.Payload)
	}
	t := m.tasks[i]
	if t.state != queued {
		m.Fatalf("claimed %s, which is in state %d", l.Payload, t.state)
	}
	if !m.free(t.host) {
		m.Fatalf("claimed %s, although its host has %d in flight and is due in %v", l.Payload, t.host.inflight, t.host.next.Sub(m.clock.Now()))
	}
	for _, o := range m.tasks {
		if o.host != t.host || o.state != queued || o == t {
			continue
		}
		if o.Priority > t.Priority {
			m.Fatalf("claimed %s of priority %d before %s of %d", l.Payload, t.Priority, o.Payload, o.Priority)
		}
		if o.Priority == t.Priority && o.pristine && t.pristine && o.order < t.order {
			m.Fatalf("claimed %s before %s, which was pushed earlier", l.Payload, o.Payload)
		}
	}
	if l.Attempt != t.attempt || l.Expired != t.expired || l.Priority != t.Priority || l.Host != t.Host {
		m.Fatalf("claimed %s at %s: attempt %d, expired %d, priority %d; want %s, %d, %d, %d",
			l.Payload, l.Host, l.Attempt, l.Expired, l.Priority, t.Host, t.attempt, t.expired, t.Priority)
	}
	now := m.clock.Now()
	t.state, t.pristine, t.lease, t.claimed, t.due = leased, false, l, now, now.Add(modelLease)
	t.host.inflight++
	t.host.next = now.Add(t.host.pace.Delay)
}

// some returns up to n leased tasks, drawn at random.
func (m *model) some(n int) []*modelTask {
	var list []*modelTask
	for _, t := range m.tasks {
		if t.state == leased {
			list = append(list, t)
		}
	}
	m.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(n, len(list))]
}

func (m *model) finishSome() {
	var results []scheduler.Result
	for _, t := range m.some(1 + m.rand.IntN(3)) {
		results = append(results, m.result(t))
	}
	m.must(m.f.Finish(m.ctx, results...))
}

// result draws what becomes of a lease, and applies it to the model.
func (m *model) result(t *modelTask) scheduler.Result {
	now := m.clock.Now()
	res := scheduler.Result{Lease: t.lease, Outcome: []string{"", "ok", "http_404"}[m.rand.IntN(3)], Items: m.rand.IntN(3), Bytes: 100}
	if held := int(now.Sub(t.claimed) / (10 * time.Millisecond)); held > 0 && m.rand.IntN(2) == 0 {
		res.Sent = time.Duration(1+m.rand.IntN(held)) * 10 * time.Millisecond
		t.host.next = latest(t.host.next, t.claimed.Add(res.Sent+t.host.pace.Delay))
	}
	if res.Outcome != "" {
		m.stats.Outcomes[res.Outcome]++
	}
	m.stats.Items += int64(res.Items)
	m.stats.Bytes += res.Bytes
	res.Sums = [][]float64{nil, {1}, {0.5, float64(m.rand.IntN(9) - 4), 2}}[m.rand.IntN(3)]
	t.host.sums = plus(t.host.sums, res.Sums)
	t.host.inflight--
	t.lease = nil
	switch m.rand.IntN(9) {
	case 0:
		res.Verdict = scheduler.Retry(0, "x")
		t.state = queued
		t.attempt++
		m.stats.Retries++
	case 1:
		res.Verdict = scheduler.Retry(modelRetry, "x")
		t.state, t.due = delayed, now.Add(modelRetry)
		t.attempt++
		m.stats.Retries++
	case 2:
		res.Verdict = scheduler.Release()
		t.state = queued
	case 3:
		at := now.Add(modelRevisit)
		res.Verdict = scheduler.Revisit(at)
		t.state, t.due, t.attempt, t.expired = scheduled, at.Add(time.Minute), 1, 0
		m.stats.Done++
	case 4:
		res.Verdict = scheduler.Drop("x")
		t.state = dead
		m.stats.Done++
	case 5:
		res.Verdict = scheduler.Gone("x")
		t.state = gone
		m.stats.Done++
	case 6:
		t.label = []string{"one", "two"}[m.rand.IntN(2)]
		res.Verdict = scheduler.Park(t.label)
		t.state = parked
	default:
		res.Verdict = scheduler.Done()
		t.state = done
		m.stats.Done++
	}
	m.note("finish %s, sent after %v: %v", t.Payload, res.Sent, res.Verdict)
	return res
}

func (m *model) extendSome() {
	var leases []*scheduler.Lease
	for _, t := range m.some(3) {
		m.note("extend %s", t.Payload)
		leases = append(leases, t.lease)
		t.due = m.clock.Now().Add(modelLease)
	}
	m.must(m.f.Extend(m.ctx, leases...))
}

func (m *model) unpark() {
	p, ok := m.f.(scheduler.Parker)
	if !ok {
		return
	}
	m.note("unpark one")
	want := 0
	for _, t := range m.tasks {
		if t.state == parked && t.label == "one" {
			t.state = queued
			want++
		}
	}
	n, err := p.Unpark(m.ctx, "one")
	m.must(err)
	m.want("unparked", int64(n), int64(want))
}

// settle claims all there is, so that the driver has done what it puts off until it is asked, and compares.
func (m *model) settle() {
	for m.available() {
		m.claimSome(20)
	}
	m.note("settle")
	m.none(m.f)
	for _, l := range m.lost {
		err := m.f.Finish(m.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "late"})
		m.rig.lost(err, l)
	}
	m.lost = nil
	m.compare()
	m.sound(m.f)
}

// steer does what operators do. It follows settle, because drivers put off what has come due until they are asked.
func (m *model) steer() {
	s, ok1 := m.f.(scheduler.Steerer)
	u, ok2 := m.f.(scheduler.Undertaker)
	if !ok1 || !ok2 {
		return
	}
	for range m.rand.IntN(4) {
		h := m.hosts[m.rand.IntN(len(m.hosts))]
		var got, want int
		var err error
		switch m.rand.IntN(5) {
		case 0:
			from, to := m.rand.IntN(3)-1, m.rand.IntN(3)-1
			m.note("reprioritize %s from %d to %d", h.name, from, to)
			want = m.change(func(t *modelTask) bool { return t.host == h && t.state == queued && t.Priority == from && from != to },
				func(t *modelTask) { t.Priority, t.pristine = to, false })
			got, err = s.Reprioritize(m.ctx, h.name, from, to)
		case 1:
			m.note("replay %s", h.name)
			want = m.change(func(t *modelTask) bool { return t.host == h && (t.state == dead || t.state == gone) },
				func(t *modelTask) { t.state, t.attempt, t.expired, t.pristine = queued, 1, 0, false })
			got, err = u.Replay(m.ctx, scheduler.Letters{Host: h.name})
		case 2:
			m.note("forget dead links of %s", h.name)
			want = m.change(func(t *modelTask) bool { return t.host == h && t.state == gone }, func(t *modelTask) { t.state = removed })
			got, err = u.Forget(m.ctx, scheduler.Letters{Host: h.name, Links: true})
		case 3:
			m.note("purge %s", h.name)
			want = m.change(func(t *modelTask) bool { return t.host == h && t.state <= parked }, m.remove)
			got, err = s.PurgeHost(m.ctx, h.name)
			h.sums = nil
		case 4:
			got, want, err = m.reschedule(h)
		}
		m.must(err)
		m.want("changed by: "+m.history[len(m.history)-1], int64(got), int64(want))
		m.compare()
		m.sound(m.f)
	}
}

// reschedule plans a task of the host anew, whether it is scheduled or not.
func (m *model) reschedule(h *modelHost) (got, want int, err error) {
	m.note("reschedule one of %s", h.name)
	s, ok := m.f.(scheduler.Rescheduler)
	var list []*modelTask
	for _, t := range m.tasks {
		if t.host == h {
			list = append(list, t)
		}
	}
	if !ok || len(list) == 0 {
		return 0, 0, nil
	}
	t := list[m.rand.IntN(len(list))]
	due := m.clock.Now().Add(modelRevisit + time.Duration(m.rand.IntN(1000))*time.Second)
	if t.state == scheduled {
		want = 1
		t.due = due.Add(time.Minute)
		h.sums = plus(h.sums, []float64{0, 7})
	}
	done, err := rescheduleOne(m.ctx, s, h.name, t.ID, func(is scheduler.Task) (scheduler.Task, []float64, bool) {
		is.Due = due
		return is, []float64{0, 7}, true
	})
	if done {
		got = 1
	}
	return got, want, err
}

// plus adds more to the sums.
func plus(sums, more []float64) []float64 {
	for i, v := range more {
		if i == len(sums) {
			sums = append(sums, 0)
		}
		sums[i] += v
	}
	return sums
}

// change does something to the tasks that which is true of, and returns their number.
func (m *model) change(which func(*modelTask) bool, do func(*modelTask)) (n int) {
	for _, t := range m.tasks {
		if which(t) {
			do(t)
			n++
		}
	}
	return n
}

// remove is what a purge of its host does to a task.
func (m *model) remove(t *modelTask) {
	if t.state == leased {
		m.lost = append(m.lost, t.lease)
		t.host.inflight--
		t.host.next = latest(t.host.next, t.due)
		t.lease = nil
	}
	t.state = removed
}

func (m *model) compare() {
	s := m.rig.stats(m.f)
	var count [removed + 1]int64
	busy := map[*modelHost]bool{}
	for _, t := range m.tasks {
		count[t.state]++
		if t.state == queued || t.state == leased {
			busy[t.host] = true
		}
	}
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"Queued", s.Queued, count[queued]},
		{"Leased", s.Leased, count[leased]},
		{"Delayed", s.Delayed, count[delayed]},
		{"Scheduled", s.Scheduled, count[scheduled]},
		{"Parked", s.Parked, count[parked]},
		{"Dead", s.Dead, count[dead]},
		{"Gone", s.Gone, count[gone]},
		{"Seen", s.Seen, int64(len(m.tasks))},
		{"Duplicates", s.Duplicates, m.duplicates},
		{"Done", s.Done, m.stats.Done},
		{"Retries", s.Retries, m.stats.Retries},
		{"Expired", s.Expired, m.stats.Expired},
		{"Hosts", s.Hosts, int64(len(busy))},
		{"Items", s.Items, m.stats.Items},
		{"Bytes", s.Bytes, m.stats.Bytes},
		{"ok", s.Outcomes["ok"], m.stats.Outcomes["ok"]},
		{"http_404", s.Outcomes["http_404"], m.stats.Outcomes["http_404"]},
		{"late", s.Outcomes["late"], 0},
	} {
		m.want(c.name, c.got, c.want)
	}
	if l, ok := m.f.(scheduler.Ledger); ok {
		m.compareSums(l)
	}
	active := count[queued] + count[leased] + count[delayed]
	if got := m.rig.done(m.f); got != (active == 0) {
		m.Errorf("Done says %v with %d tasks active", got, active)
	}
}

// compareSums compares numbers that are exact in whatever order they are added.
func (m *model) compareSums(l scheduler.Ledger) {
	var total []float64
	listed := m.rig.hostSums(m.f)
	for _, h := range m.hosts {
		total = plus(total, h.sums)
		got, err := l.Sums(m.ctx, h.name)
		m.must(err)
		if !slices.Equal(got, h.sums) || !slices.Equal(listed[h.name], h.sums) {
			m.Errorf("sums of %s are %v and listed as %v, want %v", h.name, got, listed[h.name], h.sums)
		}
	}
	got, err := l.Sums(m.ctx, "")
	m.must(err)
	for i := len(total); i < len(got); i++ { // of hosts that were purged
		if got[i] != 0 {
			m.Errorf("sum %d of the crawl is %v, want none", i, got[i])
		}
	}
	if !slices.Equal(got[:min(len(got), len(total))], total) {
		m.Errorf("sums of the crawl are %v, want %v", got, total)
	}
}

// finale lets all that is scheduled come due, and crawls until nothing is left.
func (m *model) finale() {
	m.settle()
	m.pass(2 * modelRevisit)
	if m.rig.done(m.f) && m.available() {
		m.Error("done with revisits due")
	}
	if p, ok := m.f.(scheduler.Parker); ok {
		_, err := p.Unpark(m.ctx, "one", "two")
		m.must(err)
		for _, t := range m.tasks {
			if t.state == parked {
				t.state = queued
			}
		}
	}
	for m.available() {
		m.claimSome(20)
		var results []scheduler.Result
		for _, t := range m.some(len(m.tasks)) {
			results = append(results, scheduler.Result{Lease: t.lease, Verdict: scheduler.Done()})
			t.state, t.lease = done, nil
			t.host.inflight--
			m.stats.Done++
		}
		m.must(m.f.Finish(m.ctx, results...))
		if !m.available() {
			m.pass(2 * time.Second)
		}
	}
	m.settle()
	for _, t := range m.tasks {
		if t.state < parked {
			m.Errorf("%s is left in state %d", t.Payload, t.state)
		}
	}
	if !m.rig.done(m.f) {
		m.Error("not done")
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
