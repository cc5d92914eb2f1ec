package dedup

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
)

// BloomLayer is the shape of one layer of a Bloom filter, the same in process and in Redis.
//
// A layer is an array of blocks, each of one word of 48 bits for each hash; a fingerprint sets one bit in each word of one block (as
// the split block Bloom filters of Apache Parquet, whose words have 32 bits; F. Putze, P. Sanders, J. Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, 2007). So a look needs one short read and touches one or two lines of a processor's cache, and Lua,
// whose numbers hold 53 bits, reads a word as one number. With hi and lo, the two halves of [Fingerprint.Short],
//
//	block    = hi * Blocks / 2^32, rounded down
//	x        = (lo * 1500901 + hi * 1832647) mod 2^32
//	bit i    = (x * multiplier i mod 2^32) * 48 / 2^32, rounded down, i from 0 to Hashes-1
//	position = 48 * (Hashes * block + i) + bit i
//
// Position p is bit p%64 of word p/64, as in a bitset of bits-and-blooms, and, words written in little endian, bit p%8 of byte
// p/8, the lowest bit first. The multipliers have 21 bits, and Blocks has at most 21 that count, so that Lua finds the same ones.
// They never change: filters outlive releases.
type BloomLayer struct {
	Capacity int64 // fingerprints that it holds at its rate
	Blocks   int64 // of 6 bytes for each hash
	Hashes   int   // bits of a fingerprint, 1 to 16
}

const (
	bloomWordBits  = 48
	maxBloomBlocks = 1 << 31
	maxBloomBytes  = 1 << 37 // 128 GiB: more is a slip of the pen
	maxBloomHashes = 16
)

var bloomMultipliers = [maxBloomHashes]uint32{
	1295741, 1949387, 1078619, 1786913, 1427047, 2036591, 1160293, 1623511,
	1894825, 1345363, 1711477, 1231955, 2083129, 1564083, 1109871, 1860193,
}

// BlockBytes is the size of a block.
func (l BloomLayer) BlockBytes() int64 { return int64(l.Hashes) * bloomWordBits / 8 }

// Bytes is the size of the layer.
func (l BloomLayer) Bytes() int64 { return l.Blocks * l.BlockBytes() }

// Size is the size of the layer in words of 64 bits, the last of which may be used in part.
func (l BloomLayer) Size() int64 { return (l.Bytes() + 7) / 8 }

// Locations appends the positions of the bits that fp has in the layer: what TestLocations of bits-and-blooms takes.
func (l BloomLayer) Locations(dst []uint64, fp Fingerprint) []uint64 {
	base, x := l.locate(fp)
	for _, m := range bloomMultipliers[:l.Hashes] {
		dst = append(dst, base+bloomBit(x, m))
		base += bloomWordBits
	}
	return dst
}

// locate returns the position at which fp's block begins, and what chooses the bits in it.
func (l BloomLayer) locate(fp Fingerprint) (base uint64, x uint32) {
	hi, lo := binary.BigEndian.Uint32(fp[:4]), binary.BigEndian.Uint32(fp[4:8])
	block := uint64(hi) * uint64(l.Blocks) >> 32                             //nolint:gosec // Blocks is positive
	return block * uint64(l.Hashes) * bloomWordBits, lo*1500901 + hi*1832647 //nolint:gosec // Hashes is positive
}

// Place returns the block of fp in the layer, and in which bit of each of its words fp is; of layers of other shapes the bits are the same.
func (l BloomLayer) Place(fp Fingerprint) (block int64, bits [maxBloomHashes]byte) {
	base, x := l.locate(fp)
	for i, m := range bloomMultipliers {
		bits[i] = byte(bloomBit(x, m)) //nolint:gosec // less than 48
	}
	return int64(base / (uint64(l.Hashes) * bloomWordBits)), bits //nolint:gosec // less than Blocks
}

// bloomBit is the bit that a multiplier chooses in its word.
func bloomBit(x, multiplier uint32) uint64 { return uint64(x*multiplier) * bloomWordBits >> 32 }

// Test reports whether words has all bits of fp. Others may call Set meanwhile.
func (l BloomLayer) Test(words []uint64, fp Fingerprint) bool {
	at, x := l.locate(fp)
	all := uint64(1) // no branch a bit: which one is missing cannot be foreseen
	for _, m := range bloomMultipliers[:l.Hashes] {
		p := at + bloomBit(x, m)
		all &= atomic.LoadUint64(&words[p>>6]) >> (p & 63)
		at += bloomWordBits
	}
	return all != 0
}

// Set sets the bits of fp.
func (l BloomLayer) Set(words []uint64, fp Fingerprint) {
	at, x := l.locate(fp)
	for _, m := range bloomMultipliers[:l.Hashes] {
		p := at + bloomBit(x, m)
		atomic.OrUint64(&words[p>>6], 1<<(p&63))
		at += bloomWordBits
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
	// A fingerprint leaves a bit of its block's words unset in 47 cases of 48, and a block has a Poisson number of them.
	return bloomRate(-math.Log1p(-fill)*bloomWordBits, l.Hashes)
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
	unset := math.Exp(float64(first) * math.Log1p(-1.0/bloomWordBits))
	const step = 1 - 1.0/bloomWordBits
	sum := 0.0
	for j := first; j <= last; j++ {
		sum += share * math.Pow(1-unset, float64(hashes))
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

// The first layer takes nine tenths of the rate if its size was asked for, or three twentieths if it was not: then there will be
// more, each 0.85 of the one before. Each layer holds as many as all before it together. A layer has the number of hashes
// that is least work in Redis among those with which it takes hardly more memory than with the best: 8, which the scripts have
// unrolled, or else the fewest.
const (
	bloomFirst      = 32_768
	bloomFirstShare = 0.9
	bloomTightening = 0.85
	bloomWaste      = 1.04
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
	case float64(p.Expected)*40/8 > maxBloomBytes:
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
		capacity <<= max(0, min(i-1, bits.LeadingZeros64(uint64(capacity))-14)) //nolint:gosec // positive
	}
	var shapes []BloomLayer
	least := int64(math.MaxInt64)
	// Without blocks the best number is log2(1/rate); with them it is somewhat more.
	for hashes := 1; hashes <= min(int(-math.Log2(rate))+4, maxBloomHashes); hashes++ {
		blocks := int64(min(math.Ceil(float64(capacity)/bloomLoad(rate, hashes)), 1<<55)) // the last layers are never reached
		coarse := max(0, bits.Len64(uint64(blocks))-21)                                   //nolint:gosec // positive
		l := BloomLayer{Capacity: capacity, Blocks: (blocks + 1<<coarse - 1) >> coarse << coarse, Hashes: hashes}
		shapes, least = append(shapes, l), min(least, l.Bytes())
	}
	shapes = slices.DeleteFunc(shapes, func(l BloomLayer) bool { return float64(l.Bytes()) > bloomWaste*float64(least) })
	if i := slices.IndexFunc(shapes, func(l BloomLayer) bool { return l.Hashes == 8 }); i >= 0 {
		return shapes[i]
	}
	return shapes[0]
}

// bloomLoad is how many fingerprints a block may hold at a rate.
func bloomLoad(rate float64, hashes int) float64 {
	low, high := 0.0, 10.0*bloomWordBits
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
