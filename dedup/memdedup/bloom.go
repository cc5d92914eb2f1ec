package memdedup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Bloom is an approximate filter. What was added is always seen again; of what was not, some is taken
// for seen: at most the rate asked for, as long as no more is added than expected. Beyond that the rate
// climbs, to 1 in the end.
//
// A call never allocates beyond the slice of answers, and ignores the context: it waits for nothing.
type Bloom struct {
	mu    sync.RWMutex // guards all below
	bits  *bloom.BloomFilter
	added int64
}

var _ dedup.Filter = (*Bloom)(nil)

// maxBloomBits is 128 GiB: more is a slip of the pen.
const maxBloomBits = 1 << 40

// NewBloom returns an empty filter for the expected number of fingerprints. The rate is how many of
// those not added may be taken for seen when it is full: more than 0, less than 1. All the memory is
// taken at once: 1.2 bytes a fingerprint at a rate of 0.01, and 0.6 more for each further digit.
func NewBloom(expected uint, rate float64) (*Bloom, error) {
	if expected == 0 {
		return nil, errors.New("memdedup: a Bloom filter for 0 fingerprints")
	}
	if !(rate > 0 && rate < 1) { // and not NaN
		return nil, fmt.Errorf("memdedup: the rate of a Bloom filter (%g) must lie between 0 and 1", rate)
	}
	if size := -float64(expected) * math.Log(rate) / (math.Ln2 * math.Ln2); size > maxBloomBits {
		return nil, fmt.Errorf("memdedup: a Bloom filter for %d fingerprints at %g takes %.0f GiB", expected, rate, size/(8<<30))
	}
	return &Bloom{bits: bloom.NewWithEstimates(expected, rate)}, nil
}

// Add implements [dedup.Filter].
func (b *Bloom) Add(_ context.Context, fps ...dedup.Fingerprint) (fresh []bool, err error) {
	fresh = make([]bool, len(fps))
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range fps {
		fresh[i] = b.add(&fps[i])
	}
	return fresh, nil
}

// Has implements [dedup.Filter].
func (b *Bloom) Has(_ context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	seen = make([]bool, len(fps))
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range fps {
		seen[i] = b.bits.Test(fps[i][:])
	}
	return seen, nil
}

// Len implements [dedup.Filter]. It is the number of fingerprints that were new when they were added:
// too low by those that were wrongly taken for seen.
func (b *Bloom) Len(context.Context) (int64, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.added, nil
}

// AddOne records a fingerprint and reports whether it was new. It allocates nothing.
func (b *Bloom) AddOne(fp dedup.Fingerprint) (fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(&fp)
}

// HasOne reports whether a fingerprint was added before, or is taken for one. It allocates nothing.
func (b *Bloom) HasOne(fp dedup.Fingerprint) (seen bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bits.Test(fp[:])
}

func (b *Bloom) add(fp *dedup.Fingerprint) (fresh bool) {
	if b.bits.TestAndAdd(fp[:]) {
		return false
	}
	b.added++
	return true
}
