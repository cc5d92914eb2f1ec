package dedup

import (
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

func TestQueriesAreEncodedAsTheDocument(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	base := parse(t, c, "http://example.org/a")
	for _, tc := range []struct {
		ref  string
		enc  encoding.Encoding
		want string
	}{
		{"/♥/you?c=€", charmap.ISO8859_15, "http://example.org/%E2%99%A5/you?c=%A4"},
		{"?q=привет&é=1#é", charmap.Windows1251, "http://example.org/a?%26%23233%3B=1&q=%EF%F0%E8%E2%E5%F2"},
		{"?q=日本", japanese.ShiftJIS, "http://example.org/a?q=%93%FA%96%7B"},
		{"?q=a+b%20c", japanese.ShiftJIS, "http://example.org/a?q=a+b%20c"},
		{"é#?é", charmap.Windows1252, "http://example.org/%C3%A9"},
	} {
		u, err := c.Resolve(base, EncodeQuery(tc.ref, tc.enc))
		if err != nil || u.String() != tc.want {
			t.Errorf("%q: got %q, %v; want %q", tc.ref, u, err, tc.want)
		}
	}
}

func TestPlainQueriesAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"", "?", "a?b=c&d#é", "é", "#?é", "?a=%E9&'\" <"} {
		if got := EncodeQuery(ref, charmap.Windows1252); got != ref {
			t.Errorf("EncodeQuery(%q) = %q", ref, got)
		}
	}
}
