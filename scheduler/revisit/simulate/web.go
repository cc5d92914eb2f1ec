package simulate

import (
	"math"
	"sort"
)

// Web is how pages change. Times are days since the run began.
type Web interface {
	// Look says whether page i changed since the look at from, and how old its content is at to, below 0 if that is not
	// known. It is asked in the order of time; a first look has from < 0.
	Look(i int, from, to float64) (changed bool, age float64)
	// Fresh returns the expected time between from and to during which page i is as it was at its last look.
	Fresh(i int, last, from, to float64) float64
}

// Aged is a web that knows how long pages have been out of date.
type Aged interface {
	// Age returns the integral, over the time between from and to, of the time since the first change of page i after its
	// last look, in days squared.
	Age(i int, last, from, to float64) float64
}

// Trace is a web whose pages change at known times.
type Trace struct {
	times [][]float64 // of each page, ascending
	seen  []int32     // changes of each page up to its last look
}

var (
	_ Web  = (*Trace)(nil)
	_ Aged = (*Trace)(nil)
)

// NewTrace returns the web of pages that change at times, ascending for each page. It does not write to them.
func NewTrace(times [][]float64) *Trace { return &Trace{times, make([]int32, len(times))} }

// Look implements [Web].
func (t *Trace) Look(i int, from, to float64) (bool, float64) {
	k := t.seen[i]
	times := t.times[i]
	for int(k) < len(times) && times[k] <= to {
		k++
	}
	changed := from >= 0 && k > t.seen[i]
	t.seen[i] = k
	if k == 0 {
		return changed, -1
	}
	return changed, to - times[k-1]
}

// Fresh implements [Web].
func (t *Trace) Fresh(i int, last, from, to float64) float64 {
	return max(min(to, t.next(i, last))-from, 0)
}

// Age implements [Aged].
func (t *Trace) Age(i int, last, from, to float64) float64 {
	since := t.next(i, last)
	if since >= to {
		return 0
	}
	begin := max(from-since, 0)
	return ((to-since)*(to-since) - begin*begin) / 2
}

// next returns when page i changes first after its last look; infinity if it does not.
func (t *Trace) next(i int, last float64) float64 {
	times := t.times[i]
	k := int(t.seen[i]) // the next change after the last look, as long as looks come in order
	if k > 0 && times[k-1] > last {
		k = sort.SearchFloat64s(times, math.Nextafter(last, math.Inf(1)))
	}
	if k == len(times) {
		return math.Inf(1)
	}
	return times[k]
}
