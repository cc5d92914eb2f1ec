//go:build !unix

package itemfile

import (
	"context"
	"os"
)

// lock does nothing here: one process at a time may write to a file.
func lock(ctx context.Context, _ *os.File) (unlock func(), err error) { return func() {}, ctx.Err() }
