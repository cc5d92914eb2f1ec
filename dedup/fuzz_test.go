package dedup

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// ruleSets are combinations of rules that touch each other.
var ruleSets = []Rules{
	{},
	{KeepFragment: true, Unsorted: true},
	{DropTracking: true, DropSessions: true, DropParams: []string{"a*"}},
	{KeepParams: []string{"?", "i*"}, KeepFragment: true, DropSessions: true, MaxLength: 16 << 10},
	{DropPathSessions: true, FoldPathCase: true, TrailingSlash: RemoveSlash},
	{DropPathSessions: true, TrailingSlash: AddSlash, KeepFragment: true},
}

var fuzzBases = []string{"", "http://h/a/b;c?d=e&b#f", "https://example.org:8080/foo/bar", "http://127.0.0.1:43210/a"}

// tokens are what URLs are made of, tricky ones more often than the web has them.
var tokens = []string{
	"http:", "https:", "HTTP:", "//", "/", "/", "/", "\\", "@", ":", ":80", ":443", ":8080", ":0", ":43210", ":65535", ":65536", "127.0.0.1", "1.2.3.255", "256",
	"example", "h", "a", "b", "Z", ".", ".", "..", "./", "../", "www.", "co", "xn--", "xn--bcher-kva", "_", "-", "~",
	"1", "127.1", "0x7f", "0", "[::1]", "[", "]", "%", "%", "%2e", "%2E", "%41", "%3", "%34", "%2f", "%25", "%7e", "%c3%a9", "%00",
	"?", "?", "&", "&", "=", "=", "+", ";", ";jsessionid=", ";sid=", "(S(x))", "(S(", "(X(1)", "))", "utm_x", "sid", "#", "'", "\"", "<", "|", "^", "{", "`", "!", "$", "*", "(", ",",
	" ", "\t", "\n", "\r", "\x00", "\x7f", "é", "ß", "。", "①", "\u00ad", "\u200d", "\u2260", "\ufffd", "\xff", "日本",
}

func randomReference(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(3) > 0 {
		b.WriteString([]string{"http://h", "https://Example.com", "http://a.b:81/c", "/", "", "//x.y", "http://10.0.0.7"}[r.IntN(7)])
	}
	plain := r.IntN(2) == 0
	for range r.IntN(12) {
		token := tokens[r.IntN(len(tokens))]
		if plain && strings.ContainsAny(token, "\\@<>\"'`^{} \t\r\n\x00\x7f") {
			continue
		}
		b.WriteString(token)
	}
	return b.String()
}

func canonicalizers(tb testing.TB) []*Canonicalizer {
	tb.Helper()
	var all []*Canonicalizer
	for _, rules := range ruleSets {
		all = append(all, compile(tb, rules))
	}
	return all
}

func FuzzCanonicalIsIdempotent(f *testing.F) {
	for i, s := range append(tableStrings(f), tokens...) {
		f.Add(fuzzBases[i%len(fuzzBases)], s)
	}
	all := canonicalizers(f)
	f.Fuzz(func(t *testing.T, base, ref string) {
		for _, c := range all {
			checkIdempotent(t, c, base, ref)
		}
	})
}

func TestCanonicalIsIdempotentOnRandomReferences(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	all := canonicalizers(t)
	accepted := 0
	for range 20_000 {
		c := all[r.IntN(len(all))]
		if checkIdempotent(t, c, fuzzBases[r.IntN(len(fuzzBases))], randomReference(r)) {
			accepted++
		}
	}
	if accepted < 5_000 {
		t.Errorf("only %d of the references were URLs: the test shows little", accepted)
	}
}

// checkIdempotent holds everything against a reference that is promised of all of them.
func checkIdempotent(t *testing.T, c *Canonicalizer, base, ref string) (accepted bool) {
	t.Helper()
	document, _ := c.Parse(base)
	u, err := c.Resolve(document, ref)
	if err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) || !u.IsZero() {
			t.Fatalf("Resolve(%q, %q) = %q, %v; want a RefusedError alone", base, ref, u, err)
		}
		return false
	}

	s := u.String()
	again, err := c.Parse(s)
	if err != nil || again != u {
		t.Fatalf("Resolve(%q, %q) = %q, and of that %q, %v", base, ref, u, again, err)
	}
	for _, self := range []string{s, strings.TrimPrefix(s, u.Scheme()+":"), " " + s + "\n"} {
		if again, err := c.Resolve(u, self); err != nil || again != u {
			t.Fatalf("Resolve(%q, %q) = %q, %v", u, self, again, err)
		}
	}
	if len(s) > c.maxLength || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf-1 }) {
		t.Fatalf("Resolve(%q, %q) = %q: not a canonical URL", base, ref, u)
	}
	whole := u.Scheme() + "://" + u.Host() + u.RequestURI()
	if !c.keepFragment && whole != s || u.Hostname() == "" || u.Host() != strings.ToLower(u.Host()) {
		t.Fatalf("Resolve(%q, %q) = %q: parts %q", base, ref, u, whole)
	}
	return true
}

func FuzzFastPathAgreesWithParser(f *testing.F) {
	for i, s := range append(tableStrings(f), tokens...) {
		f.Add(fuzzBases[i%len(fuzzBases)], s)
	}
	c := compile(f, Rules{KeepFragment: true})
	f.Fuzz(func(t *testing.T, base, ref string) { checkFastPath(t, c, base, ref) })
}

func TestFastPathAgreesWithParserOnRandomReferences(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	c := compile(t, Rules{KeepFragment: true})
	fast := 0
	for range 20_000 {
		if checkFastPath(t, c, fuzzBases[r.IntN(len(fuzzBases))], randomReference(r)) {
			fast++
		}
	}
	if fast < 2_000 {
		t.Errorf("only %d of the references went the fast way: the test shows little", fast)
	}
}

// checkFastPath checks that the parser comes to the same URL, if the fast path accepts the reference.
func checkFastPath(t *testing.T, c *Canonicalizer, base, ref string) (fast bool) {
	t.Helper()
	document, _ := c.Parse(base)
	ref = strings.TrimFunc(ref, isControlOrSpace)
	slowParts, err := c.splitAny(document, ref) // always, so that fuzzing reaches all of the parser
	fastParts, fast := split(appendJoined(nil, document.s, ref))
	if !fast {
		return false
	}
	if err != nil {
		t.Fatalf("%q against %q: accepted by the fast path, by the parser: %v", ref, document, err)
	}
	quick, slow := c.appendCanonical(nil, &fastParts), c.appendCanonical(nil, &slowParts)
	if string(quick) != string(slow) {
		t.Fatalf("%q against %q: %q by the fast path, %q by the parser", ref, document, quick, slow)
	}
	return true
}
