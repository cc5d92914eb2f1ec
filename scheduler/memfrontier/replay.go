package memfrontier

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// replay rebuilds a crawl from its notes. The tasks stay out of the queues until the end, because a finish may
// take any of them.
type replay struct {
	s        *state
	live     map[uint64]*revived
	order    uint64 // of the last task queued
	clock    int64  // of the frame
	format   int    // of the journal
	whole    bool   // the snapshot was read to its end
	snapshot int64  // size of the journal up to there
}

// revived is a task that is not finished.
type revived struct {
	task
	place byte
	due   int64
	label string
	order uint64
}

func newReplay(s *state) *replay { return &replay{s: s, live: map[uint64]*revived{}} }

var errRecord = errors.New("malformed record")

// frame applies the records of a frame that is known to be intact.
func (p *replay) frame(body []byte) error {
	if len(body) < 8 {
		return errRecord
	}
	p.clock = max(p.clock, int64(binary.LittleEndian.Uint64(body))) //nolint:gosec // written from an int64
	r := &reader{b: body[8:]}
	for len(r.b) > 0 && !r.bad {
		kind := r.byte()
		if err := p.record(kind, r); err != nil {
			return err
		}
	}
	if r.bad {
		return errRecord
	}
	return nil
}

func (p *replay) record(kind byte, r *reader) error {
	switch kind {
	case recPush:
		p.push(r)
	case recFinish:
		return p.finish(r)
	case recExpire:
		return p.expire(r)
	case recUnpark:
		p.unpark(r.string())
	case recHost:
		p.host(r)
	case recPause:
		p.s.paused = r.byte() != 0
	case recMemo:
		k := memoKey{r.string(), r.string()}
		v := memo{r.string(), r.int()}
		p.s.memos.save(k, v, p.clock)
	case recDup:
		p.s.stats.Duplicates += int64(r.uint()) //nolint:gosec // a count
	case recCounts:
		p.counts(r)
	case recSeen:
		for n := r.uint(); n > 0 && !r.bad; n-- {
			p.s.seen[r.id()] = struct{}{}
		}
	case recTask:
		p.task(r)
	case recDead:
		p.letter(r)
	case recWhole:
		p.whole = true
	case recReplay:
		for _, d := range p.letters(r) {
			v := &revived{task: *p.s.revive(&d)}
			p.add(v)
		}
	case recForget:
		p.letters(r)
	case recLevel:
		return p.relevel(r)
	case recRemove:
		return p.remove(r)
	case recReplan:
		return p.replan(r)
	case recSums:
		p.s.tally(r.string(), r.sums())
	case recUnsum:
		p.s.dropSums(r.string())
	case recContent:
		p.content(r)
	case recCompared:
		path := r.string()
		p.s.contents.count(path, r.byte())
	case recPaths:
		p.pathCount(r)
	case recLink:
		id := r.fixed()
		p.s.links[id] = uint32(r.uint()) //nolint:gosec // a count
	case recToken:
		p.s.token = max(p.s.token, scheduler.Token(r.int()))
	default:
		return fmt.Errorf("unknown record %d", kind)
	}
	return nil
}

// head reads what notes.head wrote.
func (p *replay) head(r *reader) (t task, flags byte) {
	flags = r.byte()
	t.level, t.unrecorded = flags&levelMask, flags&noSeen != 0
	t.id = r.id()
	if flags&sameHost == 0 {
		r.host = p.s.host(r.string())
	}
	if t.host = r.host; t.host == nil {
		r.bad = true
		t.host = &host{}
	}
	return t, flags
}

func (p *replay) add(v *revived) {
	p.order++
	v.order = p.order
	p.live[v.number] = v
}

func (p *replay) push(r *reader) {
	t, flags := p.head(r)
	v := &revived{task: t}
	if flags&hasDue != 0 {
		v.due = r.int()
		v.place = placeDelayed
	}
	v.payload = r.string()
	p.s.number++
	v.number = p.s.number
	if !v.unrecorded {
		p.s.seen[v.id] = struct{}{}
	}
	p.add(v)
}

func (p *replay) finish(r *reader) error {
	flags := r.byte()
	verdict := scheduler.VerdictKind(flags & verdictMask)
	v := p.live[r.uint()]
	outcome, items, bytes := r.string(), r.int(), r.int()
	if v == nil {
		return errors.New("a task is finished that was not pushed")
	}
	st := &p.s.stats
	if outcome != "" {
		st.Outcomes[outcome]++
	}
	st.Items += items
	st.Bytes += bytes
	switch verdict {
	case scheduler.KindDone:
		st.Done++
		delete(p.live, v.number)
	case scheduler.KindRetry:
		st.Retries++
		v.place, v.due = placeDelayed, r.int()
		v.failed(r.int())
		p.add(v)
	case scheduler.KindRevisit:
		st.Done++
		v.renew()
		v.place, v.due = placeScheduled, r.int()
		p.add(v)
	case scheduler.KindRelease:
	case scheduler.KindDrop, scheduler.KindGone:
		st.Done++
		why, status, now := r.string(), r.int(), r.int()
		p.s.bury(&v.task, verdict == scheduler.KindGone, why, int(status), now)
		delete(p.live, v.number)
	case scheduler.KindPark:
		v.place, v.label = placeParked, r.string()
		p.add(v)
	default:
		return fmt.Errorf("unknown verdict %d", verdict)
	}
	if flags&hasPayload != 0 {
		v.payload = r.string()
	}
	if flags&hasSums != 0 {
		p.s.tally(v.host.name, r.sums())
	}
	return nil
}

