package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Fingerprint identifies a request: the first 128 bits of the SHA-256 of its method, canonical URL
// and body. A cryptographic hash, because the web chooses the input: a cheaper one would let a site
// make its pages collide with another's and so hide them from the crawl.
//
// Stores that count bytes keep [Fingerprint.Short], its first 64 bits: at 10^9 URLs the expected
// number lost to a collision is 0.03.
type Fingerprint [16]byte

// Of returns the fingerprint of a request: SHA-256 over method, LF, canonical URL, LF, body,
// truncated to 128 bits. The method is in upper case; an empty one means GET. The URL is used as it
// is: canonicalise it first. Neither holds a line feed, so no two requests run together.
func Of(method, canonical string, body []byte) Fingerprint {
	if method == "" {
		method = "GET"
	}
	var room [512]byte // on the stack: a usual request costs no allocation
	b := room[:0]
	if n := len(method) + len(canonical) + len(body) + 2; n > len(room) {
		b = make([]byte, 0, n)
	}
	b = append(b, method...)
	b = append(b, '\n')
	b = append(b, canonical...)
	b = append(b, '\n')
	b = append(b, body...)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:16])
}

// Short returns the first 64 bits, big endian: what Redis keeps of a fingerprint.
func (f Fingerprint) Short() uint64 { return binary.BigEndian.Uint64(f[:8]) }

// FromShort returns the fingerprint whose first 64 bits are short and whose rest is zero, as
// drivers that keep 64 bits hand it back.
func FromShort(short uint64) Fingerprint {
	var f Fingerprint
	binary.BigEndian.PutUint64(f[:8], short)
	return f
}

// AppendDecimal appends [Fingerprint.Short] as a signed decimal number, the form in which Redis
// packs it into an intset.
func (f Fingerprint) AppendDecimal(dst []byte) []byte {
	return strconv.AppendInt(dst, int64(f.Short()), 10)
}

// String returns the 32 hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// ParseFingerprint reads what [Fingerprint.String] wrote.
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	if len(s) != hex.EncodedLen(len(f)) {
		return f, fmt.Errorf("fingerprint %q: want 32 hexadecimal digits", s)
	}
	if _, err := hex.Decode(f[:], []byte(s)); err != nil {
		return f, fmt.Errorf("fingerprint %q: %w", s, err)
	}
	return f, nil
}
