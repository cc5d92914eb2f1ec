package dedup

import (
	"bytes"
	"slices"
)

// appendCanonical appends the canonical form of a parsed URL.
func (c *Canonicalizer) appendCanonical(dst []byte, p *parts) []byte {
	dst = append(dst, p.scheme...)
	dst = append(dst, "://"...)
	dst = appendLower(dst, p.host)
	if len(p.port) > 0 {
		dst = append(dst, ':')
		dst = append(dst, p.port...)
	}
	dst = c.appendPath(dst, p.path)
	dst = c.appendQuery(dst, p.query)
	if c.keepFragment && len(p.fragment) > 0 {
		dst = append(dst, '#')
		dst = appendUnescaped(dst, p.fragment)
	}
	return dst
}

// appendPath appends the path: escapes in canonical form, dot segments resolved.
func (c *Canonicalizer) appendPath(dst, path []byte) []byte {
	root := len(dst)
	dst = append(dst, '/')
	path = bytes.TrimPrefix(path, []byte("/"))

	for more := true; more; {
		var segment []byte
		segment, path, more = bytes.Cut(path, []byte("/"))
		start := len(dst)
		dst = appendUnescaped(dst, segment)
		switch string(dst[start:]) {
		case ".":
			dst = dst[:start]
			continue
		case "..":
			dst = dst[:start]
			if start > root+1 {
				dst = dst[:root+1+bytes.LastIndexByte(dst[root:start-1], '/')]
			}
			continue
		}
		if c.dropSessions {
			dst = append(dst[:start], c.withoutSession(dst[start:])...)
		}
		if more {
			dst = append(dst, '/')
		}
	}
	if c.reshapes {
		dst = c.reshape(dst, root)
	}
	return dst
}

// withoutSession cuts each ";jsessionid=..." out of a path segment, in place. It leaves alone what
// would become a dot segment and so mean another path.
func (c *Canonicalizer) withoutSession(segment []byte) []byte {
	name, _, found := bytes.Cut(segment, []byte(";"))
	if !found || string(name) == "." || string(name) == ".." {
		return segment
	}
	kept := segment[:len(name)]
	for rest, more := segment[len(name)+1:], true; more; {
		var param []byte
		param, rest, more = bytes.Cut(rest, []byte(";"))
		if !c.isPathSession(param) {
			kept = append(kept, ';')
			kept = append(kept, param...)
		}
	}
	return kept
}

func (c *Canonicalizer) isPathSession(param []byte) bool {
	name, _, found := bytes.Cut(param, []byte("="))
	if !found || !c.dropPathSessions {
		return found && bytes.EqualFold(name, []byte("jsessionid"))
	}
	var room [64]byte
	return c.pathSessions.match(appendLower(room[:0], name))
}

// param is where a query parameter stands in its query.
type param struct{ start, nameEnd, end int }

func (p param) name(query []byte) []byte { return query[p.start:p.nameEnd] }

// appendQuery appends a question mark and the query: escapes in canonical form, parameters filtered
// and sorted. It appends nothing if nothing is left of the query.
func (c *Canonicalizer) appendQuery(dst, query []byte) []byte {
	if len(query) == 0 {
		return dst
	}
	mark := len(dst)
	dst = append(dst, '?')
	dst = appendUnescaped(dst, query)
	query = dst[mark+1:]
	if !c.filters && bytes.IndexByte(query, '&') < 0 {
		return dst
	}

	var room [24]param
	params, changed := c.appendParams(room[:0], query)
	if !c.unsorted && !inOrder(params, query) {
		sortParams(params, query)
		changed = true
	}
	if !changed {
		return dst
	}

	var copyRoom [roomy]byte
	query = append(copyRoom[:0], query...)
	dst = dst[:mark]
	separator := byte('?')
	for _, p := range params {
		dst = append(dst, separator)
		dst = append(dst, query[p.start:p.end]...)
		separator = '&'
	}
	return dst
}

// appendParams appends the parameters to keep, and reports whether any was left out.
func (c *Canonicalizer) appendParams(dst []param, query []byte) (params []param, dropped bool) {
	for start := 0; start <= len(query); {
		end := len(query)
		if i := bytes.IndexByte(query[start:], '&'); i >= 0 {
			end = start + i
		}
		p := param{start, end, end}
		if i := bytes.IndexByte(query[start:end], '='); i >= 0 {
			p.nameEnd = start + i
		}
		if start < end && (!c.filters || c.keeps(p.name(query))) {
			dst = append(dst, p)
		} else {
			dropped = true
		}
		start = end + 1
	}
	return dst, dropped
}

func inOrder(params []param, query []byte) bool {
	for i := 1; i < len(params); i++ {
		if bytes.Compare(params[i-1].name(query), params[i].name(query)) > 0 {
			return false
		}
	}
	return true
}

// sortParams sorts by name, stably. Insertion is fastest for as many as a query usually has.
func sortParams(params []param, query []byte) {
	if len(params) > 24 {
		slices.SortStableFunc(params, func(a, b param) int { return bytes.Compare(a.name(query), b.name(query)) })
		return
	}
	for i := 1; i < len(params); i++ {
		for j := i; j > 0 && bytes.Compare(params[j-1].name(query), params[j].name(query)) > 0; j-- {
			params[j-1], params[j] = params[j], params[j-1]
		}
	}
}

// appendUnescaped appends s with escapes of unreserved characters decoded and the digits of the
// remaining ones in upper case.
//
// It decodes once and makes no new escapes: "%2541" stays, as %25 is reserved, and in "%%34%31" the
// first percent sign begins no escape and must not begin one afterwards, so %34 stays as well.
func appendUnescaped(dst, s []byte) []byte {
	lone := -1 // where in dst the last percent sign stands that begins no escape
	for {
		i := bytes.IndexByte(s, '%')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		s = s[i:]
		if len(s) < 3 || !isHex(s[1]) || !isHex(s[2]) {
			lone = len(dst)
			dst = append(dst, '%')
			s = s[1:]
			continue
		}
		c := unhex(s[1])<<4 | unhex(s[2])
		if isUnreserved(c) && !completesEscape(dst, lone, c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex(s[1]), upperHex(s[2]))
		}
		s = s[3:]
	}
}

// completesEscape reports whether c, appended to dst, could make an escape out of the lone percent
// sign: now or together with the character after it.
func completesEscape(dst []byte, lone int, c byte) bool {
	if lone < 0 || !isHex(c) {
		return false
	}
	between := dst[lone+1:]
	return len(between) == 0 || len(between) == 1 && isHex(between[0])
}

func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// isUnreserved is RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func upperHex(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 0x20
	}
	return c
}
