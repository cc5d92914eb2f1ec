package declare_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler/crawltest"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
)

// FuzzParse: whatever a file holds, it is a spider that the engine takes, or an error about a place in it.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/errors/*.golden", "testdata/pages/*.golden"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files %s (%v)", pattern, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			src, _, _ := strings.Cut(string(raw), bar)
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		s, err := declare.Parse("x.yaml", []byte(src))
		if err == nil {
			if err := s.Check(); err != nil {
				t.Fatalf("accepted, but: %v", err)
			}
			for _, route := range s.RouteNames() {
				items, _, err := crawltest.Run(t, s, route, "https://shop.example/", "<h1 id=a class=b>T</h1><p class=price>1</p><a href=/>x</a>")
				if err == nil {
					crawltest.Lines(t, items)
				}
			}
			return
		}
		var e *declare.Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Message == "" {
			t.Fatalf("error %#v", err)
		}
		if first, _, _ := strings.Cut(err.Error(), "\n"); first != e.Summary() {
			t.Fatalf("the first line %q is not the summary %q", first, e.Summary())
		}
	})
}
