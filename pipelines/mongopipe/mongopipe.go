package mongopipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// DeadItems is the collection of the dead items.
const DeadItems = "_dead_items"

// A batch is split so that one request stays below both; the server's own limits are 100,000 and 48 MB.
const (
	maxBatch      = 1000
	maxBatchBytes = 8 << 20
)

// Config says where to write. Only URI is needed.
type Config struct {
	// URI is a connection string: mongodb://host/database.
	URI string
	// Database is the database's name. Default: the one that URI names.
	Database string
	// ConnectTimeout is how long New waits for the server. Default 5s.
	ConnectTimeout time.Duration
	// RequestTimeout is how long a try may take, a read and a write, before it counts as failed. Default 30s.
	RequestTimeout time.Duration
	// MaxPause is the longest pause between two tries while MongoDB is away. Default 5s.
	MaxPause time.Duration
	// History is how many earlier revisions of an item [Pipeline.Track] keeps, in the collection KIND_history. Default 10; below 0: none.
	History int
	// NoFeed keeps no feed of changes: what is new, changed or gone is known, told and counted, and not entered.
	NoFeed bool
	// Merge has Process complete what stands in the store, as [pipelines.MergeObjects] says, instead of replacing it: an item that
	// several pages show in part becomes whole, whichever workers read them. A field never vanishes then. It has no
	// effect on Track.
	Merge bool
	// Logger hears when MongoDB goes away and is back, and of dead items. Default: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.Database = cmp.Or(c.Database, databaseOf(c.URI))
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 30*time.Second)
	c.MaxPause = cmp.Or(c.MaxPause, 5*time.Second)
	c.History = cmp.Or(c.History, 10)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	switch {
	case c.URI == "":
		return c, errors.New("mongopipe: URI is missing")
	case c.Database == "":
		return c, errors.New("mongopipe: neither Database nor the URI names a database: mongodb://host/database")
	case len(c.Database) > 63 || strings.ContainsAny(c.Database, "/\\. \"$*<>:|?\x00"):
		return c, fmt.Errorf("mongopipe: Database (%.80q) is no name of a database", c.Database)
	case c.ConnectTimeout < 0 || c.RequestTimeout < 0 || c.MaxPause < 0:
		return c, errors.New("mongopipe: ConnectTimeout, RequestTimeout and MaxPause must not be negative")
	}
	return c, nil
}

// databaseOf returns the name after the hosts of a connection string.
func databaseOf(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, name, _ := strings.Cut(rest, "/")
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// Pipeline writes items to MongoDB. It may be used from many goroutines.
type Pipeline struct {
	config  Config
	client  *mongo.Client
	db      *mongo.Database
	weather weather

	added, changed, same, dead atomic.Int64

	entering  sync.Mutex      // held while changes are entered into the feed
	preparing sync.Mutex      // guards prepared
	prepared  map[string]bool // collections that have their indexes
}

var (
	_ pipelines.Teller    = (*Pipeline)(nil)
	_ pipelines.Feed      = (*Pipeline)(nil)
	_ pipelines.Bookmarks = (*Pipeline)(nil)
	_ pipelines.Closer    = (*Pipeline)(nil)
	_ pipelines.Graveyard = (*Pipeline)(nil)
	_ pipelines.Counter   = (*Pipeline)(nil)
)

// New connects to the server. If it does not answer within ConnectTimeout, the error wraps
// [pipelines.ErrUnavailable] and is one line; any other error says what is wrong with c. None shows a password.
func New(ctx context.Context, c Config) (*Pipeline, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	opts := options.Client().ApplyURI(c.URI)
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("mongopipe: URI: %s", redact(err.Error(), c.URI))
	}
	switch {
	case opts.WriteConcern == nil:
		opts.SetWriteConcern(writeconcern.Majority())
	case !opts.WriteConcern.Acknowledged():
		return nil, errors.New("mongopipe: URI asks for unacknowledged writes (w=0), which may be lost")
	}
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(c.ConnectTimeout)
	}
	if opts.AppName == nil {
		opts.SetAppName("lycosa")
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, fmt.Errorf("mongopipe: URI: %s", redact(err.Error(), c.URI))
	}
	pingCtx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	if err := client.Ping(pingCtx, readpref.Primary()); err != nil {
		_ = client.Disconnect(context.WithoutCancel(ctx))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: MongoDB at %s: %s", pipelines.ErrUnavailable, strings.Join(opts.Hosts, ","), redact(brief(err), c.URI))
	}
	// What is read decides what is written: so from the primary, whatever the URI says.
	db := client.Database(c.Database, options.Database().SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Local()))
	p := &Pipeline{config: c, client: client, db: db, prepared: make(map[string]bool)}
	p.weather.logger = c.Logger
	sweepCtx, stop := context.WithTimeout(ctx, c.RequestTimeout)
	defer stop()
	if err := p.sweep(sweepCtx); err != nil && ctx.Err() == nil {
		c.Logger.Warn("changes that a dead worker has left wait for another", "error", brief(err))
	}
	return p, nil
}

