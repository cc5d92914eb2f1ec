package crawler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Seed queues URLs for the spider's first start route, or the spider's own start URLs and sitemaps if none are given, and returns how
// many were not seen before. A URL that cannot be fetched fails the call before anything is queued, with an
// error that names it. The sitemaps that robots.txt of their hosts names are queued as well, and not counted.
func Seed(ctx context.Context, s Spider, f scheduler.Frontier, urls ...string) (added int, err error) {
	return seed(ctx, s, f, false, urls)
}

// SeedAgain is Seed for URLs that are to be fetched once more also if they were seen, as Scrapy does with start
// requests (dont_filter). They are recorded as seen; what they lead to is filtered as ever.
func SeedAgain(ctx context.Context, s Spider, f scheduler.Frontier, urls ...string) (added int, err error) {
	return seed(ctx, s, f, true, urls)
}

func seed(ctx context.Context, s Spider, f scheduler.Frontier, again bool, urls []string) (added int, err error) {
	p, err := s.compile()
	if err != nil {
		return 0, err
	}
	starts := s.Start
	if len(urls) > 0 {
		starts = nil
		for _, u := range urls {
			starts = append(starts, StartURL{u, p.defaultTarget()})
		}
	}
	var tasks []scheduler.Task
	if len(urls) == 0 {
		if tasks, err = p.sitemapTasks(again); err != nil {
			return 0, err
		}
	}
	asked := make([]queued, 0, len(starts))
	for _, start := range starts {
		req, u, err := p.seed(start.URL, start.Target.target())
		if err != nil {
			return 0, err
		}
		req.DontFilter = again
		task := p.task(req, u)
		if err := task.Check(); err != nil {
			return 0, fmt.Errorf("%s: %w", start.URL, err)
		}
		tasks, asked = append(tasks, task), append(asked, queued{req, u})
	}
	if _, err := p.pushSeeds(ctx, f, p.robotsTasks(again && len(urls) == 0, asked...)); err != nil {
		return 0, err
	}
	return p.pushSeeds(ctx, f, tasks)
}

// pushSeeds queues tasks, or has those of them visited now that wait for a revisit and are wanted again. It returns how many of
// both.
func (p *plan) pushSeeds(ctx context.Context, f scheduler.Frontier, tasks []scheduler.Task) (added int, err error) {
	waited := len(tasks)
	if tasks, err = p.callIn(ctx, f, tasks); err != nil {
		return 0, err
	}
	added = waited - len(tasks)
	for len(tasks) > 0 {
		n := min(len(tasks), 1000)
		some, err := f.Push(ctx, tasks[:n]...)
		added += some
		if err != nil {
			return added, err
		}
		tasks = tasks[n:]
	}
	return added, nil
}

// callIn has those of the tasks visited now that wait for a revisit, and returns the others. Tasks that are filtered as ever are
// among the latter: a page that is queued a second time would be visited twice as often from then on.
func (p *plan) callIn(ctx context.Context, f scheduler.Frontier, tasks []scheduler.Task) ([]scheduler.Task, error) {
	calendar, ok := f.(scheduler.Rescheduler)
	if !ok || p.revisits == nil {
		return tasks, nil
	}
	var refs []scheduler.TaskRef
	var again []int
	for i, task := range tasks {
		if task.DontFilter && !task.DontRecord {
			refs, again = append(refs, scheduler.TaskRef{Host: task.Host, ID: task.ID}), append(again, i)
		}
	}
	called, err := visitNow(ctx, calendar, refs, time.Now())
	if err != nil {
		return nil, err
	}
	pending := make([]bool, len(tasks))
	for k, i := range again {
		pending[i] = called[k]
		if !called[k] {
			if pending[i], err = isPending(ctx, f, tasks[i]); err != nil {
				return nil, err
			}
		}
	}
	var rest []scheduler.Task
	for i, task := range tasks {
		if !pending[i] {
			rest = append(rest, task)
		}
	}
	return rest, nil
}

// visitNow has tasks that wait for a revisit visited now, and tells which of them.
func visitNow(ctx context.Context, calendar scheduler.Rescheduler, refs []scheduler.TaskRef, now time.Time) ([]bool, error) {
	return calendar.Reschedule(ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) {
		t.Due = now
		return t, nil, true
	})
}

// visitAllChunk is how many pages VisitAll has in memory at a time.
const visitAllChunk = 50_000

// isDeferred reports whether a task waits for its first visit.
func isDeferred(t scheduler.Task) bool {
	req, err := DecodePayload(t.Payload)
	return err == nil && req.Deferred()
}

