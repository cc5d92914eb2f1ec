package redisfrontier

import (
	"context"
	"strconv"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// A step of steering moves at most so many tasks, or looks at about so many.
const steerStep = 1000

// Reprioritize implements [scheduler.Steerer]. A queue is renamed if there is none of the new priority, else moved in
// steps. Tasks that are pushed with the old priority meanwhile keep it.
func (f *Frontier) Reprioritize(ctx context.Context, host string, from, to int) (total int, err error) {
	if err := f.usable(ctx); err != nil {
		return 0, err
	}
	a, b := levelDigit(from), levelDigit(to)
	if host != "" {
		if err := f.checkHost(ctx, host); err != nil {
			return 0, err
		}
		if a == b {
			return 0, nil
		}
		return f.relevel(ctx, f.partition(host), a, b, []string{host})
	}
	if a == b {
		return 0, nil
	}
	for p := range f.keys {
		for cursor := "0"; ; {
			hosts, next, err := f.hostPage(ctx, p, cursor, a)
			if err != nil {
				return total, err
			}
			names := make([]string, len(hosts))
			for i, h := range hosts {
				names[i] = h.Host
			}
			n, err := f.relevel(ctx, p, a, b, names)
			total += n
			if err != nil {
				return total, err
			}
			if cursor = next; cursor == "0" {
				break
			}
		}
	}
	return total, nil
}

func levelDigit(priority int) string { return strconv.FormatInt(int64(scheduler.Level(priority)), 16) }

// relevel calls relevel.lua until all tasks that the hosts had at the level are moved.
func (f *Frontier) relevel(ctx context.Context, part int, from, to string, hosts []string) (total int, err error) {
	const most = 500 // hosts in one call
	for len(hosts) > 0 {
		some := hosts[:min(len(hosts), most)]
		hosts = hosts[len(some):]
		left := map[string]int64{}
		for _, h := range some {
			left[h] = -1
		}
		for len(left) > 0 {
			names := make([]string, 0, len(left))
			args := []any{from, to, steerStep}
			for h, n := range left {
				names = append(names, h)
				args = append(args, h, n)
			}
			c := f.call(relevelScript, part, args...)
			if err := f.repeat(ctx, []*call{c}); err != nil {
				return total, err
			}
			counts, ok := intsOf(c.reply, 2*len(names))
			if !ok {
				return total, errReply
			}
			for i, h := range names {
				total += int(counts[2*i])
				if left[h] = counts[2*i+1]; left[h] == 0 {
					delete(left, h)
				}
			}
		}
	}
	return total, nil
}

// PurgeHost implements [scheduler.Steerer]. It goes through all of the host's partition that is leased, delayed, scheduled
// or parked, in steps. If it is cut short, the host is served again after five minutes, with what is left.
func (f *Frontier) PurgeHost(ctx context.Context, host string) (total int, err error) {
	if err := f.checkHost(ctx, host); err != nil {
		return 0, err
	}
	part := f.partition(host)
	for next := []any{1, "", -1, 0, 0, 0}; next[0] != int64(0); {
		c := f.call(purgeHostScript, part, append(append([]any{host}, next...), steerStep)...)
		if err := f.repeat(ctx, []*call{c}); err != nil {
			return total, err
		}
		list, _ := c.reply.([]any)
		if len(list) != 8 {
			return total, errReply
		}
		next = list[:6]
		numbers, ok := intsOf(list[6:], 2)
		if !ok {
			return total, errReply
		}
		total += int(numbers[0])
		if numbers[1] == 1 {
			f.wake.emptied()
		}
	}
	return total, nil
}
