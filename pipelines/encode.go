package pipelines

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Digest tells contents apart: the first 128 bits of the SHA-256 of an object's JSON with sorted names.
type Digest [16]byte

// String returns the 32 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf returns the first 128 bits of the SHA-256 of data.
func DigestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest(sum[:16])
}

// Digest is the same for objects that differ only in the order of their fields. It is stable over releases: stores
// keep it.
func (o Object) Digest() Digest { return DigestOf(appendObject(nil, o, true)) }

// AppendJSON appends the object as JSON, fields in their order.
func (o Object) AppendJSON(dst []byte) []byte { return appendObject(dst, o, false) }

// MarshalJSON returns what AppendJSON appends.
func (o Object) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

// AppendJSON appends a value of a [Field] as JSON.
func AppendJSON(dst []byte, value any) []byte { return appendValue(dst, value, false) }

func appendObject(dst []byte, o Object, sorted bool) []byte {
	if sorted {
		o = slices.Clone(o)
		slices.SortFunc(o, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	}
	dst = append(dst, '{')
	for i := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, o[i].Name)
		dst = append(dst, ':')
		dst = appendValue(dst, o[i].Value, sorted)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, value any, sorted bool) []byte {
	switch v := value.(type) {
	case Object:
		return appendObject(dst, v, sorted)
	case []any:
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v[i], sorted)
		}
		return append(dst, ']')
	case string:
		return appendString(dst, v)
	case time.Time:
		dst = append(dst, '"')
		dst = v.AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"')
	case json.Number:
		return append(dst, v...)
	}
	raw, err := json.Marshal(value) // nil, bool, int64, float64
	if err != nil {
		panic(fmt.Sprintf("pipelines: a field holds a %T", value)) // Field's comment says what it may hold
	}
	return append(dst, raw...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s in quotes. It escapes what JSON must, and the two line separators that JavaScript
// takes for line ends; it leaves <, > and & alone.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		escape := c < ' ' || c == '"' || c == '\\' || c == '\u2028' || c == '\u2029' || c == utf8.RuneError && size == 1
		if escape {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c rune) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', byte(c))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', hexDigits[c>>12&15], hexDigits[c>>8&15], hexDigits[c>>4&15], hexDigits[c&15])
}
