package servers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a private redis-server.
type RedisServer struct {
	Addr string // host:port
	URL  string // redis://host:port/0

	tb testing.TB
	p  *process
}

// Redis starts a redis-server that keeps nothing on disk, unless args say so: "--appendonly", "yes",
// "--appendfsync", "always". They come after the defaults and override them.
func Redis(tb testing.TB, args ...string) *RedisServer {
	tb.Helper()
	return redis(tb, func() []string { return args })
}

// redis starts a redis-server with arguments that are asked for again when a port turns out to be taken.
func redis(tb testing.TB, args func() []string) *RedisServer {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(tb, "redis-server is not on PATH")
	}
	s := &RedisServer{tb: tb, p: &process{name: "redis", path: path, dir: tb.TempDir(), ready: pingRedis}}
	s.p.plan = func(addr string) []string {
		host, port, _ := net.SplitHostPort(addr)
		return append([]string{
			"--bind", host, "--port", port, "--dir", s.p.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--protected-mode", "yes",
		}, args()...)
	}
	s.p.open(tb)
	s.Addr = s.p.addr
	s.URL = "redis://" + s.Addr + "/0"
	return s
}

// Kill ends the server by SIGKILL and returns when it is gone.
func (s *RedisServer) Kill() { s.p.kill() }

// Stop asks the server to end (SIGTERM: it saves what it is configured to save) and returns when it is gone.
func (s *RedisServer) Stop() { s.p.signal(syscall.SIGTERM) }

// Restart stops the server, if it runs, and starts it again: same address, same folder. It returns when the
// server answers.
func (s *RedisServer) Restart() {
	s.tb.Helper()
	s.p.restart(s.tb)
}

// PID returns the server's process id, or 0 if it does not run.
func (s *RedisServer) PID() int { return s.p.pid() }

// pingRedis returns nil if the server answers PING, also when it wants a password.
func pingRedis(ctx context.Context, addr string) error {
	answer, err := askRedis(ctx, addr, "PING")
	if err != nil {
		return err
	}
	if answer != "+PONG" && !strings.HasPrefix(answer, "-NOAUTH") {
		return fmt.Errorf("it says %s", answer)
	}
	return nil
}

// askRedis sends one inline command and returns the first line of the answer; of a bulk string, its text. It needs no
// client, so that this package depends on none.
func askRedis(ctx context.Context, addr, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	var size int
	if n, _ := fmt.Sscanf(line, "$%d", &size); n == 1 && size >= 0 {
		text := make([]byte, size)
		for read := 0; read < size; {
			n, err := r.Read(text[read:])
			if err != nil {
				return "", err
			}
			read += n
		}
		return string(text), nil
	}
	return line, nil
}
