package crawler

import (
	"context"
	"errors"
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
	return atOnce(ctx, v.page.hints, func(ctx context.Context, h hint) error { return v.hintOne(ctx, calendar, h) })
}

func (v *visit) hintOne(ctx context.Context, calendar scheduler.Rescheduler, h hint) error {
	now := time.Now()
	if h.at.After(now.Add(clockSkew)) {
		return nil
	}
	host, err := v.w.budget.host(ctx, h.url.Host(), now)
	if err != nil {
		return err
	}
	known := v.w.budget.knownOf(host)
	precision := known.hints().Precision()
	id := v.fingerprint(&Request{URL: h.url.String()})
	return v.w.insist(ctx, func() error {
		_, err := calendar.Reschedule(ctx, h.url.Host(), id, func(t scheduler.Task) (scheduler.Task, []float64, bool) {
			next, err := hinted(t, h.at, precision, now)
			return next, nil, err == nil
		})
		return err
	})
}

var errNoHint = errors.New("no hint")

// hinted returns a task that waits for its revisit as a hint leaves it.
func hinted(t scheduler.Task, modified time.Time, precision float64, now time.Time) (scheduler.Task, error) {
	req, err := DecodePayload(t.Payload)
	if err != nil {
		return t, err
	}
	m := req.memory
	if m == nil || m.record.Hinted() || !modified.IsZero() && !modified.After(m.record.SeenAt()) {
		return t, errNoHint
	}
	m.record, t.Due = revisit.Hint(m.record, t.Due, precision, now)
	if !m.record.Hinted() {
		return t, errNoHint
	}
	t.Payload = req.AppendPayload(nil)
	return t, nil
}
