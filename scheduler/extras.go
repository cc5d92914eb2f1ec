package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// The interfaces below are what a frontier can do beyond the contract; ask by type assertion. Both drivers
// of this project have them all, unless noted.

// Pauser stops a crawl from handing out tasks. Leases held go on. A paused crawl survives restarts.
type Pauser interface {
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// Purger deletes a crawl with all it holds. Other frontiers open on it answer ErrNoCrawl from then on.
type Purger interface {
	Purge(ctx context.Context) error
}

// Parker gives parked tasks back to their queues.
type Parker interface {
	// Parked returns the number of tasks parked under each label.
	Parked(ctx context.Context) (map[string]int64, error)
	// Unpark queues the tasks parked under the labels and returns how many there were.
	Unpark(ctx context.Context, labels ...string) (int, error)
}

// DeadLetter is a task that was given up (Drop), or a dead link (Gone).
type DeadLetter struct {
	Task
	Why     string
	Status  int
	Attempt int
	Expired int
	First   time.Time // when it first failed or expired, in whole seconds; zero: never before
	At      time.Time // when it was given up
	Gone    bool      // a dead link, not a failure
}

// Letters says which dead letters and dead links are meant. The zero value means all.
type Letters struct {
	Failed bool      // dead letters; neither or both of Failed and Links: either kind
	Links  bool      // dead links
	Host   string    // of this host; empty: of any
	Status int       // with this status; 0: with any
	Why    string    // whose reason has this part, upper and lower case apart; empty: with any
	After  time.Time // given up then or later; zero: at any time
	Before time.Time // given up earlier; zero: at any time
}

// Match reports whether the letter is meant.
func (l *Letters) Match(d *DeadLetter) bool {
	return (l.Failed == l.Links || l.Links == d.Gone) &&
		(l.Host == "" || l.Host == d.Host) &&
		(l.Status == 0 || l.Status == d.Status) &&
		strings.Contains(d.Why, l.Why) &&
		(l.After.IsZero() || !d.At.Before(l.After)) &&
		(l.Before.IsZero() || d.At.Before(l.Before))
}

// Undertaker lists what was given up, and brings it back. Both lists are capped at the newest 10,000 a partition; those
// that had to make room stay counted in [Stats].
type Undertaker interface {
	// Dead calls yield for each dead letter, then for each dead link, until it returns false.
	Dead(ctx context.Context, yield func(DeadLetter) bool) error
	// Replay queues the tasks of the letters that are meant once more, each as a first attempt at the end of the queue it
	// came from, and returns how many. A letter leaves its list and enters the queue in one step, so that a caller
	// who dies in between loses none and doubles none. What is given up while Replay runs may be left out.
	// After an outage the number may be too small.
	Replay(ctx context.Context, which Letters) (int, error)
	// Forget strikes the letters that are meant off the lists and off Stats.Dead or Stats.Gone, and returns how many.
	// Their tasks stay seen.
	Forget(ctx context.Context, which Letters) (int, error)
}

// Place is where a task is; see the states in the package documentation.
type Place string

// The places.
const (
	PlaceUnseen    Place = "unseen" // never pushed
	PlaceQueued    Place = "queued"
	PlaceLeased    Place = "leased"
	PlaceDelayed   Place = "delayed"
	PlaceScheduled Place = "scheduled"
	PlaceParked    Place = "parked"
	PlaceDead      Place = "dead" // a dead letter
	PlaceGone      Place = "gone" // a dead link
	PlaceDone      Place = "done" // seen, and nothing is left to be done; or a letter that was forgotten
)

// Whereabouts says where a task is. What a place has no use for is zero.
type Whereabouts struct {
	Place Place
	// Task as it was pushed: not of one that is unseen or done. Its Due is when one that is delayed or scheduled
	// may be claimed.
	Task Task
	// Attempt is the attempt under way, to come, or made last. It is 1 or more unless the task is unseen or done.
	Attempt int
	// Expired counts the leases of the task that ran out.
	Expired int
	// First is when the task first failed or expired, in whole seconds; zero: never.
	First time.Time
	// Ahead is how many tasks of its host are claimed before one that is queued.
	Ahead int64
	// Token, Worker, Claimed and Deadline are of a lease, by the frontier's clock. A Deadline that has passed says that
	// the task comes back with the next claim. Worker is empty where only one process can hold leases.
	Token    Token
	Worker   string
	Claimed  time.Time
	Deadline time.Time
	// Label is what the task is parked under.
	Label string
	// Letter is that of a task that is dead or gone: the newest, if there are several.
	Letter *DeadLetter
	// Host is how its host stands, whatever the place.
	Host HostInfo
	// Now is the frontier's clock: what Due, Claimed, Deadline and Host.Next are to be compared with.
	Now time.Time
}

// HostInfo is how a host stands.
type HostInfo struct {
	Host   string
	Queued int64
	Leased int64
	// Next is when the host may be served next as far as its delay and holds go; zero, or a time that has passed: now.
	Next time.Time
	// Pace in force, and whether it is the host's own.
	Pace    Pace
	OwnPace bool
}

// Full reports whether nothing more of the host is handed out until a lease ends.
func (h HostInfo) Full() bool { return h.Leased >= int64(h.Pace.Concurrency) }

// Inspector tells where tasks are. It reads in bounded steps and slows the crawl down no more than a claim does.
type Inspector interface {
	// Inspect tells where the task of host with that ID is. A task pushed several times with DontFilter may be in
	// several places; the first of them in the order above is told. A task that is not found because it moves at that
	// moment is looked for again; one that keeps moving may be told as done.
	Inspect(ctx context.Context, host string, id dedup.Fingerprint) (Whereabouts, error)
	// Hosts calls yield for each host with queued or leased tasks, in no order, until it returns false. A host that
	// was there all the time is told at least once, and may be told twice.
	Hosts(ctx context.Context, yield func(HostInfo) bool) error
}

// Steerer changes what is queued.
type Steerer interface {
	// Reprioritize gives the queued tasks of one priority another: those of host, or of all hosts if it is empty.
	// They keep their order, and stand behind those that have the new priority already. Tasks that are leased, delayed,
	// scheduled or parked keep theirs. Long queues are moved in steps, between which tasks are claimed. It
	// returns how many were moved; after an outage the number may be too small.
	Reprioritize(ctx context.Context, host string, from, to int) (int, error)
	// PurgeHost removes all tasks of a host that are queued, leased, delayed, scheduled or parked, and returns how
	// many. They stay seen; dead letters stay, too. Leases are lost to their holders, and so that the host keeps its
	// pace it is not served again before the last of them would have run out. While PurgeHost runs nothing
	// of the host is handed out; one that was cut short is repeated to finish it.
	PurgeHost(ctx context.Context, host string) (int, error)
}

// Ledger tells the sums of [Result.Sums]: what a crawl adds up as it goes, over the whole fleet. The numbers mean what
// the caller says they do. They are as durable as the queues are, and vanish with the crawl.
type Ledger interface {
	// Sums returns the sums of a host, or those of the whole crawl if host is empty; nil if nothing was added. Those of the
	// crawl need not be of one instant.
	Sums(ctx context.Context, host string) ([]float64, error)
	// HostSums calls yield for each host that has sums, in no order, until it returns false. A host that was there all
	// the time is told at least once, and may be told twice. The slice belongs to yield only while it runs.
	HostSums(ctx context.Context, yield func(host string, sums []float64) bool) error
}

// TaskRef names a task.
type TaskRef struct {
	Host string
	ID   dedup.Fingerprint
}

// Rescheduler looks at what waits for a revisit, and plans it anew.
type Rescheduler interface {
	// Reschedule gives each scheduled task of refs to change, with its index among them. change returns it with another Due or
	// Payload, and what to add to the sums (see [Result.Sums]; nil for nothing); or ok false to leave it as it is. Each
	// replacement is one atomic step by itself, which takes effect only if the task still waits as it was when it was read; otherwise
	// change is called again with what there is now. A Due that has passed makes the task claimable. changed tells for each of refs
	// whether it was replaced: false if no such task is scheduled, because it is queued or leased already, say. After an outage it
	// may be false for a replacement of its own. Some hundred are read and replaced at a time, in two round trips; change is
	// called by one goroutine, in the order of refs but for those that it gets again. With an error, changed tells what is known
	// to be replaced, and the others may be: it is safe to call it once more if change does nothing twice.
	Reschedule(ctx context.Context, refs []TaskRef, change func(i int, t Task) (next Task, sums []float64, ok bool)) (changed []bool, err error)
	// Scheduled calls yield for each task that waits for a revisit, earliest first within a partition, until it returns false.
	// It reads in bounded steps. A task that waited all the time is told once.
	Scheduled(ctx context.Context, yield func(Task) bool) error
}

// Link says that a page is linked from one page more, or one less.
type Link struct {
	TaskRef // the page linked to

	By int // 1, -1, or 0 to ask only
}

// Linker counts how many pages link to each page. What links where is the caller's to know. A count is as durable as the queues
// are, and vanishes with the crawl. It is never too small; after a crash of the caller, or an outage, it may be too large.
type Linker interface {
	// Link adds to the counts, and returns what they are then: 0 for a page that was linked once and is no more, -1 for one that
	// never was, which it stays if one is taken from it. After an error some may have been added.
	Link(ctx context.Context, links ...Link) ([]int64, error)
}

// Memo is a small memory shared by all workers of a crawl: robots.txt of a host, say. Values vanish with the
// crawl, and no sooner than told.
type Memo interface {
	// Load returns the value saved under host and name, and false if there is none or it is too old.
	Load(ctx context.Context, host, name string) (value []byte, ok bool, err error)
	// Save keeps value, of at most 1 MiB, for ttl.
	Save(ctx context.Context, host, name string, value []byte, ttl time.Duration) error
}

// WorkerInfo is how a worker process shows itself to the fleet.
type WorkerInfo struct {
	ID          string    `json:"id"`
	Host        string    `json:"host"`
	PID         int       `json:"pid"`
	Build       string    `json:"build"`
	Spiders     []string  `json:"spiders"`
	Routes      []string  `json:"routes"`
	Slots       int       `json:"slots"`
	Running     int       `json:"running"`
	Pages       int64     `json:"pages"`
	Started     time.Time `json:"started"`
	Heartbeat   time.Time `json:"heartbeat"`
	Draining    bool      `json:"draining"`
	Unavailable string    `json:"unavailable,omitempty"` // what the worker waits for, if it does
}

// Registry lists the workers of a crawl. A worker is gone when it was not heard of for the time it gave.
type Registry interface {
	// Heartbeat registers the worker, or renews it, for ttl. It returns how many workers there are, about: what
	// each of a fleet does now and then, it does the less often the more there are.
	Heartbeat(ctx context.Context, w WorkerInfo, ttl time.Duration) (fleet int, err error)
	// Leave removes the worker at once.
	Leave(ctx context.Context, id string) error
	// Workers returns those heard of in time, by ID.
	Workers(ctx context.Context) ([]WorkerInfo, error)
}

// Seed is one entry of a list that people and other programs push start URLs to, as scrapy-redis users do:
// a URL, or a JSON object with url, and optionally method, meta, priority. It is raw: who takes it reads it.
type Seed []byte

// SeedSource hands out seeds pushed from outside. redisfrontier has it.
type SeedSource interface {
	// Seeds returns up to max seeds without removing them, and removes those of an earlier call only by
	// Taken. It returns none while another worker is at it.
	Seeds(ctx context.Context, max int) ([]Seed, error)
	// Taken removes seeds that have been pushed.
	Taken(ctx context.Context, seeds ...Seed) error
	// Rejected removes a seed that cannot be read, and keeps it aside with the reason.
	Rejected(ctx context.Context, seed Seed, why string) error
	// SeedsLeft returns how many wait.
	SeedsLeft(ctx context.Context) (int64, error)
}

// Checker recounts everything and names every broken invariant: for tests and for `lycosa chaos`. It is
// slow, and exact only while nobody else works.
type Checker interface {
	Check(ctx context.Context) (broken []string, err error)
}

// FilterInfo is how a crawl remembers what it has seen.
type FilterInfo struct {
	Filter string  `json:"filter"` // its kind, error rate and size, as they were asked for
	Count  int64   `json:"count"`  // fingerprints in it
	Bytes  int64   `json:"bytes"`  // of the frontier's store
	Fill   float64 `json:"fill"`   // of its newest part, 1 = full
	Rate   float64 `json:"rate"`   // part of new tasks that is taken for seen now, as estimated from what it holds
	// Asked and Measured are the rate that was asked for, 0 if none was, and the one that follows from the bits set in a Bloom filter.
	Asked    float64 `json:"rate_asked,omitempty"`
	Measured float64 `json:"rate_measured"`
	Parts    int64   `json:"parts"`           // sets, or layers, of all partitions
	Exact    bool    `json:"exact,omitempty"` // what looks seen is asked for in another store: Rate costs look-ups, no task
}

// Rememberer tells how the crawl remembers what it has seen. redisfrontier has it.
type Rememberer interface {
	FilterInfo(ctx context.Context) (FilterInfo, error)
}

// Content is what a page shows, for [Duplicates].
type Content struct {
	// ID tells the page from others: its URL, say. 1 to MaxContentID bytes. A page is never its own duplicate.
	ID string
	// Exact is the signature of its content.
	Exact uint64
	// Sim is the simhash of its text (see package dedup/near). With 0 only pages of the same signature are its duplicates, and
	// it is compared only with others that came without.
	Sim uint64
	// Paths are the parts of the crawl that the page counts for, at most MaxPaths of at most MaxContentID bytes.
	Paths []string
	// Again says that the page was compared on an earlier visit: it is not counted once more.
	Again bool
}

// Limits of a [Content].
const (
	MaxContentID = 512
	MaxPaths     = 4
)

// Check returns what is wrong with the content, or nil.
func (c *Content) Check() error {
	if c.ID == "" || len(c.ID) > MaxContentID {
		return fmt.Errorf("content: ID has %d bytes, must have 1 to %d", len(c.ID), MaxContentID)
	}
	if len(c.Paths) > MaxPaths {
		return fmt.Errorf("content of %s: %d Paths, at most %d are counted", c.ID, len(c.Paths), MaxPaths)
	}
	for _, path := range c.Paths {
		if path == "" || len(path) > MaxContentID {
			return fmt.Errorf("content of %s: a path has %d bytes, must have 1 to %d", c.ID, len(path), MaxContentID)
		}
	}
	return nil
}

// Likeness is what a comparison of a page with the earlier ones comes to.
type Likeness struct {
	// Of is the ID of the original; empty: the page is no duplicate.
	Of string
	// Near says that the two are not the same but for Distance bits of their simhashes, 0 to 3.
	Near     bool
	Distance int
	// Paths are the counts of Content.Paths, in their order, with this page.
	Paths []PathCount
}

// PathCount says how many pages of a part of the crawl were compared, and how many were duplicates.
type PathCount struct {
	Path  string `json:"path"`
	Pages int64  `json:"pages"`
	Exact int64  `json:"exact"`
	Near  int64  `json:"near"`
}

// Duplicates returns the number of duplicates of both kinds.
func (c PathCount) Duplicates() int64 { return c.Exact + c.Near }

// DuplicateStats are the numbers of [Duplicates].
type DuplicateStats struct {
	Pages     int64 `json:"pages"`     // compared
	Exact     int64 `json:"exact"`     // of them, that show the same as an earlier one
	Near      int64 `json:"near"`      // of them, that show nearly the same
	Originals int64 `json:"originals"` // that are remembered now
	// Paths are the parts of the crawl with the most duplicates, most first.
	Paths []PathCount `json:"paths"`
}

// Duplicates finds pages that show what an earlier page of the crawl showed. It remembers the last originals, as many as the driver is
// told, and is as durable as the queues are.
type Duplicates interface {
	// Compare tells which original a page is a duplicate of. If of none, the page becomes an original in the same step: of like
	// pages that come at once one is. To repeat it is safe: it finds the page itself, and an original is not counted again, a
	// duplicate is.
	Compare(ctx context.Context, c Content) (Likeness, error)
	// DuplicateStats counts the pages compared, and names up to paths parts of the crawl. A driver counts for 10,000 parts;
	// then those with few duplicates make room.
	DuplicateStats(ctx context.Context, paths int) (DuplicateStats, error)
}

// TopPaths returns up to n of the counts that have duplicates, those with the most first. It orders the slice.
func TopPaths(counts []PathCount, n int) []PathCount {
	slices.SortFunc(counts, func(a, b PathCount) int {
		return cmp.Or(cmp.Compare(b.Duplicates(), a.Duplicates()), cmp.Compare(a.Path, b.Path))
	})
	counts = counts[:min(len(counts), max(n, 0))]
	for len(counts) > 0 && counts[len(counts)-1].Duplicates() == 0 {
		counts = counts[:len(counts)-1]
	}
	return counts
}
