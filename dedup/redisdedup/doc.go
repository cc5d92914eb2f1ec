// Package redisdedup remembers fingerprints in Redis, for a fleet: exactly in sets of integers or a plain set, in far less
// memory in a Bloom filter, or exactly with a Bloom filter here and the fingerprints in another store.
//
//	                      bytes a URL   pages lost of 10^9   Redis' work a URL, in batches of 100
//	SADD in Lua           72            0.03                 1
//	set                   72            0.03                 1.4
//	intset                9.5           0.03                 2.8
//	bloom 1%, sized       1.4           1.7 million          2.6
//	bloom 0.1%, sized     2.0           120,000              3.5
//	bloom 1%, unsized     2.5           1.7 million          10
//	twotier 0.1%, sized   2.0           0.03                 3.1, and a look-up in the other store for each link seen
//	                                                         before that the process does not remember
//
// Measured with a million new URLs by BenchmarkAdd, on a busy machine; those of intset include the splitting of sets as they grow.
//
// A Bloom filter that was told how many URLs there will be has one layer. One that outgrows it begins another, keeps its
// rate, and costs a look into each layer. Its bits are those of memdedup's, so that a filter can be carried from Redis into
// a process and back: see [dedup.BloomLayer], [Filter.Export], [Filter.Import].
//
// [Filter] is a filter by itself. A frontier has the same Lua files in its own scripts ([Snippet]), so that seeing a task and queueing it
// are one step.
package redisdedup
