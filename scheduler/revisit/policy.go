package revisit

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Policy says when URLs are visited again. The zero value lets the rates of change decide alone: about ten looks per
// change, at least a minute apart. A Policy is read only and may be used from many goroutines.
type Policy struct {
	// Budget is the number of fetches the crawl may spend; 0 is unlimited. The functions of a single page take
	// no notice of it: it is what a [Controller] steers the multiplier by.
	Budget Budget
	// NewShare is the part of the budget that is kept for URLs never fetched, 0 to 1; what they do not use goes to
	// revisits, and what revisits do not use goes to them. Default 0.3; below 0 for none.
	NewShare float64
	// Min is the shortest interval between two visits of a page. Default 1 minute.
	Min time.Duration
	// Max is the longest. Default 90 days, or six rounds of the budget where that is longer; a Max below six
	// rounds is refused by [Policy.Fits].
	Max time.Duration
	// Objective is what the budget is spent for. Default [Freshness].
	Objective Objective
	// Every is a plain interval for every page: nothing is learnt from, and there is neither Min, Max nor Objective.
	Every time.Duration
	// Cron is a clock for every page, instead of an interval. See [ParseCron].
	Cron *Cron
	// FalseAlarm is the probability that an unchanged page is taken for a changed one. Default 0.01.
	FalseAlarm float64
}

// Defaults and rules of the specification.
const (
	shortest        = time.Minute
	longest         = 90 * 24 * time.Hour
	defaultNewShare = 0.3
	defaultAlarm    = 0.01
	minRounds       = 6    // a maximum below this many rounds turns every policy into round-robin
	freeLooks       = 10   // per expected change, if a fetch costs nothing: more are no use, and a nuisance to the site
	pricedLooks     = 1000 // if it has a price: heavy pages are worth hundreds, and the price holds the others back
	jitter          = 0.1  // of an interval, either way
	growth          = 2    // an interval is no longer than this many times the crawl's age and a round
	maxEvery        = 100  // years; longer is a slip of the pen
	maxPriorShape   = 1    // of a prior; one observation makes it larger
)

// Terms are what the plan of a page takes from its crawl and its host. A [Controller] gives them.
type Terms struct {
	// Theta is the price of a fetch, weight times days: the multiplier of the crawl times that of the host. 0 is free.
	Theta float64
	// Round is N/B, the time in which the budget fetches every known page once; 0 if the budget is unlimited.
	Round time.Duration
	// HostRound is n/R, the time in which the host's limit lets every page of the host be fetched once; 0 if there is no limit.
	HostRound time.Duration
	// Age of the crawl: since its first fetch.
	Age time.Duration
	// Prior is the belief over a page of this host of which nothing else is known. Default [DefaultPrior] of
	// the round. A page takes it at its first visit, and anew at its second. A shape above 1 is taken for 1.
	Prior Belief
	// Recall is the share of a page's changes that a hint will announce, 0 if that is not known: the page is then
	// planned for the others alone. See [Hints.Recall].
	Recall float64
}

// round returns N/B in days; a day if the budget is unlimited.
func (t Terms) round() float64 {
	if t.Round <= 0 {
		return 1
	}
	return days(t.Round)
}

func (t Terms) prior() Belief {
	if t.Prior.valid() {
		return Belief{min(t.Prior.A, maxPriorShape), t.Prior.B}.clamped()
	}
	return DefaultPrior(t.round())
}

// Validate returns an error that names the first field that is wrong.
func (p Policy) Validate() error {
	switch {
	case !(p.Budget >= 0) || math.IsInf(float64(p.Budget), 0):
		return fmt.Errorf("budget (%v) must be a rate such as 10000/d, or unlimited", float64(p.Budget))
	case !(p.NewShare <= 1):
		return fmt.Errorf("new_share (%v) must be at most 1", p.NewShare)
	case !(p.FalseAlarm >= 0 && p.FalseAlarm < 1):
		return fmt.Errorf("false_alarm (%v) must be at least 0 and less than 1", p.FalseAlarm)
	case p.Objective > Staleness:
		return fmt.Errorf("objective (%d) must be freshness or staleness", p.Objective)
	case p.Every != 0 && p.Cron != nil:
		return errors.New("every and cron exclude each other")
	case p.Every != 0 && (p.Every < time.Second || days(p.Every) > 366*maxEvery):
		return fmt.Errorf("every (%v) must be at least 1s and at most %d years", p.Every, maxEvery)
	case p.clocked() && (p.Min != 0 || p.Max != 0):
		return fmt.Errorf("min and max mean nothing beside %s", p.clock())
	case p.clocked() && p.Objective != Freshness:
		return fmt.Errorf("objective means nothing beside %s", p.clock())
	case p.Min < 0 || p.Min != 0 && p.Min < time.Second:
		return fmt.Errorf("min (%v) must be at least 1s", p.Min)
	case p.Max < 0 || p.Max != 0 && p.Max < time.Second:
		return fmt.Errorf("max (%v) must be at least 1s", p.Max)
	case p.Max != 0 && p.Max < p.min():
		return fmt.Errorf("max (%v) is less than min (%v)", p.Max, p.min())
	}
	return nil
}

