package crawler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/robots"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

const (
	robotsTTL      = 24 * time.Hour   // RFC 9309 section 2.4: not longer than a day
	robotsRetry    = time.Minute      // until an unreachable robots.txt is asked for again
	robotsRedirect = 5                // RFC 9309 section 2.3.1.2
	robotsInMemory = 10_000           // origins remembered by one worker
	maxCrawlDelay  = 60 * time.Second // a site that asks for more gets this
)

// robotsCache answers what robots.txt of an origin says: from this worker's memory, else from what the fleet shares
// (scheduler.Memo), else from the site.
type robotsCache struct {
	plan     *plan
	product  string // what robots.txt knows the crawler by
	fetcher  fetch.Fetcher
	frontier scheduler.Frontier                               // is told of a Crawl-delay
	memo     scheduler.Memo                                   // nil: not shared
	insist   func(ctx context.Context, do func() error) error // waits for a frontier that is away
	now      func() time.Time
	log      *slog.Logger

	flight singleflight.Group
	mu     sync.Mutex // guards the map
	known  map[string]robotsEntry
}

type robotsEntry struct {
	rules *robots.Rules // nil: unreachable, nothing may be fetched for now
	why   string        // of nil rules
	host  string        // where robots.txt was found, if it is elsewhere
	until time.Time
	// paced is when this worker made sure that the frontier serves the host at its pace; zero if that is the crawl's.
	// A lease claimed before may have been handed out too early.
	paced time.Time
}

// robotsMemo is what the fleet shares: the text and the status it came with.
type robotsMemo struct {
	Status int    `json:"status"`
	Body   []byte `json:"body"`
	Host   string `json:"host,omitempty"` // where it was found, if that is elsewhere
}

// errRobotsUnreachable says that robots.txt could not be had, which forbids the whole site for now (RFC 9309 section
// 2.3.1.4).
var errRobotsUnreachable = errors.New("robots.txt unreachable")

// rules returns what robots.txt of u's origin says, and robotsEntry.paced.
func (c *robotsCache) rules(ctx context.Context, req *Request, u dedup.URL) (rules *robots.Rules, paced time.Time, err error) {
	origin := u.Scheme() + "://" + u.Host()
	entry, ok := c.load(origin)
	if !ok {
		found := c.flight.DoChan(origin, func() (any, error) { return c.find(ctx, req, u, origin) })
		select {
		case r := <-found:
			if r.Err != nil {
				return nil, paced, r.Err
			}
			entry = r.Val.(robotsEntry) //nolint:forcetypeassert // what find returns
		case <-ctx.Done():
			return nil, paced, context.Cause(ctx)
		}
	}
	if entry.rules == nil {
		return nil, paced, fmt.Errorf("%w: %s", errRobotsUnreachable, entry.why)
	}
	return entry.rules, entry.paced, nil
}

// movedTo returns the host where robots.txt of u's origin was found, as far as this worker has read it; empty if that is u's own.
func (c *robotsCache) movedTo(u dedup.URL) string {
	entry, _ := c.load(u.Scheme() + "://" + u.Host())
	return entry.host
}

func (c *robotsCache) load(origin string) (robotsEntry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.known[origin]
	return entry, ok && c.now().Before(entry.until)
}

// delay returns what robots.txt of a host asks for, as far as this worker has read it; 0 if nothing.
func (c *robotsCache) delay(host string) time.Duration {
	for _, scheme := range []string{"https://", "http://"} {
		if entry, ok := c.load(scheme + host); ok && entry.rules != nil {
			if own, ok := entry.rules.CrawlDelay(c.product); ok {
				return min(own, maxCrawlDelay)
			}
		}
	}
	return 0
}

func (c *robotsCache) store(origin string, entry robotsEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]robotsEntry)
	}
	for other := range c.known { // in no order, so what goes is chosen by chance
		if len(c.known) < robotsInMemory {
			break
		}
		delete(c.known, other)
	}
	c.known[origin] = entry
}

