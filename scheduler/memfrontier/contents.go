package memfrontier

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"

	"github.com/lycosa-crawl/lycosa/dedup/near"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// maxPaths is how many parts of a crawl duplicates are counted for.
const maxPaths = 10_000

// contents remembers what the pages of a crawl show.
type contents struct {
	limit int
	same  originals   // of pages that came without a simhash
	near  *near.Index // of those that came with one: their ids have the signature in front

	total scheduler.PathCount
	paths map[string]*scheduler.PathCount
}

func newContents(limit int) *contents {
	x, err := near.NewIndex(limit)
	if err != nil {
		panic(err) // the limit was checked
	}
	return &contents{limit: limit, same: originals{ids: map[uint64]string{}}, near: x, paths: map[string]*scheduler.PathCount{}}
}

// originals are pages by their signature. When it is full, the oldest goes for each new one.
type originals struct {
	ids   map[uint64]string
	order []uint64 // a ring, once it is full
	next  int      // the place in order of the oldest, once it is full
}

func (o *originals) add(exact uint64, id string, limit int) {
	if _, stored := o.ids[exact]; stored {
		return
	}
	if len(o.order) < limit {
		o.order = append(o.order, exact)
	} else {
		delete(o.ids, o.order[o.next])
		o.order[o.next] = exact
		o.next = (o.next + 1) % limit
	}
	o.ids[exact] = id
}

// all returns what add makes the same of.
func (o *originals) all() iter.Seq2[uint64, string] {
	return func(yield func(uint64, string) bool) {
		for i := range o.order {
			exact := o.order[(o.next+i)%len(o.order)]
			if !yield(exact, o.ids[exact]) {
				return
			}
		}
	}
}

// compare finds the original of a page, and counts the page unless it is an original that was stored before, or is compared again.
func (s *state) compare(c *scheduler.Content) scheduler.Likeness {
	l, stored := s.contents.look(c)
	if stored {
		s.journal.content(c.Exact, c.Sim, c.ID)
	}
	if self := l.Of == c.ID; self {
		l = scheduler.Likeness{}
	} else if !c.Again {
		for _, path := range append([]string{""}, c.Paths...) {
			s.contents.count(path, kindOf(l))
			s.journal.compared(path, kindOf(l))
		}
	}
	for _, path := range c.Paths {
		n := scheduler.PathCount{Path: path}
		if known := s.contents.paths[path]; known != nil {
			n = *known
		}
		l.Paths = append(l.Paths, n)
	}
	return l
}

// What a page turned out to be, as the journal has it.
const (
	isOriginal = iota
	isExact
	isNear
)

func kindOf(l scheduler.Likeness) byte {
	switch {
	case l.Of == "":
		return isOriginal
	case l.Near:
		return isNear
	}
	return isExact
}

// look finds the original of a page, which may be the page itself, or stores it.
func (x *contents) look(c *scheduler.Content) (l scheduler.Likeness, stored bool) {
	if c.Sim == 0 {
		if l.Of = x.same.ids[c.Exact]; l.Of == "" {
			x.add(c.Exact, 0, c.ID)
		}
		return l, l.Of == ""
	}
	signed, distance, ok := x.near.LookupOrAdd(near.Sim(c.Sim), sign(c.Exact, c.ID))
	if !ok {
		return l, true
	}
	exact := binary.BigEndian.Uint64([]byte(signed))
	return scheduler.Likeness{Of: signed[8:], Near: exact != c.Exact, Distance: distance}, false
}

func (x *contents) add(exact, sim uint64, id string) {
	if sim == 0 {
		x.same.add(exact, strings.Clone(id), x.limit)
	} else {
		x.near.Add(near.Sim(sim), sign(exact, id))
	}
}

func sign(exact uint64, id string) string {
	return string(append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(id)), exact), id...))
}

