package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lycosa-crawl/lycosa/bench/internal/redisd"
	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bare" { // the peer, as a process of its own
		conc, err := strconv.Atoi(os.Args[2])
		if err == nil {
			err = runBare(os.Args[4:], conc, os.Args[3])
		}
		exit(err)
	}
	b := &bench{}
	flag.IntVar(&b.site.Pages, "pages", 5000, "pages of the site")
	flag.IntVar(&b.site.Hosts, "hosts", 10, "hosts of the site")
	flag.IntVar(&b.site.Links, "links", 60, "links on a page")
	flag.IntVar(&b.site.Size, "size", 30_000, "bytes of a page")
	flag.DurationVar(&b.site.Latency, "latency", 0, "wait of the site before each answer")
	flag.IntVar(&b.conc, "conc", 64, "pages in flight")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds, each with every peer")
	peers := flag.String("peers", "bare,lycosa,lycosa-redis", "who takes part, in order")
	flag.Parse()
	b.peers = strings.Split(*peers, ",")
	exit(b.run(context.Background(), os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is a command
	}
	os.Exit(0) //nolint:forbidigo // this is a command
}

// spider reads the same fields as the bare loop.
const spider = `name: bench
start: [%s]
settings: {concurrency: %d, per_host: %d}
routes:
  page:
    items:
      - kind: page
        fields:
          url: {css: 'link[rel="canonical"]', attr: href}
          title: title
          h1: h1
          price: .price
          links: {css: "a[href]", count: true}
    follow: [{css: "a[href]", route: page}]
`

type bench struct {
	site   testsite.Config
	conc   int
	rounds int
	peers  []string

	dir    string // of this run
	lycosa string // the binary
	served *testsite.Site
}

// figures are what one crawl cost.
type figures struct {
	cpu      time.Duration // of the crawler's process
	wall     time.Duration
	rss      int64 // peak, bytes
	redisCPU time.Duration
	scripts  int64 // that Redis ran: steps of the frontier in a partition
	commands int64 // that Redis executed, those inside of scripts included
}

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	if b.dir, err = os.MkdirTemp("", "lycosa-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.lycosa = filepath.Join(b.dir, "lycosa")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.lycosa, "github.com/lycosa-crawl/lycosa/cmd/lycosa")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	b.served = testsite.New(b.site)
	if err := b.served.Listen(); err != nil {
		return err
	}
	defer b.served.Close()
	yaml := fmt.Sprintf(spider, strings.Join(b.served.Roots(), ", "), b.conc, b.conc)
	if err := os.WriteFile(filepath.Join(b.dir, "bench.yaml"), []byte(yaml), 0o600); err != nil {
		return err
	}
	all := map[string][]figures{}
	for round := range b.rounds {
		for _, peer := range b.peers {
			f, err := b.measure(ctx, peer)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", peer, round+1, err)
			}
			all[peer] = append(all[peer], f)
		}
	}
	return b.report(out, all)
}

// measure has one peer crawl the site, and fails unless every page was fetched once and every item is right.
func (b *bench) measure(ctx context.Context, peer string) (f figures, err error) {
	dir, err := os.MkdirTemp(b.dir, peer+"-")
	if err != nil {
		return f, err
	}
	items := filepath.Join(dir, "items.jsonl")
	b.served.Reset()
	args := []string{b.lycosa, "crawl", filepath.Join(b.dir, "bench.yaml"), "--dir", dir, "-o", items, "--quiet"}
	var server *redisd.Server
	switch peer {
	case "bare":
		self, err := os.Executable()
		if err != nil {
			return f, err
		}
		args = append([]string{self, "bare", strconv.Itoa(b.conc), items}, b.served.Roots()...)
	case "lycosa":
	case "lycosa-redis":
		if server, err = redisd.Start(ctx, dir); err != nil {
			return f, err
		}
		defer server.Stop()
		args = append(args, "--redis", "redis://"+server.Addr)
	default:
		return f, fmt.Errorf("no such peer: want bare, lycosa or lycosa-redis")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // what was put together above
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return f, err
	}
	f.wall = time.Since(began)
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.rss = usage.Maxrss << 10
	}
	if server != nil {
		cost, err := server.Cost(ctx)
		if err != nil {
			return f, err
		}
		f.redisCPU, f.scripts, f.commands = cost.CPU, cost.Scripts, cost.Commands
	}
	if err := b.served.Report().Complete(); err != nil {
		return f, err
	}
	return f, b.checkItems(items)
}

func (b *bench) checkItems(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	var got []testsite.Item
	for dec := json.NewDecoder(bufio.NewReader(in)); dec.More(); {
		var item testsite.Item
		if err := dec.Decode(&item); err != nil {
			return err
		}
		got = append(got, item)
	}
	if diff := testsite.DiffItems(b.served.Items(), got); len(diff) > 0 {
		return fmt.Errorf("%d items differ, the first: %s", len(diff), diff[0])
	}
	return nil
}

func (b *bench) report(out io.Writer, all map[string][]figures) error {
	pages := float64(b.site.Pages)
	fmt.Fprintf(out, "%d pages of %d bytes with %d links on %d hosts, %d in flight, latency %v; medians of %d rounds\n\n",
		b.site.Pages, b.site.Size, b.site.Links, b.site.Hosts, b.conc, b.site.Latency, b.rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "peer\tCPU s/1000 pages\tx bare\tpages/s\tpeak MB\tRedis CPU µs/page\tscripts/page\tRedis commands/page\t")
	for _, peer := range b.peers {
		rounds := all[peer]
		ratio := "-"
		if bare := all["bare"]; len(bare) == len(rounds) {
			ratio = fmt.Sprintf("%.2f", median(rounds, func(i int, f figures) float64 { return float64(f.cpu) / float64(bare[i].cpu) }))
		}
		fmt.Fprintf(w, "%s\t%.3f\t%s\t%.0f\t%.0f\t%.1f\t%.2f\t%.2f\t\n", peer,
			median(rounds, func(_ int, f figures) float64 { return f.cpu.Seconds() * 1000 / pages }), ratio,
			median(rounds, func(_ int, f figures) float64 { return pages / f.wall.Seconds() }),
			median(rounds, func(_ int, f figures) float64 { return float64(f.rss) / (1 << 20) }),
			median(rounds, func(_ int, f figures) float64 { return float64(f.redisCPU.Microseconds()) / pages }),
			median(rounds, func(_ int, f figures) float64 { return float64(f.scripts) / pages }),
			median(rounds, func(_ int, f figures) float64 { return float64(f.commands) / pages }))
	}
	return w.Flush()
}

func median(rounds []figures, of func(i int, f figures) float64) float64 {
	values := make([]float64, len(rounds))
	for i, f := range rounds {
		values[i] = of(i, f)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
