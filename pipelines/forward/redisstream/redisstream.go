// Package redisstream adds the feed of changes to a Redis stream.
package redisstream

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// Stream is a stream on a Redis. It is a sink of package forward.
//
// An entry has the fields cursor, news, kind, key, url, crawl, and change: the whole [pipelines.Change] as JSON. A batch is added
// whole or not at all (MULTI); one whose answer is lost is added again.
type Stream struct {
	client redis.UniversalClient
	key    string
	most   int64
}

// New returns the stream under the key. If most is above 0, Redis cuts the stream to about so many entries (MAXLEN ~).
func New(client redis.UniversalClient, key string, most int64) *Stream {
	return &Stream{client, key, most}
}

// Send adds the batch.
func (s *Stream) Send(ctx context.Context, batch []pipelines.Change) error {
	_, err := s.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range batch {
			c := &batch[i]
			line, err := c.AppendJSON(nil)
			if err != nil {
				return err
			}
			pipe.XAdd(ctx, &redis.XAddArgs{
				Stream: s.key, MaxLen: s.most, Approx: s.most > 0,
				Values: []any{
					"cursor", int64(c.Cursor), "news", string(c.News), "kind", c.Kind, "key", c.Key, "url", c.URL, "crawl", c.Crawl, "change", line,
				},
			})
		}
		return nil
	})
	return err
}
