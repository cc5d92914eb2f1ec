package frontiertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func duplicateCases() []testCase {
	return []testCase{
		{"FirstPageIsTheOriginal", firstPageIsTheOriginal},
		{"NearDuplicateDiffersInThreeBits", nearDuplicateDiffersInThreeBits},
		{"PageIsNeverItsOwnDuplicate", pageIsNeverItsOwnDuplicate},
		{"OfLikePagesAtOnceOneIsTheOriginal", ofLikePagesAtOnceOneIsTheOriginal},
		{"PathsTellTheirDuplicates", pathsTellTheirDuplicates},
		{"PathsWithFewDuplicatesMakeRoom", pathsWithFewDuplicatesMakeRoom},
		{"OldestOriginalMakesRoom", oldestOriginalMakesRoom},
		{"MalformedContentIsRefused", malformedContentIsRefused},
		{"ComparisonThatFailsMayBeRepeated", comparisonThatFailsMayBeRepeated},
		{"OriginalsVanishWithTheCrawl", originalsVanishWithTheCrawl},
	}
}

// compare asks which original a page is a duplicate of.
func (r *rig) compare(f scheduler.Frontier, c scheduler.Content) scheduler.Likeness {
	r.Helper()
	l, err := extra[scheduler.Duplicates](r, f).Compare(r.ctx, c)
	r.must(err)
	return l
}

// original asserts that a page is no duplicate.
func (r *rig) original(f scheduler.Frontier, c scheduler.Content) {
	r.Helper()
	if l := r.compare(f, c); !reflect.DeepEqual(l, scheduler.Likeness{}) {
		r.Errorf("%s: %+v, want an original", c.ID, l)
	}
}

// duplicate asserts what a page is a duplicate of.
func (r *rig) duplicate(f scheduler.Frontier, c scheduler.Content, want scheduler.Likeness) {
	r.Helper()
	if l := r.compare(f, c); !reflect.DeepEqual(l, want) {
		r.Errorf("%s: %+v, want %+v", c.ID, l, want)
	}
}

func (r *rig) duplicateStats(f scheduler.Frontier, paths int) scheduler.DuplicateStats {
	r.Helper()
	s, err := extra[scheduler.Duplicates](r, f).DuplicateStats(r.ctx, paths)
	r.must(err)
	return s
}

func firstPageIsTheOriginal(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const big = 0xfedcba9876543210
	r.original(f, scheduler.Content{ID: "a", Exact: big})
	r.original(f, scheduler.Content{ID: "b", Exact: big - 1})
	r.duplicate(g, scheduler.Content{ID: "c", Exact: big}, scheduler.Likeness{Of: "a"})
	r.duplicate(f, scheduler.Content{ID: "d", Exact: big}, scheduler.Likeness{Of: "a"})
	r.duplicate(f, scheduler.Content{ID: "c", Exact: big - 1}, scheduler.Likeness{Of: "b"})
	odd := "https://a.example/ \x00\xff 7" + strings.Repeat("x", scheduler.MaxContentID-24)
	r.original(f, scheduler.Content{ID: odd[:scheduler.MaxContentID-2], Exact: 1})
	r.duplicate(g, scheduler.Content{ID: "e", Exact: 1}, scheduler.Likeness{Of: odd[:scheduler.MaxContentID-2]})
	if s := r.duplicateStats(g, 10); s.Pages != 7 || s.Exact != 4 || s.Near != 0 || s.Originals != 3 || len(s.Paths) != 0 {
		r.Errorf("stats %+v", s)
	}
	r.sound(f)
}

