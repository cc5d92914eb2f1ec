package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func (p *program) pauseCommand() *cobra.Command {
	return p.pauserCommand("pause", "Have a crawl hand out no more pages",
		`Have a crawl hand out no more pages. Those under way are finished, workers stay and
wait. The crawl stays paused over restarts, until lycosa resume.`,
		"paused", scheduler.Pauser.Pause)
}

func (p *program) resumeCommand() *cobra.Command {
	return p.pauserCommand("resume", "Have a paused crawl go on", "Have a paused crawl go on.", "goes on", scheduler.Pauser.Resume)
}

func (p *program) pauserCommand(verb, short, long, done string, do func(scheduler.Pauser, context.Context) error) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     verb + " CRAWL [flags]",
		Short:   short,
		Long:    long,
		Example: fmt.Sprintf("  lycosa %s books --redis redis://localhost:6379/0", verb),
		Args:    argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withCrawl(cmd, &o, args, func(ctx context.Context, _ *place, name string, f scheduler.Frontier) error {
				pauser, ok := f.(scheduler.Pauser)
				if !ok {
					return fmt.Errorf("crawl %s cannot be paused where it is", name)
				}
				if err := do(pauser, ctx); err != nil {
					return err
				}
				_, err := fmt.Fprintf(p.out, "%s %s\n", name, done)
				return err
			})
		},
	}
	o.lookFlags(cmd, false)
	return cmd
}
