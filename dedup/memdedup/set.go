package memdedup

import (
	"context"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Set is an exact filter: it keeps all 128 bits of each fingerprint. It takes 23 to 31 bytes a
// fingerprint, and a check never allocates beyond the slice of answers. Its calls ignore the context:
// they wait for nothing.
type Set struct {
	seed   seed
	shards [shardCount]shard
}

var _ dedup.Filter = (*Set)(nil)

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
		if sh.zero {
			n++
		}
		sh.mu.Unlock()
	}
	return n, nil
}

// AddOne records a fingerprint and reports whether it was new. It allocates only when the set grows.
func (s *Set) AddOne(fp dedup.Fingerprint) (fresh bool) {
	k, h := s.key(fp)
	sh := &s.shards[h>>(64-shardBits)]
	sh.mu.Lock()
	fresh = sh.add(k, h<<shardBits, s.seed)
	sh.mu.Unlock()
	return fresh
}

// HasOne reports whether a fingerprint was added before. It allocates nothing.
func (s *Set) HasOne(fp dedup.Fingerprint) (seen bool) {
	k, h := s.key(fp)
	sh := &s.shards[h>>(64-shardBits)]
	sh.mu.Lock()
	seen = sh.has(k, h<<shardBits)
	sh.mu.Unlock()
	return seen
}

// key is a fingerprint as two words; comparing them is faster than comparing bytes.
type key struct{ hi, lo uint64 }

// seed is what nobody outside knows. Fingerprints are chosen by the web, which could look for ones
// that share their first bits; hashed with the seed they fall anywhere.
type seed key

func (s *Set) key(fp dedup.Fingerprint) (key, uint64) {
	k := key{binary.BigEndian.Uint64(fp[:8]), binary.BigEndian.Uint64(fp[8:])}
	return k, s.seed.hash(k)
}

func (s seed) hash(k key) uint64 {
	hi, lo := bits.Mul64(k.hi^s.hi, k.lo^s.lo)
	return hi ^ lo
}

// shard is a hash table with open addressing and linear probing: a slot is a key and nothing else.
type shard struct {
	mu    sync.Mutex // guards all below
	slots []key      // the zero key marks an empty slot
	used  int
	zero  bool // the zero key is in the set

	_ [64 - 8 - 24 - 8 - 8]byte // shards on cache lines of their own
}

// A shard grows by a third when it is seven tenths full: probes stay short, six slots for a key that is not there, and
// memory moves between 23 and 31 bytes a key.
const (
	firstSlots           = 16
	fullNum, fullDen     = 7, 10
	growthNum, growthDen = 4, 3
)

func (sh *shard) has(k key, h uint64) (seen bool) {
	if k == (key{}) {
		return sh.zero
	}
	return sh.used > 0 && sh.slots[sh.find(k, h)] == k
}

func (sh *shard) add(k key, h uint64, s seed) (fresh bool) {
	if k == (key{}) {
		fresh = !sh.zero
		sh.zero = true
		return fresh
	}
	if (sh.used+1)*fullDen > len(sh.slots)*fullNum {
		sh.grow(s)
	}
	slot := &sh.slots[sh.find(k, h)]
	if *slot == k {
		return false
	}
	*slot = k
	sh.used++
	return true
}

// find returns the slot that holds k or, if there is none, the empty one to put it in. There is always
// an empty one.
func (sh *shard) find(k key, h uint64) int {
	home, _ := bits.Mul64(h, uint64(len(sh.slots)))
	i := int(home)
	for sh.slots[i] != k && sh.slots[i] != (key{}) {
		if i++; i == len(sh.slots) {
			i = 0
		}
	}
	return i
}

func (sh *shard) grow(s seed) {
	old := sh.slots
	sh.slots = make([]key, max(firstSlots, len(old)*growthNum/growthDen))
	for _, k := range old {
		if k != (key{}) {
			sh.slots[sh.find(k, s.hash(k)<<shardBits)] = k
		}
	}
}
