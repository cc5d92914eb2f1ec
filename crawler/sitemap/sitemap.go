package sitemap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/html/charset"
	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Entry is what a sitemap or feed says about one URL.
type Entry struct {
	// Loc is the URL, absolute, not canonical.
	Loc string
	// LastMod is when it was modified, or, in a feed, published, if that is later; zero if the document does not say, or
	// what it says cannot be read.
	LastMod time.Time
	// Kind is what the URL leads to.
	Kind Kind
}

// Kind is what an entry leads to.
type Kind uint8

const (
	// Page is a page.
	Page Kind = iota
	// Sitemap is another sitemap, that an index lists.
	Sitemap
)

// String returns "page" or "sitemap".
func (k Kind) String() string {
	if k == Sitemap {
		return "sitemap"
	}
	return "page"
}

// Bounds of a document.
const (
	MaxSize    = 64 << 20 // bytes, decompressed
	MaxEntries = 200_000

	maxFeed  = 16 << 20 // bytes
	maxDepth = 64       // elements
	maxToken = 4 << 20  // bytes
	maxLoc   = 16 << 10 // bytes
	maxHead  = 1 << 10  // bytes, in which an XML declaration ends

	maxDeclared = 10_000 // entities that are remembered
)

var (
	// ErrTooLarge is wrapped by the error that ends a document which goes beyond the bounds.
	ErrTooLarge = errors.New("too large")
	// ErrUnknown is wrapped by the error of a document that is neither sitemap nor feed.
	ErrUnknown = errors.New("neither sitemap nor feed")
)

// Read reads the entries of a document as they come, in order. at is the document's absolute URL: relative links are
// resolved against it. label is the charset of the body, if that is known from elsewhere; it outweighs what the document says.
//
// An error comes last, with a zero Entry: of the body's reader, wrapping [ErrTooLarge] or [ErrUnknown], or telling what
// is wrong. The entries before it are good. Breaking off the loop stops reading.
func Read(at string, body io.Reader, label string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := &lister{at: at, size: MaxSize, yield: yield}
		if err := l.read(body, label); err != nil && !errors.Is(err, errStopped) {
			yield(Entry{}, err)
		}
	}
}

// errStopped says that the caller has enough.
var errStopped = errors.New("stopped")

// lister hands entries to the caller of Read.
type lister struct {
	at       string
	size     int64    // bytes that are read at most
	base     *url.Url // at; nil: not parsed yet
	yield    func(Entry, error) bool
	entries  int
	declared map[string]bool // entities
}

// add hands one on. A loc that is no URL, or none of the web, is passed over.
func (l *lister) add(loc string, modified time.Time, kind Kind) error {
	loc = strings.TrimFunc(loc, blank)
	if loc == "" || len(loc) > maxLoc || l.refers(loc) {
		return nil
	}
	if hostAlone(loc) {
		scheme, _, _ := strings.Cut(l.at, ":")
		loc = scheme + "://" + loc
	}
	if !absolute(loc) {
		if l.base == nil {
			base, err := url.Parse(l.at)
			if err != nil {
				return fmt.Errorf("%s: %w", l.at, err)
			}
			l.base = base
		}
		u, err := l.base.Parse(loc)
		if err != nil || !absolute(u.Href(false)) {
			return nil //nolint:nilerr // mailto: and the like
		}
		loc = u.Href(false)
	}
	if l.entries == MaxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrTooLarge, MaxEntries)
	}
	l.entries++
	if !l.yield(Entry{loc, modified, kind}, nil) {
		return errStopped
	}
	return nil
}

// blank is what may stand around a URL: white space, and what has no width.
func blank(r rune) bool {
	return unicode.IsSpace(r) || r == '\uFEFF' || r >= '\u200B' && r <= '\u200D'
}

