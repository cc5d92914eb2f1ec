package crawler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/robots"
	"github.com/lycosa-crawl/lycosa/crawler/websub"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Config says what a worker works on. Frontier and Pipeline are required, and stay open when the worker ends.
type Config struct {
	Spider   Spider
	Frontier scheduler.Frontier
	Pipeline pipelines.Pipeline

	// Crawl is the name of the crawl. Default: the spider's name.
	Crawl string
	// Fetcher gets the pages. Default: fetch.New with the spider's settings.
	Fetcher fetch.Fetcher
	// UntilDone ends Run when the crawl is done. A crawl in which nothing was ever queued is not done, it
	// is waited for. Default: Run ends with its context.
	UntilDone bool
	// Grace is how long pages under way may go on after a stop before they are given back. Default 30s.
	Grace time.Duration
	// ID names the worker to the fleet. Default: HOSTNAME-PID-RANDOM.
	ID string
	// Build is the version shown to the fleet.
	Build string
	// Logger gets what an operator should know. Default: nothing is logged.
	Logger *slog.Logger
	// WebSub, if set, has the worker subscribe to the hubs of feeds. Default: none is.
	WebSub *WebSub
	// OnPage, if set, is called for each page that its handler has read, before what that yielded is stored. It may be called from
	// many goroutines, and must not keep the page.
	OnPage func(*Page)
}

// ErrItemStore is wrapped by the error of a worker that stopped because its pipeline cannot take items.
var ErrItemStore = errors.New("item store")

const (
	linger       = 2 * time.Millisecond // a busy worker waits that long for more free slots, to claim several at once
	heartbeat    = 5 * time.Second
	heartbeatTTL = 20 * time.Second // three missed heartbeats and some
	lookInterval = time.Second      // a small fleet looks that often for what nobody tells it of
	seedsBatch   = 100
	flushTimeout = 10 * time.Second // for the last finishes of a worker that was told to stop
)

// Worker takes pages from a frontier, has the spider's handlers read them, and brings what they yield to the pipeline
// and back to the frontier. Several may work on one crawl, in one process or many.
type Worker struct {
	*plan
	config     Config
	crawl      string
	frontier   scheduler.Frontier
	fetcher    fetch.Fetcher
	robots     *robotsCache
	budget     *budget              // of a crawl that comes again; else nil
	duplicates scheduler.Duplicates // nil: none are looked for
	barren     *barren              // likewise
	linker     scheduler.Linker     // nil: links are not counted
	hubs       *websub.Subscriber   // nil: no hub is subscribed to
	log        *slog.Logger
	started    time.Time

	stores   *batcher[pipelines.Item]
	pushes   *batcher[scheduler.Task]
	finishes *batcher[scheduler.Result]
	tracks   *batcher[pipelines.Visit] // nil: the pipeline does not track what it was given

	pages   atomic.Int64
	fleet   atomic.Int64 // workers of the crawl, as of the last heartbeat
	limited atomic.Bool
	before  *int64 // pages done when Run began, of a crawl that comes again; of claimLoop

	mu      sync.Mutex // guards held and refused
	held    map[*scheduler.Lease]*holding
	refused map[string]int64
	changed chan struct{} // a slot became free; holds one signal

	fatal context.CancelCauseFunc // ends Run with an error
}

// holding is a lease under way. Its fields are guarded by Worker.mu.
type holding struct {
	cancel context.CancelCauseFunc // ends the visit
	until  time.Time               // the lease's deadline, which only keepLeases may read while it extends it
	end    *time.Timer             // ends the visit a little before
}

var (
	errLeaseLost = errors.New("lease lost")
	errStopped   = errors.New("worker stopped")
	errDone      = errors.New("crawl done")
)

