package websub_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as hubs sign
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/websub"
)

// told is what a subscriber was told.
type told struct {
	confirmed []time.Duration
	denied    []string
	delivered []websub.Delivery
	err       error
}

var topic = websub.Topic{URL: "https://news.example/feed?a=1&b=2", Page: "https://news.example/feed"}

func subscriber(t *testing.T, key string) (*websub.Subscriber, *told) {
	t.Helper()
	var by told
	s, err := websub.New(websub.Config{
		Callback: "https://crawl.example/hubs/", Key: []byte(key),
		Confirmed: func(_ context.Context, at websub.Topic, lease time.Duration) error {
			if at != topic {
				t.Errorf("topic %+v", at)
			}
			by.confirmed = append(by.confirmed, lease)
			return by.err
		},
		Denied: func(_ context.Context, _ websub.Topic, reason string) { by.denied = append(by.denied, reason) },
		Delivered: func(_ context.Context, d websub.Delivery) error {
			by.delivered = append(by.delivered, d)
			return by.err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, &by
}

const key = "0123456789abcdef"

func call(s http.Handler, method, at, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, at, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestIntentIsVerified(t *testing.T) {
	t.Parallel()
	s, by := subscriber(t, key)
	form := s.Form(topic, 24*time.Hour)
	if form.Get("hub.mode") != "subscribe" || form.Get("hub.topic") != topic.URL || form.Get("hub.lease_seconds") != "86400" || len(form.Get("hub.secret")) != 32 ||
		!strings.HasPrefix(form.Get("hub.callback"), "https://crawl.example/hubs/") {
		t.Errorf("form %v", form)
	}
	at := form.Get("hub.callback")
	query := func(pairs ...string) string {
		q := url.Values{"hub.mode": {"subscribe"}, "hub.topic": {topic.URL}, "hub.challenge": {"<b>c&d"}, "hub.lease_seconds": {"3600"}}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return at + "?" + q.Encode()
	}
	got := call(s, http.MethodGet, query(), "")
	if got.Code != http.StatusOK || got.Body.String() != "<b>c&d" || got.Header().Get("Content-Type") != "text/plain; charset=utf-8" || len(by.confirmed) != 1 || by.confirmed[0] != time.Hour {
		t.Errorf("answer %d %q, confirmed %v", got.Code, got.Body, by.confirmed)
	}
	for seconds, want := range map[string]time.Duration{"": 24 * time.Hour, "0": time.Minute, "99999999999": 60 * 24 * time.Hour} {
		by.confirmed = nil
		if got := call(s, http.MethodGet, query("hub.lease_seconds", seconds), ""); got.Code != http.StatusOK || by.confirmed[0] != want {
			t.Errorf("%q seconds: %d, %v", seconds, got.Code, by.confirmed)
		}
	}
	by.confirmed = nil
	for name, at := range map[string]string{
		"another topic":       query("hub.topic", "https://other.example/"),
		"an end":              query("hub.mode", "unsubscribe"),
		"no challenge":        query("hub.challenge", ""),
		"a novel":             query("hub.challenge", strings.Repeat("x", 5000)),
		"a bad lease":         query("hub.lease_seconds", "soon"),
		"a negative lease":    query("hub.lease_seconds", "-1"),
		"another callback":    strings.Replace(query(), "hubs/", "hubs/A", 1),
		"no callback":         "https://crawl.example/hubs/",
		"a callback too long": "https://crawl.example/hubs/" + strings.Repeat("A", 10_000),
	} {
		if got := call(s, http.MethodGet, at, ""); got.Code < 400 || len(by.confirmed) != 0 {
			t.Errorf("%s: answer %d, confirmed %v", name, got.Code, by.confirmed)
		}
	}
	if other, _ := subscriber(t, key+"x"); call(other, http.MethodGet, query(), "").Code != http.StatusNotFound {
		t.Error("a callback of another key is taken")
	}
	if got := call(s, http.MethodGet, query("hub.mode", "denied", "hub.reason", "no"), ""); got.Code != http.StatusOK || len(by.denied) != 1 || by.denied[0] != "no" {
		t.Errorf("denied: %d, %q", got.Code, by.denied)
	}
	by.err = errors.New("away")
	if got := call(s, http.MethodGet, query(), ""); got.Code != http.StatusServiceUnavailable {
		t.Errorf("what cannot be remembered is answered with %d", got.Code)
	}
}

func sign(method string, h func() hash.Hash, secret, body string) string {
	mac := hmac.New(h, []byte(secret))
	_, _ = mac.Write([]byte(body))
	return method + "=" + hex.EncodeToString(mac.Sum(nil))
}

func TestDeliveryIsTakenIfItIsSigned(t *testing.T) {
	t.Parallel()
	s, by := subscriber(t, key)
	form := s.Form(topic, time.Hour)
	at, secret := form.Get("hub.callback"), form.Get("hub.secret")
	for method, h := range map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "SHA512": sha512.New} {
		by.delivered = nil
		got := call(s, http.MethodPost, at, "<feed/>", "X-Hub-Signature", sign(method, h, secret, "<feed/>"), "Content-Type", "application/atom+xml; charset=latin1")
		if got.Code != http.StatusAccepted || len(by.delivered) != 1 || by.delivered[0].Topic != topic || string(by.delivered[0].Body) != "<feed/>" || by.delivered[0].Charset() != "latin1" {
			t.Errorf("%s: answer %d, delivered %+v", method, got.Code, by.delivered)
		}
	}
	by.delivered = nil
	for _, signature := range []string{"", "sha256", "sha256=", "sha256=zz", "md5=00", sign("sha256", sha256.New, secret, "other"), sign("sha256", sha256.New, "guess", "<feed/>"), sign("sha1", sha256.New, secret, "<feed/>")} {
		if got := call(s, http.MethodPost, at, "<feed/>", "X-Hub-Signature", signature); got.Code != http.StatusAccepted || len(by.delivered) != 0 {
			t.Errorf("signature %q: answer %d, delivered %d", signature, got.Code, len(by.delivered))
		}
	}
	if got := call(s, http.MethodPost, at+"A", "<feed/>"); got.Code != http.StatusNotFound {
		t.Errorf("no callback of ours: %d", got.Code)
	}
	if got := call(s, http.MethodPut, at, ""); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", got.Code)
	}
	if got := call(s, http.MethodPost, at, strings.Repeat("x", 17<<20)); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("17 MiB: %d", got.Code)
	}
	right := sign("sha256", sha256.New, secret, "")
	for err, want := range map[error]int{errors.New("away"): http.StatusServiceUnavailable, websub.ErrGone: http.StatusGone} {
		by.err = err
		if got := call(s, http.MethodPost, at, "", "X-Hub-Signature", right); got.Code != want {
			t.Errorf("%v: answer %d, want %d", err, got.Code, want)
		}
	}
}

func TestWrongConfigIsRefused(t *testing.T) {
	t.Parallel()
	nothing := websub.Config{}
	for want, c := range map[string]websub.Config{
		`websub: Callback "": want the http or https URL of a folder`:             nothing,
		`websub: Callback "ftp://x/": want the http or https URL of a folder`:     {Callback: "ftp://x/"},
		`websub: Callback "https://x/?a": want the http or https URL of a folder`: {Callback: "https://x/?a"},
		`websub: Key has 3 bytes, want 16 or more`:                                {Callback: "https://x/", Key: []byte("abc")},
		`websub: Confirmed, Denied and Delivered are required`:                    {Callback: "https://x/", Key: []byte(key)},
	} {
		if _, err := websub.New(c); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestHubIsFound(t *testing.T) {
	t.Parallel()
	const hub, self = "https://hub.example/", "https://news.example/feed"
	both := websub.Links{Hub: hub, Self: self}
	for name, c := range map[string]struct {
		links []string
		body  string
		want  websub.Links
	}{
		"headers":          {[]string{"<" + hub + ">; rel=hub", "<" + self + `>; rel="self"`}, "", both},
		"one header":       {[]string{"<" + hub + `>; title="a, <b>; rel=no \" "; rel="next HUB", <` + self + ">;rel=self"}, "", both},
		"two hubs":         {[]string{"<" + hub + ">; rel=hub, <https://other.example/>; rel=hub"}, "", websub.Links{Hub: hub}},
		"flag of no value": {[]string{"<" + hub + ">; crossorigin; rel=hub"}, "", websub.Links{Hub: hub}},
		"header first":     {[]string{"<" + hub + ">; rel=hub"}, `<feed><link rel="hub" href="https://other.example/"/></feed>`, websub.Links{Hub: hub}},
		"atom":             {nil, `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="` + self + `"/><link href="` + hub + `" rel="hub"/><entry/></feed>`, both},
		"rss":              {[]string{"</>; rel=home"}, `<rss><channel><link>https://news.example/</link><atom:link rel="hub" href="` + hub + `"/><atom:link rel="self" href="` + self + `"/><item/></channel></rss>`, both},
		"link of an entry": {nil, `<feed><entry><link rel="hub" href="` + hub + `"/></entry></feed>`, websub.Links{}},
		"self alone":       {[]string{"<" + self + ">; rel=self"}, "", websub.Links{Self: self}},
		"broken":           {[]string{"<", "<x", "<x>; rel=", "<x>; rel=\"hub", ">;;,<"}, "<feed", websub.Links{Hub: "x"}},
		"no feed":          {nil, "hello", websub.Links{}},
		"too deep":         {nil, strings.Repeat("<a>", 100) + `<link rel="hub" href="x"/>`, websub.Links{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := websub.Discover(http.Header{"Link": c.links}, []byte(c.body))
			if name == "self alone" {
				c.want = websub.Links{} // what has no hub is told by its body
			}
			if got != c.want || ok != (c.want.Hub != "") {
				t.Errorf("found %+v (%v), want %+v", got, ok, c.want)
			}
		})
	}
}

func FuzzDiscoverNeverPanics(f *testing.F) {
	f.Add(`<https://hub.example/>; rel="hub"; a=b, <x>;rel=self`, []byte(`<feed><link rel="hub" href="x"/></feed>`))
	f.Fuzz(func(t *testing.T, link string, body []byte) {
		if found, ok := websub.Discover(http.Header{"Link": {link}}, body); ok != (found.Hub != "") {
			t.Fatal(found)
		}
	})
}
