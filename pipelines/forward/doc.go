// Package forward sends the feed of changes to others: a webhook, and with redisstream a Redis stream.
//
// [Run] reads a [pipelines.Feed] in batches, gives each to a [Sink] until that has taken it, and then moves a bookmark. So each entry
// arrives at least once and in order; after a crash the last batch may arrive again. Receivers tell by the cursor of an entry what
// they have seen.
package forward
