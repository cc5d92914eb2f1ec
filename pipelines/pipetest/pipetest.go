// Package pipetest is the suite that every driver of [pipelines.Pipeline] passes. A driver's own test calls [Run]
// with a [Harness] and adds what is special about its store.
package pipetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// Harness is a store, empty at first, and ways to look at it.
type Harness struct {
	// Open opens a pipeline on the store. It is called again after the former one was closed, and also while it
	// is open if Shared is set.
	Open func(t *testing.T) pipelines.Pipeline
	// Read returns the items that stand in the store, each once: of several versions the one that counts.
	Read func(t *testing.T) []Stored
	// Dead returns how many dead items the store keeps.
	Dead func(t *testing.T) int
	// Text says that the store keeps every field as text: of strings themselves, of other values their JSON; and that
	// null is "".
	Text bool
	// NoBigNumbers says that the store has no numbers beyond 64 bits.
	NoBigNumbers bool
	// Shared says that several processes may write to the store.
	Shared bool
}

// Stored is an item as it stands in a store.
type Stored struct {
	pipelines.Meta
	Fields map[string]any // without _id and _meta
}

// Run checks that a driver keeps the promises of [pipelines.Pipeline]. Each case has a store of its own.
func Run(t *testing.T, harness func(t *testing.T) Harness) {
	cases := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"ItemIsStoredWithItsSource", itemIsStoredWithItsSource},
		{"EmptyBatchIsFine", emptyBatchIsFine},
		{"SameItemTwiceIsOne", sameItemTwiceIsOne},
		{"SameItemTwiceInOneBatchIsOne", sameItemTwiceInOneBatchIsOne},
		{"LastVersionInOneBatchWins", lastVersionInOneBatchWins},
		{"ChangedItemWins", changedItemWins},
		{"ItemMayChangeBack", itemMayChangeBack},
		{"VanishedFieldIsGone", vanishedFieldIsGone},
		{"OrderOfNamesDoesNotMatter", orderOfNamesDoesNotMatter},
		{"KindsDoNotMix", kindsDoNotMix},
		{"StoreIsKeptOverReopening", storeIsKeptOverReopening},
		{"RepetitionAfterReopeningIsOne", repetitionAfterReopeningIsOne},
		{"FieldsSurvive", fieldsSurvive},
		{"StructAndMapAreAlike", structAndMapAreAlike},
		{"PoisonedItemCostsItselfOnly", poisonedItemCostsItselfOnly},
		{"ConcurrentBatchesAreAllStored", concurrentBatchesAreAllStored},
		{"ConcurrentVersionsLeaveOne", concurrentVersionsLeaveOne},
		{"LargeBatchIsStored", largeBatchIsStored},
		{"EndedContextIsReported", endedContextIsReported},
		{"BatchIsNotChanged", batchIsNotChanged},
		{"TwoWritersShareAStore", twoWritersShareAStore},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := harness(t)
			s := &suite{Harness: h}
			s.open(t)
			c.run(t, s)
		})
	}
}

type suite struct {
	Harness
	p pipelines.Pipeline
}

func (s *suite) open(t *testing.T) {
	t.Helper()
	s.p = s.Open(t)
	p := s.p
	t.Cleanup(func() {
		if s.p == p {
			closePipeline(t, p)
		}
	})
}

func (s *suite) reopen(t *testing.T) {
	t.Helper()
	p := s.p
	s.p = nil
	closePipeline(t, p)
	s.open(t)
}

