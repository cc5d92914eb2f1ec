package dedup

import (
	"encoding/hex"
	"strings"
	"testing"
)

// What w3lib 2.3.1 and the three functions that Scrapy and scrapy-redis have had make of requests: method, URL, body, canonical URL,
// then SHA-1 by scrapy, scrapy-redis and scrapy-old.
const scrapyGolden = `
GET	http://example.com/		http://example.com/	cebe46deeab7ee5915824a38cf73ee6f7eb0aba5	db723d399cb551c9ef8eca77ed8dbed4a0522b4f	628735d3a16b67b1dd5fbfbd10a15f2c28362bbd
GET	http://www.example.com/query?id=111&cat=222		http://www.example.com/query?cat=222&id=111	8fcf173c15d0d14f77c0c9a61209caf224e90164	5ef1f101096e9b6c0b1bb1816d012333e3fff63d	fad8cefa4d6198af8cb1dcf46add2941b4d32d78
GET	https://www.example.com/do?c=3&b=5&b=2&a=50		https://www.example.com/do?a=50&b=2&b=5&c=3	e1417a9e7fe070d77e6468e9142e670126df74f8	b8a2e86373949afe844bf1fdc8b72ca8317d2067	1ae57967770a855c5a6d845c6b6acef114eff34c
GET	https://example.com/a%20b/caf%C3%A9/%2F%3F%7B%22%5B;v=1/x;p=%41;q?x;y=1&z=%26%3D+%20		https://example.com/a%20b/caf%C3%A9/%2F%3F%7B%22[;v=1/x;p=%41;q?x=&y=1&z=%26%3D++	b0150c17847b93b2876374b8bea089168ad8b6b2	d52bb861fc38a9c415b2e6d22a79d1894659e631	6703feb38b3f7c8c78111953a7ce616ba6a8446e
GET	https://example.com/p;a=1/q;?		https://example.com/p;a=1/q	ade87d4bf2d5d8860e608ddbcfd4f004e03cd24c	e2aee38b5aad46edb8b8e7f7520183d2d0ffcad6	eae4c1a13bfdcc5e012ebfef58ae14d97d1afffd
GET	https://example.com/?a&b=&&=c		https://example.com/?=c&a=&b=	f5438b7da0f023a6919fc1c509b1936c88507d46	b36f5aa48c911bea0250895506ea07c7abfd9cca	3371aae2afa265f95536f4b58a7f53fb173df371
GET	https://example.com/?q=%zz&r=100%&s='~*()&t=%E9		https://example.com/?q=%25zz&r=100%25&s=%27~%2A%28%29&t=%E9	8cf0dc43b691f8ff3d78bbfe2fd7266899bf7509	817cb0032bb0056050881950fe46ff2d2871e448	605c1d689b5e8d3306ea7212169fc1d34a556d26
GET	http://example.com:8080/100%/%25/%252F/x|y		http://example.com:8080/100%/%/%2F/x|y	c6fe22425e939cfec8b986e156df5b58ce5258fa	60da1e97b6e6e41975ba64b7b3592aa399721540	90faf2ed7defce78067395717a36074cedda9c28
GET	http://[::1]:8080/a:b@c!$&'()*+,;=[]		http://[::1]:8080/a:b@c!$&'()*+,;=[]	ae44ef3c5fd85e9804752e355f4c2e053c1c21e5	76154824c321cf696f271e39b008db393e3af9b4	bdc92b4dafd57430ce6c1b895e5231394765b977
GET	http://xn--bcher-kva.example/?B=2&a=1&A=1		http://xn--bcher-kva.example/?A=1&B=2&a=1	025afac5c1f717dc6f3e98509388cdfa5e40535e	ef38aeb8c19892e18d2c507dcb232e9f858622f8	634b1670c1c2806e1e224ad2edab25b19ab0f409
POST	https://example.com/search	713d7370696465727326706167653d32	https://example.com/search	7b60f7a0d5de2f43b8ce456c04fbc147b6d32950	db9389e4be2c03b81181ea01e3c3c77934942507	8779ab7140c32f5f5550425e68900c53375b4b04
HEAD	https://example.com/		https://example.com/	1339bb60d810952a8cca507bdcc6cd951898b822	de99a22c804b0a61de6e61538a393695e59d454c	3f2dad2f51415551a36f2386e4915dcffcaaca8a
PUT	https://example.com/	00ff0a	https://example.com/	4f32a78ee4ce65f97a1d8d965b44bfcd1cc31339	e4d0c1d11d8f98f25ed54566a4ec22e9fcf9cef0	65a09592910ee1da4cc5331808b85f845060bff2
`

