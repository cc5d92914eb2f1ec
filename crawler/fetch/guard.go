package fetch

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// forbidden are the networks that no public site is in, beside those that net/netip has a word for.
var forbidden = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // carrier-grade NAT
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved
	"::/96",           // IPv4-compatible
	"64:ff9b::/96",    // NAT64: leads to any IPv4 address
	"64:ff9b:1::/48",  // NAT64, local
	"100::/64",        // discard
	"2001::/32",       // Teredo: leads to any IPv4 address
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: leads to any IPv4 address
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fc00::/7",        // unique local
	"fec0::/10",       // site-local
)

// blockedPorts are those of other protocols: https://fetch.spec.whatwg.org/#port-blocking.
var blockedPorts = []uint16{
	0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
	115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556,
	563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
	6668, 6669, 6679, 6697, 10080,
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// isPrivate reports whether no public site can be at addr.
func isPrivate(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return !addr.IsValid() || addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() ||
		addr.IsInterfaceLocalMulticast() || addr.IsMulticast() || addr.IsUnspecified() ||
		slices.ContainsFunc(forbidden, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// guard decides which addresses may be reached.
type guard struct {
	private bool // any address
	allow   []netip.Prefix
	ports   []uint16 // empty: all but blockedPorts
}

func (g *guard) check(addr netip.AddrPort) error {
	if port := addr.Port(); len(g.ports) > 0 && !slices.Contains(g.ports, port) ||
		len(g.ports) == 0 && slices.Contains(blockedPorts, port) {
		return refuse(ReasonForbiddenPort, "port %d is not for HTTP", port)
	}
	ip := addr.Addr().Unmap().WithZone("")
	if g.private || !isPrivate(ip) || slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	return refuse(ReasonForbiddenAddress, "%s is not a public address", ip)
}

// checkLiteral checks a host that is written as an address, or known to be this machine. It is all that can
// be done if a proxy looks up hosts.
func (g *guard) checkLiteral(host string, port uint16) error {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err == nil:
	case host == "localhost", strings.HasSuffix(host, ".localhost"):
		ip = netip.IPv6Loopback()
	default:
		ip = netip.IPv4Unspecified()
		return (&guard{private: true, ports: g.ports}).check(netip.AddrPortFrom(ip, port))
	}
	return g.check(netip.AddrPortFrom(ip, port))
}

// control is called for each address a host resolves to, just before it is connected to. No name is looked
// up in between, so an answer that changes (DNS rebinding) does not get by.
func (g *guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return refuse(ReasonForbiddenAddress, "%q is no address", address)
	}
	return g.check(addr)
}

// conn knows whether somebody waits for its next byte.
type conn struct {
	net.Conn
	awaited atomic.Bool // a Read is under way, or has failed
}

func (c *conn) Read(p []byte) (int, error) {
	c.awaited.Store(true)
	n, err := c.Conn.Read(p)
	if err == nil {
		c.awaited.Store(false)
	}
	return n, err
}

// settle waits until a connection that is used again has been read to the end of the last answer, which
// takes no time at all, or closes it. net/http drops a connection on which more was sent than the answer,
// but it may hand it out a moment before it notices, and then the surplus is the answer to the next request.
func settle(ctx context.Context, nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return
		}
		nc = t.NetConn()
	}
	c, ok := nc.(*conn)
	if !ok || c.awaited.Load() {
		return
	}
	for wait := 10 * time.Microsecond; !c.awaited.Load(); wait *= 2 {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if wait > 10*time.Millisecond || ctx.Err() != nil {
			c.Close()
			return
		}
	}
}

// strongKey refuses servers whose RSA key is shorter than any certificate authority has signed since 2014.
func strongKey(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	if key, ok := state.PeerCertificates[0].PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return refuse(ReasonTLS, "the RSA key of the server has %d bits", key.N.BitLen())
	}
	return nil
}
