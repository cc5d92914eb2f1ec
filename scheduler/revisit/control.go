package revisit

import (
	"fmt"
	"math"
	"time"
)

// Control is the state of the budget's multiplier: what the fleet shares. It is a value; whichever worker
// holds the timer reads it, steps it and writes it back. The sums are kept by those who finish visits.
type Control struct {
	Theta  float64 // the multiplier: the price of a fetch, weight times days
	Sum    float64 // planned fetches a day: Σ [Plan.Rate] over the known pages
	Extra  float64 // fetches a day that were not planned: those that hints brought forward, see [Control.Step]
	Pages  int64   // known pages
	Budget float64 // fetches a day for revisits; 0 is unlimited
	Rooted int64   // pages when Theta was last set by the size of the crawl
	Start  float64 // what StartTheta said then
}

// Limits of a controller.
const (
	maxError    = 2    // |2·ln(S/B)|, so that nothing winds up
	maxStep     = 0.1  // of the time constant in one step, however long nobody held the timer
	regrowth    = 1.1  // more pages by this factor set the multiplier anew
	leastPrice  = 1e-6 // of the price it began with: a budget that the hosts cannot take must not wind it down for good
	secondPrice = 2    // the price of a fetch goes with the square of what is bought: f ∝ √(w/θ)
)

// Round returns N/B; 0 if the budget is unlimited.
func (c Control) Round() time.Duration {
	if c.Budget <= 0 {
		return 0
	}
	return duration(float64(c.Pages) / c.Budget)
}

// StartTheta returns the multiplier to begin with when nothing was learnt: (mean √w)²·b₀·G((N/B)/b₀) at the default
// prior. It is exact for equal weights, and right to a small factor otherwise, as f ∝ √w.
func StartTheta(o Objective, meanRootWeight float64, round time.Duration) float64 {
	r := days(round)
	return o.Value(meanRootWeight*meanRootWeight, DefaultPrior(r), r)
}

// Grown returns the control after the number of pages changed: where it grew by more than a tenth since
// the multiplier was last set, the multiplier is set as [StartTheta] says, or scaled as that would be, so that what
// was learnt is not lost.
func (c Control) Grown(o Objective, meanRootWeight float64) Control {
	if c.Budget <= 0 {
		c.Theta, c.Rooted, c.Start = 0, 0, 0
		return c
	}
	if c.Pages == 0 || float64(c.Pages) < regrowth*float64(c.Rooted) {
		return c
	}
	start := StartTheta(o, meanRootWeight, c.Round())
	if c.Start > 0 && c.Theta > 0 {
		c.Theta *= start / c.Start
	} else {
		c.Theta = start
	}
	c.Rooted, c.Start = c.Pages, start
	return c
}

// Step returns the control after dt: θ·exp(e·dt/(N/B)) with e = 2·ln(S/B), at most ±2. The time constant
// is a round, since the sum follows the multiplier only as fast as pages are visited and planned anew; a
// faster controller winds up. Extra counts to the sum and fades with the same time constant.
func (c Control) Step(dt time.Duration) Control {
	if c.Budget <= 0 || c.Pages == 0 || dt <= 0 {
		return c
	}
	x := step(dt, c.Round())
	c.Theta *= math.Exp(priceError(c.Sum+c.Extra, c.Budget) * x)
	c.Theta = min(max(c.Theta, leastPrice*c.Start, math.SmallestNonzeroFloat64), math.MaxFloat64)
	c.Extra *= math.Exp(-x)
	return c
}

// Unplanned returns the control after a visit that came by a hint, elapsed after the last one, of a page planned at p: the
// share 1-elapsed/planned of a fetch was not in the sum.
func (c Control) Unplanned(p Plan, elapsed time.Duration) Control {
	planned := p.Interval()
	if planned <= 0 || elapsed >= planned || c.Pages == 0 {
		return c
	}
	if round := days(c.Round()); round > 0 {
		c.Extra += (1 - max(days(elapsed), 0)/days(planned)) / round
	}
	return c
}

// Planned returns the control after a page's plan changed from old to next.
func (c Control) Planned(old, next Plan) Control {
	c.Sum = max(c.Sum+next.Rate()-old.Rate(), 0)
	return c
}

// HostControl is the state of one host's factor: the multiplier of its pages is that of the crawl times Factor.
type HostControl struct {
	Factor float64 // at least 1; 0 is not yet set
	Sum    float64 // planned fetches a day
	Limit  float64 // fetches a day that politeness allows: 86400 s over the delay; 0 is no limit
	Pages  int64
	Start  float64 // the factor that the host's size gave when the multiplier was last set by that of the crawl
}

