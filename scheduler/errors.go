package scheduler

import (
	"errors"
	"fmt"
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

// Level maps a priority to the 16 levels of a queue: 0 is claimed first, 15 last.
func Level(priority int) int { return MaxPriority - max(MinPriority, min(MaxPriority, priority)) }

// PriorityOf is the inverse of [Level].
func PriorityOf(level int) int { return MaxPriority - level }
