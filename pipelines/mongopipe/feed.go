package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// The collections of a crawl that comes again, beside those of the items.
const (
	Pages         = "pages"   // of pages, _id: crawl, blank, URL
	Changes       = "changes" // the feed, _id: the cursor
	bookkeeping   = "_feed"   // the kinds that are tracked, and bookmarks
	historySuffix = "_history"
)

const pollFeed = 500 * time.Millisecond

// feed is the collection of the feed. It is read as a majority of the servers has it: what is shown is not taken back, and the entry
// behind it is written only when it is certain.
func (p *Pipeline) feed() *mongo.Collection {
	return p.db.Collection(Changes, options.Collection().SetReadConcern(readconcern.Majority()))
}

// pending returns the change as a document carries it until it is in the feed, nil if there is none.
func (p *Pipeline) pending(c *pipelines.Change) bson.D {
	if c == nil || p.config.NoFeed {
		return nil
	}
	return encodeChange(c)
}

// flush enters changes that the documents of a collection carry into the feed, and takes them from the documents.
func (p *Pipeline) flush(ctx context.Context, coll *mongo.Collection, changes []pipelines.Change) error {
	if len(changes) == 0 || p.config.NoFeed {
		return nil
	}
	if err := p.enter(ctx, changes); err != nil {
		return err
	}
	models := make([]mongo.WriteModel, len(changes))
	for i := range changes {
		c := &changes[i]
		id, prefix := c.Key, "_meta."
		if c.IsPage() {
			id, prefix = c.Crawl+" "+c.URL, ""
		}
		models[i] = mongo.NewUpdateOneModel(). // with this revision: a later one carries a change of its own
							SetFilter(bson.D{{Key: "_id", Value: id}, {Key: prefix + "revision", Value: c.Revision}}).
							SetUpdate(bson.D{{Key: "$unset", Value: bson.D{{Key: prefix + "pending", Value: ""}}}})
	}
	_, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return err
}

// enter puts changes at the end of the feed, each once, whoever else does the same.
//
// _id is the number of the entry, and the one behind n is n+1: nobody writes n+1 who has not read or written n, and of two who try, the
// unique index on _id lets one. So numbers appear in their order and without gaps, and no reader can be overtaken. A unique index on
// id, which names the thing and its revision, keeps out what is there already.
func (p *Pipeline) enter(ctx context.Context, changes []pipelines.Change) error {
	if err := p.prepare(ctx, Changes); err != nil {
		return err
	}
	p.entering.Lock() // within a process none need try in vain
	defer p.entering.Unlock()
	for left := changes; len(left) > 0; {
		last, err := p.lastCursor(ctx)
		if err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Millisecond)
		docs := make([]any, len(left))
		for i := range left {
			head := bson.D{{Key: "_id", Value: int64(last) + 1 + int64(i)}, {Key: "recorded", Value: now}}
			docs[i] = append(head, encodeChange(&left[i])...)
		}
		_, err = p.feed().InsertMany(ctx, docs, options.InsertMany().SetOrdered(true)) // it ends with the first that fails: no gaps
		if err == nil {
			return nil
		}
		if !onlyDuplicates(err) {
			return err
		}
		if left, err = p.missing(ctx, left); err != nil {
			return err
		}
		if len(left) > 0 {
			if err := wait(ctx, rand.N(20*time.Millisecond)); err != nil {
				return err
			}
		}
	}
	return nil
}

// missing returns those of the changes that are not in the feed.
func (p *Pipeline) missing(ctx context.Context, changes []pipelines.Change) ([]pipelines.Change, error) {
	ids := make([]string, len(changes))
	for i := range changes {
		ids[i] = changes[i].ID()
	}
	cursor, err := p.feed().Find(ctx, bson.D{{Key: "id", Value: bson.D{{Key: "$in", Value: ids}}}}, options.Find().SetProjection(bson.D{{Key: "id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	there := make(map[string]bool)
	for cursor.Next(ctx) {
		id, _ := cursor.Current.Lookup("id").StringValueOK()
		there[id] = true
	}
	var left []pipelines.Change
	for i := range changes {
		if !there[ids[i]] {
			left = append(left, changes[i])
		}
	}
	return left, cursor.Err()
}

func (p *Pipeline) lastCursor(ctx context.Context) (pipelines.Cursor, error) {
	raw, err := p.feed().FindOne(ctx, bson.D{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.D{{Key: "_id", Value: 1}})).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	last, _ := raw.Lookup("_id").AsInt64OK()
	return pipelines.Cursor(last), nil
}

// Changes implements [pipelines.Feed].
func (p *Pipeline) Changes(ctx context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool) error {
	stopped := false
	return p.retry(ctx, patience, func(ctx context.Context) error {
		cursor, err := p.feed().Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: int64(after)}}}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			return err
		}
		defer cursor.Close(ctx)
		for !stopped && cursor.Next(ctx) {
			change := decodeChange(cursor.Current)
			after = change.Cursor // a try that follows goes on behind it
			stopped = !yield(change)
		}
		if stopped {
			return nil
		}
		return cursor.Err()
	})
}