// Grown returns the control after the multiplier was set anew by [Control.Grown] for rounds of a given length: the factor
// begins as the price at which pages like the default prior would just take the host's limit,
// (mean √w of the host)²·b₀·G((n/R)/b₀), over that of the crawl, or is scaled as that would be. Without it every page
// of a large host would be planned as if it were alone, and it takes n/R to plan them all again.
func (h HostControl) Grown(o Objective, c Control, meanRootWeight float64) HostControl {
	start := 1.0
	if own := h.Round(); own > c.Round() && c.Start > 0 {
		start = max(1, o.Value(meanRootWeight*meanRootWeight, DefaultPrior(days(c.Round())), days(own))/c.Start)
	}
	if h.Start > 0 && h.Factor > 0 {
		h.Factor = max(1, h.Factor*start/h.Start)
	} else {
		h.Factor = start
	}
	h.Start = start
	return h
}

// Round returns n/R, the time in which the limit lets every page of the host be fetched once; 0 without a limit.
func (h HostControl) Round() time.Duration {
	if h.Limit <= 0 {
		return 0
	}
	return duration(float64(h.Pages) / h.Limit)
}

// Planned returns the control after the plan of one of the host's pages changed from old to next.
func (h HostControl) Planned(old, next Plan) HostControl {
	h.Sum = max(h.Sum+next.Rate()-old.Rate(), 0)
	return h
}

// Multiplier returns the factor, 1 if it is not yet set.
func (h HostControl) Multiplier() float64 { return max(h.Factor, 1) }

// Step returns the control after dt, round being that of the crawl: the host is steered as the crawl is, with the time constant
// max(round, n/R), and its factor never falls below 1. A factor of 1 that is too low becomes (S/R)² at once.
func (h HostControl) Step(dt, round time.Duration) HostControl {
	if h.Limit <= 0 {
		h.Factor = 1
		return h
	}
	if h.Factor <= 1 {
		h.Factor = max(1, math.Pow(h.Sum/h.Limit, secondPrice))
		return h
	}
	if dt <= 0 {
		return h
	}
	own := max(round, h.Round())
	h.Factor = max(1, h.Factor*math.Exp(priceError(h.Sum, h.Limit)*step(dt, own)))
	return h
}

// priceError is by how much the price is wrong, as a logarithm.
func priceError(sum, budget float64) float64 {
	if !(sum > 0) {
		return -maxError
	}
	return min(max(secondPrice*math.Log(sum/budget), -maxError), maxError)
}

// step is dt in units of the time constant.
func step(dt, constant time.Duration) float64 {
	if constant <= 0 {
		return maxStep
	}
	return min(float64(dt)/float64(constant), maxStep)
}

// AtCap reports whether the host's limit is what decides how often its pages are visited.
func (h HostControl) AtCap() bool { return h.Factor > 1 }

// Reachable returns an error if the hosts' own limits leave a part of the budget unspent, with the budget that can be spent.
// least is the shortest interval between two visits of a page.
func Reachable(budget Budget, least time.Duration, hosts func(yield func(HostControl) bool)) error {
	if budget <= 0 {
		return nil
	}
	var can float64
	for h := range hosts {
		most := math.Inf(1)
		if least > 0 {
			most = float64(h.Pages) / days(least)
		}
		if h.Limit > 0 {
			most = min(most, h.Limit)
		}
		can += most
	}
	if can >= float64(budget) {
		return nil
	}
	return fmt.Errorf("budget (%v) is more than the hosts allow: with their delays and a page at most once in %v, %v can be spent",
		budget, least, Budget(math.Floor(can)))
}

// Share divides the slots of a budget between URLs never fetched and revisits: the former have their share of it
// whenever they want it, and what one side does not use goes to the other. The zero value is ready.
type Share struct {
	credit float64 // slots that new URLs have to their good, at most 1
}

// Next says to whom the next slot goes: to a new URL, if true. share is [Policy.Share]; fresh and due say who
// is waiting.
func (s *Share) Next(share float64, fresh, due bool) bool {
	switch {
	case !fresh:
		s.credit = 0 // unused slots are not saved up
		return false
	case !due:
		return true
	}
	s.credit += share
	if s.credit < 1-1e-9 {
		return false
	}
	s.credit--
	return true
}

// Share returns the part of the budget that new URLs may take: NewShare or its default.
func (p Policy) Share() float64 {
	switch {
	case p.NewShare < 0:
		return 0
	case p.NewShare == 0:
		return defaultNewShare
	}
	return p.NewShare
}

// ForNew returns how many URLs that were never fetched the budget has for a day beside planned visits: what those leave, and at least
// its share.
func (p Policy) ForNew(planned float64) float64 {
	b := float64(p.Budget)
	return max(b-max(planned, 0), p.Share()*b)
}

// ForRevisits returns what is left of the budget when arriving new URLs a day are fetched: at least 1-share of
// it. It is the Budget of a [Control].
func (p Policy) ForRevisits(arriving float64) float64 {
	b := float64(p.Budget)
	return b - min(max(arriving, 0), p.Share()*b)
}
