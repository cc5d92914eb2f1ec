package robots

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// readTable decodes a table of cases that others wrote into table, or skips the test. The tables lie in the
// folder that LYCOSA_CONFORMANCE names, by default ../shared/conformance beside the checkout.
func readTable(t *testing.T, name string, table any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(conformance(), name))
	if err != nil {
		t.Skipf("no conformance table: %v", err)
	}
	if err := json.Unmarshal(data, table); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func conformance() string {
	if dir := os.Getenv("LYCOSA_CONFORMANCE"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	for err == nil && root != filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	return filepath.Join(root, "..", "shared", "conformance")
}

type file struct {
	Robots    string `json:"robots"`
	RobotsB64 string `json:"robots_b64"`
}

func (f file) body(t *testing.T) []byte {
	t.Helper()
	if f.RobotsB64 == "" {
		return []byte(f.Robots)
	}
	body, err := base64.StdEncoding.DecodeString(f.RobotsB64)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

type matchCase struct {
	file
	ID        string `json:"id"`
	Agent     string `json:"agent"`
	URL       string `json:"url"`
	Allowed   bool   `json:"allowed"`
	Consensus bool   `json:"consensus"`
}

func TestGoogleCasesAllPass(t *testing.T) {
	t.Parallel()
	var table struct {
		Match  []matchCase
		Path   []struct{ In, Out string }
		Escape []struct{ In, Out string }
		Parse  []struct {
			file
			Line       int
			What, Want string
		}
	}
	readTable(t, "robots_google.json", &table)
	if len(table.Match) == 0 || len(table.Path) == 0 || len(table.Escape) == 0 || len(table.Parse) == 0 {
		t.Fatal("a part of the table is empty")
	}
	checkMatches(t, table.Match)
	for _, c := range table.Path {
		if strings.HasPrefix(c.In, "//") {
			continue // Google takes it for a host; here it is a path, as it stands in a request line
		}
		if got := pathOf(c.In); got != c.Out {
			t.Errorf("pathOf(%q) = %q, want %q", c.In, got, c.Out)
		}
	}
	for _, c := range table.Escape {
		if got := escape(c.In); got != c.Out {
			t.Errorf("escape(%q) = %q, want %q", c.In, got, c.Out)
		}
	}
	for _, c := range table.Parse {
		valid, unknown := countLines(c.body(t))
		var got string
		switch c.What {
		case "report.sitemap()":
			got = strings.Join(Parse(c.body(t)).Sitemaps(), " ")
		case "report.valid_directives()":
			got = strconv.Itoa(valid)
		case "report.unknown_directives()":
			got = strconv.Itoa(unknown)
		default:
			continue // line numbers are not kept
		}
		if got != c.Want {
			t.Errorf("line %d: %s = %s, want %s", c.Line, c.What, got, c.Want)
		}
	}
}

func TestReppyCasesAllPassWhereGoogleAgrees(t *testing.T) {
	t.Parallel()
	var table struct{ Match []matchCase }
	readTable(t, "robots_reppy.json", &table)
	var agreed []matchCase
	for _, c := range table.Match {
		if c.Consensus {
			agreed = append(agreed, c)
		}
	}
	if len(agreed) == 0 {
		t.Fatal("the table is empty")
	}
	checkMatches(t, agreed)
}

func checkMatches(t *testing.T, cases []matchCase) {
	t.Helper()
	passed := 0
	for _, c := range cases {
		if got := Parse(c.body(t)).Allowed(c.Agent, c.URL); got != c.Allowed {
			t.Errorf("%s: %q may fetch %q: %v, want %v, by\n%s", c.ID, c.Agent, c.URL, got, c.Allowed, c.Robots)
			continue
		}
		passed++
	}
	t.Logf("%d of %d", passed, len(cases))
}

// countLines counts the lines of a file by whether their key is known.
func countLines(body []byte) (known, other int) {
	for line := range strings.FieldsFuncSeq(decode(body), func(c rune) bool { return c == '\r' || c == '\n' }) {
		key, _, ok := split(line)
		switch {
		case !ok:
		case keyOf(key) == unknown:
			other++
		default:
			known++
		}
	}
	return known, other
}
