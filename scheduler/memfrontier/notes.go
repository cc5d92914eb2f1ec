package memfrontier

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// The journal is a file of frames behind a head. A frame is
//
//	length of the body   4 bytes, little endian
//	CRC-32C of the body  4 bytes
//	body                 the time in ns (8 bytes), then records
//
// A record is a byte that says what it is, and its fields: integers as varints, strings with their length before
// them. Tasks are named by the number of their push, counted from 1.
const (
	recPush     = iota + 1 // level and flags, id, host, due, payload
	recFinish              // verdict and flags, number, outcome, items, bytes; by verdict: due, now | due | why, status, now | label; payload; sums
	recExpire              // number, why it is dead now or "", now
	recUnpark              // label
	recHost                // name, due, 0 | 1 and delay, concurrency
	recPause               // 0 | 1
	recMemo                // host, name, value, until
	recDup                 // number of duplicates pushed
	recCounts              // of a snapshot: see appendCounts
	recSeen                // of a snapshot: n, n ids
	recTask                // of a snapshot: number, level and flags, id, host, place, attempt, expired, first, due, label, payload
	recDead                // of a snapshot: flags, id, host, level, payload, why, status, attempt, expired, first, at
	recWhole               // the end of a snapshot
	recToken               // a number that no token exceeds
	recReplay              // dead links or letters, n, n places in their list, each less the one before: queued again
	recForget              // the same: struck off
	recLevel               // level, n, n numbers: tasks moved there, in this order
	recRemove              // n, n numbers: tasks removed
	recReplan              // number, due, payload, sums: of a task that waits for a revisit
	recSums                // of a snapshot: host, sums
	recUnsum               // host: its sums are removed
	recContent             // signature, simhash (8 bytes each), id: an original
	recCompared            // path, what a page of it turned out to be
	recPaths               // of a snapshot: path, pages, exact and near duplicates
	recLink                // id, number of pages that link to it
)

// Flags beside a verdict. Format 2 has none.
const (
	verdictMask = 0x0f
	hasPayload  = 0x40
	hasSums     = 0x80
)

// Flags beside the level of a task.
const (
	levelMask = 0x0f
	sameHost  = 0x10 // as the task before it in the frame
	hasDue    = 0x20
	noSeen    = 0x40 // its id was not recorded as seen
)

const (
	frameHead = 8
	// frameFull is the size at which a frame is sealed and another begun.
	frameFull = 1 << 20
	// frameMax is more than any frame can have: one large record, begun just before it is full.
	frameMax = 4 * frameFull
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// notes are frames on their way to the journal. A nil *notes takes none.
type notes struct {
	buf    []byte
	start  int   // of the open frame, or -1
	host   *host // of the last task in the open frame
	clock  int64
	dups   uint64    // not noted yet: they wait for another reason to write
	sealed int64     // bytes ever sealed
	sink   io.Writer // takes what is sealed, if set
	err    error     // of the sink
}

func newNotes() *notes { return &notes{start: -1} }

// open makes room for a record.
func (n *notes) open(kind byte) {
	if n.start >= 0 && len(n.buf)-n.start >= frameFull {
		n.seal()
	}
	if n.start < 0 {
		n.start = len(n.buf)
		n.host = nil
		n.buf = append(n.buf, make([]byte, frameHead)...)
		n.buf = binary.LittleEndian.AppendUint64(n.buf, uint64(n.clock)) //nolint:gosec // positive
	}
	n.buf = append(n.buf, kind)
}

// seal ends the open frame.
func (n *notes) seal() {
	if n == nil || n.start < 0 {
		return
	}
	n.duplicates()
	head, body := n.buf[n.start:], n.buf[n.start+frameHead:]
	binary.LittleEndian.PutUint32(head, uint32(len(body))) //nolint:gosec // at most frameMax
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(body, castagnoli))
	n.sealed += int64(len(head))
	n.start = -1
	if n.sink != nil && len(n.buf) >= frameFull {
		_ = n.drain()
	}
}

// drain gives the sink what is sealed.
func (n *notes) drain() error {
	if n.err == nil {
		_, n.err = n.sink.Write(n.buf)
	}
	n.buf = n.buf[:0]
	return n.err
}

// duplicates notes those pushed since the last time.
func (n *notes) duplicates() {
	if dups := n.dups; dups > 0 {
		n.dups = 0
		n.open(recDup)
		n.uint(dups)
	}
}

