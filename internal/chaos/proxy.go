package chaos

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// proxy carries TCP connections to a server, and fails when told to.
type proxy struct {
	network, target string
	listener        net.Listener
	running         sync.WaitGroup

	mu     sync.Mutex // guards what follows
	cut    bool
	open   chan struct{} // closed while bytes pass
	conns  map[net.Conn]bool
	closed bool
}

// newProxy listens on a free port of 127.0.0.1.
func newProxy(ctx context.Context, network, target string) (*proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{network: network, target: target, listener: l, open: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(p.open)
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.running.Go(func() { p.carry(client) })
		}
	}
}

// carry passes bytes both ways until one side ends.
func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := new(net.Dialer).DialContext(context.Background(), p.network, p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, &gated{p, server})
		client.Close()
	})
	_, _ = io.Copy(server, &gated{p, client})
	server.Close()
	back.Wait()
}

// gated reads from a connection, and hands on what came while the proxy hangs only afterwards.
type gated struct {
	p *proxy
	net.Conn
}

func (g *gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.p.mu.Lock()
	open := g.p.open
	g.p.mu.Unlock()
	<-open
	return n, err
}

// keep takes note of a connection; false if there may be none now.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.closed {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// sever breaks every connection, and each new one, until restore.
func (p *proxy) sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.Close()
	}
}

// hang lets nothing through until restore; then what was sent meanwhile arrives.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open = make(chan struct{})
	}
}

// restore undoes sever and hang.
func (p *proxy) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	p.letPass()
}

func (p *proxy) letPass() {
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// close ends the proxy and its connections.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.letPass()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
