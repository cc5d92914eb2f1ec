package dedup

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
)

// BloomLayer is the shape of one layer of a Bloom filter, the same in process and in Redis.
//
// A layer is an array of blocks of 512 bits, which is a line of a processor's cache (F. Putze, P. Sanders, J. Singler:
// Cache-, Hash- and Space-Efficient Bloom Filters, 2007). A fingerprint sets Hashes bits of one block. With hi and
// lo, the two halves of [Fingerprint.Short],
//
//	block    = hi * Blocks / 2^32, rounded down
//	x        = (lo * 1500901 + hi * 1832647) mod 2^32
//	bit i    = (x * multiplier i mod 2^32) / 2^23, rounded down, i from 0 to Hashes-1
//	position = 512 * block + bit
//
// Position p is bit p%64 of word p/64, as in a bitset of bits-and-blooms, and, words written in little endian, bit p%8 of byte
// p/8, the lowest bit first. The multipliers have 21 bits, so that Lua, whose numbers hold 53, finds the same ones.
// They never change: filters outlive releases.
type BloomLayer struct {
	Capacity int64 // fingerprints that it holds at its rate
	Blocks   int64 // of 64 bytes
	Hashes   int   // bits of a fingerprint, 1 to 16
}

const (
	bloomBlockWords = 8 // of 64 bits
	bloomBlockBits  = 512
	maxBloomBlocks  = 1 << 31 // 128 GiB: more is a slip of the pen
	maxBloomHashes  = 16
)

var bloomMultipliers = [maxBloomHashes]uint32{
	1295741, 1949387, 1078619, 1786913, 1427047, 2036591, 1160293, 1623511,
	1894825, 1345363, 1711477, 1231955, 2083129, 1564083, 1109871, 1860193,
}

// BloomMultipliers returns the multipliers, in order.
func BloomMultipliers() [16]uint32 { return bloomMultipliers }

// Size is the size of the layer in words of 64 bits.
func (l BloomLayer) Size() int64 { return l.Blocks * bloomBlockWords }

// Locations appends the positions of the bits that fp has in the layer: what TestLocations of bits-and-blooms takes.
func (l BloomLayer) Locations(dst []uint64, fp Fingerprint) []uint64 {
	base, x := l.locate(fp)
	for _, m := range bloomMultipliers[:l.Hashes] {
		dst = append(dst, base*64+uint64((x*m)>>23))
	}
	return dst
}

// locate returns the first word of fp's block, and what chooses the bits in it.
func (l BloomLayer) locate(fp Fingerprint) (word uint64, x uint32) {
	hi, lo := binary.BigEndian.Uint32(fp[:4]), binary.BigEndian.Uint32(fp[4:8])
	return uint64(hi) * uint64(l.Blocks) >> 32 * bloomBlockWords, lo*1500901 + hi*1832647 //nolint:gosec // Blocks is positive
}

// Test reports whether words has all bits of fp. Others may call Set meanwhile.
func (l BloomLayer) Test(words []uint64, fp Fingerprint) bool {
	at, x := l.locate(fp)
	block := (*[bloomBlockWords]uint64)(words[at:])
	all := uint64(1) // no branch a bit: which one is missing cannot be foreseen
	for _, m := range bloomMultipliers[:l.Hashes] {
		bit := (x * m) >> 23
		all &= atomic.LoadUint64(&block[bit>>6&7]) >> (bit & 63)
	}
	return all != 0
}

// Set sets the bits of fp.
func (l BloomLayer) Set(words []uint64, fp Fingerprint) {
	at, x := l.locate(fp)
	block := words[at : at+bloomBlockWords : at+bloomBlockWords]
	for _, m := range bloomMultipliers[:l.Hashes] {
		bit := (x * m) >> 23
		atomic.OrUint64(&block[bit>>6&7], 1<<(bit&63))
	}
}

// Rate is the part of unseen fingerprints that is taken for seen when the layer holds n. It is exact but for the spread of
// n fingerprints over the blocks, taken as a Poisson distribution.
func (l BloomLayer) Rate(n int64) float64 {
	return bloomRate(float64(n)/float64(l.Blocks), l.Hashes)
}

// RateOfBits is the rate of a layer of which a part of the bits, fill, is set: that of as many fingerprints as set so many on
// average.
func (l BloomLayer) RateOfBits(fill float64) float64 {
	if fill >= 1 {
		return 1
	}
	// A fingerprint leaves a bit of its block unset with the probability unset, and a block has a Poisson number of them.
	unset := math.Exp(float64(l.Hashes) * math.Log1p(-1.0/bloomBlockBits))
	return bloomRate(-math.Log1p(-fill)/(1-unset), l.Hashes)
}

