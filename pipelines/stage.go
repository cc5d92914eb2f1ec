package pipelines

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Stage looks at one item on its way to the store, and returns it, changed or not. It may be called from many
// goroutines at once, and again with the same item.
//
//   - ErrDrop (wrapped or not) drops the item on purpose.
//   - ErrUnavailable and the error of an ended ctx say "not now": the whole batch comes again.
//   - Any other error, and a panic, say that the item is at fault. It becomes a dead item.
type Stage func(ctx context.Context, item Item) (Item, error)

// Chain is a stage that passes an item through all stages in order, up to the first error.
func Chain(stages ...Stage) Stage {
	return func(ctx context.Context, item Item) (Item, error) {
		var err error
		for _, stage := range stages {
			if item, err = stage(ctx, item); err != nil {
				return item, err
			}
		}
		return item, nil
	}
}

// With returns a pipeline that passes each item through the stages and what is left on to p. It closes, counts
// and buries as p does. If p is no [Graveyard], an item at fault fails the batch.
//
// If p is a [Tracker], so is the result. An item that a stage drops is one that the page does not show; if one is at fault, the
// visit is passed on as not parsed, so that nothing is gone by mistake.
func With(p Pipeline, stages ...Stage) Pipeline {
	s := &staged{next: p, stage: Chain(stages...)}
	if t, ok := p.(Tracker); ok {
		return &stagedTracker{staged: s, tracker: t}
	}
	return s
}

type staged struct {
	next  Pipeline
	stage Stage
}

var (
	_ Closer    = (*staged)(nil)
	_ Graveyard = (*staged)(nil)
	_ Counter   = (*staged)(nil)
)

func (s *staged) Process(ctx context.Context, items []Item) error {
	kept, dead, err := s.pass(ctx, items)
	if err != nil {
		return err
	}
	if len(dead) > 0 {
		if err := s.Bury(ctx, dead...); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return s.next.Process(ctx, kept)
}

// pass returns what the stages leave of the items, and those at fault.
func (s *staged) pass(ctx context.Context, items []Item) (kept []Item, dead []DeadItem, err error) {
	kept = make([]Item, 0, len(items))
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		out, err := guard(ctx, s.stage, item)
		switch {
		case err == nil:
			kept = append(kept, out)
		case errors.Is(err, ErrDrop):
		case errors.Is(err, ErrUnavailable), ctx.Err() != nil:
			return nil, nil, err
		default:
			dead = append(dead, Bury(item, err, time.Now()))
		}
	}
	return kept, dead, nil
}

func guard(ctx context.Context, stage Stage, item Item) (out Item, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("stage panics: %v\n%s", p, debug.Stack())
		}
	}()
	return stage(ctx, item)
}

func (s *staged) Bury(ctx context.Context, dead ...DeadItem) error { return bury(ctx, s.next, dead) }
func (s *staged) Close(ctx context.Context) error                  { return closeOf(ctx, s.next) }

func (s *staged) Stats() Stats {
	if counter, ok := s.next.(Counter); ok {
		return counter.Stats()
	}
	return Stats{}
}

func bury(ctx context.Context, p Pipeline, dead []DeadItem) error {
	if yard, ok := p.(Graveyard); ok {
		return yard.Bury(ctx, dead...)
	}
	return fmt.Errorf("%d items cannot be stored, the first is %s %q: %s", len(dead), dead[0].Kind, dead[0].Key, dead[0].Error)
}

func closeOf(ctx context.Context, p Pipeline) error {
	if closer, ok := p.(Closer); ok {
		return closer.Close(ctx)
	}
	return nil
}

// Tee returns a pipeline that gives every batch to all of ps at once, and succeeds when all of them did. Close
// closes all of them, in order. Stats are those of the first that counts.
//
// If one of ps is a [Tracker], so is the result: visits go to all trackers, and what the first of them finds to be new, changed or back
// goes to the other pipelines before; all items, if that one is no [Teller].
func Tee(ps ...Pipeline) Pipeline {
	t := teeTracker{tee: ps}
	for _, p := range ps {
		if tracker, ok := p.(Tracker); ok {
			t.trackers = append(t.trackers, tracker)
		} else {
			t.plain = append(t.plain, p)
		}
	}
	if len(t.trackers) == 0 {
		return t.tee
	}
	return &t
}

type tee []Pipeline

var (
	_ Closer    = tee(nil)
	_ Graveyard = tee(nil)
	_ Counter   = tee(nil)
)

func (t tee) Process(ctx context.Context, items []Item) error {
	return t.all(func(p Pipeline) error { return p.Process(ctx, items) })
}

func (t tee) Bury(ctx context.Context, dead ...DeadItem) error {
	return t.all(func(p Pipeline) error { return bury(ctx, p, dead) })
}

func (t tee) all(do func(Pipeline) error) error {
	errs := make([]error, len(t))
	var wg sync.WaitGroup
	for i, p := range t {
		wg.Go(func() { errs[i] = do(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (t tee) Close(ctx context.Context) error {
	var errs []error
	for _, p := range t {
		errs = append(errs, closeOf(ctx, p))
	}
	return errors.Join(errs...)
}

func (t tee) Stats() Stats {
	for _, p := range t {
		if counter, ok := p.(Counter); ok {
			return counter.Stats()
		}
	}
	return Stats{}
}
