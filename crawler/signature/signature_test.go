package signature_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/lycosa-crawl/lycosa/crawler/signature"
)

const article = `<!doctype html><html><head><title>T</title><script>v=1</script></head><body>
<header>Shop <a href="/">home</a></header><nav><a href="/a">A</a></nav>
<main><h1>Lamp</h1><p>A lamp of brass &amp; glass, 42 cm high, with a shade of linen that was woven by hand in the north of the
country, where linen has been woven since the fourteenth century, and which has been sold there ever since.</p>
<p>Price: 17.50</p><a href="/buy?session=1#now">Buy</a><script>x=1</script><form>token 81</form></main>
<aside>Others bought 12 of it</aside><footer>Rendered in 13 ms</footer></body></html>`

func parse(t *testing.T, method string, ignore ...string) signature.Options {
	t.Helper()
	o, err := signature.Parse(method, ignore)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func of(t *testing.T, o signature.Options, page string) uint64 {
	t.Helper()
	sig, err := o.Of([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestMethodSeesWhatItShouldAndNothingElse(t *testing.T) {
	t.Parallel()
	edits := []struct {
		name     string
		old, new string
		seenBy   string // methods
	}{
		{"white space", "Lamp</h1><p>", "Lamp</h1>\n\t <p>", "bytes"},
		{"entity", "&amp;", "&#38;", "bytes"},
		{"script", "x=1", "x=2", "bytes"},
		{"footer", "13 ms", "14 ms", "bytes text"},
		{"aside", "12 of", "15 of", "bytes text"},
		{"form", "token 81", "token 82", "bytes text selector:main"},
		{"head", "<title>T", "<title>U", "bytes"},
		{"query of a link", "session=1", "session=2", "bytes"},
		{"fragment of a link", "#now", "#later", "bytes"},
		{"path of a link", "/buy?", "/sold?", "bytes main selector:main"},
		{"digits", "17.50", "18.50", "bytes main text selector:main"},
		{"letters", "Price", "Cost", "bytes main text letters selector:main"},
		{"heading", "<h1>Lamp", "<h1>Lantern", "bytes main text letters selector:main selector:h1"},
		{"mark-up alone", "<p>Price: 17.50</p>", "<p>Price: <b>17</b>.50</p>", "bytes"},
		{"new paragraph mark", "Price: 17.50", "Price: </p><p>17.50", "bytes"},
	}
	for _, method := range []string{"main", "text", "letters", "bytes", "selector:main", "selector:h1"} {
		o := parse(t, method)
		before := of(t, o, article)
		for _, e := range edits {
			if !strings.Contains(article, e.old) {
				t.Fatalf("%s: nothing to edit", e.name)
			}
			changed := of(t, o, strings.Replace(article, e.old, e.new, 1)) != before
			if want := strings.Contains(" "+e.seenBy+" ", " "+method+" "); changed != want {
				t.Errorf("%s: %s changed: %v, want %v", method, e.name, changed, want)
			}
		}
	}
}

func TestPageWithoutMainIsReadWithoutItsFrame(t *testing.T) {
	t.Parallel()
	o := parse(t, "main")
	page := func(body, footer string) string {
		return "<body><header>Site</header><article>short</article><div>" + body + "</div><footer>" + footer + "</footer>"
	}
	before := of(t, o, page("one", "1"))
	if of(t, o, page("one", "2")) != before {
		t.Error("the footer counts")
	}
	if of(t, o, page("two", "1")) == before {
		t.Error("what stands beside a short article does not count")
	}
}

func TestArticlesInsideMainCountOnce(t *testing.T) {
	t.Parallel()
	o := parse(t, "main")
	text := strings.Repeat("word ", 60)
	inner := of(t, o, "<main><article>"+text+"</article></main>")
	if inner != of(t, o, "<article>"+text+"</article>") {
		t.Error("an article within main is read twice")
	}
	if a := "<aside><article>" + text + "new</article></aside>"; of(t, o, "<main>"+text+"</main>"+a) != of(t, o, "<main>"+text+"</main>") {
		t.Error("an article in the frame counts")
	}
}

func TestMainTextIsWhatTheDefaultSigns(t *testing.T) {
	t.Parallel()
	pages := []string{
		article, "", " ", "plain \u00a0 text ", "<p> a </p> <p>b<a href='/x?y'>c </a> </p>\n", "<main> </main><p>short</p>",
		strings.ReplaceAll(article, "main>", "article>"),
	}
	for _, page := range pages {
		root, err := html.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		text, sig := signature.MainText(root)
		if want := of(t, signature.Options{}, page); sig != want {
			t.Errorf("%.30q: the signature is %x, want %x", page, sig, want)
		}
		if text != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%.30q: the white space of %q is not collapsed", page, text)
		}
	}
	root, _ := html.Parse(strings.NewReader(article)) // it was parsed before
	if text, _ := signature.MainText(root); !strings.HasPrefix(text, "Lamp A lamp of brass & glass,") || !strings.HasSuffix(text, "Price: 17.50 Buy") {
		t.Errorf("the text is %q", text)
	}
}

func TestIgnoredTextDoesNotCount(t *testing.T) {
	t.Parallel()
	o := parse(t, "text", `Rendered in \d+ ms`, `Others bought \d+`)
	edited := strings.NewReplacer("13 ms", "99 ms", "bought 12", "bought 3").Replace(article)
	if of(t, o, article) != of(t, o, edited) {
		t.Error("ignored text counts")
	}
	if of(t, o, article) == of(t, o, strings.Replace(article, "brass", "steel", 1)) {
		t.Error("other text does not count")
	}
	b := parse(t, "bytes", `"at":\d+`)
	if of(t, b, `{"at":1,"x":2}`) != of(t, b, `{"at":9,"x":2}`) || of(t, b, `{"at":1,"x":2}`) == of(t, b, `{"at":1,"x":3}`) {
		t.Error("bytes: a pattern is not ignored, or more than it")
	}
}

func TestBadOptionsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, ignore, want string }{
		{"fast", "x", `signature: "fast": want main, text, letters, bytes, selector:CSS or item`},
		{"selector:", "x", `signature: selector "": expected identifier, found EOF instead`},
		{"selector:a[", "x", `signature: selector "a[": expected identifier, found EOF instead`},
		{"main", "(", "signature: ignore pattern \"(\": error parsing regexp: missing closing ): `(`"},
		{"main", "x*", `signature: ignore pattern "x*" matches nothing at all, so everywhere`},
	} {
		if _, err := signature.Parse(c.method, []string{c.ignore}); err == nil {
			t.Errorf("%s, %s is accepted", c.method, c.ignore)
		} else if !strings.HasPrefix(err.Error(), c.want[:30]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
	if got := parse(t, "").String(); got != "main" {
		t.Errorf("the default is %s", got)
	}
}

func TestSelectorThatMatchesNothingIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, "selector:.price").Of([]byte(article)); err != signature.ErrNone { //nolint:errorlint // as it is
		t.Errorf("%v, want %v", err, signature.ErrNone)
	}
	if _, err := parse(t, "item").Of([]byte(article)); err != signature.ErrItems { //nolint:errorlint // as it is
		t.Errorf("%v, want %v", err, signature.ErrItems)
	}
}

func TestItemsAreASet(t *testing.T) {
	t.Parallel()
	a, b := []byte(`{"upc":"1","price":2}`), []byte(`{"upc":"2","price":2}`)
	if signature.Item(a, b) != signature.Item(b, a) {
		t.Error("the order of items counts")
	}
	all := map[uint64]string{}
	for name, sig := range map[string]uint64{
		"none": signature.Item(), "a": signature.Item(a), "b": signature.Item(b), "ab": signature.Item(a, b), "aa": signature.Item(a, a),
	} {
		if other, is := all[sig]; is || sig == 0 {
			t.Errorf("%s and %s are the same", name, other)
		}
		all[sig] = name
	}
}

func TestAnotherTargetIsAChange(t *testing.T) {
	t.Parallel()
	if signature.Via("https://a.example/1", 5) == signature.Via("https://a.example/2", 5) || signature.Via("x", 5) == signature.Via("x", 6) ||
		signature.Target("x") == signature.Target("y") {
		t.Error("targets are the same")
	}
}

func blocks(t *testing.T, page string) signature.Blocks {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return signature.BlocksOf(root)
}

func paragraphs(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "<p>This is the paragraph about %s, seen %d times</p>", strings.Repeat(string(rune('a'+i)), 5), i)
	}
	return b.String()
}

