// Package redisdedup remembers fingerprints in Redis, for a fleet: exactly in sets of integers or a plain set, in far less
// memory in a Bloom filter, or exactly with a Bloom filter here and the fingerprints in another store.
//
//	                      bytes a URL   pages lost of 10^9   Redis' work a URL, in batches of 100
//	SADD in Lua           72            0.03                 1
//	set                   72            0.03                 1.2
//	intset                9.4           0.03                 2.2
//	intset, sized         9.4           0.03                 1.5
//	bloom 1%, sized       1.4           1.7 million          3.5
//	bloom 0.1%, sized     2.1           120,000              3.6
//	bloom 1%, unsized     2.5 to 5      1.7 million          9 and more
//	twotier 0.1%, sized   2.2           0.03                 4.7, and a look-up in the other store for each link seen
//	                                                         before that the process does not remember
//
// Measured by bench/dedup with new URLs, on a busy machine: the bytes with a million, the work with 200,000. Sets of integers that were
// not told how many URLs there will be are split as they grow, which is a third of their work.
//
// A Bloom filter that was told how many URLs there will be has one layer. One that outgrows it begins another, keeps its
// rate, and costs a look into each layer. Its bits are those of memdedup's, so that a filter can be carried from Redis into
// a process and back: see [dedup.BloomLayer], [Filter.Export], [Filter.Import].
//
// [Filter] is a filter by itself. A frontier has the same Lua files in its own scripts ([Snippet]), so that seeing a task and queueing it
// are one step.
package redisdedup
