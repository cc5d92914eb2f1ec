package crawler

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// urlset is a sitemap: of each entry its URL, and a date behind a blank if it has one.
func urlset(entries ...string) string { return sitemapOf("urlset", "url", entries) }

func index(entries ...string) string { return sitemapOf("sitemapindex", "sitemap", entries) }

func sitemapOf(root, entry string, entries []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><%s xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`, root)
	for _, e := range entries {
		loc, modified, _ := strings.Cut(e, " ")
		fmt.Fprintf(&b, "<%s><loc>%s</loc>", entry, strings.ReplaceAll(loc, "&", "&amp;"))
		if modified != "" {
			fmt.Fprintf(&b, "<lastmod>%s</lastmod>", modified)
		}
		fmt.Fprintf(&b, "</%s>", entry)
	}
	fmt.Fprintf(&b, "</%s>", root)
	return b.String()
}

var xmlType = http.Header{"Content-Type": {"application/xml"}}

// mapped runs a test of a spider that follows nothing but sitemaps: of robots.txt, unless the test says otherwise.
func mapped(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	inBubble(t, func(_ context.Context, p *Page, _ struct{}) error {
		p.EmitAs("page", "", map[string]any{"depth": p.Request.Depth})
		return nil
	}, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.IgnoreRobots = false
		r.config.Spider.Sitemaps = []Sitemap{{Target: testRoute}}
		r.web.html(home, "<a href=/unfollowed>x</a>")
		test(t, r)
	})
}

// pages serves plain pages of a.example.
func (r *rig) pages(paths ...string) {
	for _, path := range paths {
		r.web.html("https://a.example"+path, "page")
	}
}

func (r *rig) robots(url, lines string) {
	r.web.answer(url, http.StatusOK, lines, http.Header{"Content-Type": {"text/plain"}})
}

func (r *rig) sitemap(url, body string) { r.web.answer(url, http.StatusOK, body, xmlType) }

// found returns the paths or foreign URLs of the pages that were handled, without the start page.
func (r *rig) found() string {
	var all []string
	for _, key := range r.shelf.keys() {
		if url := strings.TrimPrefix(key, "page "); url != home {
			all = append(all, strings.TrimPrefix(url, "https://a.example"))
		}
	}
	return strings.Join(all, " ")
}

func TestSitemapsOfRobotsTxtAreFollowed(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, _ = w.Write([]byte(urlset("https://a.example/zip")))
		_ = w.Close()
		r.robots("https://a.example/robots.txt", "Sitemap: https://a.example/index.xml\nSitemap: /feed\nsitemap: https://cdn.example/text.txt\nSitemap: mailto:a@b\n")
		r.sitemap("https://a.example/index.xml", index("/deep.xml", "https://a.example/zip.xml.gz"))
		r.sitemap("https://a.example/deep.xml", index("/leaf.xml"))
		r.sitemap("https://a.example/leaf.xml", urlset("/leaf?a=1&b=2", "/leaf#fragment"))
		r.web.answer("https://a.example/zip.xml.gz", http.StatusOK, zipped.String(), http.Header{"Content-Type": {"application/gzip"}})
		r.sitemap("https://a.example/feed", `<rss><channel><item><link>/item</link></item></channel></rss>`)
		r.web.answer("https://cdn.example/text.txt", http.StatusOK, "https://a.example/text\nhttps://cdn.example/own\n", http.Header{"Content-Type": {"text/plain"}})
		r.pages("/leaf?a=1&b=2", "/leaf", "/zip", "/item", "/text")
		r.crawl()
		if got := r.found(); got != "/item /leaf /leaf?a=1&b=2 /text /zip" {
			t.Errorf("found %s", got)
		}
		for _, item := range r.shelf.items {
			if depth := item.Value.(map[string]any)["depth"]; depth != 1 && item.Key != home {
				t.Errorf("%s has depth %v, want 1", item.Key, depth)
			}
		}
		if n := r.web.count("https://a.example/robots.txt"); n != 1 {
			t.Errorf("robots.txt was fetched %d times", n)
		}
		if s := r.stats(); s.Active() != 0 || s.Dead != 0 || s.Parked != 0 {
			t.Errorf("stats %+v", s)
		}
		r.expectOutcomes(map[string]int64{"ok": 1 + 1 + 6 + 5}) // start, robots.txt, sitemaps, pages
	})
}

func TestSitemapThatNobodyNamesIsTakenIfItIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
		as     string
	}{
		"there":           {http.StatusOK, urlset("/a"), "/a", "ok"},
		"not there":       {http.StatusNotFound, "", "", "no_sitemap"},
		"forbidden":       {http.StatusForbidden, "", "", "no_sitemap"},
		"a page in place": {http.StatusOK, "<html><a href=/a>not found</a></html>", "", "no_sitemap"},
	} {
		t.Run(name, func(t *testing.T) {
			mapped(t, func(t *testing.T, r *rig) {
				r.web.answer("https://a.example/sitemap.xml", c.status, c.body, xmlType)
				r.pages("/a")
				r.crawl()
				if got := r.found(); got != c.want {
					t.Errorf("found %q, want %q", got, c.want)
				}
				if s := r.stats(); s.Outcomes[c.as] == 0 || s.Dead+s.Gone != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestBrokenSitemapCostsItselfOnly(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		var log lockedBuffer
		r.config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
		r.config.Spider.Settings.MaxAttempts = 1
		r.robots("https://a.example/robots.txt", "Sitemap: /html.xml\nSitemap: /missing.xml\nSitemap: /failing.xml\nSitemap: /cut.xml\nSitemap: /good.xml\n")
		r.web.html("https://a.example/html.xml", "<html>")
		r.web.answer("https://a.example/failing.xml", http.StatusInternalServerError, "", nil)
		r.sitemap("https://a.example/cut.xml", urlset("/cut")[:len(urlset("/cut"))-12]+"<url><loc>/cu")
		r.sitemap("https://a.example/good.xml", urlset("/good", "mailto:a@b", "https://[", "/good"))
		r.pages("/cut", "/good")
		r.crawl()
		if got := r.found(); got != "/cut /good" {
			t.Errorf("found %s", got)
		}
		var dead []string
		for _, d := range r.dead() {
			dead = append(dead, d.Why)
		}
		slices.Sort(dead)
		if len(dead) != 3 || !strings.HasPrefix(dead[1], "status 404") || !strings.HasPrefix(dead[0], "sitemap: neither sitemap nor feed") || !strings.HasPrefix(dead[2], "status 500") {
			t.Errorf("dead letters %q", dead)
		}
		for _, name := range []string{"html.xml", "missing.xml", "failing.xml", "cut.xml"} {
			if n := strings.Count(log.String(), name); n != 1 {
				t.Errorf("%s is logged %d times:\n%s", name, n, log.String())
			}
		}
	})
}

// lockedBuffer is what several goroutines may log to.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestScopeAndGlobsHoldForSitemaps(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.config.Spider.Include, r.config.Spider.Exclude = []string{"*/in/*"}, []string{"*.pdf"}
		r.robots("https://a.example/robots.txt", "User-agent: *\nDisallow: /in/private\nDisallow: /hidden.xml\nSitemap: /map.xml\nSitemap: /hidden.xml\n")
		r.sitemap("https://a.example/map.xml", urlset("/in/a", "/in/b.pdf", "/out", "https://b.example/in/c", "/in/private"))
		r.sitemap("https://a.example/hidden.xml", urlset("/in/hidden"))
		r.pages("/in/a", "/in/b.pdf", "/out", "/in/private", "/in/hidden")
		r.web.html("https://b.example/in/c", "other")
		w := r.crawl()
		if got := r.found(); got != "/in/a" {
			t.Errorf("found %s", got)
		}
		if got, want := w.Refused(), map[string]int64{"scope": 1, "excluded": 1, "not_included": 1}; !maps.Equal(got, want) {
			t.Errorf("refused %v, want %v", got, want)
		}
		if n := r.stats().Outcomes["robots"]; n != 2 {
			t.Errorf("%d were kept away by robots.txt", n)
		}
	})
}

// A sitemap speaks for other hosts only if those are in scope, an index for sitemaps of its own host and of hosts in scope.
func TestIndexDoesNotSpeakForOthers(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.robots("https://a.example/robots.txt", "Sitemap: https://cdn.example/index.xml\n")
		r.sitemap("https://cdn.example/index.xml", index("https://a.example/own.xml", "https://cdn.example/cdn.xml", "https://b.example/foreign.xml"))
		r.sitemap("https://a.example/own.xml", urlset("/own"))
		r.sitemap("https://cdn.example/cdn.xml", urlset("https://a.example/cdn", "https://cdn.example/page"))
		r.sitemap("https://b.example/foreign.xml", urlset("https://a.example/foreign"))
		r.pages("/own", "/cdn", "/foreign")
		w := r.crawl()
		if got := r.found(); got != "/cdn /own" {
			t.Errorf("found %s", got)
		}
		if n := w.Refused()["scope"]; n != 2 || r.web.count("https://b.example/foreign.xml") != 0 {
			t.Errorf("refused %v", w.Refused())
		}
	})
}

func TestIndexOfItselfEnds(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.robots("https://a.example/robots.txt", "Sitemap: /0.xml\n")
		for i := range 20 {
			r.sitemap(fmt.Sprintf("https://a.example/%d.xml", i), index(fmt.Sprintf("/%d.xml", i), fmt.Sprintf("/%d.xml", i+1)))
		}
		w := r.crawl()
		if r.web.count("https://a.example/5.xml") != 1 || r.web.count("https://a.example/6.xml") != 0 || w.Refused()["depth"] == 0 {
			t.Errorf("fetched %v", r.web.order)
		}
	})
}

func TestSitemapsOfASiteThatHasMovedAreFollowed(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.web.answer(home, http.StatusMovedPermanently, "", http.Header{"Location": {"https://www.a.example/"}})
		r.web.answer("https://a.example/robots.txt", http.StatusMovedPermanently, "", http.Header{"Location": {"https://www.a.example/robots.txt"}})
		r.robots("https://www.a.example/robots.txt", "Sitemap: https://www.a.example/map.xml\n")
		r.web.html("https://www.a.example/", "home")
		r.web.html("https://www.a.example/a", "a")
		r.sitemap("https://www.a.example/map.xml", urlset("/a"))
		r.crawl()
		if got := r.found(); got != "https://www.a.example/ https://www.a.example/a" {
			t.Errorf("found %s", got)
		}
	})
}

func TestFirstSitemapThatIncludesAnEntryGetsIt(t *testing.T) {
	other := NewRoute[string]("other")
	var mu sync.Mutex
	var got []string
	inBubble(t, func(_ context.Context, p *Page, _ struct{}) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, "page "+p.URL)
		return nil
	}, func(t *testing.T, r *rig) {
		const feed = "https://news.example/feed"
		r.config.Spider.Start = nil
		r.config.Spider.Routes = append(r.config.Spider.Routes, other.To(func(_ context.Context, p *Page, with string) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, "other "+p.URL+" "+with)
			return nil
		}))
		r.config.Spider.Sitemaps = []Sitemap{
			{URL: feed, Target: other.With("rides"), Include: []string{"*/x/*"}},
			{URL: "https://NEWS.example:443/feed#x", Target: testRoute, Include: []string{"*/y/*"}},
		}
		r.sitemap(feed, `<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="x/1"/></entry><entry><link href="y/1"/></entry><entry><link href="z/1"/></entry></feed>`)
		for _, path := range []string{"x/1", "y/1", "z/1"} {
			r.web.html("https://news.example/"+path, "page")
		}
		w := r.crawl()
		slices.Sort(got)
		if want := []string{"other https://news.example/x/1 rides", "page https://news.example/y/1"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if w.Refused()["not_included"] != 1 || r.web.count(feed) != 1 {
			t.Errorf("refused %v, feed fetched %d times", w.Refused(), r.web.count(feed))
		}
	})
}

func TestSitemapLeadsToNoPrivateHost(t *testing.T) {
	asked := map[string]bool{}
	mapped(t, func(t *testing.T, r *rig) {
		private := []string{"http://127.0.0.1:6379/", "http://localhost/x.xml", "http://redis/x.xml", "http://[::1]/x.xml"}
		r.robots("https://a.example/robots.txt", "Sitemap: "+strings.Join(private, "\nSitemap: ")+"\nSitemap: /map.xml\n")
		r.sitemap("https://a.example/map.xml", index(private...))
		var mu sync.Mutex
		inner := r.config.Fetcher
		r.config.Fetcher = fetcherFunc(func(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[req.URL] = true
			if req.AllowPrivate {
				t.Errorf("%s may be private", req.URL)
			}
			return inner.Fetch(ctx, req)
		})
		r.config.Spider.Scope = AnyHost
		r.crawl()
		if !asked[private[0]] {
			t.Errorf("asked for %v", asked)
		}
	})
}

func TestSitemapIsLargerThanPagesMayBe(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.MaxBody = 100
		limits := map[string]int64{}
		var mu sync.Mutex
		r.config.Fetcher = fetcherFunc(func(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
			mu.Lock()
			limits[req.URL] = req.MaxBody
			mu.Unlock()
			return r.web.Fetch(ctx, req)
		})
		r.sitemap("https://a.example/sitemap.xml", urlset("/a"))
		r.pages("/a")
		r.crawl()
		if limits["https://a.example/sitemap.xml"] < 50<<20 || limits["https://a.example/a"] != 0 {
			t.Errorf("limits %v", limits)
		}
	})
}

func TestRobotsTxtIsAskedForSitemapsAlsoIfItIsIgnored(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.IgnoreRobots = true
		r.robots("https://a.example/robots.txt", "User-agent: *\nCrawl-delay: 50\nDisallow: /\nSitemap: /map.xml\n")
		r.sitemap("https://a.example/map.xml", urlset("/a", "/b"))
		r.pages("/a", "/b")
		began := time.Now()
		r.crawl()
		if got := r.found(); got != "/a /b" {
			t.Errorf("found %s", got)
		}
		if took := time.Since(began); took > 10*time.Second { // of synthetic time
			t.Errorf("a delay is kept that is to be ignored: %v", took)
		}
	})
}

// Whichever step a worker dies in, another one does the rest: a claim that is never finished comes again.
func TestKilledWorkerLosesNothingOfASitemap(t *testing.T) {
	for _, fatal := range []string{"https://a.example/robots.txt", "https://a.example/map.xml"} {
		t.Run(fatal, func(t *testing.T) {
			mapped(t, func(t *testing.T, r *rig) {
				r.robots("https://a.example/robots.txt", "Sitemap: /map.xml\n")
				r.sitemap("https://a.example/map.xml", urlset("/a", "/b"))
				r.pages("/a", "/b")
				r.config.Spider.Settings.Concurrency = 1
				frontier := r.frontier
				r.config.Frontier = &mortal{Frontier: frontier, at: fatal}
				if _, err := Seed(t.Context(), r.config.Spider, frontier); err != nil {
					t.Fatal(err)
				}
				if err := r.worker().Run(t.Context()); err == nil {
					t.Fatal("the first worker lives")
				}
				if r.found() != "" {
					t.Fatalf("found %s before", r.found())
				}
				r.config.Frontier = frontier
				if err := r.worker().Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := r.found(); got != "/a /b" || r.stats().Active() != 0 {
					t.Errorf("found %s, stats %+v", got, r.stats())
				}
			})
		})
	}
}

// mortal is a frontier whose worker dies before it has finished a page, and half of whose links it has pushed.
type mortal struct {
	scheduler.Frontier

	at string
}

func (m *mortal) Push(ctx context.Context, tasks ...scheduler.Task) (int, error) {
	return m.Frontier.Push(ctx, tasks[:(len(tasks)+1)/2]...)
}

func (m *mortal) Finish(ctx context.Context, results ...scheduler.Result) error {
	for _, result := range results {
		if req, err := DecodePayload(result.Lease.Payload); err == nil && req.URL == m.at {
			return context.DeadlineExceeded // whatever: it never comes to be
		}
	}
	return m.Frontier.Finish(ctx, results...)
}

// dated runs a test of a crawl that comes again to its pages each day, and to its sitemap each hour.
func dated(t *testing.T, test func(t *testing.T, r *rig, d *diary)) {
	t.Helper()
	comesAgain(t, revisit.Policy{Every: 1000 * time.Hour}, func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.config.Spider.Revisit.Rules = []RevisitRule{{Route: SitemapRoute, Every: time.Hour}}
		r.config.Spider.Sitemaps = []Sitemap{{URL: "https://a.example/map.xml", Target: testRoute}}
		r.web.html(home, content("home"))
		r.pages("/a", "/b", "/c")
		test(t, r, d)
	})
}

func TestDateInASitemapBringsAVisitForward(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, d *diary) {
		began := time.Now()
		date := func(after time.Duration) string { return " " + began.Add(after).UTC().Format(time.RFC3339) }
		conditional := 0
		r.web.pages["https://a.example/map.xml"] = func(n int, req *fetch.Request) (*fetch.Response, error) {
			tag := `"1"`
			body := urlset("/a"+date(-day), "/b"+date(-day), "/c")
			if n >= 3 {
				tag, body = `"2"`, urlset("/a"+date(90*time.Minute), "/b"+date(9999*time.Hour), "/c", "/d"+date(time.Hour))
			}
			if req.Header.Get("If-None-Match") == tag {
				conditional++
				return answer(http.StatusNotModified, "", nil), nil
			}
			return answer(http.StatusOK, body, http.Header{"Content-Type": {"application/xml"}, "Etag": {tag}}), nil
		}
		r.pages("/d")
		r.live(150 * time.Minute)
		for path, want := range map[string]bool{"/a": true, "/b": false, "/c": false} {
			if m, _ := r.memory("https://a.example" + path); m.record.Hinted() != want {
				t.Errorf("%s hinted: %v, want %v", path, m.record.Hinted(), want)
			}
		}
		if n := r.web.count("https://a.example/d"); n != 1 {
			t.Errorf("what is new was fetched %d times", n)
		}
		m, due := r.memory("https://a.example/map.xml")
		if conditional != 1 || m.etag != `"2"` || m.record.Weight != revisit.WeightHigh {
			t.Errorf("%d conditional requests, known is %+v", conditional, m)
		}
		if wait := time.Until(due); wait <= 0 || wait > time.Hour {
			t.Errorf("the sitemap is due in %v", wait)
		}
		if got := d.news("https://a.example/map.xml"); got != "" {
			t.Errorf("changes of the sitemap are told to the pipeline: %q", got)
		}
		if got := r.outcomes(); got != "ok 6, not_modified 1, changed 1" {
			t.Error(got)
		}
	})
}

func TestDatesOfAFeedAreHints(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, _ *diary) {
		began := time.Now()
		r.web.pages["https://a.example/map.xml"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			updated := began.Add(-day)
			if n >= 2 {
				updated = began.Add(30 * time.Minute)
			}
			return answer(http.StatusOK, fmt.Sprintf(`<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="a"/><updated>%s</updated></entry><entry><link href="b"/></entry></feed>`, updated.UTC().Format(time.RFC3339)), xmlType), nil
		}
		r.live(90 * time.Minute)
		for path, want := range map[string]bool{"/a": true, "/b": false} {
			if m, _ := r.memory("https://a.example" + path); m.record.Hinted() != want {
				t.Errorf("%s hinted: %v, want %v", path, m.record.Hinted(), want)
			}
		}
	})
}

func TestSitemapStampedWithItsBuildIsNoHint(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, _ *diary) {
		var paths []string
		for i := range 10 {
			paths = append(paths, fmt.Sprintf("/p%d", i))
		}
		r.pages(paths...)
		r.web.pages["https://a.example/map.xml"] = func(int, *fetch.Request) (*fetch.Response, error) {
			var entries []string
			for _, path := range paths {
				entries = append(entries, path+" "+time.Now().UTC().Format(time.RFC3339))
			}
			return answer(http.StatusOK, urlset(entries...), xmlType), nil
		}
		r.live(150 * time.Minute)
		if r.web.count("https://a.example/map.xml") != 3 {
			t.Errorf("the sitemap was fetched %d times", r.web.count("https://a.example/map.xml"))
		}
		for _, path := range paths {
			if m, _ := r.memory("https://a.example" + path); m.record.Hinted() {
				t.Errorf("%s is hinted", path)
			}
		}
	})
}

func TestSitemapThatBreaksComesAgain(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, _ *diary) {
		r.web.pages["https://a.example/map.xml"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			switch {
			case n == 1:
				return answer(http.StatusOK, urlset("/a"), xmlType), nil
			case n < 8:
				return answer(http.StatusOK, "<html>down for maintenance</html>", nil), nil
			}
			return answer(http.StatusOK, urlset("/a", "/b"), xmlType), nil
		}
		r.live(10 * day)
		if n := r.web.count("https://a.example/b"); n != 1 || len(r.deadNone()) > 0 {
			t.Errorf("fetched %d times; %s", n, r.outcomes())
		}
	})
}

// deadNone are the dead letters of a frontier that has some.
func (r *rig) deadNone() []string {
	var dead []string
	_ = r.frontier.(*memfrontier.Frontier).Dead(r.t.Context(), func(d scheduler.DeadLetter) bool {
		dead = append(dead, d.Why)
		return true
	})
	return dead
}

func TestRobotsTxtIsAskedForNewSitemapsEachDay(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, _ *diary) {
		r.config.Spider.Settings.IgnoreRobots = false
		r.config.Spider.Sitemaps = []Sitemap{{Target: testRoute}}
		r.web.pages["https://a.example/robots.txt"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			lines := "User-agent: *\n"
			if n > 1 {
				lines = "Sitemap: /new.xml\n"
			}
			return answer(http.StatusOK, lines, nil), nil
		}
		r.sitemap("https://a.example/new.xml", urlset("/a"))
		guesses := 0
		r.web.pages["https://a.example/sitemap.xml"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if guesses = n; n == 1 {
				return answer(http.StatusNotFound, "", nil), nil
			}
			return answer(http.StatusOK, urlset("/b"), xmlType), nil
		}
		r.live(9 * day)
		if r.web.count("https://a.example/a") != 1 || r.web.count("https://a.example/b") != 1 || guesses < 2 {
			t.Errorf("fetched %v", r.web.hits)
		}
		if s := r.stats(); s.Gone+s.Dead != 0 || s.Scheduled+s.Active() != 6 { // start, a, b, two sitemaps, robots.txt
			t.Errorf("stats %+v", s)
		}
		if s, err := r.frontier.(scheduler.Ledger).Sums(t.Context(), ""); err != nil || s[sumPages] != 5 { // robots.txt has no plan
			t.Errorf("sums %v (%v)", s, err)
		}
	})
}

func TestRobotsTxtThatCannotBeReachedIsAskedAgainTheNextDay(t *testing.T) {
	dated(t, func(t *testing.T, r *rig, _ *diary) {
		began := time.Now()
		r.config.Spider.Sitemaps = []Sitemap{{Target: testRoute}}
		r.web.pages["https://a.example/robots.txt"] = func(int, *fetch.Request) (*fetch.Response, error) {
			if time.Since(began) < 12*time.Hour {
				return answer(http.StatusBadGateway, "", nil), nil
			}
			return answer(http.StatusOK, "Sitemap: /map.xml\n", nil), nil
		}
		r.sitemap("https://a.example/map.xml", urlset("/a"))
		r.live(26 * time.Hour)
		if n := r.web.count("https://a.example/a"); n != 1 || len(r.deadNone()) > 0 {
			t.Errorf("fetched %v, dead letters %q", r.web.hits, r.deadNone())
		}
	})
}

// A page whose link is found first would be fetched for a route that makes nothing of it.
func TestSitemapsComeBeforeThePagesThatLinkToThem(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.Concurrency = 1
		r.config.Spider.Start = append(r.config.Spider.Start, Start(testRoute, "https://a.example/feed-link")...)
		r.config.Spider.Routes = Routes(testRoute.To(follow))
		r.web.html("https://a.example/feed-link", "<a href=/feed>feed</a>")
		r.robots("https://a.example/robots.txt", "Sitemap: /feed\n")
		r.sitemap("https://a.example/feed", `<rss><channel><item><link>/item</link></item></channel></rss>`)
		r.pages("/item")
		r.crawl()
		if got := r.found(); got != "/feed-link /item" {
			t.Errorf("found %s", got)
		}
	})
}

func TestSitemapsAreQueuedOnce(t *testing.T) {
	mapped(t, func(t *testing.T, r *rig) {
		s := r.config.Spider
		s.Sitemaps = append(s.Sitemaps, Sitemap{URL: "https://a.example/feed", Target: testRoute})
		for i, want := range []int{2, 0} { // start URL and feed; those of robots.txt are not counted
			if n, err := Seed(t.Context(), s, r.frontier); err != nil || n != want {
				t.Errorf("seeding no. %d queued %d (%v), want %d", i+1, n, err, want)
			}
		}
		if n := r.stats().Queued; n != 3 {
			t.Errorf("%d are queued", n)
		}
		if n, err := Seed(t.Context(), s, r.frontier, "https://b.example/x", "https://b.example/y"); err != nil || n != 2 || r.stats().Queued != 6 {
			t.Errorf("two seeds queued %d (%v), and %d wait", n, err, r.stats().Queued)
		}
		if n, err := SeedAgain(t.Context(), s, r.frontier); err != nil || n != 2 {
			t.Errorf("once more queued %d (%v)", n, err)
		}
	})
}

func TestWrongSitemapsAreRefused(t *testing.T) {
	t.Parallel()
	other := NewRoute[struct{}]("other")
	for want, sitemaps := range map[string][]Sitemap{
		"Sitemaps[0] has no route": {{URL: home}},
		`Sitemaps[0]: route "other" is not among the spider's Routes (page)`:         {{Target: other}},
		`Sitemaps[0]: route page carries struct {}, not string`:                      {{Target: NewRoute[string]("page")}},
		`Sitemaps[0]: URL "/x" refused: relative, and nothing to resolve it against`: {{URL: "/x", Target: testRoute}},
		`Sitemaps[0]: Include[0] "[": `:                                              {{Target: testRoute, Include: []string{"["}}},
		`Sitemaps[1]: Sitemaps[0] takes all entries of the same sitemap`:             {{Target: testRoute}, {Target: testRoute, Include: []string{"*"}}},
		`Sitemaps[2]: Sitemaps[1] takes all entries of the same sitemap`:             {{Target: testRoute}, {URL: home, Target: testRoute}, {URL: "https://A.example", Target: testRoute}},
		`Start[0]: route "@sitemap" is not among the spider's Routes (page)`:         nil,
	} {
		s := Spider{Name: "x", Routes: Routes(testRoute.To(follow)), Sitemaps: sitemaps}
		if sitemaps == nil {
			s.Start = Start(sitemapRoute, home)
			s.Sitemaps = []Sitemap{{Target: testRoute}}
		}
		if err := s.Check(); err == nil || !strings.HasPrefix(err.Error(), "spider x: "+want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestHandlerOfASitemapNeedsNoWorker(t *testing.T) {
	t.Parallel()
	s := Spider{Name: "x", Start: Start(testRoute, home), Routes: Routes(testRoute.To(follow)), Sitemaps: []Sitemap{{Target: testRoute}}}
	h, err := s.Handle(t.Context(), Request{URL: "https://a.example/map.xml", Route: SitemapRoute}, answer(http.StatusOK, urlset("/a", "https://b.example/")+"<", xmlType))
	if err != nil || len(h.Requests) != 1 || h.Requests[0].URL != "https://a.example/a" || h.Requests[0].Depth != 1 || h.Refused["scope"] != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	if !s.Serves(SitemapRoute) || !s.Serves("page") || s.Serves("other") {
		t.Error("Serves is wrong")
	}
	s.Sitemaps = nil
	if s.Serves(SitemapRoute) {
		t.Error("a spider without sitemaps serves them")
	}
}
