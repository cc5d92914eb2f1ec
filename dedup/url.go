package dedup

import "strings"

// URL is a canonical URL, as made by a [Canonicalizer]. It is a small value: compare it with ==, use
// it as a key of a map. The zero URL is no URL at all.
type URL struct {
	s string // scheme://host[:port]/path[?query][#fragment]
}

// String returns the canonical URL, and "" for the zero URL.
func (u URL) String() string { return u.s }

// IsZero reports whether u is the zero URL.
func (u URL) IsZero() bool { return u.s == "" }

// Scheme returns "http" or "https".
func (u URL) Scheme() string {
	scheme, _, _ := strings.Cut(u.s, ":")
	return scheme
}

// Host returns the host in lower case and ASCII, with the port unless it is the default one of the
// scheme: "example.com", "example.com:8080", "[::1]". Politeness is kept per Host.
func (u URL) Host() string {
	return u.s[min(len(u.s), len(u.Scheme())+len("://")):u.pathStart()]
}

// Hostname returns the host without the port and an IPv6 address without its brackets: what is
// looked up and dialled.
func (u URL) Hostname() string {
	host := u.Host()
	if ip, ok := strings.CutPrefix(host, "["); ok {
		ip, _, _ = strings.Cut(ip, "]")
		return ip
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

// Path returns the path as it stands in the URL, escaped; it begins with a slash.
func (u URL) Path() string {
	path, _, _ := strings.Cut(u.RequestURI(), "?")
	return path
}

// RequestURI returns path and query, escaped: what stands in the request line, and what robots.txt
// rules are matched with.
func (u URL) RequestURI() string {
	return u.s[u.pathStart():u.requestEnd()]
}

// pathStart is the index of the slash that ends the authority.
func (u URL) pathStart() int {
	authority := min(len(u.s), len(u.Scheme())+len("://"))
	if slash := strings.IndexByte(u.s[authority:], '/'); slash >= 0 {
		return authority + slash
	}
	return len(u.s)
}

// requestEnd is the index at which the fragment begins, number sign included.
func (u URL) requestEnd() int {
	if fragment := strings.IndexByte(u.s, '#'); fragment >= 0 {
		return fragment
	}
	return len(u.s)
}
