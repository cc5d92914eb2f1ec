package simulate

import (
	"context"
	"math"
)

// Rule is a way to decide when to come again. It is told of every look, in the order of time, and returns when the page is due
// next. Times are days since the run began; age is the time since the content last changed, below 0 if that is not known.
type Rule interface {
	First(i int, age float64) (due float64)
	Visited(i int, now float64, changed bool, age float64) (due float64)
	Tick(now float64)
}

// Hinter is a rule that listens to hints: it returns when a page that was due at due is due now.
type Hinter interface {
	Hint(i int, now, due float64) float64
}

// Hint says, rightly or not, that a page has changed.
type Hint struct {
	At   float64
	Page int32
}

// Course is one run: pages, what they are worth, how they change, and what may be spent. A web remembers what was looked
// at, so a course is run once.
type Course struct {
	Weight []float64 // of each page; their sum is 1
	Host   []int32   // of each page, below Hosts
	Hosts  int
	Web    Web
	Hints  []Hint // in the order of time

	Days   float64
	Budget func(now float64) float64 // fetches a day, above 0
	Limit  float64                   // fetches a day of one host; 0 is none
	Gated  bool                      // a page is never visited before it is due
	Tick   float64                   // days between two ticks
}

// Score is what came of a run. Freshness and Age are those of the last third, weighted: see the package documentation.
type Score struct {
	Visits    int     // in all, but for the first look at each page
	Freshness float64 // 0 to 1
	Age       float64 // in days; 0 if the web is none that can tell
}

// Run has every page fetched at the start and then gives out one slot each 1/B: to the earliest due page, which, unless the
// course is gated, may be pulled forward once half of its interval is over. It ends early only with the error of ctx.
func (c *Course) Run(ctx context.Context, r Rule) (Score, error) {
	n := len(c.Weight)
	last := make([]float64, n)
	due := make([]float64, n)
	for i := range n {
		_, age := c.Web.Look(i, -1, 0)
		due[i] = r.First(i, age)
	}
	gap := 0.0
	if c.Limit > 0 {
		gap = 1 / c.Limit
	}
	q := newQueue(c.Host, c.Hosts, gap)
	q.fill(due)

	listener, _ := r.(Hinter)
	hints := c.Hints
	if listener == nil {
		hints = nil
	}
	s := c.scorer()
	ticked := 0.0
	for now := 0.0; now < c.Days; now += 1 / c.Budget(now) {
		for ; len(hints) > 0 && hints[0].At <= now; hints = hints[1:] {
			i := hints[0].Page
			if d := listener.Hint(int(i), hints[0].At, q.due[i]); d < q.due[i] {
				q.move(i, d)
			}
		}
		if now >= ticked {
			if err := ctx.Err(); err != nil {
				return Score{}, err
			}
			r.Tick(now)
			ticked += c.Tick
		}
		i := q.peek(now)
		if i < 0 || q.due[i] > now && (c.Gated || now-last[i] < (q.due[i]-last[i])/2) {
			continue
		}
		s.until(int(i), last[i], now)
		s.Visits++
		changed, age := c.Web.Look(int(i), last[i], now)
		next := r.Visited(int(i), now, changed, age)
		last[i] = now
		q.visited(i, now, next)
	}
	for i := range n {
		s.until(i, last[i], c.Days)
	}
	return s.Score, nil
}

// Keep returns what comes of visiting page i each interval[i] days, without slots: what a plan brings on a history that is no
// Poisson process. An infinite interval is never; phase, 0 to 1, spreads the pages.
func (c *Course) Keep(interval []float64, phase func() float64) Score {
	s := c.scorer()
	for i, tau := range interval {
		last := 0.0
		if !math.IsInf(tau, 1) {
			for now := tau * phase(); now < c.Days; now += tau {
				s.until(i, last, now)
				s.Visits++
				c.Web.Look(i, last, now)
				last = now
			}
		}
		s.until(i, last, c.Days)
	}
	return s.Score
}

// scorer adds up the last third of a run.
type scorer struct {
	Score

	course *Course
	aged   Aged // nil: the web cannot tell
	from   float64
}

func (c *Course) scorer() scorer {
	s := scorer{course: c, from: c.Days * 2 / 3}
	s.aged, _ = c.Web.(Aged)
	return s
}

// until counts page i, which was looked at at last, up to a time before the next look.
func (s *scorer) until(i int, last, to float64) {
	if to <= s.from {
		return
	}
	w := s.course.Weight[i] / (s.course.Days - s.from)
	s.Freshness += w * s.course.Web.Fresh(i, last, max(last, s.from), to)
	if s.aged != nil {
		s.Age += w * s.aged.Age(i, last, max(last, s.from), to)
	}
}
