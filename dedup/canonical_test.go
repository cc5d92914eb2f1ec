package dedup

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func compile(tb testing.TB, r Rules) *Canonicalizer {
	tb.Helper()
	c, err := r.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func parse(tb testing.TB, c *Canonicalizer, raw string) URL {
	tb.Helper()
	u, err := c.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func TestDefaultRules(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	for raw, want := range map[string]string{
		"http://example.com":                            "http://example.com/",
		"  \n http://example.com/ \t":                   "http://example.com/",
		"ht\ntp://exa\tmple.com/a\r\nb":                 "http://example.com/ab",
		"HTTP://EXAMPLE.COM/Path":                       "http://example.com/Path",
		"http:example.com":                              "http://example.com/",
		"http:\\\\example.com\\a\\b":                    "http://example.com/a/b",
		"http://example.com:80/":                        "http://example.com/",
		"http://example.com:/":                          "http://example.com/",
		"http://example.com:0080/":                      "http://example.com/",
		"https://example.com:443/":                      "https://example.com/",
		"https://example.com:80/":                       "https://example.com:80/",
		"http://example.com:65535/":                     "http://example.com:65535/",
		"http://user:secret@example.com/":               "http://example.com/",
		"http://a@b@example.com/":                       "http://example.com/",
		"http://example.com./":                          "http://example.com/",
		"http://bücher.example/":                        "http://xn--bcher-kva.example/",
		"http://XN--BCHER-KVA.example/":                 "http://xn--bcher-kva.example/",
		"http://a_b.example/":                           "http://a_b.example/",
		"http://①②⑦.⓪.⓪.①/":                             "http://127.0.0.1/",
		"http://0x7f.1/":                                "http://127.0.0.1/",
		"http://2130706433./":                           "http://127.0.0.1/",
		"http://[0:0:0:0:0:0:0:1]:8080/":                "http://[::1]:8080/",
		"http://h/a/./b/../c/":                          "http://h/a/c/",
		"http://h/a/%2E%2e/b/%2e":                       "http://h/b/",
		"http://h/../../x":                              "http://h/x",
		"http://h/a//../b":                              "http://h/a/b",
		"http://h/a/..":                                 "http://h/",
		"http://h/%7euser/%41%5f%2D":                    "http://h/~user/A_-",
		"http://h/a%2fb%3a":                             "http://h/a%2Fb%3A",
		"http://h/%2541":                                "http://h/%2541",
		"http://h/100%":                                 "http://h/100%",
		"http://h/%%34%31":                              "http://h/%%341",
		"http://h/%4%31?%%41%61":                        "http://h/%4%31?%%41a",
		"http://h/%g%31":                                "http://h/%g1",
		"http://h/é b":                                  "http://h/%C3%A9%20b",
		"http://h/%c3%a9":                               "http://h/%C3%A9",
		"http://h/?":                                    "http://h/",
		"http://h?":                                     "http://h/",
		"http://h/?&&":                                  "http://h/",
		"http://h/?b=2&a=1":                             "http://h/?a=1&b=2",
		"http://h/?a=2&b&a=1&&":                         "http://h/?a=2&a=1&b",
		"http://h/?%62=1&a=2":                           "http://h/?a=2&b=1",
		"http://h/?a&a=&=":                              "http://h/?=&a&a=",
		"http://h/?q=a+b%20c":                           "http://h/?q=a+b%20c",
		"http://h/?q='":                                 "http://h/?q=%27",
		"http://h/?q=a%26b%3Dc":                         "http://h/?q=a%26b%3Dc",
		"http://h/?a[]=2&a[]=1":                         "http://h/?a[]=2&a[]=1",
		"http://h/?u=http://x/?y#z":                     "http://h/?u=http://x/?y",
		"http://h/#":                                    "http://h/",
		"http://h#a/b?c":                                "http://h/",
		"http://h/a #\x00\xffb":                         "http://h/a%20",
		"http://u@@h/a@b":                               "http://h/a@b",
		"http://h/?utm_source=x&PHPSESSID=1":            "http://h/?PHPSESSID=1&utm_source=x",
		"http://h/a;jsessionid=1":                       "http://h/a;jsessionid=1",
		"http://h/" + strings.Repeat("a", 600) + "/../": "http://h/",
	} {
		u, err := c.Parse(raw)
		if err != nil || u.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", raw, u, err, want)
		}
		if again, err := c.Parse(want); err != nil || again.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want it unchanged", want, again, err)
		}
	}
}

