package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// status is what status shows of a crawl. Its JSON is a contract with scripts.
type status struct {
	Crawl string `json:"crawl"`
	Place string `json:"place"`
	State string `json:"state"` // empty, running, paused or done
	Pages int64  `json:"pages"` // that a handler has read
	scheduler.Stats
	Active       int64                  `json:"active"` // what keeps the crawl from being done
	DeadLinks    int64                  `json:"dead_links"`
	ParkedLabels map[string]int64       `json:"parked_labels"`
	SeedsWaiting int64                  `json:"seeds_waiting"`
	Workers      []scheduler.WorkerInfo `json:"workers"`
	Filter       *scheduler.FilterInfo  `json:"filter,omitempty"`   // of crawls on a Redis
	Revisits     *crawler.Outlook       `json:"revisits,omitempty"` // of crawls that come again
	// Compared says what came of looking for duplicates among pages, in crawls that do; see Stats.Duplicates for links.
	Compared    *scheduler.DuplicateStats `json:"page_duplicates,omitempty"`
	Fingerprint string                    `json:"fingerprint,omitempty"` // what they recognise requests by
}

func (p *program) statusCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "status CRAWL [flags]",
		Short: "Show how a crawl stands",
		Long: `Show how a crawl stands: what is queued and under way, what became of its pages,
who is at work on it. --json writes one object for scripts, with the state "empty",
"running", "paused" or "done".`,
		Example: `  lycosa status books
  lycosa status books --redis redis://localhost:6379/0
  lycosa status books --json | jq .queued
  until lycosa status books --json | jq -e '.state == "done"' >/dev/null; do sleep 5; done`,
		Args: argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withCrawl(cmd, &o, args, func(ctx context.Context, place *place, name string, f scheduler.Frontier) error {
				s, err := statusOf(ctx, place, name, f)
				if err != nil {
					return err
				}
				if o.json {
					return json.NewEncoder(p.out).Encode(s)
				}
				return p.printStatus(s)
			})
		},
	}
	o.lookFlags(cmd, true)
	return cmd
}

// lookFlags are those of verbs about a crawl that exists.
func (o *options) lookFlags(cmd *cobra.Command, hasJSON bool) {
	o.placeFlags(cmd.Flags())
	cmd.Flags().StringVar(&o.crawl, "crawl", "", "name of the crawl, in place of CRAWL")
	o.logFlags(cmd.Flags())
	if hasJSON {
		cmd.Flags().BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	}
}

