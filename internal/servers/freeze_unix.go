//go:build unix

package servers

import "syscall"

// Freeze makes the server hang (SIGSTOP): connections stay open and nothing answers. Thaw ends that.
func (s *RedisServer) Freeze() { s.p.pause(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *RedisServer) Thaw() { s.p.pause(syscall.SIGCONT) }

// pause sends SIGSTOP or SIGCONT.
func (p *process) pause(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		_ = p.running.cmd.Process.Signal(sig)
	}
}
