package redisfrontier

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

const (
	never = int64(9e15) // ms, as in lua/prelude.lua

	// secondLook is how often a claim that waits looks at a part of the partitions, in case a message was lost.
	secondLook = 30 * time.Second
	// doneLook is how often one of the fleet looks whether the crawl is done, in case a message was lost.
	doneLook = 10 * time.Second
	// doneRest is the least time between two looks of this process that finishes led to.
	doneRest = 50 * time.Millisecond
)

// wake knows which partitions may have work, and wakes those who wait.
type wake struct {
	f *Frontier

	mu        sync.Mutex // guards all below
	parts     []part
	turn      int           // the partition to be asked first
	changed   chan struct{} // closed when a partition may have work sooner than was thought
	done      chan struct{} // closed when somebody says that the crawl is done
	listening bool
	stood     bool // the subscription did, once
	checking  bool // a goroutine looks whether the crawl is done
	recheck   bool // and must look once more
	look      time.Time
	server    int64 // the server's time at local
	local     time.Time
}

// part is what is known of a partition.
type part struct {
	at      int64  // server's ms from which it may have work
	told    bool   // Redis will publish what makes it earlier
	yield   int    // how many tasks a claim may expect of it
	version uint64 // counts what made it earlier
}

func newWake(f *Frontier) *wake {
	return &wake{f: f, changed: make(chan struct{}), done: make(chan struct{})}
}

// size sets the number of partitions; each may have work.
func (w *wake) size(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = make([]part, n)
	w.turn = rand.N(n) //nolint:gosec // workers begin at different ones
}

// now is the server's time, or a little less. It is called with mu held.
func (w *wake) now() int64 {
	if w.f.now != nil {
		return w.f.now().UnixMilli()
	}
	if w.local.IsZero() {
		return 0
	}
	return w.server + time.Since(w.local).Milliseconds()
}

// fullYield is from how many tasks on a claim of one partition costs Redis little more a task than one of many.
const fullYield = 32

// due returns partitions that may have work, in turn: as many as may be needed for n tasks, and at most n.
func (w *wake) due(n int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	var list []int
	expected := 0
	for i := range w.parts {
		p := (w.turn + i) % len(w.parts)
		if w.parts[p].at <= now {
			list = append(list, p)
			expected += min(max(w.parts[p].yield, 1), fullYield)
			if expected >= n {
				w.turn = (p + 1) % len(w.parts)
				break
			}
		}
	}
	return list
}

// yielded notes what a claim of wanted tasks got from a partition. One that gave all may have more: next time twice as
// many are expected of it, so that fewer partitions are asked.
func (w *wake) yielded(p, wanted, got int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if got >= wanted {
		got = max(2*wanted, w.parts[p].yield)
	}
	w.parts[p].yield = got
}

// untold returns the partitions from which no word would come if they had work.
func (w *wake) untold() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []int
	for p := range w.parts {
		if !w.parts[p].told {
			list = append(list, p)
		}
	}
	return list
}

func (w *wake) version(p int) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parts[p].version
}

// answered notes what a claim that was sent at version learnt: there is no more work before next (0: there may be now).
// If it does not wait to be told, the partition is asked again after a while.
func (w *wake) answered(p int, version uint64, now, next int64, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server, w.local = now, time.Now()
	part := &w.parts[p]
	if part.version != version {
		return // something happened meanwhile: ask again
	}
	if next < 0 {
		next = never
	}
	part.told = next > now && (waits || part.told && next <= part.at)
	if !part.told {
		// Each worker that is busy elsewhere asks some 16 idle partitions a second.
		while := int64(60 * len(w.parts))
		next = min(next, now+while/2+rand.N(while)) //nolint:gosec // jitter
	}
	sooner := next < part.at
	part.at = next
	if sooner {
		w.broadcast()
	}
}

// at notes that the partition may have work from ms on.
func (w *wake) at(p int, ms int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p >= len(w.parts) {
		return
	}
	part := &w.parts[p]
	part.version++
	if ms < part.at {
		part.at = ms
		part.told = part.told && ms > w.now()
	}
	w.broadcast()
}

