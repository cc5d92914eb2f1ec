package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// writeSpider writes a spider that follows no links: only sitemaps lead to pages.
func writeSpider(t *testing.T, name, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".yaml")
	src := "name: " + name + "\nroutes:\n  page: {items: [{kind: page, fields: {title: title}}]}\n" + lines + "\n"
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSitemapOfRobotsTxtLeadsToTheWholeSite(t *testing.T) {
	t.Parallel()
	site, dir := testsite.Start(t, testsite.Config{Pages: 30}), t.TempDir()
	root := site.Roots()[0]
	spider := writeSpider(t, "mapped", "start: ["+root+"]\nsitemaps: [{from: robots}]")
	c := command{}
	s := c.run(t, "crawl", spider, "--dir", dir, "--json").want(t, exitDone).summary(t)
	if s.Items != 30 || s.Pages != 32 || s.State != "done" || s.Dead != 0 { // robots.txt and the sitemap, too
		t.Errorf("summary %+v", s)
	}
	why := c.run(t, "why", "mapped", root+"sitemap.xml", "--spider", spider, "--dir", dir)
	if why.code != exitDone || !strings.Contains(why.out, "It is finished") {
		t.Errorf("why says (%d)\n%s%s", why.code, why.out, why.err)
	}
}

func TestSpiderOfAFeedNeedsNoStartURL(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/feed":
			fmt.Fprint(w, `<rss><channel><item><link>/1</link><pubDate>Wed, 04 Mar 2026 05:06:07 GMT</pubDate></item><item><link>/2</link></item></channel></rss>`)
		case "/1", "/2":
			fmt.Fprint(w, "<title>news</title>")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(site.Close)
	dir, c := t.TempDir(), command{}
	spider := writeSpider(t, "news", "sitemaps: [{url: '"+site.URL+"/feed', include: ['*/1', '*/2']}]")
	if got := c.run(t, "seed", spider, "--dir", dir).want(t, exitDone); got.out != "queued 1, already known 0\n" {
		t.Errorf("seed says %q", got.out)
	}
	if got := c.run(t, "seed", spider, "--dir", dir).want(t, exitDone); got.out != "queued 0, already known 1\n" {
		t.Errorf("seeding again says %q", got.out)
	}
	if s := c.run(t, "crawl", spider, "--dir", dir, "--json").want(t, exitDone).summary(t); s.Items != 2 || s.Pages != 3 {
		t.Errorf("summary %+v", s)
	}
	got := c.run(t, "fetch", site.URL+"/feed", "--entries").want(t, exitDone)
	if want := "page\t2026-03-04T05:06:07Z\t" + site.URL + "/1\npage\t-\t" + site.URL + "/2\n"; got.out != want {
		t.Errorf("entries\n%swant\n%s", got.out, want)
	}
	if got := c.run(t, "fetch", site.URL+"/1", "--entries").want(t, exitFailed); !strings.Contains(got.err, "neither sitemap nor feed") {
		t.Errorf("entries of a page: %s", got.err)
	}
}
