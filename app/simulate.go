package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// outlook is what simulate shows. Its JSON is a contract with scripts.
type outlook struct {
	History string    `json:"history"`
	Pages   int       `json:"pages"`
	Changes int       `json:"changes"`
	Days    float64   `json:"days"`    // that the history covers
	Scored  float64   `json:"scored"`  // days at its end over which freshness and age are taken
	Assumed []string  `json:"assumed"` // for people
	Budgets []outcome `json:"budgets"`
}

// outcome is what comes of one budget.
type outcome struct {
	Budget float64 `json:"budget"` // fetches a day
	reached
	InTurn reached `json:"in_turn"` // all pages in turn
	Twice  reached `json:"twice"`   // twice the budget
}

type reached struct {
	Visits    int     `json:"visits"` // over all days, but for the first of each page
	Freshness float64 `json:"freshness"`
	AgeDays   float64 `json:"age_days"`
}

// simulateOptions are the flags of simulate.
type simulateOptions struct {
	history, weights string
	budgets          []string
	fields           map[string]*string // of the policy, but for its budget
	json             bool
}

func (p *program) simulateCommand() *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate --history FILE --budget RATE [flags]",
		Short: "Tell what a budget of visits would reach, before it is spent",
		Long: `Tell what a budget would reach for pages whose changes are known: their history is
replayed, and the pages are visited as a crawl with revisit: {budget: RATE} would visit
them, and, beside that, all in turn at the same budget. Nothing is fetched.

FILE is what lycosa changes CRAWL --json wrote, or text: a line "# days=N", and then a
line a page, its name, a tab and the days of its changes, with commas between. - is
standard input.

fresh is the share of weight and time for which a page is as it was at its last visit;
age is how long ago, on average, the first change happened that was not seen yet, 0
for a page without one. Both are over the last third of the history: what comes
before is for the crawl to learn in.`,
		Example: `  lycosa changes books --json > books.jsonl
  lycosa simulate --history books.jsonl --budget 1000/d --budget 5000/d
  lycosa simulate --history books.jsonl --budget 200/h --min 1h --max 60d --objective staleness
  lycosa simulate --history pages.tsv --budget 500/d --every 7d
  lycosa simulate --history pages.tsv --budget 500/d --weights weights.tsv --json | jq '.budgets[].freshness'`,
		Args: argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.read(p.in)
			if err != nil {
				return err
			}
			if visits := s.visits(); visits > manyVisits {
				fmt.Fprintf(p.screen, "simulating some %s visits\n", thousands(int64(visits)))
			}
			out, err := s.run(cmd.Context())
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(p.out).Encode(out)
			}
			return out.print(p.out)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *simulateOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.history, "history", "", "when the pages changed: a FILE of either format, or -")
	f.StringArrayVar(&o.budgets, "budget", nil, "fetches, of a s, m, h or d, like 10000/d; repeatable")
	o.fields = make(map[string]*string)
	for _, field := range []struct{ name, help string }{
		{"min", "shortest time between two visits of a page (default 1m)"},
		{"max", "longest (default 90d, or six rounds of the budget)"},
		{"objective", "freshness (default) or staleness"},
		{"every", "visit each page at this interval instead, as far as the budget goes"},
		{"cron", "visit all pages by this clock instead, as far as the budget goes: five fields, or a word such as @daily"},
	} {
		o.fields[field.name] = f.String(field.name, "", field.help)
	}
	f.StringVar(&o.weights, "weights", "", "FILE of what pages are worth: a line a page, its name or URL, a tab, and low, normal, high or a number (default: all the same)")
	f.BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
}

// simulation is what the flags of simulate ask for.
type simulation struct {
	name     string
	history  *simulate.History
	replay   *simulate.Replay
	weighted bool
	others   int              // pages that have a weight, and no history
	policies []revisit.Policy // one a budget, and one at least
}

