package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// maxCollisions is how often an insert may meet a document that a read did not find. One more, and it is another
// unique index that refuses it.
const maxCollisions = 3

// store writes the documents, all of one kind and with different keys, and returns those that cannot be stored.
func (p *Pipeline) store(ctx context.Context, kind string, patience int, docs []*document) (dead []pipelines.DeadItem, err error) {
	coll := p.db.Collection(kind)
	for pending := docs; len(pending) > 0; {
		var round round
		err := p.retry(ctx, patience, func(ctx context.Context) (err error) {
			round, err = p.round(ctx, coll, pending)
			return err
		})
		if refused := (*refusedError)(nil); errors.As(err, &refused) {
			more, err := p.storeHalves(ctx, kind, pending, refused)
			return append(dead, more...), err
		}
		if err != nil {
			return nil, fmt.Errorf("write to %s: %w", kind, err)
		}
		dead = append(dead, round.dead...)
		pending = round.again
		if err := p.yield(ctx, len(pending)); err != nil {
			return nil, err
		}
	}
	return dead, nil
}

// storeHalves finds the documents because of which the server refuses a whole request.
func (p *Pipeline) storeHalves(ctx context.Context, kind string, docs []*document, why error) ([]pipelines.DeadItem, error) {
	if len(docs) == 1 {
		return []pipelines.DeadItem{pipelines.Bury(*docs[0].item, why, time.Now())}, nil
	}
	first, err := p.store(ctx, kind, 1, docs[:len(docs)/2])
	if err != nil {
		return nil, err
	}
	second, err := p.store(ctx, kind, 1, docs[len(docs)/2:])
	return append(first, second...), err
}

// round is the result of one read and one write.
type round struct {
	again []*document // somebody else was there first, or may have been
	dead  []pipelines.DeadItem
}

func (p *Pipeline) round(ctx context.Context, coll *mongo.Collection, docs []*document) (round, error) {
	known, err := p.lookup(ctx, coll, docs)
	if err != nil {
		return round{}, err
	}
	models := make([]mongo.WriteModel, len(docs))
	updates := 0
	for i, doc := range docs {
		old := known[doc.meta.Key]
		if old != nil {
			updates++
		}
		if p.config.Merge {
			if err := doc.complete(old); err != nil {
				return round{}, err
			}
		}
		if models[i], err = doc.model(old); err != nil {
			return round{}, err
		}
	}
	result, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	var refused mongo.BulkWriteException
	if err != nil && (!errors.As(err, &refused) || refused.WriteConcernError != nil) {
		return round{}, err
	}
	var r round
	failed := make(map[*document]bool)
	for i := range refused.WriteErrors {
		e := &refused.WriteErrors[i]
		doc := docs[e.Index]
		failed[doc] = true
		collides := mongo.IsDuplicateKeyError(e.WriteError)
		if known[doc.meta.Key] != nil {
			updates--
			collides = false // with another unique index
		}
		switch {
		case collides && doc.collided < maxCollisions:
			doc.collided++
			doc.tried = untried
			r.again = append(r.again, doc)
		case transient(e.Code):
			return round{}, e.WriteError
		default:
			r.dead = append(r.dead, pipelines.Bury(*doc.item, errors.New(e.Message), time.Now()))
		}
	}
	missed := result.MatchedCount < int64(updates) // nobody says whose filter found nothing
	for _, doc := range docs {
		switch {
		case failed[doc]:
		case missed && known[doc.meta.Key] != nil:
			r.again = append(r.again, doc)
		default:
			p.count(doc.tried)
		}
	}
	return r, nil
}

// lookup reads what stands under the keys of docs. It finishes what a tracker has left unfinished there.
func (p *Pipeline) lookup(ctx context.Context, coll *mongo.Collection, docs []*document) (map[string]*stored, error) {
	keys := make([]string, len(docs))
	for i, doc := range docs {
		keys[i] = doc.meta.Key
	}
	opts := options.Find().SetBatchSize(maxBatch + 1)
	if !p.config.Merge {
		opts.SetProjection(bson.D{{Key: "_meta", Value: 1}})
	}
	cursor, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}}, opts)
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	known := make(map[string]*stored)
	var left []pipelines.Change
	for cursor.Next(ctx) {
		key, _ := cursor.Current.Lookup("_id").StringValueOK()
		known[key] = parseStored(cursor.Current)
		if p.config.Merge {
			known[key].fields = fieldsOf(cursor.Current)
		}
		if pending := pendingOf(cursor.Current.Lookup("_meta", "pending")); pending != nil {
			left = append(left, *pending)
		}
	}
	if err := cursor.Err(); err != nil {
		return nil, err
	}
	return known, p.flush(ctx, coll, left)
}

