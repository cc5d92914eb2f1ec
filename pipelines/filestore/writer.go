package filestore

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// writer is one transaction's work for one caller.
type writer struct {
	store   *Store
	tx      *bolt.Tx
	now     time.Time
	fresh   []pipelines.Item // new, changed or back
	dead    []pipelines.DeadItem
	stats   pipelines.Stats
	entered bool
}

// process stores an item as it comes: the last one counts.
func (w *writer) process(item *pipelines.Item) error {
	fields, err := fieldsOf(item)
	if err != nil {
		return w.bury(pipelines.Bury(*item, err, w.now))
	}
	old, known, err := w.item(item.ID())
	if err != nil {
		return err
	}
	meta, hash, at := item.Meta(), fields.Digest().String(), seen(item, w.now)
	state := pipelines.ItemState{FirstSeen: at, ChangedAt: at, Revision: 1}
	switch {
	case !known:
		w.stats.New++
	case old.State.Hash == hash:
		state = old.State
		w.stats.Same++
	default:
		state = old.State
		state.ChangedAt, state.Revision = at, old.State.Revision+1
		w.stats.Changed++
		if err := w.remember(item.ID(), old); err != nil {
			return err
		}
	}
	state.URL, state.Crawl, state.Hash, state.GoneAt = meta.URL, meta.Crawl, hash, time.Time{}
	if at.Before(state.FirstSeen) {
		state.FirstSeen = at
	}
	if at.After(state.LastSeen) {
		state.LastSeen = at
	}
	return w.putItem(item.ID(), state, fields)
}

func fieldsOf(item *pipelines.Item) (pipelines.Object, error) {
	if err := item.Check(); err != nil {
		return nil, err
	}
	return pipelines.Fields(item.Value)
}

func seen(item *pipelines.Item, now time.Time) time.Time {
	visit := pipelines.Visit{Source: item.Source}
	return visit.Seen(now)
}

// wave stores visits in which no page and no item comes twice.
func (w *writer) wave(visits []pipelines.Visit) error {
	moved := make(map[pipelines.ID]bool) // shown by one of them, and therefore not gone from another
	for i := range visits {
		for j := range visits[i].Items {
			moved[visits[i].Items[j].ID()] = true
		}
	}
	for i := range visits {
		if err := w.track(&visits[i], moved); err != nil {
			return err
		}
	}
	return nil
}

// track stores what a visit shows: its items, those it shows no more, and the page.
func (w *writer) track(v *pipelines.Visit, moved map[pipelines.ID]bool) error {
	key := pageKey(v.Source.Crawl, v.Source.URL)
	var page pageRecord
	known, err := get(w.tx.Bucket(pagesBucket), key, &page)
	if err != nil {
		return err
	}
	var before *pipelines.PageState
	if known {
		before = &page.State
	}
	next, news, ok := v.Next(before, w.now)
	if !ok {
		return nil
	}
	at := v.Seen(w.now)
	shown := make([]pipelines.ID, 0, len(v.Items))
	isShown := make(map[pipelines.ID]bool, len(v.Items))
	for _, item := range lastOfEach(v.Items) {
		if item.Check() == nil {
			shown = append(shown, item.ID()) // also if its value is at fault: it is not gone
			isShown[item.ID()] = true
		}
		if err := w.show(v, item, at); err != nil {
			return err
		}
	}
	for _, id := range page.Items {
		if moved[id] {
			continue
		}
		switch {
		case v.Parsed || !next.GoneAt.IsZero():
			err = w.miss(v, id, at)
		case news == pipelines.NewsBack:
			err = w.comeBack(v, id, before.GoneAt, at)
		}
		if err != nil {
			return err
		}
	}
	if !v.Parsed || !next.GoneAt.IsZero() { // those of before are still the page's, or come back with it
		page.Items = slices.DeleteFunc(page.Items, func(id pipelines.ID) bool { return isShown[id] })
		shown = append(page.Items, shown...)
	}
	page.Items = shown
	meta := (&pipelines.Item{Source: v.Source}).Meta()
	page.URL, page.Crawl, page.State = meta.URL, meta.Crawl, next
	if err := put(w.tx.Bucket(pagesBucket), key, page); err != nil {
		return err
	}
	return w.enter(pipelines.Change{News: news, URL: meta.URL, Crawl: meta.Crawl, Revision: next.Revision, At: at, Status: v.Status, Links: v.Links})
}

// lastOfEach returns the items, of each kind and key the last.
func lastOfEach(items []pipelines.Item) []*pipelines.Item {
	var last []*pipelines.Item
	at := make(map[pipelines.ID]int)
	for i := range items {
		if j, twice := at[items[i].ID()]; twice {
			last[j] = &items[i]
			continue
		}
		at[items[i].ID()] = len(last)
		last = append(last, &items[i])
	}
	return last
}

