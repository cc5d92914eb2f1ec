package frontiertest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Opener opens a frontier on the crawl that o names, and creates the crawl if there is none. Called again with the
// same name it opens a second worker of the same crawl; a driver that lives in one process may return the
// same frontier again, unless its crawl was purged or it was closed. The opener calls t.Fatal if it cannot, and
// leaves closing to t.Cleanup.
type Opener func(t testing.TB, o Options) scheduler.Frontier

// Options is what a case asks of the frontier it opens. Lease, Pace and MaxExpired are always set.
type Options struct {
	// Crawl is the name of the crawl: lower-case letters, digits and dashes.
	Crawl string
	// Lease is how long a claim holds.
	Lease time.Duration
	// Pace is that of every host without one of its own.
	Pace scheduler.Pace
	// MaxExpired is how often the lease of a task may run out; once more, and it is a dead letter.
	MaxExpired int
	// Duplicates is how many originals are remembered; 0: the driver's default.
	Duplicates int
	// Now, if set, is the clock that decides everything about due times, leases, delays, holds, memos and
	// workers. It moves in whole milliseconds. A claim that waits need not notice that it was moved. If
	// nil, the real clock decides.
	Now func() time.Time
	// Ordered says that the case looks at the order among hosts. A driver that keeps this order within
	// a partition opens the crawl with a single one.
	Ordered bool
	// Fault, if set, is asked by a driver with a connection before each command it sends to its store,
	// and says how that one is to fail. It may be called from many goroutines. Drivers without a connection
	// ignore it.
	Fault func() Fault
}

// Fault is how a command fails.
type Fault int

const (
	// NoFault lets the command pass.
	NoFault Fault = iota
	// FaultBefore fails the command before the store has seen it.
	FaultBefore
	// FaultAfter has the store execute the command and loses the answer.
	FaultAfter
)

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows the real time, in whole milliseconds.
func NewClock() *Clock { return &Clock{now: time.Now().Round(0).Truncate(time.Millisecond)} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the suite against the frontiers that open opens.
func Run(t *testing.T, open Opener) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newRig(t, open, c.name))
		})
	}
}

// testCase is one promise: its name, and what would fail if it were broken.
type testCase struct {
	name string
	run  func(*rig)
}

func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		pushCases(), orderCases(), waitCases(), leaseCases(), verdictCases(), paceCases(),
		doneCases(), crawlCases(), letterCases(), inspectCases(), steerCases(), revisitCases(), rescheduleCases(), extraCases(), duplicateCases(), linkCases(), crowdCases(), modelCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// crawlName returns a name that no other case, and no earlier run, has used.
func crawlName(base string) string {
	base, _, _ = strings.Cut(base, "/")
	return strings.ToLower(base) + "-" + strconv.FormatUint(rand.Uint64(), 36)
}
