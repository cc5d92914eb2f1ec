package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lycosa-crawl/lycosa/bench/internal/redisd"
	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func main() {
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 5, "rounds; each measures everybody once, and medians of the rounds are shown")
	flag.IntVar(&b.urls, "urls", 19200, "URLs of a round")
	flag.IntVar(&b.batch, "batch", 64, "URLs of a call")
	flag.IntVar(&b.partitions, "partitions", 0, "partitions of the crawl (default: that of a new crawl)")
	flag.IntVar(&b.hosts, "hosts", 1_000_000, "hosts with one URL each, for the memory that they take")
	flag.IntVar(&b.recover, "recover", 1_000_000, "URLs that the embedded frontier recovers")
	flag.StringVar(&b.asynq, "asynq", "bench/peers/asynq", "folder of the asynq peer, a module of its own; empty: without it")
	parts := flag.String("parts", "push,cycle,page,memory,revisit,embedded", "what is measured; one more is aof")
	asJSON := flag.Bool("json", false, "print the figures as JSON")
	flag.Parse()
	for _, c := range []struct {
		name  string
		wrong bool
		want  string
	}{
		{"rounds", b.rounds < 1, "at least 1"},
		{"batch", b.batch < 1 || b.batch > 500, "1 to 500"},
		{"urls", b.urls < b.batch, "at least a batch"},
		{"hosts", b.hosts < 1, "at least 1"},
		{"recover", b.recover < 100, "at least 100"},
	} {
		if c.wrong {
			fmt.Fprintf(os.Stderr, "bench: -%s: want %s\n", c.name, c.want)
			os.Exit(2) //nolint:forbidigo // this is a command
		}
	}
	b.urls -= b.urls % b.batch
	list := strings.Split(*parts, ",")
	for _, part := range list {
		if b.parts()[part] == nil {
			fmt.Fprintf(os.Stderr, "bench: -parts: no part is called %q: want some of push, cycle, page, memory, revisit, embedded, aof\n", part)
			os.Exit(2) //nolint:forbidigo // this is a command
		}
	}
	if err := b.run(context.Background(), list); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is a command
	}
	report := b.table
	if *asJSON {
		report = b.json
	}
	if err := report(os.Stdout); err != nil {
		os.Exit(1) //nolint:forbidigo // this is a command
	}
}

type bench struct {
	rounds, urls, batch, partitions int
	hosts, recover                  int
	asynq                           string

	dir     string // of this run
	figures []figure
}

