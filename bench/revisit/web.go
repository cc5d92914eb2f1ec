package main

import (
	"math"
	"math/rand/v2"
	"sort"
)

// web is how pages change. Times are days since the crawl began.
type web interface {
	// look says whether page i changed since the look at from, and how old its content is at to. It is asked in the order of
	// time; a first look has from < 0.
	look(i int, from, to float64) (changed bool, age float64)
	// fresh returns the expected time between from and to during which page i is as it was at its last look.
	fresh(i int, last, from, to float64) float64
}

// poisson changes pages at a rate each that may become another at one time. Looks are drawn; freshness is the exact
// expectation given the times of the looks, so that a run is worth more than its own luck.
type poisson struct {
	rate, then []float64 // changes a day, before and from turn on
	turn       float64   // when rates change
	rng        *rand.Rand
}

// changes returns the expected number of changes between from and to.
func (p *poisson) changes(i int, from, to float64) float64 {
	return p.rate[i]*max(min(to, p.turn)-from, 0) + p.then[i]*max(to-max(from, p.turn), 0)
}

func (p *poisson) look(i int, from, to float64) (bool, float64) {
	if from < 0 {
		return false, p.rng.ExpFloat64() / p.rate[i]
	}
	gone := -math.Expm1(-p.changes(i, from, to))
	u := p.rng.Float64()
	if u >= gone {
		return false, -1
	}
	back := -math.Log1p(-u) // changes expected since the last one: u is uniform below gone
	if recent := p.changes(i, max(from, p.turn), to); back > recent && p.turn > from {
		return true, to - min(p.turn, to) + (back-recent)/p.rate[i]
	}
	if from < p.turn && to <= p.turn {
		return true, back / p.rate[i]
	}
	return true, back / p.then[i]
}

func (p *poisson) fresh(i int, last, from, to float64) float64 {
	if from < p.turn && to > p.turn {
		return p.fresh(i, last, from, p.turn) + p.fresh(i, last, p.turn, to)
	}
	rate := p.rate[i]
	if from >= p.turn {
		rate = p.then[i]
	}
	return math.Exp(-p.changes(i, last, from)) * -math.Expm1(-rate*(to-from)) / rate
}

// trace changes pages at known times.
type trace struct {
	times [][]float64 // of each page, ascending
	seen  []int32     // changes of each page up to its last look
}

func newTrace(times [][]float64) *trace { return &trace{times, make([]int32, len(times))} }

func (t *trace) look(i int, from, to float64) (bool, float64) {
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

func (t *trace) fresh(i int, last, from, to float64) float64 {
	times := t.times[i]
	k := int(t.seen[i]) // the next change after the last look, as long as looks come in order
	if k > 0 && times[k-1] > last {
		k = sort.SearchFloat64s(times, math.Nextafter(last, math.Inf(1)))
	}
	if k < len(times) {
		to = min(to, times[k])
	}
	return max(to-from, 0)
}

// drawn returns the change times of Poisson pages over days.
func drawn(rate []float64, days float64, rng *rand.Rand) [][]float64 {
	times := make([][]float64, len(rate))
	for i, r := range rate {
		for t := rng.ExpFloat64() / r; t < days; t += rng.ExpFloat64() / r {
			times[i] = append(times[i], t)
		}
	}
	return times
}
