package memfrontier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Config configures a frontier. The zero value is the default.
type Config struct {
	// Pace is that of every host without one of its own. Default: one request at a time, without a delay.
	Pace scheduler.Pace
	// Lease is how long a claim holds. Default one minute.
	Lease time.Duration
	// MaxExpired is how often the lease of a task may run out; once more, and it is a dead letter. Default 10.
	MaxExpired int
	// Sync is within what time of a write the journal is synced to the disk: what a crash of the machine, not
	// of the process, may undo. Default 100 ms; if negative, the operating system decides. See Open.
	Sync time.Duration
	// SyncWait has Push and Finish wait for the sync. Those that run at once share one.
	SyncWait bool
	// Duplicates is how many different pages are remembered to find duplicates of (see [scheduler.Duplicates]), at some 60 bytes each,
	// and 200 where near ones are looked for, beside the URL. Without such a search it costs nothing. Default 1,000,000.
	Duplicates int
	// Now is the clock; for tests. A claim that waits does not notice if it is moved by hand. Default
	// time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Lease < 0:
		return c, fmt.Errorf("memfrontier: Lease (%v) is negative", c.Lease)
	case c.MaxExpired < 0:
		return c, fmt.Errorf("memfrontier: MaxExpired (%d) is negative", c.MaxExpired)
	}
	if err := checkPace(c.Pace); err != nil {
		return c, fmt.Errorf("memfrontier: Pace: %w", err)
	}
	if err := checkDuplicates(c.Duplicates); err != nil {
		return c, err
	}
	c.Duplicates = cmp.Or(c.Duplicates, 1_000_000)
	c.Pace.Concurrency = cmp.Or(c.Pace.Concurrency, 1)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.MaxExpired = cmp.Or(c.MaxExpired, 10)
	c.Sync = cmp.Or(c.Sync, 100*time.Millisecond)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func checkPace(p scheduler.Pace) error {
	switch {
	case p.Delay < 0:
		return fmt.Errorf("delay %v is negative", p.Delay)
	case p.Concurrency < 0:
		return fmt.Errorf("concurrency %d is negative", p.Concurrency)
	}
	return nil
}

// Frontier is a crawl in this process. Make one with [New] or [Open].
type Frontier struct {
	now       func() time.Time
	journal   *journal // nil: none is kept
	recovered Recovery

	mu       sync.Mutex // guards all that follows
	s        *state
	workers  map[string]worker
	claimers waiters // in Claim
	idlers   waiters // in WaitDone
	timer    *time.Timer
	rings    int64 // when the timer fires, or eternity
	clock    int64 // the latest time seen
	ended    error // ErrClosed or ErrNoCrawl, once it is
}

var (
	_ scheduler.Frontier    = (*Frontier)(nil)
	_ scheduler.Pauser      = (*Frontier)(nil)
	_ scheduler.Purger      = (*Frontier)(nil)
	_ scheduler.Parker      = (*Frontier)(nil)
	_ scheduler.Undertaker  = (*Frontier)(nil)
	_ scheduler.Inspector   = (*Frontier)(nil)
	_ scheduler.Steerer     = (*Frontier)(nil)
	_ scheduler.Memo        = (*Frontier)(nil)
	_ scheduler.Registry    = (*Frontier)(nil)
	_ scheduler.Ledger      = (*Frontier)(nil)
	_ scheduler.Rescheduler = (*Frontier)(nil)
	_ scheduler.Duplicates  = (*Frontier)(nil)
	_ scheduler.Checker     = (*Frontier)(nil)
)

// New returns the frontier of a new crawl, which lives as long as the process.
func New(c Config) (*Frontier, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return newFrontier(c, newState(c)), nil
}

func newFrontier(c Config, s *state) *Frontier {
	f := &Frontier{now: c.Now, s: s, workers: map[string]worker{}, rings: eternity}
	f.timer = time.AfterFunc(eternity, f.ring)
	return f
}

