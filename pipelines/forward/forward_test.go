package forward_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/forward"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// feed is a feed in memory.
type feed struct {
	mu      sync.Mutex // guards the following
	entries []pipelines.Change
	more    chan struct{}
}

func newFeed(n int) *feed {
	f := &feed{more: make(chan struct{})}
	f.add(n)
	return f
}

func (f *feed) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		at := len(f.entries) + 1
		f.entries = append(f.entries, pipelines.Change{Cursor: pipelines.Cursor(at), News: pipelines.NewsNew, Kind: "book", Key: fmt.Sprint("k", at), Crawl: "shop"})
	}
	close(f.more)
	f.more = make(chan struct{})
}

func (f *feed) Changes(_ context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool) error {
	f.mu.Lock()
	entries := f.entries[after:]
	f.mu.Unlock()
	for _, c := range entries {
		if !yield(c) {
			break
		}
	}
	return nil
}

func (f *feed) Since(context.Context, time.Time) (pipelines.Cursor, error) { return 0, nil }

func (f *feed) Wait(ctx context.Context, after pipelines.Cursor) error {
	for {
		f.mu.Lock()
		last, more := len(f.entries), f.more
		f.mu.Unlock()
		if pipelines.Cursor(last) > after {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hook is a webhook that answers with these codes, and then 204.
type hook struct {
	*httptest.Server
	got chan pipelines.Cursor // of what was taken

	mu      sync.Mutex // guards the following
	codes   []int
	keys    []string
	batches [][]pipelines.Cursor // of all posts
}

func newHook(t *testing.T, codes ...int) *hook {
	h := &hook{codes: codes, got: make(chan pipelines.Cursor, 1000)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	code := http.StatusNoContent
	if len(h.codes) > 0 {
		code, h.codes = h.codes[0], h.codes[1:]
	}
	var batch []pipelines.Cursor
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		var c pipelines.Change
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-ndjson" {
			code = http.StatusTeapot
		}
		batch = append(batch, c.Cursor)
		if code == http.StatusNoContent {
			h.got <- c.Cursor
		}
	}
	h.batches = append(h.batches, batch)
	h.keys = append(h.keys, r.Header.Get("Idempotency-Key"))
	if code == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(code)
}

func config(f *feed, sink forward.Sink) forward.Config {
	return forward.Config{Feed: f, Sink: sink, Batch: 4, MinPause: time.Millisecond, MaxPause: 2 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
}

func TestWebhookIsPostedAgainUntilItTakesTheBatch(t *testing.T) {
	t.Parallel()
	h := newHook(t, 500, 429, 503)
	sent, err := forward.Run(t.Context(), config(newFeed(6), &forward.Webhook{URL: h.URL}))
	if err != nil || sent != 6 {
		t.Fatalf("sent %d, %v", sent, err)
	}
	if got := fmt.Sprint(h.batches); got != "[[1 2 3 4] [1 2 3 4] [1 2 3 4] [1 2 3 4] [5 6]]" {
		t.Errorf("posts were %s", got)
	}
	if keys := slices.Compact(slices.Clone(h.keys)); len(keys) != 2 || keys[0] == "" {
		t.Errorf("the keys of the posts are %q: want one a batch", h.keys)
	}
}

func TestWebhookThatRefusesEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 401, 404, 410, 302} {
		h := newHook(t, code)
		marks := forward.FileBookmarks{Dir: t.TempDir()}
		c := config(newFeed(6), &forward.Webhook{URL: h.URL})
		c.Bookmarks, c.Name = marks, "hook"
		sent, err := forward.Run(t.Context(), c)
		if !errors.Is(err, forward.ErrRefused) || sent != 0 || len(h.batches) != 1 {
			t.Errorf("%d: sent %d in %d posts, %v", code, sent, len(h.batches), err)
		}
		if at, err := marks.Bookmark(t.Context(), "hook"); at != 0 || err != nil {
			t.Errorf("%d: the bookmark is %d, %v", code, at, err)
		}
	}
}

func TestRestartedForwarderGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	f, h := newFeed(6), newHook(t)
	c := config(f, &forward.Webhook{URL: h.URL})
	c.Bookmarks, c.Name = forward.FileBookmarks{Dir: t.TempDir() + "/new"}, "hook"
	c.Keep = func(c *pipelines.Change) bool { return c.Cursor%2 == 1 }
	for range 2 {
		if _, err := forward.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		f.add(3)
	}
	if got := fmt.Sprint(h.batches); got != "[[1 3 5] [7 9]]" {
		t.Errorf("posts were %s", got)
	}
}

func TestBatchNobodyConfirmedIsSentAgainByTheNext(t *testing.T) {
	t.Parallel()
	f, h := newFeed(2), newHook(t)
	marks := forward.FileBookmarks{Dir: t.TempDir()}
	c := config(f, &forward.Webhook{URL: h.URL})
	c.Bookmarks, c.Name = forgetful{marks}, "hook"
	if _, err := forward.Run(t.Context(), c); err == nil {
		t.Fatal("a bookmark that cannot be kept is no error")
	}
	c.Bookmarks = marks
	if _, err := forward.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(h.keys) != 2 || h.keys[0] != h.keys[1] {
		t.Errorf("the keys of the posts are %q: want the same twice", h.keys)
	}
}

type forgetful struct{ forward.FileBookmarks }

func (forgetful) SetBookmark(context.Context, string, pipelines.Cursor) error {
	return errors.New("disk full")
}

func TestFollowerSendsWhatComes(t *testing.T) {
	t.Parallel()
	f, h := newFeed(1), newHook(t)
	c := config(f, &forward.Webhook{URL: h.URL})
	c.Follow = true
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := forward.Run(ctx, c)
		ended <- err
	}()
	for want := pipelines.Cursor(1); want <= 5; want++ {
		if got := <-h.got; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
		f.add(1)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the follower ends with %v", err)
	}
}

func TestNameOfABookmarkIsNoPath(t *testing.T) {
	t.Parallel()
	marks := forward.FileBookmarks{Dir: t.TempDir()}
	for _, name := range []string{"", "../x", "a/b", `a\b`, ".hidden"} {
		if err := marks.SetBookmark(t.Context(), name, 1); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}
