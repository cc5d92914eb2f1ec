package frontiertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func crowdCases() []testCase {
	return []testCase{
		{"ClaimedOnceByOneOfMany", claimedOnceByOneOfMany},
		{"PushedOnceByManyIsQueuedOnce", pushedOnceByManyIsQueuedOnce},
		{"HostConcurrencyIsKeptInACrowd", hostConcurrencyIsKeptInACrowd},
		{"NothingLostUnderFlakyConnection", nothingLostUnderFlakyConnection},
	}
}

func claimedOnceByOneOfMany(r *rig) {
	const hosts, each, workers = 40, 75, 16
	frontiers := []scheduler.Frontier{r.open(Options{}), r.open(Options{})}
	for h := range hosts {
		r.push(frontiers[0], tasks(fmt.Sprintf("h%d.example", h), each)...)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 2*enough)
	defer cancel()
	var mu sync.Mutex
	claims := map[string]int{}
	var finished atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		f := frontiers[w%2]
		wg.Go(func() {
			for {
				leases, err := f.Claim(ctx, 1+w)
				if err != nil {
					return
				}
				mu.Lock()
				for _, l := range leases {
					claims[string(l.Payload)]++
				}
				mu.Unlock()
				for _, l := range leases {
					if err := f.Finish(ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done()}); err != nil {
						r.Errorf("finish: %v", err)
					}
				}
				if finished.Add(int64(len(leases))) == hosts*each {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	r.want("tasks claimed", int64(len(claims)), hosts*each)
	for payload, n := range claims {
		if n != 1 {
			r.Errorf("%s was claimed %d times", payload, n)
		}
	}
	r.want("Done", r.stats(frontiers[0]).Done, hosts*each)
	r.sound(frontiers[0])
}

func pushedOnceByManyIsQueuedOnce(r *rig) {
	const n, pushers = 500, 8
	frontiers := []scheduler.Frontier{r.open(Options{}), r.open(Options{})}
	var added atomic.Int64
	var wg sync.WaitGroup
	for p := range pushers {
		wg.Go(func() {
			order := rand.New(rand.NewPCG(uint64(p), 0)).Perm(n)
			for len(order) > 0 {
				k := min(20, len(order))
				var batch []scheduler.Task
				for _, i := range order[:k] {
					batch = append(batch, task(fmt.Sprintf("h%d.example", i%9), i))
				}
				order = order[k:]
				m, err := frontiers[p%2].Push(r.ctx, batch...)
				if err != nil {
					r.Errorf("push: %v", err)
				}
				added.Add(int64(m))
			}
		})
	}
	wg.Wait()
	r.want("added by all", added.Load(), n)
	s := r.stats(frontiers[0])
	r.want("Queued", s.Queued, n)
	r.want("Seen", s.Seen, n)
	r.want("Duplicates", s.Duplicates, n*(pushers-1))
	r.sound(frontiers[0])
}

// hostConcurrencyIsKeptInACrowd counts at the host what many workers do to it at once.
func hostConcurrencyIsKeptInACrowd(r *rig) {
	const hosts, each, workers, most = 5, 60, 12, 2
	o := Options{Pace: scheduler.Pace{Concurrency: most}}
	frontiers := []scheduler.Frontier{r.open(o), r.open(o)}
	for h := range hosts {
		r.push(frontiers[0], tasks(fmt.Sprintf("h%d.example", h), each)...)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 2*enough)
	defer cancel()
	var inflight sync.Map
	var finished atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		f := frontiers[w%2]
		wg.Go(func() {
			for {
				leases, err := f.Claim(ctx, 4)
				if err != nil {
					return
				}
				var results []scheduler.Result
				for _, l := range leases {
					at, _ := inflight.LoadOrStore(l.Host, new(atomic.Int64))
					if n := at.(*atomic.Int64).Add(1); n > most {
						r.Errorf("%d requests to %s at once, at most %d are allowed", n, l.Host, most)
					}
					results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Done()})
				}
				for _, l := range leases {
					at, _ := inflight.Load(l.Host)
					at.(*atomic.Int64).Add(-1)
				}
				if err := f.Finish(ctx, results...); err != nil {
					r.Errorf("finish: %v", err)
				}
				if finished.Add(int64(len(leases))) == hosts*each {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	r.want("Done", r.stats(frontiers[0]).Done, hosts*each)
	r.sound(frontiers[0])
}

// nothingLostUnderFlakyConnection crawls a tree of pages while calls fail, both at the frontier's methods and,
// if the driver has a connection, at its commands. The clock runs whenever the workers are idle, so that
// leases of lost answers come back.
func nothingLostUnderFlakyConnection(r *rig) {
	const pages, fan, hosts, workers, every = 400, 3, 13, 4, 12
	page := func(i int) scheduler.Task { return task(fmt.Sprintf("h%d.example", i%hosts), i) }
	commands := faults{every: 40, rand: rand.New(rand.NewPCG(2, 2))}
	var bad atomic.Bool // the connection, from the first claim on
	o := Options{MaxExpired: 1000, Fault: func() Fault {
		if !bad.Load() {
			return NoFault
		}
		return commands.draw()
	}}
	sure := r.open(Options{MaxExpired: 1000})
	r.push(sure, page(0))

	ctx, cancel := context.WithTimeout(r.ctx, 2*enough)
	defer cancel()
	var mu sync.Mutex
	fetched := map[string]bool{}
	visit := func(f scheduler.Frontier, l *scheduler.Lease) {
		var host, i int
		if _, err := fmt.Sscanf(string(l.Payload), "https://h%d.example/%d", &host, &i); err != nil {
			r.Errorf("payload %q: %v", l.Payload, err)
			return
		}
		mu.Lock()
		fetched[string(l.Payload)] = true
		mu.Unlock()
		var links []scheduler.Task
		for k := i*fan + 1; k <= i*fan+fan && k < pages; k++ {
			links = append(links, page(k))
		}
		if err := repeat(ctx, func() error { _, err := f.Push(ctx, links...); return err }); err != nil {
			return // without its links the page is not finished
		}
		err := repeat(ctx, func() error {
			return f.Finish(ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Outcome: "ok"})
		})
		if err != nil && !scheduler.Lost(err, l) && ctx.Err() == nil {
			r.Errorf("finish: %v", err)
		}
	}
	var wg sync.WaitGroup
	defer bad.Store(false)
	var opened []scheduler.Frontier
	for w := range workers {
		opened = append(opened, Flaky(r.open(o), every, uint64(w)))
	}
	bad.Store(true)
	for _, f := range opened {
		wg.Go(func() {
			for ctx.Err() == nil {
				short, stop := context.WithTimeout(ctx, aWhile)
				leases, err := f.Claim(short, 5)
				stop()
				if errors.Is(err, context.DeadlineExceeded) {
					r.advance(lease / workers)
				}
				for _, l := range leases {
					visit(f, l)
				}
				if done, err := f.Done(ctx); done && err == nil {
					return
				}
			}
		})
	}
	wg.Wait()
	r.want("pages fetched", int64(len(fetched)), pages)
	s := r.stats(sure)
	r.want("Seen", s.Seen, pages)
	r.want("Done", s.Done, pages)
	r.want("ok", s.Outcomes["ok"], pages)
	r.want("Dead", s.Dead, 0)
	if !r.done(sure) {
		r.Error("not done")
	}
	r.sound(sure)
}

// repeat calls do until the connection holds.
func repeat(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, scheduler.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}
