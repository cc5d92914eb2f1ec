package filestore

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// ErrInUse says that another process has the file open.
var ErrInUse = errors.New("in use by another process")

// lockWait is how long Open waits for the file's lock: longer than a [Reader] keeps it.
const lockWait = 2 * time.Second

// Config says what to keep.
type Config struct {
	// History is how many earlier revisions of an item are kept. Default 10; below 0: none.
	History int
	// NoFeed keeps no feed: what is new, changed or gone is known, told and counted, and not entered.
	NoFeed bool
	// Logger hears of dead items. Default: slog.Default().
	Logger *slog.Logger
}

// The buckets. Numbers in keys are big-endian, so that they sort.
var (
	itemsBucket     = []byte("items")     // kind 0 key -> record
	historyBucket   = []byte("history")   // kind 0 key 0 revision -> record
	pagesBucket     = []byte("pages")     // digest of crawl and URL -> pageRecord
	changesBucket   = []byte("changes")   // cursor -> pipelines.Change
	bookmarksBucket = []byte("bookmarks") // name -> cursor
	deadBucket      = []byte("dead")      // digest of kind and key -> pipelines.DeadItem
	buckets         = [][]byte{itemsBucket, historyBucket, pagesBucket, changesBucket, bookmarksBucket, deadBucket}
)

// record is an item as it is kept.
type record struct {
	State  pipelines.ItemState `json:"state"`
	Fields json.RawMessage     `json:"fields"`
}

// pageRecord is a page as it is kept.
type pageRecord struct {
	URL   string              `json:"url"`
	Crawl string              `json:"crawl"`
	State pipelines.PageState `json:"state"`
	Items []pipelines.ID      `json:"items"` // that it shows, or showed when it went
}

// Store is an open file. It may be used from many goroutines.
type Store struct {
	path   string
	config Config
	db     *bolt.DB

	added, changed, same, dead atomic.Int64

	mu   sync.Mutex    // guards more
	more chan struct{} // closed when there are new entries in the feed
}

var (
	_ pipelines.Teller    = (*Store)(nil)
	_ pipelines.Feed      = (*Store)(nil)
	_ pipelines.Bookmarks = (*Store)(nil)
	_ pipelines.Counter   = (*Store)(nil)
	_ pipelines.Graveyard = (*Store)(nil)
	_ pipelines.Closer    = (*Store)(nil)
)

// Open opens the file, and creates it and its folder if need be. If another process has it open, the error wraps [ErrInUse].
func Open(path string, c Config) (*Store, error) {
	c.History = cmp.Or(c.History, 10)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the user's umask decides
		return nil, err
	}
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, openError(path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return &Store{path: path, config: c, db: db, more: make(chan struct{})}, nil
}

func openError(path string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrInUse
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Close closes the file.
func (s *Store) Close(context.Context) error { return s.db.Close() }

// Stats counts since Open.
func (s *Store) Stats() pipelines.Stats {
	return pipelines.Stats{New: s.added.Load(), Changed: s.changed.Load(), Same: s.same.Load(), Dead: s.dead.Load()}
}

// Process stores items without their pages. It enters nothing into the feed.
func (s *Store) Process(ctx context.Context, items []pipelines.Item) error {
	return s.write(ctx, func(w *writer) error {
		for i := range items {
			if err := w.process(&items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Track implements [pipelines.Tracker].
func (s *Store) Track(ctx context.Context, visits []pipelines.Visit) error {
	return s.TrackTo(ctx, visits, nil)
}

// TrackTo implements [pipelines.Teller]. Others wait while tell runs.
func (s *Store) TrackTo(ctx context.Context, visits []pipelines.Visit, tell func(context.Context, []pipelines.Item) error) error {
	waves := pipelines.Waves(visits)
	return s.write(ctx, func(w *writer) error {
		for _, wave := range waves {
			if err := w.wave(wave); err != nil {
				return err
			}
		}
		if tell != nil && len(w.fresh) > 0 {
			return tell(ctx, w.fresh)
		}
		return nil
	})
}

// Bury keeps dead items, each once, and logs them.
func (s *Store) Bury(ctx context.Context, dead ...pipelines.DeadItem) error {
	if len(dead) == 0 {
		return nil
	}
	return s.write(ctx, func(w *writer) error {
		for _, d := range dead {
			if err := w.bury(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// write runs do in a transaction, which it may share with others, and counts when that is durable.
func (s *Store) write(ctx context.Context, do func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var w *writer
	err := s.db.Batch(func(tx *bolt.Tx) error { // may be called again
		w = &writer{store: s, tx: tx, now: time.Now().UTC()}
		return do(w)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	s.added.Add(w.stats.New)
	s.changed.Add(w.stats.Changed)
	s.same.Add(w.stats.Same)
	s.dead.Add(w.stats.Dead)
	for _, d := range w.dead {
		s.config.Logger.Error("item cannot be stored", "kind", d.Kind, "key", d.Key, "url", d.URL, "error", d.Error)
	}
	if w.entered {
		s.mu.Lock()
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
	return nil
}

func itemKey(id pipelines.ID) []byte { return []byte(id.Kind + "\x00" + id.Key) }

// historyKey sorts the revisions of an item.
func historyKey(id pipelines.ID, revision int64) []byte {
	return binary.BigEndian.AppendUint64(append(itemKey(id), 0), uint64(revision))
}

// pageKey has one length: an URL may be longer than a key.
func pageKey(crawl, url string) []byte {
	digest := pipelines.DigestOf([]byte(crawl + "\x00" + url))
	return digest[:]
}

func cursorKey(at pipelines.Cursor) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at)) }

func get(b *bolt.Bucket, key []byte, to any) (bool, error) {
	raw := b.Get(key)
	if raw == nil {
		return false, nil
	}
	return true, unmarshal(raw, to)
}

// unmarshal reads what put wrote.
func unmarshal(raw []byte, to any) error {
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("the file is damaged: %w", err)
	}
	return nil
}

func put(b *bolt.Bucket, key []byte, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put(key, raw)
}
