package redisfrontier

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// A plan is a task that waits for a revisit, as it was read.
type plan struct {
	task   scheduler.Task
	minute int64
	raw    string // as it stands in the calendar
}

const (
	// maxReschedule is how many tasks are planned anew in one round trip, at most.
	maxReschedule = 500
	// plansOfCall is how many of them a script gets: it may have to read a slot for each.
	plansOfCall = 20
)

// Reschedule implements [scheduler.Rescheduler]. It finds the tasks by the index of their partition: a round trip reads up to 500 of
// them, another one replaces them.
func (f *Frontier) Reschedule(ctx context.Context, refs []scheduler.TaskRef,
	change func(i int, t scheduler.Task) (next scheduler.Task, sums []float64, ok bool),
) ([]bool, error) {
	changed := make([]bool, len(refs))
	for i := range refs {
		if err := f.checkHost(ctx, refs[i].Host); err != nil {
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

// A rewrite is a task that is planned anew.
type rewrite struct {
	i    int // among the refs
	old  *plan
	next scheduler.Task
	sums []float64
}

// reschedule is Reschedule for as many as one round trip takes. Those that changed after they were read are read again.
func (f *Frontier) reschedule(ctx context.Context, refs []scheduler.TaskRef, changed []bool,
	change func(int, scheduler.Task) (scheduler.Task, []float64, bool),
) error {
	left := make([]int, len(refs))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		plans, err := f.planned(ctx, refs, left)
		if err != nil {
			return err
		}
		var all []rewrite
		for k, i := range left {
			if plans[k] == nil {
				continue
			}
			next, sums, ok := change(i, plans[k].task)
			if !ok {
				continue
			}
			err := (&scheduler.Result{Verdict: scheduler.Revisit(next.Due).WithPayload(next.Payload), Sums: sums}).Check()
			if err != nil {
				return fmt.Errorf("reschedule a task of %s: %w", refs[i].Host, err)
			}
			all = append(all, rewrite{i, plans[k], next, sums})
		}
		if left, err = f.rewrite(ctx, all, changed); err != nil {
			return err
		}
	}
	return nil
}

// rewrite puts the plans in the place of the old ones, in one round trip, and returns those that did not stand any more.
func (f *Frontier) rewrite(ctx context.Context, all []rewrite, changed []bool) (left []int, err error) {
	var calls []*call
	var sent [][]rewrite
	for p, list := range byPartition(all, func(r rewrite) int { return f.partition(r.old.task.Host) }) {
		for chunk := range slices.Chunk(list, plansOfCall) {
			calls, sent = append(calls, f.replan(p, chunk)), append(sent, chunk)
		}
	}
	err = f.repeat(ctx, calls)
	for k, c := range calls {
		if !c.done {
			continue
		}
		effects, due, empty, ok := parseFinish(c.reply, len(sent[k]))
		if !ok {
			return nil, errReply
		}
		for j, r := range sent[k] {
			changed[r.i] = effects[j] == '1'
			// When an earlier try may have taken effect, it is not done once more.
			if effects[j] == '0' && !c.again {
				left = append(left, r.i)
			}
		}
		if due >= 0 {
			f.wake.at(c.part, due)
		}
		if empty {
			f.wake.emptied()
		}
	}
	return left, err
}

// byPartition groups a list, each group in order.
func byPartition[T any](list []T, partition func(T) int) map[int][]T {
	groups := map[int][]T{}
	for _, one := range list {
		p := partition(one)
		groups[p] = append(groups[p], one)
	}
	return groups
}

// replan calls replan.lua.
func (f *Frontier) replan(part int, list []rewrite) *call {
	args := make([]any, 0, 6*len(list))
	for i := range list {
		r := &list[i]
		args = append(args, r.old.minute, r.old.raw, r.old.task.Host, max(0, r.next.Due.UnixMilli()), r.next.Payload, appendSums(nil, r.sums))
	}
	return f.call(replanScript, part, args...)
}

// A search is where to look for a task that waits for a revisit.
type search struct {
	k      int // among the wanted
	ref    scheduler.TaskRef
	minute any // to go on with
	off    any
}

// planned looks for those of the refs until it has all answers: nil for a task that does not wait for a revisit. Who is in a minute
// of many is looked for by a call of its own.
func (f *Frontier) planned(ctx context.Context, refs []scheduler.TaskRef, which []int) ([]*plan, error) {
	plans, searches := make([]*plan, len(which)), make([]search, 0, len(which))
	for k, i := range which {
		searches = append(searches, search{k, refs[i], "", 0})
	}
	for together := plansOfCall; len(searches) > 0; together = 1 {
		var calls []*call
		var sent [][]search
		for p, list := range byPartition(searches, func(s search) int { return f.partition(s.ref.Host) }) {
			for chunk := range slices.Chunk(list, together) {
				calls, sent = append(calls, f.find(p, chunk)), append(sent, chunk)
			}
		}
		if err := f.repeat(ctx, calls); err != nil {
			return nil, err
		}
		searches = nil
		for n, c := range calls {
			answers, _ := c.reply.([]any)
			if len(answers) != len(sent[n]) {
				return nil, errReply
			}
			for m, s := range sent[n] {
				switch list, _ := answers[m].([]any); len(list) {
				case 0:
				case 2:
					searches = append(searches, search{s.k, s.ref, list[0], list[1]})
				case 4:
					p, err := parseFound(s.ref.Host, list)
					if err != nil {
						return nil, err
					}
					plans[s.k] = p
				default:
					return nil, errReply
				}
			}
		}
	}
	return plans, nil
}

// find calls plan.lua.
func (f *Frontier) find(part int, list []search) *call {
	args := make([]any, 0, 1+4*len(list))
	args = append(args, inspectStep)
	for _, s := range list {
		args = append(args, s.ref.Host, binary.BigEndian.AppendUint64(nil, s.ref.ID.Short()), s.minute, s.off)
	}
	return f.call(planScript, part, args...)
}

// parseFound reads the answer of plan.lua.
func parseFound(host string, list []any) (*plan, error) {
	text, err := stringsOf(list)
	if err != nil {
		return nil, err
	}
	minute, err := strconv.ParseInt(text[0], 10, 64)
	if err != nil {
		return nil, errReply
	}
	t, err := parsePlan(minute, text[1], host, text[2])
	return &plan{task: t, minute: minute, raw: text[3]}, err
}

// parsePlan reads a plan without its head; see lua/calendar.lua.
func parsePlan(minute int64, level, host, rest string) (scheduler.Task, error) {
	if len(level) != 1 || len(rest) < 8 {
		return scheduler.Task{}, fmt.Errorf("%w: a plan of %q with %d bytes at level %q", errReply, host, len(rest), level)
	}
	return scheduler.Task{
		ID: dedup.FromShort(binary.BigEndian.Uint64([]byte(rest[:8]))), Host: host, Priority: scheduler.PriorityOf(hexDigit(level[0])),
		Due: time.UnixMilli(minute * time.Minute.Milliseconds()), Payload: []byte(rest[8:]),
	}, nil
}

// calendarStep is how many tasks one page of the calendar has at most.
const calendarStep = 500

// Scheduled implements [scheduler.Rescheduler]. A task that is planned anew meanwhile may be told at its old place, its new one,
// both or neither.
func (f *Frontier) Scheduled(ctx context.Context, yield func(scheduler.Task) bool) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	for p := range f.keys {
		if more, err := f.scheduled(ctx, p, yield); err != nil || !more {
			return err
		}
	}
	return nil
}

// told names a task that was told of the slot at hand.
type told struct {
	host string
	id   dedup.Fingerprint
}

// A page is what one call tells of a slot of the calendar.
type page struct {
	slot         string // empty: there is none
	after        int64  // the minute after it
	minutes      int64
	ended, moved bool // it is told to its end; what was told of it has moved, so it is told from its beginning
	tasks        []scheduler.Task
}

// scheduled tells the tasks of a partition. When what was read of a slot has moved, or the slot is another one, it is read from its
// beginning, and what was told is left out. A slot of several minutes is told when all of it is read.
func (f *Frontier) scheduled(ctx context.Context, part int, yield func(scheduler.Task) bool) (more bool, err error) {
	at, off, last := "", 0, []byte(nil)
	seen := map[told]bool{}
	var tasks []scheduler.Task
	for {
		p, err := f.calendarPage(ctx, part, at, off, last)
		if err != nil {
			return false, err
		}
		if p.slot == "" {
			return true, nil
		}
		if p.slot != at {
			clear(seen)
		}
		if p.slot != at || p.moved {
			at, off, tasks = p.slot, 0, tasks[:0]
		}
		off += len(p.tasks)
		tasks = append(tasks, p.tasks...)
		if len(p.tasks) > 0 {
			last = binary.BigEndian.AppendUint64(nil, p.tasks[len(p.tasks)-1].ID.Short())
		}
		if p.minutes == 1 || p.ended {
			slices.SortStableFunc(tasks, func(a, b scheduler.Task) int { return a.Due.Compare(b.Due) })
			for _, t := range tasks {
				if key := (told{t.Host, t.ID}); !seen[key] {
					seen[key] = p.minutes == 1
					if !yield(t) {
						return false, nil
					}
				}
			}
			tasks = tasks[:0]
		}
		if p.ended {
			at, off = strconv.FormatInt(p.after, 10), 0
			clear(seen)
		}
	}
}

// calendarPage calls calendarpage.lua.
func (f *Frontier) calendarPage(ctx context.Context, part int, at string, off int, last []byte) (p page, err error) {
	c := f.call(calendarScript, part, at, off, last, calendarStep)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return p, err
	}
	const head, each = 5, 4
	list, _ := c.reply.([]any)
	if len(list)%each != head%each || len(list) < head {
		return p, errReply
	}
	slot, isText := list[0].(string)
	numbers, ok := intsOf(list[1:head], head-1)
	if !isText || !ok {
		return p, errReply
	}
	p = page{slot: slot, after: numbers[0], minutes: numbers[1], ended: numbers[2] == 1, moved: numbers[3] == 1}
	for entry := range slices.Chunk(list[head:], each) {
		minute, ok := entry[0].(int64)
		text, err := stringsOf(entry[1:])
		if err != nil || !ok {
			return p, errReply
		}
		t, err := parsePlan(minute, text[0], text[1], text[2])
		if err != nil {
			return p, err
		}
		p.tasks = append(p.tasks, t)
	}
	return p, nil
}
