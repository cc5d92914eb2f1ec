package crawler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// hint says that a page may have changed.
type hint struct {
	url dedup.URL
	at  time.Time // when; zero: not told
}

// Hint says that a page was modified, as a sitemap, a feed or a notification (WebSub) tells: url is absolute or relative to this
// page, modified is when, or zero if that is not told. A page of the crawl that was visited before then is visited sooner, the
// sooner the more hints of its host have been right so far. One that the crawl does not know is not queued: follow it. Dates in
// the future, and those of a sitemap that stamps all its pages with the day of its build, are no hints. The entries of Spider.Sitemaps
// are hints by themselves.
//
//	for _, u := range sitemap.URLs {
//		p.FollowURL(Article, u.Loc)
//		p.Hint(u.Loc, u.LastMod)
//	}
func (p *Page) Hint(url string, modified time.Time) {
	if p.visit.revisits == nil {
		return
	}
	u, err := p.resolve(url)
	if err != nil {
		p.visit.refused(err)
		return
	}
	p.hints = append(p.hints, hint{u, modified})
}

// clockSkew is how far ahead of ours the clock of a site may be.
const clockSkew = time.Hour

// hint brings the visits of pages forward.
func (v *visit) hint(ctx context.Context) error {
	calendar, ok := v.w.frontier.(scheduler.Rescheduler)
	if !ok || len(v.page.hints) == 0 {
		return nil
	}
	dates := make([]time.Time, 0, len(v.page.hints))
	for _, h := range v.page.hints {
		if !h.at.IsZero() {
			dates = append(dates, h.at)
		}
	}
	if revisit.Stamped(dates) {
		v.w.log.Debug("dates that are all alike are no hints", "url", v.req.URL, "dates", len(dates))
		return nil
	}
	now := time.Now()
	hints := make([]told, 0, len(v.page.hints))
	for _, h := range v.page.hints {
		if h.at.After(now.Add(clockSkew)) {
			continue
		}
		host, err := v.w.budget.host(ctx, h.url.Host(), now)
		if err != nil {
			return err
		}
		known := v.w.budget.knownOf(host)
		hints = append(hints, told{v.ref(h.url), h.at, known.hints().Precision()})
	}
	return v.w.insist(ctx, func() error {
		_, err := tell(ctx, calendar, hints, now)
		return err
	})
}

// ref names the page at a URL to the frontier.
func (p *plan) ref(u dedup.URL) scheduler.TaskRef {
	return scheduler.TaskRef{Host: u.Host(), ID: p.fingerprint(&Request{URL: u.String()})}
}

// told is a hint to a page.
type told struct {
	ref       scheduler.TaskRef
	at        time.Time // zero: not told
	precision float64   // of the hints to its host
}

// tell brings the visits of pages forward, and returns why not where it did not: nil for those it did, [errNotWaiting] for those that do
// not wait for a revisit, or what hinted says.
func tell(ctx context.Context, calendar scheduler.Rescheduler, hints []told, now time.Time) ([]error, error) {
	refs, whyNot := make([]scheduler.TaskRef, len(hints)), make([]error, len(hints))
	for i, h := range hints {
		refs[i], whyNot[i] = h.ref, errNotWaiting
	}
	changed, err := calendar.Reschedule(ctx, refs, func(i int, t scheduler.Task) (next scheduler.Task, _ []float64, ok bool) {
		next, no := hinted(t, hints[i].at, hints[i].precision, now)
		whyNot[i] = cmp.Or(no, errNotWaiting) // unless it does until it is replaced
		return next, nil, no == nil
	})
	for i, done := range changed {
		if done {
			whyNot[i] = nil
		}
	}
	return whyNot, err
}

// Why a hint is of no effect.
var (
	errNotWaiting   = errors.New("the page does not wait for a revisit")
	errHinted       = errors.New("the page was hinted at before")
	errVisitedSince = errors.New("the page was visited since")
	errNoHint       = errors.New("no hint")
)

