package filestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/pipelines/pipetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// shelf is a file, opened by the test when the suite does not have it open.
type shelf struct {
	path string
	open *filestore.Store
}

func (s *shelf) Open(t *testing.T, history int) *filestore.Store {
	t.Helper()
	store, err := filestore.Open(s.path, filestore.Config{History: history, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.open = store
	return store
}

func plain(t *testing.T, o pipelines.Object) map[string]any {
	t.Helper()
	fields := make(map[string]any)
	for _, f := range o {
		fields[f.Name] = f.Value
	}
	return fields
}

func TestPipelineSuite(t *testing.T) {
	t.Parallel()
	pipetest.Run(t, func(t *testing.T) pipetest.Harness {
		s := &shelf{path: filepath.Join(t.TempDir(), "new", "feed.db")}
		return pipetest.Harness{
			Open: func(t *testing.T) pipelines.Pipeline { return s.Open(t, 0) },
			Read: func(t *testing.T) (all []pipetest.Stored) {
				err := s.open.Items(t.Context(), "", func(item filestore.Item) bool {
					all = append(all, pipetest.Stored{
						Meta:   pipelines.Meta{Kind: item.Kind, Key: item.Key, URL: item.URL, Crawl: item.Crawl, FetchedAt: item.LastSeen},
						Fields: plain(t, item.Fields),
					})
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				return all
			},
			Dead: func(t *testing.T) (n int) {
				err := s.open.Dead(t.Context(), func(pipelines.DeadItem) bool {
					n++
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				return n
			},
		}
	})
}

func TestTrackerSuite(t *testing.T) {
	t.Parallel()
	pipetest.RunTrackers(t, func(t *testing.T) pipetest.TrackHarness {
		s := &shelf{path: filepath.Join(t.TempDir(), "feed.db")}
		return pipetest.TrackHarness{
			Open: func(t *testing.T, history int) pipetest.TrackedStore { return s.Open(t, history) },
			Item: func(t *testing.T, id pipelines.ID) (state pipelines.ItemState, fields map[string]any, known bool) {
				err := s.open.Items(t.Context(), id.Kind, func(item filestore.Item) bool {
					if item.ID == id {
						state, fields, known = item.ItemState, plain(t, item.Fields), true
					}
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				return state, fields, known
			},
			History: func(t *testing.T, id pipelines.ID) (revisions []int64) {
				err := s.open.History(t.Context(), id, func(item filestore.Item) bool {
					revisions = append(revisions, item.Revision)
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				return revisions
			},
			Page: func(t *testing.T, crawl, url string) (pipelines.PageState, bool) {
				state, _, known, err := s.open.Page(t.Context(), crawl, url)
				if err != nil {
					t.Fatal(err)
				}
				return state, known
			},
		}
	})
}

func visit(at int, items ...pipelines.Item) pipelines.Visit {
	return pipelines.Visit{
		Source: pipelines.Source{URL: "https://a.example/", Crawl: "a", FetchedAt: time.Date(2026, 1, 2, at, 0, 0, 0, time.UTC)},
		Status: 200, News: pipelines.NewsChanged, Parsed: true, Items: items,
	}
}

func TestSecondProcessIsToldThatTheFileIsInUse(t *testing.T) {
	t.Parallel()
	s := &shelf{path: filepath.Join(t.TempDir(), "feed.db")}
	store := s.Open(t, 0)
	_, err := filestore.Open(s.path, filestore.Config{})
	if !errors.Is(err, filestore.ErrInUse) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), s.path) {
		t.Errorf("a second Open says %v", err)
	}
	reader := filestore.NewReader(s.path)
	if err := reader.Changes(t.Context(), 0, func(pipelines.Change) bool { return true }); !errors.Is(err, filestore.ErrInUse) {
		t.Errorf("a reader meanwhile says %v", err)
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := reader.Changes(t.Context(), 0, func(pipelines.Change) bool { return true }); err != nil {
		t.Errorf("a reader afterwards says %v", err)
	}
}

func TestReaderFollowsAFileThatCrawlsOpenAndClose(t *testing.T) {
	t.Parallel()
	s := &shelf{path: filepath.Join(t.TempDir(), "feed.db")}
	reader := filestore.NewReader(s.path)
	if at, err := reader.Since(t.Context(), time.Time{}); at != 0 || err != nil {
		t.Errorf("before there is a file: %d, %v", at, err)
	}
	read := func(after pipelines.Cursor) (n int) {
		err := reader.Changes(t.Context(), after, func(pipelines.Change) bool {
			n++
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	waited := make(chan error, 1)
	go func() { waited <- reader.Wait(t.Context(), 0) }()
	store := s.Open(t, 0)
	if err := store.Track(t.Context(), []pipelines.Visit{visit(1)}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil || read(0) != 1 || read(1) != 0 {
		t.Errorf("the reader waits: %v, and sees %d entries", err, read(0))
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waited <- reader.Wait(ctx, 1) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("wait with an ended context: %v", err)
	}
}

func TestFeedMayBeOff(t *testing.T) {
	t.Parallel()
	store, err := filestore.Open(filepath.Join(t.TempDir(), "feed.db"), filestore.Config{NoFeed: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(t.Context())
	item := pipelines.Item{Kind: "thing", Key: "k", Value: map[string]any{"v": json.Number("1")}}
	if err := store.Track(t.Context(), []pipelines.Visit{visit(1, item)}); err != nil {
		t.Fatal(err)
	}
	if err := store.Changes(t.Context(), 0, func(c pipelines.Change) bool {
		t.Errorf("the feed says %+v", c)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := store.Stats(), (pipelines.Stats{New: 1}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}
