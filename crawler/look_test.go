package crawler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// diary is a pipeline that keeps what it is told of visits.
type diary struct {
	shelf

	mu     sync.Mutex // guards visits
	visits []pipelines.Visit
}

func (d *diary) Track(ctx context.Context, visits []pipelines.Visit) error {
	d.mu.Lock()
	d.visits = append(d.visits, visits...)
	d.mu.Unlock()
	for _, v := range visits {
		if err := d.Process(ctx, v.Items); err != nil {
			return err
		}
	}
	return nil
}

// news returns what was told of a page, in order, each with + if it was parsed.
func (d *diary) news(url string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, v := range d.visits {
		if v.Source.URL == url {
			word := string(v.News)
			if v.Parsed {
				word += "+"
			}
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}

const (
	home = "https://a.example/"
	day  = 24 * time.Hour
)

// content is a page whose main part says so and so.
func content(text string) string {
	return "<title>t</title><main><p>" + text + "</p></main>"
}

// comesAgain runs a test of a crawl with one page that comes again each hour, unless the policy says otherwise.
func comesAgain(t *testing.T, policy revisit.Policy, test func(t *testing.T, r *rig, d *diary, last *[]*Request)) {
	t.Helper()
	var handled []*Request
	var mu sync.Mutex
	handler := func(ctx context.Context, p *Page, w struct{}) error {
		mu.Lock()
		handled = append(handled, p.Request)
		mu.Unlock()
		return follow(ctx, p, w)
	}
	inBubble(t, handler, func(t *testing.T, r *rig) {
		d := &diary{}
		r.config.Pipeline = d
		r.config.UntilDone = false
		r.calm()
		r.config.Spider.Revisit = &Revisit{Policy: policy}
		test(t, r, d, &handled)
	})
}

// calm has the worker do little but visit: months of synthetic time are many heartbeats. The lease is an hour, and the fleet is not
// told of the worker.
func (r *rig) calm() {
	r.t.Helper()
	f, err := memfrontier.New(memfrontier.Config{Pace: scheduler.Pace{Concurrency: 4}, Lease: time.Hour})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = f.Close() })
	r.frontier, r.config.Spider.Settings.Lease = f, time.Hour
	r.config.Frontier = struct {
		scheduler.Frontier
		scheduler.Memo
		scheduler.Ledger
		scheduler.Rescheduler
		scheduler.Duplicates
		scheduler.Linker
	}{f, f, f, f, f, f}
}

// live works for so long.
func (r *rig) live(for_ time.Duration) {
	r.t.Helper()
	if _, err := Seed(r.t.Context(), r.config.Spider, r.frontier); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), for_)
	defer cancel()
	if err := r.worker().Run(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// memory returns what the crawl knows of a page that waits for its revisit.
func (r *rig) memory(url string) (m memory, due time.Time) {
	r.t.Helper()
	found := false
	err := r.frontier.(scheduler.Rescheduler).Scheduled(r.t.Context(), func(task scheduler.Task) bool {
		req, err := DecodePayload(task.Payload)
		if err != nil {
			r.t.Fatal(err)
		}
		if req.URL == url && req.memory != nil {
			m, due, found = *req.memory, task.Due, true
		}
		return true
	})
	if err != nil || !found {
		r.t.Fatalf("%s does not wait for a revisit (%v)", url, err)
	}
	return m, due
}

func hourly() revisit.Policy { return revisit.Policy{Every: time.Hour} }

func (r *rig) outcomes() string {
	o := r.stats().Outcomes
	var all []string
	for _, name := range []string{
		"ok", "not_modified", "unchanged", "changed", "template", "missing", "gone", "back", "forgotten", "moved", "refused", "unavailable",
		"truncated", "robots", "soft_missing", "blocked", "distrusted",
	} {
		if n := o[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(all, ", ")
}

func TestPageThatWasNotModifiedIsNotParsedAgain(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, handled *[]*Request) {
		const etag, date = `W/"v1-gzip"`, "Mon, 01 Dec 1999 00:00:00 GMT"
		var asked []string
		r.web.pages[home] = func(n int, req *fetch.Request) (*fetch.Response, error) {
			asked = append(asked, req.Header.Get("If-None-Match")+" "+req.Header.Get("If-Modified-Since"))
			if req.Header.Get("If-None-Match") != "" {
				return answer(http.StatusNotModified, "", nil), nil
			}
			return answer(http.StatusOK, content("one"), http.Header{"Etag": {etag}, "Last-Modified": {date}}), nil
		}
		r.live(3*time.Hour + 30*time.Minute)
		if len(*handled) != 1 {
			t.Errorf("handled %d times, want once", len(*handled))
		}
		if want := `W/"v1-gzip", "v1" ` + date; len(asked) != 4 || asked[0] != " " || asked[1] != want || asked[3] != want {
			t.Errorf("asked with %q, want %q", asked, want)
		}
		if got := d.news(home); got != "new+ unchanged unchanged unchanged" {
			t.Errorf("told %q", got)
		}
		if got := r.outcomes(); got != "ok 1, not_modified 3" {
			t.Error(got)
		}
		m, due := r.memory(home)
		if m.etag != etag || m.modified != date || m.record.Validators() != revisit.ValidatorsWork || m.record.Signature == 0 {
			t.Errorf("known is %+v", m)
		}
		if wait := time.Until(due); wait <= 0 || wait > time.Hour {
			t.Errorf("due in %v", wait)
		}
	})
}

func TestChangeOfAPageIsTold(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			return answer(http.StatusOK, content(fmt.Sprint("version ", n/2)), nil), nil
		}
		r.live(4*time.Hour + 30*time.Minute)
		if got := d.news(home); got != "new+ changed+ unchanged+ changed+ unchanged+" {
			t.Errorf("told %q", got)
		}
		if got := r.outcomes(); got != "ok 1, unchanged 2, changed 2" {
			t.Error(got)
		}
	})
}

