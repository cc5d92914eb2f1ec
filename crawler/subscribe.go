package crawler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/sitemap"
	"github.com/lycosa-crawl/lycosa/crawler/websub"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// WebSub has a worker subscribe to the hubs that feeds and sitemaps name, and take their deliveries for hints: the feed
// is visited at once, and known pages that a delivery lists soon. It is for spiders with Sitemaps and Revisit. See package websub and
// [Worker.Hub].
type WebSub struct {
	// Callback is the public URL under which [Worker.Hub] is served.
	Callback string
	// Key is a secret of all workers of the crawl, of at least [websub.MinKey] bytes.
	Key []byte
}

// hubRoute is that of subscriptions: requests to hubs, of which each comes again until its lease has to be renewed.
var hubRoute = NewRoute[subscription]("@websub")

// subscription rides along with a request to a hub.
type subscription struct {
	Topic string `json:"topic"`
	Page  string `json:"page"`            // canonical
	Tries int    `json:"tries,omitempty"` // since the hub last called
}

// grant is what a hub has confirmed, as the fleet shares it.
type grant struct {
	Until time.Time     `json:"until"`
	Lease time.Duration `json:"lease_ns"`
}

const (
	hubLease     = 7 * 24 * time.Hour // asked for; the hub decides
	hubPatience  = 10 * time.Minute   // until a hub must have called; doubles with each try
	hubPause     = 24 * time.Hour     // between tries, at most
	hubRedirects = 3

	maxDelivered = 10_000          // pages of a delivery that are hinted at
	feedPatience = 8 * time.Second // for a feed that is being fetched when its hub calls: hubs wait for some ten seconds
	feedLook     = time.Second / 2 // until it is looked at again
)

// newSubscriber makes the worker ready to subscribe.
func (w *Worker) newSubscriber(c *WebSub) error {
	if w.revisits == nil || len(w.sources) == 0 {
		return errors.New("crawler: WebSub is for spiders with Sitemaps and Revisit")
	}
	if _, ok := w.frontier.(scheduler.Rescheduler); !ok {
		return errors.New("crawler: the frontier cannot bring visits forward: WebSub must be nil")
	}
	var err error
	w.hubs, err = websub.New(websub.Config{Callback: c.Callback, Key: c.Key, Confirmed: w.confirmed, Denied: w.denied, Delivered: w.delivered})
	if err == nil {
		w.routes[hubRoute.name] = hubRoute.To(func(context.Context, *Page, subscription) error { return nil }) // see visit.subscribe
	}
	return err
}

// Hub answers the hubs that the workers of the crawl have subscribed to; nil without Config.WebSub. It may be called before Run and
// after it, as long as the frontier is open.
func (w *Worker) Hub() http.Handler {
	if w.hubs == nil {
		return nil
	}
	return w.hubs
}

// discover queues the subscription to the hub that a feed names.
func (v *visit) discover(page *Page) {
	if v.w == nil || v.w.hubs == nil {
		return
	}
	links, ok := websub.Discover(page.Header, page.Body)
	if !ok {
		return
	}
	hub, err := v.canon.Resolve(page.url, links.Hub)
	if err != nil {
		v.w.log.Debug("hub is not asked", "url", page.URL, "hub", fmt.Sprintf("%.200q", links.Hub), "err", err)
		return
	}
	s := subscription{Topic: page.URL, Page: page.URL}
	if self, err := v.canon.Resolve(page.url, links.Self); err == nil && links.Self != "" {
		if s.Topic = self.String(); strings.Contains(links.Self, "://") {
			s.Topic = links.Self // hubs compare letter by letter
		}
	}
	with, err := hubRoute.With(s).target().encode()
	if err != nil {
		return
	}
	req := &Request{
		URL: hub.String(), Method: http.MethodPost, Route: hubRoute.name, With: with, Hops: v.req.Hops, Seed: v.scope.carry(v.seed, hub),
		Body: []byte(url.Values{"topic": {s.Topic}, "page": {s.Page}}.Encode()), // tells the subscriptions to a hub apart
	}
	if task := v.task(req, hub); task.Check() == nil {
		page.requests = append(page.requests, queued{req, hub})
	}
}

