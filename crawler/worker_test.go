package crawler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
)

// web is a Fetcher that serves pages from a map, without a network.
type web struct {
	mu    sync.Mutex // guards the fields below
	pages map[string]func(n int, r *fetch.Request) (*fetch.Response, error)
	hits  map[string]int
	order []string
}

func newWeb() *web {
	return &web{pages: map[string]func(int, *fetch.Request) (*fetch.Response, error){}, hits: map[string]int{}}
}

// html serves a page.
func (w *web) html(url, body string) { w.answer(url, http.StatusOK, body, nil) }

func (w *web) answer(url string, status int, body string, header http.Header) {
	w.pages[url] = func(int, *fetch.Request) (*fetch.Response, error) { return answer(status, body, header), nil }
}

func answer(status int, body string, header http.Header) *fetch.Response {
	h := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	maps.Copy(h, header)
	return &fetch.Response{Status: status, Header: h, Body: []byte(body), FetchedAt: time.Now()}
}

func (w *web) Fetch(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	w.mu.Lock()
	w.hits[r.URL]++
	w.order = append(w.order, r.URL)
	page, n := w.pages[r.URL], w.hits[r.URL]
	w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if page == nil {
		return answer(http.StatusNotFound, "", nil), nil
	}
	return page(n, r)
}

func (w *web) count(url string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[url]
}

// shelf is a pipeline that keeps items in memory.
type shelf struct {
	mu    sync.Mutex // guards the fields below
	items map[string]pipelines.Item
	fail  error
}

func (s *shelf) Process(_ context.Context, items []pipelines.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.items == nil {
		s.items = map[string]pipelines.Item{}
	}
	for _, item := range items {
		s.items[item.Kind+" "+item.Key] = item
	}
	return nil
}

func (s *shelf) keys() []string { return slices.Sorted(maps.Keys(s.items)) }

// rig is a crawl in a bubble of synthetic time.
type rig struct {
	t        *testing.T
	web      *web
	shelf    *shelf
	frontier scheduler.Frontier
	config   Config
}

var testRoute = NewRoute[struct{}]("page")

// follow is the handler of a plain spider: it emits the title and follows all links.
func follow(_ context.Context, p *Page, _ struct{}) error {
	p.EmitAs("page", "", map[string]any{"title": p.Text("title")})
	p.Follow(testRoute)
	return nil
}

