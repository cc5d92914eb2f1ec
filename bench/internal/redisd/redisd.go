// Package redisd runs a redis-server of a benchmark's own and reads what it has cost.
package redisd

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a private redis-server without persistence, on a free port of the loopback interface.
type Server struct {
	Addr   string
	Client *redis.Client // never repeats a command by itself

	cmd *exec.Cmd
}

// Start starts a server in dir and waits until it answers. Args are options of redis-server that stand after, and so
// outweigh, the ones that turn persistence off. The caller must Stop it.
func Start(ctx context.Context, dir string, args ...string) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a free port, at once
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := listener.Close(); err != nil {
		return nil, err
	}
	s := &Server{Addr: addr, Client: redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})}
	args = append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no"}, args...)
	s.cmd = exec.CommandContext(ctx, "redis-server", args...) //nolint:gosec // a port, and what a benchmark adds
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if err = s.Client.Ping(ctx).Err(); err == nil {
			return s, nil
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a server starts
	}
	s.Stop()
	return nil, fmt.Errorf("redis-server on %s: %w", addr, err)
}

// Stop kills the server.
func (s *Server) Stop() {
	_ = s.Client.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Cost is what a server has used up.
type Cost struct {
	CPU      time.Duration // of all threads
	MainCPU  time.Duration // of the thread that runs the commands
	Commands int64         // that it was sent
	Scripts  int64         // of these, scripts by EVALSHA
	Memory   int64         // bytes in use now
}

// Cost reads the server's own account.
func (s *Server) Cost(ctx context.Context) (c Cost, err error) {
	info, err := s.Client.Info(ctx, "cpu", "stats", "memory", "commandstats").Result()
	if err != nil {
		return c, err
	}
	number := func(name string) float64 {
		_, rest, _ := strings.Cut(info, "\r\n"+name)
		end := strings.IndexAny(rest, ",\r")
		if end < 0 {
			return 0 // a command that was never sent
		}
		n, e := strconv.ParseFloat(rest[:end], 64)
		if e != nil {
			err = fmt.Errorf("INFO: %s%s: %w", name, rest[:end], e)
		}
		return n
	}
	seconds := func(names ...string) (d time.Duration) {
		for _, name := range names {
			d += time.Duration(number(name) * float64(time.Second))
		}
		return d
	}
	c.CPU = seconds("used_cpu_user:", "used_cpu_sys:")
	c.MainCPU = seconds("used_cpu_user_main_thread:", "used_cpu_sys_main_thread:")
	c.Commands = int64(number("total_commands_processed:"))
	c.Scripts = int64(number("cmdstat_evalsha:calls="))
	c.Memory = int64(number("used_memory:"))
	return c, err
}

var clientMemory = regexp.MustCompile(` tot-mem=(\d+)`)

// Stored reads the bytes in use now, but for the buffers of connections, which grow and shrink as they like.
func (s *Server) Stored(ctx context.Context) (int64, error) {
	cost, err := s.Cost(ctx)
	if err != nil {
		return 0, err
	}
	list, err := s.Client.ClientList(ctx).Result()
	for _, m := range clientMemory.FindAllStringSubmatch(list, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		cost.Memory -= n
	}
	return cost.Memory, err
}