func TestCrawlThatComesAgainIsDoneWhenNothingIsDue(t *testing.T) {
	comesAgain(t, revisit.Policy{Every: day}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.UntilDone = true
		r.web.html(home, content("one")+`<a href=/b>b</a>`)
		r.web.html("https://a.example/b", content("two"))
		r.crawl()
		if s := r.stats(); s.Scheduled != 2 || s.Active() != 0 {
			t.Errorf("after the first run: %+v", s)
		}
		r.crawl() // at once: nothing is due
		if n := r.web.count(home); n != 1 {
			t.Errorf("fetched %d times, want once", n)
		}
		if err := sleep(t.Context(), day+time.Minute); err != nil {
			t.Fatal(err)
		}
		r.crawl()
		if n := r.web.count(home) + r.web.count("https://a.example/b"); n != 4 {
			t.Errorf("fetched %d pages in all, want each twice", n)
		}
	})
}

func TestPageThatIsNotThereTwiceIsGoneAndComesBack(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n == 2 || n == 3 {
				return answer(http.StatusNotFound, "", nil), nil
			}
			return answer(http.StatusOK, content("one"), nil), nil
		}
		r.live(40 * day)
		if got := d.news(home); !strings.HasPrefix(got, "new+ gone back+ unchanged+") {
			t.Errorf("told %.80q", got)
		}
		if o := r.stats().Outcomes; o["missing"] != 1 || o["gone"] != 1 || o["back"] != 1 {
			t.Error(r.outcomes())
		}
	})
}

func TestPageThatIsGoneForGoodIsForgotten(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n >= 2 {
				return answer(http.StatusGone, "", nil), nil
			}
			return answer(http.StatusOK, content("one"), nil), nil
		}
		r.live(100 * day)
		if got := d.news(home); got != "new+ gone" {
			t.Errorf("told %q", got)
		}
		if s := r.stats(); s.Scheduled != 0 || s.Gone != 1 || r.outcomes() != "ok 1, gone 1, forgotten 1" {
			t.Errorf("%+v", s)
		}
		if n := r.web.count(home); n != 3 {
			t.Errorf("fetched %d times, want 3", n)
		}
		if s, err := r.frontier.(scheduler.Ledger).Sums(t.Context(), ""); err != nil || s[sumPages] != 0 || s[sumPlanned] > 1e-9 {
			t.Errorf("sums %v (%v)", s, err)
		}
	})
}

func TestServerThatLiesWithItsValidatorsIsFoundOut(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		version := func(n int) string { return content(fmt.Sprint("version ", n/10)) }
		r.web.pages[home] = func(n int, req *fetch.Request) (*fetch.Response, error) {
			if req.Header.Get("If-None-Match") != "" {
				return answer(http.StatusNotModified, "", nil), nil
			}
			return answer(http.StatusOK, version(n), http.Header{"Etag": {`"forever"`}}), nil
		}
		r.live(300*time.Hour + 30*time.Minute)
		got := d.news(home)
		if n := strings.Count(got, "changed+"); n < 4 {
			t.Errorf("%d changes were seen after the audit: %s", n, got)
		}
		if m, _ := r.memory(home); m.record.Validators() != revisit.ValidatorsLie {
			t.Errorf("validators are taken for %v", m.record.Validators())
		}
	})
}

