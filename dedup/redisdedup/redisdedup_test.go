package redisdedup_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/deduptest"
	"github.com/lycosa-crawl/lycosa/dedup/filededup"
	"github.com/lycosa-crawl/lycosa/dedup/memdedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

func dial(tb testing.TB, url string) redis.UniversalClient {
	tb.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	client := redis.NewClient(o)
	tb.Cleanup(func() { client.Close() })
	return client
}

var names atomic.Int64

func open(tb testing.TB, client redis.UniversalClient, spec redisdedup.Spec, exact dedup.Exact) *redisdedup.Filter {
	tb.Helper()
	return openNamed(tb, client, fmt.Sprint("f", names.Add(1)), spec, exact)
}

func openNamed(tb testing.TB, client redis.UniversalClient, name string, spec redisdedup.Spec, exact dedup.Exact) *redisdedup.Filter {
	tb.Helper()
	f, err := redisdedup.Open(tb.Context(), client, redisdedup.Config{Name: name, Spec: spec, Exact: exact})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		broken, err := f.Check(context.Background())
		if err != nil || len(broken) > 0 {
			tb.Errorf("check: %v, %v", broken, err)
		}
	})
	return f
}

func openFile(tb testing.TB) *filededup.Store {
	tb.Helper()
	s, err := filededup.Open(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// memory is an exact store that a crash of the test would lose.
type memory struct{ *memdedup.Set }

func (m memory) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	_, err := m.Add(ctx, fps...)
	return err
}

func TestSuite(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	t.Run("intset", func(t *testing.T) {
		deduptest.Run(t, func(t *testing.T) dedup.Filter { return open(t, client, redisdedup.Spec{}, nil) })
	})
	t.Run("intset sized", func(t *testing.T) {
		deduptest.Run(t, func(t *testing.T) dedup.Filter { return open(t, client, redisdedup.Spec{Expected: 2000}, nil) })
	})
	t.Run("set", func(t *testing.T) {
		deduptest.Run(t, func(t *testing.T) dedup.Filter { return open(t, client, redisdedup.Spec{Kind: redisdedup.Set}, nil) })
	})
	t.Run("twotier", func(t *testing.T) {
		// A rate at which nearly all depends on the other store.
		deduptest.Run(t, func(t *testing.T) dedup.Filter {
			return open(t, client, redisdedup.Spec{Kind: redisdedup.TwoTier, Rate: 0.2}, memory{memdedup.NewSet()})
		})
	})
	t.Run("bloom", func(t *testing.T) {
		deduptest.RunApproximate(t, func(t *testing.T, expected uint, rate float64) dedup.Filter {
			return open(t, client, redisdedup.Spec{Kind: redisdedup.Bloom, Rate: rate, Expected: int64(expected)}, nil)
		})
	})
	t.Run("bloom grown", func(t *testing.T) {
		deduptest.RunApproximate(t, func(t *testing.T, _ uint, rate float64) dedup.Filter {
			return open(t, client, redisdedup.Spec{Kind: redisdedup.Bloom, Rate: rate}, nil)
		})
	})
}

func random(seed uint64, n int) []dedup.Fingerprint {
	r := rand.New(rand.NewPCG(seed, 6))
	fps := make([]dedup.Fingerprint, n)
	for i := range fps {
		binary.BigEndian.PutUint64(fps[i][:8], r.Uint64())
	}
	return fps
}

// A filter in Redis and one in process that were given the same fingerprints hold the same bits, through all layers.
func TestBitsAreThoseOfTheProcess(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for _, spec := range []redisdedup.Spec{
		{Kind: redisdedup.Bloom, Rate: 0.01},
		{Kind: redisdedup.Bloom, Rate: 0.001, Expected: 50_000},
		{Kind: redisdedup.Bloom, Rate: 1e-6, Expected: 1000},
	} {
		f, fps := open(t, client, spec, nil), random(1, 40_000)
		mem, err := memdedup.NewBloom(uint(spec.Expected), spec.Rate)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := f.Add(t.Context(), fps...)
		if err != nil {
			t.Fatal(err)
		}
		for i, fp := range fps {
			if mem.AddOne(fp) != fresh[i] {
				t.Fatalf("%s: fingerprint %d: new is %v in Redis alone", spec, i, fresh[i])
			}
		}
		bits, err := f.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var redisFile, memFile bytes.Buffer
		_, err1 := bits.WriteTo(&redisFile)
		_, err2 := mem.WriteTo(&memFile)
		if err1 != nil || err2 != nil || !bytes.Equal(redisFile.Bytes(), memFile.Bytes()) {
			t.Errorf("%s: the bits differ: %v, %v", spec, err1, err2)
		}
		back := open(t, client, spec, nil)
		if err := back.Import(t.Context(), bits); err != nil {
			t.Fatal(err)
		}
		seen, err := back.Has(t.Context(), fps...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range seen {
			if !seen[i] {
				t.Fatalf("%s: fingerprint %d was lost on the way", spec, i)
			}
		}
		was, _ := f.Stats(t.Context())
		is, _ := back.Stats(t.Context())
		if was != is {
			t.Errorf("%s: %+v, was %+v", spec, is, was)
		}
		if err := back.Import(t.Context(), bits); err == nil {
			t.Errorf("%s: bits were imported into a filter that holds some", spec)
		}
	}
}

// failing is an exact store whose calls fail as often as not, before or after their work: as a crash leaves it.
type failing struct {
	dedup.Exact

	n atomic.Int64
}

var errCrash = errors.New("crash")

func (f *failing) Has(ctx context.Context, fps ...dedup.Fingerprint) ([]bool, error) {
	if f.n.Add(1)%3 == 0 {
		return nil, errCrash
	}
	return f.Exact.Has(ctx, fps...)
}

func (f *failing) Record(ctx context.Context, fps ...dedup.Fingerprint) error {
	switch f.n.Add(1) % 4 {
	case 0:
		return errCrash
	case 1:
		if err := f.Exact.Record(ctx, fps...); err != nil {
			return err
		}
		return errCrash
	default:
		return f.Exact.Record(ctx, fps...)
	}
}

// After a call that failed half-way, a fingerprint is new in the repetition or it was new in Redis before: in the set of
// the pending, whose task the same script has queued. A fingerprint that was never added is never seen.
func TestTwoTierLosesNothingWhenTheOtherStoreFails(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	exact := &failing{Exact: memory{memdedup.NewSet()}}
	f := open(t, client, redisdedup.Spec{Kind: redisdedup.TwoTier, Rate: 0.3}, exact)
	fps := random(2, 20_000)
	for i := 0; i < len(fps); i += 100 {
		for {
			_, err := f.Add(t.Context(), fps[i:i+100]...)
			if err == nil {
				break
			}
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
		}
	}
	sure := exact.Exact
	known, err := sure.Has(t.Context(), fps...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range known {
		if !known[i] {
			t.Fatalf("fingerprint %d never reached the other store", i)
		}
	}
	exact.n.Store(math.MinInt64 / 2)
	if n, err := f.Len(t.Context()); err != nil || n != int64(len(fps)) {
		t.Errorf("%d fingerprints, want %d, %v", n, len(fps), err)
	}
}

func TestAnotherSpecIsRefused(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	was := redisdedup.Config{Name: "x", Spec: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 0.01, Expected: 1000}}
	if _, err := redisdedup.Open(t.Context(), client, was); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []redisdedup.Spec{{}, {Kind: redisdedup.Bloom}, {Kind: redisdedup.Bloom, Rate: 0.01, Expected: 1001}} {
		_, err := redisdedup.Open(t.Context(), client, redisdedup.Config{Name: "x", Spec: spec})
		other, ok := errors.AsType[*redisdedup.SpecError](err)
		if !ok || other.Has != "bloom:0.01,1000" {
			t.Errorf("%s: %v", spec.WithDefaults(), err)
		}
	}
	if _, err := redisdedup.Open(t.Context(), client, was); err != nil {
		t.Errorf("the same one: %v", err)
	}
	for _, c := range []redisdedup.Config{
		{Name: "", Spec: was.Spec},
		{Name: "y", Spec: redisdedup.Spec{Kind: redisdedup.TwoTier}},
		{Name: "y", Spec: redisdedup.Spec{Kind: "cuckoo"}},
		{Name: "y", Spec: redisdedup.Spec{Kind: redisdedup.Bloom, Rate: 2}},
		{Name: "y", Spec: redisdedup.Spec{Kind: redisdedup.Bloom, Expected: 1e12}},
	} {
		if _, err := redisdedup.Open(t.Context(), client, c); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for i, spec := range []redisdedup.Spec{{}, {Expected: 5000}, {Kind: redisdedup.Set}, {Kind: redisdedup.Bloom}, {Kind: redisdedup.TwoTier, Expected: 1_000_000}} {
		c := redisdedup.Config{Name: fmt.Sprint("p", i), Spec: spec}
		if spec.Kind == redisdedup.TwoTier {
			c.Exact = openFile(t)
		}
		f, err := redisdedup.Open(t.Context(), client, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Add(t.Context(), random(3, 30_000)...); err != nil {
			t.Fatal(err)
		}
		if err := f.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if keys, err := client.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
			t.Errorf("%s: %q are left, %v", f.Spec(), keys, err)
		}
		if _, err := f.Add(t.Context(), random(3, 1)...); !errors.Is(err, redisdedup.ErrNoFilter) {
			t.Errorf("%s: Add after Purge: %v", f.Spec(), err)
		}
	}
}

func TestSpecsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redisdedup.Spec{
		"intset":            {Kind: redisdedup.IntSet},
		"intset:1e6":        {Kind: redisdedup.IntSet, Expected: 1e6},
		"set":               {Kind: redisdedup.Set},
		"bloom":             {Kind: redisdedup.Bloom, Rate: 0.001},
		"bloom:0.01":        {Kind: redisdedup.Bloom, Rate: 0.01},
		"twotier:1e-4,1e9":  {Kind: redisdedup.TwoTier, Rate: 1e-4, Expected: 1e9},
		"bloom:0.05,123456": {Kind: redisdedup.Bloom, Rate: 0.05, Expected: 123456},
	} {
		s, err := redisdedup.ParseSpec(text)
		if err != nil || s != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
		if again, err := redisdedup.ParseSpec(s.String()); err != nil || again != s {
			t.Errorf("%s: written as %s, read as %+v, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "cuckoo", "bloom:", "bloom:0", "bloom:1", "bloom:x", "bloom:0.1,", "bloom:0.1,0", "bloom:0.1,1.5", "intset:0.1", "intset:0", "intset:", "intset:1e13", "set:5", "bloom:NaN", "bloom:0.1,-3"} {
		if s, err := redisdedup.ParseSpec(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is read as %+v, %v", text, s, err)
		}
	}
}

// The rate that follows from the bits set is the one at which fingerprints that were never added are taken for seen.
func TestMeasuredRateIsThatOfUnseenOnes(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for _, spec := range []redisdedup.Spec{
		{Kind: redisdedup.Bloom, Rate: 0.02, Expected: 30_000}, {Kind: redisdedup.Bloom, Rate: 0.1}, {Kind: redisdedup.Bloom, Rate: 0.05, Expected: 5_000_000},
	} {
		f := open(t, client, spec, nil)
		if s, err := f.Stats(t.Context()); err != nil || s.Measured != 0 {
			t.Errorf("%s: empty: %+v, %v", spec, s, err)
		}
		if _, err := f.Add(t.Context(), random(7, 30_000)...); err != nil {
			t.Fatal(err)
		}
		seen, err := f.Has(t.Context(), random(8, 40_000)...)
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0.0
		for i := range seen {
			if seen[i] {
				wrong++
			}
		}
		s, err := f.Stats(t.Context())
		// Five standard deviations of what was counted.
		if wrong /= 40_000; err != nil || math.Abs(s.Measured-wrong) > 5*math.Sqrt(wrong/40_000)+1e-4 || math.Abs(s.Measured/max(s.Rate, 1e-9)-1) > 0.1 && s.Rate > 1e-4 {
			t.Errorf("%s: %.5f measured, %.5f of unseen ones are taken for seen, %.5f estimated, %v", spec, s.Measured, wrong, s.Rate, err)
		}
	}
}

// Scripts find by themselves what a process did not tell them, or told from a time when the filter was smaller.
func TestOutdatedHintsDoNoHarm(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	edges := []dedup.Fingerprint{
		dedup.FromShort(0), dedup.FromShort(1), dedup.FromShort(1<<32 - 1), dedup.FromShort(1 << 32), dedup.FromShort(1<<63 - 1),
		dedup.FromShort(1 << 63), dedup.FromShort(1<<63 + 1), dedup.FromShort(math.MaxUint64), dedup.FromShort(math.MaxUint64 - 1<<32 + 1),
		dedup.FromShort(math.MaxUint64 - 1<<32), dedup.FromShort(1<<62 - 1), dedup.FromShort(1 << 62), dedup.FromShort(3 << 62),
	}
	for _, spec := range []redisdedup.Spec{{}, {Expected: 5000}, {Kind: redisdedup.Bloom, Rate: 1e-6}, {Kind: redisdedup.Bloom, Rate: 0.001, Expected: 1000}} {
		name := fmt.Sprint("f", names.Add(1))
		again := func() *redisdedup.Filter { return openNamed(t, client, name, spec, nil) }
		f := again()
		count := func(f *redisdedup.Filter, fps []dedup.Fingerprint) (fresh int) {
			is, err := f.Add(t.Context(), fps...)
			if err != nil {
				t.Fatal(err)
			}
			for i := range is {
				if is[i] {
					fresh++
				}
			}
			return fresh
		}
		late, fps := again(), random(11, 40_000)
		count(late, fps[:100])
		count(f, fps[:39_000])
		tolerated := 4 // by 40,000 looks into a Bloom filter of 0.001
		if spec.Kind != redisdedup.Bloom {
			tolerated = 0
		}
		for who, other := range map[string]*redisdedup.Filter{"late": late, "new": again()} {
			if n := count(other, fps[:39_000]); n != 0 {
				t.Errorf("%s: %d that were seen are new to one who is %s", spec, n, who)
			}
		}
		if n := count(late, fps[39_000:]); n < 1000-tolerated {
			t.Errorf("%s: %d of 1000 are new", spec, n)
		}
		if n := count(again(), edges); n < len(edges)-tolerated {
			t.Errorf("%s: %d of %d edges are new", spec, n, len(edges))
		}
		if n := count(f, edges); n != 0 {
			t.Errorf("%s: %d of the edges are new to one who was told", spec, n)
		}
	}
}

// A server that packs no sets of so many integers does not keep them in order.
func TestSetsAreSplitHoweverRedisKeepsThem(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	if err := client.ConfigSet(t.Context(), "set-max-intset-entries", "64").Err(); err != nil {
		t.Fatal(err)
	}
	f, fps := open(t, client, redisdedup.Spec{}, nil), random(12, 5000)
	if _, err := f.Add(t.Context(), fps...); err != nil {
		t.Fatal(err)
	}
	seen, err := f.Has(t.Context(), fps...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range seen {
		if !seen[i] {
			t.Fatalf("fingerprint %d was lost", i)
		}
	}
}

func TestFilterOfAnotherVersionIsRefusedAndPurged(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	c := redisdedup.Config{Name: "old", Spec: redisdedup.Spec{Kind: redisdedup.Bloom}}
	f, err := redisdedup.Open(t.Context(), client, c)
	if err != nil {
		t.Fatal(err)
	}
	// As it was before the first release.
	const m = "lycosa:dedup:{old}:m"
	pipe := client.Pipeline()
	pipe.HDel(t.Context(), m, "fv", "sn")
	pipe.HSet(t.Context(), m, "si", 2, "sp", 1)
	for i := range 5 {
		pipe.SAdd(t.Context(), fmt.Sprint("lycosa:dedup:{old}:s:", i), i)
	}
	pipe.Set(t.Context(), "lycosa:dedup:{old}:bp", "4096 3000 7 ", 0)
	for i := range 3 {
		pipe.Set(t.Context(), fmt.Sprint("lycosa:dedup:{old}:b:0:", i), "x", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := redisdedup.Open(t.Context(), client, c); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("opened: %v", err)
	}
	if err := f.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, err := client.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("%q are left, %v", keys, err)
	}
}
