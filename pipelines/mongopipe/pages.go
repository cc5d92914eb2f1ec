package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// maxPageItems is how many of its items a page lists.
const maxPageItems = 1000

// pageDoc is a page's document.
type pageDoc struct {
	state    pipelines.PageState
	lastSeen bson.RawValue
	revision bson.RawValue
}

func (d *pageDoc) stateOf() *pipelines.PageState {
	if d == nil {
		return nil
	}
	return &d.state
}

// pages reads the documents of the pages, and finishes what another writer has left unfinished there.
func (p *Pipeline) pages(ctx context.Context, looks []*look) (map[string]*pageDoc, error) {
	ids := make([]string, len(looks))
	for i, l := range looks {
		ids[i] = l.id
	}
	coll := p.db.Collection(Pages)
	cursor, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetProjection(bson.D{{Key: "items", Value: 0}}).SetBatchSize(maxBatch+1))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	known := make(map[string]*pageDoc)
	var left []pipelines.Change
	for cursor.Next(ctx) {
		raw := slices.Clone(cursor.Current)
		id, _ := raw.Lookup("_id").StringValueOK()
		known[id] = parsePage(raw)
		if pending := pendingOf(raw.Lookup("pending")); pending != nil {
			left = append(left, *pending)
		}
	}
	if err := cursor.Err(); err != nil {
		return nil, err
	}
	return known, p.flush(ctx, coll, left)
}

func parsePage(raw bson.Raw) *pageDoc {
	d := &pageDoc{lastSeen: orNull(raw.Lookup("last_seen")), revision: orNull(raw.Lookup("revision"))}
	date := func(name string) time.Time {
		at, ok := raw.Lookup(name).TimeOK()
		if !ok {
			return time.Time{}
		}
		return at.UTC()
	}
	d.state = pipelines.PageState{
		FirstSeen: date("first_seen"), LastSeen: date("last_seen"), ChangedAt: date("changed_at"), GoneAt: date("gone_at"),
	}
	d.state.Signature, _ = raw.Lookup("signature").StringValueOK()
	status, _ := raw.Lookup("status").AsInt64OK()
	d.state.Status = int(status)
	d.state.Revision, _ = d.revision.AsInt64OK()
	return d
}

// trackPages writes the pages. A page that somebody else has visited later meanwhile stays as it is; if it was gone then, it returns what
// is to be said of the items that we have shown on it.
func (p *Pipeline) trackPages(ctx context.Context, looks []*look, known map[string]*pageDoc) (late []*op, err error) {
	if len(looks) == 0 {
		return nil, nil
	}
	if err := p.retry(ctx, patience, func(ctx context.Context) error { return p.prepare(ctx, Pages) }); err != nil {
		return nil, err
	}
	for pending := looks; len(pending) > 0; {
		var again []*look
		err := p.retry(ctx, patience, func(ctx context.Context) (err error) {
			if known == nil {
				if known, err = p.pages(ctx, pending); err != nil {
					return err
				}
			}
			again, err = p.writePages(ctx, pending, known)
			if err != nil {
				known = nil // whatever was written
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("write to %s: %w", Pages, err)
		}
		if len(again) == 0 {
			return late, nil
		}
		if err := p.yield(ctx, len(again)); err != nil {
			return nil, err
		}
		err = p.retry(ctx, patience, func(ctx context.Context) (err error) {
			known, err = p.pages(ctx, again)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", Pages, err)
		}
		pending = slices.DeleteFunc(again, func(l *look) bool {
			page := known[l.id]
			if page == nil || !page.state.LastSeen.After(l.at) {
				return false
			}
			if !page.state.GoneAt.IsZero() {
				gone := *l
				gone.at = page.state.GoneAt
				for _, id := range l.items {
					late = append(late, &op{look: &gone, id: id})
				}
			}
			return true
		})
	}
	return late, nil
}

// writePages writes the pages and enters what is new of them into the feed. It returns those that somebody else has written meanwhile, or
// may have.
func (p *Pipeline) writePages(ctx context.Context, looks []*look, known map[string]*pageDoc) (again []*look, err error) {
	coll := p.db.Collection(Pages)
	var models []mongo.WriteModel
	var due []*look
	changes := make([]*pipelines.Change, 0, len(looks))
	updates := 0
	for _, l := range looks {
		page := known[l.id]
		next, news, ok := l.visit.Next(page.stateOf(), l.at)
		if !ok {
			continue
		}
		var change *pipelines.Change
		if news != pipelines.NewsUnchanged {
			change = &pipelines.Change{News: news, URL: l.url, Crawl: l.crawl, Revision: next.Revision, At: l.at, Status: l.visit.Status, Links: l.visit.Links}
		}
		due, changes = append(due, l), append(changes, change)
		set := l.fields(next, p.pending(change))
		if page == nil {
			models = append(models, mongo.NewInsertOneModel().SetDocument(append(bson.D{
				{Key: "_id", Value: l.id}, {Key: "url", Value: l.url}, {Key: "crawl", Value: l.crawl},
			}, set...)))
			continue
		}
		updates++
		update := bson.D{{Key: "$set", Value: set}}
		if news == pipelines.NewsBack {
			update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "gone_at", Value: ""}}})
		}
		models = append(models, mongo.NewUpdateOneModel().SetUpdate(update).SetFilter(bson.D{
			{Key: "_id", Value: l.id}, {Key: "revision", Value: page.revision}, {Key: "last_seen", Value: page.lastSeen},
		}))
	}
	if len(models) == 0 {
		return nil, nil
	}
	result, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	var refused mongo.BulkWriteException
	if err != nil && (!errors.As(err, &refused) || refused.WriteConcernError != nil) {
		return nil, err
	}
	failed := make(map[*look]bool)
	for i := range refused.WriteErrors {
		e := &refused.WriteErrors[i]
		if !mongo.IsDuplicateKeyError(e.WriteError) {
			return nil, e.WriteError
		}
		failed[due[e.Index]] = true
		again = append(again, due[e.Index])
	}
	missed := result.MatchedCount < int64(updates)
	var entered []pipelines.Change
	for i, l := range due {
		switch {
		case failed[l]:
		case missed && known[l.id] != nil:
			again = append(again, l)
		case changes[i] != nil:
			entered = append(entered, *changes[i])
		}
	}
	return again, p.flush(ctx, coll, entered)
}

// fields are those of the page's document that a visit sets.
func (l *look) fields(s pipelines.PageState, pending bson.D) bson.D {
	set := bson.D{
		{Key: "first_seen", Value: s.FirstSeen},
		{Key: "last_seen", Value: s.LastSeen},
		{Key: "changed_at", Value: s.ChangedAt},
		{Key: "status", Value: int64(s.Status)},
		{Key: "revision", Value: s.Revision},
		{Key: "signature", Value: s.Signature},
	}
	if !s.GoneAt.IsZero() {
		set = append(set, bson.E{Key: "gone_at", Value: s.GoneAt})
	}
	if l.visit.Parsed {
		list := bson.A{}
		for _, id := range l.items[:min(len(l.items), maxPageItems)] {
			list = append(list, bson.D{{Key: "kind", Value: id.Kind}, {Key: "key", Value: id.Key}})
		}
		set = append(set, bson.E{Key: "items", Value: list})
	}
	if pending != nil {
		set = append(set, bson.E{Key: "pending", Value: pending})
	}
	return set
}
