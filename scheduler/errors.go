package scheduler

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

var (
	// ErrNoCrawl is returned when the crawl does not exist, or was purged while this frontier was open.
	ErrNoCrawl = errors.New("no such crawl")
	// ErrClosed is returned by every method of a frontier that was closed.
	ErrClosed = errors.New("frontier closed")
	// ErrUnavailable is wrapped by errors that say the frontier's store cannot be reached or cannot take
	// writes now. The step may or may not have happened.
	ErrUnavailable = errors.New("frontier unavailable")
	// ErrTask is wrapped by errors about a malformed task.
	ErrTask = errors.New("malformed task")
)

// LostError names leases that are no longer held: they expired, were finished already, or the crawl was
// purged.
type LostError struct{ Leases []*Lease }

func (e *LostError) Error() string {
	if len(e.Leases) == 1 {
		return fmt.Sprintf("lease %d of %s is lost", e.Leases[0].Token, e.Leases[0].Host)
	}
	return fmt.Sprintf("%d leases are lost", len(e.Leases))
}

// Lost reports whether err says that lease is lost.
func Lost(err error, lease *Lease) bool {
	var lost *LostError
	if !errors.As(err, &lost) {
		return false
	}
	return slices.Contains(lost.Leases, lease)
}

// Check returns an error wrapping [ErrTask] if a frontier cannot accept the task.
func (t *Task) Check() error {
	switch {
	case t.Host == "":
		return fmt.Errorf("%w: no host", ErrTask)
	case len(t.Host) > 255:
		return fmt.Errorf("%w: host %.40q... has %d bytes, at most 255 are allowed", ErrTask, t.Host, len(t.Host))
	case len(t.Payload) > MaxPayload:
		return fmt.Errorf("%w: payload has %d bytes, at most %d are allowed", ErrTask, len(t.Payload), MaxPayload)
	}
	return nil
}

// Check returns an error if a frontier cannot accept the payload or the sums of the result; a payload that is too large
// wraps [ErrTask].
func (r *Result) Check() error {
	v := &r.Verdict
	switch {
	case v.Payload != nil && v.Kind != KindRevisit && v.Kind != KindRetry:
		return fmt.Errorf("verdict %q has a payload: only those of Revisit and Retry are kept", v)
	case len(v.Payload) > MaxPayload:
		return fmt.Errorf("%w: payload has %d bytes, at most %d are allowed", ErrTask, len(v.Payload), MaxPayload)
	}
	return CheckSums(r.Sums)
}

// CheckSums returns an error if a frontier cannot add the sums up: there are more than MaxSums, or one is not finite.
func CheckSums(sums []float64) error {
	if len(sums) > MaxSums {
		return fmt.Errorf("%d sums, at most %d are kept", len(sums), MaxSums)
	}
	for i, s := range sums {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return fmt.Errorf("sum %d is %v", i, s)
		}
	}
	return nil
}

// Level maps a priority to the 16 levels of a queue: 0 is claimed first, 15 last.
func Level(priority int) int { return MaxPriority - max(MinPriority, min(MaxPriority, priority)) }

// PriorityOf is the inverse of [Level].
func PriorityOf(level int) int { return MaxPriority - level }
