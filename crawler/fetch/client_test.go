package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

// web starts an ordinary HTTP server and returns its URL.
func web(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestResponseTellsWhatHappened(t *testing.T) {
	t.Parallel()
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s", r.Method, r.URL)
	})
	before := time.Now()
	resp, err := newClient(t, fetch.Config{}).Fetch(t.Context(), &fetch.Request{URL: site + "/x?y"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.URL != site+"/x?y" || resp.Status != http.StatusTeapot || resp.Proto != "HTTP/1.1" || string(resp.Body) != "GET /x?y" ||
		resp.WireBytes != 8 || resp.Flags != 0 || resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%+v", resp)
	}
	if resp.Sent <= 0 || resp.Sent > resp.Elapsed || resp.Elapsed > time.Since(before) || resp.FetchedAt.Before(before) {
		t.Errorf("sent after %v, done after %v at %v", resp.Sent, resp.Elapsed, resp.FetchedAt)
	}
	if want := netip.MustParseAddrPort(strings.TrimPrefix(site, "http://")); resp.RemoteAddr != want {
		t.Errorf("answered by %v, want %v", resp.RemoteAddr, want)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	site := web(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://[bad", http.StatusFound) })
	resp, err := newClient(t, fetch.Config{}).Fetch(t.Context(), &fetch.Request{URL: site})
	if err != nil || resp.Status != http.StatusFound || resp.Header.Get("Location") != "http://[bad" {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestHeadersAreSent(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[http.Request]
	site := web(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Body", string(body))
		got.Store(r)
	})
	client := newClient(t, fetch.Config{})
	if _, err := client.Fetch(t.Context(), &fetch.Request{URL: site}); err != nil {
		t.Fatal(err)
	}
	if h := got.Load().Header; h.Get("User-Agent") != fetch.DefaultUserAgent || h.Get("Accept-Encoding") != "gzip, deflate, br, zstd" || h.Get("Accept") == "" {
		t.Errorf("by default %v is sent", h)
	}
	mine := http.Header{"User-Agent": {"me"}, "X-Own": {"1", "2"}, "Host": {"other.example"}}
	_, err := client.Fetch(t.Context(), &fetch.Request{Method: http.MethodPost, URL: site, Header: mine, Body: []byte("a=b")})
	if err != nil {
		t.Fatal(err)
	}
	r := got.Load()
	if r.Method != http.MethodPost || r.Header.Get("User-Agent") != "me" || len(r.Header["X-Own"]) != 2 || r.Header.Get("Accept-Encoding") == "" ||
		r.Header.Get("Body") != "a=b" || r.ContentLength != 3 || r.Host != "other.example" {
		t.Errorf("%s to %s with %v is sent", r.Method, r.Host, r.Header)
	}
	if len(mine) != 3 {
		t.Errorf("the caller's header is changed: %v", mine)
	}
	if ua := newClient(t, fetch.Config{UserAgent: "spider/1"}); true {
		if _, err := ua.Fetch(t.Context(), &fetch.Request{URL: site}); err != nil || got.Load().UserAgent() != "spider/1" {
			t.Errorf("User-Agent %q: %v", got.Load().UserAgent(), err)
		}
	}
}

func TestUnsendableRequestsAreNamed(t *testing.T) {
	t.Parallel()
	client := newClient(t, fetch.Config{})
	site := web(t, func(http.ResponseWriter, *http.Request) {})
	for name, req := range map[string]*fetch.Request{
		"method": {URL: site, Method: "GET /x"},
		"header": {URL: site, Header: http.Header{"X": {"a\r\nb: c"}}},
		"name":   {URL: site, Header: http.Header{"X Y": {"z"}}},
	} {
		if _, err := client.Fetch(t.Context(), req); fetch.ReasonOf(err) != fetch.ReasonInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAskedConditionsAndRangesAreAnswered(t *testing.T) {
	t.Parallel()
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusPartialContent)
			return
		}
		w.WriteHeader(http.StatusNotModified)
	})
	client := newClient(t, fetch.Config{})
	for name, want := range map[string]int{"If-None-Match": 304, "If-Modified-Since": 304, "Range": 206} {
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site, Header: http.Header{name: {`"x"`}}})
		if err != nil || resp.Status != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	site := serve(t, stall("HTTP/1.1 200 OK\r\nContent-Length: 2000000000000\r\nContent-Encoding: gzip\r\n\r\n"))
	resp, err := newClient(t, fetch.Config{}).Fetch(t.Context(), &fetch.Request{Method: http.MethodHead, URL: site})
	if err != nil || len(resp.Body) != 0 {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	io.WriteString(z, noise(100_000))
	z.Close()
	remotes := make(chan string, 100)
	site := web(t, func(w http.ResponseWriter, r *http.Request) {
		remotes <- r.RemoteAddr
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(buf.Bytes())
		case "/chunks":
			io.WriteString(w, noise(1000))
			w.(http.Flusher).Flush()
			io.WriteString(w, noise(1000))
		case "/small":
			io.WriteString(w, "x")
		case "/large":
			io.WriteString(w, noise(1<<20))
		}
	})
	client := newClient(t, fetch.Config{})
	first := ""
	for range 3 {
		for _, path := range []string{"/gzip", "/chunks", "/small", "/empty", "/large"} {
			if _, err := client.Fetch(t.Context(), &fetch.Request{URL: site + path}); err != nil {
				t.Fatal(err)
			}
			remote := <-remotes
			if first == "" {
				first = remote
			} else if remote != first {
				t.Fatalf("%s went over a connection of its own", path)
			}
		}
	}
}

