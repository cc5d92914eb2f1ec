package redisnear_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup/near"
	"github.com/lycosa-crawl/lycosa/dedup/near/neartest"
	"github.com/lycosa-crawl/lycosa/dedup/near/redisnear"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

func dial(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	o, err := redis.ParseURL(servers.Redis(tb).URL)
	if err != nil {
		tb.Fatal(err)
	}
	client := redis.NewClient(o)
	tb.Cleanup(func() { client.Close() })
	return client
}

var epochs atomic.Int64

func newIndex(tb testing.TB, client redis.UniversalClient, limit int) *redisnear.Index {
	tb.Helper()
	x, err := redisnear.New(client, redisnear.Config{Crawl: "shop", Epoch: fmt.Sprint(epochs.Add(1)), Limit: limit})
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func TestSuite(t *testing.T) {
	t.Parallel()
	client := dial(t)
	neartest.Run(t, func(t *testing.T, limit int) neartest.Index { return newIndex(t, client, limit) })
}

func TestMistakeInConfigIsNamed(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]redisnear.Config{
		"Crawl": {Epoch: "1", Limit: 1},
		"Epoch": {Crawl: "a", Epoch: "{", Limit: 1},
		"Limit": {Crawl: "a", Epoch: "1"},
	} {
		if _, err := redisnear.New(nil, c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Of all that was stored nothing stays that is not in the index.
func TestWhatGoesLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	client := dial(t)
	const limit = 50
	x := newIndex(t, client, limit)
	r := rand.New(rand.NewPCG(1, 1))
	for range 10 * limit {
		if _, _, _, err := x.LookupOrAdd(t.Context(), near.Sim(r.Uint64()&^(0xff<<56)), "some"); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("the keys are %q, %v", keys, err)
	}
	prefix := strings.TrimSuffix(keys[0], keys[0][len(keys[0])-1:])
	bands, err := client.HVals(t.Context(), prefix+"b").Result()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Join(bands, "")); n != limit*4*8 {
		t.Errorf("the bands hold %d bytes, want %d", n, limit*4*8)
	}
	if n, err := client.HLen(t.Context(), prefix+"t").Result(); n != limit || err != nil {
		t.Errorf("there are %d texts, %v", n, err)
	}
	if err := x.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := client.DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

func TestLowerLimitIsReachedStepByStep(t *testing.T) {
	t.Parallel()
	client := dial(t)
	c := redisnear.Config{Crawl: "shop", Epoch: "1", Limit: 100}
	r := rand.New(rand.NewPCG(1, 1))
	fill := func(n int) (length int) {
		x, err := redisnear.New(client, c)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if _, _, _, err := x.LookupOrAdd(t.Context(), near.Sim(r.Uint64()), ""); err != nil {
				t.Fatal(err)
			}
		}
		length, err = x.Len(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return length
	}
	if n := fill(120); n != 100 {
		t.Errorf("it has %d entries", n)
	}
	c.Limit = 60
	if n := fill(1); n != 91 {
		t.Errorf("it has %d entries, want 91", n)
	}
	if n := fill(10); n != 60 {
		t.Errorf("it has %d entries, want 60", n)
	}
}

func TestOutageIsAnError(t *testing.T) {
	t.Parallel()
	client := dial(t)
	x := newIndex(t, client, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, ok, err := x.LookupOrAdd(ctx, 7, "it"); err == nil || ok {
		t.Errorf("found is %v, the error %v", ok, err)
	}
}

// The head of a script names what its body reads.
func TestHeadOfTheScriptIsItsBody(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("lua/look.lua")
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(raw), "\nlocal ")
	if !ok {
		t.Fatal("no body")
	}
	for _, list := range []string{"KEYS", "ARGV"} {
		for i := 1; i < 10; i++ {
			name := list + "[" + strconv.Itoa(i) + "]"
			if strings.Contains(head, "-- "+name+" ") != strings.Contains(body, name) {
				t.Errorf("%s is in one of head and body", name)
			}
		}
	}
}

// BenchmarkLookupOrAdd stores new texts in a full index, and reports what Redis spends on one and the memory that one takes. The
// crowded index has as many Sims to compare as one of a million: 16 in each band.
//
//	go test ./dedup/near/redisnear -run ^$ -bench . -benchtime 5000x
func BenchmarkLookupOrAdd(b *testing.B) {
	for _, c := range []struct {
		name  string
		limit int
		bits  near.Sim // those of a Sim that are random
	}{
		{"100,000", 100_000, 1<<64 - 1},
		{"crowded", 16 << 10, 0x03ff_03ff_03ff_03ff},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b)
			x := newIndex(b, client, c.limit)
			r := rand.New(rand.NewPCG(1, 1))
			add := func() {
				if _, _, _, err := x.LookupOrAdd(b.Context(), near.Sim(r.Uint64())&c.bits, ""); err != nil {
					b.Fatal(err)
				}
			}
			before := info(b, client, "memory", "used_memory", ":")
			for range c.limit {
				add()
			}
			perEntry := (info(b, client, "memory", "used_memory", ":") - before) / float64(c.limit)
			if err := client.ConfigResetStat(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				add()
			}
			b.ReportMetric(info(b, client, "commandstats", "cmdstat_evalsha", "usec_per_call="), "µs-of-redis")
			b.ReportMetric(perEntry, "B/entry")
		})
	}
}

// info returns the number that follows a name in the line of INFO that begins with field.
func info(tb testing.TB, client redis.UniversalClient, section, field, name string) float64 {
	tb.Helper()
	text, err := client.Info(tb.Context(), section).Result()
	if err != nil {
		tb.Fatal(err)
	}
	_, line, _ := strings.Cut(text, "\n"+field+":")
	_, rest, _ := strings.Cut(":"+line, name)
	number := rest[:strings.IndexFunc(rest+" ", func(c rune) bool { return c != '.' && (c < '0' || c > '9') })]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		tb.Fatalf("INFO %s has no %s: %v", section, field, err)
	}
	return n
}
