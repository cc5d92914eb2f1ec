package crawler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/gobwas/glob"

	"github.com/lycosa-crawl/lycosa/crawler/sitemap"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Sitemap has the crawl follow what sitemaps or a feed list, beside the links of pages: see package sitemap for what is read. Each
// is a page of its own in the frontier, under [SitemapRoute]: it is fetched at its host's pace, obeys robots.txt, is tried again
// when it fails, and in a crawl that comes again it is visited again with a high weight, and its dates are hints ([Page.Hint]).
//
// Its entries are links from a start URL: scope, globs and depth apply. Several of the same sitemap share its entries:
// each goes to the first that includes it.
//
//	Sitemaps: []crawler.Sitemap{
//		{Target: Article, Include: []string{"*/news/*"}}, // of robots.txt
//		{URL: "https://shop.example/feed.xml", Target: Article},
//	},
type Sitemap struct {
	// URL of a sitemap, an index of sitemaps or a feed. Its host counts among those of the start URLs; for the scopes page and
	// prefix it does so only if there are none. Empty: the sitemaps that robots.txt of each host of the start URLs and
	// seeds names, wherever they are, or /sitemap.xml if it names none and that is there.
	URL string
	// Target gets the pages.
	Target Target
	// Include, when set, takes only the entries whose canonical URL matches one of the globs, as in Spider.Include.
	Include []string
}

// SitemapRoute is the route of all sitemaps, for rules about their revisits: see [RevisitRule]. It is no route that a spider can
// have.
const SitemapRoute = "@sitemap"

var (
	sitemapRoute = NewRoute[listing](SitemapRoute)
	robotsRoute  = NewRoute[struct{}]("@robots") // has the sitemaps queued that robots.txt names
)

// listing rides along with a request for a sitemap.
type listing struct {
	From  string `json:"from,omitempty"`  // Sitemap.URL, canonical; empty: robots.txt
	Level int    `json:"level,omitempty"` // indexes on the way to it
	Guess bool   `json:"guess,omitempty"` // nobody has named it
}

const (
	sitemapPriority = 1                  // before the pages of its host: else a link to it could be taken for one to a page
	maxSitemapLevel = 5                  // the protocol has one; an index of itself would have no end
	robotsAgain     = 24 * time.Hour     // until robots.txt is asked for sitemaps again, in a crawl that comes again
	guessAgain      = 7 * 24 * time.Hour // until a sitemap that nobody named and that was not there is, likewise
)

// source is a Sitemap ready for use.
type source struct {
	from    string // as in listing
	target  bound
	include []*glob.Pattern
}

func (s *source) takes(u dedup.URL) bool {
	for _, g := range s.include {
		if g.Match(u.String()) {
			return true
		}
	}
	return len(s.include) == 0
}

// compileSitemaps makes the spider's Sitemaps ready, once its start URLs are.
func (p *plan) compileSitemaps(s Spider) error {
	for i, given := range s.Sitemaps {
		fail := func(err error) error { return fmt.Errorf("Sitemaps[%d]: %w", i, err) }
		if given.Target == nil {
			return fmt.Errorf("Sitemaps[%d] has no route", i)
		}
		to := source{target: given.Target.target()}
		if err := p.checkTarget(to.target); err != nil {
			return fail(err)
		}
		var err error
		if to.include, err = globs("Include", given.Include); err != nil {
			return fail(err)
		}
		if given.URL != "" {
			u, err := p.canon.Parse(given.URL)
			if err != nil {
				return fail(err)
			}
			to.from = u.String()
			p.scope.hosts[u.Host()] = true
			if !p.scope.isPlace() || len(s.Start) == 0 {
				p.scope.addStart(u)
			}
		}
		for j, other := range p.sources {
			if other.from == to.from && len(other.include) == 0 {
				return fail(fmt.Errorf("Sitemaps[%d] takes all entries of the same sitemap", j))
			}
		}
		p.sources = append(p.sources, to)
	}
	if len(p.sources) > 0 { // else they are parked for a build of the fleet that has some
		p.routes[sitemapRoute.name] = sitemapRoute.To(p.readSitemap)
		p.routes[robotsRoute.name] = robotsRoute.To(func(context.Context, *Page, struct{}) error { return nil }) // see visit.askRobots
	}
	return nil
}

func (p *plan) sourcesFrom(from string) []source {
	var all []source
	for _, s := range p.sources {
		if s.from == from {
			all = append(all, s)
		}
	}
	return all
}

// asksRobots reports whether sitemaps that robots.txt names are followed.
func (p *plan) asksRobots() bool { return len(p.sourcesFrom("")) > 0 }

