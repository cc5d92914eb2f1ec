package crawler

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Spider says what to crawl and how. It is a value: a program may build several, and none registers itself
// anywhere. [Spider.Check] tells what is wrong with one; the engine refuses it with the same words.
type Spider struct {
	// Name of the spider, and of its crawl unless told otherwise: [A-Za-z0-9._-]{1,64}.
	Name string
	// Start lists where the crawl starts.
	Start []StartURL
	// Sitemaps are sitemaps and feeds whose pages are followed too.
	Sitemaps []Sitemap
	// Scope limits the links followed, relative to the start URLs. Default SameHost.
	Scope ScopeType
	// Include, when set, lets only those canonical URLs be followed that match one of the globs; Exclude
	// refuses those that match one. * matches anything, / too. Start URLs are exempt.
	Include, Exclude []string
	// Routes are the kinds of pages and their handlers.
	Routes []Binding
	// Items are example values of the item types that handlers extract with [One] and [All]: list them
	// here and a wrong tag or selector is refused when the spider is built, not when the first page arrives.
	Items []any
	// Canonical says which spellings of a URL are one, and what else of a request tells it from others.
	Canonical dedup.Rules
	// Settings are the defaults of this spider; flags of the command override them.
	Settings Settings
	// Revisit has the crawl come again to its pages. Default: each URL is fetched once.
	Revisit *Revisit
	// Params are parameters of the spider's own with their defaults, set with --set NAME=VALUE and read
	// with [Page.Param].
	Params map[string]string
}

// StartURL is a start URL and the route that gets its page.
type StartURL struct {
	URL    string
	Target Target
}

// Start lists start URLs of a route. Join several with append.
func Start(t Target, urls ...string) []StartURL {
	starts := make([]StartURL, len(urls))
	for i, u := range urls {
		starts[i] = StartURL{u, t}
	}
	return starts
}

// Settings are what a crawl can be told. The zero value of each field is its default.
type Settings struct {
	// Concurrency is how many pages one worker has in flight. Default 16.
	Concurrency int
	// PerHost is how many pages of one host are in flight, over the whole fleet. Default 2, and 1 if
	// there is a Delay.
	PerHost int
	// Delay is the least time from the start of one request to the start of the next on one host,
	// over the whole fleet. Default none; a Crawl-delay in robots.txt raises it.
	Delay time.Duration
	// MaxDepth is how many links are followed from a start URL. Default no limit.
	MaxDepth int
	// MaxPages ends the crawl after so many pages. Default no limit. In a fleet it is checked every few
	// seconds and may be overshot by what is in flight.
	MaxPages int64
	// MaxAttempts is how often a page that fails is tried in all. Default 4.
	MaxAttempts int
	// RetryDelay is the wait before the second attempt; it doubles with each further one, up to an hour, and
	// has jitter of a quarter. Default 2s.
	RetryDelay time.Duration
	// Lease is how long a page may go unheard of before another worker takes it over. Default 60s.
	Lease time.Duration
	// Timeout bounds one fetch as a whole. Default 30s.
	Timeout time.Duration
	// MaxBody is the largest page accepted, in bytes, content decoding undone. Default 10 MiB.
	MaxBody int64
	// MaxRedirects is how many redirects are followed in a row. Default 10.
	MaxRedirects int
	// Duplicates says which pages are marked that show what an earlier page of the crawl showed: see [Duplicates]. Default none.
	Duplicates Duplicates
	// UserAgent is sent with each request, and its first word, up to a slash, is what robots.txt knows the
	// crawler by. Default lycosa's own, which names the project.
	UserAgent string
	// IgnoreRobots does not ask for robots.txt.
	IgnoreRobots bool
	// AllowPrivate lets pages lead to loopback and private addresses. A start URL that names such an
	// address allows its own host.
	AllowPrivate bool
}

func (s Settings) withDefaults() Settings {
	s.Concurrency = cmp.Or(s.Concurrency, 16)
	if s.PerHost == 0 {
		s.PerHost = 2
		if s.Delay > 0 {
			s.PerHost = 1
		}
	}
	s.MaxAttempts = cmp.Or(s.MaxAttempts, 4)
	s.RetryDelay = cmp.Or(s.RetryDelay, 2*time.Second)
	s.Lease = cmp.Or(s.Lease, time.Minute)
	s.Timeout = cmp.Or(s.Timeout, 30*time.Second)
	s.MaxBody = cmp.Or(s.MaxBody, 10<<20)
	s.MaxRedirects = cmp.Or(s.MaxRedirects, 10)
	return s
}

// maxSetting bounds counts against slips of the finger: a million slots would exhaust any machine.
const maxSetting = 100_000

