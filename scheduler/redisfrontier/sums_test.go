package redisfrontier_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// visited is the outcome of a visit; it marks a finish.
const visited = "was_visited"

// TestSumsEqualTheRecountAfterKilledFinishes visits the same pages again and again. Each visit adds a number to the one in the
// page's payload, and the same to the sums. The connection loses answers, and workers die in the middle of a finish. In the end
// the payloads must count what the sums say: no finish took effect by half, and none twice.
func TestSumsEqualTheRecountAfterKilledFinishes(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	client := dial(t, server.URL)
	p := newProxy(t, server.Addr, visited)
	ctx, stop := context.WithTimeout(context.Background(), enough)
	defer stop()
	const pages, hosts, workers, kills = 60, 7, 4, 24
	c := redisfrontier.Config{
		Crawl: "sums", Partitions: 3, Lease: 300 * time.Millisecond, MaxExpired: 255, Pace: scheduler.Pace{Concurrency: 8},
		Patience: 5 * time.Second, Logger: quiet(),
	}
	sure := openWith(t, client, c)
	var list []scheduler.Task
	for i := range pages {
		host := fmt.Sprintf("h%d.example", i%hosts)
		list = append(list, scheduler.Task{ID: dedup.Of("", strconv.Itoa(i), nil), Host: host, Payload: []byte("0")})
	}
	if _, err := sure.Push(ctx, list...); err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var acked, killed, unsure atomic.Int64
	var crew sync.WaitGroup
	for w := range workers {
		crew.Go(func() {
			draw := rand.New(rand.NewPCG(uint64(w), 9))
			for !over.Load() && ctx.Err() == nil {
				n := 1 + draw.IntN(20) // finishes until it dies
				live(t, ctx, p, c, draw, n, &acked, &unsure)
				killed.Add(1)
			}
		})
	}
	var chaos sync.WaitGroup
	chaos.Go(func() {
		for !over.Load() && ctx.Err() == nil {
			rest(ctx, 20*time.Millisecond)
			p.lose.Store(true) // the answer to the next finish, which is then repeated
			rest(ctx, 20*time.Millisecond)
			p.cut()
			p.mend()
		}
	})
	await(t, "enough visits and deaths", func() bool { return acked.Load() > 1500 && killed.Load() > kills })
	over.Store(true)
	crew.Wait()
	chaos.Wait()

	// What the dead held is visited once more, and scheduled like the rest.
	await(t, "all pages to be scheduled", func() bool {
		if s, err := sure.Stats(ctx); err != nil || s.Scheduled == pages {
			return err == nil
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		leases, _ := sure.Claim(short, 10)
		for _, l := range leases {
			err := sure.Finish(ctx, scheduler.Result{Lease: l, Verdict: scheduler.Revisit(time.Now().Add(time.Hour))})
			if err != nil && !scheduler.Lost(err, l) {
				t.Errorf("finish: %v", err)
			}
		}
		return false
	})
	recount, total := map[string]float64{}, 0.0
	err := sure.Scheduled(ctx, func(s scheduler.Task) bool {
		v, err := strconv.ParseFloat(string(s.Payload), 64)
		if err != nil {
			t.Errorf("payload %q", s.Payload)
		}
		recount[s.Host] += v
		total += v
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	if err := sure.HostSums(ctx, func(host string, s []float64) bool { sums[host] = s[1]; return true }); err != nil {
		t.Fatal(err)
	}
	all, err := sure.Sums(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(sums, recount) || all[1] != total || total < 1500 {
		t.Errorf("the sums are %v and %v in all, the payloads count %v and %v", sums, all, recount, total)
	}
	if s, err := sure.Stats(ctx); err != nil || float64(s.Outcomes[visited]) != all[0] {
		t.Errorf("%d visits, the sums say %v (%v)", s.Outcomes[visited], all[0], err)
	}
	if unsure.Load() == 0 {
		t.Error("no worker died in the middle of a finish")
	}
	s, err := sure.Stats(ctx)
	t.Logf("%d finishes acknowledged, %d unsure, %d deaths, %d leases expired: %v", acked.Load(), unsure.Load(), killed.Load(), s.Expired, err)
	soundly(t, sure)
}

// live is a worker that dies in the middle of its n-th finish: what it has sent may have been done, and nobody repeats it.
func live(
	t *testing.T, ctx context.Context, p *proxy, c redisfrontier.Config, draw *rand.Rand, n int, acked, unsure *atomic.Int64,
) {
	client := dialWith(t, "redis://"+p.addr, func(o *redis.UniversalOptions) { o.DialTimeout = time.Second })
	defer client.Close()
	f, err := redisfrontier.Attach(ctx, client, c)
	if err != nil {
		return // it was cut off as it began
	}
	defer f.Close()
	for n > 0 && ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		leases, err := f.Claim(short, 1+draw.IntN(12))
		cancel()
		if err != nil {
			return
		}
		var results []scheduler.Result
		for _, l := range leases {
			v, err := strconv.ParseFloat(string(l.Payload), 64)
			if err != nil {
				t.Errorf("payload %q", l.Payload)
			}
			by := float64(1 + draw.IntN(5))
			payload := strconv.AppendFloat(nil, v+by, 'f', -1, 64)
			r := scheduler.Result{
				Lease: l, Verdict: scheduler.Revisit(time.Unix(0, 0)).WithPayload(payload), Sums: []float64{1, by}, Outcome: visited,
			}
			if draw.IntN(4) == 0 {
				r.Verdict = scheduler.Retry(0, "x").WithPayload(payload)
			}
			results = append(results, r)
		}
		if n--; n == 0 {
			// Its last words: the process ends while they are on their way.
			dying, die := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- f.Finish(dying, results...) }()
			rest(ctx, time.Duration(draw.IntN(800))*time.Microsecond)
			die()
			f.Close()
			if err := <-done; err != nil && !errors.As(err, new(*scheduler.LostError)) {
				unsure.Add(1)
			}
			return
		}
		err = f.Finish(ctx, results...)
		switch {
		case err == nil, errors.As(err, new(*scheduler.LostError)):
			acked.Add(int64(len(results)))
		default:
			unsure.Add(1)
			return
		}
	}
}
