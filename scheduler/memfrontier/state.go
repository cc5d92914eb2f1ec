package memfrontier

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// urgency is what one level of priority outweighs in waiting time.
const urgency = int64(time.Hour)

// maxDead is how many dead letters, and how many dead links, are kept.
const maxDead = 10_000

// tokensAhead is how many tokens are reserved at once: some seconds' worth, for they follow the clock in microseconds.
const tokensAhead = 4 << 20

// maxWhy is how much of a reason is kept, in bytes.
const maxWhy = 1024

// state is a crawl, without a lock and without a clock: callers pass the time, which never goes back. Each of
// its verbs (push, claim, finish, ...) leaves every host in the heap it belongs in, and notes
// in the journal what a restart must know. Claims, releases and the passing of time are not noted: a restart
// finds the tasks where they were.
type state struct {
	pace       scheduler.Pace
	lease      time.Duration
	maxExpired int
	journal    *notes // nil: none is kept

	hosts    map[string]*host
	seen     map[dedup.Fingerprint]struct{}
	ready    hostHeap // by due time and level
	waiting  hostHeap // by due time
	delayed  calendar
	revisit  calendar
	planned  map[dedup.Fingerprint]*task // those of revisit
	parked   map[string][]*task
	leases   map[scheduler.Token]*held
	oldest   *held // leases in the order of their deadlines
	newest   *held
	dead     ring
	gone     ring
	memos    memos
	sums     map[string][]float64 // of each host that has some
	total    []float64            // of all of them
	contents *contents
	links    map[uint64]uint32 // of each page that was linked ever
	token    scheduler.Token   // the last one given
	// reserved is noted in the journal before a token beyond it is given, so that none is given again after a
	// restart although claims are not noted.
	reserved scheduler.Token
	number   uint64 // of the last push

	stats  scheduler.Stats // the counters; Seen and the like are derived
	paused bool
}

// held is a task under lease.
type held struct {
	token    scheduler.Token
	t        *task
	claimed  int64
	deadline int64
	older    *held
	newer    *held
}

func newState(c Config) *state {
	return &state{
		pace: c.Pace, lease: c.Lease, maxExpired: c.MaxExpired,
		hosts:    map[string]*host{},
		seen:     map[dedup.Fingerprint]struct{}{},
		planned:  map[dedup.Fingerprint]*task{},
		sums:     map[string][]float64{},
		parked:   map[string][]*task{},
		leases:   map[scheduler.Token]*held{},
		memos:    memos{values: map[memoKey]memo{}},
		contents: newContents(c.Duplicates),
		links:    map[uint64]uint32{},
		stats:    scheduler.Stats{Outcomes: map[string]int64{}},
	}
}

// host returns the host of a name, made if need be. Callers end with settle.
func (s *state) host(name string) *host {
	h := s.hosts[name]
	if h == nil {
		name = strings.Clone(name)
		h = &host{name: name}
		s.hosts[name] = h
	}
	return h
}

// paceOf returns the pace of a host: its own, if it has one, else the crawl's.
func (s *state) paceOf(h *host) scheduler.Pace {
	if h.pace == nil {
		return s.pace
	}
	return scheduler.Pace{Delay: h.pace.Delay, Concurrency: cmp.Or(h.pace.Concurrency, s.pace.Concurrency)}
}

// settle puts h where it belongs after a change, and forgets it if nothing is left to know about it.
func (s *state) settle(h *host, now int64) {
	if busy := h.queued+h.inflight > 0; busy != h.busy {
		h.busy = busy
		if busy {
			s.stats.Hosts++
		} else {
			s.stats.Hosts--
		}
	}
	in, key := uint8(inNone), int64(0)
	switch {
	case h.queued > 0 && int(h.inflight) < s.paceOf(h).Concurrency:
		if h.due <= now {
			in, key = inReady, h.due+int64(h.best())*urgency
		} else {
			in, key = inWaiting, h.due
		}
	case h.queued > 0 || h.inflight > 0 || h.away > 0 || h.pace != nil:
	case h.due > now:
		in, key = inWaiting, h.due
	default:
		delete(s.hosts, h.name)
	}
	s.place(h, in, key)
}

func (s *state) place(h *host, in uint8, key int64) {
	if h.in == in {
		if q := s.heap(in); q != nil && q.list[h.pos].key != key {
			q.move(key, h)
		}
		return
	}
	if q := s.heap(h.in); q != nil {
		q.remove(h)
	}
	h.in = in
	if q := s.heap(in); q != nil {
		q.insert(key, h)
	}
}

