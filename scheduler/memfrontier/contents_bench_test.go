package memfrontier

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// BenchmarkCompare reports what a comparison takes, and an original with its URL of 65 bytes.
//
//	go test ./scheduler/memfrontier -run ^$ -bench Compare -benchtime 200000x
func BenchmarkCompare(b *testing.B) {
	for _, mode := range []string{"exact", "near"} {
		b.Run(mode, func(b *testing.B) {
			f, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = f.Close() })
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := 0; b.Loop(); i++ {
				content := uint64(i+1) * 0x9e3779b97f4a7c15
				c := scheduler.Content{
					ID: fmt.Sprintf("https://h%07d.example/catalogue/some-thing-or-other_%09d/", i, i), Exact: content, Paths: []string{"x/", "x/y/"},
				}
				if mode == "near" {
					c.Sim = content
				}
				if _, err := f.Compare(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/original")
			runtime.KeepAlive(f)
		})
	}
}
