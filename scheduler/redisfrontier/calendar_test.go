package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// revisitAll pushes tasks and schedules them over a day from due on.
func revisitAll(t *testing.T, f *redisfrontier.Frontier, due time.Time, list []scheduler.Task) {
	t.Helper()
	ctx := context.Background()
	if _, err := f.Push(ctx, list...); err != nil {
		t.Fatal(err)
	}
	for left := len(list); left > 0; {
		leases, err := f.Claim(ctx, min(left, 1000))
		if err != nil {
			t.Fatal(err)
		}
		left -= len(leases)
		var results []scheduler.Result
		for i, l := range leases {
			at := due.Add(time.Duration(i%1440) * time.Minute)
			results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(at), Sums: []float64{1}})
		}
		if err := f.Finish(ctx, results...); err != nil {
			t.Fatal(err)
		}
	}
}

func keysLike(t *testing.T, client redis.UniversalClient, pattern string) []string {
	t.Helper()
	keys, err := client.Keys(context.Background(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestIndexOfTheCalendarStaysPackedAndVanishes fills the calendar until its index has many buckets, and empties it.
func TestIndexOfTheCalendarStaysPackedAndVanishes(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	now := time.UnixMilli(1764000000000)
	f := openWith(t, client, redisfrontier.Config{
		Crawl: "packed", Partitions: 1, Pace: scheduler.Pace{Concurrency: 1000}, Now: func() time.Time { return now }, Logger: quiet(),
	})
	const n = 9000
	list := someTasks(0, n, 100)
	revisitAll(t, f, now.Add(time.Hour), list)
	soundly(t, f)
	buckets := keysLike(t, client, "*:wx:*")
	if len(buckets) < n/128 || len(buckets) > n/128+1 {
		t.Errorf("%d buckets for %d tasks", len(buckets), n)
	}
	for _, key := range buckets {
		if kind, err := client.ObjectEncoding(ctx, key).Result(); err != nil || kind != "intset" {
			t.Errorf("%s is a %s (%v)", key, kind, err)
		}
	}
	for i := 0; i < n; i += 777 {
		w, err := f.Inspect(ctx, list[i].Host, list[i].ID)
		if err != nil || w.Place != scheduler.PlaceScheduled || string(w.Task.Payload) != string(list[i].Payload) {
			t.Errorf("task %d: %+v %v", i, w, err)
		}
	}
	now = now.Add(48 * time.Hour)
	for left := n; left > 0; {
		leases, err := f.Claim(ctx, 1000)
		if err != nil {
			t.Fatal(err)
		}
		left -= len(leases)
		var results []scheduler.Result
		for _, l := range leases {
			results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Done()})
		}
		if err := f.Finish(ctx, results...); err != nil {
			t.Fatal(err)
		}
	}
	if left := append(keysLike(t, client, "*:wx:*"), keysLike(t, client, "*:w*")...); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	soundly(t, f)
}

// TestFewPlansShareASlot has so few plans that each would have a minute of its own, lets their time come near, and then crowds one
// minute.
func TestFewPlansShareASlot(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	now := time.UnixMilli(1764000000000)
	f := openWith(t, client, redisfrontier.Config{
		Crawl: "sparse", Partitions: 1, Pace: scheduler.Pace{Concurrency: 1000}, Now: func() time.Time { return now }, Logger: quiet(),
	})
	const n, days = 2000, 100
	list := someTasks(0, n, 100)
	plan := func(some []scheduler.Task, at func(i int) time.Time) {
		t.Helper()
		if _, err := f.Push(ctx, some...); err != nil {
			t.Fatal(err)
		}
		for done := 0; done < len(some); {
			leases, err := f.Claim(ctx, len(some)-done)
			if err != nil {
				t.Fatal(err)
			}
			var results []scheduler.Result
			for i, l := range leases {
				results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(at(done + i))})
			}
			if err := f.Finish(ctx, results...); err != nil {
				t.Fatal(err)
			}
			done += len(leases)
		}
	}
	plan(list, func(i int) time.Time { return now.Add(time.Hour + time.Duration(i)*days*24*60/n*time.Minute) })
	slots := func(most int) {
		t.Helper()
		if keys := keysLike(t, client, "*:w:*"); len(keys) > most {
			t.Errorf("%d plans have %d slots, want at most %d", n, len(keys), most)
		}
		soundly(t, f)
	}
	slots(50) // days in sixteenths of some two, and shorter ones up to the first
	claimed := 0
	for now = now.Add(20 * 24 * time.Hour); claimed < n/5-1; {
		leases, err := f.Claim(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		claimed += len(leases)
	}
	slots(50 + 3*16)
	crowd := someTasks(n, 700, 100)
	plan(crowd, func(int) time.Time { return now.Add(30 * 24 * time.Hour) })
	slots(50 + 3*16 + 13)
	w, err := f.Inspect(ctx, crowd[350].Host, crowd[350].ID)
	if err != nil || !w.Task.Due.Equal(now.Add(30*24*time.Hour)) {
		t.Errorf("%+v %v", w, err)
	}
}

