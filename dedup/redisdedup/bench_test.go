package redisdedup_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// BenchmarkAdd adds a million URLs in batches of 100, and reports what Redis' main thread spends on a URL and the memory that one
// takes. "sadd" is a pipeline of 100 SADD of one set, which is what the others are measured against, "sadd in lua"
// one script of 100 SADD.
//
//	go test ./dedup/redisdedup -run ^$ -bench Add -benchtime 1x
func BenchmarkAdd(b *testing.B) {
	const total = 1_000_000
	client := dial(b, servers.Redis(b).URL)
	lua := redis.NewScript("local n = 0 for i = 1, #ARGV do n = n + redis.call('SADD', KEYS[1], ARGV[i]) end return n")
	run := func(name string, rate float64, add func(ctx context.Context, fps []dedup.Fingerprint) error) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				client.FlushAll(b.Context())
				memory, cpu := info(b, client, "memory", "used_memory"), serverCPU(b, client)
				fps := make([]dedup.Fingerprint, 100)
				for first := 0; first < total; first += len(fps) {
					for i := range fps {
						fps[i] = numbered(first + i)
					}
					if err := add(b.Context(), fps); err != nil {
						b.Fatal(err)
					}
				}
				bytes := (info(b, client, "memory", "used_memory") - memory) / total
				b.ReportMetric((serverCPU(b, client)-cpu)*1e6/total, "µs/url")
				b.ReportMetric(bytes, "B/url")
				if rate > 0 {
					b.ReportMetric(bytes/(-math.Log(rate)/(math.Ln2*math.Ln2)/8), "of-optimum")
				}
			}
		})
	}
	run("sadd", 0, func(ctx context.Context, fps []dedup.Fingerprint) error {
		pipe := client.Pipeline()
		for _, fp := range fps {
			pipe.SAdd(ctx, "s", fp.AppendDecimal(nil))
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	run("sadd in lua", 0, func(ctx context.Context, fps []dedup.Fingerprint) error {
		args := make([]any, len(fps))
		for i, fp := range fps {
			args[i] = fp.AppendDecimal(nil)
		}
		return lua.Run(ctx, client, []string{"s"}, args...).Err()
	})
	for _, spec := range []redisdedup.Spec{
		{Kind: redisdedup.IntSet},
		{Kind: redisdedup.Set},
		{Kind: redisdedup.Bloom, Rate: 0.01, Expected: total},
		{Kind: redisdedup.Bloom, Rate: 0.001, Expected: total},
		{Kind: redisdedup.Bloom, Rate: 0.01},
		{Kind: redisdedup.TwoTier, Rate: 0.001, Expected: total},
	} {
		var f *redisdedup.Filter
		run(spec.String(), spec.Rate, func(ctx context.Context, fps []dedup.Fingerprint) error {
			if n, err := client.DBSize(ctx).Result(); err != nil || n == 0 {
				c := redisdedup.Config{Name: "bench", Spec: spec}
				if spec.Kind == redisdedup.TwoTier {
					c.Exact = memory{memdedup.NewSet()}
				}
				if f, err = redisdedup.Open(ctx, client, c); err != nil {
					return err
				}
			}
			_, err := f.Add(ctx, fps...)
			return err
		})
	}
}

func numbered(i int) dedup.Fingerprint {
	var body [8]byte
	binary.BigEndian.PutUint64(body[:], uint64(i))
	return dedup.Of("GET", "http://bench.example/", body[:])
}

func serverCPU(tb testing.TB, client redis.UniversalClient) float64 {
	tb.Helper()
	return info(tb, client, "cpu", "used_cpu_user_main_thread") + info(tb, client, "cpu", "used_cpu_sys_main_thread")
}

func info(tb testing.TB, client redis.UniversalClient, section, field string) float64 {
	tb.Helper()
	text, err := client.Info(context.Background(), section).Result()
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), field+":"); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Fatalf("INFO %s has no %s", section, field)
	return 0
}
