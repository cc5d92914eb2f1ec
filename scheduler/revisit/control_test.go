package revisit_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

func TestPriceFollowsTheSum(t *testing.T) {
	t.Parallel()
	c := revisit.Control{Theta: 1, Budget: 100, Pages: 500} // a round of five days
	step := func(sum float64, dt time.Duration) float64 {
		c := c
		c.Sum = sum
		return c.Step(dt).Theta
	}
	if got := step(100, time.Hour); got != 1 {
		t.Errorf("at the budget: %v, want no change", got)
	}
	if got, want := step(200, time.Hour), math.Exp(2*math.Log(2)/120); math.Abs(got-want) > 1e-12 {
		t.Errorf("at twice the budget: %v, want %v", got, want)
	}
	if got, want := step(1e9, time.Hour), math.Exp(2./120); math.Abs(got-want) > 1e-12 {
		t.Errorf("far above: %v, want %v", got, want)
	}
	if got, want := step(0, time.Hour), math.Exp(-2./120); math.Abs(got-want) > 1e-12 {
		t.Errorf("nothing planned: %v, want %v", got, want)
	}
	if got, want := step(1e9, 1000*oneDay), math.Exp(0.2); math.Abs(got-want) > 1e-12 {
		t.Errorf("after a long absence: %v, want %v", got, want)
	}
	if got := step(200, -time.Hour); got != 1 {
		t.Errorf("a clock that went back: %v", got)
	}
	c.Budget = 0
	if got := step(200, time.Hour); got != 1 {
		t.Errorf("an unlimited budget: %v", got)
	}
}

func TestPriceStartsRightForEqualPages(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Budget: 100}
	ctl := revisit.NewController(p, epoch)
	records := make([]revisit.Record, 500)
	for i := range records {
		records[i] = revisit.NewRecord(revisit.WeightOf(4))
		ctl.Track("a", revisit.Record{}, records[i])
	}
	for i, before := range records {
		records[i], _ = p.First(before.Weight, 7, -1, 0.5, epoch, ctl.Terms("a", epoch))
		ctl.Track("a", before, records[i])
	}
	// The multiplier is set at each tenth more pages, so the last of them may be missing.
	if c := ctl.Control(); c.Pages != 500 || c.Sum < 95 || c.Sum > 110 {
		t.Errorf("%d pages want %v fetches a day of a budget of 100", c.Pages, c.Sum)
	}
	for i, before := range records {
		ctl.Track("a", before, revisit.Record{})
		records[i] = revisit.Record{}
	}
	if c := ctl.Control(); c.Pages != 0 || c.Sum > 1e-9 || ctl.Host("a").Pages != 0 {
		t.Errorf("without pages: %+v", c)
	}
}

func TestGrowthKeepsWhatThePriceHasLearnt(t *testing.T) {
	t.Parallel()
	c := revisit.Control{Budget: 100, Pages: 500}.Grown(revisit.Freshness, 1)
	start := c.Theta
	c.Theta *= 7
	c.Pages = 540
	if got := c.Grown(revisit.Freshness, 1); got != c {
		t.Errorf("eight percent more pages: %+v, want no change", got)
	}
	c.Pages = 1000
	want := 7 * revisit.StartTheta(revisit.Freshness, 1, 10*oneDay)
	if got := c.Grown(revisit.Freshness, 1).Theta; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("twice the pages: %v from %v, want %v", got, start, want)
	}
	c.Budget = 0
	if got := c.Grown(revisit.Freshness, 1).Theta; got != 0 {
		t.Errorf("an unlimited budget: a price of %v", got)
	}
}

