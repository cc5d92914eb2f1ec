package pipelines_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// processed runs f for each batch.
type processed func(items []pipelines.Item) error

func (f processed) Process(_ context.Context, items []pipelines.Item) error { return f(items) }

func process(t *testing.T, p pipelines.Pipeline, items ...pipelines.Item) {
	t.Helper()
	if err := p.Process(t.Context(), items); err != nil {
		t.Error(err)
	}
}

func TestItemOfAKeyIsPassedOnOnce(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.Unique(store, 0)
	process(t, p, keys("a", "b", "a")...)
	process(t, p, keys("b", "c")...)
	process(t, p, keys("a", "b")...)
	process(t, p)
	if want := []string{"a", "b", "c"}; !slices.Equal(store.keys, want) {
		t.Errorf("stored are %v, want %v", store.keys, want)
	}
	process(t, p,
		pipelines.Item{Kind: "other", Key: "a"},
		pipelines.Item{Kind: "thing", Key: "a", Source: pipelines.Source{Crawl: "other"}},
		pipelines.Item{Kind: "thing", Key: "a", Source: pipelines.Source{URL: "http://other"}},
	)
	if n := len(store.keys); n != 3+2 {
		t.Errorf("stored are %v: want one more for another kind, one for another crawl", store.keys)
	}
}

func TestFirstOfAKeyWins(t *testing.T) {
	t.Parallel()
	var values []any
	p := pipelines.Unique(processed(func(items []pipelines.Item) error {
		for _, item := range items {
			values = append(values, item.Value)
		}
		return nil
	}), 0)
	process(t, p, pipelines.Item{Kind: "thing", Key: "a", Value: 1}, pipelines.Item{Kind: "thing", Key: "a", Value: 2})
	process(t, p, pipelines.Item{Kind: "thing", Key: "a", Value: 3})
	if !slices.Equal(values, []any{1}) {
		t.Errorf("stored are %v", values)
	}
}

func TestItemsOfAFailedBatchPassAgain(t *testing.T) {
	t.Parallel()
	store := &recorder{err: errors.New("disk full")}
	p := pipelines.Unique(store, 0)
	if err := p.Process(t.Context(), keys("a", "b")); !errors.Is(err, store.err) {
		t.Errorf("process: %v", err)
	}
	store.err, store.keys = nil, nil
	process(t, p, keys("a", "b")...)
	process(t, p, keys("a", "b")...)
	if want := []string{"a", "b"}; !slices.Equal(store.keys, want) {
		t.Errorf("stored are %v, want %v", store.keys, want)
	}
}

func TestItemsOfABatchThatPanicsPassAgain(t *testing.T) {
	t.Parallel()
	broken, passed := true, 0
	p := pipelines.Unique(processed(func([]pipelines.Item) error {
		if broken {
			panic("boo")
		}
		passed++
		return nil
	}), 0)
	func() {
		defer func() { _ = recover() }()
		_ = p.Process(t.Context(), keys("a"))
	}()
	broken = false
	process(t, p, keys("a")...)
	if passed != 1 {
		t.Errorf("it passed %d times", passed)
	}
}

func TestKeyOnItsWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, outcome := range []error{nil, errors.New("disk full")} {
		t.Run(fmt.Sprint(outcome), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { keyOnItsWayIsWaitedFor(t, outcome) })
		})
	}
}

func keyOnItsWayIsWaitedFor(t *testing.T, outcome error) {
	answer := make(chan error)
	var given [][]pipelines.Item
	p := pipelines.Unique(processed(func(items []pipelines.Item) error {
		given = append(given, items)
		if len(given) == 1 {
			return <-answer
		}
		return nil
	}), 0)
	var first, second error
	done := false
	go func() { first = p.Process(t.Context(), keys("a", "b")) }()
	synctest.Wait()
	go func() { second, done = p.Process(t.Context(), keys("b", "c")), true }()
	synctest.Wait()
	if done || len(given) != 1 {
		t.Errorf("the second batch did not wait: %v", given)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Process(impatient, keys("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait is told %v", err)
	}
	answer <- outcome
	synctest.Wait()
	want := keys("c")
	if outcome != nil {
		want = keys("b", "c")
	}
	if !errors.Is(first, outcome) || second != nil || !done || len(given) != 2 || !slices.Equal(given[1], want) {
		t.Errorf("%v, %v; given are %v, want %v in the end", first, second, given, want)
	}
}

func TestForgottenKeyPassesAgain(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.Unique(store, 2)
	for _, key := range []string{"a", "b", "a", "c", "b", "a", "c", "b"} { // c takes the place of a, a that of b, b that of c
		process(t, p, keys(key)...)
	}
	if want := []string{"a", "b", "c", "a", "b"}; !slices.Equal(store.keys, want) {
		t.Errorf("stored are %v, want %v", store.keys, want)
	}
}

func TestMalformedItemPassesEachTime(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.Unique(store, 0)
	process(t, p, keys("", "")...)
	process(t, p, keys("")...)
	if len(store.keys) != 3 {
		t.Errorf("%d of 3 passed", len(store.keys))
	}
}

func TestUniquePassesTheExtrasOn(t *testing.T) {
	t.Parallel()
	store := &recorder{}
	p := pipelines.With(pipelines.Unique(store, 0), byKey)
	process(t, p, keys("a", "fail", "a")...)
	if n := p.(pipelines.Counter).Stats().New; n != 1 || len(store.dead) != 1 {
		t.Errorf("it counts %d, %d are dead", n, len(store.dead))
	}
	if err := p.(pipelines.Closer).Close(t.Context()); err != nil || store.closed != 1 {
		t.Errorf("closed %d times, %v", store.closed, err)
	}
}

// Many give the same keys at once to a store that fails at every third batch, and come again until it took them.
func TestManyAtOnceStoreEachKeyOnce(t *testing.T) {
	t.Parallel()
	const total, workers, size = 300, 8, 7
	var mu sync.Mutex
	times := make(map[string]int)
	var calls atomic.Int64
	p := pipelines.Unique(processed(func(items []pipelines.Item) error {
		if calls.Add(1)%3 == 0 {
			return pipelines.ErrUnavailable
		}
		mu.Lock()
		defer mu.Unlock()
		for _, item := range items {
			times[item.Key]++
		}
		return nil
	}), 0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for first := range total {
				var names []string
				for i := range size { // forwards or backwards, so that batches overlap crosswise
					k := (first + w*i + w) % total
					names = append(names, fmt.Sprint(k))
				}
				if w%2 == 1 {
					slices.Reverse(names)
				}
				for p.Process(t.Context(), keys(names...)) != nil {
				}
			}
		})
	}
	wg.Wait()
	for i := range total {
		if n := times[fmt.Sprint(i)]; n != 1 {
			t.Errorf("%d is stored %d times", i, n)
		}
	}
}

func BenchmarkUnique(b *testing.B) {
	p := pipelines.Unique(processed(func([]pipelines.Item) error { return nil }), 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		items := []pipelines.Item{{Kind: "thing", Key: fmt.Sprint(i)}, {Kind: "thing", Key: fmt.Sprint(i / 2)}}
		if err := p.Process(b.Context(), items); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleUnique() {
	store := &recorder{}
	p := pipelines.Unique(store, 100_000)
	for _, page := range [][]pipelines.Item{
		{{Kind: "book", Key: "one"}, {Kind: "book", Key: "two"}},
		{{Kind: "book", Key: "two"}, {Kind: "author", Key: "two"}}, // a page that lists it again
	} {
		if err := p.Process(context.Background(), page); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(store.keys)
	// Output: [one two two]
}
