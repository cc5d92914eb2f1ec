package itemfile

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// DeadPath returns where the dead items of a file are kept: items.dead.jsonl for items.jsonl.
func DeadPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".dead.jsonl"
}

// Yard keeps dead items in a file beside the one they were meant for. Its methods must not be called at once.
type Yard struct {
	Path   string // "": the log has to do
	Logger *slog.Logger

	file *File // nil until the first dead item
}

// Bury appends the dead items and logs them.
func (y *Yard) Bury(ctx context.Context, dead []pipelines.DeadItem) error {
	if y.Path != "" {
		if err := y.inter(ctx, dead); err != nil {
			return err
		}
	}
	for _, d := range dead {
		y.Logger.Error("item cannot be stored", "kind", d.Kind, "key", d.Key, "url", d.URL, "error", d.Error)
	}
	return nil
}

func (y *Yard) inter(ctx context.Context, dead []pipelines.DeadItem) (err error) {
	if y.file == nil {
		y.file, err = Open(ctx, y.Path, Config{
			Learn:    func([]byte) error { return nil },
			Repaired: func(path string, cut int64) { LogRepair(y.Logger, path, cut) },
		})
		if err != nil {
			return err
		}
	}
	var text []byte
	for _, d := range dead {
		raw, err := json.Marshal(d)
		if err != nil {
			return err
		}
		text = append(append(text, raw...), '\n')
	}
	return y.file.Update(ctx, func() []byte { return text })
}

// Close closes the file, if there is one.
func (y *Yard) Close() error {
	if y.file == nil {
		return nil
	}
	return y.file.Close()
}

// LogRepair says that a file was repaired.
func LogRepair(logger *slog.Logger, path string, cut int64) {
	logger.Warn("cut off an unfinished record, as a crash leaves it", "file", path, "bytes", cut)
}
