// Package redisdedup remembers fingerprints in Redis, for a fleet: exactly in sets of integers or a plain set, in far less
// memory in a Bloom filter, or exactly with a Bloom filter here and the fingerprints in another store.
//
//	          bytes a URL   pages lost of 10^9   Redis' work a URL, in batches of 100
//	intset    9             0.03                 as a plain SADD
//	set       60 to 90      0.03                 1
//	bloom 1%  1.3           1.7 million          twice a SADD
//	bloom .1% 2.0           120,000              twice a SADD
//	twotier   2.0           0.03                 three times a SADD, and a look-up in the other store for
//	                                             each link seen before that the process does not remember
//
// A Bloom filter that was told how many URLs there will be has one layer. One that outgrows it begins another, keeps its
// rate, and costs a look into each layer. Its bits are those of memdedup's, so that a filter can be carried from Redis into
// a process and back: see [dedup.BloomLayer], [Filter.Export], [Filter.Import].
//
// [Filter] is a filter by itself. A frontier has the same Lua files in its own scripts ([Snippet]), so that seeing a task and queueing it
// are one step.
package redisdedup
