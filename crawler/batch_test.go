package crawler

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallsDuringABatchShareTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := newBatcher(t.Context(), 1, 5, func(_ context.Context, all []int) error {
			sizes = append(sizes, len(all))
			time.Sleep(time.Second) //nolint:forbidigo // synthetic time
			return nil
		})
		for i := range 10 {
			go func() {
				if err := b.submit(t.Context(), i); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		b.wait()
		synctest.Wait()
		if want := []int{1, 5, 4}; !slices.Equal(sizes, want) {
			t.Errorf("batches of %v, want %v", sizes, want)
		}
	})
}

func TestEveryCallerHearsTheBatchsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		b := newBatcher(t.Context(), 1, 100, func(context.Context, []int) error { return broken })
		if err := b.submit(t.Context(), 1, 2); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if err := b.submit(t.Context()); err != nil {
			t.Errorf("an empty call fails: %v", err)
		}
		b.wait()
	})
}

func TestCallerGoesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := 0
		b := newBatcher(t.Context(), 1, 100, func(_ context.Context, all []int) error {
			time.Sleep(time.Minute) //nolint:forbidigo // synthetic time
			done += len(all)
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.submit(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if b.wait(); done != 1 {
			t.Errorf("the batch was not done: %d entries", done)
		}
	})
}