// absolute reports whether loc begins with the scheme of a web page.
func absolute(loc string) bool {
	scheme, rest, ok := strings.Cut(loc, ":")
	return ok && strings.HasPrefix(rest, "//") && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// hostAlone reports whether loc is a URL that lacks its scheme.
func hostAlone(loc string) bool { return len(loc) > 4 && strings.EqualFold(loc[:4], "www.") }

var reference = regexp.MustCompile(`&([^&;\s]+);`)

// refers reports whether loc refers to an entity that the document declares.
func (l *lister) refers(loc string) bool {
	if len(l.declared) == 0 {
		return false
	}
	for _, m := range reference.FindAllStringSubmatch(loc, -1) {
		if l.declared[m[1]] {
			return true
		}
	}
	return false
}

// read finds out what the document is, and lists what is in it.
func (l *lister) read(body io.Reader, label string) error {
	text, err := decoded(body, label, l.size)
	if err != nil {
		return err
	}
	switch first, err := begin(text); {
	case err == io.EOF: //nolint:errorlint // as bufio.Reader returns it
		return fmt.Errorf("%w: it is empty", ErrUnknown)
	case err != nil:
		return err
	case first == '<':
		return l.readXML(text)
	case first == '{':
		return l.readFeed(text)
	}
	return l.readLines(text)
}

// decoded undoes gzip and returns the body as UTF-8 without an XML declaration, of which no more than size bytes come.
func decoded(body io.Reader, label string, size int64) (*bufio.Reader, error) {
	raw := bufio.NewReader(body)
	if magic, _ := raw.Peek(2); string(magic) == "\x1f\x8b" {
		unzipped, err := gzip.NewReader(raw)
		if err != nil {
			return nil, err
		}
		raw = bufio.NewReader(unzipped)
	}
	head, err := raw.Peek(maxHead)
	if len(head) == 0 && err != io.EOF { //nolint:errorlint // as bufio.Reader returns it
		return nil, err
	}
	limited := &limit{r: raw, left: size, of: size}
	return bufio.NewReaderSize(transform.NewReader(limited, transform.Chain(decoder(head, label), readable{})), 64<<10), nil
}

// declaration is that of an XML document.
var declaration = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']`)

// decoder makes UTF-8 of the charset that the first bytes of a document tell.
func decoder(head []byte, label string) transform.Transformer {
	enc := utf.UTF8
	if m := declaration.FindSubmatch(head); label == "" && m != nil {
		label = string(m[1])
	}
	if found, name := charset.Lookup(label); found != nil && !strings.HasPrefix(name, "utf-16") { // what can be read so far is not that
		enc = found
	}
	return utf.BOMOverride(enc.NewDecoder())
}

// readable replaces what XML forbids with blanks: it would end the document. It takes UTF-8, and goes through it by bytes, as most of it
// is left alone.
type readable struct{ transform.NopResetter }

func (readable) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	n := copy(dst, src)
	if n < len(src) {
		err = transform.ErrShortDst
	}
	for i, c := range dst[:n] {
		switch {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			dst[i] = ' '
		case c != 0xEF: // U+FFFE and U+FFFF are EF BF BE and EF BF BF
		case i+3 > n && (i+3 <= len(src) || !atEOF): // its end is to come
			if err == nil {
				err = transform.ErrShortSrc
			}
			return i, i, err
		case i+3 <= n && dst[i+1] == 0xBF && dst[i+2] >= 0xBE:
			dst[i], dst[i+1], dst[i+2] = ' ', ' ', ' '
		}
	}
	return n, n, err
}

// begin returns the first character after white space and an XML declaration, and leaves it to be read. Without the declaration no
// decoder believes that the text is in a charset of which it is no more.
func begin(text *bufio.Reader) (rune, error) {
	for {
		r, _, err := text.ReadRune()
		if err != nil {
			return 0, err
		}
		if blank(r) {
			continue
		}
		if err := text.UnreadRune(); err != nil {
			return 0, err
		}
		head, _ := text.Peek(maxHead)
		if end := bytes.Index(head, []byte("?>")); bytes.HasPrefix(head, []byte("<?xml")) && end > 0 {
			_, _ = text.Discard(end + len("?>"))
			continue
		}
		return r, nil
	}
}

