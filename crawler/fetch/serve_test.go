package fetch_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient returns a client that may reach the test's own servers.
func newClient(t testing.TB, config fetch.Config) *fetch.Client {
	t.Helper()
	config.AllowPrivate = true
	client, err := fetch.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// talk is what a server does on a connection once it has read the request. n counts the connections from 0. stop is
// closed at the end of the test. The connection is closed when talk returns.
type talk func(c net.Conn, n int, stop <-chan struct{})

// serve starts a server on loopback and returns its URL. It answers each connection once.
func serve(t testing.TB, do talk) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					do(c, n, stop)
				}
			})
		}
	})
	t.Cleanup(func() {
		close(stop)
		l.Close()
		wg.Wait()
	})
	return "http://" + l.Addr().String() + "/"
}

// raw sends text as it is and closes the connection.
func raw(text string) talk {
	return func(c net.Conn, _ int, _ <-chan struct{}) {
		fmt.Fprint(c, text)
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		c.Read(make([]byte, 1)) // until the client has read all, or a reset would take it away
	}
}

// reply sends a whole answer. headers are separated by LF.
func reply(headers, body string) talk {
	return raw(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", lines(headers), len(body), body))
}

// chunked sends a whole answer in two chunks.
func chunked(headers, body string) talk {
	half := len(body) / 2
	return raw(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%s%s0\r\n\r\n",
		lines(headers), chunk(body[:half]), chunk(body[half:])))
}

func chunk(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
}

func lines(headers string) string {
	if headers == "" {
		return ""
	}
	return strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n"
}

// drip sends head, then tail again and again, until the client is gone.
func drip(head, tail string, every time.Duration) talk {
	return func(c net.Conn, _ int, stop <-chan struct{}) {
		fmt.Fprint(c, head)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if _, err := fmt.Fprint(c, tail); err != nil {
					return
				}
			case <-stop:
				return
			}
		}
	}
}

// flood sends head, then tail as fast as it can, until the client is gone.
func flood(head, tail string) talk {
	return func(c net.Conn, _ int, stop <-chan struct{}) {
		fmt.Fprint(c, head)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := fmt.Fprint(c, tail); err != nil {
					return
				}
			}
		}
	}
}

// stall sends head and then nothing.
func stall(head string) talk {
	return func(c net.Conn, _ int, stop <-chan struct{}) {
		fmt.Fprint(c, head)
		<-stop
	}
}
