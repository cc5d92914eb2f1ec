package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/internal/chaos"
)

// chaosOptions are the flags of chaos.
type chaosOptions struct {
	options
	chaos.Config

	keep string // folder
}

func (p *program) chaosCommand() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos [flags]",
		Short: "Kill workers in mid-crawl, and check that nothing was lost",
		Long: `Kill workers in mid-crawl, and check that nothing was lost. Worker processes crawl a
synthetic web on this machine through a private redis-server, which must be on PATH.
Meanwhile workers are killed, frozen past their leases and told to stop, Redis is
killed and cut off, and the item store is taken away. Then every page must have been
fetched and its item stored, each finished exactly once; no host may have been
asked faster or by more at once than allowed; "done" must not have been said early.

All faults are drawn from --seed and told in the log. Rounds of one crawl each follow
one another until --duration is over; the last is crawled to its end in peace.

Items go to the MongoDB that --mongodb names, else to one that is started: --mongod,
a mongod on PATH, or for at most 500 pages and 8 workers .cache/bin/ferretdb. With
none of them, or --mongodb none, they go to files, and the store is not made to fail.

Exit code: 0 all promises were kept, 1 one was broken or chaos could not run,
2 wrong usage, 8 no redis-server, 11 interrupted.`,
		Example: `  lycosa chaos
  lycosa chaos --seed 7 --duration 10m --workers 24 --pages 50000 --hosts 100
  lycosa chaos --duration 0 --mongodb none --json | jq .breaches`,
		Args: argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			return p.chaos(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Workers, "workers", 8, "worker processes at a time")
	f.IntVar(&o.Pages, "pages", 2000, "pages of the site")
	f.IntVar(&o.Hosts, "hosts", 20, "hosts of the site, 127.0.0.1 and on; at most 250")
	f.DurationVar(&o.Duration, "duration", time.Minute, "how long faults go on; 0: one crawl, with faults to its end")
	f.Uint64Var(&o.Seed, "seed", 1, "what faults and sites are drawn from")
	f.DurationVar(&o.KillEvery, "kill-every", 3*time.Second, "mean time between two faults; half of them are kills")
	f.DurationVar(&o.Delay, "delay", 100*time.Millisecond, "Crawl-delay that every second host asks for; 0: none does")
	f.IntVar(&o.PerHost, "per-host", 2, "pages in flight of one of the other hosts")
	f.DurationVar(&o.Lease, "lease", 5*time.Second, "lease of the workers")
	f.DurationVar(&o.Latency, "latency", 50*time.Millisecond, "how long the site takes for a page")
	f.Float64Var(&o.MaxRefetched, "max-refetched", 7, "pages that may be fetched more than once, in per cent")
	f.BoolVar(&o.NoRedisKill, "no-redis-kill", false, "do not kill Redis; it is cut off all the same")
	f.StringVar(&o.MongoDB, "mongodb", "", "URI of a running server for items, or none")
	f.StringVar(&o.Mongod, "mongod", "", "mongod or ferretdb to start for items")
	f.StringVar(&o.keep, "keep", "", "folder to keep logs and data in (default: a temporary one, kept if a promise was broken)")
	o.logFlags(f)
	f.BoolVar(&o.json, "json", false, "for scripts: one JSON object on standard output")
	return cmd
}

// settle checks the flags and finds the item store.
func (o *chaosOptions) settle(cmd *cobra.Command, getenv func(string) string) error {
	o.dir = defaultDir
	if err := o.options.settle(cmd, getenv); err != nil {
		return err
	}
	for _, name := range []string{"workers", "pages", "hosts", "per-host", "seed"} { // 0 is no number of them
		if f := cmd.Flags().Lookup(name); f.Value.String() == "0" {
			return usagef("--%s 0: must be at least 1", name)
		}
	}
	for _, name := range []string{"lease", "kill-every"} {
		if f := cmd.Flags().Lookup(name); f.Value.String() == "0s" {
			return usagef("--%s 0: want a duration like 3s", name)
		}
	}
	switch {
	case o.MongoDB == "none" && o.Mongod != "":
		return usagef("--mongodb none and --mongod exclude each other")
	case o.MongoDB == "none":
		o.MongoDB = ""
	case o.Mongod != "":
		path, err := exec.LookPath(o.Mongod)
		if err != nil {
			return usagef("--mongod %s: no such program", o.Mongod)
		}
		o.Mongod = path
	case o.MongoDB == "":
		o.Mongod = o.findMongod()
	}
	var err error
	if o.Mongod != "" {
		if o.Mongod, err = filepath.Abs(o.Mongod); err != nil {
			return err
		}
	}
	if err := o.Validate(); err != nil {
		return usagef("--%w", err)
	}
	return nil
}

// FerretDB reads a whole collection for each write, so that a large fleet and many pages bring it to a standstill.
const (
	ferretPages   = 500
	ferretWorkers = 8
)

// findMongod returns a server for items that can be started, "" if there is none fit for the run.
func (o *chaosOptions) findMongod() string {
	if path, err := exec.LookPath("mongod"); err == nil {
		return path
	}
	if o.Pages > ferretPages || o.Workers > ferretWorkers {
		return ""
	}
	if path, err := exec.LookPath(filepath.Join(".cache", "bin", "ferretdb")); err == nil {
		return path
	}
	return ""
}

