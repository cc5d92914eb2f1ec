package pipelines_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// recorder is a store in memory that tells what it was asked to do.
type recorder struct {
	err error

	mu     sync.Mutex // guards the following
	keys   []string
	dead   []pipelines.DeadItem
	closed int
}

func (r *recorder) Process(_ context.Context, items []pipelines.Item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range items {
		r.keys = append(r.keys, item.Key)
	}
	return r.err
}

func (r *recorder) Bury(_ context.Context, dead ...pipelines.DeadItem) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = append(r.dead, dead...)
	return r.err
}

func (r *recorder) Close(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return r.err
}

func (r *recorder) Stats() pipelines.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return pipelines.Stats{New: int64(len(r.keys))}
}

// plain is a pipeline without extras.
type plain struct{ pipelines.Pipeline }

func keys(names ...string) []pipelines.Item {
	items := make([]pipelines.Item, len(names))
	for i, name := range names {
		items[i] = pipelines.Item{Kind: "thing", Key: name}
	}
	return items
}

// byKey is a stage whose outcome the item's key chooses.
func byKey(_ context.Context, item pipelines.Item) (pipelines.Item, error) {
	switch item.Key {
	case "drop":
		return item, fmt.Errorf("not wanted: %w", pipelines.ErrDrop)
	case "fail":
		return item, errors.New("no price")
	case "panic":
		panic("boo")
	case "later":
		return item, fmt.Errorf("rates: %w", pipelines.ErrUnavailable)
	}
	item.Key += "+"
	return item, nil
}

func TestStagesChangeDropAndBuryItems(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.With(store, byKey, byKey) //nolint:gocritic // twice on purpose
	if err := p.Process(t.Context(), keys("a", "drop", "fail", "b", "panic")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a++", "b++"}; !slices.Equal(store.keys, want) {
		t.Errorf("stored are %v, want %v", store.keys, want)
	}
	if len(store.dead) != 2 || store.dead[0].Error != "no price" || !strings.Contains(store.dead[1].Error, "boo") {
		t.Errorf("dead are %+v", store.dead)
	}
}

func TestStageThatSaysNotNowFailsTheBatch(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.With(store, byKey)
	if err := p.Process(t.Context(), keys("a", "later", "b")); !errors.Is(err, pipelines.ErrUnavailable) {
		t.Errorf("process: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Process(ctx, keys("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("process: %v", err)
	}
	if len(store.keys)+len(store.dead) != 0 {
		t.Errorf("stored are %v, dead %v", store.keys, store.dead)
	}
}

func TestItemAtFaultFailsTheBatchWithoutAGraveyard(t *testing.T) {
	t.Parallel()
	p := pipelines.With(plain{&recorder{}}, byKey)
	if err := p.Process(t.Context(), keys("a", "fail")); err == nil || !strings.Contains(err.Error(), "no price") {
		t.Errorf("process: %v", err)
	}
}

func TestWithPassesTheExtrasOn(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.With(pipelines.With(store, byKey), byKey)
	if err := p.Process(t.Context(), keys("a", "drop")); err != nil {
		t.Fatal(err)
	}
	if got := p.(pipelines.Counter).Stats().New; got != 1 {
		t.Errorf("it counts %d", got)
	}
	if err := p.(pipelines.Closer).Close(t.Context()); err != nil || store.closed != 1 {
		t.Errorf("closed %d times, %v", store.closed, err)
	}
}

func TestTeeNeedsAllAndClosesAll(t *testing.T) {
	t.Parallel()
	good, bad, bare := &recorder{}, &recorder{err: errors.New("disk full")}, plain{&recorder{}}
	tee := pipelines.Tee(good, bad, bare)
	if err := tee.Process(t.Context(), keys("a")); !errors.Is(err, bad.err) {
		t.Errorf("process: %v", err)
	}
	if err := tee.(pipelines.Closer).Close(t.Context()); !errors.Is(err, bad.err) {
		t.Errorf("close: %v", err)
	}
	if good.closed != 1 || bad.closed != 1 || len(good.keys) != 1 || tee.(pipelines.Counter).Stats().New != 1 {
		t.Errorf("good is %+v, bad is %+v", good, bad)
	}
	bad.err = nil
	if err := pipelines.Tee(good, bad).Process(t.Context(), keys("b")); err != nil {
		t.Errorf("process: %v", err)
	}
	if err := pipelines.Tee().Process(t.Context(), keys("b")); err != nil {
		t.Errorf("an empty tee: %v", err)
	}
}

func ExampleWith() {
	cheap := func(_ context.Context, item pipelines.Item) (pipelines.Item, error) {
		if item.Value.(map[string]float64)["price"] > 20 {
			return item, pipelines.ErrDrop
		}
		return item, nil
	}
	store := &recorder{}
	p := pipelines.With(store, cheap)
	err := p.Process(context.Background(), []pipelines.Item{
		{Kind: "book", Key: "one", Value: map[string]float64{"price": 12}},
		{Kind: "book", Key: "two", Value: map[string]float64{"price": 51}},
	})
	fmt.Println(store.keys, err)
	// Output: [one] <nil>
}
