package crawler

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// Outlook is how a crawl that comes again stands.
type Outlook struct {
	Pages   int64 `json:"pages"`   // known, with a next visit
	Due     int64 `json:"due"`     // whose next visit has come, and has not been made
	Overdue int64 `json:"overdue"` // of them, by more than a tenth of their interval, and not yet queued by a worker
	// Next is when the next visit is due, of those that are not queued; zero if none is planned.
	Next time.Time `json:"next,omitzero"`
	// Unlinked are pages that no page links to any more, if that is counted: see [Revisit].
	Unlinked int64 `json:"unlinked,omitempty"`
	// Deferred are pages that were never fetched, and wait for their share of the budget.
	Deferred int64 `json:"deferred,omitempty"`
	// Fresh is the expected share of the pages, by weight, that are as they were seen last; 0 to 1. Pages that are queued are
	// taken to be as fresh as the others are when they are due.
	Fresh float64 `json:"fresh"`
	// Budget and Planned are fetches a day: what may be spent (0: no limit), and what the pages' intervals come to.
	Budget  float64 `json:"budget"`
	Planned float64 `json:"planned"`
	// Theta is the price of a fetch: the multiplier that all intervals follow from. 0: a fetch is free.
	Theta float64 `json:"theta"`
	// Reach is the freshness that the budget buys once all intervals have settled, and Twice what twice the budget would.
	Reach float64 `json:"reach"`
	Twice float64 `json:"twice"`
	// AtCap are hosts whose own pace decides how often their pages are visited; at most 20, the largest first, of AtCaps.
	AtCap  []string `json:"at_cap"`
	AtCaps int      `json:"at_caps"`
	// Unreachable says why the budget cannot be spent, or the policy not work; empty: it can.
	Unreachable string `json:"unreachable,omitempty"`
	// Sample is how many pages Due, Overdue, Fresh, Reach and Twice were counted from, if those are not all.
	Sample int64 `json:"sample,omitempty"`
}

// outlookSample bounds how many pages are read for an outlook.
const outlookSample = 200_000

// LookOut tells how a crawl stands that comes again; nil if it does not. It reads up to 200,000 pages.
func LookOut(ctx context.Context, f scheduler.Frontier) (*Outlook, error) {
	ledger, sums := f.(scheduler.Ledger)
	memo, memos := f.(scheduler.Memo)
	calendar, calendars := f.(scheduler.Rescheduler)
	if !sums || !memos || !calendars {
		return nil, nil //nolint:nilnil // a frontier that cannot hold such a crawl
	}
	b := &budget{frontier: f, ledger: ledger, memo: memo}
	var p price
	if ok, err := b.load(ctx, wholeCrawl, &p); err != nil || !ok {
		return nil, err
	}
	policy, err := revisit.Parse(p.Policy)
	if err != nil {
		return nil, err
	}
	stored, err := ledger.Sums(ctx, "")
	if err != nil {
		return nil, err
	}
	total := sumsOf(stored)
	o := &Outlook{
		Pages: int64(total[sumPages]), Budget: float64(policy.Budget), Planned: max(total[sumPlanned], 0), Theta: p.Theta, AtCap: []string{},
		Deferred: int64(max(total[sumDeferred], 0)),
	}
	stats, err := f.Stats(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.read(ctx, calendar, policy, p, stats); err != nil {
		return nil, err
	}
	if err := o.hosts(ctx, b, policy); err != nil {
		return nil, err
	}
	return o, nil
}

// read goes through the pages that wait.
func (o *Outlook) read(ctx context.Context, calendar scheduler.Rescheduler, policy revisit.Policy, p price, stats scheduler.Stats) error {
	now := time.Now()
	census := make(revisit.Census)
	var n, due, overdue int64
	var fresh, weight, expiring float64
	err := calendar.Scheduled(ctx, func(t scheduler.Task) bool {
		req, err := DecodePayload(t.Payload)
		if err != nil || req.memory == nil {
			return true // of another version, or to be fetched for the first time
		}
		r := req.memory.record
		n++
		if late := now.Sub(t.Due); late >= 0 {
			due++
			if late > r.Plan.Interval()/10 {
				overdue++
			}
		}
		if req.memory.unlinked {
			o.Unlinked++
		}
		if o.Next.IsZero() || t.Due.Before(o.Next) {
			o.Next = t.Due
		}
		if w := r.EffectiveWeight(); r.State() == revisit.Live {
			fresh += w * r.Fresh(now)
			expiring += w * r.Fresh(r.SeenAt().Add(r.Plan.Interval()))
			weight += w
		}
		census.Replace(revisit.Record{}, r)
		return n < outlookSample
	})
	if err != nil {
		return err
	}
	share := 1.0
	if n == outlookSample && o.Pages > n {
		o.Sample, share = n, float64(n)/float64(o.Pages)
	}
	o.Due, o.Overdue = int64(float64(due)/share)+stats.Queued, int64(float64(overdue)/share)
	o.Unlinked = int64(float64(o.Unlinked) / share)
	if weight > 0 {
		queued := 0.0
		if o.Sample == 0 {
			queued = max(float64(o.Pages-n), 0) / float64(n) // for each page that waits
		}
		o.Fresh = (fresh + queued*expiring) / (weight + queued*weight)
	}
	if n > 0 {
		budget, age := revisit.Budget(o.Budget*share), max(now.Sub(p.Began), 0)+2*policy.Round(o.Pages)
		o.Reach = census.Prospect(policy, budget, age).Freshness
		o.Twice = census.Prospect(policy, 2*budget, age).Freshness
	}
	if err := policy.Fits(o.Pages); err != nil {
		o.Unreachable = err.Error()
	}
	return nil
}

// hosts finds those at their cap, and whether the budget can be spent at all.
func (o *Outlook) hosts(ctx context.Context, b *budget, policy revisit.Policy) error {
	type capped struct {
		name    string
		planned float64
	}
	var all []capped
	var controls []revisit.HostControl
	var failed error
	err := b.ledger.HostSums(ctx, func(name string, stored []float64) bool {
		s := sumsOf(stored)
		var p hostPrice
		if _, failed = b.load(ctx, name, &p); failed != nil {
			return false
		}
		c := revisit.HostControl{Factor: p.Factor, Sum: s[sumPlanned], Limit: p.Limit, Pages: int64(s[sumPages])}
		controls = append(controls, c)
		if c.AtCap() {
			all = append(all, capped{name, c.Sum})
		}
		return len(controls) < maxHosts
	})
	if err != nil || failed != nil {
		return cmp.Or(err, failed)
	}
	slices.SortFunc(all, func(a, b capped) int { return cmp.Compare(b.planned, a.planned) })
	o.AtCaps = len(all)
	for _, h := range all[:min(len(all), 20)] {
		o.AtCap = append(o.AtCap, h.name)
	}
	least := policy.Min
	if least == 0 {
		least = time.Minute
	}
	if err := revisit.Reachable(policy.Budget, least, slices.Values(controls)); err != nil && o.Unreachable == "" && len(controls) < maxHosts {
		o.Unreachable = err.Error()
	}
	return nil
}
