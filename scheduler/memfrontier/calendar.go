package memfrontier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// schedule has t, which is nowhere, wait for a revisit.
func (s *state) schedule(t *task, due int64) {
	t.host.away++
	s.stats.Scheduled++
	s.revisit.add(due, t)
	t.next = s.planned[t.id]
	s.planned[t.id] = t
}

// unplan takes t out of the index of what waits for a revisit.
func (s *state) unplan(t *task) {
	first := s.planned[t.id]
	switch {
	case first != t:
		for first.next != t {
			first = first.next
		}
		first.next = t.next
	case t.next == nil:
		delete(s.planned, t.id)
	default:
		s.planned[t.id] = t.next
	}
	t.next = nil
}

// plannedOf returns a task of host with that id that waits for a revisit, or nil.
func (s *state) plannedOf(host string, id dedup.Fingerprint) *task {
	for t := s.planned[id]; t != nil; t = t.next {
		if t.host.name == host {
			return t
		}
	}
	return nil
}

// scheduled returns the task of an entry as its pusher knew it, and when it is due.
func (e entry) scheduled() scheduler.Task {
	t := e.t.public()
	t.Due = time.Unix(0, e.due)
	return t
}

// maxReschedule is how many tasks are planned anew without letting others in.
const maxReschedule = 500

// Reschedule implements scheduler.Rescheduler. change may call the frontier.
func (f *Frontier) Reschedule(ctx context.Context, refs []scheduler.TaskRef,
	change func(i int, t scheduler.Task) (next scheduler.Task, sums []float64, ok bool),
) ([]bool, error) {
	changed := make([]bool, len(refs))
	for i := range refs {
		if err := (&scheduler.Task{Host: refs[i].Host}).Check(); err != nil {
			return changed, err
		}
	}
	for first := 0; first < len(refs); first += maxReschedule {
		to := min(first+maxReschedule, len(refs))
		at := func(i int, t scheduler.Task) (scheduler.Task, []float64, bool) { return change(first+i, t) }
		if err := f.reschedule(ctx, refs[first:to], changed[first:to], at); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// A rewrite is a task that is planned anew, on its way.
type rewrite struct {
	i      int // among the refs
	t      *task
	e      entry
	before scheduler.Task
	next   scheduler.Task
	sums   []float64
}

// reschedule is Reschedule for as many as are done together. Those that changed after they were read are read again.
func (f *Frontier) reschedule(ctx context.Context, refs []scheduler.TaskRef, changed []bool,
	change func(int, scheduler.Task) (scheduler.Task, []float64, bool),
) error {
	left := make([]int, 0, len(refs))
	for i := range refs {
		left = append(left, i)
	}
	for len(left) > 0 {
		if _, err := f.enter(ctx); err != nil {
			return err
		}
		var list []rewrite
		for _, i := range left {
			if t := f.s.plannedOf(refs[i].Host, refs[i].ID); t != nil {
				e := f.s.revisit.at(t)
				list = append(list, rewrite{i: i, t: t, e: e, before: e.scheduled()})
			}
		}
		f.leave()
		wanted := list[:0]
		for _, r := range list {
			next, sums, ok := change(r.i, r.before)
			if !ok {
				continue
			}
			r.next, r.sums = next, sums
			err := (&scheduler.Result{Verdict: scheduler.Revisit(next.Due).WithPayload(next.Payload), Sums: sums}).Check()
			if err != nil {
				return fmt.Errorf("reschedule a task of %s: %w", refs[r.i].Host, err)
			}
			wanted = append(wanted, r)
		}
		if len(wanted) == 0 {
			return nil
		}
		now, err := f.enter(ctx)
		if err != nil {
			return err
		}
		left = left[:0]
		for _, r := range wanted {
			if !f.s.revisit.has(r.e) {
				left = append(left, r.i)
				continue
			}
			f.s.replan(r.t, nanos(r.next.Due), string(r.next.Payload), r.sums, now)
			changed[r.i] = true
		}
		if err := f.commit(); err != nil {
			return err
		}
	}
	return nil
}

// replan gives a task that waits for a revisit another time and payload.
func (s *state) replan(t *task, due int64, payload string, sums []float64, now int64) {
	s.revisit.take(t)
	t.payload = payload
	s.tally(t.host.name, sums)
	s.journal.replanned(t, due, sums)
	if due > now {
		s.revisit.add(due, t)
		return
	}
	s.unplan(t)
	s.stats.Scheduled--
	t.host.away--
	s.enqueue(t, now)
}

// Scheduled implements scheduler.Rescheduler. The tasks are those of the moment of the call; those that were claimed or
// planned anew before their turn came are left out. yield may call the frontier.
func (f *Frontier) Scheduled(ctx context.Context, yield func(scheduler.Task) bool) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	entries := slices.Clone(f.s.revisit.list)
	f.leave()
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) })
	const step = 500
	tasks := make([]scheduler.Task, 0, step)
	for some := range slices.Chunk(entries, step) {
		if _, err := f.enter(ctx); err != nil {
			return err
		}
		tasks = tasks[:0]
		for _, e := range some {
			if f.s.revisit.has(e) {
				tasks = append(tasks, e.scheduled())
			}
		}
		f.leave()
		for _, t := range tasks {
			if !yield(t) {
				return nil
			}
		}
	}
	return nil
}

// tally adds to the sums of a host, and to those of the crawl.
func (s *state) tally(host string, sums []float64) {
	if len(sums) == 0 {
		return
	}
	s.sums[host] = addSums(s.sums[host], sums)
	s.total = addSums(s.total, sums)
}

func addSums(to, sums []float64) []float64 {
	for i, v := range sums {
		if i == len(to) {
			to = append(to, 0)
		}
		to[i] += v
	}
	return to
}

// dropSums removes the sums of a host, and takes them from those of the crawl.
func (s *state) dropSums(host string) {
	for i, v := range s.sums[host] {
		s.total[i] -= v
	}
	if delete(s.sums, host); len(s.sums) == 0 {
		s.total = nil
	}
}

// Sums implements scheduler.Ledger.
func (f *Frontier) Sums(ctx context.Context, host string) ([]float64, error) {
	if _, err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.leave()
	if host == "" {
		return slices.Clone(f.s.total), nil
	}
	return slices.Clone(f.s.sums[host]), nil
}

// HostSums implements scheduler.Ledger. The hosts are those of the moment of the call; yield may call the frontier.
func (f *Frontier) HostSums(ctx context.Context, yield func(host string, sums []float64) bool) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	hosts := make([]string, 0, len(f.s.sums))
	for host := range f.s.sums {
		hosts = append(hosts, host)
	}
	f.leave()
	for _, host := range hosts {
		sums, err := f.Sums(ctx, host)
		if err != nil {
			return err
		}
		if sums != nil && !yield(host, sums) {
			return nil
		}
	}
	return nil
}
