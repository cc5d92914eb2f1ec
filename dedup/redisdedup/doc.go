// Package redisdedup remembers fingerprints in Redis, for a fleet: exactly in sets of integers or a plain set, in far less
// memory in a Bloom filter, or exactly with a Bloom filter here and the fingerprints in another store.
//
//	                      bytes a URL   pages lost of 10^9   Redis' work a URL, in batches of 100
//	SADD in Lua           72            0.03                 1
//	set                   72            0.03                 1.2
//	intset                9.1 to 9.6    0.03                 1.7
//	intset, sized         9.3           0.03                 1.3
//	bloom 1%, sized       1.3           1.7 million          2.4
//	bloom 0.1%, sized     2.1           120,000              2.4
//	bloom 1%, unsized     2 to 4        1.7 million          6 and more
//	twotier 0.1%, sized   2.1           0.03                 3.4, and a look-up in the other store for each link seen
//	                                                         before that the process does not remember
//
// Measured by bench/dedup with 500,000 new URLs, on a busy machine. Sets of integers that were not told how many URLs there will be are
// split as they grow, which is a fifth of their work.
//
// Half of the work of a script is in what Lua is slow at: printing numbers and finding where something lies. So a process does that,
// as far as it knows how large the filter is ([Hint]).
//
// A Bloom filter that was told how many URLs there will be has one layer. One that outgrows it begins another, keeps its
// rate, and costs a look into each layer. Its bits are those of memdedup's, so that a filter can be carried from Redis into
// a process and back: see [dedup.BloomLayer], [Filter.Export], [Filter.Import].
//
// [Filter] is a filter by itself. A frontier has the same Lua files in its own scripts ([Snippet]), so that seeing a task and queueing it
// are one step.
package redisdedup
