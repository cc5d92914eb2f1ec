package crawler

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// memoOf holds robots.txt of one origin.
type memoOf map[string]string

func (m memoOf) Load(_ context.Context, host, name string) ([]byte, bool, error) {
	text, ok := m[host+" "+name]
	value, err := json.Marshal(robotsMemo{Status: 200, Body: []byte(text)})
	return value, ok, err
}

func (memoOf) Save(context.Context, string, string, []byte, time.Duration) error { return nil }

func TestExplainSaysWhatTheCrawlWouldDo(t *testing.T) {
	t.Parallel()
	route := NewRoute[struct{}]("r")
	s := Spider{
		Name: "s", Start: Start(route, "https://example.com/"), Routes: Routes(bind[struct{}]()), Settings: Settings{MaxDepth: 3},
		Include: []string{"*/shop/*", "*/b*"}, Exclude: []string{"*.pdf", "*/shop/cart*"},
	}
	memo := memoOf{"example.com robots:https://example.com": "User-agent: *\nCrawl-delay: 2\nDisallow: /shop/admin"}
	for _, c := range []struct {
		req  Request
		want Explanation
	}{
		{Request{URL: "HTTPS://Example.com:443/#top"}, Explanation{URL: "https://example.com/", Start: true, Robots: RobotsAllowed}},
		{Request{URL: "https://example.com/shop/1"}, Explanation{URL: "https://example.com/shop/1", Robots: RobotsAllowed}},
		{Request{URL: "https://example.com/shop/admin?b=2&a=1"}, Explanation{URL: "https://example.com/shop/admin?a=1&b=2", Robots: RobotsDisallowed}},
		{Request{URL: "https://example.com/shop/cart?x"}, Explanation{URL: "https://example.com/shop/cart?x", Refused: "excluded", Exclude: "*/shop/cart*", Robots: RobotsAllowed}},
		{Request{URL: "https://example.com/news"}, Explanation{URL: "https://example.com/news", Refused: "not_included", Robots: RobotsAllowed}},
		{Request{URL: "https://other.example/b"}, Explanation{URL: "https://other.example/b", Host: "other.example", Refused: "scope", Robots: RobotsUnknown}},
		// As queued: a seed at another host, a link too deep, a route of another build.
		{Request{URL: "https://other.example/b", Route: "r"}, Explanation{URL: "https://other.example/b", Host: "other.example", Robots: RobotsUnknown}},
		{Request{URL: "https://example.com/b", Route: "r", Depth: 4}, Explanation{URL: "https://example.com/b", Refused: "depth", Robots: RobotsAllowed}},
		{Request{URL: "https://example.com/b", Route: "x", Depth: 3}, Explanation{URL: "https://example.com/b", UnknownRoute: true, Robots: RobotsAllowed}},
	} {
		got, err := s.Explain(t.Context(), c.req, memo)
		if err != nil {
			t.Errorf("%s: %v", c.req.URL, err)
			continue
		}
		c.want.Fingerprint = dedup.Of("", c.want.URL, nil)
		if c.want.Host == "" {
			c.want.Host, c.want.CrawlDelay = "example.com", 2*time.Second
		}
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.req.URL, got, c.want)
		}
	}
	if _, err := s.Explain(t.Context(), Request{URL: "mailto:me@example.com"}, nil); !errors.As(err, new(*dedup.RefusedError)) {
		t.Errorf("mailto: %v, want it to be refused", err)
	}
	s.Settings.IgnoreRobots = true
	if got, err := s.Explain(t.Context(), Request{URL: "https://example.com/shop/admin"}, memo); err != nil || got.Robots != RobotsIgnored {
		t.Errorf("robots.txt is ignored: %+v, %v", got, err)
	}
	s.Settings.IgnoreRobots, s.Start, s.Include = false, nil, nil
	if got, err := s.Explain(t.Context(), Request{URL: "https://anywhere.example/"}, nil); err != nil || got.Refused != "" || got.Robots != RobotsUnknown {
		t.Errorf("without start URLs any may be a seed: %+v, %v", got, err)
	}
}
