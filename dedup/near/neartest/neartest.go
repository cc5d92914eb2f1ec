// Package neartest is the suite that every index of near texts passes: the one in process, and the one in Redis.
package neartest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup/near"
)

// Index is what the suite asks of an index, as the methods of [near.Index] say it.
type Index interface {
	Lookup(ctx context.Context, s near.Sim) (id string, distance int, ok bool, err error)
	LookupOrAdd(ctx context.Context, s near.Sim, id string) (of string, distance int, ok bool, err error)
	Len(ctx context.Context) (int, error)
}

// Run runs the suite. newIndex returns a new, empty index of at most limit entries, independent of the ones before; it is
// called from parallel tests and cleans up by t.Cleanup.
func Run(t *testing.T, newIndex func(t *testing.T, limit int) Index) {
	for _, p := range []struct {
		name  string
		limit int
		check func(t *testing.T, x Index, limit int)
	}{
		{"UpToThreeBitsAreFound", 10, upToThreeBitsAreFound},
		{"AgreesWithComparingAll/1", 1, agreesWithComparingAll},
		{"AgreesWithComparingAll/100", 100, agreesWithComparingAll},
		{"AgreesWithComparingAll/5000", 5000, agreesWithComparingAll},
		{"CrowdedBandIsSearched", 300, crowdedBandIsSearched},
		{"TextWithoutWordsIsNearNothing", 10, textWithoutWordsIsNearNothing},
		{"AnyBytesAreAnID", 10, anyBytesAreAnID},
		{"OfNearTextsAtOnceOneIsStored", 200, ofNearTextsAtOnceOneIsStored},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, newIndex(t, p.limit), p.limit)
		})
	}
	t.Run("IndexesAreIndependent", func(t *testing.T) {
		t.Parallel()
		one, other := newIndex(t, 1), newIndex(t, 1)
		store(t, one, 77, "it")
		if id, _, ok := lookup(t, other, 77); ok {
			t.Errorf("the other one finds %q", id)
		}
	})
}

func lookup(t *testing.T, x Index, s near.Sim) (id string, distance int, ok bool) {
	t.Helper()
	id, distance, ok, err := x.Lookup(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return id, distance, ok
}

// store adds a Sim that is near no other.
func store(t *testing.T, x Index, s near.Sim, id string) {
	t.Helper()
	if of, _, ok, err := x.LookupOrAdd(t.Context(), s, id); ok || err != nil {
		t.Fatalf("%s is near %q, %v", s, of, err)
	}
}

func expectLen(t *testing.T, x Index, want int) {
	t.Helper()
	if n, err := x.Len(t.Context()); n != want || err != nil {
		t.Fatalf("it has %d entries, %v; want %d", n, err, want)
	}
}

func upToThreeBitsAreFound(t *testing.T, x Index, _ int) {
	const stored = near.Sim(0x8123456789abcdef)
	store(t, x, stored, "it")
	for i := range 64 {
		for j := range i + 1 {
			// The third bit is of any band, or inverts one of the others back: one, two or three bits differ.
			for _, k := range []int{i, 0, 17, 34, 63} {
				s := stored ^ 1<<i ^ 1<<j ^ 1<<k
				if id, d, ok := lookup(t, x, s); !ok || id != "it" || d != s.Distance(stored) {
					t.Fatalf("bits %d, %d, %d: %q, %d, %v", i, j, k, id, d, ok)
				}
			}
			far := stored ^ 1<<i ^ 1<<j ^ 1<<((i+21)%64) ^ 1<<((j+42)%64)
			if id, _, ok := lookup(t, x, far); ok != (far.Distance(stored) <= near.MaxDistance) {
				t.Fatalf("found %q at a distance of %d, %v", id, far.Distance(stored), ok)
			}
		}
	}
}

// The answers are those of a comparison with all that the index may hold, the oldest of the nearest, while older ones go.
func agreesWithComparingAll(t *testing.T, x Index, limit int) {
	r := rand.New(rand.NewPCG(uint64(limit), 1)) //nolint:gosec // positive
	var all, held []near.Sim                     // held: oldest first
	ids := make(map[near.Sim]string)
	found := 0
	for i := range 2000 {
		s := near.Sim(r.Uint64())
		if i > 0 && r.IntN(2) == 0 {
			s = all[r.IntN(i)]
			for range r.IntN(8) {
				s ^= 1 << r.IntN(64)
			}
		}
		all = append(all, s)

		var want near.Sim
		nearest := near.MaxDistance + 1
		for _, other := range held {
			if d := s.Distance(other); d < nearest {
				want, nearest = other, d
			}
		}
		id, d, ok, err := x.LookupOrAdd(t.Context(), s, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		if ok != (want != 0) || ok && (id != ids[want] || d != nearest) {
			t.Fatalf("%d: %s has %q, %d, %v; want %q, %d", i, s, id, d, ok, ids[want], nearest)
		}
		if ok {
			found++
			continue
		}
		ids[s] = fmt.Sprint(i)
		held = append(held, s)
		held = held[max(0, len(held)-limit):]
		if id, d, ok := lookup(t, x, s); !ok || d != 0 || id != ids[s] {
			t.Fatalf("%d: what was stored is found as %q, %d, %v", i, id, d, ok)
		}
	}
	expectLen(t, x, len(held))
	if limit >= 100 && found < 20 {
		t.Errorf("only %d were near another: the test shows little", found)
	}
}

// All share their first band, as pages of one template may.
func crowdedBandIsSearched(t *testing.T, x Index, limit int) {
	r := rand.New(rand.NewPCG(2, 2))
	sims := make([]near.Sim, 2*limit)
	for i := range sims {
		sims[i] = 0xffff<<48 | near.Sim(r.Uint64()>>16)
		store(t, x, sims[i], fmt.Sprint(i))
	}
	for i, s := range sims {
		id, _, ok := lookup(t, x, s^1<<3^1<<20^1<<40)
		if ok != (i >= limit) || ok && id != fmt.Sprint(i) {
			t.Fatalf("%d of %d: %q, %v", i, len(sims), id, ok)
		}
	}
}

func textWithoutWordsIsNearNothing(t *testing.T, x Index, _ int) {
	store(t, x, 0, "empty")
	store(t, x, 0, "empty again")
	expectLen(t, x, 0)
	store(t, x, 1, "almost")
	if id, _, ok := lookup(t, x, 0); ok {
		t.Errorf("found %q", id)
	}
}

func anyBytesAreAnID(t *testing.T, x Index, _ int) {
	for i, id := range []string{"", " ", "7 8", "\x00\xff\n", "https://example.com/a b?c=é"} {
		s := near.Sim(0xff) << (8 * i)
		store(t, x, s, id)
		if got, _, ok := lookup(t, x, s^1); !ok || got != id {
			t.Errorf("%q is found as %q, %v", id, got, ok)
		}
	}
}

func ofNearTextsAtOnceOneIsStored(t *testing.T, x Index, limit int) {
	const workers = 8
	r := rand.New(rand.NewPCG(1, 1))
	originals := make([]near.Sim, limit)
	for i := range originals {
		originals[i] = near.Sim(r.Uint64())
	}
	stored := make([]atomic.Int64, limit)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i, s := range originals {
				s ^= 1 << w // two of them differ in two bits
				id, d, ok, err := x.LookupOrAdd(t.Context(), s, fmt.Sprint(i))
				switch {
				case err != nil:
					t.Error(err)
				case !ok:
					stored[i].Add(1)
				case d > 2 || id != fmt.Sprint(i):
					t.Errorf("%d: found %q at %d", i, id, d)
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
	expectLen(t, x, limit)
}