func TestPageThatMovesIsLookedAtSeldom(t *testing.T) {
	comesAgain(t, revisit.Policy{Max: 2 * day}, func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n >= 2 {
				return answer(http.StatusMovedPermanently, "", http.Header{"Location": {"/new"}}), nil
			}
			return answer(http.StatusOK, content("one"), nil), nil
		}
		r.web.html("https://a.example/new", content("one"))
		r.live(20 * day)
		if n := r.web.count(home); n < 3 || n > 4 {
			t.Errorf("asked %d times for a page that has moved", n)
		}
		if n := r.web.count("https://a.example/new"); n < 5 {
			t.Errorf("the target was fetched %d times", n)
		}
		if got := d.news(home); !strings.HasPrefix(got, "new+ changed") {
			t.Errorf("told %q", got)
		}
	})
}

func TestFailureIsNoNewsAndNothingIsUnlearnt(t *testing.T) {
	comesAgain(t, revisit.Policy{Max: 12 * time.Hour}, func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		var before revisit.Belief
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			switch n {
			case 6:
				return answer(http.StatusInternalServerError, "", nil), nil
			case 7:
				return answer(http.StatusServiceUnavailable, "", http.Header{"Retry-After": {"7200"}}), nil
			case 8:
				return nil, errors.New("reset")
			}
			return answer(http.StatusOK, content("one"), nil), nil
		}
		for r.web.count(home) < 5 {
			r.live(time.Hour)
		}
		m, _ := r.memory(home)
		before = m.record.Belief()
		for r.web.count(home) < 8 {
			r.live(10 * time.Minute)
		}
		m, _ = r.memory(home)
		if m.record.Belief() != before || m.record.State() != revisit.Live || m.record.Streak() != 3 {
			t.Errorf("after three failures: %+v, streak %d, was %+v", m.record, m.record.Streak(), before)
		}
		r.live(5 * day)
		if m, _ = r.memory(home); m.record.Streak() != 0 || r.stats().Outcomes["unavailable"] != 3 || r.stats().Dead != 0 {
			t.Errorf("%s, dead %d", r.outcomes(), r.stats().Dead)
		}
		if got := d.news(home); strings.Contains(got, "gone") || strings.Contains(got, "changed+ ") && !strings.Contains(got, "unchanged+") {
			t.Errorf("told %q", got)
		}
	})
}

func TestHandlerThatFailsLosesNoPage(t *testing.T) {
	looks := 0
	inBubble(t, func(_ context.Context, p *Page, _ struct{}) error {
		if looks++; looks > 1 {
			return errors.New("no such element")
		}
		return nil
	}, func(t *testing.T, r *rig) {
		r.config.UntilDone = false
		r.config.Spider.Revisit = &Revisit{Policy: revisit.Policy{Every: day}}
		r.web.html(home, content("one"))
		r.live(3 * day)
		if s := r.stats(); s.Dead != 0 || s.Scheduled != 1 || s.Outcomes["truncated"] == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSoftMissingPageIsNoChange(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		const sorry = "We are sorry: there is no such article in this shop any more, look for others"
		r.web.pages[home] = func(int, *fetch.Request) (*fetch.Response, error) {
			return answer(http.StatusOK, content("all")+`<a href=/shop/1>1</a>`, nil), nil
		}
		r.web.pages["https://a.example/shop/1"] = func(n int, req *fetch.Request) (*fetch.Response, error) {
			etag, text := `"article"`, "an article"
			if n >= 3 {
				etag, text = `"sorry"`, sorry
			}
			if req.Header.Get("If-None-Match") == etag { // the apology has a tag of its own, which is none of the article
				return answer(http.StatusNotModified, "", nil), nil
			}
			return answer(http.StatusOK, content(text), http.Header{"Etag": {etag}}), nil
		}
		fallback := r.web
		r.config.Fetcher = fetcherFunc(func(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
			if fallback.pages[req.URL] == nil {
				fallback.answer(req.URL, http.StatusOK, content(sorry), nil)
			}
			return fallback.Fetch(ctx, req)
		})
		r.live(40 * time.Hour)
		if got := d.news("https://a.example/shop/1"); got != "new+ unchanged gone" {
			t.Errorf("told %q", got)
		}
		if n := r.stats().Outcomes["soft_missing"]; n != 1 {
			t.Error(r.outcomes())
		}
	})
}

type fetcherFunc func(context.Context, *fetch.Request) (*fetch.Response, error)

func (f fetcherFunc) Fetch(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	return f(ctx, r)
}

func TestPageThatIsNeverTheSameIsComparedByItsLetters(t *testing.T) {
	comesAgain(t, revisit.Policy{Every: 10 * time.Minute}, func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			return answer(http.StatusOK, content(fmt.Sprint("visitor number ", n)), nil), nil
		}
		r.live(4 * time.Hour)
		m, _ := r.memory(home)
		got := strings.Fields(d.news(home))
		if !m.noisy || got[len(got)-1] != "unchanged+" || r.stats().Outcomes["changed"] > 12 {
			t.Errorf("noisy %v: %s", m.noisy, r.outcomes())
		}
	})
}

