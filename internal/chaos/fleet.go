package chaos

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

const (
	workerSlots = 8 // pages one worker has in flight

	exitUsage = 2
)

// fleet keeps so many workers running: each place is taken by another one when its worker has fallen.
type fleet struct {
	c     Config
	dir   string // of logs
	args  func(id, place int) []string
	said  func(worker int) // a worker ended because the crawl is done
	log   *slog.Logger
	first int // number of the first worker

	running sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the fields of members
	places  []*member
	all     []*member
	windows []Window
	over    bool          // nobody is replaced any more
	ending  chan struct{} // closed with over
	err     error         // what no restart will mend
}

// member is one worker.
type member struct {
	Worker

	place   int
	p       *process
	killed  bool
	drained bool
	stopped bool
}

func newFleet(c Config, dir string, first int, args func(id, place int) []string, said func(worker int)) *fleet {
	return &fleet{
		c: c, dir: dir, args: args, said: said, log: c.Logger, first: first,
		places: make([]*member, c.Workers), ending: make(chan struct{}),
	}
}

// start fills all places.
func (f *fleet) start() error {
	for place := range f.places {
		if err := f.fill(place); err != nil {
			return err
		}
	}
	return nil
}

// fill starts a worker in a place, unless the round is over.
func (f *fleet) fill(place int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return nil
	}
	m := &member{Worker: Worker{ID: f.first + len(f.all), Started: time.Now()}, place: place}
	var err error
	if m.p, err = spawn(f.dir, fmt.Sprintf("worker-%d.log", m.ID), f.c.Command, f.args(m.ID, place)...); err != nil {
		f.err = err
		return err
	}
	f.places[place] = m
	f.all = append(f.all, m)
	f.running.Go(func() { f.tend(m) })
	return nil
}

// tend waits for a worker's end and has another take its place.
func (f *fleet) tend(m *member) {
	<-m.p.ended
	f.mu.Lock()
	if m.Ended.IsZero() {
		m.Ended, m.Exit = time.Now(), m.p.exit()
	}
	byItself := !m.killed && !m.drained
	f.mu.Unlock()
	switch {
	case !byItself:
	case m.Exit == 0:
		f.said(m.ID)
		return
	default:
		last := m.p.lastLine()
		f.mu.Lock()
		m.Last = last
		if m.Exit == exitUsage {
			f.err = fmt.Errorf("a worker did not start: %s", last)
		}
		f.mu.Unlock()
		f.log.Info("a worker ended by itself", "worker", m.ID, "code", m.Exit, "last", last)
		select { // what it lacks may come back
		case <-time.After(250 * time.Millisecond):
		case <-f.ending:
		}
	}
	_ = f.fill(m.place) // kept in err
}

// pick returns a running worker, beginning at a place; nil if there is none that ok accepts. f.mu must be held.
func (f *fleet) pick(place int, ok func(*member) bool) *member {
	for i := range f.places {
		if m := f.places[(place+i)%len(f.places)]; m.p.running() && !m.killed && ok(m) {
			return m
		}
	}
	return nil
}

// kill kills a worker and returns its number, 0 if none runs.
func (f *fleet) kill(place int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.pick(place, func(*member) bool { return true })
	if m == nil {
		return 0
	}
	m.killed = true
	f.windows = append(f.windows, Window{Kind: Kill, Worker: m.ID, From: time.Now()})
	_ = m.p.cmd.Process.Kill()
	return m.ID
}

// drain tells a worker to stop.
func (f *fleet) drain(place int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.pick(place, func(m *member) bool { return !m.stopped && !m.drained })
	if m == nil {
		return 0
	}
	m.drained = true
	f.windows = append(f.windows, Window{Kind: Drain, Worker: m.ID, From: time.Now()})
	m.p.terminate()
	return m.ID
}

// stop freezes a worker for a while.
func (f *fleet) stop(place int, lasts time.Duration) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.pick(place, func(m *member) bool { return !m.stopped && !m.drained })
	if m == nil {
		return 0
	}
	m.stopped = true
	at := len(f.windows)
	f.windows = append(f.windows, Window{Kind: Stop, Worker: m.ID, From: time.Now()})
	m.p.stop()
	f.running.Go(func() {
		select {
		case <-time.After(lasts):
		case <-f.ending:
		case <-m.p.ended:
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.windows[at].To = time.Now()
		m.stopped = false
		m.p.cont()
	})
	return m.ID
}

// failure returns why the fleet cannot go on.
func (f *fleet) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// finish lets the workers end, kills those that do not in time, and returns all there were and what befell them.
func (f *fleet) finish(patience time.Duration) ([]Worker, []Window) {
	f.mu.Lock()
	if !f.over {
		f.over = true
		close(f.ending)
	}
	all := f.all
	f.mu.Unlock()
	deadline := time.Now().Add(patience)
	for _, m := range all {
		if m.p.wait(time.Until(deadline)) {
			continue
		}
		f.mu.Lock()
		m.killed = true // by us: it is no fault, and Ended stays zero
		m.Exit, m.Last = -1, m.p.lastLine()
		f.mu.Unlock()
	}
	ended := make([]bool, len(all))
	for i, m := range all {
		ended[i] = !m.p.running()
		m.p.kill()
	}
	f.running.Wait()
	workers := make([]Worker, len(all))
	for i, m := range all {
		workers[i] = m.Worker
		if !ended[i] {
			workers[i].Ended = time.Time{}
		}
	}
	return workers, f.windows
}

// workerArgs are those of a worker of a round.
func (r *round) workerArgs(id, place int) []string {
	return []string{
		"worker", r.spider, "--redis", r.redis.url(), "--crawl", r.crawl, "--until-done", "-o", r.store.out(r.n, place),
		"--dir", r.c.Dir, "--concurrency", strconv.Itoa(workerSlots), "--per-host", strconv.Itoa(r.c.PerHost), "--lease", r.c.Lease.String(),
		"--user-agent", agentPrefix + strconv.Itoa(id), "--grace", (r.c.Lease / 4).String(), "--quiet", "--log-level", "info",
	}
}
