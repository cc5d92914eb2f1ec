package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// deadLetter is a line of dead. Its JSON is a contract with scripts.
type deadLetter struct {
	URL     string    `json:"url"` // "" if the payload cannot be read
	Host    string    `json:"host"`
	Route   string    `json:"route"`
	Gone    bool      `json:"gone"` // a dead link, not a failure
	Status  int       `json:"status"`
	Attempt int       `json:"attempt"`
	Expired int       `json:"expired"`
	First   time.Time `json:"first,omitzero"` // when it first failed or expired
	At      time.Time `json:"at"`
	Why     string    `json:"why"`
}

// deadOptions are the flags of dead.
type deadOptions struct {
	which        scheduler.Letters
	older, newer time.Duration
	replay, drop bool
}

func (p *program) deadCommand() *cobra.Command {
	var o options
	var d deadOptions
	cmd := &cobra.Command{
		Use:   "dead CRAWL [flags]",
		Short: "List what was given up, and dead links; try them again or drop them",
		Long: `List the pages of a crawl that were given up, each with its reason, and then its dead
links (404, 410). --json writes one object a line, with stack traces and all.

--host, --status, --why, --older, --newer, --failed and --links choose among them;
all that are given must hold. With --replay those chosen are queued again, as if they
had never failed; with --drop they are struck off the list. Both say how many, and do
not ask.`,
		Example: `  lycosa dead books
  lycosa dead books --redis redis://localhost:6379/0 --host books.toscrape.com --status 503
  lycosa dead books --failed --why timeout --newer 1d --replay
  lycosa dead books --links --older 30d --drop
  lycosa dead books --json | jq -r 'select(.gone | not) | .url'`,
		Args: argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.replay && d.drop {
				return usagef("--replay and --drop exclude each other")
			}
			return p.withCrawl(cmd, &o, args, func(ctx context.Context, _ *place, name string, f scheduler.Frontier) error {
				yard, ok := f.(scheduler.Undertaker)
				if !ok {
					return errNoList
				}
				which := d.letters(time.Now())
				if d.replay || d.drop {
					return p.clearDead(ctx, name, yard, which, d.replay, o.json)
				}
				return writeDead(ctx, p.out, yard, which, o.json)
			})
		},
	}
	d.flags(cmd)
	o.lookFlags(cmd, true)
	return cmd
}

func (d *deadOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	value := func(name, kind, help string, set func(string) error) {
		f.Var(&funcFlag{kind: kind, set: set}, name, help)
	}
	duration := func(to *time.Duration) func(string) error {
		return func(s string) (err error) {
			if *to, err = parseDuration(s); err == nil && *to < 0 {
				err = errors.New("must not be negative")
			}
			return err
		}
	}
	value("host", "HOST", "only those of this host, with its port unless it is the usual one", func(s string) error {
		if d.which.Host = strings.ToLower(s); s == "" {
			return errors.New("want a host")
		}
		return nil
	})
	value("status", "N", "only those with this HTTP status", func(s string) (err error) {
		if d.which.Status, err = strconv.Atoi(s); err != nil || d.which.Status < 100 || d.which.Status > 999 {
			return errors.New("want an HTTP status")
		}
		return nil
	})
	f.StringVar(&d.which.Why, "why", "", "only those whose reason has this in it")
	value("older", "D", "only those given up longer ago than D, like 12h or 7d", duration(&d.older))
	value("newer", "D", "only those given up within the last D", duration(&d.newer))
	f.BoolVar(&d.which.Failed, "failed", false, "only what was given up, no dead links")
	f.BoolVar(&d.which.Links, "links", false, "only dead links")
	f.BoolVar(&d.replay, "replay", false, "queue them again")
	f.BoolVar(&d.drop, "drop", false, "strike them off the list")
}

// letters says which letters the flags mean.
func (d *deadOptions) letters(now time.Time) scheduler.Letters {
	which := d.which
	if d.older > 0 {
		which.Before = now.Add(-d.older)
	}
	if d.newer > 0 {
		which.After = now.Add(-d.newer)
	}
	return which
}

// funcFlag is a flag that a function reads.
type funcFlag struct {
	kind, text string
	set        func(string) error
}

// String implements pflag.Value.
func (f *funcFlag) String() string { return f.text }

// Type implements pflag.Value.
func (f *funcFlag) Type() string { return f.kind }

// Set implements pflag.Value.
func (f *funcFlag) Set(s string) error {
	f.text = s
	return f.set(s)
}

// clearDead replays or drops letters, and says how many, also if it could not go on.
func (p *program) clearDead(ctx context.Context, crawl string, yard scheduler.Undertaker, which scheduler.Letters, replay, asJSON bool) error {
	do, done := yard.Forget, "dropped"
	if replay {
		do, done = yard.Replay, "replayed"
	}
	n, err := do(ctx, which)
	if err != nil {
		return fmt.Errorf("%w; before that, %s %d", err, done, n)
	}
	if asJSON {
		return json.NewEncoder(p.out).Encode(map[string]any{"crawl": crawl, done: n})
	}
	if replay {
		_, err = fmt.Fprintf(p.out, "%s: %s queued again\n", crawl, plural(int64(n), "page", "pages"))
	} else {
		_, err = fmt.Fprintf(p.out, "%s: %s dropped from the list\n", crawl, plural(int64(n), "page", "pages"))
	}
	return err
}

func writeDead(ctx context.Context, out io.Writer, yard scheduler.Undertaker, which scheduler.Letters, asJSON bool) error {
	var failed error
	err := yard.Dead(ctx, func(d scheduler.DeadLetter) bool {
		if !which.Match(&d) {
			return true
		}
		letter := deadLetter{
			Host: d.Host, Gone: d.Gone, Status: d.Status, Attempt: d.Attempt, Expired: d.Expired, First: utc(d.First), At: d.At.UTC(), Why: d.Why,
		}
		if req, err := crawler.DecodePayload(d.Payload); err == nil {
			letter.URL, letter.Route = req.URL, req.Route
		}
		if asJSON {
			failed = json.NewEncoder(out).Encode(letter)
		} else {
			failed = letter.print(out)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (d deadLetter) print(out io.Writer) error {
	kind, at := "dead", d.URL
	if d.Gone {
		kind = "link"
	}
	if at == "" {
		at = "(unreadable)"
	}
	_, err := fmt.Fprintf(out, "%s  %s  %s  %s\n", kind, d.At.Local().Format(time.DateTime), oneLine(at), oneLine(reasonLine(d.Why)))
	return err
}

// reasonLine is the first line of a reason: a stack trace may follow.
func reasonLine(why string) string {
	for i := range len(why) {
		if why[i] == '\n' {
			return why[:i]
		}
	}
	return why
}
