package redisfrontier

import (
	"bytes"
	"context"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
)

// settle finishes a push to a crawl whose filter has another store: tasks that look seen are pushed again if the store does
// not have them, and the store is told what is new before the push counts as done. It returns how many tasks
// were queued because of it. See redisdedup.Confirm for what a crash leaves.
func (f *Frontier) settle(ctx context.Context, batches []*batch) (added int, err error) {
	for asked := 1; len(batches) > 0; asked++ {
		var again []*batch
		for _, b := range batches {
			retry, err := f.ask(ctx, b, asked)
			if err != nil {
				return added, err
			}
			if retry != nil {
				again = append(again, retry)
			}
			if err := f.record(ctx, b); err != nil {
				return added, err
			}
		}
		if len(again) == 0 {
			return added, nil
		}
		n, err := f.push(ctx, again)
		added += n
		if err != nil {
			return added, err
		}
		batches = again
	}
	return added, nil
}

// ask asks the other store about the tasks of a batch that look seen, and returns those that were not, or nil.
func (f *Frontier) ask(ctx context.Context, b *batch, asked int) (*batch, error) {
	fps := b.allFPs()
	before := bytes.Clone(b.answers)
	unseen, err := redisdedup.Ask(ctx, f.exact, fps, b.answers)
	if err != nil {
		return nil, unavailable(err)
	}
	again := map[int]bool{}
	for _, i := range unseen {
		again[i] = true
	}
	retry := &batch{part: b.part, args: map[string][]any{}, fps: map[string][]dedup.Fingerprint{}}
	i := -1
	for _, host := range b.hosts {
		for t := f.info.Filter.Kind.Args(); t < len(b.args[host]); t += f.taskArgs() {
			i++
			how, _ := b.args[host][t].(string)
			forced := len(how) > 1 && (how[1] == '!' || how[1] == '-')
			switch {
			case before[i] == redisdedup.Maybe && !again[i] && !forced:
				f.duplicates.Add(1)
				continue
			case again[i] && forced: // it is queued already
				b.answers[i] = redisdedup.New
				continue
			case !again[i]:
				continue
			}
			if len(retry.args[host]) == 0 {
				retry.hosts = append(retry.hosts, host)
			}
			retry.args[host] = append(redisdedup.AppendInsist(retry.args[host], fps[i], b.counter, asked), how, b.args[host][t+1])
			retry.fps[host] = append(retry.fps[host], fps[i])
			retry.tasks++
		}
	}
	if retry.tasks == 0 {
		return nil, nil
	}
	return retry, nil
}

// record notes what is new in the other store, and then calls confirm.lua.
func (f *Frontier) record(ctx context.Context, b *batch) error {
	var called error
	err := redisdedup.Confirm(ctx, f.exact, b.allFPs(), b.answers, func(ctx context.Context, args []any) error {
		called = f.repeat(ctx, []*call{f.call(f.seen.confirm, b.part, args...)})
		return called
	})
	if err != nil && called == nil {
		return unavailable(err)
	}
	return err
}

func (b *batch) allFPs() []dedup.Fingerprint {
	fps := make([]dedup.Fingerprint, 0, b.tasks)
	for _, host := range b.hosts {
		fps = append(fps, b.fps[host]...)
	}
	return fps
}
