package crawler

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/websub"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// hub is a WebSub hub, as it should be: it calls back before it answers.
type hub struct {
	mu     sync.Mutex // guards the fields below
	forms  []url.Values
	at     []time.Time
	lease  time.Duration // granted; 0: it does not call
	status int           // of its answers
	to     http.Handler  // the subscriber
}

func (h *hub) answer(req *fetch.Request) *fetch.Response {
	h.mu.Lock()
	defer h.mu.Unlock()
	form, err := url.ParseQuery(string(req.Body))
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return answer(http.StatusBadRequest, "no form", nil)
	}
	h.forms, h.at = append(h.forms, form), append(h.at, time.Now())
	if h.lease > 0 {
		q := url.Values{"hub.mode": {"subscribe"}, "hub.topic": {form.Get("hub.topic")}, "hub.challenge": {"prove it"}, "hub.lease_seconds": {fmt.Sprint(int(h.lease.Seconds()))}}
		w := httptest.NewRecorder()
		h.to.ServeHTTP(w, httptest.NewRequest(http.MethodGet, form.Get("hub.callback")+"?"+q.Encode(), nil))
		if w.Code != http.StatusOK || w.Body.String() != "prove it" {
			return answer(http.StatusBadRequest, "not confirmed", nil)
		}
	}
	return answer(h.status, "", nil)
}

// deliver sends the news of a topic, and returns the answer's status.
func (h *hub) deliver(body string) int {
	h.mu.Lock()
	form := h.forms[len(h.forms)-1]
	h.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(form.Get("hub.secret")))
	_, _ = mac.Write([]byte(body))
	r := httptest.NewRequest(http.MethodPost, form.Get("hub.callback"), strings.NewReader(body))
	r.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	h.to.ServeHTTP(w, r)
	return w.Code
}

const (
	feedURL = "https://a.example/feed?b=2&a=1"
	hubURL  = "https://hub.example/push"
)

// pushed runs a test of a crawl that comes again each 1000 hours, to a feed with a hub. at is called while the worker runs, after
// so long.
func pushed(t *testing.T, h *hub, runs, after time.Duration, at func(r *rig), test func(t *testing.T, r *rig)) {
	t.Helper()
	comesAgain(t, revisit.Policy{Every: 1000 * time.Hour}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.Spider.Start = nil
		r.config.Spider.Sitemaps = []Sitemap{{URL: feedURL, Target: testRoute}}
		r.config.WebSub = &WebSub{Callback: "https://crawl.example/hubs", Key: []byte("0123456789abcdef")}
		r.pages("/1", "/2", "/3")
		r.web.pages["https://a.example/feed?a=1&b=2"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			items := `<item><link>/1</link></item><item><link>/2</link></item>`
			if n > 1 {
				items += `<item><link>/3</link></item>`
			}
			return answer(http.StatusOK, "<rss><channel>"+items+"</channel></rss>", http.Header{
				"Content-Type": {"application/rss+xml"}, "Link": {"<" + hubURL + `>; rel="hub", <` + feedURL + `>; rel="self"`},
			}), nil
		}
		r.web.pages[hubURL] = func(_ int, req *fetch.Request) (*fetch.Response, error) { return h.answer(req), nil }
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
			t.Fatal(err)
		}
		w := r.worker()
		h.to = w.Hub()
		ctx, cancel := context.WithTimeout(t.Context(), runs)
		defer cancel()
		var calls sync.WaitGroup
		calls.Go(func() {
			if at != nil && sleep(ctx, after) == nil {
				at(r)
			}
		})
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		calls.Wait()
		test(t, r)
	})
}

