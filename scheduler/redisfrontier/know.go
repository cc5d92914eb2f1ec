package redisfrontier

import (
	"context"
	"fmt"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
)

// Know marks fingerprints as seen without queueing anything, and returns how many of them were not: what another crawler
// has fetched is then never fetched by this crawl. A fingerprint does not tell its host, so each partition keeps all of them.
// FilterInfo counts them, in each partition, and Stats does not. Knowing is idempotent; after an error the same call may be repeated.
func (f *Frontier) Know(ctx context.Context, fps ...dedup.Fingerprint) (fresh int, err error) {
	if err := f.usable(ctx); err != nil {
		return 0, err
	}
	if f.info.Filter.Kind == redisdedup.TwoTier && f.exact == nil {
		return 0, fmt.Errorf("import into crawl %s: its filter is %s, which needs Config.Exact", f.crawl, f.info.Filter)
	}
	for first := 0; first < len(fps); first += maxPushTasks {
		n, err := f.know(ctx, fps[first:min(first+maxPushTasks, len(fps))])
		fresh += n
		if err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// know tells all partitions of some fingerprints.
func (f *Frontier) know(ctx context.Context, fps []dedup.Fingerprint) (fresh int, err error) {
	calls := make([]*call, len(f.keys))
	for p := range calls {
		var args []any
		for _, fp := range fps {
			args = f.hints[p].AppendArgs(args, f.info.Filter.Kind, fp)
		}
		calls[p] = f.call(f.seen.know, p, args...)
	}
	if err := f.confirmed(ctx, calls); err != nil {
		return 0, err
	}
	isNew := make([]bool, len(fps))
	for p, c := range calls {
		answers, counter, err := f.parseKnown(c, len(fps))
		if err == nil && f.exact != nil {
			err = redisdedup.Settle(ctx, f.exact, fps, answers, counter,
				func(ctx context.Context, args []any) ([]byte, string, error) { return f.knowAgain(ctx, p, args) },
				func(ctx context.Context, args []any) error {
					return f.repeat(ctx, []*call{f.call(f.seen.confirm, p, args...)})
				})
		}
		if err != nil {
			return 0, err
		}
		for i, a := range answers {
			isNew[i] = isNew[i] || a == redisdedup.New
		}
	}
	for _, is := range isNew {
		if is {
			fresh++
		}
	}
	return fresh, nil
}

// knowAgain calls know.lua with what the other store does not have.
func (f *Frontier) knowAgain(ctx context.Context, part int, args []any) (answers []byte, counter string, err error) {
	c := f.call(f.seen.know, part, args...)
	if err := f.confirmed(ctx, []*call{c}); err != nil {
		return nil, "", err
	}
	return f.parseKnown(c, len(args)/f.info.Filter.Kind.Args())
}

func (f *Frontier) parseKnown(c *call, n int) (answers []byte, counter string, err error) {
	list, _ := c.reply.([]any)
	if len(list) != 3 {
		return nil, "", errReply
	}
	text, ok1 := list[0].(string)
	counter, ok2 := list[1].(string)
	told, ok3 := list[2].(string)
	if !ok1 || !ok2 || !ok3 || len(text) != n {
		return nil, "", errReply
	}
	return []byte(text), counter, f.hints[c.part].Told(f.info.Filter.Kind, told)
}
