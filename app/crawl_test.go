package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler"
)

func TestCrawlWithoutAServer(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 40), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	got := c.run(t, "crawl", "site", "--dir", dir, "--json").want(t, exitDone)
	items := filepath.Join(dir, "site", "items.jsonl")
	if got := titles(t, readFile(t, items)); !slices.Equal(got, wantTitles(40)) {
		t.Errorf("items %v", got)
	}
	for page, n := range site.pages() {
		if n != 1 {
			t.Errorf("%s was fetched %d times", page, n)
		}
	}
	s := got.summary(t)
	if s.Crawl != "site" || s.Spider != "site" || s.State != "done" || s.Exit != 0 || s.Pages != 40 || s.Fetched != 40 || s.Items != 40 ||
		s.Seen != 40 || s.Dead != 0 || s.Left != 0 || s.Hosts != 1 || s.Bytes == 0 || s.Outcomes["ok"] != 40 || s.ElapsedSeconds <= 0 ||
		s.PagesPerSecond <= 0 || !slices.Equal(s.Out, []string{items}) {
		t.Errorf("summary %+v", s)
	}
	if got.out != "" {
		t.Errorf("stdout %q", got.out)
	}
}

func TestSummaryKeepsItsFields(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(summary{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(`crawl spider state exit pages fetched items dead dead_links parked retries expired duplicates seen hosts
		bytes outcomes elapsed_seconds pages_per_second out`) {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestDeadLettersExitWith3AndAreListed(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 10), t.TempDir()
	site.broken[7], site.broken[8], site.broken[9] = 500, 404, 403
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	s := c.run(t, "crawl", "site", "--dir", dir, "--json").want(t, exitDeadLetters).summary(t)
	if s.Exit != exitDeadLetters || s.State != "done" || s.Dead != 2 || s.DeadLinks != 1 || s.Retries != 1 || s.Pages != 7 || s.Fetched != 11 {
		t.Errorf("summary %+v", s)
	}
	dead := c.run(t, "dead", "site", "--dir", dir).want(t, exitDone).out
	for _, part := range []string{"/7  status 500", "/8  status 404", "/9  status 403"} {
		if !strings.Contains(dead, part) {
			t.Errorf("%s is missing in\n%s", part, dead)
		}
	}
	var letter deadLetter
	first, _, _ := strings.Cut(c.run(t, "dead", "site", "--dir", dir, "--json").want(t, exitDone).out, "\n")
	if err := json.Unmarshal([]byte(first), &letter); err != nil || letter.URL == "" || letter.Route != "page" || letter.Gone {
		t.Errorf("%+v, %v", letter, err)
	}
	text := c.run(t, "crawl", "site", "--dir", dir).want(t, exitDeadLetters).err
	for _, part := range []string{"given up", "2 pages; see ", "dead site --dir " + dir, "1 × status 500", "1 × status 403", "dead links", "7 in " + dir} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

func TestFinishedCrawlStartsAnewAndWritesWhatChanged(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 5), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	for range 2 {
		s := c.run(t, "crawl", "site", "--dir", dir, "--json").want(t, exitDone).summary(t)
		if s.Pages != 5 || s.Seen != 5 {
			t.Errorf("summary %+v", s)
		}
	}
	if n := site.pages()["/3"]; n != 2 {
		t.Errorf("/3 was fetched %d times", n)
	}
	items := filepath.Join(dir, "site", "items.jsonl")
	if got := titles(t, readFile(t, items)); !slices.Equal(got, wantTitles(5)) {
		t.Errorf("items %v", got)
	}
	site.prefix.Store("New page")
	c.run(t, "crawl", "site", "--dir", dir).want(t, exitDone)
	if got := titles(t, readFile(t, items)); len(got) != 10 {
		t.Errorf("items %v", got)
	}
}

func TestInterruptedCrawlGoesOn(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 30), t.TempDir()
	site.started, site.release = make(chan int, 100), make(chan struct{})
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for range 3 { // pages under way: one answered, two left
			<-site.started
			if len(site.pages()) == 1 {
				site.release <- struct{}{}
			}
		}
		cancel()
		close(site.release)
	}()
	s := c.runContext(t, ctx, "crawl", "site", "--dir", dir, "--json").want(t, exitInterrupted).summary(t)
	if s.State != "interrupted" || s.Exit != exitInterrupted || s.Pages == 0 || s.Pages >= 30 || s.Left == 0 {
		t.Errorf("summary %+v", s)
	}
	s = c.run(t, "crawl", "site", "--dir", dir, "--json").want(t, exitDone).summary(t)
	if s.Pages != 30 {
		t.Errorf("summary %+v", s)
	}
	for page, n := range site.pages() {
		if n != 1 {
			t.Errorf("%s was fetched %d times", page, n)
		}
	}
	if got := titles(t, readFile(t, filepath.Join(dir, "site", "items.jsonl"))); !slices.Equal(got, wantTitles(30)) {
		t.Errorf("items %v", got)
	}
}

func TestLimitEndsTheCrawl(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 40), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	crawl := func(limit string) summary {
		return c.run(t, "crawl", "site", "--dir", dir, "--json", "--max-pages", limit).want(t, exitDone).summary(t)
	}
	if s := crawl("10"); s.State != "limit" || s.Pages != 10 || s.Left == 0 {
		t.Errorf("summary %+v", s)
	}
	if s := crawl("20"); s.State != "limit" || s.Pages != 20 {
		t.Errorf("a higher limit goes on: %+v", s)
	}
	if s := crawl("20"); s.State != "limit" || s.Pages != 20 || site.pages()["/0"] != 2 {
		t.Errorf("the same limit starts anew: %+v", s)
	}
	if s := crawl("0"); s.State != "done" || s.Pages != 40 || site.pages()["/0"] != 2 {
		t.Errorf("no limit goes on: %+v", s)
	}
}

