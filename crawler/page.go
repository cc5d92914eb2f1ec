package crawler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// Page is a fetched page as its handler sees it. It belongs to one handler call and is not safe for use from several
// goroutines. What is emitted and followed takes effect when the handler returns nil, and leaves nothing behind
// when it does not.
type Page struct {
	// URL of the page, canonical.
	URL string
	// Request that led here.
	Request *Request
	// Status is the HTTP status: 2xx.
	Status int
	// Header of the answer.
	Header http.Header
	// Body of the page: text as UTF-8, anything else as it came; content decoding undone. Do not change
	// it.
	Body []byte
	// Charset the text came in, by its WHATWG name; empty if the page is no text.
	Charset string
	// FetchedAt is when the answer began to arrive, UTC.
	FetchedAt time.Time
	// DuplicateOf names the earlier page of the crawl that shows the same, or nearly, if Settings.Duplicates asks for it: its
	// canonical URL, or the fingerprint of its request in hex if the URL is longer than 512 bytes or does not tell which request it was.
	// Empty: none is known. The handler may return at once, or go on.
	DuplicateOf string
	// Elapsed is how long the fetch took.
	Elapsed time.Duration

	visit   *visit
	url     dedup.URL
	doc     *goquery.Document
	docErr  error
	baseURL dedup.URL
	hasBase bool // baseURL is set

	items    []pipelines.Item
	unkeyed  map[string]int // kind -> items emitted without a key
	requests []queued
	hints    []hint
	err      error // the first mistake of the handler in calls that return nothing
}

// queued is a request the handler asked for.
type queued struct {
	req *Request
	url dedup.URL
}

// Doc returns the page as a document to query. It is never nil: what is no HTML, or too deeply nested to be
// parsed, is an empty document, and [Page.DocErr] says why.
func (p *Page) Doc() *goquery.Document {
	if p.doc == nil {
		root := &html.Node{Type: html.DocumentNode}
		if !fetch.IsHTML(p.Header.Get("Content-Type"), p.Body) {
			p.docErr = fmt.Errorf("%s is no HTML: its Content-Type is %q", p.URL, p.Header.Get("Content-Type"))
		} else if parsed, err := html.Parse(bytes.NewReader(p.Body)); err != nil {
			p.docErr = fmt.Errorf("%s: %w", p.URL, err)
		} else {
			root = parsed
		}
		p.doc = goquery.NewDocumentFromNode(root)
	}
	return p.doc
}

// DocErr says why [Page.Doc] is empty, or nil.
func (p *Page) DocErr() error {
	p.Doc()
	return p.docErr
}

// Find returns the elements that match the selector. A malformed selector matches nothing and fails the page.
func (p *Page) Find(selector string) *goquery.Selection {
	found, err := p.find(selector)
	if err != nil {
		p.fail(err)
	}
	return found
}

func (p *Page) find(selector string) (*goquery.Selection, error) {
	match, err := p.visit.plan.selector(selector)
	if err != nil {
		return p.Doc().Slice(0, 0), Drop(err.Error())
	}
	return p.Doc().FindMatcher(match), nil
}

// Text returns the text of the first element that matches the selector, white space collapsed, or "".
func (p *Page) Text(selector string) string {
	for _, node := range p.Find(selector).Nodes {
		return collapsedText(node)
	}
	return ""
}

// Param returns a parameter of the spider, as set with --set NAME=VALUE or by default.
func (p *Page) Param(name string) string { return p.visit.plan.spider.Params[name] }

// SetWeight says how much the page matters beside others when it is to be visited again: only ratios of weights count, 1 is
// normal, 0 is visited at the longest interval. It has no effect on a page that is fetched once.
func (p *Page) SetWeight(w float64) {
	if l := p.visit.look; l != nil {
		l.weighed = true
		l.weigh(revisit.WeightOf(w))
	}
}

// fail keeps the first mistake; the handler's page fails with it.
func (p *Page) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// Kinder is implemented by items that choose their kind. Without it the kind is the type's name in snake case:
// "BookReview" becomes "book_review".
type Kinder interface{ ItemKind() string }

// Emit hands items to the pipelines: structs, or pointers to them. The key of an item is its field tagged
// item:"key"; without one it is the page's URL, and from the second such item of a page on the URL with
// "#2", "#3" and so on.
func (p *Page) Emit(items ...any) {
	for _, item := range items {
		v := reflect.Indirect(reflect.ValueOf(item))
		if v.Kind() != reflect.Struct {
			p.fail(Drop(fmt.Sprintf("Emit(%T): want a struct; for anything else use EmitAs", item)))
			return
		}
		x, err := p.visit.plan.extractor(v.Type())
		if err != nil {
			p.fail(Drop(err.Error()))
			return
		}
		kind := snakeCase(v.Type().Name())
		if k, ok := item.(Kinder); ok {
			kind = k.ItemKind()
		}
		key := ""
		if x.key != nil {
			key = keyText(v.FieldByIndex(x.key))
		}
		p.EmitAs(kind, key, item)
	}
}

func keyText(v reflect.Value) string {
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	default:
		return v.String()
	}
}

// EmitAs hands one item of any type that encodes to a JSON object to the pipelines, under the kind and key. An empty
// key stands for the page; see [Page.Emit].
func (p *Page) EmitAs(kind, key string, value any) {
	if key == "" {
		if p.unkeyed == nil {
			p.unkeyed = map[string]int{}
		}
		p.unkeyed[kind]++
		key = p.URL
		if n := p.unkeyed[kind]; n > 1 {
			key += "#" + strconv.Itoa(n)
		}
	}
	p.items = append(p.items, pipelines.Item{
		Kind: kind, Key: key, Value: value,
		Source: pipelines.Source{URL: p.URL, Crawl: p.visit.crawl, FetchedAt: p.FetchedAt, DuplicateOf: p.DuplicateOf},
	})
}

