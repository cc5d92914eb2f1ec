//go:build unix && !solaris && !aix

package memfrontier

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockDir keeps others out of dir until the file is closed, by this process or by its end.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // not secret
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a file descriptor
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
		var who [20]byte
		if n, _ := file.ReadAt(who[:], 0); n > 0 {
			err = fmt.Errorf("%w (pid %s)", ErrInUse, strings.TrimSpace(string(who[:n])))
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	// Only to tell others who it is.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return file, nil
}
