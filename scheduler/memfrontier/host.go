package memfrontier

import (
	"math"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// task is a task in memory: 72 bytes and its payload.
type task struct {
	id      dedup.Fingerprint
	payload string
	next    *task  // in its queue; of one that waits for a revisit, another of its id that does
	number  uint64 // of its push; names the task in the journal
	host    *host
	first   uint32 // when it first failed or expired, in s since 1970; 0: never
	pos     int32  // in its calendar
	expired uint16
	attempt uint8 // failed so far, counted up to 255
	level   uint8
	// unrecorded says that its id need not be among the seen.
	unrecorded bool
}

// stumbled notes that t failed or expired.
func (t *task) stumbled(now int64) {
	if t.first == 0 {
		t.first = uint32(min(now/int64(time.Second), math.MaxUint32)) //nolint:gosec // clamped
	}
}

// failed counts an attempt.
func (t *task) failed(now int64) {
	t.attempt = max(t.attempt, t.attempt+1)
	t.stumbled(now)
}

// lapsed counts a lease that ran out.
func (t *task) lapsed(now int64) {
	t.expired = max(t.expired, t.expired+1)
	t.stumbled(now)
}

// renew makes t a first attempt.
func (t *task) renew() { t.attempt, t.expired, t.first = 0, 0, 0 }

// firstTime is when t first failed or expired, or the zero time.
func (t *task) firstTime() time.Time {
	if t.first == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t.first), 0)
}

// host is a politeness key with the tasks queued for it.
//
// It is in the heap of the ready iff it has work, a free place, and is due; in the heap of the waiting iff it has
// work and a free place but is not due, or has nothing at all and is kept only for the sake of its due time.
type host struct {
	name     string
	queues   []queue // the levels in use, best first
	pace     *scheduler.Pace
	due      int64 // when it may be asked next, in ns
	queued   int32
	inflight int32
	away     int32 // tasks that are delayed, scheduled or parked
	pos      int32 // in its heap
	in       uint8 // which heap
	busy     bool  // counted in Stats.Hosts
}

// The heaps a host can be in.
const (
	inNone = iota
	inReady
	inWaiting
)

// queue holds the tasks of one host and level, in order.
type queue struct {
	head, tail *task
	level      uint8
}

// best is the level of the task to be claimed next. There must be one.
func (h *host) best() uint8 { return h.queues[0].level }

// level returns the queue of a level, made if need be.
func (h *host) level(l uint8) *queue {
	i := 0
	for i < len(h.queues) && h.queues[i].level < l {
		i++
	}
	if i < len(h.queues) && h.queues[i].level == l {
		return &h.queues[i]
	}
	h.queues = append(h.queues, queue{})
	copy(h.queues[i+1:], h.queues[i:])
	h.queues[i] = queue{level: l}
	return &h.queues[i]
}

func (h *host) pushBack(t *task) {
	q := h.level(t.level)
	t.next = nil
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
	h.queued++
}

func (h *host) pushFront(t *task) {
	q := h.level(t.level)
	t.next = q.head
	q.head = t
	if q.tail == nil {
		q.tail = t
	}
	h.queued++
}

// pop removes the task to be claimed next. There must be one.
func (h *host) pop() *task {
	q := &h.queues[0]
	t := q.head
	q.head = t.next
	t.next = nil
	if q.head == nil {
		last := len(h.queues) - 1
		copy(h.queues, h.queues[1:])
		h.queues[last] = queue{}
		h.queues = h.queues[:last]
	}
	h.queued--
	return t
}

// eternity is later than anything, and leaves room to add to it.
const eternity = math.MaxInt64 / 4

// nanos returns t as nanoseconds since 1970, within what can be calculated with.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s <= 0:
		return 0
	case s >= eternity/int64(time.Second):
		return eternity
	}
	return t.UnixNano()
}

// later returns at + d, or eternity.
func later(at int64, d time.Duration) int64 {
	if d <= 0 {
		return at
	}
	if int64(d) > eternity-at {
		return eternity
	}
	return at + int64(d)
}