// bloomRate is the rate at so many fingerprints a block.
func bloomRate(load float64, hashes int) float64 {
	if load <= 0 {
		return 0
	}
	// Beyond ten standard deviations nothing counts.
	first := max(0, int(load-10*math.Sqrt(load)-10))
	last := int(load + 10*math.Sqrt(load) + 10)
	factorial, _ := math.Lgamma(float64(first) + 1)
	share := math.Exp(float64(first)*math.Log(load) - load - factorial)
	unset := math.Exp(float64(first*hashes) * math.Log1p(-1.0/bloomBlockBits))
	step := math.Exp(float64(hashes) * math.Log1p(-1.0/bloomBlockBits))
	sum := 0.0
	for j := first; j <= last; j++ {
		all := share
		for range hashes {
			all *= 1 - unset
		}
		sum += all
		share *= load / float64(j+1)
		unset *= step
	}
	return sum
}

// BloomPlan says which layers a filter has as it grows. The compound rate of all layers, each of them full, stays
// below Rate, however many there are (P. Almeida, C. Baquero et al.: Scalable Bloom Filters, 2007).
type BloomPlan struct {
	// Expected is the number of fingerprints the first layer is made for. If it is 0 the first layer is small, and the
	// filter takes up to four times the memory of one whose size was known.
	Expected int64 `json:"expected"`
	// Rate is the part of unseen fingerprints that may be taken for seen, from 1e-6 to 0.5.
	Rate float64 `json:"rate"`
}

// The first layer takes nine tenths of the rate if its size was asked for, or a tenth if it was not: then there will be
// more, each nine tenths of the one before. Each layer holds as many as all before it together.
const (
	bloomFirst      = 4096
	bloomFirstShare = 0.9
	bloomTightening = 0.9
	bloomLaterShare = 0.5
	// MaxBloomLayers is how many layers a filter has at most: enough for a growth of a thousand million times.
	MaxBloomLayers = 32
)

// Check returns an error if there is no such filter.
func (p BloomPlan) Check() error {
	switch {
	case !(p.Rate >= 1e-6 && p.Rate <= 0.5): // and not NaN
		return fmt.Errorf("the rate of a Bloom filter (%g) must lie between 0.000001 and 0.5", p.Rate)
	case p.Expected < 0:
		return fmt.Errorf("a Bloom filter for %d fingerprints", p.Expected)
	case float64(p.Expected)*40 > maxBloomBlocks*bloomBlockBits:
		return fmt.Errorf("a Bloom filter for %d fingerprints takes more than 128 GiB", p.Expected)
	}
	return nil
}

// Layer returns the shape of the i-th layer, from 0. The plan must be one that Check accepts.
func (p BloomPlan) Layer(i int) BloomLayer {
	capacity := max(p.Expected, bloomFirst)
	rate := p.Rate * (1 - bloomTightening) * math.Pow(bloomTightening, float64(i))
	if p.Expected > 0 {
		rate = p.Rate * bloomFirstShare
		if i > 0 {
			rate = p.Rate * (1 - bloomFirstShare) * math.Pow(bloomLaterShare, float64(i))
		}
	}
	if i > 1 {
		capacity <<= min(i-1, 62)
	}
	// Without blocks the best number is log2(1/rate); with them it is somewhat less.
	ideal := -math.Log2(rate)
	best := BloomLayer{}
	for hashes := max(1, min(int(0.6*ideal), maxBloomHashes-4)); hashes <= min(int(ideal)+1, maxBloomHashes); hashes++ {
		blocks := int64(math.Ceil(float64(capacity) / bloomLoad(rate, hashes)))
		if best.Blocks == 0 || blocks < best.Blocks {
			best = BloomLayer{Capacity: capacity, Blocks: blocks, Hashes: hashes}
		}
	}
	return best
}

// bloomLoad is how many fingerprints a block may hold at a rate.
func bloomLoad(rate float64, hashes int) float64 {
	low, high := 0.0, float64(bloomBlockBits)
	for range 40 {
		middle := (low + high) / 2
		if bloomRate(middle, hashes) > rate {
			high = middle
		} else {
			low = middle
		}
	}
	return max(low, 1e-3)
}
