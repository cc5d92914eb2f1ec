package chaos

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// store is where the items of a round go: a MongoDB behind a proxy, or one file for each place in the fleet.
type store struct {
	dir    string
	uri    *url.URL // of the server itself; nil: files
	proxy  *proxy
	client *mongo.Client // past the proxy
	server *process      // nil: somebody else's
	name   string        // of the databases
}

// openStore finds the server the configuration names, or starts it.
func openStore(ctx context.Context, c Config) (s *store, err error) {
	s = &store{dir: filepath.Join(c.Dir, "items"), name: "lycosa_chaos_" + strings.ToLower(rand.Text()[:8])}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	switch {
	case c.Mongod != "":
		err = s.startServer(ctx, c)
	case c.MongoDB != "":
		s.uri, err = singleHost(c.MongoDB)
	default:
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if s.client == nil {
		if s.client, err = connect(s.uri.String()); err != nil {
			return nil, err
		}
	}
	asked, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.client.Ping(asked, nil); err != nil {
		return nil, fmt.Errorf("mongodb at %s: %w", s.uri.Host, err)
	}
	s.proxy, err = newProxy(ctx, "tcp", s.uri.Host)
	return s, err
}

func connect(uri string) (*mongo.Client, error) {
	return mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(5 * time.Second))
}

// startServer starts a mongod, or a FerretDB as scripts/ferretdb.sh builds it.
func (s *store) startServer(ctx context.Context, c Config) error {
	data := filepath.Join(c.Dir, "mongodb")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	args := []string{"--bind_ip", host, "--port", port, "--dbpath", data}
	if strings.Contains(filepath.Base(c.Mongod), "ferretdb") {
		args = []string{"-addr", addr, "-dir", filepath.Join(data, "data")}
	}
	if s.server, err = spawn(data, "server.log", c.Mongod, args...); err != nil {
		return err
	}
	s.uri = &url.URL{Scheme: "mongodb", Host: addr}
	if s.client, err = connect(s.uri.String()); err != nil {
		return err
	}
	if err := s.server.ready(ctx, func(ctx context.Context) error { return s.client.Ping(ctx, nil) }); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(c.Mongod), err)
	}
	return nil
}

// fails reports whether the store can be taken away.
func (s *store) fails() bool { return s.proxy != nil }

// label names the store in the verdict.
func (s *store) label() string {
	if s.fails() {
		return "mongodb"
	}
	return "files"
}

// out is the --out of the worker in a place of the fleet.
func (s *store) out(round, place int) string {
	if !s.fails() {
		return filepath.Join(s.dir, fmt.Sprintf("round-%d-place-%d.jsonl", round, place))
	}
	u := *s.uri
	q := u.Query()
	if db := strings.TrimPrefix(u.Path, "/"); db != "" && u.User != nil && !q.Has("authSource") {
		q.Set("authSource", db) // what the URI's database stands for besides
	}
	u.Host, u.Path = s.proxy.addr(), "/"+s.database(round)
	q.Del("replicaSet")
	q.Set("directConnection", "true") // the addresses that a replica set gives would lead past the proxy
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *store) database(round int) string { return fmt.Sprintf("%s_%d", s.name, round) }

// document is an item as the store has it.
type document struct {
	testsite.Item `bson:",inline"`

	Meta struct {
		Kind string `json:"kind" bson:"kind"`
		Key  string `json:"key"  bson:"key"`
	} `json:"_meta" bson:"_meta"`
}

func (d *document) stored() Stored { return Stored{Item: d.Item, Kind: d.Meta.Kind, Key: d.Meta.Key} }

// items reads the items of a round.
func (s *store) items(ctx context.Context, round int) (all []Stored, err error) {
	if !s.fails() {
		return s.readFiles(round)
	}
	cursor, err := s.client.Database(s.database(round)).Collection(itemKind).Find(ctx, bson.D{})
	if err != nil {
		return nil, fmt.Errorf("read items: %w", err)
	}
	defer cursor.Close(ctx)
	for cursor.Next(ctx) {
		var doc document
		if err := cursor.Decode(&doc); err != nil {
			return nil, fmt.Errorf("read items: %w", err)
		}
		all = append(all, doc.stored())
	}
	return all, cursor.Err()
}

func (s *store) readFiles(round int) (all []Stored, err error) {
	names, err := filepath.Glob(filepath.Join(s.dir, fmt.Sprintf("round-%d-place-*.jsonl", round)))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		whole := data[:bytes.LastIndexByte(data, '\n')+1] // what stands behind is of a worker killed while it wrote
		for line := range bytes.Lines(whole) {
			var doc document
			if err := json.Unmarshal(line, &doc); err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
			}
			all = append(all, doc.stored())
		}
	}
	return all, nil
}

// forget drops the database of a round.
func (s *store) forget(ctx context.Context, round int) error {
	if !s.fails() {
		return nil
	}
	return s.client.Database(s.database(round)).Drop(ctx)
}

func (s *store) close() error {
	var err error
	if s.proxy != nil {
		s.proxy.close()
	}
	if s.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = s.client.Disconnect(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
	}
	if s.server != nil {
		s.server.kill()
	}
	return err
}
