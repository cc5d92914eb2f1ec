package testsite_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crawlSite returns the items that a whole crawl extracts.
func crawlSite(tb testing.TB, site *testsite.Site) []testsite.Item {
	tb.Helper()
	var items []testsite.Item
	c := crawl{
		tb:    tb,
		allow: func(u *url.URL) bool { return !strings.HasPrefix(u.Path, "/private/") },
		visit: func(u string, doc *goquery.Document) {
			items = append(items, testsite.Item{
				URL:   u,
				Title: doc.Find("title").Text(),
				H1:    doc.Find("h1").Text(),
				Price: doc.Find(".price").Text(),
				Links: doc.Find("a[href]").Length(),
			})
		},
	}
	c.run(site.Roots()...)
	return items
}

func TestEveryPageIsReachableAndItsItemTrue(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]testsite.Config{
		"default":  {},
		"tiny":     {Pages: 1},
		"lopsided": {Pages: 23, Hosts: 7, Links: 12, Size: 1},
		"wide":     {Pages: 700, Hosts: 3, Links: 40, Size: 9000, Validators: true},
		"sessions": {Pages: 60, Hosts: 2, Sessions: true},
		"faults":   {Pages: 200, Hosts: 5, Gone: 7, Moved: 11, Private: 4, Flaky: 6, FlakyTimes: 3, Slow: 2, SlowBy: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := testsite.Start(t, cfg)
			items := crawlSite(t, site)
			for _, d := range testsite.DiffItems(site.Items(), items) {
				t.Error(d)
			}
			report := site.Report()
			if err := report.Complete(); err != nil {
				t.Error(err)
			}
			if got := report.Statuses[http.StatusNotFound]; got != cfg.Gone {
				t.Errorf("%d answers 404, want %d", got, cfg.Gone)
			}
			if got, want := report.Statuses[http.StatusServiceUnavailable], cfg.Flaky*cfg.FlakyTimes; got != want {
				t.Errorf("%d answers 503, want %d", got, want)
			}
			moved := 0
			for status, n := range report.Statuses {
				if status/100 == 3 {
					moved += n
				}
			}
			if moved != cfg.Moved {
				t.Errorf("%d redirects, want %d", moved, cfg.Moved)
			}
		})
	}
}

func TestOneSeedIsOneSite(t *testing.T) {
	t.Parallel()
	content := func(seed uint64) string {
		site := testsite.Start(t, testsite.Config{Pages: 30, Hosts: 2, Seed: seed, Moved: 3, Gone: 3})
		var all strings.Builder
		for _, u := range site.URLs() {
			_, body := get(t, u, nil)
			all.WriteString(body)
		}
		port := mustParse(t, site.Roots()[0]).Port()
		return strings.ReplaceAll(all.String(), ":"+port+"/", ":0/")
	}
	first := content(7)
	if content(7) != first {
		t.Error("two sites of one seed differ")
	}
	if content(8) == first {
		t.Error("two seeds give one site")
	}
}

func TestMissingAndDuplicatePagesAreReported(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 3})
	urls := site.URLs()
	get(t, urls[0], nil)
	get(t, urls[1], nil)
	get(t, urls[1]+"?sid=1", nil)
	report := site.Report()
	if !slices.Equal(report.Missing, urls[2:]) {
		t.Errorf("missing %v, want %v", report.Missing, urls[2:])
	}
	if len(report.Duplicates) != 1 || report.Duplicates[urls[1]] != 2 {
		t.Errorf("duplicates %v, want %s twice", report.Duplicates, urls[1])
	}
	err := report.Complete()
	if err == nil || !strings.Contains(err.Error(), "1 of 3 pages missing") || !strings.Contains(err.Error(), "2 times") {
		t.Errorf("Complete() = %v", err)
	}
	if got := site.Hits()[urls[1]]; got != 2 {
		t.Errorf("%d hits, want 2", got)
	}
}

