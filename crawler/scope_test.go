package crawler

import "testing"

func TestScope(t *testing.T) {
	t.Parallel()
	route := NewRoute[struct{}]("r")
	for _, c := range []struct {
		scope   ScopeType
		start   string
		seed    string // of the page; empty: the start URL
		link    string
		refused string
	}{
		{SameHost, "https://example.com/a/", "", "https://example.com/b", ""},
		{SameHost, "https://example.com/a/", "", "http://example.com/b", ""},
		{SameHost, "https://example.com/a/", "", "https://www.example.com/b", "scope"},
		{SameHost, "https://example.com/a/", "", "https://example.com:8443/b", "scope"},
		{SameHost, "https://example.com/a/", "https://other.example/", "https://other.example/x", ""},
		{SameHost, "https://example.com/a/", "https://other.example/", "https://example.com/x", ""},
		{SameHost, "https://example.com/a/", "https://other.example/", "https://third.example/x", "scope"},
		{SamePage, "https://example.com/a/", "", "https://example.com/a/", ""},
		{SamePage, "https://example.com/a/", "", "https://example.com/b", "scope"},
		{SamePrefix, "https://example.com/docs/index.html?x=/y/", "", "https://example.com/docs/b/c", ""},
		{SamePrefix, "https://example.com/docs/index.html", "", "https://example.com/doc", "scope"},
		{SamePrefix, "https://example.com/docs/", "https://other.example/w/a", "https://other.example/w/b", ""},
		{SamePrefix, "https://example.com/docs/", "https://other.example/w/a", "https://other.example/v", "scope"},
		{SameDomain, "https://www.example.co.uk/", "", "https://shop.example.co.uk/", ""},
		{SameDomain, "https://www.example.co.uk/", "", "https://other.co.uk/", "scope"},
		{SameDomain, "http://127.0.0.1:81/", "", "http://127.0.0.1:82/", ""},
		{AnyHost, "https://example.com/", "", "https://elsewhere.example/", ""},
	} {
		p, err := Spider{Name: "s", Scope: c.scope, Start: Start(route, c.start), Routes: Routes(bind[struct{}]())}.compile()
		if err != nil {
			t.Fatal(err)
		}
		seed := c.seed
		if seed == "" {
			seed = c.start
		}
		req, u, err := p.seed(seed, route.target())
		if err != nil {
			t.Fatal(err)
		}
		link, err := p.canon.Parse(c.link)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.scope.refusal(link, p.scope.seedOf(req, u)); got != c.refused {
			t.Errorf("scope %s of %s: link %s on %s: refused as %q, want %q", c.scope, c.start, c.link, seed, got, c.refused)
		}
	}
}

func TestIncludeAndExclude(t *testing.T) {
	t.Parallel()
	s := Spider{
		Name: "s", Scope: AnyHost, Routes: Routes(bind[struct{}]()),
		Include: []string{"*/keep/*"}, Exclude: []string{"*.pdf"},
	}
	p, err := s.compile()
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"https://a.example/keep/x": "", "https://a.example/keep/x.pdf": "excluded", "https://a.example/x": "not_included",
	} {
		u, _ := p.canon.Parse(link)
		if got := p.scope.refusal(u, ""); got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}

// A page of the web must not be able to send the crawler into the network it stands in, however it leads there.
func TestPrivateAddressesNeedTheirOwnSeed(t *testing.T) {
	t.Parallel()
	route := NewRoute[struct{}]("r")
	p, err := Spider{
		Name: "s", Scope: AnyHost, Start: Start(route, "http://127.0.0.1:8080/", "https://example.com/"), Routes: Routes(bind[struct{}]()),
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		req  Request
		want bool
	}{
		{Request{URL: "http://127.0.0.1:8080/x"}, true},                              // a start URL's host
		{Request{URL: "http://127.0.0.1:9090/x"}, true},                              // seeded itself
		{Request{URL: "http://intranet/x"}, true},                                    // seeded itself, and nobody can own that name
		{Request{URL: "http://10.0.0.1/x", Seed: "example.com"}, false},              // a page led there
		{Request{URL: "http://10.0.0.1/x", Hops: 1}, false},                          // a seed was redirected there
		{Request{URL: "https://example.com/x"}, false},                               // a name may point anywhere tomorrow
		{Request{URL: "http://127.0.0.1:8080/x", Seed: "example.com"}, true},         // allowed by its own start URL
		{Request{URL: "http://[::1]/x", Seed: "127.0.0.1:8080"}, false},              // another private host
		{Request{URL: "http://metadata.google.internal/", Seed: "x.example"}, false}, // by name
	} {
		u, err := p.canon.Parse(c.req.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.scope.mayBePrivate(&c.req, u); got != c.want {
			t.Errorf("%+v: may be private %v, want %v", c.req, got, c.want)
		}
	}
	// What a link carries denies it, too: the seed is told apart from the link's own host.
	parent, _ := p.canon.Parse("https://example.com/")
	child, _ := p.canon.Parse("http://10.0.0.1/")
	if got := p.scope.carry(p.scope.seedOf(&Request{}, parent), child); got != "example.com" {
		t.Errorf("a link to another host carries seed %q", got)
	}
}
