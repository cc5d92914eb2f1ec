package redisdedup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// chunkWords is how much of a layer one key holds; see lua/bloom.lua.
const chunkWords = 1023 * 8

func chunkKey(prefix string, layer, chunk int) string {
	return fmt.Sprintf("%sb:%d:%d", prefix, layer, chunk)
}

// readLayer reads the words of a layer. A chunk that nothing was written to does not exist.
func readLayer(ctx context.Context, client redis.UniversalClient, prefix string, layer int, words []uint64) error {
	for chunk := 0; chunk*chunkWords < len(words); chunk++ {
		raw, err := client.Get(ctx, chunkKey(prefix, layer, chunk)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		part := words[chunk*chunkWords : min((chunk+1)*chunkWords, len(words))]
		if len(raw) != 8*len(part) {
			return fmt.Errorf("%s has %d bytes, not %d", chunkKey(prefix, layer, chunk), len(raw), 8*len(part))
		}
		for i := range part {
			part[i] = binary.LittleEndian.Uint64(raw[8*i:])
		}
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
		for chunk := 0; chunk*chunkWords < len(l.Words); chunk++ {
			part := l.Words[chunk*chunkWords : min((chunk+1)*chunkWords, len(l.Words))]
			raw := make([]byte, 0, 8*len(part))
			for _, word := range part {
				raw = binary.LittleEndian.AppendUint64(raw, word)
			}
			if err := client.Set(ctx, chunkKey(prefix, n, chunk), raw, 0).Err(); err != nil {
				return err
			}
		}
	}
	return client.HSet(ctx, prefix+"m", "bn", max(1, len(bits.Layers)), "ba", newest, "n", total).Err()
}