func TestEveryRuleIsFollowed(t *testing.T) {
	t.Parallel()
	tests := map[string][]struct {
		rules     Rules
		raw, want string
	}{
		"DropParams": {
			{Rules{DropParams: []string{"s?d", "x*"}}, "http://h/?sid=1&xy=2&a=3&x=4&SID=5", "http://h/?SID=5&a=3"},
			{Rules{DropParams: []string{`a\[\]`}}, "http://h/?a%5b%5D=1&a[]=2&a=3", "http://h/?a=3"},
			{Rules{DropParams: []string{"*x"}}, "http://h/?a/x=1&x/a=2", "http://h/?x/a=2"},
			{Rules{DropParams: []string{"a b"}}, "http://h/?a+b=1&a%20b=2&ab=3", "http://h/?ab=3"},
			{Rules{DropParams: []string{"*"}}, "http://h/?a=1&b", "http://h/"},
			{Rules{DropParams: []string{"a"}}, "http://h/?a=1", "http://h/"},
		},
		"KeepParams": {
			{Rules{KeepParams: []string{"id", "p*"}}, "http://h/?page=2&id=1&x=3", "http://h/?id=1&page=2"},
			{Rules{KeepParams: []string{"*"}, DropParams: []string{"x"}}, "http://h/?x=3&y=4", "http://h/?y=4"},
		},
		"DropTracking": {
			{Rules{DropTracking: true}, "http://h/?UTM_Source=a&gclid=b&id=1&sid=2", "http://h/?id=1&sid=2"},
		},
		"DropSessions": {
			{Rules{DropSessions: true}, "http://h/?PHPSESSID=1&sid=2&id=3&gclid=4", "http://h/?gclid=4&id=3"},
			{Rules{DropSessions: true}, "http://h/a;JSESSIONID=1/b;v=1;jsessionid=2;w=3", "http://h/a/b;v=1;w=3"},
			{Rules{DropSessions: true}, "http://h/a/..;jsessionid=1/b/.;jsessionid=2", "http://h/a/..;jsessionid=1/b/.;jsessionid=2"},
			{Rules{DropSessions: true}, "http://h/a/;jsessionid=1", "http://h/a/"},
		},
		"DropPathSessions": {
			{Rules{DropPathSessions: true}, "http://h/a;JSESSIONID=1/b;v=1;PHPSESSID=2;sid=3;sid?sid=4", "http://h/a/b;v=1;sid?sid=4"},
			{Rules{DropPathSessions: true}, "http://h/app/(S(lit3py55t21z5v55vlm25s55))/a.aspx", "http://h/app/a.aspx"},
			{Rules{DropPathSessions: true}, "http://h/(X(1)S(a1)F(b-_2))/", "http://h/"},
			{Rules{DropPathSessions: true}, "http://h/a/(S(x))", "http://h/a/"},
			{Rules{DropPathSessions: true}, "http://h/a/(S(x));sid=1/b", "http://h/a/b"},
			{Rules{DropPathSessions: true}, "http://h/a/(S(x))/../b", "http://h/a/b"},
			{Rules{DropPathSessions: true}, "http://h/é/(S(x))/../b", "http://h/%C3%A9/b"},
			{Rules{DropPathSessions: true}, "http://h/(S())/(S(x)/(s(x))/(S(x)y)/(B(x))/S(x)/()", "http://h/(S())/(S(x)/(s(x))/(S(x)y)/(B(x))/S(x)/()"},
			{Rules{DropPathSessions: true}, "http://h/a/.;sid=1", "http://h/a/.;sid=1"},
		},
		"FoldPathCase": {
			{Rules{FoldPathCase: true}, "http://h/A/%41b%2f%C3%89?Q=A", "http://h/a/ab%2F%C3%89?Q=A"},
			{Rules{FoldPathCase: true}, "http://h/%%41/%Zz", "http://h/%%41/%zz"},
			{Rules{FoldPathCase: true, DropPathSessions: true}, "http://h/(S(X))/A", "http://h/a"},
		},
		"TrailingSlash": {
			{Rules{TrailingSlash: RemoveSlash}, "http://h/a//?b=/", "http://h/a?b=/"},
			{Rules{TrailingSlash: RemoveSlash}, "http://h//", "http://h/"},
			{Rules{TrailingSlash: RemoveSlash}, "http://h/a/b/..", "http://h/a"},
			{Rules{TrailingSlash: RemoveSlash, DropPathSessions: true}, "http://h/a/(S(x))/", "http://h/a"},
			{Rules{TrailingSlash: AddSlash}, "http://h/a?b", "http://h/a/?b"},
			{Rules{TrailingSlash: AddSlash}, "http://h/a/b.html", "http://h/a/b.html"},
			{Rules{TrailingSlash: AddSlash}, "http://h/a.b/c", "http://h/a.b/c/"},
			{Rules{TrailingSlash: AddSlash}, "http://h", "http://h/"},
		},
		"Unsorted": {
			{Rules{Unsorted: true}, "http://h/?b=2&a=1&&c", "http://h/?b=2&a=1&c"},
		},
		"KeepFragment": {
			{Rules{KeepFragment: true}, "http://h/#!/%7ea%3f", "http://h/#!/~a%3F"},
			{Rules{KeepFragment: true}, "http://h/#", "http://h/"},
		},
		"MaxLength": {
			{Rules{MaxLength: 3000}, "http://h/" + strings.Repeat("a", 2500), "http://h/" + strings.Repeat("a", 2500)},
		},
	}
	ofFingerprints := []string{"CanonicalBodies", "FingerprintHeaders", "Scheme"} // TestFingerprintsByRuleNeverChange, TestScrapyFingerprintsAreThoseOfScrapy
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Rules]()) {
		if slices.Contains(ofFingerprints, field.Name) {
			continue
		}
		if len(tests[field.Name]) == 0 {
			t.Errorf("no test for Rules.%s", field.Name)
		}
		for _, tc := range tests[field.Name] {
			c := compile(t, tc.rules)
			u, err := c.Parse(tc.raw)
			if err != nil || u.String() != tc.want {
				t.Errorf("%s: Parse(%q) = %q, %v; want %q", field.Name, tc.raw, u, err, tc.want)
			}
			if again, err := c.Parse(tc.want); err != nil || again != u {
				t.Errorf("%s: Parse(%q) = %q, %v; want it unchanged", field.Name, tc.want, again, err)
			}
		}
	}
}

