package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// began is when every crawl begins. Nothing depends on it.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ours is the project's own rule, and what worlds do to it.
type ours struct {
	*simulate.Learner

	hints   revisit.Hints // one source of hints
	hinted  []bool        // pages that have it
	budgets []budgetAt
}

type budgetAt struct{ day, budget float64 }

func newOurs(c *simulate.Course, rng *rand.Rand) *ours {
	policy := revisit.Policy{Budget: revisit.Budget(c.Budget(0)), NewShare: -1}
	return &ours{Learner: simulate.NewLearner(c, policy, began, rng)}
}

// wrong makes the multiplier begin wrong by a factor.
func (o *ours) wrong(by float64) { o.Controller.SetTheta(o.Controller.Control().Theta * by) }

// recall has the recall of the hints count for the pages that have them.
func (o *ours) recall(i int) float64 {
	if !o.hinted[i] {
		return 0
	}
	return o.hints.Recall()
}

// Visited counts hints beside.
func (o *ours) Visited(i int, now float64, changed bool, age float64) float64 {
	if len(o.hinted) > 0 && o.hinted[i] {
		before := o.Records[i]
		defer func() { o.hints = o.hints.Add(before.Hinted(), changed, before.Fresh(o.Time(now))) }()
	}
	return o.Learner.Visited(i, now, changed, age)
}

// Hint implements [simulate.Hinter].
func (o *ours) Hint(i int, now, due float64) float64 {
	r, sooner := revisit.Hint(o.Records[i], o.Time(due), o.hints.Precision(), o.Time(now))
	o.Records[i] = r
	return o.Days(sooner)
}

// Tick changes the budget when its time has come.
func (o *ours) Tick(now float64) {
	for len(o.budgets) > 0 && o.budgets[0].day <= now {
		o.Controller.SetBudget(revisit.Budget(o.budgets[0].budget), 0)
		o.budgets = o.budgets[1:]
	}
	o.Learner.Tick(now)
}

// uniform visits all pages equally often.
func uniform(c *simulate.Course, rng *rand.Rand) simulate.Rule { return simulate.InTurn(c, rng) }

// important visits pages in proportion to the root of their weight, and learns nothing.
func important(c *simulate.Course, rng *rand.Rand) simulate.Rule {
	p := &simulate.Fixed{Interval: make([]float64, len(c.Weight)), Rand: rng}
	var sum float64
	for _, w := range c.Weight {
		sum += math.Sqrt(w)
	}
	for i, w := range c.Weight {
		p.Interval[i] = sum / math.Sqrt(w) / c.Budget(0)
	}
	return p
}

// nutch is the rule of Nutch's AdaptiveFetchSchedule with its configuration as shipped (2026): the interval begins at 30 days,
// shrinks by a fifth on a change and grows by two fifths otherwise, and three tenths of the time since the last change seen
// are taken off.
type nutch struct{ interval, modified []float64 }

func newNutch(c *simulate.Course, _ *rand.Rand) simulate.Rule {
	r := &nutch{make([]float64, len(c.Weight)), make([]float64, len(c.Weight))}
	for i := range r.interval {
		r.interval[i] = 30
	}
	return r
}

// First implements [simulate.Rule].
func (r *nutch) First(i int, _ float64) float64 { return r.interval[i] }

// Visited implements [simulate.Rule].
func (r *nutch) Visited(i int, now float64, changed bool, _ float64) float64 {
	iv := r.interval[i]
	if changed {
		iv *= 1 - .2
		r.modified[i] = now
	} else {
		iv *= 1 + .4
	}
	delta := now - r.modified[i]
	iv = min(max(iv, delta, 1./1440), 90)
	r.interval[i] = iv
	return max(now-.3*delta+iv, now)
}

// Tick implements [simulate.Rule]: nothing depends on the time.
func (r *nutch) Tick(float64) {}

// storm is the rule of StormCrawler's AdaptiveScheduler as shipped: from a day on, halfway to an hour on a change, half
// as much again otherwise, a fortnight at most.
type storm struct{ interval []float64 }

func newStorm(c *simulate.Course, _ *rand.Rand) simulate.Rule {
	r := &storm{make([]float64, len(c.Weight))}
	for i := range r.interval {
		r.interval[i] = 1
	}
	return r
}

// First implements [simulate.Rule].
func (r *storm) First(i int, _ float64) float64 { return r.interval[i] }

// Visited implements [simulate.Rule].
func (r *storm) Visited(i int, now float64, changed bool, _ float64) float64 {
	if changed {
		r.interval[i] = r.interval[i]/2 + 1./48
	} else {
		r.interval[i] = min(r.interval[i]*1.5, 14)
	}
	return now + r.interval[i]
}

// Tick implements [simulate.Rule]: nothing depends on the time.
func (r *storm) Tick(float64) {}