func TestRulesSayWhichPagesComeAgain(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.Spider.Revisit.Rules = []RevisitRule{
			{Match: "*/archive/*", Never: true}, {Match: "*/slow", Every: 5 * time.Hour, Weight: "high"},
		}
		r.web.html(home, content("one")+`<a href=/archive/1>1</a><a href=/slow>2</a>`)
		r.web.html("https://a.example/archive/1", content("old"))
		r.web.html("https://a.example/slow", content("slow"))
		r.live(10*time.Hour + 30*time.Minute)
		for path, want := range map[string]int{"": 11, "archive/1": 1, "slow": 3} {
			if n := r.web.count(home + path); n != want {
				t.Errorf("/%s was fetched %d times, want %d", path, n, want)
			}
		}
		if m, _ := r.memory(home + "slow"); m.record.Weight != revisit.WeightHigh {
			t.Errorf("weight %v", m.record.Weight)
		}
	})
}

// TestBudgetIsKeptAndBuysTheChanges lets a crawl live for 60 days among pages of which a tenth change each day.
func TestBudgetIsKeptAndBuysTheChanges(t *testing.T) {
	const pages, perDay = 200, 100
	comesAgain(t, revisit.Policy{Budget: perDay}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		began := time.Now()
		var index strings.Builder
		for i := range pages {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.pages[fmt.Sprint(home, i)] = func(int, *fetch.Request) (*fetch.Response, error) {
				version := 0
				if i%10 == 0 {
					version = int(time.Since(began) / day)
				}
				return answer(http.StatusOK, content(fmt.Sprintf("page %d version %d", i, version)), nil), nil
			}
		}
		r.web.html(home, index.String())
		r.live(40 * day)
		before := len(r.web.order)
		hits := func() (n int) {
			for i := range pages / 10 {
				n += r.web.count(fmt.Sprint(home, 10*i))
			}
			return n
		}
		had := hits()
		r.live(20 * day)
		spent := float64(len(r.web.order)-before) / 20
		often := hits() - had
		seldom := len(r.web.order) - before - often
		if spent < 0.8*perDay || spent > 1.25*perDay {
			t.Errorf("%.0f fetches a day of %d", spent, perDay)
		}
		if a, b := float64(often)/(pages/10), float64(seldom)/(pages*9/10); a < 2*b {
			t.Errorf("pages that change were fetched %.1f times, the others %.1f times", a, b)
		}
	})
}

// The budget of the first day is there at once, what new pages there are after that have their share of each day's.
func TestNewPagesWaitForTheirShareOfTheBudget(t *testing.T) {
	const perDay, pages = 24, 100
	comesAgain(t, revisit.Policy{Budget: perDay}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		var index strings.Builder
		for i := range pages {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.html(fmt.Sprint(home, i), content(fmt.Sprint("page ", i)))
		}
		r.web.html(home, index.String())
		first := func() (n int) {
			for i := range pages {
				n += min(r.web.count(fmt.Sprint(home, i)), 1)
			}
			return n
		}
		r.live(time.Minute)
		if n := first(); n < perDay-2 || n > perDay {
			t.Errorf("%d pages within a minute, want a day's budget of %d", n, perDay)
		}
		if s := r.stats(); s.Active() != 0 || s.Outcomes["deferred"] != pages-int64(first()) {
			t.Errorf("%+v", s)
		}
		o, err := LookOut(t.Context(), r.frontier)
		if err != nil || o.Deferred != pages-int64(first()) {
			t.Errorf("outlook %+v %v", o, err)
		}
		before := len(r.web.order)
		for range 4 {
			found := first()
			r.live(day)
			if n := float64(first() - found); n < 0.8*0.3*perDay || n > 1.1*perDay {
				t.Errorf("%v new pages on a day", n)
			}
		}
		if perDay, most := float64(len(r.web.order)-before)/4, 1.3*perDay; perDay > most {
			t.Errorf("%v fetches a day, want %v at most", perDay, most)
		}
		r.live(12 * day)
		if n := first(); n != pages {
			t.Errorf("%d of %d pages are found in the end", n, pages)
		}
		if s, err := r.frontier.(scheduler.Ledger).Sums(t.Context(), ""); err != nil || s[sumDeferred] != 0 {
			t.Errorf("sums %v (%v)", s, err)
		}
	})
}

