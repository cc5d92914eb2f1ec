package memdedup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Bloom is an approximate filter. What was added is always seen again; of what was not, some is taken
// for seen: at most the rate asked for, however much is added. It grows by layers, as [dedup.BloomPlan] says, and its bits
// are those of a filter in Redis; see [dedup.BloomLayer].
//
// A check takes no lock. A call never allocates beyond the slice of answers, unless a layer is begun, and ignores the
// context: it waits for nothing.
type Bloom struct {
	plan   dedup.BloomPlan
	layers atomic.Pointer[[]*layer] // oldest first; replaced by grow alone
	grow   sync.Mutex

	// Who adds holds the lock of the fingerprint, so that one of many is told that it is new.
	locks [256]struct {
		sync.Mutex

		_ [64 - 8]byte // cache lines of their own
	}
}

type layer struct {
	dedup.BloomLayer

	words []uint64
	added atomic.Int64
}

var (
	_ dedup.Filter  = (*Bloom)(nil)
	_ io.WriterTo   = (*Bloom)(nil)
	_ io.ReaderFrom = (*dedup.BloomBits)(nil)
)

// NewBloom returns an empty filter for the expected number of fingerprints. The rate is how many of
// those not added may be taken for seen: 1e-6 to 0.5. The memory for what is expected is
// taken at once: 1.3 bytes a fingerprint at a rate of 0.01, and 0.7 more for each further digit. Beyond that each layer
// doubles it.
func NewBloom(expected uint, rate float64) (*Bloom, error) {
	plan := dedup.BloomPlan{Expected: int64(min(expected, 1<<62)), Rate: rate} //nolint:gosec // at most 2^62
	if err := plan.Check(); err != nil {
		return nil, fmt.Errorf("memdedup: %w", err)
	}
	b := &Bloom{plan: plan}
	b.layers.Store(&[]*layer{newLayer(plan.Layer(0))})
	return b, nil
}

func newLayer(shape dedup.BloomLayer) *layer {
	return &layer{BloomLayer: shape, words: make([]uint64, shape.Size())}
}

// LoadBloom returns the filter that a [Bloom.WriteTo], or the filter in Redis, has written. Errors are those of
// [dedup.BloomBits.ReadFrom].
func LoadBloom(r io.Reader) (*Bloom, error) {
	var bits dedup.BloomBits
	if _, err := bits.ReadFrom(r); err != nil {
		return nil, err
	}
	return BloomOf(&bits)
}

// BloomOf returns the filter that has the bits, which are its own from then on.
func BloomOf(bits *dedup.BloomBits) (*Bloom, error) {
	if err := bits.Check(); err != nil {
		return nil, fmt.Errorf("memdedup: %w", err)
	}
	b := &Bloom{plan: bits.Plan}
	layers := make([]*layer, 0, max(1, len(bits.Layers)))
	for i := range bits.Layers {
		l := &layer{BloomLayer: bits.Layers[i].BloomLayer, words: bits.Layers[i].Words}
		l.added.Store(bits.Layers[i].Added)
		layers = append(layers, l)
	}
	if len(layers) == 0 {
		layers = append(layers, newLayer(b.plan.Layer(0)))
	}
	b.layers.Store(&layers)
	return b, nil
}

// Bits returns a copy of the filter's bits. What is added meanwhile is in it or not.
func (b *Bloom) Bits() *dedup.BloomBits {
	bits := &dedup.BloomBits{Plan: b.plan}
	for _, l := range *b.layers.Load() {
		saved := dedup.BloomBitsLayer{BloomLayer: l.BloomLayer, Added: l.added.Load(), Words: make([]uint64, len(l.words))}
		for i := range l.words {
			saved.Words[i] = atomic.LoadUint64(&l.words[i])
		}
		bits.Layers = append(bits.Layers, saved)
	}
	return bits
}

// WriteTo implements [io.WriterTo]: it saves the filter for [LoadBloom].
func (b *Bloom) WriteTo(w io.Writer) (int64, error) { return b.Bits().WriteTo(w) }

// Filters returns each layer as a filter of bits-and-blooms, which shares the words of bits. Ask them by
// TestLocations with what [dedup.BloomLayer.Locations] gives; their own hashing finds other positions.
func Filters(bits *dedup.BloomBits) []*bloom.BloomFilter {
	filters := make([]*bloom.BloomFilter, len(bits.Layers))
	for i, l := range bits.Layers {
		filters[i] = bloom.FromWithM(l.Words, uint(len(l.Words))*64, uint(l.Hashes)) //nolint:gosec // 1 to 16
	}
	return filters
}

// Add implements [dedup.Filter].
func (b *Bloom) Add(_ context.Context, fps ...dedup.Fingerprint) (fresh []bool, err error) {
	fresh = make([]bool, len(fps))
	for i, fp := range fps {
		fresh[i] = b.AddOne(fp)
	}
	return fresh, nil
}

// Has implements [dedup.Filter].
func (b *Bloom) Has(_ context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	seen = make([]bool, len(fps))
	for i, fp := range fps {
		seen[i] = b.HasOne(fp)
	}
	return seen, nil
}

// Len implements [dedup.Filter]. It is the number of fingerprints that were new when they were added:
// too low by those that were wrongly taken for seen.
func (b *Bloom) Len(context.Context) (n int64, err error) {
	for _, l := range *b.layers.Load() {
		n += l.added.Load()
	}
	return n, nil
}

// Rate estimates the part of unseen fingerprints that is taken for seen now.
func (b *Bloom) Rate() float64 {
	missed := 1.0
	for _, l := range *b.layers.Load() {
		missed *= 1 - l.Rate(l.added.Load())
	}
	return 1 - missed
}

// Bytes is the memory of the filter's bits.
func (b *Bloom) Bytes() (n int64) {
	for _, l := range *b.layers.Load() {
		n += l.Size() * 8
	}
	return n
}

// AddOne records a fingerprint and reports whether it was new. It allocates only when a layer is begun.
func (b *Bloom) AddOne(fp dedup.Fingerprint) (fresh bool) {
	if b.HasOne(fp) {
		return false
	}
	lock := &b.locks[fp[7]]
	lock.Lock()
	defer lock.Unlock()
	if b.HasOne(fp) {
		return false
	}
	layers := *b.layers.Load()
	last := layers[len(layers)-1]
	last.Set(last.words, fp)
	if last.added.Add(1) >= last.Capacity {
		b.begin(len(layers))
	}
	return true
}

// HasOne reports whether a fingerprint was added before, or is taken for one. It allocates nothing.
func (b *Bloom) HasOne(fp dedup.Fingerprint) (seen bool) {
	layers := *b.layers.Load()
	for _, l := range slices.Backward(layers) {
		if l.Test(l.words, fp) {
			return true
		}
	}
	return false
}

// begin begins the n-th layer, unless another has done so.
func (b *Bloom) begin(n int) {
	b.grow.Lock()
	defer b.grow.Unlock()
	layers := *b.layers.Load()
	if len(layers) != n || n == dedup.MaxBloomLayers {
		return
	}
	layers = append(slices.Clone(layers), newLayer(b.plan.Layer(n)))
	b.layers.Store(&layers)
}
