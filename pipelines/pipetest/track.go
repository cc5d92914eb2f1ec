package pipetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// TrackedStore is what a store of recrawls implements.
type TrackedStore interface {
	pipelines.Teller
	pipelines.Feed
	pipelines.Bookmarks
	pipelines.Counter
	pipelines.Closer
}

// TrackHarness is a store, empty at first, and ways to look at it.
type TrackHarness struct {
	// Open opens the store. It is called again after the former one was closed, and also while it is open if
	// Shared is set. history is how many earlier versions are kept; 0 for the default, below 0 for none.
	Open func(t *testing.T, history int) TrackedStore
	// Item returns an item as it stands in the store, and false if it does not.
	Item func(t *testing.T, id pipelines.ID) (pipelines.ItemState, map[string]any, bool)
	// History returns the revisions of an item that are kept beside the latest, oldest first.
	History func(t *testing.T, id pipelines.ID) []int64
	// Page returns what is known of a page, and false if that is nothing.
	Page func(t *testing.T, crawl, url string) (pipelines.PageState, bool)
	// Shared says that several processes may write to the store.
	Shared bool
	// Dying opens a store whose n-th write, counted from 0, and all that follow fail, as if its process was killed; and says
	// whether it came so far. nil if the store has no state between two writes.
	Dying func(t *testing.T, n int) (store TrackedStore, died func() bool)
}

// RunTrackers checks that a driver keeps the promises of [pipelines.Tracker], [pipelines.Teller] and [pipelines.Feed]. Each case has a
// store of its own.
func RunTrackers(t *testing.T, harness func(t *testing.T) TrackHarness) {
	cases := []struct {
		name string
		run  func(*testing.T, *trackSuite)
	}{
		{"NewItemAndPageAreToldOnce", newItemAndPageAreToldOnce},
		{"ChangedItemTellsItsFields", changedItemTellsItsFields},
		{"UnchangedVisitTellsNothing", unchangedVisitTellsNothing},
		{"ChangedPageTellsItsLinks", changedPageTellsItsLinks},
		{"PageNotSentAgainKeepsItsItems", pageNotSentAgainKeepsItsItems},
		{"ItemVanishedFromItsPageIsGone", itemVanishedFromItsPageIsGone},
		{"PageThatIsGoneTakesItsItems", pageThatIsGoneTakesItsItems},
		{"WhatComesBackIsBack", whatComesBackIsBack},
		{"PageBackUnsentBringsItsItems", pageBackUnsentBringsItsItems},
		{"ItemOfTwoPagesGoesWithTheLatest", itemOfTwoPagesGoesWithTheLatest},
		{"PageNeverSeenIsNotGone", pageNeverSeenIsNotGone},
		{"RepeatedVisitIsHarmless", repeatedVisitIsHarmless},
		{"RefetchAfterACrashIsNoChange", refetchAfterACrashIsNoChange},
		{"OlderVisitIsIgnored", olderVisitIsIgnored},
		{"VisitsOfOneBatchAreTakenInOrder", visitsOfOneBatchAreTakenInOrder},
		{"ItemAtFaultIsNotGone", itemAtFaultIsNotGone},
		{"HistoryIsCapped", historyIsCapped},
		{"HistoryMayBeOff", historyMayBeOff},
		{"CrawlsDoNotMix", crawlsDoNotMix},
		{"WhatIsNewIsToldFirst", whatIsNewIsToldFirst},
		{"NothingIsRecordedThatWasNotTold", nothingIsRecordedThatWasNotTold},
		{"StateIsKeptOverReopening", stateIsKeptOverReopening},
		{"SinceFindsThePlace", sinceFindsThePlace},
		{"WaitSeesWhatComes", waitSeesWhatComes},
		{"BookmarksAreKept", bookmarksAreKept},
		{"DeathBetweenWritesChangesNothing", deathBetweenWritesChangesNothing},
		{"ConcurrentVisitsAreToldOnceInOrder", concurrentVisitsAreToldOnceInOrder},
		{"ReaderMissesNothing", readerMissesNothing},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &trackSuite{TrackHarness: harness(t)}
			s.open(t, 0)
			c.run(t, s)
		})
	}
}

type trackSuite struct {
	TrackHarness
	p TrackedStore
}

