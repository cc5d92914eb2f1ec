package dedup

import (
	"testing"
)

const (
	typicalBase = "https://www.example.com/catalogue/category/books/index.html"
	typicalURL  = "https://www.example.com/catalogue/category/books_1/page-2.html?sort=price&page=2" // 80 bytes
)

// plainReferences are the kinds of references that most links of the web are.
var plainReferences = map[string]string{
	"absolute": typicalURL,
	"escaped":  "https://www.example.com/catalogue/%7Ebooks/caf%c3%a9/page-2.html?b=%41&page=2&a=1",
	"root":     "/a/b?x=1",
	"sibling":  "page2.html",
	"parent":   "../x",
	"query":    "?page=3&sort=price",
	"fragment": "#top",
	"host":     "//cdn.example.com/a/b.png",
	"address":  "http://127.0.0.1:43210/catalogue/page-2.html",
}

func TestPlainReferencesCostOneAllocation(t *testing.T) {
	c := compile(t, Rules{DropTracking: true, DropSessions: true})
	base := parse(t, c, typicalBase)
	for name, ref := range plainReferences {
		var fp Fingerprint
		allocs := testing.AllocsPerRun(100, func() {
			u, err := c.Resolve(base, ref)
			if err != nil {
				t.Error(err)
			}
			fp = Of("GET", u.String(), nil)
		})
		if allocs > 1 {
			t.Errorf("%s: %v allocations, want 1", name, allocs)
		}
		if fp == (Fingerprint{}) {
			t.Errorf("%s: no fingerprint", name)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	c := compile(b, Rules{})
	base := parse(b, c, typicalBase)
	for name, ref := range plainReferences {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Resolve(base, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanonicalFiltered(b *testing.B) {
	c := compile(b, Rules{DropTracking: true, DropSessions: true, DropParams: []string{"ref*"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Parse(typicalURL + "&utm_source=x&sid=1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonicalGeneral(b *testing.B) {
	c := compile(b, Rules{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Parse("https://www.bücher.example/catalogue/café/page 2.html?sort=price&page=2"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonicalRefused(b *testing.B) {
	c := compile(b, Rules{})
	base := parse(b, c, typicalBase)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Resolve(base, "mailto:someone@example.com"); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkCanonicalAndFingerprint(b *testing.B) {
	c := compile(b, Rules{})
	b.ReportAllocs()
	for b.Loop() {
		u, err := c.Parse(typicalURL)
		if err != nil {
			b.Fatal(err)
		}
		Of("GET", u.String(), nil)
	}
}

func BenchmarkFingerprint(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Of("GET", typicalURL, nil)
	}
}
