package redisfrontier_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/frontiertest"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func TestSuiteUnderSentinel(t *testing.T) {
	t.Parallel()
	// A master that is slow on a loaded machine is not to be replaced: the suite knows no failover.
	frontiertest.Run(t, opener(servers.Sentinel(t, 1, time.Hour).URL, 16))
}

func TestWorkersGoOnAfterAFailover(t *testing.T) {
	t.Parallel()
	s := servers.Sentinel(t, 2, time.Second)
	c := redisfrontier.Config{Crawl: "failover", Lease: 6 * time.Second, Confirm: 1}
	fl := newFleet(t, 3, c, func() redis.UniversalClient { return dial(t, s.URL) })
	fl.progress(200)
	s.Master.Kill()
	fl.progress(200)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

// TestFailoverToALaggingReplicaLosesNoConfirmedPush kills the master when its replica has received nothing for a while. What
// Push has accepted is on the replica if it was confirmed; if not, whole pushes are missing, never parts of one.
func TestFailoverToALaggingReplicaLosesNoConfirmedPush(t *testing.T) {
	t.Parallel()
	for name, confirm := range map[string]int{"confirmed": 1, "unconfirmed": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.Sentinel(t, 1, time.Second)
			link := lag(t, s)
			ctx := context.Background()
			c := redisfrontier.Config{Crawl: name, Partitions: 1, Confirm: confirm, Patience: 200 * time.Millisecond, Known: -1, Logger: quiet()}
			// Against the master itself: the last push accepted is the last before its end.
			f := openWith(t, dial(t, s.Master.URL), c)
			const batch = 64
			accepted := make(chan int)
			stop := make(chan struct{})
			go func() {
				n := 0
				for {
					_, err := f.Push(ctx, someTasks(n*batch, batch, 8)...)
					if err == nil {
						n++
					}
					select {
					case <-stop:
						if err != nil {
							accepted <- n
							return
						}
					default:
					}
				}
			}()
			rest(ctx, 500*time.Millisecond)
			link.mute.Store(true)
			rest(ctx, 300*time.Millisecond)
			s.Master.Kill()
			close(stop)
			n := <-accepted

			c.Confirm, c.Patience = 0, 30*time.Second
			replica := dial(t, s.Replicas[0].URL)
			awaitPromotion(t, replica)
			after := openWith(t, dialInTime(t, s.URL), c)
			soundly(t, after)
			lost := 0
			for i := range n {
				added, err := after.Push(ctx, someTasks(i*batch, batch, 8)...)
				if err != nil {
					t.Fatal(err)
				}
				if added != 0 && added != batch {
					t.Errorf("push %d was lost in part: %d of %d", i, added, batch)
				}
				lost += added
			}
			t.Logf("%d of %d accepted URLs were lost", lost, n*batch)
			if n == 0 || confirm > 0 && lost > 0 {
				t.Errorf("%d of %d accepted URLs were lost", lost, n*batch)
			}
			soundly(t, after)
		})
	}
}

// lag has the replica follow its master through a proxy, which can keep from it what the master sends. To freeze the replica would
// not do: what the kernel has received for it is not lost with the master.
func lag(t *testing.T, s *servers.RedisSentinel) *proxy {
	t.Helper()
	p := newProxy(t, s.Master.Addr, "")
	replica := dial(t, s.Replicas[0].URL)
	host, port, _ := net.SplitHostPort(p.addr)
	if err := replica.SlaveOf(context.Background(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the replica to follow through the proxy", func() bool {
		following, _ := infoOf(replica, "replication", "master_port")
		link, _ := infoOf(replica, "replication", "master_link_status")
		return following == port && link == "up"
	})
	return p
}

// awaitPromotion waits until a replica leads. Its connections break in that moment: Sentinels disconnect the clients of
// what they promote.
func awaitPromotion(t *testing.T, replica redis.UniversalClient) {
	t.Helper()
	await(t, "the replica to be promoted", func() bool {
		role, _ := infoOf(replica, "replication", "role")
		return role == "master"
	})
}