// inBubble runs a test in synthetic time: an hour's wait takes no time.
func inBubble(t *testing.T, handler func(context.Context, *Page, struct{}) error, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, err := memfrontier.New(memfrontier.Config{Pace: scheduler.Pace{Concurrency: 4}})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, web: newWeb(), shelf: &shelf{}, frontier: f}
		r.config = Config{
			Spider: Spider{
				Name: "test", Start: Start(testRoute, "https://a.example/"), Routes: Routes(testRoute.To(handler)),
				Settings: Settings{IgnoreRobots: true},
			},
			Fetcher: r.web, Pipeline: r.shelf, Frontier: f, UntilDone: true,
		}
		test(t, r)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (r *rig) worker() *Worker {
	r.t.Helper()
	w, err := New(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

// crawl seeds the spider's start URLs and works until the crawl is done.
func (r *rig) crawl() *Worker {
	r.t.Helper()
	if _, err := Seed(r.t.Context(), r.config.Spider, r.frontier); err != nil {
		r.t.Fatal(err)
	}
	w := r.worker()
	if err := w.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r *rig) stats() scheduler.Stats {
	r.t.Helper()
	s, err := r.frontier.Stats(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) dead() (dead []scheduler.DeadLetter) {
	r.t.Helper()
	err := r.frontier.(scheduler.Undertaker).Dead(r.t.Context(), func(d scheduler.DeadLetter) bool {
		dead = append(dead, d)
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return dead
}

func (r *rig) expectOutcomes(want map[string]int64) {
	r.t.Helper()
	if got := r.stats().Outcomes; !maps.Equal(got, want) {
		r.t.Errorf("outcomes %v, want %v", got, want)
	}
}

func TestCrawlFetchesEveryPageOnceAndEnds(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		const n = 300
		for i := range n {
			url := fmt.Sprintf("https://a.example/%d", i)
			if i == 0 {
				url = "https://a.example/"
			}
			r.web.html(url, fmt.Sprintf("<title>%d</title><a href=/%d>x</a><a href=/%d#f>y</a><a href=%d?>z</a><a href=/>up</a>", i, 2*i+1, 2*i+2, i))
		}
		r.crawl()
		if got := len(r.shelf.items); got != n {
			t.Errorf("%d items, want %d", got, n)
		}
		for url, hits := range r.web.hits {
			if hits != 1 {
				t.Errorf("%s was fetched %d times", url, hits)
			}
		}
		s := r.stats()
		if s.Active() != 0 || s.Outcomes["ok"] != n || s.Items != n || s.Gone != int64(len(r.web.hits)-n) {
			t.Errorf("stats %+v", s)
		}
	})
}

// journal notes the order in which the steps of a page take effect.
type journal struct {
	scheduler.Frontier
	pipelines.Pipeline
	mu    sync.Mutex // guards steps
	steps []string
}

func (j *journal) note(step string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.steps = append(j.steps, step)
}

func (j *journal) Process(ctx context.Context, items []pipelines.Item) error {
	j.note("store")
	return j.Pipeline.Process(ctx, items)
}

func (j *journal) Push(ctx context.Context, tasks ...scheduler.Task) (int, error) {
	j.note("push")
	return j.Frontier.Push(ctx, tasks...)
}

func (j *journal) Finish(ctx context.Context, results ...scheduler.Result) error {
	for range results { // two pages may share a call
		j.note("finish")
	}
	return j.Frontier.Finish(ctx, results...)
}

func TestStoreThenPushThenFinish(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.web.html("https://a.example/", "<title>a</title><a href=b>x</a>")
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
			t.Fatal(err)
		}
		j := &journal{Frontier: r.frontier, Pipeline: r.shelf}
		r.config.Frontier, r.config.Pipeline = j, j
		if err := r.worker().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"store", "push", "finish", "finish"}; !slices.Equal(j.steps, want) { // the last is of b, a 404
			t.Errorf("steps %v, want %v", j.steps, want)
		}
	})
}

func TestPanicCostsOnePage(t *testing.T) {
	handler := func(ctx context.Context, p *Page, with struct{}) error {
		if strings.HasSuffix(p.URL, "/bad") {
			p.EmitAs("page", "", map[string]any{"half": "way"})
			p.Follow(testRoute)
			var none map[string]int
			none["x"] = 1 //nolint:staticcheck // this is the panic
		}
		return follow(ctx, p, with)
	}
	inBubble(t, handler, func(t *testing.T, r *rig) {
		r.web.html("https://a.example/", "<a href=bad>x</a><a href=good>y</a>")
		r.web.html("https://a.example/bad", "<a href=never>x</a>")
		r.web.html("https://a.example/good", "")
		r.crawl()
		if want := []string{"page https://a.example/", "page https://a.example/good"}; !slices.Equal(r.shelf.keys(), want) {
			t.Errorf("items %v, want %v", r.shelf.keys(), want)
		}
		if r.web.count("https://a.example/never") != 0 {
			t.Error("a handler that panicked had its links followed")
		}
		dead := r.dead()
		if len(dead) != 1 || !strings.Contains(dead[0].Why, "nil map") || !strings.Contains(dead[0].Why, "worker_test.go") || dead[0].Attempt != 4 {
			t.Errorf("dead letters %+v", dead)
		}
		if n := r.web.count("https://a.example/bad"); n != 4 {
			t.Errorf("the page was tried %d times, want 4", n)
		}
	})
}

