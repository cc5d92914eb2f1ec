package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

type teller func(ctx context.Context, items []pipelines.Item) error

// Track implements [pipelines.Tracker].
func (p *Pipeline) Track(ctx context.Context, visits []pipelines.Visit) error {
	return p.TrackTo(ctx, visits, nil)
}

// TrackTo implements [pipelines.Teller]. A page is written after its items: a visit is done when its page says so.
func (p *Pipeline) TrackTo(ctx context.Context, visits []pipelines.Visit, tell func(ctx context.Context, items []pipelines.Item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, wave := range pipelines.Waves(visits) {
		if err := p.wave(ctx, wave, tell); err != nil {
			return err
		}
	}
	return nil
}

// wave stores visits in which no page and no item comes twice.
func (p *Pipeline) wave(ctx context.Context, visits []pipelines.Visit, tell teller) error {
	now := time.Now()
	looks := make([]*look, len(visits))
	for i := range visits {
		looks[i] = newLook(&visits[i], now)
	}
	var known map[string]*pageDoc
	err := p.retry(ctx, patience, func(ctx context.Context) (err error) {
		known, err = p.pages(ctx, looks)
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", Pages, err)
	}
	looks = slices.DeleteFunc(looks, func(l *look) bool {
		_, _, ok := l.visit.Next(known[l.id].stateOf(), now)
		return !ok
	})
	ops, dead, err := p.ops(ctx, looks, known, now)
	if err != nil {
		return err
	}
	more, err := p.trackItems(ctx, ops, tell)
	if err != nil {
		return err
	}
	if err := p.Bury(ctx, append(dead, more...)...); err != nil {
		return err
	}
	late, err := p.trackPages(ctx, looks, known)
	if err != nil {
		return err
	}
	_, err = p.trackItems(ctx, late, nil)
	return err
}

// look is a visit on its way to the store.
type look struct {
	visit *pipelines.Visit
	id    string // of the page's document
	url   string
	crawl string
	at    time.Time
	items []pipelines.ID // shown
}

func newLook(v *pipelines.Visit, now time.Time) *look {
	meta := (&pipelines.Item{Source: v.Source}).Meta()
	return &look{visit: v, id: meta.Crawl + " " + meta.URL, url: meta.URL, crawl: meta.Crawl, at: v.Seen(now)}
}

// op is what a visit says of one item.
type op struct {
	look *look
	id   pipelines.ID
	doc  *document // what is shown; nil if the item is gone or comes back with its page
	back time.Time // when the page went that is back, with this item

	plan     plan
	tried    pipelines.News // what the latest try meant to do; "" before
	collided int            // inserts refused because of a duplicate key
	counted  bool
}

// plan is what is to be written for an op.
type plan struct {
	model   mongo.WriteModel // nil: nothing
	insert  bool
	news    pipelines.News
	change  *pipelines.Change // nil if there is nothing to say
	history bson.Raw          // the version that is replaced, or nil
	told    *pipelines.Item   // to be told before, or nil
}

// ops returns what the visits say of items: of those they show, and of those they show no more.
func (p *Pipeline) ops(ctx context.Context, looks []*look, known map[string]*pageDoc, now time.Time) (ops []*op, dead []pipelines.DeadItem, err error) {
	shown := make(map[pipelines.ID]bool)
	var kinds []string
	for _, l := range looks {
		at := make(map[pipelines.ID]int) // index in ops: the last of a key counts
		for i := range l.visit.Items {
			item := l.visit.Items[i]
			item.Source = l.visit.Source
			doc, err := p.encodeTracked(&item, now)
			if item.Check() == nil && !shown[item.ID()] {
				shown[item.ID()] = true // also if its value is at fault: it is not gone
				l.items = append(l.items, item.ID())
			}
			if err != nil {
				dead = append(dead, pipelines.Bury(item, err, now))
				continue
			}
			o := &op{look: l, id: item.ID(), doc: doc}
			if j, twice := at[o.id]; twice {
				ops[j] = o
				continue
			}
			at[o.id] = len(ops)
			ops = append(ops, o)
			if !slices.Contains(kinds, o.id.Kind) {
				kinds = append(kinds, o.id.Kind)
			}
		}
	}
	missed, back := make(map[string]*look), make(map[string]*look)
	for _, l := range looks {
		page := known[l.id]
		if page == nil && !l.visit.Parsed {
			continue
		}
		switch {
		case l.visit.Parsed, l.visit.News == pipelines.NewsGone:
			missed[l.id] = l
		case !page.state.GoneAt.IsZero():
			back[l.id] = l
		}
	}
	err = p.retry(ctx, patience, func(ctx context.Context) error {
		for _, kind := range kinds {
			if err := p.prepare(ctx, kind); err != nil {
				return err
			}
		}
		if len(missed)+len(back) == 0 {
			return nil
		}
		more, err := p.absent(ctx, missed, back, known)
		for _, o := range more {
			if !shown[o.id] {
				shown[o.id] = true // it may have been found twice
				ops = append(ops, o)
			}
		}
		return err
	})
	return ops, dead, err
}

// encodeTracked is encode for an item of a visit.
func (p *Pipeline) encodeTracked(item *pipelines.Item, now time.Time) (*document, error) {
	if reserved(item.Kind) {
		return nil, fmt.Errorf("%w: the collection %s is taken: call the kind otherwise", pipelines.ErrItem, item.Kind)
	}
	return encode(item, now)
}

func reserved(kind string) bool {
	return kind == Pages || kind == Changes || strings.HasSuffix(kind, historySuffix)
}

// absent finds the items that were last seen on pages that are visited again. It asks the items, not the pages: an item that a worker
// stored just before it died is found too. Among them are those that are gone already, and whose change is not known to be in the feed.
func (p *Pipeline) absent(ctx context.Context, missed, back map[string]*look, known map[string]*pageDoc) (ops []*op, err error) {
	kinds, err := p.kinds(ctx)
	if err != nil {
		return nil, err
	}
	urls := func(looks map[string]*look) bson.A {
		list := bson.A{}
		for _, l := range looks {
			list = append(list, l.url)
		}
		return list
	}
	for _, kind := range kinds {
		find := func(looks map[string]*look, also bson.E) error {
			if len(looks) == 0 {
				return nil
			}
			filter := bson.D{{Key: "_meta.url", Value: bson.D{{Key: "$in", Value: urls(looks)}}}, also}
			projection := bson.D{{Key: "_meta.url", Value: 1}, {Key: "_meta.crawl", Value: 1}}
			cursor, err := p.db.Collection(kind).Find(ctx, filter, options.Find().SetProjection(projection))
			if err != nil {
				return err
			}
			defer cursor.Close(ctx)
			for cursor.Next(ctx) {
				key, _ := cursor.Current.Lookup("_id").StringValueOK()
				url, _ := cursor.Current.Lookup("_meta", "url").StringValueOK()
				crawl, _ := cursor.Current.Lookup("_meta", "crawl").StringValueOK()
				l := looks[crawl+" "+url]
				if l == nil {
					continue
				}
				o := &op{look: l, id: pipelines.ID{Kind: kind, Key: key}}
				if back[l.id] != nil {
					o.back = known[l.id].state.GoneAt
				}
				ops = append(ops, o)
			}
			return cursor.Err()
		}
		if err := find(missed, bson.E{Key: "_meta.gone_at", Value: nil}); err != nil {
			return nil, err
		}
		for id, l := range back {
			if err := find(map[string]*look{id: l}, bson.E{Key: "_meta.gone_at", Value: known[id].state.GoneAt}); err != nil {
				return nil, err
			}
		}
		unfinished := bson.E{Key: "_meta.pending.id", Value: bson.D{{Key: "$gt", Value: ""}}}
		if err := errors.Join(find(missed, unfinished), find(back, unfinished)); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// trackItems writes what is said of items, and returns those that cannot be stored.
func (p *Pipeline) trackItems(ctx context.Context, ops []*op, tell teller) (dead []pipelines.DeadItem, err error) {
	var kinds []string
	byKind := make(map[string][]*op)
	for _, o := range ops {
		if byKind[o.id.Kind] == nil {
			kinds = append(kinds, o.id.Kind)
		}
		byKind[o.id.Kind] = append(byKind[o.id.Kind], o)
	}
	for _, kind := range kinds {
		for _, part := range splitOps(byKind[kind]) {
			more, err := p.trackKind(ctx, kind, patience, part, tell)
			if err != nil {
				return nil, err
			}
			dead = append(dead, more...)
		}
	}
	return dead, nil
}

// splitOps cuts ops where a request would become too large.
func splitOps(ops []*op) [][]*op {
	var parts [][]*op
	start, size := 0, 0
	for i, o := range ops {
		n := 0
		if o.doc != nil {
			n = len(o.doc.fields)
		}
		if i > start && (i-start == maxBatch || size+n > maxBatchBytes) {
			parts = append(parts, ops[start:i])
			start, size = i, 0
		}
		size += n
	}
	return append(parts, ops[start:])
}

// trackKind writes what is said of items of one kind: read, tell, write, again for those that somebody else has changed
// in between.
func (p *Pipeline) trackKind(ctx context.Context, kind string, patience int, ops []*op, tell teller) (dead []pipelines.DeadItem, err error) {
	for pending := ops; len(pending) > 0; {
		err := p.retry(ctx, patience, func(ctx context.Context) error { return p.planAll(ctx, kind, pending) })
		if err != nil {
			return dead, fmt.Errorf("read %s: %w", kind, err)
		}
		var fresh []pipelines.Item
		due := pending[:0:0]
		for _, o := range pending {
			if o.plan.model == nil {
				p.countNews(o)
				continue
			}
			due = append(due, o)
			if o.plan.told != nil {
				fresh = append(fresh, *o.plan.told)
			}
		}
		if tell != nil && len(fresh) > 0 {
			if err := tell(ctx, fresh); err != nil {
				return dead, err
			}
		}
		if len(due) == 0 {
			return dead, nil
		}
		var result applied
		err = p.retry(ctx, patience, func(ctx context.Context) (err error) {
			result, err = p.apply(ctx, kind, due)
			return err
		})
		if refused := (*refusedError)(nil); errors.As(err, &refused) {
			more, err := p.trackHalves(ctx, kind, due, refused, tell)
			return append(dead, more...), err
		}
		if err != nil {
			return dead, fmt.Errorf("write to %s: %w", kind, err)
		}
		dead = append(dead, result.dead...)
		pending = result.again
		if err := p.yield(ctx, len(pending)); err != nil {
			return dead, err
		}
	}
	return dead, nil
}

// trackHalves finds the items because of which the server refuses a whole request.
func (p *Pipeline) trackHalves(ctx context.Context, kind string, ops []*op, why error, tell teller) ([]pipelines.DeadItem, error) {
	if len(ops) == 1 {
		return []pipelines.DeadItem{ops[0].bury(why)}, nil
	}
	first, err := p.trackKind(ctx, kind, 1, ops[:len(ops)/2], tell)
	if err != nil {
		return first, err
	}
	second, err := p.trackKind(ctx, kind, 1, ops[len(ops)/2:], tell)
	return append(first, second...), err
}

func (o *op) bury(why error) pipelines.DeadItem {
	if o.doc != nil {
		return pipelines.Bury(*o.doc.item, why, time.Now())
	}
	return pipelines.Bury(pipelines.Item{Kind: o.id.Kind, Key: o.id.Key, Source: o.look.visit.Source}, why, time.Now())
}

// planAll decides upon each op, by what stands in the store; it finishes what another writer has left unfinished there.
func (p *Pipeline) planAll(ctx context.Context, kind string, ops []*op) error {
	coll := p.db.Collection(kind)
	keys := make([]string, len(ops))
	for i, o := range ops {
		keys[i] = o.id.Key
	}
	cursor, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}}, options.Find().SetBatchSize(maxBatch+1))
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	known := make(map[string]*standing)
	var left []pipelines.Change
	for cursor.Next(ctx) {
		s := parseStanding(slices.Clone(cursor.Current))
		key, _ := s.raw.Lookup("_id").StringValueOK()
		known[key] = s
		if s.pending != nil {
			left = append(left, *s.pending)
		}
	}
	if err := cursor.Err(); err != nil {
		return err
	}
	if err := p.flush(ctx, coll, left); err != nil {
		return err
	}
	for _, o := range ops {
		if o.plan, err = p.plan(o, known[o.id.Key]); err != nil {
			return err
		}
	}
	return nil
}

// standing is an item's document.
type standing struct {
	raw      bson.Raw
	state    pipelines.ItemState
	revision bson.RawValue // as it is: a document of somebody else's may have any, or none
	lastSeen bson.RawValue
	pending  *pipelines.Change // not known to be in the feed
}

func parseStanding(raw bson.Raw) *standing {
	s := &standing{raw: raw, revision: orNull(raw.Lookup("_meta", "revision")), lastSeen: orNull(raw.Lookup("_meta", "last_seen"))}
	date := func(name string) time.Time {
		at, _ := raw.Lookup("_meta", name).TimeOK()
		if at.IsZero() {
			return time.Time{}
		}
		return at.UTC()
	}
	s.state = pipelines.ItemState{
		FirstSeen: date("first_seen"), LastSeen: date("last_seen"), ChangedAt: date("changed_at"), GoneAt: date("gone_at"),
	}
	s.state.URL, _ = raw.Lookup("_meta", "url").StringValueOK()
	s.state.Crawl, _ = raw.Lookup("_meta", "crawl").StringValueOK()
	s.state.Hash, _ = raw.Lookup("_meta", "hash").StringValueOK()
	s.state.Revision, _ = s.revision.AsInt64OK()
	s.pending = pendingOf(raw.Lookup("_meta", "pending"))
	return s
}

func orNull(v bson.RawValue) bson.RawValue {
	if v.IsZero() {
		return bson.RawValue{Type: bson.TypeNull}
	}
	return v
}

// plan returns the write that brings the store from what stands there to what the op says. Its filter finds nothing if
// something else stands there by then.
func (p *Pipeline) plan(o *op, old *standing) (plan, error) {
	var before *pipelines.ItemState
	if old != nil {
		before = &old.state
	}
	if o.doc == nil {
		return p.planMove(o, old, before), nil
	}
	next, news, ok := before.Shown(o.look.url, o.look.crawl, o.doc.hash, o.look.at)
	if !ok {
		return plan{news: pipelines.NewsUnchanged}, nil
	}
	if news == pipelines.NewsUnchanged {
		o.try(news)
		set := bson.D{
			{Key: "_meta.url", Value: next.URL},
			{Key: "_meta.crawl", Value: next.Crawl},
			{Key: "_meta.fetched_at", Value: next.LastSeen},
			{Key: "_meta.last_seen", Value: next.LastSeen},
		}
		set, unset := o.doc.mark(set, nil)
		update := bson.D{{Key: "$set", Value: set}}
		if unset != nil {
			update = append(update, bson.E{Key: "$unset", Value: unset})
		}
		return plan{news: news, model: mongo.NewUpdateOneModel().SetFilter(old.filter(o.id.Key)).SetUpdate(update)}, nil
	}
	o.try(news)
	change := o.change(news, next)
	var was pipelines.Object
	made := plan{news: news, change: change, told: o.doc.item, insert: old == nil}
	if old != nil {
		was = fieldsOf(old.raw)
		if p.config.History > 0 && next.Hash != old.state.Hash {
			made.history = old.version(o.id.Key)
		}
	}
	change.Fields, change.More = pipelines.Diff(was, fieldsOf(o.doc.fields))
	if len(o.doc.fields)+2*pipelines.MaxChange > maxDocument-maxMeta { // no room for the change beside the item
		change.Fields, change.More = nil, change.More+len(change.Fields)
	}
	whole, err := o.doc.tracked(next, p.pending(change))
	if err != nil {
		return plan{}, err
	}
	if old == nil {
		made.model = mongo.NewInsertOneModel().SetDocument(whole)
	} else {
		made.model = mongo.NewReplaceOneModel().SetFilter(old.filter(o.id.Key)).SetReplacement(whole)
	}
	return made, nil
}

// planMove is plan for an item that is gone, or back with its page: its fields stay.
func (p *Pipeline) planMove(o *op, old *standing, before *pipelines.ItemState) plan {
	var next pipelines.ItemState
	var ok bool
	news := pipelines.NewsGone
	if o.back.IsZero() {
		next, ok = before.Missed(o.look.url, o.look.crawl, o.look.at)
	} else {
		next, ok = before.Returned(o.look.url, o.look.crawl, o.back, o.look.at)
		news = pipelines.NewsBack
	}
	if !ok {
		return plan{news: pipelines.NewsUnchanged}
	}
	o.try(news)
	made := plan{news: news, change: o.change(news, next)}
	set := bson.D{
		{Key: "_meta.last_seen", Value: next.LastSeen}, {Key: "_meta.changed_at", Value: next.ChangedAt}, {Key: "_meta.revision", Value: next.Revision},
	}
	update := bson.D{}
	if news == pipelines.NewsGone {
		set = append(set, bson.E{Key: "_meta.gone_at", Value: next.GoneAt})
	} else {
		update = bson.D{{Key: "$unset", Value: bson.D{{Key: "_meta.gone_at", Value: ""}}}}
		made.told = &pipelines.Item{Kind: o.id.Kind, Key: o.id.Key, Value: fieldsOf(old.raw), Source: o.look.visit.Source}
	}
	if pending := p.pending(made.change); pending != nil {
		set = append(set, bson.E{Key: "_meta.pending", Value: pending})
	}
	update = append(update, bson.E{Key: "$set", Value: set})
	made.model = mongo.NewUpdateOneModel().SetFilter(old.filter(o.id.Key)).SetUpdate(update)
	return made
}

func (o *op) change(news pipelines.News, next pipelines.ItemState) *pipelines.Change {
	return &pipelines.Change{News: news, Kind: o.id.Kind, Key: o.id.Key, URL: next.URL, Crawl: next.Crawl, Revision: next.Revision, At: o.look.at}
}

// try notes what a try is about to do. That the item stands there already may be the work of an earlier try whose answer was lost.
func (o *op) try(news pipelines.News) {
	if o.tried == "" || news != pipelines.NewsUnchanged {
		o.tried = news
	}
}

func (p *Pipeline) countNews(o *op) {
	if o.doc == nil || o.counted {
		return
	}
	o.counted = true
	switch o.tried {
	case pipelines.NewsNew:
		p.count(added)
	case pipelines.NewsChanged, pipelines.NewsBack:
		p.count(changed)
	default:
		p.count(same)
	}
}

// filter finds the document as it stands.
func (s *standing) filter(key string) bson.D {
	return bson.D{{Key: "_id", Value: key}, {Key: "_meta.revision", Value: s.revision}, {Key: "_meta.last_seen", Value: s.lastSeen}}
}

// version returns the document as it is kept among the earlier ones.
func (s *standing) version(key string) bson.Raw {
	d := bson.D{{Key: "_id", Value: versionID(key, s.state.Revision)}}
	elements, _ := s.raw.Elements()
	for _, e := range elements {
		switch e.Key() {
		case "_id":
		case "_meta":
			meta := bson.D{}
			doc, _ := e.Value().DocumentOK()
			inner, _ := doc.Elements()
			for _, m := range inner {
				if m.Key() != "pending" {
					meta = append(meta, bson.E{Key: m.Key(), Value: m.Value()})
				}
			}
			d = append(d, bson.E{Key: "_meta", Value: meta})
		default:
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil // it was read from a document
	}
	return raw
}

func versionID(key string, revision int64) string { return fmt.Sprintf("%s@%d", key, revision) }

// tracked returns the document to write.
func (d *document) tracked(s pipelines.ItemState, pending bson.D) (bson.Raw, error) {
	head, err := bson.Marshal(bson.D{{Key: "_id", Value: d.meta.Key}})
	if err != nil {
		return nil, err
	}
	fields := bson.D{
		{Key: "kind", Value: d.meta.Kind},
		{Key: "key", Value: d.meta.Key},
		{Key: "url", Value: s.URL},
		{Key: "crawl", Value: s.Crawl},
		{Key: "fetched_at", Value: s.LastSeen},
		{Key: "first_seen", Value: s.FirstSeen},
		{Key: "last_seen", Value: s.LastSeen},
		{Key: "changed_at", Value: s.ChangedAt},
		{Key: "hash", Value: s.Hash},
		{Key: "revision", Value: s.Revision},
	}
	fields = d.marked(fields)
	if pending != nil {
		fields = append(fields, bson.E{Key: "pending", Value: pending})
	}
	meta, err := bson.Marshal(bson.D{{Key: "_meta", Value: fields}})
	if err != nil {
		return nil, err
	}
	return join(head, d.fields, meta), nil
}

// applied is the result of a write.
type applied struct {
	again []*op // somebody else was there first, or may have been
	dead  []pipelines.DeadItem
}

// apply keeps the versions that are replaced, writes, and enters what was written into the feed. It may stop anywhere: the documents carry
// what the feed lacks.
func (p *Pipeline) apply(ctx context.Context, kind string, ops []*op) (applied, error) {
	if err := p.keepVersions(ctx, kind, ops); err != nil {
		return applied{}, err
	}
	models := make([]mongo.WriteModel, len(ops))
	updates := 0
	for i, o := range ops {
		models[i] = o.plan.model
		if !o.plan.insert {
			updates++
		}
	}
	coll := p.db.Collection(kind)
	result, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	var refused mongo.BulkWriteException
	if err != nil && (!errors.As(err, &refused) || refused.WriteConcernError != nil) {
		return applied{}, err
	}
	var a applied
	failed := make(map[*op]bool)
	for i := range refused.WriteErrors {
		e := &refused.WriteErrors[i]
		o := ops[e.Index]
		failed[o] = true
		if !o.plan.insert {
			updates--
		}
		switch {
		case o.plan.insert && mongo.IsDuplicateKeyError(e.WriteError) && o.collided < maxCollisions:
			o.collided++
			a.again = append(a.again, o)
		case transient(e.Code):
			return applied{}, e.WriteError
		default:
			a.dead = append(a.dead, o.bury(errors.New(e.Message)))
		}
	}
	missed := result.MatchedCount < int64(updates) // nobody says whose filter found nothing
	var changes []pipelines.Change
	for _, o := range ops {
		switch {
		case failed[o]:
		case missed && !o.plan.insert:
			a.again = append(a.again, o)
		default:
			p.countNews(o)
			if o.plan.change != nil {
				changes = append(changes, *o.plan.change)
			}
		}
	}
	return a, p.flush(ctx, coll, changes)
}

// keepVersions puts the versions that are about to be replaced into the history, and takes from it what is too old. One that is there
// already was put there by another writer, and is the same.
func (p *Pipeline) keepVersions(ctx context.Context, kind string, ops []*op) error {
	var versions, outdated []mongo.WriteModel
	for _, o := range ops {
		if o.plan.history == nil {
			continue
		}
		versions = append(versions, mongo.NewInsertOneModel().SetDocument(o.plan.history))
		if oldest := o.plan.change.Revision - int64(p.config.History); oldest > 1 {
			outdated = append(outdated, mongo.NewDeleteManyModel().SetFilter(bson.D{
				{Key: "_meta.key", Value: o.id.Key}, {Key: "_meta.revision", Value: bson.D{{Key: "$lt", Value: oldest}}},
			}))
		}
	}
	history := p.db.Collection(kind + historySuffix)
	if len(versions) > 0 {
		_, err := history.BulkWrite(ctx, versions, options.BulkWrite().SetOrdered(false))
		if err != nil && !onlyDuplicates(err) {
			return err
		}
	}
	if len(outdated) > 0 {
		if _, err := history.BulkWrite(ctx, outdated, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	return nil
}

func onlyDuplicates(err error) bool {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteConcernError != nil {
		return false
	}
	for i := range bulk.WriteErrors {
		if !mongo.IsDuplicateKeyError(bulk.WriteErrors[i].WriteError) {
			return false
		}
	}
	return true
}