// redact takes user name and password of the connection string out of a text.
func redact(text, uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	if at := strings.LastIndexByte(rest, '@'); at > 0 {
		text = strings.ReplaceAll(text, rest[:at], "***")
	}
	return text
}

// Process writes the items; see the package comment.
func (p *Pipeline) Process(ctx context.Context, items []pipelines.Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	var kinds []string // in the order they came
	byKind := make(map[string]*kindBatch)
	var dead []pipelines.DeadItem
	for i := range items {
		doc, err := encode(&items[i], now)
		if err != nil {
			dead = append(dead, pipelines.Bury(items[i], err, now))
			continue
		}
		batch := byKind[items[i].Kind]
		if batch == nil {
			batch = &kindBatch{at: make(map[string]int)}
			byKind[items[i].Kind] = batch
			kinds = append(kinds, items[i].Kind)
		}
		batch.add(doc)
	}
	for _, kind := range kinds {
		for _, docs := range split(byKind[kind].docs) {
			more, err := p.store(ctx, kind, patience, docs)
			if err != nil {
				return err
			}
			dead = append(dead, more...)
		}
	}
	return p.Bury(ctx, dead...)
}

// kindBatch holds the documents of one kind, one for each key: the last.
type kindBatch struct {
	docs []*document
	at   map[string]int // key -> index in docs
}

func (b *kindBatch) add(doc *document) {
	if at, ok := b.at[doc.meta.Key]; ok {
		b.docs[at] = doc
		return
	}
	b.at[doc.meta.Key] = len(b.docs)
	b.docs = append(b.docs, doc)
}

// split cuts docs where a request would become too large.
func split(docs []*document) [][]*document {
	var parts [][]*document
	start, size := 0, 0
	for i, doc := range docs {
		if i > start && (i-start == maxBatch || size+len(doc.fields) > maxBatchBytes) {
			parts = append(parts, docs[start:i])
			start, size = i, 0
		}
		size += len(doc.fields)
	}
	if start < len(docs) {
		parts = append(parts, docs[start:])
	}
	return parts
}

// Bury keeps dead items in the collection [DeadItems], each once, and logs them.
func (p *Pipeline) Bury(ctx context.Context, dead ...pipelines.DeadItem) error {
	for start := 0; start < len(dead); start += maxBatch / 10 { // of at most 70 KB each
		part := dead[start:min(start+maxBatch/10, len(dead))]
		if err := p.retry(ctx, patience, func(ctx context.Context) error { return p.bury(ctx, part) }); err != nil {
			return fmt.Errorf("write to %s: %w", DeadItems, err)
		}
		for _, d := range part {
			p.config.Logger.Error("item cannot be stored", "kind", d.Kind, "key", d.Key, "url", d.URL, "error", d.Error)
		}
		p.dead.Add(int64(len(part)))
	}
	return nil
}

// Stats counts since New.
func (p *Pipeline) Stats() pipelines.Stats {
	return pipelines.Stats{New: p.added.Load(), Changed: p.changed.Load(), Same: p.same.Load(), Dead: p.dead.Load()}
}

// Close disconnects.
func (p *Pipeline) Close(ctx context.Context) error { return p.client.Disconnect(ctx) }