func TestHandlersDecideAboutTheirPage(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		tries int
		dead  string
	}{
		"drop":    {Drop("no shop"), 1, "no shop"},
		"field":   {&FieldError{"Book", "Price", "missing"}, 1, "Book.Price: missing"},
		"wrapped": {fmt.Errorf("at home: %w", Drop("no shop")), 1, "at home: no shop"},
		"retry":   {RetryAfter(time.Hour, "later"), 4, "later (attempt 4 of 4)"},
		"other":   {errors.New("odd"), 4, "odd (attempt 4 of 4)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(context.Context, *Page, struct{}) error { return c.err }, func(t *testing.T, r *rig) {
				r.web.html("https://a.example/", "")
				r.crawl()
				if dead := r.dead(); len(dead) != 1 || dead[0].Why != c.dead || r.web.count("https://a.example/") != c.tries {
					t.Errorf("after %d tries: %+v", r.web.count("https://a.example/"), dead)
				}
			})
		})
	}
}

func TestMistakesInFollowFailThePage(t *testing.T) {
	for name, handler := range map[string]func(context.Context, *Page, struct{}) error{
		"unknown route":      func(_ context.Context, p *Page, _ struct{}) error { p.Follow(NewRoute[struct{}]("other")); return nil },
		"malformed selector": func(_ context.Context, p *Page, _ struct{}) error { p.Follow(testRoute, "a["); return nil },
		"no struct":          func(_ context.Context, p *Page, _ struct{}) error { p.Emit("text"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, handler, func(t *testing.T, r *rig) {
				r.web.html("https://a.example/", "<a href=b>x</a>")
				r.crawl()
				if dead := r.dead(); len(dead) != 1 {
					t.Errorf("dead letters %+v", dead)
				}
			})
		})
	}
}

func TestStatusDecides(t *testing.T) {
	for status, c := range map[int]struct {
		outcome          string
		tries, dead, not int
	}{
		200: {"ok", 1, 0, 0}, 204: {"ok", 1, 0, 0}, 404: {"http_404", 1, 0, 1}, 410: {"http_410", 1, 0, 1}, 403: {"http_403", 1, 1, 0},
		451: {"http_451", 1, 1, 0}, 500: {"http_500", 4, 1, 0}, 503: {"http_503", 4, 1, 0}, 429: {"http_429", 4, 1, 0}, 408: {"http_408", 4, 1, 0},
		999: {"http_999", 1, 1, 0},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				r.web.answer("https://a.example/", status, "", nil)
				r.crawl()
				r.expectOutcomes(map[string]int64{c.outcome: int64(c.tries)})
				if s := r.stats(); int(s.Dead) != c.dead || int(s.Gone) != c.not {
					t.Errorf("%d dead, %d gone", s.Dead, s.Gone)
				}
			})
		})
	}
}

func TestFetchErrorsAreRetriedIfTheyMayPass(t *testing.T) {
	for reason, tries := range map[fetch.Reason]int{fetch.ReasonTruncated: 4, fetch.ReasonForbiddenAddress: 1} {
		t.Run(string(reason), func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				r.web.pages["https://a.example/"] = func(int, *fetch.Request) (*fetch.Response, error) {
					return nil, &fetch.Error{Reason: reason, URL: "https://a.example/", Err: errors.New("broken")}
				}
				r.crawl()
				r.expectOutcomes(map[string]int64{string(reason): int64(tries)})
				if r.stats().Dead != 1 {
					t.Error("no dead letter")
				}
			})
		})
	}
}

func TestRetryAfterIsHeardByAll(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		began := time.Now()
		var late time.Duration
		r.web.pages["https://a.example/"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n == 1 {
				return answer(http.StatusTooManyRequests, "", http.Header{"Retry-After": {"600"}}), nil
			}
			return answer(http.StatusOK, "<a href=b>x</a>", nil), nil
		}
		r.web.pages["https://a.example/b"] = func(int, *fetch.Request) (*fetch.Response, error) {
			late = time.Since(began)
			return answer(http.StatusOK, "", nil), nil
		}
		spider := r.config.Spider
		spider.Start = Start(testRoute, "https://a.example/", "https://a.example/b")
		r.config.Spider = spider
		r.config.Spider.Settings.Concurrency = 1
		r.crawl()
		if late < 600*time.Second {
			t.Errorf("the host was asked again after %v, but wanted 10 minutes", late)
		}
	})
}