func TestHostAboveItsLimitPaysMore(t *testing.T) {
	t.Parallel()
	h := revisit.HostControl{Limit: 60, Pages: 600, Sum: 120}
	h = h.Step(time.Minute, oneDay)
	if h.Factor != 4 || !h.AtCap() {
		t.Fatalf("twice its limit: factor %v, want 4", h.Factor)
	}
	if got, want := h.Step(time.Hour, oneDay).Factor, 4*math.Exp(2*math.Log(2)/240); math.Abs(got-want) > 1e-12 {
		t.Errorf("factor %v, want %v: the host's round of ten days is the time constant", got, want)
	}
	h.Sum = 1
	for range 10000 {
		h = h.Step(time.Hour, oneDay)
	}
	if h.Factor != 1 || h.AtCap() {
		t.Errorf("far below its limit: factor %v, want 1", h.Factor)
	}
	if free := (revisit.HostControl{Sum: 1e6}).Step(time.Hour, oneDay); free.Factor != 1 {
		t.Errorf("without a limit: factor %v", free.Factor)
	}
}

func TestLargeHostBeginsAtItsOwnPrice(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Budget: 1000}
	ctl := revisit.NewController(p, epoch)
	ctl.SetLimit("big", 60)
	ctl.SetLimit("small", 60)
	plan := func(host string, n int) {
		for range n {
			ctl.Track(host, revisit.Record{}, revisit.NewRecord(revisit.WeightNormal))
		}
	}
	plan("small", 100)
	plan("big", 3000)
	plan("small", 100)
	if f := ctl.Host("big").Multiplier(); f <= 1 {
		t.Fatalf("factor %v", f)
	}
	if f := ctl.Host("small").Multiplier(); f != 1 {
		t.Errorf("the small host's factor is %v", f)
	}
	var sum float64
	for i := range 3000 {
		r, _ := p.First(revisit.WeightNormal, uint64(i), -1, 0.5, epoch, ctl.Terms("big", epoch))
		sum += r.Plan.Rate()
	}
	if sum < 50 || sum > 75 {
		t.Errorf("the big host's pages want %v fetches a day of 60", sum)
	}
}

func TestVisitsByHintsCountAsSpent(t *testing.T) {
	t.Parallel()
	ctl := revisit.NewController(revisit.Policy{Budget: 100}, epoch)
	before := page()
	ctl.Track("a", revisit.Record{}, before)
	hinted, due := revisit.Hint(before, epoch.Add(20*oneDay), 1, epoch)
	if !due.Equal(epoch) {
		t.Fatalf("due %v", due)
	}
	ctl.Track("a", before, hinted)
	before.Plan = revisit.PlanOf(20 * oneDay)
	after, _ := revisit.Policy{Budget: 100}.Visited(hinted, true, epoch, ctl.Terms("a", epoch))
	hinted.Plan = before.Plan
	ctl.Track("a", hinted, after)
	// One page and a hundred fetches a day make a round of 1/100 day; half of the interval was over.
	if got := ctl.Control().Extra; math.Abs(got-50) > 0.5 {
		t.Errorf("%v fetches a day were not planned, want 50", got)
	}
}

func TestBudgetThatHostsCannotServeIsSaidWithTheFigure(t *testing.T) {
	t.Parallel()
	hosts := []revisit.HostControl{{Limit: 60, Pages: 1000}, {Limit: 8640, Pages: 10}}
	if err := revisit.Reachable(150, 2*time.Hour, slices.Values(hosts)); err != nil {
		t.Error(err)
	}
	err := revisit.Reachable(10000, 2*time.Hour, slices.Values(hosts))
	const want = "budget (10000/d) is more than the hosts allow: with their delays and a page at most once in 2h0m0s, 180/d can be spent"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestNewURLsHaveTheirShareAndNoMore(t *testing.T) {
	t.Parallel()
	var s revisit.Share
	share := revisit.Policy{}.Share()
	count := func(n int, fresh, due bool) (news int) {
		for range n {
			if s.Next(share, fresh, due) {
				news++
			}
		}
		return news
	}
	if got := count(1000, true, true); got < 299 || got > 301 {
		t.Errorf("%d of 1000 slots, want 300", got)
	}
	if got := count(100, false, true); got != 0 {
		t.Errorf("%d slots and nobody waiting", got)
	}
	if got := count(100, true, false); got != 100 {
		t.Errorf("%d of 100 slots that revisits did not want", got)
	}
	if got := count(100, true, true); got > 31 {
		t.Errorf("%d of 100 slots: unused ones were saved up", got)
	}
	p := revisit.Policy{Budget: 1000}
	for arriving, want := range map[float64]float64{0: 1000, 100: 900, 5000: 700, -1: 1000} {
		if got := p.ForRevisits(arriving); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v new URLs a day leave %v, want %v", arriving, got, want)
		}
	}
	if got := (revisit.Policy{Budget: 1000, NewShare: -1}).ForRevisits(5000); got != 1000 {
		t.Errorf("no share leaves %v", got)
	}
}