func TestReferencesResolveAsInBrowsers(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	base := parse(t, c, "https://example.com:8080/a/b/c?b=2&a=1")
	for ref, want := range map[string]string{
		"":                      "https://example.com:8080/a/b/c?a=1&b=2",
		"#top":                  "https://example.com:8080/a/b/c?a=1&b=2",
		"?x=1":                  "https://example.com:8080/a/b/c?x=1",
		"?":                     "https://example.com:8080/a/b/c",
		"d":                     "https://example.com:8080/a/b/d",
		" d.html ":              "https://example.com:8080/a/b/d.html",
		"d?u=http://x/":         "https://example.com:8080/a/b/d?u=http://x/",
		"./d:e":                 "https://example.com:8080/a/b/d:e",
		".":                     "https://example.com:8080/a/b/",
		"..":                    "https://example.com:8080/a/",
		"../x":                  "https://example.com:8080/a/x",
		"../../../x":            "https://example.com:8080/x",
		"/x/y?z":                "https://example.com:8080/x/y?z",
		"\\x":                   "https://example.com:8080/x",
		"//other.example/x":     "https://other.example/x",
		"///other.example/x":    "https://other.example/x",
		"/\\other.example/x":    "https://other.example/x",
		"https:d":               "https://example.com:8080/a/b/d",
		"http:d":                "http://d/",
		"http://other.example":  "http://other.example/",
		"ä?ö":                   "https://example.com:8080/a/b/%C3%A4?%C3%B6",
		"d\n":                   "https://example.com:8080/a/b/d",
		"/a b":                  "https://example.com:8080/a%20b",
		"x/../y/./z//..":        "https://example.com:8080/a/b/y/z/",
		"//other.example:80":    "https://other.example:80/",
		"//user@other.example/": "https://other.example/",
	} {
		u, err := c.Resolve(base, ref)
		if err != nil || u.String() != want {
			t.Errorf("Resolve(%q) = %q, %v; want %q", ref, u, err, want)
		}
	}
}

