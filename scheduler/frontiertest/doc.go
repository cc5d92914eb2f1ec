// Package frontiertest is the conformance suite of [scheduler.Frontier]. A driver's own test is a few lines:
//
//	func TestSuite(t *testing.T) {
//		frontiertest.Run(t, func(t testing.TB, o frontiertest.Options) scheduler.Frontier {
//			f, err := mydriver.New(mydriver.Config{Crawl: o.Crawl, Lease: o.Lease, Pace: o.Pace, ...})
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { f.Close() })
//			return f
//		})
//	}
//
// Each case is named after the promise it tests. The cases run in parallel, each on a crawl of its own, and
// nearly all on a clock moved by hand ([Clock]), so the suite sleeps only where the promise is about waiting.
// Cases about the optional interfaces (scheduler.Pauser and so on) are skipped, with a line that says so, if
// the driver lacks them.
//
// [Flaky] is a frontier behind a bad connection, for tests of what uses frontiers. [Benchmark] measures a
// driver in batches.
package frontiertest
