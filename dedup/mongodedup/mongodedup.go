// Package mongodedup is the exact half of a two-tier filter in MongoDB: one collection, a document a fingerprint, whose _id is its
// first 64 bits as an integer. A fleet shares it.
package mongodedup

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Store is a [dedup.Exact] in a collection. Its methods wait no longer than their context. Make one with [New].
type Store struct{ fps *mongo.Collection }

var _ dedup.Exact = (*Store)(nil)

// maxAsked is how many fingerprints one query names.
const maxAsked = 1000

// New returns the store in a collection that nobody else uses. It writes with the concern majority and a journal, whatever the
// client's: what is lost there would be fetched again. The client stays the caller's.
func New(db *mongo.Database, collection string) *Store {
	journal := true
	concern := &writeconcern.WriteConcern{W: "majority", Journal: &journal}
	return &Store{fps: db.Collection(collection, options.Collection().SetWriteConcern(concern))}
}

func id(fp dedup.Fingerprint) int64 { return int64(fp.Short()) } //nolint:gosec // the same 64 bits

// Has implements [dedup.Exact].
func (s *Store) Has(ctx context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	known := make(map[int64]bool)
	for first := 0; first < len(fps); first += maxAsked {
		ids := make(bson.A, 0, maxAsked)
		for _, fp := range fps[first:min(first+maxAsked, len(fps))] {
			ids = append(ids, id(fp))
		}
		found, err := s.fps.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		if err != nil {
			return nil, fmt.Errorf("fingerprints in %s: %w", s.fps.Name(), err)
		}
		var docs []struct {
			ID int64 `bson:"_id"`
		}
		if err := found.All(ctx, &docs); err != nil {
			return nil, fmt.Errorf("fingerprints in %s: %w", s.fps.Name(), err)
		}
		for _, d := range docs {
			known[d.ID] = true
		}
	}
	seen = make([]bool, len(fps))
	for i, fp := range fps {
		seen[i] = known[id(fp)]
	}
	return seen, nil
}

// Record implements [dedup.Exact].
func (s *Store) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	for first := 0; first < len(fps); first += maxAsked {
		var docs []any
		once := make(map[int64]bool)
		for _, fp := range fps[first:min(first+maxAsked, len(fps))] {
			if !once[id(fp)] {
				once[id(fp)] = true
				docs = append(docs, bson.D{{Key: "_id", Value: id(fp)}})
			}
		}
		_, err := s.fps.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("fingerprints in %s: %w", s.fps.Name(), err)
		}
		if err != nil && !onlyDuplicates(err) {
			return fmt.Errorf("fingerprints in %s: %w", s.fps.Name(), err)
		}
	}
	return nil
}

// onlyDuplicates reports whether all that was wrong is that some were there already.
func onlyDuplicates(err error) bool {
	bulk, ok := err.(mongo.BulkWriteException) //nolint:errorlint // the driver returns it bare
	if !ok || bulk.WriteConcernError != nil {
		return false
	}
	const duplicateKey = 11000
	for _, e := range bulk.WriteErrors {
		if e.Code != duplicateKey {
			return false
		}
	}
	return true
}

// Purge drops the collection.
func (s *Store) Purge(ctx context.Context) error { return s.fps.Drop(ctx) }