func TestCensusSaysWhatABudgetBuys(t *testing.T) {
	t.Parallel()
	var records []revisit.Record
	for i := range 4000 {
		b := revisit.Belief{A: 0.5 + float64(i%7), B: math.Exp(float64(i%11) - 3)}
		r := page()
		r.A, r.B, r.Weight = float32(b.A), float32(b.B), revisit.Weight(120+i%17)
		records = append(records, r)
	}
	gone := page()
	c := revisit.Count(slices.Values(records))
	p := revisit.Policy{Max: 3000 * oneDay}
	age := 3000 * oneDay
	last := revisit.Prospect{Theta: math.Inf(1)}
	for _, budget := range []revisit.Budget{100, 200, 400, 800, 1600} {
		got := c.Prospect(p, budget, age)
		if math.Abs(float64(got.Budget/budget)-1) > 0.01 || got.Freshness <= last.Freshness || got.Theta >= last.Theta {
			t.Errorf("%v: %+v, after %+v", budget, got, last)
		}
		var sum, fresh, weight float64
		for _, r := range records {
			tau := p.Interval(r.Weight.Float(), r.Belief(), revisit.Terms{Theta: got.Theta, Round: duration(4000 / float64(budget)), Age: age})
			sum += 1 / (tau.Hours() / 24)
			fresh += r.Weight.Float() * r.Belief().MeanFresh(tau.Hours()/24)
			weight += r.Weight.Float()
		}
		if math.Abs(sum/float64(budget)-1) > 0.05 || math.Abs(fresh/weight-got.Freshness) > 0.01 {
			t.Errorf("%v: the pages themselves want %v a day and are fresh to %v, by the census %v", budget, sum, fresh/weight, got.Freshness)
		}
		last = got
	}
	if free := c.Prospect(p, 0, age); free.Freshness <= last.Freshness || free.Theta != 0 {
		t.Errorf("an unlimited budget: %+v", free)
	}
	gone = revisit.Policy{}.Decide(gone, revisit.Observed(revisit.GoneForGood, 0), terms(1), epoch).Record
	if _, ok := revisit.CellOf(gone); ok {
		t.Error("a page that is gone is counted")
	}
	for _, r := range records {
		c.Replace(r, revisit.Record{})
	}
	if len(c) != 0 {
		t.Errorf("%d cells left", len(c))
	}
	if got := c.Prospect(p, 100, age); got.Freshness != 0 || got.Budget != 0 {
		t.Errorf("no pages: %+v", got)
	}
}

func TestPlainIntervalHasAProspectToo(t *testing.T) {
	t.Parallel()
	c := revisit.Count(slices.Values([]revisit.Record{page(), page()}))
	cron, err := revisit.ParseCron("@daily")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []revisit.Policy{{Every: oneDay}, {Cron: cron}} {
		got := c.Prospect(p, 0, oneDay)
		if want := page().Belief().MeanFresh(1); math.Abs(float64(got.Budget)-2) > 1e-9 || math.Abs(got.Freshness-want) > 0.02 {
			t.Errorf("%+v, want 2 a day and a freshness of %v", got, want)
		}
	}
}

func duration(days float64) time.Duration { return time.Duration(days * float64(oneDay)) }
