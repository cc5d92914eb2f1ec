package chaos

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/testsite"
)

// agentPrefix begins the User-Agent of a worker; its number follows.
const agentPrefix = "lycosa-chaos/"

// itemKind is the kind of the items.
const itemKind = "page"

// Judge compares what was seen with what a crawl without faults would have left. maxRefetched is the largest share of pages
// fetched more than once, in per cent.
func Judge(maxRefetched float64, rounds ...*Record) *Verdict {
	j := newJudge(maxRefetched)
	for _, r := range rounds {
		j.add(r)
	}
	return j.verdict()
}

type judge struct {
	v     *Verdict
	r     *Record // the round looked at
	count map[Check]int
}

func newJudge(maxRefetched float64) *judge {
	j := &judge{v: &Verdict{Faults: map[Kind]int{}, Invariants: []string{}, Breaches: []Breach{}}, count: map[Check]int{}}
	j.v.Refetched.Why, j.v.Refetched.Limit = map[string]int{}, maxRefetched
	return j
}

// verdict sums up. No round may be added afterwards.
func (j *judge) verdict() *Verdict {
	j.r = &Record{}
	j.share()
	for c, n := range j.count {
		if n > shown {
			j.v.Breaches = append(j.v.Breaches, Breach{Check: c, What: fmt.Sprintf("and %d more", n-shown)})
		}
	}
	slices.SortStableFunc(j.v.Breaches, func(a, b Breach) int {
		return cmp.Compare(slices.Index(Checks, a.Check), slices.Index(Checks, b.Check))
	})
	if len(j.v.Breaches) > 0 {
		j.v.Exit = 1
	}
	return j.v
}

func (j *judge) breach(c Check, format string, args ...any) {
	if j.count[c]++; j.count[c] <= shown {
		j.v.Breaches = append(j.v.Breaches, Breach{Check: c, Round: j.r.Round, What: fmt.Sprintf(format, args...)})
	}
}

// add judges one round.
func (j *judge) add(r *Record) {
	j.r = r
	j.v.Rounds++
	j.v.Workers.Started += len(j.r.Workers)
	for _, w := range j.r.Faults {
		j.v.Faults[w.Kind]++
	}
	j.pages()
	j.items()
	j.finished()
	j.done()
	j.again()
	j.pace()
	for _, b := range j.r.Broken {
		j.v.Invariants = append(j.v.Invariants, b)
		j.breach(CheckInvariants, "%s", b)
	}
	for i := range j.r.Workers {
		j.worker(&j.r.Workers[i])
	}
}

func (j *judge) pages() {
	p := &j.v.Pages
	p.Reachable += len(j.r.Items)
	p.Fetched += len(j.r.Items) - len(j.r.Missing)
	p.Missing += len(j.r.Missing)
	p.Private += len(j.r.Private)
	for _, u := range j.r.Missing {
		j.breach(CheckPages, "never fetched: %s", u)
	}
	for _, u := range j.r.Private {
		j.breach(CheckPrivate, "fetched against robots.txt: %s", u)
	}
}

// items compares the store with the site. With files, an item may stand in several: each of them must be right.
func (j *judge) items() {
	byKey := make(map[string][]Stored, len(j.r.Stored))
	for _, s := range j.r.Stored {
		byKey[s.Key] = append(byKey[s.Key], s)
	}
	n := &j.v.Items
	for _, want := range j.r.Items {
		all := byKey[want.URL]
		delete(byKey, want.URL)
		wrong := slices.IndexFunc(all, func(s Stored) bool { return s.Item != want || s.Kind != itemKind })
		switch {
		case len(all) == 0:
			n.Missing++
			j.breach(CheckItems, "not stored: %s", want.URL)
		case wrong >= 0:
			n.Wrong++
			j.breach(CheckItems, "stored as %s %+v, should be %s %+v", all[wrong].Kind, all[wrong].Item, itemKind, want)
		default:
			n.Right++
		}
	}
	for key := range byKey {
		n.Wrong++
		j.breach(CheckItems, "stored, but of no page of the site: %s", key)
	}
}

// finished compares the frontier's counters. A finish counted twice, or by a worker that had lost the lease, shows in them.
func (j *judge) finished() {
	s, want, n := &j.r.Stats, j.r.Want, &j.v.Finished
	n.Want += want.All()
	n.Done += s.Done
	n.OK += s.Outcomes["ok"]
	n.Dead += s.Dead
	n.Left += s.Active()
	for _, c := range []struct {
		what      string
		is, ought int64
	}{
		{"tasks seen", s.Seen, want.All()},
		{"tasks finished", s.Done, want.All()},
		{"pages finished with ok", s.Outcomes["ok"], want.Pages},
		{"items of finished pages", s.Items, want.Pages},
		{"dead links", s.Gone, want.Gone},
		{"redirects", s.Outcomes["redirect"], want.Moved},
		{"pages left alone for robots.txt", s.Outcomes["robots"], want.Private},
		{"dead letters", s.Dead, 0},
		{"parked tasks", s.Parked, 0},
		{"tasks left", s.Active(), 0},
	} {
		if c.is != c.ought {
			j.breach(CheckFinished, "%s: %d, should be %d", c.what, c.is, c.ought)
		}
	}
}

func (j *judge) done() {
	j.v.EarlyDone += len(j.r.Early)
	for _, e := range j.r.Early {
		j.breach(CheckDone, "%s said done while %d pages were missing", e.Who, e.Missing)
	}
	if j.r.Late {
		j.breach(CheckDone, "the crawl was never said to be done")
	}
	if j.r.Stalled {
		j.breach(CheckDone, "the crawl stood still and was given up")
	}
}

