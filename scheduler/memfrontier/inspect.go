package memfrontier

import (
	"context"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Inspect implements scheduler.Inspector. It tells of one instant.
func (f *Frontier) Inspect(ctx context.Context, host string, id dedup.Fingerprint) (scheduler.Whereabouts, error) {
	if err := (&scheduler.Task{Host: host}).Check(); err != nil {
		return scheduler.Whereabouts{}, err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return scheduler.Whereabouts{}, err
	}
	defer f.leave()
	w := f.s.inspect(host, id)
	w.Host = f.s.hostInfo(host)
	w.Now = time.Unix(0, now)
	return w, nil
}

// inspect looks for a task, place after place.
func (s *state) inspect(name string, id dedup.Fingerprint) scheduler.Whereabouts {
	if _, seen := s.seen[id]; !seen {
		return scheduler.Whereabouts{Place: scheduler.PlaceUnseen}
	}
	is := func(t *task) bool { return t.id == id && t.host.name == name }
	if h := s.hosts[name]; h != nil {
		if w, found := h.find(is); found {
			return w
		}
	}
	for l := s.oldest; l != nil; l = l.newer {
		if is(l.t) {
			w := l.t.at(scheduler.PlaceLeased)
			w.Token, w.Claimed, w.Deadline = l.token, time.Unix(0, l.claimed), time.Unix(0, l.deadline)
			return w
		}
	}
	if w, found := s.delayed.find(scheduler.PlaceDelayed, is); found {
		return w
	}
	if t := s.plannedOf(name, id); t != nil {
		w := t.at(scheduler.PlaceScheduled)
		w.Task.Due = time.Unix(0, s.revisit.at(t).due)
		return w
	}
	for label, list := range s.parked {
		if i := slices.IndexFunc(list, is); i >= 0 {
			w := list[i].at(scheduler.PlaceParked)
			w.Label = label
			return w
		}
	}
	for _, place := range []scheduler.Place{scheduler.PlaceDead, scheduler.PlaceGone} {
		if d := s.letters(place == scheduler.PlaceGone).newest(name, id); d != nil {
			letter := *d
			letter.Payload = slices.Clone(letter.Payload)
			return scheduler.Whereabouts{
				Place: place, Task: letter.Task, Attempt: letter.Attempt, Expired: letter.Expired, First: letter.First, Letter: &letter,
			}
		}
	}
	return scheduler.Whereabouts{Place: scheduler.PlaceDone}
}

// find looks for a task in the queues of the host, and counts those before it.
func (h *host) find(is func(*task) bool) (w scheduler.Whereabouts, found bool) {
	ahead := int64(0)
	for _, q := range h.queues {
		for t := q.head; t != nil; t = t.next {
			if is(t) {
				w = t.at(scheduler.PlaceQueued)
				w.Ahead = ahead
				return w, true
			}
			ahead++
		}
	}
	return w, false
}

// find looks for a task in the calendar of a place.
func (c *calendar) find(place scheduler.Place, is func(*task) bool) (w scheduler.Whereabouts, found bool) {
	i := slices.IndexFunc(c.list, func(e entry) bool { return is(e.t) })
	if i < 0 {
		return w, false
	}
	w = c.list[i].t.at(place)
	w.Task.Due = time.Unix(0, c.list[i].due)
	return w, true
}

// at tells of a task in that place.
func (t *task) at(place scheduler.Place) scheduler.Whereabouts {
	return scheduler.Whereabouts{
		Place: place, Task: t.public(), Attempt: int(t.attempt) + 1, Expired: int(t.expired), First: t.firstTime(),
	}
}

// hostInfo tells how a host stands, also one that nothing is known of.
func (s *state) hostInfo(name string) scheduler.HostInfo {
	h := s.hosts[name]
	if h == nil {
		return scheduler.HostInfo{Host: name, Pace: s.pace}
	}
	info := scheduler.HostInfo{
		Host: name, Queued: int64(h.queued), Leased: int64(h.inflight), Pace: s.paceOf(h), OwnPace: h.pace != nil,
	}
	if h.due > 0 {
		info.Next = time.Unix(0, h.due)
	}
	return info
}

// Hosts implements scheduler.Inspector. The hosts are those of the moment of the call; yield may call the frontier.
func (f *Frontier) Hosts(ctx context.Context, yield func(scheduler.HostInfo) bool) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	var list []scheduler.HostInfo
	for name, h := range f.s.hosts {
		if h.busy {
			list = append(list, f.s.hostInfo(name))
		}
	}
	f.leave()
	for _, info := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !yield(info) {
			return nil
		}
	}
	return nil
}