func nearDuplicateDiffersInThreeBits(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const sim = 0x8123456789abcdef
	odd := "https://a.example/ \x00\xff 7"
	r.original(f, scheduler.Content{ID: odd, Exact: 1, Sim: sim})
	r.duplicate(g, scheduler.Content{ID: "b", Exact: 1, Sim: sim}, scheduler.Likeness{Of: odd})
	r.duplicate(g, scheduler.Content{ID: "c", Exact: 2, Sim: sim}, scheduler.Likeness{Of: odd, Near: true})
	r.duplicate(g, scheduler.Content{ID: "d", Exact: 3, Sim: sim ^ 1<<63 ^ 1<<31 ^ 1}, scheduler.Likeness{Of: odd, Near: true, Distance: 3})
	r.original(g, scheduler.Content{ID: "e", Exact: 4, Sim: sim ^ 1<<63 ^ 1<<31 ^ 1 ^ 1<<40})
	// What is no original is found under no simhash.
	r.duplicate(f, scheduler.Content{ID: "f", Exact: 2, Sim: sim ^ 6}, scheduler.Likeness{Of: odd, Near: true, Distance: 2})
	// Pages that came without a simhash are compared among themselves.
	r.original(f, scheduler.Content{ID: "g", Exact: 1})
	if s := r.duplicateStats(f, 10); s.Pages != 7 || s.Exact != 1 || s.Near != 3 || s.Originals != 3 {
		r.Errorf("stats %+v", s)
	}
	r.sound(f)
}

func pageIsNeverItsOwnDuplicate(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	for _, sim := range []uint64{0, 77} {
		for range 3 {
			r.original(f, scheduler.Content{ID: "a", Exact: 1, Sim: sim})
			r.original(g, scheduler.Content{ID: "a", Exact: 1, Sim: sim})
		}
		for range 2 {
			r.duplicate(g, scheduler.Content{ID: "b", Exact: 1, Sim: sim, Again: true}, scheduler.Likeness{Of: "a"})
		}
	}
	r.original(f, scheduler.Content{ID: "a", Exact: 2, Sim: 76}) // it changed a little
	// An original is counted once, a page that was compared before not at all.
	if s := r.duplicateStats(f, 10); s.Pages != 2 || s.Exact != 0 || s.Near != 0 || s.Originals != 2 {
		r.Errorf("stats %+v", s)
	}
}