// dialInTime waits for the Sentinels to agree on who leads.
func dialInTime(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	var client redis.UniversalClient
	await(t, "the Sentinels to name the new master", func() bool {
		var err error
		client, err = redisfrontier.Dial(context.Background(), url)
		return err == nil
	})
	t.Cleanup(func() { client.Close() })
	return client
}

func TestTokensIncreaseOverAFailover(t *testing.T) {
	t.Parallel()
	s := servers.Sentinel(t, 1, time.Second)
	link := lag(t, s)
	ctx := context.Background()
	f := openWith(t, dial(t, s.URL), redisfrontier.Config{
		Crawl: "tokens", Partitions: 1, Pace: scheduler.Pace{Concurrency: 100}, Confirm: 1, Logger: quiet(),
	})
	if _, err := f.Push(ctx, someTasks(0, 50, 50)...); err != nil { // of one host
		t.Fatal(err)
	}
	link.mute.Store(true)
	before, err := f.Claim(ctx, 20) // the replica never hears of it
	if err != nil {
		t.Fatal(err)
	}
	s.Master.Kill()
	var after []*scheduler.Lease
	await(t, "a claim from the replica", func() bool {
		after, err = f.Claim(ctx, 20)
		return err == nil
	})
	last := before[len(before)-1].Token
	for _, l := range after {
		if l.Token <= last {
			t.Fatalf("token %d after %d", l.Token, last)
		}
		last = l.Token
	}
	// The claims that the failover took back are over: a late finish of them has no effect.
	results := make([]scheduler.Result, len(before))
	for i, l := range before {
		results[i] = scheduler.Result{Lease: l, Verdict: scheduler.Done()}
	}
	if err := f.Finish(ctx, results...); err != nil && !errors.As(err, new(*scheduler.LostError)) {
		t.Errorf("finish of claims that were taken back: %v", err)
	}
	if s, err := f.Stats(ctx); err != nil || s.Done != 0 || s.Leased != int64(len(after)) {
		t.Errorf("%+v %v", s, err)
	}
	soundly(t, f)
}

func TestUnconfirmedPushIsAnErrorAndIsQueuedOnce(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t) // without a replica
	ctx := context.Background()
	plain := openWith(t, dial(t, server.URL), redisfrontier.Config{Crawl: "alone", Logger: quiet()})
	f := openWith(t, dial(t, server.URL), redisfrontier.Config{
		Crawl: "alone", Confirm: 1, ConfirmTimeout: 20 * time.Millisecond, Patience: 200 * time.Millisecond, Logger: quiet(),
	})
	list := someTasks(0, 10, 1)
	for i := range list {
		list[i].DontFilter = true // a blind repetition would queue them again
	}
	if _, err := f.Push(ctx, list...); !errors.Is(err, scheduler.ErrUnavailable) {
		t.Errorf("push that nobody can confirm: %v", err)
	}
	if s, err := plain.Stats(ctx); err != nil || s.Queued != 10 {
		t.Errorf("%+v %v", s, err)
	}
	// A replica that joins later confirms what was pushed before.
	host, port, _ := net.SplitHostPort(server.Addr)
	servers.Redis(t, "--replicaof", host+" "+port)
	added := 0
	for i := range list {
		list[i].DontFilter = false
	}
	await(t, "a confirmed push", func() bool {
		n, err := f.Push(ctx, list...)
		added += n
		return err == nil
	})
	if added != 0 {
		t.Errorf("%d were added that were known", added)
	}
}

func TestASentinelIsNoRedis(t *testing.T) {
	t.Parallel()
	s := servers.Sentinel(t, 1, time.Hour)
	addr, _, _ := strings.Cut(strings.TrimPrefix(s.URL, "redis+sentinel://"), ",")
	_, err := redisfrontier.Open(context.Background(), dial(t, "redis://"+addr), redisfrontier.Config{Crawl: "x"})
	if err == nil || !strings.Contains(err.Error(), "redis+sentinel://") {
		t.Errorf("the address of a Sentinel: %v", err)
	}
}
