package servers

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

const slots = 16384 // of a Redis Cluster

// RedisClusterServer is a private Redis Cluster of masters only.
type RedisClusterServer struct {
	Nodes []*RedisServer
	Addrs []string
	URL   string // redis://host:port,host:port,host:port
}

// RedisCluster starts a cluster of so many masters, at least 3, among which the slots are spread evenly. args
// are those of [Redis]. It returns when every node sees the whole cluster.
func RedisCluster(tb testing.TB, masters int, args ...string) *RedisClusterServer {
	tb.Helper()
	c := &RedisClusterServer{}
	for range masters {
		node := redis(tb, func() []string {
			return append([]string{
				"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
				"--cluster-node-timeout", "2000", "--cluster-port", freePort(tb),
			}, args...)
		})
		c.Nodes = append(c.Nodes, node)
		c.Addrs = append(c.Addrs, node.Addr)
	}
	c.URL = "redis://" + strings.Join(c.Addrs, ",")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for i, node := range c.Nodes {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		mustAsk(ctx, tb, node.Addr, fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
		mustAsk(ctx, tb, node.Addr, fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", first, last))
	}
	for i, node := range c.Nodes[1:] {
		host, port, _ := net.SplitHostPort(node.Addr)
		mustAsk(ctx, tb, c.Addrs[0], fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, c.busPort(ctx, tb, i+1)))
	}
	for _, node := range c.Nodes {
		awaitCluster(ctx, tb, node.Addr, masters)
	}
	return c
}

// busPort returns the port at which node i talks to the others.
func (c *RedisClusterServer) busPort(ctx context.Context, tb testing.TB, i int) string {
	tb.Helper()
	nodes, err := askRedis(ctx, c.Addrs[i], "CLUSTER NODES") // <id> host:port@bus ...
	_, after, ok := strings.Cut(nodes, "@")
	if err != nil || !ok {
		tb.Fatalf("cluster node %s says %q: %v", c.Addrs[i], nodes, err)
	}
	bus, _, _ := strings.Cut(after, " ")
	bus, _, _ = strings.Cut(bus, ",")
	return bus
}

func awaitCluster(ctx context.Context, tb testing.TB, addr string, masters int) {
	tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := askRedis(ctx, addr, "CLUSTER INFO")
		if err == nil && strings.Contains(info, "cluster_state:ok") &&
			strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", masters)) &&
			strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d", slots)) {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("cluster node %s is not ready: %s %v", addr, info, err)
		case <-tick.C:
		}
	}
}

func mustAsk(ctx context.Context, tb testing.TB, addr, command string) {
	tb.Helper()
	if answer, err := askRedis(ctx, addr, command); err != nil || answer != "+OK" {
		tb.Fatalf("%s at %s: %s %v", command, addr, answer, err)
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	addr, err := freeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	return port
}