// New checks the spider and returns a worker.
func New(c Config) (*Worker, error) {
	p, err := c.Spider.compile()
	if err != nil {
		return nil, err
	}
	if c.Frontier == nil || c.Pipeline == nil {
		return nil, errors.New("crawler: Frontier and Pipeline are required")
	}
	host, _ := os.Hostname()
	c.Crawl = cmp.Or(c.Crawl, c.Spider.Name)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.ID = cmp.Or(c.ID, fmt.Sprintf("%s-%d-%04x", host, os.Getpid(), rand.N(1<<16))) //nolint:gosec // a name
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Spider = p.spider
	w := &Worker{
		plan: p, config: c, crawl: c.Crawl, frontier: c.Frontier, fetcher: c.Fetcher, log: c.Logger,
		held: make(map[*scheduler.Lease]*holding), refused: make(map[string]int64), changed: make(chan struct{}, 1),
	}
	if w.fetcher == nil {
		w.fetcher, err = fetch.New(fetch.Config{
			UserAgent: p.settings.UserAgent, Timeout: p.settings.Timeout, MaxBody: p.settings.MaxBody,
			AllowPrivate: p.settings.AllowPrivate, MaxIdlePerHost: p.settings.PerHost,
		})
		if err != nil {
			return nil, err
		}
	}
	memo, _ := c.Frontier.(scheduler.Memo)
	w.robots = &robotsCache{plan: p, product: robots.Product(cmp.Or(p.settings.UserAgent, fetch.DefaultUserAgent)), fetcher: w.fetcher, frontier: c.Frontier, memo: memo, insist: w.insist, now: time.Now, log: w.log}
	if p.settings.Duplicates != DuplicatesOff {
		var ok bool
		if w.duplicates, ok = c.Frontier.(scheduler.Duplicates); !ok {
			return nil, errors.New("crawler: the frontier cannot tell duplicates: Settings.Duplicates must be off")
		}
		w.barren = &barren{paths: make(map[string]bool)}
	}
	if p.revisits != nil {
		if w.budget, err = newBudget(p.revisits.policy, c.Frontier, w.insist, w.delay, w.log); err != nil {
			return nil, err
		}
		var ok bool
		if w.linker, ok = c.Frontier.(scheduler.Linker); !ok && p.revisits.trackLinks {
			return nil, errors.New("crawler: the frontier does not count links: Revisit.TrackLinks must be off")
		}
		if !p.revisits.trackLinks {
			w.linker = nil
		}
	}
	if c.WebSub != nil {
		if err := w.newSubscriber(c.WebSub); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Settings returns the spider's settings with defaults filled in.
func (w *Worker) Settings() Settings { return w.settings }

// Running returns the number of pages under way.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}

// Refused returns how many links this worker did not follow, by reason: what is no URL to fetch ("scheme", "invalid", ...),
// and what the spider's scope and depth exclude ("scope", "excluded", "not_included", "depth").
func (w *Worker) Refused() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.refused)
}

// Limited reports whether Run ended because of Settings.MaxPages.
func (w *Worker) Limited() bool { return w.limited.Load() }

