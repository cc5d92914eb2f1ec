package main

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
)

// errors counts over the growth of Bloom filters what they wrongly take for seen. The ones in Redis have the same bits.
func (b *bench) errors(context.Context) error {
	const probes = 1_000_000
	for _, c := range []struct {
		rate  float64
		sized bool
	}{{0.01, true}, {0.001, true}, {0.01, false}, {0.001, false}} {
		expected, name := uint(0), fmt.Sprintf("bloom %g%% unsized", 100*c.rate)
		if c.sized {
			expected, name = uint(b.urls), fmt.Sprintf("bloom %g%% sized", 100*c.rate) //nolint:gosec // positive
		}
		f, err := memdedup.NewBloom(expected, c.rate)
		if err != nil {
			return err
		}
		worst := 0.0
		for quarter := range 4 {
			for i := b.urls * quarter / 4; i < b.urls*(quarter+1)/4; i++ {
				f.AddOne(numbered(i))
			}
			wrong := 0
			for i := range probes {
				if f.HasOne(numbered(1<<40 + i)) {
					wrong++
				}
			}
			worst = max(worst, float64(wrong)/probes/c.rate)
		}
		b.most(name, "wrongly taken for seen, at worst", "of asked", worst, 1.1)
	}
	return nil
}

// process measures the filters in process and what makes a fingerprint, by the processor's time.
func (b *bench) process(context.Context) error {
	fps := make([]dedup.Fingerprint, 2*b.memory)
	for i := range fps {
		fps[i] = numbered(i)
	}
	bloom, err := memdedup.NewBloom(uint(b.memory), 0.01) //nolint:gosec // positive
	if err != nil {
		return err
	}
	set := memdedup.NewSet()
	heap := heapBytes()
	began := cpuTime()
	for _, fp := range fps[:b.memory] {
		set.AddOne(fp)
	}
	added := cpuTime() - began
	b.add("exact, in process", "memory", "B a URL", float64(heapBytes()-heap)/float64(b.memory))
	b.add("exact, in process", "added", "M/s a core", float64(b.memory)/added.Seconds()/1e6)
	for _, fp := range fps[:b.memory] {
		bloom.AddOne(fp)
	}
	for _, c := range []struct {
		name   string
		check  func(dedup.Fingerprint) bool
		target float64
	}{{"exact, in process", set.HasOne, 10}, {"bloom 1%, in process", bloom.HasOne, 20}} {
		for _, half := range []struct {
			name string
			fps  []dedup.Fingerprint
		}{{"seen", fps[:b.memory]}, {"unseen", fps[b.memory:]}} {
			each, allocs := measure(5, len(half.fps), func(i int) { c.check(half.fps[i]) })
			b.least(c.name, "checks of "+half.name, "M/s a core", 1e3/each, c.target)
			b.most(c.name, "allocations, "+half.name, "a check", allocs, 0)
		}
	}
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		return err
	}
	const url = "https://www.example.com/catalogue/category/books_1/page-2.html?sort=price&page=2"
	each, allocs := measure(5, 200_000, func(int) {
		u, err := canon.Parse(url)
		if err == nil {
			canon.Fingerprint("GET", u.String(), nil, nil)
		}
	})
	b.most("canonical form and fingerprint", "of 80 bytes", "ns", each, 2000)
	b.most("canonical form and fingerprint", "allocations", "a URL", allocs, 2)
	return nil
}

// measure calls do n times in each of some rounds, and returns the processor's time in ns and the allocations of a call, of the
// quickest round: others may be at work on the machine.
func measure(rounds, n int, do func(i int)) (each, allocs float64) {
	for round := range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := cpuTime()
		for i := range n {
			do(i)
		}
		took := float64(cpuTime()-began) / float64(n)
		runtime.ReadMemStats(&after)
		if round == 0 || took < each {
			each = took
		}
		allocs = float64((after.Mallocs - before.Mallocs) / uint64(n)) //nolint:gosec // whole ones: the runtime has some of its own
	}
	return each, allocs
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far less
}
