package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// enough is the time after which something that should have happened is taken never to happen.
const enough = 90 * time.Second

// fleet is workers on one crawl, each with a client and a frontier of its own, as processes have. Every page they
// visit links to two that are known and, until the web is told to stop growing, to one that is new.
type fleet struct {
	t         testing.TB
	ctx       context.Context
	frontiers []*redisfrontier.Frontier
	logs      []*logbook // of each frontier
	acked     atomic.Int64
	growing   atomic.Bool
	workers   sync.WaitGroup
	stop      context.CancelFunc

	mu      sync.Mutex
	links   [][3]int     // of each page that exists; guarded by mu
	visited map[int]bool // guarded by mu
}

// newFleet opens frontiers with clients that connect makes, queues some pages, and sets the workers to work.
func newFleet(t testing.TB, workers int, c redisfrontier.Config, connect func() redis.UniversalClient) *fleet {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	fl := &fleet{t: t, ctx: ctx, stop: stop, visited: map[int]bool{}}
	fl.growing.Store(true)
	c.Pace.Concurrency = 4
	c.MaxExpired = 200
	for range workers {
		log := &logbook{}
		c.Logger = slog.New(log)
		fl.logs = append(fl.logs, log)
		fl.frontiers = append(fl.frontiers, openWith(t, connect(), c))
	}
	const seeds = 200
	fl.links = make([][3]int, seeds)
	for i := range seeds {
		if _, err := fl.frontiers[0].Push(ctx, fl.page(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range fl.frontiers {
		fl.workers.Go(func() { fl.work(f) })
	}
	t.Cleanup(func() { stop(); fl.workers.Wait() })
	return fl
}

func (fl *fleet) page(i int) scheduler.Task {
	host := fmt.Sprintf("h%d.example", i%97)
	url := fmt.Sprintf("https://%s/%d", host, i)
	return scheduler.Task{ID: dedup.Of("", url, nil), Host: host, Payload: []byte(url)}
}

// visit returns what page i links to, the same at each visit.
func (fl *fleet) visit(i int) []scheduler.Task {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if !fl.visited[i] {
		fl.visited[i] = true
		fl.links[i] = [3]int{i, i / 2, i / 3}
		if fl.growing.Load() {
			fl.links[i][0] = len(fl.links)
			fl.links = append(fl.links, [3]int{})
		}
	}
	return []scheduler.Task{fl.page(fl.links[i][0]), fl.page(fl.links[i][1]), fl.page(fl.links[i][2])}
}

func (fl *fleet) work(f *redisfrontier.Frontier) {
	for fl.ctx.Err() == nil {
		leases, err := f.Claim(fl.ctx, 8)
		if err != nil && !errors.Is(err, scheduler.ErrUnavailable) && fl.ctx.Err() == nil {
			fl.t.Errorf("claim: %v", err)
			return
		}
		var results []scheduler.Result
		for _, l := range leases {
			var i, host int
			if _, err := fmt.Sscanf(string(l.Payload), "https://h%d.example/%d", &host, &i); err != nil {
				fl.t.Errorf("payload %q: %v", l.Payload, err)
				return
			}
			if fl.insist("push", func() error { _, err := f.Push(fl.ctx, fl.visit(i)...); return err }) {
				results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "ok", Items: 1})
			}
		}
		if fl.insist("finish", func() error { return f.Finish(fl.ctx, results...) }) {
			fl.acked.Add(int64(len(results)))
		}
		rest(fl.ctx, 5*time.Millisecond) // a page takes its time; an endless crawl shall not fill Redis
	}
}

// insist repeats a step that is safe to repeat while Redis is away, as a worker does.
func (fl *fleet) insist(what string, do func() error) bool {
	for fl.ctx.Err() == nil {
		err := do()
		switch {
		case err == nil, errors.As(err, new(*scheduler.LostError)):
			return true
		case !errors.Is(err, scheduler.ErrUnavailable) && fl.ctx.Err() == nil:
			fl.t.Errorf("%s: %v", what, err)
			return false
		}
		rest(fl.ctx, 10*time.Millisecond)
	}
	return false
}

// progress returns when so many more pages are done.
func (fl *fleet) progress(pages int64) {
	fl.t.Helper()
	from := fl.acked.Load()
	await(fl.t, fmt.Sprintf("%d more pages", pages), func() bool { return fl.acked.Load() >= from+pages })
}

// conclude lets the web stop growing, waits for the end of the crawl, and asserts that every page was visited and is
// finished once, and that no invariant is broken.
func (fl *fleet) conclude() {
	fl.t.Helper()
	fl.growing.Store(false)
	ctx, cancel := context.WithTimeout(fl.ctx, enough)
	defer cancel()
	f := fl.frontiers[0]
	for {
		err := f.WaitDone(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, scheduler.ErrUnavailable) {
			s, _ := f.Stats(fl.ctx)
			fl.t.Fatalf("the crawl does not end: %v; %+v", err, s)
		}
	}
	fl.stop()
	fl.workers.Wait()
	for _, f := range fl.frontiers { // the crawl may end before a worker has asked all servers again
		if _, err := f.Stats(context.Background()); err != nil {
			fl.t.Errorf("stats: %v", err)
		}
	}
	fl.sound(f)
}

func (fl *fleet) sound(f *redisfrontier.Frontier) {
	fl.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	pages := int64(len(fl.links))
	if visited := int64(len(fl.visited)); visited != pages {
		fl.t.Errorf("%d of %d pages were visited", visited, pages)
	}
	s, err := f.Stats(ctx)
	if err != nil {
		fl.t.Fatal(err)
	}
	if s.Seen != pages || s.Done != pages || s.Outcomes["ok"] != pages || s.Items != pages || s.Active() != 0 || s.Dead != 0 {
		fl.t.Errorf("there are %d pages, and the crawl says %+v", pages, s)
	}
	fl.t.Logf("%d pages, %d leases expired", pages, s.Expired)
	soundly(fl.t, f)
}

// soundly asserts that no invariant is broken. Nobody may be at work.
func soundly(t testing.TB, f *redisfrontier.Frontier) {
	t.Helper()
	broken, err := f.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Errorf("broken invariant: %s", b)
	}
}

// toldOnce asserts that each frontier that has noticed something said so once, and once that it was over, and that at least one
// has noticed.
func (fl *fleet) toldOnce(begun, passed string) {
	fl.t.Helper()
	noticed := 0
	for i, log := range fl.logs {
		b, p := log.count(begun), log.count(passed)
		if b > 1 || b != p {
			fl.t.Errorf("frontier %d said %q %d times and %q %d times:\n%s", i, begun, b, passed, p, log)
		}
		noticed += b
	}
	if noticed == 0 {
		fl.t.Errorf("nobody said %q", begun)
	}
}

// await polls until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(enough); !so(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// logbook keeps what is logged at Info and above.
type logbook struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *logbook) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *logbook) WithGroup(string) slog.Handler                    { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Time.Format("05.000 ") + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logbook) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// dialWith connects with options that differ from those of Dial.
func dialWith(t testing.TB, url string, change func(*redis.UniversalOptions)) redis.UniversalClient {
	t.Helper()
	o, err := redisfrontier.Options(url)
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	client := redis.NewUniversalClient(o)
	t.Cleanup(func() { client.Close() })
	return client
}
