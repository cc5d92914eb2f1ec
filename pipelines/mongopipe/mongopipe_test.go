package mongopipe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/mongopipe"
	"github.com/lycosa-crawl/lycosa/pipelines/pipetest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestSuite(t *testing.T) {
	t.Parallel()
	pipetest.Run(t, func(t *testing.T) pipetest.Harness {
		server := servers.Mongo(t)
		db := database(t, server)
		return pipetest.Harness{
			Open: func(t *testing.T) pipelines.Pipeline { return open(t, server, quiet) },
			Read: func(t *testing.T) []pipetest.Stored { return read(t, db) },
			Dead: func(t *testing.T) int {
				n, err := db.Collection(mongopipe.DeadItems).CountDocuments(t.Context(), bson.D{})
				if err != nil {
					t.Fatal(err)
				}
				return int(n)
			},
			NoBigNumbers: server.Ferret,
			Shared:       true,
		}
	})
}

func open(t *testing.T, server *servers.MongoServer, logger *slog.Logger) *mongopipe.Pipeline {
	t.Helper()
	p, err := mongopipe.New(t.Context(), mongopipe.Config{URI: server.URI, Logger: logger, MaxPause: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func closeAtEnd(t *testing.T, p *mongopipe.Pipeline) {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func database(t *testing.T, server *servers.MongoServer) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(server.Database)
}

func read(t *testing.T, db *mongo.Database) []pipetest.Stored {
	t.Helper()
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var all []pipetest.Stored
	for _, name := range names {
		if name == mongopipe.DeadItems {
			continue
		}
		for _, doc := range documents(t, db.Collection(name)) {
			stored := pipetest.Stored{Fields: plain(doc).(map[string]any)}
			stored.Key, _ = stored.Fields["_id"].(string)
			meta, _ := stored.Fields["_meta"].(map[string]any)
			stored.Kind, _ = meta["kind"].(string)
			stored.URL, _ = meta["url"].(string)
			stored.Crawl, _ = meta["crawl"].(string)
			stored.FetchedAt, _ = meta["fetched_at"].(time.Time)
			if stored.Kind != name || stored.Key != meta["key"] {
				t.Errorf("_meta of %s %q says %v %v", name, stored.Key, meta["kind"], meta["key"])
			}
			delete(stored.Fields, "_id")
			delete(stored.Fields, "_meta")
			all = append(all, stored)
		}
	}
	return all
}

func documents(t *testing.T, coll *mongo.Collection) []bson.D {
	t.Helper()
	all := options.Find().SetBatchSize(10_000) // in one answer: FerretDB may lose a cursor between two
	cursor, err := coll.Find(t.Context(), bson.D{}, all)
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.D
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	return docs
}

// plain returns BSON as the suite compares it.
func plain(value any) any {
	switch v := value.(type) {
	case bson.D:
		m := make(map[string]any)
		for _, e := range v {
			m[e.Key] = plain(e.Value)
		}
		return m
	case bson.A:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case bson.DateTime:
		return v.Time().UTC()
	case bson.Decimal128:
		return json.Number(v.String())
	}
	return value
}

var fetched = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func thing(key string, value any, at time.Time) pipelines.Item {
	return pipelines.Item{
		Kind: "thing", Key: key, Value: value,
		Source: pipelines.Source{URL: "https://a.example/" + key, Crawl: "things", FetchedAt: at},
	}
}

func process(t *testing.T, p pipelines.Pipeline, items ...pipelines.Item) {
	t.Helper()
	if err := p.Process(t.Context(), items); err != nil {
		t.Fatal(err)
	}
}

func only(t *testing.T, db *mongo.Database, kind string) map[string]any {
	t.Helper()
	docs := documents(t, db.Collection(kind))
	if len(docs) != 1 {
		t.Fatalf("%d documents of kind %s, want 1", len(docs), kind)
	}
	return plain(docs[0]).(map[string]any)
}

func TestMetaTellsWhenAnItemWasSeenAndWhenItChanged(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	hour := func(n int) time.Time { return fetched.Add(time.Duration(n) * time.Hour) }
	a, b := map[string]any{"v": "a"}, map[string]any{"v": "b"}
	for _, step := range []struct {
		name                 string
		value                any
		at                   int
		first, last, changed int
		revision             int64
	}{
		{"new", a, 1, 1, 1, 1, 1},
		{"seen again", a, 2, 1, 2, 1, 1},
		{"changed", b, 3, 1, 3, 3, 2},
		{"seen again", b, 4, 1, 4, 3, 2},
		{"a slow worker brings an older visit", b, 0, 0, 4, 3, 2},
		{"changed back", a, 5, 0, 5, 5, 3},
	} {
		process(t, p, thing("k", step.value, hour(step.at)))
		meta := only(t, db, "thing")["_meta"].(map[string]any)
		got := fmt.Sprint(meta["first_seen"], meta["last_seen"], meta["changed_at"], meta["revision"])
		if want := fmt.Sprint(hour(step.first), hour(step.last), hour(step.changed), step.revision); got != want {
			t.Errorf("%s: first, last, changed, revision are\n%s, want\n%s", step.name, got, want)
		}
		if meta["fetched_at"] != meta["last_seen"] {
			t.Errorf("%s: fetched_at is %v, last_seen %v", step.name, meta["fetched_at"], meta["last_seen"])
		}
	}
}

// The mark of a duplicate is that of the latest visit, whether the item changed or not.
func TestMetaTellsWhatTheLatestVisitWasADuplicateOf(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	for hour, step := range []struct {
		value int
		of    any
	}{{1, nil}, {1, "first"}, {1, "second"}, {1, nil}, {2, "first"}, {3, nil}} {
		for name, write := range map[string]func(pipelines.Item) error{
			"thing": func(i pipelines.Item) error { return p.Process(t.Context(), []pipelines.Item{i}) },
			"other": func(i pipelines.Item) error {
				return p.Track(t.Context(), []pipelines.Visit{{Source: i.Source, Status: 200, News: pipelines.NewsChanged, Parsed: true, Items: []pipelines.Item{i}}})
			},
		} {
			item := thing("k", map[string]any{"v": step.value}, fetched.Add(time.Duration(hour)*time.Hour))
			item.Kind, item.Source.URL = name, "https://a.example/"+name
			item.Source.DuplicateOf, _ = step.of.(string)
			if err := write(item); err != nil {
				t.Fatal(err)
			}
			meta := only(t, db, name)["_meta"].(map[string]any)
			if of, marked := meta["duplicate_of"]; of != step.of || marked != (step.of != nil) {
				t.Errorf("hour %d, %s: it is marked %v (%v), want %v", hour, name, of, marked, step.of)
			}
		}
	}
}

func TestFieldsHaveTheTypesOfTheStruct(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	process(t, p, thing("k", struct {
		Price float64   `json:"price"`
		Rate  float32   `json:"rate"`
		Pages int       `json:"pages"`
		Small uint8     `json:"small"`
		OK    bool      `json:"ok"`
		At    time.Time `json:"at"`
		None  *int      `json:"none"`
		List  []float64 `json:"list"`
		Map   map[string]time.Time
	}{3, 0.5, 7, 1, true, fetched, nil, []float64{1, 2}, map[string]time.Time{"x": fetched}}, fetched))
	doc := documents(t, db.Collection("thing"))[0]
	want := []string{
		"_id string", "price float64", "rate float64", "pages int64", "small int64", "ok bool",
		"at bson.DateTime", "none <nil>", "list bson.A", "Map bson.D", "_meta bson.D",
	}
	var got []string
	for _, e := range doc {
		got = append(got, fmt.Sprintf("%s %T", e.Key, e.Value))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("fields are %q\nwant %q", got, want)
	}
	if list := doc[8].Value.(bson.A); fmt.Sprintf("%T", list[0]) != "float64" {
		t.Errorf("the list holds %T, want float64", list[0])
	}
}

func TestFieldNamesThatMongoDBForbidsCostTheItem(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db := database(t, server)
	var log bytes.Buffer
	p := open(t, server, slog.New(slog.NewTextHandler(&log, nil)))
	closeAtEnd(t, p)
	deep := any("bottom")
	for range 200 {
		deep = []any{deep}
	}
	process(t, p,
		thing("good", map[string]any{"v": 1}, fetched),
		thing("dollar", map[string]any{"$set": 1}, fetched),
		thing("dot", map[string]any{"in": map[string]any{"a.b": 1}}, fetched),
		thing("nul", map[string]any{"list": []any{map[string]any{"a\x00": 1}}}, fetched),
		thing("deep", map[string]any{"v": deep}, fetched),
		thing("number", map[string]any{"v": json.Number("1e99999")}, fetched),
	)
	if got := only(t, db, "thing")["_id"]; got != "good" {
		t.Errorf("%v is stored", got)
	}
	dead := make(map[string]map[string]any)
	for _, doc := range documents(t, db.Collection(mongopipe.DeadItems)) {
		d := plain(doc).(map[string]any)
		dead[d["key"].(string)] = d
	}
	for key, words := range map[string]string{"dollar": "$set", "dot": "a.b", "nul": `a\x00`, "deep": "100", "number": "1e99999"} {
		why, _ := dead[key]["error"].(string)
		if !strings.Contains(why, words) {
			t.Errorf("%s died of %q, which does not say %s", key, why, words)
		}
		if !strings.Contains(log.String(), "key="+key) {
			t.Errorf("the log does not name %s", key)
		}
	}
	if d := dead["dot"]; d["value"] != `{"in":{"a.b":1}}` || d["kind"] != "thing" || d["url"] != "https://a.example/dot" || d["crawl"] != "things" {
		t.Errorf("the dead item is %v", d)
	}
	if len(dead) != 5 || p.Stats() != (pipelines.Stats{New: 1, Dead: 5}) {
		t.Errorf("%d are dead, stats are %+v", len(dead), p.Stats())
	}
}

func TestDocumentTheServerRefusesCostsItselfOnly(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	unique := mongo.IndexModel{Keys: bson.D{{Key: "isbn", Value: 1}}, Options: options.Index().SetUnique(true)}
	if _, err := db.Collection("thing").Indexes().CreateOne(t.Context(), unique); err != nil {
		t.Fatal(err)
	}
	process(t, p, thing("1", map[string]any{"isbn": "x"}, fetched), thing("2", map[string]any{"isbn": "y"}, fetched))
	process(t, p,
		thing("2", map[string]any{"isbn": "x"}, fetched), // collides as an update
		thing("3", map[string]any{"isbn": "x"}, fetched), // and as an insert
		thing("4", map[string]any{"isbn": "z"}, fetched),
	)
	if n := len(documents(t, db.Collection("thing"))); n != 3 {
		t.Errorf("%d documents, want 3", n)
	}
	if got, want := p.Stats(), (pipelines.Stats{New: 3, Dead: 2}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func TestDocumentThatBreaksTheConnectionCostsItselfOnly(t *testing.T) {
	t.Parallel()
	server := servers.PrivateMongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	var items []pipelines.Item
	for i := range 20 {
		items = append(items, thing(fmt.Sprint(i), map[string]any{"v": i}, fetched))
	}
	items[13].Value = map[string]any{"v": uint64(math.MaxUint64)} // FerretDB knows no Decimal128, and panics
	process(t, p, items...)
	if n := len(documents(t, db.Collection("thing"))); n != 19 {
		t.Errorf("%d documents, want 19", n)
	}
	dead := only(t, db, mongopipe.DeadItems)
	if dead["key"] != "13" || dead["value"] != `{"v":18446744073709551615}` {
		t.Errorf("the dead item is %v", dead)
	}
	if got, want := p.Stats(), (pipelines.Stats{New: 19, Dead: 1}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func TestDocumentOfSomebodyElseIsTakenOver(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	for i, meta := range []any{nil, "text", bson.D{{Key: "revision", Value: "r"}}, bson.D{{Key: "hash", Value: 5}}} {
		doc := bson.D{{Key: "_id", Value: fmt.Sprint(i)}, {Key: "old", Value: true}}
		if meta != nil {
			doc = append(doc, bson.E{Key: "_meta", Value: meta})
		}
		if _, err := db.Collection("thing").InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		process(t, p, thing(fmt.Sprint(i), map[string]any{"v": i}, fetched))
	}
	for _, doc := range documents(t, db.Collection("thing")) {
		d := plain(doc).(map[string]any)
		if _, old := d["old"]; old || d["_meta"].(map[string]any)["revision"] != int64(1) {
			t.Errorf("the document is %v", d)
		}
	}
}

func TestConcurrentChangesAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	server := servers.Mongo(t)
	if server.Ferret {
		t.Skip("FerretDB looks for a document and changes it in two steps; see TestWriterThatIsOvertakenDecidesAnew")
	}
	db := database(t, server)
	const writers, changes = 4, 10
	var wg sync.WaitGroup
	for w := range writers {
		p := open(t, server, quiet)
		closeAtEnd(t, p)
		wg.Go(func() {
			for i := range changes {
				item := thing("k", map[string]any{"v": fmt.Sprint(w, "-", i)}, fetched)
				if err := p.Process(t.Context(), []pipelines.Item{item}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	meta := only(t, db, "thing")["_meta"].(map[string]any)
	if meta["revision"] != int64(writers*changes) {
		t.Errorf("revision is %v after %d different versions", meta["revision"], writers*changes)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestProcessWaitsWhileMongoDBIsAway(t *testing.T) {
	t.Parallel()
	server := servers.PrivateMongo(t)
	var log syncBuffer
	db, p := database(t, server), open(t, server, slog.New(slog.NewTextHandler(&log, nil)))
	closeAtEnd(t, p)
	process(t, p, thing("before", map[string]any{"v": 1}, fetched))
	server.Kill()
	const writers = 4
	done := make(chan error, writers)
	for w := range writers {
		go func() {
			var items []pipelines.Item
			for i := range 100 {
				items = append(items, thing(fmt.Sprint(w, "-", i), map[string]any{"v": i}, fetched))
			}
			items = append(items, thing(fmt.Sprint("dead", w), map[string]any{"$": 1}, fetched))
			done <- p.Process(t.Context(), items)
		}()
	}
	for !strings.Contains(log.String(), "MongoDB is away") {
		select {
		case err := <-done:
			t.Fatalf("process returns %v while MongoDB is away", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	server.Restart()
	for range writers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := len(documents(t, db.Collection("thing"))); n != 1+100*writers {
		t.Errorf("%d documents, want %d", n, 1+100*writers)
	}
	if n := len(documents(t, db.Collection(mongopipe.DeadItems))); n != writers {
		t.Errorf("%d dead items, want %d", n, writers)
	}
	for _, words := range []string{"MongoDB is away", "MongoDB is back"} {
		if n := strings.Count(log.String(), words); n != 1 {
			t.Errorf("the log says %d times %q:\n%s", n, words, log.String())
		}
	}
}

func TestKilledServerLosesNothingInMidWrite(t *testing.T) {
	t.Parallel()
	server := servers.PrivateMongo(t)
	db, p := database(t, server), open(t, server, quiet)
	closeAtEnd(t, p)
	const batches, size = 40, 50
	progress, done := make(chan int, batches), make(chan error, 1)
	go func() {
		defer close(progress)
		for b := range batches {
			var items []pipelines.Item
			for i := range size {
				items = append(items, thing(fmt.Sprint(b, "-", i), map[string]any{"v": strings.Repeat("x", 1000)}, fetched))
			}
			if err := p.Process(t.Context(), items); err != nil {
				done <- err
				return
			}
			progress <- b
		}
		done <- nil
	}()
	for b := range progress {
		if b == 5 || b == 20 {
			server.Kill()
			server.Restart()
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	docs := documents(t, db.Collection("thing"))
	for _, doc := range docs {
		if revision := plain(doc).(map[string]any)["_meta"].(map[string]any)["revision"]; revision != int64(1) {
			t.Fatalf("a repetition counts as a change: revision %v", revision)
		}
	}
	if got := p.Stats(); len(docs) != batches*size || got.New != batches*size || got.Changed+got.Dead != 0 {
		t.Errorf("%d documents, stats %+v, want %d new ones", len(docs), got, batches*size)
	}
}

func TestWaitForMongoDBEndsWithCtx(t *testing.T) {
	t.Parallel()
	server := servers.PrivateMongo(t)
	p := open(t, server, quiet)
	closeAtEnd(t, p)
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := p.Process(ctx, []pipelines.Item{thing("k", map[string]any{"v": 1}, fetched)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("process: %v", err)
	}
}

func TestServerThatIsNotThereIsToldAtOnce(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	for name, addr := range map[string]string{"closed": closed.Addr().String(), "mute": mute.Addr().String()} {
		start := time.Now()
		_, err := mongopipe.New(t.Context(), mongopipe.Config{
			URI: "mongodb://user:secret@" + addr + "/db", ConnectTimeout: 500 * time.Millisecond, Logger: quiet,
		})
		if !errors.Is(err, pipelines.ErrUnavailable) || !strings.Contains(err.Error(), addr) {
			t.Fatalf("%s: %v", name, err)
		}
		t.Log(err)
		if text := err.Error(); strings.Contains(text, "\n") || len(text) > 200 || strings.Contains(text, "secret") {
			t.Errorf("%s: not one clear line without a password: %s", name, text)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

func TestWrongConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config mongopipe.Config
		words  string
	}{
		{mongopipe.Config{}, "URI is missing"},
		{mongopipe.Config{URI: "mongodb://localhost"}, "database"},
		{mongopipe.Config{URI: "mongodb://localhost/?w=1"}, "database"},
		{mongopipe.Config{URI: "mongodb://localhost/a b"}, "database"},
		{mongopipe.Config{URI: "http://u:secret@localhost/db"}, "scheme"},
		{mongopipe.Config{URI: "mongodb://u:sec%ret@localhost/db"}, "URI"},
		{mongopipe.Config{URI: "mongodb://localhost/db?w=0"}, "unacknowledged"},
		{mongopipe.Config{URI: "mongodb://localhost/db", MaxPause: -1}, "negative"},
	} {
		_, err := mongopipe.New(t.Context(), c.config)
		if err == nil || !strings.Contains(err.Error(), c.words) || errors.Is(err, pipelines.ErrUnavailable) {
			t.Errorf("%s: %v", c.config.URI, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
