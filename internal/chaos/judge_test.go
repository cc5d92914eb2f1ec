package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

var noon = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

const (
	paced = "127.0.0.1" // asks for a delay of 100 ms
	wide  = "127.0.0.2" // two requests at once
)

// flawless is the record of a round in which three workers did everything right: two pages on the paced host, three on the
// wide one, a gone, a moved and a private URL.
func flawless() *Record {
	r := &Record{
		Round: 1, Took: time.Second, PerHost: 2, Lease: 2 * time.Second,
		Delays: map[string]time.Duration{paced: 100 * time.Millisecond, wide: 0},
		Want:   Counts{Pages: 5, Gone: 1, Moved: 1, Private: 1},
		Stats: scheduler.Stats{
			Seen: 8, Done: 8, Gone: 1, Items: 5,
			Outcomes: map[string]int64{"ok": 5, "http_404": 1, "redirect": 1, "robots": 1},
		},
		Workers: []Worker{{ID: 1, Started: at(0), Ended: at(9000)}, {ID: 2, Started: at(0), Ended: at(9000)}, {ID: 3, Started: at(0), Ended: at(9000)}},
	}
	r.ask(paced, "/a", 1, 100, 150)
	r.ask(paced, "/b", 2, 200, 250)
	r.ask(wide, "/c", 1, 100, 160)
	r.ask(wide, "/d", 3, 100, 160)
	r.ask(wide, "/e", 3, 161, 200)
	for _, v := range r.Visits {
		item := testsite.Item{URL: v.URL, Title: "t", H1: "h", Price: "1 EUR", Links: 3}
		r.Items = append(r.Items, item)
		r.Stored = append(r.Stored, Stored{Item: item, Kind: itemKind, Key: item.URL})
	}
	r.Visits = append(r.Visits, testsite.Visit{URL: "x", Host: paced, Agent: "lycosa-chaos/1", Aside: true, Began: at(1), Ended: at(1), Status: 200})
	r.sort()
	return r
}

// ask adds a request for a page that was answered with 200.
func (r *Record) ask(host, path string, worker, began, ended int) *testsite.Visit {
	r.Visits = append(r.Visits, testsite.Visit{
		URL: "http://" + host + path, Host: host, Agent: fmt.Sprint(agentPrefix, worker), Page: true,
		Began: at(began), Ended: at(ended), Status: http.StatusOK,
	})
	return &r.Visits[len(r.Visits)-1]
}

func (r *Record) sort() {
	slices.SortStableFunc(r.Visits, func(a, b testsite.Visit) int { return a.Began.Compare(b.Began) })
}

func (r *Record) fault(kind Kind, worker, from, to int) {
	w := Window{Kind: kind, Worker: worker, From: at(from)}
	if to > 0 {
		w.To = at(to)
	}
	r.Faults = append(r.Faults, w)
}

func TestFlawlessRoundIsKept(t *testing.T) {
	t.Parallel()
	v := Judge(0, flawless(), flawless())
	if v.Exit != 0 || len(v.Breaches) != 0 {
		t.Fatalf("exit %d, %+v", v.Exit, v.Breaches)
	}
	if v.Rounds != 2 || v.Pages.Fetched != 10 || v.Items.Right != 10 || v.Finished.Done != 16 || v.Delay.Gaps != 2 || v.Concurrency.Widest != 2 {
		t.Errorf("%+v", v)
	}
}