// The doc comment of Resolve promises it; here it is held against resolving by the raw base.
func TestCanonicalBaseChangesNoAnswer(t *testing.T) {
	t.Parallel()
	bases := []string{
		"http://u:p@Example.COM.:80/a/%7eb/../c;jsessionid=1/d;jsessionid=2?utm_a=1&b=%41&a=2#f",
		"http://h/a/..;jsessionid=1/x?sid=1",
		"https://[::0001]/%%34%31/b?z&a",
	}
	refs := []string{"", "#g", "?", "?x", "y", "../y", "../../y", "/y", "//k/y", ".", "é", "http:y", "https:y", "\\y"}
	for _, rules := range []Rules{{}, {DropSessions: true, DropTracking: true}, {KeepFragment: true, Unsorted: true}} {
		c := compile(t, rules)
		for _, base := range bases {
			for _, ref := range refs {
				byCanonical, err := c.Resolve(parse(t, c, base), ref)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := parseWHATWG(base, ref)
				if err != nil {
					t.Fatal(err)
				}
				if byRaw := parse(t, c, raw.String()); byRaw != byCanonical {
					t.Errorf("%q against %q: %s, against its canonical form: %s", ref, base, byRaw, byCanonical)
				}
			}
		}
	}
}

func TestBaseElement(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	document := parse(t, c, "http://h/a/b")
	for href, want := range map[string]string{
		"http://cdn.example/x/": "http://cdn.example/x/",
		"/x/":                   "http://h/x/",
		"":                      "http://h/a/b",
		"http://[bad/":          "http://h/a/b",
		"data:text/html,x":      "http://h/a/b",
		"JavaScript:void(0)":    "http://h/a/b",
		"ftp://h/":              "",
		"mailto:a@h":            "",
	} {
		if got := c.Base(document, href); got.String() != want {
			t.Errorf("Base(%q) = %q, want %q", href, got, want)
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{})
	base := parse(t, c, "http://h/a/b")
	tests := []struct {
		base   URL
		ref    string
		reason Reason
		kind   string
	}{
		{base, "javascript:void(0)", ReasonScheme, "scheme_javascript"},
		{base, " java\nscript:void(0)", ReasonScheme, "scheme_javascript"},
		{base, "MAILTO:a@b", ReasonScheme, "scheme_mailto"},
		{base, "tel:+123", ReasonScheme, "scheme_tel"},
		{base, "data:text/plain," + strings.Repeat("x", 1<<20), ReasonScheme, "scheme_data"},
		{base, "ftp://h/", ReasonScheme, "scheme_ftp"},
		{base, "foo+bar.baz-1:x", ReasonScheme, "scheme_other"},
		{base, strings.Repeat("s", 100) + ":x", ReasonScheme, "scheme_other"},
		{URL{}, "localhost:8080/x", ReasonScheme, "scheme_other"},
		{URL{}, "example.com/x", ReasonRelative, "relative"},
		{URL{}, "//example.com/x", ReasonRelative, "relative"},
		{URL{}, "", ReasonRelative, "relative"},
		{URL{}, "1http://h/", ReasonRelative, "relative"},
		{base, "http://h/" + strings.Repeat("a", 2083-9+1), ReasonTooLong, "too_long"},
		{base, "/" + strings.Repeat("é", 600), ReasonTooLong, "too_long"},
		{base, strings.Repeat("a", 1<<20), ReasonTooLong, "too_long"},
		{base, "/a\x00b", ReasonControl, "control"},
		{base, "/a\x7fb", ReasonControl, "control"},
		{base, "http://" + strings.Repeat("@", 2000) + "h/", ReasonTooLong, "too_long"},
		{base, " //" + strings.Repeat("u", 2000) + "@h/", ReasonTooLong, "too_long"},
		{base, "/a\xffb", ReasonEncoding, "encoding"},
		{base, "http://", ReasonInvalid, "invalid"},
		{base, "http://h:65536/", ReasonInvalid, "invalid"},
		{base, "http://h:a/", ReasonInvalid, "invalid"},
		{base, "http://a b/", ReasonInvalid, "invalid"},
		{base, "http://a%00b/", ReasonInvalid, "invalid"},
		{base, "http://1.2.3.256/", ReasonInvalid, "invalid"},
		{base, "http://-1.2.3.4/", ReasonInvalid, "invalid"},
		{base, "http://0x+7f/", ReasonInvalid, "invalid"},
		{base, "http://%2B7/", ReasonInvalid, "invalid"},
		{base, "http://[::1", ReasonInvalid, "invalid"},
		{base, "http://[[::1]]/", ReasonInvalid, "invalid"},
		{base, "http://xn--a/", ReasonInvalid, "invalid"},
		{base, "http://www.xn--/", ReasonInvalid, "invalid"},
		{base, "http://www。x\u00adn--./", ReasonInvalid, "invalid"},
		{base, "http://./", ReasonHost, "host"},
		{base, "http://a..b/", ReasonHost, "host"},
		{base, "http://1.2.3.4../", ReasonHost, "host"},
		{base, "http://" + strings.Repeat("a", 64) + ".com/", ReasonHost, "host"},
		{base, "http://" + strings.Repeat("a.", 127) + "com/", ReasonHost, "host"},
	}
	for _, tc := range tests {
		u, err := c.Resolve(tc.base, tc.ref)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != tc.reason || refused.Kind() != tc.kind {
			t.Errorf("Resolve(%.40q) = %q, %v; want it refused as %s", tc.ref, u, err, tc.kind)
			continue
		}
		if !u.IsZero() {
			t.Errorf("Resolve(%.40q): refused, but %q came with it", tc.ref, u)
		}
		if len(refused.URL) > 256 || len(refused.Scheme) > 32 {
			t.Errorf("Resolve(%.40q): the error keeps %d + %d bytes", tc.ref, len(refused.URL), len(refused.Scheme))
		}
		if message := refused.Error(); strings.ContainsFunc(message, isForbiddenControl) || strings.ContainsAny(message, "\r\n\t") {
			t.Errorf("Resolve(%.40q): control characters in %q", tc.ref, message)
		}
	}
}

func TestLimitAppliesToCanonicalForm(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{MaxLength: 30, DropTracking: true})
	for raw, ok := range map[string]bool{
		"http://h/" + strings.Repeat("a", 21):                         true,
		"http://h/" + strings.Repeat("a", 22):                         false,
		"http://h/?utm_source=" + strings.Repeat("x", 1000):           true,
		"http://h/#" + strings.Repeat("x", 1000):                      true,
		"http://h/" + strings.Repeat("%61", 21):                       true,
		"http://h/" + strings.Repeat("../", 1000):                     true,
		"http://h/" + strings.Repeat("ä", 21):                         false,
		strings.Repeat("a", 29) + "@b/" + strings.Repeat("é", 2000):   false,
		strings.Repeat(" ", 1<<20) + "http://h/":                      true,
		"http://h/#" + strings.Repeat("x", 1<<20):                     true,
		"http://h/?" + strings.Repeat("&", 30+slack):                  false,
		"http://" + strings.Repeat("u", 1000) + "@h/":                 true,
		"http://h/" + strings.Repeat("\t", 1000):                      true,
		"http://h/?" + strings.Repeat("&", 1000) + "a":                true,
		"http://h/" + strings.Repeat("a", 12) + ";jsessionid=1234567": false,
	} {
		if u, err := c.Parse(raw); (err == nil) != ok {
			t.Errorf("Parse(%.60q) = %q, %v; want accepted: %v", raw, u, err, ok)
		}
	}
}