func (s *trackSuite) open(t *testing.T, history int) {
	t.Helper()
	s.p = s.Open(t, history)
	p := s.p
	t.Cleanup(func() {
		if s.p == p {
			closePipeline(t, p)
		}
	})
}

func (s *trackSuite) reopen(t *testing.T, history int) {
	t.Helper()
	p := s.p
	s.p = nil
	closePipeline(t, p)
	s.open(t, history)
}

func hour(n int) time.Time { return fetched.Add(time.Duration(n) * time.Hour) }

// visit is a parsed visit of https://shop.example/PAGE at an hour. Its signature is that of the items.
func visit(page string, at int, news pipelines.News, items ...pipelines.Item) pipelines.Visit {
	source := pipelines.Source{URL: "https://shop.example/" + page, Crawl: "shop", FetchedAt: hour(at)}
	items = slices.Clone(items)
	for i := range items {
		items[i].Source = source
	}
	status := 200
	if news == pipelines.NewsGone {
		status = 404
	}
	return pipelines.Visit{Source: source, Status: status, News: news, Parsed: news != pipelines.NewsGone, Items: items}
}

func unsent(page string, at int) pipelines.Visit {
	v := visit(page, at, pipelines.NewsUnchanged)
	v.Status, v.Parsed = 304, false
	return v
}

func price(key string, price any) pipelines.Item {
	return itemOf("book", key, map[string]any{"title": "Title of " + key, "price": price})
}

func (s *trackSuite) track(t *testing.T, visits ...pipelines.Visit) {
	t.Helper()
	if err := s.p.Track(t.Context(), visits); err != nil {
		t.Fatalf("track: %v", err)
	}
}

func entries(t *testing.T, feed pipelines.Feed, after pipelines.Cursor) []pipelines.Change {
	t.Helper()
	var all []pipelines.Change
	err := feed.Changes(t.Context(), after, func(c pipelines.Change) bool {
		all = append(all, c)
		return true
	})
	if err != nil {
		t.Fatalf("changes: %v", err)
	}
	return all
}

// want checks the whole feed: "new book k1", "changed page a". What the visits of one call bring has no order.
func (s *trackSuite) want(t *testing.T, steps ...[]string) {
	t.Helper()
	all := entries(t, s.p, 0)
	rest := all
	for i, step := range steps {
		got := []string{}
		for _, c := range rest[:min(len(step), len(rest))] {
			got = append(got, brief(c))
		}
		rest = rest[len(got):]
		slices.Sort(got)
		step = slices.Sorted(slices.Values(step))
		if !slices.Equal(got, step) {
			t.Errorf("step %d: the feed says %q, want %q", i, got, step)
		}
	}
	for _, c := range rest {
		t.Errorf("the feed says more: %s", brief(c))
	}
	checkFeed(t, all)
}

func brief(c pipelines.Change) string {
	if c.IsPage() {
		return string(c.News) + " page " + strings.TrimPrefix(c.URL, "https://shop.example/")
	}
	return fmt.Sprintf("%s %s %s", c.News, c.Kind, c.Key)
}

// checkFeed checks what is so of every feed that is complete: each entry once, revisions of a thing without gaps and in order.
func checkFeed(t *testing.T, all []pipelines.Change) {
	t.Helper()
	last := pipelines.Cursor(0)
	revisions := make(map[string]int64)
	gone := make(map[string]bool)
	for _, c := range all {
		if c.Cursor <= last {
			t.Errorf("cursor %d follows %d", c.Cursor, last)
		}
		last = c.Cursor
		thing := strings.Join([]string{c.Kind, c.Key}, "\x00")
		if c.IsPage() {
			thing = c.Crawl + "\x00" + c.URL
		}
		if c.Revision != revisions[thing]+1 {
			t.Errorf("%s: revision %d follows %d", brief(c), c.Revision, revisions[thing])
		}
		revisions[thing] = c.Revision
		switch fits := c.News == pipelines.NewsNew; {
		case fits != (c.Revision == 1), (c.News == pipelines.NewsBack) != gone[thing]:
			t.Errorf("%s at revision %d, gone before: %v", brief(c), c.Revision, gone[thing])
		}
		gone[thing] = c.News == pipelines.NewsGone
		if c.Crawl == "" || c.URL == "" || c.At.IsZero() || c.Recorded.IsZero() {
			t.Errorf("%s lacks something: %+v", brief(c), c)
		}
	}
}