// grantName is what a grant is shared under.
func grantName(t websub.Topic) string {
	sum := sha256.Sum256([]byte(t.URL + "\x00" + t.Page))
	return "websub:" + hex.EncodeToString(sum[:16])
}

// subscribe asks a hub to tell of a feed, or waits until it is time to. It is the whole of a visit, which comes again
// whatever the hub says.
func (v *visit) subscribe(ctx context.Context) (scheduler.Result, error) {
	var s subscription
	if err := json.Unmarshal(v.req.With, &s); err != nil {
		v.conclude(scheduler.Drop("payload: "+err.Error()), "bad_payload")
		return v.over(ctx)
	}
	topic := websub.Topic{URL: s.Topic, Page: s.Page}
	var g grant
	err := v.w.insist(ctx, func() error {
		value, ok, err := v.w.budget.memo.Load(ctx, hostOf(v.plan, s.Page), grantName(topic))
		if err == nil && ok {
			_ = json.Unmarshal(value, &g) // what cannot be read is asked for again
		}
		return err
	})
	if err != nil {
		v.err = err
		return v.over(ctx)
	}
	if renewal := g.Until.Add(-g.Lease / 3); time.Now().Before(renewal) {
		s.Tries = 0
		return v.comeAgain(ctx, s, time.Until(renewal), "subscribed")
	}
	if !v.w.holds(v.lease) {
		return v.over(ctx)
	}
	outcome := "subscribing"
	if err := v.ask(ctx, topic); ctx.Err() == nil && err != nil {
		v.w.log.Warn("hub does not take a subscription", "hub", v.req.URL, "topic", s.Topic, "err", err)
		outcome = "not_subscribed"
	}
	wait := min(hubPatience<<min(s.Tries, 10), hubPause)
	s.Tries++
	return v.comeAgain(ctx, s, wait, outcome)
}

// comeAgain has the subscription come again after a while.
func (v *visit) comeAgain(ctx context.Context, s subscription, after time.Duration, outcome string) (scheduler.Result, error) {
	with, err := hubRoute.With(s).target().encode()
	if err != nil {
		return v.result, err
	}
	v.req.With = with
	v.later(after, outcome)
	return v.over(ctx)
}

// ask sends the request to the hub, and to where that redirects (section 5.2). robots.txt is about crawling, and is not asked.
func (v *visit) ask(ctx context.Context, topic websub.Topic) error {
	at, private := v.url, v.settings.AllowPrivate || v.scope.mayBePrivate(v.req, v.url)
	form := []byte(v.w.hubs.Form(topic, hubLease).Encode())
	for range hubRedirects {
		started := time.Now()
		resp, err := v.w.fetcher.Fetch(ctx, &fetch.Request{
			Method: http.MethodPost, URL: at.String(), Body: form, AllowPrivate: private,
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		})
		v.result.Sent = started.Sub(v.lease.Claimed)
		if err != nil {
			return err
		}
		v.result.Sent += resp.Sent
		v.result.Status, v.result.Bytes = resp.Status, v.result.Bytes+resp.WireBytes
		switch {
		case resp.Status >= 200 && resp.Status < 300:
			return nil
		case resp.Status == http.StatusTooManyRequests || resp.Status == http.StatusServiceUnavailable:
			v.retryAfter(ctx, resp)
		}
		if resp.Status != http.StatusTemporaryRedirect && resp.Status != http.StatusPermanentRedirect {
			return fmt.Errorf("status %d %s: %.200q", resp.Status, http.StatusText(resp.Status), bytes.TrimSpace(resp.Body))
		}
		to, err := v.canon.Resolve(at, resp.Header.Get("Location"))
		if err != nil {
			return err
		}
		private = v.settings.AllowPrivate || private && to.Host() == at.Host()
		at = to
	}
	return errors.New("it redirects again and again")
}

