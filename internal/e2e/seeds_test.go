package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// TestSeedsOfOtherProgramsAreTakenIn pushes start URLs as users of scrapy-redis do: to a list, a set and a sorted set, as
// URLs and as JSON, and one that nobody can read.
func TestSeedsOfOtherProgramsAreTakenIn(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = client.Close() })
	for kind, push := range map[string]func(key string, seeds ...any) error{
		"list": func(key string, seeds ...any) error { return client.LPush(t.Context(), key, seeds...).Err() },
		"set":  func(key string, seeds ...any) error { return client.SAdd(t.Context(), key, seeds...).Err() },
		"zset": func(key string, seeds ...any) error {
			members := make([]redis.Z, len(seeds))
			for i, s := range seeds {
				members[i] = redis.Z{Score: float64(i), Member: s}
			}
			return client.ZAdd(t.Context(), key, members...).Err()
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			site := testsite.Start(t, testsite.Config{Pages: 60, Hosts: 3})
			roots := site.Roots()
			seeds := []any{roots[0], `{"url": "` + roots[1] + `", "method": "GET", "meta": {}, "priority": 3}`, roots[2], "no URL"}
			key := kind + ":start_urls" // the default of a crawl of that name
			if err := push(key, seeds...); err != nil {
				t.Fatal(err)
			}
			p := run(t, 0, with(fast, "worker", "site", "--crawl", kind, "--redis", server.URL, "--until-done", "-o", "items.jsonl")...)
			items, twice := readItems(t, filepath.Join(p.cmd.Dir, "items.jsonl"))
			checkSite(t, site, items, twice)
			if n := client.Exists(t.Context(), key).Val(); n != 0 {
				t.Error("seeds are left")
			}
			bad, err := client.LRange(t.Context(), "lycosa:{"+kind+"}:badseeds", 0, -1).Result()
			if err != nil || len(bad) != 1 || !strings.Contains(bad[0], `"no URL"`) {
				t.Errorf("kept aside: %q, %v", bad, err)
			}
		})
	}
}

func TestStartURLsAreLeftAloneWhenToldSo(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	site := testsite.Start(t, testsite.Config{Pages: 10})
	if err := client.LPush(t.Context(), "site:start_urls", "https://other.example/").Err(); err != nil {
		t.Fatal(err)
	}
	run(t, 0, "seed", "site", "--redis", server.URL, site.Roots()[0])
	run(t, 0, with(fast, "worker", "site", "--redis", server.URL, "--until-done", "--start-urls", "-")...)
	if left := client.LRange(t.Context(), "site:start_urls", 0, -1).Val(); !slices.Equal(left, []string{"https://other.example/"}) {
		t.Errorf("left are %q", left)
	}
}

func TestSeedGivenAgainIsFetchedOnceMoreAndNothingElse(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	site := testsite.Start(t, testsite.Config{Pages: 20})
	root := site.Roots()[0]
	worker := with(fast, "worker", "site", "--redis", server.URL, "--until-done")
	for range 2 {
		if err := client.LPush(t.Context(), "site:start_urls", root).Err(); err != nil {
			t.Fatal(err)
		}
		run(t, 0, worker...)
	}
	for url, n := range site.Hits() {
		if want := map[bool]int{true: 2, false: 1}[url == root]; n != want && !strings.HasSuffix(url, "/robots.txt") {
			t.Errorf("%s was fetched %d times, want %d", url, n, want)
		}
	}
}