// Run works until ctx ends or, with Config.UntilDone, until the crawl is done; then nil is returned. When ctx ends it
// drains: it claims nothing more, finishes the pages under way for at most Config.Grace, and gives the rest
// back without counting an attempt. Any other error says why it could not go on; what it held was given back or will
// come back when its leases expire. Run may be called once.
func (w *Worker) Run(ctx context.Context) error {
	w.started = time.Now()

	// Three contexts, each outliving the former: claims end first, then pages under way, then what must still be
	// written down.
	claims, stopClaims := context.WithCancelCause(ctx)
	defer stopClaims(errStopped)
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(errStopped)
	flush, stopFlush := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlush()

	w.fatal = func(err error) { stopClaims(err); stopWork(err) }
	w.stores = newBatcher(work, 2, 500, w.storeAll)
	w.pushes = newBatcher(work, 2, 500, w.pushAll)
	w.finishes = newBatcher(flush, 1, 500, w.finishAll)
	if tracker, ok := w.config.Pipeline.(pipelines.Tracker); ok && w.budget != nil {
		w.tracks = newBatcher(work, 2, 500, func(ctx context.Context, visits []pipelines.Visit) error {
			return itemStoreError(tracker.Track(ctx, visits))
		})
	}

	var helpers, visits sync.WaitGroup
	helpers.Go(func() { w.keepLeases(work) })
	helpers.Go(func() { w.beat(work) })
	helpers.Go(func() { w.moveSeeds(claims) })
	if w.config.UntilDone {
		helpers.Go(func() { w.awaitDone(claims, func() { stopClaims(errDone) }) })
	}

	w.claimLoop(claims, work, &visits)
	stopClaims(errStopped)

	drained := make(chan struct{})
	go func() { visits.Wait(); close(drained) }()
	grace := time.AfterFunc(w.config.Grace, func() {
		w.log.Warn("pages under way are given back: the grace is over", "pages", w.Running(), "grace", w.config.Grace)
		stopWork(errStopped)
	})
	defer grace.Stop()
	select {
	case <-drained:
	case <-work.Done():
	}
	grace.Stop()
	stopWork(errStopped)

	// What was finished or given back must still be written down, but a frontier that is away, or a handler that
	// does not heed its context, must not keep a worker from ending: its leases run out.
	late := time.AfterFunc(flushTimeout, stopFlush)
	defer late.Stop()
	select {
	case <-drained:
		w.stores.wait()
		if w.tracks != nil {
			w.tracks.wait()
		}
		w.pushes.wait()
		w.finishes.wait()
		w.leave(flush)
	case <-flush.Done():
		w.log.Error("pages under way are abandoned: their handlers do not end", "pages", w.Running())
	}
	helpers.Wait()

	cause := context.Cause(claims)
	switch {
	case errors.Is(cause, errDone), errors.Is(cause, errStopped), w.limited.Load(), ctx.Err() != nil && errors.Is(cause, context.Cause(ctx)):
		return nil
	default:
		return cause
	}
}

// claimLoop claims as many pages as there are free slots and starts a visit for each, until claims ends.
func (w *Worker) claimLoop(claims, work context.Context, visits *sync.WaitGroup) {
	for failures := 0; ; {
		free := w.freeSlots(claims)
		if claims.Err() != nil {
			return
		}
		if w.settings.MaxPages > 0 {
			if free = w.withinLimit(claims, free); free == 0 {
				return
			}
		}
		leases, err := w.frontier.Claim(claims, free)
		if err != nil {
			if !w.survives(claims, err, &failures) {
				return
			}
			continue
		}
		failures = 0
		for _, lease := range leases {
			ctx := w.hold(work, lease)
			visits.Go(func() { w.visit(ctx, lease) })
		}
	}
}

// survives reports whether the worker goes on after a frontier's error, and waits a little if so. What else is wrong
// with the frontier ends the worker.
func (w *Worker) survives(ctx context.Context, err error, failures *int) bool {
	if ctx.Err() != nil {
		return false
	}
	if !errors.Is(err, scheduler.ErrUnavailable) {
		w.fatal(fmt.Errorf("crawl %s: %w", w.crawl, err))
		return false
	}
	w.log.Debug("frontier unavailable", "err", err) // the driver tells the operator, once
	wait := min(100*time.Millisecond<<min(*failures, 6), 5*time.Second)
	*failures++
	return sleep(ctx, wait/2+rand.N(wait)) == nil //nolint:gosec // jitter
}

// freeSlots waits until at least one slot is free and returns how many are.
func (w *Worker) freeSlots(ctx context.Context) int {
	size := w.settings.Concurrency
	for {
		free := size - w.Running()
		if free > size/8 && free > 0 {
			return free
		}
		var more <-chan time.Time
		if free > 0 {
			more = time.After(linger)
		}
		select {
		case <-w.changed:
		case <-more:
			return size - w.Running()
		case <-ctx.Done():
			return 0
		}
	}
}

// Fetched returns how many pages of a crawl count against Settings.MaxPages: those that robots.txt forbids, or that were put off
// for the budget of revisits, do not.
func Fetched(stats scheduler.Stats) int64 {
	return stats.Done - stats.Outcomes["robots"] - stats.Outcomes[outcomeDeferred]
}