// workerOf returns the number of the worker that a request is of, 0 if of none.
func workerOf(v *testsite.Visit) int {
	text, ok := strings.CutPrefix(v.Agent, agentPrefix)
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		return 0
	}
	return n
}

// again looks at every request for a page that had been asked for before.
func (j *judge) again() {
	type history struct {
		last *testsite.Visit
		read int // answers with 200
	}
	seen := make(map[string]*history, len(j.r.Items))
	n := &j.v.Refetched
	for i := range j.r.Visits {
		v := &j.r.Visits[i]
		if !v.Page {
			continue
		}
		h := seen[v.URL]
		if h == nil {
			h = &history{}
			seen[v.URL] = h
		}
		if v.Status == http.StatusOK {
			if h.read++; h.read == 2 {
				n.Pages++
			}
		}
		if h.last != nil {
			n.Why[j.explain(h.last, v)]++
		}
		h.last = v
	}
}

// Why a page was asked for again.
const (
	whyKilled      = "its worker was killed"
	whyStopped     = "its worker was stopped past its lease"
	whyDrained     = "its worker was told to stop"
	whyFailed      = "its worker failed"
	whyRedis       = "Redis was away"
	whyExpired     = "on a lease that had run out while its worker was stopped"
	whyUnexplained = "nothing explains it"
)

// explain says why a page was asked for again after first. What has no cause is a breach.
func (j *judge) explain(first, second *testsite.Visit) string {
	id := workerOf(first)
	before := func(w Window) bool { return !w.From.After(second.Began) }
	between := func(w Window) bool { return w.overlaps(first.Began, second.Began) }
	// A lease that could not be renewed while Redis was away may end when Redis is back, a lease's time later at most.
	unrenewed := func(w Window) bool { return w.overlaps(first.Began.Add(-j.r.Lease), second.Began) }
	switch {
	case slices.ContainsFunc(j.r.befell(id, Kill), before):
		return whyKilled
	case slices.ContainsFunc(j.r.befell(id, Stop), between):
		return whyStopped
	case slices.ContainsFunc(j.r.befell(id, Drain), before):
		return whyDrained
	case slices.ContainsFunc(j.r.befell(0, RedisKill, RedisCut, RedisHang), unrenewed):
		return whyRedis
	}
	i := slices.IndexFunc(j.r.Workers, func(w Worker) bool { return w.ID == id })
	if i >= 0 && !j.r.Workers[i].Ended.IsZero() && !j.r.Workers[i].Ended.After(second.Began) && j.r.Workers[i].Exit != 0 {
		return whyFailed
	}
	what := fmt.Sprintf("%s, by worker %d and %v later by worker %d", first.URL, id,
		second.Began.Sub(first.Began).Round(time.Millisecond), workerOf(second))
	if j.woken(first) || j.woken(second) {
		j.v.Refetched.Expired++
		j.breach(CheckExpired, "fetched on a lease that had run out: %s", what)
		return whyExpired
	}
	j.v.Refetched.Unexplained++
	j.breach(CheckRefetched, "fetched again for no reason: %s", what)
	return whyUnexplained
}

// woken reports whether a request began within a lease after its worker was woken from a stop in which leases can have
// run out.
func (j *judge) woken(v *testsite.Visit) bool {
	return slices.ContainsFunc(j.r.befell(workerOf(v), Stop), func(w Window) bool {
		return !w.To.IsZero() && w.To.Sub(w.From) > j.r.Lease/2 && !w.To.After(v.Began) && v.Began.Sub(w.To) < j.r.Lease
	})
}

func (j *judge) share() {
	n := &j.v.Refetched
	if j.v.Pages.Reachable > 0 {
		n.Percent = 100 * float64(n.Pages) / float64(j.v.Pages.Reachable)
	}
	if n.Percent > n.Limit {
		j.breach(CheckRefetched, "%.2f %% of the pages were fetched more than once, the limit is %g %%", n.Percent, n.Limit)
	}
}

// startup is how long a worker may take to find that it cannot start: its connections time out.
const startup = 30 * time.Second

// worker checks how a worker ended.
func (j *judge) worker(w *Worker) {
	killed := len(j.r.befell(w.ID, Kill)) > 0
	drained := j.r.befell(w.ID, Drain)
	away := func(kinds ...Kind) bool {
		return slices.ContainsFunc(j.r.befell(0, kinds...), func(f Window) bool { return f.overlaps(w.Started, w.Ended) })
	}
	redis := away(RedisKill, RedisCut, RedisHang)
	store := away(StoreCut, StoreHang)
	starting := w.Ended.Sub(w.Started) < startup
	switch {
	case killed || w.Exit == 0 && !w.Ended.IsZero():
		return
	case w.Ended.IsZero() && len(drained) > 0:
		j.breach(CheckWorkers, "worker %d did not end though it was told to", w.ID)
	case w.Ended.IsZero():
		j.breach(CheckWorkers, "worker %d did not end with the crawl", w.ID)
	case len(drained) > 0 && (w.Exit == 11 || w.Exit == 8 && redis || w.Exit == 9 && store):
		return
	case starting && (w.Exit == 8 && redis || w.Exit == 9 && store):
		return
	default:
		j.breach(CheckWorkers, "worker %d ended with code %d: %s", w.ID, w.Exit, w.Last)
	}
	j.v.Workers.Failed++
}
