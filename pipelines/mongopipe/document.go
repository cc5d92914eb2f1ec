package mongopipe

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

const (
	maxDocument = 16 << 20 // bytes: the server's limit
	maxMeta     = 8 << 10  // bytes that _id and _meta are given of it, beside key, url and crawl
	maxDepth    = 100      // levels: the server's limit
)

// document is an item on its way to the store.
type document struct {
	item   *pipelines.Item
	meta   pipelines.Meta
	seen   time.Time // when the page was fetched, as MongoDB keeps it
	hash   string
	fields bson.Raw
	given  pipelines.Object // what fields were before they were completed

	tried    outcome // what the latest try meant to do
	collided int     // inserts refused because of a duplicate key
}

// outcome is what becomes of a document.
type outcome int

const (
	untried outcome = iota
	added
	changed
	same
)

// try notes what a try is about to do. That the document stands there already may be the work of an earlier try whose answer
// was lost: then that one counts.
func (d *document) try(o outcome) {
	if o != same || d.tried == untried {
		d.tried = o
	}
}

func encode(item *pipelines.Item, now time.Time) (*document, error) {
	if err := item.Check(); err != nil {
		return nil, err
	}
	fields, err := pipelines.Fields(item.Value)
	if err != nil {
		return nil, err
	}
	d, err := object(fields, 1)
	if err != nil {
		return nil, err
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pipelines.ErrItem, err)
	}
	meta := item.Meta()
	if size := len(raw) + 2*len(meta.Key) + len(meta.URL) + len(meta.Crawl) + maxMeta; size > maxDocument {
		return nil, fmt.Errorf("%w: as a document it has %d bytes, MongoDB allows %d", pipelines.ErrItem, size, maxDocument)
	}
	seen := meta.FetchedAt
	if seen.IsZero() {
		seen = now
	}
	return &document{
		item:   item,
		meta:   meta,
		seen:   seen.UTC().Truncate(time.Millisecond),
		hash:   fields.Digest().String(),
		fields: raw,
	}, nil
}

// object returns o as BSON, and an error if MongoDB cannot take it as it is.
func object(o pipelines.Object, depth int) (bson.D, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is nested deeper than MongoDB's %d levels", pipelines.ErrItem, maxDepth)
	}
	d := make(bson.D, 0, len(o))
	for _, f := range o {
		if strings.HasPrefix(f.Name, "$") || strings.ContainsAny(f.Name, ".\x00") {
			return nil, fmt.Errorf("%w: MongoDB allows no field name %.80q", pipelines.ErrItem, f.Name)
		}
		v, err := value(f.Value, depth)
		if err != nil {
			return nil, err
		}
		d = append(d, bson.E{Key: f.Name, Value: v})
	}
	return d, nil
}

func value(v any, depth int) (any, error) {
	switch v := v.(type) {
	case pipelines.Object:
		return object(v, depth+1)
	case []any:
		if depth >= maxDepth {
			return nil, fmt.Errorf("%w: it is nested deeper than MongoDB's %d levels", pipelines.ErrItem, maxDepth)
		}
		list := make(bson.A, len(v))
		for i := range v {
			var err error
			if list[i], err = value(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case json.Number:
		number, err := bson.ParseDecimal128(v.String())
		if err != nil {
			return nil, fmt.Errorf("%w: MongoDB has no type for the number %.40s", pipelines.ErrItem, v)
		}
		return number, nil
	}
	return v, nil
}

// stored is what stands in the collection under the key of a document.
type stored struct {
	hash      string
	revision  bson.RawValue // as it is: a document of somebody else's may have any, or none
	firstSeen time.Time
	lastSeen  time.Time
	fields    pipelines.Object // if they are to be completed
}

// complete makes the document what old is with it, old being nil if there is none. It may be called again with another.
func (d *document) complete(old *stored) error {
	if d.given == nil {
		d.given = fieldsOf(d.fields)
	}
	merged := d.given
	if old != nil {
		merged = pipelines.MergeObjects(old.fields, d.given)
	}
	fields, err := object(merged, 1)
	if err != nil {
		return err
	}
	d.hash = merged.Digest().String()
	d.fields, err = bson.Marshal(fields)
	return err
}

// whole returns the document to write over old, or the first one if old is nil.
func (d *document) whole(old *stored) (bson.Raw, error) {
	first, last, revision := d.seen, d.seen, int64(1)
	if old != nil {
		if !old.firstSeen.IsZero() && old.firstSeen.Before(first) {
			first = old.firstSeen
		}
		if old.lastSeen.After(last) {
			last = old.lastSeen
		}
		if n, ok := old.revision.AsInt64OK(); ok {
			revision = n + 1
		}
	}
	head, err := bson.Marshal(bson.D{{Key: "_id", Value: d.meta.Key}})
	if err != nil {
		return nil, err
	}
	fields := bson.D{
		{Key: "kind", Value: d.meta.Kind},
		{Key: "key", Value: d.meta.Key},
		{Key: "url", Value: d.meta.URL},
		{Key: "crawl", Value: d.meta.Crawl},
		{Key: "fetched_at", Value: d.seen},
		{Key: "first_seen", Value: first},
		{Key: "last_seen", Value: last},
		{Key: "changed_at", Value: d.seen},
		{Key: "hash", Value: d.hash},
		{Key: "revision", Value: revision},
	}
	meta, err := bson.Marshal(bson.D{{Key: "_meta", Value: d.marked(fields)}})
	if err != nil {
		return nil, err
	}
	return join(head, d.fields, meta), nil
}

// marked returns the fields of _meta with the page that the document's is a duplicate of, if it is.
func (d *document) marked(meta bson.D) bson.D {
	if d.meta.DuplicateOf == "" {
		return meta
	}
	return append(meta, bson.E{Key: "duplicate_of", Value: d.meta.DuplicateOf})
}

// join returns a document with the elements of all docs. A document is its length in four bytes, its elements, and a
// zero.
func join(docs ...bson.Raw) bson.Raw {
	size := 5
	for _, doc := range docs {
		size += len(doc) - 5
	}
	whole := make(bson.Raw, 4, size)
	for i := range 4 {
		whole[i] = byte(size >> (8 * i))
	}
	for _, doc := range docs {
		whole = append(whole, doc[4:len(doc)-1]...)
	}
	return append(whole, 0)
}