// withinLimit returns how many of free pages may be claimed under MaxPages; 0 when the limit is reached for good.
func (w *Worker) withinLimit(ctx context.Context, free int) int {
	for failures := 0; ; {
		stats, err := w.frontier.Stats(ctx)
		if err != nil {
			if !w.survives(ctx, err, &failures) {
				return 0
			}
			continue
		}
		if w.budget != nil && w.before == nil { // a crawl that comes again counts what it does this time
			before := Fetched(stats)
			w.before = &before
		}
		left := w.settings.MaxPages - Fetched(stats)
		if w.before != nil {
			left += *w.before
		}
		if left <= 0 {
			w.limited.Store(true)
			return 0
		}
		if left -= stats.Leased; left > 0 {
			return int(min(left, int64(free)))
		}
		if sleep(ctx, 20*time.Millisecond) != nil { // until a page under way turns out to count, or not
			return 0
		}
	}
}

// hold makes room for a lease and returns the context of its visit.
func (w *Worker) hold(work context.Context, lease *scheduler.Lease) context.Context {
	ctx, cancel := context.WithCancelCause(work)
	end := time.AfterFunc(w.left(lease.Deadline), func() { cancel(errLeaseLost) })
	w.mu.Lock()
	w.held[lease] = &holding{cancel, lease.Deadline, end}
	w.mu.Unlock()
	return ctx
}

// left is how long a page may still go on under a lease. It must be off the host before the lease has run out.
func (w *Worker) left(deadline time.Time) time.Duration {
	return time.Until(deadline) - w.settings.Lease/12
}

// holds reports whether a request may begin on a lease; otherwise it ends the visit. A process that was stopped, or whose
// claim was answered late, finds its lease run out: somebody else may be at the host by now.
func (w *Worker) holds(lease *scheduler.Lease) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.held[lease]
	if w.left(h.until) > 0 {
		return true
	}
	h.cancel(errLeaseLost)
	return false
}