// TestEachBrokenPromiseIsNamed spoils a flawless record in one way each.
func TestEachBrokenPromiseIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check Check
		says  string
		spoil func(r *Record)
	}{
		"missing page": {CheckPages, "never fetched: http://127.0.0.2/e", func(r *Record) { r.Missing = []string{"http://127.0.0.2/e"} }},
		"private page": {CheckPrivate, "/private/1", func(r *Record) { r.Private = []string{"http://127.0.0.2/private/1"} }},
		"missing item": {CheckItems, "not stored: http://127.0.0.1/a", func(r *Record) { r.Stored = r.Stored[1:] }},
		"wrong field":  {CheckItems, "Price:2 EUR", func(r *Record) { r.Stored[2].Price = "2 EUR" }},
		"wrong kind":   {CheckItems, "stored as pages", func(r *Record) { r.Stored[2].Kind = "pages" }},
		"wrong copy in another file": {CheckItems, "stored as page", func(r *Record) {
			again := r.Stored[0]
			again.Links = 4
			r.Stored = append(r.Stored, again)
		}},
		"unknown item":    {CheckItems, "of no page", func(r *Record) { r.Stored = append(r.Stored, Stored{Key: "http://127.0.0.3/"}) }},
		"finished twice":  {CheckFinished, "pages finished with ok: 6, should be 5", func(r *Record) { r.Stats.Outcomes["ok"]++ }},
		"not finished":    {CheckFinished, "tasks finished: 7, should be 8", func(r *Record) { r.Stats.Done-- }},
		"unseen":          {CheckFinished, "tasks seen: 7", func(r *Record) { r.Stats.Seen-- }},
		"items twice":     {CheckFinished, "items of finished pages: 6", func(r *Record) { r.Stats.Items++ }},
		"dead link lost":  {CheckFinished, "dead links: 0", func(r *Record) { r.Stats.Gone-- }},
		"redirect lost":   {CheckFinished, "redirects: 0", func(r *Record) { r.Stats.Outcomes["redirect"]-- }},
		"robots twice":    {CheckFinished, "robots.txt: 2", func(r *Record) { r.Stats.Outcomes["robots"]++ }},
		"dead letter":     {CheckFinished, "dead letters: 1", func(r *Record) { r.Stats.Dead++ }},
		"parked":          {CheckFinished, "parked tasks: 1", func(r *Record) { r.Stats.Parked++ }},
		"something left":  {CheckFinished, "tasks left: 1", func(r *Record) { r.Stats.Delayed++ }},
		"early done":      {CheckDone, "worker 2 said done while 3 pages were missing", func(r *Record) { r.Early = []Early{{at(5), "worker 2", 3}} }},
		"never done":      {CheckDone, "never said", func(r *Record) { r.Late = true }},
		"stalled":         {CheckDone, "stood still", func(r *Record) { r.Stalled = true }},
		"invariant":       {CheckInvariants, "pending: 1, should be 0", func(r *Record) { r.Broken = []string{"host a pending: 1, should be 0"} }},
		"too fast":        {CheckDelay, "86ms", func(r *Record) { r.Visits = nil; r.ask(paced, "/a", 1, 100, 150); r.ask(paced, "/b", 2, 186, 250) }},
		"third at once":   {CheckConcurrency, "3 requests at once, at most 2", func(r *Record) { r.ask(wide, "/f", 2, 159, 200); r.sort() }},
		"second at once":  {CheckConcurrency, "2 requests at once, at most 1", func(r *Record) { r.ask(paced, "/f", 2, 500, 700); r.ask(paced, "/g", 2, 650, 900) }},
		"still open":      {CheckConcurrency, "3 requests at once", func(r *Record) { r.hang(wide, "/f", 2, 90, 0); r.sort() }},
		"client not gone": {CheckConcurrency, "3 requests at once", func(r *Record) { r.hang(wide, "/f", 2, 90, 121); r.sort() }},
		"again":           {CheckRefetched, "fetched again for no reason: http://127.0.0.2/c, by worker 1", func(r *Record) { r.ask(wide, "/c", 2, 3000, 3050) }},
		"again before the fault": {CheckRefetched, "for no reason", func(r *Record) {
			r.ask(wide, "/c", 2, 3000, 3050)
			r.fault(Kill, 1, 3001, 0)
			r.fault(RedisKill, 0, 3051, 3060)
			r.fault(StoreCut, 0, 0, 9000)
		}},
		"again long after redis was away": {CheckRefetched, "by worker 2 and 3s later by worker 1", func(r *Record) {
			r.fault(RedisHang, 0, 10, 50)
			r.ask(wide, "/c", 2, 20000, 20050)
			r.ask(wide, "/c", 1, 23000, 23050)
		}},
		"again long after the stop": {CheckRefetched, "for no reason", func(r *Record) {
			r.ask(wide, "/c", 2, 9000, 9050)
			r.fault(Stop, 1, 10, 50)
		}},
		"woken": {CheckExpired, "http://127.0.0.2/c, by worker 1 and 4.9s later by worker 2", func(r *Record) {
			r.fault(Stop, 2, 60, 4900)
			r.ask(wide, "/c", 2, 5000, 5050)
		}},
		"woken before its successor": {CheckExpired, "by worker 2 and 50ms later by worker 1", func(r *Record) {
			r.fault(Stop, 2, 300, 4900)
			r.ask(wide, "/f", 2, 4950, 4990)
			r.ask(wide, "/f", 1, 5000, 5050)
		}},
		"too many again": {CheckRefetched, "20.00 %", func(r *Record) {
			r.fault(Kill, 1, 170, 0)
			r.ask(wide, "/c", 2, 3000, 3050)
		}},
		"overlap soon after the stop": {CheckConcurrency, "2 requests at once", func(r *Record) {
			r.hang(paced, "/f", 1, 500, 9000)
			r.fault(Stop, 1, 550, 8000)
			r.ask(paced, "/g", 2, 1500, 1600)
		}},
		"overlap soon after the stop and an outage long over": {CheckConcurrency, "2 requests at once", func(r *Record) {
			r.hang(paced, "/f", 1, 4000, 9000)
			r.fault(RedisHang, 0, 300, 1900)
			r.fault(Stop, 1, 4050, 8000)
			r.ask(paced, "/g", 2, 4300, 4400)
		}},
		"overlap before the stop": {CheckConcurrency, "2 requests at once", func(r *Record) {
			r.hang(paced, "/f", 1, 3000, 9000)
			r.fault(RedisHang, 0, 300, 2900)
			r.fault(Stop, 1, 4050, 8000)
			r.ask(paced, "/g", 2, 4000, 4400)
		}},
		"overlap long after the wake": {CheckConcurrency, "2 requests at once", func(r *Record) {
			r.hang(paced, "/f", 1, 500, 9000)
			r.fault(Stop, 1, 550, 4000)
			r.ask(paced, "/g", 2, 4400, 4500)
		}},
		"overlap of one sent after the wake": {CheckConcurrency, "2 requests at once", func(r *Record) {
			r.fault(Stop, 1, 300, 4000)
			r.hang(paced, "/f", 1, 4001, 4200)
			r.ask(paced, "/g", 2, 4101, 4300)
		}},
		"worker failed":  {CheckWorkers, "worker 2 ended with code 1: oops", func(r *Record) { r.Workers[1].Exit, r.Workers[1].Last = 1, "oops" }},
		"worker crashed": {CheckWorkers, "code -1", func(r *Record) { r.Workers[1].Exit = -1 }},
		"no redis, without an outage": {CheckWorkers, "code 8", func(r *Record) {
			r.Workers[1].Exit = 8
			r.fault(RedisKill, 0, 9001, 9002)
			r.fault(StoreCut, 0, 10, 9002)
		}},
		"did not end":   {CheckWorkers, "did not end with the crawl", func(r *Record) { r.Workers[1].Ended = time.Time{} }},
		"did not drain": {CheckWorkers, "though it was told to", func(r *Record) { r.Workers[1].Ended = time.Time{}; r.fault(Drain, 2, 10, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := flawless()
			c.spoil(r)
			limit := 100.0
			if name == "too many again" {
				limit = 10
			}
			v := Judge(limit, r)
			found := slices.ContainsFunc(v.Breaches, func(b Breach) bool {
				return b.Check == c.check && strings.Contains(b.What, c.says)
			})
			if v.Exit != 1 || !found {
				t.Errorf("exit %d, breaches %+v, want one of %s that says %q", v.Exit, v.Breaches, c.check, c.says)
			}
			for _, b := range v.Breaches {
				if b.Check != c.check {
					t.Errorf("besides: %+v", b)
				}
			}
		})
	}
}

