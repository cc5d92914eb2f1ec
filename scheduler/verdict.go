package scheduler

import (
	"fmt"
	"time"
)

// Verdict says what becomes of a leased task. Make one with [Done], [Retry], [Revisit], [Drop], [Gone],
// [Park] or [Release]; the zero Verdict is invalid.
type Verdict struct {
	Kind  VerdictKind
	After time.Duration // Retry
	At    time.Time     // Revisit
	Why   string        // Retry, Drop, Gone; the label of Park
	// Payload of Revisit and Retry takes the place of the task's; nil keeps that. At most MaxPayload bytes.
	Payload []byte
}

// VerdictKind tells verdicts apart.
type VerdictKind uint8

// The verdicts.
const (
	_ VerdictKind = iota
	KindDone
	KindRetry
	KindRevisit
	KindRelease
	KindDrop
	KindGone
	KindPark
)

// Done finishes the task for good.
func Done() Verdict { return Verdict{Kind: KindDone} }

// Retry counts a failed attempt and queues the task again after a while, by the frontier's clock. The
// caller decides when attempts are used up, and then says Drop.
func Retry(after time.Duration, why string) Verdict {
	return Verdict{Kind: KindRetry, After: after, Why: why}
}

// Revisit finishes the task and schedules it again, as a first attempt, no earlier than at; drivers may round
// up to the next minute.
func Revisit(at time.Time) Verdict { return Verdict{Kind: KindRevisit, At: at} }

// WithPayload returns the verdict with a payload that takes the place of the task's: what was learnt rides along to the
// next visit. It is for Revisit and Retry.
func (v Verdict) WithPayload(payload []byte) Verdict {
	v.Payload = payload
	return v
}

// Release gives the task back to the front of its queue; no attempt is counted.
func Release() Verdict { return Verdict{Kind: KindRelease} }

// Drop makes the task a dead letter with the reason.
func Drop(why string) Verdict { return Verdict{Kind: KindDrop, Why: why} }

// Gone finishes the task and lists it among the dead links: it was fetched and is not there.
func Gone(why string) Verdict { return Verdict{Kind: KindGone, Why: why} }

// Park puts the task aside under a label, without counting an attempt, until [Parker.Unpark] of the
// label: no worker of this build knows what to do with it.
func Park(label string) Verdict { return Verdict{Kind: KindPark, Why: label} }

// String returns the verdict in words.
func (v Verdict) String() string {
	switch v.Kind {
	case KindDone:
		return "done"
	case KindRetry:
		return fmt.Sprintf("retry after %v: %s", v.After, v.Why)
	case KindRevisit:
		return "revisit at " + v.At.Format(time.RFC3339)
	case KindRelease:
		return "release"
	case KindDrop:
		return "drop: " + v.Why
	case KindGone:
		return "gone: " + v.Why
	case KindPark:
		return "park: " + v.Why
	default:
		return "no verdict"
	}
}
