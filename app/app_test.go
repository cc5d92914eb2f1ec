package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/crawler"
)

// child in the environment makes the test binary the command itself, with the spider of a site at that URL.
const child = "LYCOSA_TEST_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(child); url != "" {
		Main(siteSpider(url))
	}
	goleak.VerifyTestMain(m)
}

type title struct {
	Title string `json:"title" css:"h1"`
}

var pageRoute = crawler.NewRoute[struct{}]("page")

// siteSpider takes the title of every page of a site.
func siteSpider(url string) crawler.Spider {
	s := crawler.Spider{
		Name:     "site",
		Items:    []any{title{}},
		Settings: crawler.Settings{RetryDelay: time.Millisecond, MaxAttempts: 2, PerHost: 8},
		Params:   map[string]string{"greeting": "hello"},
		Routes: crawler.Routes(pageRoute.To(func(_ context.Context, p *crawler.Page, _ struct{}) error {
			item, err := crawler.One[title](p)
			if err != nil {
				return err
			}
			if greeting := p.Param("greeting"); greeting != "hello" {
				item.Title = greeting + " " + item.Title
			}
			p.Emit(item)
			p.Follow(pageRoute)
			return nil
		})),
	}
	if url != "" {
		s.Start = crawler.Start(pageRoute, url)
	}
	return s
}

// site has pages /0 to /n-1; page i links to 3i+1, 3i+2 and 3i+3. It counts what was fetched.
type site struct {
	*httptest.Server
	n       int
	broken  map[int]int // page -> status
	started chan int    // if set, gets each page that is asked for, and
	release chan struct{}
	prefix  atomic.Value // string, before each title

	mu   sync.Mutex // guards hits
	hits map[string]int
}

func newSite(t *testing.T, n int) *site {
	s := &site{n: n, hits: map[string]int{}, broken: map[int]int{}}
	s.prefix.Store("Page")
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.hits[r.URL.Path]++
	s.mu.Unlock()
	i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || i >= s.n {
		http.NotFound(w, r)
		return
	}
	if s.started != nil {
		s.started <- i
		select {
		case <-s.release:
		case <-r.Context().Done():
			return
		}
	}
	if status := s.broken[i]; status != 0 {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "<h1>%s %d</h1>", s.prefix.Load(), i)
	for next := 3*i + 1; next <= 3*i+3 && next < s.n; next++ {
		fmt.Fprintf(w, `<a href="/%d">next</a>`, next)
	}
}

// pages returns how often each page was fetched, robots.txt left out.
func (s *site) pages() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := maps.Clone(s.hits)
	delete(hits, "/robots.txt")
	return hits
}

// command is a run of the command in this process.
type command struct {
	spiders []crawler.Spider
	in      string
	env     map[string]string
}

type result struct {
	code     int
	out, err string
}

func (c command) run(t *testing.T, args ...string) result {
	t.Helper()
	return c.runContext(t, t.Context(), args...)
}

func (c command) runContext(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	var out, err buffer
	p := &program{in: strings.NewReader(c.in), out: &out, screen: newScreen(&err), spiders: c.spiders, getenv: func(name string) string { return c.env[name] }}
	code := p.run(ctx, args)
	return result{code, out.String(), err.String()}
}

func (r result) want(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.err)
	}
	return r
}

// summary reads the last line of standard error.
func (r result) summary(t *testing.T) summary {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	var s summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("the last line is no JSON: %v\n%s", err, r.err)
	}
	return s
}

// buffer may be written by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// titles returns the titles in JSON lines, sorted.
func titles(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		var item struct {
			Title string `json:"title"`
			Meta  struct {
				Kind  string `json:"kind"`
				Crawl string `json:"crawl"`
				URL   string `json:"url"`
			} `json:"_meta"`
		}
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if item.Meta.Kind != "title" || item.Meta.URL == "" {
			t.Errorf("_meta of %s", lines.Text())
		}
		all = append(all, item.Title)
	}
	slices.Sort(all)
	return all
}

