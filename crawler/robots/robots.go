package robots

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// MaxCrawlDelay is the longest delay that [Group.CrawlDelay] reports, whatever the file says.
const MaxCrawlDelay = 24 * time.Hour

// Rules are a parsed robots.txt. Any number of goroutines may use them. They must not be copied.
type Rules struct {
	groups   []section
	sitemaps []string
	last     atomic.Pointer[answer] // of Agent: a crawl has one product
}

type answer struct {
	product string
	group   *Group
}

// section is a group as it stands in the file: some User-agent lines, then rules.
type section struct {
	agents []string // values of User-agent, as written
	rules  []rule
	delays []delay
}

// delay is a Crawl-delay line. It concerns the first agents of its section, those named before it: a
// Crawl-delay does not end the list of agents, so others may follow that it was not meant for.
type delay struct {
	agents int
	value  time.Duration
}

// FromStatus returns the rules that follow from the answer to a request for robots.txt:
//
//   - 2xx: what the body says
//   - 4xx: everything is allowed, except after 429
//   - 3xx: everything is allowed; the caller has followed as many redirects as it cares to (RFC 9309 asks
//     for five)
//   - anything else, 429, and 0 for a server that could not be reached: nothing is allowed
//
// Rules that follow from an error are the caller's to ask for again soon.
func FromStatus(status int, body []byte) *Rules {
	switch {
	case status >= 200 && status < 300:
		return Parse(body)
	case status >= 300 && status < 500 && status != http.StatusTooManyRequests:
		return Parse(nil)
	default:
		return Parse([]byte("User-agent: *\nDisallow: /"))
	}
}

// Sitemaps returns the values of the Sitemap lines, in order, as they are written: they may be relative or
// no URLs at all.
func (r *Rules) Sitemaps() []string { return slices.Clone(r.sitemaps) }

// Allowed reports whether product may fetch uri; see [Group.Allowed].
func (r *Rules) Allowed(product, uri string) bool { return r.Agent(product).Allowed(uri) }

// CrawlDelay returns what the file asks of product; see [Group.CrawlDelay].
func (r *Rules) CrawlDelay(product string) (time.Duration, bool) {
	return r.Agent(product).CrawlDelay()
}

// Agent returns the rules for a crawler, given its product token ("lycosa", not "lycosa/1.0"; see
// [Product]). Upper and lower case are the same. The groups that name the product are merged; if there are
// none, those of "*" are. The group of the product asked for last is remembered.
func (r *Rules) Agent(product string) *Group {
	if a := r.last.Load(); a != nil && a.product == product {
		return a.group
	}
	g := r.find(product)
	r.last.Store(&answer{product, g})
	return g
}

func (r *Rules) find(product string) *Group {
	if g := r.merge(func(agent string) bool { return names(agent, product) }); g != nil {
		return g
	}
	if g := r.merge(isAnyone); g != nil {
		return g
	}
	return new(Group)
}

// merge collects the sections with an agent that matches. It returns nil if there are none.
func (r *Rules) merge(match func(agent string) bool) *Group {
	var g *Group
	for i := range r.groups {
		s := &r.groups[i]
		at := slices.IndexFunc(s.agents, match)
		if at < 0 {
			continue
		}
		if g == nil {
			g = new(Group)
		}
		g.rules = append(g.rules, s.rules...)
		for _, d := range s.delays {
			if at < d.agents {
				g.delay, g.delayed = max(g.delay, d.value), true
			}
		}
	}
	if g != nil {
		slices.SortStableFunc(g.rules, bySpecificity)
	}
	return g
}

// Group are the rules that concern one crawler. They do not change, so any number of goroutines may use
// them. The zero Group allows everything.
type Group struct {
	rules   []rule // the first one that matches decides
	delay   time.Duration
	delayed bool
}

// Allowed reports whether uri may be fetched. It is a URL, or its path with query. It takes time proportional to the length of uri times that of the rules.
func (g *Group) Allowed(uri string) bool {
	path := pathOf(uri)
	if path == "/robots.txt" {
		return true
	}
	normal := path
	if len(g.rules) > 0 {
		normal = normalURI(path)
	}
	for i := range g.rules {
		if g.rules[i].matches(path, normal) {
			return g.rules[i].allow
		}
	}
	return true
}

// CrawlDelay returns the least time between two requests that the group asks for, at most [MaxCrawlDelay],
// and false if it asks for none. Of several the longest counts.
func (g *Group) CrawlDelay() (time.Duration, bool) { return g.delay, g.delayed }

// Product returns the token by which robots.txt may name the sender of a User-Agent header: what stands
// before the first "/" or space, or, where a browser is imitated, what follows "compatible;".
func Product(userAgent string) string {
	if _, after, ok := strings.Cut(userAgent, "(compatible;"); ok {
		userAgent = strings.TrimLeft(after, " ")
	}
	return token(userAgent)
}

// names reports whether the value of a User-agent line names the product. Google stops at the first
// character that is no letter, "-" or "_"; crawlers whose name has a digit are named in full too.
func names(agent, product string) bool {
	if product == "" {
		return false
	}
	return strings.EqualFold(letters(agent), product) || strings.EqualFold(token(agent), product)
}

// isAnyone reports whether the value of a User-agent line is "*", as which Google takes "* foo" too.
func isAnyone(agent string) bool {
	return agent == "*" || strings.HasPrefix(agent, "* ") || strings.HasPrefix(agent, "*\t")
}

func letters(s string) string {
	end := strings.IndexFunc(s, func(c rune) bool { return !isLetter(c) && c != '-' && c != '_' })
	if end < 0 {
		return s
	}
	return s[:end]
}

func token(s string) string {
	end := strings.IndexFunc(s, func(c rune) bool {
		return !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("-_.!#$%&'*+^`|~", c)
	})
	if end < 0 {
		return s
	}
	return s[:end]
}

func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// parseDelay reads the value of a Crawl-delay line, in seconds.
func parseDelay(s string) (time.Duration, bool) {
	s = strings.Replace(s, ",", ".", 1)
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(seconds, 1) { // out of range is infinite, and clamped
		return 0, false
	}
	if math.IsNaN(seconds) || seconds < 0 {
		return 0, false
	}
	if seconds >= MaxCrawlDelay.Seconds() {
		return MaxCrawlDelay, true
	}
	return time.Duration(seconds * float64(time.Second)), true
}
