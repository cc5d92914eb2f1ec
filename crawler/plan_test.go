package crawler

import (
	"context"
	"net/http"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
)

func TestSpiderSaysWhatTellsRequestsApart(t *testing.T) {
	t.Parallel()
	route := NewRoute[struct{}]("a").To(func(context.Context, *Page, struct{}) error { return nil })
	id := func(rules dedup.Rules, language, body string) dedup.Fingerprint {
		t.Helper()
		p, err := Spider{Name: "x", Routes: Routes(route), Canonical: rules}.compile()
		if err != nil {
			t.Fatal(err)
		}
		u, err := p.canon.Parse("http://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Accept-Language": {language}, "Content-Type": {"application/json"}}
		req := Request{Method: "POST", URL: u.String(), Header: header, Body: []byte(body), Route: "a"}
		task := p.task(&req, u)
		if e, err := p.spider.Explain(t.Context(), req, nil); err != nil || e.Fingerprint != task.ID {
			t.Errorf("explained as %s, %v, queued as %s", e.Fingerprint, err, task.ID)
		}
		if string(req.Body) != body {
			t.Errorf("what is sent was changed: %s", req.Body)
		}
		return task.ID
	}
	byDefault, byRule := dedup.Rules{}, dedup.Rules{CanonicalBodies: true, FingerprintHeaders: []string{"accept-language"}}
	if id(byDefault, "de", "{}") != id(byDefault, "en", "{}") || id(byDefault, "de", "{}") == id(byDefault, "de", "{ }") {
		t.Error("by default a header counts, or a body does not as it is")
	}
	if id(byRule, "de", "{}") == id(byRule, "en", "{}") || id(byRule, "de", "{}") != id(byRule, "de", "{ }") {
		t.Error("the rules are not followed")
	}
}
