package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func (p *program) purgeCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "purge CRAWL [flags]",
		Short: "Forget a crawl: its queue, what it has seen, its dead letters",
		Long: `Forget a crawl: its queue, what it has seen, its dead letters. Items stay where they
are. It does not ask.

Workers of the crawl go on to wait for a new one of its name; a lycosa crawl, or a
worker with --until-done, that is at it ends with an error.`,
		Example: "  lycosa purge books\n  lycosa purge books --redis redis://localhost:6379/0",
		Args:    argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withCrawl(cmd, &o, args, func(ctx context.Context, place *place, name string, f scheduler.Frontier) error {
				purger, ok := f.(scheduler.Purger)
				if !ok {
					return fmt.Errorf("crawl %s cannot be purged where it is", name)
				}
				stats, err := f.Stats(ctx)
				if err != nil {
					return err
				}
				if err := purger.Purge(ctx); err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.out, "%s purged: %s forgotten, items kept\n", name, plural(stats.Seen, "URL", "URLs"))
				return err
			})
		},
	}
	o.lookFlags(cmd, false)
	return cmd
}