func TestNoisyPageChangesWhenAParagraphAppears(t *testing.T) {
	t.Parallel()
	before := blocks(t, paragraphs(0, 6))
	if len(before) != 6 {
		t.Fatalf("%d blocks, want 6", len(before))
	}
	for name, c := range map[string]struct {
		page string
		want int
	}{
		"the same":       {paragraphs(0, 6), 0},
		"other digits":   {strings.ReplaceAll(paragraphs(0, 6), "seen", "seen 77"), 0},
		"another order":  {paragraphs(3, 6) + paragraphs(0, 3), 0},
		"one is missing": {paragraphs(0, 5), 0},
		"one is new":     {paragraphs(0, 7), 1},
		"one is edited":  {strings.Replace(paragraphs(0, 6), "the paragraph", "a paragraph", 1), 1},
		"too short":      {paragraphs(0, 6) + "<p>few letters</p>", 0},
		"in the frame":   {paragraphs(0, 6) + "<footer>" + paragraphs(8, 9) + "</footer>", 0},
	} {
		if got := blocks(t, c.page).Appeared(before); got != c.want {
			t.Errorf("%s: %d appeared, want %d", name, got, c.want)
		}
	}
	if got := blocks(t, paragraphs(2, 8)).Likeness(before); got != 0.5 {
		t.Errorf("four of eight in common: %v", got)
	}
	if got := signature.Blocks(nil).Likeness(nil); got != 1 {
		t.Errorf("two empty pages: %v", got)
	}
}

