// Package deduptest is the suite that every driver of [dedup.Filter] passes.
//
// A driver's own test is a few lines:
//
//	func TestSet(t *testing.T) {
//		deduptest.Run(t, func(*testing.T) dedup.Filter { return memdedup.NewSet() })
//	}
package deduptest

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Run runs the suite of exact filters. newFilter returns a new, empty filter, independent of the
// ones before; it is called from parallel tests and cleans up by t.Cleanup.
//
// Fingerprints of the suite differ in their first 64 bits: a filter may keep only those. The suite
// adds some 100,000 of them in calls of 1 to 20,000; run it with the race detector as well.
func Run(t *testing.T, newFilter func(t *testing.T) dedup.Filter) {
	runAll(t, newFilter, append(slices.Clone(promisesOfAll), promisesOfExact...))
}

// RunApproximate runs the suite of filters that may take a new fingerprint for one they have seen, at
// the rate asked for: everything of Run that still holds, and the rate. newFilter returns a new, empty
// filter for the expected number of fingerprints.
func RunApproximate(t *testing.T, newFilter func(t *testing.T, expected uint, rate float64) dedup.Filter) {
	runAll(t, func(t *testing.T) dedup.Filter { return newFilter(t, 100_000, 1e-6) }, promisesOfAll)
	for name, rate := range map[string]float64{"RateIsKept/10%": 0.1, "RateIsKept/1%": 0.01, "RateIsKept/0.1%": 0.001} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rateIsKept(t, rate, func(expected uint) dedup.Filter { return newFilter(t, expected, rate) })
		})
	}
}

type promise struct {
	name  string
	check func(t *testing.T, f dedup.Filter)
}

func runAll(t *testing.T, newFilter func(t *testing.T) dedup.Filter, promises []promise) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, newFilter(t))
		})
	}
	t.Run("FiltersAreIndependent", func(t *testing.T) {
		t.Parallel()
		one, other := newFilter(t), newFilter(t)
		add(t, one, numbered(0, 10)...)
		expect(t, "Has of the other filter", has(t, other, numbered(0, 10)...), allOf(false, 10))
		if n := length(t, other); n != 0 {
			t.Errorf("the other filter has %d", n)
		}
	})
}

// promisesOfAll hold for approximate filters as well, at a rate of errors far below what the checks
// could meet.
var promisesOfAll = []promise{
	{"NewOnceThenSeen", newOnceThenSeen},
	{"AnswersStandInOrder", answersStandInOrder},
	{"TwiceInOneCallIsNewOnce", twiceInOneCallIsNewOnce},
	{"HasRecordsNothing", hasRecordsNothing},
	{"EmptyCallIsAnswered", emptyCallIsAnswered},
	{"LenCountsDistinct", lenCountsDistinct},
	{"EdgesAreFingerprintsLikeOthers", edgesAreFingerprintsLikeOthers},
	{"BigCallsAreAnswered", bigCallsAreAnswered},
	{"NothingAddedIsForgotten", nothingAddedIsForgotten},
	{"ManyAtOnceNewOnce", manyAtOnceNewOnce},
	{"EndedContextLosesNothing", endedContextLosesNothing},
	{"ArgumentsAreLeftAlone", argumentsAreLeftAlone},
}

var promisesOfExact = []promise{
	{"NothingUnseenIsSeen", nothingUnseenIsSeen},
	{"NeighboursAreDistinct", neighboursAreDistinct},
}

func newOnceThenSeen(t *testing.T, f dedup.Filter) {
	fps := numbered(0, 3)
	expect(t, "Has of an empty filter", has(t, f, fps...), allOf(false, 3))
	expect(t, "first Add", add(t, f, fps...), allOf(true, 3))
	expect(t, "Has", has(t, f, fps...), allOf(true, 3))
	expect(t, "second Add", add(t, f, fps...), allOf(false, 3))
}

func answersStandInOrder(t *testing.T, f dedup.Filter) {
	fps := numbered(0, 40)
	var odd []dedup.Fingerprint
	want := make([]bool, len(fps))
	for i := 1; i < len(fps); i += 2 {
		odd = append(odd, fps[i])
		want[i] = true
	}
	add(t, f, odd...)
	expect(t, "Has", has(t, f, fps...), want)
	for i := range want {
		want[i] = !want[i]
	}
	expect(t, "Add", add(t, f, fps...), want)
}

