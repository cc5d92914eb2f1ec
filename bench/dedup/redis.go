package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/bench/internal/redisd"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
)

const (
	batch = 100
	turn  = 10_000 // URLs that one filter gets before it is the next one's turn
)

// runner is one filter on a Redis of its own.
type runner struct {
	name   string
	spec   redisdedup.Spec
	server *redisd.Server
	add    func(ctx context.Context, fps []dedup.Fingerprint) error

	empty int64         // bytes before
	cpu   time.Duration // of the main thread
	lost  int           // new ones that were taken for seen
	curve []point
}

// point is the memory of a filter at some size.
type point struct {
	urls  int
	bytes float64 // of a URL
}

// redis has the filters take turns: each gets the same URLs, on a server of its own.
func (b *bench) redis(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lycosa-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n := int64(b.urls)
	runners := []*runner{
		{name: "SADD in Lua"},
		{name: "set", spec: redisdedup.Spec{Kind: redisdedup.Set}},
		{name: "intset", spec: redisdedup.Spec{Kind: redisdedup.IntSet}},
		{name: "intset sized", spec: redisdedup.Spec{Kind: redisdedup.IntSet, Expected: n}},
		{name: "bloom 1% sized", spec: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 0.01, Expected: n}},
		{name: "bloom 0.1% sized", spec: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 0.001, Expected: n}},
		{name: "bloom 1% unsized", spec: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 0.01}},
		{name: "twotier 0.1% sized", spec: redisdedup.Spec{Kind: redisdedup.TwoTier, Rate: 0.001, Expected: n}},
	}
	defer func() {
		for _, r := range runners {
			if r.server != nil {
				r.server.Stop()
			}
		}
	}()
	for _, r := range runners {
		at, err := os.MkdirTemp(dir, "redis-")
		if err != nil {
			return err
		}
		if r.server, err = redisd.Start(ctx, at); err != nil {
			return err
		}
		if err := r.open(ctx); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	marks := checkpoints(b.urls)
	for first := 0; first < b.urls; {
		last := min(first+turn, marks[0])
		for _, r := range runners {
			if err := r.turn(ctx, first, last, last == marks[0]); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		if first = last; first == marks[0] {
			marks = marks[1:]
		}
	}
	b.reportRedis(runners)
	return nil
}

// checkpoints are sizes at which memory is read, ten a doubling, up to n. Those of 10^7 and 10^8 URLs halved as often as it takes are
// among them: sets of integers have the same sizes then, and there are half as many.
func checkpoints(n int) (marks []int) {
	base := 100_000_000.0
	for base > 200_000 {
		base /= 2
	}
	for i := 0; ; i++ {
		mark := int(base / 2 * math.Pow(2, float64(i)/10))
		if mark < 97_000 {
			continue
		}
		if mark >= n {
			return append(marks, n)
		}
		marks = append(marks, mark)
	}
}

// open warms the server up, for what scripts and buffers take once is no part of the filter, and makes the filter.
func (r *runner) open(ctx context.Context) error {
	// A histogram of each command that was ever called takes 20 kB. Before Redis 7 there are none, and no such setting.
	_ = r.server.Client.ConfigSet(ctx, "latency-tracking", "no").Err()
	warm := make([]dedup.Fingerprint, turn)
	for i := range warm {
		warm[i] = numbered(i)
	}
	for _, name := range []string{"warm", "bench"} {
		if err := r.create(ctx, name); err != nil {
			return err
		}
		if name == "bench" {
			break
		}
		for part := range slices.Chunk(warm, batch) {
			if err := r.add(ctx, part); err != nil {
				return err
			}
		}
		if err := r.server.Client.FlushDB(ctx).Err(); err != nil {
			return err
		}
	}
	r.lost = 0
	var err error
	r.empty, err = r.server.Stored(ctx)
	return err
}

func (r *runner) create(ctx context.Context, name string) error {
	if r.spec == (redisdedup.Spec{}) {
		script := redis.NewScript("local n = 0 for i = 1, #ARGV do n = n + redis.call('SADD', KEYS[1], ARGV[i]) end return n")
		r.add = func(ctx context.Context, fps []dedup.Fingerprint) error {
			args := make([]any, len(fps))
			for i, fp := range fps {
				args[i] = fp.AppendDecimal(nil)
			}
			return script.Run(ctx, r.server.Client, []string{name}, args...).Err()
		}
		return nil
	}
	c := redisdedup.Config{Name: name, Spec: r.spec}
	if r.spec.Kind == redisdedup.TwoTier {
		c.Exact = inProcess{memdedup.NewSet()}
	}
	f, err := redisdedup.Open(ctx, r.server.Client, c)
	if err != nil {
		return err
	}
	r.add = func(ctx context.Context, fps []dedup.Fingerprint) error {
		fresh, err := f.Add(ctx, fps...)
		for _, is := range fresh {
			if !is {
				r.lost++
			}
		}
		return err
	}
	return nil
}

// inProcess is the exact half of a two-tier filter that survives nothing.
type inProcess struct{ *memdedup.Set }

// Record implements [dedup.Exact].
func (s inProcess) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	_, err := s.Add(ctx, fps...)
	return err
}

