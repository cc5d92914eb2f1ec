package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/pipetest"
)

func TestTrackerSuite(t *testing.T) {
	t.Parallel()
	pipetest.RunTrackers(t, func(t *testing.T) pipetest.TrackHarness {
		server := servers.Mongo(t)
		db := databaseOfTest(t, server)
		var turns turnstile
		open := func(t *testing.T, history int) *Pipeline {
			t.Helper()
			p, err := New(t.Context(), Config{URI: server.URI, History: history, Logger: slog.New(slog.DiscardHandler), MaxPause: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			turns.attach(t, server, p)
			return p
		}
		find := func(t *testing.T, coll string, filter bson.D) (docs []bson.Raw) {
			t.Helper()
			cursor, err := db.Collection(coll).Find(t.Context(), filter)
			if err == nil {
				err = cursor.All(t.Context(), &docs)
			}
			if err != nil {
				t.Fatal(err)
			}
			return docs
		}
		return pipetest.TrackHarness{
			Shared: true,
			Open:   func(t *testing.T, history int) pipetest.TrackedStore { return open(t, history) },
			Item: func(t *testing.T, id pipelines.ID) (pipelines.ItemState, map[string]any, bool) {
				docs := find(t, id.Kind, bson.D{{Key: "_id", Value: id.Key}})
				if len(docs) == 0 {
					return pipelines.ItemState{}, nil, false
				}
				fields := make(map[string]any)
				for _, f := range fieldsOf(docs[0]) {
					fields[f.Name] = f.Value
				}
				return parseStanding(docs[0]).state, fields, true
			},
			History: func(t *testing.T, id pipelines.ID) (revisions []int64) {
				for _, doc := range find(t, id.Kind+historySuffix, bson.D{{Key: "_meta.key", Value: id.Key}}) {
					s := parseStanding(doc)
					if s.pending != nil || len(fieldsOf(doc)) == 0 {
						t.Errorf("an earlier version is %v", doc)
					}
					revisions = append(revisions, s.state.Revision)
				}
				slices.Sort(revisions)
				return revisions
			},
			Page: func(t *testing.T, crawl, url string) (pipelines.PageState, bool) {
				docs := find(t, Pages, bson.D{{Key: "_id", Value: crawl + " " + url}})
				if len(docs) == 0 {
					return pipelines.PageState{}, false
				}
				return parsePage(docs[0]).state, true
			},
			Dying: func(t *testing.T, n int) (pipetest.TrackedStore, func() bool) {
				p := open(t, 0)
				ctx, die := context.WithCancel(t.Context())
				line := &cutLine{writes: n, cut: func(int) fate { return dead }, died: die}
				line.attach(t, p)
				t.Cleanup(func() { _ = p.Close(context.Background()) })
				return &dying{p, ctx}, func() bool { return ctx.Err() != nil }
			},
		}
	})
}

// dying is a pipeline whose process ends with ctx.
type dying struct {
	*Pipeline
	ctx context.Context
}

func (d *dying) Track(_ context.Context, visits []pipelines.Visit) error {
	return d.Pipeline.Track(d.ctx, visits)
}

func databaseOfTest(t *testing.T, server *servers.MongoServer) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(server.Database)
}

// fate is what becomes of a write on a cutLine.
type fate int

const (
	fine   fate = iota
	unsent      // the connection breaks before the server hears of it
	unseen      // the server does it, and its answer is lost
	dead        // like unsent, and nothing goes out any more
)

// cutLine breaks connections at certain writes.
type cutLine struct {
	writes int // that go well before cut is asked
	cut    func(n int) fate
	died   func()

	mu   sync.Mutex // guards the following
	n    int
	gone bool
}

var errCut = errors.New("the line is cut")

// attach gives p a client whose connections run over the line.
func (l *cutLine) attach(t *testing.T, p *Pipeline) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(p.config.URI).SetDialer(l).SetServerSelectionTimeout(2 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.client.Disconnect(t.Context())
	p.client, p.db = client, client.Database(p.config.Database)
}

func (l *cutLine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, line: l}, nil
}