// withCrawl opens the crawl that a verb is about, and closes it afterwards.
func (p *program) withCrawl(cmd *cobra.Command, o *options, args []string, do func(context.Context, *place, string, scheduler.Frontier) error) error {
	ctx := cmd.Context()
	if err := o.settle(cmd, p.getenv); err != nil {
		return err
	}
	name, err := o.crawlArg(args)
	if err != nil {
		return err
	}
	place, err := o.place(ctx, p.logger(o))
	if err != nil {
		return err
	}
	defer place.close()
	f, err := place.attach(ctx, name)
	if err != nil {
		return err
	}
	err = do(ctx, place, name, f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func statusOf(ctx context.Context, place *place, name string, f scheduler.Frontier) (*status, error) {
	stats, err := f.Stats(ctx)
	if err != nil {
		return nil, err
	}
	s := &status{
		Crawl: name, Place: place.name, Stats: stats, Pages: handled(stats.Outcomes), Active: stats.Active(), DeadLinks: stats.Gone,
		ParkedLabels: map[string]int64{}, Workers: []scheduler.WorkerInfo{},
	}
	if s.Outcomes == nil {
		s.Outcomes = map[string]int64{}
	}
	if parker, ok := f.(scheduler.Parker); ok {
		if parked, err := parker.Parked(ctx); err != nil {
			return nil, err
		} else if parked != nil {
			s.ParkedLabels = parked
		}
	}
	if source, ok := f.(scheduler.SeedSource); ok {
		if s.SeedsWaiting, err = source.SeedsLeft(ctx); err != nil {
			return nil, err
		}
	}
	if rememberer, ok := f.(scheduler.Rememberer); ok {
		info, err := rememberer.FilterInfo(ctx)
		if err != nil {
			return nil, err
		}
		s.Filter = &info
	}
	if s.Revisits, err = crawler.LookOut(ctx, f); err != nil {
		return nil, err
	}
	if s.Compared, err = compared(ctx, f); err != nil {
		return nil, err
	}
	s.Fingerprint = schemeOf(f)
	workers, err := place.workers(ctx, f)
	if err != nil {
		return nil, err
	}
	s.Workers = append(s.Workers, workers...)
	switch {
	case stats.Paused:
		s.State = "paused"
	case stats.Active() > 0 || s.SeedsWaiting > 0:
		s.State = "running"
	case stats.Seen == 0:
		s.State = "empty"
	default:
		s.State = "done"
	}
	return s, nil
}

// worstPaths is how many parts of a site with duplicates are shown.
const worstPaths = 5

// compared returns what came of looking for duplicates; nil if nobody did.
func compared(ctx context.Context, f scheduler.Frontier) (*scheduler.DuplicateStats, error) {
	d, ok := f.(scheduler.Duplicates)
	if !ok {
		return nil, nil //nolint:nilnil // a frontier that cannot tell
	}
	stats, err := d.DuplicateStats(ctx, worstPaths)
	if err != nil || stats.Pages == 0 {
		return nil, err
	}
	return &stats, nil
}

// printCompared shows duplicates among pages, and where most are.
func printCompared(line func(label, format string, args ...any), d *scheduler.DuplicateStats, paths int) {
	line("same pages", "%s show the same as an earlier one, %s nearly, of %s compared", thousands(d.Exact), thousands(d.Near), thousands(d.Pages))
	for _, c := range d.Paths[:min(len(d.Paths), paths)] {
		line("", "%s: %s of %s", oneLine(c.Path), thousands(c.Duplicates()), plural(c.Pages, "page", "pages"))
	}
}

func (p *program) printStatus(s *status) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s on %s: %s\n", s.Crawl, s.Place, s.stateWords())
	done, n := "%s done of %s known, on %s with work", s.Done
	if s.Revisits != nil {
		done, n = "%s visits of %s known, on %s with work", crawler.Fetched(s.Stats)
	}
	line("pages", done, thousands(n), thousands(s.Seen), plural(s.Hosts, "host", "hosts"))
	line("queue", "%s queued, %s under way, %s waiting for another try", thousands(s.Queued), thousands(s.Leased), thousands(s.Delayed))
	line("items", "%s", thousands(s.Items))
	line("failed", "%s given up, %s dead links, %s retries, %s expired leases", thousands(s.Dead), thousands(s.Gone), thousands(s.Retries), thousands(s.Expired))
	if i := s.Filter; i != nil {
		costs := "of new URLs are taken for seen"
		if i.Exact {
			costs = "of new URLs are asked for in the other store"
		}
		line("seen", "%s in %s, %s bytes, %.0f %% full, %.2g %% %s", thousands(i.Count), oneLine(i.Filter), thousands(i.Bytes), 100*i.Fill, 100*i.Rate, costs)
		if i.Asked > 0 {
			line("error rate", "%.2g %% measured, %.2g %% asked for", 100*i.Measured, 100*i.Asked)
		}
	}
	if s.Fingerprint != "" && s.Fingerprint != dedup.SchemeLycosa.String() {
		line("recognised", "by the fingerprints of %s", oneLine(s.Fingerprint))
	}
	if s.Revisits != nil {
		printOutlook(line, s.Revisits)
	} else if s.Scheduled > 0 {
		line("scheduled", "%s for a later visit", plural(s.Scheduled, "page", "pages"))
	}
	if s.Compared != nil {
		printCompared(line, s.Compared, worstPaths)
	}
	if s.SeedsWaiting > 0 {
		line("seeds", "%s waiting for a worker to take them in", thousands(s.SeedsWaiting))
	}
	for _, c := range byNumber(s.ParkedLabels) {
		line("parked", "%s for route %s, which no worker's build knows", plural(c.n, "page", "pages"), oneLine(c.what))
	}
	var outcomes []string
	for _, c := range byNumber(s.Outcomes) {
		outcomes = append(outcomes, oneLine(c.what)+" "+thousands(c.n))
	}
	if len(outcomes) > 0 {
		line("outcomes", "%s", strings.Join(outcomes, ", "))
	}
	for _, w := range s.Workers {
		line("worker", "%s: %d of %d slots busy, %s so far, heard of %v ago", oneLine(w.ID), w.Running, w.Slots,
			plural(w.Pages, "page", "pages"), max(0, time.Since(w.Heartbeat)).Round(time.Second))
	}
	_, err := p.out.Write([]byte(b.String()))
	return err
}

// stateWords is the state for people: what comes again is done for a while.
func (s *status) stateWords() string {
	if s.State == "done" && s.Revisits != nil && !s.Revisits.Next.IsZero() {
		return "done until the next visit, " + s.Revisits.Next.Local().Format(time.DateTime)
	}
	return s.State
}

func printOutlook(line func(label, format string, args ...any), o *crawler.Outlook) {
	sample := ""
	if o.Sample > 0 {
		sample = fmt.Sprintf(" (from the first %s)", thousands(o.Sample))
	}
	line("revisits", "%s known, %s due, %s of them overdue%s", plural(o.Pages, "page", "pages"), thousands(o.Due), thousands(o.Overdue), sample)
	if o.Deferred > 0 {
		line("", "%s never fetched, waiting for the budget", plural(o.Deferred, "page", "pages"))
	}
	if o.Unlinked > 0 {
		line("", "%s that no page links to any more", plural(o.Unlinked, "page", "pages"))
	}
	line("freshness", "%.1f %% by weight is expected to be up to date now", 100*o.Fresh)
	if o.Budget > 0 {
		line("budget", "%s fetches a day, %s planned; in the long run it keeps %.1f %% up to date, twice as much %.1f %%; multiplier %.3g",
			thousands(int64(o.Budget)), thousands(int64(o.Planned+0.5)), 100*o.Reach, 100*o.Twice, o.Theta)
	} else {
		line("budget", "no limit, %s fetches a day planned; in the long run that keeps %.1f %% up to date", thousands(int64(o.Planned+0.5)), 100*o.Reach)
	}
	if o.AtCaps > 0 {
		line("at cap", "%s: %s", plural(int64(o.AtCaps), "host", "hosts"), oneLine(strings.Join(o.AtCap, ", ")))
	}
	if o.Unreachable != "" {
		line("warning", "%s", o.Unreachable)
	}
}
