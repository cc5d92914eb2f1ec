package robots

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jimsmart/grobotstxt"
)

func TestStatusDecides(t *testing.T) {
	t.Parallel()
	body := []byte("User-agent: *\nDisallow: /no\n")
	for status, want := range map[int][2]bool{ // may /yes and /no be fetched
		200: {true, false},
		203: {true, false},
		301: {true, true},
		401: {true, true},
		403: {true, true},
		404: {true, true},
		410: {true, true},
		429: {false, false},
		500: {false, false},
		503: {false, false},
		999: {false, false},
		0:   {false, false},
	} {
		r := FromStatus(status, body)
		if got := [2]bool{r.Allowed("lycosa", "/yes"), r.Allowed("lycosa", "/no")}; got != want {
			t.Errorf("status %d allows %v, want %v", status, got, want)
		}
	}
}

func TestRobotsTxtIsAlwaysAllowed(t *testing.T) {
	t.Parallel()
	for _, r := range []*Rules{FromStatus(503, nil), Parse([]byte("User-agent: lycosa\nDisallow: /"))} {
		if !r.Allowed("lycosa", "https://example.org/robots.txt") {
			t.Error("/robots.txt is disallowed")
		}
		if r.Allowed("lycosa", "https://example.org/robots.txt2") {
			t.Error("/robots.txt2 is allowed")
		}
	}
}

func TestGroupsOfOneAgentMerge(t *testing.T) {
	t.Parallel()
	r := Parse([]byte(`
User-agent: lycosa
Disallow: /a
User-agent: other
Disallow: /b
User-agent: LYCOSA/2.0
User-agent: third
Disallow: /c
User-agent: *
Disallow: /d`))
	for path, want := range map[string]bool{"/a": false, "/b": true, "/c": false, "/d": true} {
		if got := r.Allowed("Lycosa", path); got != want {
			t.Errorf("Lycosa may fetch %s: %v, want %v", path, got, want)
		}
		if got := r.Allowed("nobody", path); got != (path != "/d") {
			t.Errorf("nobody may fetch %s: %v", path, got)
		}
	}
}

func TestCanonicalURLsDoNotSlipPast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, path string
		allowed    bool
	}{
		{"Disallow: /%7Ejoe/", "/~joe/", false},
		{"Disallow: /%7ejoe/", "/%7Ejoe/", false},
		{"Disallow: /~joe/", "/%7ejoe/", false},
		{"Disallow: /foo/%62%61%7A", "/foo/baz", false},
		{"Disallow: /a%2Fb", "/a/b", true}, // a reserved character is not its escape
		{"Disallow: /a/b", "/a%2fb", true},
		{"Disallow: /a<d", "/a%3Cd", false},
		{"Disallow: /a%3cd", "/a<d", false},
		{"Disallow: /ツ", "/%e3%83%84", false},
		{"Disallow: /ツ", "/ツ", false},
		{"Disallow: /x-%2A.html", "/x-*.html", false}, // RFC 9309 section 2.2.3
		{"Disallow: /x-%2A.html", "/x-y.html", true},
		{"Disallow: /x-%24", "/x-$", false},
		{"Disallow: /a$b", "/a$b", false},
		{"Disallow: /%7Ejoe$", "/~joe", false},
		{"Disallow: /%7Ejoe$", "/~joe/", true},
		{"Disallow: /%zz", "/%zz", false},
		{"Disallow: /%", "/%", false},
		{"Disallow: /\nAllow: /%7Ejoe", "/~joe", false}, // the stricter reading
		{"Disallow: /\nAllow: /%7ejoe", "/%7Ejoe", true},
	} {
		r := Parse([]byte("User-agent: *\n" + c.rule))
		if got := r.Allowed("lycosa", c.path); got != c.allowed {
			t.Errorf("%q allows %q: %v, want %v", c.rule, c.path, got, c.allowed)
		}
	}
}

func TestPathOfTwoSlashesIsAPath(t *testing.T) {
	t.Parallel()
	r := Parse([]byte("User-agent: *\nDisallow: //private/"))
	for _, uri := range []string{"//private/x", "https://example.org//private/x"} {
		if r.Allowed("lycosa", uri) {
			t.Errorf("%s is allowed", uri)
		}
	}
}

func TestCrawlDelayIsClamped(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"10":       10 * time.Second,
		"0":        0,
		"0.5":      500 * time.Millisecond,
		"1,5":      1500 * time.Millisecond,
		"1e9":      MaxCrawlDelay,
		"1e999":    MaxCrawlDelay,
		"inf":      MaxCrawlDelay,
		"86401":    MaxCrawlDelay,
		"3 # slow": 3 * time.Second,
		"nan":      -1,
		"-1":       -1,
		"-1e999":   -1,
		"-inf":     -1,
		"soon":     -1,
		"":         -1,
	} {
		got, ok := Parse([]byte("User-agent: *\nCrawl-delay: " + value)).CrawlDelay("lycosa")
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("Crawl-delay: %s is %v, %v; want %v", value, got, ok, want)
		}
	}
}

