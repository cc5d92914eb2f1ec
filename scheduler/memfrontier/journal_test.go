package memfrontier

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// picture is what a restart must bring back.
type picture struct {
	Queued    map[string]map[uint8][]string // host -> level -> tasks in order
	Delayed   []string
	Scheduled []string
	Parked    []string
	Dead      []string
	Seen      int
	Paces     map[string]scheduler.Pace
	Memos     map[memoKey]memo
	Sums      map[string][]float64
	Total     []float64
	Same      []string // originals in order, and those that came with a simhash
	Near      []string
	Paths     map[string]scheduler.PathCount
	Compared  scheduler.PathCount
	Links     map[uint64]uint32
	Counters  []int64
	Outcomes  map[string]int64
	Paused    bool
}

func (t *task) String() string {
	return fmt.Sprintf("#%d %s %s level %d, attempt %d, expired %d, first %d, id %s",
		t.number, t.host.name, t.payload, t.level, t.attempt, t.expired, t.first, t.id)
}

// take takes the picture of a crawl. What is leased is shown in its queue, in the order of the pushes or, if
// loose, without regard to order within a queue.
func take(s *state, loose bool) picture {
	p := picture{
		Queued: map[string]map[uint8][]string{}, Seen: len(s.seen), Paces: map[string]scheduler.Pace{}, Paths: map[string]scheduler.PathCount{},
		Memos: maps.Clone(s.memos.values), Sums: s.sums, Total: s.total, Outcomes: maps.Clone(s.stats.Outcomes), Paused: s.paused,
	}
	for exact, id := range s.contents.same.all() {
		p.Same = append(p.Same, fmt.Sprint(exact, id))
	}
	for sim, id := range s.contents.near.All() {
		p.Near = append(p.Near, fmt.Sprint(sim, id))
	}
	for path, n := range s.contents.paths {
		p.Paths[path] = *n
	}
	p.Compared, p.Links = s.contents.total, maps.Clone(s.links)
	queued := func(t *task) {
		if p.Queued[t.host.name] == nil {
			p.Queued[t.host.name] = map[uint8][]string{}
		}
		p.Queued[t.host.name][t.level] = append(p.Queued[t.host.name][t.level], t.String())
	}
	for l := s.oldest; l != nil; l = l.newer {
		queued(l.t)
	}
	for name, h := range s.hosts {
		if h.pace != nil {
			p.Paces[name] = *h.pace
		}
		for _, q := range h.queues {
			for t := q.head; t != nil; t = t.next {
				queued(t)
			}
		}
	}
	if loose {
		for _, levels := range p.Queued {
			for _, list := range levels {
				slices.Sort(list)
			}
		}
	}
	show := func(e entry) string { return fmt.Sprintf("%d: %s", e.due, e.t) }
	for _, e := range s.delayed.list {
		p.Delayed = append(p.Delayed, show(e))
	}
	for _, e := range s.revisit.list {
		p.Scheduled = append(p.Scheduled, show(e))
	}
	for label, list := range s.parked {
		for _, t := range list {
			p.Parked = append(p.Parked, label+": "+t.String())
		}
	}
	for _, d := range append(s.dead.all(), s.gone.all()...) {
		p.Dead = append(p.Dead, fmt.Sprintf("%+v", d))
	}
	for _, list := range [][]string{p.Delayed, p.Scheduled, p.Parked} {
		slices.Sort(list)
	}
	for _, c := range counters(&s.stats) {
		p.Counters = append(p.Counters, *c)
	}
	return p
}

func same(t *testing.T, what string, got, want picture) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		i := 0
		for i < min(len(g), len(w)) && g[i] == w[i] {
			i++
		}
		i = max(0, i-200)
		t.Fatalf("%s differs:\n got ...%.600s\nwant ...%.600s", what, g[i:], w[i:])
	}
}

// manual is a clock moved by hand.
type manual struct{ at time.Time }

func (m *manual) now() time.Time { return m.at }

