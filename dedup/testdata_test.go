package dedup

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// urlCase is a case of url_wpt.json.
type urlCase struct {
	ID      string  `json:"id"`
	Input   string  `json:"input"`
	Base    *string `json:"base"`
	Failure bool    `json:"failure"`
	Href    string  `json:"href"`
	HTTP    bool    `json:"http"`
}

func (c urlCase) base() string {
	if c.Base == nil {
		return ""
	}
	return *c.Base
}

// readTable reads the cases of a conformance table, and skips the test if the tables are not there.
func readTable[T any](tb testing.TB, name string) []T {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(conformance(tb), name))
	if err != nil {
		tb.Skipf("no conformance table: %v", err)
	}
	var table struct{ Cases []T }
	if err := json.Unmarshal(b, &table); err != nil {
		tb.Fatal(err)
	}
	if len(table.Cases) == 0 {
		tb.Fatalf("%s: no cases", name)
	}
	return table.Cases
}

// conformance is the folder of the conformance tables: LYCOSA_CONFORMANCE, or shared/conformance
// beside the checkout.
func conformance(tb testing.TB) string {
	tb.Helper()
	if dir := os.Getenv("LYCOSA_CONFORMANCE"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, "..", "shared", "conformance")
		}
		if root == filepath.Dir(root) {
			tb.Fatal("no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
}

// tableStrings returns every string of every conformance table that could be a URL or a reference:
// one that is short and on one line. Without tables there are none.
func tableStrings(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(conformance(tb), "*.json*"))
	if err != nil {
		tb.Fatal(err)
	}
	seen := make(map[string]bool)
	var all []string
	for _, file := range files {
		walkStrings(readJSON(tb, file), func(s string) {
			if len(s) <= 300 && !seen[s] && strings.ContainsAny(s, "/.:%?#") {
				seen[s] = true
				all = append(all, s)
			}
		})
	}
	return all
}

func readJSON(tb testing.TB, file string) any {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			tb.Fatal(err)
		}
	}
	var v any
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return v
}

func walkStrings(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, e := range v {
			walkStrings(e, visit)
		}
	case map[string]any:
		for key, e := range v {
			if !strings.HasSuffix(key, "_b64") {
				walkStrings(e, visit)
			}
		}
	}
}