func wantTitles(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("Page %d", i))
	}
	slices.Sort(all)
	return all
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWrongUsageIsOneLineAndWritesNothing(t *testing.T) {
	t.Parallel()
	books := siteSpider("http://example.com/")
	books.Name = "books"
	spiders := []crawler.Spider{books, siteSpider("")}
	dir := t.TempDir()
	yaml := filepath.Join(dir, "wrong.yaml")
	if err := os.WriteFile(yaml, []byte("name: wrong\nstart: [https://example.com/]\nroutes:\n  page:\n    fellow: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	never := filepath.Join(dir, "never")
	for _, c := range []struct{ args, want string }{
		{"crwal books", `lycosa: unknown command "crwal"; did you mean "crawl"? (see lycosa --help)`},
		{"frobnicate", `lycosa: unknown command "frobnicate" (see lycosa --help)`},
		{"crawl", `lycosa crawl: SPIDER, the name of a spider or the path of a YAML file, is missing (see lycosa crawl --help)`},
		{"crawl boks", `lycosa crawl: unknown spider "boks"; did you mean "books"? Compiled in: books, site; a YAML file is given by its path`},
		{"crawl nothing-like-it", `lycosa crawl: unknown spider "nothing-like-it". Compiled in: books, site; a YAML file is given by its path`},
		{"crawl ./no.yaml", `lycosa crawl: no such file: ./no.yaml`},
		{"crawl " + yaml, `lycosa crawl: ` + yaml + `:5:5: routes.page: unknown key "fellow": want items or follow`},
		{"crawl books --concurency 3", `lycosa crawl: unknown flag "--concurency"; did you mean --concurrency? (see lycosa crawl --help)`},
		{"crawl books -z", `lycosa crawl: unknown flag "-z" (see lycosa crawl --help)`},
		{"crawl books --concurrency", `lycosa crawl: --concurrency needs a value (see lycosa crawl --help)`},
		{"crawl books --concurrency many", `lycosa crawl: --concurrency "many": want a whole number`},
		{"crawl books --concurrency 0", `lycosa crawl: --concurrency "0": must be at least 1`},
		{"crawl books --concurrency -3", `lycosa crawl: --concurrency "-3": must be at least 1`},
		{"crawl books --concurrency 100000000", `lycosa crawl: --concurrency 100000000: spider books: Settings.Concurrency is too large: at most 100000`},
		{"crawl books --per-host 99999999999999999999", `lycosa crawl: --per-host "99999999999999999999": is out of range`},
		{"crawl books --max-pages -1", `lycosa crawl: --max-pages "-1": must be at least 0`},
		{"crawl books --delay 5", `lycosa crawl: --delay "5": want a duration like 500ms, 10s, 2m or 1d`},
		{"crawl books --delay -5s", `lycosa crawl: --delay "-5s": must not be negative`},
		{"crawl books --lease 10ms", `lycosa crawl: --lease "10ms": must be at least 1s`},
		{"crawl books --grace -1s", `lycosa crawl: --grace -1s: must not be negative`},
		{"crawl books --grace soon", `lycosa crawl: --grace "soon": want a duration like 500ms, 10s or 2m`},
		{"crawl books --quiet=perhaps", `lycosa crawl: --quiet "perhaps": want true or false`},
		{"crawl books --log-level loud", `lycosa crawl: --log-level "loud": want debug, info, warn or error`},
		{"crawl books --crawl ../etc", `lycosa crawl: --crawl "../etc": a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'`},
		{"crawl books --crawl ..", `lycosa crawl: --crawl "..": a name is more than dots`},
		{"crawl books --dir " + file, `lycosa crawl: --dir ` + file + ` is no folder`},
		{"crawl books --set colour=red", `lycosa crawl: --set colour=red: spider books has no "colour". There are: greeting, ` + strings.Join(settingNames(), ", ")},
		{"crawl books --set greting=hi", `lycosa crawl: --set greting=hi: spider books has no "greting"; did you mean greeting? There are: greeting, ` + strings.Join(settingNames(), ", ")},
		{"crawl books --set delay", `lycosa crawl: --set delay: want KEY=VALUE`},
		{"crawl books --set delay=1y", `lycosa crawl: --set delay=1y: want a duration like 500ms, 10s, 2m or 1d`},
		{"crawl books --set max_body=much", `lycosa crawl: --set max_body=much: want a size like 65536, 10MB or 10MiB`},
		{"crawl books -o items.txt", `lycosa crawl: --out items.txt: a file ends in .jsonl or .csv`},
		{"crawl books -o ftp://host/x", `lycosa crawl: --out ftp://host/x: cannot write there; want -, FILE.jsonl, FILE.csv or mongodb://HOST/DB`},
		{"crawl books -o - -o -", `lycosa crawl: --out - is given twice`},
		{"crawl books -o mongodb://user:secret@127.0.0.1:1/", `lycosa crawl: --out: mongopipe: neither Database nor the URI names a database: mongodb://host/database`},
		{"crawl books --redis http://localhost", `lycosa crawl: --redis: redis URL http://localhost: want redis://, rediss:// or redis+sentinel://`},
		{"crawl books --dedup bloom", `lycosa crawl: --dedup and --dedup-store are for crawls on a Redis; without one, each fingerprint is kept exactly in this process`},
		{"crawl books --redis redis://127.0.0.1:1 --dedup cuckoo", `lycosa crawl: --dedup: filter "cuckoo": there is no kind "cuckoo"; want intset[:SIZE], set, bloom[:RATE[,SIZE]] or twotier[:RATE[,SIZE]]`},
		{"crawl books --redis redis://127.0.0.1:1 --dedup twotier", `lycosa crawl: --dedup twotier: --dedup-store is missing`},
		{"crawl books --redis redis://127.0.0.1:1 --dedup twotier --dedup-store mongodb://127.0.0.1:1/", `lycosa crawl: --dedup-store mongodb://127.0.0.1:1/: the name of the database is missing`},
		{"fingerprint mailto:me@example.com", `lycosa fingerprint: URL "mailto:me@example.com" refused: scheme "mailto" is not http or https`},
		{"crawl books mailto:me@example.com", `lycosa crawl: URL "mailto:me@example.com" refused: scheme "mailto" is not http or https`},
		{"crawl books http://exa%20mple.com/", `lycosa crawl: URL "http://exa%20mple.com/" refused: not a valid URL`},
		{"crawl books not-a-url", `lycosa crawl: URL "not-a-url" refused: relative, and nothing to resolve it against`},
		{"crawl site", `lycosa crawl: spider site has no start URL: give some after its name`},
		{"worker books --redis redis://localhost --websub ftp://x", `lycosa worker: --websub "ftp://x": want an http or https URL without a query`},
		{"worker books --redis redis://localhost --websub https://x/", `lycosa worker: --websub: LYCOSA_WEBSUB_KEY must be a secret of at least 16 bytes`},
		{"worker books --redis redis://localhost --websub-listen :1", `lycosa worker: --websub-listen :1: --websub is missing, the URL under which hubs reach that address`},
		{"worker books", `lycosa worker: --redis (or LYCOSA_REDIS) is missing: workers share a crawl on a Redis; without one, lycosa crawl does all in one process (see lycosa worker --help)`},
		{"worker books site --crawl x --redis redis://127.0.0.1:1", `lycosa worker: --crawl x names one crawl, but there are 2 spiders`},
		{"worker books books --redis redis://127.0.0.1:1", `lycosa worker: two of the spiders are called books`},
		{"seed site", `lycosa seed: spider site has no start URL: give some after its name, or - to read them from standard input`},
		{"status", `lycosa status: the name of a crawl is missing (lycosa list shows them)`},
		{"status nope", `lycosa status: no crawl "nope" on ` + never + `: there is none at all`},
		{"status a b", `lycosa status: one argument too many: "b" (see lycosa status --help)`},
		{"why books", `lycosa why: want CRAWL URL (see lycosa why --help)`},
		{"why", `lycosa why: CRAWL URL is missing (see lycosa why --help)`},
		{"why nope http://example.com/", `lycosa why: no crawl "nope" on ` + never + `: there is none at all`},
		{"why books http://example.com/ --spider boks", `lycosa why: unknown spider "boks"; did you mean "books"? Compiled in: books, site; a YAML file is given by its path`},
		{"hint books", `lycosa hint: want CRAWL URL... (or -) (see lycosa hint --help)`},
		{"hint nope http://example.com/", `lycosa hint: no crawl "nope" on ` + never + `: there is none at all`},
		{"hint books http://example.com/ --at tomorrow", `lycosa hint: --at "tomorrow": want a time like 2026-01-02T15:04:05Z, or a duration like 10m or 2d`},
		{"hint books http://example.com/ --at 2999-01-02", `lycosa hint: --at "2999-01-02": is still to come`},
		{"dead books --older 5", `lycosa dead: --older "5": want a duration like 500ms, 10s, 2m or 1d`},
		{"dead books --newer -5s", `lycosa dead: --newer "-5s": must not be negative`},
		{"dead books --status teapot", `lycosa dead: --status "teapot": want an HTTP status`},
		{"dead books --replay --drop", `lycosa dead: --replay and --drop exclude each other`},
		{"dead nope --drop", `lycosa dead: no crawl "nope" on ` + never + `: there is none at all`},
		{"purge nope", `lycosa purge: no crawl "nope" on ` + never + `: there is none at all`},
		{"pause ..", `lycosa pause: crawl "..": a name is more than dots`},
		{"list books", `lycosa list: takes no argument, but there is "books"`},
		{"fetch", `lycosa fetch: URL is missing (see lycosa fetch --help)`},
		{"fetch gopher://example.com/", `lycosa fetch: URL "gopher://example.com/" refused: scheme "gopher" is not http or https`},
		{"fetch http://example.com/ --timeout 0s", `lycosa fetch: --timeout 0s: must be more than nothing`},
		{"demo now", `lycosa demo: takes no argument, but there is "now"`},
		{"demo --dir " + file, `lycosa demo: --dir ` + file + ` is no folder`},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			got := command{spiders: spiders, env: map[string]string{"LYCOSA_DIR": never}}.run(t, strings.Fields(c.args)...)
			if got.code != exitUsage || got.err != c.want+"\n" || got.out != "" {
				t.Errorf("exit code %d\n got %swant %s\nstdout %q", got.code, got.err, c.want, got.out)
			}
			if _, err := os.Stat(never); err == nil {
				t.Error("a folder was made")
			}
		})
	}
}

