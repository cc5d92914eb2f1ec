package crawler

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/frontiertest"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// prose is a text of n words that is like no other.
func prose(seed uint64, n int) []string {
	r := rand.New(rand.NewPCG(seed, 7))
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%x", r.Uint32())
	}
	return words
}

func article(words []string, links ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<title>t</title><nav><a href=/nav>%d</a></nav><main><p>%s</p></main>", len(links), strings.Join(words, " "))
	for _, link := range links { // outside of the main part
		fmt.Fprintf(&b, "<a href=%q>x</a>", link)
	}
	return b.String()
}

// marks returns what the items of a crawl are marked as duplicates of, by path.
func (r *rig) marks() map[string]string {
	marks := map[string]string{}
	for _, item := range r.shelf.items {
		if of := item.Source.DuplicateOf; of != "" {
			marks[strings.TrimPrefix(item.Source.URL, "https://a.example")] = strings.TrimPrefix(of, "https://a.example")
		}
	}
	return marks
}

func (r *rig) compared() scheduler.DuplicateStats {
	r.t.Helper()
	s, err := r.frontier.(scheduler.Duplicates).DuplicateStats(r.t.Context(), 10)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// alike is a site with pages that are the same and nearly the same.
func alike(r *rig) {
	text := prose(1, 1000)
	edited := slices.Clone(text)
	edited[500] = "other"
	short := prose(2, leastWords-1)
	pages := map[string]string{
		"/a": article(text), "/b": article(text, "/x"), "/c": article(edited), "/d": article(prose(3, 1000)), "/short1": article(short), "/short2": article(short),
	}
	r.config.Spider.Settings.Concurrency = 1
	r.web.html(home, article(prose(4, 100), slices.Sorted(maps.Keys(pages))...))
	for path, body := range pages {
		r.web.html("https://a.example"+path, body)
	}
	r.web.answer("https://a.example/x", http.StatusOK, "no HTML "+strings.Join(text, " "), http.Header{"Content-Type": {"text/plain"}})
	r.web.answer("https://a.example/nav", http.StatusNotFound, article(text), nil)
}

func TestDuplicatesAreMarkedAsTheSettingSays(t *testing.T) {
	for _, c := range []struct {
		setting Duplicates
		want    map[string]string
		stats   scheduler.DuplicateStats
	}{
		{DuplicatesOff, map[string]string{}, scheduler.DuplicateStats{}},
		{DuplicatesExact, map[string]string{"/b": "/a"}, scheduler.DuplicateStats{Pages: 5, Exact: 1, Originals: 4}},
		{DuplicatesNear, map[string]string{"/b": "/a", "/c": "/a"}, scheduler.DuplicateStats{Pages: 5, Exact: 1, Near: 1, Originals: 3}},
	} {
		t.Run(c.setting.String(), func(t *testing.T) {
			var seen []string
			inBubble(t, func(ctx context.Context, p *Page, w struct{}) error {
				if p.DuplicateOf != "" {
					seen = append(seen, p.URL+" "+p.DuplicateOf)
				}
				return follow(ctx, p, w)
			}, func(t *testing.T, r *rig) {
				alike(r)
				r.config.Spider.Settings.Duplicates = c.setting
				r.crawl()
				if got := r.marks(); !maps.Equal(got, c.want) {
					t.Errorf("marks %v, want %v", got, c.want)
				}
				if len(seen) != len(c.want) {
					t.Errorf("handlers saw %v", seen)
				}
				got := r.compared()
				for _, p := range got.Paths {
					if p.Path != "a.example/" || p.Exact != c.stats.Exact || p.Near != c.stats.Near {
						t.Errorf("path %+v", p)
					}
				}
				if got.Paths = nil; !reflect.DeepEqual(got, c.stats) {
					t.Errorf("stats %+v, want %+v", got, c.stats)
				}
			})
		})
	}
}

// A page whose visit is repeated finds itself, also one whose handler failed the first time.
func TestRepeatedPageIsNotItsOwnDuplicate(t *testing.T) {
	failed := false
	inBubble(t, func(ctx context.Context, p *Page, w struct{}) error {
		if p.DuplicateOf != "" {
			t.Errorf("%s is a duplicate of %s", p.URL, p.DuplicateOf)
		}
		if !failed {
			failed = true
			return fmt.Errorf("not now")
		}
		return follow(ctx, p, w)
	}, func(t *testing.T, r *rig) {
		r.web.html(home, article(prose(1, 100)))
		r.config.Spider.Settings.Duplicates = DuplicatesNear
		r.crawl()
		if s := r.compared(); r.web.count(home) != 2 || s.Pages != 1 || s.Exact != 0 {
			t.Errorf("fetched %d times, stats %+v", r.web.count(home), s)
		}
	})
}

// What tells two requests of one URL apart, or is too long, is told by its fingerprint.
func TestDuplicateIsNamedByFingerprintWhereItsURLDoesNotDo(t *testing.T) {
	long := "https://a.example/" + strings.Repeat("x", 600)
	inBubble(t, func(_ context.Context, p *Page, _ struct{}) error {
		p.EmitAs("page", fmt.Sprint(p.URL, string(p.Request.Body)), map[string]any{})
		if p.URL == home {
			p.FollowRequest(testRoute, Request{URL: long})
			p.FollowRequest(testRoute, Request{URL: "/form", Method: http.MethodPost, Body: []byte("1")})
			p.FollowRequest(testRoute, Request{URL: "/form", Method: http.MethodPost, Body: []byte("2")})
		}
		return nil
	}, func(t *testing.T, r *rig) {
		r.config.Spider.Settings.Duplicates, r.config.Spider.Settings.Concurrency = DuplicatesExact, 1
		r.web.html(home, article(prose(1, 100)))
		r.web.html(long, article(prose(2, 100)))
		r.web.html("https://a.example/form", article(prose(2, 100)))
		r.crawl()
		want := dedup.Of("", long, nil).String()
		for _, key := range []string{"page https://a.example/form1", "page https://a.example/form2"} {
			if item, ok := r.shelf.items[key]; !ok || item.Source.DuplicateOf != want {
				t.Errorf("%s is marked %q, want %s", key, item.Source.DuplicateOf, want)
			}
		}
	})
}

// trap is a site whose calendar has an endless number of days, all of which show the same, beside real pages that are linked last.
func trap(r *rig, days, real_ int, day func(i int) string) {
	same := prose(1, 200)
	link := func(format string, from, to int) (links []string) {
		for i := from; i < to; i++ {
			links = append(links, fmt.Sprintf(format, i))
		}
		return links
	}
	r.web.html(home, article(prose(2, 200), slices.Concat([]string{day(0)}, link("/real/%d", 0, 1))...))
	for i := range days {
		var next []string
		for k := 1; k <= 8; k++ { // so that the queue is always full of days
			if 8*i+k < days {
				next = append(next, day(8*i+k))
			}
		}
		r.web.html("https://a.example"+day(i), article(same, next...))
	}
	for i := range real_ {
		r.web.html(fmt.Sprintf("https://a.example/real/%d", i), article(prose(uint64(i+10), 200), link("/real/%d", i+1, min(i+2, real_))...))
	}
}

// position returns at which place of the order of fetches the last page with a path was fetched.
func (r *rig) position(prefix string) int {
	last := -1
	for i, url := range r.web.order {
		if strings.HasPrefix(url, "https://a.example"+prefix) {
			last = i + 1
		}
	}
	return last
}

// Of a crawl with a trap, the real pages are fetched first as soon as it is known for what it is.
func TestRealPagesAreFetchedBeforeThoseOfATrap(t *testing.T) {
	const days, pages = 500, 60
	for name, day := range map[string]func(int) string{
		"calendar": func(i int) string { return fmt.Sprintf("/calendar/%d/%d", 2000+i/100, i%100) },
		"sessions": func(i int) string { return fmt.Sprintf("/item?sid=%d", i) },
	} {
		for _, setting := range []Duplicates{DuplicatesOff, DuplicatesExact, DuplicatesNear} {
			t.Run(name+" "+setting.String(), func(t *testing.T) {
				inBubble(t, follow, func(t *testing.T, r *rig) {
					r.config.Spider.Settings.Duplicates, r.config.Spider.Settings.Concurrency = setting, 1
					trap(r, days, pages, day)
					r.crawl()
					at := r.position("/real/")
					t.Logf("all real pages were fetched after %d of %d", at, len(r.web.order))
					switch {
					case setting == DuplicatesOff && at < len(r.web.order)/2:
						t.Errorf("the site is no trap: all real pages were fetched after %d of %d", at, len(r.web.order))
					case setting != DuplicatesOff && at > 250: // what was queued when the trap was known for what it is, and then the real ones
						t.Errorf("all real pages were fetched after %d of %d", at, len(r.web.order))
					}
					if n := len(r.shelf.items); n != 1+days+pages {
						t.Errorf("%d items, want all %d: nothing is dropped", n, 1+days+pages)
					}
				})
			})
		}
	}
}

func TestPathsOfAPage(t *testing.T) {
	t.Parallel()
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"https://a.example/":                                   "a.example/",
		"https://a.example/x":                                  "a.example/",
		"https://a.example/x/":                                 "a.example/x/",
		"https://a.example/x/y":                                "a.example/x/",
		"https://a.example:8080/x/y/z/1":                       "a.example:8080/x/ a.example:8080/x/y/",
		"https://a.example/?q=1":                               "a.example/?",
		"https://a.example/x?q=1/2":                            "a.example/x?",
		"https://a.example/x/y?q=1":                            "a.example/x? a.example/x/y?",
		"https://a.example/x/y/z?q=1":                          "a.example/x? a.example/x/y?",
		"https://a.example/x/y?":                               "a.example/x/",
		"https://a.example/" + strings.Repeat("x", 600) + "/y": "",
	} {
		u, err := canon.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(paths(u), " "); got != want {
			t.Errorf("%.60s: %q, want %q", url, got, want)
		}
	}
}

