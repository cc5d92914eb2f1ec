package chaos

import "time"

// Verdict is what a run came to. Its JSON is a contract with scripts.
type Verdict struct {
	Exit    int     `json:"exit"` // 0, or 1 if there is a breach
	Seed    uint64  `json:"seed"`
	Rounds  int     `json:"rounds"`
	Elapsed float64 `json:"elapsed_seconds"`

	Workers struct {
		Size    int `json:"size"`    // at a time
		Started int `json:"started"` // in all
		Failed  int `json:"failed"`  // that ended by themselves in a way that no fault explains
	} `json:"workers"`
	Faults map[Kind]int `json:"faults"`

	Pages struct {
		Reachable int `json:"reachable"`
		Fetched   int `json:"fetched"`
		Missing   int `json:"missing"`
		Private   int `json:"private"` // that robots.txt disallows and that were fetched
	} `json:"pages"`
	Items struct {
		Store   string `json:"store"` // mongodb or files
		Right   int    `json:"right"`
		Missing int    `json:"missing"`
		Wrong   int    `json:"wrong"` // other fields than the page has, or of no page at all
	} `json:"items"`
	// Finished are tasks as the frontier counted them.
	Finished struct {
		Want int64 `json:"want"`
		Done int64 `json:"done"`
		OK   int64 `json:"ok"` // pages of them
		Dead int64 `json:"dead"`
		Left int64 `json:"left"`
	} `json:"finished"`
	Refetched struct {
		Pages       int            `json:"pages"` // that were answered with 200 more than once
		Percent     float64        `json:"percent"`
		Limit       float64        `json:"limit_percent"`
		Why         map[string]int `json:"why"`         // requests for a page asked for before, by cause
		Unexplained int            `json:"unexplained"` // of them, those without a cause
		Expired     int            `json:"expired"`     // of them, those on a lease that had run out
	} `json:"refetched"`
	Delay struct {
		Hosts    int     `json:"hosts"`
		Gaps     int     `json:"gaps"` // measured
		Breaches int     `json:"breaches"`
		Allowed  int     `json:"allowed"`     // that fell short by no more than the site's own process was late then
		Apart    int     `json:"apart"`       // with a request in flight while its process was stopped or dead
		Closest  float64 `json:"closest"`     // the shortest gap in delays
		Lateness float64 `json:"lateness_ms"` // of the site's own process, at worst
	} `json:"delay"`
	Concurrency struct {
		Hosts    int `json:"hosts"`
		Breaches int `json:"breaches"`
		Apart    int `json:"apart"`  // beside a request that a stopped or dead process held open
		Widest   int `json:"widest"` // requests at once to one host, without those
	} `json:"concurrency"`

	EarlyDone  int      `json:"early_done"`
	Invariants []string `json:"invariants"` // broken
	// Breaches are all that is wrong, each in one line: those of the first kind first, and of each kind the first few.
	Breaches []Breach `json:"breaches"`
}

// Breach is a promise broken.
type Breach struct {
	Check Check  `json:"check"`
	Round int    `json:"round"`
	What  string `json:"what"`
}

// Check is a promise that is checked.
type Check string

// The promises.
const (
	CheckPages       Check = "pages"       // every reachable page is fetched
	CheckPrivate     Check = "private"     // and none that robots.txt disallows
	CheckItems       Check = "items"       // its item is stored, with the right fields
	CheckFinished    Check = "finished"    // each task is finished exactly once
	CheckDone        Check = "done"        // done is said when it is true, and not before
	CheckRefetched   Check = "refetched"   // few pages are fetched twice, and none without a fault that explains it
	CheckExpired     Check = "expired"     // no request begins on a lease that ran out while its process was stopped
	CheckDelay       Check = "delay"       // no host is served faster than it asks for
	CheckConcurrency Check = "concurrency" // nor wider
	CheckInvariants  Check = "invariants"  // the frontier's records agree with each other
	CheckWorkers     Check = "workers"     // workers end as they should
)

// Checks are all of them.
var Checks = []Check{
	CheckPages, CheckPrivate, CheckItems, CheckFinished, CheckDone, CheckRefetched, CheckExpired, CheckDelay, CheckConcurrency,
	CheckInvariants, CheckWorkers,
}

// shown bounds the breaches of one check that are told apart.
const shown = 5

// Broken returns the number of breaches of a check that are listed.
func (v *Verdict) Broken(c Check) (n int) {
	for _, b := range v.Breaches {
		if b.Check == c {
			n++
		}
	}
	return n
}

// Took is how long the run took.
func (v *Verdict) Took() time.Duration { return time.Duration(v.Elapsed * float64(time.Second)) }
