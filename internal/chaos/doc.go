// Package chaos proves that a fleet of workers loses nothing: it has worker processes crawl a synthetic web on one
// Redis, kills and freezes them, kills Redis, takes the item store away, and then compares what the site saw and what
// was stored with what a crawl without any fault would have left.
//
//	Config   how large, how long, how often          faults.go    what goes wrong, drawn from the seed
//	Run      rounds of one crawl each                fleet.go     the workers, replaced as they fall
//	Record   what was seen, as plain data            judge.go     from the records to the verdict
//	Verdict  numbers, and every breach by name       polite.go    pace and width of each host, measured at the site
//
// Nothing is taken from the workers' own words but exit codes: pages and their times are the site's, items are read from
// the store, "done" is asked of the frontier by a watcher with a connection of its own. Each worker has a User-Agent of
// its own, so that the site's log tells who asked.
//
// # What a stopped process may do
//
// A process cannot know that it was stopped. What it had sent by then is open at the site until it is answered, and a
// frontier that waited for the lease to run out may have given the host to another worker meanwhile. So a request sent
// before its process was stopped or killed, and overlapped half a lease or more after that, is listed apart as held
// open. Half a lease, because workers renew a lease well before half of it has passed: a host handed out
// sooner was handed out twice, and that is a breach.
//
// A process that is woken after its leases ran out must not begin a request on one of them. Such a request is told by
// the page: another worker, whom nothing befell, had it already, and nothing else explains a second visit. It is a
// breach, and so is every second visit that no fault explains.
//
// # Time
//
// All times are the site's. Where it notes that a request began late, because its own process got no CPU, the next one seems
// to follow too fast. So a clock in the same process ticks every few milliseconds, and by as much as it was late then a
// gap may fall short; by 13 ms in any case, for rounding and for what such a clock cannot see. The verdict counts the gaps that
// were allowed so, and shows the shortest of all.
package chaos
