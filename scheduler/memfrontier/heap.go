package memfrontier

import "slices"

// hostHeap orders hosts by key, the smallest first. Each host knows its place in the one heap it is in, so
// that it can be moved or removed.
type hostHeap struct{ list []keyed }

type keyed struct {
	key int64
	h   *host
}

func (q *hostHeap) put(i int, e keyed) {
	q.list[i] = e
	e.h.pos = int32(i) //nolint:gosec // bounded by the number of hosts in memory
}

// insert adds h, which is in no heap.
func (q *hostHeap) insert(key int64, h *host) {
	q.list = append(q.list, keyed{})
	q.up(len(q.list)-1, keyed{key, h})
}

// remove takes h out.
func (q *hostHeap) remove(h *host) {
	i, last := int(h.pos), len(q.list)-1
	e := q.list[last]
	q.list[last] = keyed{}
	q.list = q.list[:last]
	if i < last {
		q.fix(i, e)
	}
}

// move gives h, which is in the heap, another key.
func (q *hostHeap) move(key int64, h *host) { q.fix(int(h.pos), keyed{key, h}) }

func (q *hostHeap) fix(i int, e keyed) {
	if i > 0 && e.key < q.list[(i-1)/4].key {
		q.up(i, e)
	} else {
		q.down(i, e)
	}
}

func (q *hostHeap) up(i int, e keyed) {
	for i > 0 {
		parent := (i - 1) / 4
		if q.list[parent].key <= e.key {
			break
		}
		q.put(i, q.list[parent])
		i = parent
	}
	q.put(i, e)
}

func (q *hostHeap) down(i int, e keyed) {
	for {
		first := 4*i + 1
		if first >= len(q.list) {
			break
		}
		best := first
		for c := first + 1; c < min(first+4, len(q.list)); c++ {
			if q.list[c].key < q.list[best].key {
				best = c
			}
		}
		if e.key <= q.list[best].key {
			break
		}
		q.put(i, q.list[best])
		i = best
	}
	q.put(i, e)
}

// calendar orders tasks by the time they are due; those due at one time keep the order they came in. Each task knows its
// place in the one calendar it is in.
type calendar struct {
	list []entry
	seq  uint64
}

type entry struct {
	due int64
	seq uint64 // never given twice
	t   *task
}

func (e entry) before(o entry) bool { return e.due < o.due || e.due == o.due && e.seq < o.seq }

func (c *calendar) put(i int, e entry) {
	c.list[i] = e
	e.t.pos = int32(i) //nolint:gosec // bounded by the number of tasks in memory
}

// at returns the entry of t, which is in the calendar.
func (c *calendar) at(t *task) entry { return c.list[t.pos] }

// has reports whether the entry still stands.
func (c *calendar) has(e entry) bool {
	i := int(e.t.pos)
	return i < len(c.list) && c.list[i].seq == e.seq && c.list[i].t == e.t
}

func (c *calendar) add(due int64, t *task) {
	c.seq++
	c.list = append(c.list, entry{})
	c.up(len(c.list)-1, entry{due, c.seq, t})
}

// pop removes and returns a task that is due, or nil.
func (c *calendar) pop(now int64) *task {
	if len(c.list) == 0 || c.list[0].due > now {
		return nil
	}
	t := c.list[0].t
	c.take(t)
	return t
}

// take takes t out, which is in the calendar.
func (c *calendar) take(t *task) {
	i, last := int(t.pos), len(c.list)-1
	e := c.list[last]
	c.list[last] = entry{}
	c.list = c.list[:last]
	switch {
	case i == last:
	case i > 0 && e.before(c.list[(i-1)/4]):
		c.up(i, e)
	default:
		c.down(i, e)
	}
}

// up puts e at i, or at the place above where it belongs.
func (c *calendar) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if c.list[parent].before(e) {
			break
		}
		c.put(i, c.list[parent])
		i = parent
	}
	c.put(i, e)
}

// down puts e at i, or at the place below where it belongs.
func (c *calendar) down(i int, e entry) {
	for {
		first := 4*i + 1
		if first >= len(c.list) {
			break
		}
		best := first
		for k := first + 1; k < min(first+4, len(c.list)); k++ {
			if c.list[k].before(c.list[best]) {
				best = k
			}
		}
		if e.before(c.list[best]) {
			break
		}
		c.put(i, c.list[best])
		i = best
	}
	c.put(i, e)
}

// remove removes the tasks that which is true of, and returns how many there were.
func (c *calendar) remove(which func(*task) bool) (n int64) {
	kept := slices.DeleteFunc(c.list, func(e entry) bool { return which(e.t) })
	n = int64(len(c.list) - len(kept))
	if c.list = kept; n == 0 {
		return 0
	}
	for i := range kept {
		c.put(i, kept[i])
	}
	for i := (len(kept) - 2) / 4; i >= 0 && len(kept) > 1; i-- {
		c.down(i, kept[i])
	}
	return n
}
