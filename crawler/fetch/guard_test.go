package fetch

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestPrivateAddressesAreKnown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"127.0.0.1", "127.127.127.127", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"2002:7f00:1::", "2001::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff01::1",
		"2001:db8::1", "100::1", "3fff::1", "5f00::1",
	} {
		if !isPrivate(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as public", text)
		}
	}
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
		"198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8",
	} {
		if isPrivate(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as private", text)
		}
	}
}

// TestForbiddenAddressesAreNotReached dials a server that is there, under every name of it.
func TestForbiddenAddressesAreNotReached(t *testing.T) {
	t.Parallel()
	client, port, hits := guarded(t, Config{})
	for _, host := range []string{
		"127.0.0.1", "127.127.127.127", "localhost", "LOCALHOST", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"169.254.169.254", "10.0.0.1", "192.168.0.1", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
		"①②⑦.⓪.⓪.①", "127。0。0。1",
	} {
		_, err := client.Fetch(t.Context(), &Request{URL: "http://" + host + ":" + port + "/"})
		if got := ReasonOf(err); got != ReasonForbiddenAddress {
			t.Errorf("%s: %v, want %s", host, err, ReasonForbiddenAddress)
		}
	}
	// What browsers take for 127.0.0.1, and a resolver may: refused either way.
	for _, host := range []string{"2130706433", "127.1", "0x7f000001", "0177.0.0.1", "0"} {
		_, err := client.Fetch(t.Context(), &Request{URL: "http://" + host + ":" + port + "/"})
		if got := ReasonOf(err); got != ReasonForbiddenAddress && got != ReasonDNS && got != ReasonInvalidRequest {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// guarded starts a server on loopback, and a client that may not reach it.
func guarded(t *testing.T, config Config) (c *Client, port string, hits *atomic.Int32) {
	t.Helper()
	hits = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		io.WriteString(w, r.RemoteAddr)
	}))
	t.Cleanup(server.Close)
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, server.URL[strings.LastIndexByte(server.URL, ':')+1:], hits
}

func TestAllowedNetworksAreReached(t *testing.T) {
	t.Parallel()
	client, port, _ := guarded(t, Config{AllowCIDR: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}})
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://127.0.0.1:" + port}); err != nil {
		t.Error(err)
	}
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://127.1.0.1:" + port}); ReasonOf(err) != ReasonForbiddenAddress {
		t.Errorf("another network: %v", err)
	}
}

func TestPermissionIsNotInheritedWithAConnection(t *testing.T) {
	t.Parallel()
	client, port, _ := guarded(t, Config{})
	site := "http://127.0.0.1:" + port
	var first string
	for range 2 {
		resp, err := client.Fetch(t.Context(), &Request{URL: site, AllowPrivate: true})
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(resp.Body)
		} else if string(resp.Body) != first {
			t.Error("connections are not used again, so the test shows nothing")
		}
		if _, err := client.Fetch(t.Context(), &Request{URL: site}); ReasonOf(err) != ReasonForbiddenAddress {
			t.Errorf("without permission: %v", err)
		}
	}
}

func TestPortsOfOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	client, port, _ := guarded(t, Config{AllowPrivate: true})
	for _, blocked := range []string{"22", "25", "6000", "6667", "0"} {
		if _, err := client.Fetch(t.Context(), &Request{URL: "http://127.0.0.1:" + blocked + "/"}); ReasonOf(err) != ReasonForbiddenPort {
			t.Errorf("port %s: %v", blocked, err)
		}
	}
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://127.0.0.1:" + port}); err != nil {
		t.Errorf("port %s: %v", port, err)
	}
	strict, _, _ := guarded(t, Config{AllowPrivate: true, Ports: []uint16{80, 443}})
	if _, err := strict.Fetch(t.Context(), &Request{URL: "http://127.0.0.1:" + port}); ReasonOf(err) != ReasonForbiddenPort {
		t.Errorf("a port that is not in Ports: %v", err)
	}
}

func TestOtherSchemesAreRefused(t *testing.T) {
	t.Parallel()
	client, _, _ := guarded(t, Config{AllowPrivate: true})
	for _, raw := range []string{"file:///etc/passwd", "gopher://x/", "data:,x", "javascript:alert(1)", "ftp://x/", "", "/x", "unix:///x"} {
		if _, err := client.Fetch(t.Context(), &Request{URL: raw}); ReasonOf(err) != ReasonForbiddenScheme {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// TestRebindingDoesNotGetBy: a name that resolves to a public address at first, and to loopback when it is asked again.
func TestRebindingDoesNotGetBy(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	answers := [][4]byte{{192, 0, 2, 1}, {127, 0, 0, 1}}
	client, port, hits := guarded(t, Config{
		Timeout: 5 * time.Second,
		// As long as the first address is allowed, the guard sees what is dialled after it.
		AllowCIDR: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Resolver: resolver(t, func(name string) [4]byte {
			return answers[min(int(asked.Add(1))-1, 1)]
		}),
		ConnectTimeout: 100 * time.Millisecond,
	})
	for i := range 3 {
		_, err := client.Fetch(t.Context(), &Request{URL: "http://rebind.example:" + port + "/"})
		switch got := ReasonOf(err); {
		case err == nil:
			t.Fatalf("request %d reached loopback", i)
		case i > 0 && got != ReasonForbiddenAddress:
			t.Errorf("request %d: %v, want %s", i, err, ReasonForbiddenAddress)
		}
	}
	if hits.Load() != 0 {
		t.Error("the server was reached")
	}
}

// resolver answers questions for IPv4 addresses from within the process.
func resolver(t *testing.T, answer func(name string) [4]byte) *net.Resolver {
	t.Helper()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			for answerOne(ours, answer) == nil { //nolint:revive // until the question cannot be read
			}
		}()
		return theirs, nil
	}}
}