func (s *trackSuite) item(t *testing.T, key string) (pipelines.ItemState, map[string]any) {
	t.Helper()
	state, fields, known := s.Item(t, pipelines.ID{Kind: "book", Key: key})
	if !known {
		t.Fatalf("%s does not stand in the store", key)
	}
	return state, fields
}

func newItemAndPageAreToldOnce(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 4)))
	s.want(t, []string{"new page a", "new book k1", "new book k2"})
	for _, c := range entries(t, s.p, 0) {
		if !c.At.Equal(hour(1)) || c.Crawl != "shop" || c.URL != "https://shop.example/a" || c.Revision != 1 {
			t.Errorf("%s is %+v", brief(c), c)
		}
		if c.Key == "k1" && !slices.ContainsFunc(c.Fields, func(f pipelines.FieldChange) bool {
			return f.Path == "price" && f.Old == nil && fmt.Sprint(f.New) == "3"
		}) {
			t.Errorf("a new item's fields are %+v", c.Fields)
		}
		if c.IsPage() && c.Status != 200 {
			t.Errorf("the page's status is %d", c.Status)
		}
	}
	state, fields := s.item(t, "k1")
	if state.Revision != 1 || !state.FirstSeen.Equal(hour(1)) || !state.LastSeen.Equal(hour(1)) || !state.ChangedAt.Equal(hour(1)) || !state.GoneAt.IsZero() {
		t.Errorf("k1 is %+v", state)
	}
	if fmt.Sprint(fields["price"]) != "3" {
		t.Errorf("fields are %v", fields)
	}
	page, known := s.Page(t, "shop", "https://shop.example/a")
	if !known || page.Revision != 1 || page.Status != 200 || !page.FirstSeen.Equal(hour(1)) {
		t.Errorf("the page is %+v, known: %v", page, known)
	}
	if got, want := s.p.Stats(), (pipelines.Stats{New: 2}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func changedItemTellsItsFields(t *testing.T, s *trackSuite) {
	old := map[string]any{
		"title": "T", "price": map[string]any{"amount": 51.77, "currency": "GBP"}, "tags": []any{"a", "b"}, "stock": 3, "old": "x", "at": fetched.Add(time.Nanosecond),
	}
	now := map[string]any{
		"title": "T", "price": map[string]any{"amount": 3.0, "currency": "GBP"}, "tags": []any{"a"}, "stock": 3.0, "new": true, "at": fetched.Add(time.Nanosecond),
	}
	s.track(t, visit("a", 1, pipelines.NewsNew, itemOf("book", "k1", old)))
	s.track(t, visit("a", 2, pipelines.NewsChanged, itemOf("book", "k1", now)))
	s.want(t, []string{"new page a", "new book k1"}, []string{"changed page a", "changed book k1"})
	at := slices.IndexFunc(entries(t, s.p, 0), func(c pipelines.Change) bool { return c.News == pipelines.NewsChanged && !c.IsPage() })
	change := entries(t, s.p, 0)[at]
	got := make(map[string]string)
	for _, f := range change.Fields {
		got[f.Path] = string(pipelines.AppendJSON(nil, f.Old)) + " -> " + string(pipelines.AppendJSON(nil, f.New))
	}
	want := map[string]string{"price.amount": "51.77 -> 3", "tags": `["a","b"] -> ["a"]`, "old": `"x" -> null`, "new": "null -> true"}
	if !maps.Equal(got, want) {
		t.Errorf("changed fields are %v, want %v", got, want)
	}
	state, _ := s.item(t, "k1")
	if state.Revision != 2 || !state.FirstSeen.Equal(hour(1)) || !state.LastSeen.Equal(hour(2)) || !state.ChangedAt.Equal(hour(2)) {
		t.Errorf("k1 is %+v", state)
	}
	if got := s.History(t, pipelines.ID{Kind: "book", Key: "k1"}); !slices.Equal(got, []int64{1}) {
		t.Errorf("history holds %v, want revision 1", got)
	}
}

func unchangedVisitTellsNothing(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.track(t, visit("a", 2, pipelines.NewsUnchanged, price("k1", 3)))
	s.want(t, []string{"new page a", "new book k1"})
	state, _ := s.item(t, "k1")
	page, _ := s.Page(t, "shop", "https://shop.example/a")
	if !state.LastSeen.Equal(hour(2)) || !state.ChangedAt.Equal(hour(1)) || state.Revision != 1 {
		t.Errorf("k1 is %+v", state)
	}
	if !page.LastSeen.Equal(hour(2)) || !page.ChangedAt.Equal(hour(1)) || page.Revision != 1 {
		t.Errorf("the page is %+v", page)
	}
	if got, want := s.p.Stats(), (pipelines.Stats{New: 1, Same: 1}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func changedPageTellsItsLinks(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew))
	changed := visit("a", 2, pipelines.NewsChanged)
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf("https://shop.example/%d", i))
	}
	changed.Links = pipelines.NewLinkChange(many, many[:1])
	s.track(t, changed)
	s.reopen(t, 0)
	all := entries(t, s.p, 0)
	if len(all) != 2 || all[0].Links != nil || all[1].Links == nil {
		t.Fatalf("the feed is %+v", all)
	}
	if l := all[1].Links; !slices.Equal(l.New, many[:100]) || !slices.Equal(l.Gone, many[:1]) || l.More != 50 {
		t.Errorf("%d links are new, %d gone, %d left out", len(l.New), len(l.Gone), l.More)
	}
	long := strings.Repeat("x", 2000)
	if l := pipelines.NewLinkChange(slices.Repeat([]string{long}, 50), nil); len(l.New) != 12 || l.More != 38 {
		t.Errorf("of 50 links of 2,000 bytes %d are told, %d left out", len(l.New), l.More)
	}
	if l := pipelines.NewLinkChange(nil, nil); l != nil {
		t.Errorf("no links are told as %+v", l)
	}
}

