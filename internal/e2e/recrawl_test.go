package e2e

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/internal/testsite"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/pipelines/mongopipe"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// entries reads a feed from a place on.
func entries(t *testing.T, feed pipelines.Feed, after pipelines.Cursor) (all []pipelines.Change, last pipelines.Cursor) {
	t.Helper()
	last = after
	err := feed.Changes(t.Context(), after, func(c pipelines.Change) bool {
		all, last = append(all, c), c.Cursor
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, last
}

func TestRecrawlOfRealPagesParsesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	want := paths(t, "postgresql15.txt.gz")
	site := testsite.StartTreeWithValidators(t, testsite.Docs(t, testsite.PostgreSQL))
	dir := t.TempDir()
	crawl := func(flags ...string) *process {
		flags = append([]string{"crawl", "manual", site.URL("/index.html"), "--dir", dir, "-o", filepath.Join(dir, "out.jsonl")}, flags...)
		return run(t, 0, with(fast, flags...)...)
	}
	crawl()
	comparePaths(t, htmlPaths(site.Paths(200)), want)
	feed := filestore.NewReader(filepath.Join(dir, "manual", "changes.db"))
	first, cursor := entries(t, feed, 0)
	if n := len(slices.DeleteFunc(first, func(c pipelines.Change) bool { return c.IsPage() })); n != len(want) {
		t.Errorf("%d new items, want %d", n, len(want))
	}

	site.Reset()
	again := crawl("--revisit-all").summary()
	if sent := htmlPaths(site.Paths(200)); len(sent) > 0 || len(htmlPaths(site.Paths(304))) != len(want) {
		t.Errorf("%d pages were sent again: %.5q", len(sent), sent)
	}
	if v := again.Visits; v["not_modified"] < int64(len(want)) || v["ok"]+v["unchanged"]+v["changed"] > 0 {
		t.Errorf("visits %v", v)
	}
	if news, _ := entries(t, feed, cursor); len(news) > 0 {
		t.Errorf("%d entries in the feed of a site that has not changed, the first: %+v", len(news), news[0])
	}

	var touched []string
	for i := 0; len(touched) < 20; i += len(want) / 20 {
		touched = append(touched, want[i])
		if err := site.Edit(want[i], func(old []byte) []byte {
			return bytes.Replace(bytes.Replace(old, []byte("<title>"), []byte("<title>New: "), 1), []byte("</h"), []byte(" (new)</h"), 1)
		}); err != nil {
			t.Fatal(err)
		}
	}
	site.Reset()
	crawl("--revisit-all")
	news, _ := entries(t, feed, cursor)
	var pages, items []string
	for _, c := range news {
		path := strings.TrimPrefix(c.URL, site.URL(""))
		if c.IsPage() {
			pages = append(pages, path)
			continue
		}
		items = append(items, path)
		if c.News != pipelines.NewsChanged || len(c.Fields) != 1 || !strings.HasPrefix(fmt.Sprint(c.Fields[0].New), "New: ") {
			t.Errorf("entry %+v", c)
		}
	}
	for _, got := range [][]string{pages, items} {
		slices.Sort(got)
		slices.Sort(touched)
		if !slices.Equal(got, touched) {
			t.Errorf("in the feed: %q, want %q", got, touched)
		}
	}
	if sent := len(site.Paths(200)); sent < 20 || sent > 20+len(want)/10 { // a visit in twenty asks without validators
		t.Errorf("%d pages were sent", sent)
	}
}

// TestFeedHasEachChangeOnceAlthoughWorkersAreKilled lets a site change between recrawls, in each of which a worker is killed.
func TestFeedHasEachChangeOnceAlthoughWorkersAreKilled(t *testing.T) {
	t.Parallel()
	const pages, rounds = 60, 5
	files := fstest.MapFS{}
	title := func(i, version int) string { return fmt.Sprintf("Page %d version %d", i, version) }
	page := func(i, version int) []byte {
		var b bytes.Buffer
		fmt.Fprintf(&b, "<title>%s</title><main><h1>%[1]s</h1><p>Text of %d.</p></main>", title(i, version), i)
		for _, j := range linksOf(i, version, pages) {
			fmt.Fprintf(&b, `<a href="/p%d.html">x</a>`, j)
		}
		return b.Bytes()
	}
	name := func(i int) string { return fmt.Sprintf("p%d.html", i) }
	for i := range pages {
		files[name(i)] = &fstest.MapFile{Data: page(i, 0)}
	}
	site := testsite.StartTreeWithValidators(t, files)
	redis, mongo := servers.Redis(t), servers.Mongo(t)
	flags := []string{
		"manual", site.URL("/p0.html"), "--redis", redis.URL, "-o", mongo.URI, "--concurrency", "4", "--per-host", "8", "--quiet",
		"--set", "lease=2s",
	}
	version := make([]int, pages)
	for round := range rounds {
		var args []string
		if round > 0 {
			args = []string{"--revisit-all"}
			for i := range pages {
				if (i+round)%3 == 0 {
					version[i]++
					if err := site.Edit("/"+name(i), func([]byte) []byte { return page(i, version[i]) }); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		site.Reset()
		victim := start(t, with(flags, append([]string{"crawl"}, args...)...)...)
		within(t, time.Minute, "some pages", func() bool { return len(site.Hits()) >= 10 })
		victim.signal(syscall.SIGKILL)
		<-victim.ended
		run(t, 0, with(flags, append([]string{"crawl"}, args...)...)...)
	}

	feed, err := mongopipe.New(t.Context(), mongopipe.Config{URI: mongo.URI})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = feed.Close(context.Background()) })
	all, _ := entries(t, feed, 0)
	told := make(map[string][]string) // of each item, in order
	for _, c := range all {
		if c.IsPage() {
			continue
		}
		for _, f := range c.Fields {
			told[c.URL] = append(told[c.URL], fmt.Sprint(c.News, " ", f.New))
		}
	}
	for i := range pages {
		want := []string{"new " + title(i, 0)}
		for v := 1; v <= version[i]; v++ {
			want = append(want, "changed "+title(i, v))
		}
		if got := told[site.URL("/"+name(i))]; !slices.Equal(got, want) {
			t.Errorf("of %s the feed has %q, want %q", name(i), got, want)
		}
	}
	linked := make(map[string]int64)
	for i := range pages {
		for _, j := range linksOf(i, version[i], pages) {
			if j != i {
				linked[site.URL("/"+name(j))]++
			}
		}
	}
	noCountIsTooSmall(t, redis.URL, linked)
}

// linksOf returns the pages that version of page i links to: another one with each version.
func linksOf(i, version, pages int) []int {
	return []int{(3*i + 1) % pages, (3*i + 2) % pages, (3*i + 3 + 7*version) % pages}
}

// noCountIsTooSmall compares the counts of links that a crawl has with how many pages link to each.
func noCountIsTooSmall(t *testing.T, url string, linked map[string]int64) {
	t.Helper()
	client, err := redisfrontier.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f, err := redisfrontier.Open(t.Context(), client, redisfrontier.Config{Crawl: "manual"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var links []scheduler.Link
	var want []int64
	err = f.Scheduled(t.Context(), func(task scheduler.Task) bool {
		req, err := crawler.DecodePayload(task.Payload)
		if err != nil {
			t.Fatal(err)
		}
		links, want = append(links, scheduler.Link{TaskRef: scheduler.TaskRef{Host: task.Host, ID: task.ID}}), append(want, linked[req.URL])
		return true
	})
	if err != nil || len(links) < len(linked) {
		t.Fatalf("%d pages wait, want %d (%v)", len(links), len(linked), err)
	}
	counts, err := f.Link(t.Context(), links...)
	if err != nil {
		t.Fatal(err)
	}
	exact := 0
	for i, n := range counts {
		if n < want[i] {
			t.Errorf("%d links to page %d, want %d or more", n, i, want[i])
		}
		if n == want[i] {
			exact++
		}
	}
	if exact < len(counts)/2 {
		t.Errorf("%d of %d counts are exact", exact, len(counts))
	}
	if broken, err := f.Check(t.Context()); err != nil || len(broken) > 0 {
		t.Errorf("broken: %q %v", broken, err)
	}
}
