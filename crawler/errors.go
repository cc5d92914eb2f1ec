package crawler

import (
	"errors"
	"fmt"
	"time"
)

// ErrSpider is wrapped by errors that say a spider is built wrongly.
var ErrSpider = errors.New("spider")

// verdictError is an error by which a handler decides about its page.
type verdictError struct {
	why   string
	drop  bool
	after time.Duration
}

func (e *verdictError) Error() string { return e.why }

// Drop returns an error that gives the page up at once: it becomes a dead letter with the reason. Any other
// error is retried, with backoff, until the spider's MaxAttempts are used up.
func Drop(why string) error { return &verdictError{why: why, drop: true} }

// RetryAfter returns an error that has the page tried again no sooner than after; it counts as an
// attempt.
func RetryAfter(after time.Duration, why string) error {
	return &verdictError{why: why, after: max(after, 0)}
}

// FieldError says that a field of an item could not be read from a page. A page whose handler returns one is
// given up at once: the same page would fail again.
type FieldError struct {
	Type   string // of the item
	Field  string
	Detail string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s.%s: %s", e.Type, e.Field, e.Detail) }

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