// show stores an item that the visit shows.
func (w *writer) show(v *pipelines.Visit, item *pipelines.Item, at time.Time) error {
	fields, err := fieldsOf(item)
	if err != nil {
		return w.bury(pipelines.Bury(*item, err, w.now))
	}
	old, known, err := w.item(item.ID())
	if err != nil {
		return err
	}
	var before *pipelines.ItemState
	if known {
		before = &old.State
	}
	meta := (&pipelines.Item{Source: v.Source}).Meta()
	next, news, ok := before.Shown(meta.URL, meta.Crawl, fields.Digest().String(), at)
	switch {
	case !ok || news == pipelines.NewsUnchanged:
		w.stats.Same++
	case news == pipelines.NewsNew:
		w.stats.New++
	default:
		w.stats.Changed++
	}
	if !ok {
		return nil
	}
	if err := w.putItem(item.ID(), next, fields); err != nil || news == pipelines.NewsUnchanged {
		return err
	}
	w.fresh = append(w.fresh, *item)
	change := w.change(news, item.ID(), next, at)
	var was pipelines.Object
	if known {
		if was, err = pipelines.ParseObject(old.Fields); err != nil {
			return err
		}
		if next.Hash != old.State.Hash {
			if err := w.remember(item.ID(), old); err != nil {
				return err
			}
		}
	}
	change.Fields, change.More = pipelines.Diff(was, fields)
	return w.enter(change)
}

// miss marks an item gone that the page does not show any more.
func (w *writer) miss(v *pipelines.Visit, id pipelines.ID, at time.Time) error {
	old, known, err := w.item(id)
	if err != nil || !known {
		return err
	}
	meta := (&pipelines.Item{Source: v.Source}).Meta()
	next, ok := old.State.Missed(meta.URL, meta.Crawl, at)
	if !ok {
		return nil
	}
	return w.move(pipelines.NewsGone, id, old, next, at)
}

// comeBack has an item return with its page.
func (w *writer) comeBack(v *pipelines.Visit, id pipelines.ID, gone, at time.Time) error {
	old, known, err := w.item(id)
	if err != nil || !known {
		return err
	}
	meta := (&pipelines.Item{Source: v.Source}).Meta()
	next, ok := old.State.Returned(meta.URL, meta.Crawl, gone, at)
	if !ok {
		return nil
	}
	fields, err := pipelines.ParseObject(old.Fields)
	if err != nil {
		return err
	}
	source := v.Source
	w.fresh = append(w.fresh, pipelines.Item{Kind: id.Kind, Key: id.Key, Value: fields, Source: source})
	return w.move(pipelines.NewsBack, id, old, next, at)
}

// move stores another state of an item whose fields stay.
func (w *writer) move(news pipelines.News, id pipelines.ID, old record, next pipelines.ItemState, at time.Time) error {
	old.State = next
	if err := put(w.tx.Bucket(itemsBucket), itemKey(id), old); err != nil {
		return err
	}
	return w.enter(w.change(news, id, next, at))
}

func (w *writer) change(news pipelines.News, id pipelines.ID, s pipelines.ItemState, at time.Time) pipelines.Change {
	return pipelines.Change{News: news, Kind: id.Kind, Key: id.Key, URL: s.URL, Crawl: s.Crawl, Revision: s.Revision, At: at}
}

func (w *writer) item(id pipelines.ID) (r record, known bool, err error) {
	known, err = get(w.tx.Bucket(itemsBucket), itemKey(id), &r)
	return r, known, err
}

func (w *writer) putItem(id pipelines.ID, state pipelines.ItemState, fields pipelines.Object) error {
	return put(w.tx.Bucket(itemsBucket), itemKey(id), record{state, fields.AppendJSON(nil)})
}

// remember keeps a version that is about to be replaced, and forgets what is too much.
func (w *writer) remember(id pipelines.ID, old record) error {
	if w.store.config.History < 0 {
		return nil
	}
	history := w.tx.Bucket(historyBucket)
	if err := put(history, historyKey(id, old.State.Revision), old); err != nil {
		return err
	}
	// The next revision is one more: those within the last so many stay.
	oldest := historyKey(id, max(0, old.State.Revision+1-int64(w.store.config.History)))
	prefix := append(itemKey(id), 0)
	var outdated [][]byte
	c := history.Cursor()
	for key, _ := c.Seek(prefix); key != nil && len(key) == len(prefix)+8 && bytes.Compare(key, oldest) < 0; key, _ = c.Next() {
		outdated = append(outdated, bytes.Clone(key))
	}
	for _, key := range outdated {
		if err := history.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// enter puts a change at the end of the feed. The times at which entries were recorded never go back.
func (w *writer) enter(change pipelines.Change) error {
	if change.News == pipelines.NewsUnchanged || w.store.config.NoFeed {
		return nil
	}
	changes := w.tx.Bucket(changesBucket)
	seq, err := changes.NextSequence()
	if err != nil {
		return err
	}
	change.Cursor, change.Recorded = pipelines.Cursor(seq), w.now.Truncate(time.Millisecond)
	var last pipelines.Change
	if known, err := get(changes, cursorKey(change.Cursor-1), &last); err != nil {
		return err
	} else if known && last.Recorded.After(change.Recorded) {
		change.Recorded = last.Recorded
	}
	w.entered = true
	return put(changes, cursorKey(change.Cursor), change)
}

func (w *writer) bury(d pipelines.DeadItem) error {
	w.dead = append(w.dead, d)
	w.stats.Dead++
	digest := pipelines.DigestOf([]byte(d.Kind + "\x00" + d.Key))
	return put(w.tx.Bucket(deadBucket), digest[:], d)
}
