package testsite_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// crawl is the plainest crawler that can be right: one request at a time, a map of what was seen, redirects followed as
// links. It is what the sites are checked by. It visits what allow allows.
type crawl struct {
	tb    testing.TB
	allow func(*url.URL) bool
	visit func(u string, doc *goquery.Document)

	client http.Client
	seen   map[string]bool
	queue  []*url.URL
}

func (c *crawl) run(seeds ...string) {
	c.tb.Helper()
	c.seen = map[string]bool{}
	c.client = http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer c.client.CloseIdleConnections()
	for _, s := range seeds {
		c.push(nil, s)
	}
	for len(c.queue) > 0 {
		u := c.queue[0]
		c.queue = c.queue[1:]
		c.page(u)
	}
}

// push queues a link if it is new: without its fragment, its query sorted, its session parameter off.
func (c *crawl) push(base *url.URL, href string) {
	c.tb.Helper()
	u, err := url.Parse(href)
	if err != nil {
		return
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	q := u.Query()
	q.Del("sid")
	u.Fragment, u.RawFragment, u.RawQuery = "", "", q.Encode()
	if u.Scheme != "http" || !c.allow(u) || c.seen[u.String()] {
		return
	}
	c.seen[u.String()] = true
	c.queue = append(c.queue, u)
}

func (c *crawl) page(u *url.URL) {
	c.tb.Helper()
	for {
		resp, err := c.client.Get(u.String())
		if err != nil {
			c.tb.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			c.tb.Fatal(err)
		}
		switch {
		case resp.StatusCode == http.StatusServiceUnavailable:
			continue // comes again at once
		case resp.StatusCode/100 == 3:
			c.push(u, resp.Header.Get("Location"))
		case resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
			doc, err := goquery.NewDocumentFromReader(strings.NewReader(string(body)))
			if err != nil {
				c.tb.Fatal(err)
			}
			c.visit(u.String(), doc)
			doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) { c.push(u, a.AttrOr("href", "")) })
		}
		return
	}
}