func ofLikePagesAtOnceOneIsTheOriginal(r *rig) {
	const workers, pages = 4, 50
	frontiers := make([]scheduler.Frontier, workers)
	for i := range frontiers {
		frontiers[i] = r.open(Options{})
	}
	extra[scheduler.Duplicates](r, frontiers[0])
	var originals [2 * pages]atomic.Int64
	var wg sync.WaitGroup
	for w, f := range frontiers {
		wg.Go(func() {
			for i := range 2 * pages {
				c := scheduler.Content{ID: fmt.Sprintf("%d of %d", w, i), Exact: uint64(i + 1), Paths: []string{"p"}} //nolint:gosec // positive
				if i >= pages {
					c.Sim = uint64(i) * 0x9e3779b97f4a7c15 //nolint:gosec // positive
				}
				l, err := f.(scheduler.Duplicates).Compare(r.ctx, c) //nolint:forcetypeassert // they all are
				if err != nil {
					r.Error(err)
					return
				}
				if l.Of == "" {
					originals[i].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range originals {
		r.want(fmt.Sprintf("originals of %d", i), originals[i].Load(), 1)
	}
	s := r.duplicateStats(frontiers[0], 10)
	want := scheduler.DuplicateStats{
		Pages: workers * 2 * pages, Exact: (workers - 1) * 2 * pages, Originals: 2 * pages,
		Paths: []scheduler.PathCount{{Path: "p", Pages: workers * 2 * pages, Exact: (workers - 1) * 2 * pages}},
	}
	if !reflect.DeepEqual(s, want) {
		r.Errorf("stats %+v, want %+v", s, want)
	}
	r.sound(frontiers[0])
}

func pathsTellTheirDuplicates(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	const sim = 1 << 20
	paths := func(c scheduler.Content, of string, want ...scheduler.PathCount) {
		r.Helper()
		for _, w := range want {
			c.Paths = append(c.Paths, w.Path)
		}
		l := r.compare(f, c)
		if l.Of != of || !reflect.DeepEqual(l.Paths, want) {
			r.Errorf("%s: %+v, want %q and %+v", c.ID, l, of, want)
		}
		f, g = g, f
	}
	count := func(path string, pages, exact, near int64) scheduler.PathCount {
		return scheduler.PathCount{Path: path, Pages: pages, Exact: exact, Near: near}
	}
	paths(scheduler.Content{ID: "a", Exact: 1, Sim: sim}, "", count("x/", 1, 0, 0), count("x/y/", 1, 0, 0))
	paths(scheduler.Content{ID: "b", Exact: 1, Sim: sim}, "a", count("x/", 2, 1, 0), count("x/y/", 2, 1, 0))
	paths(scheduler.Content{ID: "c", Exact: 2, Sim: sim}, "a", count("x/", 3, 1, 1))
	paths(scheduler.Content{ID: "d", Exact: 3, Sim: ^uint64(sim)}, "", count("z/", 1, 0, 0))
	paths(scheduler.Content{ID: "e", Exact: 3, Sim: ^uint64(sim)}, "d", count("x/y/ é", 1, 1, 0))
	// What is not counted is told all the same.
	paths(scheduler.Content{ID: "e", Exact: 3, Sim: ^uint64(sim), Again: true}, "d", count("x/", 3, 1, 1), count("new", 0, 0, 0))
	paths(scheduler.Content{ID: "a", Exact: 1, Sim: sim}, "", count("x/y/", 2, 1, 0))

	top := []scheduler.PathCount{count("x/", 3, 1, 1), count("x/y/", 2, 1, 0), count("x/y/ é", 1, 1, 0)}
	for n, want := range map[int][]scheduler.PathCount{0: {}, 2: top[:2], 10: top} {
		s := r.duplicateStats(f, n)
		if len(s.Paths) != len(want) || len(want) > 0 && !reflect.DeepEqual(s.Paths, want) || s.Pages != 5 || s.Exact != 2 || s.Near != 1 {
			r.Errorf("stats %+v, want the paths %+v", s, want)
		}
	}
}

func pathsWithFewDuplicatesMakeRoom(r *rig) {
	const most, more = 10_000, 200
	f := r.open(Options{})
	duplicate := func(i int, paths ...string) {
		r.Helper()
		r.compare(f, scheduler.Content{ID: fmt.Sprint(i), Exact: 1, Paths: paths})
	}
	duplicate(-1)
	for i := range 5 {
		duplicate(-2-i, "bad/")
	}
	for i := 0; i < most+more; i += scheduler.MaxPaths {
		var paths []string
		for k := range scheduler.MaxPaths {
			paths = append(paths, fmt.Sprint("p", i+k))
		}
		duplicate(i, paths...)
	}
	s := r.duplicateStats(f, 2*most)
	if len(s.Paths) != most || s.Paths[0] != (scheduler.PathCount{Path: "bad/", Pages: 5, Exact: 5}) || s.Paths[1].Exact != 1 {
		r.Errorf("%d paths, the first are %+v", len(s.Paths), s.Paths[:min(2, len(s.Paths))])
	}
	r.want("duplicates", s.Exact, 5+(most+more)/scheduler.MaxPaths)
}

func oldestOriginalMakesRoom(r *rig) {
	const limit = 5
	f := r.open(Options{Duplicates: limit})
	for _, sims := range []bool{false, true} {
		content := func(i int, who string) scheduler.Content {
			c := scheduler.Content{ID: fmt.Sprintf("%s %d", who, i), Exact: uint64(i + 1)} //nolint:gosec // positive
			if sims {
				c.Sim = uint64(i+1) * 0x9e3779b97f4a7c15 //nolint:gosec // positive
			}
			return c
		}
		for i := range 3 * limit {
			r.original(f, content(i, "first"))
		}
		for i := 2 * limit; i < 3*limit; i++ {
			r.duplicate(f, content(i, "second"), scheduler.Likeness{Of: fmt.Sprintf("first %d", i)})
		}
		r.original(f, content(0, "second"))
		r.original(f, content(2*limit, "third"))
	}
	r.want("originals", r.duplicateStats(f, 0).Originals, 2*limit)
	r.sound(f)
}

func malformedContentIsRefused(r *rig) {
	f := r.open(Options{})
	long := strings.Repeat("x", scheduler.MaxContentID+1)
	for _, c := range []scheduler.Content{
		{Exact: 1},
		{ID: long, Exact: 1},
		{ID: "a", Exact: 1, Paths: []string{"1", "2", "3", "4", "5"}},
		{ID: "a", Exact: 1, Paths: []string{""}},
		{ID: "a", Exact: 1, Paths: []string{long}},
	} {
		if _, err := extra[scheduler.Duplicates](r, f).Compare(r.ctx, c); err == nil {
			r.Errorf("ID of %d bytes, paths %.20q: no error", len(c.ID), c.Paths)
		}
	}
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := extra[scheduler.Duplicates](r, f).Compare(ctx, scheduler.Content{ID: "a", Exact: 1}); !errors.Is(err, context.Canceled) {
		r.Errorf("error %v, want that of the context", err)
	}
	if s := r.duplicateStats(f, 10); s.Pages != 0 || s.Originals != 0 {
		r.Errorf("stats %+v", s)
	}
}

// The answer of the first try is lost: the second finds the page itself.
func comparisonThatFailsMayBeRepeated(r *rig) {
	var lose atomic.Bool
	f := r.open(Options{Fault: func() Fault {
		if lose.CompareAndSwap(true, false) {
			return FaultAfter
		}
		return NoFault
	}})
	r.original(f, scheduler.Content{ID: "warm", Exact: 9})
	lose.Store(true)
	r.original(f, scheduler.Content{ID: "a", Exact: 1})
	lose.Store(true)
	r.original(f, scheduler.Content{ID: "b", Exact: 2, Sim: 7})
	if s := r.duplicateStats(f, 10); s.Pages != 3 || s.Exact != 0 || s.Originals != 3 {
		r.Errorf("stats %+v", s)
	}
}

func originalsVanishWithTheCrawl(r *rig) {
	f, late := r.open(Options{}), r.open(Options{})
	p := extra[scheduler.Purger](r, f)
	d := extra[scheduler.Duplicates](r, late)
	for i := range 20 {
		c := scheduler.Content{ID: fmt.Sprint(i), Exact: uint64(i + 1), Paths: []string{fmt.Sprint("p", i)}} //nolint:gosec // positive
		r.compare(f, c)
		c.Sim = uint64(i+1) * 0x9e3779b97f4a7c15 //nolint:gosec // positive
		r.compare(f, c)
	}
	r.must(p.Purge(r.ctx))
	fresh := r.open(Options{})
	_, err1 := d.Compare(r.ctx, scheduler.Content{ID: "late", Exact: 100})
	_, err2 := d.DuplicateStats(r.ctx, 10)
	for i, err := range []error{err1, err2} {
		if !errors.Is(err, scheduler.ErrNoCrawl) {
			r.Errorf("call %d on a purged crawl: %v, want ErrNoCrawl", i+1, err)
		}
	}
	if s := r.duplicateStats(fresh, 10); s.Pages != 0 || s.Originals != 0 || len(s.Paths) != 0 {
		r.Errorf("stats of the successor %+v", s)
	}
	r.original(fresh, scheduler.Content{ID: "new", Exact: 1})
	r.original(fresh, scheduler.Content{ID: "new", Exact: 1, Sim: 0x9e3779b97f4a7c15})
}
