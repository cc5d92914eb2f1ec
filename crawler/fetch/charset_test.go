package fetch_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

const (
	russian  = "Волк-паук живёт в норе и охотится ночью. Он не плетёт сетей, а догоняет добычу бегом. "
	japan    = "コモリグモは巣を張らず、地面を走り回って獲物を捕らえる。卵のうを腹部につけて持ち運ぶことで知られている。"
	chinese  = "狼蛛不结网，而是在地面上奔跑追捕猎物。雌蛛把卵囊带在身后，幼蛛孵化后爬到母亲背上。"
	taiwan   = "狼蛛不結網，而是在地面上奔跑追捕獵物。雌蛛把卵囊帶在身後，幼蛛孵化後爬到母親背上。"
	koreans  = "늑대거미는 거미줄을 치지 않고 땅 위를 뛰어다니며 먹이를 잡는다. 암컷은 알주머니를 배에 달고 다닌다."
	greek    = "Η λύκαινα αράχνη δεν υφαίνει ιστό αλλά κυνηγά τη λεία της τρέχοντας στο έδαφος. "
	wolfHTML = "<!DOCTYPE html><title>Wolf spider</title><p>"
)

func encoded(t testing.TB, enc encoding.Encoding, text string) []byte {
	t.Helper()
	b, err := enc.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCharsetIsDeclaredElseGuessed(t *testing.T) {
	t.Parallel()
	le, be := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	type body = []byte
	for name, c := range map[string]struct {
		body        body
		contentType string
		text        string
		charset     string
		why         fetch.Evidence
	}{
		"header":             {encoded(t, charmap.Windows1251, russian), "text/html; charset=windows-1251", russian, "windows-1251", fetch.ByHeader},
		"header, quoted":     {encoded(t, charmap.KOI8R, russian), `text/html; Charset = "KOI8-R"; x=y`, russian, "koi8-r", fetch.ByHeader},
		"header beats meta":  {body(`<meta charset=koi8-r>é`), "text/html;charset=utf8", "<meta charset=koi8-r>é", "utf-8", fetch.ByHeader},
		"unknown header":     {body(`<meta charset=utf-8>é`), "text/html; charset=klingon", "<meta charset=utf-8>é", "utf-8", fetch.ByMeta},
		"mark beats header":  {body("\xEF\xBB\xBFé"), "text/html; charset=koi8-r", "é", "utf-8", fetch.ByMark},
		"utf-16 mark":        {append(body("\xFF\xFE"), encoded(t, le, russian)...), "text/html", russian, "utf-16le", fetch.ByMark},
		"utf-16be mark":      {append(body("\xFE\xFF"), encoded(t, be, russian)...), "text/html", russian, "utf-16be", fetch.ByMark},
		"latin-1 is 1252":    {body("\x80 100"), "text/html; charset=iso-8859-1", "€ 100", "windows-1252", fetch.ByHeader},
		"late meta":          {append(body("<!--"+strings.Repeat("x", 9000)+"--><meta charset=windows-1251>"), encoded(t, charmap.Windows1251, russian)...), "", "<!--" + strings.Repeat("x", 9000) + "--><meta charset=windows-1251>" + russian, "windows-1251", fetch.ByMeta},
		"xml declaration":    {append(body(`<?xml version="1.0" encoding='windows-1251'?><a>`), encoded(t, charmap.Windows1251, russian)...), "application/xml", `<?xml version="1.0" encoding='windows-1251'?><a>` + russian, "windows-1251", fetch.ByMeta},
		"valid utf-8":        {body(wolfHTML + russian), "text/html", wolfHTML + russian, "utf-8", fetch.ByUTF8},
		"ascii":              {body(wolfHTML), "text/html", wolfHTML, "windows-1252", fetch.ByDefault},
		"empty":              {nil, "", "", "windows-1252", fetch.ByDefault},
		"bare 1251":          {append(body(wolfHTML), encoded(t, charmap.Windows1251, strings.Repeat(russian, 4))...), "", wolfHTML + strings.Repeat(russian, 4), "windows-1251", fetch.ByGuess},
		"bare koi8":          {encoded(t, charmap.KOI8R, strings.Repeat(russian, 4)), "", strings.Repeat(russian, 4), "koi8-r", fetch.ByGuess},
		"bare shift_jis":     {append(body(wolfHTML), encoded(t, japanese.ShiftJIS, japan)...), "", wolfHTML + japan, "shift_jis", fetch.ByGuess},
		"bare euc-jp":        {append(body(wolfHTML), encoded(t, japanese.EUCJP, japan)...), "", wolfHTML + japan, "euc-jp", fetch.ByGuess},
		"bare iso-2022-jp":   {append(body(wolfHTML), encoded(t, japanese.ISO2022JP, japan)...), "", wolfHTML + japan, "iso-2022-jp", fetch.ByGuess},
		"bare gb2312":        {append(body(wolfHTML), encoded(t, simplifiedchinese.GBK, chinese)...), "", wolfHTML + chinese, "gbk", fetch.ByGuess},
		"bare big5":          {append(body(wolfHTML), encoded(t, traditionalchinese.Big5, taiwan)...), "", wolfHTML + taiwan, "big5", fetch.ByGuess},
		"bare euc-kr":        {append(body(wolfHTML), encoded(t, korean.EUCKR, koreans)...), "", wolfHTML + koreans, "euc-kr", fetch.ByGuess},
		"bare greek":         {encoded(t, charmap.ISO8859_7, strings.Repeat(greek, 4)), "", strings.Repeat(greek, 4), "iso-8859-7", fetch.ByGuess},
		"bare utf-16":        {encoded(t, le, wolfHTML+russian[:80]), "", wolfHTML + russian[:80], "utf-16le", fetch.ByGuess},
		"bare utf-16be":      {encoded(t, be, wolfHTML), "", wolfHTML, "utf-16be", fetch.ByGuess},
		"bare utf-32":        {encoded(t, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), wolfHTML), "", wolfHTML, "utf-32le", fetch.ByGuess},
		"declared, but lies": {body("<meta charset=utf-8>\xE9t\xE9"), "", "<meta charset=utf-8>\uFFFDt\uFFFD", "utf-8", fetch.ByMeta},
		"zeros":              {body("a\x00\x00\x00\x00b"), "text/html", "a\x00\x00\x00\x00b", "windows-1252", fetch.ByDefault},
	} {
		text, charset := fetch.Text(c.body, c.contentType)
		if string(text) != c.text || charset != c.charset {
			t.Errorf("%s: %s %.200q, want %s %.200q", name, charset, text, c.charset, c.text)
		}
		if got, why := fetch.Charset(c.body, c.contentType); got != charset || why != c.why {
			t.Errorf("%s: %s by %s, want %s by %s", name, got, why, c.charset, c.why)
		}
	}
}

