//go:build unix

package chaos

import "syscall"

// supported is nil where processes can be stopped and continued.
func supported() error { return nil }

func (p *process) stop()      { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) cont()      { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }
