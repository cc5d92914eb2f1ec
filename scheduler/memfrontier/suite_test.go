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

func TestSuite(t *testing.T) { frontiertest.Run(t, shared(inMemory)) }

func TestSuiteWithAJournal(t *testing.T) { frontiertest.Run(t, shared(journaled())) }

func BenchmarkSuite(b *testing.B) { frontiertest.Benchmark(b, shared(inMemory)) }

func inMemory(_ testing.TB, _ string, c memfrontier.Config) (*memfrontier.Frontier, error) {
	return memfrontier.New(c)
}

// journaled keeps each crawl in a folder of its own, which a crawl of the name that comes later takes over.
func journaled() func(testing.TB, string, memfrontier.Config) (*memfrontier.Frontier, error) {
	folders := map[string]string{}
	return func(t testing.TB, crawl string, c memfrontier.Config) (*memfrontier.Frontier, error) {
		if folders[crawl] == "" {
			folders[crawl] = t.TempDir()
		}
		c.Sync = -1
		return memfrontier.Open(folders[crawl], c)
	}
}

// shared opens one frontier a crawl, as workers of one process share it.
func shared(newFrontier func(t testing.TB, crawl string, c memfrontier.Config) (*memfrontier.Frontier, error)) frontiertest.Opener {
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
		f, err := newFrontier(t, o.Crawl, memfrontier.Config{Pace: o.Pace, Lease: o.Lease, MaxExpired: o.MaxExpired, Duplicates: o.Duplicates, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		open[o.Crawl] = f
		return f
	}
}
