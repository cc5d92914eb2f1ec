package sitemap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

// The size of documents is bounded whatever they are made of; less than MaxSize does to see it.
func TestDocumentIsReadUpToItsLargestSize(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	zipped := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return b.String()
	}
	long := "<urlset xmlns:i='i'><url><loc>http://a.example/1</loc></url>" + strings.Repeat("<i:a>b</i:a>", size/10)
	for name, c := range map[string]struct {
		body    string
		entries int
	}{
		"white space": {strings.Repeat(" ", 2*size), 0},
		"extensions":  {long, 1},
		"a bomb":      {zipped(long), 1},
		"lines":       {"http://a.example/1\n" + strings.Repeat("x\n", size), 1},
	} {
		var failed error
		l := &lister{at: "http://a.example/", size: size, yield: func(_ Entry, err error) bool {
			failed = err
			return true
		}}
		if err := l.read(strings.NewReader(c.body), ""); !errors.Is(err, ErrTooLarge) || failed != nil || l.entries != c.entries {
			t.Errorf("%s: %d entries, want %d; error %v", name, l.entries, c.entries, err)
		}
	}
	whole := strings.Repeat(" ", size-len("http://a.example/1")) + "http://a.example/1"
	l := &lister{at: "http://a.example/", size: size, yield: func(Entry, error) bool { return true }}
	if err := l.read(strings.NewReader(whole), ""); err != nil || l.entries != 1 {
		t.Errorf("a document of the largest size: %d entries, error %v", l.entries, err)
	}
}
