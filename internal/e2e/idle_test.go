package e2e

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// counter counts the commands that a client sends.
type counter struct{ atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

type nowhere struct{}

func (nowhere) Process(context.Context, []pipelines.Item) error { return nil }

// TestIdleFleetIsQuiet has workers wait for work that does not come, half of them for the end of the crawl too, and
// counts what Redis is asked.
func TestIdleFleetIsQuiet(t *testing.T) {
	t.Parallel()
	const workers, measured = 40, 10 * time.Second
	client, err := redisfrontier.Dial(t.Context(), servers.Redis(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var sent counter
	client.AddHook(&sent)
	ctx, stop := context.WithCancel(t.Context())
	var fleet sync.WaitGroup
	defer fleet.Wait()
	defer stop()
	for i := range workers {
		f, err := redisfrontier.Open(ctx, client, redisfrontier.Config{Crawl: "idle"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := crawler.New(crawler.Config{Spider: siteSpider, Crawl: "idle", Frontier: f, Pipeline: nowhere{}, ID: strconv.Itoa(i), UntilDone: i%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		fleet.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
			_ = f.Close()
		})
	}
	wait := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	wait(8 * time.Second) // until each has learnt how many there are
	before, began := sent.Load(), time.Now()
	wait(measured)
	rate := float64(sent.Load()-before) / time.Since(began).Seconds()
	t.Logf("%d idle workers: %.1f commands a second", workers, rate)
	if rate > workers {
		t.Errorf("%d idle workers cost Redis %.0f commands a second, want less than one each", workers, rate)
	}
}
