package testsite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Config says what a site is like. The zero value is a site of 100 small pages on one host, without faults.
type Config struct {
	// Pages is the number of pages of all hosts together. Default 100.
	Pages int
	// Hosts is the number of hosts, 127.0.0.1 to 127.0.0.Hosts; at most Pages and 250. Default 1. Systems that
	// have 127.0.0.1 alone can serve one.
	Hosts int
	// Links is the number of links on a page, about; at least 12. Default 20.
	Links int
	// Size is the size of a page in bytes, about; its links alone may take more. Default 4096.
	Size int
	// Port is the port of every host. Default: one that is free.
	Port int
	// Seed makes another site of the same form. Default 1.
	Seed uint64

	// Latency is waited before each answer to a page.
	Latency time.Duration
	// Validators sends ETag and Last-Modified with pages, and answers 304 to who has them.
	Validators bool
	// Sessions adds a parameter sid, another one in each link, to the links.
	Sessions bool
	// Robots replaces robots.txt, which by default disallows /private/ and names the sitemap.
	Robots string
	// CrawlDelay is what the default robots.txt of every second host, the first among them, asks for. Default: nothing.
	CrawlDelay time.Duration

	// Flaky is the number of pages that answer 503 before they answer 200. Roots are not among them.
	Flaky int
	// FlakyTimes is how often each of them does. Default 2.
	FlakyTimes int
	// Slow is the number of pages that take SlowBy longer. Roots are not among them.
	Slow int
	// SlowBy; see Slow. Default 1s.
	SlowBy time.Duration

	// Gone is the number of links, beside those of Links, that lead to a 404.
	Gone int
	// Moved is the number of links that redirect to a page of the site: 301, 302, 303, 307 and 308 in turn,
	// every third to another host if there is one.
	Moved int
	// Private is the number of links to pages that robots.txt disallows. They are no part of Pages and Items.
	Private int

	// Log keeps every request; see Site.Visits.
	Log bool
}

func (c Config) withDefaults() Config {
	c.Pages = cmp.Or(c.Pages, 100)
	c.Hosts = cmp.Or(c.Hosts, 1)
	c.Links = cmp.Or(c.Links, 20)
	c.Size = cmp.Or(c.Size, 4096)
	c.Seed = cmp.Or(c.Seed, 1)
	c.FlakyTimes = cmp.Or(c.FlakyTimes, 2)
	c.SlowBy = cmp.Or(c.SlowBy, time.Second)
	return c
}

func (c Config) validate() error {
	switch {
	case c.Hosts < 1 || c.Hosts > 250:
		return fmt.Errorf("testsite: Hosts (%d) must be from 1 to 250", c.Hosts)
	case c.Pages < c.Hosts:
		return fmt.Errorf("testsite: Pages (%d) must not be below Hosts (%d)", c.Pages, c.Hosts)
	case c.Links < minLinks:
		return fmt.Errorf("testsite: Links (%d) must not be below %d", c.Links, minLinks)
	case c.Flaky+c.Slow > c.Pages-c.Hosts:
		return fmt.Errorf("testsite: Flaky (%d) and Slow (%d) together exceed the %d pages that are no roots",
			c.Flaky, c.Slow, c.Pages-c.Hosts)
	case min(c.Size, c.Port, c.FlakyTimes, c.Flaky, c.Slow, c.Gone, c.Moved, c.Private) < 0 || c.Latency < 0 || c.SlowBy < 0 || c.CrawlDelay < 0:
		return errors.New("testsite: no number may be negative")
	}
	return nil
}

// Site is a synthetic web.
//
// All methods may be called from many goroutines at once, Listen once and before the others.
type Site struct {
	cfg    Config
	port   int
	web    *web
	ledger *ledger

	servers []*http.Server
	serving sync.WaitGroup
	answers gate
}

// New returns a site that does not listen yet.
func New(cfg Config) *Site { return &Site{cfg: cfg.withDefaults()} }

// Start serves a site until the test ends.
func Start(tb TB, cfg Config) *Site {
	tb.Helper()
	s := New(cfg)
	if err := s.Listen(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Listen opens the port on every host and serves from then on, until Close.
func (s *Site) Listen() error {
	if err := s.cfg.validate(); err != nil {
		return err
	}
	listeners, err := listen(s.cfg.Hosts, s.cfg.Port)
	if err != nil {
		return err
	}
	s.port = listeners[0].Addr().(*net.TCPAddr).Port
	s.web = makeWeb(s.cfg, s.port)
	s.ledger = newLedger(s.web)
	for h, l := range listeners {
		server := &http.Server{Handler: s.handler(h), ReadHeaderTimeout: time.Minute}
		s.servers = append(s.servers, server)
		s.serving.Go(func() { _ = server.Serve(l) })
	}
	return nil
}

// Close stops serving and cuts off answers under way; it returns when the last of them has ended. A second call
// is harmless.
func (s *Site) Close() {
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.serving.Wait()
	s.answers.shut()
}

// gate counts who is inside, and lets nobody in once it is shut. http.Server.Close waits for no handler.
type gate struct {
	mu     sync.Mutex // guards closed, and Add against Wait
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

// shut returns when the last one has left.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}

// listen opens one port on the first loopback addresses. A port that is free on the first may be taken on
// another: then it tries the next.
func listen(hosts, port int) ([]net.Listener, error) {
	const tries = 20
	for try := 1; ; try++ {
		ls, err := listenOn(hosts, port)
		if err == nil || port != 0 || try == tries {
			return ls, err
		}
	}
}

func listenOn(hosts, port int) (ls []net.Listener, err error) {
	for h := range hosts {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", net.JoinHostPort(address(h), strconv.Itoa(port)))
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			return nil, fmt.Errorf("testsite: %w", err)
		}
		ls = append(ls, l)
		port = l.Addr().(*net.TCPAddr).Port
	}
	return ls, nil
}

// address of a host, counted from 0.
func address(host int) string { return "127.0.0." + strconv.Itoa(1+host) }

// Roots returns the root URL of each host: the seeds of a whole crawl.
func (s *Site) Roots() []string {
	roots := make([]string, s.cfg.Hosts)
	for h := range roots {
		roots[h] = s.web.origin(h) + "/"
	}
	return roots
}

// URLs returns the canonical URLs of all pages, in the order of Items.
func (s *Site) URLs() []string {
	urls := make([]string, len(s.web.pages))
	for i, p := range s.web.pages {
		urls[i] = p.item.URL
	}
	return urls
}

// Items returns what a crawl of the whole site should extract, one a page.
func (s *Site) Items() []Item {
	items := make([]Item, len(s.web.pages))
	for i, p := range s.web.pages {
		items[i] = p.item
	}
	return items
}