// count counts a page for a path, or for the crawl if it is empty. When there are too many paths, the one of a few with the
// fewest duplicates is forgotten.
func (x *contents) count(path string, kind byte) {
	n := &x.total
	if path != "" {
		if n = x.paths[path]; n == nil {
			if len(x.paths) >= maxPaths {
				x.forgetOne()
			}
			n = &scheduler.PathCount{Path: strings.Clone(path)}
			x.paths[n.Path] = n
		}
	}
	n.Pages++
	switch kind {
	case isExact:
		n.Exact++
	case isNear:
		n.Near++
	}
}

func (x *contents) forgetOne() {
	const some = 4
	var least *scheduler.PathCount
	seen := 0
	for _, n := range x.paths { // in no order
		if least == nil || n.Duplicates() < least.Duplicates() {
			least = n
		}
		if seen++; seen == some {
			break
		}
	}
	delete(x.paths, least.Path)
}

// Compare implements scheduler.Duplicates.
func (f *Frontier) Compare(ctx context.Context, c scheduler.Content) (scheduler.Likeness, error) {
	if err := c.Check(); err != nil {
		return scheduler.Likeness{}, err
	}
	if err := f.writable(); err != nil {
		return scheduler.Likeness{}, err
	}
	if _, err := f.enter(ctx); err != nil {
		return scheduler.Likeness{}, err
	}
	l := f.s.compare(&c)
	return l, f.commit()
}

// DuplicateStats implements scheduler.Duplicates.
func (f *Frontier) DuplicateStats(ctx context.Context, paths int) (scheduler.DuplicateStats, error) {
	if _, err := f.enter(ctx); err != nil {
		return scheduler.DuplicateStats{}, err
	}
	defer f.leave()
	x := f.s.contents
	counts := make([]scheduler.PathCount, 0, len(x.paths))
	for _, n := range x.paths {
		counts = append(counts, *n)
	}
	return scheduler.DuplicateStats{
		Pages: x.total.Pages, Exact: x.total.Exact, Near: x.total.Near, Originals: int64(len(x.same.order) + x.near.Len()),
		Paths: scheduler.TopPaths(counts, paths),
	}, nil
}

func checkDuplicates(n int) error {
	if n < 0 {
		return fmt.Errorf("memfrontier: Duplicates (%d) is negative", n)
	}
	return nil
}

// content notes that a page is an original.
func (n *notes) content(exact, sim uint64, id string) {
	if n == nil {
		return
	}
	n.open(recContent)
	n.buf = binary.LittleEndian.AppendUint64(n.buf, exact)
	n.buf = binary.LittleEndian.AppendUint64(n.buf, sim)
	n.string(id)
}

// compared notes what a page of a path turned out to be.
func (n *notes) compared(path string, kind byte) {
	if n == nil {
		return
	}
	n.open(recCompared)
	n.string(path)
	n.byte(kind)
}

// contents notes all of them, for a snapshot.
func (n *notes) contents(x *contents) {
	for exact, id := range x.same.all() {
		n.content(exact, 0, id)
	}
	for sim, signed := range x.near.All() {
		n.content(binary.BigEndian.Uint64([]byte(signed)), uint64(sim), signed[8:])
	}
	if x.total.Pages > 0 {
		n.pathCount(x.total)
	}
	for _, c := range x.paths {
		n.pathCount(*c)
	}
}

func (n *notes) pathCount(c scheduler.PathCount) {
	n.open(recPaths)
	n.string(c.Path)
	n.int(c.Pages)
	n.int(c.Exact)
	n.int(c.Near)
}

func (p *replay) content(r *reader) {
	exact, sim, id := r.fixed(), r.fixed(), r.string()
	if len(id) == 0 {
		r.bad = true
		return
	}
	p.s.contents.add(exact, sim, id)
}

func (p *replay) pathCount(r *reader) {
	c := scheduler.PathCount{Path: r.string(), Pages: r.int(), Exact: r.int(), Near: r.int()}
	if c.Path == "" {
		p.s.contents.total = c
		return
	}
	p.s.contents.paths[c.Path] = &c
}

// fixed reads 8 bytes.
func (r *reader) fixed() uint64 {
	if part := r.take(8); part != nil {
		return binary.LittleEndian.Uint64(part)
	}
	return 0
}
