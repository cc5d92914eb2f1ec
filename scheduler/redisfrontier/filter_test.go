package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func TestAnotherFilterIsRefused(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	openWith(t, client, redisfrontier.Config{Crawl: "x", Filter: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 0.01}, Logger: quiet()})
	if f := openWith(t, client, redisfrontier.Config{Crawl: "x", Logger: quiet()}); f.Info().Filter.String() != "bloom:0.01" {
		t.Errorf("without a wish the filter is %s", f.Info().Filter)
	}
	for _, spec := range []redisdedup.Spec{{Kind: redisdedup.IntSet}, {Kind: redisdedup.Bloom}, {Kind: redisdedup.Bloom, Rate: 0.01, Expected: 5}} {
		_, err := redisfrontier.Open(t.Context(), client, redisfrontier.Config{Crawl: "x", Filter: spec, Logger: quiet()})
		other, ok := errors.AsType[*redisfrontier.SettingError](err)
		if !ok || other.Setting != "Filter" || other.Has != "bloom:0.01" {
			t.Errorf("%s: %v", spec.WithDefaults(), err)
		}
	}
	for _, spec := range []redisdedup.Spec{{Kind: "cuckoo"}, {Kind: redisdedup.Bloom, Rate: 1}, {Kind: redisdedup.Bloom, Expected: 1e13}} {
		if _, err := redisfrontier.Open(t.Context(), client, redisfrontier.Config{Crawl: "y", Filter: spec, Logger: quiet()}); err == nil {
			t.Errorf("%+v was accepted", spec)
		}
	}
	twotier := openWith(t, client, redisfrontier.Config{Crawl: "z", Filter: redisdedup.Spec{Kind: redisdedup.TwoTier}, Logger: quiet()})
	if _, err := twotier.Push(t.Context(), someTasks(0, 1, 1)...); err == nil {
		t.Error("a push without the other store was accepted")
	}
}

func TestFilterInfoCountsWhatIsSeen(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for i, spec := range []redisdedup.Spec{
		{Kind: redisdedup.IntSet},
		{Kind: redisdedup.Set},
		{Kind: redisdedup.Bloom, Rate: 1e-6, Expected: 4000},
		{Kind: redisdedup.TwoTier, Rate: 0.1},
	} {
		c := redisfrontier.Config{Crawl: fmt.Sprint("c", i), Partitions: 4, Filter: spec, Logger: quiet()}
		if spec.Kind == redisdedup.TwoTier {
			c.Exact = exactOf
		}
		f := openWith(t, client, c)
		if n, err := f.Push(t.Context(), someTasks(0, 3000, 10)...); err != nil || n != 3000 {
			t.Fatal(n, err)
		}
		info, err := f.FilterInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.Count != 3000 || info.Bytes < 3000 || info.Filter != spec.WithDefaults().String() || info.Exact != (spec.Kind == redisdedup.TwoTier) ||
			info.Rate < 0 || info.Rate > spec.Rate+1e-9 || (info.Fill <= 0) != (spec.Kind == redisdedup.Set) {
			t.Errorf("%s: %+v", spec, info)
		}
		if broken, err := f.Check(t.Context()); err != nil || len(broken) > 0 {
			t.Errorf("%s: %v, %v", spec, broken, err)
		}
		if err := f.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if keys, err := client.Keys(t.Context(), "lycosa:{c*").Result(); err != nil || len(keys) > 0 {
			t.Errorf("%s: purge leaves %q, %v", spec, keys, err)
		}
	}
}

func TestUnrecordedTaskIsQueuedAndNotSeen(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for i, spec := range []redisdedup.Spec{{Kind: redisdedup.IntSet}, {Kind: redisdedup.Bloom}, {Kind: redisdedup.TwoTier, Rate: 0.1}} {
		c := redisfrontier.Config{Crawl: fmt.Sprint("c", i), Filter: spec, Logger: quiet()}
		if spec.Kind == redisdedup.TwoTier {
			c.Exact = exactOf
		}
		f := openWith(t, client, c)
		task := someTasks(0, 1, 1)[0]
		for round, want := range []struct {
			dontFilter, dontRecord bool
			added                  int
		}{{true, true, 1}, {true, true, 1}, {false, false, 1}, {false, false, 0}, {true, true, 1}, {true, false, 1}, {false, false, 0}} {
			task.DontFilter, task.DontRecord = want.dontFilter, want.dontRecord
			if n, err := f.Push(t.Context(), task); err != nil || n != want.added {
				t.Errorf("%s, round %d: %d queued, want %d, %v", spec, round, n, want.added, err)
			}
		}
	}
}

