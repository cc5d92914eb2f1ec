package declare_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/crawltest"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

var update = flag.Bool("update", false, "write what the goldens should be")

const bar = "----------\n"

// TestErrorsShowThePlace reads testdata/errors: a file, and the error it gives.
func TestErrorsShowThePlace(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/errors/*.golden", 1, func(t *testing.T, in []string) string {
		_, err := declare.Parse("spider.yaml", []byte(in[0]))
		if _, ok := errors.AsType[*declare.Error](err); !ok {
			t.Fatalf("error %v, want a *declare.Error", err)
		}
		return err.Error() + "\n"
	})
}

// TestItemsAndLinks reads testdata/pages: a spider, a page that is given to its first route, and what comes of it.
func TestItemsAndLinks(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/pages/*.golden", 2, func(t *testing.T, in []string) string {
		s, err := declare.Parse("spider.yaml", []byte(in[0]))
		if err != nil {
			t.Fatal(err)
		}
		items, followed, err := crawltest.Run(t, s, s.RouteNames()[0], "https://shop.example/dir/page?b=2&a=1", in[1])
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		return crawltest.Lines(t, items) + crawltest.URLs(followed)
	})
}

// golden compares what do makes of the first parts of each file with its last part.
func golden(t *testing.T, pattern string, inputs int, do func(t *testing.T, in []string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(raw), bar)
			got := do(t, parts[:inputs])
			if *update {
				if err := os.WriteFile(file, []byte(strings.Join(parts[:inputs], bar)+bar+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(parts) != inputs+1 || got != parts[inputs] {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(parts[inputs:], bar))
			}
		})
	}
}

func TestEverySettingArrives(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("all.yaml", []byte(`
name: all
start: [https://shop.example/, "https://shop.example:443/b"]
route: b
scope: {type: domain, include: ["*/a/*"], exclude: ["*.pdf", "*logout*"]}
settings:
  delay: 1500ms
  concurrency: 7
  per_host: 3
  max_depth: 20
  max_pages: 5000
  max_attempts: 5
  retry_delay: 1m30s
  timeout: 20s
  lease: 1h
  max_body: 3MiB
  max_redirects: 4
  duplicates: near
  obey_robots: false
  user_agent: "shopbot/1.0 (+https://shop.example/bot)"
  allow_private: true
canonical:
  drop_params: [ref, "x_*"]
  keep_params: [id]
  drop_tracking: true
  drop_sessions: true
  drop_path_sessions: true
  fold_path_case: true
  trailing_slash: remove
  unsorted: true
  keep_fragment: true
  max_length: 4000
  canonical_bodies: true
  fingerprint_headers: [accept-language]
params: {query: wolf spider, page: 1, empty: "", flag: true}
routes:
  a: {follow: [{route: b}]}
  b: {follow: [{css: "a.next", route: a}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := crawler.Settings{
		Delay: 1500 * time.Millisecond, Concurrency: 7, PerHost: 3, MaxDepth: 20, MaxPages: 5000, MaxAttempts: 5,
		RetryDelay: 90 * time.Second, Timeout: 20 * time.Second, Lease: time.Hour, MaxBody: 3 << 20, MaxRedirects: 4, Duplicates: crawler.DuplicatesNear,
		IgnoreRobots: true, UserAgent: "shopbot/1.0 (+https://shop.example/bot)", AllowPrivate: true,
	}
	if s.Settings != want {
		t.Errorf("settings\n%+v\nwant\n%+v", s.Settings, want)
	}
	for v, i := reflect.ValueOf(s.Settings), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("Settings.%s has no key in YAML, or this test does not set it", v.Type().Field(i).Name)
		}
	}
	rules := dedup.Rules{
		DropParams: []string{"ref", "x_*"}, KeepParams: []string{"id"}, DropTracking: true, DropSessions: true,
		DropPathSessions: true, FoldPathCase: true, TrailingSlash: dedup.RemoveSlash,
		Unsorted: true, KeepFragment: true, MaxLength: 4000, CanonicalBodies: true, FingerprintHeaders: []string{"accept-language"},
	}
	if !reflect.DeepEqual(s.Canonical, rules) {
		t.Errorf("canonical\n%+v\nwant\n%+v", s.Canonical, rules)
	}
	for v, i := reflect.ValueOf(s.Canonical), 0; i < v.NumField(); i++ {
		if v.Type().Field(i).Name == "Scheme" { // it excludes some of the others
			foreign, err := declare.Parse("foreign.yaml", []byte("name: foreign\nroutes: {a: {follow: [{route: a}]}}\ncanonical: {fingerprint: scrapy-redis}\n"))
			if err != nil || foreign.Canonical.Scheme != dedup.SchemeScrapyRedis {
				t.Errorf("canonical.fingerprint: %v, %v", foreign.Canonical.Scheme, err)
			}
			continue
		}
		if v.Field(i).IsZero() {
			t.Errorf("Rules.%s has no key in YAML, or this test does not set it", v.Type().Field(i).Name)
		}
	}
	params := map[string]string{"query": "wolf spider", "page": "1", "empty": "", "flag": "true"}
	if !reflect.DeepEqual(s.Params, params) {
		t.Errorf("params %v, want %v", s.Params, params)
	}
	if s.Name != "all" || s.Scope != crawler.SameDomain || !reflect.DeepEqual(s.Include, []string{"*/a/*"}) ||
		!reflect.DeepEqual(s.Exclude, []string{"*.pdf", "*logout*"}) {
		t.Errorf("name %q, scope %v, include %q, exclude %q", s.Name, s.Scope, s.Include, s.Exclude)
	}
	b := crawler.NewRoute[struct{}]("b")
	if start := crawler.Start(b, "https://shop.example/", "https://shop.example:443/b"); !reflect.DeepEqual(s.Start, start) {
		t.Errorf("start %v, want %v", s.Start, start)
	}
	if names := s.RouteNames(); !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("routes %v", names)
	}
}

func TestStartURLsGoToTheFirstRoute(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x", []byte("name: x\nstart: [https://shop.example/]\nroutes: {b: {follow: [{route: a}]}, a: {follow: [{route: b}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := crawler.Start(crawler.NewRoute[struct{}]("b"), "https://shop.example/"); !reflect.DeepEqual(s.Start, want) {
		t.Errorf("start %v, want %v", s.Start, want)
	}
}

// Seeds given later go where the first start URL would, or to the first route; so the route named is the first.
func TestRouteWithoutStartURLsComesFirst(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x", []byte("name: x\nroute: b\nroutes: {a: {follow: [{route: b}]}, b: {follow: [{route: a}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	if names := s.RouteNames(); names[0] != "b" {
		t.Errorf("routes %v, want b first", names)
	}
}

// TestDefaultsAreTheEngines: what the file does not say is left to package crawler.
func TestDefaultsAreTheEngines(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x", []byte("name: x\nroutes: {a: {follow: [{route: a}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Settings != (crawler.Settings{}) || s.Scope != crawler.SameHost || !reflect.DeepEqual(s.Canonical, dedup.Rules{}) {
		t.Errorf("settings %+v, scope %v, canonical %+v", s.Settings, s.Scope, s.Canonical)
	}
}

func TestAliasesStandForTheirAnchors(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x", []byte(`
name: x
start: [&home https://shop.example/, *home]
routes:
  a: &shop
    items: [{kind: page, fields: &fields {title: h1}}, {kind: other, fields: *fields}]
  b: *shop
`))
	if err != nil {
		t.Fatal(err)
	}
	items, _, err := crawltest.Run(t, s, "b", "https://shop.example/", "<h1>Title</h1>")
	if err != nil {
		t.Fatal(err)
	}
	want := "page https://shop.example/ {\"title\":\"Title\"}\nother https://shop.example/ {\"title\":\"Title\"}\n"
	if got := crawltest.Lines(t, items); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestByteOrderMarkAndWindowsLinesAreRead(t *testing.T) {
	t.Parallel()
	src := "\ufeff" + strings.ReplaceAll("name: x\nroutes:\n  a:\n    follow:\n      - {css: 'a.next'}\n", "\n", "\r\n")
	if _, err := declare.Parse("x", []byte(src)); err != nil {
		t.Fatal(err)
	}
}

func TestPageThatIsNoHTML(t *testing.T) {
	t.Parallel()
	parse := func(fields string) crawler.Spider {
		s, err := declare.Parse("x", []byte("name: x\nroutes: {a: {items: [{kind: page, "+fields+"}], follow: [{route: a}]}}"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	run := func(s crawler.Spider) (int, error) {
		items, _, err := crawltest.RunResponse(t, s, "a", "https://shop.example/a.pdf", "application/pdf", []byte("%PDF-1.7 <h1>no</h1>"))
		return len(items), err
	}
	if n, err := run(parse("fields: {title: h1}")); n != 0 || err != nil {
		t.Errorf("nothing required: %d items, error %v", n, err)
	}
	if n, err := run(parse("each: div, fields: {title: {css: h1, required: true}}")); n != 0 || err != nil {
		t.Errorf("with each: %d items, error %v", n, err)
	}
	_, err := run(parse("fields: {title: {css: h1, required: true}}"))
	if err == nil || !strings.Contains(err.Error(), "is no HTML") {
		t.Errorf("required: error %v, want one that says it is no HTML", err)
	}
}

// A field error is what makes the engine give a page up at once.
func TestMissingFieldIsAFieldError(t *testing.T) {
	t.Parallel()
	for _, each := range []string{"", "each: div, "} {
		s, err := declare.Parse("x", []byte("name: x\nroutes: {a: {items: [{kind: book, "+each+"fields: {title: {css: h1, required: true}}}]}}"))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = crawltest.Run(t, s, "a", "https://shop.example/", "<div><h1> </h1></div>")
		var field *crawler.FieldError
		if !errors.As(err, &field) || field.Type != "book" || field.Field != "title" {
			t.Errorf("%q: error %v, want a FieldError about book.title", each, err)
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "spider.yaml")
	if err := os.WriteFile(file, []byte("name: x\nroute: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := declare.Load(file)
	if want := file + ":1:1: routes is missing\n"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want it to begin with %q", err, want)
	}
	if _, err := declare.Load(file + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}

// TestHugeFilesAreRefusedQuickly: what could make the YAML library slow or run out of stack is refused before.
func TestHugeFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	bomb := "a: &a0 {x: y}\n"
	for i := range 12 {
		b, a := string(rune('b'+i)), string(rune('a'+i))
		bomb += b + ": &" + b + "0 [" + strings.TrimSuffix(strings.Repeat("*"+a+"0, ", 10), ", ") + "]\n"
	}
	fields := "{"
	for i := range 400 {
		fields += "f" + strings.Repeat("x", i%60) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": p, "
	}
	fields += "z: p}"
	wide := "name: x\nroutes:\n  a:\n    items: &items\n      - &item {kind: k, key: z, fields: " + fields + "}\n" + strings.Repeat("      - *item\n", 2000)
	for name, c := range map[string]struct{ src, want string }{
		"size":    {strings.Repeat("# comment\n", 1<<17), "x:1:1: the file has more than 1048576 bytes"},
		"keys":    {strings.Repeat("k: v\n", 1<<17), "the file is too large"},
		"flow":    {strings.Repeat("[", 1<<15), "x:1:65: more than 64 levels"},
		"maps":    {strings.Repeat("{a: ", 1<<13), "more than 64 levels"},
		"entries": {strings.Repeat("- ", 1<<14), "more than 64 levels"},
		"complex": {strings.Repeat("? ", 1<<14), "more than 64 levels"},
		"anchors": {strings.Repeat("&a ", 1<<14), "more than 64 levels"},
		"bomb":    {bomb, `unknown key "a"`},
		"wide":    {wide, "the file has more than 100000 values, aliases resolved"},
		"scalar":  {"name: " + strings.Repeat("x", 1<<19), "a name is 1 to 64"},
		"css":     {"name: x\nroutes: {a: {follow: [{css: '" + strings.Repeat(":not(", 1<<16) + "'}]}}", "longer than 4096 bytes"},
		"glob":    {"name: x\nroutes: {a: {follow: [{route: a}]}}\nscope: {include: ['" + strings.Repeat("{a,", 1<<16) + "']}", "longer than 1024 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := declare.Parse("x", []byte(c.src))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %.300v, want %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestTypesOutliveTheJSON: a store that knows floats and times gets them, not what JSON makes of them.
func TestTypesOutliveTheJSON(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x", []byte(`
name: x
routes: {a: {items: [{kind: book, fields: {
  price: {css: i, type: float}, n: {css: i, type: int}, at: {css: time, type: time}, all: {css: i, type: float, list: true},
}}]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	items, _, err := crawltest.Run(t, s, "a", "https://shop.example/", "<i>3</i><time>2026-05-04</time>")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pipelines.Fields(items[0].Value)
	want := pipelines.Object{
		{Name: "price", Value: 3.0},
		{Name: "n", Value: int64(3)},
		{Name: "at", Value: time.Date(2026, time.May, 4, 0, 0, 0, 0, time.UTC)},
		{Name: "all", Value: []any{3.0}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v (%v), want %#v", got, err, want)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	_, err := declare.Parse("x", []byte(with("{re: '("+strings.Repeat("ü", 5000)+"'}")))
	if err == nil || len(err.Error()) > 1500 || !strings.Contains(err.Error(), "missing closing )") {
		t.Errorf("error %.600v", err)
	}
}

func TestRevisitsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("x.yaml", []byte(`
name: x
start: [https://a.example/]
revisit:
  budget: 240/h
  new_share: 0
  min: 1h
  max: 180d
  objective: staleness
  signature: "selector:main"
  ignore: ['\d+ views']
  history: 0
  track_links: true
  feed: false
  rules:
    - {match: "*/archive/*", never: true}
    - {route: a, weight: 2.5, every: 7d, signature: item}
    - {match: "*/prices", cron: "0 6 * * *"}
routes:
  a: {follow: [{route: a}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Revisit
	if r.Budget != 5760 || r.Share() != 0 || r.Min != time.Hour || r.Max != 180*24*time.Hour || r.Objective != revisit.Staleness ||
		r.Signature != "selector:main" || r.History != -1 || !r.NoFeed || !r.TrackLinks || len(r.Ignore) != 1 || len(r.Rules) != 3 {
		t.Errorf("revisit %+v", r)
	}
	if a, b, c := r.Rules[0], r.Rules[1], r.Rules[2]; !a.Never || a.Match != "*/archive/*" || b.Route != "a" || b.Weight != "2.5" ||
		b.Every != 7*24*time.Hour || b.Signature != "item" || c.Cron == nil || c.Cron.String() != "0 6 * * *" {
		t.Errorf("rules %+v", r.Rules)
	}
}

func TestSitemapsArrive(t *testing.T) {
	t.Parallel()
	s, err := declare.Parse("news.yaml", []byte(`
name: news
start: [https://news.example/]
route: front
routes:
  article: {items: [{kind: article, fields: {title: h1}}]}
  front: {follow: [{route: article}]}
sitemaps:
  - {from: robots, route: article, include: ["*/2026/*", "*/2027/*"]}
  - {from: robots}
  - {url: https://news.example/feed.xml, route: article}
revisit:
  rules:
    - {route: "@sitemap", every: 10m}
`))
	if err != nil {
		t.Fatal(err)
	}
	article, front := crawler.NewRoute[struct{}]("article"), crawler.NewRoute[struct{}]("front")
	want := []crawler.Sitemap{
		{Target: article, Include: []string{"*/2026/*", "*/2027/*"}},
		{Target: front},
		{URL: "https://news.example/feed.xml", Target: article},
	}
	if !reflect.DeepEqual(s.Sitemaps, want) {
		t.Errorf("sitemaps\n%+v\nwant\n%+v", s.Sitemaps, want)
	}
	for v, i := reflect.TypeFor[crawler.Sitemap](), 0; i < v.NumField(); i++ {
		if !slices.ContainsFunc(want, func(m crawler.Sitemap) bool { return !reflect.ValueOf(m).Field(i).IsZero() }) {
			t.Errorf("Sitemap.%s has no key in YAML, or this test does not set it", v.Field(i).Name)
		}
	}
	if rules := s.Revisit.Rules; len(rules) != 1 || rules[0].Route != crawler.SitemapRoute || rules[0].Every != 10*time.Minute {
		t.Errorf("rules %+v", rules)
	}
}

func TestDocumentedSitemapsAreRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sitemaps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(page), "```yaml\n")
	if !ok {
		t.Fatal("no example")
	}
	example, _, _ = strings.Cut(example, "```")
	if s, err := declare.Parse("news.yaml", []byte(example)); err != nil || len(s.Sitemaps) != 3 {
		t.Errorf("%d sitemaps, error %v", len(s.Sitemaps), err)
	}
}
