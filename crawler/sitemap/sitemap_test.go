package sitemap_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/unicode"

	"github.com/lycosa-crawl/lycosa/crawler/sitemap"
)

const at = "https://a.example/dir/sitemap.xml"

// list reads a document, and returns an entry a line: its kind, location and date.
func list(body, label string) (string, error) {
	var b strings.Builder
	var failed error
	for e, err := range sitemap.Read(at, strings.NewReader(body), label) {
		if err != nil {
			failed = err
			continue
		}
		fmt.Fprintf(&b, "%v %s", e.Kind, e.Loc)
		if !e.LastMod.IsZero() {
			b.WriteString(" " + e.LastMod.Format(time.RFC3339))
		}
		b.WriteByte('\n')
	}
	return b.String(), failed
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func TestDocumentsAreReadForWhatTheySay(t *testing.T) {
	t.Parallel()
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(`<?xml version="1.0" encoding="utf-16"?><urlset><url><loc>http://a.example/ü</loc></url></urlset>`)
	if err != nil {
		t.Fatal(err)
	}
	const one = "page http://a.example/1\n"
	for name, c := range map[string]struct{ body, label, want string }{
		"dates":                {`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>http://a.example/1</loc><lastmod> 2026-03-04 </lastmod></url></urlset>`, "", "page http://a.example/1 2026-03-04T00:00:00Z\n"},
		"date first":           {`<urlset><url><lastmod>2026-03-04</lastmod><loc>http://a.example/1</loc></url></urlset>`, "", "page http://a.example/1 2026-03-04T00:00:00Z\n"},
		"date of another url":  {`<urlset><url><lastmod>2026-03-04</lastmod></url><url><loc>http://a.example/1</loc></url></urlset>`, "", one},
		"index":                {`<sitemapindex><sitemap><loc>/a.xml</loc></sitemap><sitemap><loc>b.xml.gz</loc><lastmod>2026</lastmod></sitemap></sitemapindex>`, "", "sitemap https://a.example/a.xml\nsitemap https://a.example/dir/b.xml.gz 2026-01-01T00:00:00Z\n"},
		"prefixed":             {`<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9"><s:url><s:loc>http://a.example/1</s:loc></s:url></s:urlset>`, "", one},
		"old namespace":        {`<urlset xmlns="http://www.google.com/schemas/sitemap/0.84"><url><loc>http://a.example/1</loc></url></urlset>`, "", one},
		"extensions":           {`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"><url><loc>http://a.example/1</loc><i:image><i:loc>http://a.example/x.png</i:loc></i:image></url></urlset>`, "", one},
		"extension of no name": {`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><image:image><image:loc>http://a.example/x.png</image:loc></image:image><loc>http://a.example/1</loc></url></urlset>`, "", one},
		"ampersand":            {`<urlset><url><loc>http://a.example/?a=1&b=2&copy=3&amp;d=4</loc></url></urlset>`, "", "page http://a.example/?a=1&b=2&copy=3&d=4\n"},
		"forbidden character":  {"<urlset><url><loc>http://a.example/1</loc></url><!-- \x08\x00 --><url><loc>http://a.example/2</loc></url></urlset>", "", one + "page http://a.example/2\n"},
		"no characters":        {"<urlset><url><loc>http://a.example/1</loc></url>" + strings.Repeat("x\uffff\ufffe\uffee", 10_000) + "<url><loc>http://a.example/\uff01</loc></url></urlset>", "", one + "page http://a.example/\uff01\n"},
		"not UTF-8":            {"<urlset><url><loc>http://a.example/1</loc></url><x>\xff</x><url><loc>http://a.example/2</loc></url></urlset>", "", one + "page http://a.example/2\n"},
		"upper case":           {`<URLSET><URL><LOC>http://a.example/1</LOC></URL></URLSET>`, "", one},
		"latin":                {"<?xml version='1.0' encoding='iso-8859-1'?><urlset><url><loc>http://a.example/\xfc</loc></url></urlset>", "", "page http://a.example/ü\n"},
		"latin no more":        {"<?xml version='1.0' encoding='iso-8859-1'?><urlset><url><loc>http://a.example/ü</loc></url></urlset>", "utf-8", "page http://a.example/ü\n"},
		"mark of UTF-8":        {"\ufeff  <urlset><url><loc>http://a.example/1</loc></url></urlset>", "", one},
		"UTF-16":               {utf16, "", "page http://a.example/ü\n"},
		"gzip":                 {zipped(`<urlset><url><loc>http://a.example/1</loc></url></urlset>`), "", one},
		"mail":                 {`<urlset><url><loc>mailto:a@b</loc></url><url><loc>http://a.example/1</loc></url></urlset>`, "", one},
		"loc too long":         {`<urlset><url><loc>http://a.example/` + strings.Repeat("x", 17<<10) + `</loc></url><url><loc>http://a.example/1</loc></url></urlset>`, "", one},
		"text":                 {"\ufeffhttp://a.example/1\r\n\n# comment\n/relative\nHTTPS://a.example/2", "", one + "page HTTPS://a.example/2\n"},
		"long line":            {strings.Repeat("x", 200<<10) + "\nhttp://a.example/1\n", "", one},
		"text in gzip":         {zipped("http://a.example/1\n"), "", one},
		"atom":                 {`<feed xmlns="http://www.w3.org/2005/Atom"><updated>2026-05-05T00:00:00Z</updated><entry><link rel="enclosure" href="/x.mp3"/><link href="1"/><published>2026-01-01T00:00:00Z</published><updated>2026-02-01T12:00:00+01:00</updated></entry></feed>`, "", "page https://a.example/dir/1 2026-02-01T11:00:00Z\n"},
		"atom with a base":     {`<feed xmlns="http://www.w3.org/2005/Atom" xml:base="http://b.example/x/"><entry><link href="1"/></entry></feed>`, "", "page http://b.example/x/1\n"},
		"rss":                  {`<?xml version="1.0" encoding="iso-8859-1"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><link>http://a.example/</link><item><link>/1?a=1&b=2</link><pubDate>Wed, 04 Mar 2026 05:06:07 GMT</pubDate></item><item><link>/` + "\xfc" + `</link><dc:date>2026-03-04</dc:date></item><item><guid>http://a.example/g</guid></item><item><title>none</title></item></channel></rss>`, "", "page https://a.example/1?a=1&b=2 2026-03-04T05:06:07Z\npage https://a.example/%C3%BC 2026-03-04T00:00:00Z\npage http://a.example/g\n"},
		"rdf":                  {`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel/><item><link>http://a.example/1</link></item></rdf:RDF>`, "", one},
		"json feed":            {`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","url":"/1","date_modified":"2026-03-04T05:06:07Z"},{"id":"http://a.example/2"}]}`, "", "page https://a.example/1 2026-03-04T05:06:07Z\npage http://a.example/2\n"},
		"cut off":              {`<urlset><url><loc>http://a.example/1</loc><lastmod>2026-01-01</lastmod></url><url><loc>http://a.exa`, "", "page http://a.example/1 2026-01-01T00:00:00Z\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := list(c.body, c.label)
			if got != c.want {
				t.Errorf("got (%v)\n%swant\n%s", err, got, c.want)
			}
			if wantErr := strings.HasPrefix(name, "cut off"); (err != nil) != wantErr {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestWhatIsNoSitemapIsRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                               "neither sitemap nor feed: it is empty",
		" \n ":                           "neither sitemap nor feed: it is empty",
		"not found":                      "neither sitemap nor feed: it is text without a URL",
		"<!DOCTYPE html><html></html>":   "neither sitemap nor feed: its root element is <html>",
		"<!-- nothing -->":               "neither sitemap nor feed: it has no element",
		`{"a":1}`:                        "neither sitemap nor feed: it is JSON, but no feed",
		"\x1f\x8b\x08" + "broken zipped": "",
		"{":                              "",
		"<rss":                           "",
	} {
		got, err := list(body, "")
		if got != "" || err == nil || want != "" && err.Error() != want {
			t.Errorf("%q: %q, error %v, want %q", body, got, err, want)
		}
		if want != "" && !errors.Is(err, sitemap.ErrUnknown) {
			t.Errorf("%q: %v is not ErrUnknown", body, err)
		}
	}
}

func TestNoEntityIsResolved(t *testing.T) {
	t.Parallel()
	got, err := list(`<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/hostname"><!ENTITY h "http://b.example/"><!ENTITY y "&h;&h;">]>
<urlset><url><loc>&x;</loc></url><url><loc>&y;</loc></url><url><loc>http://a.example/1</loc></url></urlset>`, "")
	if want := "page http://a.example/1\n"; got != want || err != nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	got, err = list(`<!DOCTYPE rss [<!ENTITY h "http://b.example/">]><rss><channel><item><link>&h;</link></item><item><link>/1</link></item></channel></rss>`, "")
	if want := "page https://a.example/1\n"; got != want || err != nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// endless is an io.Reader that says the same again and again.
type endless struct {
	first, then string
	at          int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if e.first != "" {
			c := copy(p[n:], e.first)
			e.first = e.first[c:]
			n += c
			continue
		}
		c := copy(p[n:], e.then[e.at%int64(len(e.then)):])
		n, e.at = n+c, e.at+int64(c)
	}
	return n, nil
}

func TestWhatHasNoEndIsCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body    endless
		entries int
		read    int64 // MiB, at most
	}{
		"entries":       {endless{first: "<urlset>", then: "<url><loc>http://a.example/1</loc></url>"}, sitemap.MaxEntries, 9},
		"lines":         {endless{first: "", then: "http://a.example/1\n"}, sitemap.MaxEntries, 5},
		"a comment":     {endless{first: "<urlset><url><loc>http://a.example/1</loc></url><!--", then: strings.Repeat("x", 4096)}, 1, 5},
		"a tag":         {endless{first: "<urlset><url><loc>http://a.example/1</loc></url><x", then: " a='b'"}, 1, 5},
		"a declaration": {endless{first: "<!DOCTYPE x [", then: "<!ENTITY a 'b'>"}, 0, 5},
		"a loc":         {endless{first: "<urlset><url><loc>", then: strings.Repeat("x", 4096)}, 0, 5},
		"a line":        {endless{first: "http://a.example/1\n", then: strings.Repeat("x", 4096)}, 1, 65},
		"elements":      {endless{first: "<urlset><url><loc>http://a.example/1</loc></url>", then: "<x>"}, 1, 1},
		"a feed":        {endless{first: "<rss><channel>", then: "<item><link>/1</link></item>"}, 0, 17},
		"a deep feed":   {endless{first: "<rss><channel>", then: "<a:b>"}, 0, 17},
		"JSON":          {endless{first: `{"version":"1","items":`, then: "["}, 0, 17},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entries := 0
			var failed error
			for _, err := range sitemap.Read(at, &c.body, "") {
				if err != nil {
					failed = err
					continue
				}
				entries++
			}
			if !errors.Is(failed, sitemap.ErrTooLarge) || entries != c.entries {
				t.Errorf("%d entries, want %d; error %v", entries, c.entries, failed)
			}
			if read := c.body.at >> 20; read > c.read {
				t.Errorf("read %d MiB, want %d at most", read, c.read)
			}
		})
	}
}