func TestRedirects(t *testing.T) {
	type to map[string]string // where each URL redirects
	for name, c := range map[string]struct {
		web      to
		fetched  []string
		outcomes map[string]int64
	}{
		"within scope": {to{"https://a.example/x": "y"}, []string{"/", "/x", "/y"}, map[string]int64{"ok": 2, "redirect": 1}},
		"out of scope": {to{"https://a.example/x": "https://b.example/"}, []string{"/", "/x"}, map[string]int64{"ok": 1, "redirect_scope": 1}},
		"to itself":    {to{"https://a.example/x": "/x#again"}, []string{"/", "/x"}, map[string]int64{"ok": 1, "redirect_loop": 1}},
		"in a circle":  {to{"https://a.example/x": "/y", "https://a.example/y": "/x"}, []string{"/", "/x", "/y"}, map[string]int64{"ok": 1, "redirect": 2}},
		"to what was seen": {
			to{"https://a.example/x": "/"}, []string{"/", "/x"}, map[string]int64{"ok": 1, "redirect": 1},
		},
		"to no URL":      {to{"https://a.example/x": "http://[bad"}, []string{"/", "/x"}, map[string]int64{"ok": 1, "bad_redirect": 1}},
		"to a file":      {to{"https://a.example/x": "file:///etc/passwd"}, []string{"/", "/x"}, map[string]int64{"ok": 1, "bad_redirect": 1}},
		"without a word": {to{"https://a.example/x": ""}, []string{"/", "/x"}, map[string]int64{"ok": 1, "redirect_loop": 1}},
		"a start URL takes its scope along": {
			to{"https://a.example/": "https://www.a.example/"}, []string{"/", "//www.a.example/", "//www.a.example/x"}, map[string]int64{"ok": 2, "redirect": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				for _, page := range []string{"https://a.example/", "https://www.a.example/"} {
					r.web.html(page, "<a href=x>x</a>")
				}
				for _, page := range []string{"https://a.example/y", "https://a.example/x", "https://b.example/", "https://www.a.example/x"} {
					r.web.html(page, "")
				}
				for from, where := range c.web {
					r.web.answer(from, http.StatusFound, "", http.Header{"Location": {where}})
				}
				r.crawl()
				r.expectOutcomes(c.outcomes)
				var got []string
				for _, url := range r.web.order {
					url = strings.TrimPrefix(url, "https:")
					got = append(got, strings.TrimPrefix(url, "//a.example"))
				}
				if !slices.Equal(got, c.fetched) {
					t.Errorf("fetched %v, want %v", got, c.fetched)
				}
			})
		})
	}
}

func TestEndlessRedirectsEnd(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		for i := range 100 {
			r.web.answer(fmt.Sprintf("https://a.example/%s", strings.Repeat("x", i)), http.StatusMovedPermanently, "",
				http.Header{"Location": {"/" + strings.Repeat("x", i+1)}})
		}
		r.crawl()
		r.expectOutcomes(map[string]int64{"redirect": 10, "redirect_loop": 1})
	})
}

func TestRedirectKeepsSecretsAtHome(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		var got http.Header
		r.config.Spider.Scope = AnyHost
		r.web.pages["https://a.example/"] = func(_ int, q *fetch.Request) (*fetch.Response, error) {
			return answer(http.StatusTemporaryRedirect, "", http.Header{"Location": {"https://b.example/"}}), nil
		}
		r.web.pages["https://b.example/"] = func(_ int, q *fetch.Request) (*fetch.Response, error) {
			got = q.Header
			return answer(http.StatusOK, "", nil), nil
		}
		p, err := r.config.Spider.compile()
		if err != nil {
			t.Fatal(err)
		}
		req, u, err := p.seed("https://a.example/", testRoute.target())
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Basic x"}, "Cookie": {"a=b"}, "X-Api": {"1"}}
		if _, err := r.frontier.Push(t.Context(), p.task(req, u)); err != nil {
			t.Fatal(err)
		}
		r.crawl()
		if got.Get("X-Api") != "1" || got.Get("Authorization") != "" || got.Get("Cookie") != "" {
			t.Errorf("the other host was sent %v", got)
		}
	})
}

