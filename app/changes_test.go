package app

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/pipelines/mongopipe"
)

func priced(crawl string, hour int, price float64) pipelines.Visit {
	return pipelines.Visit{
		Source: pipelines.Source{URL: "https://shop.example/a", Crawl: crawl, FetchedAt: time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)},
		Status: 200, News: pipelines.NewsChanged, Parsed: true,
		Items: []pipelines.Item{{Kind: "book", Key: "k1", Value: map[string]any{"price": price, "title": "T"}}},
	}
}

// recrawled fills the changes file of a crawl: an item is new, and then has another price.
func recrawled(t *testing.T, dir string) {
	t.Helper()
	store := openStore(t, dir)
	for hour, price := range []float64{51.77, 49.99} {
		visit := priced("shop", hour, price)
		if hour > 0 {
			visit.Links = pipelines.NewLinkChange([]string{"https://shop.example/new"}, []string{"u1", "u2", "u3", "u4", "u5"})
		}
		if err := store.Track(t.Context(), []pipelines.Visit{visit}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func openStore(t *testing.T, dir string) *filestore.Store {
	t.Helper()
	store, err := filestore.Open(filepath.Join(dir, "shop", changesFile), filestore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestChangesShowsWhatBecameOfPagesAndItems(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recrawled(t, dir)
	got := command{}.run(t, "changes", "shop", "--dir", dir)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != exitDone || len(lines) != 4 {
		t.Fatalf("exit %d, %d lines:\n%s%s", got.code, len(lines), got.out, got.err)
	}
	for i, words := range []string{"new      book k1", "new      page  https://shop.example/a", "changed  book k1  price: 51.77 -> 49.99  https://shop.example/a", "changed  page  https://shop.example/a  +https://shop.example/new -u1 -u2 -u3 -2 links"} {
		if !strings.Contains(lines[i], words) {
			t.Errorf("line %d is %q, want %q in it", i, lines[i], words)
		}
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"--kind book", 2},
		{"--kind page", 2},
		{"--kind book --kind page", 4},
		{"--kind author", 0},
		{"--since 3", 1},
		{"--since 1d", 4},
		{"--since 2030-01-01", 0},
		{"--since 2020-01-02T15:04:05Z", 4},
	} {
		got := command{}.run(t, append([]string{"changes", "shop", "--dir", dir, "--json"}, strings.Fields(c.args)...)...)
		n := 0
		for line := range strings.Lines(got.out) {
			var change pipelines.Change
			if err := json.Unmarshal([]byte(line), &change); err != nil || change.Cursor == 0 {
				t.Errorf("%s: %q is no change: %v", c.args, line, err)
			}
			n++
		}
		if got.code != exitDone || n != c.want {
			t.Errorf("%s: exit %d, %d changes, want %d: %s", c.args, got.code, n, c.want, got.err)
		}
	}
}

func TestChangesWithANamedCursorGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recrawled(t, dir)
	for _, want := range []int{4, 0} {
		got := command{}.run(t, "changes", "shop", "--dir", dir, "--cursor", "daily")
		if n := strings.Count(got.out, "\n"); got.code != exitDone || n != want {
			t.Errorf("exit %d, %d changes, want %d: %s", got.code, n, want, got.err)
		}
	}
}

func TestChangesRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recrawled(t, dir)
	for args, words := range map[string]string{
		"changes shop --since yesterday":            "--since",
		"changes other":                             "no changes",
		"changes":                                   "missing",
		"changes shop --to ftp://x/y":               "--to",
		"changes shop --to redis://localhost":       "--to",
		"changes shop --to redis://localhost/0":     "--to",
		"changes shop --to redis://h/s?maxlen=none": "maxlen",
		"changes shop --cursor a/b":                 "--cursor",
		"changes shop --kind 1x":                    "--kind",
		"changes shop -o items.jsonl":               "--out",
	} {
		got := command{}.run(t, append(strings.Fields(args), "--dir", dir)...)
		if got.code != exitUsage || !strings.Contains(got.err, words) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: exit %d, says %q, want one line with %q", args, got.code, got.err, words)
		}
	}
}

func TestChangesOfACrawlThatRunsAreInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recrawled(t, dir)
	store := openStore(t, dir)
	got := command{}.run(t, "changes", "shop", "--dir", dir)
	if got.code != exitFailed || !strings.Contains(got.err, "in use") || strings.Count(got.err, "\n") != 1 {
		t.Errorf("exit %d, says %q", got.code, got.err)
	}
	hook := newChangesHook(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- command{}.runContext(t, ctx, "changes", "shop", "--dir", dir, "--follow", "--to", hook.URL)
	}()
	if err := store.Track(t.Context(), []pipelines.Visit{priced("shop", 5, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		<-hook.got
	}
	stop()
	if got := <-ended; got.code != exitInterrupted {
		t.Errorf("a follower that is stopped: exit %d, %s", got.code, got.err)
	}
}

type changesHook struct {
	*httptest.Server
	got chan pipelines.Change
}

func newChangesHook(t *testing.T) *changesHook {
	h := &changesHook{got: make(chan pipelines.Change, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			var c pipelines.Change
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
			h.got <- c
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func TestChangesOfAMongoDBGoToARedisStream(t *testing.T) {
	t.Parallel()
	server, stream := servers.Mongo(t), servers.Redis(t)
	p, err := mongopipe.New(t.Context(), mongopipe.Config{URI: server.URI})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	client := redis.NewClient(&redis.Options{Addr: stream.Addr})
	defer client.Close()
	for hour, want := range []int64{2, 4, 6} {
		for _, crawl := range []string{"shop", "other"} {
			v := priced(crawl, hour, float64(hour))
			v.Items[0].Key = crawl
			if err := p.Track(t.Context(), []pipelines.Visit{v}); err != nil {
				t.Fatal(err)
			}
		}
		got := command{}.run(t, "changes", "shop", "-o", server.URI, "--to", stream.URL+"/feed", "--cursor", "stream")
		if n, err := client.XLen(t.Context(), "feed").Result(); got.code != exitDone || n != want || err != nil {
			t.Errorf("exit %d, %d entries in the stream, want %d: %v, %s", got.code, n, want, err, got.err)
		}
	}
	if err := client.Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := (command{}).run(t, "changes", "shop", "-o", server.URI, "--to", stream.URL+"/text"); got.code != exitUsage || !strings.Contains(got.err, "not a stream") {
		t.Errorf("a key that is no stream: exit %d, %s", got.code, got.err)
	}
}
