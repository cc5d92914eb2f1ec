package redisfrontier

import (
	"context"
	"fmt"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// FilterInfo implements [scheduler.Rememberer]. It calls filterinfo.lua. Bytes are judged by some of the keys. Fill is that of the
// fullest partition, Rate and Measured their
// means, weighted by what they hold.
func (f *Frontier) FilterInfo(ctx context.Context) (scheduler.FilterInfo, error) {
	info := scheduler.FilterInfo{Filter: f.info.Filter.String(), Exact: f.info.Filter.Kind == redisdedup.TwoTier, Asked: f.info.Filter.Rate}
	replies, err := f.everywhere(ctx, func(p int) *call { return f.call(f.seen.info, p) })
	if err != nil {
		return info, err
	}
	weighted, measured := 0.0, 0.0
	for p, reply := range replies {
		list, _ := reply.([]any)
		if len(list) != 2 {
			return info, errReply
		}
		count, _ := list[0].(int64)
		s, err := redisdedup.ParseStats(f.info.Filter, count, list[1])
		if err != nil {
			return info, fmt.Errorf("filter of partition %d: %w", p, err)
		}
		info.Count += s.Count
		info.Bytes += s.Bytes
		info.Parts += s.Parts
		info.Fill = max(info.Fill, s.Fill)
		weighted += s.Rate * float64(s.Count)
		measured += s.Measured * float64(s.Count)
	}
	if info.Count > 0 {
		info.Rate, info.Measured = weighted/float64(info.Count), measured/float64(info.Count)
	}
	return info, nil
}

// ExportFilter reads the Bloom layers of each partition of a crawl whose filter has some; memdedup can ask them.
func (f *Frontier) ExportFilter(ctx context.Context) ([]*dedup.BloomBits, error) {
	if kind := f.info.Filter.Kind; kind != redisdedup.Bloom && kind != redisdedup.TwoTier {
		return nil, fmt.Errorf("export the filter of crawl %s: a %s filter has no bits", f.crawl, kind)
	}
	all := make([]*dedup.BloomBits, len(f.keys))
	for p := range all {
		prefix := partitionPrefix(f.crawl, f.epoch, p)
		plan := dedup.BloomPlan{Rate: f.info.Filter.Rate, Expected: (f.info.Filter.Expected + int64(len(f.keys)) - 1) / int64(len(f.keys))}
		err := f.command(ctx, func() (err error) {
			all[p], err = redisdedup.ReadBits(ctx, f.client, prefix, plan)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
