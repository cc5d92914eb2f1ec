package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds of faults.
const (
	Kill      Kind = "kill"       // SIGKILL to a worker; another takes its place
	Stop      Kind = "stop"       // SIGSTOP for longer than the lease, then SIGCONT
	Drain     Kind = "drain"      // SIGTERM; another takes its place
	RedisKill Kind = "redis_kill" // SIGKILL, and a restart from the append-only file
	RedisCut  Kind = "redis_cut"  // no connection to Redis
	RedisHang Kind = "redis_hang" // connections to Redis stay, and nothing comes through for a while
	StoreCut  Kind = "store_cut"  // no connection to the item store
	StoreHang Kind = "store_hang" // as RedisHang
)

// Kinds are all of them, in the order they are shown.
var Kinds = []Kind{Kill, Stop, Drain, RedisKill, RedisCut, RedisHang, StoreCut, StoreHang}

// fault is one that will be.
type fault struct {
	kind  Kind
	after time.Duration // since the one before
	pick  int           // which worker, modulo their number
	lasts time.Duration
}

// plan draws faults. The same configuration draws the same ones, whatever comes of them.
type plan struct {
	rng   *rand.Rand
	c     Config
	cards []Kind // a deck: each kind comes as often as it should, in an order of its own each time
	left  []Kind
}

func newPlan(c Config, hasStore bool) *plan {
	p := &plan{rng: rand.New(rand.NewPCG(c.Seed, 0x6c79636f7361)), c: c}
	p.cards = []Kind{Kill, Kill, Kill, Kill, Kill, Kill, Kill, Stop, Stop, Drain, RedisCut, RedisHang}
	if !c.NoRedisKill {
		p.cards = append(p.cards, RedisKill)
	}
	if hasStore {
		p.cards = append(p.cards, StoreCut, StoreHang)
	}
	return p
}

func (p *plan) next() fault {
	if len(p.left) == 0 {
		p.left = slices.Clone(p.cards)
		p.rng.Shuffle(len(p.left), func(i, j int) { p.left[i], p.left[j] = p.left[j], p.left[i] })
	}
	f := fault{kind: p.left[0], after: p.between(0.5, 1.5, p.c.KillEvery), pick: p.rng.IntN(1 << 20)}
	p.left = p.left[1:]
	switch f.kind {
	case Stop:
		f.lasts = p.between(1.3, 2.5, p.c.Lease)
	case RedisKill:
		f.lasts = p.between(0, 0.6, p.c.Lease)
	case RedisCut, RedisHang:
		f.lasts = p.between(0.1, 1.2, p.c.Lease)
	case StoreCut, StoreHang:
		f.lasts = p.between(0.3, 1.5, p.c.Lease)
	}
	return f
}

// between draws from lo to hi times d, in whole milliseconds.
func (p *plan) between(lo, hi float64, d time.Duration) time.Duration {
	return time.Duration((lo + (hi-lo)*p.rng.Float64()) * float64(d)).Truncate(time.Millisecond)
}