// The general parser takes quadratic time over some input: without a limit, the first ones would take
// 100 times as long as harmless input of their length.
func TestHostileReferencesTakeLittleTime(t *testing.T) {
	t.Parallel()
	const n = 6000
	c := compile(t, Rules{DropSessions: true})
	base := parse(t, c, "http://h/")
	took := func(ref string) time.Duration {
		least := time.Hour
		for range 15 { // the machine may be busy with others
			start := time.Now()
			_, _ = c.Resolve(base, ref)
			least = min(least, time.Since(start))
		}
		return least
	}
	harmless := took("?" + strings.Repeat("é", n/2))
	for _, ref := range []string{
		"http://" + strings.Repeat("@", n) + "h/", "http:" + strings.Repeat("@", n) + "h/", "\\\\" + strings.Repeat("@", n),
		"http://" + strings.Repeat("é", n/2) + "@h/", "http://h/" + strings.Repeat("é/", n/3), "http://h/é" + strings.Repeat("/..", n/3),
		"http://" + strings.Repeat("é.", n/3), "http://a" + strings.Repeat("\u0301", n/2), "http://xn--" + strings.Repeat("9", n),
		"http://[" + strings.Repeat("1:", n/2) + "]/", "http://" + strings.Repeat("1.", n/2), "http://0x" + strings.Repeat("0", n),
		"é?" + strings.Repeat("a&", n/2), "é" + strings.Repeat(";jsessionid=", n/12), strings.Repeat("a", n) + ":", "é%" + strings.Repeat("%34", n/3),
	} {
		if d := took(ref); d > 30*harmless {
			t.Errorf("%.30q... took %v, harmless input %v", ref, d, harmless)
		}
	}
}

