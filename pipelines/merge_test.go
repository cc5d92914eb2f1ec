package pipelines_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

func TestMergeObjectsCompletes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after, want string }{
		{"fields are added", `{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		{"the later value counts", `{"a":1}`, `{"a":2}`, `{"a":2}`},
		{"zero and false are values", `{"a":1,"b":true}`, `{"a":0,"b":false}`, `{"a":0,"b":false}`},
		{"what is empty does not overwrite", `{"a":1,"b":"x","c":[1],"d":{"e":1}}`, `{"a":null,"b":"","c":[],"d":{}}`, `{"a":1,"b":"x","c":[1],"d":{"e":1}}`},
		{"what is empty is overwritten", `{"a":null,"b":"","c":[]}`, `{"a":1,"b":"x","c":[1]}`, `{"a":1,"b":"x","c":[1]}`},
		{"an empty field is one", `{}`, `{"a":null}`, `{"a":null}`},
		{"objects are merged", `{"a":{"x":1,"y":2}}`, `{"a":{"y":null,"z":3}}`, `{"a":{"x":1,"y":2,"z":3}}`},
		{"lists are not", `{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`},
	} {
		before, after := objectOf(t, c.before), objectOf(t, c.after)
		if got := string(pipelines.MergeObjects(before, after).AppendJSON(nil)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if string(before.AppendJSON(nil)) != c.before || string(after.AppendJSON(nil)) != c.after {
			t.Errorf("%s: an argument was changed", c.name)
		}
	}
}

// lines is a store that keeps each item it was given as a line.
type lines struct {
	mu   sync.Mutex // guards the following
	got  []string
	fail bool
}

func (l *lines) Process(_ context.Context, items []pipelines.Item) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail {
		return errors.New("disk full")
	}
	for _, item := range items {
		o, err := pipelines.Fields(item.Value)
		if err != nil {
			l.got = append(l.got, item.Key+" at fault")
			continue
		}
		l.got = append(l.got, item.Key+" "+string(o.AppendJSON(nil)))
	}
	return nil
}

func part(key string, value any) pipelines.Item {
	return pipelines.Item{Kind: "thing", Key: key, Value: value}
}

func TestMergeMakesOneItemOfParts(t *testing.T) {
	t.Parallel()
	store := &lines{}
	p := pipelines.Merge(store, 0)
	process(t, p, part("a", map[string]any{"name": "A", "price": 3.0}), part("b", map[string]any{"name": "B"}), part("a", map[string]any{"text": "long"}))
	process(t, p, part("a", map[string]any{"name": "", "stock": 7}))
	process(t, p, part("a", map[string]any{"name": "A"}), part("bad", make(chan int)))
	process(t, p, pipelines.Item{Kind: "thing", Key: "a", Value: map[string]any{"name": "other"}, Source: pipelines.Source{Crawl: "other"}})
	want := []string{
		`a {"name":"A","price":3,"text":"long"}`, `b {"name":"B"}`, `a {"name":"A","price":3,"text":"long","stock":7}`, `bad at fault`, `a {"name":"other"}`,
	}
	if !slices.Equal(store.got, want) {
		t.Errorf("stored are\n%q, want\n%q", store.got, want)
	}
}

func TestMergeRemembersOnlyWhatWasStored(t *testing.T) {
	t.Parallel()
	store := &lines{fail: true}
	p := pipelines.Merge(store, 0)
	if err := p.Process(t.Context(), []pipelines.Item{part("a", map[string]any{"x": 1})}); err == nil {
		t.Fatal("the error of the store is lost")
	}
	store.fail = false
	process(t, p, part("a", map[string]any{"x": 1}))
	if want := []string{`a {"x":1}`}; !slices.Equal(store.got, want) {
		t.Errorf("stored are %q, want %q", store.got, want)
	}
}

func TestMergeForgetsTheOldest(t *testing.T) {
	t.Parallel()
	store := &lines{}
	p := pipelines.Merge(store, 2)
	for _, key := range []string{"a", "b", "c", "c", "b"} {
		process(t, p, part(key, map[string]any{"x": 1}))
	}
	process(t, p, part("a", map[string]any{"y": 2}))
	if got, want := store.got[3:], []string{`a {"y":2}`}; !slices.Equal(got, want) {
		t.Errorf("after a, b and c: stored are %q, want %q", got, want)
	}
}

func TestConcurrentPartsAllArrive(t *testing.T) {
	t.Parallel()
	const parts = 20
	store := &lines{}
	p := pipelines.Merge(store, 0)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			process(t, p, part("a", map[string]any{fmt.Sprint(i): i}), part(fmt.Sprint("own", i), map[string]any{"x": 1}))
		})
	}
	wg.Wait()
	process(t, p, part("a", map[string]any{"last": 1}))
	o := objectOf(t, store.got[len(store.got)-1][len("a "):])
	if len(o) != parts+1 {
		t.Errorf("%d of %d parts arrived: %s", len(o), parts+1, o.AppendJSON(nil))
	}
}

func TestMergeOfAVisitKeepsToThatVisit(t *testing.T) {
	t.Parallel()
	store := openTracker(t)
	defer store.Close(t.Context())
	first, second := seen(1), seen(2)
	first.Items = []pipelines.Item{part("a", map[string]any{"x": 1}), part("a", map[string]any{"y": 2})}
	second.Items = []pipelines.Item{part("a", map[string]any{"x": 1})}
	trackAll(t, pipelines.Merge(store, 0), first, second)
	var fields []string
	err := store.Changes(t.Context(), 0, func(c pipelines.Change) bool {
		for _, f := range c.Fields {
			fields = append(fields, fmt.Sprint(f.Path, " ", f.Old, " ", f.New))
		}
		return true
	})
	if want := []string{"x <nil> 1", "y <nil> 2", "y 2 <nil>"}; err != nil || !slices.Equal(fields, want) {
		t.Errorf("the feed says %q, want %q: %v", fields, want, err)
	}
}
