package mongodedup_test

import (
	"context"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/mongodedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

func newStore(t *testing.T) *mongodedup.Store {
	t.Helper()
	server := servers.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return mongodedup.New(client.Database(server.Database), "seen")
}

func numbered(first, n int) []dedup.Fingerprint {
	fps := make([]dedup.Fingerprint, n)
	for i := range fps {
		fps[i] = dedup.Of("GET", "http://example.com/", []byte{byte(first + i), byte((first + i) >> 8)})
	}
	return fps
}

func TestRecordedIsKnown(t *testing.T) {
	t.Parallel()
	s, fps := newStore(t), numbered(0, 2500)
	edges := []dedup.Fingerprint{dedup.FromShort(0), dedup.FromShort(1 << 63), dedup.FromShort(1<<64 - 1)}
	for _, part := range [][]dedup.Fingerprint{edges, fps[:2000], fps[1000:2000], append(slices.Clone(fps[:2]), fps[:2]...), nil} {
		if err := s.Record(t.Context(), part...); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := s.Has(t.Context(), append(fps, edges...)...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range seen {
		if want := i < 2000 || i >= 2500; seen[i] != want {
			t.Fatalf("fingerprint %d: %v", i, seen[i])
		}
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen, err := s.Has(t.Context(), fps[0]); err != nil || seen[0] {
		t.Errorf("after Purge: %v, %v", seen, err)
	}
}

func TestTwoTierWithMongoDB(t *testing.T) {
	t.Parallel()
	o, err := redis.ParseURL(servers.Redis(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	f, err := redisdedup.Open(t.Context(), client, redisdedup.Config{
		Name: "x", Spec: redisdedup.Spec{Kind: redisdedup.TwoTier, Rate: 0.3}, Exact: newStore(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	fps := numbered(0, 5000)
	for _, want := range []bool{true, false} {
		fresh, err := f.Add(t.Context(), fps...)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(fresh, !want) {
			t.Fatalf("some of the fingerprints are not new = %v", want)
		}
	}
}
