package pipelines

import (
	"context"
	"sync"
)

// DefaultUnique is the number of keys that [Unique] remembers unless told otherwise, in some 60 MB.
const DefaultUnique = 1_000_000

// Unique returns a pipeline that passes on to p the first item of a key, and drops those that follow: in the process, for items of
// one crawl and one kind, while the key is among the last limit that were stored (below 1 means [DefaultUnique]). A key that was
// forgotten passes again: what is dropped was always stored before.
//
// If p is a [Tracker], so is the result, and visits pass as they are: a tracker keeps one item a key itself.
//
// It is meant for stores that only append: standard output, JSON lines, CSV, where an item that was found again with other fields is
// one more line. It has no use before mongopipe, which keeps one document a key, the last; and it is wrong for a crawl whose revisits
// are to bring changes.
//
// An item counts as stored when p has processed it. Of a batch that failed nothing is remembered, so it may come again; and an item
// whose key is on its way in another batch waits, with its batch, for what becomes of that one. A stage could not know: let the stages
// come first, as in
//
//	pipelines.With(pipelines.Unique(store, 0), stages...)
//
// so that an item that a stage drops or buries does not take the place of a good one. One with a wrong kind or key passes
// each time. What is dropped is not in the Stats, which are those of p; it closes and buries as p does.
func Unique(p Pipeline, limit int) Pipeline {
	if limit < 1 {
		limit = DefaultUnique
	}
	u := &unique{
		staged: staged{next: p},
		limit:  limit,
		seen:   make(map[Digest]struct{}),
		flying: make(map[Digest]<-chan struct{}),
	}
	if t, ok := p.(Tracker); ok {
		return &uniqueTracker{unique: u, Tracker: t}
	}
	return u
}

// uniqueTracker drops what is processed, and passes visits on.
type uniqueTracker struct {
	*unique
	Tracker
}

var (
	_ Teller    = (*uniqueTracker)(nil)
	_ Closer    = (*uniqueTracker)(nil)
	_ Graveyard = (*uniqueTracker)(nil)
	_ Counter   = (*uniqueTracker)(nil)
)

func (u *uniqueTracker) Process(ctx context.Context, items []Item) error {
	return u.unique.Process(ctx, items)
}

func (u *uniqueTracker) TrackTo(ctx context.Context, visits []Visit, tell func(context.Context, []Item) error) error {
	return trackTo(ctx, u.Tracker, visits, tell)
}

type unique struct {
	staged // what it does not do itself

	limit int

	mu     sync.Mutex // guards the following
	seen   map[Digest]struct{}
	order  []Digest                   // what was seen; a ring, once it is full
	oldest int                        // its place in order, once it is full
	flying map[Digest]<-chan struct{} // keys that p has been given, closed when it has answered
}

var (
	_ Closer    = (*unique)(nil)
	_ Graveyard = (*unique)(nil)
	_ Counter   = (*unique)(nil)
)

func (u *unique) Process(ctx context.Context, items []Item) error {
	f, err := u.start(ctx, items)
	if err != nil || len(f.items) == 0 {
		return err
	}
	stored := false
	defer func() { u.land(f, stored) }() // if p panics as well
	err = u.next.Process(ctx, f.items)
	stored = err == nil
	return err
}

// flight is what is passed on of a batch.
type flight struct {
	items  []Item
	keys   []Digest // of the items, without those that have none
	landed chan struct{}
}

// start chooses the items to pass on. It waits until none of the batch is on its way, and holds nothing while it waits, so that two
// batches never wait for each other.
func (u *unique) start(ctx context.Context, items []Item) (*flight, error) {
	for {
		f, other := u.tryStart(items)
		if other == nil {
			return f, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (u *unique) tryStart(items []Item) (f *flight, other <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f = &flight{items: make([]Item, 0, len(items)), landed: make(chan struct{})}
	batch := make(map[Digest]struct{}, len(items))
	for _, item := range items {
		if item.Check() != nil {
			f.items = append(f.items, item)
			continue
		}
		key := uniqueKey(item)
		if landed, flies := u.flying[key]; flies {
			return nil, landed
		}
		_, known := u.seen[key]
		if _, twice := batch[key]; known || twice {
			continue
		}
		batch[key] = struct{}{}
		f.items, f.keys = append(f.items, item), append(f.keys, key)
	}
	for _, key := range f.keys {
		u.flying[key] = f.landed
	}
	return f, nil
}

// uniqueKey needs a checked item, whose kind and key have no NUL.
func uniqueKey(item Item) Digest {
	return DigestOf([]byte(item.Kind + "\x00" + item.Key + "\x00" + item.Source.Crawl))
}

func (u *unique) land(f *flight, stored bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, key := range f.keys {
		delete(u.flying, key)
		if stored {
			u.remember(key)
		}
	}
	close(f.landed)
}

func (u *unique) remember(key Digest) {
	if len(u.order) < u.limit {
		u.order = append(u.order, key)
	} else {
		delete(u.seen, u.order[u.oldest])
		u.order[u.oldest] = key
		u.oldest = (u.oldest + 1) % u.limit
	}
	u.seen[key] = struct{}{}
}