func twiceInOneCallIsNewOnce(t *testing.T, f dedup.Filter) {
	fps := numbered(0, 2)
	got := add(t, f, fps[0], fps[1], fps[0], fps[0], fps[1])
	expect(t, "Add", got, []bool{true, true, false, false, false})
	if n := length(t, f); n != 2 {
		t.Errorf("Len() = %d, want 2", n)
	}
}

func hasRecordsNothing(t *testing.T, f dedup.Filter) {
	fps := numbered(0, 100)
	for range 2 {
		expect(t, "Has", has(t, f, fps...), allOf(false, 100))
	}
	if n := length(t, f); n != 0 {
		t.Errorf("Len() = %d after Has alone", n)
	}
	expect(t, "Add", add(t, f, fps...), allOf(true, 100))
}

func emptyCallIsAnswered(t *testing.T, f dedup.Filter) {
	expect(t, "Add", add(t, f), nil)
	expect(t, "Has", has(t, f), nil)
}

func lenCountsDistinct(t *testing.T, f dedup.Filter) {
	if n := length(t, f); n != 0 {
		t.Fatalf("Len() of an empty filter = %d", n)
	}
	for i := range 20 {
		add(t, f, numbered(i*50, 100)...) // each overlaps with the next by half
	}
	if n := length(t, f); n != 1050 {
		t.Errorf("Len() = %d, want 1050", n)
	}
}

func edgesAreFingerprintsLikeOthers(t *testing.T, f dedup.Filter) {
	var fps []dedup.Fingerprint
	for _, short := range []uint64{0, 1, 2, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64, 1 << 32, 1 << 56, 0xff} {
		fps = append(fps, dedup.FromShort(short))
	}
	for i, fp := range fps {
		expect(t, "Has "+fp.String(), has(t, f, fp), []bool{false})
		expect(t, "Add "+fp.String(), add(t, f, fp), []bool{true})
		expect(t, "Has "+fp.String(), has(t, f, fp), []bool{true})
		expect(t, "second Add "+fp.String(), add(t, f, fp), []bool{false})
		if n := length(t, f); n != int64(i)+1 {
			t.Errorf("Len() = %d, want %d", n, i+1)
		}
	}
}

func bigCallsAreAnswered(t *testing.T, f dedup.Filter) {
	const n = 20_000
	fps := numbered(0, n)
	expect(t, "Add", add(t, f, fps...), allOf(true, n))
	expect(t, "Has", has(t, f, fps...), allOf(true, n))
	expect(t, "second Add", add(t, f, fps...), allOf(false, n))
}

func nothingAddedIsForgotten(t *testing.T, f dedup.Filter) {
	const n, call = 50_000, 1000
	for i := 0; i < n; i += call {
		add(t, f, numbered(i, call)...)
	}
	for i := 0; i < n; i += call {
		expect(t, "Has", has(t, f, numbered(i, call)...), allOf(true, call))
	}
}

// manyAtOnceNewOnce adds the same fingerprints from many goroutines: exactly one of them is told that
// a fingerprint is new. A second "new" would be a page fetched twice, none at all a page lost.
func manyAtOnceNewOnce(t *testing.T, f dedup.Filter) {
	const workers, n, call = 8, 20_000, 2000 // long calls, that they overlap
	fps := numbered(0, n)
	told := make([]atomic.Int32, n)
	for start := 0; start < n; start += call {
		part := fps[start : start+call]
		together := make(chan struct{})
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				<-together
				fresh, err := f.Add(context.Background(), part...)
				if err != nil || len(fresh) != call {
					t.Errorf("Add: %d answers, %v", len(fresh), err)
					return
				}
				for i, isNew := range fresh {
					if isNew {
						told[start+i].Add(1)
					}
				}
				if seen, err := f.Has(context.Background(), part[0]); err != nil || len(seen) != 1 || !seen[0] {
					t.Errorf("Has after Add: %v, %v", seen, err)
				}
			})
		}
		close(together)
		wg.Wait()
	}
	for i := range told {
		if got := told[i].Load(); got != 1 {
			t.Fatalf("fingerprint %d was new %d times", i, got)
		}
	}
	if got := length(t, f); got != n {
		t.Errorf("Len() = %d, want %d", got, n)
	}
}

