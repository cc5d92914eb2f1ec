package redisfrontier

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// seedLease is how long one worker has the seeds for itself after it asked for them.
const seedLease = 15 * time.Second

// Seeds implements [scheduler.SeedSource]. It takes what [Config.SeedKey] holds from the left of a list, with the
// highest scores of a sorted set, or any of a set. The caller has them for itself for 15 seconds, and longer if it asks
// again.
func (f *Frontier) Seeds(ctx context.Context, max int) ([]scheduler.Seed, error) {
	if f.seedKey == "-" || max < 1 {
		return nil, f.usable(ctx)
	}
	kind, err := f.seedKind(ctx)
	if err != nil || kind == "none" {
		return nil, err
	}
	mine, err := f.lock(ctx, seedLockKey(f.crawl), seedLease, true)
	if err != nil || !mine {
		return nil, err
	}
	var list []string
	err = f.command(ctx, func() (err error) {
		switch kind {
		case "list":
			list, err = f.client.LRange(ctx, f.seedKey, 0, int64(max)-1).Result()
		case "set":
			list, err = f.client.SRandMemberN(ctx, f.seedKey, int64(max)).Result()
		case "zset":
			list, err = f.client.ZRevRange(ctx, f.seedKey, 0, int64(max)-1).Result()
		}
		return err
	}, f.seedKey)
	seeds := make([]scheduler.Seed, len(list))
	for i, s := range list {
		seeds[i] = scheduler.Seed(s)
	}
	return seeds, err
}

// seedKind returns the type of the seed key: list, set, zset, or none if nothing waits.
func (f *Frontier) seedKind(ctx context.Context) (kind string, err error) {
	err = f.command(ctx, func() (err error) {
		kind, err = f.client.Type(ctx, f.seedKey).Result()
		return err
	}, f.seedKey)
	if err != nil {
		return "", err
	}
	switch kind {
	case "list", "set", "zset", "none":
		return kind, nil
	}
	return "", fmt.Errorf("seeds: %s is a %s, want a list, a set or a sorted set", f.seedKey, kind)
}

// Taken implements [scheduler.SeedSource]. It calls taken.lua.
func (f *Frontier) Taken(ctx context.Context, seeds ...scheduler.Seed) error {
	if len(seeds) == 0 {
		return f.usable(ctx)
	}
	args := make([]any, len(seeds))
	for i, s := range seeds {
		args[i] = []byte(s)
	}
	return f.repeat(ctx, []*call{{script: takenScript, keys: []string{f.seedKey}, args: args}})
}

// badSeed is how a rejected seed is kept.
type badSeed struct {
	Value  string    `json:"value"`
	Base64 string    `json:"base64,omitempty"` // of a value that is not UTF-8
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Rejected implements [scheduler.SeedSource]. The seed is kept aside before it is removed; a crash in between leaves it
// in both places. It calls reject.lua.
func (f *Frontier) Rejected(ctx context.Context, seed scheduler.Seed, why string) error {
	bad := badSeed{Value: string(seed), Reason: why, At: time.Now().UTC()}
	if f.now != nil {
		bad.At = f.now().UTC()
	}
	if !utf8.Valid(seed) {
		bad.Base64 = base64.StdEncoding.EncodeToString(seed)
	}
	text, err := json.Marshal(bad)
	if err != nil {
		return fmt.Errorf("rejected seed: %w", err)
	}
	c := &call{script: rejectScript, keys: []string{badSeedsKey(f.crawl), ctlKey(f.crawl)}, args: []any{f.epoch, text}}
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return err
	}
	return f.Taken(ctx, seed)
}

// SeedsLeft implements [scheduler.SeedSource].
func (f *Frontier) SeedsLeft(ctx context.Context) (n int64, err error) {
	if f.seedKey == "-" {
		return 0, f.usable(ctx)
	}
	kind, err := f.seedKind(ctx)
	if err != nil {
		return 0, err
	}
	err = f.command(ctx, func() (err error) {
		switch kind {
		case "list":
			n, err = f.client.LLen(ctx, f.seedKey).Result()
		case "set":
			n, err = f.client.SCard(ctx, f.seedKey).Result()
		case "zset":
			n, err = f.client.ZCard(ctx, f.seedKey).Result()
		}
		return err
	}, f.seedKey)
	return n, err
}
