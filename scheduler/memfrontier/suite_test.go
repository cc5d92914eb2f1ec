package memfrontier_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/frontiertest"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) { frontiertest.Run(t, shared()) }

func BenchmarkSuite(b *testing.B) { frontiertest.Benchmark(b, shared()) }

// shared opens one frontier a crawl, as workers of one process share it.
func shared() frontiertest.Opener {
	var mu sync.Mutex
	open := map[string]*memfrontier.Frontier{}
	return func(t testing.TB, o frontiertest.Options) scheduler.Frontier {
		mu.Lock()
		defer mu.Unlock()
		if f := open[o.Crawl]; f != nil {
			if _, err := f.Done(context.Background()); err == nil {
				return f
			}
		}
		f, err := memfrontier.New(memfrontier.Config{Pace: o.Pace, Lease: o.Lease, MaxExpired: o.MaxExpired, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		open[o.Crawl] = f
		return f
	}
}