// hang adds a request whose client left at a time, 0 for never.
func (r *Record) hang(host, path string, worker, began, ended int) {
	v := r.ask(host, path, worker, began, ended)
	v.Status = 0
	if ended == 0 {
		v.Ended = time.Time{}
	}
}

// TestFaultsExplainWhatTheyDo spoils nothing: each record shows what a fault may lead to.
func TestFaultsExplainWhatTheyDo(t *testing.T) {
	t.Parallel()
	again := func(why string) func(v *Verdict) bool {
		return func(v *Verdict) bool { return v.Refetched.Why[why] == 1 && v.Refetched.Pages == 1 }
	}
	for name, c := range map[string]struct {
		change func(r *Record)
		holds  func(v *Verdict) bool
	}{
		"killed":  {func(r *Record) { r.fault(Kill, 1, 170, 0); r.ask(wide, "/c", 2, 3000, 3050) }, again(whyKilled)},
		"stopped": {func(r *Record) { r.fault(Stop, 1, 120, 5000); r.ask(wide, "/c", 2, 3000, 3050) }, again(whyStopped)},
		"drained": {func(r *Record) {
			r.fault(Drain, 1, 120, 0)
			r.Workers[0].Exit = 11
			r.ask(wide, "/c", 2, 3000, 3050)
		}, again(whyDrained)},
		"redis away":                             {func(r *Record) { r.fault(RedisHang, 0, 120, 500); r.ask(wide, "/c", 2, 3000, 3050) }, again(whyRedis)},
		"lease not renewed while redis was away": {func(r *Record) { r.fault(RedisHang, 0, 10, 50); r.ask(wide, "/c", 2, 3000, 3050) }, again(whyRedis)},
		"held open by a stopped process": {func(r *Record) {
			r.hang(paced, "/f", 1, 500, 9000)
			r.fault(Stop, 1, 550, 8000)
			r.ask(paced, "/g", 2, 2700, 2800)
		}, func(v *Verdict) bool { return v.Concurrency.Apart == 1 && v.Concurrency.Widest == 2 }},
		"held open by a process that was stopped while Redis was away": {func(r *Record) {
			r.hang(paced, "/f", 1, 500, 9000)
			r.fault(RedisHang, 0, 510, 2600)
			r.fault(Stop, 1, 2300, 8000)
			r.ask(paced, "/g", 2, 2700, 2800)
		}, func(v *Verdict) bool { return v.Concurrency.Apart == 1 }},
		"noticed late that the client is gone": {func(r *Record) {
			r.hang(paced, "/f", 1, 500, 719)
			r.ask(paced, "/g", 2, 700, 800)
		}, func(v *Verdict) bool { return v.Concurrency.Apart == 0 }},
		"in flight when killed": {func(r *Record) {
			r.fault(Kill, 1, 499, 0)
			r.ask(paced, "/f", 1, 500, 510)
			r.ask(paced, "/g", 2, 550, 600)
		}, func(v *Verdict) bool { return v.Delay.Apart == 1 && v.Delay.Breaches == 0 }},
		"the site's own lateness": {func(r *Record) {
			r.ask(paced, "/f", 1, 500, 510)
			r.ask(paced, "/g", 2, 570, 600)
			r.Pulse = []Tick{{at(100), 3 * time.Millisecond}, {at(505), 30 * time.Millisecond}}
		}, func(v *Verdict) bool { return v.Delay.Lateness == 30 && v.Delay.Closest == 0.7 && v.Delay.Allowed == 1 }},
		"no redis at the start": {func(r *Record) {
			r.Workers[1].Exit = 8
			r.fault(RedisCut, 0, 10, 500)
		}, func(v *Verdict) bool { return v.Workers.Failed == 0 }},
		"stored twice alike": {func(r *Record) { r.Stored = append(r.Stored, r.Stored[0]) }, func(v *Verdict) bool { return v.Items.Right == 5 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := flawless()
			c.change(r)
			r.sort()
			v := Judge(100, r)
			if v.Exit != 0 || !c.holds(v) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestLatenessIsLookedForAroundTheTimeAlone(t *testing.T) {
	t.Parallel()
	pulse := []Tick{{at(100), 90 * time.Millisecond}, {at(1000), 200 * time.Millisecond}, {at(2000), 5 * time.Millisecond}}
	for ms, want := range map[int]int{0: 90, 100: 90, 149: 90, 151: 0, 749: 0, 751: 200, 1049: 200, 1100: 0, 1980: 5, 3000: 0} {
		if got := late(pulse, at(ms)); got != time.Duration(want)*time.Millisecond {
			t.Errorf("late at %d ms: %v, want %d ms", ms, got, want)
		}
	}
}

func TestOnlyTheFirstBreachesOfAKindAreTold(t *testing.T) {
	t.Parallel()
	r := flawless()
	for i := range 50 {
		r.Missing = append(r.Missing, fmt.Sprintf("http://%s/%d", wide, i))
	}
	v := Judge(0, r)
	if len(v.Breaches) != shown+1 || v.Breaches[shown].What != "and 45 more" {
		t.Errorf("%+v", v.Breaches)
	}
}
