package memdedup

import (
	"context"
	"encoding/binary"
	"io"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Set is an exact filter: it keeps all 128 bits of each fingerprint. It takes 19 to 26 bytes a
// fingerprint, and a check takes no lock and never allocates beyond the slice of answers. Its calls ignore the context:
// they wait for nothing.
type Set struct {
	seed   seed
	shards [shardCount]shard
}

var (
	_ dedup.Filter = (*Set)(nil)
	_ io.WriterTo  = (*Set)(nil)
)

// shardCount is high enough that goroutines rarely meet, and that a shard grows in no time: at 10^8
// fingerprints, 390,000 of them move.
const (
	shardBits  = 8
	shardCount = 1 << shardBits
)

// NewSet returns an empty set.
func NewSet() *Set {
	return &Set{seed: seed{rand.Uint64(), rand.Uint64()}}
}

// Add implements [dedup.Filter].
func (s *Set) Add(_ context.Context, fps ...dedup.Fingerprint) (fresh []bool, err error) {
	fresh = make([]bool, len(fps))
	for i, fp := range fps {
		fresh[i] = s.AddOne(fp)
	}
	return fresh, nil
}

// Has implements [dedup.Filter].
func (s *Set) Has(_ context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	seen = make([]bool, len(fps))
	for i, fp := range fps {
		seen[i] = s.HasOne(fp)
	}
	return seen, nil
}

// Len implements [dedup.Filter]. While others add, the answer is no older than the call.
func (s *Set) Len(context.Context) (int64, error) {
	var n int64
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += int64(sh.used)
		sh.mu.Unlock()
	}
	return n, nil
}

// AddOne records a fingerprint and reports whether it was new. It allocates only when the set grows.
func (s *Set) AddOne(fp dedup.Fingerprint) (fresh bool) {
	k := keyOf(fp)
	h := s.seed.hash(k)
	sh := &s.shards[h>>(64-shardBits)]
	if t := sh.table.Load(); t != nil && t.has(k, h) {
		return false
	}
	sh.mu.Lock()
	fresh = sh.add(k, h, s.seed)
	sh.mu.Unlock()
	return fresh
}

// HasOne reports whether a fingerprint was added before. It allocates nothing.
func (s *Set) HasOne(fp dedup.Fingerprint) (seen bool) {
	k := keyOf(fp)
	h := s.seed.hash(k)
	t := s.shards[h>>(64-shardBits)].table.Load()
	return t != nil && t.has(k, h)
}

// key is a fingerprint as two words; comparing them is faster than comparing bytes.
type key struct{ hi, lo uint64 }

// seed is what nobody outside knows. Fingerprints are chosen by the web, which could look for ones
// that share their first bits; hashed with the seed they fall anywhere.
type seed key

func keyOf(fp dedup.Fingerprint) key {
	return key{binary.BigEndian.Uint64(fp[:8]), binary.BigEndian.Uint64(fp[8:])}
}

func (s seed) hash(k key) uint64 {
	hi, lo := bits.Mul64(k.hi^s.hi, k.lo^s.lo)
	return hi ^ lo
}

// shard is a part of the set. Who reads it takes no lock, so that the processor looks up several fingerprints at once.
type shard struct {
	table atomic.Pointer[table] // replaced by a larger one as it grows; nil: nothing is there

	mu   sync.Mutex // guards used, and who writes to the table
	used int

	_ [64 - 8 - 8 - 8]byte // shards on cache lines of their own
}

// table is a hash table with open addressing, in groups of 8 slots: a slot is a key and nothing else, a word of tags has a byte of each
// slot's hash, or 0 while the slot is empty. All tags together are small enough to stay in the processor's caches, so that a
// key that is not there seldom costs a look at a slot. A slot is written once, before its tag.
type table struct {
	tags  []uint64
	slots []key
}

// A shard grows by a third when it is seven eighths full: memory moves between 19 and 26 bytes a key.
const (
	group                = 8
	firstGroups          = 2
	fullNum, fullDen     = 7, 8
	growthNum, growthDen = 4, 3

	eachByte = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

func newTable(groups int) *table {
	return &table{tags: make([]uint64, groups), slots: make([]key, groups*group)}
}

// home is the group in which the search for a key begins.
func (t *table) home(h uint64) int {
	g, _ := bits.Mul64(h<<shardBits, uint64(len(t.tags)))
	return int(g) //nolint:gosec // less than len(t.tags)
}

// tagOf is the byte that a key has among the tags.
func tagOf(h uint64) uint64 { return h&0x7f | 0x80 }

// matching has the high bit of each byte of tags that equals tag, and perhaps of some others.
func matching(tags, tag uint64) uint64 {
	x := tags ^ tag*eachByte
	return (x - eachByte) &^ x & eachHigh
}

func (t *table) has(k key, h uint64) bool {
	for g := t.home(h); ; {
		tags := atomic.LoadUint64(&t.tags[g])
		for m := matching(tags, tagOf(h)); m != 0; m &= m - 1 {
			slot := &t.slots[g*group+bits.TrailingZeros64(m)/8]
			if atomic.LoadUint64(&slot.hi) == k.hi && atomic.LoadUint64(&slot.lo) == k.lo {
				return true
			}
		}
		if tags&eachHigh != eachHigh {
			return false
		}
		if g++; g == len(t.tags) {
			g = 0
		}
	}
}

// put writes a key that is not there. There is an empty slot, and the caller holds the lock.
func (t *table) put(k key, h uint64) {
	g := t.home(h)
	for t.tags[g]&eachHigh == eachHigh {
		if g++; g == len(t.tags) {
			g = 0
		}
	}
	shift := bits.TrailingZeros64(^t.tags[g]&eachHigh) / 8
	slot := &t.slots[g*group+shift]
	atomic.StoreUint64(&slot.hi, k.hi)
	atomic.StoreUint64(&slot.lo, k.lo)
	atomic.StoreUint64(&t.tags[g], t.tags[g]|tagOf(h)<<(shift*8))
}

// each calls do with each key.
func (t *table) each(do func(k key)) {
	for i, k := range t.slots {
		if t.tags[i/group]>>(i%group*8)&0x80 != 0 {
			do(k)
		}
	}
}

func (sh *shard) add(k key, h uint64, s seed) (fresh bool) {
	t := sh.table.Load()
	switch {
	case t == nil:
		t = newTable(firstGroups)
		sh.table.Store(t)
	case t.has(k, h): // another has added it meanwhile
		return false
	case (sh.used+1)*fullDen > len(t.slots)*fullNum:
		larger := newTable(len(t.tags)*growthNum/growthDen + 1)
		t.each(func(k key) { larger.put(k, s.hash(k)) })
		t = larger
		sh.table.Store(t)
	}
	t.put(k, h)
	sh.used++
	return true
}