// The smaller path decides: a good part of a bad one is none.
func TestSmallestKnownPathDecides(t *testing.T) {
	t.Parallel()
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	b := &barren{paths: map[string]bool{}}
	has := func(url string, want bool) {
		t.Helper()
		u, err := canon.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.has(u); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
	count := func(path string, pages, exact, near int64) {
		b.learn([]scheduler.PathCount{{Path: path, Pages: pages, Exact: exact, Near: near}})
	}
	count("a.example/x/", barrenPages-1, barrenPages-1, 0)
	has("https://a.example/x/1", false)
	count("a.example/x/", 2*barrenPages, barrenPages, barrenPages*8/10-1)
	has("https://a.example/x/1", false)
	count("a.example/x/", 2*barrenPages, barrenPages, barrenPages*8/10)
	has("https://a.example/x/1", true)
	has("https://a.example/x/good/1", true)
	has("https://a.example/x?q", false)
	has("https://a.example/y/1", false)
	count("a.example/x/good/", barrenPages, 0, 0)
	has("https://a.example/x/good/1", false)
	has("https://a.example/x/bad/1", true)
	count("a.example/x/", 4*barrenPages, barrenPages, barrenPages)
	has("https://a.example/x/bad/1", false)
}

// In a crawl that comes again pages of a barren path weigh a quarter, whoever weighed them, and as before when it is barren no more.
func TestPagesOfABarrenPathWeighLess(t *testing.T) {
	const far = "https://a.example/far/1"
	comesAgain(t, hourly(), func(t *testing.T, r *rig, _ *diary, _ *[]*Request) {
		r.config.Spider.Settings.Duplicates = DuplicatesExact
		r.web.html(home, article(prose(1, 100), "/far/1"))
		r.web.html(far, article(prose(2, 100)))
		weigh := func(pages, duplicates int, want revisit.Weight) {
			t.Helper()
			d := r.frontier.(scheduler.Duplicates)
			for i := range pages {
				c := scheduler.Content{ID: fmt.Sprint(pages, duplicates, i), Exact: 1, Paths: []string{"a.example/far/"}}
				if i >= duplicates {
					c.Exact = uint64(1000*pages + i)
				}
				if _, err := d.Compare(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			r.live(2*time.Hour + time.Minute)
			if m, _ := r.memory(far); m.record.Weight != want || m.spared != (want < revisit.DefaultWeight(1, 0)) {
				t.Errorf("its weight is %d (%v), want %d", m.record.Weight, m.spared, want)
			}
		}
		plain := revisit.DefaultWeight(1, 0)
		weigh(0, 0, plain)
		weigh(100, 100, plain-barrenWeight)
		weigh(100, 0, plain)
		if m, _ := r.memory(home); m.record.Weight != revisit.DefaultWeight(0, 0) {
			t.Errorf("the weight of another page is %d", m.record.Weight)
		}
		if s := r.compared(); s.Pages != 202 {
			t.Errorf("%d pages were compared, want each once", s.Pages)
		}
	})
}

func TestRevisitOfADuplicateIsMarkedAndCountedOnce(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.config.Spider.Settings.Duplicates, r.config.Spider.Settings.Concurrency = DuplicatesNear, 1
		r.web.html(home, article(prose(1, 100), "/same"))
		r.web.html("https://a.example/same", article(prose(1, 100)))
		r.live(3*time.Hour + 30*time.Minute)
		visits := 0
		for _, v := range d.visits {
			want := ""
			if v.Source.URL != home {
				want = home
			}
			if visits++; v.Source.DuplicateOf != want {
				t.Errorf("%s is marked %q", v.Source.URL, v.Source.DuplicateOf)
			}
		}
		if s := r.compared(); visits < 6 || s.Pages != 2 || s.Exact != 1 {
			t.Errorf("%d visits, stats %+v", visits, s)
		}
	})
}

// away is a frontier whose comparisons fail.
type away struct {
	scheduler.Frontier
	scheduler.Duplicates
}

func (away) Compare(context.Context, scheduler.Content) (scheduler.Likeness, error) {
	return scheduler.Likeness{}, fmt.Errorf("%w: out of memory", scheduler.ErrUnavailable)
}

func TestPageThatCannotBeComparedIsHandledAllTheSame(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.web.html(home, article(prose(1, 100), "/a"))
		r.web.html("https://a.example/a", article(prose(1, 100)))
		r.config.Spider.Settings.Duplicates = DuplicatesNear
		r.config.Frontier = away{r.frontier, r.frontier.(scheduler.Duplicates)}
		r.crawl()
		if len(r.shelf.items) != 2 || len(r.marks()) != 0 {
			t.Errorf("items %v, marks %v", r.shelf.keys(), r.marks())
		}
	})
}

