package redisdedup

import (
	"fmt"
	"math/bits"
	"strconv"
	"sync/atomic"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Hint is what a process knows of where a filter, or one partition of it, keeps fingerprints: what a script told last. It saves Redis
// the search, which is the greater part of its work. The zero Hint knows nothing; one that is out of date does no harm. It
// may be used from many goroutines.
type Hint struct{ told atomic.Pointer[told] }

// told is what seen_told in lua/ said.
type told struct {
	text  string
	sets  uint64 // of integers
	layer int    // the newest
	shape dedup.BloomLayer
}

// Args is how many arguments of a script a fingerprint takes.
func (k Kind) Args() int {
	switch k {
	case IntSet:
		return 2
	case Bloom, TwoTier:
		return 4
	default:
		return 1
	}
}

// Told takes what a script of the kind told.
func (h *Hint) Told(kind Kind, text string) error {
	if last := h.told.Load(); last != nil && last.text == text {
		return nil
	}
	t := &told{text: text}
	var err error
	switch kind {
	case IntSet:
		if t.sets, err = strconv.ParseUint(text, 10, 32); err == nil && t.sets == 0 {
			err = strconv.ErrRange
		}
	case Bloom, TwoTier:
		_, err = fmt.Sscanf(text, "%d %d %d", &t.layer, &t.shape.Blocks, &t.shape.Hashes)
		if err == nil && (t.shape.Blocks < 1 || t.shape.Hashes < 1) {
			err = strconv.ErrRange
		}
	case Set: // there is nothing to know
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", errReply, text, err)
	}
	h.told.Store(t)
	return nil
}

// AppendArgs appends a fingerprint as the scripts of the kind take it.
func (h *Hint) AppendArgs(args []any, kind Kind, fp dedup.Fingerprint) []any {
	t := h.told.Load()
	switch kind {
	case Bloom, TwoTier:
		if t == nil {
			return append(args, appendBits(nil, fp), "", "", "")
		}
		block, _ := t.shape.Place(fp)
		size, each := t.shape.BlockBytes(), int64(inKey(t.shape))
		first := block * size % each
		where := strconv.AppendInt(append(strconv.AppendInt(nil, int64(t.layer), 10), ':'), block*size/each, 10)
		return append(args, appendBits(nil, fp), where, first, first+size-1)
	case IntSet:
		set := uint64(0)
		if t != nil {
			set = setOf(fp.Short(), t.sets)
		}
		return append(args, fp.AppendDecimal(nil), set)
	default:
		return append(args, fp.AppendDecimal(nil))
	}
}

// appendBits appends the form in which scripts take a fingerprint that is looked for in layers: its first 8 bytes, and its bit in each word
// of a block.
func appendBits(dst []byte, fp dedup.Fingerprint) []byte {
	_, bits := dedup.BloomLayer{Blocks: 1, Hashes: 1}.Place(fp)
	return append(append(dst, fp[:8]...), bits[:]...)
}

// setOf returns the number of the set of integers that keeps a fingerprint, if there are so many: see lua/seen_intset.lua.
func setOf(short, sets uint64) uint64 {
	node := 1<<32 + (short^1<<63)>>32
	below := 33 - bits.Len64(sets) // the root
	if n := node >> below; n >= sets {
		return n
	}
	return node >> (below - 1)
}