func TestUnreachableRedisExitsWith8(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "never")
	at := closedPort(t)
	for _, verb := range []string{"crawl site", "worker site", "seed site", "status site", "list", "purge site"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(verb), "--redis", "redis://:secret@"+at, "--dir", dir)
			got := command{spiders: []crawler.Spider{siteSpider("http://example.com/")}}.run(t, args...).want(t, exitRedis)
			if strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, at) || strings.Contains(got.err, "secret") || got.out != "" {
				t.Errorf("stderr %q, stdout %q", got.err, got.out)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a folder was made")
			}
		})
	}
}

func TestUnreachableItemStoreExitsWith9(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "never")
	got := command{spiders: []crawler.Spider{siteSpider("http://example.com/")}}.
		run(t, "crawl", "site", "--dir", dir, "-o", "mongodb://me:secret@"+closedPort(t)+"/db", "-o", filepath.Join(dir, "x.jsonl")).want(t, exitStore)
	if strings.Count(got.err, "\n") != 1 || strings.Contains(got.err, "secret") {
		t.Errorf("stderr %q", got.err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was written")
	}
}

func TestHelpAndVersionAreAnswers(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--help", "help crawl", "crawl --help", "worker -h", "version", "version --json", "--version"} {
		got := command{}.run(t, strings.Fields(args)...).want(t, exitDone)
		if got.out == "" || got.err != "" {
			t.Errorf("%s: stdout %q, stderr %q", args, got.out, got.err)
		}
	}
}

