package near_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup/near"
)

func newIndex(tb testing.TB, limit int) *near.Index {
	tb.Helper()
	x, err := near.NewIndex(limit)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// flipped returns s with n different bits inverted.
func flipped(r *rand.Rand, s near.Sim, n int) near.Sim {
	for _, bit := range r.Perm(64)[:n] {
		s ^= 1 << bit
	}
	return s
}

// sims returns n Sims of which many are near others, at distances of 1 to 8.
func sims(r *rand.Rand, n int) []near.Sim {
	list := make([]near.Sim, n)
	for i := range list {
		if i > 0 && r.IntN(2) == 0 {
			list[i] = flipped(r, list[r.IntN(i)], 1+r.IntN(8))
		} else {
			list[i] = near.Sim(r.Uint64())
		}
	}
	return list
}

func TestEveryPatternOfThreeBitsIsFound(t *testing.T) {
	t.Parallel()
	const stored = near.Sim(0x0123456789abcdef)
	x := newIndex(t, 10)
	x.Add(stored, "it")
	for i := range 64 {
		for j := range i + 1 {
			for k := range j + 1 { // fewer than three bits, where some are the same
				s := stored ^ 1<<i ^ 1<<j ^ 1<<k
				if id, d, ok := x.Lookup(s); !ok || id != "it" || d != s.Distance(stored) {
					t.Fatalf("bits %d, %d, %d: %q, %d, %v", i, j, k, id, d, ok)
				}
				for l := range k {
					if d := (s ^ 1<<l).Distance(stored); d > near.MaxDistance {
						if id, _, ok := x.Lookup(s ^ 1<<l); ok {
							t.Fatalf("bits %d, %d, %d, %d: found %q at a distance of %d", i, j, k, l, id, d)
						}
					}
				}
			}
		}
	}
}

// The index against a comparison with all that it may hold, the newest of them while older ones go.
func TestLookupAgreesWithComparingAll(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 100, 5000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(limit), 1)) //nolint:gosec // positive
			x := newIndex(t, limit)
			var held []near.Sim // distinct, oldest first
			ids := make(map[near.Sim]string)
			found := 0
			for i, s := range sims(r, 3000) {
				var want near.Sim
				nearest := near.MaxDistance + 1
				for _, other := range held {
					if d := s.Distance(other); d < nearest {
						want, nearest = other, d
					}
				}
				id, d, ok := x.Lookup(s)
				if ok != (want != 0) || ok && (id != ids[want] || d != nearest) {
					t.Fatalf("%d: %s has %q, %d, %v; want %q, %d", i, s, id, d, ok, ids[want], nearest)
				}
				if ok {
					found++
				}
				x.Add(s, fmt.Sprint(i))
				if nearest > 0 {
					ids[s] = fmt.Sprint(i)
					held = append(held, s)
					held = held[max(0, len(held)-limit):]
				}
				if x.Len() != len(held) {
					t.Fatalf("%d: it has %d entries, want %d", i, x.Len(), len(held))
				}
			}
			if limit >= 100 && found < 10 {
				t.Errorf("only %d were near another: the test shows little", found)
			}
		})
	}
}

func TestSameTextKeepsItsFirstID(t *testing.T) {
	t.Parallel()
	x := newIndex(t, 2)
	x.Add(1<<40, "first")
	x.Add(1<<40, "again")
	x.Add(0xffff<<8, "other")
	if id, _, ok := x.Lookup(1 << 40); !ok || id != "first" {
		t.Errorf("found %q, %v", id, ok)
	}
	x.Add(1<<40, "again") // no younger for it
	x.Add(0xffffff<<20, "third")
	if id, _, ok := x.Lookup(1 << 40); ok {
		t.Errorf("the oldest is still there, as %q", id)
	}
}

func TestTextWithoutWordsIsNearNothing(t *testing.T) {
	t.Parallel()
	x := newIndex(t, 10)
	x.Add(0, "empty")
	if id, _, ok := x.LookupOrAdd(0, "empty"); ok || x.Len() != 0 {
		t.Errorf("found %q among %d", id, x.Len())
	}
	x.Add(1, "almost")
	if id, _, ok := x.Lookup(0); ok {
		t.Errorf("found %q", id)
	}
}

