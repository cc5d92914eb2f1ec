package revisit

import (
	"math"
	"time"
)

// Controller steers the multiplier of one crawl in process: [Control] and a [HostControl] for each host, kept together.
// It is deterministic: its clock is an argument. It must not be used from several goroutines at once.
//
//	c := revisit.NewController(policy, began)
//	terms := c.Terms(host, now)                        // for Policy.First, Visited, Decide
//	c.Track(host, before, after)                       // whenever a record changed; the zero Record is none
//	c.Tick(now)                                        // every half minute, or as often as one likes
type Controller struct {
	policy   Policy
	control  Control
	began    time.Time
	last     time.Time
	rootSum  float64 // Σ √w of the pages
	arriving float64
	hosts    map[string]*host
}

type host struct {
	HostControl
	kin     Kin
	rootSum float64
}

// NewController returns the controller of a crawl that began at began. The policy must be valid.
func NewController(p Policy, began time.Time) *Controller {
	return &Controller{
		policy: p, began: began, last: began, control: Control{Budget: float64(p.Budget)}, hosts: make(map[string]*host),
	}
}

// Control returns the state of the multiplier.
func (c *Controller) Control() Control { return c.control }

// Host returns the state of a host.
func (c *Controller) Host(name string) HostControl {
	if h := c.hosts[name]; h != nil {
		return h.HostControl
	}
	return HostControl{}
}

// SetTheta overrides the multiplier, as one that was kept over a restart.
func (c *Controller) SetTheta(theta float64) {
	c.control.Theta, c.control.Rooted = theta, c.control.Pages
	c.control.Start = StartTheta(c.policy.Objective, c.meanRoot(), c.control.Round())
}

// SetBudget changes the budget; the multiplier follows within a round or so. arriving is the number of new URLs fetched a
// day, which are paid first as far as their share goes.
func (c *Controller) SetBudget(b Budget, arriving float64) {
	c.policy.Budget, c.arriving = b, arriving
	c.control.Budget = c.policy.ForRevisits(arriving)
}

// SetLimit sets the number of fetches a day that a host allows; 0 is no limit.
func (c *Controller) SetLimit(name string, perDay float64) { c.host(name).Limit = perDay }

func (c *Controller) host(name string) *host {
	h := c.hosts[name]
	if h == nil {
		h = &host{}
		c.hosts[name] = h
	}
	return h
}

// Terms returns what the plan of a page of the host depends on.
func (c *Controller) Terms(name string, now time.Time) Terms {
	t := Terms{Theta: c.control.Theta, Round: c.control.Round(), Age: max(now.Sub(c.began), 0)}
	if h := c.hosts[name]; h != nil {
		t.Theta *= h.Multiplier()
		t.HostRound = h.Round()
		t.Prior = h.kin.Prior(days(t.Round))
	}
	return t
}

// Track counts that a record of the host changed. A zero Record stands for a page that is not known, before or after.
func (c *Controller) Track(name string, before, after Record) {
	h := c.host(name)
	c.control = c.control.Planned(before.Plan, after.Plan)
	h.HostControl = h.Planned(before.Plan, after.Plan)
	h.kin = h.kin.Replace(before, after)
	if d := root(after) - root(before); d != 0 {
		c.rootSum = max(c.rootSum+d, 0)
		h.rootSum = max(h.rootSum+d, 0)
	}
	if d := known(after) - known(before); d != 0 {
		c.control.Pages += d
		h.Pages += d
		c.grown()
	}
	if before.Hinted() && !after.Hinted() {
		c.control = c.control.Unplanned(before.Plan, time.Duration(int64(after.Seen)-int64(before.Seen))*time.Second)
	}
}

// grown sets the multiplier, and every host's factor, anew if there are so many more pages that they must be.
func (c *Controller) grown() {
	before := c.control.Rooted
	c.control = c.control.Grown(c.policy.Objective, c.meanRoot())
	if c.control.Rooted == before || c.rootSum == 0 {
		return
	}
	for _, h := range c.hosts {
		h.HostControl = h.Grown(c.policy.Objective, c.control, h.rootSum/float64(max(h.Pages, 1)))
	}
}

func (c *Controller) meanRoot() float64 {
	return c.rootSum / float64(max(c.control.Pages, 1))
}

func known(r Record) int64 {
	if r == (Record{}) {
		return 0
	}
	return 1
}

func root(r Record) float64 {
	if known(r) == 0 {
		return 0
	}
	return math.Sqrt(r.Weight.Float())
}

// Tick steps the multiplier and the hosts' factors to now. A clock that went back is waited for.
func (c *Controller) Tick(now time.Time) {
	dt := now.Sub(c.last)
	if dt <= 0 {
		return
	}
	c.last = now
	c.control = c.control.Step(dt)
	round := c.control.Round()
	for _, h := range c.hosts {
		h.HostControl = h.Step(dt, round)
	}
}
