package revisit

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// RecordSize is the length of an encoded [Record] in bytes.
const RecordSize = 24

// Record is what is known of one URL. It is a value: every function that changes it returns the changed one.
//
// Encoded, little endian, without a version (a record of another length is refused):
//
//	 0  u32  Seen       unix seconds of the last look that showed content; 0 = never
//	 4  f32  A          shape of the belief over the rate of change
//	 8  f32  B          rate of the belief, days
//	12  u64  Signature  of the content; of the target, if the URL moved
//	20  u16  Plan       logarithm of the planned interval
//	22  u8   Weight     logarithm of the weight
//	23  u8   flags      bits 0-2 streak, 3 gone, 4-5 validators, 6 moved, 7 hinted
//
// Gone and moved both set mean that the URL is in doubt: with hinted clear, it answered 404 once (missing), with
// hinted set, it is denied. So a hint is not remembered for such a URL. The streak counts what the state says: failures
// in a row of a live or a missing URL, rechecks of one that is gone, equal answers of one that moved, refusals
// of one that is denied.
type Record struct {
	Seen      uint32
	A, B      float32
	Signature uint64
	Plan      Plan
	Weight    Weight
	flags     uint8
}

// NewRecord returns the record of a URL that was never fetched.
func NewRecord(w Weight) Record { return Record{Weight: w} }

// Append appends the encoded record, [RecordSize] bytes.
func (r Record) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, r.Seen)
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(r.A))
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(r.B))
	dst = binary.LittleEndian.AppendUint64(dst, r.Signature)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(r.Plan))
	return append(dst, uint8(r.Weight), r.flags)
}

// ParseRecord reads what [Record.Append] wrote. It refuses a wrong length, and a belief that no update can lead to.
func ParseRecord(b []byte) (Record, error) {
	if len(b) != RecordSize {
		return Record{}, fmt.Errorf("revisit: a record of %d bytes: want %d", len(b), RecordSize)
	}
	r := Record{
		Seen:      binary.LittleEndian.Uint32(b),
		A:         math.Float32frombits(binary.LittleEndian.Uint32(b[4:])),
		B:         math.Float32frombits(binary.LittleEndian.Uint32(b[8:])),
		Signature: binary.LittleEndian.Uint64(b[12:]),
		Plan:      Plan(binary.LittleEndian.Uint16(b[20:])),
		Weight:    Weight(b[22]),
		flags:     b[23],
	}
	if unseen := r.Seen == 0 && r.A == 0 && r.B == 0; !unseen && !r.Belief().valid() {
		return Record{}, fmt.Errorf("revisit: a record with belief (%v, %v): want two positive numbers", r.A, r.B)
	}
	return r, nil
}

// Belief returns the belief over the rate of change; zero if the URL was never fetched.
func (r Record) Belief() Belief { return Belief{float64(r.A), float64(r.B)} }

// SeenAt returns the instant of the last look that showed content; zero if there was none.
func (r Record) SeenAt() time.Time {
	if r.Seen == 0 {
		return time.Time{}
	}
	return time.Unix(int64(r.Seen), 0).UTC()
}

// EffectiveWeight is the weight that the URL counts with: a tenth of its own while it is gone or moved elsewhere.
func (r Record) EffectiveWeight() float64 {
	if s := r.State(); s == Gone || s == Moved {
		return r.Weight.Float() / 10
	}
	return r.Weight.Float()
}

// Fresh returns the probability that what was seen last is still so, at now; 0 if nothing was seen or the URL is
// not live.
func (r Record) Fresh(now time.Time) float64 {
	if r.Seen == 0 || r.State() != Live {
		return 0
	}
	return r.Belief().Fresh(days(elapsed(r.Seen, now)))
}

// State says what a URL is, by the answers it gave.
type State uint8

// The states.
const (
	Live    State = iota
	Missing       // one 404; a second makes it gone
	Gone          // 410 or 404 twice
	Moved         // permanently redirected
	Denied        // 401, 403, 451 or a block page
)

