package pipelines

import (
	"context"
	"slices"
	"sync"
)

// DefaultMerge is the number of items that [Merge] remembers unless told otherwise.
const DefaultMerge = 100_000

// Merge returns a pipeline that makes one item of those that share kind, key and crawl: a list shows name and price, the page behind it
// the description, and what is stored has all three. Each item completes what was stored under its key before, as [MergeObjects]
// says, and is passed on to p as a whole; one that adds nothing is dropped. The source is that of the latest.
//
// It works in the process, over the last limit keys (below 1 means [DefaultMerge]), whose fields it holds in memory; mongopipe's
// Config.Merge does the same for a whole fleet. Before a store that only appends, a completed item is one more line: the last
// line of a key counts.
//
// What is remembered is what p has processed: of a batch that failed nothing is. Batches that have a key in common wait for each other. An
// item with a wrong kind, key or value passes as it is, for p to bury. If p is a [Tracker], so is the result; the items of
// one visit are merged among themselves alone, because a field that a later visit lacks has vanished.
func Merge(p Pipeline, limit int) Pipeline {
	if limit < 1 {
		limit = DefaultMerge
	}
	m := &merge{
		staged: staged{next: p},
		limit:  limit,
		known:  make(map[Digest]Object),
		flying: make(map[Digest]<-chan struct{}),
	}
	if t, ok := p.(Tracker); ok {
		return &mergeTracker{merge: m, tracker: t}
	}
	return m
}

// MergeObjects returns before completed by after: fields of after take the place of those of before, unless they are empty (null, "", an
// empty list or object) and those of before are not; a zero and false are values. Objects are merged field by
// field, lists are taken as a whole. It changes neither.
func MergeObjects(before, after Object) Object {
	merged := slices.Clone(before)
	places := make(map[string]int, len(merged))
	for i := range merged {
		places[merged[i].Name] = i
	}
	for _, f := range after {
		at, known := places[f.Name]
		if !known {
			merged = append(merged, f)
			continue
		}
		old, isObject := merged[at].Value.(Object)
		new, both := f.Value.(Object)
		switch {
		case isObject && both:
			merged[at].Value = MergeObjects(old, new)
		case !isEmpty(f.Value) || isEmpty(merged[at].Value):
			merged[at].Value = f.Value
		}
	}
	return merged
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case Object:
		return len(v) == 0
	}
	return false
}

type merge struct {
	staged // what it does not do itself

	limit int

	mu     sync.Mutex // guards the following
	known  map[Digest]Object
	order  []Digest                   // what is known; a ring, once it is full
	oldest int                        // its place in order, once it is full
	flying map[Digest]<-chan struct{} // keys that p has been given, closed when it has answered
}

var (
	_ Closer    = (*merge)(nil)
	_ Graveyard = (*merge)(nil)
	_ Counter   = (*merge)(nil)
)

func (m *merge) Process(ctx context.Context, items []Item) error {
	b, err := m.start(ctx, combine(items))
	if err != nil || len(b.items) == 0 {
		return err
	}
	stored := false
	defer func() { m.land(b, stored) }() // if p panics as well
	err = m.next.Process(ctx, b.items)
	stored = err == nil
	return err
}

// part is an item of a batch, with all that the batch has for its key.
type part struct {
	item   Item
	key    Digest
	fields Object // nil if the item is at fault
}

// combine merges the items of a batch among themselves.
func combine(items []Item) []part {
	parts := make([]part, 0, len(items))
	at := make(map[Digest]int)
	for _, item := range items {
		fields, err := Fields(item.Value)
		if err != nil || item.Check() != nil {
			parts = append(parts, part{item: item})
			continue
		}
		p := part{item: item, key: uniqueKey(item), fields: fields}
		i, twice := at[p.key]
		if !twice {
			at[p.key] = len(parts)
			parts = append(parts, p)
			continue
		}
		p.fields = MergeObjects(parts[i].fields, p.fields)
		p.item.Value = p.fields
		parts[i] = p
	}
	return parts
}

// mergeBatch is what is passed on of a batch.
type mergeBatch struct {
	items  []Item
	parts  []part // of the items, without those at fault
	landed chan struct{}
}

// start completes the items. It waits until no key of the batch is on its way, and holds nothing while it waits.
func (m *merge) start(ctx context.Context, parts []part) (*mergeBatch, error) {
	for {
		b, other := m.tryStart(parts)
		if other == nil {
			return b, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *merge) tryStart(parts []part) (b *mergeBatch, other <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b = &mergeBatch{landed: make(chan struct{})}
	for _, p := range parts {
		if p.fields == nil {
			b.items = append(b.items, p.item)
			continue
		}
		if landed, flies := m.flying[p.key]; flies {
			return nil, landed
		}
		if before, known := m.known[p.key]; known {
			p.fields = MergeObjects(before, p.fields)
			if p.fields.Digest() == before.Digest() {
				continue
			}
			p.item.Value = p.fields
		}
		b.items, b.parts = append(b.items, p.item), append(b.parts, p)
	}
	for _, p := range b.parts {
		m.flying[p.key] = b.landed
	}
	return b, nil
}

func (m *merge) land(b *mergeBatch, stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range b.parts {
		delete(m.flying, p.key)
		if stored {
			m.remember(p.key, p.fields)
		}
	}
	close(b.landed)
}

func (m *merge) remember(key Digest, fields Object) {
	if _, known := m.known[key]; !known {
		if len(m.order) < m.limit {
			m.order = append(m.order, key)
		} else {
			delete(m.known, m.order[m.oldest])
			m.order[m.oldest] = key
			m.oldest = (m.oldest + 1) % m.limit
		}
	}
	m.known[key] = fields
}

// mergeTracker merges the items of each visit among themselves.
type mergeTracker struct {
	*merge

	tracker Tracker
}

var (
	_ Teller    = (*mergeTracker)(nil)
	_ Closer    = (*mergeTracker)(nil)
	_ Graveyard = (*mergeTracker)(nil)
	_ Counter   = (*mergeTracker)(nil)
)

func (m *mergeTracker) Track(ctx context.Context, visits []Visit) error {
	return m.tracker.Track(ctx, mergedVisits(visits))
}

func (m *mergeTracker) TrackTo(ctx context.Context, visits []Visit, tell func(context.Context, []Item) error) error {
	return trackTo(ctx, m.tracker, mergedVisits(visits), tell)
}

func mergedVisits(visits []Visit) []Visit {
	merged := slices.Clone(visits)
	for i := range merged {
		parts := combine(merged[i].Items)
		merged[i].Items = make([]Item, len(parts))
		for j := range parts {
			merged[i].Items[j] = parts[j].item
		}
	}
	return merged
}
