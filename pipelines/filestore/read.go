package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// Item is an item, or an earlier version of it, as it stands in the file.
type Item struct {
	pipelines.ID
	pipelines.ItemState

	Fields pipelines.Object
}

// Items calls yield for each item of a kind, sorted by key, until it returns false; of all kinds if kind is empty. Those that are gone are
// among them. It sees the file as it was when it began.
func (s *Store) Items(ctx context.Context, kind string, yield func(Item) bool) error {
	prefix := []byte(kind)
	if kind != "" {
		prefix = append(prefix, 0)
	}
	return s.scan(ctx, itemsBucket, prefix, func(key []byte) []byte { return key }, yield)
}

// History calls yield for the earlier versions of an item, oldest first, until it returns false. The LastSeen of a version is when it
// was last seen so.
func (s *Store) History(ctx context.Context, id pipelines.ID, yield func(Item) bool) error {
	prefix := append(itemKey(id), 0)
	return s.scan(ctx, historyBucket, prefix, func(key []byte) []byte {
		if len(key) != len(prefix)+8 {
			return nil // of a longer key
		}
		return key[:len(prefix)-1]
	}, yield)
}

func (s *Store) scan(ctx context.Context, bucket, prefix []byte, idOf func(key []byte) []byte, yield func(Item) bool) error {
	return s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for key, raw := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, raw = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			id := idOf(key)
			if id == nil {
				continue
			}
			item, err := parseItem(id, raw)
			if err != nil || !yield(item) {
				return err
			}
		}
		return nil
	})
}

func parseItem(id, raw []byte) (Item, error) {
	var r record
	kind, key, _ := bytes.Cut(id, []byte{0})
	item := Item{ID: pipelines.ID{Kind: string(kind), Key: string(key)}}
	err := unmarshal(raw, &r)
	if err == nil {
		item.ItemState = r.State
		item.Fields, err = pipelines.ParseObject(r.Fields)
	}
	return item, err
}

// Page returns what is known of a page, and false if that is nothing.
func (s *Store) Page(_ context.Context, crawl, url string) (state pipelines.PageState, items []pipelines.ID, known bool, err error) {
	var page pageRecord
	err = s.db.View(func(tx *bolt.Tx) (err error) {
		known, err = get(tx.Bucket(pagesBucket), pageKey(crawl, url), &page)
		return err
	})
	return page.State, page.Items, known, err
}

// Dead calls yield for the dead items until it returns false.
func (s *Store) Dead(_ context.Context, yield func(pipelines.DeadItem) bool) error {
	return s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(deadBucket).Cursor()
		for key, raw := c.First(); key != nil; key, raw = c.Next() {
			var d pipelines.DeadItem
			if err := unmarshal(raw, &d); err != nil || !yield(d) {
				return err
			}
		}
		return nil
	})
}

// chunk is how many entries of the feed are read at once, so that no slow reader holds a transaction, which would keep
// the file from reusing its space.
const chunk = 500

// Changes implements [pipelines.Feed].
func (s *Store) Changes(ctx context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool) error {
	return inChunks(ctx, after, yield, func(after pipelines.Cursor) ([]pipelines.Change, error) { return readChunk(s.db, after) })
}

func inChunks(ctx context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool, read func(pipelines.Cursor) ([]pipelines.Change, error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := read(after)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			if !yield(entry) {
				return nil
			}
			after = entry.Cursor
		}
	}
}

func readChunk(db *bolt.DB, after pipelines.Cursor) (entries []pipelines.Change, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(changesBucket)
		if bucket == nil {
			return nil
		}
		c := bucket.Cursor()
		for key, raw := c.Seek(cursorKey(max(after, 0) + 1)); key != nil && len(entries) < chunk; key, raw = c.Next() {
			var entry pipelines.Change
			if err := unmarshal(raw, &entry); err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		return nil
	})
	return entries, err
}

// Since implements [pipelines.Feed].
func (s *Store) Since(_ context.Context, t time.Time) (pipelines.Cursor, error) {
	return since(s.db, t)
}

