package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// fast are the flags of a crawl that need not be polite.
var fast = []string{"--concurrency", "32", "--per-host", "16", "--quiet", "--json"}

func with(flags []string, args ...string) []string { return append(slices.Clone(args), flags...) }

// checkSite fails the test unless every page of a site was fetched once and yields the right item.
func checkSite(t *testing.T, site *testsite.Site, items map[string]json.RawMessage, twice []string) {
	t.Helper()
	if err := site.Report().Complete(); err != nil {
		t.Error(err)
	}
	if len(twice) > 0 {
		t.Errorf("%d items were stored by two workers, the first is %s", len(twice), twice[0])
	}
	checkItems(t, site, items)
}

func checkItems(t *testing.T, site *testsite.Site, items map[string]json.RawMessage) {
	t.Helper()
	var got []testsite.Item
	for key, raw := range items {
		var item testsite.Item
		if err := json.Unmarshal(raw, &item); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		got = append(got, item)
	}
	if diff := testsite.DiffItems(site.Items(), got); len(diff) > 0 {
		t.Errorf("%d items differ, the first: %s", len(diff), diff[0])
	}
}

func TestEveryPageOnceInOneProcess(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 5000, Hosts: 10, Gone: 7, Moved: 11, Private: 5})
	args := append([]string{"crawl", "site"}, site.Roots()...)
	p := start(t, with(fast, args...)...)
	p.wait(0)
	items, twice := readItems(t, filepath.Join(p.cmd.Dir, ".lycosa", "site", "items.jsonl"))
	checkSite(t, site, items, twice)
	if s := p.summary(); s.State != "done" || s.Pages != 5000 || s.Items != 5000 || s.DeadLinks != 7 || s.Outcomes["robots"] != 5 {
		t.Errorf("summary %+v", s)
	}
}

func TestEveryPageOnceWhateverTheNumberOfWorkers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			redis := servers.Redis(t)
			site := testsite.Start(t, testsite.Config{Pages: 5000, Hosts: 10, Gone: 7, Moved: 11, Private: 5})
			var workers []*process
			var files []string
			for range n {
				p := start(t, with(fast, "worker", "site", "--redis", redis.URL, "--until-done", "-o", "items.jsonl")...)
				workers = append(workers, p)
				files = append(files, filepath.Join(p.cmd.Dir, "items.jsonl"))
			}
			run(t, 0, append([]string{"seed", "site", "--redis", redis.URL}, site.Roots()...)...)
			for _, p := range workers {
				p.wait(0)
			}
			items, twice := readItems(t, files...)
			checkSite(t, site, items, twice)

			status := run(t, 0, "status", "site", "--redis", redis.URL, "--json")
			var s struct {
				State    string           `json:"state"`
				Queued   int64            `json:"queued"`
				Outcomes map[string]int64 `json:"outcomes"`
			}
			if err := json.Unmarshal(status.out.Bytes(), &s); err != nil {
				t.Fatalf("%v: %s", err, status.out.Bytes())
			}
			if s.State != "done" || s.Queued != 0 || s.Outcomes["ok"] != 5000 {
				t.Errorf("status %s", status.out.Bytes())
			}
		})
	}
}

// database opens the test's MongoDB.
func database(t *testing.T, s *servers.MongoServer) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	return client.Database(s.Database)
}

