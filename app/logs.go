package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// logHandler writes short lines for people: time of day, level, message, and the attributes as slog's text handler writes
// them, control characters escaped.
//
//	15:04:05 WARN  given up url=https://example.com/ why="status 500 Internal Server Error"
type logHandler struct {
	attrs slog.Handler // writes to line, without time, level and message
	*logLine
}

// logLine is shared by the handlers that With makes.
type logLine struct {
	mu    sync.Mutex // guards out and line
	out   io.Writer
	line  *bytes.Buffer
	level slog.Level
}

func newLogHandler(out io.Writer, level slog.Level) *logHandler {
	l := &logLine{out: out, line: new(bytes.Buffer), level: level}
	bare := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}
	return &logHandler{slog.NewTextHandler(l.line, &slog.HandlerOptions{Level: level, ReplaceAttr: bare}), l}
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	if !r.Time.IsZero() {
		h.line.WriteString(r.Time.Format("15:04:05 "))
	}
	level := r.Level.String()
	h.line.WriteString(level)
	h.line.Write(bytes.Repeat([]byte{' '}, max(1, 6-len(level))))
	h.line.WriteString(oneLine(r.Message))
	h.line.WriteByte(' ')
	if err := h.attrs.Handle(ctx, r); err != nil { // it ends the line
		return err
	}
	_, err := h.out.Write(append(bytes.TrimRight(h.line.Bytes(), " \n"), '\n'))
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.attrs.WithAttrs(attrs), h.logLine}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.attrs.WithGroup(name), h.logLine}
}
