package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// newsSite is a feed with a hub beside it.
type newsSite struct {
	*httptest.Server
	subscribed chan url.Values
	fetched    chan string
}

func newNewsSite(t *testing.T) *newsSite {
	s := &newsSite{subscribed: make(chan url.Values, 10), fetched: make(chan string, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/feed":
			w.Header().Set("Link", "</hub>; rel=hub")
			fmt.Fprint(w, "<rss><channel><item><link>/1</link></item></channel></rss>")
			s.fetched <- r.URL.Path
		case "/1":
			fmt.Fprint(w, "<title>one</title>")
			s.fetched <- r.URL.Path
		case "/hub":
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			q := url.Values{"hub.mode": {"subscribe"}, "hub.topic": {r.Form.Get("hub.topic")}, "hub.challenge": {"prove it"}, "hub.lease_seconds": {"3600"}}
			if status, body := send(t, http.MethodGet, r.Form.Get("hub.callback")+"?"+q.Encode(), "", ""); status != http.StatusOK || body != "prove it" {
				t.Errorf("intent is answered with %d %q", status, body)
			}
			w.WriteHeader(http.StatusAccepted)
			s.subscribed <- r.Form
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, method, at, body, signature string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Hub-Signature", signature)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(raw)
}

// next waits for what a channel brings.
func next[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not come", what)
	}
	return v
}

func TestHubTellsAWorkerWhatIsNew(t *testing.T) {
	t.Parallel()
	redis, site, listen := servers.Redis(t), newNewsSite(t), closedPort(t)
	spider := writeSpider(t, "news", "sitemaps: [{url: '"+site.URL+"/feed'}]\nrevisit: {every: 30d}")
	c := command{env: map[string]string{"LYCOSA_REDIS": redis.URL, "LYCOSA_DIR": t.TempDir(), hubKeyEnv: "0123456789abcdef"}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- c.runContext(t, ctx, "worker", spider, "--websub", "http://"+listen+"/hubs/", "--websub-listen", listen, "--quiet")
	}()
	defer func() {
		stop()
		next(t, ended, "the end").want(t, exitInterrupted)
		http.DefaultClient.CloseIdleConnections()
	}()
	c.run(t, "seed", spider).want(t, exitDone)
	if got := next(t, site.fetched, "the feed"); got != "/feed" {
		t.Fatalf("fetched %s first", got)
	}
	form := next(t, site.subscribed, "the subscription")
	if callback := form.Get("hub.callback"); form.Get("hub.topic") != site.URL+"/feed" || !strings.HasPrefix(callback, "http://"+listen+"/hubs/news/") {
		t.Errorf("form %v", form)
	}
	if got := next(t, site.fetched, "the page"); got != "/1" {
		t.Fatalf("fetched %s then", got)
	}
	mac := hmac.New(sha256.New, []byte(form.Get("hub.secret")))
	if status, _ := send(t, http.MethodPost, form.Get("hub.callback"), "", "sha256="+hex.EncodeToString(mac.Sum(nil))); status != http.StatusAccepted {
		t.Errorf("the delivery is answered with %d", status)
	}
	if got := next(t, site.fetched, "the feed's news"); got != "/feed" {
		t.Errorf("fetched %s after the delivery", got)
	}
	if status, _ := send(t, http.MethodGet, "http://"+listen+"/hubs/other/x", "", ""); status != http.StatusNotFound {
		t.Errorf("a crawl of no name is answered with %d", status)
	}
}

func TestWebSubWithoutFeedsIsRefused(t *testing.T) {
	t.Parallel()
	redis := servers.Redis(t)
	spider := writeSpider(t, "plain", "start: ['https://shop.example/']")
	c := command{env: map[string]string{"LYCOSA_REDIS": redis.URL, "LYCOSA_DIR": t.TempDir(), hubKeyEnv: "0123456789abcdef"}}
	if got := c.run(t, "worker", spider, "--websub", "https://x.example/", "--until-done").want(t, exitUsage); !strings.Contains(got.err, "no spider has both sitemaps and revisit") {
		t.Errorf("it says %s", got.err)
	}
}
