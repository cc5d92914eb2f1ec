package fetch_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

const page = "<!DOCTYPE html><title>page</title><p>text\n"

func compress(w io.WriteCloser, buf *bytes.Buffer, text string) string {
	io.WriteString(w, text)
	w.Close()
	return buf.String()
}

func gzipped(text string) string {
	var b bytes.Buffer
	return compress(gzip.NewWriter(&b), &b, text)
}

func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	return compress(w, &b, text)
}

func zlibbed(text string) string {
	var b bytes.Buffer
	return compress(zlib.NewWriter(&b), &b, text)
}

func brotlied(text string) string {
	var b bytes.Buffer
	return compress(brotli.NewWriter(&b), &b, text)
}

func zstded(text string) string {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b)
	return compress(w, &b, text)
}

// TestHostileServersCostBoundedTime is the table of what servers do wrong: each ends in its outcome, and soon.
func TestHostileServersCostBoundedTime(t *testing.T) {
	t.Parallel()
	config := fetch.Config{
		Timeout: 10 * time.Second, HeaderTimeout: 2 * time.Second,
		RateGrace: 500 * time.Millisecond, MaxBody: 1 << 20,
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	zeros := strings.Repeat("\x00", 4<<20)
	for _, c := range []struct {
		name string
		do   talk
		want fetch.Reason // or the answer:
		body string
		flag fetch.Flags
		code int
	}{
		// Transfer.
		{name: "body drips", do: drip(ok+"\r\n", "x", 50*time.Millisecond), want: fetch.ReasonTimeoutBody},
		{name: "body drips in chunks", do: drip(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 50*time.Millisecond), want: fetch.ReasonTimeoutBody},
		{name: "compressed body drips", do: drip(ok+"Content-Encoding: gzip\r\n\r\n"+gzipped(page)[:20], "\x00", 50*time.Millisecond), want: fetch.ReasonTimeoutBody},
		{name: "body stalls", do: stall(ok + "Content-Length: 9\r\n\r\nxxx"), want: fetch.ReasonTimeoutBody},
		{name: "headers drip", do: drip(ok, "X: y\r\n", 20*time.Millisecond), want: fetch.ReasonTimeoutHeaders},
		{name: "one header drips", do: drip(ok+"X: ", "y", 20*time.Millisecond), want: fetch.ReasonTimeoutHeaders},
		{name: "never answers", do: stall(""), want: fetch.ReasonTimeoutHeaders},
		{name: "closes at once", do: raw(""), want: fetch.ReasonConnClosed},
		{name: "closes within the head", do: raw(ok + "Content-Length: 5\r\n"), want: fetch.ReasonConnClosed},
		{name: "resets at once", do: reset(""), want: fetch.ReasonConnClosed},
		{name: "resets within the body", do: reset(ok + "Content-Length: 9\r\n\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "closes within the body", do: raw(ok + "Content-Length: 9\r\n\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "large body cut", do: raw(ok + "Content-Length: 900000\r\n\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "chunk cut", do: raw(ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "last chunk missing", do: raw(ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n"), want: fetch.ReasonTruncated},
		{name: "more than Content-Length", do: raw(ok + "Content-Length: 5\r\n\r\n" + strings.Repeat("x", 100)), body: "xxxxx"},
		{name: "length and chunks", do: raw(ok + "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n"), body: "xxx"},
		{name: "chunk size overflows", do: raw(ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "chunk size is huge", do: raw(ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "endless body", do: flood(ok+"\r\n", zeros), want: fetch.ReasonTooLarge},
		{name: "endless chunks", do: flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "1000\r\n"+zeros[:0x1000]+"\r\n"), want: fetch.ReasonTooLarge},
		{name: "endless small chunks", do: flood(ok+"Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1;"+strings.Repeat("x", 50)+"\r\nx\r\n", 1000)), want: fetch.ReasonProtocolError},
		{name: "Content-Length of petabytes", do: stall(ok + "Content-Length: 2000000000000000\r\n\r\nxxx"), want: fetch.ReasonTooLarge},
		{name: "Content-Length overflows", do: stall(ok + "Content-Length: 20000000000000000000\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "endless headers", do: flood(ok, strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 50)), want: fetch.ReasonHeadersTooLarge},
		{name: "an endless header", do: flood(ok+"X: ", strings.Repeat("y", 100_000)), want: fetch.ReasonHeadersTooLarge},
		{name: "endless early hints", do: flood("", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100)), want: fetch.ReasonHeadersTooLarge},
		{name: "a few early hints", do: raw("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nxxx"), body: "xxx"},
		{name: "endless trailer", do: flood(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", strings.Repeat("X: y\r\n", 1000)), want: fetch.ReasonProtocolError},

		// What is not HTTP.
		{name: "HTTP/0.9", do: raw("<p>hello\n"), want: fetch.ReasonProtocolError},
		{name: "ICY", do: raw("ICY 200 OK\r\nicy-name: radio\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "SSH", do: stallAfter("SSH-2.0-OpenSSH_9.6\r\n"), want: fetch.ReasonProtocolError},
		{name: "no colon", do: raw(ok + "Content-Length 3\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "zero byte in a header", do: raw(ok + "X: \x00\r\nContent-Length: 3\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "bare CR in a header", do: raw(ok + "X: a\rb\r\nContent-Length: 3\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "bare LF", do: raw("HTTP/1.1 200 OK\nContent-Length: 3\n\nxxx"), body: "xxx"},
		{name: "bare LF in chunks", do: raw(ok + "Transfer-Encoding: chunked\r\n\r\n3\nxxx\n0\n\n"), want: fetch.ReasonProtocolError},
		{name: "two lengths", do: raw(ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "one length twice", do: raw(ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nxxx"), body: "xxx"},
		{name: "negative length", do: raw(ok + "Content-Length: -3\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "length of letters", do: raw(ok + "Content-Length: three\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "status 999", do: raw("HTTP/1.1 999 No\r\nContent-Length: 3\r\n\r\nxxx"), body: "xxx", code: 999},
		{name: "status 042", do: raw("HTTP/1.1 042 No\r\nContent-Length: 3\r\n\r\nxxx"), body: "xxx", code: 42},
		{name: "status 2", do: raw("HTTP/1.1 2 OK\r\nContent-Length: 3\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "status 404", do: raw("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nxxx"), body: "xxx", code: 404},
		{name: "status 204 with a body", do: raw("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nxxx"), code: 204},
		{name: "304 unasked", do: raw("HTTP/1.1 304 Not Modified\r\n\r\n"), want: fetch.ReasonUnasked304},
		{name: "206 unasked", do: raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nxxx"), want: fetch.ReasonTruncated},
		{name: "101 unasked", do: stall("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), want: fetch.ReasonProtocolError},
		{name: "gzip as a transfer coding", do: raw(ok + "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n"), want: fetch.ReasonProtocolError},
		{name: "chunked twice", do: raw(ok + "Transfer-Encoding: chunked, chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n"), want: fetch.ReasonProtocolError},
		{name: "identity as a transfer coding", do: raw(ok + "Transfer-Encoding: identity\r\n\r\nxxx"), want: fetch.ReasonProtocolError},
		{name: "HTTP/1.0 until closed", do: raw("HTTP/1.0 200 OK\r\n\r\nxxx"), body: "xxx"},

		// Content coding.
		{name: "gzip", do: reply("Content-Encoding: gzip", gzipped(page)), body: page},
		{name: "x-gzip", do: reply("Content-Encoding: X-GZip", gzipped(page)), body: page},
		{name: "deflate", do: reply("Content-Encoding: deflate", zlibbed(page)), body: page},
		{name: "raw deflate", do: reply("Content-Encoding: deflate", deflated(page)), body: page},
		{name: "br", do: reply("Content-Encoding: br", brotlied(page)), body: page},
		{name: "zstd", do: reply("Content-Encoding: zstd", zstded(page)), body: page},
		{name: "identity", do: reply("Content-Encoding: identity", page), body: page},
		{name: "two codings", do: chunked("Content-Encoding: gzip\nContent-Encoding: br", brotlied(gzipped(page))), body: page},
		{name: "nothing, compressed", do: reply("Content-Encoding: gzip", ""), body: ""},
		{name: "nothing, compressed, in chunks", do: chunked("Content-Encoding: br", ""), body: ""},
		{name: "gzip bomb", do: chunked("Content-Encoding: gzip", gzipped(zeros)), want: fetch.ReasonBomb},
		{name: "deflate bomb", do: chunked("Content-Encoding: deflate", zlibbed(zeros)), want: fetch.ReasonBomb},
		{name: "br bomb", do: chunked("Content-Encoding: br", brotlied(zeros)), want: fetch.ReasonBomb},
		{name: "zstd bomb", do: chunked("Content-Encoding: zstd", zstded(zeros)), want: fetch.ReasonBomb},
		{name: "bomb in a bomb", do: chunked("Content-Encoding: gzip, gzip", gzipped(gzipped(strings.Repeat(zeros, 8)))), want: fetch.ReasonBomb},
		{name: "bomb that decodes to nothing", do: chunked("Content-Encoding: gzip, gzip", gzipped(strings.Repeat(gzipped(""), 200_000))), want: fetch.ReasonTooLarge},
		{name: "too large, compressed", do: chunked("Content-Encoding: gzip", gzipped(noise(1<<20+1))), want: fetch.ReasonTooLarge},
		{name: "gzip cut", do: reply("Content-Encoding: gzip", cut(gzipped(noise(50_000)), 20_000)), want: fetch.ReasonTruncated},
		{name: "gzip cut within its head", do: reply("Content-Encoding: gzip", cut(gzipped(page), 5)), want: fetch.ReasonTruncated},
		{name: "gzip cut within its checksum", do: reply("Content-Encoding: gzip", cut(gzipped(page), len(gzipped(page))-3)), want: fetch.ReasonTruncated},
		{name: "gzip with a wrong checksum", do: reply("Content-Encoding: gzip", cut(gzipped(page), len(gzipped(page))-8)+"12345678"), want: fetch.ReasonTruncated},
		{name: "gzip cut on the wire", do: raw(ok + "Content-Encoding: gzip\r\nContent-Length: 999\r\n\r\n" + gzipped(page)), want: fetch.ReasonTruncated},
		{name: "deflate cut", do: reply("Content-Encoding: deflate", cut(zlibbed(page), 20)), want: fetch.ReasonTruncated},
		{name: "raw deflate cut", do: reply("Content-Encoding: deflate", cut(deflated(page), 20)), want: fetch.ReasonTruncated},
		{name: "br cut", do: reply("Content-Encoding: br", cut(brotlied(noise(5000)), 200)), want: fetch.ReasonTruncated},
		{name: "zstd cut", do: reply("Content-Encoding: zstd", cut(zstded(page), 20)), want: fetch.ReasonTruncated},
		{name: "gzip broken", do: reply("Content-Encoding: gzip", cut(gzipped(page), 10)+strings.Repeat("\xFF", 50)), want: fetch.ReasonUndecodable},
		{name: "br broken", do: reply("Content-Encoding: br", strings.Repeat("\xFF", 50)), want: fetch.ReasonUndecodable},
		{name: "not gzip but text", do: reply("Content-Encoding: gzip", page), body: page, flag: fetch.EncodingLie},
		{name: "not deflate but text", do: reply("Content-Encoding: deflate", page), body: page, flag: fetch.EncodingLie},
		{name: "not br but text", do: reply("Content-Encoding: br", page), body: page, flag: fetch.EncodingLie},
		{name: "not zstd but text", do: reply("Content-Encoding: zstd", page), body: page, flag: fetch.EncodingLie},
		{name: "once, not twice", do: reply("Content-Encoding: gzip, gzip", gzipped(page)), body: page, flag: fetch.EncodingLie},
		{name: "not gzip but a picture", do: reply("Content-Encoding: gzip", "\x89PNG\x0D\x0A\x1A\x0A123"), body: "\x89PNG\x0D\x0A\x1A\x0A123", flag: fetch.EncodingLie},
		{name: "not gzip but nonsense", do: reply("Content-Encoding: gzip", "\x1F\x8C\x00\x01\x02\x03"), want: fetch.ReasonUndecodable},
		{name: "a charset as coding", do: reply("Content-Encoding: UTF-8", page), body: page, flag: fetch.EncodingLie},
		{name: "gzip with garbage", do: reply("Content-Encoding: gzip", gzipped(page)+"garbage"), body: page, flag: fetch.TrailingGarbage},
		{name: "gzip with zeros", do: reply("Content-Encoding: gzip", gzipped(page)+zeros[:50_000]), body: page, flag: fetch.TrailingGarbage},
		{name: "gzip with half a head", do: reply("Content-Encoding: gzip", gzipped(page)+"\x1F\x8B\x08"), body: page, flag: fetch.TrailingGarbage},
		{name: "two members", do: reply("Content-Encoding: gzip", gzipped(page)+gzipped("more")), body: page + "more"},
		{name: "deflate with garbage", do: reply("Content-Encoding: deflate", zlibbed(page)+"garbage"), body: page, flag: fetch.TrailingGarbage},
		{name: "br with garbage", do: reply("Content-Encoding: br", brotlied(page)+"garbage"), body: page, flag: fetch.TrailingGarbage},
		{name: "zstd with garbage", do: reply("Content-Encoding: zstd", zstded(page)+"garbage"), body: page, flag: fetch.TrailingGarbage},
		{name: "unknown coding", do: reply("Content-Encoding: compress", page), want: fetch.ReasonUndecodable},
		{name: "too many codings", do: reply("Content-Encoding: "+strings.Repeat("gzip, ", 50)+"gzip", page), want: fetch.ReasonUndecodable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, config)
			site := serve(t, c.do)
			start := time.Now()
			resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
			if took := time.Since(start); took > config.Timeout+time.Second {
				t.Errorf("took %v", took)
			}
			if c.want != "" {
				var failure *fetch.Error
				if !errors.As(err, &failure) || failure.Reason != c.want || resp != nil {
					t.Fatalf("%v (%v), want %s", err, resp, c.want)
				}
				if failure.URL != site {
					t.Errorf("the error is about %s", failure.URL)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := max(c.code, 0); want != 0 && resp.Status != want || want == 0 && resp.Status != 200 {
				t.Errorf("status %d", resp.Status)
			}
			if string(resp.Body) != c.body || resp.Flags != c.flag {
				t.Errorf("body %.100q, flags %q; want %.100q, %q", resp.Body, resp.Flags, c.body, c.flag)
			}
		})
	}
}

// noise is text that hardly compresses.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = ' ' + byte(x%90)
	}
	return string(b)
}

func cut(s string, n int) string { return s[:n] }

// reset sends text and then resets the connection.
func reset(text string) talk {
	return func(c net.Conn, _ int, stop <-chan struct{}) {
		fmt.Fprint(c, text)
		if text != "" { // a reset may overtake what was sent before
			select {
			case <-time.After(50 * time.Millisecond):
			case <-stop:
			}
		}
		c.(*net.TCPConn).SetLinger(0)
	}
}

func stallAfter(text string) talk { return stall(text) }

func TestDeclaredSizeIsNotAllocated(t *testing.T) {
	client := newClient(t, fetch.Config{MaxBody: 1 << 30})
	site := serve(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nxxx"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
	runtime.ReadMemStats(&after)
	if fetch.ReasonOf(err) != fetch.ReasonTruncated {
		t.Errorf("%v, want %s", err, fetch.ReasonTruncated)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes were allocated for three", n)
	}
}

func TestPrefixIsCutOnDemand(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Config{})
	for name, do := range map[string]talk{
		"length":    reply("", noise(5000)),
		"chunks":    chunked("", noise(5000)),
		"gzip":      reply("Content-Encoding: gzip", gzipped(noise(5000))),
		"endless":   flood("HTTP/1.1 200 OK\r\n\r\n"+noise(5000), "x"),
		"petabytes": stall("HTTP/1.1 200 OK\r\nContent-Length: 2000000000000000\r\n\r\n" + noise(5000)),
	} {
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: serve(t, do), MaxBody: 1000, Prefix: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(resp.Body) != noise(1000) || !resp.Flags.Has(fetch.Cut) {
			t.Errorf("%s: %d bytes, flags %q", name, len(resp.Body), resp.Flags)
		}
	}
	resp, err := client.Fetch(t.Context(), &fetch.Request{URL: serve(t, reply("", noise(1000))), MaxBody: 1000, Prefix: true})
	if err != nil || len(resp.Body) != 1000 || resp.Flags != 0 {
		t.Errorf("a body of exactly MaxBody: %v, %v", resp, err)
	}
}

func TestRequestHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Config{MaxBody: 100})
	site := serve(t, chunked("", noise(5000)))
	if _, err := client.Fetch(t.Context(), &fetch.Request{URL: site}); fetch.ReasonOf(err) != fetch.ReasonTooLarge {
		t.Errorf("%v, want %s", err, fetch.ReasonTooLarge)
	}
	if resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site, MaxBody: 5000}); err != nil || len(resp.Body) != 5000 {
		t.Errorf("%v with a limit of its own", err)
	}
}

// TestSurplusIsNotTheNextAnswer: what a server sends beyond the end of an answer never becomes the answer to another
// request.
func TestSurplusIsNotTheNextAnswer(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Config{})
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	site := serve(t, func(c net.Conn, _ int, _ <-chan struct{}) {
		for {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"+evil)
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	for i := range 300 {
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if string(resp.Body) != "good" {
			t.Fatalf("request %d was answered by the surplus of another", i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, coded := range []string{gzipped(page), zlibbed(page), deflated(page), brotlied(page), zstded(page), page, ""} {
		f.Add("gzip", []byte(coded))
		f.Add("deflate, br", []byte(coded))
		f.Add("zstd", []byte(coded))
	}
	var next talk
	site := serve(f, func(c net.Conn, n int, stop <-chan struct{}) { next(c, n, stop) })
	client := newClient(f, fetch.Config{MaxBody: 1 << 16})
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		if strings.ContainsFunc(coding, func(c rune) bool { return c < ' ' || c > '~' }) {
			return
		}
		next = reply("Connection: close\nContent-Encoding: "+coding, string(body))
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
		if err != nil && fetch.ReasonOf(err) == "" {
			t.Errorf("an error without a reason: %v", err)
		}
		if err == nil && len(resp.Body) > 1<<16 {
			t.Errorf("%d bytes", len(resp.Body))
		}
	})
}
