package dedup

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// EncodeQuery prepares a reference found in a document that is not in UTF-8, for
// [Canonicalizer.Resolve]: it percent-encodes what is not ASCII in the query by the document's own
// encoding, as browsers do and as the server of such a document expects. What the encoding does not
// have becomes a character reference, %26%238364%3B. The rest of ref stays as it is; a reference
// with a plain query is returned unchanged.
//
// For documents in UTF-8 or UTF-16 do not call it: browsers encode their queries as UTF-8, and so
// does Resolve.
func EncodeQuery(ref string, enc encoding.Encoding) string {
	rest, fragment := ref, ""
	if i := strings.IndexByte(ref, '#'); i >= 0 {
		rest, fragment = ref[:i], ref[i:]
	}
	mark := strings.IndexByte(rest, '?')
	if mark < 0 || isASCII(rest[mark:]) {
		return ref
	}

	out := []byte(rest[:mark])
	encoder := enc.NewEncoder()
	for _, r := range rest[mark:] {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		encoder.Reset()
		encoded, err := encoder.Bytes([]byte(string(r)))
		if err != nil {
			out = append(out, "%26%23"...)
			out = strconv.AppendInt(out, int64(r), 10)
			out = append(out, "%3B"...)
			continue
		}
		for _, c := range encoded {
			out = append(out, '%', upperDigits[c>>4], upperDigits[c&15])
		}
	}
	return string(out) + fragment
}

const upperDigits = "0123456789ABCDEF"

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