func (s *state) heap(in uint8) *hostHeap {
	switch in {
	case inReady:
		return &s.ready
	case inWaiting:
		return &s.waiting
	}
	return nil
}

// enqueue puts t at the end of its queue. A host that had nothing to do has not waited: it is due from now.
func (s *state) enqueue(t *task, now int64) {
	h := t.host
	if h.queued == 0 {
		h.due = max(h.due, now)
	}
	h.pushBack(t)
	s.stats.Queued++
	s.settle(h, now)
}

// requeue puts t in front of its queue.
func (s *state) requeue(t *task, now int64) {
	h := t.host
	if h.queued == 0 {
		h.due = max(h.due, now)
	}
	h.pushFront(t)
	s.stats.Queued++
	s.settle(h, now)
}

// tick brings the crawl to now: leases end, and what is due comes due.
func (s *state) tick(now int64) {
	if s.oldest != nil && s.oldest.deadline <= now {
		s.expire(now)
	}
	for t := s.delayed.pop(now); t != nil; t = s.delayed.pop(now) {
		s.stats.Delayed--
		t.host.away--
		s.enqueue(t, now)
	}
	for t := s.revisit.pop(now); t != nil; t = s.revisit.pop(now) {
		s.unplan(t)
		s.stats.Scheduled--
		t.host.away--
		s.enqueue(t, now)
	}
	for len(s.waiting.list) > 0 && s.waiting.list[0].key <= now {
		s.settle(s.waiting.list[0].h, now)
	}
}

// expire ends the leases whose time is over. Their tasks come back in the order they were claimed in.
func (s *state) expire(now int64) {
	var back []*task
	for s.oldest != nil && s.oldest.deadline <= now {
		l := s.oldest
		s.unhold(l)
		t := l.t
		t.lapsed(now)
		s.stats.Expired++
		if int(t.expired) > s.maxExpired {
			why := fmt.Sprintf("lease expired %d times", t.expired)
			s.journal.expired(t, why, now)
			s.bury(t, false, why, 0, now)
			s.settle(t.host, now)
			continue
		}
		s.journal.expired(t, "", now)
		back = append(back, t)
	}
	for _, b := range slices.Backward(back) {
		s.requeue(b, now)
	}
}

// next returns the time of the next change that comes by itself, or eternity.
func (s *state) next() int64 {
	at := int64(eternity)
	if len(s.waiting.list) > 0 {
		at = min(at, s.waiting.list[0].key)
	}
	if len(s.delayed.list) > 0 {
		at = min(at, s.delayed.list[0].due)
	}
	if len(s.revisit.list) > 0 {
		at = min(at, s.revisit.list[0].due)
	}
	if s.oldest != nil {
		at = min(at, s.oldest.deadline)
	}
	return at
}

// push queues the tasks that were not seen, and returns their number. The tasks have been checked.
func (s *state) push(tasks []scheduler.Task, now int64) (added int) {
	var h *host
	for i := range tasks {
		p := &tasks[i]
		before := len(s.seen)
		unrecorded := p.DontFilter && p.DontRecord
		if !unrecorded {
			s.seen[p.ID] = struct{}{}
		}
		if len(s.seen) == before && !p.DontFilter {
			s.stats.Duplicates++
			s.journal.duplicate()
			continue
		}
		added++
		if h == nil || h.name != p.Host {
			h = s.host(p.Host)
		}
		s.number++
		t := &task{
			id: p.ID, payload: string(p.Payload), number: s.number, host: h,
			level:      uint8(scheduler.Level(p.Priority)), //nolint:gosec // 0 to 15
			unrecorded: unrecorded,
		}
		due := nanos(p.Due)
		s.journal.pushed(t, due)
		if due > now {
			s.delay(t, due)
			s.settle(h, now)
		} else {
			s.enqueue(t, now)
		}
	}
	return added
}

func (s *state) delay(t *task, due int64) {
	t.host.away++
	s.stats.Delayed++
	s.delayed.add(due, t)
}

