package dedup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// Fingerprint returns the fingerprint of a request as the rules have it: that of [Of], unless Scheme, CanonicalBodies or
// FingerprintHeaders say more. With headers, each value of a chosen one stands on a line of its own, Name: "value" (as
// [strconv.QuoteToASCII] quotes it), between method and URL, in the order of the names. The URL is used as it is:
// canonicalise it first. Header is an http.Header; it and body are not changed.
func (c *Canonicalizer) Fingerprint(method, canonical string, header map[string][]string, body []byte) Fingerprint {
	if c.scheme != SchemeLycosa {
		return c.scheme.of(method, canonical, body)
	}
	body = c.Body(header, body)
	if len(c.headers) == 0 {
		return Of(method, canonical, body)
	}
	var lines []byte
	for _, field := range c.Headers(header) {
		lines = append(lines, field[0]...)
		lines = append(lines, ": "...)
		lines = strconv.AppendQuoteToASCII(lines, field[1])
		lines = append(lines, '\n')
	}
	return Of(method, string(append(lines, canonical...)), body)
}

// Headers returns what of a header is part of the fingerprint: names and values, sorted by name.
func (c *Canonicalizer) Headers(header map[string][]string) [][2]string {
	var fields [][2]string
	for _, name := range c.headers {
		for _, value := range valuesOf(header, name) {
			fields = append(fields, [2]string{name, value})
		}
	}
	return fields
}

// valuesOf returns the values of a header whose keys need not be in canonical form.
func valuesOf(header map[string][]string, name string) []string {
	var keys []string
	for key := range header {
		if textproto.CanonicalMIMEHeaderKey(key) == name {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var values []string
	for _, key := range keys {
		values = append(values, header[key]...)
	}
	return values
}

// Body returns the body as it is part of the fingerprint: the one given, unless CanonicalBodies is set and the header's
// Content-Type says that it is a form or JSON. The result may share memory with body.
func (c *Canonicalizer) Body(header map[string][]string, body []byte) []byte {
	if !c.canonicalBodies || len(body) == 0 {
		return body
	}
	types := valuesOf(header, "Content-Type")
	if len(types) == 0 {
		return body
	}
	switch typ, _, _ := mime.ParseMediaType(types[0]); {
	case typ == "application/x-www-form-urlencoded":
		return canonicalForm(body)
	case typ == "application/json", strings.HasSuffix(typ, "+json"):
		return canonicalJSON(body)
	}
	return body
}

// canonicalForm brings a form into the form that queries have by default.
func canonicalForm(body []byte) []byte {
	return bytes.TrimPrefix((&Canonicalizer{}).appendQuery(nil, body), []byte("?"))
}

// maxJSONDepth bounds the work: each level of objects may be copied once.
const maxJSONDepth = 100

// canonicalJSON sorts the names of objects, stably, and drops insignificant white space. Numbers and strings stay as
// they are written. What is no JSON, or deeper than maxJSONDepth, stays as it is.
func canonicalJSON(body []byte) []byte {
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil {
		return body
	}
	out, _, ok := appendSorted(make([]byte, 0, compact.Len()), compact.Bytes(), maxJSONDepth)
	if !ok {
		return body
	}
	return out
}

// appendSorted appends the first value of compact, valid JSON and returns what follows it. It reports false for what is
// nested deeper than depth.
func appendSorted(dst, src []byte, depth int) (out, rest []byte, ok bool) {
	switch {
	case src[0] != '{' && src[0] != '[':
		n := scalarLen(src)
		return append(dst, src[:n]...), src[n:], true
	case depth == 0:
		return nil, nil, false
	case src[0] == '{':
		return appendObject(dst, src, depth-1)
	}
	dst, src = append(dst, '['), src[1:]
	for src[0] != ']' {
		if src[0] == ',' {
			dst, src = append(dst, ','), src[1:]
		}
		if dst, src, ok = appendSorted(dst, src, depth); !ok {
			return nil, nil, false
		}
	}
	return append(dst, ']'), src[1:], true
}

func appendObject(dst, src []byte, depth int) (out, rest []byte, ok bool) {
	type member struct {
		name string // decoded: of two that are equal the last one counts, however it is spelled
		text []byte
	}
	var members []member
	src = src[1:]
	for src[0] != '}' {
		if src[0] == ',' {
			src = src[1:]
		}
		n := scalarLen(src)
		var m member
		if json.Unmarshal(src[:n], &m.name) != nil {
			return nil, nil, false
		}
		m.text = append(m.text, src[:n+1]...) // with the colon
		if m.text, src, ok = appendSorted(m.text, src[n+1:], depth); !ok {
			return nil, nil, false
		}
		members = append(members, m)
	}
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.text...)
	}
	return append(dst, '}'), src[1:], true
}

// scalarLen is the length of the string, number or word that src begins with.
func scalarLen(src []byte) int {
	if src[0] != '"' {
		if n := bytes.IndexAny(src, ",:]}"); n >= 0 {
			return n
		}
		return len(src)
	}
	for i := 1; ; i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// compileHeaders returns names of headers in canonical form, sorted, each once.
func compileHeaders(names []string) ([]string, error) {
	var headers []string
	for i, name := range names {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r >= 0x7f || r != '-' && !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("!#$%&'*+.^_`|~", r)
		}) {
			return nil, fmt.Errorf("dedup: FingerprintHeaders[%d] (%q) is no name of a header", i, name)
		}
		headers = append(headers, textproto.CanonicalMIMEHeaderKey(name))
	}
	slices.Sort(headers)
	return slices.Compact(headers), nil
}