// dying is an exact store that fails at random, before its work or after it.
type dying struct{ memory }

func (d dying) Has(ctx context.Context, fps ...dedup.Fingerprint) ([]bool, error) {
	if rand.N(4) == 0 {
		return nil, errDied
	}
	return d.memory.Has(ctx, fps...)
}

func (d dying) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	n := rand.N(4)
	if n == 0 {
		return errDied
	}
	if err := d.memory.Record(ctx, fps...); err != nil || n == 1 {
		return errors.Join(err, errDied)
	}
	return nil
}

var errDied = errors.New("died")

// Pushers that die at any point and push again, several at a time the same tasks: every task is queued, and once.
func TestTwoTierPushLosesNothingAndQueuesOnce(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	exact := dying{memory{memdedup.NewSet()}}
	const total, pushers = 4000, 4
	var added atomic.Int64
	done := make(chan error, pushers)
	for p := range pushers {
		f := openWith(t, dial(t, server.URL), redisfrontier.Config{
			Crawl: "x", Partitions: 2, Filter: redisdedup.Spec{Kind: redisdedup.TwoTier, Rate: 0.3}, Known: -1, Logger: quiet(),
			Exact: func(redisfrontier.CrawlInfo) (dedup.Exact, error) { return exact, nil },
		})
		go func() {
			tasks := someTasks(0, total, 20)
			if p%2 == 1 {
				slices.Reverse(tasks)
			}
			for i := 0; i < total; {
				n, err := f.Push(context.Background(), tasks[i:i+50]...)
				added.Add(int64(n))
				if err != nil && !errors.Is(err, errDied) {
					done <- err
					return
				}
				if err == nil {
					i += 50
				}
			}
			done <- nil
		}()
	}
	for range pushers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	f := openWith(t, dial(t, server.URL), redisfrontier.Config{Crawl: "x", Pace: scheduler.Pace{Concurrency: 1000}, Logger: quiet()})
	claimed := map[string]int{}
	for len(claimed) < total {
		leases, err := f.Claim(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leases {
			claimed[string(l.Payload)]++
		}
	}
	s, err := f.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for payload, n := range claimed {
		if n != 1 {
			t.Errorf("%s was queued %d times", payload, n)
		}
	}
	if s.Queued != 0 || s.Leased != total {
		t.Errorf("%d queued and %d leased, want 0 and %d", s.Queued, s.Leased, total)
	}
	known, err := exact.memory.Has(t.Context(), fpsOf(someTasks(0, total, 20))...)
	if err != nil || slices.Contains(known, false) {
		t.Errorf("the other store does not know all tasks, %v", err)
	}
}

func fpsOf(tasks []scheduler.Task) []dedup.Fingerprint {
	fps := make([]dedup.Fingerprint, len(tasks))
	for i := range tasks {
		fps[i] = tasks[i].ID
	}
	return fps
}

func TestKnownFingerprintsAreSeenInEachPartitionAndCountAsNoTask(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for i, spec := range []redisdedup.Spec{{Kind: redisdedup.IntSet, Expected: 5000}, {Kind: redisdedup.Bloom, Rate: 1e-6}, {Kind: redisdedup.TwoTier, Rate: 0.2}} {
		c := redisfrontier.Config{Crawl: fmt.Sprint("k", i), Partitions: 3, Filter: spec, Logger: quiet()}
		if spec.Kind == redisdedup.TwoTier {
			c.Exact = exactOf
		}
		f := openWith(t, client, c)
		tasks := someTasks(0, 2000, 10)
		fps := make([]dedup.Fingerprint, 1200)
		for j := range fps {
			fps[j] = tasks[j].ID
		}
		for round, want := range []int{1200, 0} {
			if n, err := f.Know(t.Context(), fps...); err != nil || n != want {
				t.Errorf("%s, round %d: %d were new, want %d, %v", spec, round, n, want, err)
			}
		}
		if s, err := f.Stats(t.Context()); err != nil || s.Seen != 0 || s.Active() != 0 {
			t.Errorf("%s: %+v, %v", spec, s, err)
		}
		if n, err := f.Push(t.Context(), tasks...); err != nil || n != 800 {
			t.Errorf("%s: %d are queued, want 800, %v", spec, n, err)
		}
		if s, err := f.Stats(t.Context()); err != nil || s.Seen != 800 || s.Duplicates != 1200 {
			t.Errorf("%s: %d seen, %d duplicates, %v", spec, s.Seen, s.Duplicates, err)
		}
		if broken, err := f.Check(t.Context()); err != nil || len(broken) > 0 {
			t.Errorf("%s: %v, %v", spec, broken, err)
		}
	}
}
