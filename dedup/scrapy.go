package dedup

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what Scrapy takes; see Scheme
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Scheme says how the fingerprint of a request is made. All but the default are those of other crawlers, so that what they have
// seen can be taken over: SHA-1 over method, canonical URL and body, of which the first 128 bits are kept. SHA-1 is
// broken: a site that wants to can make two of its own pages collide, and hide one of them.
//
// The canonical URL of these is that of w3lib.url.canonicalize_url (w3lib 1.22 to 2.4; see [Canonicalizer.Fingerprint]).
type Scheme int

// The schemes.
const (
	SchemeLycosa      Scheme = iota // that of [Of]; the default
	SchemeScrapy                    // Scrapy since 2.6: scrapy.utils.request.fingerprint
	SchemeScrapyRedis               // scrapy-redis since 0.8: the same without the member "headers"
	SchemeScrapyOld                 // scrapy.utils.request.request_fingerprint: older Scrapy, and scrapy-redis up to 0.7
)

var schemeNames = [...]string{SchemeLycosa: "lycosa", SchemeScrapy: "scrapy", SchemeScrapyRedis: "scrapy-redis", SchemeScrapyOld: "scrapy-old"}

// String returns the name in YAML and on the command line.
func (s Scheme) String() string {
	if s < 0 || int(s) >= len(schemeNames) {
		return fmt.Sprintf("Scheme(%d)", int(s))
	}
	return schemeNames[s]
}

// ParseScheme reads what [Scheme.String] wrote.
func ParseScheme(s string) (Scheme, error) {
	if i := slices.Index(schemeNames[:], s); i >= 0 {
		return Scheme(i), nil
	}
	return 0, fmt.Errorf("fingerprint %.40q: want %s", s, strings.Join(schemeNames[:], ", "))
}

// ParseSHA1 reads a fingerprint of another crawler, 40 hexadecimal digits in lower case, as scrapy-redis keeps it.
func ParseSHA1(s string) (Fingerprint, error) {
	var sum [sha1.Size]byte
	if len(s) != hex.EncodedLen(len(sum)) || strings.ToLower(s) != s {
		return Fingerprint{}, fmt.Errorf("%.60q is no SHA-1: want 40 hexadecimal digits in lower case", s)
	}
	if _, err := hex.Decode(sum[:], []byte(s)); err != nil {
		return Fingerprint{}, fmt.Errorf("%.60q is no SHA-1: %w", s, err)
	}
	return Fingerprint(sum[:16]), nil
}

// check refuses what the scheme has no room for: rules under which it would no longer be the other crawler's.
func (s Scheme) check(r *Rules) error {
	switch {
	case s < 0 || int(s) >= len(schemeNames):
		return fmt.Errorf("dedup: Scheme (%d) must be SchemeLycosa, SchemeScrapy, SchemeScrapyRedis or SchemeScrapyOld", int(s))
	case s == SchemeLycosa:
		return nil
	case len(r.FingerprintHeaders) > 0:
		return fmt.Errorf("dedup: FingerprintHeaders: a fingerprint of %s has no headers", s)
	case r.CanonicalBodies:
		return fmt.Errorf("dedup: CanonicalBodies: a fingerprint of %s has bodies as they are", s)
	case r.KeepFragment:
		return fmt.Errorf("dedup: KeepFragment: a fingerprint of %s leaves the fragment out, and all URLs that differ in it alone are one", s)
	}
	return nil
}

// appendScrapy appends what the scheme hashes.
func (s Scheme) appendScrapy(dst []byte, method, canonical string, body []byte) []byte {
	if method == "" {
		method = "GET"
	}
	if s == SchemeScrapyOld {
		dst = append(dst, method...)
		dst = appendW3lib(dst, canonical)
		return append(dst, body...)
	}
	// As Python's json.dumps writes it with its names sorted. Neither method nor URL has anything to escape.
	dst = append(dst, `{"body": "`...)
	dst = hex.AppendEncode(dst, body)
	if s == SchemeScrapy {
		dst = append(dst, `", "headers": {}, "method": "`...)
	} else {
		dst = append(dst, `", "method": "`...)
	}
	dst = append(dst, method...)
	dst = append(dst, `", "url": "`...)
	dst = appendW3lib(dst, canonical)
	return append(dst, `"}`...)
}