func TestPageThatFailsUsesUpItsAttemptsAlsoWithoutBudget(t *testing.T) {
	comesAgain(t, revisit.Policy{Budget: 2}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.Spider.Settings.Concurrency = 1
		r.web.html(home, "<a href=/broken>x</a><a href=/a>x</a><a href=/b>x</a>")
		r.web.pages[home+"broken"] = func(int, *fetch.Request) (*fetch.Response, error) {
			return answer(http.StatusInternalServerError, "", nil), nil
		}
		r.web.html(home+"a", content("a"))
		r.web.html(home+"b", content("b"))
		r.live(20 * day)
		if s := r.stats(); s.Dead != 1 || r.web.count(home+"broken") != 4 || r.web.count(home+"b") == 0 {
			t.Errorf("%d fetches of the page that fails, want 4: %+v", r.web.count(home+"broken"), s)
		}
	})
}

// Pages that were fetched without a budget, or as start URLs, do not keep new ones waiting for weeks.
func TestBudgetOwesADayAtMost(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for perDay, want := range map[float64]float64{10: -10, 0: 0} {
		b := &budget{policy: revisit.Policy{Budget: revisit.Budget(perDay)}, price: price{Stepped: now, Counted: 1}}
		b.total[sumOnce] = 501
		if got := b.credit(now); got != want {
			t.Errorf("with %v a day, credit %v, want %v", perDay, got, want)
		}
	}
	b := &budget{policy: revisit.Policy{Budget: 10}, price: price{Stepped: now, Counted: 1, Credit: -10}}
	b.total[sumOnce] = 1
	if turn := b.admit(now, false); turn.Before(now.Add(day)) || turn.After(now.Add(2*day)) {
		t.Errorf("the next new page comes %v later", turn.Sub(now))
	}
	if turn := b.admit(now.Add(2*day), false); !turn.IsZero() {
		t.Errorf("two days later there is nothing left until %v", turn)
	}
}

func TestWorkersShareWhatTheBudgetHasForNewPages(t *testing.T) {
	const perDay, pages, workers = 200, 2000, 4
	comesAgain(t, revisit.Policy{Budget: perDay}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		var index strings.Builder
		for i := range pages {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.html(fmt.Sprint(home, i), content(fmt.Sprint("page ", i)))
		}
		r.web.html(home, index.String())
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
			t.Fatal(err)
		}
		live := func(for_ time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), for_)
			defer cancel()
			var all sync.WaitGroup
			for range workers {
				w := r.worker()
				all.Go(func() {
					if err := w.Run(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		live(time.Hour)
		if n := len(r.web.order); n < perDay || n > (workers+1)*perDay {
			t.Errorf("%d fetches within an hour", n) // the workers hear of each other every half minute
		}
		before := len(r.web.order)
		live(10 * day)
		if n := float64(len(r.web.order)-before) / 10; n < 0.7*perDay || n > 1.35*perDay {
			t.Errorf("%v fetches a day, want about %d", n, perDay)
		}
	})
}

func TestOutlookTellsHowACrawlStands(t *testing.T) {
	comesAgain(t, revisit.Policy{Budget: 48}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		if o, err := LookOut(t.Context(), r.frontier); o != nil || err != nil {
			t.Fatalf("before the first visit: %+v, %v", o, err)
		}
		var index strings.Builder
		for i := range 20 {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.html(fmt.Sprint(home, i), content(fmt.Sprint("page ", i)))
		}
		r.web.html(home, index.String())
		r.config.Spider.Settings.Delay = time.Second
		r.live(6 * day)
		o, err := LookOut(t.Context(), r.frontier)
		if err != nil {
			t.Fatal(err)
		}
		if o.Pages != 21 || o.Budget != 48 || o.Planned < 24 || o.Planned > 96 || o.Theta <= 0 || o.Overdue > o.Due || o.Unreachable != "" {
			t.Errorf("%+v", o)
		}
		if o.Fresh < 0.5 || o.Fresh > 1 || o.Reach < 0.5 || o.Twice < o.Reach || o.Twice > 1 {
			t.Errorf("fresh %v, reach %v, twice %v", o.Fresh, o.Reach, o.Twice)
		}
		if o.Next.Before(time.Now()) || o.Next.After(time.Now().Add(2*day)) {
			t.Errorf("the next visit is at %v", o.Next)
		}
		if err := sleep(t.Context(), 30*day); err != nil {
			t.Fatal(err)
		}
		if o, err = LookOut(t.Context(), r.frontier); err != nil || o.Due != 21 {
			t.Errorf("after 30 days without a worker: %+v, %v", o, err)
		}
	})
}

