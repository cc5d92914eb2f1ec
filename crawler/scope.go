package crawler

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gobwas/glob"
	"golang.org/x/net/publicsuffix"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// ScopeType limits the links followed, relative to the start URLs and to the seeds of the crawl.
type ScopeType int

// The scopes.
const (
	SameHost   ScopeType = iota // same host and port; the default
	SamePage                    // the start URLs alone
	SamePrefix                  // URLs that begin as a start URL does, up to its last slash
	SameDomain                  // same registered domain (public suffix list)
	AnyHost                     // no limit
)

var scopeNames = [...]string{SameHost: "host", SamePage: "page", SamePrefix: "prefix", SameDomain: "domain", AnyHost: "any"}

// String returns the scope's name in YAML.
func (t ScopeType) String() string {
	if t < 0 || int(t) >= len(scopeNames) {
		return fmt.Sprintf("ScopeType(%d)", int(t))
	}
	return scopeNames[t]
}

// ParseScope reads what [ScopeType.String] wrote.
func ParseScope(s string) (ScopeType, error) {
	for t, name := range scopeNames {
		if name == s {
			return ScopeType(t), nil
		}
	}
	return 0, fmt.Errorf("scope %q: want page, prefix, host, domain or any", s)
}

// scope decides which links belong to the crawl.
//
// A URL is in scope if its key (its host, for SameHost) is that of one of the spider's start URLs, or of the seed
// that the page was reached from. The start URLs are known to each worker; a seed given beside them
// travels with the requests it led to, in Request.Seed, but only where it cannot be told from the URL
// itself: a request without one was seeded at its own key.
type scope struct {
	typ              ScopeType
	include, exclude []*glob.Pattern
	starts           map[string]bool // keys of the start URLs
	hosts            map[string]bool // hosts of the start URLs
}

func (s *scope) compile(spider Spider) error {
	s.typ, s.starts, s.hosts = spider.Scope, map[string]bool{}, map[string]bool{}
	if s.typ < 0 || int(s.typ) >= len(scopeNames) {
		return fmt.Errorf("Scope %v is unknown", s.typ)
	}
	var err error
	if s.include, err = globs("Include", spider.Include); err != nil {
		return err
	}
	s.exclude, err = globs("Exclude", spider.Exclude)
	return err
}

func globs(field string, patterns []string) ([]*glob.Pattern, error) {
	out := make([]*glob.Pattern, len(patterns))
	for i, pattern := range patterns {
		g, err := glob.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s[%d] %q: %w", field, i, pattern, err)
		}
		out[i] = g
	}
	return out, nil
}

func (s *scope) addStart(u dedup.URL) {
	s.starts[s.key(u)] = true
	s.hosts[u.Host()] = true
}

// isPlace reports whether the scope is relative to where a start URL is on its host.
func (s *scope) isPlace() bool { return s.typ == SamePage || s.typ == SamePrefix }

// key is what a URL's belonging is judged by.
func (s *scope) key(u dedup.URL) string {
	switch s.typ {
	case SamePage:
		return u.String()
	case SamePrefix:
		whole, _, _ := strings.Cut(u.String(), "?")
		return whole[:strings.LastIndexByte(whole, '/')+1]
	case SameDomain:
		if domain, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname()); err == nil {
			return domain
		}
		return u.Hostname()
	default:
		return u.Host()
	}
}

// seedOf returns the key of the seed that a request goes back to; empty if that is one of the start URLs.
func (s *scope) seedOf(req *Request, u dedup.URL) string {
	switch {
	case req.Seed != "":
		return req.Seed
	case s.isPlace():
		return ""
	default:
		return s.key(u)
	}
}

// carry returns the Request.Seed of a request for u that goes back to seed.
func (s *scope) carry(seed string, u dedup.URL) string {
	if !s.isPlace() {
		if key := s.key(u); key == seed || s.starts[key] {
			return ""
		}
	}
	return seed
}

// refusal says why a link to u, found on a page that goes back to seed, is not followed; empty if it is.
func (s *scope) refusal(u dedup.URL, seed string) string {
	if !s.within(u, seed) {
		return "scope"
	}
	for _, g := range s.exclude {
		if g.Match(u.String()) {
			return "excluded"
		}
	}
	for _, g := range s.include {
		if g.Match(u.String()) {
			return ""
		}
	}
	if len(s.include) > 0 {
		return "not_included"
	}
	return ""
}

func (s *scope) within(u dedup.URL, seed string) bool {
	if s.typ == AnyHost {
		return true
	}
	if s.typ == SamePrefix {
		for prefix := range s.starts {
			if strings.HasPrefix(u.String(), prefix) {
				return true
			}
		}
		return seed != "" && strings.HasPrefix(u.String(), seed)
	}
	key := s.key(u)
	return key == seed || s.starts[key]
}

// mayBePrivate reports whether the request may go to a loopback or private address: somebody named that very
// host as a start URL or seed. A name with dots never may, because whoever owns the domain decides
// where it points; those need Settings.AllowPrivate.
func (s *scope) mayBePrivate(req *Request, u dedup.URL) bool {
	host := strings.Trim(u.Hostname(), "[]")
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ".") && !strings.HasSuffix(host, ".localhost") {
		return false
	}
	if s.hosts[u.Host()] {
		return true
	}
	seed := s.seedOf(req, u)
	return seed != "" && seed == s.key(u) && req.Hops == 0
}
