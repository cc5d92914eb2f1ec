package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func (p *program) crawlCommand() *cobra.Command {
	var o options
	var fresh, all bool
	cmd := &cobra.Command{
		Use:   "crawl SPIDER [URL...] [flags]",
		Short: "Crawl in this process until the crawl is done",
		Long: `Crawl in this process until the crawl is done.

SPIDER is the name of a spider compiled in (lycosa list shows them) or the path of
a YAML file. URLs given replace the spider's own start URLs.

A crawl that was interrupted goes on where it stopped. One that is done starts
anew, unless other workers are at it; so does one that has reached --max-pages.
One whose spider has revisit comes again to the pages that are due.
--fresh starts anew in any case. Items are kept: one that has not changed is not
written a second time.

Without --redis the crawl is kept in a folder and needs no server. With it, several
processes share the crawl: start more with lycosa worker, or with this very command.

Exit code: 0 done, 1 failed, 2 wrong usage, 3 done but dead letters remain,
8 Redis unavailable, 9 item store unavailable, 11 interrupted, 13 forced.`,
		Example: `  lycosa crawl books.yaml
  lycosa crawl books.yaml -o books.jsonl -o books.csv --delay 500ms
  lycosa crawl books.yaml https://books.toscrape.com/catalogue/page-2.html --max-depth 1
  lycosa crawl books.yaml -o - --quiet | jq .title
  lycosa crawl books --redis redis://localhost:6379/0 -o mongodb://localhost/books`,
		Args: argRange(1, -1, "SPIDER, the name of a spider or the path of a YAML file,"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			return p.crawl(cmd.Context(), &o, args[0], args[1:], fresh, all)
		},
	}
	o.crawlFlags(cmd.Flags())
	cmd.Flags().BoolVar(&fresh, "fresh", false, "forget what was crawled and start anew")
	cmd.Flags().BoolVar(&all, "revisit-all", false, "of a spider with revisit: visit all known pages now, due or not")
	o.learnFlag(cmd.Flags())
	o.graceFlag(cmd.Flags())
	return cmd
}

func (p *program) crawl(ctx context.Context, o *options, name string, urls []string, fresh, all bool) error {
	job, err := p.job(o, name, urls)
	if err != nil {
		return err
	}
	if ownSeeds(job.spider) == 0 && len(urls) == 0 {
		return usagef("spider %s has no start URL: give some after its name", job.spider.Name)
	}
	if all && job.spider.Revisit == nil {
		return usagef("--revisit-all: spider %s has no revisit: it fetches each URL once", job.spider.Name)
	}
	job.startAt(urls)
	outs, err := o.outputs(job.crawl)
	if err != nil {
		return err
	}
	log := p.logger(o)
	place, err := o.place(ctx, log)
	if err != nil {
		return err
	}
	defer place.close()
	onPage, err := o.notePages(place, log)
	if err != nil {
		return err
	}
	pipe, err := outs.open(ctx, p.out, job.spider.Revisit, log)
	if err != nil {
		return err
	}
	if pipe, err = job.tracked(place, pipe, log); err != nil {
		return err
	}
	s := &session{onPage: onPage, job: job, place: place, pipeline: pipe, outs: outs, untilDone: true, grace: o.grace, log: log}
	s.frontier, err = s.begin(ctx, urls, fresh)
	if err == nil && all {
		var n int
		if n, err = crawler.VisitAll(ctx, s.frontier); err == nil {
			log.Info("all known pages are visited now", "crawl", s.crawl, "pages", n)
		} else {
			err = errors.Join(err, s.frontier.Close())
		}
	}
	if err != nil {
		return errors.Join(err, closePipe(context.WithoutCancel(ctx), pipe))
	}
	return p.work(ctx, o, log, pollEvery, s)
}

// begin opens the crawl, purges it first if it is to start anew, and queues the start URLs. Several processes may be at it:
// a purge is refused to those who opened the crawl before another one's, and they look again.
func (s *session) begin(ctx context.Context, urls []string, fresh bool) (scheduler.Frontier, error) {
	for range 10 {
		f, err := s.place.open(ctx, s.crawl, s.spider)
		if differs, ok := errors.AsType[*redisfrontier.SettingError](err); ok {
			f, err = s.supersede(ctx, fresh, differs)
		}
		if err != nil {
			return nil, err
		}
		purged, err := s.makeReady(ctx, f, fresh)
		if err == nil && !purged {
			if _, err = crawler.Seed(ctx, s.spider, f, s.seeds(urls)...); err == nil {
				return f, nil
			}
		}
		if closed := f.Close(); closed != nil && err == nil {
			err = closed
		}
		switch {
		case purged && err == nil:
			fresh = false
		case !errors.Is(err, scheduler.ErrNoCrawl):
			return nil, err
		}
	}
	return nil, fmt.Errorf("crawl %s is purged again and again", s.crawl)
}