func (p *program) chaos(ctx context.Context, o *chaosOptions) (err error) {
	if o.Command, err = os.Executable(); err != nil {
		return err
	}
	kept := o.keep != ""
	if kept {
		if err := os.MkdirAll(o.keep, 0o755); err != nil {
			return usagef("--keep: %w", err)
		}
		if entries, err := os.ReadDir(o.keep); err != nil || len(entries) > 0 {
			return usagef("--keep %s: the folder must be empty", o.keep)
		}
		o.Dir, err = filepath.Abs(o.keep)
	} else {
		o.Dir, err = os.MkdirTemp("", "lycosa-chaos-")
	}
	if err != nil {
		return err
	}
	o.Logger = p.logger(&o.options)
	silenceRedis()
	v, err := chaos.Run(ctx, o.Config)
	if err == nil && v.Exit != exitDone || err != nil && ctx.Err() == nil && !errors.Is(err, chaos.ErrNoRedis) {
		kept = true
	}
	if !kept {
		if err := os.RemoveAll(o.Dir); err != nil {
			o.Logger.Warn("the run's folder stays", "err", err)
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return &exitError{code: exitInterrupted, err: errors.New("interrupted; all its processes have ended")}
	case errors.Is(err, chaos.ErrNoRedis):
		return &exitError{code: exitRedis, err: err}
	case err != nil:
		return fmt.Errorf("%w; logs and data are in %s", err, o.Dir)
	}
	if o.json {
		err = json.NewEncoder(p.out).Encode(v)
	} else {
		err = p.printVerdict(v)
	}
	if err == nil && v.Exit != exitDone {
		err = &exitError{code: exitFailed, err: fmt.Errorf("promises were broken; logs and data are in %s", o.Dir)}
	}
	return err
}

// printVerdict shows the verdict to people: a row for each promise, then what was wrong.
func (p *program) printVerdict(v *chaos.Verdict) error {
	t := newTable(p.out, "promise", "found", "")
	row := func(what string, checks []chaos.Check, format string, args ...any) {
		mark := ""
		for _, c := range checks {
			if v.Broken(c) > 0 {
				mark = "BROKEN"
			} else if mark == "" {
				mark = "kept"
			}
		}
		t.Row(what, fmt.Sprintf(format, args...), mark)
	}
	checks := func(all ...chaos.Check) []chaos.Check { return all }
	var faults []string
	for _, k := range chaos.Kinds {
		if n := v.Faults[k]; n > 0 {
			faults = append(faults, fmt.Sprintf("%s %d", strings.ReplaceAll(string(k), "_", " "), n))
		}
	}
	row("faults", nil, "%s", folded(faults))
	if v.Items.Store != "mongodb" {
		row("", nil, "the item store was not made to fail: items went to files")
	}
	row("workers", checks(chaos.CheckWorkers), "%d at a time, %d started, %d failed by themselves", v.Workers.Size, v.Workers.Started, v.Workers.Failed)
	row("rounds", nil, "%d in %v, seed %d", v.Rounds, v.Took().Round(time.Second/10), v.Seed)
	row("every page is fetched", checks(chaos.CheckPages), "%d reachable, %d fetched, %d missing", v.Pages.Reachable, v.Pages.Fetched, v.Pages.Missing)
	row("robots.txt is obeyed", checks(chaos.CheckPrivate), "%d pages fetched against it", v.Pages.Private)
	row("every item is stored", checks(chaos.CheckItems), "%d right, %d missing, %d wrong, in %s", v.Items.Right, v.Items.Missing, v.Items.Wrong, v.Items.Store)
	row("each task is finished once", checks(chaos.CheckFinished), "%d finished of %d (%d pages), %d given up, %d left",
		v.Finished.Done, v.Finished.Want, v.Finished.OK, v.Finished.Dead, v.Finished.Left)
	row("done is never said early", checks(chaos.CheckDone), "%d times early", v.EarlyDone)
	row("few pages are fetched twice", checks(chaos.CheckRefetched), "%d, %.2f %% of all; the limit is %g %%", v.Refetched.Pages, v.Refetched.Percent, v.Refetched.Limit)
	for _, why := range sortedKeys(v.Refetched.Why) {
		row("", nil, "%d asked for again: %s", v.Refetched.Why[why], why)
	}
	row("no lease is used that ran out", checks(chaos.CheckExpired), "%d requests of woken workers on one", v.Refetched.Expired)
	row("hosts keep their delay", checks(chaos.CheckDelay), "%d gaps on %d hosts, %d too short; the closest is %.2f of the delay", v.Delay.Gaps, v.Delay.Hosts, v.Delay.Breaches, v.Delay.Closest)
	row("", nil, "apart: %d with a request in flight of a stopped or dead process", v.Delay.Apart)
	row("", nil, "allowed: %d short by what the site's own process was late, %.0f ms at worst", v.Delay.Allowed, v.Delay.Lateness)
	row("hosts keep their width", checks(chaos.CheckConcurrency), "%d hosts, %d times too many; at most %d at once", v.Concurrency.Hosts, v.Concurrency.Breaches, v.Concurrency.Widest)
	row("", nil, "apart: %d beside a request held open by a stopped or dead process", v.Concurrency.Apart)
	row("the frontier's records agree", checks(chaos.CheckInvariants), "%d invariants broken", len(v.Invariants))
	var b strings.Builder
	fmt.Fprintln(&b, t.String())
	for _, breach := range v.Breaches {
		fmt.Fprintf(&b, "%s, round %d: %s\n", breach.Check, breach.Round, oneLine(breach.What))
	}
	_, err := p.out.Write([]byte(b.String()))
	return err
}

// folded joins the parts, a few on each line.
func folded(parts []string) string {
	const line = 4
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i == 0:
		case i%line == 0:
			b.WriteString(",\n")
		default:
			b.WriteString(", ")
		}
		b.WriteString(part)
	}
	return b.String()
}
