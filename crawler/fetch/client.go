package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Client fetches over net/http, with transports of its own.
type Client struct {
	config Config
	guards [2]*guard // by access
	proxy  *url.URL

	// transports by access and protocol. They are apart so that a request that may not reach private addresses
	// never gets a connection to one that another request left behind.
	transports [2][2]*http.Transport
	header     http.Header // of a request that brings none; never changed
	old        oldHosts
}

var _ Fetcher = (*Client)(nil)

// access is what a request may reach.
type access int

const (
	public access = iota
	anywhere
)

// protocol is what may be spoken over TLS; without TLS it is HTTP/1.1 anyway.
type protocol int

const (
	http2 protocol = iota // or HTTP/1.1, as the server likes
	http1
)

// New returns a client. Its Close frees what it holds.
func New(config Config) (*Client, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Client{config: config}
	c.proxy, _ = config.proxyURL() // validated
	c.header = http.Header{
		"User-Agent":      {config.UserAgent},
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"},
	}
	for a := range c.transports {
		c.guards[a] = &guard{private: config.AllowPrivate || access(a) == anywhere, allow: config.AllowCIDR, ports: config.Ports}
		for p := range c.transports[a] {
			c.transports[a][p] = c.newTransport(c.guards[a], protocol(p))
		}
	}
	return c, nil
}

func (c *Client) newTransport(g *guard, p protocol) *http.Transport {
	dialer := &net.Dialer{
		Timeout: c.config.ConnectTimeout, KeepAlive: 30 * time.Second, Resolver: c.config.Resolver, ControlContext: g.control,
	}
	if c.proxy != nil {
		dialer.ControlContext = nil // the proxy itself is the operator's choice
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: nc}, nil
		},
		TLSClientConfig:        c.tlsConfig(),
		TLSHandshakeTimeout:    c.config.ConnectTimeout,
		ResponseHeaderTimeout:  c.config.HeaderTimeout,
		MaxResponseHeaderBytes: c.config.MaxHeader,
		MaxIdleConns:           c.config.MaxIdle,
		MaxIdleConnsPerHost:    c.config.MaxIdlePerHost,
		IdleConnTimeout:        c.config.IdleTimeout,
		DisableCompression:     true, // undone here, within limits
		ForceAttemptHTTP2:      p == http2,
	}
	if p == http1 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	if c.proxy != nil {
		t.Proxy = http.ProxyURL(c.proxy)
	}
	return t
}

func (c *Client) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.config.TLS != nil {
		config = c.config.TLS.Clone()
	}
	if config.VerifyConnection == nil {
		config.VerifyConnection = strongKey
	}
	return config
}

// Close drops the connections that are not in use. The client can still be used.
func (c *Client) Close() error {
	for _, byProtocol := range c.transports {
		for _, t := range byProtocol {
			t.CloseIdleConnections()
		}
	}
	return nil
}