func parseStored(doc bson.Raw) *stored {
	s := &stored{revision: doc.Lookup("_meta", "revision")}
	if s.revision.IsZero() {
		s.revision = bson.RawValue{Type: bson.TypeNull}
	}
	s.revision.Value = append([]byte(nil), s.revision.Value...) // the cursor's buffer is used again
	s.hash, _ = doc.Lookup("_meta", "hash").StringValueOK()
	if at, ok := doc.Lookup("_meta", "first_seen").TimeOK(); ok {
		s.firstSeen = at
	}
	if at, ok := doc.Lookup("_meta", "last_seen").TimeOK(); ok {
		s.lastSeen = at
	}
	return s
}

// model returns the write that brings the store from old to the document. Its filter finds nothing if old is not
// what stands there any more.
func (d *document) model(old *stored) (mongo.WriteModel, error) {
	if old != nil && old.hash == d.hash {
		d.try(same)
		return mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: d.meta.Key}, {Key: "_meta.revision", Value: old.revision}}).
			SetUpdate(d.sighting(old)), nil
	}
	whole, err := d.whole(old)
	if err != nil {
		return nil, err
	}
	if old == nil {
		d.try(added)
		return mongo.NewInsertOneModel().SetDocument(whole), nil
	}
	d.try(changed)
	return mongo.NewReplaceOneModel().
		SetFilter(bson.D{{Key: "_id", Value: d.meta.Key}, {Key: "_meta.revision", Value: old.revision}}).
		SetReplacement(whole), nil
}

// sighting returns the update of an item that did not change. A visit that is older than the latest, because its
// worker was slow, moves nothing back.
func (d *document) sighting(old *stored) bson.D {
	update := bson.D{
		{Key: "$min", Value: bson.D{{Key: "_meta.first_seen", Value: d.seen}}},
		{Key: "$max", Value: bson.D{{Key: "_meta.last_seen", Value: d.seen}}},
	}
	if d.seen.Before(old.lastSeen) {
		return update
	}
	set := bson.D{
		{Key: "_meta.url", Value: d.meta.URL},
		{Key: "_meta.crawl", Value: d.meta.Crawl},
		{Key: "_meta.fetched_at", Value: d.seen},
	}
	unset := bson.D{{Key: "_meta.gone_at", Value: ""}}
	set, unset = d.mark(set, unset)
	return append(update, bson.E{Key: "$set", Value: set}, bson.E{Key: "$unset", Value: unset})
}

// mark adds to an update what the document's page is a duplicate of, or takes that away.
func (d *document) mark(set, unset bson.D) (bson.D, bson.D) {
	if d.meta.DuplicateOf == "" {
		return set, append(unset, bson.E{Key: "_meta.duplicate_of", Value: ""})
	}
	return append(set, bson.E{Key: "_meta.duplicate_of", Value: d.meta.DuplicateOf}), unset
}

// bury writes dead items, each under a hash of its kind and key.
func (p *Pipeline) bury(ctx context.Context, dead []pipelines.DeadItem) error {
	models := make([]mongo.WriteModel, len(dead))
	for i, d := range dead {
		id := pipelines.DigestOf([]byte(d.Kind + "\x00" + d.Key)).String()
		models[i] = mongo.NewReplaceOneModel().SetUpsert(true).SetFilter(bson.D{{Key: "_id", Value: id}}).SetReplacement(bson.D{
			{Key: "_id", Value: id},
			{Key: "kind", Value: d.Kind},
			{Key: "key", Value: d.Key},
			{Key: "url", Value: d.URL},
			{Key: "crawl", Value: d.Crawl},
			{Key: "fetched_at", Value: d.FetchedAt},
			{Key: "error", Value: d.Error},
			{Key: "value", Value: d.Value},
			{Key: "at", Value: d.At},
		})
	}
	_, err := p.db.Collection(DeadItems).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return err
}

func (p *Pipeline) count(o outcome) {
	switch o {
	case added:
		p.added.Add(1)
	case changed:
		p.changed.Add(1)
	case same:
		p.same.Add(1)
	}
}