// read reads flags and files.
func (o *simulateOptions) read(stdin io.Reader) (*simulation, error) {
	policies, err := o.policies()
	if err != nil {
		return nil, err
	}
	if o.history == "" {
		return nil, usagef("--history is missing")
	}
	s := &simulation{policies: policies, weighted: o.weights != ""}
	err = withInput("--history", o.history, stdin, func(in io.Reader, name string) (err error) {
		s.name = name
		s.history, err = simulate.Read(in, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range policies {
		if err := s.fits(p); err != nil {
			return nil, usagef("--budget %s: %w", p.Budget, err)
		}
	}
	var weights []float64
	if s.weighted {
		if o.weights == "-" && o.history == "-" {
			return nil, usagef("--history and --weights cannot both be standard input")
		}
		err := withInput("--weights", o.weights, stdin, func(in io.Reader, name string) (err error) {
			weights, s.others, err = simulate.ReadWeights(in, name, s.history)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	s.replay = simulate.NewReplay(s.history, weights)
	return s, nil
}

// policies returns a policy for each budget.
func (o *simulateOptions) policies() ([]revisit.Policy, error) {
	if len(o.budgets) == 0 {
		return nil, usagef("--budget is missing")
	}
	var policies []revisit.Policy
	for _, budget := range o.budgets {
		fields := map[string]string{"budget": budget}
		for name, value := range o.fields {
			if *value != "" {
				fields[name] = *value
			}
		}
		p, err := revisit.Parse(fields)
		switch {
		case err != nil:
			return nil, usagef("--%w", err) // which begins with the field's name
		case p.Budget == 0:
			return nil, usagef("--budget %s: want a rate such as 10000/d", budget)
		}
		policies = append(policies, p)
	}
	return policies, nil
}

const standardInput = "standard input"

// withInput calls read with a file, or with standard input for -. What is wrong with it is wrong usage.
func withInput(flag, name string, stdin io.Reader, read func(in io.Reader, name string) error) error {
	if name == "-" {
		return usage(read(stdin, standardInput))
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%s: no such file: %s", flag, name)
	}
	if err != nil {
		return usagef("%s: %w", flag, err)
	}
	defer f.Close()
	return usage(read(f, name))
}

// Visits take about a microsecond each.
const (
	maxSimulated = 1e9 // visits of one run
	manyVisits   = 1e7 // so many in all that a person wonders what takes so long
)

// fits refuses policies that cannot work for the history's pages, and budgets that nobody would wait for.
func (s *simulation) fits(p revisit.Policy) error {
	if err := p.Fits(int64(len(s.history.Pages))); err != nil {
		return err
	}
	if visits := 2 * float64(p.Budget) * s.history.Days; visits > maxSimulated {
		return fmt.Errorf("twice that would be %.3g visits in the %.4g days of the history, and no more than %g are simulated", visits, s.history.Days, float64(maxSimulated))
	}
	return nil
}

// visits returns about how many there will be, in all runs.
func (s *simulation) visits() (n float64) {
	for _, p := range s.policies {
		n += (1 + 2 + 1) * float64(p.Budget) * s.history.Days
	}
	return n
}

func (s *simulation) run(ctx context.Context) (*outlook, error) {
	out := &outlook{
		History: s.name, Pages: len(s.history.Pages), Changes: s.history.Changes(), Days: s.history.Days, Scored: s.history.Days / 3,
		Assumed: s.assumed(), Budgets: make([]outcome, len(s.policies)),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	start := func(to *reached, run func() (simulate.Score, error)) {
		group.Go(func() error {
			score, err := run()
			*to = reached{score.Visits, score.Freshness, score.Age}
			return err
		})
	}
	for i, p := range s.policies {
		o := &out.Budgets[i]
		o.Budget = float64(p.Budget)
		twice := p
		twice.Budget *= 2
		start(&o.reached, func() (simulate.Score, error) { return s.replay.Policy(ctx, p) })
		start(&o.Twice, func() (simulate.Score, error) { return s.replay.Policy(ctx, twice) })
		start(&o.InTurn, func() (simulate.Score, error) { return s.replay.InTurn(ctx, p.Budget) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// assumed says what is taken for true and may not be.
func (s *simulation) assumed() []string {
	lines := []string{"every page is fetched once before the first day, and all of the budget is for visits after that"}
	switch {
	case !s.weighted:
		lines = append(lines, "every page is worth the same")
	case s.others > 0:
		lines = append(lines, plural(int64(s.others), "page with a weight has no history and counts for nothing", "pages with a weight have no history and count for nothing"))
	}
	if h := s.history; h.Feed {
		lines = append(lines, "a page changed when the crawl saw that it had, was gone or was back: changes are seen no earlier than that, and several between two visits are one")
		lines = append(lines, "the history is from the first entry to the last; nothing is known of the time after")
		if h.Late > 0 {
			lines = append(lines, fmt.Sprintf("%s after the first tenth of the history: taken for there, and unchanged, before", plural(int64(h.Late), "page was found", "pages were found")))
		}
	}
	if s.policies[0].Cron != nil && s.history.Start.IsZero() {
		lines = append(lines, "the history begins at midnight UTC, on the first of January")
	}
	for _, p := range s.policies {
		if round := float64(len(s.history.Pages)) / float64(p.Budget); 3*round > s.history.Days {
			lines = append(lines, fmt.Sprintf("a budget of %s goes round in %.3g days: the history is too short for it to learn much", p.Budget, round))
		}
	}
	return lines
}

func (o *outlook) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s in %s days; fresh and age are of the last %s days\n\n", oneLine(o.History),
		plural(int64(o.Pages), "page", "pages"), plural(int64(o.Changes), "change", "changes"), short(o.Days), short(o.Scored))
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "budget\tvisits\tfresh\tage\tall in turn\ttwice the budget\t")
	for _, r := range o.Budgets {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s d\t%s\t%s\t\n", revisit.Budget(r.Budget), thousands(int64(r.Visits)),
			percent(r.Freshness), short(r.AgeDays), percent(r.InTurn.Freshness), percent(r.Twice.Freshness))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&b, "\nassumed:")
	for _, line := range o.Assumed {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	_, err := out.Write([]byte(b.String()))
	return err
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

// short is a number of days in three digits or so.
func short(days float64) string {
	if days >= 100 {
		return fmt.Sprintf("%.0f", days)
	}
	return fmt.Sprintf("%.2g", days)
}
