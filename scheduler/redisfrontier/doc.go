// Package redisfrontier is a [scheduler.Frontier] in Redis: many workers on many machines share one crawl.
//
// It works on one Redis (7.0 or newer), on one led by Sentinel, and on a Redis Cluster:
//
//	client, err := redisfrontier.Dial(ctx, "redis://127.0.0.1:6379/0")
//	...
//	f, err := redisfrontier.Open(ctx, client, redisfrontier.Config{
//		Crawl: "books",
//		Pace:  scheduler.Pace{Delay: time.Second, Concurrency: 1},
//	})
//
// # Partitions
//
// A crawl is cut into a fixed number of partitions by the hash of the task's host. All that belongs to a host
// (its queues, its leases, its delay, the fingerprints of its tasks) lies in one partition, which is one hash
// slot, so that each step is one Lua script and happens whole or not at all. A call that touches several partitions
// sends their scripts in one round trip. The files in lua/ are these scripts; keys.go lists the keys.
//
// Priorities hold exactly within a partition, and among partitions as well as they are asked in turn. On one Redis a crawl
// has a single partition, unless told otherwise.
//
// # Fingerprints
//
// Redis keeps the first 64 bits of a task's ID, in sets of integers that never grow beyond 512 members: some 9
// bytes a task. [Config.Filter] chooses another way: a plain set, a Bloom filter, or two tiers (package redisdedup). A bounded memory of this process knows which tasks are known to Redis, so that links seen
// again and again cost no round trip.
//
// # Revisits
//
// What waits for a revisit stands in a list of its minute, and an index in packed hashes tells the minutes of a fingerprint, so
// that a task is found and planned anew ([Frontier.Reschedule]) by two short calls. State and due time of a URL take some 74 bytes
// with a record of 24 bytes in its payload, where 200 or more come due in a minute, and 97 where it is 23 (go run ./bench/frontier
// -parts memory). The sums of a host are one packed field, and so are those of a partition.
//
// # Waiting
//
// Nobody polls. A claim that finds nothing learns when the next task is due, leaves word in Redis that it waits,
// and sleeps; whoever makes a task due earlier (a push, a finish) sees that word and publishes one small message, within
// the same script. Lost messages are caught by a rare second look.
//
// # When Redis is away
//
// The client must not repeat commands by itself ([Dial] sees to that, [Open] refuses another): a claim executed twice leases
// tasks to nobody. Push, Finish and Extend are repeated here, with growing pauses, for [Config.Patience];
// then they return an error that wraps [scheduler.ErrUnavailable]. A claim whose answer was lost is not repeated: the
// next claim is a new one, and what was lost comes back when its lease expires. A repeated Finish may find that its
// first try took effect although the answer was lost; such a lease is not reported as lost. When Redis is out of memory
// only Push, Save, Rejected and the creation of a crawl are refused, so that the crawl drains.
//
// The log says once that Redis is away or out of memory, and once that this is over, also when a single server of a cluster
// is. While the slots of a cluster move, scripts on them wait.
//
// A failover loses what the new master had not received: pushes, and then always whole ones, unless [Config.Confirm] asks
// the replicas; claims and finishes, which costs a second visit. This process then takes nothing as known any more.
package redisfrontier