// let frees the slot of a lease, and adds up the links its page had refused.
func (w *Worker) let(lease *scheduler.Lease, refused map[string]int64) {
	w.mu.Lock()
	h := w.held[lease]
	delete(w.held, lease)
	for why, n := range refused {
		w.refused[why] += n
	}
	w.mu.Unlock()
	h.end.Stop()
	h.cancel(nil)
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// visit does one page and tells the frontier what became of it.
func (w *Worker) visit(ctx context.Context, lease *scheduler.Lease) {
	v := &visit{plan: w.plan, w: w, crawl: w.crawl, lease: lease}
	defer func() { w.let(lease, v.links) }()
	result, err := v.run(ctx)
	if err != nil {
		if errors.Is(context.Cause(ctx), errLeaseLost) {
			w.log.Warn("lease lost: another worker takes the page over", "url", v.address())
			return
		}
		result = scheduler.Result{Lease: lease, Verdict: scheduler.Release(), Sent: result.Sent} // the request counts, if there was one
		if ctx.Err() == nil {
			w.fatal(err)
		}
	}
	w.tell(v, result)
	switch err := w.finishes.submit(context.WithoutCancel(ctx), result); {
	case err == nil:
		w.pages.Add(1)
		if err := v.look.part(ctx); err != nil {
			w.log.Debug("links that vanished are still counted", "url", v.address(), "err", err)
		}
	case scheduler.Lost(err, lease):
		w.log.Warn("finish refused: the lease was lost", "url", v.address())
	case errors.As(err, new(*scheduler.LostError)): // others of the same batch
		w.pages.Add(1)
	case errors.Is(err, scheduler.ErrUnavailable):
		w.log.Warn("finish not confirmed: the page may be fetched again", "url", v.address(), "err", err)
	default:
		w.fatal(fmt.Errorf("crawl %s: %w", w.crawl, err))
	}
}

func (v *visit) address() string {
	if v.req == nil {
		return "?"
	}
	return v.req.URL
}

// tell logs what became of a page.
func (w *Worker) tell(v *visit, result scheduler.Result) {
	switch why := result.Verdict.Why; result.Verdict.Kind {
	case scheduler.KindDrop:
		w.log.Warn("given up", "url", v.address(), "why", why)
	case scheduler.KindRetry:
		w.log.Info("to be tried again", "url", v.address(), "after", result.Verdict.After.Round(time.Millisecond), "why", firstLine(why))
	case scheduler.KindPark:
		w.log.Warn("parked: this build does not know the route", "url", v.address(), "route", why)
	case scheduler.KindGone:
		w.log.Info("dead link", "url", v.address(), "why", why)
	default:
		w.log.Debug("visited", "url", v.address(), "outcome", result.Outcome, "items", result.Items)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// storeAll has a batch of items stored. A pipeline waits for a store that is away by itself; what it cannot take at
// all ends the worker.
func (w *Worker) storeAll(ctx context.Context, items []pipelines.Item) error {
	return itemStoreError(w.config.Pipeline.Process(ctx, items))
}

func itemStoreError(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrItemStore, err)
	}
	return nil
}

// delay returns the least time between two requests to a host.
func (w *Worker) delay(host string) time.Duration {
	if w.settings.IgnoreRobots {
		return w.settings.Delay
	}
	return max(w.settings.Delay, w.robots.delay(host))
}

// pushAll queues a batch, for as long as it takes: what was fetched is held while the frontier is away.
func (w *Worker) pushAll(ctx context.Context, tasks []scheduler.Task) error {
	return w.insist(ctx, func() error {
		rest, err := w.callIn(ctx, w.frontier, tasks)
		if err == nil && len(rest) > 0 {
			_, err = w.frontier.Push(ctx, rest...)
		}
		return err
	})
}

// insist does a step that is safe to repeat until the frontier has taken it or ctx ends. Its error is the frontier's, or
// says that the frontier was away till the end.
func (w *Worker) insist(ctx context.Context, do func() error) error {
	for failures := 0; ; {
		err := do()
		if err == nil || !errors.Is(err, scheduler.ErrUnavailable) || !w.survives(ctx, err, &failures) {
			return err
		}
	}
}

// finishAll finishes a batch, for as long as its leases may last: what was done is held while the frontier is away. A lease that
// is lost at a repetition was most likely finished by the try before.
func (w *Worker) finishAll(ctx context.Context, all []scheduler.Result) error {
	short, cancel := context.WithTimeout(ctx, w.settings.Lease)
	defer cancel()
	tries := 0
	err := w.insist(short, func() error { tries++; return w.frontier.Finish(short, all...) })
	switch {
	case tries > 1 && errors.As(err, new(*scheduler.LostError)):
		w.log.Debug("leases were over when the frontier was back", "err", err)
		return nil
	case err != nil && short.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("%w: for as long as a lease lasts", scheduler.ErrUnavailable)
	}
	return err
}

// keepLeases extends the leases of pages under way, and ends those whose lease is lost.
func (w *Worker) keepLeases(ctx context.Context) {
	lease := w.settings.Lease
	tick := time.NewTicker(lease / 12)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		var due []*scheduler.Lease
		w.mu.Lock()
		for l, h := range w.held {
			if h.until.Sub(now) < lease*2/3 {
				due = append(due, l)
			}
		}
		w.mu.Unlock()
		if len(due) > 0 {
			w.extend(ctx, due)
		}
	}
}

func (w *Worker) extend(ctx context.Context, due []*scheduler.Lease) {
	ctx, cancel := context.WithTimeout(ctx, w.settings.Lease/6)
	defer cancel()
	err := w.frontier.Extend(ctx, due...)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range due {
		if h, ok := w.held[l]; ok { // not finished meanwhile
			h.until = l.Deadline
			h.end.Reset(w.left(h.until))
		}
	}
	var lost *scheduler.LostError
	if !errors.As(err, &lost) {
		return // an outage: tried again at the next tick, until the deadline
	}
	for _, l := range lost.Leases {
		if h, ok := w.held[l]; ok {
			h.cancel(errLeaseLost)
		}
	}
}

