// Command testsite serves a synthetic web on loopback until it is interrupted, for crawlers in other processes. It
// prints the roots, one a line, when it listens; /_stats on any host then tells how the crawl went.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	var c testsite.Config
	flags := flag.NewFlagSet("testsite", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.IntVar(&c.Pages, "pages", 5000, "pages in all")
	flags.IntVar(&c.Hosts, "hosts", 10, "hosts, from 127.0.0.1 on")
	flags.IntVar(&c.Links, "links", 20, "links per page, about")
	flags.IntVar(&c.Size, "size", 4096, "bytes per page, about")
	flags.IntVar(&c.Port, "port", 0, "port on every host (0: one that is free)")
	flags.Uint64Var(&c.Seed, "seed", 1, "seed")
	flags.DurationVar(&c.Latency, "latency", 0, "wait before each answer")
	flags.BoolVar(&c.Validators, "validators", false, "ETag, Last-Modified and 304")
	flags.BoolVar(&c.Sessions, "sessions", false, "another session parameter in each link")
	flags.IntVar(&c.Flaky, "flaky", 0, "pages that answer 503 first")
	flags.IntVar(&c.FlakyTimes, "flaky-times", 2, "how often they do")
	flags.IntVar(&c.Slow, "slow", 0, "pages that take longer")
	flags.DurationVar(&c.SlowBy, "slow-by", 0, "how much longer (0: 1s)")
	flags.IntVar(&c.Gone, "gone", 0, "links to pages that are not there")
	flags.IntVar(&c.Moved, "moved", 0, "links that redirect")
	flags.IntVar(&c.Private, "private", 0, "links to pages that robots.txt disallows")
	if err := flags.Parse(args); err != nil {
		return err
	}
	site := testsite.New(c)
	if err := site.Listen(); err != nil {
		return err
	}
	defer site.Close()
	for _, root := range site.Roots() {
		fmt.Fprintln(out, root)
	}
	<-ctx.Done()
	return nil
}
