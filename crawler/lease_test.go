package crawler

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// tardy is a frontier whose first claim is answered late.
type tardy struct {
	scheduler.Frontier
	once sync.Once
	by   time.Duration
}

func (f *tardy) Claim(ctx context.Context, most int) ([]*scheduler.Lease, error) {
	leases, err := f.Frontier.Claim(ctx, most)
	f.once.Do(func() { _ = sleep(ctx, f.by) })
	return leases, err
}

func TestNoRequestBeginsOnALeaseThatRanOut(t *testing.T) {
	for name, robots := range map[string]bool{"for a page": true, "for robots.txt": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				r.config.Frontier = &tardy{Frontier: r.frontier, by: time.Minute + time.Second}
				r.config.Spider.Settings.IgnoreRobots = robots
				r.web.html("https://a.example/", "")
				r.crawl()
				if n := r.web.count("https://a.example/"); n != 1 {
					t.Errorf("the page was fetched %d times", n)
				}
				if n := r.web.count("https://a.example/robots.txt"); n > 1 {
					t.Errorf("robots.txt was fetched %d times", n)
				}
				if s := r.stats(); s.Expired != 1 || s.Outcomes["ok"] != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// mute is a frontier that does not answer to Extend.
type mute struct{ scheduler.Frontier }

func (mute) Extend(ctx context.Context, _ ...*scheduler.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRequestEndsBeforeALeaseThatCannotBeExtended(t *testing.T) {
	inBubble(t, follow, func(t *testing.T, r *rig) {
		r.config.Frontier = mute{r.frontier}
		hung := &hanging{web: r.web}
		r.config.Fetcher = hung
		r.web.html("https://a.example/", "")
		r.crawl()
		if took := hung.took; took <= 40*time.Second || took >= time.Minute {
			t.Errorf("under a lease of a minute that was not extended, a request went on for %v", took)
		}
		if s := r.stats(); s.Expired != 1 || s.Outcomes["ok"] != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// hanging is a web whose first answer never comes.
type hanging struct {
	*web
	asked atomic.Int64
	took  time.Duration // until the client left
}

func (h *hanging) Fetch(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	if h.asked.Add(1) == 1 {
		began := time.Now()
		<-ctx.Done()
		h.took = time.Since(began)
	}
	return h.web.Fetch(ctx, r)
}

// results keeps what was finished.
type results struct {
	scheduler.Frontier
	all []scheduler.Result
}

func (f *results) Finish(ctx context.Context, all ...scheduler.Result) error {
	f.all = append(f.all, all...)
	return f.Frontier.Finish(ctx, all...)
}

func TestRequestOfAPageGivenBackCountsForTheDelay(t *testing.T) {
	slow := func(ctx context.Context, _ *Page, _ struct{}) error { return sleep(ctx, time.Hour) }
	inBubble(t, slow, func(t *testing.T, r *rig) {
		f := &results{Frontier: r.frontier}
		r.config.Frontier, r.config.Grace = f, time.Second
		r.web.pages["https://a.example/"] = func(int, *fetch.Request) (*fetch.Response, error) {
			resp := answer(http.StatusOK, "", nil)
			resp.Sent = 5 * time.Millisecond
			return resp, nil
		}
		if _, err := Seed(t.Context(), r.config.Spider, r.frontier); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		if err := r.worker().Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(f.all) != 1 || f.all[0].Verdict.Kind != scheduler.KindRelease || f.all[0].Sent != 5*time.Millisecond {
			t.Errorf("%+v", f.all)
		}
	})
}

// TestCrawlDelayHoldsFromTheFirstPageOn claims several pages of a host before its robots.txt is known.
func TestCrawlDelayHoldsFromTheFirstPageOn(t *testing.T) {
	const (
		delay = 7 * time.Second
		text  = "User-agent: *\nCrawl-delay: 7\n"
	)
	for name, shared := range map[string]bool{
		"asked for": false,
		"shared by a worker that died before it told the frontier": true,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, follow, func(t *testing.T, r *rig) {
				var mu sync.Mutex
				var asked []time.Time
				serve := func(body string) func(int, *fetch.Request) (*fetch.Response, error) {
					return func(int, *fetch.Request) (*fetch.Response, error) {
						mu.Lock()
						asked = append(asked, time.Now())
						mu.Unlock()
						return answer(http.StatusOK, body, nil), nil
					}
				}
				urls := []string{"https://a.example/1", "https://a.example/2", "https://a.example/3", "https://a.example/4"}
				for _, u := range urls {
					r.web.pages[u] = serve("")
				}
				r.web.pages["https://a.example/robots.txt"] = serve(text)
				if shared {
					memo, err := json.Marshal(robotsMemo{Status: http.StatusOK, Body: []byte(text)})
					if err != nil {
						t.Fatal(err)
					}
					if err := r.frontier.(scheduler.Memo).Save(t.Context(), "a.example", "robots:https://a.example", memo, time.Hour); err != nil {
						t.Fatal(err)
					}
				}
				r.config.Spider.Settings.IgnoreRobots = false
				r.config.Spider.Start = Start(testRoute, urls...)
				r.crawl()
				r.expectOutcomes(map[string]int64{"ok": 4})
				if s := r.stats(); s.Retries+s.Expired != 0 {
					t.Errorf("%+v", s)
				}
				slices.SortFunc(asked, time.Time.Compare)
				for i := 1; i < len(asked); i++ {
					if gap := asked[i].Sub(asked[i-1]); gap < delay {
						t.Errorf("request %d came %v after the one before", i+1, gap)
					}
				}
			})
		})
	}
}