// awaitDone calls done when nothing is left to do for this worker.
func (w *Worker) awaitDone(ctx context.Context, done func()) {
	for failures := 0; ; {
		begun, err := w.begun(ctx)
		if begun {
			err = w.frontier.WaitDone(ctx)
		}
		if begun && err == nil {
			var left bool
			if left, err = w.moreToDo(ctx); err == nil && !left {
				done()
				return
			}
		}
		switch {
		case err != nil && !w.survives(ctx, err, &failures):
			return
		case err == nil && w.pause(ctx) != nil:
			return
		}
	}
}

// begun reports whether the crawl was ever given work: one that was not is not done.
func (w *Worker) begun(ctx context.Context) (bool, error) {
	if w.pages.Load() > 0 {
		return true, nil
	}
	stats, err := w.frontier.Stats(ctx)
	return stats.Seen > 0, err
}

// moreToDo reports whether work may still come to a frontier that has none: some came just now, seeds wait to be moved, or
// tasks were parked by others that this worker knows how to do.
func (w *Worker) moreToDo(ctx context.Context) (bool, error) {
	stats, err := w.frontier.Stats(ctx)
	if err != nil || stats.Active() > 0 {
		return true, err
	}
	if source, ok := w.frontier.(scheduler.SeedSource); ok {
		if n, err := source.SeedsLeft(ctx); err != nil || n > 0 {
			return true, err
		}
	}
	n, err := w.unpark(ctx)
	return n > 0, err
}

// unpark queues the tasks that others parked and this worker has routes for.
func (w *Worker) unpark(ctx context.Context) (int, error) {
	parker, ok := w.frontier.(scheduler.Parker)
	if !ok {
		return 0, nil
	}
	parked, err := parker.Parked(ctx)
	if err != nil {
		return 0, err
	}
	var mine []string
	for label := range parked {
		if _, ok := w.routes[label]; ok {
			mine = append(mine, label)
		}
	}
	if len(mine) == 0 {
		return 0, nil
	}
	return parker.Unpark(ctx, mine...)
}

// beat shows the worker to the fleet, and looks for parked tasks now and then.
func (w *Worker) beat(ctx context.Context) {
	registry, ok := w.frontier.(scheduler.Registry)
	for ok {
		fleet, err := registry.Heartbeat(ctx, w.info(), heartbeatTTL)
		if err != nil && ctx.Err() == nil {
			w.log.Debug("no heartbeat", "err", err)
		}
		w.fleet.Store(int64(fleet))
		if rand.N(max(fleet, 1)) == 0 { //nolint:gosec // about one of the fleet looks
			if _, err := w.unpark(ctx); err != nil && ctx.Err() == nil {
				w.log.Debug("parked tasks stay parked", "err", err)
			}
		}
		if sleep(ctx, heartbeat-heartbeat/8+rand.N(heartbeat/4)) != nil { //nolint:gosec // jitter
			return
		}
	}
}

// pause waits before another look at what nobody tells of. However many workers wait, one of the fleet looks each
// second.
func (w *Worker) pause(ctx context.Context) error {
	d := lookInterval * time.Duration(max(1, w.fleet.Load()))
	return sleep(ctx, d-d/4+rand.N(d/2)) //nolint:gosec // jitter
}

func (w *Worker) info() scheduler.WorkerInfo {
	host, _ := os.Hostname()
	return scheduler.WorkerInfo{
		ID: w.config.ID, Host: host, PID: os.Getpid(), Build: w.config.Build, Spiders: []string{w.spider.Name},
		Routes: w.spider.RouteNames(), Slots: w.settings.Concurrency, Running: w.Running(), Pages: w.pages.Load(),
		Started: w.started.UTC(), Heartbeat: time.Now().UTC(),
	}
}

func (w *Worker) leave(ctx context.Context) {
	if registry, ok := w.frontier.(scheduler.Registry); ok {
		if err := registry.Leave(ctx, w.config.ID); err != nil {
			w.log.Debug("not signed off", "err", err)
		}
	}
}
