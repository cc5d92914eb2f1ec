//go:build !unix || solaris || aix

package filededup

import (
	"os"
	"path/filepath"
)

// lockDir would keep others out of dir. This system has no lock that ends with the process, so the file is only
// held open, which keeps others from it where the system sees it so.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // not secret
}