func TestHintBringsAVisitForwardOnlyIfItIsNews(t *testing.T) {
	const page = home + "1"
	for name, c := range map[string]struct {
		modified func(now time.Time) time.Time
		sooner   bool
	}{
		"modified since":        {func(now time.Time) time.Time { return now.Add(-time.Minute) }, true},
		"no date":               {func(time.Time) time.Time { return time.Time{} }, true},
		"modified long ago":     {func(now time.Time) time.Time { return now.Add(-20 * day) }, false},
		"a date of the future":  {func(now time.Time) time.Time { return now.Add(2 * day) }, false},
		"a clock a bit too far": {func(now time.Time) time.Time { return now.Add(time.Minute) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(_ context.Context, p *Page, _ struct{}) error {
				p.Follow(testRoute)
				if p.URL == home && time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) > 20*time.Hour {
					p.Hint("/1", c.modified(time.Now()))
				}
				return nil
			}, func(t *testing.T, r *rig) {
				r.config.UntilDone = false
				r.config.Spider.Revisit = &Revisit{Policy: revisit.Policy{Budget: 0.1}, Rules: []RevisitRule{{Match: home, Every: 25 * time.Hour}}}
				r.config.Spider.Start = Start(testRoute, home, page)
				r.web.html(home, "<a href=/1>1</a>")
				r.web.html(page, content("one"))
				r.live(day + 90*time.Minute)
				m, due := r.memory(page)
				interval := m.record.Plan.Interval()
				if sooner := due.Sub(m.record.SeenAt()) < interval*8/10; sooner != c.sooner || m.record.Hinted() != c.sooner {
					t.Errorf("due %v after %v, planned %v, hinted %v", due, m.record.SeenAt(), interval, m.record.Hinted())
				}
			})
		})
	}
}

func TestDatesOfABuildAreNoHints(t *testing.T) {
	comesAgain(t, revisit.Policy{Budget: 1}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		var index strings.Builder
		for i := range 12 {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.html(fmt.Sprint(home, i), content(fmt.Sprint("page ", i)))
			r.config.Spider.Start = append(r.config.Spider.Start, Start(testRoute, fmt.Sprint(home, i))...)
		}
		r.web.html(home, index.String())
		r.config.Spider.Revisit.Rules = []RevisitRule{{Match: home, Every: 12 * time.Hour}}
		r.config.Spider.Routes = Routes(testRoute.To(func(_ context.Context, p *Page, _ struct{}) error {
			p.Follow(testRoute)
			if p.URL == home {
				for i := range 12 {
					p.Hint(fmt.Sprint("/", i), time.Now().Add(-time.Duration(i)*time.Second))
				}
			}
			return nil
		}))
		r.live(13 * time.Hour)
		for i := range 12 {
			if m, _ := r.memory(fmt.Sprint(home, i)); m.record.Hinted() {
				t.Fatalf("page %d took the day of the build for a hint", i)
			}
		}
	})
}