// since goes back from the end: what is asked for is mostly recent.
func since(db *bolt.DB, t time.Time) (at pipelines.Cursor, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(changesBucket)
		if bucket == nil {
			return nil
		}
		c := bucket.Cursor()
		for key, raw := c.Last(); key != nil; key, raw = c.Prev() {
			var entry pipelines.Change
			if err := unmarshal(raw, &entry); err != nil {
				return err
			}
			if entry.Recorded.Before(t) {
				at = entry.Cursor
				return nil
			}
		}
		return nil
	})
	return at, err
}

// Wait implements [pipelines.Feed].
func (s *Store) Wait(ctx context.Context, after pipelines.Cursor) error {
	for {
		s.mu.Lock()
		more := s.more
		s.mu.Unlock()
		last, err := lastCursor(s.db)
		if err != nil || last > after {
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func lastCursor(db *bolt.DB) (last pipelines.Cursor, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		if bucket := tx.Bucket(changesBucket); bucket != nil {
			if key, _ := bucket.Cursor().Last(); key != nil {
				last = pipelines.Cursor(binary.BigEndian.Uint64(key))
			}
		}
		return nil
	})
	return last, err
}

// Bookmark implements [pipelines.Bookmarks].
func (s *Store) Bookmark(_ context.Context, name string) (at pipelines.Cursor, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		_, err := get(tx.Bucket(bookmarksBucket), []byte(name), &at)
		return err
	})
	return at, err
}

// SetBookmark implements [pipelines.Bookmarks].
func (s *Store) SetBookmark(_ context.Context, name string, at pipelines.Cursor) error {
	return s.db.Update(func(tx *bolt.Tx) error { return put(tx.Bucket(bookmarksBucket), []byte(name), at) })
}

// Reader shows the feed of a file to a process that does not have it open. It holds the file only while it reads a few hundred entries,
// so a crawl can open it any time; while one has, Changes and Since return [ErrInUse], and Wait waits.
type Reader struct {
	path string
	poll time.Duration
}

var _ pipelines.Feed = (*Reader)(nil)

// NewReader returns a reader of the file, which need not exist yet.
func NewReader(path string) *Reader { return &Reader{path: path, poll: 500 * time.Millisecond} }

// with has do read the file. One that does not exist is empty.
func (r *Reader) with(do func(*bolt.DB) error) error {
	if info, err := os.Stat(r.path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	db, err := bolt.Open(r.path, 0, &bolt.Options{ReadOnly: true, Timeout: 50 * time.Millisecond})
	if err != nil {
		return openError(r.path, err)
	}
	err = do(db)
	return errors.Join(err, db.Close())
}

// Changes implements [pipelines.Feed].
func (r *Reader) Changes(ctx context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool) error {
	return inChunks(ctx, after, yield, func(after pipelines.Cursor) (entries []pipelines.Change, err error) {
		err = r.with(func(db *bolt.DB) (err error) {
			entries, err = readChunk(db, after)
			return err
		})
		return entries, err
	})
}

// Since implements [pipelines.Feed].
func (r *Reader) Since(_ context.Context, t time.Time) (at pipelines.Cursor, err error) {
	err = r.with(func(db *bolt.DB) (err error) {
		at, err = since(db, t)
		return err
	})
	return at, err
}

// Wait implements [pipelines.Feed]. It looks twice a second whether the file has changed.
func (r *Reader) Wait(ctx context.Context, after pipelines.Cursor) error {
	ticker := time.NewTicker(r.poll)
	defer ticker.Stop()
	var looked time.Time // what the file's time was when it was last read
	for {
		if info, err := os.Stat(r.path); err == nil && !info.ModTime().Equal(looked) {
			var last pipelines.Cursor
			err := r.with(func(db *bolt.DB) (err error) {
				last, err = lastCursor(db)
				return err
			})
			switch {
			case err == nil && last > after:
				return nil
			case err == nil:
				looked = info.ModTime()
			case !errors.Is(err, ErrInUse):
				return fmt.Errorf("wait for changes: %w", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