// enter locks the crawl and brings it to the present. After a nil error the caller must leave.
func (f *Frontier) enter(ctx context.Context) (now int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f.mu.Lock()
	if f.ended != nil {
		f.mu.Unlock()
		return 0, f.ended
	}
	f.clock = max(f.clock, nanos(f.now()))
	if f.journal != nil {
		f.journal.notes.clock = f.clock
	}
	f.s.tick(f.clock)
	return f.clock, nil
}

// leave wakes whoever can go on after what was done, and unlocks the crawl.
func (f *Frontier) leave() {
	f.wake()
	f.mu.Unlock()
}

// commit is leave, and returns when what was done is in the journal.
func (f *Frontier) commit() error {
	f.wake()
	j := f.journal
	if j == nil {
		f.mu.Unlock()
		return nil
	}
	j.notes.seal()
	upto := j.notes.sealed
	f.mu.Unlock()
	return j.commit(f, upto)
}

// wake wakes one claimer if there is something to claim (who then wakes the next), everybody who waits for
// the end if it has come, and sets the timer for those who wait on.
func (f *Frontier) wake() {
	if len(f.s.ready.list) > 0 && !f.s.paused {
		f.claimers.one()
	}
	if f.s.active() == 0 {
		f.idlers.all()
	}
	at := int64(eternity)
	if !f.claimers.empty() || !f.idlers.empty() {
		at = f.s.next()
	}
	if at < f.rings {
		f.rings = at
		f.timer.Reset(max(time.Duration(at-f.clock), time.Millisecond))
	}
}

// ring is called by the timer: something came due.
func (f *Frontier) ring() {
	if _, err := f.enter(context.Background()); err != nil {
		return
	}
	f.rings = eternity
	f.leave()
}

// end makes every call return err from now on. The caller holds the lock.
func (f *Frontier) end(err error) {
	f.ended = err
	f.claimers.all()
	f.idlers.all()
	f.timer.Stop()
	f.s = nil
	f.workers = nil
}