// sitemapTasks returns the tasks for the Sitemaps that have a URL, one each.
func (p *plan) sitemapTasks(again bool) ([]scheduler.Task, error) {
	var tasks []scheduler.Task
	for _, s := range p.sources {
		if s.from == "" {
			continue
		}
		u, err := p.canon.Parse(s.from)
		if err != nil {
			return nil, err
		}
		req := &Request{URL: s.from, DontFilter: again}
		task, err := p.sitemapTask(req, u, listing{From: s.from})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.from, err)
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// sitemapTask completes a request for a sitemap.
func (p *plan) sitemapTask(req *Request, u dedup.URL, l listing) (scheduler.Task, error) {
	with, err := sitemapRoute.With(l).target().encode()
	if err != nil {
		return scheduler.Task{}, err
	}
	req.Route, req.With, req.Priority = sitemapRoute.name, with, sitemapPriority
	task := p.task(req, u)
	err = task.Check()
	return task, err
}

// robotsTasks returns the tasks that have robots.txt asked for sitemaps at the origins of requests, each once.
func (p *plan) robotsTasks(again bool, starts ...queued) []scheduler.Task {
	if !p.asksRobots() {
		return nil
	}
	var tasks []scheduler.Task
	seen := map[string]bool{}
	for _, start := range starts {
		u, err := p.canon.Resolve(start.url, "/robots.txt")
		if err != nil || seen[u.String()] {
			continue
		}
		seen[u.String()] = true
		req := &Request{
			URL: u.String(), Route: robotsRoute.name, Hops: start.req.Hops, Seed: start.req.Seed,
			Priority: sitemapPriority, DontFilter: again,
		}
		if task := p.task(req, u); task.Check() == nil {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

// robotsOf is robotsTasks for tasks that are about to be queued.
func (p *plan) robotsOf(tasks []scheduler.Task) []scheduler.Task {
	var starts []queued
	for _, task := range tasks {
		if !p.asksRobots() {
			return nil
		}
		req, err := DecodePayload(task.Payload)
		if err != nil {
			continue
		}
		if u, err := p.canon.Parse(req.URL); err == nil {
			starts = append(starts, queued{req, u})
		}
	}
	return p.robotsTasks(false, starts...)
}

// internal reports whether the visit is of no page that the spider knows.
func (v *visit) internal() bool {
	return isInternal(v.req.Route)
}

func isInternal(route string) bool {
	return route == sitemapRoute.name || route == robotsRoute.name || route == hubRoute.name
}

// listing returns what rides along with a sitemap; false if the page is none.
func (v *visit) listing() (listing, bool) {
	var l listing
	return l, v.req.Route == sitemapRoute.name && (len(v.req.With) == 0 || json.Unmarshal(v.req.With, &l) == nil)
}

// guessed reports whether the page is a sitemap only if it is there.
func (v *visit) guessed() bool {
	l, ok := v.listing()
	return ok && l.Guess
}

// movedSeed is what the scope is relative to after a start URL or sitemap has moved. A start URL takes its scope along, and so does a
// sitemap that the spider has named; others speak for whom they spoke before.
func (v *visit) movedSeed(target dedup.URL) string {
	if l, ok := v.listing(); ok && (l.From == "" || l.Level > 0 || v.scope.isPlace()) {
		return v.scope.carry(v.seed, target)
	}
	return v.scope.carry(v.scope.key(target), target)
}

// askRobots queues the sitemaps that robots.txt of the host names. It is the whole of a visit.
func (v *visit) askRobots(ctx context.Context) (scheduler.Result, error) {
	if !v.w.holds(v.lease) {
		return v.over(ctx)
	}
	rules, _, err := v.w.robots.rules(ctx, v.req, v.url)
	switch {
	case err != nil && v.revisits != nil && v.lease.Attempt >= v.settings.MaxAttempts:
		v.later(robotsAgain, "robots_unreachable")
		return v.over(ctx)
	case err != nil:
		v.failed(ctx, "robots", err)
		return v.over(ctx)
	}
	moved := v.w.robots.movedTo(v.url)
	var tasks []scheduler.Task
	add := func(ref string, l listing) {
		u, err := v.canon.Resolve(v.url, ref)
		if err == nil {
			req := &Request{URL: u.String(), Hops: v.req.Hops, Seed: v.scope.carry(v.seed, u)}
			if u.Host() == moved && !v.scope.isPlace() { // as of a start URL that has moved there
				req.Hops, req.Seed = req.Hops+1, v.scope.carry(v.scope.key(u), u)
			}
			var task scheduler.Task
			if task, err = v.sitemapTask(req, u, l); err == nil {
				tasks = append(tasks, task)
				return
			}
		}
		v.refused(err)
		v.w.log.Warn("sitemap is not followed", "robots", v.req.URL, "sitemap", fmt.Sprintf("%.200q", ref), "err", err)
	}
	for _, ref := range rules.Sitemaps() {
		add(ref, listing{})
	}
	if len(tasks) == 0 {
		add(v.url.Scheme()+"://"+cmp.Or(moved, v.url.Host())+"/sitemap.xml", listing{Guess: true})
	}
	if err := v.w.pushes.submit(ctx, tasks...); err != nil {
		return v.result, fmt.Errorf("sitemaps of %s: %w", v.req.URL, err)
	}
	v.later(robotsAgain, "ok")
	return v.over(ctx)
}

// later concludes a visit that has shown no page. A crawl that comes again looks once more.
func (v *visit) later(after time.Duration, outcome string) {
	if v.revisits == nil {
		v.conclude(scheduler.Done(), outcome)
		return
	}
	v.conclude(scheduler.Revisit(time.Now().Add(after)).WithPayload(v.req.AppendPayload(nil)), outcome)
}

// errNoSitemap says that a sitemap that nobody named is not there.
var errNoSitemap = errors.New("no sitemap")

// isMissing reports whether a status says that there is no such page, or none for us.
func isMissing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// readSitemap is the handler of sitemaps.
func (p *plan) readSitemap(ctx context.Context, page *Page, l listing) error {
	sources := p.sourcesFrom(l.From)
	if len(sources) == 0 {
		return Drop("the spider has this sitemap no more")
	}
	charset := ""
	if page.Charset != "" {
		charset = "utf-8" // whatever it was before
	}
	v, entries := page.visit, 0
	listed := xxhash.New()
	_, _ = listed.WriteString(page.URL)
	for e, err := range sitemap.Read(page.URL, &interruptible{ctx, bytes.NewReader(page.Body)}, charset) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && entries > 0:
			if v.w != nil {
				v.w.log.Warn("sitemap is not read to its end", "url", page.URL, "entries", entries, "err", err)
			}
			continue
		case err != nil && l.Guess && errors.Is(err, sitemap.ErrUnknown) && !v.look.known():
			return errNoSitemap
		case err != nil && v.look.known():
			return fmt.Errorf("sitemap: %w", err) // it was one before
		case err != nil:
			return Drop(fmt.Sprintf("sitemap: %v", err))
		}
		entries++
		var modified [8]byte
		binary.LittleEndian.PutUint64(modified[:], uint64(e.LastMod.Unix())) //nolint:gosec // any bits will do
		_, _ = listed.WriteString(e.Loc)
		_, _ = listed.Write(modified[:])
		p.followEntry(page, sources, l, e)
	}
	v.listed = max(listed.Sum64(), 1) // 0 is none
	v.discover(page)
	return nil
}

// followEntry queues what an entry of a sitemap leads to, and hints at it.
func (p *plan) followEntry(page *Page, sources []source, l listing, e sitemap.Entry) {
	v := page.visit
	u, err := p.canon.Resolve(page.url, e.Loc)
	if err != nil {
		v.refused(err)
		return
	}
	if e.Kind == sitemap.Sitemap {
		if v.followSitemap(page, l, u) {
			v.hintAt(page, u, e.LastMod)
		}
		return
	}
	for i := range sources {
		if !sources[i].takes(u) {
			continue
		}
		if page.queue(sources[i].target, &Request{}, u) {
			v.hintAt(page, u, e.LastMod)
		}
		return
	}
	v.count("not_included")
}

// hintAt is Page.Hint for an entry, which says nothing without a date.
func (v *visit) hintAt(page *Page, u dedup.URL, modified time.Time) {
	if v.revisits != nil && !modified.IsZero() {
		page.hints = append(page.hints, hint{u, modified})
	}
}

// followSitemap queues a sitemap that an index lists: one of its own host, or of a host in scope (sitemaps.org, "Sitemaps &
// Cross Submits"). It reports whether it does.
func (v *visit) followSitemap(page *Page, l listing, u dedup.URL) bool {
	l = listing{From: l.From, Level: l.Level + 1}
	switch {
	case u.Host() != v.url.Host() && !v.scope.hosts[u.Host()] && !v.scope.within(u, v.seed):
		v.count("scope")
	case l.Level > maxSitemapLevel:
		v.count("depth")
	default:
		req := &Request{URL: u.String(), Hops: v.req.Hops, Seed: v.scope.carry(v.seed, u)}
		if _, err := v.sitemapTask(req, u, l); err != nil {
			v.count("malformed")
			return false
		}
		page.requests = append(page.requests, queued{req, u})
		return true
	}
	return false
}

// maxBody is the largest body accepted for the page; 0: what the settings say.
func (v *visit) maxBody() int64 {
	if v.req.Route != sitemapRoute.name {
		return 0
	}
	return max(v.settings.MaxBody, sitemap.MaxSize)
}

// interruptible is an io.Reader that ends with its context.
type interruptible struct {
	ctx context.Context //nolint:containedctx // of one call of the handler
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}
