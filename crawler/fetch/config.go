package fetch

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Version is the version of lycosa that the default User-Agent names.
const Version = "0.1.0"

// DefaultUserAgent is sent unless Config.UserAgent says otherwise.
const DefaultUserAgent = "lycosa/" + Version + " (+https://github.com/lycosa-crawl/lycosa)"

// Config says how a [Client] fetches. The zero value is the default.
type Config struct {
	// UserAgent is sent with each request. Default [DefaultUserAgent].
	UserAgent string

	// Timeout is for one exchange, from the call to the last byte. Default 30s.
	Timeout time.Duration
	// ConnectTimeout is for looking up the host and connecting, and again for the TLS handshake. Default 10s, at most
	// Timeout.
	ConnectTimeout time.Duration
	// HeaderTimeout is from the request's being sent until the head of the answer has been read. Default 15s, at
	// most Timeout.
	HeaderTimeout time.Duration
	// MinRate is the least number of bytes a second, on the average since it began, at which a body may arrive once
	// RateGrace is over. Default 100; negative: any.
	MinRate int64
	// RateGrace is how long a body may be slower than MinRate. Default 10s.
	RateGrace time.Duration

	// MaxBody is the size of the largest body that is accepted, in bytes, on the wire and decompressed. Default 10 MiB.
	MaxBody int64
	// MaxHeader is the size of the largest head that is accepted, in bytes, interim answers (1xx) included.
	// Default 256 KiB.
	MaxHeader int64
	// MaxRatio is how many times larger than on the wire a body may be once it is decompressed; the first MiB is
	// free. Real pages stay below 50. Default 100; negative: any.
	MaxRatio int64

	// AllowPrivate lets every request reach any address. By default, connections to loopback, private, link-local,
	// multicast, unspecified, carrier-grade NAT, transition and documentation addresses are refused.
	AllowPrivate bool
	// AllowCIDR are networks that may be reached although they are refused otherwise.
	AllowCIDR []netip.Prefix
	// Ports are the only ones that may be connected to. Default: all but those that browsers refuse, because other
	// protocols live there (https://fetch.spec.whatwg.org/#port-blocking).
	Ports []uint16

	// Proxy is the URL of the proxy that all requests go through (http, https, socks5, socks5h). The environment is never
	// asked. Default none. Behind a proxy the proxy looks up hosts, so that of the addresses only those written in
	// the URL are checked here.
	Proxy string
	// MaxIdlePerHost is how many unused connections to one host are kept. Default 2.
	MaxIdlePerHost int
	// MaxIdle is how many unused connections are kept in all. Default 512.
	MaxIdle int
	// IdleTimeout is how long an unused connection is kept. Default 60s.
	IdleTimeout time.Duration
	// TLS is the configuration that connections start from: roots, client certificates. Default: the system's
	// roots, TLS 1.2 or later, RSA keys of at least 2048 bits.
	TLS *tls.Config
	// Resolver looks up hosts. Default [net.DefaultResolver].
	Resolver *net.Resolver
}

// withDefaults fills the gaps.
func (c Config) withDefaults() Config {
	c.UserAgent = cmp.Or(c.UserAgent, DefaultUserAgent)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, min(10*time.Second, c.Timeout))
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, min(15*time.Second, c.Timeout))
	c.MinRate = cmp.Or(c.MinRate, 100)
	c.RateGrace = cmp.Or(c.RateGrace, 10*time.Second)
	c.MaxBody = cmp.Or(c.MaxBody, 10<<20)
	c.MaxHeader = cmp.Or(c.MaxHeader, 256<<10)
	c.MaxRatio = cmp.Or(c.MaxRatio, 100)
	c.MaxIdlePerHost = cmp.Or(c.MaxIdlePerHost, 2)
	c.MaxIdle = cmp.Or(c.MaxIdle, 512)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	return c
}

// validate speaks the name of the field that is wrong.
func (c Config) validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
		limit time.Duration
	}{
		{"Timeout", c.Timeout, 0},
		{"ConnectTimeout", c.ConnectTimeout, c.Timeout},
		{"HeaderTimeout", c.HeaderTimeout, c.Timeout},
		{"RateGrace", c.RateGrace, 0},
		{"IdleTimeout", c.IdleTimeout, 0},
	} {
		if d.value < 0 {
			return fmt.Errorf("fetch: %s (%v) must not be negative", d.name, d.value)
		}
		if d.limit > 0 && d.value > d.limit {
			return fmt.Errorf("fetch: %s (%v) must not be longer than Timeout (%v)", d.name, d.value, d.limit)
		}
	}
	for name, n := range map[string]int64{
		"MaxBody": c.MaxBody, "MaxHeader": c.MaxHeader, "MaxIdle": int64(c.MaxIdle), "MaxIdlePerHost": int64(c.MaxIdlePerHost),
	} {
		if n < 0 {
			return fmt.Errorf("fetch: %s (%d) must not be negative", name, n)
		}
	}
	for i, p := range c.AllowCIDR {
		if !p.IsValid() {
			return fmt.Errorf("fetch: AllowCIDR[%d] is no network", i)
		}
	}
	if _, err := c.proxyURL(); err != nil {
		return err
	}
	return nil
}

// proxyURL returns nil if there is no proxy.
func (c Config) proxyURL() (*url.URL, error) {
	if c.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil {
		return nil, fmt.Errorf("fetch: Proxy: %w", err)
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("fetch: Proxy %s: the scheme must be http, https, socks5 or socks5h", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("fetch: Proxy %s has no host", u.Redacted())
	}
	return u, nil
}
