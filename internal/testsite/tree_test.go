package testsite_test

import (
	"bufio"
	"compress/gzip"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/PuerkitoBio/goquery"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

func TestTreeServesFilesAndNothingElse(t *testing.T) {
	t.Parallel()
	tree := testsite.StartTree(t, fstest.MapFS{
		"index.html":   {Data: []byte("<title>start</title>")},
		"a/b.html":     {Data: []byte("<title>b</title>")},
		"a/c d.HTM":    {Data: []byte("<title>c d</title>")},
		"style.css":    {Data: []byte("p{}")},
		"data":         {Data: []byte("?")},
		"d/index.html": {Data: []byte("<title>d</title>")},
	})
	for _, c := range []struct {
		path, contentType, body string
		status                  int
	}{
		{"/", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/index.html", "text/html", "<title>start</title>", 200},
		{"/a/b.html?q#f", "text/html", "<title>b</title>", 200},
		{"/a/c%20d.HTM", "text/html", "<title>c d</title>", 200},
		{"/style.css", "text/css", "p{}", 200},
		{"/data", "application/octet-stream", "?", 200},
		{"/d/", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/d", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/a/", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/a", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/../tree.go", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/%00", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"//index.html", "text/plain; charset=utf-8", "Not Found\n", 404},
		{"/robots.txt", "text/plain; charset=utf-8", "Not Found\n", 404},
	} {
		resp, body := get(t, tree.URL(c.path), nil)
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != c.status || got != c.contentType || body != c.body {
			t.Errorf("%s: %d, %q, %q; want %d, %q, %q", c.path, resp.StatusCode, got, body, c.status, c.contentType, c.body)
		}
	}
	if got := tree.Hits()["/a/b.html"]; got != 1 {
		t.Errorf("%d hits of /a/b.html, want 1", got)
	}
	if got := len(tree.Paths(http.StatusNotFound)); got != 9 {
		t.Errorf("%d paths are 404, want 9", got)
	}
	get(t, tree.URL("/data"), nil)
	if got := tree.Repeated(); !slices.Equal(got, []string{"/data"}) {
		t.Errorf("asked for more than once: %v", got)
	}
	tree.Reset()
	if len(tree.Hits()) != 0 || tree.Paths(http.StatusOK) != nil {
		t.Error("Reset forgot nothing")
	}
}

func TestDocumentationGivesTheKnownPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		root, list string
		dead       int
	}{
		{testsite.PostgreSQL, "postgresql15.txt.gz", 0},
		{testsite.SQLite, "sqlite3.txt.gz", 427},
	} {
		t.Run(c.list, func(t *testing.T) {
			t.Parallel()
			want := knownPages(t, c.list)
			tree := testsite.StartTree(t, testsite.Docs(t, c.root))
			start := mustParse(t, tree.URL("/index.html"))
			var pages []string
			cr := crawl{
				tb:    t,
				allow: func(u *url.URL) bool { return u.Host == start.Host },
				visit: func(u string, _ *goquery.Document) { pages = append(pages, mustParse(t, u).Path) },
			}
			cr.run(start.String())
			slices.Sort(pages)
			if !slices.Equal(pages, want) {
				t.Errorf("%d pages, want %d", len(pages), len(want))
			}
			if got := len(tree.Paths(http.StatusNotFound)); got != c.dead {
				t.Errorf("%d dead links, want %d", got, c.dead)
			}
			if again := tree.Repeated(); again != nil {
				t.Errorf("fetched more than once: %v", again)
			}
		})
	}
}

// knownPages reads a list of the conformance data, sorted.
func knownPages(t *testing.T, name string) []string {
	t.Helper()
	dir := os.Getenv("LYCOSA_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	f, err := os.Open(filepath.Join(dir, "sites", name))
	if err != nil {
		t.Skipf("no conformance data: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		pages = append(pages, lines.Text())
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	slices.Sort(pages)
	return pages
}