func TestEveryVerbHasExamples(t *testing.T) {
	t.Parallel()
	root := (&program{screen: newScreen(new(buffer))}).rootCommand()
	for _, verb := range []string{"demo", "crawl", "worker", "seed", "list", "status", "why", "hint", "dead", "pause", "resume", "purge", "fetch", "version"} {
		cmd, _, err := root.Find([]string{verb})
		if err != nil || cmd.Name() != verb {
			t.Errorf("%s: %v", verb, err)
		} else if !strings.Contains(cmd.Example, "lycosa "+verb) {
			t.Errorf("%s: no example", verb)
		}
	}
}

func TestEnvironmentStandsBehindFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	site := newSite(t, 3)
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{
		"LYCOSA_DIR": dir, "LYCOSA_OUT": filepath.Join(dir, "a.jsonl") + " " + filepath.Join(dir, "b.csv"), "LYCOSA_LOG_LEVEL": "error",
		"LYCOSA_REDIS": "redis://" + closedPort(t),
	}}
	c.run(t, "crawl", "site").want(t, exitRedis)
	c.run(t, "crawl", "site", "--redis", "").want(t, exitDone)
	if got := titles(t, readFile(t, filepath.Join(dir, "a.jsonl"))); !slices.Equal(got, wantTitles(3)) {
		t.Errorf("items %v", got)
	}
	if got := readFile(t, filepath.Join(dir, "b.csv")); strings.Count(got, "\n") != 4 {
		t.Errorf("CSV: %s", got)
	}
}