func TestSoftMissingPageIsLikeTheProbe(t *testing.T) {
	t.Parallel()
	o := parse(t, "main")
	page := func(html string) signature.Page {
		return signature.Page{Signature: of(t, o, html), Blocks: blocks(t, html)}
	}
	sorry := func(url string) string {
		return paragraphs(0, 12) + "<p>Nothing was found at " + url + " so we are sorry</p>"
	}
	probe := page(sorry("/shop/q"))
	for name, c := range map[string]struct {
		page signature.Page
		want bool
	}{
		"the same":         {page(sorry("/shop/q")), true},
		"one in 13 blocks": {page(sorry("/lamp/brass")), false}, // 12 of 14 in common: a short page could be a real one
		"a real page":      {page(paragraphs(13, 20)), false},
		"an empty page":    {page("<p>"), false},
		"half of its text": {page(paragraphs(0, 6)), false},
	} {
		if got := signature.SoftMissing(c.page, probe); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	long := func(url string) string {
		return paragraphs(0, 25) + "<p>Nothing was found at " + url + " so we are sorry</p>"
	}
	if !signature.SoftMissing(page(long("/lamp/brass")), page(long("/shop/q"))) {
		t.Error("a page that differs in the URL it names is taken for a real one")
	}
	if signature.SoftMissing(signature.Page{}, signature.Page{}) {
		t.Error("something is like a probe that was answered 404")
	}
}

func TestProbeIsASiblingThatCannotBe(t *testing.T) {
	t.Parallel()
	nonce := [12]byte{1, 2, 3}
	for path, want := range map[string]string{"/shop/lamp.html": "/shop/", "/": "/", "": "/", "/a/": "/a/"} {
		got := signature.ProbePath(path, nonce)
		if got != want+"010203000000000000000000" {
			t.Errorf("%q: %q", path, got)
		}
	}
}

func TestWallIsSharedByFivePagesThatWereDifferent(t *testing.T) {
	t.Parallel()
	var w signature.Walls
	for url := range uint64(4) {
		if w.Add(url, 100+url, 7) {
			t.Fatalf("a wall after %d pages", url+1)
		}
	}
	if w.Add(3, 99, 7) || w.Add(9, 7, 7) || w.Add(10, 0, 7) || w.Add(11, 101, 7) {
		t.Error("the same URL, the same signature or a new page counts")
	}
	if !w.Add(5, 105, 7) || !w.Is(7) || w.Is(8) {
		t.Error("five pages are no wall")
	}
	for i := range uint64(1000) {
		w.Add(i, i+1, 10000+i)
	}
	if w.Is(7) {
		t.Error("a wall is remembered for ever")
	}
}

func TestPairIsFetchedForAPageThatNeverStandsStill(t *testing.T) {
	t.Parallel()
	due := func(changed int, gap time.Duration) (pairs int) {
		var n signature.Noise
		for i := range 10 {
			if n.Add(i < changed, gap) {
				pairs++
			}
		}
		return pairs
	}
	if due(9, 10*time.Minute) != 1 || due(10, 10*time.Minute) != 1 {
		t.Error("no pair for a page that always changes")
	}
	if due(8, 10*time.Minute) != 0 || due(10, 2*time.Hour) != 0 {
		t.Error("a pair for a page that stands still, or is seen seldom")
	}
	broken := signature.Noise{Visits: 200}
	broken.Add(true, time.Minute)
}

func TestDeepPageIsAnErrorOrRead(t *testing.T) {
	t.Parallel()
	deep := []byte(strings.Repeat("<div>", 100000) + "x")
	for _, method := range []string{"main", "text", "letters", "selector:div"} {
		if sig, err := parse(t, method).Of(deep); err == nil && sig == 0 {
			t.Errorf("%s: neither signature nor error", method)
		}
	}
}

func FuzzAnyPageHasASignature(f *testing.F) {
	f.Add([]byte(article))
	f.Add([]byte("<main><table><a href=?><svg><title><p>\x00\xff</main><plaintext>"))
	f.Add([]byte("<template><main>x</main></template><select><option>y"))
	f.Add([]byte(paragraphs(0, 3)))
	var all []signature.Options
	for _, method := range []string{"main", "text", "letters", "bytes", "selector:p, a[href]"} {
		o, err := signature.Parse(method, []string{`\d+`})
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, o)
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		kept := bytes.Clone(page)
		for _, o := range all {
			first, err := o.Of(page)
			again, err2 := o.Of(page)
			if first != again || (err == nil) != (err2 == nil) {
				t.Fatalf("%v: %x and then %x, %v and then %v", o, first, again, err, err2)
			}
			if err == nil && first == 0 {
				t.Fatalf("%v: the signature that stands for none", o)
			}
		}
		if root, err := html.Parse(bytes.NewReader(page)); err == nil {
			b := signature.BlocksOf(root)
			if b.Appeared(b) != 0 || b.Likeness(b) != 1 {
				t.Fatalf("a page is not like itself: %v", b)
			}
		}
		if !bytes.Equal(page, kept) {
			t.Fatal("the page was changed")
		}
	})
}

func BenchmarkMain(b *testing.B) {
	o, err := signature.Parse("main", nil)
	if err != nil {
		b.Fatal(err)
	}
	page := []byte(strings.Replace(article, "<p>Price", paragraphs(0, 26)+strings.Repeat(paragraphs(0, 26), 10)+"<p>Price", 1))
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.OfDocument(root); err != nil {
			b.Fatal(err)
		}
	}
}
