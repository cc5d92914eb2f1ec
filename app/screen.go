package app

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

// screen is standard error. On a terminal it can hold a panel of a few lines below everything else; what is written to the
// screen then appears above it.
//
// It draws by itself and never asks the terminal anything: a library that does (for its colours, say) makes each
// command wait for seconds where nobody answers, and swallows what was typed ahead.
type screen struct {
	style *lipgloss.Renderer
	file  *os.File // the terminal, or nil

	mu    sync.Mutex // guards all that follows
	w     io.Writer
	panel []string // lines, or none
	drawn int      // lines of the panel that stand on the terminal
	open  bool     // what was written last did not end its line
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, style: lipgloss.NewRenderer(w)}
	if f, ok := w.(*os.File); ok && term.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" {
		s.file = f
	}
	return s
}

// isTerminal reports whether somebody looks at the screen.
func (s *screen) isTerminal() bool { return s.file != nil }

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// width is the number of columns.
func (s *screen) width() int {
	if s.file != nil {
		if width, _, err := term.GetSize(s.file.Fd()); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// Write writes above the panel.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.panel) == 0 || len(text) == 0 {
		return s.w.Write(text)
	}
	var b bytes.Buffer
	if !s.open {
		s.erase(&b)
	}
	b.Write(text)
	s.open = text[len(text)-1] != '\n'
	if !s.open {
		s.draw(&b)
	}
	_, err := s.w.Write(b.Bytes())
	return len(text), err
}

// show replaces the panel; without lines there is none. Off a terminal it does nothing.
func (s *screen) show(lines ...string) {
	if s.file == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if !s.open {
		s.erase(&b)
	}
	s.panel = lines
	if !s.open {
		s.draw(&b)
	}
	if b.Len() > 0 {
		_, _ = s.w.Write(b.Bytes())
	}
}

// erase takes the panel off the terminal.
func (s *screen) erase(b *bytes.Buffer) {
	if s.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", s.drawn)
	}
	s.drawn = 0
}

// draw puts the panel on the terminal. No line is as wide as the terminal, so that none wraps; if it is made narrower
// meanwhile, some lines of an old panel may stay.
func (s *screen) draw(b *bytes.Buffer) {
	width := s.width()
	for _, line := range s.panel {
		b.WriteString(ansi.Truncate(line, width-1, "…"))
		b.WriteByte('\n')
	}
	s.drawn = len(s.panel)
}
