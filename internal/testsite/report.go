package testsite

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Report says what was asked of a site since it began to listen, or since the last Reset. A control path, robots.txt
// and the sitemap are no requests in this sense.
type Report struct {
	Pages    int `json:"pages"`    // of the site
	Requests int `json:"requests"` // for anything
	Distinct int `json:"distinct"` // pages that were answered with 200 or 304
	Open     int `json:"open"`     // requests under way

	// Missing are the pages never answered with 200 or 304.
	Missing []string `json:"missing"`
	// Duplicates are the pages answered with 200 or 304 more than once, and how often.
	Duplicates map[string]int `json:"duplicates"`
	// Private are the pages that robots.txt disallows and that were asked for all the same, and how often.
	Private map[string]int `json:"private"`
	// Cut is the number of requests whose client went away before the answer.
	Cut int `json:"cut"`
	// Statuses counts the answers by status.
	Statuses map[int]int `json:"statuses"`
	// Aside counts the requests for robots.txt and sitemaps, by URL.
	Aside map[string]int `json:"aside"`
	// Hosts by their address without the port.
	Hosts map[string]HostReport `json:"hosts"`
	// Elapsed is the time from the start of the first request to the start of the last.
	Elapsed time.Duration `json:"elapsed_ns"`
}

// HostReport says how one host was treated.
type HostReport struct {
	Requests int `json:"requests"`
	// MaxOpen is the largest number of requests that were under way at once.
	MaxOpen int `json:"max_open"`
	// MinGap is the shortest time between the starts of two requests; 0 if there were not two.
	MinGap time.Duration `json:"min_gap_ns"`
}

// Complete returns nil if every page was answered exactly once, and none that robots.txt disallows was asked for.
func (r Report) Complete() error {
	var errs []error
	if n := len(r.Missing); n > 0 {
		errs = append(errs, fmt.Errorf("%d of %d pages missing, among them %s", n, r.Pages, r.Missing[0]))
	}
	for u, n := range r.Duplicates {
		errs = append(errs, fmt.Errorf("%d pages more than once, among them %s: %d times", len(r.Duplicates), u, n))
		break
	}
	for u := range r.Private {
		errs = append(errs, fmt.Errorf("%d pages that robots.txt disallows, among them %s", len(r.Private), u))
		break
	}
	return errors.Join(errs...)
}

// Report returns what was asked of the site so far.
func (s *Site) Report() Report { return s.ledger.report() }

// Hits returns how often each URL was asked for, whatever the answer: pages in canonical form, and the first
// 10,000 other URLs.
func (s *Site) Hits() map[string]int { return s.ledger.hits() }

// Visits returns every request since the site began to listen, or since the last Reset, in the order they began;
// nothing without Config.Log.
func (s *Site) Visits() []Visit { return s.ledger.visits() }

// Fetched returns the number of pages that were answered with 200 or 304 so far.
func (s *Site) Fetched() int { return s.ledger.fetched() }

// Delay returns the Crawl-delay that a host asks for, by its address without the port; 0 if none.
func (s *Site) Delay(host string) time.Duration {
	for h := range s.cfg.Hosts {
		if address(h) == host && asksForDelay(h) && s.cfg.Robots == "" {
			return s.cfg.CrawlDelay
		}
	}
	return 0
}

// Visit is one request as the site saw it.
type Visit struct {
	URL   string // canonical
	Host  string // its address without the port
	Agent string // User-Agent header
	Page  bool   // one of the site's pages
	Aside bool   // robots.txt or a sitemap
	// Began is when the request had been read.
	Began time.Time
	// Ended is when the answer was about to be written, or when the client was found to have gone. Zero while the
	// request is under way.
	Ended time.Time
	// Status is that of the answer, 0 if there was none.
	Status int
}

// Open reports whether the request was under way at a time.
func (v *Visit) Open(at time.Time) bool {
	return !v.Began.After(at) && (v.Ended.IsZero() || v.Ended.After(at))
}

// Reset forgets all requests but those under way; flaky pages are flaky again.
func (s *Site) Reset() { s.ledger.reset() }

// ledger counts.
type ledger struct {
	web *web

	mu     sync.Mutex // guards what follows
	counts            // since the last reset
	open   []int      // requests under way, by host
}

