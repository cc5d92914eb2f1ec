package main

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// began is when every crawl begins. Nothing depends on it.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const day = float64(24 * time.Hour)

func at(days float64) time.Time { return began.Add(time.Duration(days * day)) }

func daysTo(t time.Time) float64 { return float64(t.Sub(began)) / day }

// ours is the project's own rule.
type ours struct {
	policy  revisit.Policy
	ctl     *revisit.Controller
	records []revisit.Record
	host    []int32
	names   []string
	rng     *rand.Rand

	modified bool          // Last-Modified is trusted
	kin      bool          // hosts have priors of their own
	hints    revisit.Hints // one source of hints
	useful   bool          // its recall counts for the pages that have it
	hinted   []bool        // pages that have it

	budgets []budgetAt
	wrong   float64 // the multiplier begins wrong by this factor
}

type budgetAt struct{ day, budget float64 }

// newOurs returns the rule for pages whose weights are known to it as records keep them.
func newOurs(c *course, rng *rand.Rand) *ours {
	o := &ours{
		policy: revisit.Policy{Budget: revisit.Budget(c.budget(0)), NewShare: -1},
		host:   c.host, names: make([]string, c.hosts), records: make([]revisit.Record, len(c.weight)), rng: rng, wrong: 1,
	}
	o.ctl = revisit.NewController(o.policy, began)
	for h := range o.names {
		o.names[h] = "h" + strconv.Itoa(h)
		o.ctl.SetLimit(o.names[h], c.limit)
	}
	for i, w := range c.weight {
		o.records[i] = revisit.NewRecord(revisit.WeightOf(w * float64(len(c.weight))))
		o.ctl.Track(o.names[c.host[i]], revisit.Record{}, o.records[i])
	}
	return o
}

// start makes the multiplier wrong, if it is to be.
func (o *ours) start() {
	if o.wrong != 1 {
		o.ctl.SetTheta(o.ctl.Control().Theta * o.wrong)
	}
}

func (o *ours) terms(i int, now time.Time) revisit.Terms {
	t := o.ctl.Terms(o.names[o.host[i]], now)
	if !o.kin {
		t.Prior = revisit.Belief{}
	}
	if o.useful && o.hinted[i] {
		t.Recall = o.hints.Recall()
	}
	return t
}

func (o *ours) age(age float64) time.Duration {
	if !o.modified || age < 0 {
		return -1
	}
	return time.Duration(min(age*day, math.MaxInt64/4))
}

func (o *ours) first(i int, age float64) float64 {
	before := o.records[i]
	r, due := o.policy.First(before.Weight, 0, o.age(age), o.rng.Float64(), began, o.terms(i, began))
	o.records[i] = r
	o.ctl.Track(o.names[o.host[i]], before, r)
	return daysTo(due)
}

func (o *ours) visited(i int, now, _ float64, changed bool, age float64) float64 {
	before, t := o.records[i], at(now)
	var r revisit.Record
	var due time.Time
	if changed && o.modified {
		r, due = o.policy.ChangedAt(before, o.age(age), t, o.terms(i, t))
	} else {
		r, due = o.policy.Visited(before, changed, t, o.terms(i, t))
	}
	if len(o.hinted) > 0 && o.hinted[i] {
		o.hints = o.hints.Add(before.Hinted(), changed, before.Fresh(t))
	}
	o.records[i] = r
	o.ctl.Track(o.names[o.host[i]], before, r)
	return daysTo(due)
}

func (o *ours) hint(i int, now, due float64) float64 {
	r, sooner := revisit.Hint(o.records[i], at(due), o.hints.Precision(), at(now))
	o.records[i] = r
	return daysTo(sooner)
}

func (o *ours) tick(now float64) {
	for len(o.budgets) > 0 && o.budgets[0].day <= now {
		o.ctl.SetBudget(revisit.Budget(o.budgets[0].budget), 0)
		o.budgets = o.budgets[1:]
	}
	o.ctl.Tick(at(now))
}

// plain visits every page at an interval of its own that never changes.
type plain struct {
	interval []float64
	rng      *rand.Rand
}

func (p *plain) first(i int, _ float64) float64 { return p.interval[i] * p.rng.Float64() }

func (p *plain) visited(i int, now, _ float64, _ bool, _ float64) float64 { return now + p.interval[i] }

func (p *plain) tick(float64) {}

// uniform visits all pages equally often.
func uniform(c *course, rng *rand.Rand) rule {
	p := &plain{make([]float64, len(c.weight)), rng}
	for i := range p.interval {
		p.interval[i] = float64(len(c.weight)) / c.budget(0)
	}
	return p
}

// important visits pages in proportion to the root of their weight, and learns nothing.
func important(c *course, rng *rand.Rand) rule {
	p := &plain{make([]float64, len(c.weight)), rng}
	var sum float64
	for _, w := range c.weight {
		sum += math.Sqrt(w)
	}
	for i, w := range c.weight {
		p.interval[i] = sum / math.Sqrt(w) / c.budget(0)
	}
	return p
}

// nutch is the rule of Nutch's AdaptiveFetchSchedule with its configuration as shipped (2026): the interval begins at 30 days,
// shrinks by a fifth on a change and grows by two fifths otherwise, and three tenths of the time since the last change seen
// are taken off.
type nutch struct{ interval, modified []float64 }

func newNutch(c *course, _ *rand.Rand) rule {
	r := &nutch{make([]float64, len(c.weight)), make([]float64, len(c.weight))}
	for i := range r.interval {
		r.interval[i] = 30
	}
	return r
}

func (r *nutch) first(i int, _ float64) float64 { return r.interval[i] }

func (r *nutch) visited(i int, now, _ float64, changed bool, _ float64) float64 {
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

func (r *nutch) tick(float64) {}

// storm is the rule of StormCrawler's AdaptiveScheduler as shipped: from a day on, halfway to an hour on a change, half
// as much again otherwise, a fortnight at most.
type storm struct{ interval []float64 }

func newStorm(c *course, _ *rand.Rand) rule {
	r := &storm{make([]float64, len(c.weight))}
	for i := range r.interval {
		r.interval[i] = 1
	}
	return r
}

func (r *storm) first(i int, _ float64) float64 { return r.interval[i] }

func (r *storm) visited(i int, now, _ float64, changed bool, _ float64) float64 {
	if changed {
		r.interval[i] = r.interval[i]/2 + 1./48
	} else {
		r.interval[i] = min(r.interval[i]*1.5, 14)
	}
	return now + r.interval[i]
}

func (r *storm) tick(float64) {}
