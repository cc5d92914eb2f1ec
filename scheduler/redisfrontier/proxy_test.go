package redisfrontier_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between clients and a Redis, and can cut them off.
type proxy struct {
	addr     string // of the proxy
	to       string // of the Redis
	listener net.Listener
	pipes    sync.WaitGroup

	cutOff atomic.Bool
	mute   atomic.Bool  // what the Redis says is thrown away
	mark   []byte       // a chunk from a client that holds it is counted
	marked atomic.Int64 // so many were
	lose   atomic.Bool  // the answer to the next one is lost, and the connection with it

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

func newProxy(t testing.TB, to, mark string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), to: to, listener: l, mark: []byte(mark), conns: map[net.Conn]bool{}}
	p.pipes.Go(p.accept)
	t.Cleanup(func() { l.Close(); p.cut(); p.pipes.Wait() })
	return p
}

// cut ends all connections and lets no new one live.
func (p *proxy) cut() {
	p.cutOff.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) mend() { p.cutOff.Store(false) }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.cutOff.Load() {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		if p.cutOff.Load() { // meanwhile
			client.Close()
			server.Close()
		}
		var lost atomic.Bool
		p.pipes.Go(func() { p.pump(client, server, &lost, true) })
		p.pipes.Go(func() { p.pump(server, client, &lost, false) })
	}
}

// pump copies from one side to the other. lost says that the next answer is to be swallowed.
func (p *proxy) pump(from, to net.Conn, lost *atomic.Bool, request bool) {
	defer func() {
		from.Close()
		to.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, from)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if request && len(p.mark) > 0 && bytes.Contains(buf[:n], p.mark) {
			p.marked.Add(1)
			if p.lose.CompareAndSwap(true, false) {
				lost.Store(true)
			}
		}
		if !request && lost.Load() {
			return // the server has executed it, and nobody hears of it
		}
		if !request && p.mute.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
