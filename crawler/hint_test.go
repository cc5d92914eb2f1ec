package crawler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// waiting has pages wait for a revisit, each with a record or without one, and returns their frontier.
func waiting(t *testing.T, now time.Time, records map[string]*revisit.Record) *memfrontier.Frontier {
	t.Helper()
	f, err := memfrontier.New(memfrontier.Config{Pace: scheduler.Pace{Concurrency: 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for url, record := range records {
		u, err := canon.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		req := &Request{URL: u.String(), Route: "page"}
		if record != nil {
			req.memory = &memory{record: *record}
		}
		task := scheduler.Task{ID: canon.Fingerprint("", u.String(), nil, nil), Host: u.Host(), Payload: req.AppendPayload(nil)}
		if _, err := f.Push(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		leases, err := f.Claim(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Finish(t.Context(), scheduler.Result{Lease: leases[0], Verdict: scheduler.Revisit(now.Add(1000 * 24 * time.Hour))}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestHintSaysWhatBecameOfEach(t *testing.T) {
	t.Parallel()
	now := time.Now()
	seen := revisit.NewRecord(1)
	seen.Seen, seen.A, seen.B = uint32(now.Add(-time.Hour).Unix()), 1, 10
	hinted, _ := revisit.Hint(seen, now.Add(time.Hour), 0.5, now)
	f := waiting(t, now, map[string]*revisit.Record{
		"http://a.example/seen": &seen, "http://a.example/hinted": &hinted, "http://a.example/unvisited": nil, "http://b.example/seen": &seen,
	})
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	hints := []PageHint{
		{"http://a.example/seen", now.Add(-2 * time.Hour)},
		{"http://a.example/seen", now.Add(-time.Minute)},
		{"http://a.example/hinted", time.Time{}},
		{"http://a.example/unvisited", now},
		{"http://a.example/unseen", now},
		{"HTTP://b.example:80/seen#top", time.Time{}},
		{"http://b.example/seen", time.Time{}},
	}
	want := []HintOutcome{HintVisitedSince, HintTaken, HintAgain, HintIgnored, HintUnknown, HintTaken, HintAgain}
	got, err := Hint(t.Context(), canon, f, hints...)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s at %v: %s, want %s", hints[i].URL, hints[i].Modified, got[i], want[i])
		}
	}
}

func TestHintWithABadOneTellsNone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	seen := revisit.NewRecord(1)
	seen.Seen, seen.A, seen.B = uint32(now.Add(-time.Hour).Unix()), 1, 10
	f := waiting(t, now, map[string]*revisit.Record{"http://a.example/": &seen})
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]PageHint{
		"mailto:me@example.com":   {URL: "mailto:me@example.com"},
		"http://a.example/future": {URL: "http://a.example/future", Modified: now.Add(2 * clockSkew)},
	} {
		if _, err := Hint(t.Context(), canon, f, PageHint{URL: "http://a.example/"}, bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := Hint(t.Context(), canon, f, PageHint{URL: "http://a.example/"}); err != nil || got[0] != HintTaken {
		t.Errorf("told before: %v %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Hint(ended, canon, f, PageHint{URL: "http://a.example/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
