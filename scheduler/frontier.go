package scheduler

import (
	"context"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Priorities run from MinPriority to MaxPriority; those beyond are clamped. A higher one is claimed
// sooner; tasks of one host and priority are claimed in the order they were pushed.
//
// Among hosts that are due, one level of priority outweighs an hour of waiting: urgent work overtakes
// what became due up to an hour earlier for each level between them, and nothing starves.
const (
	MinPriority = -8
	MaxPriority = 7
)

// Task is one request to be done, as the frontier sees it.
type Task struct {
	// ID is what the task is deduplicated by. Drivers may keep only its first 64 bits
	// ([dedup.Fingerprint.Short]) and hand it back with the rest zero.
	ID dedup.Fingerprint
	// Host is the politeness key: tasks of one Host share delay and concurrency. 1 to 255 bytes.
	Host string
	// Priority; see MinPriority.
	Priority int
	// Due is the earliest time the task may be claimed; the zero time is now.
	Due time.Time
	// DontFilter queues the task even if its ID was seen, and records the ID as seen.
	DontFilter bool
	// DontRecord, with DontFilter, does not record the ID as seen.
	DontRecord bool
	// Payload is opaque to the frontier. At most MaxPayload bytes.
	Payload []byte
}

// MaxPayload is the size of the largest payload a frontier accepts, in bytes.
const MaxPayload = 1 << 20

// Token is the identity of one claim, and fences off holders of earlier claims of the same task. It
// is positive, and greater than every earlier token of the same host.
type Token int64

// Lease is a task claimed for a limited time.
type Lease struct {
	Task
	// Token identifies this claim.
	Token Token
	// Attempt is 1 at the first claim, and one more after each Retry.
	Attempt int
	// Expired counts how often a lease of this task ran out.
	Expired int
	// Claimed is when the claim was asked for, by the local monotonic clock.
	Claimed time.Time
	// Deadline is when the lease ends, by the local monotonic clock: Claimed plus the lease time. It is
	// earlier than the frontier's own, so a holder that stops then never overlaps its successor.
	Deadline time.Time
}

// Result is what became of a lease.
type Result struct {
	Lease   *Lease
	Verdict Verdict
	// Sent is how long after Lease.Claimed the request left, zero if none did. The host's delay
	// counts from there.
	Sent time.Duration
	// Outcome names what happened in one word ("ok", "http_404", "robots"), for [Stats.Outcomes].
	// Empty counts nothing. At most 64 bytes of [a-z0-9_].
	Outcome string
	// Items and Bytes are added to the crawl's totals.
	Items int
	Bytes int64
	// Status is the HTTP status, or 0. It is kept with a dead letter.
	Status int
	// Sums are added, one by one, to the sums of the host and to those of the crawl, in the step that ends the lease and
	// only if it is still held: see [Ledger]. At most MaxSums; nil adds nothing.
	Sums []float64
}

// MaxSums is the largest number of sums a frontier keeps for a host.
const MaxSums = 32

// Pace is how fast a host may be asked.
type Pace struct {
	// Delay is the least time from the start of one request to the start of the next.
	Delay time.Duration
	// Concurrency is how many requests may be in flight at once. With a Delay, claims of one host
	// are one at a time. Zero is one for a crawl, and the crawl's own for a host.
	Concurrency int
}

// Frontier is the queue of a crawl: what is pending, who holds what, what was seen.
//
// All methods may be called from many goroutines at once. A driver never repeats blindly a step
// whose outcome is unknown: Push is safe to repeat and drivers do so while ctx allows; Claim is
// not (a claim whose answer was lost comes back when its lease expires); Finish is safe to repeat, but a
// repeated one may report a lease as lost that it finished itself.
type Frontier interface {
	// Push queues the tasks that were not seen before, marking them seen in the same atomic step,
	// and returns how many that were. Tasks of one host and priority keep their order. A task
	// that is malformed (no host, too large) fails the whole call before anything is queued.
	// The tasks belong to the caller again when Push returns.
	Push(ctx context.Context, tasks ...Task) (added int, err error)

	// Claim leases up to max tasks, best first among the hosts that are due. It waits until at least
	// one is due or ctx ends, and then returns ctx's error. The caller must Finish each lease before its
	// Deadline, or Extend it.
	Claim(ctx context.Context, max int) ([]*Lease, error)

	// Extend renews leases by the full lease time and moves their Deadline. Those that are lost are named
	// by a *LostError; the others are extended all the same.
	Extend(ctx context.Context, leases ...*Lease) error

	// Finish applies a verdict to each lease. Results whose lease is lost have no effect and are named by a
	// *LostError; the others take effect all the same. Whatever a task led to must be pushed before
	// it is finished, or Done is not exact.
	Finish(ctx context.Context, results ...Result) error

	// Hold hands out nothing of host before until (Retry-After). It never shortens an earlier hold.
	Hold(ctx context.Context, host string, until time.Time) error

	// SetPace overrides the crawl's pace for one host (Crawl-delay). The zero Pace returns the host to the
	// crawl's own.
	SetPace(ctx context.Context, host string, pace Pace) error

	// Stats counts the crawl's tasks. The numbers of one call need not be of one instant.
	Stats(ctx context.Context) (Stats, error)

	// Done reports whether the crawl is done: nothing queued, leased or delayed, and no revisit due, at one instant
	// during the call.
	Done(ctx context.Context) (bool, error)

	// WaitDone returns nil once the crawl is done, or ctx's error. It costs an idle fleet next to nothing.
	WaitDone(ctx context.Context) error

	// Close frees what the frontier holds in this process. Leases not finished run out by themselves.
	Close() error
}

// Stats are a crawl's numbers.
type Stats struct {
	Queued    int64 `json:"queued"`    // claimable, now or when the host is due
	Leased    int64 `json:"leased"`    // held by workers
	Delayed   int64 `json:"delayed"`   // waiting for a retry or a later Due
	Scheduled int64 `json:"scheduled"` // waiting for a revisit; not work
	Parked    int64 `json:"parked"`    // waiting for a worker that knows them; not work
	Dead      int64 `json:"dead"`      // dead letters: given up, with a reason
	Gone      int64 `json:"gone"`      // dead links: fetched, and not there (404, 410)

	Seen       int64 `json:"seen"`       // different tasks ever pushed
	Duplicates int64 `json:"duplicates"` // pushes of tasks seen already
	Done       int64 `json:"done"`       // finished for good: Done, Revisit, Drop and Gone
	Retries    int64 `json:"retries"`    // failed attempts that were retried
	Expired    int64 `json:"expired"`    // leases that ran out

	Hosts int64 `json:"hosts"` // hosts with queued or leased tasks
	Items int64 `json:"items"` // sum of Result.Items
	Bytes int64 `json:"bytes"` // sum of Result.Bytes

	Outcomes map[string]int64 `json:"outcomes"` // Result.Outcome -> count
	Paused   bool             `json:"paused"`
}

// Active is the number of tasks that keep the crawl from being done.
func (s Stats) Active() int64 { return s.Queued + s.Leased + s.Delayed }
