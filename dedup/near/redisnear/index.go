package redisnear

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup/near"
)

// Config says whose index it is. All fields must be set.
type Config struct {
	// Crawl is the name of the crawl, and Epoch when the crawl of that name was created: a purged crawl and its successor
	// share no index. Neither may have braces.
	Crawl, Epoch string
	// Limit is the most Sims to keep, at least 1; when there are as many, the oldest goes for each new one. A fleet
	// should agree on it: a lower one takes up to ten old ones away with each new one.
	Limit int
}

// Index finds the Sims near another one, of the last ones that were stored in Redis. It may be used from many goroutines and many
// processes. A Sim takes some 240 bytes of Redis beside its id.
type Index struct {
	client redis.UniversalClient
	keys   []string
	limit  int
}

var (
	//go:embed lua/look.lua
	lookLua string
	//go:embed lua/near.lua
	nearLua string
)

var look = redis.NewScript(strings.Replace(lookLua, "--@ near\n", nearLua, 1))

// Snippet returns the Lua text of the function near_look(bands, texts, order, ages, sim, most, id), whose keys are those of
// look.lua: for a script that has more to do in the same step.
func Snippet() string { return nearLua }

// New returns the index of a crawl, which begins empty. It asks nothing of Redis yet. The client stays the caller's.
func New(client redis.UniversalClient, c Config) (*Index, error) {
	switch {
	case c.Crawl == "" || strings.ContainsAny(c.Crawl, "{}"):
		return nil, fmt.Errorf("redisnear: Crawl %.80q: want a name without braces", c.Crawl)
	case c.Epoch == "" || strings.ContainsAny(c.Epoch, "{}"):
		return nil, fmt.Errorf("redisnear: Epoch %.80q: want an epoch without braces", c.Epoch)
	case c.Limit < 1:
		return nil, fmt.Errorf("redisnear: Limit (%d) must be at least 1", c.Limit)
	}
	return &Index{client: client, keys: keys(c.Crawl, c.Epoch), limit: c.Limit}, nil
}

// keys returns the keys of an index, as look.lua has them. They lie in one hash slot.
func keys(crawl, epoch string) []string {
	prefix := "lycosa:{" + crawl + "~" + epoch + "}:near:"
	return []string{prefix + "b", prefix + "t", prefix + "o", prefix + "n"}
}

// Lookup returns the id of the stored Sim nearest to s, the oldest of several, and in how many bits it differs; ok is false
// if none is within [near.MaxDistance]. Errors are those of the client.
func (x *Index) Lookup(ctx context.Context, s near.Sim) (id string, distance int, ok bool, err error) {
	return x.look(ctx, s, 0, "")
}

// LookupOrAdd is [Index.Lookup], and stores s under the id of its text if that finds nothing, as one step. The zero Sim is near
// nothing and is not stored. After an error it may be stored: asking again then finds the text near itself, by its own id.
func (x *Index) LookupOrAdd(ctx context.Context, s near.Sim, id string) (of string, distance int, ok bool, err error) {
	return x.look(ctx, s, x.limit, id)
}

// look calls look.lua.
func (x *Index) look(ctx context.Context, s near.Sim, most int, id string) (of string, distance int, ok bool, err error) {
	if s == 0 {
		return "", 0, false, nil
	}
	reply, err := look.Run(ctx, x.client, x.keys, binary.BigEndian.AppendUint64(nil, uint64(s)), most, id).Slice()
	if err != nil {
		return "", 0, false, fmt.Errorf("look for a near text: %w", err)
	}
	if len(reply) == 0 {
		return "", 0, false, nil
	}
	bits, okBits := reply[0].(int64)
	of, okID := reply[len(reply)-1].(string)
	if !okBits || !okID {
		return "", 0, false, errors.New("look for a near text: Redis answers with something else")
	}
	return of, int(bits), true, nil
}

// Len returns the number of stored Sims.
func (x *Index) Len(ctx context.Context) (int, error) {
	n, err := x.client.LLen(ctx, x.keys[2]).Result()
	return int(n), err
}

// Purge removes the index. What is added later begins another one.
func (x *Index) Purge(ctx context.Context) error { return x.client.Unlink(ctx, x.keys...).Err() }
