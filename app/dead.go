package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// deadLetter is a line of dead. Its JSON is a contract with scripts.
type deadLetter struct {
	URL     string    `json:"url"` // "" if the payload cannot be read
	Route   string    `json:"route"`
	Gone    bool      `json:"gone"` // a dead link, not a failure
	Status  int       `json:"status"`
	Attempt int       `json:"attempt"`
	Expired int       `json:"expired"`
	At      time.Time `json:"at"`
	Why     string    `json:"why"`
}

func (p *program) deadCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "dead CRAWL [flags]",
		Short: "List what was given up, and dead links",
		Long: `List the pages of a crawl that were given up, each with its reason, and then its dead
links (404, 410). --json writes one object a line, with stack traces and all.`,
		Example: `  lycosa dead books
  lycosa dead books --redis redis://localhost:6379/0
  lycosa dead books --json | jq -r 'select(.gone | not) | .url'`,
		Args: argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withCrawl(cmd, &o, args, func(ctx context.Context, _ *place, _ string, f scheduler.Frontier) error {
				yard, ok := f.(scheduler.Undertaker)
				if !ok {
					return errNoList
				}
				return writeDead(ctx, p.out, yard, o.json)
			})
		},
	}
	o.lookFlags(cmd, true)
	return cmd
}

func writeDead(ctx context.Context, out io.Writer, yard scheduler.Undertaker, asJSON bool) error {
	var failed error
	err := yard.Dead(ctx, func(d scheduler.DeadLetter) bool {
		letter := deadLetter{
			Gone: d.Gone, Status: d.Status, Attempt: d.Attempt, Expired: d.Expired, At: d.At.UTC(), Why: d.Why,
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
