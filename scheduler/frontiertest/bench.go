package frontiertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Benchmark measures a driver in batches of 1, 16 and 64: pushing, pushing what is known, and
// claiming plus finishing. It reports urls/s beside the usual figures. Runs of eight URLs go to one host each,
// without a delay, as links of a page do.
func Benchmark(b *testing.B, open Opener) {
	for _, batch := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("push/batch=%d", batch), func(b *testing.B) { benchPush(b, open, batch) })
		b.Run(fmt.Sprintf("known/batch=%d", batch), func(b *testing.B) { benchKnown(b, open, batch) })
		b.Run(fmt.Sprintf("claim+finish/batch=%d", batch), func(b *testing.B) { benchClaim(b, open, batch) })
	}
}

func benchOpen(b *testing.B, open Opener) scheduler.Frontier {
	return open(b, Options{
		Crawl: crawlName("bench"), Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 64}, MaxExpired: 10,
	})
}

// benchTasks returns n tasks, 66 bytes of URL each, from the first-th on.
func benchTasks(first, n int) []scheduler.Task {
	list := make([]scheduler.Task, n)
	for i := range list {
		host := fmt.Sprintf("h%07d.example", (first+i)/8)
		url := fmt.Sprintf("https://%s/catalogue/some-thing-or-other_%09d/", host, first+i)
		list[i] = scheduler.Task{ID: dedup.Of("", url, nil), Host: host, Payload: []byte(url)}
	}
	return list
}

func benchPush(b *testing.B, open Opener, batch int) {
	f, ctx := benchOpen(b, open), context.Background()
	list := benchTasks(0, b.N*batch)
	b.ResetTimer()
	for i := range b.N {
		if n, err := f.Push(ctx, list[i*batch:(i+1)*batch]...); err != nil || n != batch {
			b.Fatalf("push added %d: %v", n, err)
		}
	}
	report(b, batch)
}

func benchKnown(b *testing.B, open Opener, batch int) {
	f, ctx := benchOpen(b, open), context.Background()
	const known = 1 << 12
	list := benchTasks(0, known)
	for i := 0; i < known; i += 64 {
		if _, err := f.Push(ctx, list[i:i+64]...); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		at := i * batch % known
		if n, err := f.Push(ctx, list[at:at+batch]...); err != nil || n != 0 {
			b.Fatalf("push added %d: %v", n, err)
		}
	}
	report(b, batch)
}

func benchClaim(b *testing.B, open Opener, batch int) {
	f, ctx := benchOpen(b, open), context.Background()
	total := b.N * batch
	for i := 0; i < total; i += 64 {
		if _, err := f.Push(ctx, benchTasks(i, min(64, total-i))...); err != nil {
			b.Fatal(err)
		}
	}
	results := make([]scheduler.Result, 0, batch)
	b.ResetTimer()
	for done := 0; done < total; {
		leases, err := f.Claim(ctx, min(batch, total-done))
		if err != nil {
			b.Fatal(err)
		}
		results = results[:0]
		for _, l := range leases {
			results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "ok"})
		}
		if err := f.Finish(ctx, results...); err != nil {
			b.Fatal(err)
		}
		done += len(leases)
	}
	report(b, batch)
}

func report(b *testing.B, batch int) {
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "urls/s")
}