func TestCancelEndsAFetch(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]talk{
		"waiting": stall(""),
		"reading": stall("HTTP/1.1 200 OK\r\n\r\nxxx"),
	} {
		reached := make(chan struct{})
		site := serve(t, func(c net.Conn, n int, stop <-chan struct{}) {
			close(reached)
			do(c, n, stop)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-reached
			cancel()
		}()
		start := time.Now()
		_, err := newClient(t, fetch.Config{}).Fetch(ctx, &fetch.Request{URL: site})
		if fetch.ReasonOf(err) != fetch.ReasonCanceled || time.Since(start) > 3*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
	}
}

func TestRefusedConnectionIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = newClient(t, fetch.Config{}).Fetch(t.Context(), &fetch.Request{URL: "http://" + l.Addr().String()})
	if fetch.ReasonOf(err) != fetch.ReasonConnRefused {
		t.Errorf("%v, want %s", err, fetch.ReasonConnRefused)
	}
}

func TestSlowHandshakeIsAConnectTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, err = newClient(t, fetch.Config{ConnectTimeout: 100 * time.Millisecond}).Fetch(t.Context(), &fetch.Request{URL: "https://" + l.Addr().String()})
	if fetch.ReasonOf(err) != fetch.ReasonTimeoutConnect {
		t.Errorf("%v, want %s", err, fetch.ReasonTimeoutConnect)
	}
}

func TestSlowButSteadyBodyIsRead(t *testing.T) {
	t.Parallel()
	site := serve(t, func(c net.Conn, _ int, stop <-chan struct{}) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range 10 {
			select {
			case <-tick.C:
				fmt.Fprint(c, "0123456789")
			case <-stop:
			}
		}
	})
	config := fetch.Config{RateGrace: 50 * time.Millisecond, MinRate: 100}
	if resp, err := newClient(t, config).Fetch(t.Context(), &fetch.Request{URL: site}); err != nil || len(resp.Body) != 100 {
		t.Errorf("at 500 bytes a second: %v", err)
	}
	config.MinRate = 5000
	if _, err := newClient(t, config).Fetch(t.Context(), &fetch.Request{URL: site}); fetch.ReasonOf(err) != fetch.ReasonTimeoutBody {
		t.Errorf("%v, want %s", err, fetch.ReasonTimeoutBody)
	}
}

func TestRatioCanBeSet(t *testing.T) {
	t.Parallel()
	body := gzipped(strings.Repeat("x", 3<<20))
	site := serve(t, reply("Content-Encoding: gzip", body))
	for ratio, want := range map[int64]fetch.Reason{0: fetch.ReasonBomb, 500: fetch.ReasonBomb, 2000: "", -1: ""} {
		if _, err := newClient(t, fetch.Config{MaxRatio: ratio}).Fetch(t.Context(), &fetch.Request{URL: site}); fetch.ReasonOf(err) != want {
			t.Errorf("ratio %d: %v, want %s", ratio, err, want)
		}
	}
}

// secure starts a server with TLS. It returns its URL and a pool with its certificate.
func secure(t *testing.T, h http.HandlerFunc, config *tls.Config) (string, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0) //nolint:depguard // what net/http asks for
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(server.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	return server.URL, roots
}

func TestHTTP2IsSpoken(t *testing.T) {
	t.Parallel()
	site, roots := secure(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }, nil)
	client := newClient(t, fetch.Config{TLS: &tls.Config{RootCAs: roots}})
	for range 3 {
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Proto != "HTTP/2.0" || string(resp.Body) != page || resp.Sent <= 0 || !resp.RemoteAddr.IsValid() {
			t.Errorf("%+v", resp)
		}
	}
}

