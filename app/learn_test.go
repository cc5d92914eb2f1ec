package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup/learn"
)

func TestIdleParameterOfACrawledSiteIsReported(t *testing.T) {
	t.Parallel()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		id := r.URL.Query().Get("id")
		fmt.Fprintf(w, "<html><body><main><h1>Thing %s</h1><p>%s</p>", id, strings.Repeat("word-"+strings.Repeat("x", len(id)*7+int(id[0]-'0'))+" ", 5))
		if id == "0" {
			for i := range 30 {
				name := strings.Repeat(string(rune('a'+i%26)), 1+i/26)
				fmt.Fprintf(w, `<a href="/?id=1%[1]s&ref=home"> </a><a href="/?id=1%[1]s&ref=mail"> </a><a href="/?id=1%[1]s"> </a>`, name)
			}
		}
		fmt.Fprint(w, "</main></body></html>")
	}))
	t.Cleanup(shop.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "pages.jsonl")
	c := command{spiders: []crawler.Spider{siteSpider(shop.URL + "/?id=0")}, env: map[string]string{"LYCOSA_DIR": dir}}
	c.run(t, "crawl", "site", "--quiet", "--learn-params", file).want(t, exitDone)
	if n := strings.Count(readFile(t, file), "\n"); n != 91 {
		t.Errorf("%d pages are noted, want 91", n)
	}
	var r learn.Report
	out := c.run(t, "learn-params", file, "--json").want(t, exitDone).out
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Params) != 1 || r.Params[0] != "ref" || r.Pages != 91 {
		t.Errorf("%v: %s", err, out)
	}
	if out := c.run(t, "learn-params", file).want(t, exitDone).out; !strings.Contains(out, "\n  canonical:\n    drop_params: [\"ref\"]\n") || !strings.Contains(out, "keep ") {
		t.Error(out)
	}
}

func TestLearnNamesTheLineThatIsWrong(t *testing.T) {
	t.Parallel()
	good := `{"url":"http://a.example/?b=1","signature":"00000000000000ff"}` + "\n"
	for bad, says := range map[string]string{
		"x": "line 2 of ", `{"url":"http://a.example/","signature":"g"}`: `signature "g": want 16 hexadecimal digits`,
		`{"url":"/a","signature":"1"}`: "no absolute http or https URL",
	} {
		file := filepath.Join(t.TempDir(), "pages.jsonl")
		if err := os.WriteFile(file, []byte(good+bad+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := command{}.run(t, "learn-params", file).want(t, exitUsage)
		if !strings.Contains(got.err, says) || !strings.Contains(got.err, "line 2 of "+file) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %s", bad, got.err)
		}
	}
	for _, args := range [][]string{{filepath.Join(t.TempDir(), "none")}, {"-", "--least", "2"}, {}} {
		command{}.run(t, append([]string{"learn-params"}, args...)...).want(t, exitUsage)
	}
}
