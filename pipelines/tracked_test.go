package pipelines_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
)

func openTracker(t *testing.T) *filestore.Store {
	t.Helper()
	store, err := filestore.Open(filepath.Join(t.TempDir(), "changes.db"), filestore.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// seen is a visit at an hour that shows things: key, value, key, value.
func seen(hour int, things ...string) pipelines.Visit {
	v := pipelines.Visit{
		Source: pipelines.Source{URL: "https://a.example/", Crawl: "a", FetchedAt: time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)},
		Status: 200, News: pipelines.NewsChanged, Parsed: true,
	}
	for i := 0; i < len(things); i += 2 {
		v.Items = append(v.Items, pipelines.Item{Kind: "thing", Key: things[i], Value: map[string]any{"v": things[i+1]}})
	}
	return v
}

func trackAll(t *testing.T, p pipelines.Pipeline, visits ...pipelines.Visit) {
	t.Helper()
	for _, v := range visits {
		if err := p.(pipelines.Tracker).Track(t.Context(), []pipelines.Visit{v}); err != nil {
			t.Fatal(err)
		}
	}
}

// itemNews is what the feed says of items.
func itemNews(t *testing.T, feed pipelines.Feed) (lines []string) {
	t.Helper()
	err := feed.Changes(t.Context(), 0, func(c pipelines.Change) bool {
		if !c.IsPage() {
			lines = append(lines, fmt.Sprint(c.News, " ", c.Key))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTrackedPassesOnWhatIsNewOrChanged(t *testing.T) {
	t.Parallel()
	for name, join := range map[string]func(pipelines.Tracker, pipelines.Pipeline) pipelines.Pipeline{
		"Tracked": func(store pipelines.Tracker, next pipelines.Pipeline) pipelines.Pipeline {
			return pipelines.Tracked(store, next)
		},
		"Tee": func(store pipelines.Tracker, next pipelines.Pipeline) pipelines.Pipeline {
			return pipelines.Tee(next, store)
		},
		"Tee through stages": func(store pipelines.Tracker, next pipelines.Pipeline) pipelines.Pipeline {
			return pipelines.Tee(next, pipelines.Unique(pipelines.Merge(pipelines.With(store), 0), 0))
		},
	} {
		store, next := openTracker(t), &recorder{}
		p := join(store, next)
		trackAll(t, p, seen(1, "a", "1", "b", "1"), seen(2, "a", "1", "b", "2"), seen(3, "a", "1", "b", "2"), seen(4, "b", "2"), seen(5, "a", "1", "b", "2"))
		if want := []string{"a", "b", "b", "a"}; !slices.Equal(next.keys, want) {
			t.Errorf("%s: the other pipeline got %v, want %v", name, next.keys, want)
		}
		if got, want := itemNews(t, store), []string{"new a", "new b", "changed b", "gone a", "back a"}; !slices.Equal(got, want) {
			t.Errorf("%s: the feed says %q, want %q", name, got, want)
		}
		if err := p.(pipelines.Closer).Close(t.Context()); err != nil || next.closed != 1 {
			t.Errorf("%s: close: %v, the other was closed %d times", name, err, next.closed)
		}
	}
}

func TestTrackedRecordsNothingThatNextDidNotTake(t *testing.T) {
	t.Parallel()
	store, next := openTracker(t), &recorder{err: errors.New("disk full")}
	p := pipelines.Tracked(store, next)
	if err := p.Track(t.Context(), []pipelines.Visit{seen(1, "a", "1")}); !errors.Is(err, next.err) {
		t.Errorf("track: %v", err)
	}
	if got := itemNews(t, store); len(got) != 0 {
		t.Errorf("the feed says %q", got)
	}
	next.err, next.keys = nil, nil
	trackAll(t, p, seen(1, "a", "1"))
	if want := []string{"a"}; !slices.Equal(next.keys, want) {
		t.Errorf("next got %v, want %v", next.keys, want)
	}
	if got := p.(pipelines.Counter).Stats(); got != (pipelines.Stats{New: 1}) {
		t.Errorf("stats are %+v", got)
	}
	if err := p.(pipelines.Closer).Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// mute is a tracker that tells nothing.
type mute struct {
	*recorder
	visits int
}

func (m *mute) Track(_ context.Context, visits []pipelines.Visit) error {
	m.visits += len(visits)
	return nil
}

func TestTeeWithATrackerThatTellsNothingPassesAll(t *testing.T) {
	t.Parallel()
	store, next := &mute{recorder: &recorder{}}, &recorder{}
	trackAll(t, pipelines.Tee(next, store), seen(1, "a", "1"), seen(2, "a", "1"))
	if want := []string{"a", "a"}; !slices.Equal(next.keys, want) || store.visits != 2 {
		t.Errorf("next got %v, want %v; the tracker got %d visits", next.keys, want, store.visits)
	}
}

func TestPipelinesWithoutATrackerTrackNothing(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]pipelines.Pipeline{
		"With": pipelines.With(&recorder{}), "Tee": pipelines.Tee(&recorder{}, &recorder{}), "Unique": pipelines.Unique(&recorder{}, 0), "Merge": pipelines.Merge(&recorder{}, 0),
	} {
		if _, ok := p.(pipelines.Tracker); ok {
			t.Errorf("%s of pipelines that do not track says it does", name)
		}
	}
}

func TestStagesApplyToTheItemsOfVisits(t *testing.T) {
	t.Parallel()
	store := openTracker(t)
	defer store.Close(t.Context())
	faulty := false
	p := pipelines.With(store, func(_ context.Context, item pipelines.Item) (pipelines.Item, error) {
		switch {
		case item.Key == "drop":
			return item, pipelines.ErrDrop
		case item.Key == "a" && faulty:
			return item, errors.New("bad")
		}
		return item, nil
	})
	trackAll(t, p, seen(1, "a", "1", "b", "1", "drop", "1"))
	faulty = true
	trackAll(t, p, seen(2, "a", "1", "b", "2"))
	if got, want := itemNews(t, store), []string{"new a", "new b", "changed b"}; !slices.Equal(got, want) {
		t.Errorf("the feed says %q, want %q: an item at fault is not gone", got, want)
	}
	if got := store.Stats().Dead; got != 1 {
		t.Errorf("%d dead, want 1", got)
	}
}
