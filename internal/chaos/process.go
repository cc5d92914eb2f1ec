package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// process is a child of this one.
type process struct {
	cmd   *exec.Cmd
	log   string        // file of its output
	ended chan struct{} // closed when it was waited for
}

// spawn starts a command in a folder, with its output appended to a file there.
func spawn(dir, log, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), log: filepath.Join(dir, log), ended: make(chan struct{})} //nolint:noctx // it ends by signals, sent by hand
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, file, file
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	return p, nil
}

// kill ends the process at once and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// wait reports whether the process ends in time.
func (p *process) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		return false
	}
}

// exit is the code the process ended with, -1 if by a signal. It must have ended.
func (p *process) exit() int { return p.cmd.ProcessState.ExitCode() }

// lastLine returns the last line of output.
func (p *process) lastLine() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimRight(string(data), "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
