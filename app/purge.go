package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func (p *program) purgeCommand() *cobra.Command {
	var o options
	var leave bool
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
				if err := o.canPurge(name, f, leave); err != nil {
					return err
				}
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
	cmd.Flags().StringVar(&o.dedupStore, "dedup-store", "", "the exact half of the crawl's filter twotier, which is emptied as well: mongodb://HOST/DB, or a folder")
	cmd.Flags().BoolVar(&leave, "leave-store", false, "leave the exact half of the crawl's filter twotier as it is")
	return cmd
}

// canPurge refuses to forget where the other half of a filter is.
func (o *options) canPurge(name string, f scheduler.Frontier, leave bool) error {
	shared, ok := f.(*redisfrontier.Frontier)
	twoTier := ok && shared.Info().Filter.Kind == redisdedup.TwoTier
	switch {
	case twoTier && o.dedupStore == "" && !leave:
		return usagef("crawl %s keeps what it has seen in another store as well, and nobody could find it there afterwards: name it by --dedup-store, or say --leave-store", name)
	case leave && o.dedupStore != "":
		return usagef("--dedup-store %s and --leave-store exclude each other", withoutPassword(o.dedupStore))
	case !twoTier && o.dedupStore != "":
		return usagef("--dedup-store %s: crawl %s has no filter twotier", withoutPassword(o.dedupStore), name)
	}
	return nil
}
