package redisfrontier_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/frontiertest"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	goleak.VerifyTestMain(m)
}

// silence keeps the client from telling standard error of every connection that an outage costs.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	for _, partitions := range []int{1, 16} {
		t.Run(fmt.Sprintf("partitions=%d", partitions), func(t *testing.T) {
			t.Parallel()
			frontiertest.Run(t, opener(server.URL, partitions))
		})
	}
}

// memory is an exact store, of all frontiers of the test.
type memory struct{ *memdedup.Set }

func (m memory) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	_, err := m.Add(ctx, fps...)
	return err
}

// All kinds of filter keep all promises of the frontier; at this rate those that may lose tasks do not, and those that
// queue what only looked seen after the rest of its call do not have to. TestTwoTierPushLosesNothingAndQueuesOnce has
// them do it all the time.
func TestSuiteWithEachFilter(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	for name, filter := range map[string]redisdedup.Spec{
		"set":     {Kind: redisdedup.Set},
		"bloom":   {Kind: redisdedup.Bloom, Rate: 1e-6},
		"twotier": {Kind: redisdedup.TwoTier, Rate: 1e-6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frontiertest.Run(t, openerWith(server.URL, 4, func(c *redisfrontier.Config) {
				c.Filter = filter
				if filter.Kind == redisdedup.TwoTier {
					c.Exact = exactOf
				}
			}))
		})
	}
}

var exacts sync.Map // crawl -> memory

func exactOf(crawl redisfrontier.CrawlInfo) (dedup.Exact, error) {
	exact, _ := exacts.LoadOrStore(crawl.Name+crawl.Epoch, memory{memdedup.NewSet()})
	return exact.(memory), nil
}

func TestSuiteOnCluster(t *testing.T) {
	t.Parallel()
	frontiertest.Run(t, opener(servers.RedisCluster(t, 3).URL, 16))
}

// opener opens frontiers of the suite on the Redis at url, each with a client of its own, as workers have.
func opener(url string, partitions int) frontiertest.Opener {
	return openerWith(url, partitions, func(*redisfrontier.Config) {})
}

func openerWith(url string, partitions int, more func(*redisfrontier.Config)) frontiertest.Opener {
	var crews sync.Map // crawl -> *crew
	return func(t testing.TB, o frontiertest.Options) scheduler.Frontier {
		client := dial(t, url)
		if o.Fault != nil {
			client.AddHook(faulty{o.Fault})
		}
		c := redisfrontier.Config{
			Crawl: o.Crawl, Partitions: partitions, Lease: o.Lease, Pace: o.Pace, MaxExpired: o.MaxExpired, Duplicates: o.Duplicates, Now: o.Now, Logger: quiet(),
		}
		if o.Ordered {
			c.Partitions = 1
		}
		more(&c)
		f := openWith(t, client, c)
		of, _ := crews.LoadOrStore(o.Crawl, new(crew))
		of.(*crew).join(f)
		return member{f, of.(*crew)}
	}
}

// crew is all frontiers of one crawl. Duplicates that a frontier recognises by itself are counted in Redis with
// its next call, so the crew makes one before somebody counts.
type crew struct {
	mu  sync.Mutex
	all []*redisfrontier.Frontier
}

func (c *crew) join(f *redisfrontier.Frontier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
}

type member struct {
	*redisfrontier.Frontier
	crew *crew
}

func (m member) Stats(ctx context.Context) (scheduler.Stats, error) {
	m.crew.mu.Lock()
	for _, f := range m.crew.all {
		_, _ = f.Stats(ctx) // of those that are open still
	}
	m.crew.mu.Unlock()
	return m.Frontier.Stats(ctx)
}

func dial(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisfrontier.Dial(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := t.(*testing.T); ok { // not where speed is measured
		client.AddHook(headChecker{t})
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func openWith(t testing.TB, client redis.UniversalClient, c redisfrontier.Config) *redisfrontier.Frontier {
	t.Helper()
	f, err := redisfrontier.Open(context.Background(), client, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func quiet() *slog.Logger {
	if os.Getenv("LYCOSA_TEST_LOG") != "" {
		return slog.Default()
	}
	return slog.New(slog.DiscardHandler)
}

// faulty is a connection that fails as it is told.
type faulty struct{ draw func() frontiertest.Fault }

func (h faulty) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h faulty) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.around(func() error { return next(ctx, cmd) })
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

func (h faulty) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var executed error
		err := h.around(func() error { executed = next(ctx, cmds); return executed })
		if err != nil && executed == nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

func (h faulty) around(do func() error) error {
	switch h.draw() {
	case frontiertest.FaultBefore:
		return &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case frontiertest.FaultAfter:
		if err := do(); err != nil {
			return err
		}
		return io.EOF
	default:
		return do()
	}
}
