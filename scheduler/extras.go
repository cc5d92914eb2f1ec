package scheduler

import (
	"context"
	"time"
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
	At      time.Time
	Gone    bool // a dead link, not a failure
}

// Undertaker lists what was given up. Both lists are capped at the newest 10,000 a partition.
type Undertaker interface {
	// Dead calls yield for each dead letter, then for each dead link, until it returns false.
	Dead(ctx context.Context, yield func(DeadLetter) bool) error
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
	// Heartbeat registers the worker, or renews it, for ttl.
	Heartbeat(ctx context.Context, w WorkerInfo, ttl time.Duration) error
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
	Filter string  `json:"filter"`          // its kind, error rate and size, as they were asked for
	Count  int64   `json:"count"`           // fingerprints in it
	Bytes  int64   `json:"bytes"`           // of the frontier's store
	Fill   float64 `json:"fill"`            // of its newest part, 1 = full
	Rate   float64 `json:"rate"`            // part of new tasks that is taken for seen now, as estimated from what it holds
	Parts  int64   `json:"parts"`           // sets, or layers, of all partitions
	Exact  bool    `json:"exact,omitempty"` // what looks seen is asked for in another store: Rate costs look-ups, no task
}

// Rememberer tells how the crawl remembers what it has seen. redisfrontier has it.
type Rememberer interface {
	FilterInfo(ctx context.Context) (FilterInfo, error)
}