// supersede opens a crawl that was made with other settings, if it is to be started anew. If not, it returns differs, which
// says what the settings are. Another spider's crawl is superseded only when told.
func (s *session) supersede(ctx context.Context, fresh bool, differs *redisfrontier.SettingError) (scheduler.Frontier, error) {
	if !fresh && differs.Setting == "spider" {
		return nil, differs
	}
	f, err := s.place.attach(ctx, s.crawl)
	if err != nil {
		return nil, err
	}
	if !fresh {
		var over bool
		if over, err = s.abandoned(ctx, f); err == nil && !over {
			err = differs
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// abandoned reports whether the crawl is finished and nobody is at work on it.
func (s *session) abandoned(ctx context.Context, f scheduler.Frontier) (bool, error) {
	stats, err := f.Stats(ctx)
	if err != nil || stats.Seen == 0 {
		return false, err
	}
	workers, err := s.place.workers(ctx, f)
	if err != nil || len(workers) > 0 {
		return false, err
	}
	return s.finished(ctx, f, stats)
}

// seeds are the URLs for a spider without start URLs of its own, which startAt has left alone.
func (s *session) seeds(urls []string) []string {
	if len(s.spider.Start) > 0 {
		return nil
	}
	return urls
}

// makeReady decides between going on and starting anew; then the crawl is purged.
func (s *session) makeReady(ctx context.Context, f scheduler.Frontier, fresh bool) (purged bool, err error) {
	stats, err := f.Stats(ctx)
	if err != nil {
		return false, err
	}
	workers, err := s.place.workers(ctx, f)
	if err != nil {
		return false, err
	}
	if stats.Paused && !s.place.shared() && !fresh { // nobody else could have it go on
		return false, fmt.Errorf("crawl %s is paused; lycosa resume %s has it go on", s.crawl, s.crawl)
	}
	finished, err := s.finished(ctx, f, stats)
	switch busy := plural(int64(len(workers)), "worker is", "workers are"); {
	case err != nil:
		return false, err
	case fresh && len(workers) > 0:
		return false, fmt.Errorf("--fresh: %s at work on crawl %s; stop them first", busy, s.crawl)
	case stats.Seen == 0 && !fresh:
		return false, nil
	case fresh:
		s.log.Info("starting anew", "crawl", s.crawl, "forgotten", stats.Seen)
	case finished && len(workers) > 0:
		s.log.Info("joining a crawl that is done: "+busy+" at work on it; only new start URLs are crawled", "crawl", s.crawl)
		return false, nil
	case finished && s.spider.Revisit != nil:
		s.log.Info("coming again", "crawl", s.crawl, "pages", stats.Scheduled, "known", stats.Seen)
		return false, nil
	case finished:
		s.log.Info("the last crawl was finished: starting anew", "crawl", s.crawl, "forgotten", stats.Seen)
	default:
		s.log.Info("going on", "crawl", s.crawl, "pages", stats.Done, "known", stats.Seen, "workers", len(workers))
		return false, nil
	}
	purger, ok := f.(scheduler.Purger)
	if !ok {
		return false, fmt.Errorf("crawl %s cannot be purged where it is", s.crawl)
	}
	return true, purger.Purge(ctx)
}

// finished reports whether nothing is left to do for this spider under its settings.
func (s *session) finished(ctx context.Context, f scheduler.Frontier, stats scheduler.Stats) (bool, error) {
	if limit := s.spider.Settings.MaxPages; stats.Active() > 0 {
		return limit > 0 && crawler.Fetched(stats) >= limit, nil
	}
	if source, ok := f.(scheduler.SeedSource); ok {
		if n, err := source.SeedsLeft(ctx); err != nil || n > 0 {
			return false, err
		}
	}
	if parker, ok := f.(scheduler.Parker); ok && stats.Parked > 0 {
		parked, err := parker.Parked(ctx)
		if err != nil {
			return false, err
		}
		for label, n := range parked {
			if n > 0 && s.spider.Serves(label) {
				return false, nil
			}
		}
	}
	return true, nil
}
