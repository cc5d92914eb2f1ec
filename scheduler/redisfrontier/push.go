package redisfrontier

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// A push script takes at most so many tasks and bytes, so that none blocks Redis for long.
const (
	maxPushTasks = 500
	maxPushBytes = 4 << 20
)

// Push implements [scheduler.Frontier]. After an error, some of the tasks may be queued and some not; pushing them again
// is safe. With [Config.Confirm] it returns when that many replicas have the tasks.
func (f *Frontier) Push(ctx context.Context, tasks ...scheduler.Task) (added int, err error) {
	if err := f.usable(ctx); err != nil {
		return 0, err
	}
	for i := range tasks {
		if err := tasks[i].Check(); err != nil {
			return 0, err
		}
	}
	f.wake.listen() // what is known depends on it
	era := f.known.era()
	batches, fps, known := f.batches(tasks)
	f.duplicates.Add(known)
	if f.info.Filter.Kind == redisdedup.TwoTier && f.exact == nil {
		return 0, fmt.Errorf("push to crawl %s: its filter is %s, which needs Config.Exact", f.crawl, f.info.Filter)
	}
	for len(batches) > 0 {
		// One round trip sends a batch for each partition at most: two of one partition must keep their order,
		// also when the first is refused.
		var now, later []*batch
		taken := map[int]bool{}
		for _, b := range batches {
			if taken[b.part] {
				later = append(later, b)
			} else {
				now = append(now, b)
				taken[b.part] = true
			}
		}
		n, err := f.push(ctx, now)
		added += n
		if err == nil && f.exact != nil {
			n, err = f.settle(ctx, now)
			added += n
		}
		if err != nil {
			return added, err
		}
		batches = later
	}
	f.known.add(era, fps)
	return added, nil
}

// A batch is what one push script gets: tasks of one partition, by host.
type batch struct {
	part, tasks, bytes int
	hosts              []string
	args               map[string][]any               // of each host: fingerprint, how, element, ...
	fps                map[string][]dedup.Fingerprint // of each host, if there is another store

	answers []byte // what the script said of each, in order of hosts
	counter string // m.cn as the script saw it
}

// batches sorts tasks by partition and host, and leaves out those that are known. It returns the fingerprints that Redis
// knows once all are pushed.
func (f *Frontier) batches(tasks []scheduler.Task) (all []*batch, fps []uint64, known int64) {
	open := map[int]*batch{}
	for i := range tasks {
		t := &tasks[i]
		fp := t.ID.Short()
		if !t.DontFilter && f.known.has(fp) {
			known++
			continue
		}
		if !t.DontRecord {
			fps = append(fps, fp)
		}
		part := f.partition(t.Host)
		b := open[part]
		if b == nil || b.tasks >= maxPushTasks || b.bytes+len(t.Payload) > maxPushBytes {
			b = &batch{part: part, args: map[string][]any{}, fps: map[string][]dedup.Fingerprint{}}
			open[part] = b
			all = append(all, b)
		}
		args, ok := b.args[t.Host]
		if !ok {
			b.hosts = append(b.hosts, t.Host)
		}
		b.args[t.Host] = append(f.hints[part].AppendArgs(args, f.info.Filter.Kind, t.ID), how(t), appendElement(nil, 0, 0, t))
		if f.exact != nil {
			b.fps[t.Host] = append(b.fps[t.Host], t.ID)
		}
		b.tasks++
		b.bytes += len(t.Payload)
	}
	return all, fps, known
}

// how says at which level, whether at any rate, and when a task is to be queued; see push.lua.
func how(t *scheduler.Task) string {
	b := strconv.AppendInt(nil, int64(scheduler.Level(t.Priority)), 16)
	switch {
	case t.DontFilter && t.DontRecord:
		b = append(b, '-')
	case t.DontFilter:
		b = append(b, '!')
	}
	if !t.Due.IsZero() {
		due := t.Due.UnixMilli()
		if t.Due.Nanosecond()%1e6 > 0 {
			due++ // never early
		}
		if due > 0 {
			b = strconv.AppendInt(b, due, 10)
		}
	}
	return string(b)
}

// taskArgs is how many arguments of push.lua a task takes.
func (f *Frontier) taskArgs() int { return f.info.Filter.Kind.Args() + 2 }

// pushed reads the number of tasks queued, and what the filter told, from a reply of push.lua.
func pushed(reply any) (added int64, told string, ok bool) {
	list, _ := reply.([]any)
	if len(list) < 2 {
		return 0, "", false
	}
	added, ok1 := list[0].(int64)
	told, ok2 := list[1].(string)
	return added, told, ok1 && ok2
}

// push calls push.lua.
func (f *Frontier) push(ctx context.Context, batches []*batch) (added int, err error) {
	calls := make([]*call, len(batches))
	duplicates := f.duplicates.Swap(0)
	for i, b := range batches {
		args := []any{duplicates}
		if i > 0 {
			args[0] = 0
		}
		for _, host := range b.hosts {
			args = append(args, host, len(b.args[host])/f.taskArgs())
			args = append(args, b.args[host]...)
		}
		calls[i] = f.call(f.seen.push, b.part, args...)
	}
	err = f.confirmed(ctx, calls)
	for i, c := range calls {
		n, told, ok := pushed(c.reply)
		if list, _ := c.reply.([]any); len(list) == 4 {
			batches[i].counter, _ = list[2].(string)
			text, _ := list[3].(string)
			batches[i].answers = []byte(text)
			ok = ok && len(text) == batches[i].tasks
		}
		if c.done && !ok {
			return added, errReply
		}
		if ok {
			if err := f.hints[c.part].Told(f.info.Filter.Kind, told); err != nil {
				return added, err
			}
		}
		if n = max(n, c.added); n > 0 {
			added += int(n)
			f.wake.at(c.part, 0)
		}
		if i == 0 && !c.done {
			f.duplicates.Add(duplicates)
		}
	}
	return added, err
}
