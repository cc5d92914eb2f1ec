package dedup

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
)

// Crawls outlive releases: a fingerprint that changed would make a crawl fetch everything again, and
// forget what it has seen. The rows were computed once; never change one.
func TestFingerprintsNeverChange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ method, url, body, want string }{
		{"GET", "http://example.com/", "", "ce676c8080fd53fc3ea8d0c78986f192"},
		{"", "http://example.com/", "", "ce676c8080fd53fc3ea8d0c78986f192"},
		{"GET", "https://example.com/", "", "b649bee00f78eb0461becabfd787311b"},
		{"HEAD", "http://example.com/", "", "2574f6ab5a7bd82392a5b7bfdb0bf96e"},
		{"POST", "http://example.com/", "", "1d7209c55fac224da8e39ee71372e712"},
		{"POST", "http://example.com/", "a=1&b=2", "f62f2354ca97ab48b6e968d1ab13ac5e"},
		{"POST", "http://example.com/search", `{"q":"lycosa"}`, "dc8f447e427e1c1c32c214b556a6117c"},
		{"GET", "http://example.com/?a=1&b=2", "", "7021167d57b1b54ffe19d4665268a785"},
		{"GET", "http://xn--bcher-kva.example/%C3%A4", "", "289a38751d971b08610d0e21c6ee829c"},
		{"GET", "http://[::1]:8080/", "", "f6334292e4d59325671bf08fedd1e99c"},
		{"GET", "", "", "69a1c0c62ded40647e890ec85d203bbd"},
		{"GET", "https://www.example.com/catalogue/category/books_1/page-2.html?sort=price&page=2", "", "69d37084c5627d0fa6b38b072f5c79eb"},
		{"PUT", "http://example.com/a", "\x00\xff", "a119aa0f3d52f5b9704fd8779760a54b"},
		{"GET", "http://example.com/" + strings.Repeat("a", 600), "", "e92516e33ef0725e4376be914e9ec346"},
	} {
		if got := Of(row.method, row.url, []byte(row.body)).String(); got != row.want {
			t.Errorf("Of(%q, %q, %q) = %s, want %s", row.method, row.url, row.body, got, row.want)
		}
	}
}

func TestFingerprintIsSHA256OfItsLines(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 400, 505, 506, 507, 508, 600, 5000} {
		url, body := "http://h/"+strings.Repeat("a", n), bytes.Repeat([]byte("b"), n)
		sum := sha256.Sum256([]byte("POST\n" + url + "\n" + string(body)))
		if got := Of("POST", url, body); !bytes.Equal(got[:], sum[:16]) {
			t.Errorf("%d bytes: got %s, want %x", n, got, sum[:16])
		}
	}
}

func TestFingerprintCoversMethodURLAndBody(t *testing.T) {
	t.Parallel()
	seen := make(map[Fingerprint]string)
	for _, method := range []string{"GET", "POST", "PUT"} {
		for _, url := range []string{"http://h/", "http://h/a", "https://h/"} {
			for _, body := range []string{"", "a", "\n"} {
				request := method + " " + url + " " + body
				fp := Of(method, url, []byte(body))
				if other, ok := seen[fp]; ok {
					t.Errorf("%q and %q have one fingerprint", request, other)
				}
				seen[fp] = request
			}
		}
	}
	if Of("", "http://h/", nil) != Of("GET", "http://h/", []byte{}) {
		t.Error("an empty method is not GET")
	}
}

func TestFingerprintSurvivesItsForms(t *testing.T) {
	t.Parallel()
	fp := Of("GET", "http://example.com/", nil)
	if got, err := ParseFingerprint(fp.String()); err != nil || got != fp {
		t.Errorf("ParseFingerprint(%s) = %s, %v", fp, got, err)
	}
	if got, err := ParseFingerprint(strings.ToUpper(fp.String())); err != nil || got != fp {
		t.Errorf("in upper case: %s, %v", got, err)
	}
	short := FromShort(fp.Short())
	if short.Short() != fp.Short() || !bytes.Equal(short[:8], fp[:8]) || !bytes.Equal(short[8:], make([]byte, 8)) {
		t.Errorf("FromShort(%x) = %s, of %s", fp.Short(), short, fp)
	}
	for short, want := range map[uint64]string{
		0: "0", 1: "1", 1<<63 - 1: "9223372036854775807", 1 << 63: "-9223372036854775808", 1<<64 - 1: "-1",
	} {
		if got := string(FromShort(short).AppendDecimal([]byte("x"))); got != "x"+want {
			t.Errorf("AppendDecimal of %d: %s, want x%s", short, got, want)
		}
	}
}

func TestWrongFingerprintsAreRefused(t *testing.T) {
	t.Parallel()
	right := strings.Repeat("a1", 16)
	for _, s := range []string{"", right[:31], right + "0", right[:31] + "g", " " + right[1:], strings.Repeat("é", 16)} {
		if fp, err := ParseFingerprint(s); err == nil {
			t.Errorf("ParseFingerprint(%q) = %s", s, fp)
		}
	}
}

func TestFingerprintOfUsualURLDoesNotAllocate(t *testing.T) {
	url := "http://h/" + strings.Repeat("a", 450-9)
	var fp Fingerprint
	if n := testing.AllocsPerRun(100, func() { fp = Of("GET", url, nil) }); n != 0 {
		t.Errorf("%v allocations for %d bytes, want none", n, len(url))
	}
	if fp == (Fingerprint{}) {
		t.Error("no fingerprint")
	}
}
