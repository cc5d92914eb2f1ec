package crawler

import (
	"context"
	"sync"
)

// batcher joins calls that come in while an earlier one is under way into one: group commit, which costs an idle
// worker no waiting and a busy one few round trips.
type batcher[T any] struct {
	do   func(ctx context.Context, all []T) error
	ctx  context.Context //nolint:containedctx // one batch serves many callers, so it runs in the worker's context
	max  int             // entries of a batch, at most; a single call may exceed it
	lane int             // batches under way at once, at most

	mu      sync.Mutex // guards the fields below
	waiting []*batch[T]
	lanes   int
	wg      sync.WaitGroup
}

type batch[T any] struct {
	all  []T
	done chan struct{}
	err  error
}

func newBatcher[T any](ctx context.Context, lanes, most int, do func(ctx context.Context, all []T) error) *batcher[T] {
	return &batcher[T]{do: do, ctx: ctx, max: most, lane: lanes}
}

// submit adds entries to a batch, waits until it is done and returns its error; or ctx's, and then the batch may still
// be done.
func (b *batcher[T]) submit(ctx context.Context, entries ...T) error {
	if len(entries) == 0 {
		return nil
	}
	mine := b.join(entries)
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join puts the entries into the batch that is filling up, and sees that somebody runs it.
func (b *batcher[T]) join(entries []T) *batch[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var last *batch[T]
	if n := len(b.waiting); n > 0 && len(b.waiting[n-1].all)+len(entries) <= b.max {
		last = b.waiting[n-1]
	} else {
		last = &batch[T]{done: make(chan struct{})}
		b.waiting = append(b.waiting, last)
	}
	last.all = append(last.all, entries...)
	if b.lanes < b.lane {
		b.lanes++
		b.wg.Go(b.run)
	}
	return last
}

// run does batches until none waits.
func (b *batcher[T]) run() {
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.lanes--
			b.mu.Unlock()
			return
		}
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.mu.Unlock()
		next.err = b.do(b.ctx, next.all)
		close(next.done)
	}
}

// wait returns when nothing is under way. No submit may follow.
func (b *batcher[T]) wait() { b.wg.Wait() }