// hinted returns a task that waits for its revisit as a hint leaves it.
func hinted(t scheduler.Task, modified time.Time, precision float64, now time.Time) (scheduler.Task, error) {
	req, err := DecodePayload(t.Payload)
	if err != nil {
		return t, err
	}
	m := req.memory
	switch {
	case m == nil:
		return t, errNoHint
	case m.record.Hinted():
		return t, errHinted
	case !modified.IsZero() && !modified.After(m.record.SeenAt()):
		return t, errVisitedSince
	}
	m.record, t.Due = revisit.Hint(m.record, t.Due, precision, now)
	if !m.record.Hinted() {
		return t, errNoHint
	}
	t.Payload = req.AppendPayload(nil)
	return t, nil
}

// PageHint says that a page may have changed.
type PageHint struct {
	URL      string    // absolute
	Modified time.Time // when it changed; zero: not told
}

// HintOutcome is what became of a hint.
type HintOutcome string

// The outcomes of hints.
const (
	HintTaken        HintOutcome = "brought_forward" // the page is visited sooner, the sooner the more hints of its host were right
	HintUnknown      HintOutcome = "unknown"         // the crawl has never seen the URL
	HintNotWaiting   HintOutcome = "not_waiting"     // it is to be fetched anyway or is under way, or does not come again
	HintAgain        HintOutcome = "already_hinted"  // since its last visit
	HintVisitedSince HintOutcome = "visited_since"   // the last visit was after it changed
	HintIgnored      HintOutcome = "ignored"         // it is missing or refused: its answers alone say when to come again; or it was never fetched
)

// Hint tells a crawl from outside that pages may have changed, as a content management system or a WebSub hub does, and returns
// what became of each hint. canon is the spider's (see [dedup.Rules.Compile]). It does what [Page.Hint] does, but dates that are all alike
// are believed. A URL that cannot be fetched, or a date in the future, fails the call before anything is done, with an error that
// names it. To repeat a hint does no harm.
func Hint(ctx context.Context, canon *dedup.Canonicalizer, f scheduler.Frontier, hints ...PageHint) ([]HintOutcome, error) {
	calendar, ok := f.(scheduler.Rescheduler)
	ledger, isLedger := f.(scheduler.Ledger)
	if !ok || !isLedger {
		return nil, errors.New("hint: the frontier has no revisits")
	}
	now := time.Now()
	list, precision := make([]told, len(hints)), map[string]float64{}
	for i, h := range hints {
		u, err := canon.Parse(h.URL)
		if err != nil {
			return nil, err
		}
		if h.Modified.After(now.Add(clockSkew)) {
			return nil, fmt.Errorf("hint: %s: modified at %s, which is still to come", h.URL, h.Modified.Format(time.RFC3339))
		}
		list[i] = told{ref: scheduler.TaskRef{Host: u.Host(), ID: canon.Fingerprint("", u.String(), nil, nil)}, at: h.Modified}
	}
	for i := range list {
		host := list[i].ref.Host
		if _, ok := precision[host]; !ok {
			stored, err := ledger.Sums(ctx, host)
			if err != nil {
				return nil, err
			}
			known := sumsOf(stored)
			precision[host] = known.hints().Precision()
		}
		list[i].precision = precision[host]
	}
	whyNot, err := tell(ctx, calendar, list, now)
	if err != nil {
		return nil, err
	}
	outcomes := make([]HintOutcome, len(hints))
	for i, no := range whyNot {
		if outcomes[i], err = hintOutcome(ctx, f, list[i].ref, no); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// hintOutcome says why a hint is of no effect, if it is.
func hintOutcome(ctx context.Context, f scheduler.Frontier, ref scheduler.TaskRef, whyNot error) (HintOutcome, error) {
	switch {
	case whyNot == nil:
		return HintTaken, nil
	case errors.Is(whyNot, errHinted):
		return HintAgain, nil
	case errors.Is(whyNot, errVisitedSince):
		return HintVisitedSince, nil
	case !errors.Is(whyNot, errNotWaiting):
		return HintIgnored, nil
	}
	inspector, ok := f.(scheduler.Inspector)
	if !ok {
		return HintNotWaiting, nil
	}
	at, err := inspector.Inspect(ctx, ref.Host, ref.ID)
	if at.Place == scheduler.PlaceUnseen {
		return HintUnknown, err
	}
	return HintNotWaiting, err
}
