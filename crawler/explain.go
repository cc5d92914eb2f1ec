package crawler

import (
	"cmp"
	"context"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/robots"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Explanation is what a spider has to say about a URL; see [Spider.Explain].
type Explanation struct {
	URL         string            // canonical
	Fingerprint dedup.Fingerprint // of the request for it
	Host        string            // the politeness key
	Start       bool              // it is one of the start URLs, or a sitemap: scope and globs do not apply
	// Refused is why a link to the URL is not followed, in the word that refused links are counted by: "scope",
	// "excluded", "not_included", "depth". Empty: it is followed.
	Refused string
	// Exclude is the glob that excludes it.
	Exclude string
	// UnknownRoute is set if the request is for a route that the spider does not have: it would be parked.
	UnknownRoute bool
	// Robots is what robots.txt says, as far as the crawl knows it.
	Robots RobotsAnswer
	// CrawlDelay is what robots.txt asks for, 0 if nothing.
	CrawlDelay time.Duration
}

// RobotsAnswer is what robots.txt says about a URL.
type RobotsAnswer string

// The answers.
const (
	RobotsAllowed    RobotsAnswer = "allowed"
	RobotsDisallowed RobotsAnswer = "disallowed"
	RobotsUnknown    RobotsAnswer = "unknown" // the crawl has not asked for it, or not lately
	RobotsIgnored    RobotsAnswer = "ignored" // the spider does not obey it
)

// Explain says whether the spider would follow a link to a URL, and fetch it. req.URL is absolute and need not be canonical;
// the rest of req may be zero. If it is a request that the crawl has queued, depth and scope are judged as they were for
// it; if not, depth is not judged, and scope by the start URLs alone. A spider without any takes every URL for a seed.
//
// robots.txt is what memo holds of it; nothing is fetched. A nil memo holds nothing. A URL that cannot be fetched is
// answered by a *dedup.RefusedError.
func (s Spider) Explain(ctx context.Context, req Request, memo scheduler.Memo) (Explanation, error) {
	p, err := s.compile()
	if err != nil {
		return Explanation{}, err
	}
	u, err := p.canon.Parse(req.URL)
	if err != nil {
		return Explanation{}, err
	}
	req.URL = u.String()
	e := Explanation{URL: req.URL, Fingerprint: p.fingerprint(&req), Host: u.Host(), Robots: RobotsUnknown}
	for _, start := range s.Start {
		if first, err := p.canon.Parse(start.URL); err == nil && first == u {
			e.Start = true
		}
	}
	if at := p.sourcesFrom(req.URL); len(at) > 0 || isInternal(req.Route) {
		e.Start = true
	}
	if req.Route != "" {
		_, known := p.routes[req.Route]
		e.UnknownRoute = !known
	}
	if !e.Start {
		e.Refused, e.Exclude = p.explainRefusal(&req, u)
	}
	p.explainRobots(ctx, &e, u, memo)
	return e, nil
}

// explainRefusal says why a link to the request is not followed, and by which glob if one excludes it.
func (p *plan) explainRefusal(req *Request, u dedup.URL) (why, exclude string) {
	if limit := p.settings.MaxDepth; limit > 0 && req.Depth > limit {
		return "depth", ""
	}
	seed := ""
	if req.Route != "" || len(p.scope.starts) == 0 {
		seed = p.scope.seedOf(req, u)
	}
	if seed == "" && len(p.scope.starts) == 0 {
		seed = p.scope.key(u)
	}
	why = p.scope.refusal(u, seed)
	for i, g := range p.scope.exclude {
		if why == "excluded" && g.Match(u.String()) {
			return why, p.spider.Exclude[i]
		}
	}
	return why, ""
}

func (p *plan) explainRobots(ctx context.Context, e *Explanation, u dedup.URL, memo scheduler.Memo) {
	if p.settings.IgnoreRobots {
		e.Robots = RobotsIgnored
		return
	}
	cache := &robotsCache{plan: p, product: robots.Product(cmp.Or(p.settings.UserAgent, fetch.DefaultUserAgent)), memo: memo, now: time.Now}
	entry, ok := cache.shared(ctx, u, u.Scheme()+"://"+u.Host())
	if !ok {
		return
	}
	e.Robots = RobotsDisallowed
	if entry.rules.Allowed(cache.product, u.RequestURI()) {
		e.Robots = RobotsAllowed
	}
	e.CrawlDelay, _ = entry.rules.CrawlDelay(cache.product)
}
