package crawler

import (
	"context"
	"fmt"
	"reflect"

	"github.com/PuerkitoBio/goquery"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/pipelines"
)

// Read reads the tagged fields of a struct from within a selection of the page; into points to the struct. It is what
// [One] does, for those who choose the elements, or make the type, as they go.
func (p *Page) Read(into any, from *goquery.Selection) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return Drop(fmt.Sprintf("Read(%T): want a pointer to a struct", into))
	}
	x, err := p.visit.plan.extractor(v.Type().Elem())
	if err != nil {
		return Drop(err.Error())
	}
	return x.read(p, from, v.Elem())
}

// Handled is what a handler made of a page.
type Handled struct {
	Items    []pipelines.Item // in the order in which they were emitted
	Requests []*Request       // followed, in order: within scope and depth, but perhaps seen before
	Refused  map[string]int64 // links that were not followed, by reason
}

// Handle has the handler of req.Route read an answer, and returns what it emitted and followed. It is step 6 of the
// package documentation alone: nothing is fetched, stored or queued. Tests of spiders use it, and people who write one.
func (s Spider) Handle(ctx context.Context, req Request, resp *fetch.Response) (Handled, error) {
	p, err := s.compile()
	if err != nil {
		return Handled{}, err
	}
	u, err := p.canon.Parse(req.URL)
	if err != nil {
		return Handled{}, err
	}
	if _, ok := p.routes[req.Route]; !ok {
		return Handled{}, fmt.Errorf("%w %s has no route %q", ErrSpider, s.Name, req.Route)
	}
	req.URL = u.String()
	v := &visit{plan: p, crawl: s.Name, req: &req, url: u}
	v.seed = p.scope.seedOf(v.req, u)
	v.page = newPage(v, resp)
	if err := v.handle(ctx); err != nil {
		return Handled{Refused: v.links}, err
	}
	handled := Handled{Items: v.page.items, Refused: v.links}
	for _, q := range v.page.requests {
		handled.Requests = append(handled.Requests, q.req)
	}
	return handled, nil
}
