//go:build !linux

package chaos

// launch starts the process. Here nothing ends it if this one is killed.
func (p *process) launch() error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}
