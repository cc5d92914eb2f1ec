package main

import (
	"math"
	"math/rand/v2"
)

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

// Look implements [simulate.Web].
func (p *poisson) Look(i int, from, to float64) (bool, float64) {
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

// Fresh implements [simulate.Web].
func (p *poisson) Fresh(i int, last, from, to float64) float64 {
	if from < p.turn && to > p.turn {
		return p.Fresh(i, last, from, p.turn) + p.Fresh(i, last, p.turn, to)
	}
	rate := p.rate[i]
	if from >= p.turn {
		rate = p.then[i]
	}
	return math.Exp(-p.changes(i, last, from)) * -math.Expm1(-rate*(to-from)) / rate
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
