package mongopipe

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// turnstile lets one write at a time through to a server. MongoDB compares and writes a document in one atomic step; FerretDB with SQLite
// does not: of two updates that ask for the same version both may match. So tests with several writers give it one at a time.
type turnstile struct {
	mu sync.Mutex // held from a write to its answer
}

// attach gives p a client whose writes go through the turnstile, if the server needs one.
func (l *turnstile) attach(t *testing.T, server *servers.MongoServer, p *Pipeline) {
	t.Helper()
	if !server.Ferret {
		return
	}
	client, err := mongo.Connect(options.Client().ApplyURI(p.config.URI).SetDialer(l))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.client.Disconnect(t.Context())
	p.client, p.db = client, client.Database(p.config.Database)
}

func (l *turnstile) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &turnConn{Conn: conn, turnstile: l}, nil
}

type turnConn struct {
	net.Conn
	*turnstile

	state sync.Mutex // guards the following
	holds bool
	head  []byte // of the answer: its first four bytes are its length
	left  int    // of the answer, when head is complete
}

func (c *turnConn) Write(b []byte) (int, error) {
	if isWrite(b) {
		c.mu.Lock()
		c.state.Lock()
		c.holds, c.head, c.left = true, nil, 0
		c.state.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *turnConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.state.Lock()
	defer c.state.Unlock()
	if !c.holds {
		return n, err
	}
	for rest := b[:n]; len(rest) > 0; {
		if len(c.head) < 4 {
			c.head, rest = append(c.head, rest[0]), rest[1:]
			if len(c.head) == 4 {
				c.left = int(binary.LittleEndian.Uint32(c.head)) - 4
			}
			continue
		}
		c.left -= len(rest)
		break
	}
	if err != nil || len(c.head) == 4 && c.left <= 0 {
		c.release()
	}
	return n, err
}

func (c *turnConn) Close() error {
	err := c.Conn.Close()
	c.state.Lock()
	defer c.state.Unlock()
	c.release()
	return err
}

func (c *turnConn) release() {
	if c.holds {
		c.holds = false
		c.mu.Unlock()
	}
}
