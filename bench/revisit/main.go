// Revisit measures the revisit policy in simulated worlds and on real histories, beside the rules of others, against an
// oracle that knows every page's rate of change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

func main() {
	n := flag.Int("n", 20000, "pages of a simulated world")
	seeds := flag.String("seeds", "1,2,3", "seeds, one run each")
	names := flag.String("worlds", "", "which worlds, by name; all by default")
	peers := flag.Bool("peers", true, "run the rules of others beside")
	flag.Parse()
	data := os.Getenv("LYCOSA_REVISIT_DATA")
	if data == "" {
		data = "../shared/revisit-data"
	}
	b := &bench{n: *n, peers: *peers, worlds: worlds(data)}
	err := b.choose(*seeds, *names)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if err := b.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	n      int
	seeds  []uint64
	worlds []world
	peers  bool
}

func (b *bench) choose(seeds, names string) error {
	if b.n < 100 {
		return fmt.Errorf("-n %d: want at least 100 pages", b.n)
	}
	for s := range strings.SplitSeq(seeds, ",") {
		seed, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return fmt.Errorf("-seeds %q: want numbers with commas between", seeds)
		}
		b.seeds = append(b.seeds, seed)
	}
	if names == "" {
		return nil
	}
	all := b.worlds
	b.worlds = nil
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(w world) bool { return w.name == strings.TrimSpace(name) })
		if i < 0 {
			return fmt.Errorf("-worlds %q: there is no world %q", names, name)
		}
		b.worlds = append(b.worlds, all[i])
	}
	return nil
}

// others are the rules that run beside, for context.
var others = []struct {
	name  string
	make  func(*simulate.Course, *rand.Rand) simulate.Rule
	gated bool
}{
	{"uniform", uniform, false},
	{"by weight", important, false},
	{"Nutch", newNutch, true},
	{"StormCrawler", newStorm, true},
}

// result is what came of one world.
type result struct {
	ours   []float64 // ratio to the oracle, by seed
	bars   []float64 // that of ours without hints
	others [][]float64
	absent error
}

func (b *bench) run(out io.Writer) error {
	start := time.Now()
	results := make([]result, len(b.worlds))
	var group errgroup.Group
	group.SetLimit(2)
	for i, w := range b.worlds {
		r := &results[i]
		r.ours, r.bars, r.others = make([]float64, len(b.seeds)), make([]float64, len(b.seeds)), make([][]float64, len(b.seeds))
		for k, seed := range b.seeds {
			group.Go(func() error { return b.measure(w, seed, k, r) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return b.report(out, results, time.Since(start))
}

func (b *bench) measure(w world, seed uint64, k int, r *result) error {
	sc, err := w.build(b.n, seed)
	if errors.Is(err, fs.ErrNotExist) {
		if k == 0 {
			r.absent = err
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.ours[k] = sc.score(seed)
	if sc.bar != nil {
		r.bars[k] = sc.bar() / sc.best
	}
	if b.peers && sc.bar == nil {
		for _, other := range others {
			c := sc.course()
			c.Gated = other.gated
			r.others[k] = append(r.others[k], freshness(c, other.make(c, rand.New(rand.NewPCG(seed, 3))))/sc.best)
		}
	}
	return nil
}

// score returns what the project's rule reaches, as a ratio to the oracle.
func (sc *scene) score(seed uint64) float64 {
	c := sc.course()
	o := newOurs(c, rand.New(rand.NewPCG(seed, 3)))
	if sc.tune != nil {
		sc.tune(o)
	}
	return freshness(c, o) / sc.best
}

func freshness(c *simulate.Course, r simulate.Rule) float64 {
	score, _ := c.Run(context.Background(), r) // which does not end
	return score.Freshness
}

func (b *bench) report(out io.Writer, results []result, took time.Duration) error {
	fmt.Fprintf(out, "freshness in the last third of the run as a ratio to the oracle's; %d pages, seeds %v, %v\n\n", b.n, b.seeds, took.Round(time.Second/10))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "world\tours\tworst\tgate\t\t")
	for _, o := range others {
		fmt.Fprintf(t, "%s\t", o.name)
	}
	fmt.Fprintln(t, "")
	var missed, absent []string
	for i, w := range b.worlds {
		r := results[i]
		if r.absent != nil {
			absent = append(absent, fmt.Sprintf("%s was skipped: %v; set LYCOSA_REVISIT_DATA to the folder of the histories", w.name, r.absent))
			continue
		}
		gate := w.gate
		missedGate := mean(r.ours) < gate
		if gate == 0 { // no seed may be below the same changes without hints
			gate = mean(r.bars)
			for k, bar := range r.bars {
				missedGate = missedGate || r.ours[k] < bar
			}
		}
		verdict := "ok"
		if missedGate {
			verdict = "MISSED"
			missed = append(missed, w.name)
		}
		fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%.4f\t%s\t", w.name, mean(r.ours), slices.Min(r.ours), gate, verdict)
		for k := range len(r.others[0]) {
			var peer []float64
			for _, seed := range r.others {
				peer = append(peer, seed[k])
			}
			fmt.Fprintf(t, "%.3f\t", mean(peer))
		}
		fmt.Fprintln(t, "")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, line := range absent {
		fmt.Fprintln(out, line)
	}
	if len(missed) > 0 {
		return fmt.Errorf("below the gate: %s", strings.Join(missed, ", "))
	}
	return nil
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