func TestRobotsTxtIsObeyed(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.IgnoreRobots = false
		r.web.answer("https://a.example/robots.txt", http.StatusOK, "User-agent: lycosa\nDisallow: /private\nCrawl-delay: 7\n", nil)
		r.web.html("https://a.example/", "<a href=/private/x>x</a><a href=/open>y</a>")
		r.web.html("https://a.example/open", "")
		began := time.Now()
		r.crawl()
		r.expectOutcomes(map[string]int64{"ok": 2, "robots": 1})
		if r.web.count("https://a.example/private/x") != 0 {
			t.Error("a forbidden page was fetched")
		}
		if n := r.web.count("https://a.example/robots.txt"); n != 1 {
			t.Errorf("robots.txt was fetched %d times", n)
		}
		if took := time.Since(began); took < 14*time.Second { // robots.txt, /, and one of the others
			t.Errorf("three requests took %v in spite of a Crawl-delay of 7 s", took)
		}
	})
}

func TestRobotsTxtIsSharedByTheFleet(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.IgnoreRobots = false
		r.web.html("https://a.example/", "")
		r.crawl()
		r.config.Spider.Start = Start(testRoute, "https://a.example/other")
		r.crawl() // by another worker, which knows nothing yet
		if n := r.web.count("https://a.example/robots.txt"); n != 1 {
			t.Errorf("robots.txt was fetched %d times", n)
		}
	})
}

func TestUnreachableRobotsTxtForbidsTheSiteForNow(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.IgnoreRobots = false
		r.web.pages["https://a.example/robots.txt"] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n == 1 {
				return answer(http.StatusBadGateway, "", nil), nil
			}
			return answer(http.StatusOK, "", nil), nil
		}
		r.web.html("https://a.example/", "")
		r.crawl()
		r.expectOutcomes(map[string]int64{"ok": 1, "robots": 1})
		if r.stats().Retries != 1 {
			t.Errorf("stats %+v", r.stats())
		}
	})
}

func TestDepthAndPagesAreLimited(t *testing.T) {
	chain := func(r *rig) {
		for i := range 50 {
			url := fmt.Sprintf("https://a.example/%d", i)
			if i == 0 {
				url = "https://a.example/"
			}
			r.web.html(url, fmt.Sprintf("<a href=/%d>x</a>", i+1))
		}
	}
	t.Run("depth", func(t *testing.T) {
		inBubble(t, follow, func(t *testing.T, r *rig) {
			chain(r)
			r.config.Spider.Settings.MaxDepth = 5
			w := r.crawl()
			r.expectOutcomes(map[string]int64{"ok": 6})
			if w.Refused()["depth"] != 1 {
				t.Errorf("refused %v", w.Refused())
			}
		})
	})
	t.Run("pages", func(t *testing.T) {
		inBubble(t, follow, func(t *testing.T, r *rig) {
			chain(r)
			r.config.Spider.Settings.MaxPages = 7
			w := r.crawl()
			r.expectOutcomes(map[string]int64{"ok": 7})
			if !w.Limited() || r.stats().Queued != 1 {
				t.Errorf("limited %v, stats %+v", w.Limited(), r.stats())
			}
		})
	})
}

