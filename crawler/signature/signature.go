package signature

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	"github.com/cespare/xxhash/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Method says what of a page is compared.
type Method uint8

// The methods: see the package documentation.
const (
	Main Method = iota
	Text
	Letters
	Bytes
	Selector
	Items
)

// Options are a method and what it leaves out. The zero value is [Main]. They are read only, and may be used from many
// goroutines.
type Options struct {
	Method Method
	css    cascadia.Matcher // of Selector
	name   string
	ignore []*regexp.Regexp
}

// Parse reads a method, one of main (or nothing), text, letters, bytes, selector:CSS and item, and patterns of text to ignore
// (RE2). The error is one line that names what is wrong.
func Parse(method string, ignore []string) (Options, error) {
	o := Options{name: method}
	css, selects := strings.CutPrefix(method, "selector:")
	switch {
	case selects:
		sel, err := cascadia.ParseGroup(css)
		if err != nil {
			return Options{}, fmt.Errorf("signature: selector %.80q: %w", css, err)
		}
		o.Method, o.css = Selector, sel
	case method == "" || method == "main":
		o.Method, o.name = Main, "main"
	case method == "text":
		o.Method = Text
	case method == "letters":
		o.Method = Letters
	case method == "bytes":
		o.Method = Bytes
	case method == "item":
		o.Method = Items
	default:
		return Options{}, fmt.Errorf("signature: %.80q: want main, text, letters, bytes, selector:CSS or item", method)
	}
	for _, pattern := range ignore {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return Options{}, fmt.Errorf("signature: ignore pattern %.80q: %w", pattern, err)
		}
		if re.MatchString("") {
			return Options{}, fmt.Errorf("signature: ignore pattern %.80q matches nothing at all, so everywhere", pattern)
		}
		o.ignore = append(o.ignore, re)
	}
	return o, nil
}

// String returns the method as [Parse] reads it.
func (o Options) String() string {
	if o.name == "" {
		return "main"
	}
	return o.name
}

// ErrItems is returned by [Options.Of] for the method item, whose input are items: see [Item].
var ErrItems = errors.New("signature: the method item needs items, not a page")

// ErrNone is returned when a selector matches nothing: the page is another one than was meant.
var ErrNone = errors.New("signature: nothing matches the selector")

// Of returns the signature of a page. HTML must be UTF-8; what is no HTML should be compared by bytes. A page that is
// nested too deeply to be parsed is an error, as is one in which a selector matches nothing.
func (o Options) Of(body []byte) (uint64, error) {
	if o.Method == Bytes {
		return sum(o.without(body)), nil
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("signature: %w", err)
	}
	return o.OfDocument(root)
}

// OfDocument returns the signature of a parsed page, which it leaves as it is. The method bytes needs the bytes: it is an error
// here.
func (o Options) OfDocument(root *html.Node) (uint64, error) {
	switch o.Method {
	case Bytes:
		return 0, errors.New("signature: the method bytes needs the bytes of the page")
	case Items:
		return 0, ErrItems
	}
	text, links, err := o.parts(root)
	if err != nil {
		return 0, err
	}
	text = o.without(text)
	if o.Method == Letters {
		text = letters(text)
	}
	// Taking out what is ignored leaves its white space on both sides.
	text = collapse(text)
	if o.Method == Main || o.Method == Selector {
		text = append(append(text, 0), links...)
	}
	return sum(text), nil
}

// MainText returns the text of the main part of a parsed page, white space collapsed, and the signature of [Main] without anything
// ignored.
func MainText(root *html.Node) (text string, sig uint64) {
	var r reader
	mainPart(root, &r)
	content := bytes.TrimRight(r.text, " ") // the rest is collapsed
	text = string(content)
	return text, sum(append(append(content, 0), r.links...))
}

// parts returns the text that counts, and the paths of its links, a line each.
func (o Options) parts(root *html.Node) (text, links []byte, err error) {
	var r reader
	switch o.Method {
	case Text:
		r.skip = invisible
		r.read(root)
	case Selector:
		found := cascadia.QueryAll(root, o.css)
		if len(found) == 0 {
			return nil, nil, ErrNone
		}
		r.skip = invisible
		for _, n := range found {
			r.read(n)
			r.space()
		}
	default:
		mainPart(root, &r)
	}
	return r.text, r.links, nil
}

// enough is how many bytes of text a <main> or <article> must hold to be taken for the content.
const enough = 200

// mainPart reads the content of a page: that of <main> and <article>, if they hold enough text, else the whole page, in
// both cases without its frame.
func mainPart(root *html.Node, r *reader) {
	r.skip = frame
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (n.DataAtom == atom.Main || n.DataAtom == atom.Article) && outermost(n) {
			r.read(n)
			r.space()
		}
	}
	if len(bytes.TrimSpace(r.text)) < enough {
		*r = reader{skip: frame}
		r.read(root)
	}
}

// outermost reports whether no <main> or <article> stands around n, and nothing that is left out.
func outermost(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Type == html.ElementNode && (p.DataAtom == atom.Main || p.DataAtom == atom.Article || frame(p)) {
			return false
		}
	}
	return true
}