func TestValidTextIsNotCopied(t *testing.T) {
	t.Parallel()
	for _, body := range []string{wolfHTML, wolfHTML + russian, "\xEF\xBB\xBF" + russian} {
		in := []byte(body)
		out, _ := fetch.Text(in, "text/html")
		if &out[len(out)-1] != &in[len(in)-1] {
			t.Errorf("%q is copied", body)
		}
	}
}

func TestPagesAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType, body string
		html, text        bool
	}{
		{"text/html", "", true, true},
		{"TEXT/HTML; charset=utf-8", "x", true, true},
		{"text/html, text/html", "x", true, true},
		{"application/xhtml+xml", "", true, true},
		{"", wolfHTML, true, true},
		{"", "\n  <html><body>", true, true},
		{"", "<!-- x --><p>", true, true},
		{"", "just words", false, true},
		{"", "\x89PNG\x0D\x0A\x1A\x0A", false, false},
		{"", "", false, true},
		{"nonsense", wolfHTML, true, true},
		{"*/*", wolfHTML, true, true},
		{"text/plain", wolfHTML, false, true},
		{"application/octet-stream", wolfHTML, false, false},
		{"application/xml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">`, true, true},
		{"text/xml", `<?xml version="1.0"?><urlset>`, false, true},
		{"application/rss+xml", "<rss>", false, true},
		{"application/json; charset=utf-8", "{}", false, true},
		{"application/ld+json", "{}", false, true},
		{"image/svg+xml", "<svg>", false, true},
		{"image/png", wolfHTML, false, false},
		{"application/pdf", "%PDF-", false, false},
	} {
		if got := fetch.IsHTML(c.contentType, []byte(c.body)); got != c.html {
			t.Errorf("%q, %q is HTML: %v", c.contentType, c.body, got)
		}
		if got := fetch.IsText(c.contentType, []byte(c.body)); got != c.text {
			t.Errorf("%q, %q is text: %v", c.contentType, c.body, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(wolfHTML), "text/html; charset=utf-8")
	f.Add([]byte("<meta charset=gbk \xFF\xFE\x81"), "charset=\"")
	f.Add([]byte("\xFF\xFEa\x00\x00\xD8"), "")
	f.Add([]byte("<?xml encoding='iso-2022-jp'?>\x1B$B\x1B"), "x;charset=replacement")
	f.Add(encoded(f, charmap.Windows1251, russian), "")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		before := bytes.Clone(body)
		text, name := fetch.Text(body, contentType)
		if !utf8.Valid(text) {
			t.Errorf("not UTF-8: %q", text)
		}
		if name == "" {
			t.Error("no name")
		}
		if !bytes.Equal(body, before) {
			t.Error("the body is changed")
		}
		fetch.IsHTML(contentType, body)
		fetch.IsText(contentType, body)
	})
}

func BenchmarkText(b *testing.B) {
	for name, body := range map[string][]byte{
		"ascii":   []byte(strings.Repeat(wolfHTML, 700)),
		"utf-8":   []byte(strings.Repeat(wolfHTML+russian, 180)),
		"1251":    encoded(b, charmap.Windows1251, "<meta charset=windows-1251>"+strings.Repeat(wolfHTML+russian, 220)),
		"guessed": encoded(b, charmap.Windows1251, strings.Repeat(wolfHTML+russian, 220)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				fetch.Text(body, "text/html")
			}
		})
	}
}