// figure is one line of the report.
type figure struct {
	Part  string  `json:"part"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Least or Most is the target, if there is one.
	Least *float64 `json:"least,omitempty"`
	Most  *float64 `json:"most,omitempty"`
	Met   *bool    `json:"met,omitempty"`
}

// add notes a figure without a target.
func (b *bench) add(part, name, unit string, value float64) {
	b.figures = append(b.figures, figure{Part: part, Name: name, Value: value, Unit: unit})
}

func (b *bench) least(part, name, unit string, value, target float64) {
	met := value >= target
	b.figures = append(b.figures, figure{Part: part, Name: name, Value: value, Unit: unit, Least: &target, Met: &met})
}

func (b *bench) most(part, name, unit string, value, target float64) {
	met := value <= target
	b.figures = append(b.figures, figure{Part: part, Name: name, Value: value, Unit: unit, Most: &target, Met: &met})
}

func (b *bench) parts() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"push": b.push, "cycle": b.cycle, "page": b.page, "memory": b.memory, "revisit": b.revisit, "embedded": b.embedded, "aof": b.aof,
	}
}

func (b *bench) run(ctx context.Context, parts []string) (err error) {
	if b.dir, err = os.MkdirTemp("", "lycosa-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, part := range parts {
		if err := b.parts()[part](ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

func (b *bench) table(out io.Writer) error {
	fmt.Fprintf(out, "batches of %d, %d URLs a round, medians of %d rounds\n\n", b.batch, b.urls, b.rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "part\tfigure\tvalue\tunit\ttarget\t")
	for _, f := range b.figures {
		target := ""
		switch {
		case f.Least != nil:
			target = fmt.Sprintf("at least %.4g", *f.Least)
		case f.Most != nil:
			target = fmt.Sprintf("at most %.4g", *f.Most)
		}
		if f.Met != nil && !*f.Met {
			target += "  MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", f.Part, f.Name, number(f.Value), f.Unit, target)
	}
	return w.Flush()
}

func number(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (b *bench) json(out io.Writer) error {
	return json.NewEncoder(out).Encode(map[string]any{
		"batch": b.batch, "urls": b.urls, "rounds": b.rounds, "figures": b.figures,
	})
}

// server has do use a Redis of its own.
func (b *bench) server(ctx context.Context, do func(*redisd.Server) error, args ...string) error {
	dir, err := os.MkdirTemp(b.dir, "redis-")
	if err != nil {
		return err
	}
	s, err := redisd.Start(ctx, dir, args...)
	if err != nil {
		return err
	}
	defer s.Stop()
	return do(s)
}

// open opens a new crawl on the server, without a delay between requests.
func (b *bench) open(ctx context.Context, s *redisd.Server, known int) (*redisfrontier.Frontier, error) {
	if err := s.Client.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	return redisfrontier.Open(ctx, s.Client, redisfrontier.Config{
		Crawl: "bench", Partitions: b.partitions, Pace: scheduler.Pace{Concurrency: 64}, Known: known,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// address is the i-th URL of a crawl with each URLs on a host: 66 bytes.
func address(i, each int) string {
	return fmt.Sprintf("https://h%07d.example/catalogue/some-thing-or-other_%09d/", i/each, i)
}

// tasks returns n tasks from the first-th on, as a worker pushes links that a page was followed to.
func tasks(first, n, each int) []scheduler.Task {
	list := make([]scheduler.Task, n)
	for i := range list {
		url := address(first+i, each)
		request := crawler.Request{URL: url, Route: "detail", Depth: 3}
		list[i] = scheduler.Task{
			ID: dedup.Of("", url, nil), Host: fmt.Sprintf("h%07d.example", (first+i)/each), Payload: request.AppendPayload(nil),
		}
	}
	return list
}

// perHost is how many URLs of a host stand together where nothing else is said: the links of a page.
const perHost = 8

func pushAll(ctx context.Context, f scheduler.Frontier, list []scheduler.Task, batch int) error {
	for chunk := range slices.Chunk(list, batch) {
		if n, err := f.Push(ctx, chunk...); err != nil || n != len(chunk) {
			return errors.Join(fmt.Errorf("%d of %d tasks were added", n, len(chunk)), err)
		}
	}
	return nil
}

func claimAll(ctx context.Context, f scheduler.Frontier, total, batch int) ([]*scheduler.Lease, error) {
	var all []*scheduler.Lease
	for len(all) < total {
		leases, err := f.Claim(ctx, min(batch, total-len(all)))
		if err != nil {
			return nil, err
		}
		all = append(all, leases...)
	}
	return all, nil
}

func finishAll(ctx context.Context, f scheduler.Frontier, leases []*scheduler.Lease, batch int) error {
	results := make([]scheduler.Result, 0, batch)
	for chunk := range slices.Chunk(leases, batch) {
		results = results[:0]
		for _, l := range chunk {
			results = append(results, scheduler.Result{
				Lease: l, Verdict: scheduler.Done(), Sent: 1, Outcome: "ok", Items: 1, Bytes: 1000, Status: 200,
			})
		}
		if err := f.Finish(ctx, results...); err != nil {
			return err
		}
	}
	return nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// rounds collects what each round measured, by name.
type rounds map[string][]float64

func (r rounds) add(name string, value float64) { r[name] = append(r[name], value) }

func (r rounds) median(name string) float64 { return median(r[name]) }

// ratio is the median of one's value by another's in the same round.
func (r rounds) ratio(one, other string) float64 {
	ratios := make([]float64, len(r[one]))
	for i := range ratios {
		ratios[i] = r[one][i] / r[other][i]
	}
	return median(ratios)
}
