package dedup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// TrailingSlash says what becomes of the slash at the end of a path.
type TrailingSlash int

// What can become of it. The path "/" is left alone by each.
const (
	KeepSlash   TrailingSlash = iota // as given; the default
	RemoveSlash                      // all slashes at the end off: "/a//" becomes "/a"
	AddSlash                         // one put there, unless the last segment has a dot, as file names do
)

var slashNames = [...]string{KeepSlash: "keep", RemoveSlash: "remove", AddSlash: "add"}

// String returns the name in YAML.
func (s TrailingSlash) String() string {
	if s < 0 || int(s) >= len(slashNames) {
		return fmt.Sprintf("TrailingSlash(%d)", int(s))
	}
	return slashNames[s]
}

// ParseTrailingSlash reads what [TrailingSlash.String] wrote.
func ParseTrailingSlash(s string) (TrailingSlash, error) {
	if i := slices.Index(slashNames[:], s); i >= 0 {
		return TrailingSlash(i), nil
	}
	return 0, fmt.Errorf("trailing slash %q: want keep, remove or add", s)
}

// reshape applies the rules for whole paths to the one that begins at root. Dot segments are resolved by then: they
// count the segments as they were given, so none may vanish before.
func (c *Canonicalizer) reshape(dst []byte, root int) []byte {
	if c.dropPathSessions {
		dst = withoutSessionSegments(dst, root)
	}
	if c.foldPathCase {
		foldCase(dst[root:])
	}
	switch last := dst[bytes.LastIndexByte(dst, '/')+1:]; c.trailingSlash {
	case RemoveSlash:
		for len(dst) > root+1 && dst[len(dst)-1] == '/' {
			dst = dst[:len(dst)-1]
		}
	case AddSlash:
		if len(last) > 0 && bytes.IndexByte(last, '.') < 0 {
			dst = append(dst, '/')
		}
	}
	return dst
}

// withoutSessionSegments cuts the segments that ASP.NET keeps a session in, in place.
func withoutSessionSegments(dst []byte, root int) []byte {
	kept := dst[:root+1]
	for rest, more := dst[root+1:], true; more; {
		var segment []byte
		segment, rest, more = bytes.Cut(rest, []byte("/"))
		if isSessionSegment(segment) {
			continue
		}
		kept = append(kept, segment...)
		if more {
			kept = append(kept, '/')
		}
	}
	return kept
}

// isSessionSegment reports whether a segment is one or more identifiers of ASP.NET in brackets:
// "(S(lit3py55t21z5v55vlm25s55))", "(X(1)S(lit3py55t21z5v55vlm25s55))". S is a session, A an anonymous visitor, F a
// login, X whether cookies are accepted.
func isSessionSegment(segment []byte) bool {
	if len(segment) < len("(S(x))") || segment[0] != '(' || segment[len(segment)-1] != ')' {
		return false
	}
	for rest := segment[1 : len(segment)-1]; len(rest) > 0; {
		if strings.IndexByte("AFSX", rest[0]) < 0 || len(rest) < 2 || rest[1] != '(' {
			return false
		}
		end := bytes.IndexByte(rest, ')')
		if end <= 2 {
			return false
		}
		for _, b := range rest[2:end] {
			if !isLetter(b) && !isDigit(b) && b != '-' && b != '_' {
				return false
			}
		}
		rest = rest[end+1:]
	}
	return true
}

// foldCase puts letters in lower case, in place, but for the digits of escapes.
func foldCase(path []byte) {
	for i := 0; i < len(path); i++ {
		switch b := path[i]; {
		case b == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]):
			i += 2
		case 'A' <= b && b <= 'Z':
			path[i] = b | 0x20
		}
	}
}
