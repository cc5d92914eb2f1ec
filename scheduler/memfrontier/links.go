package memfrontier

import (
	"context"
	"encoding/binary"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Link implements scheduler.Linker.
func (f *Frontier) Link(ctx context.Context, links ...scheduler.Link) ([]int64, error) {
	if err := f.writable(); err != nil {
		return nil, err
	}
	if _, err := f.enter(ctx); err != nil {
		return nil, err
	}
	counts := make([]int64, len(links))
	for i, l := range links {
		counts[i] = f.s.linked(l.ID.Short(), l.By)
	}
	return counts, f.commit()
}

// linked adds to the count of a page and returns it; -1: it was never linked.
func (s *state) linked(id uint64, by int) int64 {
	n, ever := s.links[id]
	switch {
	case by > 0:
		n++
	case !ever:
		return -1
	case by < 0 && n > 0:
		n--
	default:
		return int64(n)
	}
	s.links[id] = n
	s.journal.link(id, n)
	return int64(n)
}

// link notes the count of a page.
func (n *notes) link(id uint64, count uint32) {
	if n == nil {
		return
	}
	n.open(recLink)
	n.buf = binary.LittleEndian.AppendUint64(n.buf, id)
	n.uint(uint64(count))
}