// Fetch makes one exchange; see [Fetcher].
//
// If an exchange over HTTP/2 breaks down in the middle, and the request can be repeated, it is repeated once
// over HTTP/1.1. A host where that happened twice is spoken to in HTTP/1.1 from then on.
func (c *Client) Fetch(ctx context.Context, req *Request) (*Response, error) {
	x := &exchange{client: c, req: req, start: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x.watch(cancel)
	defer x.unwatch()

	resp, err := x.run(ctx)
	if err == nil {
		return resp, nil
	}
	err = x.culprit(err)
	reason := x.reason(ctx, err)
	if cause := context.Cause(ctx); errors.Is(cause, errDeadline) || errors.Is(cause, errTooSlow) {
		err = cause // net/http only says that it was canceled
	}
	return nil, &Error{Reason: reason, URL: req.URL, Status: x.status, Err: err}
}

var (
	errDeadline = errors.New("the time for one exchange is over")
	errTooSlow  = errors.New("the body comes too slowly")
)

// exchange is one call of Fetch.
type exchange struct {
	client *Client
	req    *Request
	start  time.Time
	timer  *time.Timer
	cancel context.CancelCauseFunc

	at      atomic.Int32 // phase
	begun   atomic.Int64 // when the body began, since start
	wire    atomic.Int64 // bytes of the body received
	sent    atomic.Int64 // when the request had left, since start
	remote  netip.AddrPort
	overTLS bool
	status  int
	flags   Flags
	broken  error // what ended the body on the wire, if that was not its end
}

func (x *exchange) phase() phase { return phase(x.at.Load()) }

// watch starts the timer that ends the exchange when it takes too long or becomes too slow.
func (x *exchange) watch(cancel context.CancelCauseFunc) {
	x.cancel = cancel
	x.timer = time.AfterFunc(time.Hour, x.tick)
	x.timer.Reset(min(x.client.config.Timeout, x.client.config.RateGrace))
}

func (x *exchange) unwatch() {
	x.at.Store(int32(finished)) // a tick may be under way
	x.timer.Stop()
}

func (x *exchange) tick() {
	if x.phase() == finished {
		return
	}
	config := &x.client.config
	now := time.Since(x.start)
	if now >= config.Timeout {
		x.cancel(errDeadline)
		return
	}
	if x.phase() == reading && config.MinRate > 0 {
		took := now - time.Duration(x.begun.Load())
		if took >= config.RateGrace && float64(x.wire.Load()) < took.Seconds()*float64(config.MinRate) {
			x.cancel(errTooSlow)
			return
		}
	}
	x.timer.Reset(min(config.Timeout-now, config.RateGrace, time.Second))
}

// run makes the exchange, a second time if HTTP/2 failed.
func (x *exchange) run(ctx context.Context) (*Response, error) {
	target, err := parse(x.req.URL)
	if err != nil {
		return nil, err
	}
	reach := public
	if x.req.AllowPrivate {
		reach = anywhere
	}
	if x.client.proxy != nil {
		if err := x.client.guards[reach].checkLiteral(target.Hostname(), portOf(target)); err != nil {
			return nil, err
		}
	}
	speak := http2
	if x.client.old.has(target.Host) {
		speak = http1
	}
	resp, err := x.roundTrip(ctx, target, x.client.transports[reach][speak])
	if err == nil || speak == http1 || !x.overTLS || !x.repeatable() || !x.http2Failed(ctx, x.culprit(err)) {
		return resp, err
	}
	x.client.old.add(target.Host)
	x.again()
	return x.roundTrip(ctx, target, x.client.transports[reach][http1])
}

// culprit returns the error of the wire, if there is one, and not what a decoder makes of it.
func (x *exchange) culprit(err error) error {
	if x.broken != nil {
		return x.broken
	}
	return err
}

// http2Failed reports whether err may not have come up in HTTP/1.1.
func (x *exchange) http2Failed(ctx context.Context, err error) bool {
	switch x.reason(ctx, err) {
	case ReasonConnClosed, ReasonTruncated, ReasonProtocolError:
		return isHTTP2(err)
	default:
		return false
	}
}

// repeatable reports whether sending the request twice does no harm.
func (x *exchange) repeatable() bool {
	return x.req.Method == "" || x.req.Method == http.MethodGet || x.req.Method == http.MethodHead
}

// again forgets the first attempt, but not how long it took.
func (x *exchange) again() {
	x.at.Store(int32(connecting))
	x.wire.Store(0)
	x.sent.Store(0)
	x.status, x.flags, x.broken = 0, 0, nil
}

// roundTrip sends the request and reads the answer.
func (x *exchange) roundTrip(ctx context.Context, target *url.URL, transport *http.Transport) (*Response, error) {
	req := x.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if info.Reused {
				settle(ctx, info.Conn)
			}
			if tcp, ok := info.Conn.RemoteAddr().(*net.TCPAddr); ok {
				x.remote = tcp.AddrPort()
			}
			x.at.Store(int32(waiting))
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { x.sent.Store(int64(time.Since(x.start))) },
	}), target)
	x.overTLS = target.Scheme == "https"
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	x.status = answer.StatusCode
	x.begun.Store(int64(time.Since(x.start)))
	x.at.Store(int32(reading))

	if err := x.checkHead(req, answer); err != nil {
		return nil, err
	}
	body, err := x.readBody(answer)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &Response{
		URL: x.req.URL, Status: answer.StatusCode, Proto: answer.Proto, Header: answer.Header, Body: body,
		WireBytes: x.wire.Load(), Flags: x.flags, Sent: time.Duration(x.sent.Load()), Elapsed: now.Sub(x.start), FetchedAt: now,
		RemoteAddr: x.remote,
	}, nil
}

