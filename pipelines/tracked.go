package pipelines

import (
	"context"
	"errors"
)

// Tracked returns a tracker that gives to next what store finds to be new, changed or back, and has it recorded when next has
// processed it: next sees each change at least once, and the feed has it once. Dead items and what is processed go to both, as far as
// next keeps dead items. It counts as store does, and closes next and then store.
func Tracked(store Tracker, next Pipeline) Tracker {
	return &tracked{teeTracker{tee: tee{next, store}, trackers: []Tracker{store}, plain: []Pipeline{next}}}
}

type tracked struct{ teeTracker }

// Bury keeps dead items where there is a place for them.
func (t *tracked) Bury(ctx context.Context, dead ...DeadItem) error {
	yards := 0
	for _, p := range t.tee {
		yard, ok := p.(Graveyard)
		if !ok {
			continue
		}
		yards++
		if err := yard.Bury(ctx, dead...); err != nil {
			return err
		}
	}
	if yards == 0 {
		return bury(ctx, t.trackers[0], dead)
	}
	return nil
}

func (t *tracked) Stats() Stats { return tee{t.trackers[0]}.Stats() }

// teeTracker is a tee with trackers in it.
type teeTracker struct {
	tee

	trackers []Tracker // at least one
	plain    []Pipeline
}

var (
	_ Teller    = (*teeTracker)(nil)
	_ Closer    = (*teeTracker)(nil)
	_ Graveyard = (*teeTracker)(nil)
	_ Counter   = (*teeTracker)(nil)
)

func (t *teeTracker) Track(ctx context.Context, visits []Visit) error {
	return t.TrackTo(ctx, visits, func(context.Context, []Item) error { return nil })
}

// TrackTo has the first tracker tell. If one fails, the visits come again; the others have recorded them already, and
// ignore them.
func (t *teeTracker) TrackTo(ctx context.Context, visits []Visit, tell func(context.Context, []Item) error) error {
	err := trackTo(ctx, t.trackers[0], visits, func(ctx context.Context, items []Item) error {
		if err := tee(t.plain).Process(ctx, items); err != nil {
			return err
		}
		return tell(ctx, items)
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, tracker := range t.trackers[1:] {
		errs = append(errs, tracker.Track(ctx, visits))
	}
	return errors.Join(errs...)
}

// stagedTracker passes the items of visits through stages.
type stagedTracker struct {
	*staged

	tracker Tracker
}

var (
	_ Teller    = (*stagedTracker)(nil)
	_ Closer    = (*stagedTracker)(nil)
	_ Graveyard = (*stagedTracker)(nil)
	_ Counter   = (*stagedTracker)(nil)
)

func (s *stagedTracker) Track(ctx context.Context, visits []Visit) error {
	visits, err := s.visits(ctx, visits)
	if err != nil {
		return err
	}
	return s.tracker.Track(ctx, visits)
}

func (s *stagedTracker) TrackTo(ctx context.Context, visits []Visit, tell func(context.Context, []Item) error) error {
	visits, err := s.visits(ctx, visits)
	if err != nil {
		return err
	}
	return trackTo(ctx, s.tracker, visits, tell)
}

// visits returns the visits with what the stages leave of their items.
func (s *stagedTracker) visits(ctx context.Context, visits []Visit) ([]Visit, error) {
	passed := make([]Visit, len(visits))
	var dead []DeadItem
	for i, v := range visits {
		kept, faulty, err := s.pass(ctx, v.Items)
		if err != nil {
			return nil, err
		}
		passed[i] = v
		passed[i].Items = kept
		passed[i].Parsed = v.Parsed && len(faulty) == 0
		dead = append(dead, faulty...)
	}
	if len(dead) > 0 {
		if err := s.Bury(ctx, dead...); err != nil {
			return nil, err
		}
	}
	return passed, nil
}

// trackTo calls TrackTo of a tracker that has it. Any other has tell called with all items.
func trackTo(ctx context.Context, t Tracker, visits []Visit, tell func(context.Context, []Item) error) error {
	if teller, ok := t.(Teller); ok {
		return teller.TrackTo(ctx, visits, tell)
	}
	var items []Item
	for i := range visits {
		items = append(items, visits[i].Items...)
	}
	if len(items) > 0 {
		if err := tell(ctx, items); err != nil {
			return err
		}
	}
	return t.Track(ctx, visits)
}
