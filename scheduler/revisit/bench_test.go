package revisit_test

import (
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// visits calls visit n times with a record that is read from its bytes and written back, as a frontier does.
func visits(n int, visit func(r revisit.Record, i int) revisit.Record) {
	var stored [64][]byte
	for i := range stored {
		r := page()
		r.A, r.B, r.Weight = 0.5+float32(i%9), 0.1*float32(1+i), revisit.Weight(110+i%32)
		stored[i] = r.Append(make([]byte, 0, revisit.RecordSize))
	}
	for i := range n {
		b := stored[i%len(stored)]
		r, err := revisit.ParseRecord(b)
		if err != nil {
			panic(err)
		}
		r.Seen = page().Seen
		stored[i%len(stored)] = visit(r, i).Append(b[:0])
	}
}

func BenchmarkVisit(b *testing.B) {
	b.ReportAllocs()
	p, t := revisit.Policy{}, terms(0.3)
	visits(b.N, func(r revisit.Record, i int) revisit.Record {
		r, _ = p.Visited(r, i%3 == 0, epoch, t)
		return r
	})
}

func BenchmarkDecide(b *testing.B) {
	b.ReportAllocs()
	p, t := revisit.Policy{}, terms(0.3)
	visits(b.N, func(r revisit.Record, i int) revisit.Record {
		return p.Decide(r, revisit.Observed(revisit.OK, uint64(i%3)), t, epoch).Record
	})
}

func BenchmarkVisitStaleness(b *testing.B) {
	b.ReportAllocs()
	p, t := revisit.Policy{Objective: revisit.Staleness}, terms(0.3)
	visits(b.N, func(r revisit.Record, i int) revisit.Record {
		r, _ = p.Visited(r, i%3 == 0, epoch, t)
		return r
	})
}

func BenchmarkController(b *testing.B) {
	b.ReportAllocs()
	p := revisit.Policy{Budget: 1000}
	ctl := revisit.NewController(p, epoch)
	first := page()
	for range 5000 {
		ctl.Track("host", revisit.Record{}, first)
	}
	visits(b.N, func(r revisit.Record, i int) revisit.Record {
		after, _ := p.Visited(r, i%3 == 0, epoch, ctl.Terms("host", epoch))
		ctl.Track("host", r, after)
		return after
	})
}

// The race detector's own allocations are not counted by AllocsPerRun, so this holds with it, too.
func TestVisitAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	p, know := revisit.Policy{}, terms(0.3)
	r := page()
	if n := testing.AllocsPerRun(100, func() {
		r, _ = p.Visited(r, true, epoch, know)
		_ = p.Decide(r, revisit.Observed(revisit.OK, 8), know, epoch)
	}); n != 0 {
		t.Errorf("%v allocations a visit", n)
	}
}
