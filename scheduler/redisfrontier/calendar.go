package redisfrontier

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// A plan is a task that waits for a revisit, as it was read.
type plan struct {
	task   scheduler.Task
	minute string
	raw    string // as it stands in the list of the minute
}

// Reschedule implements [scheduler.Rescheduler]. It finds the task by the index of its partition: one short call to read it, and
// one to replace it.
func (f *Frontier) Reschedule(ctx context.Context, host string, id dedup.Fingerprint,
	change func(scheduler.Task) (next scheduler.Task, sums []float64, ok bool),
) (bool, error) {
	if err := f.checkHost(ctx, host); err != nil {
		return false, err
	}
	for {
		p, err := f.planned(ctx, host, id)
		if err != nil || p == nil {
			return false, err
		}
		next, sums, ok := change(p.task)
		if !ok {
			return false, nil
		}
		err = (&scheduler.Result{Verdict: scheduler.Revisit(next.Due).WithPayload(next.Payload), Sums: sums}).Check()
		if err != nil {
			return false, fmt.Errorf("reschedule a task of %s: %w", host, err)
		}
		done, unsure, err := f.replan(ctx, host, p, &next, sums)
		if done || unsure || err != nil {
			return done, err
		}
	}
}

// planned calls plan.lua until it has an answer: nil if the task does not wait for a revisit.
func (f *Frontier) planned(ctx context.Context, host string, id dedup.Fingerprint) (*plan, error) {
	var minute, off any = "", 0
	for {
		c := f.call(planScript, f.partition(host), host, binary.BigEndian.AppendUint64(nil, id.Short()), minute, off, inspectStep)
		if err := f.repeat(ctx, []*call{c}); err != nil {
			return nil, err
		}
		list, _ := c.reply.([]any)
		switch len(list) {
		case 0:
			return nil, nil //nolint:nilnil // there is none
		case 2:
			minute, off = list[0], list[1]
			continue
		case 4:
		default:
			return nil, errReply
		}
		text, err := stringsOf(list)
		if err != nil {
			return nil, err
		}
		p := &plan{minute: text[0], raw: text[3]}
		p.task, err = parsePlan(text[0], text[1], host, text[2])
		return p, err
	}
}

// parsePlan reads a plan without its head; see lua/calendar.lua.
func parsePlan(minute, level, host, rest string) (scheduler.Task, error) {
	m, err := strconv.ParseInt(minute, 10, 64)
	if err != nil || len(level) != 1 || len(rest) < 8 {
		return scheduler.Task{}, fmt.Errorf("%w: a plan of %q with %d bytes at level %q in minute %q", errReply, host, len(rest), level, minute)
	}
	return scheduler.Task{
		ID: dedup.FromShort(binary.BigEndian.Uint64([]byte(rest[:8]))), Host: host, Priority: scheduler.PriorityOf(hexDigit(level[0])),
		Due: time.UnixMilli(m * time.Minute.Milliseconds()), Payload: []byte(rest[8:]),
	}, nil
}

// replan calls replan.lua. It is unsure if nothing was replaced now, but may have been by an earlier try.
func (f *Frontier) replan(ctx context.Context, host string, p *plan, next *scheduler.Task, sums []float64) (done, unsure bool, err error) {
	c := f.call(replanScript, f.partition(host), p.minute, p.raw, host, max(0, next.Due.UnixMilli()), next.Payload, appendSums(nil, sums))
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return false, false, err
	}
	numbers, ok := intsOf(c.reply, 3)
	if !ok {
		return false, false, errReply
	}
	if numbers[0] == 0 {
		return false, c.again, nil
	}
	f.wake.at(c.part, numbers[1])
	if numbers[2] == 1 {
		f.wake.emptied()
	}
	return true, false, nil
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

// told names a task that was told of the minute at hand.
type told struct {
	host string
	id   dedup.Fingerprint
}

// scheduled tells the tasks of a partition. When what was read of a minute has moved, it is read from its beginning, and what
// was told is left out.
func (f *Frontier) scheduled(ctx context.Context, part int, yield func(scheduler.Task) bool) (more bool, err error) {
	minute, off, last := "", 0, []byte(nil)
	seen := map[told]bool{}
	for {
		c := f.call(calendarScript, part, minute, off, last, calendarStep)
		if err := f.repeat(ctx, []*call{c}); err != nil {
			return false, err
		}
		list, _ := c.reply.([]any)
		if len(list) < 3 || len(list)%3 != 0 {
			return false, errReply
		}
		at, isText := list[0].(string)
		flags, ok := intsOf(list[1:3], 2)
		text, err := stringsOf(list[3:])
		if err != nil || !ok || !isText {
			return false, errReply
		}
		if at == "" {
			return true, nil
		}
		if at != minute {
			clear(seen)
		}
		if at != minute || flags[1] == 1 {
			minute, off = at, 0
		}
		for i := 0; i < len(text); i += 3 {
			t, err := parsePlan(at, text[i], text[i+1], text[i+2])
			if err != nil {
				return false, err
			}
			off++
			last = []byte(text[i+2][:8])
			if key := (told{t.Host, t.ID}); !seen[key] {
				seen[key] = true
				if !yield(t) {
					return false, nil
				}
			}
		}
		if flags[0] == 1 {
			m, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return false, errReply
			}
			minute, off = strconv.FormatInt(m+1, 10), 0
			clear(seen)
		}
	}
}
