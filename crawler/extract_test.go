package crawler

import (
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// newPageFor returns a page of a spider as its handler would get it.
func newPageFor(t *testing.T, s Spider, url, body string) *Page {
	t.Helper()
	if s.Name == "" {
		s.Name = "test"
	}
	if s.Routes == nil {
		s.Routes = Routes(bind[struct{}]())
	}
	p, err := s.compile()
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.canon.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	req := &Request{URL: u.String(), Route: s.Routes[0].name}
	v := &visit{plan: p, crawl: s.Name, req: req, url: u, seed: p.scope.seedOf(req, u)}
	v.page = &Page{
		URL: u.String(), Request: req, Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}},
		Body: []byte(body), FetchedAt: time.Unix(1_700_000_000, 0).UTC(), visit: v, url: u,
	}
	return v.page
}

type review struct {
	Author string `css:".author"`
	Stars  int    `css:".stars" attr:"data-n"`
}

type product struct {
	UPC      string     `css:"th:contains(UPC) + td" item:"key,required"`
	Title    string     `css:"h1"`
	Price    float64    `css:".price" re:"[\\d.,]+"`
	Stock    *uint8     `css:".stock"`
	Missing  *uint8     `css:".nowhere"`
	Image    URL        `css:"img" attr:"src"`
	InStock  bool       `css:".in-stock"`
	Sale     bool       `css:".sale"`
	Tags     []string   `css:".tag"`
	Released time.Time  `css:"time" attr:"datetime"`
	Printed  time.Time  `css:".printed" layout:"02.01.2006"`
	From     netip.Addr `css:".ip"`
	Reviews  []review   `css:".review"`
	First    *review    `css:".review"`
	HTML     string     `css:".html" attr:"html"`
	Note     string
}

const productPage = `<!doctype html><base href="/base/"><h1> A  light
 in&nbsp;the attic </h1><table><tr><th>UPC</th><td>a897</td></tr></table>
<p class=price>£1,051.77 incl.</p><p class="stock"> 22 </p><img src="../i/1.png?b=2&amp;a=1"><i class=in-stock></i>
<b class=tag>x</b><b class=tag>y z</b><time datetime="2026-03-01T10:00:00Z"></time><i class=printed>24.12.2025</i><i class=ip>192.0.2.7</i>
<div class=review><b class=author>Ann</b><b class=stars data-n=5></b></div><div class=review><b class=author>Bob</b><b class=stars data-n=3></b></div>
<div class=html> <i>x</i> </div>`

func TestOneReadsEveryType(t *testing.T) {
	t.Parallel()
	p := newPageFor(t, Spider{Items: []any{product{}}}, "https://example.com/shop/p1", productPage)
	got, err := One[product](p)
	if err != nil {
		t.Fatal(err)
	}
	stock := uint8(22)
	want := product{
		UPC: "a897", Title: "A light in the attic", Price: 1051.77, Stock: &stock, Image: "https://example.com/i/1.png?a=1&b=2", InStock: true,
		Tags: []string{"x", "y z"}, Released: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Printed: time.Date(2025, 12, 24, 0, 0, 0, 0, time.UTC),
		From: netip.MustParseAddr("192.0.2.7"), Reviews: []review{{"Ann", 5}, {"Bob", 3}}, First: &review{"Ann", 5}, HTML: "<i>x</i>",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAllReadsInsideEachMatch(t *testing.T) {
	t.Parallel()
	p := newPageFor(t, Spider{}, "https://example.com/", productPage)
	got, err := All[review](p, ".review")
	if want := []review{{"Ann", 5}, {"Bob", 3}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := All[review](p, "["); err == nil {
		t.Error("a malformed selector matches silently")
	}
}

func TestUnreadableFieldsNameTypeAndField(t *testing.T) {
	t.Parallel()
	type number struct {
		N int8 `css:"i" item:"required"`
	}
	for body, want := range map[string]string{
		"":                   "number.N: is required, but nothing matches",
		"<i></i>":            "number.N: is required, but nothing matches",
		"<i>12 pounds</i>":   `number.N: "12 pounds" is no int8`,
		"<i>300</i>":         `number.N: "300" is out of range for int8`,
		"<i>1.5</i><i>2</i>": `number.N: "1.5" is no int8`,
	} {
		_, err := One[number](newPageFor(t, Spider{}, "https://example.com/", body))
		var field *FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

func TestItemsGetKindsAndKeys(t *testing.T) {
	t.Parallel()
	p := newPageFor(t, Spider{}, "https://example.com/list", "")
	p.Emit(product{UPC: "a897"}, review{Author: "Ann"}, &review{Author: "Bob"})
	p.EmitAs("raw", "", map[string]any{"x": 1})
	var got []string
	for _, item := range p.items {
		got = append(got, item.Kind+" "+item.Key)
	}
	want := []string{"product a897", "review https://example.com/list", "review https://example.com/list#2", "raw https://example.com/list"}
	if p.err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, p.err, want)
	}
	if p.Emit(5); p.err == nil {
		t.Error("Emit takes what is no struct")
	}
	for name, want := range map[string]string{"BookReview": "book_review", "HTTPServer2": "http_server2", "book": "book", "Pair[int]": "pair"} {
		if got := snakeCase(name); got != want {
			t.Errorf("kind of %s is %s, want %s", name, got, want)
		}
	}
}

func TestLinksAreAbsoluteAndOnce(t *testing.T) {
	t.Parallel()
	const body = `<base href="https://example.com/b/"><a href="x">1</a><a href=" x#f ">2</a><area href="/y"><a>3</a><a href="mailto:a@b">4</a>
<a href="javascript:void(0)">5</a><link href="z"><img src="i.png"><a class=n href="?q=1">6</a>`
	p := newPageFor(t, Spider{}, "https://example.com/list", body)
	want := []string{"https://example.com/b/x", "https://example.com/y", "https://example.com/b/?q=1"}
	if got := p.Links(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.Links("img", "a.n"), []string{"https://example.com/b/i.png", "https://example.com/b/?q=1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if p.visit.links["scheme"] != 2 {
		t.Errorf("refused links are not counted: %v", p.visit.links)
	}
}

func TestLinksOfATooDeepPageAreFound(t *testing.T) {
	t.Parallel()
	p := newPageFor(t, Spider{}, "https://example.com/", strings.Repeat("<div>", 100_000)+`<a href="/deep">x</a>`)
	if p.DocErr() == nil {
		t.Fatal("a page of 100,000 nested elements was parsed")
	}
	if got := p.Links(); !reflect.DeepEqual(got, []string{"https://example.com/deep"}) {
		t.Errorf("got %q", got)
	}
}
