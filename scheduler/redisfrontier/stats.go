package redisfrontier

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Stats implements [scheduler.Frontier].
func (f *Frontier) Stats(ctx context.Context) (scheduler.Stats, error) {
	var s scheduler.Stats
	duplicates := f.duplicates.Swap(0)
	replies, err := f.everywhere(ctx, func(p int) *call {
		c := f.stats(p, duplicates)
		duplicates = 0
		return c
	})
	if err != nil {
		return s, err
	}
	s.Outcomes = map[string]int64{}
	for p, reply := range replies {
		if err := addStats(&s, reply); err != nil {
			return s, fmt.Errorf("counters of partition %d: %w", p, err)
		}
	}
	var state string
	err = f.command(ctx, func() (err error) {
		state, err = f.client.HGet(ctx, ctlKey(f.crawl), "state").Result()
		return err
	}, ctlKey(f.crawl))
	s.Paused = state == StatePaused
	return s, err
}

// stats calls stats.lua.
func (f *Frontier) stats(part int, duplicates int64) *call {
	return f.call(statsScript, part, duplicates)
}

func addStats(s *scheduler.Stats, reply any) error {
	list, _ := reply.([]any)
	if len(list) != 2 {
		return errReply
	}
	counters, err := stringsOf(list[0])
	if err != nil {
		return err
	}
	outcomes, err := stringsOf(list[1])
	if err != nil {
		return err
	}
	var elsewhere int64 // seen by another crawler, and never pushed
	into := []*int64{
		&s.Queued, &s.Leased, &s.Delayed, &s.Scheduled, &s.Parked, &s.Dead, &s.Gone, &s.Seen, &s.Duplicates, &s.Done, &s.Retries,
		&s.Expired, &s.Hosts, &s.Items, &s.Bytes, &elsewhere,
	}
	if len(counters) != len(into) || len(outcomes)%2 != 0 {
		return errReply
	}
	for i, text := range counters {
		if text == "" {
			continue // never counted
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*into[i] += n
	}
	s.Seen -= elsewhere
	for i := 0; i < len(outcomes); i += 2 {
		n, err := strconv.ParseInt(outcomes[i+1], 10, 64)
		if err != nil {
			return err
		}
		s.Outcomes[outcomes[i]] += n
	}
	return nil
}

// Check implements [scheduler.Checker]. It calls check.lua.
func (f *Frontier) Check(ctx context.Context) (broken []string, err error) {
	replies, err := f.everywhere(ctx, func(p int) *call { return f.call(f.seen.check, p) })
	if err != nil {
		return nil, err
	}
	for p, reply := range replies {
		list, err := stringsOf(reply)
		if err != nil {
			return broken, err
		}
		for _, b := range list {
			broken = append(broken, fmt.Sprintf("partition %d: %s", p, b))
		}
	}
	return broken, nil
}