func closePipeline(t *testing.T, p pipelines.Pipeline) {
	t.Helper()
	if c, ok := p.(pipelines.Closer); ok {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func (s *suite) process(t *testing.T, items ...pipelines.Item) {
	t.Helper()
	if err := s.p.Process(t.Context(), items); err != nil {
		t.Fatalf("process: %v", err)
	}
}

// want checks that exactly these items stand in the store.
func (s *suite) want(t *testing.T, items ...pipelines.Item) {
	t.Helper()
	got := make(map[pipelines.ID]string)
	for _, stored := range s.Read(t) {
		id := pipelines.ID{Kind: stored.Kind, Key: stored.Key}
		if _, twice := got[id]; twice {
			t.Errorf("%v stands in the store twice", id)
		}
		got[id] = s.fields(stored.Fields)
	}
	want := make(map[pipelines.ID]string)
	for _, item := range items {
		o, err := pipelines.Fields(item.Value)
		if err != nil {
			t.Fatal(err)
		}
		fields := make(map[string]any)
		for _, f := range o {
			fields[f.Name] = f.Value
			if s.Text {
				fields[f.Name] = text(f.Value)
			}
		}
		want[item.ID()] = s.fields(fields)
	}
	for id, fields := range want {
		if got[id] != fields {
			t.Errorf("%v is %s\nwant %s", id, got[id], fields)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			t.Errorf("%v stands in the store: nobody put it there", id)
		}
	}
}

// fields returns a text that is the same for the same fields. In a store of text an absent field is an empty one.
func (s *suite) fields(fields map[string]any) string {
	if s.Text {
		fields = maps.Clone(fields)
		maps.DeleteFunc(fields, func(_ string, value any) bool { return value == "" })
	}
	raw, err := json.Marshal(fields) // sorts names
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return string(pipelines.AppendJSON(nil, value))
}

type book struct {
	Title string   `json:"title"`
	Price float64  `json:"price"`
	Pages int      `json:"pages"`
	Tags  []string `json:"tags,omitempty"`
}

var fetched = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// bookItem returns an item whose value is of type book.
func bookItem(key, title string) pipelines.Item {
	return itemOf("book", key, book{Title: title, Price: 3, Pages: 7, Tags: []string{"a", "b"}})
}

func itemOf(kind, key string, value any) pipelines.Item {
	return pipelines.Item{Kind: kind, Key: key, Value: value, Source: pipelines.Source{
		URL: "https://shop.example/" + key, Crawl: "shop", FetchedAt: fetched,
	}}
}

func itemIsStoredWithItsSource(t *testing.T, s *suite) {
	item := bookItem("k1", "One")
	s.process(t, item)
	s.want(t, item)
	stored := s.Read(t)
	if len(stored) != 1 {
		t.Fatalf("%d items stand in the store, want 1", len(stored))
	}
	if got := stored[0].Meta; got.URL != item.Source.URL || got.Crawl != "shop" || !got.FetchedAt.Equal(fetched) {
		t.Errorf("_meta is %+v, want %+v", got, item.Meta())
	}
}

func emptyBatchIsFine(t *testing.T, s *suite) {
	s.process(t)
	s.want(t)
}

func sameItemTwiceIsOne(t *testing.T, s *suite) {
	s.process(t, bookItem("k1", "One"))
	later := bookItem("k1", "One")
	later.Source.FetchedAt = fetched.Add(time.Hour)
	s.process(t, later)
	s.want(t, later)
	s.wantStats(t, pipelines.Stats{New: 1, Same: 1})
}

func sameItemTwiceInOneBatchIsOne(t *testing.T, s *suite) {
	s.process(t, bookItem("k1", "One"), bookItem("k2", "Two"), bookItem("k1", "One"))
	s.want(t, bookItem("k1", "One"), bookItem("k2", "Two"))
}

func lastVersionInOneBatchWins(t *testing.T, s *suite) {
	s.process(t, bookItem("k1", "old"), bookItem("k1", "older"), bookItem("k1", "new"))
	s.want(t, bookItem("k1", "new"))
}

func changedItemWins(t *testing.T, s *suite) {
	s.process(t, bookItem("k1", "old"))
	s.process(t, bookItem("k1", "new"))
	s.want(t, bookItem("k1", "new"))
	s.wantStats(t, pipelines.Stats{New: 1, Changed: 1})
}

func itemMayChangeBack(t *testing.T, s *suite) {
	for _, title := range []string{"a", "b", "a"} {
		s.process(t, bookItem("k1", title))
	}
	s.want(t, bookItem("k1", "a"))
}

func vanishedFieldIsGone(t *testing.T, s *suite) {
	s.process(t, itemOf("book", "k1", map[string]any{"a": 1, "b": map[string]any{"c": 2, "d": 3}}))
	after := itemOf("book", "k1", map[string]any{"b": map[string]any{"d": 3}})
	s.process(t, after)
	s.want(t, after)
}

func orderOfNamesDoesNotMatter(t *testing.T, s *suite) {
	type ab struct {
		A int `json:"a"`
		B int `json:"b"`
	}
	type ba struct {
		B int `json:"b"`
		A int `json:"a"`
	}
	s.process(t, itemOf("book", "k1", ab{1, 2}))
	s.process(t, itemOf("book", "k1", ba{2, 1}))
	s.want(t, itemOf("book", "k1", ab{1, 2}))
	s.wantStats(t, pipelines.Stats{New: 1, Same: 1})
}

func kindsDoNotMix(t *testing.T, s *suite) {
	author := itemOf("author", "k1", map[string]any{"name": "Ann", "born": 1970})
	s.process(t, bookItem("k1", "One"), author, bookItem("k2", "Two"))
	s.reopen(t)
	s.process(t, author)
	s.want(t, bookItem("k1", "One"), author, bookItem("k2", "Two"))
	s.wantStats(t, pipelines.Stats{Same: 1})
}

func storeIsKeptOverReopening(t *testing.T, s *suite) {
	s.process(t, bookItem("k1", "One"))
	s.reopen(t)
	s.want(t, bookItem("k1", "One"))
	s.process(t, bookItem("k2", "Two"))
	s.reopen(t)
	s.want(t, bookItem("k1", "One"), bookItem("k2", "Two"))
}

func repetitionAfterReopeningIsOne(t *testing.T, s *suite) {
	items := s.varied()
	s.process(t, items...)
	s.reopen(t)
	s.process(t, items...)
	s.want(t, items...)
	s.wantStats(t, pipelines.Stats{Same: int64(len(items))})
}

// varied returns items whose fields are of all types.
func (s *suite) varied() []pipelines.Item {
	values := map[string]any{
		"string": "plain", "empty": "", "quotes": `say "hi", 'you'`, "lines": "a\nb\r\nc\rd", "tab": "\ta", "comma": "a,b;c",
		"unicode": "Zürich 東京 🕷 e\u0301 \u2028", "html": "<b>&amp;</b>", "formula": "=1+1", "apostrophe": "'=1", "nul": "a\x00b",
		"negative": "-5", "backslash": `C:\dir\n`, "zero": 0, "int": 42, "big": int64(math.MaxInt64), "small": int64(math.MinInt64),
		"huge": uint64(math.MaxUint64), "float": 51.77, "whole": 3.0, "tiny": 5e-324, "large": 1.7976931348623157e308, "float32": float32(0.1),
		"true": true, "false": false, "null": nil, "time": fetched, "zone": fetched.In(time.FixedZone("", 7200)),
		"list": []any{1, "two", 3.5, nil, true}, "emptylist": []any{}, "strings": []string{"a", "b"},
		"nested": map[string]any{"b": map[string]any{"c": []any{map[string]any{"d": 1}}}, "a": "x"}, "emptymap": map[string]any{},
		"names": map[string]any{"with space": 1, "ünï": 2, "a-b": 3, "UPPER": 4, "": 5},
	}
	if s.NoBigNumbers {
		delete(values, "huge")
	}
	var items []pipelines.Item
	for _, name := range slices.Sorted(maps.Keys(values)) {
		items = append(items, itemOf("thing", name, map[string]any{"name": name, "value": values[name]}))
	}
	return append(items, itemOf("thing", "ключ 🔑 'with' \"quotes\", =comma", map[string]any{"name": "key"}))
}

func fieldsSurvive(t *testing.T, s *suite) {
	items := s.varied()
	s.process(t, items...)
	s.want(t, items...)
	if n := s.Dead(t); n != 0 {
		t.Errorf("%d items died", n)
	}
}

func structAndMapAreAlike(t *testing.T, s *suite) {
	type inner struct {
		City string `json:"city"`
	}
	type Embedded struct {
		Shared string `json:"shared"`
	}
	type value struct {
		Embedded
		Untagged string
		Renamed  float64    `json:"renamed_to"`
		Skipped  string     `json:"-"`
		Empty    string     `json:"empty,omitempty"`
		Text     int        `json:"text,string"`
		Inner    *inner     `json:"inner"`
		None     *inner     `json:"none"`
		At       *time.Time `json:"at"`
		Bytes    []byte     `json:"bytes"`
		hidden   string
	}
	at := fetched
	asStruct := value{Embedded{"s"}, "u", 2, "no", "", 5, &inner{"Köln"}, nil, &at, []byte("hi"), "no"}
	asMap := map[string]any{
		"shared": "s", "Untagged": "u", "renamed_to": 2.0, "text": "5", "inner": map[string]string{"city": "Köln"}, "none": nil,
		"at": fetched, "bytes": "aGk=",
	}
	s.process(t, itemOf("thing", "k1", asStruct))
	s.want(t, itemOf("thing", "k1", asMap))
	s.process(t, itemOf("thing", "k1", &asMap))
	s.want(t, itemOf("thing", "k1", asMap))
	s.wantStats(t, pipelines.Stats{New: 1, Same: 1})
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("boo") }

func poisonedItemCostsItselfOnly(t *testing.T, s *suite) {
	cycle := map[string]any{}
	cycle["again"] = cycle
	poison := []pipelines.Item{
		itemOf("book", "nan", map[string]any{"price": math.NaN()}),
		itemOf("book", "chan", map[string]any{"c": make(chan int)}),
		itemOf("book", "cycle", cycle),
		itemOf("book", "panic", map[string]any{"p": panics{}}),
		itemOf("book", "nil", nil),
		itemOf("book", "list", []int{1}),
		itemOf("book", "id", map[string]any{"_id": 1}),
		itemOf("book", "meta", map[string]any{"_meta": 1}),
		itemOf("book", "giant", map[string]any{"s": strings.Repeat("x", pipelines.MaxValue)}),
		itemOf("book", "", map[string]any{"a": 1}),
		itemOf("book", strings.Repeat("k", pipelines.MaxKey+1), map[string]any{"a": 1}),
		itemOf("book", "\xff", map[string]any{"a": 1}),
		itemOf("book", "a\x00b", map[string]any{"a": 1}),
		itemOf("", "kind", map[string]any{"a": 1}),
		itemOf("../book", "kind", map[string]any{"a": 1}),
		itemOf("$cmd", "kind", map[string]any{"a": 1}),
	}
	var batch, good []pipelines.Item
	for i := range poison {
		item := bookItem(fmt.Sprint("good", i), "Good")
		good = append(good, item)
		batch = append(batch, item, poison[i])
	}
	s.process(t, batch...)
	s.want(t, good...)
	if got := s.Dead(t); got != len(poison) {
		t.Errorf("%d dead items are kept, want %d", got, len(poison))
	}
	s.wantStats(t, pipelines.Stats{New: int64(len(good)), Dead: int64(len(poison))})
}

func concurrentBatchesAreAllStored(t *testing.T, s *suite) {
	const writers, batches, size = 8, 5, 10
	var all []pipelines.Item
	var wg sync.WaitGroup
	for w := range writers {
		var mine []pipelines.Item
		for i := range batches * size {
			mine = append(mine, bookItem(fmt.Sprintf("%d-%d", w, i), fmt.Sprint("Title ", i)))
		}
		all = append(all, mine...)
		wg.Go(func() {
			for batch := range slices.Chunk(mine, size) {
				if err := s.p.Process(t.Context(), batch); err != nil {
					t.Errorf("process: %v", err)
				}
			}
		})
	}
	wg.Wait()
	s.want(t, all...)
}

func concurrentVersionsLeaveOne(t *testing.T, s *suite) {
	const writers = 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range 3 {
				items := []pipelines.Item{bookItem("k1", fmt.Sprint("version ", w)), bookItem("k2", "same")}
				if err := s.p.Process(t.Context(), items); err != nil {
					t.Errorf("process: %v", err)
				}
			}
		})
	}
	wg.Wait()
	s.process(t, bookItem("k1", "last"))
	s.want(t, bookItem("k1", "last"), bookItem("k2", "same"))
}

