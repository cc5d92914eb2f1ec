package fetch_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html/charset"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

// readConformance reads a file of cases that others wrote, or skips the test. They lie in the folder that
// LYCOSA_CONFORMANCE names, by default ../shared/conformance beside the checkout.
func readConformance(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(conformance(), name))
	if err != nil {
		t.Skipf("no conformance table: %v", err)
	}
	if strings.HasSuffix(name, ".json.gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			data, err = io.ReadAll(z)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return data
}

func readTable(t *testing.T, name string, table any) {
	t.Helper()
	if err := json.Unmarshal(readConformance(t, name), table); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func conformance() string {
	if dir := os.Getenv("LYCOSA_CONFORMANCE"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	for err == nil && root != filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	return filepath.Join(root, "..", "shared", "conformance")
}

func fromBase64(t *testing.T, s string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestHTML5LibEncodingsAreFound(t *testing.T) {
	t.Parallel()
	var table struct {
		Cases []struct {
			ID       string
			DataB64  string `json:"data_b64"`
			Encoding string
		}
	}
	readTable(t, "charset_html5lib.json", &table)
	passed := 0
	for _, c := range table.Cases {
		if got, why := fetch.Charset(fromBase64(t, c.DataB64), ""); got == c.Encoding {
			passed++
		} else {
			t.Logf("%s: %s by %s, want %s", c.ID, got, why, c.Encoding)
		}
	}
	t.Logf("%d of %d", passed, len(table.Cases))
	if passed < len(table.Cases)-1 || passed == 0 { // one writes its <meta> by a script
		t.Errorf("only %d of %d", passed, len(table.Cases))
	}
}

func TestScrapyEncodingsAreFound(t *testing.T) {
	t.Parallel()
	var table struct {
		Encoding []struct {
			ID, Result, Explicit, Text string
			BodyB64                    string `json:"body_b64"`
		}
	}
	readTable(t, "links_scrapy.json.gz", &table)
	if len(table.Encoding) == 0 {
		t.Fatal("the table is empty")
	}
	for _, c := range table.Encoding {
		contentType := "text/html"
		if c.Explicit != "" {
			contentType += "; charset=" + c.Explicit
		}
		text, got := fetch.Text(fromBase64(t, c.BodyB64), contentType)
		if _, want := charset.Lookup(c.Result); got != want { // Scrapy uses Python's names
			t.Errorf("%s: %s, want %s", c.ID, got, want)
		}
		if string(text) != c.Text {
			t.Errorf("%s: text is %.100q, want %.100q", c.ID, text, c.Text)
		}
	}
}

type compressedCase struct {
	File      string
	Decodings []string
	OutLen    int `json:"out_len"`
	SHA256    string
	Error     string
}

func (c compressedCase) coding() string {
	var names []string
	for _, d := range c.Decodings {
		name, _, _ := strings.Cut(d, "(") // deflate(zlib)
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func TestCompressedBodiesAreDecodedWhole(t *testing.T) {
	t.Parallel()
	var table struct{ Cases []compressedCase }
	readTable(t, "compressed.json", &table)
	client := newClient(t, fetch.Config{MaxBody: 16 << 20, MaxRatio: -1})
	for _, c := range table.Cases {
		t.Run(c.File, func(t *testing.T) {
			t.Parallel()
			body := readConformance(t, filepath.Join("compressed", c.File))
			for name, site := range map[string]string{
				"length": serve(t, reply("Content-Encoding: "+c.coding(), string(body))),
				"chunks": serve(t, chunked("Content-Encoding: "+c.coding(), string(body))),
			} {
				resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
				if c.Error != "" {
					if got := fetch.ReasonOf(err); string(got) != c.Error {
						t.Errorf("%s: %v, want %s", name, err, c.Error)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				sum := sha256.Sum256(resp.Body)
				if len(resp.Body) != c.OutLen || hex.EncodeToString(sum[:]) != c.SHA256 || resp.Flags != 0 {
					t.Errorf("%s: %d bytes with SHA-256 %x, flags %q; want %d, %s", name, len(resp.Body), sum, resp.Flags, c.OutLen, c.SHA256)
				}
				if resp.WireBytes != int64(len(body)) {
					t.Errorf("%s: %d bytes on the wire, want %d", name, resp.WireBytes, len(body))
				}
			}
		})
	}
}

func TestBombsAreRefusedByDefault(t *testing.T) {
	t.Parallel()
	var table struct{ Cases []compressedCase }
	readTable(t, "compressed.json", &table)
	client := newClient(t, fetch.Config{})
	bombs := 0
	for _, c := range table.Cases {
		if !strings.HasPrefix(c.File, "bomb-") {
			continue
		}
		bombs++
		site := serve(t, reply("Content-Encoding: "+c.coding(), string(readConformance(t, filepath.Join("compressed", c.File)))))
		_, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
		if got := fetch.ReasonOf(err); got != fetch.ReasonBomb {
			t.Errorf("%s: %v, want %s", c.File, err, fetch.ReasonBomb)
		}
	}
	if bombs != 4 {
		t.Errorf("%d bombs, want 4", bombs)
	}
}

// curlPolicy are the replies that are judged differently from net/http, on purpose.
var curlPolicy = map[string]string{
	"curl/224": "a comment of 2 KB in the head of a gzip stream is refused, as net/http's own decompression does",
	"curl/221": "net/http without decompression hands over a broken gzip stream",
	"curl/223": "net/http does not undo deflate",
	"curl/315": "net/http does not undo brotli",
	"curl/497": "the head is larger than MaxHeader",
	"curl/498": "the head is larger than MaxHeader",
}

func TestCurlRepliesAreJudgedAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	var table struct {
		Cases []struct {
			ID      string
			Replies map[string]string `json:"replies_b64"`
		}
	}
	readTable(t, "http_curl_replies.json", &table)
	config := fetch.Config{Timeout: 3 * time.Second, ConnectTimeout: time.Second, HeaderTimeout: time.Second}
	client := newClient(t, config)
	judge := &http.Transport{DisableCompression: true, DisableKeepAlives: true, ResponseHeaderTimeout: time.Second}
	reasons := map[fetch.Reason]int{}
	accepted := 0
	for _, c := range table.Cases {
		for name, data := range c.Replies {
			site := serve(t, raw(string(fromBase64(t, data))))
			start := time.Now()
			resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s %s took %v", c.ID, name, took)
			}
			want, wantErr := judgeReply(judge, site)
			if err != nil {
				reasons[fetch.ReasonOf(err)]++
			} else {
				accepted++
			}
			if why := curlPolicy[c.ID]; why != "" {
				if err == nil {
					t.Errorf("%s %s is accepted, although %s", c.ID, name, why)
				}
				continue
			}
			switch {
			case err != nil && fetch.ReasonOf(err) == "":
				t.Errorf("%s %s: an error without a reason: %v", c.ID, name, err)
			case (err == nil) != (wantErr == nil):
				t.Errorf("%s %s: %v; net/http: %v", c.ID, name, err, wantErr)
			case err == nil && resp.Header.Get("Content-Encoding") == "" && string(resp.Body) != string(want):
				t.Errorf("%s %s: body %.60q, net/http has %.60q", c.ID, name, resp.Body, want)
			case err == nil && len(want) > 0 && len(resp.Body) == 0:
				t.Errorf("%s %s: an empty success", c.ID, name)
			}
		}
	}
	t.Logf("%d accepted, refused: %v", accepted, reasons)
}

func judgeReply(judge *http.Transport, url string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := judge.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