// invisible are the elements whose text nobody sees.
func invisible(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Iframe, atom.Head:
		return true
	}
	return false
}

// frame are those, and the ones that are the same on every page of a site.
func frame(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Nav, atom.Header, atom.Footer, atom.Aside, atom.Form, atom.Select, atom.Button, atom.Dialog:
		return true
	}
	return invisible(n)
}

// reader collects text, white space collapsed, and link paths.
type reader struct {
	text, links []byte
	skip        func(*html.Node) bool
	onBlock     func() // called where a block begins or ends
}

// read walks a tree without recursion: it may be as deep as the web likes.
func (r *reader) read(root *html.Node) {
	for n := root; n != nil; {
		down := r.enter(n)
		if down && n.FirstChild != nil {
			n = n.FirstChild
			continue
		}
		for {
			if down || n != root { // a node that was not entered is left all the same
				r.leave(n)
			}
			if n == root {
				return
			}
			if n.NextSibling != nil {
				n = n.NextSibling
				break
			}
			n, down = n.Parent, true
		}
	}
}

// enter reads one node, and reports whether its children count.
func (r *reader) enter(n *html.Node) bool {
	switch n.Type {
	case html.TextNode:
		r.text = appendCollapsed(r.text, n.Data)
	case html.ElementNode:
		if r.skip(n) {
			return false
		}
		if !inline(n.DataAtom) {
			r.boundary()
		}
		if n.DataAtom == atom.A || n.DataAtom == atom.Area {
			for _, a := range n.Attr {
				if a.Namespace == "" && a.Key == "href" {
					r.links = append(append(r.links, path(a.Val)...), '\n')
				}
			}
		}
	case html.CommentNode, html.DoctypeNode:
		return false
	}
	return true
}

func (r *reader) leave(n *html.Node) {
	if n.Type == html.ElementNode && !inline(n.DataAtom) {
		r.boundary()
	}
}

func (r *reader) boundary() {
	r.space()
	if r.onBlock != nil {
		r.onBlock()
	}
}

// space separates what stands before from what follows.
func (r *reader) space() {
	if len(r.text) > 0 && r.text[len(r.text)-1] != ' ' {
		r.text = append(r.text, ' ')
	}
}

// inline elements do not separate words.
func inline(a atom.Atom) bool {
	switch a {
	case atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Cite, atom.Code, atom.Data, atom.Del, atom.Dfn, atom.Em, atom.Font,
		atom.I, atom.Ins, atom.Kbd, atom.Mark, atom.Q, atom.S, atom.Samp, atom.Small, atom.Span, atom.Strong, atom.Sub,
		atom.Sup, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr:
		return true
	}
	return false
}

// path returns a reference without query and fragment.
func path(href string) string {
	if i := strings.IndexAny(href, "?#"); i >= 0 {
		href = href[:i]
	}
	return strings.TrimSpace(href)
}

// appendCollapsed appends s with each run of white space as one space, also across the seam.
func appendCollapsed(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c, size := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case !unicode.IsSpace(c):
			dst = append(dst, s[i:i+size]...)
		case len(dst) > 0 && dst[len(dst)-1] != ' ':
			dst = append(dst, ' ')
		}
		i += size
	}
	return dst
}

func collapse(text []byte) []byte {
	return bytes.TrimRight(appendCollapsed(make([]byte, 0, len(text)), string(text)), " ")
}

// letters keeps the letters and white space of text, in lower case.
func letters(text []byte) []byte {
	return bytes.Map(func(c rune) rune {
		switch {
		case unicode.IsLetter(c) || unicode.IsMark(c):
			return unicode.ToLower(c)
		case unicode.IsSpace(c):
			return ' '
		}
		return -1
	}, text)
}

// without takes out what is to be ignored.
func (o Options) without(text []byte) []byte {
	for _, re := range o.ignore {
		text = re.ReplaceAllLiteral(text, nil)
	}
	return text
}

// sum is XXH64: a page that makes its own signature collide hides its own changes alone. Never 0, which stands for none.
func sum(b []byte) uint64 { return nonzero(xxhash.Sum64(b)) }

func nonzero(h uint64) uint64 {
	if h == 0 {
		return 1
	}
	return h
}

// Item returns the signature of a page's items: encoded is each item as its pipeline writes it, its key first. The order does
// not matter, as a list that is sorted anew has the same items.
func Item(encoded ...[]byte) uint64 {
	var h uint64
	for _, b := range encoded {
		h += mix(xxhash.Sum64(b))
	}
	return nonzero(mix(h + uint64(len(encoded))))
}

// mix is the finaliser of MurmurHash3: sums of hashes stay apart.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Via returns the signature of a page that was reached by a temporary redirect: of its final URL, canonical, and its content. So
// another target is a change.
func Via(final string, content uint64) uint64 {
	return nonzero(mix(xxhash.Sum64String(final) ^ content))
}

// Target returns the signature of a URL that moved for good: of where to.
func Target(canonical string) uint64 { return sum([]byte(canonical)) }