// turn adds some URLs, and reads the memory afterwards if it is time to.
func (r *runner) turn(ctx context.Context, first, last int, read bool) error {
	before, err := r.server.Cost(ctx)
	if err != nil {
		return err
	}
	fps := make([]dedup.Fingerprint, 0, batch)
	for i := first; i < last; i++ {
		fps = append(fps, numbered(i))
		if len(fps) == batch || i == last-1 {
			if err := r.add(ctx, fps); err != nil {
				return err
			}
			fps = fps[:0]
		}
	}
	after, err := r.server.Cost(ctx)
	if err != nil {
		return err
	}
	r.cpu += after.MainCPU - before.MainCPU
	if !read {
		return nil
	}
	stored, err := r.server.Stored(ctx)
	r.curve = append(r.curve, point{last, float64(stored-r.empty) / float64(last)})
	return err
}

func (b *bench) reportRedis(runners []*runner) {
	plain := runners[0]
	perURL := func(r *runner) float64 { return r.cpu.Seconds() * 1e6 / float64(b.urls) }
	for _, r := range runners {
		bytes := r.curve[len(r.curve)-1].bytes
		cpu := perURL(r) / perURL(plain)
		b.add(r.name, "CPU", "µs a URL", perURL(r))
		optimum := -math.Log(r.spec.Rate) / (math.Ln2 * math.Ln2) / 8
		switch {
		case r.spec.Kind == redisdedup.IntSet && r.spec.Expected > 0:
			b.most(r.name, "CPU, of SADD in Lua", "x", cpu, 1.15)
			b.most(r.name, "memory", "B a URL", bytes, 9.5)
		case r.spec.Kind == redisdedup.IntSet:
			b.most(r.name, "CPU, of SADD in Lua", "x", cpu, 1.15)
			b.reportCurve(r)
		case r.spec.Kind == redisdedup.Bloom && r.spec.Expected > 0:
			b.most(r.name, "CPU, of SADD in Lua", "x", cpu, 2.5)
			b.add(r.name, "memory", "B a URL", bytes)
			b.most(r.name, "memory, of the optimum", "x", bytes/optimum, 1.25)
			b.add(r.name, "taken for seen while it fills", "of asked", float64(r.lost)/float64(b.urls)/r.spec.Rate)
		case r.spec.Kind == redisdedup.Bloom:
			b.most(r.name, "CPU, of SADD in Lua", "x", cpu, 2.5)
			b.add(r.name, "memory", "B a URL", bytes)
			b.most(r.name, "memory, of the optimum", "x", bytes/optimum, 2)
			worst := 0.0
			for _, p := range r.curve {
				worst = max(worst, p.bytes/optimum)
			}
			b.add(r.name, "memory while it grows, of the optimum, at worst", "x", worst)
		case r.spec.Kind == redisdedup.TwoTier:
			b.add(r.name, "CPU, of SADD in Lua", "x", cpu)
			b.most(r.name, "memory", "B a URL", bytes, 2.2)
			b.most(r.name, "lost", fmt.Sprintf("of %d", b.urls), float64(r.lost), 0)
		default:
			b.add(r.name, "CPU, of SADD in Lua", "x", cpu)
			b.add(r.name, "memory", "B a URL", bytes)
		}
	}
}

// reportCurve reports the memory of sets of integers over their growth.
func (b *bench) reportCurve(r *runner) {
	most, step := 0.0, 0.0
	for i, p := range r.curve {
		most = max(most, p.bytes)
		if i > 0 {
			step = max(step, math.Abs(p.bytes/r.curve[i-1].bytes-1))
		}
		if p.urls == b.urls || p.urls < 110_000 && i == 0 {
			b.most(r.name, fmt.Sprintf("memory at %d", p.urls), "B a URL", p.bytes, 9.5)
		}
	}
	b.most(r.name, "memory, at most", "B a URL", most, 9.5)
	b.most(r.name, "greatest step of the curve, ten points a doubling", "%", 100*step, 5)
	for _, n := range []float64{1e7, 1e8} {
		// The latest point at which the sets are as full as they would be at n.
		for i := len(r.curve) - 1; i >= 0 && float64(b.urls) < n; i-- {
			halvings := math.Log2(n / float64(r.curve[i].urls))
			if math.Abs(halvings-math.Round(halvings)) < 0.01 {
				b.most(r.name, fmt.Sprintf("memory at %.0g, from sets as full at %d", n, r.curve[i].urls), "B a URL", r.curve[i].bytes, 9.5)
				break
			}
		}
	}
}