// Fits returns an error if the policy cannot work for pages known URLs: a Max below six rounds of the budget would
// send every page to the maximum, and the crawl would go round and round whatever it learns.
func (p Policy) Fits(pages int64) error {
	round := p.Round(pages)
	if p.clocked() || p.Max == 0 || p.Max >= minRounds*round || round <= 0 {
		return nil
	}
	return fmt.Errorf("max (%v) is less than six times the %v in which a budget of %v fetches all %d URLs once: "+
		"every page would be visited at the maximum; set max to %v or more, or the budget to %v or more",
		p.Max, round.Round(time.Second), p.Budget, pages, roundUp(minRounds*round),
		Budget(math.Ceil(minRounds*float64(pages)/days(p.Max))))
}

// roundUp returns d in whole hours or, below ten hours, seconds.
func roundUp(d time.Duration) time.Duration {
	unit := time.Second
	if d > 10*time.Hour {
		unit = time.Hour
	}
	return d.Truncate(unit) + unit
}

// Round returns N/B for pages known URLs; 0 if the budget is unlimited.
func (p Policy) Round(pages int64) time.Duration {
	if p.Budget <= 0 || pages <= 0 {
		return 0
	}
	return duration(float64(pages) / float64(p.Budget))
}

// clocked reports whether a plain interval or a clock decides instead of the rates of change.
func (p Policy) clocked() bool { return p.Every > 0 || p.Cron != nil }

func (p Policy) clock() string {
	if p.Cron != nil {
		return "cron"
	}
	return "every"
}

func (p Policy) min() time.Duration {
	if p.Min > 0 {
		return p.Min
	}
	return shortest
}

// max returns the longest interval, in days.
func (p Policy) max(t Terms) float64 {
	if p.Max > 0 {
		return max(days(p.Max), days(p.min()))
	}
	return max(days(longest), minRounds*days(max(t.Round, t.HostRound)))
}

func (p Policy) falseAlarm() float64 {
	if p.FalseAlarm > 0 {
		return p.FalseAlarm
	}
	return defaultAlarm
}

// Interval returns the planned time between two visits of a page with weight w and belief b: the inverse of
// [Objective.Value] at the price of a fetch, within these bounds:
//
//   - at least Min, and, if a fetch is free, at least a tenth of the expected time between changes, b/(10a): more looks
//     would be a nuisance to the site and no use to the crawl. Where a fetch has a price, heavy pages are worth hundreds of
//     looks, and a floor of a tenth costs 2 % of the freshness of world A: there it is a thousandth;
//   - at most Max, and at most twice the age of the crawl and a round (of the budget or the host) together: a young crawl cannot know that a page
//     never changes, and a wrong price of a fetch would otherwise never be noticed.
func (p Policy) Interval(w float64, b Belief, t Terms) time.Duration {
	if t.Recall > 0 && t.Recall < 1 {
		b.B /= 1 - t.Recall
	}
	most := min(p.max(t), growth*(max(t.round(), days(t.HostRound))+days(max(t.Age, 0))))
	looks := float64(freeLooks)
	if t.Theta > 0 {
		looks = pricedLooks
	}
	least := min(b.B/(looks*b.A), most)
	return duration(max(p.Objective.Interval(t.Theta, w, b, most), least, days(p.min())))
}

// First returns the record of a page after its first look, and when it is due again. age is the time since the page
// last changed, if Last-Modified can be trusted on this host, below 0 if not. phase, 0 to 1, is the part of the
// interval after which the first revisit is due; it spreads over the interval what was found together: see [Phase].
func (p Policy) First(w Weight, signature uint64, age time.Duration, phase float64, now time.Time, t Terms) (Record, time.Time) {
	r := NewRecord(w)
	r.Signature = signature
	return p.first(r, age, phase, now, t)
}

func (p Policy) first(r Record, age time.Duration, phase float64, now time.Time, t Terms) (Record, time.Time) {
	b := t.prior()
	if age >= 0 {
		b = b.ChangedAt(days(age))
	}
	b.into(&r)
	r.Seen = seconds(now)
	become(&r, Live, 0)
	r, due := p.plan(r, now, t)
	if !p.clocked() {
		due = now.Add(time.Duration(float64(due.Sub(now)) * min(max(phase, 0), 1)))
	}
	return r, due
}

