package memfrontier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Pause implements scheduler.Pauser.
func (f *Frontier) Pause(ctx context.Context) error { return f.pause(ctx, true) }

// Resume implements scheduler.Pauser.
func (f *Frontier) Resume(ctx context.Context) error { return f.pause(ctx, false) }

func (f *Frontier) pause(ctx context.Context, paused bool) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	f.s.pause(paused)
	return f.commit()
}

// Purge implements scheduler.Purger.
func (f *Frontier) Purge(ctx context.Context) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	f.end(scheduler.ErrNoCrawl)
	f.mu.Unlock()
	if f.journal == nil {
		return nil
	}
	return f.journal.remove()
}

// Parked implements scheduler.Parker.
func (f *Frontier) Parked(ctx context.Context) (map[string]int64, error) {
	if _, err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.leave()
	labels := make(map[string]int64, len(f.s.parked))
	for label, list := range f.s.parked {
		labels[label] = int64(len(list))
	}
	return labels, nil
}

// Unpark implements scheduler.Parker.
func (f *Frontier) Unpark(ctx context.Context, labels ...string) (n int, err error) {
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	for _, label := range labels {
		n += f.s.unpark(label, now)
	}
	return n, f.commit()
}

// Dead implements scheduler.Undertaker. The lists are those of the moment of the call; yield may call the
// frontier.
func (f *Frontier) Dead(ctx context.Context, yield func(scheduler.DeadLetter) bool) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	letters := append(f.s.dead.all(), f.s.gone.all()...)
	f.leave()
	for _, d := range letters {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.Payload = slices.Clone(d.Payload)
		if !yield(d) {
			return nil
		}
	}
	return nil
}

// maxMemo is the size of the largest value that is kept, in bytes.
const maxMemo = 1 << 20

// Load implements scheduler.Memo.
func (f *Frontier) Load(ctx context.Context, host, name string) (value []byte, ok bool, err error) {
	now, err := f.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer f.leave()
	m, ok := f.s.memos.values[memoKey{host, name}]
	if !ok || m.until <= now {
		return nil, false, nil
	}
	return []byte(m.value), true, nil
}

// Save implements scheduler.Memo.
func (f *Frontier) Save(ctx context.Context, host, name string, value []byte, ttl time.Duration) error {
	if len(value) > maxMemo || len(host)+len(name) > 1024 {
		return fmt.Errorf("memo %.80q of %.80q: %d bytes, at most %d are kept, and 1024 of host and name", name, host, len(value), maxMemo)
	}
	if err := f.writable(); err != nil {
		return err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return err
	}
	f.s.save(strings.Clone(host), strings.Clone(name), string(value), later(now, ttl), now)
	return f.commit()
}

// worker is a worker as it was last heard of.
type worker struct {
	info  scheduler.WorkerInfo
	until int64
}

// Heartbeat implements scheduler.Registry.
func (f *Frontier) Heartbeat(ctx context.Context, w scheduler.WorkerInfo, ttl time.Duration) (fleet int, err error) {
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer f.leave()
	for id, old := range f.workers {
		if old.until <= now {
			delete(f.workers, id)
		}
	}
	w.Spiders, w.Routes = slices.Clone(w.Spiders), slices.Clone(w.Routes)
	f.workers[w.ID] = worker{w, later(now, ttl)}
	return len(f.workers), nil
}

// Leave implements scheduler.Registry.
func (f *Frontier) Leave(ctx context.Context, id string) error {
	if _, err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	delete(f.workers, id)
	return nil
}

// Workers implements scheduler.Registry.
func (f *Frontier) Workers(ctx context.Context) ([]scheduler.WorkerInfo, error) {
	now, err := f.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer f.leave()
	var list []scheduler.WorkerInfo
	for _, w := range f.workers {
		if w.until > now {
			w.info.Spiders, w.info.Routes = slices.Clone(w.info.Spiders), slices.Clone(w.info.Routes)
			list = append(list, w.info)
		}
	}
	slices.SortFunc(list, func(a, b scheduler.WorkerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}
