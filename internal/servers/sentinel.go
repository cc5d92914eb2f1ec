package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RedisSentinel is a private Redis with replicas, led by three Sentinels.
type RedisSentinel struct {
	Master   *RedisServer // the first one; after a failover it is another
	Replicas []*RedisServer
	URL      string // redis+sentinel://host:port,host:port,host:port/leader

	sentinels []string
}

const sentinelMaster = "leader" // what the Sentinels call it

// Sentinel starts a master with so many replicas, and three Sentinels that promote a replica when the master was not heard of for
// the time given. args are those of [Redis]. It returns when the replicas have caught up and the Sentinels
// know each other.
func Sentinel(tb testing.TB, replicas int, down time.Duration, args ...string) *RedisSentinel {
	tb.Helper()
	s := &RedisSentinel{Master: Redis(tb, args...)}
	s.Replicas = startReplicas(tb, s.Master, replicas, args...)
	for range 3 {
		s.sentinels = append(s.sentinels, startSentinel(tb, s.Master.Addr, down))
	}
	s.URL = "redis+sentinel://" + strings.Join(s.sentinels, ",") + "/" + sentinelMaster
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, addr := range s.sentinels {
		awaitAnswer(ctx, tb, addr, "SENTINEL CKQUORUM "+sentinelMaster, func(answer string) bool {
			return strings.HasPrefix(answer, "+OK 3 usable Sentinels")
		})
		awaitAnswer(ctx, tb, addr, "INFO sentinel", func(answer string) bool {
			return strings.Contains(answer, fmt.Sprintf(",slaves=%d,", replicas))
		})
	}
	return s
}

// startReplicas starts servers that follow the master, and returns when they have its data.
func startReplicas(tb testing.TB, master *RedisServer, n int, args ...string) []*RedisServer {
	tb.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	mustAsk(ctx, tb, master.Addr, "CONFIG SET repl-diskless-sync-delay 0")
	replicas := make([]*RedisServer, n)
	for i := range replicas {
		replicas[i] = Redis(tb, append([]string{"--replicaof", host + " " + port, "--repl-diskless-sync-delay", "0"}, args...)...)
	}
	for _, r := range replicas {
		awaitReplica(ctx, tb, r.Addr)
	}
	return replicas
}

func awaitReplica(ctx context.Context, tb testing.TB, addr string) {
	tb.Helper()
	awaitAnswer(ctx, tb, addr, "INFO replication", func(answer string) bool {
		return strings.Contains(answer, "master_link_status:up")
	})
}

// startSentinel starts a Sentinel and returns its address. Two of three must agree that the master is down.
func startSentinel(tb testing.TB, master string, down time.Duration) (addr string) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(tb, "redis-server is not on PATH")
	}
	host, port, _ := net.SplitHostPort(master)
	p := &process{name: "sentinel", path: path, dir: tb.TempDir(), ready: pingRedis}
	p.plan = func(addr string) []string {
		own, ownPort, _ := net.SplitHostPort(addr)
		conf := filepath.Join(p.dir, "sentinel.conf") // a Sentinel wants a file that it can write
		text := fmt.Sprintf("bind %s\nport %s\ndir %s\nsentinel monitor %[4]s %[5]s %[6]s 2\n"+
			"sentinel down-after-milliseconds %[4]s %[7]d\n"+
			"sentinel failover-timeout %[4]s 6000\n", own, ownPort, p.dir, sentinelMaster, host, port, down.Milliseconds())
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		return []string{conf, "--sentinel"}
	}
	p.open(tb)
	return p.addr
}

// awaitAnswer asks until the answer is as it should be.
func awaitAnswer(ctx context.Context, tb testing.TB, addr, command string, good func(answer string) bool) {
	tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := askRedis(ctx, addr, command)
		if err == nil && good(answer) {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("%s at %s: %s %v", command, addr, answer, err)
		case <-tick.C:
		}
	}
}