func TestScrapyFingerprintsAreThoseOfScrapy(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(strings.TrimSpace(scrapyGolden)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		method, url, canonical := f[0], f[1], f[3]
		body, err := hex.DecodeString(f[2])
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendW3lib(nil, url)); got != canonical {
			t.Errorf("%s becomes\n%s, want\n%s", url, got, canonical)
		}
		for i, scheme := range []Scheme{SchemeScrapy, SchemeScrapyRedis, SchemeScrapyOld} {
			c := compile(t, Rules{Scheme: scheme})
			want, err := ParseSHA1(f[4+i])
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Fingerprint(method, url, nil, body); got != want {
				t.Errorf("%s %s by %s: %s, want %s", method, url, scheme, got, want)
			}
		}
	}
}

// What lycosa makes of a URL changes nothing for w3lib: the spelling that Scrapy has seen and the canonical one are one.
func TestCanonicalFormKeepsScrapyFingerprint(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{Scheme: SchemeScrapy})
	for _, raw := range []string{
		"http://EXAMPLE.com", "http://example.com/?b=2&a=1&a=0#top", "http://example.com/a%7eb/%c3%a9?q=a+b%20c&", "http://example.com/?a&b",
		"http://example.com/x?q='(*)!", "http://example.com/a|b[c]", "http://example.com/a;b=1/c;d?e;f",
	} {
		was, is := c.Fingerprint("GET", strings.ToLower(raw[:18])+raw[18:], nil, nil), c.Fingerprint("GET", parse(t, c, raw).String(), nil, nil)
		if was != is {
			t.Errorf("%s: %s, as %s it was %s", parse(t, c, raw), is, raw, was)
		}
	}
}

func TestSchemesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for s := SchemeLycosa; s <= SchemeScrapyOld; s++ {
		if got, err := ParseScheme(s.String()); err != nil || got != s {
			t.Errorf("%s is read as %v, %v", s, got, err)
		}
	}
	if _, err := ParseScheme("nutch"); err == nil || !strings.Contains(err.Error(), "scrapy-redis") {
		t.Errorf("nutch: %v", err)
	}
	for _, bad := range []string{"", "ab", strings.Repeat("g", 40), strings.Repeat("A", 40), strings.Repeat("a", 41), strings.Repeat("é", 20)} {
		if fp, err := ParseSHA1(bad); err == nil {
			t.Errorf("%q is read as %s", bad, fp)
		}
	}
}

func TestRulesThatAForeignSchemeCannotFollowAreRefused(t *testing.T) {
	t.Parallel()
	for field, r := range map[string]Rules{
		"FingerprintHeaders": {FingerprintHeaders: []string{"Accept"}}, "CanonicalBodies": {CanonicalBodies: true}, "KeepFragment": {KeepFragment: true},
	} {
		r.Scheme = SchemeScrapyRedis
		if _, err := r.Compile(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := (Rules{Scheme: 9}).Compile(); err == nil || !strings.Contains(err.Error(), "Scheme") {
		t.Error(err)
	}
}

func TestScrapyFingerprintAllocatesNothing(t *testing.T) {
	c := compile(t, Rules{Scheme: SchemeScrapy})
	if n := testing.AllocsPerRun(100, func() { c.Fingerprint("GET", typicalURL, nil, nil) }); n > 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