func TestStopFinishesWhatRuns(t *testing.T) {
	slow := func(ctx context.Context, p *Page, with struct{}) error {
		if err := sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		return follow(ctx, p, with)
	}
	for name, c := range map[string]struct {
		grace    time.Duration
		items    int
		requeued int64
	}{"within the grace": {time.Minute, 1, 1}, "beyond the grace": {time.Second, 0, 1}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, slow, func(t *testing.T, r *rig) {
				r.web.html("https://a.example/", "<a href=b>x</a>")
				r.config.Grace = c.grace
				if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
				defer stop()
				if err := r.worker().Run(ctx); err != nil {
					t.Fatal(err)
				}
				if s := r.stats(); len(r.shelf.items) != c.items || s.Queued != c.requeued || s.Leased != 0 || s.Retries+s.Expired != 0 {
					t.Errorf("%d items, %+v", len(r.shelf.items), s)
				}
			})
		})
	}
}

func TestUnknownRouteIsParkedForANewerBuild(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.web.html("https://a.example/", "")
		newer := NewRoute[struct{}]("newer")
		old := r.config.Spider
		updated := old
		updated.Routes = append(updated.Routes[:1:1], newer.To(follow))
		updated.Start = Start(newer, "https://a.example/")
		if _, err := Seed(t.Context(), updated, r.frontier); err != nil {
			t.Fatal(err)
		}
		if err := r.worker().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.stats(); s.Parked != 1 || s.Dead != 0 {
			t.Errorf("after the older build: %+v", s)
		}
		r.config.Spider = updated
		if err := r.worker().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.stats(); s.Parked != 0 || s.Outcomes["ok"] != 1 {
			t.Errorf("after the newer build: %+v", s)
		}
	})
}

func TestForeignPayloadBecomesADeadLetter(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		for i, payload := range []string{"nonsense", `{"v":1,"u":"ftp://a.example/","r":"page"}`, `{"v":1,"u":"https://a.example/","r":"page","w":[]}`} {
			task := scheduler.Task{ID: dedup.FromShort(uint64(i)), Host: "a.example", Payload: []byte(payload)}
			if _, err := r.frontier.Push(t.Context(), task); err != nil {
				t.Fatal(err)
			}
		}
		r.web.html("https://a.example/", "")
		if err := r.worker().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, d := range r.dead() {
			if d.Attempt != 1 {
				t.Errorf("a payload that cannot be read was tried %d times", d.Attempt)
			}
		}
		if n := len(r.dead()); n != 3 {
			t.Errorf("%d dead letters, want 3", n)
		}
	})
}

func TestItemStoreThatFailsEndsTheWorkerAndLosesNothing(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.web.html("https://a.example/", "<a href=b>x</a>")
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
			t.Fatal(err)
		}
		r.shelf.fail = errors.New("disk full")
		if err := r.worker().Run(t.Context()); !errors.Is(err, ErrItemStore) || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("got %v", err)
		}
		if s := r.stats(); s.Queued != 1 || s.Retries != 0 || s.Seen != 1 {
			t.Errorf("the page is not given back, or its links were pushed: %+v", s)
		}
	})
}

// outage is a frontier that cannot be reached for a while.
type outage struct {
	scheduler.Frontier
	until atomic.Int64 // ns since 1970
}

func (o *outage) err() error {
	if time.Now().UnixNano() < o.until.Load() {
		return fmt.Errorf("%w: no route to it", scheduler.ErrUnavailable)
	}
	return nil
}

func (o *outage) Push(ctx context.Context, tasks ...scheduler.Task) (int, error) {
	if err := o.err(); err != nil {
		return 0, err
	}
	return o.Frontier.Push(ctx, tasks...)
}

func (o *outage) Claim(ctx context.Context, most int) ([]*scheduler.Lease, error) {
	if err := o.err(); err != nil {
		return nil, err
	}
	leases, err := o.Frontier.Claim(ctx, most)
	if away := o.err(); away != nil {
		return nil, away // the answer is lost
	}
	return leases, err
}

func (o *outage) Extend(ctx context.Context, leases ...*scheduler.Lease) error {
	if err := o.err(); err != nil {
		return err
	}
	return o.Frontier.Extend(ctx, leases...)
}

