package redisfrontier

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Parked implements [scheduler.Parker]. It calls parked.lua.
func (f *Frontier) Parked(ctx context.Context) (map[string]int64, error) {
	replies, err := f.everywhere(ctx, func(p int) *call { return f.call(parkedScript, p) })
	if err != nil {
		return nil, err
	}
	parked := map[string]int64{}
	for _, reply := range replies {
		list, err := stringsOf(reply)
		if err != nil {
			return nil, err
		}
		for i := 0; i+1 < len(list); i += 2 {
			n, err := strconv.ParseInt(list[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("counter of parked %q: %w", list[i], err)
			}
			parked[list[i]] += n
		}
	}
	return parked, nil
}

// Unpark implements [scheduler.Parker]. It calls unpark.lua.
func (f *Frontier) Unpark(ctx context.Context, labels ...string) (int, error) {
	const step = 500
	total := 0
	for _, label := range labels {
		for more := true; more; {
			more = false
			replies, err := f.everywhere(ctx, func(p int) *call { return f.call(unparkScript, p, label, step) })
			if err != nil {
				return total, err
			}
			for p, reply := range replies {
				n, _ := reply.(int64)
				total += int(n)
				more = more || n == step
				if n > 0 {
					f.wake.at(p, 0)
				}
			}
		}
	}
	return total, nil
}

// Dead implements [scheduler.Undertaker].
func (f *Frontier) Dead(ctx context.Context, yield func(scheduler.DeadLetter) bool) error {
	for _, list := range []string{"x", "g"} {
		for p := range f.keys {
			for first := 0; ; {
				letters, err := f.letters(ctx, p, list, first)
				if err != nil {
					return err
				}
				for _, raw := range letters {
					d, err := parseLetter(raw, list == "g")
					if err != nil {
						return err
					}
					if !yield(d) {
						return nil
					}
				}
				if first += len(letters); len(letters) == 0 {
					break
				}
			}
		}
	}
	return nil
}

// letters calls dead.lua.
func (f *Frontier) letters(ctx context.Context, part int, list string, first int) ([]string, error) {
	const page = 100
	c := f.call(deadScript, part, list, first, first+page-1)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return nil, err
	}
	return stringsOf(c.reply)
}

// maxMemo is the size of the largest value that is remembered.
const maxMemo = 1 << 20

// Load implements [scheduler.Memo]. It calls memoload.lua.
func (f *Frontier) Load(ctx context.Context, host, name string) ([]byte, bool, error) {
	if err := f.checkHost(ctx, host); err != nil {
		return nil, false, err
	}
	c := f.call(memoLoadScript, f.partition(host), host+"\x00"+name)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return nil, false, err
	}
	value, ok := c.reply.(string)
	return []byte(value), ok, nil
}

// Save implements [scheduler.Memo]. It calls memosave.lua. When Redis is out of memory the value is given up at once, so
// that a page does not wait for what others only might ask for.
func (f *Frontier) Save(ctx context.Context, host, name string, value []byte, ttl time.Duration) error {
	if err := f.checkHost(ctx, host); err != nil {
		return err
	}
	if len(value) > maxMemo || len(name) > maxMemo {
		return fmt.Errorf("save %.80q of %s: %d bytes, at most %d are allowed", name, host, len(value), maxMemo)
	}
	c := f.call(memoSaveScript, f.partition(host), host+"\x00"+name, value, max(0, ttl.Milliseconds()))
	c.spare = true
	return f.repeat(ctx, []*call{c})
}

// Heartbeat implements [scheduler.Registry]. It calls heartbeat.lua.
func (f *Frontier) Heartbeat(ctx context.Context, w scheduler.WorkerInfo, ttl time.Duration) (fleet int, err error) {
	text, err := json.Marshal(w)
	if err != nil {
		return 0, fmt.Errorf("heartbeat of %s: %w", w.ID, err)
	}
	c := f.call(heartbeatScript, 0, w.ID, text, max(0, ttl.Milliseconds()))
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return 0, err
	}
	n, _ := c.reply.(int64)
	return int(n), nil
}

// Leave implements [scheduler.Registry]. It calls leave.lua.
func (f *Frontier) Leave(ctx context.Context, id string) error {
	return f.repeat(ctx, []*call{f.call(leaveScript, 0, id)})
}

// Workers implements [scheduler.Registry]. It calls workers.lua. Workers of another version that this one cannot read
// are left out.
func (f *Frontier) Workers(ctx context.Context) ([]scheduler.WorkerInfo, error) {
	c := f.call(workersScript, 0)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return nil, err
	}
	list, err := stringsOf(c.reply)
	if err != nil {
		return nil, err
	}
	workers := make([]scheduler.WorkerInfo, 0, len(list))
	for _, text := range list {
		var w scheduler.WorkerInfo
		if json.Unmarshal([]byte(text), &w) == nil {
			workers = append(workers, w)
		}
	}
	slices.SortFunc(workers, func(a, b scheduler.WorkerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return workers, nil
}