func (p *replay) replan(r *reader) error {
	v := p.live[r.uint()]
	if v == nil || v.place != placeScheduled {
		return errors.New("a task is planned anew that does not wait for a revisit")
	}
	v.due, v.payload = r.int(), r.string()
	p.s.tally(v.host.name, r.sums())
	p.add(v)
	return nil
}

func (p *replay) expire(r *reader) error {
	v, dead, now := p.live[r.uint()], r.string(), r.int()
	if v == nil {
		return errors.New("a lease expires of a task that was not pushed")
	}
	v.lapsed(now)
	p.s.stats.Expired++
	if dead != "" {
		p.s.bury(&v.task, false, dead, 0, now)
		delete(p.live, v.number)
	}
	return nil
}

func (p *replay) unpark(label string) {
	for _, v := range p.inOrder(func(v *revived) bool { return v.place == placeParked && v.label == label }) {
		v.place = placeQueue
		p.add(v)
	}
}

// letters reads what notes.places wrote, and takes the letters off their list.
func (p *replay) letters(r *reader) []scheduler.DeadLetter {
	gone, last := r.byte() != 0, 0
	var places []int
	for n := r.uint(); n > 0 && !r.bad; n-- {
		last += int(r.int())
		places = append(places, last)
	}
	return p.s.takeLetters(gone, places)
}

func (p *replay) relevel(r *reader) error {
	level := r.byte() & levelMask
	for n := r.uint(); n > 0 && !r.bad; n-- {
		v := p.live[r.uint()]
		if v == nil {
			return errors.New("a task is moved that was not pushed")
		}
		v.level = level
		p.add(v)
	}
	return nil
}

func (p *replay) remove(r *reader) error {
	for n := r.uint(); n > 0 && !r.bad; n-- {
		number := r.uint()
		if p.live[number] == nil {
			return errors.New("a task is removed that was not pushed")
		}
		delete(p.live, number)
	}
	return nil
}

func (p *replay) inOrder(which func(*revived) bool) []*revived {
	var list []*revived
	for _, v := range p.live {
		if which(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *revived) int { return cmp.Compare(a.order, b.order) })
	return list
}

func (p *replay) host(r *reader) {
	h := p.s.host(r.string())
	h.due = max(h.due, r.int())
	h.pace = nil
	if r.byte() != 0 {
		h.pace = &scheduler.Pace{Delay: time.Duration(r.int()), Concurrency: int(r.int())}
	}
}

func (p *replay) counts(r *reader) {
	p.s.number = r.uint()
	p.s.token = scheduler.Token(r.int())
	for _, c := range counters(&p.s.stats) {
		*c = r.int()
	}
	p.s.paused = r.byte() != 0
	for n := r.uint(); n > 0 && !r.bad; n-- {
		name := r.string()
		p.s.stats.Outcomes[name] = r.int()
	}
}

func (p *replay) task(r *reader) {
	number := r.uint()
	t, _ := p.head(r)
	v := &revived{task: t, place: r.byte()}
	v.number = number
	v.attempt = uint8(r.uint())  //nolint:gosec // written from one
	v.expired = uint16(r.uint()) //nolint:gosec // written from one
	v.first = uint32(r.uint())   //nolint:gosec // written from one
	switch v.place {
	case placeDelayed, placeScheduled:
		v.due = r.int()
	case placeParked:
		v.label = r.string()
	}
	v.payload = r.string()
	p.add(v)
}

func (p *replay) letter(r *reader) {
	var d scheduler.DeadLetter
	d.Gone = r.byte() != 0
	d.ID, d.Host, d.Priority = r.id(), r.string(), scheduler.PriorityOf(int(r.byte()))
	d.Payload, d.Why = []byte(r.string()), r.string()
	d.Status, d.Attempt, d.Expired = int(r.int()), int(r.int()), int(r.int())
	if first := r.int(); first != 0 {
		d.First = time.Unix(first, 0)
	}
	d.At = time.Unix(0, r.int())
	if d.Gone {
		p.s.gone.add(d)
	} else {
		p.s.dead.add(d)
	}
}

// settle queues what was read. Hosts with a delay wait it out once: nobody knows when they were asked last.
func (p *replay) settle(now int64) {
	s := p.s
	for _, v := range p.inOrder(func(*revived) bool { return true }) {
		t := v.task
		switch v.place {
		case placeDelayed:
			s.delay(&t, v.due)
		case placeScheduled:
			s.schedule(&t, v.due)
		case placeParked:
			s.park(&t, v.label)
		default:
			t.host.pushBack(&t)
			s.stats.Queued++
			t.host.due = max(t.host.due, later(now, s.paceOf(t.host).Delay))
		}
	}
	for _, h := range s.hosts {
		s.settle(h, now)
	}
}

// reader takes records apart. Once bad it returns zeros.
type reader struct {
	b    []byte
	host *host // of the last task
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad = true
		r.b = nil
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *reader) byte() byte {
	if part := r.take(1); part != nil {
		return part[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string { return string(r.take(r.uint())) }

func (r *reader) sums() []float64 {
	n := r.uint()
	if n > scheduler.MaxSums {
		r.bad = true
		return nil
	}
	list := make([]float64, n)
	for i := range list {
		if part := r.take(8); part != nil {
			list[i] = math.Float64frombits(binary.LittleEndian.Uint64(part))
		}
	}
	return list
}

func (r *reader) id() (id dedup.Fingerprint) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}
