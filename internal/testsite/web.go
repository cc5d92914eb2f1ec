package testsite

import (
	"bytes"
	"fmt"
	"html"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// web is the content of a site; it does not change once made.
type web struct {
	cfg   Config
	port  int
	pages []*page          // page i is the (i / Hosts)-th of host i % Hosts
	byURL map[string]*page // pages and private pages, by canonical URL
	moved map[string]move  // by URL
}

type page struct {
	id      int
	item    Item
	body    []byte
	etag    string
	flaky   bool
	slow    bool
	private bool
}

type move struct {
	status int
	to     string
}

// modified is the Last-Modified of every page.
var modified = time.Date(2026, time.November, 1, 10, 0, 0, 0, time.UTC)

const (
	children = 8            // of a page in the tree that makes every page of a host reachable from its root
	minLinks = children + 4 // two in the navigation and two that repeat others
	linkSize = 60           // bytes, about
)

var redirects = []int{
	http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
	http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
}

func makeWeb(cfg Config, port int) *web {
	w := &web{cfg: cfg, port: port, byURL: map[string]*page{}, moved: map[string]move{}}
	w.pages = make([]*page, cfg.Pages)
	extras := w.extraLinks()
	for i := range w.pages {
		w.pages[i] = w.makePage(i, extras[i])
		w.byURL[w.pages[i].item.URL] = w.pages[i]
	}
	for k := range cfg.Private {
		w.byURL[w.privateURL(k)] = &page{private: true, body: []byte("<!DOCTYPE html><title>private</title>\n")}
	}
	w.spread(cfg.Flaky, 0, func(p *page) { p.flaky = true })
	w.spread(cfg.Slow, cfg.Flaky, func(p *page) { p.slow = true })
	return w
}

// spread marks n pages that are no roots, after skipping so many of a fixed random order.
func (w *web) spread(n, skip int, mark func(*page)) {
	order := w.rand(-1).Perm(w.cfg.Pages - w.cfg.Hosts)
	for _, i := range order[skip : skip+n] {
		mark(w.pages[w.cfg.Hosts+i])
	}
}

// extraLinks says which page links to which of the URLs that are no pages.
func (w *web) extraLinks() map[int][]string {
	rng := w.rand(-2)
	links := map[int][]string{}
	put := func(u string) {
		from := rng.IntN(w.cfg.Pages)
		links[from] = append(links[from], u)
	}
	for k := range w.cfg.Gone {
		put(fmt.Sprintf("%s/gone/%d.html", w.origin(k%w.cfg.Hosts), k))
	}
	for k := range w.cfg.Private {
		put(w.privateURL(k))
	}
	for k := range w.cfg.Moved {
		h := k % w.cfg.Hosts
		u := fmt.Sprintf("%s/moved/%d.html", w.origin(h), k)
		if k%3 == 2 {
			h = (h + 1) % w.cfg.Hosts
		}
		w.moved[u] = move{redirects[k%len(redirects)], w.origin(h) + pagePath(rng.IntN(w.onHost(h)))}
		put(u)
	}
	return links
}

// rand returns the random numbers of one page, or of another purpose.
func (w *web) rand(id int) *rand.Rand { return rand.New(rand.NewPCG(w.cfg.Seed, uint64(id))) }

func (w *web) origin(host int) string {
	return "http://" + net.JoinHostPort(address(host), strconv.Itoa(w.port))
}

func (w *web) privateURL(k int) string {
	return fmt.Sprintf("%s/private/%d.html", w.origin(k%w.cfg.Hosts), k)
}

// onHost is the number of pages of a host.
func (w *web) onHost(host int) int { return (w.cfg.Pages - host + w.cfg.Hosts - 1) / w.cfg.Hosts }

// pagePath is the canonical request URI of the n-th page of a host. Every fourth one has a query.
func pagePath(n int) string {
	switch {
	case n == 0:
		return "/"
	case n%4 == 3:
		return fmt.Sprintf("/catalog?cat=%s&page=%d", word(n), n)
	default:
		return fmt.Sprintf("/item/%s-%s-%d.html", word(n*7), word(n*13+5), n)
	}
}

func word(n int) string { return words[n%len(words)] }

var words = strings.Fields(`amber anvil apple arch ash barley basin beech bell birch bolt brass brick brook candle cedar
chalk cliff clover coal copper coral cork crane creek crown dawn delta dune dusk eagle ember fern field finch flint fog
forest fox frost gate glass grain granite grove gull harbour hazel heath heron hill hollow iron island ivory ivy jade
kiln lake lantern larch lark leaf lime loam loom maple marsh meadow mill mint mist moor moss north oak oat olive orchard
otter owl pearl pebble pine plain plum pond poplar quartz quill rain raven reed ridge river robin rope rose rowan rust
rye saddle sage salt sand shore silk silver slate sloe snow spruce stone storm straw swan thistle thorn thyme tide tile
timber vale velvet vine violet walnut wave wheat willow wind wool wren yarrow yew`)

// makePage writes page id with extra links at its end.
func (w *web) makePage(id int, extra []string) *page {
	var (
		host, n = id % w.cfg.Hosts, id / w.cfg.Hosts
		rng     = w.rand(id)
		refs    = w.links(rng, host, n)
		b       bytes.Buffer
	)
	say := func(count int) string {
		said := make([]string, count)
		for i := range said {
			said[i] = word(rng.IntN(len(words)))
		}
		return strings.Join(said, " ")
	}
	p := &page{
		id:   id,
		etag: fmt.Sprintf(`"%x-%x"`, w.cfg.Seed, id),
		item: Item{
			URL:   w.origin(host) + pagePath(n),
			Title: fmt.Sprintf("%s %d & more | shop %d", say(3), n, host),
			H1:    fmt.Sprintf("%s no. %d", say(4), n),
			Price: fmt.Sprintf("%d.%02d EUR", 1+rng.IntN(999), rng.IntN(100)),
		},
	}
	link := func(href string) {
		if w.cfg.Sessions && !strings.HasPrefix(href, "#") {
			href = withSession(href, rng.Uint32())
		}
		p.item.Links++
		fmt.Fprintf(&b, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString(href), word(id+p.item.Links))
	}

	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>%s</title>
<link rel="stylesheet" href="/static/site.css">
<link rel="canonical" href="%s">
<script>var text = "<a href='/no/link.html'>in a script</a>";</script>
</head>
<body>
<nav><ul>
`, html.EscapeString(p.item.Title), html.EscapeString(p.item.URL))
	link("/")
	link(w.origin((host+1)%w.cfg.Hosts) + "/")
	fmt.Fprintf(&b, `</ul></nav>
<!-- <a href="/no/comment.html">in a comment</a> -->
<main>
<h1>%s</h1>
<p>Price: <span class="price">%s</span></p>
`, html.EscapeString(p.item.H1), p.item.Price)
	for room := w.cfg.Size - linkSize*(len(refs)+len(extra)); b.Len() < room; {
		fmt.Fprintf(&b, "<p>%s <em>%s</em> %s.</p>\n", say(6), say(2), say(7))
	}
	b.WriteString("</main>\n<ul class=\"related\">\n")
	for _, href := range slices.Concat(refs, extra) {
		link(href)
	}
	b.WriteString("</ul>\n</body>\n</html>\n")
	p.body = b.Bytes()
	return p
}

// links returns the links of the n-th page of a host, without the navigation: its children in the tree, then random
// pages of this host and of others, at last some of them again with a fragment or another order of the query.
func (w *web) links(rng *rand.Rand, host, n int) []string {
	var (
		again = max(w.cfg.Links/4, 2)
		first = max(w.cfg.Links-again-2, children)
		refs  []string
	)
	for k := children*n + 1; k <= children*(n+1) && k < w.onHost(host); k++ {
		refs = append(refs, pagePath(k))
	}
	for len(refs) < first {
		if h := rng.IntN(w.cfg.Hosts); rng.IntN(10) < 3 {
			refs = append(refs, w.origin(h)+pagePath(rng.IntN(w.onHost(h))))
		} else {
			refs = append(refs, pagePath(rng.IntN(w.onHost(host))))
		}
	}
	refs = append(refs, "#top")
	for range again - 1 {
		ref := refs[rng.IntN(first)]
		if before, query, ok := strings.Cut(ref, "?"); ok {
			a, b, _ := strings.Cut(query, "&")
			refs = append(refs, before+"?"+b+"&"+a)
		} else {
			refs = append(refs, ref+"#"+word(rng.IntN(len(words))))
		}
	}
	return refs
}

// withSession adds sid to the query of href, in front of a fragment.
func withSession(href string, id uint32) string {
	href, fragment, hasFragment := strings.Cut(href, "#")
	sep := "?"
	if strings.Contains(href, "?") {
		sep = "&"
	}
	href += fmt.Sprintf("%ssid=%08x", sep, id)
	if hasFragment {
		href += "#" + fragment
	}
	return href
}

// canonical returns the URL of a request under which pages are known: query sorted, no session.
func (w *web) canonical(host int, u *url.URL) string {
	c := w.origin(host) + u.EscapedPath()
	query := u.Query()
	query.Del("sid")
	if q := query.Encode(); q != "" {
		c += "?" + q
	}
	return c
}

func (w *web) robots(host int) string {
	if w.cfg.Robots != "" {
		return w.cfg.Robots
	}
	delay := ""
	if w.cfg.CrawlDelay > 0 && asksForDelay(host) {
		delay = fmt.Sprintf("Crawl-delay: %g\n", w.cfg.CrawlDelay.Seconds())
	}
	return fmt.Sprintf("User-agent: *\nDisallow: /private/\n%sSitemap: %s/sitemap.xml\n", delay, w.origin(host))
}

// asksForDelay says which hosts Config.CrawlDelay is for.
func asksForDelay(host int) bool { return host%2 == 0 }

func (w *web) sitemap(host int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
`)
	for n := range w.onHost(host) {
		fmt.Fprintf(&b, "<url><loc>%s</loc><lastmod>%s</lastmod></url>\n",
			html.EscapeString(w.origin(host)+pagePath(n)), modified.Format(time.DateOnly))
	}
	b.WriteString("</urlset>\n")
	return b.Bytes()
}