// Since implements [pipelines.Feed].
func (p *Pipeline) Since(ctx context.Context, t time.Time) (at pipelines.Cursor, err error) {
	err = p.retry(ctx, patience, func(ctx context.Context) error {
		filter := bson.D{{Key: "recorded", Value: bson.D{{Key: "$gte", Value: t.UTC()}}}}
		raw, err := p.feed().FindOne(ctx, filter, options.FindOne().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.D{{Key: "_id", Value: 1}})).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			at, err = p.lastCursor(ctx)
			return err
		}
		first, _ := raw.Lookup("_id").AsInt64OK()
		at = max(0, pipelines.Cursor(first)-1)
		return err
	})
	return at, err
}

// Wait implements [pipelines.Feed]. It asks twice a second.
func (p *Pipeline) Wait(ctx context.Context, after pipelines.Cursor) error {
	for {
		var last pipelines.Cursor
		err := p.retry(ctx, patience, func(ctx context.Context) (err error) {
			last, err = p.lastCursor(ctx)
			return err
		})
		if err != nil || last > after {
			return err
		}
		if err := wait(ctx, pollFeed); err != nil {
			return err
		}
	}
}

// Bookmark implements [pipelines.Bookmarks].
func (p *Pipeline) Bookmark(ctx context.Context, name string) (at pipelines.Cursor, err error) {
	err = p.retry(ctx, patience, func(ctx context.Context) error {
		raw, err := p.db.Collection(bookkeeping).FindOne(ctx, bson.D{{Key: "_id", Value: "bookmark " + name}}).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		n, _ := raw.Lookup("cursor").AsInt64OK()
		at = pipelines.Cursor(n)
		return err
	})
	return at, err
}

// SetBookmark implements [pipelines.Bookmarks].
func (p *Pipeline) SetBookmark(ctx context.Context, name string, at pipelines.Cursor) error {
	id := "bookmark " + name
	return p.retry(ctx, patience, func(ctx context.Context) error {
		_, err := p.db.Collection(bookkeeping).ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}},
			bson.D{{Key: "_id", Value: id}, {Key: "cursor", Value: int64(at)}, {Key: "at", Value: time.Now().UTC()}}, options.Replace().SetUpsert(true))
		return err
	})
}

// prepare creates the indexes of a collection, once in a process, and notes the kind if it holds items.
func (p *Pipeline) prepare(ctx context.Context, name string) error {
	p.preparing.Lock()
	defer p.preparing.Unlock()
	if p.prepared[name] {
		return nil
	}
	index := func(coll string, unique bool, fields ...string) error {
		keys := bson.D{}
		for _, field := range fields {
			keys = append(keys, bson.E{Key: field, Value: 1})
		}
		opts := options.Index()
		if unique {
			opts.SetUnique(true)
		}
		_, err := p.db.Collection(coll).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: opts})
		return err
	}
	var err error
	switch name {
	case Changes:
		err = errors.Join(index(name, true, "id"), index(name, false, "recorded"))
	case Pages:
		err = index(name, false, "pending.id")
	default:
		err = errors.Join(index(name, false, "_meta.url", "_meta.gone_at"), index(name, false, "_meta.pending.id"))
		if p.config.History > 0 {
			err = errors.Join(err, index(name+historySuffix, false, "_meta.key", "_meta.revision"))
		}
		if err == nil {
			id := "kind " + name
			_, err = p.db.Collection(bookkeeping).ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}},
				bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: name}}, options.Replace().SetUpsert(true))
		}
	}
	if err != nil {
		return fmt.Errorf("prepare %s: %w", name, err)
	}
	p.prepared[name] = true
	return nil
}

// kinds returns those that anybody tracks in this database.
func (p *Pipeline) kinds(ctx context.Context) ([]string, error) {
	cursor, err := p.db.Collection(bookkeeping).Find(ctx, bson.D{{Key: "kind", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	var kinds []string
	for cursor.Next(ctx) {
		if kind, ok := cursor.Current.Lookup("kind").StringValueOK(); ok {
			kinds = append(kinds, kind)
		}
	}
	return kinds, cursor.Err()
}

// sweep enters into the feed what writers have left in documents that nobody may touch again: those that died, before a crawl that was
// given up.
func (p *Pipeline) sweep(ctx context.Context) error {
	if p.config.NoFeed {
		return nil
	}
	kinds, err := p.kinds(ctx)
	if err != nil || len(kinds) == 0 {
		return err
	}
	for _, kind := range kinds {
		if err := p.sweepOf(ctx, kind, "_meta", "pending"); err != nil {
			return err
		}
	}
	return p.sweepOf(ctx, Pages, "pending")
}

func (p *Pipeline) sweepOf(ctx context.Context, name string, path ...string) error {
	field := strings.Join(path, ".")
	coll := p.db.Collection(name)
	for {
		cursor, err := coll.Find(ctx, bson.D{{Key: field + ".id", Value: bson.D{{Key: "$gt", Value: ""}}}},
			options.Find().SetProjection(bson.D{{Key: field, Value: 1}}).SetLimit(maxBatch/2))
		if err != nil {
			return err
		}
		var docs []bson.Raw
		if err := cursor.All(ctx, &docs); err != nil || len(docs) == 0 {
			return err
		}
		var left []pipelines.Change
		for _, doc := range docs {
			if c := pendingOf(doc.Lookup(path...)); c != nil {
				left = append(left, *c)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if err := p.flush(ctx, coll, left); err != nil {
			return err
		}
	}
}
