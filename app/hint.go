package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// hintReport is what hint tells. Its JSON is a contract with scripts.
type hintReport struct {
	Crawl         string `json:"crawl"`
	Taken         int    `json:"brought_forward"`
	AlreadyHinted int    `json:"already_hinted"`
	VisitedSince  int    `json:"visited_since"`
	Ignored       int    `json:"ignored"`
	NotWaiting    int    `json:"not_waiting"`
	Unknown       int    `json:"unknown"`
	// URLs are those of the command line.
	URLs []hintedURL `json:"urls,omitempty"`
}

type hintedURL struct {
	URL     string              `json:"url"`
	Outcome crawler.HintOutcome `json:"outcome"`
}

// hintWords are the outcomes for people, in the order of the sum.
var hintWords = []struct {
	outcome crawler.HintOutcome
	words   string
	count   func(*hintReport) *int
}{
	{crawler.HintTaken, "brought forward", func(r *hintReport) *int { return &r.Taken }},
	{crawler.HintAgain, "already hinted", func(r *hintReport) *int { return &r.AlreadyHinted }},
	{crawler.HintVisitedSince, "visited since", func(r *hintReport) *int { return &r.VisitedSince }},
	{crawler.HintIgnored, "left as it is", func(r *hintReport) *int { return &r.Ignored }},
	{crawler.HintNotWaiting, "not waiting", func(r *hintReport) *int { return &r.NotWaiting }},
	{crawler.HintUnknown, "not known", func(r *hintReport) *int { return &r.Unknown }},
}

func (p *program) hintCommand() *cobra.Command {
	var o options
	var spider, at string
	cmd := &cobra.Command{
		Use:   "hint CRAWL URL...|- [flags]",
		Short: "Tell a crawl that pages may have changed",
		Long: `Tell a crawl that comes again to its pages that some of them may have changed, as the
site itself would: from its publishing system, a webhook, a WebSub hub. With - the URLs
are read from standard input, one a line; blank lines and lines that begin with # are
passed over.

A page that waits for its next visit is visited sooner: at once where the hints to its
host were mostly right so far, and somewhat sooner where they were not. What became of
each URL is one of

  brought forward   it is visited sooner
  already hinted    since its last visit; nothing changes
  visited since     the last visit was after --at
  left as it is     it is missing or refused: its answers alone say when to come again; or
                    it was never fetched, and waits for the budget
  not waiting       it is queued or under way anyway, or does not come again
  not known         the crawl has not seen it; lycosa seed queues it

A malformed URL on the command line has nothing told; at a malformed line hint stops, names
it, and the lines before it are told. To repeat a hint does no harm.

The spider is the one compiled in under the crawl's name, or that of --spider; its
rules decide which spellings of a URL are one.`,
		Example: `  lycosa hint books https://books.toscrape.com/catalogue/page-2.html --spider books.yaml
  lycosa hint books https://books.toscrape.com/ --at 2026-01-02T15:04:05Z --redis redis://localhost:6379/0
  zcat changed.txt.gz | lycosa hint books - --spider books.yaml --json | jq .brought_forward`,
		Args: argRange(2, -1, "CRAWL URL... (or -)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			modified, err := hintTime(at, time.Now())
			if err != nil {
				return err
			}
			s, err := p.spiderOf(args[0], spider)
			if err != nil {
				return err
			}
			return p.withCrawl(cmd, &o, args[:1], func(ctx context.Context, _ *place, name string, f scheduler.Frontier) error {
				return p.hint(ctx, &o, &hinter{frontier: f, spider: s, at: modified, report: hintReport{Crawl: name}}, args[1:])
			})
		},
	}
	o.placeFlags(cmd.Flags())
	cmd.Flags().StringVar(&at, "at", "", "when the pages changed: a time like 2026-01-02T15:04:05Z, or how long ago, like 10m (default: not told)")
	cmd.Flags().StringVar(&spider, "spider", "", "SPIDER, a name or the path of a YAML file (default: the one compiled in under the crawl's name)")
	o.logFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	return cmd
}

// hintTime reads --at.
func hintTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		at, err = time.ParseInLocation(time.DateOnly, text, time.Local)
	}
	if back, no := parseDuration(text); no == nil && back >= 0 {
		at, err = now.Add(-back), nil
	}
	switch {
	case err != nil:
		return at, usagef("--at %q: want a time like 2026-01-02T15:04:05Z, or a duration like 10m or 2d", text)
	case at.After(now.Add(time.Minute)):
		return at, usagef("--at %q: is still to come", text)
	}
	return at, nil
}

// hinter tells a crawl of URLs and counts what became of them.
type hinter struct {
	frontier scheduler.Frontier
	spider   *crawler.Spider // nil: none is known
	canon    *dedup.Canonicalizer
	at       time.Time
	report   hintReport
	told     []crawler.HintOutcome // of the last call
}

func (p *program) hint(ctx context.Context, o *options, h *hinter, urls []string) error {
	rules, err := h.rules()
	if err != nil {
		return err
	}
	if h.canon, err = rules.Compile(); err != nil {
		return usage(err)
	}
	fromInput := len(urls) == 1 && urls[0] == "-"
	if fromInput {
		err = eachBatch(p.in, h.canon, func(batch []string) error { return h.tell(ctx, batch) })
	} else {
		err = h.tellAll(ctx, urls)
	}
	return errors.Join(err, p.printHints(o, h, err))
}

// rules are the spider's. Without one they are the default, with the fingerprints of the crawl.
func (h *hinter) rules() (dedup.Rules, error) {
	if h.spider != nil {
		return h.spider.Canonical, nil
	}
	scheme, err := dedup.ParseScheme(cmp.Or(schemeOf(h.frontier), dedup.SchemeLycosa.String()))
	return dedup.Rules{Scheme: scheme}, err
}

// tellAll tells of URLs that were typed, of all or of none.
func (h *hinter) tellAll(ctx context.Context, urls []string) error {
	for _, u := range urls {
		if _, err := h.canon.Parse(u); err != nil {
			return usage(err)
		}
	}
	if err := h.tell(ctx, urls); err != nil {
		return err
	}
	for i, u := range urls {
		h.report.URLs = append(h.report.URLs, hintedURL{u, h.told[i]})
	}
	return nil
}

func (h *hinter) tell(ctx context.Context, urls []string) (err error) {
	hints := make([]crawler.PageHint, len(urls))
	for i, u := range urls {
		hints[i] = crawler.PageHint{URL: u, Modified: h.at}
	}
	if h.told, err = crawler.Hint(ctx, h.canon, h.frontier, hints...); err != nil {
		return err
	}
	for _, outcome := range h.told {
		for _, w := range hintWords {
			if w.outcome == outcome {
				*w.count(&h.report)++
			}
		}
	}
	return nil
}

// printHints tells what became of the URLs, also if it went wrong half-way.
func (p *program) printHints(o *options, h *hinter, err error) error {
	var parts []string
	for i, w := range hintWords {
		if n := *w.count(&h.report); n > 0 || i == 0 && err == nil {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(int64(n)), w.words))
		}
	}
	switch {
	case len(parts) == 0:
		return nil // nothing was told before it went wrong
	case o.json:
		return json.NewEncoder(p.out).Encode(h.report)
	}
	if len(h.report.URLs) > 0 {
		for _, u := range h.report.URLs {
			for _, w := range hintWords {
				if w.outcome == u.Outcome {
					if _, err := fmt.Fprintf(p.out, "%-16s %s\n", w.words, oneLine(u.URL)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	_, err = fmt.Fprintln(p.out, strings.Join(parts, ", "))
	return err
}
