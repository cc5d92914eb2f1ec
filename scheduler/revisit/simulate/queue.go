package simulate

// heap is a binary heap of indices, least key first, in which a key may change. Keys and places are shared by the heaps of
// one queue: an index is in one of them at most.
type heap struct {
	items []int32
	key   []float64
	place []int32
}

func (h *heap) push(i int32) {
	h.items = append(h.items, i)
	h.place[i] = int32(len(h.items) - 1)
	h.up(len(h.items) - 1)
}

func (h *heap) pop() int32 {
	top := h.items[0]
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.place[h.items[0]] = 0
	h.items = h.items[:last]
	if last > 0 {
		h.down(0)
	}
	return top
}

// fix restores the order after the key of i changed.
func (h *heap) fix(i int32) {
	at := int(h.place[i])
	h.up(at)
	h.down(int(h.place[i]))
}

func (h *heap) up(at int) {
	item := h.items[at]
	for at > 0 {
		parent := (at - 1) / 2
		other := h.items[parent]
		if h.key[other] <= h.key[item] {
			break
		}
		h.items[at], h.place[other] = other, int32(at)
		at = parent
	}
	h.items[at], h.place[item] = item, int32(at)
}

func (h *heap) down(at int) {
	item := h.items[at]
	for {
		child := 2*at + 1
		if child >= len(h.items) {
			break
		}
		if child+1 < len(h.items) && h.key[h.items[child+1]] < h.key[h.items[child]] {
			child++
		}
		other := h.items[child]
		if h.key[item] <= h.key[other] {
			break
		}
		h.items[at], h.place[other] = other, int32(at)
		at = child
	}
	h.items[at], h.place[item] = item, int32(at)
}

// queue holds the due times of pages, by host: the earliest due page of a host that may be visited comes first.
type queue struct {
	due   []float64 // of each page, in days
	host  []int32   // of each page
	pages []heap    // of each host

	first []float64 // due time of each host's first page
	next  []float64 // when each host may be visited again
	gap   float64   // between two visits of one host
	free  heap      // hosts that may be visited, by first
	held  heap      // hosts that may not, by next
}

func newQueue(host []int32, hosts int, gap float64) *queue {
	q := &queue{
		due: make([]float64, len(host)), host: host, pages: make([]heap, hosts),
		first: make([]float64, hosts), next: make([]float64, hosts), gap: gap,
	}
	place := make([]int32, len(host))
	for h := range q.pages {
		q.pages[h] = heap{key: q.due, place: place}
	}
	q.free = heap{key: q.first, place: make([]int32, hosts)}
	q.held = heap{key: q.next, place: make([]int32, hosts)}
	return q
}

// fill sets the due times of all pages.
func (q *queue) fill(due []float64) {
	copy(q.due, due)
	for i := range due {
		q.pages[q.host[i]].push(int32(i))
	}
	for h := range q.pages {
		if p := &q.pages[h]; len(p.items) > 0 {
			q.first[h] = q.due[p.items[0]]
			q.free.push(int32(h))
		}
	}
}

// peek returns the page to visit next, -1 if every host must wait.
func (q *queue) peek(now float64) int32 {
	for len(q.held.items) > 0 && q.next[q.held.items[0]] <= now {
		q.free.push(q.held.pop())
	}
	if len(q.free.items) == 0 {
		return -1
	}
	return q.pages[q.free.items[0]].items[0]
}

// visited moves the page that peek returned to its next due time.
func (q *queue) visited(i int32, now, due float64) {
	h := q.host[i]
	if q.gap > 0 { // before the page moves: the host is still the first
		q.free.pop()
		q.next[h] = now + q.gap
		q.held.push(h)
	}
	q.move(i, due)
}

// move changes the due time of a page.
func (q *queue) move(i int32, due float64) {
	h := q.host[i]
	q.due[i] = due
	q.pages[h].fix(i)
	if first := q.due[q.pages[h].items[0]]; first != q.first[h] {
		q.first[h] = first
		if at := int(q.free.place[h]); at < len(q.free.items) && q.free.items[at] == h { // not held
			q.free.fix(h)
		}
	}
}