// request makes the request of net/http.
func (x *exchange) request(ctx context.Context, target *url.URL) *http.Request {
	req := (&http.Request{
		Method: x.req.Method, URL: target, Host: target.Host, Header: x.client.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(x.req.Header) > 0 {
		req.Header = x.req.Header.Clone()
		for name, value := range x.client.header {
			if _, ok := req.Header[name]; !ok {
				req.Header[name] = value
			}
		}
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
	}
	if len(x.req.Body) > 0 {
		req.ContentLength = int64(len(x.req.Body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.req.Body)), nil }
		req.Body, _ = req.GetBody() // never fails
	}
	if x.client.proxy != nil && target.Opaque != "" && target.Scheme == "http" && target.Opaque[1] != '/' {
		absolute := *target // a proxy must see the whole URL
		absolute.Opaque = "//" + target.Host + target.Opaque
		req.URL = &absolute
	}
	return req
}

// checkHead refuses answers that are no good whatever follows.
func (x *exchange) checkHead(req *http.Request, answer *http.Response) error {
	switch status := answer.StatusCode; {
	case status == http.StatusSwitchingProtocols:
		return refuse(ReasonProtocolError, "the server switches to another protocol")
	case status == http.StatusNotModified && req.Header.Get("If-None-Match") == "" && req.Header.Get("If-Modified-Since") == "":
		return refuse(ReasonUnasked304, "not modified, but the request had no condition")
	case status == http.StatusPartialContent && req.Header.Get("Range") == "":
		return refuse(ReasonTruncated, "a part of the content, but the whole was asked for")
	case req.Method != http.MethodHead && answer.ContentLength > x.maxBody() && !x.req.Prefix:
		return refuse(ReasonTooLarge, "the body has %d bytes, at most %d are accepted", answer.ContentLength, x.maxBody())
	}
	return nil
}

func (x *exchange) maxBody() int64 {
	if x.req.MaxBody > 0 {
		return x.req.MaxBody
	}
	return x.client.config.MaxBody
}

// parse returns a URL that net/http sends as it is written. net/url refuses or rewrites some that browsers
// and the WHATWG's URL standard accept ("%zz", "|"); their path is then passed on unread.
func parse(raw string) (*url.URL, error) {
	raw, _, _ = strings.Cut(raw, "#")
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "http" && scheme != "https" {
		scheme, _, _ := strings.Cut(raw, ":")
		return nil, refuse(ReasonForbiddenScheme, "the scheme of the URL is %.20q, only http and https are fetched", scheme)
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, target := rest[:end], rest[end:]
	path, query, hasQuery := strings.Cut(target, "?")
	if u, err := url.Parse(raw); err == nil && u.Host != "" && (u.EscapedPath() == path || strings.ContainsFunc(path, isUnsafe)) {
		u.User = nil
		u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20")
		return u, nil
	}
	u, err := url.Parse(scheme + "://" + authority)
	if err != nil || u.Host == "" {
		return nil, refuse(ReasonInvalidRequest, "the URL has no valid host")
	}
	if strings.ContainsFunc(target, isUnsafe) {
		return nil, refuse(ReasonInvalidRequest, "the URL contains a character that must be escaped")
	}
	u.User = nil
	u.Opaque, u.RawQuery, u.ForceQuery = path, query, hasQuery && query == ""
	if strings.HasPrefix(path, "//") {
		u.Opaque = "//" + u.Host + path // or the first segment is taken for a host
	}
	return u, nil
}

// isUnsafe reports whether c may stand in no URL, as browsers send it.
func isUnsafe(c rune) bool { return c <= ' ' || c >= 0x7F }

func portOf(u *url.URL) uint16 {
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(n)
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// oldHosts are hosts whose HTTP/2 failed, each with how often. At most a thousand are remembered.
type oldHosts struct {
	mu    sync.Mutex // guards what follows
	fails map[string]int
	order []string // oldest first
}

const (
	maxOldHosts    = 1000
	maxHTTP2Faults = 2
)

func (o *oldHosts) add(host string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails == nil {
		o.fails = make(map[string]int)
	}
	if o.fails[host]++; o.fails[host] > 1 {
		return
	}
	if o.order = append(o.order, host); len(o.order) > maxOldHosts {
		delete(o.fails, o.order[0])
		o.order = slices.Delete(o.order, 0, 1)
	}
}

func (o *oldHosts) has(host string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fails[host] >= maxHTTP2Faults
}