// Push implements scheduler.Frontier.
func (f *Frontier) Push(ctx context.Context, tasks ...scheduler.Task) (added int, err error) {
	for i := range tasks {
		if err := tasks[i].Check(); err != nil {
			return 0, err
		}
	}
	if err := f.writable(); err != nil {
		return 0, err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	added = f.s.push(tasks, now)
	return added, f.commit()
}

// writable returns an error if the journal cannot be written to, so that nothing more is taken in.
func (f *Frontier) writable() error {
	if f.journal == nil || !f.journal.stuck.Load() {
		return nil
	}
	return f.journal.retry(f)
}

// Claim implements scheduler.Frontier.
func (f *Frontier) Claim(ctx context.Context, n int) ([]*scheduler.Lease, error) {
	if n <= 0 {
		return nil, fmt.Errorf("claim of %d tasks", n)
	}
	w := make(waiter, 1)
	for {
		now, err := f.enter(ctx)
		if err != nil {
			f.giveUp(w)
			return nil, err
		}
		f.claimers.remove(w)
		reserved := f.s.reserved
		if list := f.s.claim(n, now); len(list) > 0 {
			leases := f.leases(list)
			if f.s.reserved == reserved {
				f.leave()
				return leases, nil
			}
			if err := f.commit(); err != nil {
				return nil, err // they run out
			}
			return leases, nil
		}
		f.claimers.add(w)
		f.leave()
		select {
		case <-w:
		case <-ctx.Done():
		}
	}
}

// giveUp removes a claimer. One that was woken, but whose context ended, wakes the next in its place.
func (f *Frontier) giveUp(w waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended == nil && !f.claimers.remove(w) {
		f.wake()
	}
}

// leases returns what was claimed as its claimer sees it.
func (f *Frontier) leases(list []*held) []*scheduler.Lease {
	local := f.now()
	all, leases := make([]scheduler.Lease, len(list)), make([]*scheduler.Lease, len(list))
	for i, l := range list {
		all[i] = scheduler.Lease{
			Task: l.t.public(), Token: l.token, Attempt: int(l.t.attempt) + 1, Expired: int(l.t.expired),
			Claimed: local, Deadline: local.Add(f.s.lease),
		}
		leases[i] = &all[i]
	}
	return leases
}

// Extend implements scheduler.Frontier.
func (f *Frontier) Extend(ctx context.Context, leases ...*scheduler.Lease) error {
	local := f.now()
	now, err := f.enter(ctx)
	if err != nil {
		return err
	}
	defer f.leave()
	var lost []*scheduler.Lease
	for _, l := range leases {
		if f.s.extend(l.Token, now) {
			l.Deadline = local.Add(f.s.lease)
		} else {
			lost = append(lost, l)
		}
	}
	return lostError(lost)
}

// Finish implements scheduler.Frontier.
func (f *Frontier) Finish(ctx context.Context, results ...scheduler.Result) error {
	for i := range results {
		if err := checkResult(&results[i]); err != nil {
			return err
		}
	}
	now, err := f.enter(ctx)
	if err != nil {
		return err
	}
	var lost []*scheduler.Lease
	for i := range results {
		if !f.s.finish(&results[i], now) {
			lost = append(lost, results[i].Lease)
		}
	}
	return errors.Join(f.commit(), lostError(lost))
}

func lostError(lost []*scheduler.Lease) error {
	if len(lost) == 0 {
		return nil
	}
	return &scheduler.LostError{Leases: lost}
}

// Hold implements scheduler.Frontier.
func (f *Frontier) Hold(ctx context.Context, host string, until time.Time) error {
	if err := (&scheduler.Task{Host: host}).Check(); err != nil {
		return err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return err
	}
	f.s.holdHost(host, nanos(until), now)
	return f.commit()
}

// SetPace implements scheduler.Frontier.
func (f *Frontier) SetPace(ctx context.Context, host string, pace scheduler.Pace) error {
	if err := errors.Join((&scheduler.Task{Host: host}).Check(), checkPace(pace)); err != nil {
		return err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return err
	}
	var own *scheduler.Pace
	if pace != (scheduler.Pace{}) {
		own = &pace
	}
	f.s.setPace(host, own, now)
	return f.commit()
}

// Stats implements scheduler.Frontier. The numbers are of one instant.
func (f *Frontier) Stats(ctx context.Context) (scheduler.Stats, error) {
	if _, err := f.enter(ctx); err != nil {
		return scheduler.Stats{}, err
	}
	defer f.leave()
	stats := f.s.stats
	stats.Outcomes = maps.Clone(stats.Outcomes)
	stats.Seen = int64(len(f.s.seen))
	stats.Paused = f.s.paused
	return stats, nil
}

// Done implements scheduler.Frontier.
func (f *Frontier) Done(ctx context.Context) (bool, error) {
	if _, err := f.enter(ctx); err != nil {
		return false, err
	}
	defer f.leave()
	return f.s.active() == 0, nil
}

// WaitDone implements scheduler.Frontier.
func (f *Frontier) WaitDone(ctx context.Context) error {
	w := make(waiter, 1)
	for {
		_, err := f.enter(ctx)
		if err != nil {
			f.mu.Lock()
			f.idlers.remove(w)
			f.mu.Unlock()
			return err
		}
		f.idlers.remove(w)
		if f.s.active() == 0 {
			f.leave()
			return nil
		}
		f.idlers.add(w)
		f.leave()
		select {
		case <-w:
		case <-ctx.Done():
		}
	}
}

// Recovered returns what Open found; the zero Recovery if the crawl is new.
func (f *Frontier) Recovered() Recovery { return f.recovered }

// Close implements scheduler.Frontier. It returns the error of writing what was not written yet.
func (f *Frontier) Close() error {
	f.mu.Lock()
	open := f.ended == nil
	if open {
		f.end(scheduler.ErrClosed)
	}
	f.mu.Unlock()
	if !open || f.journal == nil {
		return nil
	}
	return f.journal.close(f)
}
