package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"
)

func (p *program) workerCommand() *cobra.Command {
	var o options
	var hubs hubOptions
	var untilDone bool
	cmd := &cobra.Command{
		Use:   "worker SPIDER... --redis URL [flags]",
		Short: "Join the fleet on a Redis until stopped",
		Long: `Join the fleet on a Redis until stopped. A worker queues nothing by itself: it
waits for what lycosa seed, or anybody's LPUSH to CRAWL:start_urls, brings.

Start as many as you like, on any machine, and stop them when you like: what one
held goes to the others. Several spiders may share a process; --concurrency counts
for each of them.

The first SIGINT or SIGTERM finishes the pages under way (--grace), the second ends
at once; then they are fetched again by others when their leases have run out.`,
		Example: `  lycosa worker books.yaml --redis redis://localhost:6379/0 -o mongodb://localhost/books
  lycosa worker books news --redis rediss://:secret@redis.example.com
  LYCOSA_REDIS=redis://localhost lycosa worker books.yaml --until-done
  LYCOSA_WEBSUB_KEY=$(cat key) lycosa worker news.yaml --redis redis://localhost --websub https://crawl.example/hubs`,
		Args: argRange(1, -1, "SPIDER, the name of a spider or the path of a YAML file,"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			if err := hubs.settle(cmd.Flags(), p.getenv); err != nil {
				return err
			}
			return p.worker(cmd.Context(), &o, &hubs, args, untilDone)
		},
	}
	o.crawlFlags(cmd.Flags())
	cmd.Flags().BoolVar(&untilDone, "until-done", false, "wait for work, and end with the crawl")
	hubs.flags(cmd.Flags())
	o.learnFlag(cmd.Flags())
	o.graceFlag(cmd.Flags())
	return cmd
}

func (p *program) worker(ctx context.Context, o *options, hubs *hubOptions, names []string, untilDone bool) error {
	if err := o.needRedis("worker"); err != nil {
		return err
	}
	jobs, err := p.jobs(o, names)
	if err != nil {
		return err
	}
	if _, err := parseOutputs(o.out); err != nil {
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
	sessions := make([]*session, len(jobs))
	for i, job := range jobs {
		sessions[i] = &session{onPage: onPage, job: job, place: place, untilDone: untilDone, rejoin: !untilDone, grace: o.grace, log: log}
	}
	if err := hubs.subscribe(sessions); err != nil {
		return err
	}
	after := context.WithoutCancel(ctx)
	server, err := hubs.serve(ctx, log, sessions)
	if err != nil {
		return err
	}
	defer server.close(after)
	if err := p.open(ctx, o, log, sessions); err != nil {
		return errors.Join(err, closeAll(after, sessions))
	}
	return p.work(ctx, o, log, pollEvery, sessions...)
}

// jobs finds the spiders, whose crawls must differ.
func (p *program) jobs(o *options, names []string) ([]job, error) {
	if o.crawl != "" && len(names) > 1 {
		return nil, usagef("--crawl %s names one crawl, but there are %d spiders", o.crawl, len(names))
	}
	var jobs []job
	for _, name := range names {
		next, err := p.job(o, name, nil)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(jobs, func(j job) bool { return j.crawl == next.crawl }) {
			return nil, usagef("two of the spiders are called %s", next.crawl)
		}
		jobs = append(jobs, next)
	}
	return jobs, nil
}

// open opens the pipelines and frontiers of the sessions. With --out they share one pipeline.
func (p *program) open(ctx context.Context, o *options, log *slog.Logger, sessions []*session) (err error) {
	for i, s := range sessions {
		if s.outs, err = o.outputs(s.crawl); err != nil {
			return err
		}
		if i > 0 && len(o.out) > 0 {
			s.pipeline = sessions[0].pipeline
		} else if s.pipeline, err = s.outs.open(ctx, p.out, s.spider.Revisit, log); err != nil {
			return err
		}
		if s.pipeline, err = s.tracked(s.place, s.pipeline, log); err != nil {
			return err
		}
	}
	for _, s := range sessions {
		if s.frontier, err = s.place.open(ctx, s.crawl, s.spider); err != nil {
			return err
		}
	}
	return nil
}
