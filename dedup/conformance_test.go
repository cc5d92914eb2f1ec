package dedup

import (
	"errors"
	"testing"
)

func TestParserConformsToWHATWG(t *testing.T) {
	t.Parallel()
	const want = 436 // of 443; the others are labels of invalid Punycode, which the table wants kept
	right, all := 0, 0
	for _, c := range readTable[urlCase](t, "url_wpt.json") {
		u, err := parseWHATWG(c.base(), c.Input)
		if c.Failure && err == nil {
			t.Errorf("%s: %q against %q is invalid, accepted as %s", c.ID, c.Input, c.base(), u)
		}
		if !c.HTTP {
			continue
		}
		all++
		if c.Failure == (err != nil) && (c.Failure || u.String() == c.Href) {
			right++
		} else {
			t.Logf("%s: %q against %q: got %v, %v; want %s", c.ID, c.Input, c.base(), u, err, c.Href)
		}
	}
	t.Logf("%d of %d http(s) cases right", right, all)
	if right < want {
		t.Errorf("%d of %d right, want at least %d", right, all, want)
	}
}

func TestHostsConformToASCII(t *testing.T) {
	t.Parallel()
	type toASCII struct {
		Input  string  `json:"input"`
		Output *string `json:"output"`
	}
	cases := readTable[toASCII](t, "url_wpt_toascii.json")
	right := 0
	for _, c := range cases {
		u, err := parseWHATWG("", "https://"+c.Input+"/x")
		switch {
		case c.Output == nil && err == nil:
			t.Errorf("host %q is invalid, accepted as %s", c.Input, u.Hostname())
		case c.Output != nil && err != nil:
			t.Errorf("host %q refused: %v", c.Input, err)
		case c.Output != nil && u.Hostname() != *c.Output:
			t.Errorf("host %q: got %q, want %q", c.Input, u.Hostname(), *c.Output)
		default:
			right++
		}
	}
	t.Logf("%d of %d hosts right", right, len(cases))
}

// What the canonical layer refuses beyond the standard, it refuses for a reason of its own; it never
// accepts what the standard refuses.
func TestCanonicalLayerAcceptsNothingInvalid(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	for _, tc := range readTable[urlCase](t, "url_wpt.json") {
		var base URL
		if b := tc.base(); b != "" {
			var err error
			if base, err = c.Parse(b); err != nil {
				continue // a base outside http and https
			}
		}
		u, err := c.Resolve(base, tc.Input)
		if err == nil && (tc.Failure || !tc.HTTP) {
			t.Errorf("%s: %q against %q accepted as %s", tc.ID, tc.Input, base, u)
		}
		var refused *RefusedError
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %q: untyped error %v", tc.ID, tc.Input, err)
		}
		if err != nil && tc.HTTP && !tc.Failure {
			t.Logf("%s: valid, refused: %v", tc.ID, err)
		}
	}
}
