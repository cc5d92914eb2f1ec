package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// onSignals returns a context that ends with the first SIGINT or SIGTERM. A second one ends the process with code 13: what
// was under way comes back when its leases run out. stop undoes it.
func onSignals(parent context.Context, log io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2) // the second may come while the first is looked at
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
			case <-stopped:
				return
			}
			if ctx.Err() != nil {
				fmt.Fprintln(log, "\nlycosa: forced to end; pages under way will be fetched again")
				os.Exit(exitForced)
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel()
	}
}
