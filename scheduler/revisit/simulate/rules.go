package simulate

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

const day = float64(24 * time.Hour)

// Learner is the project's own rule: a [revisit.Policy], steered by a [revisit.Controller].
type Learner struct {
	Policy     revisit.Policy
	Controller *revisit.Controller
	Records    []revisit.Record // of each page

	Modified bool                // Last-Modified is trusted
	Kin      bool                // hosts have priors of their own
	Recall   func(i int) float64 // of the hints for a page, 0 for none; nil: for no page

	began time.Time
	host  []int32
	names []string
	rng   *rand.Rand
}

var _ Rule = (*Learner)(nil)

// NewLearner returns the rule for the pages of a course, in a crawl that began at began. It knows their weights as records
// keep them. rng spreads the first revisits.
func NewLearner(c *Course, p revisit.Policy, began time.Time, rng *rand.Rand) *Learner {
	l := &Learner{
		Policy: p, Controller: revisit.NewController(p, began), Records: make([]revisit.Record, len(c.Weight)),
		began: began, host: c.Host, names: make([]string, c.Hosts), rng: rng,
	}
	for h := range l.names {
		l.names[h] = "h" + strconv.Itoa(h)
		l.Controller.SetLimit(l.names[h], c.Limit)
	}
	for i, w := range c.Weight {
		l.Records[i] = revisit.NewRecord(revisit.WeightOf(w * float64(len(c.Weight))))
		l.Controller.Track(l.names[c.Host[i]], revisit.Record{}, l.Records[i])
	}
	return l
}

// Time returns the instant that is days after the crawl began.
func (l *Learner) Time(days float64) time.Time { return l.began.Add(time.Duration(days * day)) }

// Days is the inverse of [Learner.Time].
func (l *Learner) Days(t time.Time) float64 { return float64(t.Sub(l.began)) / day }

// First implements [Rule].
func (l *Learner) First(i int, age float64) float64 {
	r, due := l.Policy.First(l.Records[i].Weight, 0, l.age(age), l.rng.Float64(), l.began, l.terms(i, l.began))
	l.track(i, r)
	return l.Days(due)
}

// Visited implements [Rule].
func (l *Learner) Visited(i int, now float64, changed bool, age float64) float64 {
	before, t := l.Records[i], l.Time(now)
	var r revisit.Record
	var due time.Time
	if changed && l.Modified {
		r, due = l.Policy.ChangedAt(before, l.age(age), t, l.terms(i, t))
	} else {
		r, due = l.Policy.Visited(before, changed, t, l.terms(i, t))
	}
	l.track(i, r)
	return l.Days(due)
}

// Tick implements [Rule].
func (l *Learner) Tick(now float64) { l.Controller.Tick(l.Time(now)) }

func (l *Learner) track(i int, after revisit.Record) {
	l.Controller.Track(l.names[l.host[i]], l.Records[i], after)
	l.Records[i] = after
}

func (l *Learner) terms(i int, now time.Time) revisit.Terms {
	t := l.Controller.Terms(l.names[l.host[i]], now)
	if !l.Kin {
		t.Prior = revisit.Belief{}
	}
	if l.Recall != nil {
		t.Recall = l.Recall(i)
	}
	return t
}

func (l *Learner) age(age float64) time.Duration {
	if !l.Modified || age < 0 {
		return -1
	}
	return time.Duration(min(age*day, math.MaxInt64/4))
}

// Fixed visits every page at an interval of its own that never changes.
type Fixed struct {
	Interval []float64 // of each page, in days
	Rand     *rand.Rand
}

var _ Rule = (*Fixed)(nil)

// InTurn returns the rule that visits all pages of a course equally often.
func InTurn(c *Course, rng *rand.Rand) *Fixed {
	f := &Fixed{make([]float64, len(c.Weight)), rng}
	for i := range f.Interval {
		f.Interval[i] = float64(len(c.Weight)) / c.Budget(0)
	}
	return f
}

// First implements [Rule].
func (f *Fixed) First(i int, _ float64) float64 { return f.Interval[i] * f.Rand.Float64() }

// Visited implements [Rule].
func (f *Fixed) Visited(i int, now float64, _ bool, _ float64) float64 { return now + f.Interval[i] }

// Tick implements [Rule]: nothing depends on the time.
func (f *Fixed) Tick(float64) {}