func TestCrawlDelayIsOfItsGroup(t *testing.T) {
	t.Parallel()
	r := Parse([]byte(`
Crawl-delay: 99
User-agent: slow
Crawl-delay: 20

User-agent: *
Disallow: /x
Crawl-delay: 5

User-agent: lycosa
Allow: /
User-agent: lycosa
Crawl-delay: 2
Crawl-delay: 3
Disallow: /y`))
	for product, want := range map[string]time.Duration{"slow": 20 * time.Second, "lycosa": 3 * time.Second, "nobody": 5 * time.Second} {
		if got, _ := r.CrawlDelay(product); got != want {
			t.Errorf("%s waits %v, want %v", product, got, want)
		}
	}
	if _, ok := Parse([]byte("User-agent: *\nCrawl-delay: 9\nDisallow: /x\nUser-agent: lycosa\nDisallow:")).CrawlDelay("lycosa"); ok {
		t.Error("a crawler with a group of its own takes the delay of *")
	}
}

func TestSitemapsAreFoundAnywhere(t *testing.T) {
	t.Parallel()
	r := Parse([]byte("Sitemap: https://a.example/1.xml\nUser-agent: x\nSITEMAP:  /2.xml  # two\nDisallow: /\nsite-map: 3\n"))
	if got, want := r.Sitemaps(), []string{"https://a.example/1.xml", "/2.xml", "3"}; !slices.Equal(got, want) {
		t.Errorf("sitemaps %q, want %q", got, want)
	}
}

func TestOddFilesAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"utf-8 mark":     "\xEF\xBB\xBFUser-agent: *\nDisallow: /no",
		"part of a mark": "\xEF\xBBUser-agent: *\nDisallow: /no",
		"no colon":       "user-agent *\ndisallow /no",
		"typos":          "useragent: *\ndissallow: /no",
		"CR":             "User-agent: *\rDisallow: /no\r",
		"CR LF":          "User-agent: *\r\n\r\nDisallow: /no\r\n",
		"space":          "  User-agent :\t* \n\tDisallow\t:  /no  ",
		"star and more":  "User-agent: * all\nDisallow: /no",
		"utf-16le":       "\xFF\xFE" + wide("User-agent: *\nDisallow: /no", 0),
		"utf-16be":       "\xFE\xFF" + wide("User-agent: *\nDisallow: /no", 1),
		"long line":      "User-agent: *\n#" + strings.Repeat("x", 1<<18) + "\nDisallow: /no",
	} {
		r := Parse([]byte(body))
		if r.Allowed("lycosa", "/no") || !r.Allowed("lycosa", "/yes") {
			t.Errorf("%s: not understood", name)
		}
	}
}

// wide writes ASCII in two bytes a character, the zero at the given end.
func wide(s string, first int) string {
	var b strings.Builder
	for i := range len(s) {
		pair := [2]byte{s[i], 0}
		b.WriteByte(pair[first])
		b.WriteByte(pair[1-first])
	}
	return b.String()
}

func TestMarkupAllowsEverything(t *testing.T) {
	t.Parallel()
	r := Parse([]byte("<!DOCTYPE html>\n<html><body>User-agent: *<br>\nDisallow: / </body></html>"))
	if !r.Allowed("lycosa", "/") {
		t.Error("an error page disallows")
	}
}

func TestNothingIsReadBeyondMaxSize(t *testing.T) {
	t.Parallel()
	head := "User-agent: *\nDisallow: /first\n"
	last := "Allow: /\nDisallow: /second"
	fill := strings.Repeat("#\n", (MaxSize-len(head)-len(last)+len("/second")-1)/2)
	body := head + fill + last // cut in "Disallow: /second"
	if len(body) <= MaxSize {
		t.Fatal("the body is not cut")
	}
	r := Parse([]byte(body))
	if r.Allowed("lycosa", "/first") {
		t.Error("a rule at the beginning is lost")
	}
	if !r.Allowed("lycosa", "/third") || !r.Allowed("lycosa", "/second") {
		t.Error("half a line is taken for a rule")
	}
}

func TestProductIsTheNameOfTheCrawler(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"lycosa/1.0 (+https://github.com/lycosa-crawl/lycosa)": "lycosa",
		"lycosa":       "lycosa",
		"my-bot_2/0.1": "my-bot_2",
		"Mozilla/5.0 (compatible; lycosa/1.0; +https://example.org/bot.html)": "lycosa",
		"": "",
	} {
		if got := Product(header); got != want {
			t.Errorf("the product of %q is %q, want %q", header, got, want)
		}
	}
	if Parse([]byte("User-agent: my-bot_2\nDisallow: /")).Allowed("my-bot_2", "/") {
		t.Error("a name with a digit is not recognised")
	}
}

