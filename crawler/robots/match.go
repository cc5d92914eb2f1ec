package robots

import (
	"cmp"
	"strings"
)

// rule is one Allow or Disallow line.
type rule struct {
	pattern string // as Google compares it
	normal  string // as RFC 9309 compares it; of Disallow rules only
	allow   bool
}

// appendRule appends what a line means. "Allow: /x/index.html" allows /x/ too, as Google has it: both names
// are of one page.
func appendRule(rules []rule, value string, allow bool) []rule {
	if value == "" {
		return rules // matches nothing and so allows all, like no rule at all
	}
	r := rule{pattern: escape(value), allow: allow}
	if !allow {
		r.normal = normalPattern(r.pattern)
	}
	rules = append(rules, r)
	slash := strings.LastIndexByte(r.pattern, '/')
	if allow && slash >= 0 && strings.HasPrefix(r.pattern[slash:], "/index.htm") {
		rules = append(rules, rule{pattern: r.pattern[:slash+1] + "$", allow: true})
	}
	return rules
}

// bySpecificity puts longer rules before shorter ones, and Allow before Disallow of the same length.
func bySpecificity(a, b rule) int {
	if c := cmp.Compare(len(b.pattern), len(a.pattern)); c != 0 {
		return c
	}
	switch {
	case a.allow == b.allow:
		return 0
	case a.allow:
		return -1
	default:
		return 1
	}
}

// matches reports whether the rule concerns a path, given as it is and normalised.
func (r *rule) matches(path, normal string) bool {
	if matches(path, r.pattern) {
		return true
	}
	if r.allow || (r.normal == r.pattern && normal == path) {
		return false
	}
	return matches(normal, r.normal)
}

// matches reports whether pattern matches a prefix of path, or all of it if it ends in "$". Each part
// between two "*" is looked for behind the part before, at the first place where it occurs: if any
// choice of places works, the earliest one does, so nothing is ever tried twice.
func matches(path, pattern string) bool {
	pattern, whole := strings.CutSuffix(pattern, "$")
	first, rest, wild := strings.Cut(pattern, "*")
	if !strings.HasPrefix(path, first) {
		return false
	}
	path = path[len(first):]
	if !wild {
		return !whole || path == ""
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			if whole {
				return strings.HasSuffix(path, part)
			}
			return strings.Contains(path, part)
		}
		at := strings.Index(path, part)
		if at < 0 {
			return false
		}
		path, rest = path[at+len(part):], next
	}
}

// pathOf returns the path and query of a URL, "/" if there are none. What begins with a slash is a path.
func pathOf(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	if strings.HasPrefix(uri, "/") {
		return uri
	}
	if scheme, rest, ok := strings.Cut(uri, "://"); ok && !strings.ContainsAny(scheme, "/?;") {
		uri = rest
	}
	at := strings.IndexAny(uri, "/?;")
	switch {
	case at < 0:
		return "/"
	case uri[at] == '/':
		return uri[at:]
	default:
		return "/" + uri[at:]
	}
}

// escape gives escapes upper case and escapes octets that are not ASCII.
func escape(s string) string {
	return rewrite(s, func(dst []byte, c byte, escaped bool) []byte {
		if escaped || c >= 0x80 {
			return appendEscape(dst, c)
		}
		return append(dst, c)
	})
}

// normalURI brings a path into the form of RFC 9309 section 2.2.2: unreserved characters stand for
// themselves, what may not stand in a URI is escaped, and so are "*" and "$", which mean something else in a
// pattern.
func normalURI(path string) string {
	return rewrite(path, func(dst []byte, c byte, escaped bool) []byte {
		if !escaped && (c == '*' || c == '$') {
			return appendEscape(dst, c)
		}
		return appendNormal(dst, c, escaped)
	})
}

// normalPattern does the same to a pattern. A "$" that is not at its end is an ordinary character.
func normalPattern(pattern string) string {
	body, end := pattern, ""
	if strings.HasSuffix(pattern, "$") {
		body, end = pattern[:len(pattern)-1], "$"
	}
	normal := rewrite(body, func(dst []byte, c byte, escaped bool) []byte {
		if !escaped && c == '$' {
			return appendEscape(dst, c)
		}
		return appendNormal(dst, c, escaped)
	})
	if normal == body {
		return pattern
	}
	return normal + end
}

func appendNormal(dst []byte, c byte, escaped bool) []byte {
	switch {
	case isUnreserved(c):
		return append(dst, c)
	case escaped || !isReserved(c):
		return appendEscape(dst, c)
	default:
		return append(dst, c)
	}
}

// rewrite hands each character of s to appendChar, decoded if it was escaped. It returns s itself if nothing
// changes.
func rewrite(s string, appendChar func(dst []byte, c byte, escaped bool) []byte) string {
	if !strings.ContainsFunc(s, isSpecial) {
		return s
	}
	dst := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); i++ {
		c, escaped := s[i], false
		if c == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				c, escaped = byte(hi<<4|lo), true
				i += 2
			}
		}
		if c == '%' && !escaped {
			dst = append(dst, c) // an invalid escape stands for itself
			continue
		}
		dst = appendChar(dst, c, escaped)
	}
	if string(dst) == s {
		return s
	}
	return string(dst)
}

// isSpecial reports whether c is a character that some normalisation may change.
func isSpecial(c rune) bool {
	return c == '%' || c == '$' || c == '*' || c >= 0x7F || (!isUnreserved(byte(c)) && !isReserved(byte(c)))
}

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func isReserved(c byte) bool { return strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0 }

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