func TestDisallowedPageThatIsFetchedIsReported(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 1, Private: 1})
	root := site.Roots()[0]
	_, robots := get(t, root+"robots.txt", nil)
	if !strings.Contains(robots, "Disallow: /private/\n") {
		t.Errorf("robots.txt is %q", robots)
	}
	_, page := get(t, root, nil)
	if !strings.Contains(page, root+"private/0.html") {
		t.Error("nothing links to the private page")
	}
	if err := site.Report().Complete(); err != nil {
		t.Errorf("before: %v", err)
	}
	get(t, root+"private/0.html", nil)
	if err := site.Report().Complete(); err == nil || !strings.Contains(err.Error(), "private/0.html") {
		t.Errorf("after: %v", err)
	}
	if got := site.Report().Aside[root+"robots.txt"]; got != 1 {
		t.Errorf("robots.txt was asked for once, reported %d times", got)
	}
}

func TestSitemapNamesEveryPageOfItsHost(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 21, Hosts: 2})
	n := 0
	for _, root := range site.Roots() {
		_, body := get(t, root+"sitemap.xml", nil)
		n += strings.Count(body, "<loc>"+root)
	}
	if n != 21 {
		t.Errorf("the sitemaps name %d pages, want 21", n)
	}
}

func TestOverlapIsMeasuredByHost(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 20, Hosts: 2, Latency: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	urls := site.URLs()
	fetch := []string{urls[0], urls[2], urls[4], urls[1]} // three of the first host, one of the second
	for _, u := range fetch {
		go func() {
			defer func() { done <- struct{}{} }()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
			if resp, err := new(http.Transport).RoundTrip(req); err == nil {
				resp.Body.Close()
			}
		}()
	}
	waitFor(t, func() bool { return site.Report().Open == len(fetch) })
	site.Reset()
	cancel()
	for range fetch {
		<-done
	}
	waitFor(t, func() bool { return site.Report().Open == 0 })
	report := site.Report()
	if got := report.Hosts["127.0.0.1"].MaxOpen; got != 3 {
		t.Errorf("at most %d open on the first host, want 3", got)
	}
	if got := report.Hosts["127.0.0.2"].MaxOpen; got != 1 {
		t.Errorf("at most %d open on the second host, want 1", got)
	}
	if report.Cut != len(fetch) || report.Distinct != 0 {
		t.Errorf("%d cut and %d answered, want %d and 0", report.Cut, report.Distinct, len(fetch))
	}
}

func TestMinGapIsTheShortest(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 20})
	const pause = 30 * time.Millisecond
	for _, u := range site.URLs()[:3] {
		get(t, u, nil)
		<-time.After(pause)
	}
	if got := site.Report().Hosts["127.0.0.1"].MinGap; got < pause || got > site.Report().Elapsed {
		t.Errorf("shortest gap %v, want at least %v", got, pause)
	}
	get(t, site.URLs()[3], nil)
	get(t, site.URLs()[4], nil)
	if got := site.Report().Hosts["127.0.0.1"].MinGap; got >= pause {
		t.Errorf("shortest gap %v after two requests at once", got)
	}
}

func TestWhoHasThePageGets304(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 2, Validators: true})
	u := site.URLs()[1]
	resp, _ := get(t, u, nil)
	tag, date := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	for _, c := range []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"its tag", map[string]string{"If-None-Match": tag}, 304},
		{"one of several tags", map[string]string{"If-None-Match": `"x", ` + tag}, 304},
		{"another tag", map[string]string{"If-None-Match": `"x"`}, 200},
		{"another tag outweighs the date", map[string]string{"If-None-Match": `"x"`, "If-Modified-Since": date}, 200},
		{"its date", map[string]string{"If-Modified-Since": date}, 304},
		{"an earlier date", map[string]string{"If-Modified-Since": "Sat, 31 Oct 2026 10:00:00 GMT"}, 200},
		{"no date", map[string]string{"If-Modified-Since": "yesterday"}, 200},
	} {
		resp, body := get(t, u, c.header)
		if resp.StatusCode != c.want || (body == "") != (c.want == 304) {
			t.Errorf("%s: %d with %d bytes, want %d", c.name, resp.StatusCode, len(body), c.want)
		}
	}
	if got := site.Report().Statuses[304]; got != 3 {
		t.Errorf("%d answers 304 reported, want 3", got)
	}
}

