package forward

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// FileBookmarks keeps each cursor in a file of its name in a folder, which is created if need be. It is for feeds in a file that a crawl
// may have open.
type FileBookmarks struct{ Dir string }

var _ pipelines.Bookmarks = FileBookmarks{}

func (b FileBookmarks) path(name string) (string, error) {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\:`) {
		return "", fmt.Errorf("cursor %q: no name of a file", name)
	}
	return filepath.Join(b.Dir, name), nil
}

// Bookmark implements [pipelines.Bookmarks].
func (b FileBookmarks) Bookmark(_ context.Context, name string) (pipelines.Cursor, error) {
	path, err := b.path(name)
	if err != nil {
		return 0, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s holds no cursor: %.40q", path, raw)
	}
	return pipelines.Cursor(at), nil
}

// SetBookmark implements [pipelines.Bookmarks]: a file beside it takes its place, so that a crash leaves the old or the new one.
func (b FileBookmarks) SetBookmark(_ context.Context, name string, at pipelines.Cursor) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(b.Dir, ".cursor-*")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, int64(at))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