func pageNotSentAgainKeepsItsItems(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.track(t, unsent("a", 2))
	s.want(t, []string{"new page a", "new book k1"})
	page, _ := s.Page(t, "shop", "https://shop.example/a")
	if page.Status != 304 || !page.LastSeen.Equal(hour(2)) {
		t.Errorf("the page is %+v", page)
	}
	s.track(t, visit("a", 3, pipelines.NewsChanged))
	s.want(t, []string{"new page a", "new book k1"}, []string{"changed page a", "gone book k1"})
}

func itemVanishedFromItsPageIsGone(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)), visit("b", 1, pipelines.NewsNew, price("k3", 3)))
	s.track(t, visit("a", 2, pipelines.NewsChanged, price("k2", 3)))
	s.track(t, visit("a", 3, pipelines.NewsUnchanged, price("k2", 3)))
	s.want(t, []string{"new page a", "new book k1", "new book k2", "new page b", "new book k3"}, []string{"changed page a", "gone book k1"})
	state, fields := s.item(t, "k1")
	if !state.GoneAt.Equal(hour(2)) || !state.LastSeen.Equal(hour(1)) || state.Revision != 2 {
		t.Errorf("k1 is %+v", state)
	}
	if fmt.Sprint(fields["price"]) != "3" {
		t.Errorf("an item that is gone lost its fields: %v", fields)
	}
}

func pageThatIsGoneTakesItsItems(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)))
	s.track(t, visit("a", 2, pipelines.NewsGone))
	s.track(t, visit("a", 3, pipelines.NewsGone))
	s.want(t, []string{"new page a", "new book k1", "new book k2"}, []string{"gone page a", "gone book k1", "gone book k2"})
	page, _ := s.Page(t, "shop", "https://shop.example/a")
	if !page.GoneAt.Equal(hour(2)) || page.Status != 404 {
		t.Errorf("the page is %+v", page)
	}
}

func whatComesBackIsBack(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)))
	s.track(t, visit("a", 2, pipelines.NewsGone))
	s.track(t, visit("a", 3, pipelines.NewsBack, price("k1", 3), price("k2", 5)))
	s.want(t, []string{"new page a", "new book k1", "new book k2"}, []string{"gone page a", "gone book k1", "gone book k2"},
		[]string{"back page a", "back book k1", "back book k2"})
	for _, c := range entries(t, s.p, 6) {
		if want := map[string]int{"k2": 1}[c.Key]; len(c.Fields) != want {
			t.Errorf("%s has %d changed fields, want %d", brief(c), len(c.Fields), want)
		}
	}
	state, _ := s.item(t, "k1")
	if !state.GoneAt.IsZero() || state.Revision != 3 || !state.FirstSeen.Equal(hour(1)) {
		t.Errorf("k1 is %+v", state)
	}
}