// hostOf returns the host of a canonical URL; empty if it is none.
func hostOf(p *plan, canonical string) string {
	u, err := p.canon.Parse(canonical)
	if err != nil {
		return ""
	}
	return u.Host()
}

// confirmed remembers what a hub has granted.
func (w *Worker) confirmed(ctx context.Context, t websub.Topic, lease time.Duration) error {
	value, err := json.Marshal(grant{time.Now().Add(lease).UTC(), lease})
	if err == nil {
		err = w.budget.memo.Save(ctx, hostOf(w.plan, t.Page), grantName(t), value, lease)
	}
	if err != nil {
		w.log.Debug("a subscription is not remembered", "topic", t.URL, "err", err)
		return err
	}
	w.log.Info("subscribed", "topic", t.URL, "for", lease)
	return nil
}

func (w *Worker) denied(_ context.Context, t websub.Topic, reason string) {
	w.log.Warn("hub denies a subscription", "topic", t.URL, "why", fmt.Sprintf("%.200q", reason))
}

// delivered takes a delivery for hints.
func (w *Worker) delivered(ctx context.Context, d websub.Delivery) error {
	page, err := w.canon.Parse(d.Page)
	if err != nil {
		return websub.ErrGone
	}
	var hints []hint
	for e, err := range sitemap.Read(d.Page, bytes.NewReader(d.Body), d.Charset()) {
		if err != nil || len(hints) == maxDelivered { // a delivery may as well be empty
			break
		}
		if u, err := w.canon.Resolve(page, e.Loc); err == nil {
			hints = append(hints, hint{u, e.LastMod})
		}
	}
	now := time.Now()
	calendar := w.frontier.(scheduler.Rescheduler) //nolint:forcetypeassert // newSubscriber has looked
	var news []told
	for _, h := range hints {
		if !h.at.After(now.Add(clockSkew)) {
			news = append(news, told{w.ref(h.url), h.at, revisit.Delivered.Precision()})
		}
	}
	if _, err = tell(ctx, calendar, news, now); err == nil {
		err = w.visitFeed(ctx, page, now)
	}
	if err != nil && !errors.Is(err, websub.ErrGone) {
		w.log.Debug("a delivery is put off", "topic", d.URL, "err", err)
	}
	return err
}

// callFeed has the feed visited now, if it waits for its revisit, and reports whether it does.
func (w *Worker) callFeed(ctx context.Context, feed dedup.URL, now time.Time) (waits bool, err error) {
	calendar := w.frontier.(scheduler.Rescheduler) //nolint:forcetypeassert // newSubscriber has looked
	_, err = calendar.Reschedule(ctx, []scheduler.TaskRef{w.ref(feed)}, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		waits = true
		next, err := hinted(t, time.Time{}, 1, now)
		if next.Due.After(now) {
			next.Due, err = now, nil
		}
		return next, nil, err == nil
	})
	return waits, err
}

// visitFeed has the feed visited at once. While it is being fetched nobody can tell whether that shows what is new already: so it is
// waited for, and visited again.
func (w *Worker) visitFeed(ctx context.Context, feed dedup.URL, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	for {
		waits, err := w.callFeed(ctx, feed, now)
		if waits || err != nil {
			return err
		}
		inspector, ok := w.frontier.(scheduler.Inspector)
		if !ok {
			return nil
		}
		at, err := inspector.Inspect(ctx, feed.Host(), w.fingerprint(&Request{URL: feed.String()}))
		if err != nil {
			return err
		}
		switch at.Place {
		case scheduler.PlaceQueued, scheduler.PlaceDelayed, scheduler.PlaceParked: // it is fetched later than now
			return nil
		case scheduler.PlaceLeased, scheduler.PlaceScheduled:
		default:
			return websub.ErrGone
		}
		if err := sleep(ctx, feedLook); err != nil {
			return err
		}
	}
}