func TestWorkerHoldsWhatItFetchedWhileTheFrontierIsAway(t *testing.T) {
	for name, away := range map[string]time.Duration{"shorter than the lease": 30 * time.Second, "longer": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				o := &outage{Frontier: r.frontier}
				r.config.Frontier = o
				r.config.Spider.Routes = Routes(testRoute.To(func(ctx context.Context, p *Page, with struct{}) error {
					if p.Request.Depth == 0 && o.until.Load() == 0 {
						o.until.Store(time.Now().Add(away).UnixNano())
					}
					return follow(ctx, p, with)
				}))
				r.web.html("https://a.example/", "<a href=b>x</a>")
				r.web.html("https://a.example/b", "")
				r.crawl()
				if len(r.shelf.items) != 2 || r.stats().Dead != 0 {
					t.Errorf("items %v, %+v", r.shelf.keys(), r.stats())
				}
				if want := map[bool]int{true: 1, false: 2}[away < time.Minute]; r.web.count("https://a.example/") != want {
					t.Errorf("the page was fetched %d times, want %d", r.web.count("https://a.example/"), want)
				}
			})
		})
	}
}

// finishes is an outage that begins with the first finish.
type finishes struct {
	outage
	away    time.Duration
	lost    bool // the first finish takes effect, and its answer is lost
	begun   atomic.Bool
	refused atomic.Int64 // leases that were lost when they were to be finished
}

func (o *finishes) Finish(ctx context.Context, results ...scheduler.Result) error {
	if o.begun.CompareAndSwap(false, true) {
		o.until.Store(time.Now().Add(o.away).UnixNano())
		if o.lost {
			if err := o.Frontier.Finish(ctx, results...); err != nil {
				return err
			}
		}
	}
	if err := o.err(); err != nil {
		return err
	}
	err := o.Frontier.Finish(ctx, results...)
	if lost, ok := errors.AsType[*scheduler.LostError](err); ok {
		o.refused.Add(int64(len(lost.Leases)))
	}
	return err
}

func TestFinishIsHeldWhileTheFrontierIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		away    time.Duration
		lost    bool
		fetches int // of the page
		refused int64
	}{
		"shorter than the lease":             {30 * time.Second, false, 1, 0},
		"the first answer is lost":           {5 * time.Second, true, 1, 1},
		"longer: another worker may have it": {10 * time.Minute, false, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				o := &finishes{outage: outage{Frontier: r.frontier}, away: c.away, lost: c.lost}
				r.config.Frontier = o
				r.web.html("https://a.example/", "")
				r.crawl()
				if s := r.stats(); s.Done != 1 || s.Active() != 0 || s.Dead != 0 || o.refused.Load() != c.refused {
					t.Errorf("%+v, %d refused", s, o.refused.Load())
				}
				if n := r.web.count("https://a.example/"); n != c.fetches {
					t.Errorf("fetched %d times, want %d", n, c.fetches)
				}
			})
		})
	}
}

func TestLeaseIsKeptWhileAPageTakesLong(t *testing.T) {
	slow := func(ctx context.Context, p *Page, with struct{}) error {
		if err := sleep(ctx, time.Hour); err != nil {
			return err
		}
		return follow(ctx, p, with)
	}
	inBubble(t, slow, func(t *testing.T, r *rig) {
		r.web.html("https://a.example/", "")
		r.crawl()
		if s := r.stats(); s.Expired != 0 || s.Outcomes["ok"] != 1 || r.web.count("https://a.example/") != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// list is a frontier with a list of seeds from outside.
type list struct {
	scheduler.Frontier
	mu       sync.Mutex // guards the fields below
	waiting  []scheduler.Seed
	rejected map[string]string
}

func (l *list) Seeds(_ context.Context, most int) ([]scheduler.Seed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.waiting[:min(most, len(l.waiting))]), nil
}

func (l *list) remove(seed scheduler.Seed) {
	l.waiting = slices.DeleteFunc(l.waiting, func(s scheduler.Seed) bool { return string(s) == string(seed) })
}

func (l *list) Taken(_ context.Context, seeds ...scheduler.Seed) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range seeds {
		l.remove(s)
	}
	return nil
}

func (l *list) Rejected(_ context.Context, seed scheduler.Seed, why string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(seed)
	l.rejected[string(seed)] = why
	return nil
}

func (l *list) SeedsLeft(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.waiting)), nil
}