// TestKilledWorkerLosesNothing kills one of three workers in mid-crawl, again and again in another place.
func TestKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	redis, mongo := servers.Redis(t), servers.Mongo(t)
	site := testsite.Start(t, testsite.Config{Pages: 1000, Hosts: 10, Latency: 20 * time.Millisecond})
	flags := []string{"--redis", redis.URL, "--until-done", "-o", mongo.URI, "--lease", "3s", "--concurrency", "8", "--per-host", "4", "--quiet"}
	worker := func() *process { return start(t, with(flags, "worker", "site")...) }
	workers := []*process{worker(), worker(), worker()}
	run(t, 0, append([]string{"seed", "site", "--redis", redis.URL}, site.Roots()...)...)
	for i, share := range []int{20, 50, 80} { // per cent of the pages
		within(t, time.Minute, fmt.Sprintf("%d %% of the pages", share), func() bool { return site.Report().Distinct >= 1000*share/100 })
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
	cursor, err := database(t, mongo).Collection("page").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var stored []bson.M
	if err := cursor.All(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	items := map[string]json.RawMessage{}
	for _, doc := range stored {
		if items[doc["_id"].(string)], err = json.Marshal(doc); err != nil {
			t.Fatal(err)
		}
	}
	checkItems(t, site, items)
}

// TestKilledCrawlGoesOnWithoutAServer kills an embedded crawl, again and again, and starts it with the same command.
func TestKilledCrawlGoesOnWithoutAServer(t *testing.T) {
	t.Parallel()
	site := testsite.Start(t, testsite.Config{Pages: 1000, Hosts: 10, Latency: 10 * time.Millisecond})
	dir := filepath.Join(t.TempDir(), "crawls")
	args := append([]string{"crawl", "site", "--dir", dir, "--concurrency", "8", "--per-host", "4", "--quiet", "--json"}, site.Roots()...)
	for _, share := range []int{20, 50, 80} { // per cent of the pages
		p := start(t, args...)
		within(t, time.Minute, fmt.Sprintf("%d %% of the pages", share), func() bool { return site.Report().Distinct >= 1000*share/100 })
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
	p := run(t, 0, args...)
	report := site.Report()
	if len(report.Missing) > 0 {
		t.Errorf("%d pages were lost, the first is %s", len(report.Missing), report.Missing[0])
	}
	if most := 3 * 8; len(report.Duplicates) > most {
		t.Errorf("%d pages were fetched again, but the three that were killed held no more than %d", len(report.Duplicates), most)
	}
	if s := p.summary(); s.State != "done" || s.Outcomes["ok"] != 1000 {
		t.Errorf("summary %+v", s)
	}
	items, _ := readItems(t, filepath.Join(dir, "site", "items.jsonl"))
	checkItems(t, site, items)
}

// paths reads a list of paths that a crawl must find.
func paths(t *testing.T, name string) []string {
	t.Helper()
	dir := os.Getenv("LYCOSA_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "conformance")
	}
	f, err := os.Open(filepath.Join(dir, "sites", name))
	if err != nil {
		t.Skipf("no list of the site's pages: %v", err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		path, _, _ := strings.Cut(lines.Text(), "\t")
		list = append(list, "/"+strings.TrimPrefix(strings.TrimSpace(path), "/"))
	}
	slices.Sort(list)
	return list
}

func comparePaths(t *testing.T, got, want []string) {
	t.Helper()
	var missing, extra []string
	for _, p := range want {
		if _, ok := slices.BinarySearch(got, p); !ok {
			missing = append(missing, p)
		}
	}
	for _, p := range got {
		if _, ok := slices.BinarySearch(want, p); !ok {
			extra = append(extra, p)
		}
	}
	if len(missing)+len(extra) > 0 {
		t.Errorf("of %d pages missing: %.10q (%d), found beyond: %.10q (%d)", len(want), missing, len(missing), extra, len(extra))
	}
}

func TestPostgreSQLDocumentationByThreeWorkers(t *testing.T) {
	t.Parallel()
	want := paths(t, "postgresql15.txt.gz")
	files := testsite.Docs(t, testsite.PostgreSQL)
	redis, mongo := servers.Redis(t), servers.Mongo(t)
	site := testsite.StartTree(t, files)
	flags := []string{"--redis", redis.URL, "--until-done", "-o", mongo.URI, "--concurrency", "8", "--per-host", "24", "--quiet"}
	var workers []*process
	for range 3 {
		workers = append(workers, start(t, with(flags, "worker", "docs")...))
	}
	run(t, 0, "seed", "docs", "--redis", redis.URL, site.URL("/index.html"))
	for _, p := range workers {
		p.wait(0)
	}
	comparePaths(t, htmlPaths(site.Paths(200)), want)
	if again := site.Repeated(); len(slices.DeleteFunc(again, func(p string) bool { return p == "/robots.txt" })) > 0 {
		t.Errorf("fetched more than once: %.10q", again)
	}
	documents := database(t, mongo).Collection("document")
	if n, err := documents.CountDocuments(t.Context(), bson.D{}); err != nil || int(n) != len(want) {
		t.Errorf("%d documents, want %d (%v)", n, len(want), err)
	}
	for path, title := range map[string]string{
		"/index.html":      "PostgreSQL 15",
		"/sql-select.html": "SELECT",
	} {
		var doc document
		err := documents.FindOne(t.Context(), bson.D{{Key: "_id", Value: site.URL(path)}}).Decode(&doc)
		if err != nil || !strings.HasPrefix(doc.Title, title) {
			t.Errorf("%s: title %q, want %q (%v)", path, doc.Title, title, err)
		}
	}
}

func htmlPaths(all []string) []string {
	return slices.DeleteFunc(all, func(p string) bool { return !strings.HasSuffix(p, ".html") })
}

func TestSQLiteDocumentationAndItsDeadLinks(t *testing.T) {
	t.Parallel()
	want := paths(t, "sqlite3.txt.gz")
	files := testsite.Docs(t, testsite.SQLite)
	site := testsite.StartTree(t, files)
	p := start(t, with(fast, "crawl", "docs", site.URL("/index.html"))...)
	p.wait(0)
	comparePaths(t, htmlPaths(site.Paths(200)), want)
	gone := slices.DeleteFunc(site.Paths(404), func(p string) bool { return p == "/robots.txt" })
	if s := p.summary(); int(s.DeadLinks) != len(gone) || len(gone) != 427 {
		t.Errorf("%d dead links reported, %d met, want 427", s.DeadLinks, len(gone))
	}
	list := run(t, 0, "dead", "docs", "--dir", filepath.Join(p.cmd.Dir, ".lycosa"))
	if n := bytes.Count(list.out.Bytes(), []byte("404")); n < 427 {
		t.Errorf("%d dead links listed, want 427", n)
	}
}