// rest notes that a partition did not answer: it is asked again after a while.
func (w *wake) rest(p int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[p] = part{at: w.now() + 500 + rand.N(int64(1000)), version: w.parts[p].version + 1} //nolint:gosec // jitter
}

// all notes that every partition may have work.
func (w *wake) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.parts {
		w.parts[p] = part{version: w.parts[p].version + 1}
	}
	w.broadcast()
}

func (w *wake) broadcast() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// wait returns when a partition may have work.
func (w *wake) wait(ctx context.Context) error {
	w.listen()
	w.mu.Lock()
	now := w.now()
	if w.look.IsZero() || time.Now().After(w.look) {
		if !w.look.IsZero() {
			w.lookAgain()
		}
		w.look = time.Now().Add(secondLook*3/4 + rand.N(secondLook/2)) //nolint:gosec // jitter
	}
	d := time.Until(w.look)
	for _, p := range w.parts {
		switch {
		case !p.told: // changed since the claim looked
			d = 0
		case p.at < never:
			d = min(d, time.Duration(p.at-now)*time.Millisecond)
		}
	}
	changed := w.changed
	w.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.f.closed:
		return scheduler.ErrClosed
	}
	return nil
}

// lookAgain marks an eighth of the partitions. It is called with mu held.
func (w *wake) lookAgain() {
	for range (len(w.parts) + 7) / 8 {
		w.parts[w.turn].at = 0
		w.parts[w.turn].told = false
		w.turn = (w.turn + 1) % len(w.parts)
	}
}

// listen starts to receive the crawl's messages, if it was not done yet. Whenever the subscription stands, anew or
// again, all partitions are looked at: nobody knows what was missed.
func (w *wake) listen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listening {
		return
	}
	w.listening = true
	w.f.start(func() {
		sub := w.f.client.Subscribe(context.Background(), wakeChannel(w.f.crawl, w.f.epoch))
		defer sub.Close()
		messages := sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(secondLook))
		for {
			select {
			case <-w.f.closed:
				return
			case m, ok := <-messages:
				if !ok {
					return
				}
				w.received(m)
			}
		}
	})
}

func (w *wake) received(message any) {
	m, ok := message.(*redis.Message)
	if !ok {
		w.subscribed()
	}
	if !ok || m.Payload == "*" {
		w.all()
		return
	}
	if m.Payload == "done" {
		w.saidDone()
		return
	}
	hex, at, _ := strings.Cut(m.Payload, " ")
	p, err1 := parsePart(hex)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if err1 == nil && err2 == nil {
		w.at(p, ms)
	}
}

// subscribed notes that the subscription stands. When it does so again, the connection was lost, and what a failover lost with
// it is not known any more: the client replaces other connections without a word.
func (w *wake) subscribed() {
	w.mu.Lock()
	again := w.stood
	w.stood = true
	w.mu.Unlock()
	if again {
		w.f.known.reset()
	}
}

// publish sends a message to all frontiers of the crawl. It is a courtesy: one that is lost costs time alone.
func (w *wake) publish(ctx context.Context, message string) {
	_ = w.f.client.Publish(ctx, wakeChannel(w.f.crawl, w.f.epoch), message).Err()
}

func (w *wake) saidDone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.done)
	w.done = make(chan struct{})
}

// heardDone returns a channel that is closed when somebody says that the crawl is done.
func (w *wake) heardDone() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// emptied notes that a finish of this process left a partition without work. Whether all are is looked at in
// the background, at most every doneRest.
func (w *wake) emptied() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recheck = true
	if w.checking {
		return
	}
	w.checking = true
	w.f.start(w.checkDone)
}

func (w *wake) checkDone() {
	for {
		w.mu.Lock()
		if !w.recheck {
			w.checking = false
			w.mu.Unlock()
			return
		}
		w.recheck = false
		w.mu.Unlock()
		ctx := context.Background()
		done, err := w.f.Done(ctx)
		if err == nil && done {
			w.publish(ctx, "done")
			w.saidDone()
		}
		if w.f.sleep(ctx, doneRest) != nil {
			return
		}
	}
}
