package near

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// Sim is the simhash of a text. It is stable over releases, because indexes outlive them. The zero Sim is that of a text
// without a word, and near nothing: no index stores or finds it.
type Sim uint64

// Distance returns the number of bits in which two Sims differ, 0 to 64.
func (s Sim) Distance(other Sim) int { return bits.OnesCount64(uint64(s ^ other)) }

// String returns the 16 hexadecimal digits.
func (s Sim) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// shingle is the number of words that are hashed together.
const shingle = 3

// Of returns the Sim of a text. A word is a run of letters, marks and digits, in lower case; of the scripts that put no space
// between words, each letter is one. What lies between words does not count, nor does invalid UTF-8. A shingle counts
// as often as it occurs; a text of one or two words is one shingle.
//
// It allocates nothing, unless a word is longer than 64 bytes.
func Of(text string) Sim {
	s, _ := Measure(text)
	return s
}

// Measure is [Of], and counts the words.
func Measure(text string) (s Sim, words int) {
	var (
		counts  tally
		window  [8 * shingle]byte // the hashes of the last words
		scratch [64]byte
		word    = scratch[:0]
	)
	end := func() {
		if len(word) == 0 {
			return
		}
		copy(window[:], window[8:])
		binary.LittleEndian.PutUint64(window[len(window)-8:], xxhash.Sum64(word))
		word = word[:0]
		if words++; words >= shingle {
			counts.add(xxhash.Sum64(window[:]))
		}
	}
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			if c = lower[c]; c != 0 {
				word = append(word, c)
			} else {
				end()
			}
			continue
		}
		c, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch kindOf(c) {
		case inWord:
			word = utf8.AppendRune(word, unicode.ToLower(c))
		case ownWord:
			end()
			word = utf8.AppendRune(word, c)
			end()
		default:
			end()
		}
	}
	end()
	switch {
	case words == 0:
		return 0, 0
	case words < shingle:
		counts.add(xxhash.Sum64(window[:]))
	}
	return max(1, counts.majority()), words // 0 means that there is no word
}

// lower has the letters and digits of ASCII in lower case, and 0 for what is between words.
var lower = func() (table [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		if c |= 0x20; 'a' <= c && c <= 'z' {
			table[c], table[c&^0x20] = c, c
		}
	}
	for c := byte('0'); c <= '9'; c++ {
		table[c] = c
	}
	return table
}()

const (
	between = iota
	inWord
	ownWord
)

// unspaced are the scripts that put no space between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

func kindOf(c rune) int {
	switch {
	case !unicode.In(c, unicode.L, unicode.M, unicode.Nd):
		return between
	case c >= 0x0E00 && unicode.In(c, unspaced...): // Thai is the first of them
		return ownWord
	}
	return inWord
}

// tally counts, for each of 64 bits, in how many hashes it was set: 64 counters side by side, plane i holding bit i of each, so
// that a hash is added by a carry through the planes instead of 64 additions.
type tally struct {
	planes [64]uint64
	n      uint64
}

func (t *tally) add(hash uint64) {
	t.n++
	for i := 0; hash != 0; i++ {
		t.planes[i], hash = t.planes[i]^hash, t.planes[i]&hash
	}
}

// majority has the bits that were set in more than half of the hashes.
func (t *tally) majority() (s Sim) {
	for bit := range 64 {
		var count uint64
		for i := range bits.Len64(t.n) {
			count |= t.planes[i] >> bit & 1 << i
		}
		if count > t.n/2 {
			s |= 1 << bit
		}
	}
	return s
}
