package memfrontier

import (
	"context"
	"slices"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Reprioritize implements scheduler.Steerer, in one step.
func (f *Frontier) Reprioritize(ctx context.Context, host string, from, to int) (int, error) {
	if host != "" {
		if err := (&scheduler.Task{Host: host}).Check(); err != nil {
			return 0, err
		}
	}
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	a, b := uint8(scheduler.Level(from)), uint8(scheduler.Level(to)) //nolint:gosec // 0 to 15
	if h := f.s.hosts[host]; h != nil {
		n = f.s.relevel(h, a, b, now)
	} else if host == "" {
		for _, h := range f.s.hosts {
			n += f.s.relevel(h, a, b, now)
		}
	}
	return n, f.commit()
}

// relevel moves the queue of one level behind that of another, and returns its length.
func (s *state) relevel(h *host, from, to uint8, now int64) (n int) {
	i := slices.IndexFunc(h.queues, func(q queue) bool { return q.level == from })
	if i < 0 || from == to {
		return 0
	}
	moved := h.queues[i]
	h.queues = slices.Delete(h.queues, i, i+1)
	for t := moved.head; t != nil; t = t.next {
		t.level = to
		n++
	}
	s.journal.relevelled(to, moved.head, n)
	if q := h.level(to); q.tail == nil {
		q.head, q.tail = moved.head, moved.tail
	} else {
		q.tail.next, q.tail = moved.head, moved.tail
	}
	s.settle(h, now)
	return n
}

// PurgeHost implements scheduler.Steerer, in one step.
func (f *Frontier) PurgeHost(ctx context.Context, host string) (int, error) {
	if err := (&scheduler.Task{Host: host}).Check(); err != nil {
		return 0, err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	if h := f.s.hosts[host]; h != nil {
		n = f.s.purgeHost(h, now)
	}
	if len(f.s.sums[host]) > 0 {
		f.s.dropSums(host)
		f.s.journal.unsummed(host)
	}
	return n, f.commit()
}

// purgeHost removes all tasks of a host, and returns their number.
func (s *state) purgeHost(h *host, now int64) int {
	var numbers []uint64
	for l := s.oldest; l != nil; {
		next := l.newer
		if l.t.host == h {
			numbers = append(numbers, l.t.number)
			h.due = max(h.due, l.deadline)
			s.unhold(l)
		}
		l = next
	}
	for _, q := range h.queues {
		for t := q.head; t != nil; t = t.next {
			numbers = append(numbers, t.number)
		}
	}
	s.stats.Queued -= int64(h.queued)
	h.queues, h.queued = nil, 0
	from := func(t *task) bool {
		if t.host == h {
			numbers = append(numbers, t.number)
		}
		return t.host == h
	}
	s.stats.Delayed -= s.delayed.remove(from)
	s.stats.Scheduled -= s.revisit.remove(func(t *task) bool {
		if t.host == h {
			s.unplan(t)
		}
		return from(t)
	})
	for label, list := range s.parked {
		kept := slices.DeleteFunc(list, from)
		s.stats.Parked -= int64(len(list) - len(kept))
		if s.parked[label] = kept; len(kept) == 0 {
			delete(s.parked, label)
		}
	}
	h.away = 0
	if len(numbers) > 0 {
		s.journal.removed(numbers)
	}
	if h.due > now {
		s.journal.hosted(h)
	}
	s.settle(h, now)
	return len(numbers)
}