func pageBackUnsentBringsItsItems(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)))
	s.track(t, visit("a", 2, pipelines.NewsChanged, price("k1", 3)))
	s.track(t, visit("a", 3, pipelines.NewsGone))
	back := unsent("a", 4)
	back.News = pipelines.NewsBack
	s.track(t, back)
	s.want(t, []string{"new page a", "new book k1", "new book k2"}, []string{"changed page a", "gone book k2"},
		[]string{"gone page a", "gone book k1"}, []string{"back page a", "back book k1"})
}

func itemOfTwoPagesGoesWithTheLatest(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.track(t, visit("b", 2, pipelines.NewsNew, price("k1", 3)))
	s.track(t, visit("a", 3, pipelines.NewsChanged))
	s.want(t, []string{"new page a", "new book k1"}, []string{"new page b"}, []string{"changed page a"})
	s.track(t, visit("b", 4, pipelines.NewsGone))
	s.want(t, []string{"new page a", "new book k1"}, []string{"new page b"}, []string{"changed page a"}, []string{"gone page b", "gone book k1"})
}

func pageNeverSeenIsNotGone(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsGone))
	s.want(t)
	s.track(t, visit("a", 2, pipelines.NewsBack))
	s.want(t, []string{"new page a"})
}

func repeatedVisitIsHarmless(t *testing.T, s *trackSuite) {
	visits := []pipelines.Visit{
		visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)),
		visit("a", 2, pipelines.NewsChanged, price("k1", 4)),
		visit("a", 3, pipelines.NewsGone),
		visit("a", 4, pipelines.NewsBack, price("k1", 5)),
	}
	for i := range visits {
		for _, v := range visits[:i+1] { // all those before come again
			s.track(t, v)
		}
		s.track(t, visits[i], visits[i])
	}
	s.want(t, []string{"new page a", "new book k1", "new book k2"}, []string{"changed page a", "changed book k1", "gone book k2"},
		[]string{"gone page a", "gone book k1"}, []string{"back page a", "back book k1"})
}

func refetchAfterACrashIsNoChange(t *testing.T, s *trackSuite) {
	signed := func(at int, news pipelines.News, signature string) pipelines.Visit {
		v := visit("a", at, news)
		v.Signature = signature
		return v
	}
	s.track(t, signed(1, pipelines.NewsNew, "x"))
	s.track(t, signed(2, pipelines.NewsNew, "x")) // it was recorded, and its worker died: the next knows of nothing
	s.track(t, signed(3, pipelines.NewsChanged, "y"))
	s.track(t, signed(4, pipelines.NewsChanged, "y"))
	s.track(t, unsent("a", 5))
	s.track(t, signed(6, pipelines.NewsChanged, "x"))
	s.track(t, visit("a", 7, pipelines.NewsGone))
	s.track(t, visit("a", 8, pipelines.NewsGone))
	s.track(t, signed(9, pipelines.NewsBack, "x"))
	s.track(t, signed(10, pipelines.NewsBack, "x"))
	s.want(t, []string{"new page a"}, []string{"changed page a"}, []string{"changed page a"}, []string{"gone page a"}, []string{"back page a"})
}

func olderVisitIsIgnored(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 3, pipelines.NewsNew, price("k1", 3)))
	s.track(t, visit("a", 2, pipelines.NewsNew, price("k1", 2), price("k2", 2)))
	s.track(t, visit("a", 1, pipelines.NewsGone))
	s.track(t, visit("b", 2, pipelines.NewsNew, price("k1", 2)))
	s.want(t, []string{"new page a", "new book k1"}, []string{"new page b"})
	state, fields := s.item(t, "k1")
	if !state.LastSeen.Equal(hour(3)) || state.URL != "https://shop.example/a" || fmt.Sprint(fields["price"]) != "3" {
		t.Errorf("k1 is %+v, %v", state, fields)
	}
}