func TestFrontierWithoutDuplicatesIsRefused(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.Frontier = frontiertest.Flaky(r.frontier, 1000, 1)
		if _, err := New(r.config); err != nil {
			t.Error(err)
		}
		r.config.Spider.Settings.Duplicates = DuplicatesExact
		if _, err := New(r.config); err == nil || !strings.Contains(err.Error(), "Settings.Duplicates") {
			t.Errorf("error %v", err)
		}
		r.config.Spider.Settings.Duplicates = 3
		if _, err := New(r.config); err == nil || !strings.Contains(err.Error(), "off, exact or near") {
			t.Errorf("error %v", err)
		}
	})
}

// BenchmarkCompare is what a page of 20 kB costs beside its parsing, which its handler needs anyway, and without the frontier.
func BenchmarkCompare(b *testing.B) {
	s := Spider{Name: "b", Routes: Routes(testRoute.To(follow)), Settings: Settings{Duplicates: DuplicatesNear}}
	p, err := s.compile()
	if err != nil {
		b.Fatal(err)
	}
	u, err := p.canon.Parse("https://a.example/x/y/z")
	if err != nil {
		b.Fatal(err)
	}
	v := &visit{plan: p, lease: &scheduler.Lease{}, req: &Request{URL: u.String()}, url: u}
	v.w = &Worker{plan: p, duplicates: nothing{}, barren: &barren{paths: map[string]bool{}}}
	v.page = newPage(v, &fetch.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(article(prose(1, 2000)))})
	v.page.Doc()
	b.SetBytes(int64(len(v.page.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if !v.compare(b.Context()) {
			b.Fatal(v.err)
		}
	}
}

type nothing struct{ scheduler.Duplicates }

func (nothing) Compare(context.Context, scheduler.Content) (scheduler.Likeness, error) {
	return scheduler.Likeness{}, nil
}
