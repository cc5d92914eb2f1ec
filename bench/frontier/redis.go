package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/bench/internal/redisd"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// push compares pushes with ZADD of the same URLs, pipelined by redis-benchmark and by the client that the frontier uses
// itself, each on one connection. redis-benchmark makes its URLs up as it goes, of the same length.
func (b *bench) push(ctx context.Context) error {
	r := rounds{}
	list := tasks(0, b.urls, perHost)
	err := b.server(ctx, func(s *redisd.Server) error {
		for range b.rounds {
			rate, err := b.redisBenchmark(ctx, s)
			if err != nil {
				return err
			}
			r.add("redis-benchmark", rate)
			if err := s.Client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			cost, took, err := measure(ctx, s, func() error { return zadd(ctx, s.Client, b.urls, b.batch) })
			if err != nil {
				return err
			}
			r.add("zadd", float64(b.urls)/took.Seconds())
			r.add("zadd µs", micros(cost, b.urls))
			f, err := b.open(ctx, s, 0)
			if err != nil {
				return err
			}
			cost, took, err = measure(ctx, s, func() error { return pushAll(ctx, f, list, b.batch) })
			if err != nil {
				return err
			}
			r.add("push", float64(b.urls)/took.Seconds())
			r.add("push µs", micros(cost, b.urls))
			if err := f.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add("push", "redis-benchmark, ZADD of URLs, pipelined", "URLs/s", r.median("redis-benchmark"))
	b.add("push", "go-redis, ZADD of the same URLs, pipelined", "URLs/s", r.median("zadd"))
	b.add("push", "push", "URLs/s", r.median("push"))
	b.least("push", "push by redis-benchmark's ZADD", "%", 100*r.ratio("push", "redis-benchmark"), 55)
	b.least("push", "push by go-redis' ZADD", "%", 100*r.ratio("push", "zadd"), 55)
	b.add("push", "Redis CPU of such a ZADD", "µs/URL", r.median("zadd µs"))
	b.add("push", "Redis CPU of a push", "µs/URL", r.median("push µs"))
	return nil
}

func measure(ctx context.Context, s *redisd.Server, do func() error) (cost redisd.Cost, took time.Duration, err error) {
	before, err := s.Cost(ctx)
	if err != nil {
		return cost, 0, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return cost, 0, err
	}
	took = time.Since(began)
	after, err := s.Cost(ctx)
	return redisd.Cost{
		CPU: after.CPU - before.CPU, MainCPU: after.MainCPU - before.MainCPU,
		Commands: after.Commands - before.Commands - 1, Scripts: after.Scripts - before.Scripts, Memory: after.Memory - before.Memory,
	}, took, err
}

// micros is what the thread that runs the commands spent on each of n, in µs.
func micros(c redisd.Cost, n int) float64 { return c.MainCPU.Seconds() * 1e6 / float64(n) }

func (b *bench) redisBenchmark(ctx context.Context, s *redisd.Server) (perSecond float64, err error) {
	if err := s.Client.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	url := address(0, perHost)
	const made = "__rand_int__" // stands for 12 digits
	url = url[:len(url)-len(made)-1] + made + "/"
	run := exec.CommandContext(ctx, "redis-benchmark", "-h", "127.0.0.1", "-p", port, "-c", "1", "-P", strconv.Itoa(b.batch), //nolint:gosec // numbers
		"-n", strconv.Itoa(b.urls), "-r", "1000000000", "--csv", "ZADD", "bench", "0", url)
	run.Stderr = os.Stderr
	out, err := run.Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	lines, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(lines) == 0 || len(lines[len(lines)-1]) < 2 {
		return 0, fmt.Errorf("redis-benchmark answered %.200q: %w", out, err)
	}
	return strconv.ParseFloat(lines[len(lines)-1][1], 64)
}

func zadd(ctx context.Context, client *redis.Client, urls, batch int) error {
	for i := 0; i < urls; i += batch {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for k := range batch {
				p.ZAdd(ctx, "bench", redis.Z{Member: address(i+k, perHost)})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cycle compares the whole way of a URL with that of scrapy-redis, done one by one as it does, and with asynq's.
func (b *bench) cycle(ctx context.Context) error {
	r := rounds{}
	err := b.server(ctx, func(s *redisd.Server) error {
		for range b.rounds {
			if err := b.lycosaCycle(ctx, s, r); err != nil {
				return err
			}
			if err := s.Client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			few := b.urls / 4 // it is slow
			_, took, err := measure(ctx, s, func() error { return oneByOne(ctx, s.Client, few) })
			if err != nil {
				return err
			}
			r.add("one by one", float64(few)/took.Seconds())
			if b.asynq == "" {
				continue
			}
			if err := s.Client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			rate, err := b.runAsynq(ctx, s, few)
			if err != nil {
				return err
			}
			r.add("asynq", rate)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add("cycle", "push + claim + finish", "URLs/s", r.median("cycle"))
	b.add("cycle", "SADD, ZADD, ZRANGE+ZREM one by one", "URLs/s", r.median("one by one"))
	b.least("cycle", "push + claim + finish by one by one", "times", r.ratio("cycle", "one by one"), 4)
	if b.asynq != "" {
		b.add("cycle", "asynq v0.26.0, enqueue + process", "URLs/s", r.median("asynq"))
		b.least("cycle", "push + claim + finish by asynq", "times", r.ratio("cycle", "asynq"), 7)
	}
	for _, step := range []string{"push", "claim", "finish"} {
		b.add("cycle", "Redis CPU of "+step, "µs/URL", r.median(step+" µs"))
		b.add("cycle", "URLs of a script of "+step, "URLs", r.median(step+" URLs"))
	}
	b.most("cycle", "Redis CPU of the whole cycle", "µs/URL", r.median("cycle µs"), 15)
	return nil
}

func (b *bench) lycosaCycle(ctx context.Context, s *redisd.Server, r rounds) error {
	f, err := b.open(ctx, s, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	list := tasks(0, b.urls, perHost)
	var all, cpu float64
	step := func(name string, do func() error) error {
		cost, took, err := measure(ctx, s, do)
		r.add(name+" µs", micros(cost, b.urls))
		r.add(name+" URLs", float64(b.urls)/float64(max(cost.Scripts, 1)))
		all, cpu = all+took.Seconds(), cpu+micros(cost, b.urls)
		return err
	}
	if err := step("push", func() error { return pushAll(ctx, f, list, b.batch) }); err != nil {
		return err
	}
	leases := make([]*scheduler.Lease, 0, b.urls)
	if err := step("claim", func() (err error) { leases, err = claimAll(ctx, f, b.urls, b.batch); return err }); err != nil {
		return err
	}
	if err := step("finish", func() error { return finishAll(ctx, f, leases, b.batch) }); err != nil {
		return err
	}
	r.add("cycle", float64(b.urls)/all)
	r.add("cycle µs", cpu)
	return nil
}

// oneByOne does with each URL what scrapy-redis does: SADD of a fingerprint and ZADD of the request when it is pushed,
// MULTI, ZRANGE, ZREMRANGEBYRANK, EXEC in one round trip when it is popped. Nobody holds it then.
func oneByOne(ctx context.Context, client *redis.Client, urls int) error {
	for _, t := range tasks(0, urls, perHost) {
		if n, err := client.SAdd(ctx, "dupefilter", t.ID.String()).Result(); err != nil || n != 1 {
			return fmt.Errorf("SADD: %d, %w", n, err)
		}
		if err := client.ZAdd(ctx, "requests", redis.Z{Member: t.Payload}).Err(); err != nil {
			return err
		}
	}
	for range urls {
		var popped *redis.StringSliceCmd
		_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			popped = p.ZRange(ctx, "requests", 0, 0)
			p.ZRemRangeByRank(ctx, "requests", 0, 0)
			return nil
		})
		if err != nil || len(popped.Val()) != 1 {
			return fmt.Errorf("ZRANGE: %d, %w", len(popped.Val()), err)
		}
	}
	return nil
}

// runAsynq has the peer enqueue and process tasks with a URL each.
func (b *bench) runAsynq(ctx context.Context, s *redisd.Server, urls int) (perSecond float64, err error) {
	run := exec.CommandContext(ctx, "go", "run", ".", "-redis", s.Addr, "-n", strconv.Itoa(urls)) //nolint:gosec // a number
	run.Dir = b.asynq
	run.Env = append(run.Environ(), "GOWORK=off")
	var errs strings.Builder
	run.Stderr = &errs
	out, err := run.Output()
	if err != nil {
		return 0, fmt.Errorf("the asynq peer in %s: %w: %s", b.asynq, err, strings.TrimSpace(errs.String()))
	}
	var rates struct {
		CyclePerSecond float64 `json:"cycle_per_s"`
	}
	err = json.Unmarshal(out, &rates)
	return rates.CyclePerSecond, err
}

// page measures a page with 50 links of which 45 are known, with the client's memory of known fingerprints and without.
func (b *bench) page(ctx context.Context) error {
	const links, fresh, pages = 50, 5, 400
	r := rounds{}
	err := b.server(ctx, func(s *redisd.Server) error {
		for range b.rounds {
			for name, known := range map[string]int{"on": 0, "off": -1} {
				f, err := b.open(ctx, s, known)
				if err != nil {
					return err
				}
				old := tasks(0, links-fresh, perHost)
				if err := pushAll(ctx, f, old, len(old)); err != nil {
					return err
				}
				cost, _, err := measure(ctx, s, func() error {
					for range pages {
						if _, err := f.Push(ctx, old...); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
				r.add("known µs "+name, micros(cost, pages))
				r.add("known scripts "+name, float64(cost.Scripts)/pages)
				cost, _, err = measure(ctx, s, func() error {
					for i := range pages {
						if n, err := f.Push(ctx, append(old, tasks(1000+i*perHost, fresh, perHost)...)...); err != nil || n != fresh {
							return fmt.Errorf("%d links were new: %w", n, err)
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
				r.add("page µs "+name, micros(cost, pages))
				if err := f.Close(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.most("page", "scripts for 45 known links, remembered", "", r.median("known scripts on"), 0)
	// Reading INFO twice costs a little too.
	b.most("page", "Redis CPU for 45 known links, remembered", "µs/page", r.median("known µs on"), 1)
	b.add("page", "scripts for 45 known links, not remembered", "", r.median("known scripts off"))
	b.add("page", "Redis CPU for 45 known links, not remembered", "µs/page", r.median("known µs off"))
	b.add("page", "Redis CPU for 45 known and 5 new links, remembered", "µs/page", r.median("page µs on"))
	b.add("page", "Redis CPU for 45 known and 5 new links, not remembered", "µs/page", r.median("page µs off"))
	return nil
}

// memory measures the bytes that a pending URL takes.
func (b *bench) memory(ctx context.Context) error {
	url := address(0, 1)
	b.most("memory", "payload of a followed link beyond its URL", "B", float64(len(tasks(0, 1, 1)[0].Payload)-len(url)), 48)
	for _, c := range []struct{ each, total int }{{100, 300_000}, {1, b.hosts}} {
		err := b.server(ctx, func(s *redisd.Server) error {
			f, err := b.open(ctx, s, -1)
			if err != nil {
				return err
			}
			defer f.Close()
			const batch = 2000
			payload := 0
			cost, _, err := measure(ctx, s, func() error {
				for i := 0; i < c.total; i += batch {
					list := tasks(i, min(batch, c.total-i), c.each)
					payload += len(list[0].Payload) * len(list)
					if err := pushAll(ctx, f, list, batch); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			each := float64(cost.Memory) / float64(c.total)
			if c.each > 1 {
				b.most("memory", fmt.Sprintf("Redis memory of a URL beyond its payload, %d a host", c.each), "B",
					each-float64(payload)/float64(c.total), 40)
				return nil
			}
			b.most("memory", fmt.Sprintf("Redis memory of a URL in all, one a host, %d hosts", c.total), "B", each, 600)
			b.add("memory", "10 million such hosts, extrapolated", "GB", each*1e7/1e9)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// revisit measures URLs that wait for their revisit, 100 a host, with a record of 24 bytes in the payload: the memory of state and
// due time, at as many a minute as a partition of a crawl may have, and the CPU of finishing, planning anew and claiming them.
func (b *bench) revisit(ctx context.Context) error {
	const total, turned = 100_000, 60_000
	known := func(name string, urls int, perMinute []int, turns int) error {
		done, _, err := b.waiting(ctx, urls, 0, 0)
		if err != nil {
			return err
		}
		for _, n := range perMinute {
			memory, payload, err := b.waiting(ctx, urls, n, turns)
			if err != nil {
				return err
			}
			b.most("revisit", fmt.Sprintf("state and due time of a URL that waits for its revisit, %d a minute%s", n, name), "B",
				float64(memory-done)/float64(urls)-float64(payload), 75)
		}
		return nil
	}
	if err := known("", total, []int{1, 4, 23, 90, 160, 230, 300, 1000, 4000}, 0); err != nil {
		return err
	}
	if err := known(", after three rounds", turned, []int{1, 4, 23, 230}, 3); err != nil {
		return err
	}
	for _, perMinute := range []int{4, 23, 230} {
		if err := b.revisits(ctx, perMinute); err != nil {
			return err
		}
	}
	return nil
}

// learnt returns the payload of a lease with a record of 24 bytes.
func learnt(l *scheduler.Lease) []byte {
	record := `,"c":"` + strings.Repeat("A", 32) + `"}`
	return append(l.Payload[:len(l.Payload)-1:len(l.Payload)-1], record...)
}

// waiting returns the memory of Redis after so many URLs were finished, and the length of a payload before it had a record. They are
// planned for times drawn from as many minutes as make so many a minute, or are done if that is 0. Then each comes due so often,
// is claimed and planned for a time drawn from twice as many minutes.
func (b *bench) waiting(ctx context.Context, total, perMinute, turns int) (memory int64, payload int, err error) {
	err = b.server(ctx, func(s *redisd.Server) error {
		f, clock, err := b.openAt(ctx, s)
		if err != nil {
			return err
		}
		defer f.Close()
		draw, due := rand.New(rand.NewPCG(1, 2)), map[int64]int{}
		verdict := func(minutes int) func(*scheduler.Lease) scheduler.Verdict {
			return func(l *scheduler.Lease) scheduler.Verdict {
				if perMinute == 0 {
					return scheduler.Done()
				}
				minute := clock.Load()/60_000 + 60 + int64(draw.IntN(minutes/perMinute))
				due[minute]++
				payload := l.Payload
				if turns == 0 || !bytes.Contains(payload, []byte(`,"c":`)) {
					payload = learnt(l)
				}
				return scheduler.Revisit(time.UnixMilli(minute * 60_000)).WithPayload(payload)
			}
		}
		cost, _, err := measure(ctx, s, func() error {
			for i := 0; i < total; i += 2000 {
				list := tasks(i, 2000, 100)
				payload = len(list[0].Payload)
				if err := pushAll(ctx, f, list, 2000); err != nil {
					return err
				}
				leases, err := claimAll(ctx, f, len(list), b.batch)
				if err != nil {
					return err
				}
				if err := finishBy(ctx, f, leases, b.batch, verdict(total)); err != nil {
					return err
				}
			}
			for left := turns * total; left > 0; {
				ready := 0
				for ready < 200 { // there are that many left, as each comes again
					minute := clock.Add(60_000) / 60_000
					ready += due[minute]
					delete(due, minute)
				}
				leases, err := claimAll(ctx, f, ready, b.batch)
				if err != nil {
					return err
				}
				if err := finishBy(ctx, f, leases, b.batch, verdict(2*total)); err != nil {
					return err
				}
				left -= ready
			}
			return nil
		})
		memory = cost.Memory
		return err
	})
	return memory, payload, err
}

// openAt opens a new crawl on the server whose clock, in ms, is the bench's own.
func (b *bench) openAt(ctx context.Context, s *redisd.Server) (*redisfrontier.Frontier, *atomic.Int64, error) {
	if err := s.Client.FlushAll(ctx).Err(); err != nil {
		return nil, nil, err
	}
	clock := &atomic.Int64{}
	clock.Store(time.Now().Truncate(time.Minute).UnixMilli())
	f, err := redisfrontier.Open(ctx, s.Client, redisfrontier.Config{
		Crawl: "bench", Partitions: b.partitions, Pace: scheduler.Pace{Concurrency: 1000}, Known: -1, Lease: 1000 * time.Hour,
		Now: func() time.Time { return time.UnixMilli(clock.Load()) }, Logger: slog.New(slog.DiscardHandler),
	})
	return f, clock, err
}

// finishBy finishes leases with the verdicts that it is told.
func finishBy(ctx context.Context, f scheduler.Frontier, leases []*scheduler.Lease, batch int, verdict func(*scheduler.Lease) scheduler.Verdict) error {
	results := make([]scheduler.Result, 0, batch)
	for chunk := range slices.Chunk(leases, batch) {
		results = results[:0]
		for _, l := range chunk {
			results = append(results, scheduler.Result{
				Lease: l, Verdict: verdict(l), Sent: 1, Outcome: "ok", Items: 1, Bytes: 1000, Status: 200, Sums: []float64{1, 0.5, 0.25},
			})
		}
		if err := f.Finish(ctx, results...); err != nil {
			return err
		}
	}
	return nil
}

// revisits compares what Redis' main thread spends on a URL that comes again with one that does not: its finish, and its claim when
// minute after minute its time has come. The clock is the bench's own.
func (b *bench) revisits(ctx context.Context, perMinute int) error {
	r := rounds{}
	minutes := b.urls / perMinute
	err := b.server(ctx, func(s *redisd.Server) error {
		for range b.rounds {
			f, clock, err := b.openAt(ctx, s)
			if err != nil {
				return err
			}
			base := time.UnixMilli(clock.Load())
			draw, due := rand.New(rand.NewPCG(1, 2)), make([]int, minutes)
			var leases []*scheduler.Lease
			step := func(name string, do func() error) error {
				cost, _, err := measure(ctx, s, do)
				r.add(name, micros(cost, b.urls))
				return err
			}
			for i, kind := range []string{"done", "revisit"} {
				list := tasks(i*b.urls, b.urls, 100)
				if err := pushAll(ctx, f, list, b.batch); err != nil {
					return err
				}
				err = step("claim "+kind, func() (err error) { leases, err = claimAll(ctx, f, b.urls, b.batch); return err })
				if err != nil {
					return err
				}
				err = step("finish "+kind, func() error {
					return finishBy(ctx, f, leases, b.batch, func(l *scheduler.Lease) scheduler.Verdict {
						if kind == "done" {
							return scheduler.Done()
						}
						m := draw.IntN(minutes)
						due[m]++
						return scheduler.Revisit(base.Add(time.Duration(m+60) * time.Minute)).WithPayload(learnt(l))
					})
				})
				if err != nil {
					return err
				}
			}
			refs := make([]scheduler.TaskRef, 0, 1000)
			for k := range cap(refs) {
				l := leases[k*len(leases)/cap(refs)]
				refs = append(refs, scheduler.TaskRef{Host: l.Host, ID: l.ID})
			}
			cost, _, err := measure(ctx, s, func() error {
				_, err := f.Reschedule(ctx, refs, func(_ int, t scheduler.Task) (scheduler.Task, []float64, bool) { return t, nil, true })
				return err
			})
			if err != nil {
				return err
			}
			r.add("reschedule", micros(cost, len(refs)))
			err = step("claim again", func() error {
				for m, n := range due {
					clock.Store(base.Add(time.Duration(m+60) * time.Minute).UnixMilli())
					if n == 0 {
						continue
					}
					if leases, err = claimAll(ctx, f, n, n); err != nil {
						return err
					}
				}
				return nil
			})
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	at := fmt.Sprintf(", %d a minute", perMinute)
	b.add("revisit", "Redis CPU of a finish that plans a revisit"+at, "µs/URL", r.median("finish revisit"))
	b.add("revisit", "the same by a finish that ends a URL"+at, "times", r.ratio("finish revisit", "finish done"))
	b.add("revisit", "Redis CPU of a claim of revisits, minute by minute"+at, "µs/URL", r.median("claim again"))
	b.add("revisit", "the same by a claim of new URLs"+at, "times", r.ratio("claim again", "claim revisit"))
	b.add("revisit", "Redis CPU of planning anew"+at, "µs/URL", r.median("reschedule"))
	return nil
}

// aof measures the cycle with the append-only file in its three modes.
func (b *bench) aof(ctx context.Context) error {
	r := rounds{}
	modes := []string{"no", "everysec", "always"}
	for range b.rounds {
		for _, mode := range modes {
			err := b.server(ctx, func(s *redisd.Server) error {
				one := rounds{}
				if err := b.lycosaCycle(ctx, s, one); err != nil {
					return err
				}
				r.add(mode, one.median("cycle"))
				return nil
			}, "--appendonly", "yes", "--appendfsync", mode)
			if err != nil {
				return err
			}
		}
	}
	for _, mode := range modes {
		b.add("aof", "push + claim + finish, appendfsync "+mode, "URLs/s", r.median(mode))
	}
	return nil
}
