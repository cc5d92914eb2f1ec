//go:build !linux

package servers

import "os/exec"

// launch starts cmd. Here nothing stops it if this process is killed.
func launch(cmd *exec.Cmd) (*run, error) {
	r := &run{cmd: cmd, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	go func() {
		_ = cmd.Wait()
		close(r.ended)
	}()
	return r, nil
}