// claim leases up to n tasks, one after the other: the best of the host that is first in line.
func (s *state) claim(n int, now int64) []*held {
	if s.paused {
		return nil
	}
	n = min(n, int(s.stats.Queued))
	var list []*held
	for len(list) < n && len(s.ready.list) > 0 {
		h := s.ready.list[0].h
		t := h.pop()
		s.stats.Queued--
		list = append(list, s.hold(t, now))
		h.due = later(now, s.paceOf(h).Delay)
		s.settle(h, now)
	}
	return list
}

// hold gives t a lease, which is the last to end.
func (s *state) hold(t *task, now int64) *held {
	s.token = max(s.token+1, scheduler.Token(now/int64(time.Microsecond)))
	if s.token > s.reserved {
		s.reserved = s.token + tokensAhead
		s.journal.reserved(s.reserved)
	}
	l := &held{token: s.token, t: t, claimed: now, deadline: later(now, s.lease)}
	s.leases[l.token] = l
	s.link(l)
	t.host.inflight++
	s.stats.Leased++
	return l
}

// unhold takes the lease away. Callers settle the host.
func (s *state) unhold(l *held) {
	delete(s.leases, l.token)
	s.unlink(l)
	l.t.host.inflight--
	s.stats.Leased--
}

func (s *state) link(l *held) {
	l.older, l.newer = s.newest, nil
	if s.newest == nil {
		s.oldest = l
	} else {
		s.newest.newer = l
	}
	s.newest = l
}

func (s *state) unlink(l *held) {
	if l.older == nil {
		s.oldest = l.newer
	} else {
		l.older.newer = l.newer
	}
	if l.newer == nil {
		s.newest = l.older
	} else {
		l.newer.older = l.older
	}
	l.older, l.newer = nil, nil
}

// extend renews a lease and reports whether it was held.
func (s *state) extend(token scheduler.Token, now int64) bool {
	l := s.leases[token]
	if l == nil {
		return false
	}
	s.unlink(l)
	l.deadline = later(now, s.lease)
	s.link(l)
	return true
}

// finish applies a result, which has been checked, and reports whether its lease was held.
func (s *state) finish(r *scheduler.Result, now int64) bool {
	l := s.leases[r.Lease.Token]
	if l == nil {
		return false
	}
	s.unhold(l)
	t, h, v := l.t, l.t.host, r.Verdict
	if r.Sent > 0 {
		h.due = max(h.due, later(later(l.claimed, r.Sent), s.paceOf(h).Delay))
	}
	if r.Outcome != "" {
		s.stats.Outcomes[r.Outcome]++
	}
	s.stats.Items += int64(r.Items)
	s.stats.Bytes += r.Bytes
	s.tally(h.name, r.Sums)
	s.journal.finished(t, r, now)

	if v.Payload != nil {
		t.payload = string(v.Payload)
	}
	switch v.Kind {
	case scheduler.KindDone:
		s.stats.Done++
	case scheduler.KindRetry:
		s.stats.Retries++
		t.failed(now)
		if v.After > 0 {
			s.delay(t, later(now, v.After))
		} else {
			s.enqueue(t, now)
		}
	case scheduler.KindRevisit:
		s.stats.Done++
		s.reschedule(t, nanos(v.At), now)
	case scheduler.KindRelease:
		s.requeue(t, now)
	case scheduler.KindDrop:
		s.stats.Done++
		s.bury(t, false, v.Why, r.Status, now)
	case scheduler.KindGone:
		s.stats.Done++
		s.bury(t, true, v.Why, r.Status, now)
	case scheduler.KindPark:
		s.park(t, v.Why)
	}
	s.settle(h, now)
	return true
}

// reschedule makes a first attempt of t, at due.
func (s *state) reschedule(t *task, due, now int64) {
	t.renew()
	if due <= now {
		s.enqueue(t, now)
		return
	}
	s.schedule(t, due)
}

func (s *state) park(t *task, label string) {
	t.host.away++
	s.stats.Parked++
	s.parked[label] = append(s.parked[label], t)
}

func (s *state) unpark(label string, now int64) int {
	list := s.parked[label]
	if len(list) == 0 {
		return 0
	}
	delete(s.parked, label)
	s.journal.unparked(label)
	for _, t := range list {
		s.stats.Parked--
		t.host.away--
		s.enqueue(t, now)
	}
	return len(list)
}

