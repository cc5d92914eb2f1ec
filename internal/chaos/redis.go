package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrNoRedis is returned by Run when there is no redis-server to start.
var ErrNoRedis = errors.New("redis-server is not on PATH; install Redis 6.2 or later")

// maxSocket is the longest path of a socket, in bytes, that every system takes.
const maxSocket = 100

// startTimeout is how long a server may take to answer: a loaded machine starts it slowly.
const startTimeout = time.Minute

// redisServer is a private Redis that writes everything down before it answers. It listens on a socket in the file
// system, so that nobody takes its address while it is dead, and workers reach it through the proxy alone.
type redisServer struct {
	path, dir string
	sockets   string // folder of the socket if the run's own has too long a path, or ""
	proxy     *proxy
	client    *redis.Client // past the proxy
	p         *process
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	s := &redisServer{path: path, dir: filepath.Join(dir, "redis")}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	socket := filepath.Join(s.dir, "redis.sock")
	if len(socket) > maxSocket {
		if s.sockets, err = os.MkdirTemp("", "lycosa-chaos-redis-"); err != nil {
			return nil, err
		}
		socket = filepath.Join(s.sockets, "redis.sock")
	}
	// As redisfrontier.Options: nothing is repeated behind the frontier's back.
	s.client = redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if s.proxy, err = newProxy(ctx, "unix", socket); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *redisServer) url() string { return "redis://" + s.proxy.addr() + "/0" }

// start starts the server on the data that is there, and returns when it answers.
func (s *redisServer) start(ctx context.Context) (err error) {
	s.p, err = spawn(s.dir, "redis.log", s.path, "--port", "0", "--unixsocket", s.client.Options().Addr, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "16mb", "--maxmemory-policy", "noeviction", "--daemonize", "no")
	if err != nil {
		return err
	}
	ping := func(ctx context.Context) error { return s.client.Ping(ctx).Err() }
	if err := s.p.ready(ctx, ping); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	return nil
}

// compact rewrites the append-only file, and returns when that is done: what earlier rounds have left in it makes each
// restart longer.
func (s *redisServer) compact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.client.BgRewriteAOF(ctx).Err(); err != nil && !strings.Contains(err.Error(), "in progress") {
		return fmt.Errorf("rewrite the append-only file: %w", err)
	}
	for {
		info, err := s.client.InfoMap(ctx, "persistence").Result()
		switch {
		case err != nil:
			return fmt.Errorf("rewrite the append-only file: %w", err)
		case info["Persistence"]["aof_rewrite_in_progress"] == "0" && info["Persistence"]["aof_rewrite_scheduled"] == "0":
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("rewrite the append-only file: %w", err)
		}
	}
}

func (s *redisServer) close() {
	if s.p != nil {
		s.p.kill()
	}
	if s.proxy != nil {
		s.proxy.close()
	}
	s.client.Close()
	if s.sockets != "" {
		_ = os.RemoveAll(s.sockets)
	}
}

// ready returns nil once ask does, or why the process will not come to that.
func (p *process) ready(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, time.Second)
		err := ask(once)
		done()
		switch {
		case !p.running():
			return fmt.Errorf("it ended at once: %s", p.lastLine())
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("it does not answer: %w", err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil && p.running() {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
