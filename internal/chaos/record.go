package chaos

import (
	"slices"
	"sort"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Record is all that was seen of one round: what [Judge] goes by.
type Record struct {
	Round int
	Took  time.Duration
	// Stalled says that no page came for so long that the round was given up.
	Stalled bool

	// Visits are what the site logged, in the order they began.
	Visits []testsite.Visit
	// Missing are the pages that were never answered; Private those that robots.txt disallows and that were
	// asked for all the same.
	Missing, Private []string
	// Delays are those that hosts ask for, by host; PerHost is the width of the others.
	Delays  map[string]time.Duration
	PerHost int
	Lease   time.Duration

	// Items are those the site has; Stored those of the store.
	Items  []testsite.Item
	Stored []Stored

	// Want is what the frontier must have counted; Stats is what it did.
	Want  Counts
	Stats scheduler.Stats
	// Broken are the invariants that the frontier's own check found broken.
	Broken []string
	// Early are the times at which the frontier, or a worker, said that the crawl was done, each with the number of
	// pages that were missing then.
	Early []Early
	// Late says that the crawl was never said to be done, though nothing was missing.
	Late bool

	Workers []Worker
	Faults  []Window
	// Pulse is when the clock beside the site ticked late, in order.
	Pulse []Tick
}

// Stored is an item in the store, with the key it stands under.
type Stored struct {
	testsite.Item

	Kind, Key string
}

// Counts is what a crawl of the whole site comes to.
type Counts struct {
	Pages, Gone, Moved, Private int64
}

// All is the number of tasks.
func (c Counts) All() int64 { return c.Pages + c.Gone + c.Moved + c.Private }

// Early is a "done" that came too soon.
type Early struct {
	At      time.Time
	Who     string
	Missing int
}

// Window is a fault and the time it lasted. To is zero while it lasts; a kill lasts for ever.
type Window struct {
	Kind     Kind
	Worker   int // 0: none
	From, To time.Time
}

// overlaps reports whether some of the window lies between two times.
func (w Window) overlaps(from, to time.Time) bool {
	return !w.From.After(to) && (w.To.IsZero() || !w.To.Before(from))
}

// Worker is one process that crawled.
type Worker struct {
	ID      int // from 1 on; in the User-Agent
	Started time.Time
	Ended   time.Time // zero: it had to be killed at the end
	Exit    int       // -1: by a signal
	Last    string    // its last words
}

// Tick is one tick of the clock that came late.
type Tick struct {
	At   time.Time
	Late time.Duration
}

// late returns by how much the site's process may have been late at a time.
func late(pulse []Tick, at time.Time) time.Duration {
	const around = 50 * time.Millisecond
	first := sort.Search(len(pulse), func(i int) bool { return !pulse[i].At.Before(at.Add(-around)) })
	var most time.Duration
	for _, tick := range pulse[first:] {
		if tick.At.Add(-tick.Late).After(at.Add(around)) {
			break
		}
		most = max(most, tick.Late)
	}
	return most
}

// befell returns the faults of one kind that befell a worker, or nobody in particular, in order.
func (r *Record) befell(worker int, kinds ...Kind) []Window {
	var all []Window
	for _, w := range r.Faults {
		if w.Worker == worker && slices.Contains(kinds, w.Kind) {
			all = append(all, w)
		}
	}
	return all
}