// answerOne reads a question and answers it, both with their length before them, as DNS over TCP has it.
func answerOne(c net.Conn, answer func(name string) [4]byte) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf); err != nil || len(m.Questions) != 1 {
		return errors.New("no question")
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: answer(q.Name.String())},
		}}
	}
	buf, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.Write(slices.Concat(binary.BigEndian.AppendUint16(nil, uint16(len(buf))), buf))
	return err
}

func TestNamesOfPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	client, port, hits := guarded(t, Config{Resolver: resolver(t, func(string) [4]byte { return [4]byte{127, 0, 0, 1} })})
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://public.example:" + port}); ReasonOf(err) != ReasonForbiddenAddress {
		t.Errorf("%v, want %s", err, ReasonForbiddenAddress)
	}
	if resp, err := client.Fetch(t.Context(), &Request{URL: "http://public.example:" + port, AllowPrivate: true}); err != nil || hits.Load() != 1 {
		t.Errorf("%v, %v with permission", resp, err)
	}
}

func TestUnknownHostIsADNSError(t *testing.T) {
	t.Parallel()
	client, _, _ := guarded(t, Config{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server here")
	}}})
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://nowhere.example/"}); ReasonOf(err) != ReasonDNS {
		t.Errorf("%v, want %s", err, ReasonDNS)
	}
}

func TestProxyIsUsedAndGuardsLiterals(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1/") // never asked
	proxy, target := recorder(t)
	client, err := New(Config{Proxy: "http://" + proxy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	for _, raw := range []string{"http://public.example/a?b", "http://public.example/%zz?b", "http://public.example//x|y"} {
		if _, err := client.Fetch(t.Context(), &Request{URL: raw}); err != nil || target() != raw {
			t.Errorf("the proxy is asked for %s, want %s: %v", target(), raw, err)
		}
	}
	if _, err := client.Fetch(t.Context(), &Request{URL: "https://public.example/"}); ReasonOf(err) != ReasonProxy {
		t.Errorf("%v, want %s", err, ReasonProxy)
	}
	for _, raw := range []string{"http://127.0.0.1/", "http://[::1]/", "http://localhost/", "http://169.254.169.254/", "https://10.0.0.1/"} {
		if _, err := client.Fetch(t.Context(), &Request{URL: raw}); ReasonOf(err) != ReasonForbiddenAddress {
			t.Errorf("%s: %v, want %s", raw, err, ReasonForbiddenAddress)
		}
	}
	if _, err := client.Fetch(t.Context(), &Request{URL: "http://public.example:22/"}); ReasonOf(err) != ReasonForbiddenPort {
		t.Errorf("%v, want %s", err, ReasonForbiddenPort)
	}
}

func TestURLsGoOutAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	host, target := recorder(t)
	client, err := New(Config{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	for path, want := range map[string]string{
		"":                     "/",
		"/":                    "/",
		"?q":                   "/?q",
		"/?":                   "/?",
		"/a%2Fb|c":             "/a%2Fb|c",
		"/%zz":                 "/%zz",
		"/a[b]^c?d={e}|%":      "/a[b]^c?d={e}|%",
		"/%7Ejoe/~jim":         "/%7Ejoe/~jim",
		"/x#fragment?no":       "/x",
		"//double//slash":      "//double//slash",
		"/a;b=c&d=e,f!$'()*+@": "/a;b=c&d=e,f!$'()*+@",
		"/sp ace?q=a b":        "/sp%20ace?q=a%20b",
		"/é":                   "/%C3%A9",
	} {
		if _, err := client.Fetch(t.Context(), &Request{URL: "http://user:secret@" + host + path}); err != nil || strings.TrimPrefix(target(), "http://"+host) != want {
			t.Errorf("%q was sent as %s: %v", path, target(), err)
		}
	}
	for _, raw := range []string{"http://", "http:///x", "http://[bad", "http://a b/", "http://x\n/", "http://h:99999/%zz\x00"} {
		if _, err := client.Fetch(t.Context(), &Request{URL: raw}); ReasonOf(err) != ReasonInvalidRequest {
			t.Errorf("%q: %v, want %s", raw, err, ReasonInvalidRequest)
		}
	}
}

// recorder starts a server that answers anything but CONNECT with an empty page. target returns what it was asked for
// last.
func recorder(t *testing.T) (host string, target func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var last atomic.Value
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n') // the rest fits into one segment and has come with it
			method, rest, _ := strings.Cut(line, " ")
			status := "200 OK"
			if method == http.MethodConnect {
				status = "403 Forbidden"
			}
			last.Store(strings.TrimSuffix(rest, " HTTP/1.1\r\n"))
			fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
			c.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String(), func() string { return last.Load().(string) }
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"http://a/b?c#d", "https://[::1]:8/%zz", "http://a//b|", "http:", "http://u:p@h", "http://a?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parse(raw)
		if err != nil {
			if r := new(refusal); !errors.As(err, &r) {
				t.Errorf("an error without a reason: %v", err)
			}
			return
		}
		if u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q is parsed as %#v", raw, u)
		}
		if strings.ContainsAny(u.RequestURI(), " \r\n\x00") {
			t.Errorf("%q has the request URI %q", raw, u.RequestURI())
		}
		portOf(u)
	})
}