func TestIndexWithoutRoomIsRefused(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, -1} {
		if _, err := near.NewIndex(limit); err == nil {
			t.Errorf("an index of %d entries is made", limit)
		}
	}
}

func TestOfNearTextsAtOnceOneIsStored(t *testing.T) {
	t.Parallel()
	const texts, workers = 500, 8
	x := newIndex(t, texts)
	r := rand.New(rand.NewPCG(1, 1))
	originals := make([]near.Sim, texts)
	for i := range originals {
		originals[i] = near.Sim(r.Uint64())
	}
	var stored [texts]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i, s := range originals {
				s ^= 1 << w // two of them differ in two bits
				if _, _, ok := x.LookupOrAdd(s, fmt.Sprint(i)); !ok {
					stored[i].Add(1)
				}
				if id, d, ok := x.Lookup(s); !ok || d > 2 || id != fmt.Sprint(i) {
					t.Errorf("%d: found %q at %d, %v", i, id, d, ok)
				}
			}
		})
	}
	wg.Wait()
	for i := range stored {
		if n := stored[i].Load(); n != 1 {
			t.Errorf("text %d is stored %d times", i, n)
		}
	}
	if x.Len() != texts {
		t.Errorf("it has %d entries, want %d", x.Len(), texts)
	}
}

// BenchmarkIndex has a million entries; "add" lets one go for each.
func BenchmarkIndex(b *testing.B) {
	const total = 1_000_000
	r := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := newIndex(b, total)
	stored := make([]near.Sim, total)
	for i := range stored {
		stored[i] = near.Sim(r.Uint64())
		x.Add(stored[i], "")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perEntry := float64(after.HeapAlloc-before.HeapAlloc)/total - 8
	b.Run("lookup none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Lookup(near.Sim(r.Uint64()))
		}
		b.ReportMetric(perEntry, "B/entry")
	})
	b.Run("lookup near", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Lookup(stored[r.IntN(total)] ^ 1<<5 ^ 1<<25 ^ 1<<45)
		}
	})
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Add(near.Sim(r.Uint64()), "")
		}
	})
}

func ExampleIndex() {
	seen, err := near.NewIndex(1_000_000)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, page := range []struct{ url, text string }{
		{"/kettle", "A kettle of stainless steel for 1.7 litres, which boils a cup of water in 50 seconds. Two years of guarantee."},
		{"/teapot", "A teapot of cast iron with a sieve, enamelled inside, for a litre of tea that stays warm for an hour."},
		{"/sale/kettle", "A KETTLE of stainless steel for 1.7 litres, which boils a cup of water in 50 seconds! Two years of guarantee!"},
	} {
		if of, distance, ok := seen.LookupOrAdd(near.Of(page.text), page.url); ok {
			fmt.Println(page.url, "is", of, "again, at a distance of", distance)
		}
	}
	// Output:
	// /sale/kettle is /kettle again, at a distance of 0
}

// What All tells makes the same index, before and after the oldest had to go.
func TestAllIsWhatAnIndexIsMadeOf(t *testing.T) {
	t.Parallel()
	const limit = 10
	x := newIndex(t, limit)
	for i := range 3 * limit {
		x.Add(near.Sim(i+1)*0x9e3779b97f4a7c15, fmt.Sprint(i))
		var ids []string
		copied := newIndex(t, limit)
		for s, id := range x.All() {
			copied.Add(s, id)
			ids = append(ids, id)
		}
		for k, id := range ids {
			if want := fmt.Sprint(i + 1 - len(ids) + k); id != want {
				t.Fatalf("after %d: %v", i, ids)
			}
		}
		if len(ids) != min(i+1, limit) || copied.Len() != x.Len() {
			t.Fatalf("after %d: %v", i, ids)
		}
	}
	for range x.All() {
		break
	}
	x.Add(1, "a loop that ends early frees the index")
}

func TestMeasureCountsWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, " - ": 0, "a": 1, "A b, c-d 5": 5, "\u4e2d\u6587 x": 3} {
		if s, n := near.Measure(text); n != want || s != near.Of(text) {
			t.Errorf("%q: %s of %d words, want %s of %d", text, s, n, near.Of(text), want)
		}
	}
}