// limit is an io.Reader that ends with ErrTooLarge.
type limit struct {
	r        io.Reader
	left, of int64
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		if n, err := l.r.Read(make([]byte, 1)); n == 0 && err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, l.of>>20)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// readLines reads a sitemap in plain text: a URL a line. Lines that are none are passed over, but one must be.
func (l *lister) readLines(text *bufio.Reader) error {
	for {
		line, err := text.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if loc := strings.TrimFunc(string(line), blank); !long && (absolute(loc) || hostAlone(loc)) && utf8.ValidString(loc) {
			if err := l.add(loc, time.Time{}, Page); err != nil {
				return err
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // no URL is that long
			_, err = text.ReadSlice('\n')
		}
		switch {
		case err == nil:
		case err != io.EOF: //nolint:errorlint // as bufio.Reader returns it
			return err
		case l.entries == 0:
			return fmt.Errorf("%w: it is text without a URL", ErrUnknown)
		default:
			return nil
		}
	}
}

// readXML reads a sitemap or an index, or finds that the document is a feed.
func (l *lister) readXML(text *bufio.Reader) error {
	read := &tee{r: text}
	x := newElements(read)
	root, err := x.root()
	if err != nil {
		return err
	}
	l.declared = x.declared
	switch name := strings.ToLower(root.Local); name {
	case "urlset", "sitemapindex":
		read.off()
		return l.readSitemap(x, root)
	case "rss", "rdf", "feed":
		return l.readFeed(io.MultiReader(bytes.NewReader(read.off()), text))
	default:
		return fmt.Errorf("%w: its root element is <%.80s>", ErrUnknown, root.Local)
	}
}

// place is an element that a sitemap is made of.
type place uint8

const (
	elsewhere place = iota
	inEntry         // url or sitemap
	inLoc
	inLastMod
)

// readSitemap reads what follows the root element.
func (l *lister) readSitemap(x *elements, root xml.Name) error {
	var e struct {
		kind          Kind
		open, found   bool // an entry; its loc
		text          strings.Builder
		loc, modified strings.Builder
	}
	at, textEnd := elsewhere, int64(0)
	flush := func() error { // hands on what is known of an entry so far
		loc, modified, kind := e.loc.String(), e.modified.String(), e.kind
		if !e.found {
			if loc = e.text.String(); !absolute(strings.TrimFunc(loc, blank)) {
				loc = ""
			}
		}
		e.found = false
		e.text.Reset()
		e.loc.Reset()
		e.modified.Reset()
		return l.add(loc, ParseTime(modified), kind)
	}
	for {
		token, err := x.next()
		if err != nil {
			if e.open && (at != inLoc || x.InputOffset() > textEnd) { // a loc that was cut off is none
				if err := flush(); err != nil {
					return err
				}
			}
			if err == io.EOF { //nolint:errorlint // as xml.Decoder returns it
				return nil
			}
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Space != root.Space && t.Name.Space != "" {
				if err := x.skip(); err != nil {
					return err
				}
				continue
			}
			switch name := strings.ToLower(t.Name.Local); {
			case (name == "url" || name == "sitemap") && at != inLoc:
				if e.open {
					if err := flush(); err != nil {
						return err
					}
				}
				e.open, e.kind, at = true, Page, inEntry
				if name == "sitemap" {
					e.kind = Sitemap
				}
			case name == "loc" && e.open:
				if e.found {
					if err := flush(); err != nil {
						return err
					}
				}
				e.found, at = true, inLoc
			case name == "lastmod" && e.open:
				e.modified.Reset()
				at = inLastMod
			}
		case xml.EndElement:
			switch name := strings.ToLower(t.Name.Local); {
			case (name == "url" || name == "sitemap") && at != inLoc:
				if e.open {
					if err := flush(); err != nil {
						return err
					}
				}
				e.open, at = false, elsewhere
			case name == "loc" && at == inLoc, name == "lastmod" && at == inLastMod:
				at = inEntry
			}
		case xml.CharData:
			switch at {
			case inLoc:
				appendText(&e.loc, t)
				textEnd = x.InputOffset()
			case inLastMod:
				appendText(&e.modified, t)
			case inEntry:
				if !e.found {
					appendText(&e.text, t)
				}
			}
		}
	}
}

// appendText appends text up to a little more than a loc may have.
func appendText(b *strings.Builder, text []byte) {
	if b.Len() == 0 {
		text = bytes.TrimLeftFunc(text, blank)
	}
	b.Write(text[:min(len(text), max(maxLoc+1-b.Len(), 0))])
}

// elements reads tokens within the bounds of depth and size.
type elements struct {
	*xml.Decoder

	meter    meter
	depth    int
	declared map[string]bool // entities that the document type has
}

func newElements(r io.Reader) *elements {
	x := &elements{meter: meter{r: r}}
	x.Decoder = xml.NewDecoder(&x.meter)
	x.Strict = false                                                                   // what is not quite XML will do
	x.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	return x
}

var entity = regexp.MustCompile(`<!ENTITY\s+([^\s%>]+)`)

func (x *elements) next() (xml.Token, error) {
	x.meter.left = maxToken
	token, err := x.Token()
	switch t := token.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > maxDepth {
			return nil, fmt.Errorf("%w: elements nest deeper than %d", ErrTooLarge, maxDepth)
		}
	case xml.EndElement:
		x.depth--
	case xml.Directive:
		for _, m := range entity.FindAllSubmatch(t, -1) {
			if x.declared == nil {
				x.declared = make(map[string]bool)
			}
			if len(x.declared) < maxDeclared {
				x.declared[string(m[1])] = true
			}
		}
	}
	return token, err
}

// root returns the name of the first element.
func (x *elements) root() (xml.Name, error) {
	for {
		token, err := x.next()
		if err == io.EOF { //nolint:errorlint // as xml.Decoder returns it
			return xml.Name{}, fmt.Errorf("%w: it has no element", ErrUnknown)
		}
		if err != nil {
			return xml.Name{}, err
		}
		if t, ok := token.(xml.StartElement); ok {
			return t.Name, nil
		}
	}
}

// skip reads to the end of the element that was begun last.
func (x *elements) skip() error {
	for within := x.depth; x.depth >= within; {
		if _, err := x.next(); err != nil {
			if err == io.EOF { //nolint:errorlint // as xml.Decoder returns it
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// meter is an io.Reader that gives no more than so many bytes until it is told so again.
type meter struct {
	r    io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("%w: a tag, comment or text has more than %d MiB", ErrTooLarge, maxToken>>20)
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// tee is an io.Reader that remembers what it has read, until told otherwise.
type tee struct {
	r      io.Reader
	seen   []byte
	silent bool
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if !t.silent {
		t.seen = append(t.seen, p[:n]...)
	}
	return n, err
}

// off returns what was read so far, and forgets it.
func (t *tee) off() []byte {
	seen := t.seen
	t.seen, t.silent = nil, true
	return seen
}
