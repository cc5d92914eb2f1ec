package memfrontier

import (
	"context"
	"fmt"
	"math"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Check implements scheduler.Checker. It is exact at all times.
func (f *Frontier) Check(ctx context.Context) (broken []string, err error) {
	now, err := f.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer f.leave()
	return f.s.check(now), nil
}

// check recounts the crawl at now, which tick has been told.
func (s *state) check(now int64) (broken []string) {
	wrong := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	same := func(what string, counted, kept int64) {
		if counted != kept {
			wrong("%s: %d counted, %d kept", what, counted, kept)
		}
	}
	var queued, busy int64
	away, inflight := map[*host]int32{}, map[*host]int32{}
	known := func(t *task, where string) {
		if s.hosts[t.host.name] != t.host {
			wrong("%s task %d: its host %s was forgotten", where, t.number, t.host.name)
		}
		if _, ok := s.seen[t.id]; !ok && !t.unrecorded {
			wrong("%s task %d of %s is not seen", where, t.number, t.host.name)
		}
	}

	var leased int64
	var last int64
	for l := s.oldest; l != nil; l = l.newer {
		leased++
		inflight[l.t.host]++
		known(l.t, "leased")
		if s.leases[l.token] != l {
			wrong("lease %d is not known by its token", l.token)
		}
		if l.deadline < last || l.deadline <= now {
			wrong("lease %d ends at %d, out of order or in the past", l.token, l.deadline)
		}
		last = l.deadline
	}
	same("leases", leased, int64(len(s.leases)))
	same("Leased", leased, s.stats.Leased)
	for _, e := range s.delayed.list {
		away[e.t.host]++
		known(e.t, "delayed")
	}
	same("Delayed", int64(len(s.delayed.list)), s.stats.Delayed)
	for _, e := range s.revisit.list {
		away[e.t.host]++
		known(e.t, "scheduled")
	}
	s.checkCalendars(wrong)
	s.checkSums(wrong)
	same("Scheduled", int64(len(s.revisit.list)), s.stats.Scheduled)
	var parked int64
	for _, list := range s.parked {
		for _, t := range list {
			parked++
			away[t.host]++
			known(t, "parked")
		}
	}
	same("Parked", parked, s.stats.Parked)

	for name, h := range s.hosts {
		n := int64(0)
		for i, q := range h.queues {
			if i > 0 && h.queues[i-1].level >= q.level {
				wrong("%s: levels out of order", name)
			}
			if q.head == nil {
				wrong("%s: level %d is empty", name, q.level)
			}
			for t := q.head; t != nil; t = t.next {
				n++
				known(t, "queued")
				if t.host != h || t.level != q.level {
					wrong("%s: task %d is in a queue that is not its own", name, t.number)
				}
				if t.next == nil && t != q.tail {
					wrong("%s: level %d ends before its tail", name, q.level)
				}
			}
		}
		queued += n
		same(name+": queued", n, int64(h.queued))
		same(name+": in flight", int64(inflight[h]), int64(h.inflight))
		same(name+": away", int64(away[h]), int64(h.away))
		if h.queued+h.inflight > 0 {
			busy++
		}
		s.checkPlace(h, now, wrong)
	}
	same("Queued", queued, s.stats.Queued)
	same("Hosts", busy, s.stats.Hosts)
	same("hosts in heaps", s.countPlaced(), int64(len(s.ready.list)+len(s.waiting.list)))
	return broken
}

// checkCalendars compares the calendars with where their tasks think to be, and with the index.
func (s *state) checkCalendars(wrong func(string, ...any)) {
	for _, c := range []*calendar{&s.delayed, &s.revisit} {
		for i, e := range c.list {
			if int(e.t.pos) != i {
				wrong("task %d: at %d in its calendar, says %d", e.t.number, i, e.t.pos)
			}
			if i > 0 && e.before(c.list[(i-1)/4]) {
				wrong("task %d: out of order in its calendar", e.t.number)
			}
		}
	}
	n := 0
	for id, t := range s.planned {
		for ; t != nil; t = t.next {
			n++
			if t.id != id || int(t.pos) >= len(s.revisit.list) || s.revisit.at(t).t != t {
				wrong("task %d: in the index of revisits by mistake", t.number)
			}
		}
	}
	if n != len(s.revisit.list) {
		wrong("revisits: %d in the index, %d in the calendar", n, len(s.revisit.list))
	}
}

// checkSums adds up the sums of the hosts.
func (s *state) checkSums(wrong func(string, ...any)) {
	var total, size []float64
	for host, sums := range s.sums {
		if scheduler.CheckSums(sums) != nil || len(sums) == 0 {
			wrong("%s: its sums are %v", host, sums)
		}
		total = addSums(total, sums)
		sizes := make([]float64, len(sums))
		for i, v := range sums {
			sizes[i] = math.Abs(v)
		}
		size = addSums(size, sizes)
	}
	for i := range max(len(total), len(s.total)) {
		is, should, most := 0.0, 0.0, 0.0
		if i < len(s.total) {
			is = s.total[i]
		}
		if i < len(total) {
			should, most = total[i], size[i]
		}
		if math.Abs(is-should) > 1e-6*(1+most) { // the order of additions is not the same
			wrong("sum %d of the crawl is %v, those of the hosts make %v", i, is, should)
		}
	}
}

func (s *state) countPlaced() (n int64) {
	for _, h := range s.hosts {
		if h.in != inNone {
			n++
		}
	}
	return n
}

// checkPlace compares the heap h is in with the one it belongs in.
func (s *state) checkPlace(h *host, now int64, wrong func(string, ...any)) {
	in := uint8(inNone)
	free := int(h.inflight) < s.paceOf(h).Concurrency
	idle := h.queued+h.inflight+h.away == 0 && h.pace == nil
	switch {
	case h.queued > 0 && free && h.due <= now:
		in = inReady
	case h.queued > 0 && free, idle && h.due > now:
		in = inWaiting
	case idle:
		wrong("%s: kept for nothing", h.name)
	}
	if h.in != in {
		wrong("%s: in heap %d, belongs in %d", h.name, h.in, in)
		return
	}
	q := s.heap(in)
	if q == nil {
		return
	}
	i := int(h.pos)
	if i >= len(q.list) || q.list[i].h != h {
		wrong("%s: not where it says in heap %d", h.name, in)
		return
	}
	key := h.due
	if in == inReady {
		key += int64(h.best()) * urgency
	}
	if q.list[i].key != key {
		wrong("%s: key %d in heap %d, should be %d", h.name, q.list[i].key, in, key)
	}
	if i > 0 && q.list[(i-1)/4].key > key {
		wrong("%s: heap %d out of order", h.name, in)
	}
}
