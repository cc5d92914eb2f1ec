//go:build !unix

package chaos

import "errors"

func supported() error {
	return errors.New("this system cannot stop and continue a process: chaos needs a Unix")
}

func (p *process) stop()      {}
func (p *process) cont()      {}
func (p *process) terminate() { _ = p.cmd.Process.Kill() }
