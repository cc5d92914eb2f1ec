//go:build unix

package itemfile

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes the file's lock (flock), which ends with the process that holds it. It asks again and again, because a
// blocked flock knows no ctx.
func lock(ctx context.Context, f *os.File) (unlock func(), err error) {
	fd := int(f.Fd()) //nolint:gosec // a file descriptor is an int
	wait := time.Millisecond
	for {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = syscall.Flock(fd, syscall.LOCK_UN) }, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
			wait = min(2*wait, 50*time.Millisecond)
		}
	}
}