// TestStarsAreCheap would not end if the time grew with a power of the stars.
func TestStarsAreCheap(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("User-agent: *\n")
	for range 100 {
		fmt.Fprintf(&b, "Disallow: /%sb$\n", strings.Repeat("*a", 1000))
	}
	g := Parse([]byte(b.String())).Agent("lycosa")
	start := time.Now()
	if !g.Allowed("/" + strings.Repeat("a", 2000)) {
		t.Error("disallowed")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestManyAgentsDoNotMultiplyRules(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("User-agent: a\n", 15_000) + strings.Repeat("Disallow: /a\n", 15_000)
	r := Parse([]byte(body))
	if len(r.groups) != 1 || len(r.groups[0].rules) != 15_000 {
		t.Errorf("%d groups are kept, or not 15000 rules of the first", len(r.groups))
	}
	if r.Allowed("a", "/a") {
		t.Error("allowed")
	}
}

// TestGrobotstxtAgrees compares with a port of Google's parser on files made of what both understand alike:
// no escapes, on which that port differs from Google, and no agents with digits.
func TestGrobotstxtAgrees(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	path := func(parts ...string) string {
		var b strings.Builder
		for range rnd.IntN(6) {
			b.WriteString(pick(parts...))
		}
		return "/" + b.String()
	}
	for range 20_000 {
		var b strings.Builder
		for range rnd.IntN(12) {
			switch rnd.IntN(8) {
			case 0, 1:
				b.WriteString(pick("User-agent", "user agent", "USERAGENT") + pick(": ", ":", " : ") + pick("lycosa", "Lycosa/1", "*", "other", "* x", ""))
			case 2, 3:
				b.WriteString(pick("Allow: ", "allow:") + pick("", path("a", "b", "/", "*", "$", "index.html", "?")))
			case 4, 5, 6:
				b.WriteString(pick("Disallow: ", "disalow:", "Disallow ") + pick("", path("a", "b", "/", "*", "$", "index.htm", "?")))
			default:
				b.WriteString(pick("", "# Disallow: /", "Sitemap: /x", "Noindex: /", "allow /a b", ": x", "junk"))
			}
			b.WriteString(pick("\n", "\r\n", "\r", " # c\n"))
		}
		body, uri := b.String(), "http://example.org"+path("a", "b", "/", "index.html", "?", "=")
		got, want := Parse([]byte(body)).Allowed("lycosa", uri), grobotstxt.AgentAllowed(body, "lycosa", uri)
		if got != want {
			t.Fatalf("%q is allowed: %v, grobotstxt says %v, by\n%q", uri, got, want, body)
		}
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /a*b$\nAllow: /index.html\nCrawl-delay: 1e9\nSitemap: x"), "/axxb")
	f.Add([]byte("\xFF\xFEU\x00s\x00"), "http://[::1]/%zz#")
	f.Add([]byte("\xEF\xBBuser-agent:\rdisallow *\r"), "//")
	f.Fuzz(func(t *testing.T, body []byte, uri string) {
		r := Parse(body)
		for _, product := range []string{"lycosa", "", "*"} {
			g := r.Agent(product)
			if g.Allowed(uri) != r.Allowed(product, uri) {
				t.Errorf("Group and Rules disagree about %q", uri)
			}
			if d, ok := g.CrawlDelay(); d < 0 || d > MaxCrawlDelay || !ok && d != 0 {
				t.Errorf("crawl delay %v, %v", d, ok)
			}
			if pathOf(uri)[0] != '/' {
				t.Errorf("path of %q is %q", uri, pathOf(uri))
			}
		}
		r.Sitemaps()
		if n := normalURI(uri); normalURI(n) != n {
			t.Errorf("normal form of %q is not normal: %q, %q", uri, n, normalURI(n))
		}
	})
}

func benchmarkFile(rules int) []byte {
	var b strings.Builder
	b.WriteString("User-agent: *\nCrawl-delay: 1\n")
	for i := range rules {
		fmt.Fprintf(&b, "Disallow: /section%d/*/private?id=\nAllow: /section%d/open/\n", i, i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	body := benchmarkFile(100)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		Parse(body)
	}
}

func BenchmarkAllowed(b *testing.B) {
	g := Parse(benchmarkFile(100)).Agent("lycosa")
	b.ReportAllocs()
	for b.Loop() {
		g.Allowed("https://www.example.org/section50/some/longer/path/to/a/page.html?with=a&query=string")
	}
}
