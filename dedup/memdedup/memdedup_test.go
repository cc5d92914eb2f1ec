package memdedup

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/deduptest"
)

func TestSet(t *testing.T) {
	t.Parallel()
	deduptest.Run(t, func(*testing.T) dedup.Filter { return NewSet() })
}

func TestBloom(t *testing.T) {
	t.Parallel()
	deduptest.RunApproximate(t, func(t *testing.T, expected uint, rate float64) dedup.Filter { return newBloom(t, expected, rate) })
}

func newBloom(tb testing.TB, expected uint, rate float64) *Bloom {
	tb.Helper()
	b, err := NewBloom(expected, rate)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestSetKeepsAllBits(t *testing.T) {
	t.Parallel()
	s := NewSet()
	var fp dedup.Fingerprint
	for bit := range 8 * len(fp) {
		one := fp
		one[bit/8] ^= 1 << (bit % 8)
		if s.HasOne(one) || !s.AddOne(one) || !s.HasOne(one) || s.AddOne(one) {
			t.Errorf("bit %d does not count", bit)
		}
	}
	if s.HasOne(fp) {
		t.Error("the zero fingerprint was never added")
	}
}

// Fingerprints can be sought out to fall close together; the set must not care.
func TestSetStaysFastOnSoughtFingerprints(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for name, short := range map[string]func(i uint64) uint64{
		"counting":        func(i uint64) uint64 { return i },
		"same first bits": func(i uint64) uint64 { return 0xabcdef<<40 | i },
		"same last bits":  func(i uint64) uint64 { return i<<40 | 0xabcdef },
	} {
		s := NewSet()
		for i := range uint64(n) {
			s.AddOne(dedup.FromShort(short(i)))
		}
		if longest := s.longestRun(); longest > 200 {
			t.Errorf("%s: %d keys in one run", name, longest)
		}
	}
}

// longestRun returns the length of the longest run of full slots: what a probe costs at worst.
func (s *Set) longestRun() (longest int) {
	for i := range s.shards {
		t := s.shards[i].table.Load()
		if t == nil {
			continue
		}
		run := 0
		for _, tags := range t.tags {
			if run += group; tags&eachHigh != eachHigh {
				run = 0
			}
			longest = max(longest, run)
		}
	}
	return longest
}

func TestChecksDoNotAllocate(t *testing.T) {
	const n = 10_000
	fps := random(n)
	set, bloom := NewSet(), newBloom(t, n, 0.01)
	ctx := context.Background()
	fresh := func(f dedup.Filter) {
		if _, err := f.Add(ctx, fps...); err != nil {
			t.Fatal(err)
		}
	}
	fresh(set)
	fresh(bloom)
	i := 0
	for name, check := range map[string]func(fp dedup.Fingerprint) bool{
		"Set.HasOne": set.HasOne, "Set.AddOne": set.AddOne, "Bloom.HasOne": bloom.HasOne, "Bloom.AddOne": bloom.AddOne,
	} {
		if allocs := testing.AllocsPerRun(1000, func() { i++; check(fps[i%n]) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	for name, f := range map[string]dedup.Filter{"Set": set, "Bloom": bloom} {
		if allocs := testing.AllocsPerRun(100, func() { _, _ = f.Has(ctx, fps[:100]...) }); allocs > 1 {
			t.Errorf("%s.Has: %v allocations for 100 checks, want 1", name, allocs)
		}
	}
}

func TestSetIsCompact(t *testing.T) {
	const n = 200_000
	fps := random(n)
	before := heap()
	s := NewSet()
	for _, fp := range fps {
		s.AddOne(fp)
	}
	bytes := float64(heap()-before) / n
	t.Logf("%.1f bytes a fingerprint", bytes)
	if bytes > 31 {
		t.Errorf("%.1f bytes a fingerprint, want at most 31", bytes)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(fps)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestWrongBloomsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		expected uint
		rate     float64
	}{{1, 0}, {1, 1}, {1, -1}, {1, math.NaN()}, {1, math.Inf(1)}, {math.MaxUint, 0.01}, {1 << 40, 0.5}, {1, 1e-7}, {1, 0.6}} {
		if b, err := NewBloom(tc.expected, tc.rate); err == nil || b != nil {
			t.Errorf("NewBloom(%d, %g) was accepted", tc.expected, tc.rate)
		}
	}
}

func random(n int) []dedup.Fingerprint {
	r := rand.New(rand.NewPCG(5, 6))
	fps := make([]dedup.Fingerprint, n)
	for i := range fps {
		binary.BigEndian.PutUint64(fps[i][:8], r.Uint64())
		binary.BigEndian.PutUint64(fps[i][8:], r.Uint64())
	}
	return fps
}

const benchSize = 1 << 20

func BenchmarkSetHas(b *testing.B) {
	s, fps := NewSet(), random(2*benchSize)
	for _, fp := range fps[:benchSize] {
		s.AddOne(fp)
	}
	b.Run("seen", func(b *testing.B) { benchOne(b, fps[:benchSize], s.HasOne) })
	b.Run("unseen", func(b *testing.B) { benchOne(b, fps[benchSize:], s.HasOne) })
	b.Run("batch", func(b *testing.B) { benchBatch(b, fps, s) })
}

func BenchmarkSetAdd(b *testing.B) {
	s, fps := NewSet(), random(benchSize)
	b.ReportAllocs()
	for i := range b.N {
		if i%benchSize == 0 {
			s = NewSet()
		}
		s.AddOne(fps[i%benchSize])
	}
}

func BenchmarkBloomHas(b *testing.B) {
	f, fps := newBloom(b, benchSize, 0.01), random(2*benchSize)
	for _, fp := range fps[:benchSize] {
		f.AddOne(fp)
	}
	b.Run("seen", func(b *testing.B) { benchOne(b, fps[:benchSize], f.HasOne) })
	b.Run("unseen", func(b *testing.B) { benchOne(b, fps[benchSize:], f.HasOne) })
	b.Run("batch", func(b *testing.B) { benchBatch(b, fps, f) })
}

func BenchmarkBloomAdd(b *testing.B) {
	f, fps := newBloom(b, benchSize, 0.01), random(benchSize)
	benchOne(b, fps, f.AddOne)
}

// BenchmarkMapHas is what the set is measured against: a plain Go map without a lock.
func BenchmarkMapHas(b *testing.B) {
	fps := random(2 * benchSize)
	m := make(map[dedup.Fingerprint]struct{})
	before := heap()
	for _, fp := range fps[:benchSize] {
		m[fp] = struct{}{}
	}
	b.Logf("%.1f bytes a fingerprint", float64(heap()-before)/benchSize)
	has := func(fp dedup.Fingerprint) bool { _, ok := m[fp]; return ok }
	b.Run("seen", func(b *testing.B) { benchOne(b, fps[:benchSize], has) })
	b.Run("unseen", func(b *testing.B) { benchOne(b, fps[benchSize:], has) })
}

func benchOne(b *testing.B, fps []dedup.Fingerprint, check func(dedup.Fingerprint) bool) {
	b.ReportAllocs()
	begin := cpu(b)
	for i := range b.N {
		check(fps[i&(benchSize-1)])
	}
	// By the processor's time: others may be at work on the machine.
	b.ReportMetric(float64(b.N)/(cpu(b)-begin).Seconds()/1e6, "M/s-core")
}

// cpu is the processor time that the process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchBatch(b *testing.B, fps []dedup.Fingerprint, f dedup.Filter) {
	b.ReportAllocs()
	for i := 0; i < b.N; i += 100 {
		if _, err := f.Has(context.Background(), fps[i%(len(fps)-100):][:100]...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBloomGrown checks against as many layers as a growth of some 250 times makes.
func BenchmarkBloomGrown(b *testing.B) {
	f, fps := newBloom(b, 0, 0.01), random(2*benchSize)
	for _, fp := range fps[:benchSize] {
		f.AddOne(fp)
	}
	b.Run("seen", func(b *testing.B) { benchOne(b, fps[:benchSize], f.HasOne) })
	b.Run("unseen", func(b *testing.B) { benchOne(b, fps[benchSize:], f.HasOne) })
}
