package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 20 * time.Second // a loaded machine may start a server slowly
	stopTimeout  = 5 * time.Second  // then SIGKILL
	startTries   = 5                // a free port may be taken by somebody else before the server has it
)

// process is a server that can be killed and started again at the same address with the same folder.
type process struct {
	name string
	path string
	dir  string
	// plan returns the arguments for an address.
	plan func(addr string) []string
	// ready returns nil once the server at the address answers.
	ready func(ctx context.Context, addr string) error

	mu      sync.Mutex // guards the following
	addr    string
	args    []string
	running *run
}

// run is one life of a process.
type run struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process was waited for
}

// missing skips the test, or fails it under LYCOSA_REQUIRE_SERVERS=1.
func missing(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("LYCOSA_REQUIRE_SERVERS") == "1" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}

// open starts the process at a free port, and stops it when the test ends.
func (p *process) open(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(func() { p.stop(tb) })
	var err error
	for range startTries {
		if p.addr, err = freeAddr(); err != nil {
			tb.Fatal(err)
		}
		p.args = p.plan(p.addr)
		if err = p.start(); err == nil {
			return
		}
	}
	tb.Fatal(err)
}

// start runs the process and waits until it is ready.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return fmt.Errorf("%s at %s runs already", p.name, p.addr)
	}
	logPath := filepath.Join(p.dir, p.name+".log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	r, err := launch(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := p.await(r); err != nil {
		_ = r.cmd.Process.Kill()
		<-r.ended
		return fmt.Errorf("start %s at %s: %w\n%s", p.name, p.addr, err, tail(logPath))
	}
	p.running = r
	return nil
}

func (p *process) await(r *run) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.ready(ctx, p.addr)
		select {
		case <-r.ended: // even if somebody answers: it is not ours
			return errors.New("it ended at once")
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", startTimeout, err)
		case <-tick.C:
		case <-r.ended:
			return errors.New("it ended at once")
		}
	}
}

// signal sends sig and waits for the end of the process; SIGKILL follows after a while. It does nothing if the
// process does not run.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return
	}
	_ = p.running.cmd.Process.Signal(sig)
	select {
	case <-p.running.ended:
	case <-time.After(stopTimeout):
		_ = p.running.cmd.Process.Kill()
		<-p.running.ended
	}
	p.running = nil
}

func (p *process) kill() { p.signal(syscall.SIGKILL) }

func (p *process) stop(tb testing.TB) {
	p.signal(syscall.SIGTERM)
	if tb.Failed() {
		tb.Logf("the last words of %s:\n%s", p.name, tail(filepath.Join(p.dir, p.name+".log")))
	}
}

func (p *process) restart(tb testing.TB) {
	tb.Helper()
	p.signal(syscall.SIGTERM)
	if err := p.start(); err != nil {
		tb.Fatal(err)
	}
}

// pid returns the process id, or 0 if the process does not run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0
	}
	return p.running.cmd.Process.Pid
}

// freeAddr returns a loopback address whose port was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 4 << 10
	return string(data[max(0, len(data)-most):])
}

// root returns the folder of lycosa's go.mod, or "" outside of a checkout.
func root() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