type counts struct {
	requests, cut int
	distinct      int
	log           []*Visit
	asked         map[string]int // requests by URL
	got           []int          // 200 and 304, by page
	statuses      map[int]int
	asides        map[string]int
	hosts         []hostCount
	first, last   time.Time
}

type hostCount struct {
	requests, maxOpen int
	minGap            time.Duration
	last              time.Time
}

// maxOther bounds the URLs remembered that are no pages.
const maxOther = 10_000

func newLedger(w *web) *ledger {
	l := &ledger{web: w, open: make([]int, w.cfg.Hosts)}
	l.reset()
	return l
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = counts{
		asked:    map[string]int{},
		got:      make([]int, l.web.cfg.Pages),
		statuses: map[int]int{},
		asides:   map[string]int{},
		hosts:    make([]hostCount, l.web.cfg.Hosts),
	}
	for h, n := range l.open {
		l.hosts[h].maxOpen = n
	}
}

// visit is one request under way.
type visit struct {
	ledger *ledger
	host   int
	url    string
	nth    int    // how often the URL was asked for, this time included
	status int    // 0 until answered
	log    *Visit // nil: not kept
}

func (l *ledger) begin(host int, u, agent string) *visit {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.requests++; l.requests == 1 {
		l.first = now
	}
	l.last = now
	l.open[host]++
	h := &l.hosts[host]
	h.requests++
	h.maxOpen = max(h.maxOpen, l.open[host])
	if !h.last.IsZero() {
		if gap := max(now.Sub(h.last), 1); h.minGap == 0 || gap < h.minGap {
			h.minGap = gap
		}
	}
	h.last = now
	if _, known := l.asked[u]; known || l.web.byURL[u] != nil || len(l.asked) < l.web.cfg.Pages+maxOther {
		l.asked[u]++
	}
	v := &visit{ledger: l, host: host, url: u, nth: l.asked[u]}
	if l.web.cfg.Log {
		p := l.web.byURL[u]
		v.log = &Visit{URL: u, Host: address(host), Agent: agent, Page: p != nil && !p.private, Began: now}
		l.log = append(l.log, v.log)
	}
	return v
}

// answered counts the answer; called before it is written, so that a client that has read it finds it counted.
func (v *visit) answered(status int) {
	l := v.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	v.status = status
	if v.log != nil {
		v.log.Status, v.log.Ended = status, time.Now()
	}
	l.statuses[status]++
	if p := l.web.byURL[v.url]; p != nil && !p.private && (status == http.StatusOK || status == http.StatusNotModified) {
		if l.got[p.id]++; l.got[p.id] == 1 {
			l.distinct++
		}
	}
}

func (v *visit) end() {
	l := v.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[v.host]--
	if v.status == 0 {
		l.cut++
		if v.log != nil {
			v.log.Ended = time.Now()
		}
	}
}

func (l *ledger) aside(host int, u, agent string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asides[u]++
	if l.web.cfg.Log {
		now := time.Now()
		l.log = append(l.log, &Visit{
			URL: u, Host: address(host), Agent: agent, Aside: true, Began: now, Ended: now, Status: http.StatusOK,
		})
	}
}

func (l *ledger) visits() []Visit {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Visit, len(l.log))
	for i, v := range l.log {
		all[i] = *v
	}
	return all
}

func (l *ledger) fetched() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.distinct
}

func (l *ledger) hits() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.asked)
}

func (l *ledger) report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{
		Pages:      l.web.cfg.Pages,
		Requests:   l.requests,
		Missing:    []string{},
		Duplicates: map[string]int{},
		Private:    map[string]int{},
		Cut:        l.cut,
		Statuses:   maps.Clone(l.statuses),
		Aside:      maps.Clone(l.asides),
		Hosts:      map[string]HostReport{},
		Elapsed:    l.last.Sub(l.first),
	}
	for i, n := range l.got {
		u := l.web.pages[i].item.URL
		switch {
		case n == 0:
			r.Missing = append(r.Missing, u)
			continue
		case n > 1:
			r.Duplicates[u] = n
		}
		r.Distinct++
	}
	for k := range l.web.cfg.Private {
		if u := l.web.privateURL(k); l.asked[u] > 0 {
			r.Private[u] = l.asked[u]
		}
	}
	for i, h := range l.hosts {
		r.Open += l.open[i]
		r.Hosts[address(i)] = HostReport{Requests: h.requests, MaxOpen: h.maxOpen, MinGap: h.minGap}
	}
	return r
}
