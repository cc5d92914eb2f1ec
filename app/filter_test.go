package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

func TestFilterIsChosenPerCrawlAndShown(t *testing.T) {
	t.Parallel()
	redis := servers.Redis(t)
	site := newSite(t, 30)
	dir := t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_REDIS": redis.URL, "LYCOSA_DIR": dir}}
	for _, filter := range []string{"intset", "set", "bloom:1e-06,1000", "twotier:0.2"} {
		crawl := "c-" + filter[:3]
		flags := []string{"--crawl", crawl, "--dedup", filter, "-o", filepath.Join(dir, crawl+".jsonl")}
		if strings.HasPrefix(filter, "twotier") {
			flags = append(flags, "--dedup-store", filepath.Join(dir, "exact"))
		}
		c.run(t, append([]string{"crawl", "site"}, flags...)...).want(t, exitDone)
		if got := titles(t, readFile(t, filepath.Join(dir, crawl+".jsonl"))); len(got) != 30 {
			t.Errorf("%s: %d items, want 30", filter, len(got))
		}
		var s status
		out := c.run(t, "status", crawl, "--json").want(t, exitDone).out
		if err := json.Unmarshal([]byte(out), &s); err != nil || s.Filter == nil || s.Filter.Filter != filter || s.Filter.Count != 30 {
			t.Errorf("%s: %v, %s", filter, err, out)
		}
		if out := c.run(t, "status", crawl).want(t, exitDone).out; !strings.Contains(out, "30 in "+filter) {
			t.Errorf("%s: %s", filter, out)
		}
		if rated := strings.Contains(c.run(t, "status", crawl).want(t, exitDone).out, " % measured, "); rated != strings.Contains(filter, ":") {
			t.Errorf("%s: status shows a measured error rate: %v", filter, rated)
		}
		got := c.run(t, "seed", "site", "--crawl", crawl, "--dedup", "bloom:0.5").want(t, exitUsage)
		want := "lycosa seed: --dedup: crawl " + crawl + " was created with Filter = " + filter + ", not bloom:0.5: use another crawl, or purge it\n"
		if got.err != want {
			t.Errorf("%s: %s", filter, got.err)
		}
	}
}

func TestSeedAgainIsFetchedOnceMore(t *testing.T) {
	t.Parallel()
	site := newSite(t, 4)
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_DIR": t.TempDir()}}
	c.run(t, "crawl", "site").want(t, exitDone)
	for _, round := range []struct{ flag, says string }{
		{"", "queued 0, already known 1\n"}, {"--again", "queued 1, already known 0\n"},
	} {
		args := strings.Fields("seed site " + round.flag)
		if got := c.run(t, args...).want(t, exitDone); got.out != round.says {
			t.Errorf("seed %s: %s", round.flag, got.out)
		}
	}
	c.run(t, "crawl", "site").want(t, exitDone)
	site.mu.Lock()
	defer site.mu.Unlock()
	for path, n := range site.hits {
		want := 1
		if path == "/0" {
			want = 2 // and what it leads to stays seen
		}
		if path != "/robots.txt" && n != want {
			t.Errorf("%s was fetched %d times, want %d", path, n, want)
		}
	}
}

func TestFingerprintShowsWhatARequestIsKnownBy(t *testing.T) {
	t.Parallel()
	got := command{}.run(t, "fingerprint", "HTTP://Example.com:80/a/..#top").want(t, exitDone)
	if want := "GET http://example.com/\n128 bits  ce676c8080fd53fc3ea8d0c78986f192\n 64 bits  ce676c8080fd53fc\nnumber    -3573768480119499780\n"; got.out != want {
		t.Errorf("got  %q\nwant %q", got.out, want)
	}
	var f fingerprintOf
	got = command{}.run(t, "fingerprint", "http://example.com/", "--method", "POST", "--body", "a=1&b=2", "--json").want(t, exitDone)
	if err := json.Unmarshal([]byte(got.out), &f); err != nil || f.Fingerprint != "f62f2354ca97ab48b6e968d1ab13ac5e" {
		t.Errorf("%v, %s", err, got.out)
	}
}

func TestFingerprintShowsBodyAndHeadersThatCount(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	src := "name: shop\nroutes: {a: {follow: [{route: a}]}}\ncanonical: {canonical_bodies: true, fingerprint_headers: [accept-language]}\n"
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(args ...string) string {
		t.Helper()
		args = append([]string{"fingerprint", "http://example.com/", "--method", "POST", "--header", "Content-Type: application/json"}, args...)
		return command{}.run(t, args...).want(t, exitDone).out
	}
	got := of("--spider", file, "--header", "Accept-language: de", "--body", `{"b": 1, "a": 2}`)
	if !strings.HasSuffix(got, "\nheader    Accept-Language: \"de\"\nbody      \"{\\\"a\\\":2,\\\"b\\\":1}\"\n") {
		t.Error(got)
	}
	var f fingerprintOf
	asJSON := of("--spider", file, "--header", "accept-language: de", "--body", `{"a":2,"b":1}`, "--json")
	if err := json.Unmarshal([]byte(asJSON), &f); err != nil || !strings.Contains(got, f.Fingerprint) || f.Body != `{"a":2,"b":1}` || f.Header.Get("Accept-Language") != "de" {
		t.Errorf("%v: %s is not what %s shows", err, asJSON, got)
	}
	if other := of("--spider", file, "--header", "accept-language: en", "--body", `{"a":2,"b":1}`); strings.Contains(other, f.Fingerprint) {
		t.Errorf("the header does not count: %s", other)
	}
	if without, with := of("--body", "{ }"), of("--body", "{ }", "--header", "accept-language: de"); with != without {
		t.Errorf("by default a header counts: %s, without it %s", with, without)
	}
	if bad := (command{}).run(t, "fingerprint", "http://example.com/", "--header", "de").want(t, exitUsage); !strings.Contains(bad.err, `--header "de": want 'Name: value'`) {
		t.Error(bad.err)
	}
}
