package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// The pages of each host are known from its sitemap alone, and that from its robots.txt. Workers are killed from the beginning on.
func TestPagesOfSitemapsSurviveKilledWorkers(t *testing.T) {
	t.Parallel()
	redis := servers.Redis(t)
	site := testsite.Start(t, testsite.Config{Pages: 600, Hosts: 6, Latency: 20 * time.Millisecond})
	spider := filepath.Join(t.TempDir(), "mapped.yaml")
	src := "name: mapped\nsitemaps: [{from: robots}]\nsettings: {lease: 3s, concurrency: 8, per_host: 4}\nroutes:\n  page:\n    items:\n" +
		"      - {kind: page, fields: {url: {css: 'link[rel=canonical]', attr: href}, title: title, h1: h1, price: .price, links: {css: 'a[href]', count: true}}}\n"
	if err := os.WriteFile(spider, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	var files []string
	worker := func() *process {
		p := start(t, "worker", spider, "--redis", redis.URL, "--until-done", "-o", "items.jsonl", "--quiet")
		files = append(files, filepath.Join(p.cmd.Dir, "items.jsonl"))
		return p
	}
	workers := []*process{worker(), worker(), worker()}
	run(t, 0, append([]string{"seed", spider, "--redis", redis.URL}, site.Roots()...)...)
	for i, pages := range []int{1, 50, 300} {
		within(t, time.Minute, "some pages", func() bool { return site.Report().Distinct >= pages })
		workers[i].signal(syscall.SIGKILL)
		workers = append(workers, worker())
	}
	for _, p := range workers[3:] {
		p.wait(0)
	}
	report := site.Report()
	if len(report.Missing) > 0 {
		t.Errorf("%d pages were lost, the first is %s", len(report.Missing), report.Missing[0])
	}
	if most := 3 * 8; len(report.Duplicates) > most {
		t.Errorf("%d pages were fetched again, but the three that were killed held no more than %d", len(report.Duplicates), most)
	}
	items, _ := readItems(t, files...)
	if len(items) != 600 {
		t.Errorf("%d items, want 600", len(items))
	}
	status := run(t, 0, "status", "mapped", "--redis", redis.URL, "--json")
	if s := status.out.String(); !containsAll(s, `"state":"done"`, `"ok":612`) { // and six robots.txt, six sitemaps
		t.Errorf("status %s", s)
	}
}

func containsAll(s string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}