func TestSeedsFromOutsideAreTakenInOrKeptAside(t *testing.T) {
	type with struct {
		Category string `json:"category"`
	}
	inBubble(t, nil, func(t *testing.T, r *rig) {
		detail := NewRoute[with]("detail")
		var got []string
		r.config.Spider.Settings.Concurrency = 1
		r.config.Spider.Start = Start(detail)
		r.config.Spider.Routes = Routes(detail.To(func(_ context.Context, p *Page, w with) error {
			got = append(got, strings.Join([]string{p.Request.Method, p.URL, w.Category}, " "))
			return nil
		}))
		l := &list{Frontier: r.frontier, rejected: map[string]string{}, waiting: []scheduler.Seed{
			scheduler.Seed(" https://a.example/plain\n"),
			scheduler.Seed(`{"url":"https://b.example/json","meta":{"category":"c"},"priority":3}`),
			scheduler.Seed(`{"url":"https://c.example/post","method":"POST"}`),
			scheduler.Seed(`{"url":5}`), scheduler.Seed(`nonsense`), scheduler.Seed(`{"meta":{}}`),
			scheduler.Seed(`{"url":"https://a.example/x","meta":{"category":7}}`), scheduler.Seed(`{"url":"https://a.example/x","route":"no"}`),
		}}
		r.config.Frontier = l
		for _, url := range []string{"https://a.example/plain", "https://b.example/json", "https://c.example/post"} {
			r.web.html(url, "")
		}
		if err := r.worker().Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if want := []string{" https://a.example/plain ", " https://b.example/json c", "POST https://c.example/post "}; !slices.Equal(got, want) {
			t.Errorf("fetched %q, want %q", got, want)
		}
		if len(l.waiting) != 0 || len(l.rejected) != 5 {
			t.Errorf("left %q, rejected %v", l.waiting, l.rejected)
		}
	})
}

func TestWhatRidesAlongArrives(t *testing.T) {
	type from struct {
		Category string    `json:"category"`
		When     time.Time `json:"when"`
	}
	inBubble(t, nil, func(t *testing.T, r *rig) {
		detail := NewRoute[from]("detail")
		want := from{"poetry", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
		var got from
		r.config.Spider.Routes = Routes(
			testRoute.To(func(_ context.Context, p *Page, _ struct{}) error { p.FollowURL(detail.With(want), "b"); return nil }),
			detail.To(func(_ context.Context, _ *Page, f from) error { got = f; return nil }))
		r.web.html("https://a.example/", "")
		r.web.html("https://a.example/b", "")
		r.crawl()
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestMalformedSeedQueuesNothing(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		_, err := Seed(t.Context(), r.config.Spider, r.frontier, "https://a.example/", "gopher://b.example/")
		var refused *dedup.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "gopher://b.example/") {
			t.Errorf("got %v", err)
		}
		if s := r.stats(); s.Seen != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWorkerShowsItselfToTheFleet(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		var shown []scheduler.WorkerInfo
		r.config.Build = "v1"
		r.config.Spider.Routes = Routes(testRoute.To(func(ctx context.Context, _ *Page, _ struct{}) (err error) {
			if err := sleep(ctx, time.Second); err != nil { // until the first heartbeat
				return err
			}
			shown, err = r.frontier.(scheduler.Registry).Workers(ctx)
			return err
		}))
		r.web.html("https://a.example/", "")
		r.crawl()
		if len(shown) != 1 || shown[0].Build != "v1" || !slices.Equal(shown[0].Routes, []string{"page"}) || shown[0].Slots != 16 {
			js, _ := json.Marshal(shown)
			t.Errorf("the fleet sees %s", js)
		}
		if left, err := r.frontier.(scheduler.Registry).Workers(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("a worker that ended is still listed: %v, %v", left, err)
		}
	})
}