func TestNewPagesOfAChangedPageComeFirst(t *testing.T) {
	comesAgain(t, revisit.Policy{Every: 10 * time.Hour}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.Spider.Settings.Concurrency = 1
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			if n == 1 {
				return answer(http.StatusOK, content("one")+`<a href=/old>x</a>`, nil), nil
			}
			return answer(http.StatusOK, content("two")+`<a href=/old>x</a><a href=/new>x</a>`, nil), nil
		}
		r.web.html(home+"old", content("old"))
		r.web.html(home+"new", content("new")+`<a href=/newer>x</a>`)
		r.web.html(home+"newer", content("newer"))
		r.live(10*time.Hour - time.Minute)
		if _, err := SeedAgain(t.Context(), r.config.Spider, r.frontier, home+"old", home); err != nil {
			t.Fatal(err)
		}
		var waiting []string
		for i := range 5 {
			u := fmt.Sprint(home, "seed", i)
			r.web.html(u, content(u))
			waiting = append(waiting, u)
		}
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier, waiting...); err != nil {
			t.Fatal(err)
		}
		r.live(time.Minute)
		at := func(url string) int { return slices.Index(r.web.order, url) }
		if at(home+"new") < 0 || at(home+"new") > at(waiting[4]) || at(home+"newer") < at(waiting[4]) {
			t.Errorf("order %q", r.web.order)
		}
	})
}

func TestSeedGivenAgainVisitsAPageThatWaits(t *testing.T) {
	comesAgain(t, revisit.Policy{Every: 10 * day}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.web.html(home, content("one"))
		r.live(time.Hour)
		for range 2 { // given twice, it is still one page
			if n, err := SeedAgain(t.Context(), r.config.Spider, r.frontier); err != nil || n != 1 {
				t.Fatalf("%d added (%v)", n, err)
			}
		}
		r.live(time.Hour)
		if s := r.stats(); r.web.count(home) != 2 || s.Scheduled != 1 {
			t.Errorf("fetched %d times, %d scheduled", r.web.count(home), s.Scheduled)
		}
	})
}

// world is a site of pages that change at random times, and is watched: how much of it is as the crawler saw it last.
type world struct {
	times  [][]float64 // of the changes of each page, in days
	weight []float64
	began  time.Time

	mu    sync.Mutex // guards what follows
	seen  []int      // version of each page when it was fetched last; -1: never
	at    []float64  // when
	fresh []float64  // weight × days that the pages were fresh for, in the last third
	bytes float64    // sent in the last third
	hits  int        // visits in the last third
	whole float64    // bytes of all pages, sent
}

const worldDays = 90.0

func newWorld(pages int, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &world{began: time.Now(), seen: make([]int, pages), at: make([]float64, pages), fresh: make([]float64, pages)}
	for i := range pages {
		rate := min(max(math.Exp(2*rng.NormFloat64())/15, 1e-4), 24)
		var times []float64
		for t := rng.ExpFloat64() / rate; t < worldDays; t += rng.ExpFloat64() / rate {
			times = append(times, t)
		}
		w.times, w.seen[i] = append(w.times, times), -1
	}
	for _, i := range rng.Perm(pages) {
		w.weight = append(w.weight, 1/float64(i+1)) // Zipf
	}
	return w
}

func (w *world) now() float64 { return float64(time.Since(w.began)) / float64(day) }

func (w *world) version(i int, at float64) int { n, _ := slices.BinarySearch(w.times[i], at); return n }

// settle adds up for how long a page was fresh, until now. w.mu is held.
func (w *world) settle(i int, until float64) {
	if w.seen[i] < 0 {
		return
	}
	end := until
	if n := w.seen[i]; n < len(w.times[i]) {
		end = min(end, w.times[i][n])
	}
	w.fresh[i] += max(end-max(w.at[i], worldDays*2/3), 0)
}

func (w *world) page(i int, r *fetch.Request) *fetch.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	v := w.version(i, now)
	w.settle(i, now)
	w.seen[i], w.at[i] = v, now
	body := content(fmt.Sprintf("page %d version %d %s", i, v, strings.Repeat("and so on ", 300)))
	etag := fmt.Sprintf(`"%d"`, v)
	if now > worldDays*2/3 {
		w.hits++
		w.whole += float64(len(body))
	}
	if r.Header.Get("If-None-Match") == etag {
		return answer(http.StatusNotModified, "", nil)
	}
	if now > worldDays*2/3 {
		w.bytes += float64(len(body))
	}
	return answer(http.StatusOK, body, http.Header{"Etag": {etag}})
}

// freshness is the share of weight and time that was fresh, over the last third.
func (w *world) freshness() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fresh, sum float64
	for i := range w.seen {
		w.settle(i, worldDays)
		fresh += w.weight[i] * w.fresh[i]
		sum += w.weight[i]
	}
	return fresh / sum / (worldDays / 3)
}