func openAt(t testing.TB, dir string, clock *manual) *Frontier {
	t.Helper()
	f, err := Open(dir, Config{
		Pace: scheduler.Pace{Concurrency: 2}, Lease: time.Minute, MaxExpired: 2, Duplicates: 6, Now: clock.now, Sync: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// killed returns a directory with what a process killed now leaves behind.
func killed(t testing.TB, dir string) string {
	t.Helper()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

func journalOf(t testing.TB, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("journals in %s: %v, %v", dir, names, err)
	}
	return names[0]
}

// walk does random things to f.
type walk struct {
	t      testing.TB
	f      *Frontier
	clock  *manual
	rand   *rand.Rand
	pushed int
	leases []*scheduler.Lease
}

func (w *walk) must(err error) {
	w.t.Helper()
	var lost *scheduler.LostError
	if err != nil && !errors.As(err, &lost) {
		w.t.Fatal(err)
	}
}

func (w *walk) step() {
	ctx := context.Background()
	switch n := w.rand.IntN(100); {
	case n < 30:
		var batch []scheduler.Task
		for range 1 + w.rand.IntN(5) {
			i := w.pushed
			if w.rand.IntN(6) == 0 {
				i = w.rand.IntN(w.pushed + 1)
			} else {
				w.pushed++
			}
			task := scheduler.Task{
				ID: dedup.Of("", fmt.Sprint(i), nil), Host: fmt.Sprintf("h%d", i%7), Priority: i%3 - 1,
				Payload: fmt.Appendf(nil, "p%d", i), DontFilter: w.rand.IntN(10) == 0,
			}
			if w.rand.IntN(5) == 0 {
				task.Due = w.clock.at.Add(time.Duration(w.rand.IntN(300)) * time.Second)
			}
			batch = append(batch, task)
		}
		_, err := w.f.Push(ctx, batch...)
		w.must(err)
	case n < 55:
		s, err := w.f.Stats(ctx)
		w.must(err)
		if w.f.s.paused || s.Queued == 0 || len(w.f.s.ready.list) == 0 {
			return
		}
		leases, err := w.f.Claim(ctx, 4)
		w.must(err)
		w.leases = append(w.leases, leases...)
	case n < 80 && len(w.leases) > 0:
		i := w.rand.IntN(len(w.leases))
		l := w.leases[i]
		w.leases = slices.Delete(w.leases, i, i+1)
		w.must(w.f.Finish(ctx, scheduler.Result{
			Lease: l, Verdict: w.verdict(), Outcome: []string{"", "ok", "bad"}[w.rand.IntN(3)], Items: w.rand.IntN(2), Bytes: 5, Status: 404,
			Sums: w.sums(),
		}))
	case n < 84:
		w.must(w.f.SetPace(ctx, fmt.Sprintf("h%d", w.rand.IntN(9)), []scheduler.Pace{{}, {Delay: time.Second}, {Concurrency: 5}}[w.rand.IntN(3)]))
	case n < 87:
		w.must(w.f.Hold(ctx, fmt.Sprintf("h%d", w.rand.IntN(9)), w.clock.at.Add(20*time.Second)))
	case n < 89:
		_, err := w.f.Unpark(ctx, "one")
		w.must(err)
	case n < 91:
		w.must(w.f.Save(ctx, fmt.Sprintf("h%d", w.rand.IntN(9)), "robots", fmt.Append(nil, n), time.Hour))
	case n < 92:
		w.must(w.f.Pause(ctx))
	case n < 94:
		w.must(w.f.Resume(ctx))
	case n < 96:
		w.steer(ctx)
	case n < 98 && w.pushed > 0:
		w.reschedule(ctx)
	case n < 99:
		w.compare(ctx)
		w.link(ctx)
	default:
		w.clock.at = w.clock.at.Add(time.Duration(w.rand.IntN(30)) * time.Second)
	}
}

// steer does what operators do, now and then.
func (w *walk) steer(ctx context.Context) {
	host := []string{"", fmt.Sprintf("h%d", w.rand.IntN(7))}[w.rand.IntN(2)]
	which := scheduler.Letters{Host: host, Links: w.rand.IntN(2) == 0, Before: w.clock.at.Add(-time.Duration(w.rand.IntN(60)) * time.Second)}
	var err error
	switch w.rand.IntN(4) {
	case 0:
		_, err = w.f.Replay(ctx, which)
	case 1:
		_, err = w.f.Forget(ctx, which)
	case 2:
		_, err = w.f.Reprioritize(ctx, host, w.rand.IntN(4)-2, w.rand.IntN(4)-2)
	default:
		if host != "" {
			_, err = w.f.PurgeHost(ctx, host)
		}
	}
	w.must(err)
}

// sums draws what is added up: whole numbers, so that their order is the same to the total.
func (w *walk) sums() []float64 {
	return [][]float64{nil, {1}, {0, -3, float64(w.rand.IntN(9))}}[w.rand.IntN(3)]
}

func (w *walk) reschedule(ctx context.Context) {
	var refs []scheduler.TaskRef
	for range 1 + w.rand.IntN(4) {
		i := w.rand.IntN(w.pushed)
		refs = append(refs, scheduler.TaskRef{Host: fmt.Sprintf("h%d", i%7), ID: dedup.Of("", fmt.Sprint(i), nil)})
	}
	_, err := w.f.Reschedule(ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		t.Due = w.clock.at.Add(time.Duration(w.rand.IntN(7200)-100) * time.Second)
		t.Payload = fmt.Appendf(nil, "again%d", w.rand.IntN(100))
		return t, w.sums(), true
	})
	w.must(err)
}

// compare has some pages compared, more than are remembered.
func (w *walk) compare(ctx context.Context) {
	for range 5 {
		i := w.rand.IntN(30)
		c := scheduler.Content{ID: fmt.Sprint("page ", w.rand.IntN(60)), Exact: uint64(i), Paths: []string{fmt.Sprint("path ", i%5)}, Again: i%3 == 0}
		if i%2 == 0 {
			c.Sim = uint64(i/4+1) * 0x9e3779b97f4a7c15
		}
		_, err := w.f.Compare(ctx, c)
		w.must(err)
	}
}

func (w *walk) link(ctx context.Context) {
	var links []scheduler.Link
	for range 5 {
		links = append(links, scheduler.Link{
			TaskRef: scheduler.TaskRef{Host: "h", ID: dedup.Of("", fmt.Sprint(w.rand.IntN(30)), nil)}, By: w.rand.IntN(3) - 1,
		})
	}
	_, err := w.f.Link(ctx, links...)
	w.must(err)
}

func (w *walk) verdict() scheduler.Verdict {
	learnt := fmt.Appendf(nil, "learnt%d", w.rand.IntN(100))
	return []scheduler.Verdict{
		scheduler.Revisit(w.clock.at.Add(time.Duration(w.rand.IntN(4000)) * time.Second)).WithPayload(learnt),
		scheduler.Retry(time.Minute, "x").WithPayload(learnt), scheduler.Revisit(w.clock.at.Add(time.Hour)).WithPayload([]byte{}),
		scheduler.Done(), scheduler.Retry(time.Minute, "x"), scheduler.Retry(0, "x"), scheduler.Release(), scheduler.Drop("why"),
		scheduler.Gone("gone"), scheduler.Park("one"), scheduler.Park("two"), scheduler.Revisit(w.clock.at.Add(time.Hour)),
	}[w.rand.IntN(12)]
}

// TestKilledCrawlComesBack kills a random crawl again and again, between any two calls, compares what comes back, and goes
// on with it.
func TestKilledCrawlComesBack(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir, clock := t.TempDir(), &manual{time.Now()}
			w := &walk{t: t, f: openAt(t, dir, clock), clock: clock, rand: rand.New(rand.NewPCG(seed, 3))}
			for range 60 {
				for range w.rand.IntN(25) {
					w.step()
				}
				if w.rand.IntN(4) == 0 { // as when it has grown long
					w.f.journal.mu.Lock()
					w.f.journal.compact(w.f)
					w.f.journal.mu.Unlock()
				}
				w.stepAndKill(dir)
				dir = filepath.Dir(w.f.journal.file.Name())
			}
		})
	}
}

