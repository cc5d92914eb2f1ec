package websub

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
)

// Links is what a page says about hubs. URLs are as they are written, perhaps relative.
type Links struct {
	Hub  string // the first one
	Self string // what the publisher calls the page; may be empty
}

const (
	maxLinks = 100     // in headers
	maxHead  = 1 << 20 // bytes of a feed before its first entry
	maxDepth = 8       // elements within which links of a feed are looked for
)

// Discover finds the hub of a feed (section 4): in its Link headers (RFC 8288), else in its atom:link elements before the first entry.
// The body is UTF-8, and may be anything. It reports whether there is one.
func Discover(h http.Header, body []byte) (Links, bool) {
	found := inHeader(h)
	if found.Hub == "" {
		inside := inFeed(body)
		found = Links{inside.Hub, inside.Self}
	}
	return found, found.Hub != ""
}

// add takes a link in, if its relation is one of the two that count and comes first.
func (l *Links) add(rel, href string) {
	for r := range strings.FieldsSeq(rel) {
		switch {
		case href == "":
		case strings.EqualFold(r, "hub") && l.Hub == "":
			l.Hub = href
		case strings.EqualFold(r, "self") && l.Self == "":
			l.Self = href
		}
	}
}

// inHeader reads Link headers: <URL>; rel="a b"; other=x, <URL>; rel=c
func inHeader(h http.Header) (found Links) {
	n := 0
	for _, value := range h.Values("Link") {
		for rest := value; n < maxLinks; n++ {
			_, after, ok := strings.Cut(rest, "<")
			href, params, closed := strings.Cut(after, ">")
			if !ok || !closed {
				break
			}
			var rel string
			rel, rest = relOf(params)
			found.add(rel, strings.TrimSpace(href))
		}
	}
	return found
}

// relOf reads the parameters of a link up to the comma that ends it, and returns the first rel and what follows.
func relOf(params string) (rel, rest string) {
	for params = strings.TrimLeft(params, " \t"); strings.HasPrefix(params, ";"); params = strings.TrimLeft(params, " \t") {
		params = strings.TrimLeft(params[1:], " \t")
		end := strings.IndexAny(params, "=;,")
		if end < 0 {
			return rel, ""
		}
		name := strings.TrimSpace(params[:end])
		if params = params[end:]; params[0] != '=' {
			continue
		}
		var value string
		value, params = valueOf(strings.TrimLeft(params[1:], " \t"))
		if rel == "" && strings.EqualFold(name, "rel") {
			rel = value
		}
	}
	return rel, strings.TrimPrefix(params, ",")
}

// valueOf reads a token or a quoted string.
func valueOf(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// inFeed reads the links of a feed.
func inFeed(body []byte) (found Links) {
	if body = bytes.TrimSpace(body); !bytes.HasPrefix(body, []byte("<")) {
		return found
	}
	d := xml.NewDecoder(bytes.NewReader(body[:min(len(body), maxHead)]))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for depth := 0; ; {
		token, err := d.RawToken()
		if err != nil {
			return found
		}
		switch t := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return found
			}
			switch strings.ToLower(t.Name.Local) {
			case "item", "entry":
				return found
			case "link":
				found.add(attrOf(t, "rel"), strings.TrimSpace(attrOf(t, "href")))
			}
		}
	}
}

func attrOf(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}
