package chaos

import (
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

const (
	// grain is what a gap may fall short: the frontier counts in milliseconds and rounds twice.
	grain = 3 * time.Millisecond
	// slice is how late a single request may be noted without the clock's being late: a machine that is busy may take the
	// processor from one thread and not from the other, for about so long.
	slice = 10 * time.Millisecond
	// notice is how long the site may take to notice that a client has gone.
	notice = 20 * time.Millisecond
)

// pace measures how each host was treated. robots.txt is no part of it: who asks for it cannot know yet.
func (j *judge) pace() {
	byHost := map[string][]*testsite.Visit{}
	for i := range j.r.Visits {
		if v := &j.r.Visits[i]; !v.Aside {
			byHost[v.Host] = append(byHost[v.Host], v)
		}
	}
	for host, visits := range byHost {
		width := j.r.PerHost
		if d := j.r.Delays[host]; d > 0 {
			width = 1
			j.delay(host, d, visits)
		}
		j.width(host, width, visits)
	}
	for _, tick := range j.r.Pulse {
		j.v.Delay.Lateness = max(j.v.Delay.Lateness, float64(tick.Late)/float64(time.Millisecond))
	}
}

// delay measures the gaps between the requests to a host.
func (j *judge) delay(host string, d time.Duration, visits []*testsite.Visit) {
	n := &j.v.Delay
	n.Hosts++
	for i := 1; i < len(visits); i++ {
		first, second := visits[i-1], visits[i]
		gap := second.Began.Sub(first.Began)
		if part := float64(gap) / float64(d); n.Gaps == 0 || part < n.Closest {
			n.Closest = part
		}
		n.Gaps++
		switch {
		case gap >= d-grain:
		case gap >= d-grain-slice-late(j.r.Pulse, first.Began):
			n.Allowed++
		case j.inFlight(first) || j.inFlight(second):
			n.Apart++
		default:
			n.Breaches++
			j.breach(CheckDelay, "%s: %v between %s (worker %d) and %s (worker %d), should be %v",
				host, gap.Round(time.Microsecond), first.URL, workerOf(first), second.URL, workerOf(second), d)
		}
	}
}

// inFlight reports whether a request arrived while its process was stopped or dead: it was on its way.
func (j *judge) inFlight(v *testsite.Visit) bool {
	return slices.ContainsFunc(j.r.befell(workerOf(v), Kill, Stop), func(w Window) bool { return w.overlaps(v.Began, v.Began) })
}

// width measures how many requests were open at once.
func (j *judge) width(host string, most int, visits []*testsite.Visit) {
	n := &j.v.Concurrency
	n.Hosts++
	var open []*testsite.Visit
	for _, v := range visits {
		open = slices.DeleteFunc(open, func(o *testsite.Visit) bool { return !o.Open(v.Began) })
		held, apart := 1, false
		for _, o := range open {
			switch {
			case j.gone(o, v.Began):
			case j.ghost(o, v.Began):
				apart = true
			default:
				held++
			}
		}
		open = append(open, v)
		n.Widest = max(n.Widest, held)
		switch {
		case held > most:
			n.Breaches++
			j.breach(CheckConcurrency, "%s: %d requests at once, at most %d allowed, when worker %d asked for %s",
				host, held, most, workerOf(v), v.URL)
		case apart && len(open) > most:
			n.Apart++
		}
	}
}

// gone reports whether the client of an open request had left by then, as far as the site could know so soon.
func (j *judge) gone(o *testsite.Visit, at time.Time) bool {
	return o.Status == 0 && !o.Ended.IsZero() && o.Ended.Sub(at) <= notice+late(j.r.Pulse, at)+late(j.r.Pulse, o.Ended)
}

// ghost reports whether an open request was held by a stopped or dead process alone: sent before, and long enough ago for its
// lease to have run out. A process that is woken has a moment to find out.
func (j *judge) ghost(o *testsite.Visit, at time.Time) bool {
	return slices.ContainsFunc(j.r.befell(workerOf(o), Kill, Stop), func(w Window) bool {
		switch {
		case w.From.After(at) || at.Sub(j.unrenewed(w.From, at)) < j.r.Lease/2:
			return false
		case w.To.IsZero():
			return true
		}
		woke := w.To.Add(j.r.Lease/6 + notice + late(j.r.Pulse, at))
		return !o.Began.After(w.To) && !at.After(woke)
	})
}

// unrenewed returns since when a worker that was stopped may not have renewed its leases: since then, or since Redis went
// away before that and up to a time.
func (j *judge) unrenewed(stopped, at time.Time) time.Time {
	since := stopped
	for _, w := range j.r.befell(0, RedisKill, RedisCut, RedisHang) {
		if w.overlaps(stopped.Add(-j.r.Lease), at) && w.From.Before(since) {
			since = w.From
		}
	}
	return since
}