func TestBrokenHTTP2FallsBackToHTTP1(t *testing.T) {
	t.Parallel()
	var tries [3]atomic.Int32
	site, roots := secure(t, func(w http.ResponseWriter, r *http.Request) {
		tries[r.ProtoMajor].Add(1)
		if r.ProtoMajor == 2 {
			if r.URL.Path == "/body" {
				io.WriteString(w, "half")
				w.(http.Flusher).Flush()
			}
			panic(http.ErrAbortHandler) // RST_STREAM
		}
		io.WriteString(w, page)
	}, nil)
	client := newClient(t, fetch.Config{TLS: &tls.Config{RootCAs: roots}})
	for _, path := range []string{"/head", "/body", "/third", "/fourth"} {
		resp, err := client.Fetch(t.Context(), &fetch.Request{URL: site + path})
		if err != nil || string(resp.Body) != page || resp.Proto != "HTTP/1.1" {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if two, one := tries[2].Load(), tries[1].Load(); two != 2 || one != 4 {
		t.Errorf("HTTP/2 was tried %d times and HTTP/1.1 %d times, want 2 and 4", two, one)
	}
	if _, err := newClient(t, fetch.Config{TLS: &tls.Config{RootCAs: roots}}).Fetch(t.Context(),
		&fetch.Request{Method: http.MethodPost, URL: site, Body: []byte("x")}); fetch.ReasonOf(err) != fetch.ReasonConnClosed {
		t.Errorf("a POST is not repeated, but %v", err)
	}
}

func TestBadTLSIsRefused(t *testing.T) {
	t.Parallel()
	hello := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, c := range map[string]struct {
		server  *tls.Config
		unknown bool // the client does not know the certificate
		want    fetch.Reason
	}{
		"good":        {server: certified(t, ec, &ec.PublicKey, "127.0.0.1", now.Add(time.Hour)), want: ""},
		"expired":     {server: certified(t, ec, &ec.PublicKey, "127.0.0.1", now.Add(-time.Hour)), want: fetch.ReasonTLS},
		"wrong host":  {server: certified(t, ec, &ec.PublicKey, "127.0.0.2", now.Add(time.Hour)), want: fetch.ReasonTLS},
		"self-signed": {server: certified(t, ec, &ec.PublicKey, "127.0.0.1", now.Add(time.Hour)), unknown: true, want: fetch.ReasonTLS},
		"1024 bits":   {server: certified(t, weak, &weak.PublicKey, "127.0.0.1", now.Add(time.Hour)), want: fetch.ReasonTLS},
		"TLS 1.0": {server: func() *tls.Config {
			c := certified(t, ec, &ec.PublicKey, "127.0.0.1", now.Add(time.Hour))
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
			return c
		}(), want: fetch.ReasonTLS},
	} {
		site, roots := secure(t, hello, c.server)
		if c.unknown {
			roots = x509.NewCertPool()
		}
		_, err := newClient(t, fetch.Config{TLS: &tls.Config{RootCAs: roots}}).Fetch(t.Context(), &fetch.Request{URL: site})
		if got := fetch.ReasonOf(err); got != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := newClient(t, fetch.Config{}).Fetch(t.Context(), &fetch.Request{URL: "https" + strings.TrimPrefix(web(t, hello), "http")}); fetch.ReasonOf(err) != fetch.ReasonTLS {
		t.Errorf("no TLS at all: %v", err)
	}
}

func certified(t *testing.T, key, public any, ip string, until time.Time) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(ip)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestWrongConfigIsNamed(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]fetch.Config{
		"fetch: Timeout (-1s) must not be negative":                        {Timeout: -time.Second},
		"fetch: HeaderTimeout (40s) must not be longer than Timeout (30s)": {HeaderTimeout: 40 * time.Second},
		"fetch: ConnectTimeout (2s) must not be longer than Timeout (1s)":  {Timeout: time.Second, ConnectTimeout: 2 * time.Second},
		"fetch: MaxBody (-1) must not be negative":                         {MaxBody: -1},
		"fetch: AllowCIDR[0] is no network":                                {AllowCIDR: make([]netip.Prefix, 1)},
		"fetch: Proxy ftp://x: the scheme must be":                         {Proxy: "ftp://x"},
		"fetch: Proxy http://:80 has no host":                              {Proxy: "http://:80"},
	} {
		if _, err := fetch.New(config); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestReasonsSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for reason, want := range map[fetch.Reason]bool{
		fetch.ReasonTimeoutBody: true, fetch.ReasonConnClosed: true, fetch.ReasonDNS: true, fetch.ReasonTruncated: true,
		fetch.ReasonProtocolError: false, fetch.ReasonTooLarge: false, fetch.ReasonForbiddenAddress: false, fetch.ReasonTLS: false, "": false,
	} {
		if reason.Temporary() != want {
			t.Errorf("%s is temporary: %v", reason, !want)
		}
	}
	if fetch.ReasonOf(errors.New("x")) != "" || fetch.ReasonOf(nil) != "" {
		t.Error("an error of somebody else has a reason")
	}
	if got := fetch.ReasonOf(fmt.Errorf("visit: %w", &fetch.Error{Reason: fetch.ReasonDNS})); got != fetch.ReasonDNS {
		t.Errorf("a wrapped error has the reason %q", got)
	}
}

func TestRetryAfterIsClamped(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"120":                               2 * time.Minute,
		" 5 ":                               5 * time.Second,
		"0":                                 0,
		"-5":                                0,
		"1.5":                               1500 * time.Millisecond,
		"999999999":                         time.Hour,
		"99999999999999999999999":           time.Hour,
		"1e999":                             time.Hour,
		"-1e999":                            0,
		"Wed, 02 Jan 2030 03:05:05 GMT":     time.Minute,
		"Wed, 02 Jan 2030 03:00:00 GMT":     0,
		"Fri, 01 Jan 2100 00:00:00 GMT":     time.Hour,
		"Wednesday, 02-Jan-30 03:05:05 GMT": time.Minute,
		"":                                  -1,
		"soon":                              -1,
		"nan":                               -1,
	} {
		got, ok := fetch.RetryAfter(http.Header{"Retry-After": {value}}, now, time.Hour)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("Retry-After: %s is %v, %v; want %v", value, got, ok, want)
		}
	}
}

func TestFlagsHaveNames(t *testing.T) {
	t.Parallel()
	if got := (fetch.EncodingLie | fetch.Cut).String(); got != "encoding_lie,cut" {
		t.Errorf("%q", got)
	}
}

func TestGunzipUndoesWhatIsGzip(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, want string
		reason   string
	}{
		"plain":      {in: page, want: page},
		"gzip":       {in: gzipped(page), want: page},
		"two":        {in: gzipped(page) + gzipped("more"), want: page + "more"},
		"garbage":    {in: gzipped(page) + "xx", want: page},
		"cut":        {in: gzipped(page)[:30], reason: "damaged"},
		"too large":  {in: gzipped(noise(20_000)), reason: "more than 10000 bytes"},
		"empty":      {},
		"just magic": {in: "\x1F\x8B", reason: "damaged"},
	} {
		got, err := fetch.Gunzip([]byte(c.in), 10_000)
		if c.reason != "" {
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%s: %v, want %s", name, err, c.reason)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestEveryFieldOfConfigSurvives: filling the gaps never replaces what was set.
func TestEveryFieldOfConfigSurvives(t *testing.T) {
	t.Parallel()
	var config fetch.Config
	v := reflect.ValueOf(&config).Elem()
	for i := range v.NumField() {
		switch field := v.Field(i); field.Kind() {
		case reflect.String:
			field.SetString("http://set.example")
		case reflect.Int64, reflect.Int:
			field.SetInt(7)
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		default:
			t.Fatalf("%s has a kind that this test does not know", v.Type().Field(i).Name)
		}
	}
	got := reflect.ValueOf(fetch.WithDefaults(config))
	for i := range v.NumField() {
		if want := v.Field(i).Interface(); !reflect.DeepEqual(got.Field(i).Interface(), want) {
			t.Errorf("%s became %v, want %v", v.Type().Field(i).Name, got.Field(i), want)
		}
	}
	filled := reflect.ValueOf(fetch.WithDefaults(fetch.Config{}))
	for _, name := range []string{"UserAgent", "Timeout", "ConnectTimeout", "HeaderTimeout", "MinRate", "RateGrace", "MaxBody", "MaxHeader", "MaxRatio", "MaxIdlePerHost", "MaxIdle", "IdleTimeout"} {
		if filled.FieldByName(name).IsZero() {
			t.Errorf("%s has no default", name)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	for i := range 500 {
		fmt.Fprintf(z, "<li class=item><a href=/product/%d>%s</a></li>\n", i, noise(20 + i)[i:])
	}
	z.Close()
	site := web(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/html")
		w.Write(buf.Bytes())
	})
	b.Run("lycosa", func(b *testing.B) {
		client := newClient(b, fetch.Config{})
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Fetch(b.Context(), &fetch.Request{URL: site})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(resp.Body)))
		}
	})
	b.Run("net-http", func(b *testing.B) {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Get(site)
			if err != nil {
				b.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
		}
	})
}