// TestCrawlIsAsFreshAsTheSimulatorSays has a whole crawl, with its worker, frontier and conditional requests, live through the same
// 90 days as the simulator's policy.
func TestCrawlIsAsFreshAsTheSimulatorSays(t *testing.T) {
	const pages, perDay = 400, 80 // 0.2 visits a page and day
	comesAgain(t, revisit.Policy{Budget: perDay}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		w := newWorld(pages, 1)
		var index strings.Builder
		for i := range pages {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.pages[fmt.Sprint(home, i)] = func(_ int, req *fetch.Request) (*fetch.Response, error) { return w.page(i, req), nil }
		}
		r.web.html(home, index.String())
		r.config.Spider.Revisit.Rules = []RevisitRule{{Match: home, Never: true}}
		r.config.Spider.Routes = Routes(testRoute.To(func(_ context.Context, p *Page, _ struct{}) error {
			p.Follow(testRoute)
			if i, err := strconv.Atoi(strings.TrimPrefix(p.URL, home)); err == nil {
				p.SetWeight(w.weight[i])
			}
			return nil
		}))
		r.live(time.Duration(worldDays * float64(day)))

		h := &simulate.History{Times: w.times, Days: worldDays}
		for i := range pages {
			h.Pages = append(h.Pages, fmt.Sprint(home, i))
		}
		replay := simulate.NewReplay(h, w.weight)
		want, err := replay.Policy(t.Context(), revisit.Policy{Budget: perDay})
		if err != nil {
			t.Fatal(err)
		}
		got := w.freshness()
		if math.Abs(got-want.Freshness) > 0.02 {
			t.Errorf("fresh at the site %.4f, in the simulator %.4f", got, want.Freshness)
		}
		if visits := float64(w.hits) / worldDays * 3; visits > 1.05*perDay {
			t.Errorf("%.1f visits a day of %d", visits, perDay)
		}

		// Who fetches all pages in turn, whole, needs that many visits for the same freshness.
		inTurn := revisit.Budget(perDay)
		for {
			score, err := replay.InTurn(t.Context(), inTurn)
			if err != nil {
				t.Fatal(err)
			}
			if score.Freshness >= got {
				break
			}
			inTurn *= 1.1
		}
		everything := w.whole / float64(w.hits) * float64(inTurn) * worldDays / 3
		t.Logf("fresh at the site %.4f, in the simulator %.4f; %.3f of the bytes that all pages in turn take, at %.0f visits a day, not %d",
			got, want.Freshness, w.bytes/everything, float64(inTurn), perDay)
		if w.bytes > everything/4 {
			t.Errorf("%.0f bytes were sent, all pages in turn take %.0f", w.bytes, everything)
		}
	})
}

func TestPagesThatNeedNotComeAgainAnyMoreLeaveTheSums(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.web.html(home, content("one")+`<a href=/b>b</a>`)
		r.web.html(home+"b", content("two"))
		r.live(90 * time.Minute)
		r.config.Spider.Revisit.Rules = []RevisitRule{{Match: "*/b", Never: true}}
		r.live(2 * time.Hour)
		s, err := r.frontier.(scheduler.Ledger).Sums(t.Context(), "a.example")
		if err != nil || s[sumPages] != 1 || math.Abs(s[sumPlanned]-24) > 0.1 || r.stats().Scheduled != 1 {
			t.Errorf("sums %v (%v), %d scheduled", s, err, r.stats().Scheduled)
		}
	})
}

func TestHostsOwnPaceLimitsWhatIsPlanned(t *testing.T) {
	comesAgain(t, revisit.Policy{Budget: 5000}, func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		const pages = 60
		var index strings.Builder
		for i := range pages {
			fmt.Fprintf(&index, "<a href=/%d>x</a>", i)
			r.web.pages[fmt.Sprint(home, i)] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
				return answer(http.StatusOK, content(fmt.Sprint("page ", i, " version ", n/3)), nil), nil
			}
		}
		r.web.html(home, index.String())
		r.config.Spider.Settings.Delay = 10 * time.Minute // 144 visits a day
		if err := r.frontier.SetPace(t.Context(), "a.example", scheduler.Pace{Delay: 10 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		r.live(12 * day)
		o, err := LookOut(t.Context(), r.frontier)
		if err != nil {
			t.Fatal(err)
		}
		if o.AtCaps != 1 || !slices.Equal(o.AtCap, []string{"a.example"}) || !strings.Contains(o.Unreachable, "144/d can be spent") {
			t.Errorf("%+v", o)
		}
		if o.Planned < 100 || o.Planned > 250 {
			t.Errorf("%.0f visits a day are planned at a host that allows 144", o.Planned)
		}
	})
}