// stepAndKill brings the crawl to the present, kills it, and compares.
func (w *walk) stepAndKill(dir string) {
	// A push notes what the time has changed.
	_, err := w.f.Push(context.Background(), scheduler.Task{ID: dedup.Of("", fmt.Sprint("k", w.rand.Uint64()), nil), Host: "h0"})
	w.must(err)
	left := killed(w.t, dir)
	again := openAt(w.t, left, w.clock)
	if r := again.Recovered(); r.Cut != 0 || r.Damaged != "" {
		w.t.Fatalf("recovered %+v of an intact journal", r)
	}
	test := w.t.(*testing.T)
	same(test, "what came back", take(again.s, true), take(w.f.s, true))
	if broken, err := again.Check(context.Background()); err != nil || len(broken) > 0 {
		w.t.Fatalf("broken after recovery: %v, %v", broken, err)
	}
	w.must(w.f.Close())
	w.f, w.leases = again, nil
}

// TestSteeringSurvivesAKill kills the crawl after each thing an operator can do, with and without a snapshot in between.
func TestSteeringSurvivesAKill(t *testing.T) {
	t.Parallel()
	ctx, clock := context.Background(), &manual{time.Now()}
	dir := t.TempDir()
	f := openAt(t, dir, clock)
	const n = 24
	for i := range n {
		task := scheduler.Task{ID: dedup.Of("", fmt.Sprint(i), nil), Host: fmt.Sprintf("h%d", i%2), Priority: i % 3, Payload: fmt.Append(nil, i)}
		if _, err := f.Push(ctx, task); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		l, err := f.Claim(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		v := []scheduler.Verdict{scheduler.Drop("x"), scheduler.Gone("x"), scheduler.Retry(time.Hour, "x"), scheduler.Park("x")}[i%4]
		if err := f.Finish(ctx, scheduler.Result{Lease: l[0], Verdict: v, Status: 500 + i%3}); err != nil {
			t.Fatal(err)
		}
		clock.at = clock.at.Add(1500 * time.Millisecond)
	}
	if _, err := f.Claim(ctx, 2); err != nil { // they are queued again after a kill, where they were
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() (int, error)
	}{
		{"replay some", func() (int, error) { return f.Replay(ctx, scheduler.Letters{Status: 500}) }},
		{"forget some", func() (int, error) { return f.Forget(ctx, scheduler.Letters{Status: 501, Failed: true}) }},
		{"replay all", func() (int, error) { return f.Replay(ctx, scheduler.Letters{}) }},
		{"raise a host", func() (int, error) { return f.Reprioritize(ctx, "h0", 1, 5) }},
		{"lower a level", func() (int, error) { return f.Reprioritize(ctx, "", 2, -4) }},
		{"purge a host", func() (int, error) { return f.PurgeHost(ctx, "h1") }},
	} {
		if changed, err := step.do(); err != nil || changed == 0 {
			t.Fatalf("%s: %d, %v; want some", step.name, changed, err)
		}
		for _, when := range []string{"", " and a snapshot"} {
			again := openAt(t, killed(t, dir), clock)
			same(t, step.name+when, take(again.s, true), take(f.s, true))
			if broken, err := again.Check(ctx); err != nil || len(broken) > 0 {
				t.Fatalf("%s: broken after recovery: %v, %v", step.name, broken, err)
			}
			if when == "" && step.name == "replay all" {
				f.journal.mu.Lock()
				f.journal.compact(f)
				f.journal.mu.Unlock()
			}
		}
	}
}

// TestManyTasksAreNamedInSeveralRecords steers more tasks than one record of the journal names.
func TestManyTasksAreNamedInSeveralRecords(t *testing.T) {
	t.Parallel()
	ctx, dir, clock := context.Background(), t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	const n = manyNumbers + 1000
	batch := make([]scheduler.Task, 0, 2*n)
	for i := range n {
		for _, host := range []string{"a", "b"} {
			batch = append(batch, scheduler.Task{ID: dedup.Of("", host+fmt.Sprint(i), nil), Host: host, Payload: fmt.Append(nil, i)})
		}
	}
	if _, err := f.Push(ctx, batch...); err != nil {
		t.Fatal(err)
	}
	if moved, err := f.Reprioritize(ctx, "a", 0, 3); err != nil || moved != n {
		t.Fatal(moved, err)
	}
	if purged, err := f.PurgeHost(ctx, "b"); err != nil || purged != n {
		t.Fatal(purged, err)
	}
	again := openAt(t, killed(t, dir), clock)
	same(t, "what came back", take(again.s, false), take(f.s, false))
}

func TestLeasedTasksComeBackInFront(t *testing.T) {
	t.Parallel()
	ctx, dir, clock := context.Background(), t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	var batch []scheduler.Task
	for i := range 5 {
		batch = append(batch, scheduler.Task{ID: dedup.Of("", fmt.Sprint(i), nil), Host: "h", Payload: fmt.Append(nil, i)})
	}
	if _, err := f.Push(ctx, batch...); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 2)
	if err != nil || len(leases) != 2 {
		t.Fatal(leases, err)
	}
	if err := f.Finish(ctx, scheduler.Result{Lease: leases[1], Verdict: scheduler.Done()}); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, killed(t, dir), clock)
	if r := again.Recovered(); r.Tasks != 4 {
		t.Errorf("recovered %+v, want 4 tasks", r)
	}
	for _, want := range []string{"0", "2"} {
		l, err := again.Claim(ctx, 1)
		if err != nil || string(l[0].Payload) != want {
			t.Errorf("claimed %s, %v; want %s", l[0].Payload, err, want)
		}
		// The lease of the killed process is not one of this one.
		if l[0].Token <= leases[1].Token {
			t.Errorf("token %d after %d", l[0].Token, leases[1].Token)
		}
	}
	if err := again.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()}); !scheduler.Lost(err, leases[0]) {
		t.Errorf("finish with a lease from before the kill: %v, want it lost", err)
	}
}

