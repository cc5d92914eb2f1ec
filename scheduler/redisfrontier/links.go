package redisfrontier

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// maxLinks is how many counts one script changes at most.
const maxLinks = 500

// Link implements [scheduler.Linker]. It calls link.lua. What is taken away is not taken again when an answer is lost: the
// count is too large then.
func (f *Frontier) Link(ctx context.Context, links ...scheduler.Link) ([]int64, error) {
	if err := f.usable(ctx); err != nil {
		return nil, err
	}
	type where struct{ part, down int }
	var calls []*call
	places := make(map[*call][]int)
	open := make(map[where]*call)
	for i := range links {
		l := &links[i]
		if err := f.checkHost(ctx, l.Host); err != nil {
			return nil, err
		}
		at := where{f.partition(l.Host), min(l.By, 0)}
		c := open[at]
		if c == nil || len(places[c]) == maxLinks {
			c = f.call(linkScript, at.part)
			open[at] = c
			calls = append(calls, c)
		}
		c.args = append(c.args, binary.BigEndian.AppendUint64(nil, l.ID.Short()), l.By)
		places[c] = append(places[c], i)
	}
	var up, down []*call
	for _, c := range calls {
		if links[places[c][0]].By < 0 {
			down = append(down, c)
		} else {
			up = append(up, c)
		}
	}
	if err := f.repeat(ctx, up); err != nil {
		return nil, err
	}
	if err := f.atMostOnce(ctx, down); err != nil {
		return nil, err
	}
	for _, c := range down {
		for i := 1; !c.done && i < len(c.args); i += 2 {
			c.args[i+1] = 0 // whether it was taken, or not
		}
	}
	if err := f.repeat(ctx, down); err != nil {
		return nil, err
	}
	counts := make([]int64, len(links))
	for _, c := range calls {
		numbers, ok := intsOf(c.reply, len(places[c]))
		if !ok {
			return nil, errReply
		}
		for k, i := range places[c] {
			counts[i] = numbers[k]
		}
	}
	return counts, nil
}

// atMostOnce is repeat for calls that must not run twice. Those whose answer was lost are not done in the end.
func (f *Frontier) atMostOnce(ctx context.Context, calls []*call) error {
	begin := time.Now()
	for n := 0; len(calls) > 0; n++ {
		if err := f.usable(ctx); err != nil {
			return err
		}
		f.once(ctx, calls)
		trouble, err := f.judge(calls, begin)
		if err != nil {
			return err
		}
		var left []*call
		for _, c := range calls {
			if !c.done && !c.again {
				left = append(left, c)
			}
		}
		if calls = left; len(calls) == 0 {
			return nil
		}
		d := pause(n)
		if time.Since(begin)+d > f.patience {
			return unavailable(trouble)
		}
		if err := f.sleep(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