func TestWrongRulesAreNamed(t *testing.T) {
	t.Parallel()
	for want, rules := range map[string]Rules{
		"MaxLength (-1)":        {MaxLength: -1},
		"MaxLength (16385)":     {MaxLength: 16<<10 + 1},
		`DropParams[1] ("[a")`:  {DropParams: []string{"a", "[a"}},
		`KeepParams[0] ("a\\")`: {KeepParams: []string{`a\`}},
		"DropParams[0] is":      {DropParams: []string{""}},
		"TrailingSlash (3)":     {TrailingSlash: 3},
	} {
		c, err := rules.Compile()
		if err == nil || !strings.Contains(err.Error(), want) || c != nil {
			t.Errorf("%+v: got %v, want an error that names %s", rules, err, want)
		}
	}
}

func TestRulesMayChangeAfterCompile(t *testing.T) {
	t.Parallel()
	rules := Rules{DropParams: []string{"a", "b*", "*c"}}
	c := compile(t, rules)
	clear(rules.DropParams)
	if u := parse(t, c, "http://h/?a=1&bx=2&xc=3&d"); u.String() != "http://h/?d" {
		t.Error(u)
	}
}

func TestParamListsAreCopies(t *testing.T) {
	t.Parallel()
	for _, list := range []func() []string{TrackingParams, SessionParams} {
		clear(list())
		if slices.Contains(list(), "") || len(list()) == 0 {
			t.Error("the list was changed from outside")
		}
		if _, err := compileNames("list", list()); err != nil {
			t.Error(err)
		}
		for _, glob := range list() {
			if glob != strings.ToLower(glob) {
				t.Errorf("%s would never match", glob)
			}
		}
	}
}

func TestPartsOfURL(t *testing.T) {
	t.Parallel()
	type parts struct{ scheme, host, hostname, path, uri string }
	c := compile(t, Rules{KeepFragment: true})
	for raw, want := range map[string]parts{
		"":                            {},
		"http://h":                    {"http", "h", "h", "/", "/"},
		"https://h:80/a%2Fb?c?d#/e?f": {"https", "h:80", "h", "/a%2Fb", "/a%2Fb?c?d"},
		"http://[::1]:8080/#?":        {"http", "[::1]:8080", "::1", "/", "/"},
		"https://[::1]/?a:b/c":        {"https", "[::1]", "::1", "/", "/?a:b/c"},
	} {
		var u URL
		if raw != "" {
			u = parse(t, c, raw)
		}
		got := parts{u.Scheme(), u.Host(), u.Hostname(), u.Path(), u.RequestURI()}
		if got != want {
			t.Errorf("%q: got %+v, want %+v", raw, got, want)
		}
		if u.IsZero() != (raw == "") {
			t.Errorf("%q: IsZero() = %v", raw, u.IsZero())
		}
	}
}

func TestManyParametersAreSortedStably(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{MaxLength: 16 << 10})
	for _, n := range []int{2, 23, 24, 25, 500} {
		var raw, want []string
		for i := range n {
			raw = append(raw, "b="+strings.Repeat("x", i%7)+"&a="+strings.Repeat("y", i%5))
		}
		for _, name := range []string{"a", "b"} {
			for pair := range strings.SplitSeq(strings.Join(raw, "&"), "&") {
				if strings.HasPrefix(pair, name) {
					want = append(want, pair)
				}
			}
		}
		u := parse(t, c, "http://h/?"+strings.Join(raw, "&"))
		if u.RequestURI() != "/?"+strings.Join(want, "&") {
			t.Errorf("%d parameters: got %s", 2*n, u)
		}
	}
}

func TestOneCanonicalizerServesManyGoroutines(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{DropTracking: true, DropParams: []string{"a*", "?b"}})
	base := parse(t, c, "http://h/a/")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				for _, ref := range []string{"../x?ab=1&c=2&xb=3&utm_a=4", "//bücher.example/ä"} {
					if _, err := c.Resolve(base, ref); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
