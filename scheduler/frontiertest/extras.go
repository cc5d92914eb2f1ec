package frontiertest

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func extraCases() []testCase {
	return []testCase{
		{"MemoKeepsUntilTTL", memoKeepsUntilTTL},
		{"WorkersAreListedUntilSilent", workersAreListedUntilSilent},
		{"CheckFindsNothingInEveryState", checkFindsNothingInEveryState},
	}
}

func memoKeepsUntilTTL(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	m, n := extra[scheduler.Memo](r, f), extra[scheduler.Memo](r, g)
	load := func(host, name string, want []byte) {
		r.Helper()
		value, ok, err := n.Load(r.ctx, host, name)
		r.must(err)
		if ok != (want != nil) || !bytes.Equal(value, want) {
			r.Errorf("load %s/%s: %.20q, %v; want %.20q", host, name, value, ok, want)
		}
	}
	load("a.example", "robots", nil)
	big := bytes.Repeat([]byte{0, 1, 0xff, '\n'}, 1<<18)
	r.must(m.Save(r.ctx, "a.example", "robots", big, time.Hour))
	r.must(m.Save(r.ctx, "a.example", "icon", []byte("i"), time.Minute))
	r.must(m.Save(r.ctx, "b.example", "robots", []byte{}, time.Hour))
	load("a.example", "robots", big)
	load("a.example", "icon", []byte("i"))
	load("b.example", "robots", []byte{}) // empty is not absent
	load("b.example", "icon", nil)
	if err := m.Save(r.ctx, "a.example", "robots", make([]byte, 1<<20+1), time.Hour); err == nil {
		r.Error("a value of more than 1 MiB is accepted")
	}
	load("a.example", "robots", big)

	r.advance(59 * time.Second)
	load("a.example", "icon", []byte("i"))
	r.advance(2 * time.Second)
	load("a.example", "icon", nil)
	load("a.example", "robots", big)

	// A later save replaces the value and its time.
	r.must(m.Save(r.ctx, "a.example", "robots", []byte("new"), 2*time.Hour))
	r.advance(time.Hour + time.Minute)
	load("a.example", "robots", []byte("new"))
	load("b.example", "robots", nil)
}

func workersAreListedUntilSilent(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	reg, other := extra[scheduler.Registry](r, f), extra[scheduler.Registry](r, g)
	now := r.clock.Now().UTC()
	b := scheduler.WorkerInfo{
		ID: "b-1", Host: "crawl2", PID: 17, Build: "v1.2.3+abc", Spiders: []string{"books", "news"}, Routes: []string{"books/detail"},
		Slots: 16, Running: 3, Pages: 1 << 40, Started: now.Add(-time.Hour), Heartbeat: now, Draining: true, Unavailable: "redis: \"EOF\"",
	}
	a := scheduler.WorkerInfo{ID: "a-1", Started: now, Heartbeat: now}
	beat := func(w scheduler.WorkerInfo, fleet int) {
		r.Helper()
		n, err := reg.Heartbeat(r.ctx, w, time.Minute)
		r.must(err)
		r.want("workers", int64(n), int64(fleet))
	}
	beat(b, 1)
	beat(a, 2)
	listed := func(want ...scheduler.WorkerInfo) {
		r.Helper()
		got, err := other.Workers(r.ctx)
		r.must(err)
		for i := range got {
			got[i].Started, got[i].Heartbeat = got[i].Started.UTC(), got[i].Heartbeat.UTC()
		}
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			r.Errorf("workers are\n%+v, want\n%+v", got, want)
		}
	}
	listed(a, b)
	r.advance(40 * time.Second)
	b.Running, b.Pages, b.Draining, b.Unavailable, b.Heartbeat = 4, 12, false, "", r.clock.Now().UTC()
	beat(b, 2)
	listed(a, b)
	r.advance(40 * time.Second)
	listed(b)
	r.must(other.Leave(r.ctx, "b-1"))
	r.must(other.Leave(r.ctx, "b-1"))
	listed()
	beat(a, 1)
	listed(a)
}

func checkFindsNothingInEveryState(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Delay: time.Second, Concurrency: 2}})
	extra[scheduler.Checker](r, f)
	r.sound(f)
	r.fillEveryState(f)
	r.sound(f)
	s := r.stats(f)
	for name, n := range map[string]int64{
		"Queued": s.Queued - 5, "Leased": s.Leased - 1, "Delayed": s.Delayed - 1, "Scheduled": s.Scheduled - 1,
		"Parked": s.Parked - 1, "Dead": s.Dead - 1, "Gone": s.Gone - 1, "Done": s.Done - 4, "Hosts": s.Hosts - 6,
		"Seen": s.Seen - 12, "Retries": s.Retries - 1, "Items": s.Items - 7, "Bytes": s.Bytes - 7, "ok": s.Outcomes["ok"] - 7,
	} {
		if n != 0 {
			r.Errorf("%s is off by %d: %s", name, n, fmt.Sprintf("%+v", s))
		}
	}
}
