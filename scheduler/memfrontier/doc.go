// Package memfrontier is the crawl frontier in process: the default when there is no server, and the reference
// that other drivers are compared with.
//
//	f, err := memfrontier.New(memfrontier.Config{Pace: scheduler.Pace{Delay: time.Second}})  // gone with the process
//	f, err := memfrontier.Open(".lycosa/books", memfrontier.Config{...})                    // survives it
//
// # How it works
//
// A host has a queue for each level of priority in use. Hosts with work, a free place and nothing to wait for are
// in one heap, ordered by the time they became due plus an hour for each level below the highest; those that must
// wait are in another, ordered by time. Leases stand in the order of their deadlines, delayed and scheduled tasks in
// heaps, and an index finds a scheduled one by its ID. Nothing polls: waiting claims are woken by what makes a task claimable, or by one timer set to the
// next instant at which something comes due.
//
// A pending task costs about 110 bytes beyond its payload, its place in the set of seen fingerprints
// included; a host about 250.
package memfrontier