func TestFeedIsSubscribedToAndTheLeaseRenewed(t *testing.T) {
	h := &hub{lease: 30 * time.Hour, status: http.StatusAccepted}
	pushed(t, h, 50*time.Hour, 0, nil, func(t *testing.T, r *rig) {
		if len(h.forms) != 3 { // at once, after 20 hours and after 40
			t.Fatalf("asked %d times, at %v", len(h.forms), h.at)
		}
		f := h.forms[0]
		if f.Get("hub.mode") != "subscribe" || f.Get("hub.topic") != feedURL || f.Get("hub.lease_seconds") != "604800" || !strings.HasPrefix(f.Get("hub.callback"), "https://crawl.example/hubs/") {
			t.Errorf("form %v", f)
		}
		if f.Encode() != h.forms[1].Encode() {
			t.Error("a renewal is another subscription")
		}
		if gap := h.at[1].Sub(h.at[0]); gap < 19*time.Hour || gap > 21*time.Hour {
			t.Errorf("renewed after %v", gap)
		}
		if s := r.stats(); s.Scheduled != 4 || s.Dead != 0 || s.Active() != 0 { // feed, two pages, the subscription
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDeliveryHasTheFeedVisitedAndItsPagesSooner(t *testing.T) {
	h := &hub{lease: 24 * time.Hour, status: http.StatusAccepted}
	status := 0
	pushed(t, h, 2*time.Hour, time.Hour, func(*rig) {
		status = h.deliver(`<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="https://a.example/1"/></entry><entry><link href="https://a.example/2"/><updated>1999-01-01T00:00:00Z</updated></entry><entry><link href="https://b.example/unknown"/></entry></feed>`)
	}, func(t *testing.T, r *rig) {
		if status != http.StatusAccepted {
			t.Errorf("the delivery is answered with %d", status)
		}
		if n := r.web.count("https://a.example/feed?a=1&b=2"); n != 2 {
			t.Errorf("the feed was fetched %d times", n)
		}
		if n := r.web.count("https://a.example/3"); n != 1 {
			t.Errorf("what is new was fetched %d times", n)
		}
		for path, want := range map[string]bool{"/1": true, "/2": false, "/3": false} {
			if m, _ := r.memory("https://a.example" + path); m.record.Hinted() != want {
				t.Errorf("%s hinted: %v, want %v", path, m.record.Hinted(), want)
			}
		}
		if m, _ := r.memory("https://a.example/2"); r.web.count("https://b.example/unknown") != 0 || m.record.Hinted() {
			t.Error("a delivery leads where no feed does")
		}
	})
}

func TestEmptyDeliveryHasTheFeedVisited(t *testing.T) {
	h := &hub{lease: 24 * time.Hour, status: http.StatusAccepted}
	pushed(t, h, 2*time.Hour, time.Hour, func(*rig) { h.deliver("") }, func(t *testing.T, r *rig) {
		if n := r.web.count("https://a.example/feed?a=1&b=2"); n != 2 {
			t.Errorf("the feed was fetched %d times", n)
		}
	})
}

func TestDeliveryOfAFeedThatIsNoMoreEndsTheSubscription(t *testing.T) {
	h := &hub{lease: 24 * time.Hour, status: http.StatusAccepted}
	pushed(t, h, time.Hour, 0, nil, func(t *testing.T, r *rig) {
		r.config.Frontier = r.frontier // it can be looked into
		w := r.worker()
		h.to = w.Hub()
		h.forms = append(h.forms, w.hubs.Form(websub.Topic{URL: feedURL, Page: "https://a.example/never"}, time.Hour))
		if status := h.deliver(""); status != http.StatusGone {
			t.Errorf("the delivery is answered with %d, want 410", status)
		}
	})
}

// While the feed is being fetched, nobody knows whether the answer shows the news already.
func TestDeliveryWaitsForAFeedThatIsBeingFetched(t *testing.T) {
	h := &hub{lease: 24 * time.Hour, status: http.StatusAccepted}
	status := 0
	pushed(t, h, 3*time.Hour, time.Hour, func(r *rig) {
		plain := r.web.pages["https://a.example/feed?a=1&b=2"]
		r.web.mu.Lock()
		r.web.pages["https://a.example/feed?a=1&b=2"] = func(n int, req *fetch.Request) (*fetch.Response, error) {
			if n == 2 {
				_ = sleep(r.t.Context(), 5*time.Second) // of synthetic time
			}
			return plain(n, req)
		}
		r.web.mu.Unlock()
		h.deliver("")
		if err := sleep(r.t.Context(), time.Second); err != nil {
			r.t.Error(err)
		}
		all := r.config.Frontier
		r.config.Frontier = r.frontier // it can be looked into
		w := r.worker()
		r.config.Frontier = all
		h.to = w.Hub()
		status = h.deliver("")
	}, func(t *testing.T, r *rig) {
		if n := r.web.count("https://a.example/feed?a=1&b=2"); n != 3 || status != http.StatusAccepted {
			t.Errorf("the feed was fetched %d times, the answer was %d", n, status)
		}
	})
}

func TestHubThatDoesNotCallIsAskedLessAndLess(t *testing.T) {
	for name, h := range map[string]*hub{"silent": {status: http.StatusAccepted}, "refusing": {status: http.StatusForbidden}, "failing": {status: http.StatusInternalServerError}} {
		t.Run(name, func(t *testing.T) {
			pushed(t, h, 10*day, 0, nil, func(t *testing.T, r *rig) {
				if n := len(h.forms); n < 12 || n > 20 { // 10 m, 20 m, ... 21 h, and a day from then on
					t.Errorf("asked %d times in ten days", n)
				}
				if gap := h.at[1].Sub(h.at[0]); gap < 9*time.Minute || gap > 11*time.Minute {
					t.Errorf("asked again after %v", gap)
				}
				if len(r.deadNone()) > 0 {
					t.Errorf("dead letters %q", r.deadNone())
				}
			})
		})
	}
}

func TestHubMayBeElsewhere(t *testing.T) {
	h := &hub{lease: 24 * time.Hour, status: http.StatusAccepted}
	pushed(t, h, time.Hour, 0, nil, func(t *testing.T, r *rig) {
		if len(h.forms) != 1 {
			t.Fatalf("asked %d times", len(h.forms))
		}
		w := r.worker()
		v := &visit{plan: w.plan, w: w, lease: &scheduler.Lease{}}
		v.req = &Request{URL: "https://old.example/"}
		v.url, _ = v.canon.Parse(v.req.URL)
		r.web.answer("https://old.example/", http.StatusPermanentRedirect, "", http.Header{"Location": {hubURL}})
		if err := v.ask(t.Context(), websub.Topic{URL: feedURL, Page: feedURL}); err != nil || len(h.forms) != 2 {
			t.Errorf("error %v, asked %d times", err, len(h.forms))
		}
		r.web.answer("https://old.example/", http.StatusTemporaryRedirect, "", http.Header{"Location": {"/"}})
		if err := v.ask(t.Context(), websub.Topic{URL: feedURL, Page: feedURL}); err == nil {
			t.Error("redirects have no end")
		}
	})
}

func TestWebSubNeedsAFeedAndRevisits(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.WebSub = &WebSub{Callback: "https://crawl.example/", Key: []byte("0123456789abcdef")}
		if _, err := New(r.config); err == nil {
			t.Error("a crawl that does not come again subscribes")
		}
		r.config.Spider.Revisit = &Revisit{}
		if _, err := New(r.config); err == nil {
			t.Error("a crawl without sitemaps subscribes")
		}
		r.config.Spider.Sitemaps = []Sitemap{{Target: testRoute}}
		if w, err := New(r.config); err != nil || w.Hub() == nil {
			t.Error(err)
		}
		r.config.WebSub.Key = nil
		if _, err := New(r.config); err == nil {
			t.Error("no key is taken")
		}
		r.config.WebSub = nil
		if w := r.worker(); w.Hub() != nil {
			t.Error("a worker that does not subscribe answers hubs")
		}
	})
}
