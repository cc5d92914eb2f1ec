package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

const (
	unavailable = "redis is unavailable"
	back        = "redis is back"
)

// aof has Redis lose nothing of what it has answered.
func aof() []string { return []string{"--appendonly", "yes", "--appendfsync", "always"} }

func TestRestartOfRedisLosesNothing(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t, aof()...)
	fl := newFleet(t, 3, redisfrontier.Config{Crawl: "restart", Lease: 4 * time.Second}, func() redis.UniversalClient { return dial(t, server.URL) })
	fl.progress(300)
	server.Restart()
	fl.progress(300)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

func TestKilledRedisLosesNothing(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t, aof()...)
	// An outage longer than Patience: calls end with an error and are made again.
	c := redisfrontier.Config{Crawl: "kill", Lease: 4 * time.Second, Patience: 300 * time.Millisecond}
	fl := newFleet(t, 3, c, func() redis.UniversalClient { return dial(t, server.URL) })
	fl.progress(300)
	server.Kill()
	rest(fl.ctx, 1500*time.Millisecond)
	server.Restart()
	fl.progress(300)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

func TestScriptsFlushedInMidCrawlAreLoadedAgain(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	fl := newFleet(t, 3, redisfrontier.Config{Crawl: "flush", Lease: 4 * time.Second}, func() redis.UniversalClient { return dial(t, server.URL) })
	client := dial(t, server.URL)
	for range 5 {
		fl.progress(100)
		if err := client.ScriptFlush(fl.ctx).Err(); err != nil {
			t.Fatal(err)
		}
	}
	fl.conclude()
	for _, log := range fl.logs {
		if text := log.String(); text != "" {
			t.Errorf("scripts to be loaded are no outage, but the log says %s", text)
		}
	}
}

func TestSlowRedisLosesNothing(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	fl := newFleet(t, 3, redisfrontier.Config{Crawl: "slow", Lease: 5 * time.Second}, func() redis.UniversalClient {
		return dialWith(t, server.URL, func(o *redis.UniversalOptions) { o.ReadTimeout, o.DialTimeout = 2*time.Second, 2*time.Second })
	})
	fl.progress(200)
	server.Freeze() // shorter than any timeout
	rest(fl.ctx, 700*time.Millisecond)
	server.Thaw()
	fl.progress(200)
	server.Freeze() // answers come too late: commands are executed, and nobody knows
	rest(fl.ctx, 4*time.Second)
	server.Thaw()
	fl.progress(200)
	fl.conclude()
	fl.toldOnce(unavailable, back)
}

func TestWorkersThatWereCutOffGoOnByThemselves(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	p := newProxy(t, server.Addr, "")
	// One worker sees Redis all the time; what the others held goes to it when their leases have run out.
	first := true
	c := redisfrontier.Config{Crawl: "cut", Lease: 2 * time.Second, Patience: time.Second}
	fl := newFleet(t, 4, c, func() redis.UniversalClient {
		if first {
			first = false
			return dial(t, server.URL)
		}
		return dial(t, "redis://"+p.addr)
	})
	fl.progress(300)
	p.cut()
	rest(fl.ctx, 3*time.Second) // longer than a lease
	fl.progress(100)
	p.mend()
	fl.progress(300)
	fl.conclude()
	fl.toldOnce(unavailable, back)
	if said := fl.logs[0].String(); said != "" {
		t.Errorf("the worker that was not cut off says %s", said)
	}
}

func TestClaimWhoseAnswerIsLostIsNotExecutedTwice(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	p := newProxy(t, server.Addr, "the-claimer")
	ctx := context.Background()
	warm(t, server.URL)
	sent := &claimCounter{}
	client := dial(t, "redis://"+p.addr)
	client.AddHook(sent)
	f := openWith(t, client, redisfrontier.Config{
		Crawl: "lost", Partitions: 1, Lease: 2 * time.Second, Worker: "the-claimer", Logger: quiet(),
	})
	const tasks = 10
	if n, err := f.Push(ctx, someTasks(0, tasks, 1)...); err != nil || n != tasks {
		t.Fatal(n, err)
	}
	p.lose.Store(true)
	leases, err := f.Claim(ctx, 1)
	if err != nil || len(leases) != 1 {
		t.Fatal(leases, err)
	}
	if p.lose.Load() {
		t.Fatal("no claim came by")
	}
	if s := sent.n.Load(); p.marked.Load() != s {
		t.Errorf("%d claims were sent, and %d went over the wire", s, p.marked.Load())
	}
	if s, err := f.Stats(ctx); err != nil || s.Leased != 2 || s.Queued != tasks-2 {
		t.Errorf("after one claim that was lost and one that was not: %+v %v", s, err)
	}
	done := map[string]bool{}
	for len(done) < tasks {
		for _, l := range leases {
			done[string(l.Payload)] = true
			if err := f.Finish(ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done()}); err != nil && !scheduler.Lost(err, l) {
				t.Fatal(err)
			}
		}
		if len(done) < tasks {
			if leases, err = f.Claim(ctx, tasks); err != nil {
				t.Fatal(err)
			}
		}
	}
	soundly(t, f)
}