// Phase returns a number in [0, 1) for [Policy.First], the same for the same fingerprint.
func Phase(fingerprint uint64) float64 {
	fingerprint *= 0x9e3779b97f4a7c15 // 2^64 over the golden ratio: fingerprints of neighbours may be alike
	return float64((fingerprint^fingerprint>>32)&(1<<53-1)) / (1 << 53)
}

// Visited returns the record after a look that showed the page changed, or unchanged since the last one, and when it
// is due again.
func (p Policy) Visited(r Record, changed bool, now time.Time, t Terms) (Record, time.Time) {
	return p.visited(r, changed, -1, now, t)
}

// ChangedAt is [Policy.Visited] for a page that changed, the last time age ago, as a Last-Modified says that can be trusted
// on this host. An age that cannot be (below 0, or before the last look) is not used.
func (p Policy) ChangedAt(r Record, age time.Duration, now time.Time, t Terms) (Record, time.Time) {
	return p.visited(r, true, age, now, t)
}

func (p Policy) visited(r Record, changed bool, age time.Duration, now time.Time, t Terms) (Record, time.Time) {
	if r.Seen == 0 {
		return p.first(r, age, 1, now, t)
	}
	b := r.Belief()
	if r.Validators() == ValidatorsUnknown {
		b = p.renewed(b, t)
		setValidators(&r, ValidatorsIgnored)
	}
	since := min(elapsed(r.Seen, now), duration(2*p.max(t))) // longer, and it is the clock that jumped
	switch tau := days(since); {
	case !changed:
		b = b.Unchanged(tau)
	case age >= 0 && age <= since:
		b = b.ChangedAt(days(age))
	default:
		b = b.Changed(tau, p.falseAlarm())
	}
	b.into(&r)
	r.Seen = seconds(now)
	become(&r, Live, 0)
	return p.plan(r, now, t)
}

// renewed takes the host's prior anew for a page that was looked at once, when the host was known less well. A belief
// whose shape is above that of any prior has taken in a Last-Modified, and says more than a prior could.
func (p Policy) renewed(b Belief, t Terms) Belief {
	if b.A > maxPriorShape || !t.Prior.valid() {
		return b
	}
	return t.prior()
}

// plan sets the interval by the belief, and returns when the page is due. The clock of Every and Cron begins now.
func (p Policy) plan(r Record, now time.Time, t Terms) (Record, time.Time) {
	wait := p.wait(r, now, t)
	r.Plan = PlanOf(wait)
	if !p.clocked() {
		wait = p.jittered(r, wait, t)
	}
	return r, now.Add(wait)
}

// Reweigh gives a page that is to be visited at due another weight, and plans it anew, as if it had weighed that at its last look. A
// page that is not live, or is visited by a clock, keeps its time; one that was hinted at comes no later.
func (p Policy) Reweigh(r Record, due time.Time, w Weight, now time.Time, t Terms) (Record, time.Time) {
	r.Weight = w
	if p.clocked() || r.State() != Live || r.Seen == 0 {
		return r, due
	}
	wait := p.wait(r, now, t)
	anew := r.SeenAt().Add(p.jittered(r, wait, t))
	if anew.Before(now) {
		anew = now
	}
	if r.Hinted() && !anew.Before(due) {
		return r, due
	}
	r.Plan = PlanOf(wait)
	return r, anew
}

// jittered moves an interval by up to a tenth, by a hash of the record, within Min and Max. Pages of equal weight that
// have never changed have equal beliefs, so that what was found or delayed together would come back together, as a
// wave that makes pages late which are due every few minutes. It costs nothing: freshness is flat around its optimum.
func (p Policy) jittered(r Record, wait time.Duration, t Terms) time.Duration {
	u := 2*Phase(r.Signature^uint64(r.Seen)<<32^uint64(math.Float32bits(r.B))) - 1
	moved := wait + time.Duration(jitter*u*float64(wait))
	if moved < 0 { // the longest duration, and more
		return wait
	}
	return max(min(moved, max(duration(p.max(t)), p.min())), p.min())
}

func (p Policy) wait(r Record, now time.Time, t Terms) time.Duration {
	switch {
	case p.Every > 0:
		return p.Every
	case p.Cron != nil:
		if next := p.Cron.Next(now); !next.IsZero() {
			return next.Sub(now)
		}
		return duration(p.max(t))
	case r.A == 0: // never seen: as little is known as at the first look
		return p.Interval(r.EffectiveWeight(), t.prior(), t)
	}
	return p.Interval(r.EffectiveWeight(), r.Belief(), t)
}

// seconds returns now as a record keeps it. 1970 is never: a clock that far off is taken for the second after.
func seconds(now time.Time) uint32 {
	return uint32(min(max(now.Unix(), 1), math.MaxUint32))
}