// VisitAll has all pages that wait for a revisit visited now, due or not, and returns how many. Those that were put off before their first
// visit keep their turn. What was not modified since costs next
// to nothing, as ever.
func VisitAll(ctx context.Context, f scheduler.Frontier) (int, error) {
	calendar, ok := f.(scheduler.Rescheduler)
	if !ok {
		return 0, nil
	}
	now, all := time.Now(), 0
	for {
		var refs []scheduler.TaskRef
		err := calendar.Scheduled(ctx, func(t scheduler.Task) bool {
			if t.Due.After(now) && !isDeferred(t) {
				refs = append(refs, scheduler.TaskRef{Host: t.Host, ID: t.ID})
			}
			return len(refs) < visitAllChunk
		})
		if err != nil || len(refs) == 0 {
			return all, err
		}
		called, err := visitNow(ctx, calendar, refs, now)
		before := all
		for _, moved := range called {
			if moved {
				all++
			}
		}
		if err != nil || all == before { // others have taken them all
			return all, err
		}
	}
}

// isPending reports whether a task is to be done anyway.
func isPending(ctx context.Context, f scheduler.Frontier, task scheduler.Task) (bool, error) {
	inspector, ok := f.(scheduler.Inspector)
	if !ok {
		return false, nil
	}
	at, err := inspector.Inspect(ctx, task.Host, task.ID)
	switch at.Place {
	case scheduler.PlaceQueued, scheduler.PlaceLeased, scheduler.PlaceDelayed, scheduler.PlaceScheduled:
		return err == nil, err
	}
	return false, err
}

// externalSeed is a seed as other programs push it; see scheduler.Seed.
type externalSeed struct {
	URL      string          `json:"url"`
	Method   string          `json:"method"`
	Meta     json.RawMessage `json:"meta"`
	Priority int             `json:"priority"`
	Route    string          `json:"route"`
}

// readSeed reads a plain URL, or a JSON object.
func (p *plan) readSeed(raw scheduler.Seed) (scheduler.Task, error) {
	raw = bytes.TrimSpace(raw)
	var s externalSeed
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &s); err != nil {
			return scheduler.Task{}, err
		}
	} else {
		s.URL = string(raw)
	}
	if s.URL == "" {
		return scheduler.Task{}, errors.New("no url")
	}
	target := p.defaultTarget()
	if s.Route != "" {
		b, ok := p.routes[s.Route]
		if !ok {
			return scheduler.Task{}, fmt.Errorf("route %q is unknown", s.Route)
		}
		target = bound{name: b.name, typ: b.with}
	}
	req, u, err := p.seed(s.URL, target)
	if err != nil {
		return scheduler.Task{}, err
	}
	if len(s.Meta) > 0 && string(s.Meta) != "null" {
		with := reflect.New(target.typ)
		if err := json.Unmarshal(s.Meta, with.Interface()); err != nil {
			return scheduler.Task{}, fmt.Errorf("meta does not fit %s: %w", target.typ, err)
		}
		if !with.Elem().IsZero() {
			req.With = s.Meta
		}
	}
	req.Method, req.Priority, req.DontFilter = s.Method, s.Priority, true
	task := p.task(req, u)
	err = task.Check()
	return task, err
}

// moveSeeds brings seeds that other programs pushed into the frontier: push first, remove afterwards, so that a crash in
// between costs a second push, which changes nothing.
func (w *Worker) moveSeeds(ctx context.Context) {
	source, ok := w.frontier.(scheduler.SeedSource)
	for ok {
		n, err := w.moveSeedsOnce(ctx, source)
		if err != nil && ctx.Err() == nil {
			w.log.Debug("seeds are not moved", "err", err)
		}
		if n < seedsBatch && w.pause(ctx) != nil || ctx.Err() != nil {
			return
		}
	}
}

func (w *Worker) moveSeedsOnce(ctx context.Context, source scheduler.SeedSource) (int, error) {
	seeds, err := source.Seeds(ctx, seedsBatch)
	if err != nil || len(seeds) == 0 {
		return 0, err
	}
	var tasks []scheduler.Task
	var good []scheduler.Seed
	for _, seed := range seeds {
		task, err := w.readSeed(seed)
		if err != nil {
			w.log.Warn("a seed cannot be read and is kept aside", "seed", fmt.Sprintf("%.200q", seed), "err", err)
			if err := source.Rejected(ctx, seed, err.Error()); err != nil {
				return 0, err
			}
			continue
		}
		tasks, good = append(tasks, task), append(good, seed)
	}
	if len(tasks) == 0 {
		return len(seeds), nil
	}
	if _, err := w.pushSeeds(ctx, w.frontier, append(w.robotsOf(tasks), tasks...)); err != nil {
		return 0, err
	}
	return len(seeds), source.Taken(ctx, good...)
}