func TestFinishWhoseAnswerIsLostIsNotReportedAsLost(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	warm(t, server.URL)
	p := newProxy(t, server.Addr, "an_outcome")
	ctx := context.Background()
	f := openWith(t, dial(t, "redis://"+p.addr), redisfrontier.Config{Crawl: "lost", Logger: quiet()})
	if _, err := f.Push(ctx, someTasks(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.lose.Store(true)
	if err := f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done(), Outcome: "an_outcome"}); err != nil {
		t.Errorf("finish: %v", err)
	}
	if p.marked.Load() != 2 {
		t.Errorf("finish was sent %d times, want 2", p.marked.Load())
	}
	s, err := f.Stats(ctx)
	if err != nil || s.Done != 1 || s.Outcomes["an_outcome"] != 1 {
		t.Errorf("after a finish sent twice: %+v %v", s, err)
	}
	soundly(t, f)
}

func TestExtendWhoseAnswerIsLostKeepsTheLease(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	warm(t, server.URL)
	p := newProxy(t, server.Addr, "59000") // the lease time: in claims and extends
	ctx := context.Background()
	f := openWith(t, dial(t, "redis://"+p.addr), redisfrontier.Config{Crawl: "lost", Lease: 59 * time.Second, Logger: quiet()})
	if _, err := f.Push(ctx, someTasks(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := leases[0].Deadline
	p.lose.Store(true)
	if err := f.Extend(ctx, leases...); err != nil {
		t.Errorf("extend: %v", err)
	}
	if p.lose.Load() || !leases[0].Deadline.After(before) {
		t.Errorf("the deadline was %v and is %v", before, leases[0].Deadline)
	}
}

// TestPushThatFailedHalfWayIsCompletedByAnother has one of three servers away, so that a push reaches a part of its partitions.
func TestPushThatFailedHalfWayIsCompletedByAnother(t *testing.T) {
	t.Parallel()
	cluster := servers.RedisCluster(t, 3, aof()...)
	ctx := context.Background()
	f := openWith(t, dial(t, cluster.URL), redisfrontier.Config{
		Crawl: "half", Partitions: 16, Patience: 300 * time.Millisecond, Logger: quiet(),
	})
	const tasks = 200
	list := someTasks(0, tasks, 1)
	cluster.Nodes[1].Kill()
	first, err := f.Push(ctx, list...)
	if !errors.Is(err, scheduler.ErrUnavailable) {
		t.Fatalf("push to a cluster with a server away: %d, %v", first, err)
	}
	cluster.Nodes[1].Restart()
	added := first
	await(t, "the rest of the push", func() bool {
		n, err := f.Push(ctx, list...)
		added += n
		return err == nil
	})
	if added != tasks {
		t.Errorf("%d were added in all (%d of them at first), want %d", added, first, tasks)
	}
	if s, err := f.Stats(ctx); err != nil || s.Queued != tasks || s.Seen != tasks {
		t.Errorf("%+v %v", s, err)
	}
	soundly(t, f)
}

func TestWaitsEndPromptlyWhenClosedDuringAnOutage(t *testing.T) {
	t.Parallel()
	for _, outage := range []string{"killed", "frozen"} {
		t.Run(outage, func(t *testing.T) {
			t.Parallel()
			server := servers.Redis(t)
			ctx := context.Background()
			client := dial(t, server.URL)
			f := openWith(t, client, redisfrontier.Config{Crawl: "close", Patience: time.Hour, Logger: quiet()})
			if outage == "killed" {
				server.Kill()
			} else {
				server.Freeze()
				t.Cleanup(server.Thaw)
			}
			ended := make(chan error, 4)
			go func() { _, err := f.Claim(ctx, 1); ended <- err }()
			go func() { _, err := f.Push(ctx, someTasks(0, 1, 1)...); ended <- err }()
			go func() { ended <- f.WaitDone(ctx) }()
			go func() { _, err := f.Stats(ctx); ended <- err }()
			rest(ctx, 200*time.Millisecond)
			closed := make(chan struct{})
			go func() { f.Close(); close(closed) }()
			late := time.After(enough)
			select {
			case <-closed:
			case <-late:
				t.Fatal("Close hangs")
			}
			client.Close() // as the owner of both does: what is on its way ends with it
			for range cap(ended) {
				select {
				case err := <-ended:
					if err == nil {
						t.Error("a call succeeded without Redis")
					}
				case <-late:
					t.Fatal("a call hangs")
				}
			}
		})
	}
}

func TestOutageLongerThanPatienceIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	ctx := context.Background()
	log := &logbook{}
	f := openWith(t, dial(t, server.URL), redisfrontier.Config{
		Crawl: "patience", Patience: 100 * time.Millisecond, Logger: slog.New(log),
	})
	if _, err := f.Push(ctx, someTasks(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	for range 3 {
		_, claimErr := f.Claim(ctx, 1)
		_, pushErr := f.Push(ctx, someTasks(1, 1, 1)...)
		_, doneErr := f.Done(ctx)
		for name, err := range map[string]error{
			"Claim": claimErr, "Push": pushErr, "Done": doneErr, "WaitDone": f.WaitDone(ctx),
			"Extend": f.Extend(ctx, leases...),
			"Finish": f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()}),
		} {
			if !errors.Is(err, scheduler.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := log.count(unavailable); n != 1 {
		t.Errorf("the log says %d times that redis is unavailable:\n%s", n, log)
	}
}

// TestKnownIsForgottenWhenRedisLostIt has Redis restart without its data: what this process took as known is not.
func TestKnownIsForgottenWhenRedisLostIt(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprintf("idle=%v", idle), func(t *testing.T) {
			t.Parallel()
			server := servers.Redis(t)
			ctx := context.Background()
			client := dial(t, server.URL)
			f := openWith(t, client, redisfrontier.Config{Crawl: "known", Partitions: 1, Logger: quiet()})
			list := someTasks(0, 10, 1)
			// A state before the push, to be restored after it, is what a failover to a lagging replica leaves.
			state := map[string]string{}
			for _, key := range client.Keys(ctx, "*").Val() {
				state[key] = client.Dump(ctx, key).Val()
			}
			if n, err := f.Push(ctx, list...); n != 10 || err != nil {
				t.Fatal(n, err)
			}
			if n, err := f.Push(ctx, list...); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			if idle { // only the subscription will notice
				waiting, cancel := context.WithCancel(ctx)
				defer cancel()
				go f.WaitDone(waiting) //nolint:errcheck // it ends with the test
				await(t, "a subscription", func() bool {
					return len(client.PubSubChannels(ctx, "*").Val()) == 1
				})
			}
			server.Restart()
			other := dial(t, server.URL)
			for key, dump := range state {
				if err := other.RestoreReplace(ctx, key, 0, dump).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if idle {
				await(t, "the subscription to stand again", func() bool {
					return len(other.PubSubChannels(ctx, "*").Val()) == 1
				})
			} else if _, err := f.Stats(ctx); err != nil {
				t.Fatal(err)
			}
			added := 0
			await(t, "the lost tasks to be queued again", func() bool {
				n, err := f.Push(ctx, list...)
				if err != nil {
					t.Fatal(err)
				}
				added += n
				return added == 10
			})
			soundly(t, f)
		})
	}
}

// warm has the server know the scripts.
func warm(t *testing.T, url string) {
	t.Helper()
	ctx := context.Background()
	f := openWith(t, dial(t, url), redisfrontier.Config{Crawl: "warm", Logger: quiet()})
	if _, err := f.Push(ctx, someTasks(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	leases, err := f.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Extend(ctx, leases...), f.Finish(ctx, scheduler.Result{Lease: leases[0], Verdict: scheduler.Done()})); err != nil {
		t.Fatal(err)
	}
}

// claimCounter counts the claims that a frontier hands to its client. It knows them by the name of the worker.
type claimCounter struct{ n atomic.Int64 }

func (c *claimCounter) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (c *claimCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (c *claimCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if slices.Contains(cmd.Args(), any("the-claimer")) {
				c.n.Add(1)
			}
		}
		return next(ctx, cmds)
	}
}