func (c *robotsCache) find(ctx context.Context, req *Request, u dedup.URL, origin string) (robotsEntry, error) {
	if entry, ok := c.shared(ctx, u, origin); ok {
		// Whoever shared it may have died before the frontier knew of the delay.
		if err := c.pace(ctx, u, &entry, false); err != nil {
			return robotsEntry{}, err
		}
		c.store(origin, entry)
		return entry, nil
	}
	status, body, host, err := c.get(ctx, req, u, origin)
	if ctx.Err() != nil {
		return robotsEntry{}, context.Cause(ctx)
	}
	now := c.now()
	entry := robotsEntry{host: host, until: now.Add(robotsTTL)}
	switch {
	case err != nil:
		entry.why, entry.until = err.Error(), now.Add(robotsRetry)
	case status >= 500 || status == http.StatusTooManyRequests:
		entry.why, entry.until = fmt.Sprintf("%s/robots.txt: status %d", origin, status), now.Add(robotsRetry)
	default:
		entry.rules = robots.FromStatus(status, body)
		if err := c.pace(ctx, u, &entry, true); err != nil {
			return robotsEntry{}, err
		}
		c.share(ctx, u, origin, robotsMemo{status, body[:min(len(body), robots.MaxSize)], host})
	}
	c.store(origin, entry)
	return entry, nil
}

// pace tells the frontier of a Crawl-delay longer than the spider's own delay, and, if robots.txt was asked for just now,
// holds the host for its delay: that was a request too.
func (c *robotsCache) pace(ctx context.Context, u dedup.URL, entry *robotsEntry, asked bool) error {
	delay := c.plan.settings.Delay
	own, ok := entry.rules.CrawlDelay(c.product)
	if ok && own > delay && !c.plan.settings.IgnoreRobots {
		delay = min(own, maxCrawlDelay)
		pace := scheduler.Pace{Delay: delay, Concurrency: 1}
		if err := c.insist(ctx, func() error { return c.frontier.SetPace(ctx, u.Host(), pace) }); err != nil {
			return err
		}
		entry.paced = time.Now()
	}
	if asked && delay > 0 {
		until := time.Now().Add(delay)
		if err := c.insist(ctx, func() error { return c.frontier.Hold(ctx, u.Host(), until) }); err != nil {
			return err
		}
		entry.paced = time.Now()
	}
	return nil
}

func (c *robotsCache) shared(ctx context.Context, u dedup.URL, origin string) (robotsEntry, bool) {
	if c.memo == nil {
		return robotsEntry{}, false
	}
	value, ok, err := c.memo.Load(ctx, u.Host(), "robots:"+origin)
	if err != nil || !ok {
		return robotsEntry{}, false // the site itself is the better answer to an unreachable memo
	}
	var m robotsMemo
	if json.Unmarshal(value, &m) != nil {
		return robotsEntry{}, false
	}
	return robotsEntry{rules: robots.FromStatus(m.Status, m.Body), host: m.Host, until: c.now().Add(robotsTTL / 2)}, true
}

func (c *robotsCache) share(ctx context.Context, u dedup.URL, origin string, m robotsMemo) {
	if c.memo == nil {
		return
	}
	value, err := json.Marshal(m)
	if err == nil {
		err = c.memo.Save(ctx, u.Host(), "robots:"+origin, value, robotsTTL/2)
	}
	if err != nil {
		c.log.Debug("robots.txt is not shared", "origin", origin, "err", err)
	}
}

// get fetches robots.txt, following redirects. It returns the host where they led to, if that is another one.
func (c *robotsCache) get(ctx context.Context, req *Request, u dedup.URL, origin string) (status int, body []byte, host string, err error) {
	at := origin + "/robots.txt"
	private := c.plan.settings.AllowPrivate || c.plan.scope.mayBePrivate(req, u)
	for range robotsRedirect + 1 {
		resp, err := c.fetcher.Fetch(ctx, &fetch.Request{URL: at, AllowPrivate: private, MaxBody: robots.MaxSize, Prefix: true})
		if err != nil {
			return 0, nil, "", err
		}
		if resp.Status < 300 || resp.Status >= 400 {
			return resp.Status, resp.Body, host, nil
		}
		here, err := c.plan.canon.Parse(at)
		if err != nil {
			return 0, nil, "", err
		}
		next, err := c.plan.canon.Resolve(here, resp.Header.Get("Location"))
		if err != nil {
			return http.StatusNotFound, nil, "", nil //nolint:nilerr // a redirect to nowhere is no robots.txt
		}
		if host = next.Host(); host == u.Host() {
			host = ""
		}
		private = c.plan.settings.AllowPrivate || private && next.Host() == u.Host()
		at = next.String()
	}
	return http.StatusNotFound, nil, "", nil // RFC 9309 section 2.3.1.2: beyond five hops it may count as unavailable
}