// bury lists t among the dead letters or the dead links.
func (s *state) bury(t *task, gone bool, why string, status int, now int64) {
	d := scheduler.DeadLetter{
		Task: t.public(), Why: cut(why), Status: status,
		Attempt: int(t.attempt) + 1, Expired: int(t.expired), First: t.firstTime(), At: time.Unix(0, now), Gone: gone,
	}
	if gone {
		s.stats.Gone++
		s.gone.add(d)
	} else {
		s.stats.Dead++
		s.dead.add(d)
	}
}

// holdHost keeps a host silent until then.
func (s *state) holdHost(name string, until, now int64) {
	if until <= now {
		return
	}
	h := s.host(name)
	if until > h.due {
		h.due = until
		s.journal.hosted(h)
	}
	s.settle(h, now)
}

// setPace gives a host a pace of its own, or nil.
func (s *state) setPace(name string, p *scheduler.Pace, now int64) {
	h := s.host(name)
	h.pace = p
	s.journal.hosted(h)
	s.settle(h, now)
}

func (s *state) pause(paused bool) {
	if s.paused != paused {
		s.paused = paused
		s.journal.pausing(paused)
	}
}

// active is the number of tasks that keep the crawl from being done.
func (s *state) active() int64 { return s.stats.Active() }

// public returns t as its pusher knew it.
func (t *task) public() scheduler.Task {
	return scheduler.Task{
		ID: t.id, Host: t.host.name, Priority: scheduler.PriorityOf(int(t.level)), Payload: []byte(t.payload),
	}
}

// ring keeps the newest dead letters.
type ring struct {
	list  []scheduler.DeadLetter
	start int
}

func (r *ring) add(d scheduler.DeadLetter) {
	if len(r.list) < maxDead {
		r.list = append(r.list, d)
		return
	}
	r.list[r.start] = d
	r.start = (r.start + 1) % maxDead
}

// take removes the letters at the places given, which ascend from 0, the oldest, and returns them.
func (r *ring) take(places []int) []scheduler.DeadLetter {
	all := r.all()
	taken, kept := make([]scheduler.DeadLetter, 0, len(places)), make([]scheduler.DeadLetter, 0, len(all))
	for i, d := range all {
		if len(places) > 0 && places[0] == i {
			places = places[1:]
			taken = append(taken, d)
		} else {
			kept = append(kept, d)
		}
	}
	r.list, r.start = kept, 0
	return taken
}

// all returns the letters, the oldest first.
func (r *ring) all() []scheduler.DeadLetter {
	return append(append([]scheduler.DeadLetter(nil), r.list[r.start:]...), r.list[:r.start]...)
}

// cut shortens a reason, at the start of a character.
func cut(why string) string {
	if len(why) <= maxWhy {
		return why
	}
	return strings.ToValidUTF8(why[:maxWhy], "")
}

// checkResult returns an error if a result makes no sense.
func checkResult(r *scheduler.Result) error {
	switch {
	case r.Lease == nil:
		return errors.New("result without a lease")
	case r.Verdict.Kind < scheduler.KindDone || r.Verdict.Kind > scheduler.KindPark:
		return fmt.Errorf("result for %s: %s", r.Lease.Host, r.Verdict)
	case r.Verdict.Kind == scheduler.KindPark && len(r.Verdict.Why) > maxWhy:
		return fmt.Errorf("label %.80q... has %d bytes, at most %d are allowed", r.Verdict.Why, len(r.Verdict.Why), maxWhy)
	case len(r.Outcome) > 64 || strings.Trim(r.Outcome, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return fmt.Errorf("outcome %.80q: want at most 64 bytes of [a-z0-9_]", r.Outcome)
	}
	if err := r.Check(); err != nil {
		return fmt.Errorf("result for %s: %w", r.Lease.Host, err)
	}
	return nil
}

// memos is the memory that workers share. Old values are swept when there are twice as many as after the last
// sweep.
type memos struct {
	values map[memoKey]memo
	limit  int
}

type (
	memoKey struct{ host, name string }
	memo    struct {
		value string
		until int64
	}
)

func (m *memos) save(k memoKey, v memo, now int64) {
	m.values[k] = v
	if len(m.values) <= max(m.limit, 64) {
		return
	}
	for k, v := range m.values {
		if v.until <= now {
			delete(m.values, k)
		}
	}
	m.limit = 2 * len(m.values)
}

// save keeps a value until then.
func (s *state) save(host, name, value string, until, now int64) {
	s.memos.save(memoKey{host, name}, memo{value, until}, now)
	s.journal.saved(host, name, value, until)
}
