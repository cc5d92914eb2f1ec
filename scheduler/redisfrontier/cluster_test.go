package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func TestWorkersGoOnWhenAServerOfTheClusterIsRestarted(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3, aof()...)
	c := redisfrontier.Config{Crawl: "node", Partitions: 16, Lease: 5 * time.Second}
	fl := newFleet(t, 3, c, func() redis.UniversalClient { return dial(t, cluster.URL) })
	fl.progress(200)
	cluster.Nodes[2].Kill()
	rest(fl.ctx, 500*time.Millisecond)
	cluster.Nodes[2].Restart()
	fl.progress(200)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

// TestMigrationOfLiveSlotsLosesNothing moves each slot that the crawl has keys in to another server and back, key by
// key, while the crawl goes on.
func TestMigrationOfLiveSlotsLosesNothing(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3)
	nodes := nodesOf(t, cluster)
	// Two crawls at once, one of few and one of many partitions.
	connect := func() redis.UniversalClient { return dial(t, cluster.URL) }
	fleets := []*fleet{
		newFleet(t, 2, redisfrontier.Config{Crawl: "moved-a", Partitions: 4, Lease: 10 * time.Second}, connect),
		newFleet(t, 2, redisfrontier.Config{Crawl: "moved-b", Partitions: 16, Lease: 10 * time.Second}, connect),
	}
	for _, fl := range fleets {
		fl.progress(100)
	}
	moved := 0
	for i, from := range nodes {
		to := nodes[(i+1)%len(nodes)]
		for slot := range slotsInUse(t, from) {
			moveSlot(t, nodes, from, to, slot)
			moved++
		}
	}
	if moved < 20 {
		t.Errorf("%d slots were moved, want those of 20 partitions at least", moved)
	}
	for _, fl := range fleets {
		fl.progress(100)
		fl.conclude()
		for i, log := range fl.logs {
			if b, p := log.count(unavailable), log.count(back); b != p || b > 1 {
				t.Errorf("frontier %d:\n%s", i, log)
			}
		}
	}
}

// TestReshardOfALiveClusterLosesNothing has redis-cli move slots while a crawl goes on.
func TestReshardOfALiveClusterLosesNothing(t *testing.T) {
	t.Parallel()
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Skip("redis-cli is not on PATH")
	}
	cluster := servers.RedisCluster(t, 3)
	nodes := nodesOf(t, cluster)
	c := redisfrontier.Config{Crawl: "reshard", Partitions: 256, Lease: 10 * time.Second}
	fl := newFleet(t, 2, c, func() redis.UniversalClient { return dial(t, cluster.URL) })
	fl.progress(100)
	used := len(slotsInUse(t, nodes[0]))
	out, err := exec.CommandContext(fl.ctx, cli, "--cluster", "reshard", cluster.Addrs[0], "--cluster-from", nodes[0].id,
		"--cluster-to", nodes[1].id, "--cluster-slots", "800", "--cluster-yes").CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli: %v\n%.2000s", err, out)
	}
	left := len(slotsInUse(t, nodes[0]))
	t.Logf("%d of %d slots with keys were moved", used-left, used)
	if left >= used {
		t.Error("no live slot was moved")
	}
	fl.progress(100)
	fl.conclude()
}

// clusterNode is a master as whoever moves slots sees it.
type clusterNode struct {
	*redis.Client

	id, host, port string
}

func nodesOf(t testing.TB, cluster *servers.RedisClusterServer) []*clusterNode {
	t.Helper()
	nodes := make([]*clusterNode, len(cluster.Nodes))
	for i, server := range cluster.Nodes {
		client := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: 20 * time.Second})
		t.Cleanup(func() { client.Close() })
		id, err := client.Do(context.Background(), "CLUSTER", "MYID").Text()
		if err != nil {
			t.Fatal(err)
		}
		host, port, _ := strings.Cut(server.Addr, ":")
		nodes[i] = &clusterNode{client, id, host, port}
	}
	return nodes
}

// slotsInUse returns the slots of which the node has keys, with their number.
func slotsInUse(t testing.TB, node *clusterNode) map[int]int {
	t.Helper()
	ctx := context.Background()
	used := map[int]int{}
	keys := node.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		slot, err := node.ClusterKeySlot(ctx, keys.Val()).Result()
		if err != nil {
			t.Fatal(err)
		}
		used[int(slot)]++
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return used
}

// moveSlot does what redis-cli does, but three keys at a time, so that many commands meet half a slot.
func moveSlot(t testing.TB, nodes []*clusterNode, from, to *clusterNode, slot int) {
	t.Helper()
	ctx := context.Background()
	do := func(node *clusterNode, args ...any) {
		t.Helper()
		if err := node.Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	do(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
	do(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
	for {
		keys, err := from.ClusterGetKeysInSlot(ctx, slot, 3).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", to.host, to.port, "", 0, 10000, "KEYS"}
		for _, key := range keys {
			args = append(args, key)
		}
		do(from, args...)
		rest(ctx, 2*time.Millisecond)
	}
	do(to, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
	do(from, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
	for _, node := range nodes {
		if node != to && node != from {
			do(node, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
		}
	}
}

func TestConfirmedPushToAClusterIsOnTheReplicas(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3)
	replicas := cluster.AddReplicas(t)
	ctx := context.Background()
	c := redisfrontier.Config{
		Crawl: "confirmed", Partitions: 16, Confirm: 1, ConfirmTimeout: 300 * time.Millisecond, Patience: 2 * time.Second, Logger: quiet(),
	}
	f := openWith(t, dial(t, cluster.URL), c)
	const tasks = 100
	list := someTasks(0, 2*tasks, 1)
	// A loaded machine may need more than one call: what a call queued, the next one finds.
	added := 0
	await(t, "a confirmed push", func() bool {
		n, err := f.Push(ctx, list[:tasks]...)
		added += n
		return err == nil
	})
	replicas[1].Freeze()
	t.Cleanup(replicas[1].Thaw)
	n, err := f.Push(ctx, list[tasks:]...)
	if !errors.Is(err, scheduler.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "0 of 1 replicas") {
		t.Errorf("push that one replica has not confirmed: %v", err)
	}
	added += n
	replicas[1].Thaw()
	await(t, "the push to be confirmed", func() bool {
		n, err := f.Push(ctx, list[tasks:]...)
		added += n
		return err == nil
	})
	if s, err := f.Stats(ctx); err != nil || s.Queued != 2*tasks || s.Seen != 2*tasks {
		t.Errorf("%d were added: %+v %v", added, s, err)
	}
	soundly(t, f)
}

func TestWorkersGoOnWhenAReplicaOfTheClusterTakesOver(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3)
	replica := dial(t, "redis://"+cluster.AddReplicas(t)[0].Addr)
	c := redisfrontier.Config{Crawl: "takeover", Partitions: 16, Lease: 6 * time.Second, Confirm: 1}
	fl := newFleet(t, 3, c, func() redis.UniversalClient { return dial(t, cluster.URL) })
	fl.progress(100)
	cluster.Nodes[0].Kill()
	awaitPromotion(t, replica)
	cluster.Nodes[0].Restart() // as a replica of the one that took over: who else could confirm?
	fl.progress(100)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

func TestOneNodeOfAClusterIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3)
	_, err := redisfrontier.Open(context.Background(), dial(t, cluster.Nodes[0].URL), redisfrontier.Config{Crawl: "one"})
	if err == nil || !strings.Contains(err.Error(), "redis://host:port,host:port") {
		t.Errorf("a single node of a cluster: %v", err)
	}
}
