package mongopipe

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
)

func openPipeline(t *testing.T, server *servers.MongoServer) *Pipeline {
	t.Helper()
	p, err := New(t.Context(), Config{URI: server.URI, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// betweenReadAndWrite makes p call meddle once, after it has read what stands in the store and before it writes.
func betweenReadAndWrite(t *testing.T, p *Pipeline, meddle func()) {
	t.Helper()
	var once sync.Once
	monitor := &event.CommandMonitor{Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
		if e.CommandName == "find" {
			once.Do(meddle)
		}
	}}
	client, err := mongo.Connect(options.Client().ApplyURI(p.config.URI).SetMonitor(monitor))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.client.Disconnect(t.Context())
	p.client, p.db = client, client.Database(p.config.Database)
}

func TestWriterThatIsOvertakenDecidesAnew(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	item := func(v string) []pipelines.Item {
		return []pipelines.Item{{Kind: "thing", Key: "k", Value: map[string]any{"v": v}, Source: pipelines.Source{FetchedAt: at}}}
	}
	for _, c := range []struct {
		name, stands, other, ours string
		revision                  int64
		stats                     pipelines.Stats
	}{
		{"insert meets the same insert", "", "a", "a", 1, pipelines.Stats{Same: 1}},
		{"insert meets another insert", "", "b", "a", 2, pipelines.Stats{Changed: 1}},
		{"change meets another change", "a", "b", "c", 3, pipelines.Stats{Changed: 1}},
		{"sighting meets a change", "a", "b", "a", 3, pipelines.Stats{Changed: 1}},
		{"change meets a sighting", "a", "a", "b", 2, pipelines.Stats{Changed: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servers.Mongo(t)
			other, ours := openPipeline(t, server), openPipeline(t, server)
			if c.stands != "" {
				if err := other.Process(t.Context(), item(c.stands)); err != nil {
					t.Fatal(err)
				}
			}
			betweenReadAndWrite(t, ours, func() {
				if err := other.Process(t.Context(), item(c.other)); err != nil {
					t.Error(err)
				}
			})
			if err := ours.Process(t.Context(), item(c.ours)); err != nil {
				t.Fatal(err)
			}
			var doc struct {
				V    string
				Meta struct{ Revision int64 } `bson:"_meta"`
			}
			if err := ours.db.Collection("thing").FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil {
				t.Fatal(err)
			}
			if doc.V != c.ours || doc.Meta.Revision != c.revision {
				t.Errorf("%q stands there at revision %d, want %q at %d", doc.V, doc.Meta.Revision, c.ours, c.revision)
			}
			if got := ours.Stats(); got != c.stats {
				t.Errorf("stats are %+v, want %+v", got, c.stats)
			}
		})
	}
}

func TestLargeBatchesAreSplit(t *testing.T) {
	t.Parallel()
	sizes := func(n, size int) (sizes []int) {
		docs := make([]*document, n)
		for i := range docs {
			docs[i] = &document{fields: make(bson.Raw, size)}
		}
		for _, part := range split(docs) {
			sizes = append(sizes, len(part))
		}
		return sizes
	}
	for _, c := range []struct {
		n, size int
		want    []int
	}{
		{0, 1, nil},
		{1, 1, []int{1}},
		{1000, 1, []int{1000}},
		{2001, 1, []int{1000, 1000, 1}},
		{5, 3 << 20, []int{2, 2, 1}},
		{3, 15 << 20, []int{1, 1, 1}},
	} {
		if got := sizes(c.n, c.size); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%d documents of %d bytes are split into %v, want %v", c.n, c.size, got, c.want)
		}
	}
}