func (s Settings) validate() error {
	type number struct {
		name string
		v    int64
		top  int64
	}
	for _, n := range []number{
		{"Concurrency", int64(s.Concurrency), maxSetting},
		{"PerHost", int64(s.PerHost), 65_535},
		{"MaxDepth", int64(s.MaxDepth), 1 << 31},
		{"MaxPages", s.MaxPages, 1 << 62},
		{"MaxAttempts", int64(s.MaxAttempts), 200},
		{"MaxBody", s.MaxBody, 1 << 40},
		{"MaxRedirects", int64(s.MaxRedirects), 100},
		{"Delay", int64(s.Delay), int64(24 * time.Hour)},
		{"RetryDelay", int64(s.RetryDelay), int64(24 * time.Hour)},
		{"Lease", int64(s.Lease), int64(24 * time.Hour)},
		{"Timeout", int64(s.Timeout), int64(24 * time.Hour)},
	} {
		if n.v < 0 {
			return fmt.Errorf("%s is negative", n.name)
		}
		if n.v > n.top {
			return fmt.Errorf("%s is too large: at most %s", n.name, limitText(n.name, n.top))
		}
	}
	if int(s.Duplicates) >= len(duplicatesNames) {
		return fmt.Errorf("Duplicates is %s: want off, exact or near", s.Duplicates)
	}
	if s.Lease < time.Second {
		return fmt.Errorf("Lease (%v) is shorter than a second", s.Lease)
	}
	if strings.ContainsAny(s.UserAgent, "\r\n\x00") {
		return errors.New("UserAgent has a line break")
	}
	return nil
}

func limitText(name string, top int64) string {
	switch name {
	case "Delay", "RetryDelay", "Lease", "Timeout":
		return time.Duration(top).String()
	}
	return fmt.Sprint(top)
}

var spiderName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Check returns what is wrong with the spider, in one line that names the field, or nil.
func (s Spider) Check() error {
	_, err := s.compile()
	return err
}

// Serves reports whether the spider has a handler for a route: one of its own, or of the engine's that it makes use of.
func (s Spider) Serves(route string) bool {
	p, err := s.compile()
	if err != nil {
		return false
	}
	_, ok := p.routes[route]
	return ok
}

// RouteNames returns the names of the spider's routes, in order.
func (s Spider) RouteNames() []string {
	names := make([]string, len(s.Routes))
	for i, b := range s.Routes {
		names[i] = b.name
	}
	return names
}

// compile checks the spider and returns it ready to work.
func (s Spider) compile() (*plan, error) {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w %s: %w", ErrSpider, cmp.Or(s.Name, "without a name"), fmt.Errorf(format, args...))
	}
	if !spiderName.MatchString(s.Name) {
		return nil, fail("Name %q: a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", s.Name)
	}
	if len(s.Routes) == 0 {
		return nil, fail("Routes is empty: no page would have a handler")
	}
	p := &plan{spider: s, settings: s.Settings.withDefaults(), routes: make(map[string]Binding, len(s.Routes))}
	p.spider.Params = maps.Clone(s.Params)
	for i, b := range s.Routes {
		if b.handle == nil {
			return nil, fail("Routes[%d] has no handler: make it with Route.To", i)
		}
		if err := b.check(); err != nil {
			return nil, fail("%w", err)
		}
		if _, twice := p.routes[b.name]; twice {
			return nil, fail("route %s is bound twice", b.name)
		}
		p.routes[b.name] = b
	}
	for _, item := range s.Items {
		if _, err := p.extractor(reflect.TypeOf(item)); err != nil {
			return nil, fail("Items: %w", err)
		}
	}
	if err := p.settings.validate(); err != nil {
		return nil, fail("Settings.%w", err)
	}
	var err error
	if p.revisits, err = s.Revisit.compile(p.routes); err != nil {
		return nil, fail("Revisit: %w", err)
	}
	if p.canon, err = s.Canonical.Compile(); err != nil {
		return nil, fail("Canonical: %w", err)
	}
	if err := p.scope.compile(s); err != nil {
		return nil, fail("%w", err)
	}
	for i, start := range s.Start {
		if start.Target == nil {
			return nil, fail("Start[%d] has no route", i)
		}
		u, err := p.canon.Parse(start.URL)
		if err != nil {
			return nil, fail("Start[%d]: %w", i, err)
		}
		if err := p.checkTarget(start.Target.target()); err != nil {
			return nil, fail("Start[%d]: %w", i, err)
		}
		p.scope.addStart(u)
	}
	if err := p.compileSitemaps(s); err != nil {
		return nil, fail("%w", err)
	}
	return p, nil
}

// checkTarget returns an error if a target leads to no binding of the spider.
func (p *plan) checkTarget(t bound) error {
	b, ok := p.routes[t.name]
	if !ok || !routeName.MatchString(t.name) {
		names := p.spider.RouteNames()
		slices.Sort(names)
		return fmt.Errorf("route %q is not among the spider's Routes (%s)", t.name, strings.Join(names, ", "))
	}
	if t.typ != b.with {
		return fmt.Errorf("route %s carries %s, not %s", t.name, b.with, t.typ)
	}
	return nil
}