func (l *cutLine) next(message []byte) fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return dead
	}
	if !isWrite(message) {
		return fine
	}
	l.n++
	if l.n <= l.writes {
		return fine
	}
	f := l.cut(l.n - 1)
	if f == dead {
		l.gone = true
		l.died()
	}
	return f
}

// isWrite reports whether a message of MongoDB's protocol is an OP_MSG that inserts, updates or deletes: 16 bytes of header, 4 of
// flags, the kind of the first section, and the command as a document.
func isWrite(message []byte) bool {
	if len(message) < 26 || message[20] != 0 {
		return false
	}
	name, _, _ := strings.Cut(string(message[26:min(len(message), 40)]), "\x00")
	return name == "insert" || name == "update" || name == "delete"
}

type cutConn struct {
	net.Conn
	line *cutLine

	mu   sync.Mutex // guards deaf
	deaf bool       // no answer is read any more
}

func (c *cutConn) Write(b []byte) (int, error) {
	switch c.line.next(b) {
	case unsent, dead:
		c.Conn.Close()
		return 0, errCut
	case unseen:
		c.mu.Lock()
		c.deaf = true
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deaf {
		c.Conn.Close()
		return 0, errCut
	}
	return n, err
}

func visitOf(at int, items ...pipelines.Item) pipelines.Visit {
	return pipelines.Visit{
		Source: pipelines.Source{URL: "https://a.example/", Crawl: "a", FetchedAt: time.Date(2026, 1, 2, at, 0, 0, 0, time.UTC)},
		Status: 200, News: pipelines.NewsChanged, Parsed: true, Items: items,
	}
}

func thingOf(key string, v any) pipelines.Item {
	return pipelines.Item{Kind: "thing", Key: key, Value: map[string]any{"v": v}}
}

func feedOf(t *testing.T, p *Pipeline) (lines []string) {
	t.Helper()
	err := p.Changes(t.Context(), 0, func(c pipelines.Change) bool {
		lines = append(lines, fmt.Sprintf("%d %s %s%s %d", c.Cursor, c.News, c.Kind, c.Key, c.Revision))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// The line breaks at each write in turn, before the server hears of it or before it has answered; the worker lives and goes on.
func TestLostRequestsAndAnswersDoNotShowInTheFeed(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	var want []string
	for _, harm := range []fate{unsent, unseen} {
		for n := 0; ; n++ {
			p := openPipeline(t, server)
			if err := p.db.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
			broken := false
			line := &cutLine{writes: n}
			line.cut = func(int) fate {
				if broken {
					return fine
				}
				broken = true
				return harm
			}
			line.attach(t, p)
			for _, v := range []pipelines.Visit{visitOf(1, thingOf("k", 1), thingOf("l", 1)), visitOf(2, thingOf("k", 2))} {
				if err := p.Track(t.Context(), []pipelines.Visit{v}); err != nil {
					t.Fatal(err)
				}
			}
			got := feedOf(t, p)
			slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
			for i := range got {
				got[i] = got[i][2:]
			}
			if want = []string{"changed  2", "changed thingk 2", "gone thingl 2", "new  1", "new thingk 1", "new thingl 1"}; !slices.Equal(got, want) {
				t.Errorf("fate %d of write %d: the feed says %q, want %q", harm, n, got, want)
			}
			if stats := p.Stats(); stats != (pipelines.Stats{New: 2, Changed: 1}) {
				t.Errorf("fate %d of write %d: stats are %+v", harm, n, stats)
			}
			if !broken {
				break
			}
		}
	}
}

func TestWhatADeadWorkerLeftIsInTheFeedWhenAnotherOpens(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	p := openPipeline(t, server)
	ctx, die := context.WithCancel(t.Context())
	writes := 0
	line := &cutLine{died: die}
	line.cut = func(int) fate { // dies when the item is written, at the first write of the feed
		if writes++; writes > 2 {
			return dead
		}
		return fine
	}
	line.attach(t, p)
	if err := p.Track(ctx, []pipelines.Visit{visitOf(1, thingOf("k", 1))}); err == nil {
		t.Fatal("the worker did not die")
	}
	other := openPipeline(t, server)
	if got := feedOf(t, other); !slices.Equal(got, []string{"1 new thingk 1"}) {
		t.Errorf("the feed says %q", got)
	}
	n, err := other.db.Collection("thing").CountDocuments(t.Context(), bson.D{{Key: "_meta.pending", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil || n != 0 {
		t.Errorf("%d documents are unfinished: %v", n, err)
	}
}

func TestUnchangedPagesCostOneWrite(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	p := openPipeline(t, server)
	pages := func(at int, parsed bool) (visits []pipelines.Visit) {
		for i := range 20 {
			v := visitOf(at)
			v.Source.URL += fmt.Sprint(i)
			if v.Parsed = parsed; parsed {
				v.Items = []pipelines.Item{thingOf(fmt.Sprint(i), 1)}
			} else {
				v.News, v.Status = pipelines.NewsUnchanged, 304
			}
			visits = append(visits, v)
		}
		return visits
	}
	if err := p.Track(t.Context(), pages(1, true)); err != nil {
		t.Fatal(err)
	}
	line := &cutLine{cut: func(int) fate { return fine }}
	line.attach(t, p)
	if err := p.Track(t.Context(), pages(2, false)); err != nil {
		t.Fatal(err)
	}
	if line.n != 1 {
		t.Errorf("20 pages that were not sent again cost %d writes, want 1", line.n)
	}
}

func TestKindThatIsACollectionOfTheFeedIsRefused(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	p := openPipeline(t, server)
	bad := []pipelines.Item{{Kind: "pages", Key: "k", Value: map[string]any{}}, {Kind: "changes", Key: "k", Value: map[string]any{}}, {Kind: "thing_history", Key: "k", Value: map[string]any{}}}
	if err := p.Track(t.Context(), []pipelines.Visit{visitOf(1, append(bad, thingOf("k", 1))...)}); err != nil {
		t.Fatal(err)
	}
	if got := p.Stats(); got != (pipelines.Stats{New: 1, Dead: 3}) {
		t.Errorf("stats are %+v", got)
	}
}

func TestMergeCompletesWhatOthersHaveStored(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	var turns turnstile
	open := func() *Pipeline {
		p, err := New(t.Context(), Config{URI: server.URI, Merge: true, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		turns.attach(t, server, p)
		t.Cleanup(func() { _ = p.Close(context.Background()) })
		return p
	}
	at := time.Date(2026, 1, 2, 15, 4, 5, 6789, time.UTC)
	list := map[string]any{"name": "N", "price": 3.0, "at": at, "text": ""}
	detail := map[string]any{"name": nil, "text": "long", "in": map[string]any{"stock": 3}}
	one, two := open(), open()
	var wg sync.WaitGroup
	for range 3 {
		for p, value := range map[*Pipeline]map[string]any{one: list, two: detail} {
			wg.Go(func() {
				if err := p.Process(t.Context(), []pipelines.Item{{Kind: "thing", Key: "k", Value: value}}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	raw, err := one.db.Collection("thing").FindOne(t.Context(), bson.D{}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	want := pipelines.Object{
		{Name: "name", Value: "N"},
		{Name: "price", Value: 3.0},
		{Name: "at", Value: at.Truncate(time.Millisecond)},
		{Name: "text", Value: "long"},
		{Name: "in", Value: pipelines.Object{{Name: "stock", Value: int64(3)}}},
	}
	if got := fieldsOf(raw); got.Digest() != want.Digest() {
		t.Errorf("the item is %s, want %s", got.AppendJSON(nil), want.AppendJSON(nil))
	}
	one, two = open(), open()
	for _, p := range []*Pipeline{one, two} {
		if err := p.Process(t.Context(), []pipelines.Item{{Kind: "thing", Key: "k", Value: list}}); err != nil {
			t.Fatal(err)
		}
	}
	if one.Stats() != (pipelines.Stats{Same: 1}) || two.Stats() != (pipelines.Stats{Same: 1}) {
		t.Errorf("what adds nothing counts as %+v, %+v", one.Stats(), two.Stats())
	}
}