func TestHostHeaderDecides(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 4, Hosts: 2})
	second := mustParse(t, site.Roots()[1]).Host
	if _, body := get(t, site.Roots()[0], map[string]string{"Host": second}); !strings.Contains(body, "| shop 1<") {
		t.Error("the first address did not answer for the second host")
	}
	if _, body := get(t, site.Roots()[0], map[string]string{"Host": "elsewhere.example"}); !strings.Contains(body, "| shop 0<") {
		t.Error("an unknown host is not the address's own")
	}
}

func TestOtherProcessesSeeTheSame(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 5, Hosts: 2})
	root := site.Roots()[1]
	get(t, root, nil)

	var report testsite.Report
	_, body := get(t, root+"_stats", nil)
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	if report.Distinct != 1 || len(report.Missing) != 4 || report.Requests != 1 {
		t.Errorf("_stats says %+v", report)
	}
	if _, body := get(t, root+"_seeds", nil); body != strings.Join(site.Roots(), "\n")+"\n" {
		t.Errorf("_seeds says %q", body)
	}
	var items []testsite.Item
	_, body = get(t, root+"_items", nil)
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		var item testsite.Item
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	if diff := testsite.DiffItems(site.Items(), items); diff != nil {
		t.Error(diff)
	}
	get(t, root+"_reset", nil)
	if got := site.Report(); got.Requests != 0 || got.Distinct != 0 || len(got.Statuses) != 0 {
		t.Errorf("after _reset: %+v", got)
	}
}

func TestWhatCannotBeServedIsRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]testsite.Config{
		"Hosts (251)": {Pages: 1000, Hosts: 251},
		"Hosts (-1)":  {Hosts: -1},
		"Pages (3)":   {Pages: 3, Hosts: 4},
		"Links (3)":   {Links: 3},
		"Flaky (90)":  {Flaky: 90, Slow: 10},
		"negative":    {Gone: -1},
	} {
		site := testsite.New(cfg)
		if err := site.Listen(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
		site.Close()
	}
}

func TestPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	first := testsite.Start(t, testsite.Config{})
	port, _ := strconv.Atoi(mustParse(t, first.Roots()[0]).Port())
	second := testsite.New(testsite.Config{Port: port})
	if err := second.Listen(); err == nil {
		t.Error("two sites on one port")
	}
	second.Close()
}

func TestDifferencesOfItemsAreNamed(t *testing.T) {
	t.Parallel()
	want := []testsite.Item{{URL: "a"}, {URL: "b"}, {URL: "c"}, {URL: "d"}}
	got := []testsite.Item{{URL: "d"}, {URL: "a", Links: 1}, {URL: "b"}, {URL: "b"}, {URL: "x"}}
	diff := testsite.DiffItems(want, got)
	if len(diff) != 4 || diff[0] != "2 times: b" || diff[1] != "missing: c" || diff[2] != "unknown: x" || !strings.HasPrefix(diff[3], "wrong: ") {
		t.Errorf("%q", diff)
	}
}

// get fetches on a connection of its own.
func get(tb testing.TB, u string, header map[string]string) (*http.Response, string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, u, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	req.Host = header["Host"]
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp, string(body)
}

func mustParse(tb testing.TB, raw string) *url.URL {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// waitFor polls until the condition holds, or fails the test.
func waitFor(tb testing.TB, holds func() bool) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			tb.Fatal("waited too long")
		}
		<-time.After(time.Millisecond)
	}
}
