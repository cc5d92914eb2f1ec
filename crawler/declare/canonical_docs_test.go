package declare_test

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler/declare"
	"github.com/lycosa-crawl/lycosa/dedup"
)

// documented returns the rows of the table under a heading of docs/canonical-urls.md, cells as they are written.
func documented(t *testing.T, heading string) [][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/canonical-urls.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(line, "|"), " | ")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) < 3 {
		t.Fatalf("section %q has no table", heading)
	}
	return rows[2:]
}

// code returns what stands in a cell in backquotes, escapes undone.
func code(t *testing.T, cell string) string {
	t.Helper()
	quoted := `"` + strings.ReplaceAll(strings.Trim(cell, "`"), `"`, `\"`) + `"`
	s, err := strconv.Unquote(quoted)
	if err != nil || cell[0] != '`' {
		t.Fatalf("cell %s: %v", cell, err)
	}
	return s
}

// canonicalOf compiles the rules that lines of YAML under canonical make.
func canonicalOf(t *testing.T, lines string) (*dedup.Canonicalizer, dedup.Rules) {
	t.Helper()
	src := "name: x\nroutes: {a: {follow: [{route: a}]}}\n"
	if lines != "" {
		src += "canonical: {" + lines + "}\n"
	}
	s, err := declare.Parse("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Canonical.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return c, s.Canonical
}

func TestDocumentedRulesHold(t *testing.T) {
	t.Parallel()
	set := map[string]bool{}
	for _, heading := range []string{"Always", "By default, unless a spider says otherwise", "Rules of a spider"} {
		for _, row := range documented(t, heading) {
			if len(row) != 3 {
				t.Fatalf("%s: %d cells in %q, want rule, in, out", heading, len(row), row)
			}
			lines := ""
			if heading == "Rules of a spider" {
				lines = strings.Trim(row[0], "`")
			}
			c, rules := canonicalOf(t, lines)
			v := reflect.ValueOf(rules)
			for i := range v.NumField() {
				set[v.Type().Field(i).Name] = set[v.Type().Field(i).Name] || !v.Field(i).IsZero()
			}
			in, want := code(t, row[1]), code(t, row[2])
			if u, err := c.Parse(in); err != nil || u.String() != want {
				t.Errorf("%s: %q becomes %q, %v; the page says %q", row[0], in, u, err, want)
			}
		}
	}
	page, err := os.ReadFile("../../docs/canonical-urls.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, documented := range set {
		switch name { // no rules of URLs: no row can show them
		case "CanonicalBodies":
			documented = strings.Contains(string(page), "\n    canonical_bodies: true")
		case "FingerprintHeaders":
			documented = strings.Contains(string(page), "\n    fingerprint_headers: [")
		case "Scheme":
			documented = strings.Contains(string(page), "\n    fingerprint: scrapy-redis")
		}
		if !documented {
			t.Errorf("no row shows Rules.%s", name)
		}
	}
}

func TestDocumentedRefusalsHold(t *testing.T) {
	t.Parallel()
	c, _ := canonicalOf(t, "")
	var reasons []dedup.Reason
	for _, row := range documented(t, "Refusals") {
		if len(row) != 3 {
			t.Fatalf("%d cells in %q, want kind, why, example", len(row), row)
		}
		kind := code(t, row[0])
		var example string
		if base, more, ok := strings.Cut(row[2], " and "); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(more, " more letters"))
			if err != nil {
				t.Fatal(err)
			}
			example = code(t, base) + strings.Repeat("a", n)
			if u, err := c.Parse(example[:len(example)-1]); err != nil || len(u.String()) != 2083 {
				t.Errorf("%s: a letter less is refused as well, or is not the limit: %v", kind, err)
			}
		} else {
			example = code(t, row[2])
		}
		_, err := c.Parse(example)
		var refused *dedup.RefusedError
		if !errors.As(err, &refused) || refused.Kind() != kind {
			t.Errorf("%.60q: %v, want it refused as %s", example, err, kind)
			continue
		}
		reasons = append(reasons, refused.Reason)
	}
	for _, why := range []dedup.Reason{
		dedup.ReasonScheme, dedup.ReasonTooLong, dedup.ReasonControl, dedup.ReasonEncoding, dedup.ReasonRelative, dedup.ReasonHost, dedup.ReasonInvalid,
	} {
		if !slices.Contains(reasons, why) {
			t.Errorf("no row shows %s", why)
		}
	}
	if _, err := (dedup.Rules{MaxLength: 16384}).Compile(); err != nil {
		t.Error(err)
	}
	if _, err := (dedup.Rules{MaxLength: 16385}).Compile(); err == nil {
		t.Error("a limit beyond the documented one is accepted")
	}
}
