package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

const (
	seedBatch   = 1000
	seedLongest = 64 << 10 // bytes of a line
)

func (p *program) seedCommand() *cobra.Command {
	var o options
	var again bool
	cmd := &cobra.Command{
		Use:   "seed SPIDER [URL...|-] [flags]",
		Short: "Queue URLs for workers, or for the next crawl",
		Long: `Queue URLs for workers, or for the next crawl: the spider's own start URLs, or
those given. With - they are read from standard input, one a line; blank lines and
lines that begin with # are passed over.

What was seen before is not queued again, unless --again asks for it. URLs on the command line are queued
together or not at all. Lines are queued as they come: at a malformed one seed
stops, names it, and says how many it has queued; all lines before it are queued and
none after, and repeating them does no harm.`,
		Example: `  lycosa seed books.yaml --redis redis://localhost:6379/0
  lycosa seed books.yaml https://books.toscrape.com/ --redis redis://localhost:6379/0
  zcat urls.txt.gz | lycosa seed books.yaml - --redis redis://localhost:6379/0
  redis-cli LPUSH books:start_urls https://books.toscrape.com/        # works, too`,
		Args: argRange(1, -1, "SPIDER, the name of a spider or the path of a YAML file,"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			return p.seed(cmd.Context(), &o, again, args[0], args[1:])
		},
	}
	o.crawlFlags(cmd.Flags())
	cmd.Flags().BoolVar(&again, "again", false, "fetch the URLs once more also if they were seen")
	return cmd
}

func (p *program) seed(ctx context.Context, o *options, again bool, name string, urls []string) error {
	fromInput := len(urls) == 1 && urls[0] == "-"
	if fromInput {
		urls = nil
	}
	job, err := p.job(o, name, urls)
	if err != nil {
		return err
	}
	if !fromInput && len(urls) == 0 && ownSeeds(job.spider) == 0 {
		return usagef("spider %s has no start URL: give some after its name, or - to read them from standard input", job.spider.Name)
	}
	place, err := o.place(ctx, p.logger(o))
	if err != nil {
		return err
	}
	defer place.close()
	f, err := place.open(ctx, job.crawl, job.spider)
	if err != nil {
		return err
	}
	s := &seeder{spider: job.spider, frontier: f, seed: crawler.Seed}
	if again {
		s.seed = crawler.SeedAgain
	}
	if fromInput {
		err = s.read(ctx, p.in)
	} else {
		err = s.queue(ctx, urls)
	}
	err = errors.Join(err, f.Close())
	return p.seeded(o, job.crawl, s, err)
}

// seeded tells what came of it, also if it went wrong half-way.
func (p *program) seeded(o *options, crawl string, s *seeder, err error) error {
	if err != nil && s.queued+s.known > 0 {
		err = fmt.Errorf("%w; before that, queued %d, already known %d", err, s.queued, s.known)
	}
	if !o.json {
		if err == nil {
			fmt.Fprintf(p.out, "queued %d, already known %d\n", s.queued, s.known)
		}
		return err
	}
	code := exitDone
	if err != nil {
		code = codeOf(context.Background(), err)
	}
	last, jsonErr := json.Marshal(struct {
		Crawl  string `json:"crawl"`
		Spider string `json:"spider"`
		Exit   int    `json:"exit"`
		Queued int    `json:"queued"`
		Known  int    `json:"known"`
	}{crawl, s.spider.Name, code, s.queued, s.known})
	switch {
	case jsonErr != nil:
		return jsonErr
	case err != nil:
		return &exitError{code: code, err: err, last: string(last)}
	}
	fmt.Fprintf(p.screen, "%s\n", last)
	return nil
}

// seeder queues URLs and counts.
type seeder struct {
	spider        crawler.Spider
	frontier      scheduler.Frontier
	seed          func(ctx context.Context, s crawler.Spider, f scheduler.Frontier, urls ...string) (int, error)
	queued, known int
}

// queue queues the URLs, or the spider's own if there are none.
func (s *seeder) queue(ctx context.Context, urls []string) error {
	all := len(urls)
	if all == 0 {
		all = ownSeeds(s.spider)
	}
	added, err := s.seed(ctx, s.spider, s.frontier, urls...)
	s.queued += added
	if err == nil {
		s.known += all - added
	}
	return err
}

// read queues the lines as they come, up to the first malformed one.
func (s *seeder) read(ctx context.Context, in io.Reader) error {
	canon, err := s.spider.Canonical.Compile()
	if err != nil {
		return usage(err)
	}
	return eachBatch(in, canon, func(batch []string) error { return s.queue(ctx, batch) })
}

// eachBatch does something with the URLs of the lines as they come, up to the first malformed one, which is the error then.
func eachBatch(in io.Reader, canon *dedup.Canonicalizer, do func(urls []string) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, seedLongest)
	var batch []string
	var wrong error
	n := 0
	for wrong == nil && lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if wrong = checkLine(canon, n, line); wrong == nil {
			batch = append(batch, line)
		}
		if len(batch) == seedBatch {
			if err := do(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := lines.Err(); wrong == nil && err != nil {
		wrong = usagef("line %d of standard input: %w", n+1, err)
	}
	if len(batch) > 0 {
		if err := do(batch); err != nil {
			return err
		}
	}
	return wrong
}

func checkLine(canon *dedup.Canonicalizer, n int, line string) error {
	if _, err := canon.Parse(line); err != nil {
		return usagef("line %d of standard input: %w", n, err)
	}
	return nil
}