func visitsOfOneBatchAreTakenInOrder(t *testing.T, s *trackSuite) {
	s.track(t,
		visit("b", 4, pipelines.NewsNew, price("k1", 4)),
		visit("a", 3, pipelines.NewsGone),
		visit("a", 1, pipelines.NewsNew, price("k1", 1), price("k2", 1)),
		visit("a", 2, pipelines.NewsChanged, price("k1", 2)),
	)
	s.want(t, []string{"new page a", "new book k1", "new book k2"}, []string{"changed page a", "changed book k1", "gone book k2"},
		[]string{"gone page a", "new page b", "changed book k1"}) // the item has moved
}

func itemAtFaultIsNotGone(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.track(t, visit("a", 2, pipelines.NewsChanged, price("k1", make(chan int)), price("k2", 3)))
	s.want(t, []string{"new page a", "new book k1"}, []string{"changed page a", "new book k2"})
	if got := s.p.Stats(); got.Dead != 1 || got.New != 2 {
		t.Errorf("stats are %+v", got)
	}
}

func historyIsCapped(t *testing.T, s *trackSuite) {
	s.reopen(t, 3)
	for i := range 8 {
		s.track(t, visit("a", i, pipelines.NewsChanged, price("k1", i), price("k1\x7f", i)))
	}
	state, _ := s.item(t, "k1")
	if state.Revision != 8 {
		t.Errorf("revision is %d, want 8", state.Revision)
	}
	if got := s.History(t, pipelines.ID{Kind: "book", Key: "k1"}); !slices.Equal(got, []int64{5, 6, 7}) {
		t.Errorf("history holds %v, want 5 to 7", got)
	}
	checkFeed(t, entries(t, s.p, 0))
}

func historyMayBeOff(t *testing.T, s *trackSuite) {
	s.reopen(t, -1)
	for i := range 3 {
		s.track(t, visit("a", i, pipelines.NewsChanged, price("k1", i)))
	}
	if got := s.History(t, pipelines.ID{Kind: "book", Key: "k1"}); len(got) != 0 {
		t.Errorf("history holds %v, want none", got)
	}
	checkFeed(t, entries(t, s.p, 0))
}

func crawlsDoNotMix(t *testing.T, s *trackSuite) {
	other := visit("a", 2, pipelines.NewsNew)
	other.Source.Crawl = "other"
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.track(t, other)
	other.News, other.Source.FetchedAt = pipelines.NewsGone, hour(3)
	s.track(t, other)
	s.want(t, []string{"new page a", "new book k1"}, []string{"new page a"}, []string{"gone page a"})
}

