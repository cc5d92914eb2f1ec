package servers

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
)

const slots = 16384 // of a Redis Cluster

// RedisClusterServer is a private Redis Cluster: masters, and replicas if they are added.
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
		c.start(tb, args)
	}
	c.URL = "redis://" + strings.Join(c.Addrs, ",")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for i, node := range c.Nodes {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		mustAsk(ctx, tb, node.Addr, fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
		mustAsk(ctx, tb, node.Addr, fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", first, last))
	}
	for i := range masters - 1 {
		c.meet(ctx, tb, i+1)
	}
	c.await(ctx, tb)
	return c
}

// AddReplicas gives each master one replica, and returns when they have caught up. args are those of [Redis]. The replica of
// Nodes[i] is returned at i, and stands in Nodes and Addrs behind the masters.
func (c *RedisClusterServer) AddReplicas(tb testing.TB, args ...string) []*RedisServer {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	masters := len(c.Nodes)
	for range masters {
		c.start(tb, append([]string{"--repl-diskless-sync-delay", "0"}, args...))
	}
	for i := range masters {
		mustAsk(ctx, tb, c.Addrs[i], "CONFIG SET repl-diskless-sync-delay 0")
		c.meet(ctx, tb, masters+i)
	}
	c.await(ctx, tb)
	for i := range masters {
		id, err := askRedis(ctx, c.Addrs[i], "CLUSTER MYID")
		if err != nil {
			tb.Fatal(err)
		}
		mustAsk(ctx, tb, c.Addrs[masters+i], "CLUSTER REPLICATE "+id)
	}
	for i := range masters {
		awaitReplica(ctx, tb, c.Addrs[masters+i])
	}
	return c.Nodes[masters:]
}

// start starts a node that knows no other.
func (c *RedisClusterServer) start(tb testing.TB, args []string) {
	tb.Helper()
	node := redis(tb, func() []string {
		return append([]string{
			"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "2000", "--cluster-port", freePort(tb),
		}, args...)
	})
	c.Nodes = append(c.Nodes, node)
	c.Addrs = append(c.Addrs, node.Addr)
}

// meet makes node i known to the first.
func (c *RedisClusterServer) meet(ctx context.Context, tb testing.TB, i int) {
	tb.Helper()
	host, port, _ := net.SplitHostPort(c.Addrs[i])
	mustAsk(ctx, tb, c.Addrs[0], fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, c.busPort(ctx, tb, i)))
}

// await returns when every node sees all others.
func (c *RedisClusterServer) await(ctx context.Context, tb testing.TB) {
	tb.Helper()
	for _, addr := range c.Addrs {
		awaitAnswer(ctx, tb, addr, "CLUSTER INFO", func(info string) bool {
			return strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))) &&
				strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d", slots))
		})
	}
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
