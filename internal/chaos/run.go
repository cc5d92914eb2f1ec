package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// spider takes all that testsite knows of a page.
const spider = `name: chaos
start: [%s]
scope: {type: any}
settings: {allow_private: true, timeout: 60s}
routes:
  page:
    items:
      - kind: page
        fields:
          url: {css: 'link[rel="canonical"]', attr: href, required: true}
          title: {css: title, required: true}
          h1: {css: h1, required: true}
          price: {css: .price, required: true}
          links: {css: "a[href]", count: true}
    follow: [{css: "a[href]", route: page}]
`

// Run runs rounds until the time is over, and judges them. It returns an error if it could not do so, ErrNoRedis
// among them, or ctx's if that ends first. Every process it started has ended when it returns.
func Run(ctx context.Context, c Config) (*Verdict, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := supported(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	begin := time.Now()
	redis, err := startRedis(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	defer redis.close()
	store, err := openStore(ctx, c)
	if err != nil {
		return nil, err
	}
	defer store.close()

	run := &run{c: c, redis: redis, store: store, plan: newPlan(c, store.fails()), until: begin.Add(c.Duration)}
	judge := newJudge(c.MaxRefetched)
	for n := 1; ; n++ {
		record, err := run.round(ctx, n)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		judge.add(record)
		if left := time.Until(run.until); left <= record.Took/2 || record.Stalled {
			break
		}
	}
	v := judge.verdict()
	v.Seed, v.Elapsed, v.Workers.Size, v.Items.Store = c.Seed, time.Since(begin).Seconds(), c.Workers, store.label()
	return v, nil
}

// run is what rounds share.
type run struct {
	c       Config
	redis   *redisServer
	store   *store
	plan    *plan
	until   time.Time // faults end then, if there is a duration
	started int       // workers so far
}

// round is one crawl of one site.
type round struct {
	*run

	n        int
	crawl    string
	spider   string // file
	site     *testsite.Site
	frontier *redisfrontier.Frontier // past the proxy
	fleet    *fleet
	log      *slog.Logger

	away map[*proxy]*sync.Mutex // held while a server is away

	mu      sync.Mutex // guards what follows
	windows []Window   // of the servers
	early   []Early
	err     error // what no more rounds can mend

	done chan struct{} // closed when the crawl is said to be done, and is
	over chan struct{} // closed when faults must end: the crawl is done, or given up
}

const (
	seeding  = 2 * time.Minute  // for lycosa seed
	ending   = time.Minute      // for workers to find that the crawl is done
	progress = 10 * time.Second // between two lines of the log
)

func (run *run) round(ctx context.Context, n int) (*Record, error) {
	c := run.c
	r := &round{
		run: run, n: n, crawl: fmt.Sprintf("chaos-%d", n), log: c.Logger, done: make(chan struct{}), over: make(chan struct{}),
		away: map[*proxy]*sync.Mutex{run.redis.proxy: {}, run.store.proxy: {}},
	}
	begin := time.Now()
	want := Counts{
		Pages: int64(c.Pages), Gone: int64(max(1, c.Pages/200)), Moved: int64(max(5, c.Pages/200)), Private: int64(max(1, c.Pages/200)),
	}
	r.site = testsite.New(testsite.Config{
		Pages: c.Pages, Hosts: c.Hosts, Links: 16, Size: 1500, Seed: c.Seed + uint64(n), Latency: c.Latency, CrawlDelay: c.Delay, Log: true,
		Slow: max(2, c.Pages/250), SlowBy: c.Lease * 13 / 10, // longer than a lease: they must be renewed
		Gone: int(want.Gone), Moved: int(want.Moved), Private: int(want.Private),
	})
	if err := r.site.Listen(); err != nil {
		return nil, err
	}
	defer r.site.Close()
	if err := r.seed(ctx); err != nil {
		return nil, err
	}
	f, err := redisfrontier.Attach(ctx, r.redis.client, redisfrontier.Config{
		Crawl: r.crawl, Patience: time.Second, SeedKey: "-", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r.frontier = f

	var clock pulse
	stalled, workers, faults := r.crawlIt(ctx, &clock)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := r.failure(); err != nil {
		return nil, err
	}
	record, err := r.record(ctx)
	if err != nil {
		return nil, err
	}
	record.Took, record.Stalled, record.Want = time.Since(begin), stalled, want
	record.Late = stalled && len(record.Missing) == 0
	record.Workers, record.Pulse, record.Faults, record.Early = workers, clock.ticks, slices.Concat(faults, r.windows), r.early
	if err := f.Purge(ctx); err != nil {
		return nil, err
	}
	if err := r.redis.compact(ctx); err != nil {
		return nil, err
	}
	return record, r.store.forget(ctx, n)
}

// seed writes the spider and queues its start URLs, as a person would.
func (r *round) seed(ctx context.Context) error {
	dir := filepath.Join(r.c.Dir, fmt.Sprintf("round-%d", r.n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r.spider = filepath.Join(dir, "chaos.yaml")
	text := fmt.Sprintf(spider, strings.Join(r.site.Roots(), ", "))
	if err := os.WriteFile(r.spider, []byte(text), 0o600); err != nil {
		return err
	}
	r.fleet = newFleet(r.c, dir, r.started+1, r.workerArgs, r.saidDone)
	p, err := spawn(dir, "seed.log", r.c.Command, "seed", r.spider, "--redis", r.redis.url(), "--crawl", r.crawl, "--dir", r.c.Dir)
	if err != nil {
		return err
	}
	defer p.kill()
	select {
	case <-p.ended:
	case <-time.After(seeding):
		return errors.New("seed does not end")
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.exit() != 0 {
		return fmt.Errorf("seed ended with code %d: %s", p.exit(), p.lastLine())
	}
	return nil
}

// crawlIt has the fleet crawl while faults go on, until the crawl is done or stands still.
func (r *round) crawlIt(ctx context.Context, clock *pulse) (stalled bool, workers []Worker, faults []Window) {
	ctx, cancel := context.WithCancel(ctx)
	var helpers, faultsEnd sync.WaitGroup
	helpers.Go(func() { clock.tick(ctx) })
	helpers.Go(func() { r.watch(ctx) })
	r.log.Info("round", "n", r.n, "pages", r.c.Pages, "hosts", r.c.Hosts, "workers", r.c.Workers)
	if r.fleet.start() == nil {
		faultsEnd.Go(func() { r.inject(ctx) })
		stalled = r.await(ctx)
	}
	close(r.over)
	patience := ending
	if stalled || ctx.Err() != nil || r.failure() != nil {
		patience = 0
	}
	faultsEnd.Wait()
	workers, faults = r.fleet.finish(patience)
	r.started += len(workers)
	cancel()
	helpers.Wait()
	return stalled, workers, faults
}

// await returns when the crawl is done, when ctx ends or when nothing can come any more; true if it stood still.
func (r *round) await(ctx context.Context) (stalled bool) {
	limit := max(90*time.Second, 12*r.c.Lease)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last, moved, told := 0, time.Now(), time.Now()
	for {
		select {
		case <-r.done:
			return false
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		switch now := r.site.Fetched(); {
		case r.failure() != nil:
			return false
		case now != last:
			last, moved = now, time.Now()
		case time.Since(moved) > limit:
			r.log.Error("the crawl stands still", "pages", now, "of", r.c.Pages, "for", limit)
			return true
		}
		if time.Since(told) > progress {
			told = time.Now()
			r.log.Info("progress", "round", r.n, "pages", last, "of", r.c.Pages)
		}
	}
}

// failure returns what keeps the round from going on.
func (r *round) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.fleet.failure(), r.err)
}

// watch asks the frontier all along whether the crawl is done, and closes r.done when it is. It goes past the proxy, so that
// only a dead Redis keeps it from asking.
func (r *round) watch(ctx context.Context) {
	for ctx.Err() == nil {
		done, err := r.frontier.Done(ctx)
		wait := 15 * time.Millisecond
		switch {
		case err != nil:
			wait = 50 * time.Millisecond
		case done && r.c.Pages == r.site.Fetched():
			close(r.done)
			return
		case done:
			r.tooEarly("the frontier")
			wait = time.Second
		}
		_ = pause(ctx, wait)
	}
}

// saidDone is called when a worker has ended because it holds the crawl for done.
func (r *round) saidDone(worker int) { r.tooEarly(fmt.Sprintf("worker %d", worker)) }

// tooEarly notes a "done", if pages are missing.
func (r *round) tooEarly(who string) {
	missing := r.c.Pages - r.site.Fetched()
	if missing == 0 {
		return
	}
	r.log.Error("done was said too early", "by", who, "missing", missing)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.early = append(r.early, Early{At: time.Now(), Who: who, Missing: missing})
}

// inject brings the faults of the plan about until the round or the time is over. It returns when no server is away.
func (r *round) inject(ctx context.Context) {
	var outages sync.WaitGroup
	defer outages.Wait()
	for {
		f := r.plan.next()
		select {
		case <-time.After(f.after):
		case <-r.over:
			return
		case <-ctx.Done():
			return
		}
		if r.c.Duration > 0 && time.Now().After(r.until) {
			r.log.Info("no more faults: the round is crawled to its end")
			return
		}
		switch f.kind {
		case Kill:
			r.tell(f, r.fleet.kill(f.pick))
		case Drain:
			r.tell(f, r.fleet.drain(f.pick))
		case Stop:
			r.tell(f, r.fleet.stop(f.pick, f.lasts))
		case RedisKill, RedisCut, RedisHang:
			outages.Go(func() { r.outage(ctx, f, r.redis.proxy) })
		case StoreCut, StoreHang:
			outages.Go(func() { r.outage(ctx, f, r.store.proxy) })
		}
	}
}

// tell writes a fault into the log.
func (r *round) tell(f fault, worker int) {
	args := []any{"kind", f.kind}
	if worker > 0 {
		args = append(args, "worker", worker)
	}
	if f.lasts > 0 {
		args = append(args, "lasts", f.lasts)
	}
	r.log.Info("fault", append(args, "pages", r.site.Fetched())...)
}

// outage takes a server away for a while. Of one server there is one outage at a time.
func (r *round) outage(ctx context.Context, f fault, p *proxy) {
	r.away[p].Lock()
	defer r.away[p].Unlock()
	select {
	case <-r.over:
		return
	case <-ctx.Done():
		return
	default:
	}
	r.tell(f, 0)
	w := Window{Kind: f.kind, From: time.Now()}
	switch f.kind {
	case RedisKill:
		r.redis.p.kill()
	case RedisCut, StoreCut:
		p.sever()
	default:
		p.hang()
	}
	select {
	case <-time.After(f.lasts):
	case <-r.over:
	case <-ctx.Done():
	}
	p.restore()
	if f.kind == RedisKill && ctx.Err() == nil {
		if err := r.redis.start(ctx); err != nil && ctx.Err() == nil {
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
		}
	}
	w.To = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows = append(r.windows, w)
}

// record gathers what the round has left behind.
func (r *round) record(ctx context.Context) (*Record, error) {
	report := r.site.Report()
	rec := &Record{
		Round: r.n, Visits: r.site.Visits(), Missing: report.Missing, Items: r.site.Items(), PerHost: r.c.PerHost, Lease: r.c.Lease,
		Delays: map[string]time.Duration{},
	}
	for u := range report.Private {
		rec.Private = append(rec.Private, u)
	}
	for host := range report.Hosts {
		rec.Delays[host] = r.site.Delay(host)
	}
	var err error
	if rec.Stored, err = r.store.items(ctx, r.n); err != nil {
		return nil, err
	}
	if rec.Stats, err = r.frontier.Stats(ctx); err != nil {
		return nil, err
	}
	rec.Broken, err = r.frontier.Check(ctx)
	return rec, err
}

// pulse is a clock that notes when it was late.
type pulse struct{ ticks []Tick }

// tick runs the clock until ctx ends.
func (p *pulse) tick(ctx context.Context) {
	const every, worth = 5 * time.Millisecond, 2 * time.Millisecond
	for {
		due := time.Now().Add(every)
		if pause(ctx, every) != nil {
			return
		}
		if now := time.Now(); now.Sub(due) > worth {
			p.ticks = append(p.ticks, Tick{At: now, Late: now.Sub(due)})
		}
	}
}