func whatIsNewIsToldFirst(t *testing.T, s *trackSuite) {
	var told []string
	track := func(v pipelines.Visit) []string {
		told = nil
		err := s.p.TrackTo(t.Context(), []pipelines.Visit{v}, func(_ context.Context, items []pipelines.Item) error {
			for _, item := range items {
				o, err := pipelines.Fields(item.Value)
				if err != nil {
					t.Error(err)
				}
				told = append(told, item.Key+" "+string(o.AppendJSON(nil)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(told)
		return told
	}
	text := func(items ...pipelines.Item) (texts []string) {
		for _, item := range items {
			o, _ := pipelines.Fields(item.Value)
			texts = append(texts, item.Key+" "+string(o.AppendJSON(nil)))
		}
		return texts
	}
	for i, step := range []struct {
		visit pipelines.Visit
		want  []string
	}{
		{visit("a", 1, pipelines.NewsNew, price("k1", 3), price("k2", 3)), text(price("k1", 3), price("k2", 3))},
		{visit("a", 2, pipelines.NewsChanged, price("k1", 4), price("k2", 3)), text(price("k1", 4))},
		{visit("a", 2, pipelines.NewsChanged, price("k1", 4), price("k2", 3)), nil},
		{visit("a", 3, pipelines.NewsChanged, price("k1", 4)), nil},
		{visit("a", 4, pipelines.NewsChanged, price("k1", 4), price("k2", 3)), text(price("k2", 3))},
	} {
		if got := track(step.visit); !slices.Equal(got, step.want) {
			t.Errorf("visit %d tells %q, want %q", i, got, step.want)
		}
	}
}

func nothingIsRecordedThatWasNotTold(t *testing.T, s *trackSuite) {
	boom := errors.New("disk full")
	v := visit("a", 1, pipelines.NewsNew, price("k1", 3))
	err := s.p.TrackTo(t.Context(), []pipelines.Visit{v}, func(context.Context, []pipelines.Item) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("track: %v, want %v", err, boom)
	}
	s.want(t)
	if _, _, known := s.Item(t, pipelines.ID{Kind: "book", Key: "k1"}); known {
		t.Error("the item was stored")
	}
	s.track(t, v)
	s.want(t, []string{"new page a", "new book k1"})
}

func stateIsKeptOverReopening(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	s.reopen(t, 0)
	s.track(t, visit("a", 2, pipelines.NewsUnchanged, price("k1", 3)))
	s.track(t, visit("a", 3, pipelines.NewsChanged, price("k1", 4)))
	s.reopen(t, 0)
	s.want(t, []string{"new page a", "new book k1"}, []string{"changed page a", "changed book k1"})
}

func sinceFindsThePlace(t *testing.T, s *trackSuite) {
	s.track(t, visit("a", 1, pipelines.NewsNew, price("k1", 3)))
	all := entries(t, s.p, 0)
	last := all[len(all)-1]
	for _, c := range []struct {
		at   time.Time
		want int // entries behind the place
	}{
		{last.Recorded.Add(-time.Hour), 2},
		{all[0].Recorded, 2},
		{last.Recorded.Add(time.Hour), 0},
	} {
		place, err := s.p.Since(t.Context(), c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(entries(t, s.p, place)); got != c.want {
			t.Errorf("since %v: %d entries, want %d", c.at, got, c.want)
		}
	}
}

func waitSeesWhatComes(t *testing.T, s *trackSuite) {
	waited := make(chan error, 1)
	go func() { waited <- s.p.Wait(t.Context(), 0) }()
	s.track(t, visit("a", 1, pipelines.NewsNew))
	if err := <-waited; err != nil {
		t.Errorf("wait: %v", err)
	}
	if err := s.p.Wait(t.Context(), 0); err != nil {
		t.Errorf("wait for what is there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waited <- s.p.Wait(ctx, 1) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("wait with an ended context: %v", err)
	}
}

func bookmarksAreKept(t *testing.T, s *trackSuite) {
	if at, err := s.p.Bookmark(t.Context(), "hook"); at != 0 || err != nil {
		t.Errorf("a bookmark nobody set is %d, %v", at, err)
	}
	for _, at := range []pipelines.Cursor{5, 9} {
		if err := s.p.SetBookmark(t.Context(), "hook", at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.p.SetBookmark(t.Context(), "other", 2); err != nil {
		t.Fatal(err)
	}
	s.reopen(t, 0)
	if at, err := s.p.Bookmark(t.Context(), "hook"); at != 9 || err != nil {
		t.Errorf("the bookmark is %d, %v, want 9", at, err)
	}
}

// deathBetweenWritesChangesNothing has a worker die before each of its writes in turn, and another repeat the visit.
func deathBetweenWritesChangesNothing(t *testing.T, s *trackSuite) {
	if s.Dying == nil {
		t.Skip("the store has no state between two writes")
	}
	deaths := 0
	for n := 0; ; n++ {
		page, kept, lost := fmt.Sprint("page", n), fmt.Sprint("kept", n), fmt.Sprint("lost", n)
		s.track(t, visit(page, 1, pipelines.NewsNew, price(kept, 1), price(lost, 1)))
		from := entries(t, s.p, 0)
		signed := func(at int) pipelines.Visit {
			v := visit(page, at, pipelines.NewsChanged, price(kept, 2), price("new"+kept, 2))
			v.Signature = "second"
			return v
		}
		second := signed(2)
		store, died := s.Dying(t, n)
		err := store.Track(t.Context(), []pipelines.Visit{second})
		if died() == (err == nil) {
			t.Fatalf("death before write %d: track says %v", n, err)
		}
		if !died() && n == 0 {
			t.Fatal("the worker never died: it wrote nothing")
		}
		if died() {
			deaths++
		}
		if n%2 == 0 { // another worker repeats what was fetched, or fetches anew
			s.track(t, second)
		} else {
			s.track(t, signed(3))
		}
		var got []string
		for _, c := range entries(t, s.p, from[len(from)-1].Cursor) {
			got = append(got, brief(c))
		}
		slices.Sort(got)
		want := []string{"changed book " + kept, "changed page " + page, "gone book " + lost, "new book new" + kept}
		if !slices.Equal(got, want) {
			t.Errorf("death before write %d: the feed says %q, want %q", n, got, want)
		}
		if err == nil {
			break
		}
	}
	if deaths < 4 {
		t.Errorf("the worker died %d times: it has less than four writes", deaths)
	}
	checkFeed(t, entries(t, s.p, 0))
}

// concurrentVisitsAreToldOnceInOrder gives each visit of a few pages to two workers, in no order.
func concurrentVisitsAreToldOnceInOrder(t *testing.T, s *trackSuite) {
	const pages, rounds, workers = 3, 4, 4
	var visits []pipelines.Visit
	for page := range pages {
		for round := range rounds {
			items := []pipelines.Item{price(fmt.Sprint("own", page), round), price("shared", round)}
			if round%2 == 0 {
				items = append(items, price(fmt.Sprint("comes and goes", page), 1))
			}
			v := visit(fmt.Sprint(page), 0, pipelines.NewsChanged, items...)
			v.Source.FetchedAt = hour(0).Add(time.Duration(round*pages+page) * time.Minute)
			visits = append(visits, v, v)
		}
	}
	rand.Shuffle(len(visits), func(i, j int) { visits[i], visits[j] = visits[j], visits[i] })
	stores := []TrackedStore{s.p}
	if s.Shared {
		second := s.Open(t, 0)
		t.Cleanup(func() { closePipeline(t, second) })
		stores = append(stores, second)
	}
	var wg sync.WaitGroup
	share := (len(visits) + workers - 1) / workers
	for w := range workers {
		mine := visits[min(w*share, len(visits)):min((w+1)*share, len(visits))]
		wg.Go(func() {
			for batch := range slices.Chunk(mine, 3) {
				if err := stores[w%len(stores)].Track(t.Context(), batch); err != nil {
					t.Errorf("track: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for page := range pages {
		state, fields := s.item(t, fmt.Sprint("own", page))
		if fmt.Sprint(fields["price"]) != fmt.Sprint(rounds-1) || !state.GoneAt.IsZero() {
			t.Errorf("own%d is %+v, %v", page, state, fields)
		}
	}
	s.track(t, visit("end", 9, pipelines.NewsNew)) // whoever comes next finishes what others left
	all := entries(t, s.p, 0)
	checkFeed(t, all)
	s.wantStatesAsFed(t, all)
}

// wantStatesAsFed checks that the feed ends with the state of each item.
func (s *trackSuite) wantStatesAsFed(t *testing.T, all []pipelines.Change) {
	t.Helper()
	last := make(map[pipelines.ID]pipelines.Change)
	for _, c := range all {
		if !c.IsPage() {
			last[pipelines.ID{Kind: c.Kind, Key: c.Key}] = c
		}
	}
	for id, c := range last {
		state, _, known := s.Item(t, id)
		if !known || state.Revision != c.Revision || state.GoneAt.IsZero() == (c.News == pipelines.NewsGone) {
			t.Errorf("%v is %+v, the feed ends with %s at revision %d", id, state, c.News, c.Revision)
		}
	}
}

// readerMissesNothing reads the feed in small pieces while it is written by several.
func readerMissesNothing(t *testing.T, s *trackSuite) {
	const workers, rounds = 4, 6
	var wg sync.WaitGroup
	stores := []TrackedStore{s.p}
	if s.Shared {
		second := s.Open(t, 0)
		t.Cleanup(func() { closePipeline(t, second) })
		stores = append(stores, second)
	}
	for w := range workers {
		wg.Go(func() {
			for round := range rounds {
				v := visit(fmt.Sprint("w", w), round, pipelines.NewsChanged, price(fmt.Sprint("a", w), round), price(fmt.Sprint("b", w), round))
				if err := stores[w%len(stores)].Track(t.Context(), []pipelines.Visit{v}); err != nil {
					t.Errorf("track: %v", err)
				}
			}
		})
	}
	var seen []pipelines.Change
	var at pipelines.Cursor
	for len(seen) < workers*rounds*3 {
		if err := s.p.Wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := s.p.Changes(t.Context(), at, func(c pipelines.Change) bool {
			seen, at = append(seen, c), c.Cursor
			n++
			return n < 3
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	all := entries(t, s.p, 0)
	checkFeed(t, all)
	if got, want := toJSON(t, seen), toJSON(t, all); got != want {
		t.Errorf("the reader saw\n%s\nthe feed is\n%s", got, want)
	}
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