// TestTornTailIsCutOff cuts the journal at each byte: what comes back is what had been written by the last whole
// call before it.
func TestTornTailIsCutOff(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	w := &walk{t: t, f: f, clock: clock, rand: rand.New(rand.NewPCG(1, 1))}
	type mark struct {
		size int64
		then picture
	}
	marks := []mark{{f.journal.size, take(f.s, true)}}
	for range 40 {
		w.step()
		clock.at = clock.at.Add(time.Millisecond)
		if f.journal.size > marks[len(marks)-1].size {
			marks = append(marks, mark{f.journal.size, take(f.s, true)})
		} else {
			marks[len(marks)-1].then = take(f.s, true)
		}
	}
	whole, err := os.ReadFile(journalOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(journalOf(t, dir))
	for size := marks[0].size; size <= int64(len(whole)); size++ {
		left := t.TempDir()
		if err := os.WriteFile(filepath.Join(left, name), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(left, Config{Pace: scheduler.Pace{Concurrency: 2}, MaxExpired: 2, Now: clock.now, Sync: -1})
		if err != nil {
			t.Fatalf("cut at byte %d: %v", size, err)
		}
		i, exact := slices.BinarySearchFunc(marks, size, func(m mark, size int64) int { return cmp.Compare(m.size, size) })
		if !exact {
			i--
		}
		if r := again.Recovered(); r.Cut != size-marks[i].size || r.Damaged != "" {
			t.Fatalf("cut at byte %d: recovered %+v, want %d bytes cut", size, r, size-marks[i].size)
		}
		got, want := take(again.s, true), marks[i].then
		if got.Seen != want.Seen || len(got.Dead) != len(want.Dead) || len(got.Parked) != len(want.Parked) {
			t.Fatalf("cut at byte %d: %+v, want %+v", size, got, want)
		}
		if broken := again.s.check(again.clock); len(broken) > 0 {
			t.Fatalf("cut at byte %d: %v", size, broken)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedPartIsPutAside(t *testing.T) {
	t.Parallel()
	ctx, dir, clock := context.Background(), t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	var sizes []int64
	for i := range 3 {
		sizes = append(sizes, f.journal.size)
		if _, err := f.Push(ctx, scheduler.Task{ID: dedup.Of("", fmt.Sprint(i), nil), Host: "h", Payload: bytes.Repeat([]byte("x"), 50)}); err != nil {
			t.Fatal(err)
		}
	}
	left := killed(t, dir)
	name := journalOf(t, left)
	whole, _ := os.ReadFile(name)
	whole[sizes[1]+30] ^= 1
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, left, clock)
	r := again.Recovered()
	if r.Tasks != 1 || r.Cut != int64(len(whole))-sizes[1] || r.Damaged == "" {
		t.Fatalf("recovered %+v, want one task and the rest aside", r)
	}
	if aside, err := os.ReadFile(r.Damaged); err != nil || !bytes.Equal(aside, whole[sizes[1]:]) {
		t.Errorf("aside are %d bytes, %v; want the %d cut off", len(aside), err, r.Cut)
	}
	// It is a good journal again.
	if _, err := again.Push(ctx, scheduler.Task{ID: dedup.Of("", "1", nil), Host: "h"}); err != nil {
		t.Fatal(err)
	}
	if r := openAt(t, killed(t, left), clock).Recovered(); r != (Recovery{Tasks: 2}) {
		t.Errorf("recovered %+v, want two tasks", r)
	}
}

func TestForeignJournalIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ content, want string }{
		{"", "not a journal"},
		{"PK\x03\x04 something else\n", "not a journal"},
		{"lycosa-frontier", "not a journal"},
		{"lycosa-frontier x\n", "not a journal"},
		{"lycosa-frontier 5\nwhatever", "format 5, this one knows 2 to 4"},
		{"lycosa-frontier 1\nwhatever", "format 1, this one knows 2 to 4"},
		{"lycosa-frontier 2\n", "its snapshot is not whole"},
		{"lycosa-frontier 2\n\x10\x00\x00\x00garbage garbage garbage", "its snapshot is not whole"},
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "frontier-3"+suffix)
		if err := os.WriteFile(name, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Config{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("journal %q: %v, want %q and its name", c.content, err, c.want)
		}
		if now, _ := os.ReadFile(name); string(now) != c.content {
			t.Errorf("journal %q was changed to %q", c.content, now)
		}
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Config{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("%s: in use by another process (pid %d)", dir, os.Getpid())) {
		t.Errorf("second open: %v, want ErrInUse with directory and pid", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err = Open(dir, Config{})
	if err != nil {
		t.Fatalf("open after close: %v", err)
	}
	if err := f.Purge(context.Background()); err != nil {
		t.Fatal(err)
	}
	f, err = Open(dir, Config{})
	if err != nil {
		t.Fatalf("open after purge: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalIsMadeAnewWhenItHasGrown(t *testing.T) {
	t.Parallel()
	ctx, dir, clock := context.Background(), t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	f.journal.limit = 20_000
	for i := range 2000 {
		task := scheduler.Task{ID: dedup.Of("", fmt.Sprint(i), nil), Host: "h", Payload: []byte("payload")}
		if _, err := f.Push(ctx, task, task); err != nil {
			t.Fatal(err)
		}
		l, err := f.Claim(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if i%100 > 0 {
			if err := f.Finish(ctx, scheduler.Result{Lease: l[0], Verdict: scheduler.Done()}); err != nil {
				t.Fatal(err)
			}
		} else if err := f.Finish(ctx, scheduler.Result{Lease: l[0], Verdict: scheduler.Park("x")}); err != nil {
			t.Fatal(err)
		}
		if f.journal.limit > grown { // made anew: the next time comes too late for a test
			f.journal.limit -= grown
		}
	}
	if f.journal.number < 3 {
		t.Errorf("the journal was made anew %d times", f.journal.number-1)
	}
	if f.journal.size > 250_000 { // 2000 fingerprints, 20 tasks; three times as much
		t.Errorf("the journal has %d bytes", f.journal.size)
	}
	again := openAt(t, killed(t, dir), clock)
	same(t, "what came back", take(again.s, true), take(f.s, true))
	if n := again.s.stats.Duplicates; n != 2000 {
		t.Errorf("%d duplicates, want 2000", n)
	}
}

func TestUnwritableJournalTakesNothingIn(t *testing.T) {
	t.Parallel()
	ctx, dir, clock := context.Background(), t.TempDir(), &manual{time.Now()}
	f := openAt(t, dir, clock)
	push := func(i int) error {
		_, err := f.Push(ctx, scheduler.Task{ID: dedup.Of("", fmt.Sprint(i), nil), Host: "h", Payload: fmt.Append(nil, i)})
		return err
	}
	if err := errors.Join(push(0), push(1)); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	// From now on the file cannot be written to.
	good := f.journal.file
	f.journal.file, err = os.Open(f.journal.path(f.journal.number))
	if err != nil {
		t.Fatal(err)
	}
	if err := push(2); !errors.Is(err, scheduler.ErrUnavailable) {
		t.Fatalf("push: %v, want ErrUnavailable", err)
	}
	for i := 3; i < 10; i++ {
		if err := push(i); !errors.Is(err, scheduler.ErrUnavailable) {
			t.Fatalf("push: %v, want ErrUnavailable", err)
		}
	}
	if n := len(f.s.seen); n != 3 {
		t.Errorf("%d tasks are seen, want the 3 pushed before the trouble was known", n)
	}
	if err := f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()}); !errors.Is(err, scheduler.ErrUnavailable) {
		t.Errorf("finish: %v, want ErrUnavailable", err)
	}
	// There is room again: all that was kept is written, in order and once.
	_ = f.journal.file.Close()
	f.journal.file = good
	if err := push(10); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, killed(t, dir), clock)
	same(t, "what came back", take(again.s, true), take(f.s, true))
	if r := again.Recovered(); r != (Recovery{Tasks: 3}) {
		t.Errorf("recovered %+v, want 3 tasks", r)
	}
}

// FuzzReplay feeds frames that are whole but mean nothing.
func FuzzReplay(f *testing.F) {
	n := newNotes()
	s := newState(Config{Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 1}, Duplicates: 10})
	s.journal = n
	s.push([]scheduler.Task{{Host: "h", Payload: []byte("p")}, {ID: dedup.FromShort(1), Host: "h", Due: time.Unix(5, 0)}}, 1)
	for sim := range uint64(2) {
		s.compare(&scheduler.Content{ID: "a", Exact: 1, Sim: sim, Paths: []string{"p"}})
	}
	f.Add(bytes.Clone(n.buf[frameHead:]))
	n = newNotes()
	s.snapshot(n, 1)
	f.Add(bytes.Clone(n.buf[frameHead:]))
	n, s = newNotes(), newState(Config{Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 1}, Duplicates: 10})
	s.journal = n
	s.push([]scheduler.Task{{ID: dedup.FromShort(2), Host: "h"}, {ID: dedup.FromShort(3), Host: "h"}}, 1)
	for i, v := range []scheduler.Verdict{scheduler.Drop("x"), scheduler.Gone("x")} {
		l := s.claim(1, int64(i+2))[0]
		s.finish(&scheduler.Result{Lease: &scheduler.Lease{Token: l.token}, Verdict: v}, 3)
	}
	s.replay(&scheduler.Letters{}, 4)
	s.relevel(s.hosts["h"], 8, 3, 5)
	s.purgeHost(s.hosts["h"], 6)
	n.forgot(true, []int{0})
	s.push([]scheduler.Task{{ID: dedup.FromShort(4), Host: "h"}}, 7)
	l := s.claim(1, later(7, time.Hour))[0]
	s.finish(&scheduler.Result{
		Lease: &scheduler.Lease{Token: l.token}, Verdict: scheduler.Revisit(time.Unix(9999, 0)).WithPayload([]byte("x")), Sums: []float64{1, 2},
	}, 8)
	s.replan(l.t, eternity, "y", []float64{3}, 9)
	s.journal.unsummed("h")
	f.Add(bytes.Clone(n.buf[frameHead:]))
	f.Add([]byte("12345678\x02\x01\x01"))
	f.Fuzz(func(_ *testing.T, body []byte) {
		s := newState(Config{Lease: time.Minute, Pace: scheduler.Pace{Concurrency: 1}, Duplicates: 10})
		p := newReplay(s)
		if p.frame(body) == nil {
			p.settle(1)
			s.tick(2)
		}
	})
}

// BenchmarkRecovery reports how long a crawl with a million tasks takes to come back.
func BenchmarkRecovery(b *testing.B) {
	ctx, dir := context.Background(), b.TempDir()
	f, err := Open(dir, Config{})
	if err != nil {
		b.Fatal(err)
	}
	const total = 1_000_000
	for i := 0; i < total; i += 100 {
		batch := make([]scheduler.Task, 100)
		for k := range batch {
			url := fmt.Sprintf("https://h%06d.example/catalogue/some-thing-or-other_%09d/", i/100, i+k)
			batch[k] = scheduler.Task{ID: dedup.Of("", url, nil), Host: url[8:23], Payload: []byte(url)}
		}
		if _, err := f.Push(ctx, batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f, err := Open(dir, Config{})
		if err != nil {
			b.Fatal(err)
		}
		if f.Recovered().Tasks != total {
			b.Fatalf("recovered %+v", f.Recovered())
		}
		b.StopTimer()
		_ = f.Close()
		b.StartTimer()
	}
}
