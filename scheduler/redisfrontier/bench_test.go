package redisfrontier_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/frontiertest"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func BenchmarkSuite(b *testing.B) { frontiertest.Benchmark(b, opener(servers.Redis(b).URL, 1)) }

// BenchmarkCycle takes URLs through push, claim and finish in batches, eight URLs to a host, and reports what Redis'
// main thread spends on a URL in each of the three.
func BenchmarkCycle(b *testing.B) {
	server := servers.Redis(b)
	for _, partitions := range []int{1, 16} {
		for _, batch := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("partitions=%d/batch=%d", partitions, batch), func(b *testing.B) {
				client := dial(b, server.URL)
				client.FlushAll(context.Background())
				f := openWith(b, client, redisfrontier.Config{
					Crawl: "bench", Partitions: partitions, Pace: scheduler.Pace{Concurrency: 64}, Known: -1, Logger: quiet(),
				})
				benchCycle(b, f, client, batch)
			})
		}
	}
}

func benchCycle(b *testing.B, f *redisfrontier.Frontier, client redis.UniversalClient, batch int) {
	ctx := context.Background()
	total := b.N * batch
	list := someTasks(0, total, 8)
	phase := func(name string, do func()) {
		cpu, begin := serverCPU(b, client), time.Now()
		do()
		took := time.Since(begin)
		b.ReportMetric(float64((serverCPU(b, client)-cpu).Microseconds())/float64(total), name+"-µs/url")
		b.ReportMetric(float64(total)/took.Seconds(), name+"/s")
	}
	phase("push", func() {
		for i := 0; i < total; i += batch {
			if n, err := f.Push(ctx, list[i:i+batch]...); err != nil || n != batch {
				b.Fatal(n, err)
			}
		}
	})
	var leases []*scheduler.Lease
	phase("claim", func() {
		for len(leases) < total {
			got, err := f.Claim(ctx, min(batch, total-len(leases)))
			if err != nil {
				b.Fatal(err)
			}
			leases = append(leases, got...)
		}
	})
	results := make([]scheduler.Result, 0, batch)
	phase("finish", func() {
		for i := 0; i < total; i += batch {
			results = results[:0]
			for _, l := range leases[i : i+batch] {
				results = append(results, scheduler.Result{
					Lease: l, Verdict: scheduler.Done(), Sent: time.Millisecond, Outcome: "ok", Items: 1, Bytes: 1000, Status: 200,
				})
			}
			if err := f.Finish(ctx, results...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkConfirmedPush pushes batches of 64 that so many replicas must have before the next one is sent.
func BenchmarkConfirmedPush(b *testing.B) {
	s := servers.Sentinel(b, 1, time.Hour)
	for _, confirm := range []int{0, 1} {
		b.Run(fmt.Sprintf("replicas=%d", confirm), func(b *testing.B) {
			const batch = 64
			client := dial(b, s.URL)
			client.FlushAll(context.Background())
			f := openWith(b, client, redisfrontier.Config{Crawl: "bench", Partitions: 16, Known: -1, Confirm: confirm, Logger: quiet()})
			list := someTasks(0, b.N*batch, 8)
			b.ResetTimer()
			for i := range b.N {
				if n, err := f.Push(context.Background(), list[i*batch:(i+1)*batch]...); err != nil || n != batch {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "urls/s")
		})
	}
}

// BenchmarkMemory reports the bytes of Redis memory that a pending URL takes.
func BenchmarkMemory(b *testing.B) {
	client := dial(b, servers.Redis(b).URL)
	for _, each := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("urls-per-host=%d", each), func(b *testing.B) {
			for range b.N {
				ctx := context.Background()
				client.FlushAll(ctx)
				f := openWith(b, client, redisfrontier.Config{Crawl: "bench", Partitions: 16, Known: -1, Logger: quiet()})
				const total = 200_000
				before := usedMemory(b, client)
				payload := 0
				for i := 0; i < total; i += 2000 {
					list := someTasks(i, 2000, each)
					for _, t := range list {
						payload += len(t.Payload)
					}
					if _, err := f.Push(ctx, list...); err != nil {
						b.Fatal(err)
					}
				}
				used := usedMemory(b, client) - before
				b.ReportMetric(float64(used)/total, "B/url")
				b.ReportMetric(float64(used-int64(payload))/total, "B-beyond-payload/url")
			}
		})
	}
}

// BenchmarkCompare compares 50,000 pages of which each second is a duplicate of the one before, by 16 workers at once, and reports
// what Redis' main thread spends on a page, and the memory that an original takes, with its URL of 65 bytes.
//
//	go test ./scheduler/redisfrontier -run ^$ -bench Compare -benchtime 1x
func BenchmarkCompare(b *testing.B) {
	client := dial(b, servers.Redis(b).URL)
	for _, mode := range []string{"exact", "near"} {
		b.Run(mode, func(b *testing.B) {
			const pages, workers = 50_000, 16
			for range b.N {
				client.FlushAll(b.Context())
				f := openWith(b, client, redisfrontier.Config{Crawl: "bench", Known: -1, Logger: quiet()})
				before, cpu, begin := usedMemory(b, client), serverCPU(b, client), time.Now()
				var all errgroup.Group
				for w := range workers {
					all.Go(func() error {
						for i := w; i < pages; i += workers {
							content := uint64(i/2+1) * 0x9e3779b97f4a7c15
							c := scheduler.Content{
								ID: fmt.Sprintf("https://h%07d.example/catalogue/some-thing-or-other_%09d/", i, i), Exact: content,
								Paths: []string{fmt.Sprint("h", i%1000, "/x/"), fmt.Sprint("h", i%1000, "/x/y/")},
							}
							if mode == "near" {
								c.Sim = content
							}
							if _, err := f.Compare(b.Context(), c); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err := all.Wait(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(pages/time.Since(begin).Seconds(), "pages/s")
				b.ReportMetric(float64((serverCPU(b, client)-cpu).Microseconds())/pages, "µs-of-redis/page")
				b.ReportMetric(float64(usedMemory(b, client)-before)/(pages/2), "B/original")
			}
		})
	}
}

// BenchmarkLink counts links to 100,000 pages, 50 links a call and each page linked to ten times, and reports what that costs Redis.
//
//	go test ./scheduler/redisfrontier -run ^$ -bench Link -benchtime 1x
func BenchmarkLink(b *testing.B) {
	client := dial(b, servers.Redis(b).URL)
	for range b.N {
		const pages, each, times = 100_000, 50, 10
		client.FlushAll(b.Context())
		f := openWith(b, client, redisfrontier.Config{Crawl: "bench", Known: -1, Logger: quiet()})
		list := someTasks(0, pages, 100)
		before, cpu := usedMemory(b, client), serverCPU(b, client)
		for range times {
			for i := 0; i < pages; i += each {
				links := make([]scheduler.Link, each)
				for k := range links {
					links[k] = scheduler.Link{TaskRef: scheduler.TaskRef{Host: list[i+k].Host, ID: list[i+k].ID}, By: 1}
				}
				if _, err := f.Link(b.Context(), links...); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64((serverCPU(b, client)-cpu).Nanoseconds())/pages/times/1000, "µs-of-redis/link")
		b.ReportMetric(float64(usedMemory(b, client)-before)/pages, "B/page")
	}
}

// someTasks returns the tasks from the first-th on, of each hosts's share in turn.
func someTasks(first, n, each int) []scheduler.Task {
	list := make([]scheduler.Task, n)
	for i := range list {
		host := fmt.Sprintf("h%07d.example", (first+i)/each)
		url := fmt.Sprintf("https://%s/catalogue/some-thing-or-other_%09d/", host, first+i)
		list[i] = scheduler.Task{ID: dedup.Of("", url, nil), Host: host, Payload: []byte(url)}
	}
	return list
}

// serverCPU is what the main thread of Redis has used.
func serverCPU(tb testing.TB, client redis.UniversalClient) time.Duration {
	tb.Helper()
	user, err1 := strconv.ParseFloat(info(tb, client, "cpu", "used_cpu_user_main_thread"), 64)
	sys, err2 := strconv.ParseFloat(info(tb, client, "cpu", "used_cpu_sys_main_thread"), 64)
	if err1 != nil || err2 != nil {
		tb.Fatal(err1, err2)
	}
	return time.Duration((user + sys) * float64(time.Second))
}

func usedMemory(tb testing.TB, client redis.UniversalClient) int64 {
	tb.Helper()
	n, err := strconv.ParseInt(info(tb, client, "memory", "used_memory"), 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func info(tb testing.TB, client redis.UniversalClient, section, field string) string {
	tb.Helper()
	value, err := infoOf(client, section, field)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

func infoOf(client redis.UniversalClient, section, field string) (string, error) {
	text, err := client.Info(context.Background(), section).Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("INFO %s has no %s", section, field)
}