func TestDeepFeedIsNotGivenToTheLibrary(t *testing.T) {
	t.Parallel()
	deep := "<rss><channel><item>" + strings.Repeat("<a:b>", 1000) + strings.Repeat("</a:b>", 1000) + "</item></channel></rss>"
	if got, err := list(deep, ""); got != "" || !errors.Is(err, sitemap.ErrTooLarge) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReadingStopsWithTheLoop(t *testing.T) {
	t.Parallel()
	for body := range map[string]bool{"http://a.example/1\nhttp://a.example/2\n": true, "<urlset><url><loc>/1</loc></url><url><loc>/2</loc></url></urlset>": true, "<rss><channel><item><link>/1</link></item><item><link>/2</link></item></channel></rss>": true} {
		n := 0
		for range sitemap.Read(at, strings.NewReader(body), "") {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%d entries", n)
		}
	}
}

func TestErrorOfTheBodyIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	var failed error
	n := 0
	for _, err := range sitemap.Read(at, io.MultiReader(strings.NewReader("<urlset><url><loc>/1</loc></url>"+strings.Repeat(" ", 2000)), failing{broken}), "") {
		if err != nil {
			failed = err
			continue
		}
		n++
	}
	if n != 1 || !errors.Is(failed, broken) {
		t.Errorf("%d entries, error %v", n, failed)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestDatesOfTheWildAreRead(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		// W3C
		"2026": "2026-01-01T00:00:00Z", "2026-03": "2026-03-01T00:00:00Z", "2026-03-04": "2026-03-04T00:00:00Z",
		"2026-03-04T05:06Z": "2026-03-04T05:06:00Z", "2026-03-04T05:06+02:00": "2026-03-04T03:06:00Z",
		"2026-03-04T05:06:07-08:00": "2026-03-04T13:06:07Z", "2026-03-04T05:06:07.45Z": "2026-03-04T05:06:07.45Z",
		// sloppy
		" 2026-03-04\n": "2026-03-04T00:00:00Z", "2026-03-04T05:06:07": "2026-03-04T05:06:07Z", "2026-03-04 05:06:07": "2026-03-04T05:06:07Z",
		"2026-03-04 05:06": "2026-03-04T05:06:00Z", "2026-03-04T05:06:07+0200": "2026-03-04T03:06:07Z", "2026-03-04T05:06:07+02": "2026-03-04T03:06:07Z",
		"2026-03-04T05:06:07 +02:00": "2026-03-04T03:06:07Z", "2026-03-04t05:06:07z": "2026-03-04T05:06:07Z", "2026-03-04 05:06:07 UTC": "2026-03-04T05:06:07Z",
		"2026-03-04 05:06:07.123456": "2026-03-04T05:06:07.123456Z", "2026/03/04": "2026-03-04T00:00:00Z", "2026/3/4 05:06:07": "2026-03-04T05:06:07Z",
		"2026.03.04": "2026-03-04T00:00:00Z", "20260304": "2026-03-04T00:00:00Z", "20260304T050607Z": "2026-03-04T05:06:07Z", "2026-3-4": "2026-03-04T00:00:00Z",
		"2026-03-04Z": "2026-03-04T00:00:00Z", "2026-03-04+01:00": "2026-03-03T23:00:00Z",
		"Wed, 04 Mar 2026 05:06:07 GMT": "2026-03-04T05:06:07Z", "Wed, 4 Mar 2026 05:06:07 +0100": "2026-03-04T04:06:07Z", "4 Mar 26 05:06:07 +0100": "2026-03-04T04:06:07Z",
		"Wed Mar 4 05:06:07 2026": "2026-03-04T05:06:07Z", "4 March 2026": "2026-03-04T00:00:00Z", "March 4, 2026": "2026-03-04T00:00:00Z",
		// none
		"": "", "never": "", "2026-02-30": "", "2026-13-01": "", "0000-00-00": "", "0001-01-01T00:00:00Z": "", "1970-01-01": "", "04/03/2026": "", "1772600767": "",
		strings.Repeat("2026", 1000): "",
	} {
		got := ""
		if at := sitemap.ParseTime(s); !at.IsZero() {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("ParseTime(%.40q) = %q, want %q", s, got, want)
		}
	}
}

func FuzzReadNeverPanics(f *testing.F) {
	for _, s := range []string{
		"<urlset><url><loc>http://a.example/1</loc><lastmod>2026-01-01</lastmod></url></urlset>", "<sitemapindex><sitemap><loc>/a</loc></sitemap></sitemapindex>",
		"http://a.example/\n", "<rss><channel><item><link>/1</link><pubDate>x</pubDate></item></channel></rss>", `<feed xmlns="http://www.w3.org/2005/Atom" xml:base="x"><entry><link href="1"/></entry></feed>`,
		`{"version":"https://jsonfeed.org/version/1","items":[{"url":"x"}]}`, zipped("http://a.example/"), "<?xml version='1.0' encoding='utf-16'?><urlset/>", "\xff\xfe<\x00",
		"<!DOCTYPE x [<!ENTITY a 'b'>]><rdf:RDF><item><link>&a;</link></item></rdf:RDF>",
	} {
		f.Add([]byte(s), "")
	}
	f.Add([]byte("<urlset>\x80"), "shift_jis")
	f.Fuzz(func(t *testing.T, body []byte, label string) {
		last := false
		for e, err := range sitemap.Read(at, bytes.NewReader(body), label) {
			if last {
				t.Fatal("something follows an error")
			}
			last = err != nil
			if err == nil && !strings.HasPrefix(strings.ToLower(e.Loc), "http") {
				t.Fatalf("entry %q", e.Loc)
			}
		}
	})
}

func FuzzParseTimeNeverPanics(f *testing.F) {
	f.Add("2026-03-04T05:06:07+02:00")
	f.Add("Wed, 4 Mar 26 05:06 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		if at := sitemap.ParseTime(s); !at.IsZero() && at.Year() < 1989 {
			t.Fatal(at)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	var doc strings.Builder
	doc.WriteString(`<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`)
	for i := range 50_000 {
		fmt.Fprintf(&doc, "<url><loc>https://a.example/item/%d-some-words.html</loc><lastmod>2026-03-04T05:06:07+00:00</lastmod></url>\n", i)
	}
	doc.WriteString("</urlset>")
	b.SetBytes(int64(doc.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range sitemap.Read(at, strings.NewReader(doc.String()), "") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 50_000 {
			b.Fatal(n)
		}
	}
}
