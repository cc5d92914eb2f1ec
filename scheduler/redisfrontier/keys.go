package redisfrontier

import (
	"fmt"
	"strconv"
)

// The keys of a crawl.
//
// One for all crawls:
//
//	lycosa:crawls                     set    names of the crawls
//
// In the slot of the crawl's name:
//
//	lycosa:{<crawl>}:ctl              hash   schema, epoch, created, partitions, delay, concurrency, settings, filter,
//	                                         state
//	lycosa:{<crawl>}:gc               hash   epoch of a purged crawl -> partitions still to be swept
//	lycosa:{<crawl>}:badseeds         list   seeds that could not be read, JSON
//	lycosa:{<crawl>}:seedlock         string who reads the seeds; expires
//	lycosa:{<crawl>}:donelock         string who looked last whether the crawl is done; expires
//
// In the slot of a partition, behind lycosa:{<crawl>~<epoch>:<partition, hex>}: (the epoch is when this
// crawl of the name was created, so a purged crawl and its successor share no key):
//
//	m                 hash   v schema; counters p queued, l leased, d delayed, s scheduled, y parked, a enqueued ever,
//	                         n seen, ni those of them that Know brought, u duplicates, k done, x dead, g gone, xt and gt those of them whose letters made room,
//	                         r retries, e expired, b hosts with tasks,
//	                         i items, j bytes; q last token, t last time, z paused, w waited for until; pd, pc the crawl's
//	                         delay and concurrency; sn, bn, ba, cn the state of the filter, by its kind; wb buckets of
//	                         wx; lb buckets of ln, lc the linked pages; gh, gs, gl, gc how far a sweep came
//	!                 -      never exists (see lua/prelude.lua)
//	h                 hash   host -> packed record
//	r, y, i           zset   hosts that are not due, due, kept for their delay alone (see lua/hosts.lua)
//	q:<level>:<host>  list   queue
//	t                 hash   token -> lease
//	l                 zset   claim -> when to look at its leases, ms (see lua/leases.lua)
//	lc                hash   claim -> number of its leases that are held, if it had several
//	d                 zset   delayed tasks -> due, ms
//	w:<slot>          list   tasks to be revisited in these minutes (see lua/calendar.lua)
//	wi                zset   slot -> its first ms
//	wx:<n>            set    beginnings of fingerprints and their minutes, as integers
//	wd                hash   such an integer -> how many more tasks it stands for
//	hs                hash   host -> its sums (see lua/sums.lua)
//	ln:<n>            hash   fingerprint -> number of pages that link to it (see lua/link.lua)
//	k:<label>         list   tasks parked under the label
//	kl                hash   label -> number of tasks
//	x, g              list   dead letters, dead links: the newest 10,000
//	s:<n>             set    fingerprints, as integers (filter intset)
//	s                 set    fingerprints, as integers (filter set)
//	bp                string shapes of the Bloom layers (filters bloom and twotier)
//	b:<layer>:<n>     string blocks of a Bloom layer (same)
//	u                 set    fingerprints that may not be in the other store yet (filter twotier)
//	c                 hash   outcome -> count
//	o                 hash   host, NUL, name -> end of life, value (Memo)
//	ce, co            hash   signature -> id of the original; list of the signatures, oldest first (partition 0 only)
//	nb, nt, no, nn    -      index of near texts, their ids with the signature in front: see redisnear (same)
//	cp                hash   path -> pages, exact and near duplicates; empty = the crawl (same)
//	workers           hash   id -> end of life, JSON (Registry; partition 0 only)
//
// And the channel lycosa:{<crawl>~<epoch>}:wake, with messages
//
//	<partition, hex> <ms>   a task may be due then
//	*                       look everywhere: the crawl went on, or is gone
//	done                    someone found the crawl done
const crawlsKey = "lycosa:crawls"

func ctlKey(crawl string) string      { return "lycosa:{" + crawl + "}:ctl" }
func gcKey(crawl string) string       { return "lycosa:{" + crawl + "}:gc" }
func badSeedsKey(crawl string) string { return "lycosa:{" + crawl + "}:badseeds" }
func seedLockKey(crawl string) string { return "lycosa:{" + crawl + "}:seedlock" }
func doneLockKey(crawl string) string { return "lycosa:{" + crawl + "}:donelock" }

func wakeChannel(crawl, epoch string) string { return "lycosa:{" + crawl + "~" + epoch + "}:wake" }

// partitionPrefix is what the keys of a partition begin with.
func partitionPrefix(crawl, epoch string, part int) string {
	return fmt.Sprintf("lycosa:{%s~%s:%02x}:", crawl, epoch, part)
}

// partitionKeys returns the declared keys of every script on a partition: one that always exists, and one that
// never does.
func partitionKeys(crawl, epoch string, part int) []string {
	prefix := partitionPrefix(crawl, epoch, part)
	return []string{prefix + "m", prefix + "!"}
}

func parsePart(hex string) (int, error) {
	n, err := strconv.ParseUint(hex, 16, 31)
	return int(n), err //nolint:gosec // 31 bits
}