func (n *notes) byte(b byte)   { n.buf = append(n.buf, b) }
func (n *notes) uint(v uint64) { n.buf = binary.AppendUvarint(n.buf, v) }
func (n *notes) int(v int64)   { n.buf = binary.AppendVarint(n.buf, v) }
func (n *notes) string(s string) {
	n.uint(uint64(len(s)))
	n.buf = append(n.buf, s...)
}

// head notes the level, id and host of a task, and that flags apply to it.
func (n *notes) head(t *task, flags byte) {
	if t.host == n.host {
		flags |= sameHost
	}
	if t.unrecorded {
		flags |= noSeen
	}
	n.byte(flags | t.level)
	n.buf = append(n.buf, t.id[:]...)
	if t.host != n.host {
		n.string(t.host.name)
		n.host = t.host
	}
}

func (n *notes) pushed(t *task, due int64) {
	if n == nil {
		return
	}
	n.open(recPush)
	if due > 0 {
		n.head(t, hasDue)
		n.int(due)
	} else {
		n.head(t, 0)
	}
	n.string(t.payload)
}

func (n *notes) duplicate() {
	if n != nil {
		n.dups++
	}
}

func (n *notes) finished(t *task, r *scheduler.Result, now int64) {
	if n == nil {
		return
	}
	v := r.Verdict
	if v.Kind == scheduler.KindRelease && r.Outcome == "" && r.Items == 0 && r.Bytes == 0 && len(r.Sums) == 0 {
		return
	}
	n.open(recFinish)
	kind := byte(v.Kind)
	if v.Payload != nil {
		kind |= hasPayload
	}
	if len(r.Sums) > 0 {
		kind |= hasSums
	}
	n.byte(kind)
	n.uint(t.number)
	n.string(r.Outcome)
	n.int(int64(r.Items))
	n.int(r.Bytes)
	switch v.Kind {
	case scheduler.KindRetry:
		n.int(later(now, v.After))
		n.int(now)
	case scheduler.KindRevisit:
		n.int(nanos(v.At))
	case scheduler.KindDrop, scheduler.KindGone:
		n.string(cut(v.Why))
		n.int(int64(r.Status))
		n.int(now)
	case scheduler.KindPark:
		n.string(v.Why)
	}
	if v.Payload != nil {
		n.string(string(v.Payload))
	}
	if len(r.Sums) > 0 {
		n.sums(r.Sums)
	}
}

// sums notes how many there are, and each in 8 bytes.
func (n *notes) sums(sums []float64) {
	n.uint(uint64(len(sums)))
	for _, v := range sums {
		n.buf = binary.LittleEndian.AppendUint64(n.buf, math.Float64bits(v))
	}
}

func (n *notes) replanned(t *task, due int64, sums []float64) {
	if n == nil {
		return
	}
	n.open(recReplan)
	n.uint(t.number)
	n.int(due)
	n.string(t.payload)
	n.sums(sums)
}

func (n *notes) unsummed(host string) {
	if n == nil {
		return
	}
	n.open(recUnsum)
	n.string(host)
}

func (n *notes) expired(t *task, dead string, now int64) {
	if n == nil {
		return
	}
	n.open(recExpire)
	n.uint(t.number)
	n.string(dead)
	n.int(now)
}

func (n *notes) replayed(gone bool, places []int) { n.places(recReplay, gone, places) }
func (n *notes) forgot(gone bool, places []int)   { n.places(recForget, gone, places) }

// places notes what happened to letters. There are at most maxDead of them.
func (n *notes) places(kind byte, gone bool, places []int) {
	if n == nil {
		return
	}
	n.open(kind)
	n.bool(gone)
	n.uint(uint64(len(places)))
	last := 0
	for _, p := range places {
		n.int(int64(p - last))
		last = p
	}
}

// manyNumbers is how many tasks one record names at most: it must fit into a frame.
const manyNumbers = 1 << 16

// relevelled notes that the first count tasks of a queue, from t on, were moved.
func (n *notes) relevelled(to uint8, t *task, count int) {
	if n == nil {
		return
	}
	for count > 0 {
		some := min(count, manyNumbers)
		n.open(recLevel)
		n.byte(to)
		n.uint(uint64(some)) //nolint:gosec // positive
		for range some {
			n.uint(t.number)
			t = t.next
		}
		count -= some
	}
}

func (n *notes) removed(numbers []uint64) {
	if n == nil {
		return
	}
	for some := range slices.Chunk(numbers, manyNumbers) {
		n.open(recRemove)
		n.uint(uint64(len(some)))
		for _, number := range some {
			n.uint(number)
		}
	}
}

func (n *notes) unparked(label string) {
	if n == nil {
		return
	}
	n.open(recUnpark)
	n.string(label)
}