// SHA1 returns the whole fingerprint as the other crawler has it. The scheme must be one of theirs; an empty method
// means GET.
func (s Scheme) SHA1(method, canonical string, body []byte) [sha1.Size]byte {
	var room [2 * roomy]byte
	return sha1.Sum(s.appendScrapy(room[:0], method, canonical, body)) //nolint:gosec // as above
}

func (s Scheme) of(method, canonical string, body []byte) Fingerprint {
	sum := s.SHA1(method, canonical, body)
	return Fingerprint(sum[:16])
}

// appendW3lib appends a canonical URL as w3lib.url.canonicalize_url writes it. That works on any URL; a canonical one has no
// fragment, no user, a path, and ASCII alone.
func appendW3lib(dst []byte, u string) []byte {
	u, _, _ = strings.Cut(u, "#")
	u, query, _ := strings.Cut(u, "?")
	root := strings.Index(u, "://") + len("://")
	if slash := strings.IndexByte(u[root:], '/'); slash >= 0 {
		root += slash
	} else {
		root = len(u)
	}
	dst = append(dst, u[:root]...)
	path, params := u[root:], ""
	// The parameters of the last segment are not part of the path.
	if last := strings.LastIndexByte(path, '/') + 1; strings.Contains(path[last:], ";") {
		i := last + strings.IndexByte(path[last:], ';')
		path, params = path[:i], path[i+1:]
	}
	if path == "" {
		path = "/"
	}
	dst = appendW3libPath(dst, path)
	if params != "" {
		dst = append(dst, ';')
		for i := range len(params) {
			dst = appendEscaped(dst, params[i], params[i] == '#' || pathSafe(params[i]))
		}
	}
	return appendW3libQuery(dst, query)
}

// appendW3libPath decodes each escape but those of / and ?, and escapes what is not safe.
func appendW3libPath(dst []byte, path string) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
			if c == '/' || c == '?' {
				dst = appendEscaped(dst, c, false)
				continue
			}
		}
		dst = appendEscaped(dst, c, pathSafe(c))
	}
	return dst
}

// pathSafe reports whether w3lib leaves a byte of a path as it is.
func pathSafe(c byte) bool {
	return formSafe(c) || strings.IndexByte(":/?[]@!$&'()*+,;=|%", c) >= 0
}

// formSafe reports whether Python's quote_plus leaves a byte as it is.
func formSafe(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func appendEscaped(dst []byte, c byte, safe bool) []byte {
	if safe {
		return append(dst, c)
	}
	return append(dst, '%', upperDigits[c>>4], upperDigits[c&15])
}

// appendW3libQuery decodes the parameters, sorts them by name and value and writes them as a form.
func appendW3libQuery(dst []byte, query string) []byte {
	type param struct{ name, value, end int } // where they begin in text
	var few [16]param
	params := few[:0]
	var room [roomy]byte
	text := room[:0]
	for rest := query; rest != ""; {
		var one string
		end := strings.IndexAny(rest, "&;")
		if end < 0 {
			one, rest = rest, ""
		} else {
			one, rest = rest[:end], rest[end+1:]
		}
		if one == "" {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		p := param{name: len(text)}
		text = appendUnquoted(text, name)
		p.value = len(text)
		text = appendUnquoted(text, value)
		p.end = len(text)
		params = append(params, p)
	}
	slices.SortStableFunc(params, func(a, b param) int {
		if c := bytes.Compare(text[a.name:a.value], text[b.name:b.value]); c != 0 {
			return c
		}
		return bytes.Compare(text[a.value:a.end], text[b.value:b.end])
	})
	for i, p := range params {
		if i == 0 {
			dst = append(dst, '?')
		} else {
			dst = append(dst, '&')
		}
		dst = appendForm(dst, text[p.name:p.value])
		dst = append(dst, '=')
		dst = appendForm(dst, text[p.value:p.end])
	}
	return dst
}

// appendUnquoted decodes a name or value of a form. A percent sign that begins no escape stays.
func appendUnquoted(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

func appendForm(dst, text []byte) []byte {
	for _, c := range text {
		if c == ' ' {
			dst = append(dst, '+')
		} else {
			dst = appendEscaped(dst, c, formSafe(c))
		}
	}
	return dst
}
