package chaos

import (
	"runtime"
	"syscall"
)

// launch starts the process so that the kernel kills it when this one dies, however that happens. The kernel looks at the
// thread that started the child, not at the process: so one goroutine keeps that thread until the child has ended. A group of its
// own keeps the terminal from sending the child what is meant for this process.
func (p *process) launch() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return <-started
}
