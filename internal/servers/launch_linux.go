package servers

import (
	"os/exec"
	"runtime"
	"syscall"
)

// launch starts cmd so that the kernel kills it when this process dies, however that happens. The kernel looks at the thread
// that started the child, not at the process: so one goroutine keeps that thread until the child has ended.
func launch(cmd *exec.Cmd) (*run, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := &run{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(r.ended)
		}
	}()
	return r, <-started
}