func (n *notes) hosted(h *host) {
	if n == nil {
		return
	}
	n.open(recHost)
	n.string(h.name)
	n.int(h.due)
	if h.pace == nil {
		n.byte(0)
		return
	}
	n.byte(1)
	n.int(int64(h.pace.Delay))
	n.int(int64(h.pace.Concurrency))
}

func (n *notes) reserved(token scheduler.Token) {
	if n == nil {
		return
	}
	n.open(recToken)
	n.int(int64(token))
}

func (n *notes) pausing(paused bool) {
	if n == nil {
		return
	}
	n.open(recPause)
	n.bool(paused)
}

func (n *notes) bool(b bool) {
	if b {
		n.byte(1)
	} else {
		n.byte(0)
	}
}

func (n *notes) saved(host, name, value string, until int64) {
	if n == nil {
		return
	}
	n.open(recMemo)
	n.string(host)
	n.string(name)
	n.string(value)
	n.int(until)
}

// Where a task of a snapshot is.
const (
	placeQueue = iota
	placeDelayed
	placeScheduled
	placeParked
)

// snapshot notes all there is, ending with recWhole. What is leased stands in front of its queue.
func (s *state) snapshot(n *notes, now int64) {
	n.counts(s)
	n.ids(s.seen)
	for l := s.oldest; l != nil; l = l.newer {
		n.task(l.t, placeQueue, 0, "")
	}
	for _, h := range s.hosts {
		if h.pace != nil || h.due > now {
			n.hosted(h)
		}
		for _, q := range h.queues {
			for t := q.head; t != nil; t = t.next {
				n.task(t, placeQueue, 0, "")
			}
		}
	}
	for _, e := range s.delayed.list {
		n.task(e.t, placeDelayed, e.due, "")
	}
	for _, e := range s.revisit.list {
		n.task(e.t, placeScheduled, e.due, "")
	}
	for label, list := range s.parked {
		for _, t := range list {
			n.task(t, placeParked, 0, label)
		}
	}
	for _, d := range append(s.dead.all(), s.gone.all()...) {
		n.letter(d)
	}
	for k, m := range s.memos.values {
		if m.until > now {
			n.saved(k.host, k.name, m.value, m.until)
		}
	}
	for host, sums := range s.sums {
		n.open(recSums)
		n.string(host)
		n.sums(sums)
	}
	n.contents(s.contents)
	for id, count := range s.links {
		n.link(id, count)
	}
	n.open(recWhole)
	n.seal()
}

func (n *notes) counts(s *state) {
	n.open(recCounts)
	n.uint(s.number)
	n.int(int64(max(s.token, s.reserved)))
	for _, c := range counters(&s.stats) {
		n.int(*c)
	}
	n.bool(s.paused)
	n.uint(uint64(len(s.stats.Outcomes)))
	for name, count := range s.stats.Outcomes {
		n.string(name)
		n.int(count)
	}
}

// counters are those numbers of the statistics that do not follow from the tasks.
func counters(s *scheduler.Stats) []*int64 {
	return []*int64{&s.Dead, &s.Gone, &s.Duplicates, &s.Done, &s.Retries, &s.Expired, &s.Items, &s.Bytes}
}

func (n *notes) ids(seen map[dedup.Fingerprint]struct{}) {
	const most = frameFull / 2 / len(dedup.Fingerprint{})
	left, room := len(seen), 0
	for id := range seen {
		if room == 0 {
			room = min(left, most)
			n.open(recSeen)
			n.uint(uint64(room)) //nolint:gosec // positive
		}
		n.buf = append(n.buf, id[:]...)
		room--
		left--
	}
}

func (n *notes) task(t *task, place byte, due int64, label string) {
	n.open(recTask)
	n.uint(t.number)
	n.head(t, 0)
	n.byte(place)
	n.uint(uint64(t.attempt))
	n.uint(uint64(t.expired))
	n.uint(uint64(t.first))
	switch place {
	case placeDelayed, placeScheduled:
		n.int(due)
	case placeParked:
		n.string(label)
	}
	n.string(t.payload)
}

func (n *notes) letter(d scheduler.DeadLetter) {
	n.open(recDead)
	n.bool(d.Gone)
	n.buf = append(n.buf, d.ID[:]...)
	n.string(d.Host)
	n.byte(byte(scheduler.Level(d.Priority)))
	n.string(string(d.Payload))
	n.string(d.Why)
	n.int(int64(d.Status))
	n.int(int64(d.Attempt))
	n.int(int64(d.Expired))
	if d.First.IsZero() {
		n.int(0)
	} else {
		n.int(d.First.Unix())
	}
	n.int(d.At.UnixNano())
}
