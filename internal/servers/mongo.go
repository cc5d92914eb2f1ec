package servers

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// MongoServer speaks MongoDB's protocol and has a database for the test.
type MongoServer struct {
	URI      string // names the database
	Database string
	Ferret   bool // it is a FerretDB, which lacks some of MongoDB: Decimal128, say

	tb testing.TB
	p  *process // nil if the server is somebody else's
}

// Mongo gives the test a database of its own: on the server that MONGODB_URI names, where it is dropped
// afterwards, or else on a private FerretDB with SQLite. Its binary is the one that LYCOSA_FERRETDB names, or
// .cache/bin/ferretdb in the checkout, where scripts/ferretdb.sh puts it.
func Mongo(tb testing.TB) *MongoServer {
	tb.Helper()
	if uri := os.Getenv("MONGODB_URI"); uri != "" {
		return borrowMongo(tb, uri)
	}
	return PrivateMongo(tb)
}

// PrivateMongo starts a FerretDB even if MONGODB_URI is set: for tests that kill it.
func PrivateMongo(tb testing.TB) *MongoServer {
	tb.Helper()
	path := os.Getenv("LYCOSA_FERRETDB")
	if path == "" {
		path = filepath.Join(root(), ".cache", "bin", "ferretdb")
	}
	if _, err := os.Stat(path); err != nil {
		missing(tb, "no MongoDB: set MONGODB_URI, or build a FerretDB with scripts/ferretdb.sh ("+err.Error()+")")
	}
	dir := tb.TempDir()
	s := &MongoServer{Database: "lycosa_test", Ferret: true, tb: tb}
	s.p = &process{
		name: "ferretdb", path: path, dir: dir,
		plan:  func(addr string) []string { return []string{"-addr", addr, "-dir", filepath.Join(dir, "data")} },
		ready: func(ctx context.Context, addr string) error { return pingMongo(ctx, "mongodb://"+addr) },
	}
	s.p.open(tb)
	s.URI = "mongodb://" + s.p.addr + "/" + s.Database
	return s
}

func borrowMongo(tb testing.TB, uri string) *MongoServer {
	tb.Helper()
	s := &MongoServer{Database: "lycosa_test_" + strings.ToLower(rand.Text()[:12]), tb: tb}
	s.URI = withDatabase(uri, s.Database)
	if err := pingMongo(tb.Context(), uri); err != nil {
		tb.Fatalf("the server that MONGODB_URI names does not answer: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err == nil {
			err = client.Database(s.Database).Drop(ctx)
			_ = client.Disconnect(ctx)
		}
		if err != nil {
			tb.Errorf("drop database %s: %v", s.Database, err)
		}
	})
	return s
}

// withDatabase puts a database's name into a connection string.
func withDatabase(uri, name string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, query, asks := strings.Cut(rest, "?")
	hosts, old, _ := strings.Cut(rest, "/")
	uri = scheme + "://" + hosts + "/" + name
	switch {
	case asks && old != "" && !strings.Contains(query, "authSource="):
		return uri + "?" + query + "&authSource=" + old
	case asks:
		return uri + "?" + query
	case old != "":
		return uri + "?authSource=" + old
	case strings.Contains(hosts, "@"):
		return uri + "?authSource=admin"
	}
	return uri
}

// Kill ends the server by SIGKILL and returns when it is gone. A borrowed server (MONGODB_URI) cannot be killed: the test
// is skipped.
func (s *MongoServer) Kill() {
	s.tb.Helper()
	s.own()
	s.p.kill()
}

// Stop asks the server to end and returns when it is gone.
func (s *MongoServer) Stop() {
	s.tb.Helper()
	s.own()
	s.p.signal(syscall.SIGTERM)
}

// Restart stops the server, if it runs, and starts it again: same address, same data. It returns when the
// server answers.
func (s *MongoServer) Restart() {
	s.tb.Helper()
	s.own()
	s.p.restart(s.tb)
}

func (s *MongoServer) own() {
	s.tb.Helper()
	if s.p == nil {
		s.tb.Skip("the server that MONGODB_URI names is not the test's to stop")
	}
}

func pingMongo(ctx context.Context, uri string) error {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(time.Second))
	if err != nil {
		return err
	}
	err = client.Ping(ctx, nil)
	_ = client.Disconnect(context.WithoutCancel(ctx))
	return err
}
