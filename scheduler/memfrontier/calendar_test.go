package memfrontier

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// TestJournalOfFormat2IsReadAndMadeAnew opens what an earlier version has written: twelve tasks, two of which wait for a revisit.
func TestJournalOfFormat2IsReadAndMadeAnew(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("testdata/format2.journal")
	if err != nil {
		t.Fatal(err)
	}
	dir, clock, ctx := t.TempDir(), &manual{time.Unix(1_764_000_000, 0)}, context.Background()
	if err := os.WriteFile(filepath.Join(dir, "frontier-7"+suffix), old, 0o600); err != nil {
		t.Fatal(err)
	}
	f := openAt(t, dir, clock)
	if r := f.Recovered(); r != (Recovery{Tasks: 9}) {
		t.Errorf("recovered %+v, want nine tasks", r)
	}
	s, err := f.Stats(ctx)
	if err != nil || s.Queued != 5 || s.Scheduled != 2 || s.Delayed != 1 || s.Parked != 1 || s.Dead != 1 || s.Gone != 1 || s.Done != 5 || s.Items != 7 {
		t.Errorf("%+v %v", s, err)
	}
	var scheduled []string
	err = f.Scheduled(ctx, func(t scheduler.Task) bool {
		scheduled = append(scheduled, fmt.Sprintf("%s %v", t.Payload, t.Due.Sub(clock.at)))
		return true
	})
	if want := []string{"p7 24h0m0s", "p1 240h0m0s"}; err != nil || !slices.Equal(scheduled, want) {
		t.Errorf("scheduled are %v (%v), want %v", scheduled, err, want)
	}
	if v, ok, err := f.Load(ctx, "h1", "robots"); string(v) != "r" || !ok || err != nil {
		t.Errorf("memo %q %v %v", v, ok, err)
	}
	now, err := os.ReadFile(journalOf(t, dir))
	if err != nil || !strings.HasPrefix(string(now), "lycosa-frontier 4\n") {
		t.Errorf("the journal begins %.20q, %v", now, err)
	}
	// It goes on as a new one does.
	refs := []scheduler.TaskRef{{Host: "h1", ID: dedup.Of("", "7", nil)}}
	done, err := f.Reschedule(ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		t.Payload = []byte("learnt")
		return t, []float64{2}, true
	})
	if err != nil || !done[0] {
		t.Errorf("reschedule: %v %v", done, err)
	}
	again := openAt(t, killed(t, dir), clock)
	same(t, "what came back", take(again.s, true), take(f.s, true))
	if sums, err := again.Sums(ctx, "h1"); err != nil || !slices.Equal(sums, []float64{2}) {
		t.Errorf("sums %v %v", sums, err)
	}
}

// TestLearntThingsSurviveAKill kills a crawl after each way a payload or a sum changes, with and without a snapshot in between.
func TestLearntThingsSurviveAKill(t *testing.T) {
	t.Parallel()
	ctx, clock, dir := context.Background(), &manual{time.Unix(1_764_000_000, 0)}, t.TempDir()
	f := openAt(t, dir, clock)
	id := dedup.Of("", "0", nil)
	if _, err := f.Push(ctx, scheduler.Task{ID: id, Host: "h", Priority: 3, Payload: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	claim := func() *scheduler.Lease {
		t.Helper()
		leases, err := f.Claim(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		return leases[0]
	}
	finish := func(v scheduler.Verdict, sums ...float64) {
		t.Helper()
		if err := f.Finish(ctx, scheduler.Result{Lease: claim(), Verdict: v, Sums: sums}); err != nil {
			t.Fatal(err)
		}
	}
	replan := func(d time.Duration, payload string) {
		t.Helper()
		refs := []scheduler.TaskRef{{Host: "h", ID: id}}
		done, err := f.Reschedule(ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
			t.Due, t.Payload = clock.at.Add(d), []byte(payload)
			return t, []float64{0, 1}, true
		})
		if err != nil || !done[0] {
			t.Fatalf("reschedule: %v %v", done, err)
		}
	}
	for i, step := range []struct {
		do      func()
		payload string
		place   scheduler.Place
		sums    []float64
	}{
		{func() { finish(scheduler.Retry(0, "x").WithPayload([]byte("tried")), 1) }, "tried", scheduler.PlaceQueued, []float64{1}},
		{func() { finish(scheduler.Release(), 0.5) }, "tried", scheduler.PlaceQueued, []float64{1.5}},
		{func() { finish(scheduler.Revisit(clock.at.Add(time.Hour)).WithPayload([]byte{}), 0, 7) }, "", scheduler.PlaceScheduled, []float64{1.5, 7}},
		{func() { replan(time.Minute, "sooner") }, "sooner", scheduler.PlaceScheduled, []float64{1.5, 8}},
		{func() { replan(-time.Minute, "now") }, "now", scheduler.PlaceQueued, []float64{1.5, 9}},
	} {
		step.do()
		for _, snapshot := range []bool{false, true} {
			if snapshot {
				f.journal.mu.Lock()
				f.journal.compact(f)
				f.journal.mu.Unlock()
			}
			again := openAt(t, killed(t, filepath.Dir(f.journal.file.Name())), clock)
			same(t, fmt.Sprint("after step ", i), take(again.s, true), take(f.s, true))
			w, err := again.Inspect(ctx, "h", id)
			if err != nil || w.Place != step.place || string(w.Task.Payload) != step.payload || w.Task.Priority != 3 {
				t.Errorf("after step %d: %+v %v", i, w, err)
			}
			if sums, err := again.Sums(ctx, ""); err != nil || !slices.Equal(sums, step.sums) {
				t.Errorf("after step %d the sums are %v %v, want %v", i, sums, err, step.sums)
			}
		}
	}
	if _, err := f.PurgeHost(ctx, "h"); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, killed(t, filepath.Dir(f.journal.file.Name())), clock)
	if sums, err := again.Sums(ctx, ""); err != nil || sums != nil {
		t.Errorf("sums of a host that was purged: %v %v", sums, err)
	}
}

// TestReopenedCrawlIsNotDoneWithRevisitsDue closes a crawl that is done, and opens it when its revisits have come due.
func TestReopenedCrawlIsNotDoneWithRevisitsDue(t *testing.T) {
	t.Parallel()
	ctx, clock, dir := context.Background(), &manual{time.Unix(1_764_000_000, 0)}, t.TempDir()
	f := openAt(t, dir, clock)
	if _, err := f.Push(ctx, scheduler.Task{ID: dedup.Of("", "0", nil), Host: "h"}); err != nil {
		t.Fatal(err)
	}
	done := func(want bool) {
		t.Helper()
		if done, err := f.Done(ctx); err != nil || done != want {
			t.Fatalf("done: %v %v, want %v", done, err, want)
		}
	}
	leases, err := f.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Revisit(clock.at.Add(72 * time.Hour))}); err != nil {
		t.Fatal(err)
	}
	done(true)
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		clock.at = clock.at.Add(37 * time.Hour)
		f = openAt(t, dir, clock)
		done(clock.at.Unix() < 1_764_000_000+72*3600)
	}
	if leases, err = f.Claim(ctx, 1); err != nil {
		t.Fatal(err)
	}
	done(false)
	if err := f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()}); err != nil {
		t.Fatal(err)
	}
	done(true)
}