// snakeCase turns a Go name into a kind: "HTTPServer2" into "http_server2".
func snakeCase(name string) string {
	name, _, _ = strings.Cut(name, "[") // type arguments
	var b strings.Builder
	rs := []rune(name)
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// links is the selector of what people can follow.
const links = "a[href], area[href]"

// Links returns the absolute, canonical URLs that the page links to, in order, each once: of the elements that match
// one of the selectors and have an href or src, by default all a and area elements. What cannot be
// fetched (mailto:, malformed) is left out. It works on pages that are too deeply nested for [Page.Doc], with the
// default selector.
func (p *Page) Links(selectors ...string) []string {
	urls := p.links(selectors)
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = u.String()
	}
	return out
}

func (p *Page) links(selectors []string) []dedup.URL {
	var urls []dedup.URL
	seen := make(map[string]bool, 64)
	add := func(ref string) {
		u, err := p.resolve(ref)
		if err != nil {
			p.visit.refused(err)
			return
		}
		if !seen[u.String()] {
			seen[u.String()] = true
			urls = append(urls, u)
		}
	}
	if len(selectors) == 0 {
		selectors = []string{links}
		if p.DocErr() != nil {
			p.tokenLinks(add)
			return urls
		}
	}
	for _, s := range selectors {
		for _, node := range p.Find(s).Nodes {
			if ref, ok := linkOf(node); ok {
				add(ref)
			}
		}
	}
	return urls
}

func linkOf(node *html.Node) (string, bool) {
	if ref, ok := attrOf(node, "href"); ok {
		return ref, true
	}
	return attrOf(node, "src")
}

// tokenLinks finds links without building a tree: for pages that html.Parse refuses as too deeply nested.
func (p *Page) tokenLinks(add func(ref string)) {
	if !fetch.IsHTML(p.Header.Get("Content-Type"), p.Body) {
		return
	}
	z := html.NewTokenizer(bytes.NewReader(p.Body))
	z.SetMaxBuf(1 << 20)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if s := string(name); s != "a" && s != "area" {
				continue
			}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				if string(key) == "href" {
					add(strings.TrimSpace(string(value)))
				}
			}
		}
	}
}

// base is what the page's links are relative to: its URL, or its <base href>.
func (p *Page) base() dedup.URL {
	if p.hasBase {
		return p.baseURL
	}
	p.baseURL, p.hasBase = p.url, true
	if p.DocErr() == nil {
		match, _ := p.visit.plan.selector("base[href]")
		for _, node := range p.doc.FindMatcher(match).Nodes {
			ref, _ := attrOf(node, "href")
			p.baseURL = p.visit.plan.canon.Base(p.url, ref)
			break // the first base element counts (HTML 4.2.3)
		}
	}
	return p.baseURL
}

// resolve makes a reference of the page absolute and canonical. The query of a link is in the encoding of its document
// (WHATWG URL, "encoding-parse").
func (p *Page) resolve(ref string) (dedup.URL, error) {
	if p.Charset != "" && !strings.HasPrefix(p.Charset, "utf-") {
		if enc, err := htmlindex.Get(p.Charset); err == nil {
			ref = dedup.EncodeQuery(ref, enc)
		}
	}
	return p.visit.plan.canon.Resolve(p.base(), ref)
}

// Follow queues the pages that [Page.Links] finds with the selectors, for the target, and returns how many are in the
// crawl's scope and depth. What was seen before is not fetched again.
func (p *Page) Follow(t Target, selectors ...string) int {
	n := 0
	for _, u := range p.links(selectors) {
		if p.queue(t, &Request{}, u) {
			n++
		}
	}
	return n
}

// FollowURL queues URLs, absolute or relative to the page, for the target, and returns how many are in the crawl's scope
// and depth. A URL that cannot be fetched is left out and counted.
func (p *Page) FollowURL(t Target, urls ...string) int {
	n := 0
	for _, ref := range urls {
		if p.FollowRequest(t, Request{URL: ref}) {
			n++
		}
	}
	return n
}

// FollowRequest queues a request with its own method, header, body or priority for the target; its URL may be relative
// to the page. It reports whether the request is in the crawl's scope and depth.
func (p *Page) FollowRequest(t Target, req Request) bool {
	u, err := p.resolve(req.URL)
	if err != nil {
		p.visit.refused(err)
		return false
	}
	return p.queue(t, &req, u)
}

// queue completes the request and puts it among those to be pushed, if scope and depth allow.
func (p *Page) queue(t Target, req *Request, u dedup.URL) bool {
	to := t.target()
	if err := p.visit.plan.checkTarget(to); err != nil {
		p.fail(Drop(err.Error()))
		return false
	}
	with, err := to.encode()
	if err != nil {
		p.fail(Drop(fmt.Sprintf("route %s: what rides along: %v", to.name, err)))
		return false
	}
	if len(req.Header) > 0 {
		if _, err := json.Marshal(req.Header); err != nil {
			p.fail(Drop(err.Error()))
			return false
		}
	}
	req.URL, req.Route, req.With = u.String(), to.name, with
	req.Depth, req.Hops, req.Seed, req.memory, req.deferred = p.Request.Depth+1, 0, "", nil, false
	return p.visit.admit(p, req, u)
}