func (s State) String() string {
	return [...]string{"live", "missing", "gone", "moved", "denied"}[min(s, Denied)]
}

const (
	streakMask     = 7
	goneBit        = 1 << 3
	validatorShift = 4
	validatorMask  = 3 << validatorShift
	movedBit       = 1 << 6
	hintedBit      = 1 << 7
)

// State returns what the URL is.
func (r Record) State() State {
	switch r.flags & (goneBit | movedBit | hintedBit) {
	case goneBit, goneBit | hintedBit:
		return Gone
	case movedBit, movedBit | hintedBit:
		return Moved
	case goneBit | movedBit:
		return Missing
	case goneBit | movedBit | hintedBit:
		return Denied
	}
	return Live
}

// Hinted reports whether a hint brought the next visit forward.
func (r Record) Hinted() bool {
	return r.flags&hintedBit != 0 && r.flags&(goneBit|movedBit) != goneBit|movedBit
}

// Streak returns the counter of the URL's state, 0 to 7.
func (r Record) Streak() int { return int(r.flags & streakMask) }

// Validators returns what is known of the URL's validators.
func (r Record) Validators() Validators { return Validators(r.flags & validatorMask >> validatorShift) }

// become sets state and streak, and forgets the hint.
func become(r *Record, s State, streak int) {
	bits := [...]uint8{Live: 0, Missing: goneBit | movedBit, Gone: goneBit, Moved: movedBit, Denied: goneBit | movedBit | hintedBit}
	r.flags = r.flags&validatorMask | bits[s] | uint8(min(max(streak, 0), streakMask))
}

func setValidators(r *Record, v Validators) {
	r.flags = r.flags&^uint8(validatorMask) | uint8(v)<<validatorShift
}

// markHinted marks the record, where its state leaves room for that.
func markHinted(r *Record) {
	if r.flags&(goneBit|movedBit) != goneBit|movedBit {
		r.flags |= hintedBit
	}
}

// Validators says what came of the conditional requests for a URL (RFC 9110, section 13).
type Validators uint8

// What is known of validators.
const (
	ValidatorsUnknown Validators = iota // never looked at twice
	ValidatorsWork                      // answered 304
	ValidatorsIgnored                   // sent again and answered 200 with the same content, or there are none
	ValidatorsLie                       // answered 304 although the content had changed: ask unconditionally
)

// Plan is a planned interval as a record keeps it: 30 s · 2^(plan/2048), to 0.02 %. Zero means that nothing is
// planned; an interval below 30 s is kept as 30 s.
type Plan uint16

const (
	planUnit = 30 * time.Second
	planStep = 2048
)

// PlanOf returns the plan nearest to d.
func PlanOf(d time.Duration) Plan {
	k := math.Round(planStep * math.Log2(float64(d)/float64(planUnit)))
	if !(k > 1) {
		return 1
	}
	return Plan(min(k, math.MaxUint16))
}

// Interval returns the planned interval; 0 if nothing is planned. It is at most the longest time.Duration.
func (p Plan) Interval() time.Duration {
	if p == 0 {
		return 0
	}
	return duration(float64(planUnit) / day * math.Exp2(float64(p)/planStep))
}

// Rate returns visits a day at the planned interval: what the URL takes from the budget; 0 if nothing is planned.
func (p Plan) Rate() float64 {
	if p == 0 {
		return 0
	}
	return day / float64(planUnit) * math.Exp2(-float64(p)/planStep)
}

// day is a day as a time.Duration counts.
const day = float64(24 * time.Hour)

func days(d time.Duration) float64 { return float64(d) / day }

// duration returns days as a duration, at most the longest there is.
func duration(days float64) time.Duration {
	if ns := days * day; ns < math.MaxInt64 {
		return time.Duration(ns)
	}
	return math.MaxInt64
}

// elapsed returns the time since the unix second seen, which is 0 if the clock went back.
func elapsed(seen uint32, now time.Time) time.Duration {
	return max(now.Sub(time.Unix(int64(seen), 0)), 0)
}
