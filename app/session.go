package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// closing bounds what is done after a crawl has ended: last numbers, last items.
const closing = 30 * time.Second

// session is one spider at work in this process: what crawl and worker share.
type session struct {
	job
	place     *place
	frontier  scheduler.Frontier
	pipeline  pipelines.Pipeline
	outs      outputs
	untilDone bool
	rejoin    bool // a purge does not end it
	grace     time.Duration
	log       *slog.Logger
	onPage    func(*crawler.Page) // nil: nobody wants to see them
	websub    *crawler.WebSub     // nil: no hub is subscribed to

	meter   *meter
	before  scheduler.Stats // when this process began
	limited bool
	refused map[string]int64 // links not followed
	err     error            // why it could not go on
	worker  atomic.Pointer[crawler.Worker]
}

// work has the sessions crawl, shows how they get on, and sums up. It closes their frontiers and pipelines.
func (p *program) work(ctx context.Context, o *options, log *slog.Logger, every time.Duration, sessions ...*session) error {
	defer func() {
		for _, s := range sessions {
			if err := s.frontier.Close(); err != nil {
				log.Warn("closing the frontier", "crawl", s.crawl, "err", err)
			}
		}
	}()
	after := context.WithoutCancel(ctx)
	meters := make([]*meter, len(sessions))
	for i, s := range sessions {
		var err error
		if s.meter, err = newMeter(ctx, s.crawl, s.frontier); err != nil {
			return errors.Join(err, closeAll(after, sessions))
		}
		s.before, meters[i] = s.meter.snapshot().Stats, s.meter
	}
	unhook := context.AfterFunc(ctx, func() {
		log.Info("stopping: pages under way are finished, a second signal forces the end", "at most", o.grace)
	})
	defer unhook()

	watching, stopWatching := context.WithCancel(after)
	var watch sync.WaitGroup
	if !o.quiet {
		panel := p.screen.isTerminal() && !p.itemsOnTerminal(sessions)
		watch.Go(func() { p.watch(watching, log, every, panel, meters...) })
	}
	p.run1(ctx, sessions)
	stopWatching()
	watch.Wait()

	return p.conclude(ctx, o, sessions, closeAll(after, sessions))
}

// run1 runs the sessions until all of them have ended. One that fails ends the others.
func (p *program) run1(ctx context.Context, sessions []*session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() {
			if s.err = s.run(ctx); s.err != nil {
				cancel()
			}
		})
	}
	wg.Wait()
}

// itemsOnTerminal reports whether items go to the terminal that a panel would be on.
func (p *program) itemsOnTerminal(sessions []*session) bool {
	return isTerminal(p.out) && slices.ContainsFunc(sessions, func(s *session) bool { return s.outs.has(outStdout) })
}

// run crawls until the crawl is done or ctx ends.
func (s *session) run(ctx context.Context) error {
	for {
		w, err := crawler.New(crawler.Config{
			Spider: s.spider, Frontier: s.frontier, Pipeline: s.pipeline, Crawl: s.crawl,
			UntilDone: s.untilDone, Grace: s.grace, Build: buildVersion().Version, Logger: s.log, OnPage: s.onPage, WebSub: s.websub,
		})
		if err != nil {
			return err
		}
		s.worker.Store(w)
		err = w.Run(ctx)
		s.limited, s.refused = w.Limited(), w.Refused()
		if !errors.Is(err, scheduler.ErrNoCrawl) {
			return err
		}
		if !s.rejoin {
			return fmt.Errorf("crawl %s was purged by somebody else", s.crawl)
		}
		s.log.Warn("the crawl was purged; waiting for a new one", "crawl", s.crawl)
		if err := s.reopen(ctx); err != nil {
			return err
		}
	}
}

// reopen joins the crawl's successor.
func (s *session) reopen(ctx context.Context) error {
	select {
	case <-time.After(time.Second): // whoever purges it over and over shall not make us spin
	case <-ctx.Done():
		return nil
	}
	f, err := s.place.open(ctx, s.crawl, s.spider)
	if err != nil {
		return err
	}
	if err := s.frontier.Close(); err != nil {
		s.log.Debug("closing the frontier", "crawl", s.crawl, "err", err)
	}
	s.frontier = f
	s.meter.follow(f)
	return nil
}

// closeAll makes the items of all sessions durable. Several may share a pipeline.
func closeAll(ctx context.Context, sessions []*session) error {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	var errs []error
	for i, s := range sessions {
		if i > 0 && s.pipeline == sessions[i-1].pipeline {
			continue
		}
		if err := closePipe(ctx, s.pipeline); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", crawler.ErrItemStore, err))
		}
	}
	return errors.Join(errs...)
}

// workers returns those at work on the crawl, none where crawls are not shared.
func (p *place) workers(ctx context.Context, f scheduler.Frontier) ([]scheduler.WorkerInfo, error) {
	registry, ok := f.(scheduler.Registry)
	if !ok || !p.shared() {
		return nil, nil
	}
	return registry.Workers(ctx)
}
