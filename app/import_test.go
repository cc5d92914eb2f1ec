package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// inOther returns the URL of a key in database 1 of the server, or of that database.
func inOther(server, key string) string {
	return strings.TrimSuffix(strings.TrimSuffix(server, "/0")+"/1/"+key, "/")
}

// oldCrawl makes what scrapy-redis leaves of a crawl that has seen the URLs, in database 1.
func oldCrawl(t *testing.T, server string, scheme dedup.Scheme, urls ...string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(inOther(server, ""))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	for _, u := range urls {
		if err := client.SAdd(t.Context(), "site:dupefilter", fmt.Sprintf("%x", scheme.SHA1("GET", u, nil))).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

func TestWhatScrapyRedisHasSeenIsNotFetched(t *testing.T) {
	t.Parallel()
	for i, filter := range []string{"intset", "set", "bloom:1e-06,1000", "twotier:0.2"} {
		server, site, dir := servers.Redis(t).URL, newSite(t, 30), t.TempDir()
		scheme := dedup.SchemeScrapy + dedup.Scheme(i%3)
		// Page 2 was seen, and so what it alone leads to stays unknown; of page 1's, 4 was.
		old := oldCrawl(t, server, scheme, site.URL+"/2", site.URL+"/4")
		if err := old.SAdd(t.Context(), "site:dupefilter", "no SHA-1").Err(); err != nil {
			t.Fatal(err)
		}
		c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_REDIS": server, "LYCOSA_DIR": dir}}
		flags := []string{"--fingerprint", scheme.String(), "--dedup", filter, "--quiet"}
		if strings.HasPrefix(filter, "twotier") {
			flags = append(flags, "--dedup-store", filepath.Join(dir, "exact"))
		}
		args := append([]string{"import-dupefilter", "site", "--from", inOther(server, "site:dupefilter"), "--probe", site.URL + "/2"}, flags...)
		got := c.run(t, args...).want(t, exitDone)
		if want := "3 fingerprints read from site:dupefilter: 2 new to site, 0 known already; 1 entry is no SHA-1 and passed over, the first \"no SHA-1\"\n"; got.out != want {
			t.Errorf("%s: %s", filter, got.out)
		}
		var again imported
		got = c.run(t, append(args, "--json")...).want(t, exitDone)
		if err := json.Unmarshal([]byte(got.out), &again); err != nil || again.New != 0 || again.Known != 2 || again.Bad != 1 || again.Fingerprint != scheme.String() {
			t.Errorf("%s: the repetition says %s, %v", filter, got.out, err)
		}

		c.run(t, append([]string{"crawl", "site", "-o", filepath.Join(dir, "items.jsonl")}, flags...)...).want(t, exitDone)
		site.mu.Lock()
		for n := range 30 {
			below := n // the ancestor that decides
			for below > 4 {
				below = (below - 1) / 3
			}
			want := 1
			if n == 2 || below == 2 || below == 4 {
				want = 0
			}
			if hits := site.hits[fmt.Sprint("/", n)]; hits != want {
				t.Errorf("%s: page %d was fetched %d times, want %d", filter, n, hits, want)
			}
		}
		site.mu.Unlock()
		if out := c.run(t, "status", "site").want(t, exitDone).out; !strings.Contains(out, "by the fingerprints of "+scheme.String()+"\n") {
			t.Errorf("%s: %s", filter, out)
		}
		without := c.run(t, "seed", "site").want(t, exitUsage)
		if !strings.Contains(without.err, `"fingerprint `+scheme.String()+`", not "default"`) {
			t.Errorf("%s: another fingerprint: %s", filter, without.err)
		}
	}
}

func TestImportSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t).URL
	old := oldCrawl(t, server, dedup.SchemeScrapyOld, "http://example.com/")
	if err := old.ZAdd(t.Context(), "site:requests", redis.Z{Member: "pickled"}).Err(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plain.yaml")
	if err := os.WriteFile(file, []byte("name: plain\nroutes: {a: {follow: [{route: a}]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := command{spiders: []crawler.Spider{siteSpider("http://127.0.0.1:1/0")}, env: map[string]string{"LYCOSA_REDIS": server}}
	c.run(t, "seed", "site", "--crawl", "own").want(t, exitDone)
	for args, says := range map[string]string{
		"site --from " + inOther(server, "site:requests"):    "it is a zset, and a dupefilter is a set; queues of scrapy-redis hold pickled objects of Python",
		"site --from nothing":                                "--from nothing: there is no such key",
		"site":                                               "--from site:dupefilter: there is no such key",
		"site --from http://example.com/":                    "want redis://HOST[:PORT][/DB]/KEY, or a key",
		"other --from " + inOther(server, "site:dupefilter"): "to create it, name its spider by --spider",
		"own --from " + inOther(server, "site:dupefilter"):   "crawl own recognises requests by lycosa's own fingerprints",
		"site --fingerprint lycosa --from " + inOther(server, "site:dupefilter"):                                 "fingerprints of Scrapy say nothing to it",
		"site --fingerprint nutch --from " + inOther(server, "site:dupefilter"):                                  `--fingerprint: fingerprint "nutch": want lycosa, scrapy`,
		"other --spider " + file + " --probe http://example.com/ --from " + inOther(server, "site:dupefilter"):   "has it by the fingerprint scrapy-old, and the crawl's is scrapy-redis",
		"other --spider " + file + " --probe http://example.com/x --from " + inOther(server, "site:dupefilter"):  "has it by no fingerprint that lycosa knows",
		"other --spider " + file + " --probe mailto:me@example.com --from " + inOther(server, "site:dupefilter"): "--probe: ",
	} {
		got := c.run(t, append([]string{"import-dupefilter"}, strings.Fields(args)...)...).want(t, exitUsage)
		if !strings.Contains(got.err, says) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %s", args, got.err)
		}
	}
	if out := c.run(t, "list").want(t, exitDone).out; strings.Count(out, " pages,") != 1 {
		t.Errorf("a refused import has created a crawl: %s", out)
	}
	if got := (command{}).run(t, "import-dupefilter", "site").want(t, exitUsage); !strings.Contains(got.err, "--redis") {
		t.Error(got.err)
	}
}

func TestImportedURLsAreNoWorkAndNoCrawl(t *testing.T) {
	t.Parallel()
	server, site := servers.Redis(t).URL, newSite(t, 4)
	oldCrawl(t, server, dedup.SchemeScrapyRedis, site.URL+"/3")
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_REDIS": server, "LYCOSA_DIR": t.TempDir()}}
	c.run(t, "import-dupefilter", "site", "--from", inOther(server, "site:dupefilter")).want(t, exitDone)
	var s status
	out := c.run(t, "status", "site", "--json").want(t, exitDone).out
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.State != "empty" || s.Seen != 0 || s.Filter.Count != 1 || s.Fingerprint != "scrapy-redis" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestFingerprintIsThatOfAnotherCrawlerOnRequest(t *testing.T) {
	t.Parallel()
	got := command{}.run(t, "fingerprint", "http://www.example.com/query?id=111&cat=222", "--scheme", "scrapy-old").want(t, exitDone)
	if !strings.Contains(got.out, "\nSHA-1     fad8cefa4d6198af8cb1dcf46add2941b4d32d78, as scrapy-old has it\n") || !strings.Contains(got.out, " fad8cefa4d6198af8cb1dcf46add2941\n") {
		t.Error(got.out)
	}
	if got := (command{}).run(t, "fingerprint", "http://example.com/", "--scheme", "x").want(t, exitUsage); !strings.Contains(got.err, "--scheme") {
		t.Error(got.err)
	}
}

func TestPurgeEmptiesBothHalvesOfAFilter(t *testing.T) {
	t.Parallel()
	server, site, dir := servers.Redis(t).URL, newSite(t, 10), t.TempDir()
	store := filepath.Join(dir, "exact")
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_REDIS": server, "LYCOSA_DIR": dir}}
	left := func() int {
		entries, err := os.ReadDir(store)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	crawl := func() {
		t.Helper()
		c.run(t, "crawl", "site", "--dedup", "twotier", "--dedup-store", store, "--quiet").want(t, exitDone)
	}
	crawl()
	if got := c.run(t, "purge", "site").want(t, exitUsage); !strings.Contains(got.err, "--dedup-store") || left() != 1 {
		t.Errorf("%s, %d folders", got.err, left())
	}
	c.run(t, "purge", "site", "--dedup-store", store).want(t, exitDone)
	if left() != 0 {
		t.Errorf("purge leaves %d folders of fingerprints", left())
	}
	crawl()
	c.run(t, "crawl", "site", "--dedup", "twotier", "--dedup-store", store, "--quiet", "--fresh").want(t, exitDone)
	if left() != 1 {
		t.Errorf("a crawl started anew leaves its forerunner's fingerprints: %d folders", left())
	}
	c.run(t, "purge", "site", "--leave-store").want(t, exitDone)
	if left() != 1 {
		t.Errorf("--leave-store leaves %d folders", left())
	}
}
