package redisdedup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// chunkBytes is how much of a layer one key may hold; it holds whole blocks: see lua/bloom.lua.
const chunkBytes = 65_472

// inKey returns how many bytes of a layer each key holds, but the last.
func inKey(l dedup.BloomLayer) int {
	return chunkBytes / int(l.BlockBytes()) * int(l.BlockBytes())
}

func chunkKey(prefix string, layer, chunk int) string {
	return fmt.Sprintf("%sb:%d:%d", prefix, layer, chunk)
}

// readLayer reads the words of a layer. A chunk that nothing was written to does not exist.
func readLayer(ctx context.Context, client redis.UniversalClient, prefix string, layer int, l *dedup.BloomBitsLayer) error {
	left, each := int(l.Bytes()), inKey(l.BloomLayer)
	all := make([]byte, 0, 8*l.Size())
	for chunk := 0; left > 0; chunk++ {
		key, size := chunkKey(prefix, layer, chunk), min(each, left)
		raw, err := client.Get(ctx, key).Bytes()
		switch {
		case errors.Is(err, redis.Nil):
			raw = make([]byte, size)
		case err != nil:
			return err
		case len(raw) != size:
			return fmt.Errorf("%s has %d bytes, not %d", key, len(raw), size)
		}
		all = append(all, raw...)
		left -= size
	}
	all = all[:cap(all)]
	l.Words = make([]uint64, l.Size())
	for i := range l.Words {
		l.Words[i] = binary.LittleEndian.Uint64(all[8*i:])
	}
	return nil
}

// writeBits writes the layers, and last what says that they are there.
func writeBits(ctx context.Context, client redis.UniversalClient, prefix string, bits *dedup.BloomBits) error {
	total, newest := int64(0), int64(0)
	for n := range bits.Layers {
		l := &bits.Layers[n]
		newest = l.Added
		total += newest
		all := make([]byte, 0, 8*len(l.Words))
		for _, word := range l.Words {
			all = binary.LittleEndian.AppendUint64(all, word)
		}
		chunk := 0
		for raw := range slices.Chunk(all[:l.Bytes()], inKey(l.BloomLayer)) {
			if err := client.Set(ctx, chunkKey(prefix, n, chunk), raw, 0).Err(); err != nil {
				return err
			}
			chunk++
		}
	}
	return client.HSet(ctx, prefix+"m", "bn", max(1, len(bits.Layers)), "ba", newest, "n", total).Err()
}
