package itemfile

import "context"

// Turn is a mutex whose wait ends with ctx. Make one with [NewTurn].
type Turn chan struct{}

// NewTurn returns a Turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits until the turn is the caller's, or ctx ends.
func (t Turn) Take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release ends the turn.
func (t Turn) Release() { <-t }
