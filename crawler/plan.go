package crawler

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/andybalholm/cascadia"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// plan is a spider that was checked and made ready: what all visits of a worker share.
type plan struct {
	spider   Spider
	settings Settings
	canon    *dedup.Canonicalizer
	routes   map[string]Binding
	scope    scope
	revisits *revisits // nil: each URL is fetched once
	sources  []source  // sitemaps

	selectors  sync.Map // string -> selector
	extractors sync.Map // reflect.Type -> extractorOrErr
}

type selector struct {
	match cascadia.Selector
	err   error
}

// selector compiles a CSS selector once. goquery's own Find compiles at each call and answers a malformed one with
// silence.
func (p *plan) selector(css string) (cascadia.Selector, error) {
	if s, ok := p.selectors.Load(css); ok {
		return s.(selector).match, s.(selector).err //nolint:forcetypeassert // nothing else is stored
	}
	match, err := cascadia.Compile(css)
	if err != nil {
		err = fmt.Errorf("selector %q: %w", css, err)
	}
	p.selectors.Store(css, selector{match, err})
	return match, err
}

type extractorOrErr struct {
	x   *extractor
	err error
}

// extractor compiles the tags of an item type once.
func (p *plan) extractor(t reflect.Type) (*extractor, error) {
	if x, ok := p.extractors.Load(t); ok {
		return x.(extractorOrErr).x, x.(extractorOrErr).err //nolint:forcetypeassert // nothing else is stored
	}
	x, err := newExtractor(t)
	p.extractors.Store(t, extractorOrErr{x, err})
	return x, err
}

// seed returns the request for a start URL or seed.
func (p *plan) seed(raw string, t bound) (*Request, dedup.URL, error) {
	u, err := p.canon.Parse(raw)
	if err != nil {
		return nil, u, err
	}
	if err := p.checkTarget(t); err != nil {
		return nil, u, err
	}
	with, err := t.encode()
	if err != nil {
		return nil, u, err
	}
	req := &Request{URL: u.String(), Route: t.name, With: with}
	if p.scope.isPlace() && !p.scope.starts[p.scope.key(u)] {
		req.Seed = p.scope.key(u)
	}
	return req, u, nil
}

// defaultTarget is where seeds go that name no route: where the first start URL goes, or to the first route.
func (p *plan) defaultTarget() bound {
	if len(p.spider.Start) > 0 {
		return p.spider.Start[0].Target.target()
	}
	b := p.spider.Routes[0]
	return bound{name: b.name, typ: b.with}
}

// fingerprint says which request it is, by the rules of the spider.
func (p *plan) fingerprint(req *Request) dedup.Fingerprint {
	return p.canon.Fingerprint(req.Method, req.URL, req.Header, req.Body)
}

// task returns the request as the frontier takes it.
func (p *plan) task(req *Request, u dedup.URL) scheduler.Task {
	return scheduler.Task{
		ID:         p.fingerprint(req),
		Host:       u.Host(),
		Priority:   req.Priority,
		DontFilter: req.DontFilter,
		DontRecord: req.DontRecord,
		Payload:    req.AppendPayload(make([]byte, 0, len(req.URL)+len(req.Route)+len(req.With)+len(req.Seed)+48)),
	}
}