func TestPurgeLeavesNoKeyOfCalendarSumsAndOriginals(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	f := openWith(t, client, redisfrontier.Config{Crawl: "purged", Partitions: 2, Pace: scheduler.Pace{Concurrency: 1000}, Logger: quiet()})
	revisitAll(t, f, time.Now().Add(time.Hour), someTasks(0, 3000, 100))
	for _, sim := range []uint64{0, 1} {
		if _, err := f.Compare(context.Background(), scheduler.Content{ID: "a", Exact: 1, Sim: sim, Paths: []string{"p"}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(keysLike(t, client, "*:n[bton]"))+len(keysLike(t, client, "*:c[eop]")) != 7 {
		t.Errorf("keys are %v", keysLike(t, client, "*"))
	}
	if len(keysLike(t, client, "*:wx:*")) < 20 || len(keysLike(t, client, "*:hs")) != 2 {
		t.Errorf("keys are %v", keysLike(t, client, "*"))
	}
	if err := f.Purge(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := keysLike(t, client, "*"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// TestRescheduleWhoseAnswerIsLostIsDoneOnce has the script run, and its answer lost.
func TestRescheduleWhoseAnswerIsLostIsDoneOnce(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	p := newProxy(t, server.Addr, "learnt_once")
	ctx := context.Background()
	f := openWith(t, dial(t, "redis://"+p.addr), redisfrontier.Config{Crawl: "once", Logger: quiet()})
	task := someTasks(0, 1, 1)[0]
	revisitAll(t, f, time.Now().Add(time.Hour), []scheduler.Task{task})
	calls := 0
	refs := []scheduler.TaskRef{{Host: task.Host, ID: task.ID}}
	change := func(_ int, is scheduler.Task) (scheduler.Task, []float64, bool) {
		calls++
		is.Payload = fmt.Append(is.Payload, " learnt_once")
		return is, []float64{10}, true
	}
	// The script may have to be loaded, which is no answer that can be lost.
	done, err := f.Reschedule(ctx, refs, func(_ int, is scheduler.Task) (scheduler.Task, []float64, bool) { return is, nil, true })
	if err != nil || !done[0] {
		t.Fatal(done, err)
	}
	p.lose.Store(true)
	if _, err := f.Reschedule(ctx, refs, change); err != nil {
		t.Fatal(err)
	}
	if p.lose.Load() || p.marked.Load() < 2 {
		t.Errorf("it was sent %d times, want twice", p.marked.Load())
	}
	var payloads []string
	if err := f.Scheduled(ctx, func(t scheduler.Task) bool { payloads = append(payloads, string(t.Payload)); return true }); err != nil {
		t.Fatal(err)
	}
	if len(payloads) != 1 || strings.Count(payloads[0], "learnt_once") != 1 || calls != 1 {
		t.Errorf("scheduled are %q after %d calls", payloads, calls)
	}
	if sums, err := f.Sums(ctx, ""); err != nil || !slices.Equal(sums, []float64{11}) {
		t.Errorf("the sums are %v (%v), want 1 and 10", sums, err)
	}
	soundly(t, f)
}

// TestCrawlWithAnEarlierCalendarIsRefused opens what a version wrote whose plans are not written so.
func TestCrawlWithAnEarlierCalendarIsRefused(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	openWith(t, client, redisfrontier.Config{Crawl: "older", Logger: quiet()})
	if err := client.HSet(ctx, "lycosa:{older}:ctl", "schema", "4").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := redisfrontier.Open(ctx, client, redisfrontier.Config{Crawl: "older", Logger: quiet()})
	if other, ok := errors.AsType[*redisfrontier.SchemaError](err); !ok || other.Schema != "4" || !strings.Contains(err.Error(), "crawl older has schema") {
		t.Errorf("%v, want a SchemaError that names 4", err)
	}
}