func endedContextLosesNothing(t *testing.T, f dedup.Filter) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	fps := numbered(0, 100)
	fresh, err := f.Add(ended, fps...)
	if err == nil {
		expect(t, "Add", fresh, allOf(true, 100))
	}
	if seen, err := f.Has(ended, fps...); err == nil && len(seen) != len(fps) {
		t.Errorf("Has: %d answers for %d fingerprints, and no error", len(seen), len(fps))
	}
	add(t, f, fps...)
	expect(t, "Has", has(t, f, fps...), allOf(true, 100))
	if n := length(t, f); n != 100 {
		t.Errorf("Len() = %d, want 100", n)
	}
}

func argumentsAreLeftAlone(t *testing.T, f dedup.Filter) {
	fps := numbered(0, 100)
	add(t, f, fps...)
	has(t, f, fps...)
	if !slices.Equal(fps, numbered(0, 100)) {
		t.Error("the filter changed its arguments")
	}
	clear(fps)
	expect(t, "Has after the caller reused its slice", has(t, f, numbered(0, 100)...), allOf(true, 100))
}

func nothingUnseenIsSeen(t *testing.T, f dedup.Filter) {
	const n, call = 50_000, 1000
	for i := 0; i < n; i += call {
		expect(t, "Add", add(t, f, numbered(i, call)...), allOf(true, call))
		expect(t, "Has of others", has(t, f, numbered(n+i, call)...), allOf(false, call))
	}
	if got := length(t, f); got != n {
		t.Errorf("Len() = %d, want %d", got, n)
	}
}

// neighboursAreDistinct adds fingerprints one bit apart.
func neighboursAreDistinct(t *testing.T, f dedup.Filter) {
	middle := numbered(0, 1)[0].Short()
	add(t, f, dedup.FromShort(middle))
	for bit := range 64 {
		fp := dedup.FromShort(middle ^ 1<<bit)
		expect(t, "Has "+fp.String(), has(t, f, fp), []bool{false})
		expect(t, "Add "+fp.String(), add(t, f, fp), []bool{true})
	}
	if got := length(t, f); got != 65 {
		t.Errorf("Len() = %d, want 65", got)
	}
}

// rateIsKept fills a filter to what it was made for and counts how many new fingerprints it then takes
// for seen: at most 1.2 times the rate asked for, beside the spread of the sample.
func rateIsKept(t *testing.T, rate float64, newFilter func(expected uint) dedup.Filter) {
	const n, call = 100_000, 1000
	f := newFilter(n)
	for i := 0; i < n; i += call {
		add(t, f, numbered(i, call)...)
	}
	wrong := 0
	for i := n; i < 3*n; i += call {
		for _, seen := range has(t, f, numbered(i, call)...) {
			if seen {
				wrong++
			}
		}
	}
	expected := rate * 2 * n
	t.Logf("asked for %g, measured %.4g", rate, float64(wrong)/(2*n))
	if most := 1.2*expected + 3*math.Sqrt(expected); float64(wrong) > most {
		t.Errorf("%d of %d new fingerprints taken for seen, want at most %.0f", wrong, 2*n, most)
	}
	if got := float64(length(t, f)); math.Abs(got-n) > n*max(0.01, rate) {
		t.Errorf("Len() = %.0f, want about %d", got, n)
	}
}

// numbered returns n fingerprints that look like real ones, the same ones for the same numbers.
func numbered(first, n int) []dedup.Fingerprint {
	fps := make([]dedup.Fingerprint, n)
	var body [8]byte
	for i := range fps {
		binary.BigEndian.PutUint64(body[:], uint64(first+i))
		fps[i] = dedup.Of("GET", "http://deduptest.example/", body[:])
	}
	return fps
}

func add(t *testing.T, f dedup.Filter, fps ...dedup.Fingerprint) []bool {
	t.Helper()
	fresh, err := f.Add(context.Background(), fps...)
	if err != nil {
		t.Fatalf("Add: %v", err)
	}
	return fresh
}

func has(t *testing.T, f dedup.Filter, fps ...dedup.Fingerprint) []bool {
	t.Helper()
	seen, err := f.Has(context.Background(), fps...)
	if err != nil {
		t.Fatalf("Has: %v", err)
	}
	return seen
}

func length(t *testing.T, f dedup.Filter) int64 {
	t.Helper()
	n, err := f.Len(context.Background())
	if err != nil {
		t.Fatalf("Len: %v", err)
	}
	return n
}

func expect(t *testing.T, what string, got, want []bool) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d answers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: answer %d of %d is %v, want %v", what, i, len(want), got[i], want[i])
		}
	}
}

func allOf(answer bool, n int) []bool {
	all := make([]bool, n)
	for i := range all {
		all[i] = answer
	}
	return all
}