func TestFreshForgetsAnUnfinishedCrawl(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 40), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	c.run(t, "crawl", "site", "--dir", dir, "--max-pages", "10").want(t, exitDone)
	s := c.run(t, "crawl", "site", "--dir", dir, "--json", "--fresh").want(t, exitDone).summary(t)
	if s.Pages != 40 || site.pages()["/0"] != 2 {
		t.Errorf("summary %+v", s)
	}
}

func TestItemsGoToEveryOut(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 4), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	csv := filepath.Join(dir, "deep", "items.csv")
	got := c.run(t, "crawl", "site", "--dir", filepath.Join(dir, "store"), "-o", "-", "--out", csv, "--json").want(t, exitDone)
	if got := titles(t, got.out); !slices.Equal(got, wantTitles(4)) {
		t.Errorf("items %v", got)
	}
	if s := got.summary(t); !slices.Equal(s.Out, []string{"-", csv}) {
		t.Errorf("out %v", s.Out)
	}
	if text := readFile(t, csv); !strings.HasPrefix(text, "title,") || strings.Count(text, "\n") != 5 {
		t.Errorf("CSV: %s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "store", "site", "items.jsonl")); err == nil {
		t.Error("items went to the default place, too")
	}
}

func TestURLsReplaceTheSpidersOwn(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 40), t.TempDir()
	for name, start := range map[string]string{"with": "http://example.invalid/", "without": ""} {
		c := command{spiders: []crawler.Spider{siteSpider(start)}}
		s := c.run(t, "crawl", "site", site.URL+"/4", "--crawl", name, "--dir", dir, "--json").want(t, exitDone).summary(t)
		if s.Crawl != name || s.Spider != "site" || s.Pages != 4 { // 4 and 13 to 15
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestSettingsAndParametersAreSet(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 40), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	got := c.run(t, "crawl", "site", "--dir", dir, "-o", "-", "--set", "greeting=servus", "--set", "max_depth=2", "--max-depth", "1").want(t, exitDone)
	if got := titles(t, got.out); !slices.Equal(got, []string{"servus Page 0", "servus Page 1", "servus Page 2", "servus Page 3"}) {
		t.Errorf("items %v", got)
	}
}

func TestEmbeddedCrawlBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 3), t.TempDir()
	site.started, site.release = make(chan int, 10), make(chan struct{})
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	done := make(chan result)
	go func() { done <- c.run(t, "crawl", "site", "--dir", dir) }()
	<-site.started
	got := c.run(t, "crawl", "site", "--dir", dir).want(t, exitFailed)
	if !strings.Contains(got.err, "in use by another process") || strings.Count(got.err, "\n") != 1 {
		t.Errorf("stderr %q", got.err)
	}
	close(site.release)
	(<-done).want(t, exitDone)
}

func TestPausedCrawlIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 3), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	c.run(t, "seed", "site", "--dir", dir).want(t, exitDone)
	c.run(t, "pause", "site", "--dir", dir).want(t, exitDone)
	if s := readStatus(t, c, "--dir", dir); s.State != "paused" {
		t.Errorf("state %s", s.State)
	}
	got := c.run(t, "crawl", "site", "--dir", dir).want(t, exitFailed)
	if got.err != "lycosa crawl: crawl site is paused; lycosa resume site has it go on\n" {
		t.Errorf("stderr %q", got.err)
	}
	c.run(t, "resume", "site", "--dir", dir).want(t, exitDone)
	c.run(t, "crawl", "site", "--dir", dir).want(t, exitDone)
}

func readStatus(t *testing.T, c command, args ...string) status {
	t.Helper()
	var s status
	got := c.run(t, append([]string{"status", "site", "--json"}, args...)...).want(t, exitDone)
	if err := json.Unmarshal([]byte(got.out), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatusListAndPurgeOfAFolder(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 5), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	c.run(t, "seed", "site", "--dir", dir).want(t, exitDone)
	if s := readStatus(t, c, "--dir", dir); s.State != "running" || s.Queued != 1 || s.Seen != 1 || s.Workers == nil || s.Outcomes == nil {
		t.Errorf("status %+v", s)
	}
	c.run(t, "crawl", "site", "--dir", dir).want(t, exitDone)
	if s := readStatus(t, c, "--dir", dir); s.State != "done" || s.Pages != 5 || s.Items != 5 || s.Active != 0 {
		t.Errorf("status %+v", s)
	}
	text := c.run(t, "status", "site", "--dir", dir).want(t, exitDone).out
	if !strings.Contains(text, "site on "+dir+": done") || !strings.Contains(text, "ok 5") {
		t.Errorf("status\n%s", text)
	}
	list := c.run(t, "list", "--dir", dir).want(t, exitDone).out
	if !strings.Contains(list, site.URL+"/0") || !strings.Contains(list, "done     5 of 5 pages, 5 items") {
		t.Errorf("list\n%s", list)
	}
	got := c.run(t, "status", "sitee", "--dir", dir).want(t, exitUsage)
	if got.err != `lycosa status: no crawl "sitee" on `+dir+"; did you mean \"site\"?\n" {
		t.Errorf("stderr %q", got.err)
	}
	if got := c.run(t, "purge", "site", "--dir", dir).want(t, exitDone).out; got != "site purged: 5 URLs forgotten, items kept\n" {
		t.Errorf("stdout %q", got)
	}
	c.run(t, "status", "site", "--dir", dir).want(t, exitUsage)
	if got := titles(t, readFile(t, filepath.Join(dir, "site", "items.jsonl"))); len(got) != 5 {
		t.Errorf("items %v", got)
	}
}

func TestStatusAndSummaryTellDuplicatesOfPages(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("all pages of this shop say the same for whoever comes ", 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<h1>Page %s</h1>%s", r.URL.Path, text)
		if r.URL.Path != "/0" {
			fmt.Fprintf(w, "<main>%s%s</main>", text, text)
			return
		}
		for i := range 30 {
			fmt.Fprintf(w, "<a href=/same/%d>x</a>", i)
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(server.URL + "/0")}}
	s := c.run(t, "crawl", "site", "--dir", dir, "--json").want(t, exitDone).summary(t)
	if s.Compared != nil {
		t.Errorf("%+v although none was asked for", s.Compared)
	}
	if got := c.run(t, "status", "site", "--dir", dir).want(t, exitDone); strings.Contains(got.out, "same pages") {
		t.Errorf("status\n%s", got.out)
	}
	c.run(t, "crawl", "site", "--dir", dir, "--set", "duplicates=some").want(t, exitUsage)

	dir = t.TempDir()
	got := c.run(t, "crawl", "site", "--dir", dir, "--set", "duplicates=near").want(t, exitDone)
	host := strings.TrimPrefix(server.URL, "http://")
	const numbers = "29 show the same as an earlier one, 0 nearly, of 31 compared"
	for _, part := range []string{numbers, host + "/same/: 29 of 30 pages"} {
		if out := c.run(t, "status", "site", "--dir", dir).want(t, exitDone).out; !strings.Contains(out, part) || !strings.Contains(got.err, part) {
			t.Errorf("%q is missing in\n%s\nor\n%s", part, out, got.err)
		}
	}
	stats := readStatus(t, c, "--dir", dir).Compared
	if stats == nil || stats.Pages != 31 || stats.Exact != 29 || stats.Originals != 2 || len(stats.Paths) != 1 {
		t.Errorf("status %+v", stats)
	}
	marked := strings.Count(readFile(t, filepath.Join(dir, "site", "items.jsonl")), `"duplicate_of":"`+server.URL+"/same/")
	if marked != 29 {
		t.Errorf("%d items are marked, want 29", marked)
	}
}

func TestProgressOffATerminalIsALogLine(t *testing.T) {
	t.Parallel()
	var text buffer
	p := &program{screen: newScreen(&text)}
	f := fakeStats{}
	m, err := newMeter(t.Context(), "books", f)
	if err != nil {
		t.Fatal(err)
	}
	s := m.snapshot()
	if s.rate != 0 || s.Done != 312 {
		t.Errorf("snapshot %+v", s)
	}
	lines := s.panel(p.screen.style)
	if !strings.Contains(lines[0], "312 of 1,045 pages") || !strings.Contains(lines[1], "290 items · 3 errors · 1 host · 700 queued · 16 under way") {
		t.Errorf("panel %q", lines)
	}
	p.screen.show(lines...)
	if text.String() != "" {
		t.Errorf("a panel off a terminal: %q", text.String())
	}
}

func TestDemoShowsWhatChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := command{}.run(t, "demo", "--dir", dir).want(t, exitDone)
	for _, part := range []string{"The first of 240 items", "AX-001", "What changed", "€84.32 → €75.88", "Ember Night Map", "was €38.99", "pages were sent in full, 2", "items.jsonl", "Try next:"} {
		if !strings.Contains(got.out, part) {
			t.Errorf("%q is missing in\n%s", part, got.out)
		}
	}
	if n := strings.Count(got.out, " → "); n != 11 { // 8 prices, 3 stocks
		t.Errorf("%d changes\n%s", n, got.out)
	}
	if lines := strings.Count(readFile(t, filepath.Join(dir, "shop", "items.jsonl")), "\n"); lines != 240+12 {
		t.Errorf("%d lines of items", lines)
	}
	if _, err := (&program{}).spider(filepath.Join(dir, "books.yaml")); err != nil {
		t.Errorf("the spider it offers: %v", err)
	}
	if dead := (command{}).run(t, "dead", "shop", "--dir", dir).want(t, exitDone).out; !strings.Contains(dead, "/product/XX-404") {
		t.Errorf("dead\n%s", dead)
	}
}
