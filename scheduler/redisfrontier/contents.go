package redisfrontier

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// maxPaths is how many parts of a crawl duplicates are counted for.
const maxPaths = 10_000

// Compare implements [scheduler.Duplicates]. It calls compare.lua. All originals of a crawl are in its first partition, so on one
// server of a cluster. When Redis is out of memory nothing is waited for: the page is not compared.
func (f *Frontier) Compare(ctx context.Context, c scheduler.Content) (scheduler.Likeness, error) {
	var l scheduler.Likeness
	if err := c.Check(); err != nil {
		return l, err
	}
	exact, sim := string(binary.BigEndian.AppendUint64(nil, c.Exact)), ""
	if c.Sim != 0 {
		sim = string(binary.BigEndian.AppendUint64(nil, c.Sim))
	}
	again := 0
	if c.Again {
		again = 1
	}
	args := []any{exact, sim, c.ID, f.originals, maxPaths, again}
	for _, path := range c.Paths {
		args = append(args, path)
	}
	compare := f.call(compareScript, 0, args...)
	compare.spare = true
	if err := f.repeat(ctx, []*call{compare}); err != nil {
		return l, err
	}
	list, _ := compare.reply.([]any)
	if len(list) != 3+len(c.Paths) {
		return l, errReply
	}
	distance, ok := list[0].(int64)
	if !ok {
		return l, errReply
	}
	texts, err := stringsOf(list[1:])
	if err != nil {
		return l, err
	}
	if distance >= 0 {
		l.Of, l.Near, l.Distance = texts[1], texts[0] != exact, int(distance)
	}
	for i, path := range c.Paths {
		n, err := parsePathCount(path, texts[2+i])
		if err != nil {
			return l, err
		}
		l.Paths = append(l.Paths, n)
	}
	return l, nil
}

func parsePathCount(path, text string) (scheduler.PathCount, error) {
	c := scheduler.PathCount{Path: path}
	if _, err := fmt.Sscan(text, &c.Pages, &c.Exact, &c.Near); err != nil {
		return c, fmt.Errorf("duplicates of %q: %w", path, err)
	}
	return c, nil
}

// DuplicateStats implements [scheduler.Duplicates]. It calls duplicates.lua.
func (f *Frontier) DuplicateStats(ctx context.Context, paths int) (scheduler.DuplicateStats, error) {
	var s scheduler.DuplicateStats
	c := f.call(duplicatesScript, 0)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return s, err
	}
	list, _ := c.reply.([]any)
	if len(list) != 2 {
		return s, errReply
	}
	s.Originals, _ = list[0].(int64)
	texts, err := stringsOf(list[1])
	if err != nil {
		return s, err
	}
	var counts []scheduler.PathCount
	for i := 0; i+1 < len(texts); i += 2 {
		n, err := parsePathCount(texts[i], texts[i+1])
		if err != nil {
			return s, err
		}
		if n.Path == "" {
			s.Pages, s.Exact, s.Near = n.Pages, n.Exact, n.Near
		} else {
			counts = append(counts, n)
		}
	}
	s.Paths = scheduler.TopPaths(counts, paths)
	return s, nil
}