func largeBatchIsStored(t *testing.T, s *suite) {
	var items []pipelines.Item
	for i := range 2500 {
		items = append(items, bookItem(fmt.Sprint(i), fmt.Sprint("Title ", i)))
	}
	for i := range 10 {
		items = append(items, bookItem(fmt.Sprint("fat", i), strings.Repeat("fat ", 300_000)))
	}
	s.process(t, items...)
	s.want(t, items...)
}

func endedContextIsReported(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.p.Process(ctx, []pipelines.Item{bookItem("k1", "One")}); !errors.Is(err, context.Canceled) {
		t.Errorf("process with an ended context: %v", err)
	}
	s.process(t, bookItem("k1", "One"))
	s.want(t, bookItem("k1", "One"))
}

func batchIsNotChanged(t *testing.T, s *suite) {
	value := map[string]any{"z": 1, "a": []any{"x"}}
	items := []pipelines.Item{itemOf("book", "k1", value), itemOf("book", "k1", value), bookItem("k2", "Two")}
	s.process(t, items...)
	if items[0].Key != "k1" || items[1].Key != "k1" || items[2].Key != "k2" || len(value) != 2 || value["z"] != 1 {
		t.Errorf("the batch was changed: %v", items)
	}
}

func twoWritersShareAStore(t *testing.T, s *suite) {
	if !s.Shared {
		t.Skip("the store is one process's")
	}
	second := s.Open(t)
	t.Cleanup(func() { closePipeline(t, second) })
	s.process(t, bookItem("k1", "One"))
	if err := second.Process(t.Context(), []pipelines.Item{bookItem("k1", "One"), bookItem("k2", "Two")}); err != nil {
		t.Fatal(err)
	}
	s.process(t, bookItem("k2", "Two"), bookItem("k3", "Three"))
	s.want(t, bookItem("k1", "One"), bookItem("k2", "Two"), bookItem("k3", "Three"))
	if got, want := statsOf(second), (pipelines.Stats{New: 1, Same: 1}); got != want {
		t.Errorf("the second writer counts %+v, want %+v", got, want)
	}
	s.wantStats(t, pipelines.Stats{New: 2, Same: 1})
}

func (s *suite) wantStats(t *testing.T, want pipelines.Stats) {
	t.Helper()
	if got := statsOf(s.p); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func statsOf(p pipelines.Pipeline) pipelines.Stats {
	if c, ok := p.(pipelines.Counter); ok {
		return c.Stats()
	}
	return pipelines.Stats{}
}
