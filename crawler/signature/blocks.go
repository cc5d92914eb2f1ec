package signature

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"
	"unicode"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/net/html"
)

// Blocks are the paragraphs of a page that hold at least 20 letters: the hash of the letters of each, ascending, without
// repetition. Digits and punctuation do not count.
type Blocks []uint32

const (
	blockLetters = 20
	maxBlocks    = 4096 // of one page; those with the least hashes, so that the choice is the same each time
)

// BlocksOf returns the blocks of a parsed page, which it leaves as it is.
func BlocksOf(root *html.Node) Blocks {
	var out Blocks
	r := reader{skip: frame}
	r.onBlock = func() {
		block := bytes.Map(func(c rune) rune {
			if unicode.IsLetter(c) {
				return unicode.ToLower(c)
			}
			return -1
		}, r.text)
		r.text = r.text[:0]
		if len([]rune(string(block))) >= blockLetters {
			out = append(out, uint32(xxhash.Sum64(block)))
		}
	}
	r.read(root)
	r.onBlock()
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxBlocks)]
}

// Appeared returns how many blocks of b are not among those of before. A page that is never the same has changed if there are any.
func (b Blocks) Appeared(before Blocks) int { return len(b) - b.common(before) }

// Likeness returns the share of blocks that two pages have in common, of all that either has (Jaccard), 0 to 1; 1 if
// neither has any.
func (b Blocks) Likeness(other Blocks) float64 {
	both := b.common(other)
	if all := len(b) + len(other) - both; all > 0 {
		return float64(both) / float64(all)
	}
	return 1
}

func (b Blocks) common(other Blocks) int {
	n := 0
	for i, j := 0, 0; i < len(b) && j < len(other); {
		switch {
		case b[i] < other[j]:
			i++
		case b[i] > other[j]:
			j++
		default:
			n, i, j = n+1, i+1, j+1
		}
	}
	return n
}

// alike is the likeness at which two pages are the same page: one block of ten may name the URL that was asked for.
const alike = 0.9

// Page is what is kept of the answer to a probe, and compared with it.
type Page struct {
	Signature uint64
	Blocks    Blocks
}

// SoftMissing reports whether a page is the host's answer to a URL that cannot exist: the same signature, or blocks that are the
// same for nine in ten. A probe that was answered 404 is a zero Page, which nothing is like.
func SoftMissing(page, probe Page) bool {
	switch {
	case probe.Signature == 0:
		return false
	case page.Signature == probe.Signature:
		return true
	}
	return len(probe.Blocks) > 0 && page.Blocks.Likeness(probe.Blocks) >= alike
}

// ProbePath returns the path of a sibling of a URL's path that cannot exist: its last segment is replaced by 24 hexadecimal digits
// of nonce, which the caller draws at random.
func ProbePath(path string, nonce [12]byte) string {
	i := len(path)
	for i > 0 && path[i-1] != '/' {
		i--
	}
	if i == 0 {
		return "/" + hex.EncodeToString(nonce[:])
	}
	return path[:i] + hex.EncodeToString(nonce[:])
}

// Walls finds the signatures that take the place of many pages of a host: at least five URLs that showed different content
// now show the same. It belongs to one host and one goroutine; it remembers the last 64 signatures.
type Walls struct {
	entries []wall
}

type wall struct {
	signature uint64
	before    []uint64 // signatures that it took the place of, up to wallPages
	urls      []uint64
}

const (
	wallPages = 5
	maxWalls  = 64
)

// Add counts that the URL with a fingerprint showed signature now instead of before, and reports whether that is a wall.
func (w *Walls) Add(url, before, now uint64) bool {
	if before == 0 || before == now {
		return w.Is(now)
	}
	i := slices.IndexFunc(w.entries, func(e wall) bool { return e.signature == now })
	if i < 0 {
		if len(w.entries) == maxWalls {
			w.entries = slices.Delete(w.entries, 0, 1)
		}
		w.entries = append(w.entries, wall{signature: now})
		i = len(w.entries) - 1
	}
	e := &w.entries[i]
	if len(e.before) < wallPages && !slices.Contains(e.before, before) && !slices.Contains(e.urls, url) {
		e.before, e.urls = append(e.before, before), append(e.urls, url)
	}
	return len(e.before) >= wallPages
}

// Is reports whether a signature is a wall.
func (w *Walls) Is(signature uint64) bool {
	i := slices.IndexFunc(w.entries, func(e wall) bool { return e.signature == signature })
	return i >= 0 && len(w.entries[i].before) >= wallPages
}

// Noise counts the visits of one page, to tell whether it is worth a paired fetch. The zero value is ready.
type Noise struct {
	Visits, Changed uint8
	Gaps            [noiseVisits]uint16 // minutes between the last visits
}

const (
	noiseVisits  = 10
	noiseChanged = 9
	noiseGap     = 60 // minutes
)

// PairGap is the time between the two fetches of a pair.
const PairGap = 2 * time.Second

// Add counts a visit, gap after the last one, and reports whether a paired fetch is due: nine of the ten visits since the
// counting began showed a change, and the median gap was below an hour. It then counts anew.
func (n *Noise) Add(changed bool, gap time.Duration) bool {
	if n.Visits >= noiseVisits { // as Add leaves it never; as it may be read from a store
		*n = Noise{}
	}
	n.Gaps[n.Visits] = uint16(min(max(gap/time.Minute, 0), 1<<16-1))
	n.Visits++
	if changed {
		n.Changed++
	}
	if n.Visits < noiseVisits {
		return false
	}
	gaps := n.Gaps
	slices.Sort(gaps[:])
	pair := n.Changed >= noiseChanged && gaps[noiseVisits/2] < noiseGap
	*n = Noise{}
	return pair
}
