package simulate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

func lognormal(rng *rand.Rand) float64 { return math.Exp(2*rng.NormFloat64()) / 15 }

func TestTextAndFeedReachTheSame(t *testing.T) {
	t.Parallel()
	a, _, feed := some(t, 200, 90, 5)
	b, err := Read(strings.NewReader(feed), "feed")
	if err != nil {
		t.Fatal(err)
	}
	p := revisit.Policy{Budget: 40}
	one, two := policy(t, a, p), policy(t, b, p)
	if math.Abs(one.Freshness-two.Freshness) > 1e-3 || math.Abs(one.Age-two.Age) > 0.02 {
		t.Errorf("text %+v, feed %+v", one, two)
	}
	if three := policy(t, a, p); three != one {
		t.Errorf("once %+v, and again %+v", one, three)
	}
}

func policy(t *testing.T, h *History, p revisit.Policy) Score {
	t.Helper()
	s, err := NewReplay(h, nil).Policy(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMoreBudgetNeverBuysLess(t *testing.T) {
	t.Parallel()
	const pages, days, noise = 300, 100, 0.004
	h, _, _ := some(t, pages, days, 6)
	for _, objective := range []revisit.Objective{revisit.Freshness, revisit.Staleness} {
		before := Score{Age: math.Inf(1)}
		first := math.NaN()
		for budget := revisit.Budget(20); budget < 1500; budget *= 2 {
			s := policy(t, h, revisit.Policy{Budget: budget, Objective: objective})
			if s.Freshness < before.Freshness-noise || s.Age > before.Age*1.05 {
				t.Errorf("%v: %v buys %+v, half of it %+v", objective, budget, s, before)
			}
			if spent := float64(s.Visits) / days; spent > float64(budget) {
				t.Errorf("%v: %v visits a day of a budget of %v", objective, spent, budget)
			}
			if math.IsNaN(first) {
				first = s.Freshness
			}
			before = s
		}
		if before.Freshness < first+0.2 {
			t.Errorf("%v: from %v to %v: the test proves little", objective, first, before.Freshness)
		}
	}
}

func TestPolicyReachesMoreThanTurns(t *testing.T) {
	t.Parallel()
	h, _, _ := some(t, 400, 120, 7)
	weights := make([]float64, len(h.Pages))
	for i := range weights {
		weights[i] = 1 / float64(1+i)
	}
	r := NewReplay(h, weights)
	ours, err := r.Policy(t.Context(), revisit.Policy{Budget: 80})
	if err != nil {
		t.Fatal(err)
	}
	turns, err := r.InTurn(t.Context(), 80)
	if err != nil {
		t.Fatal(err)
	}
	if ours.Freshness < turns.Freshness+0.03 || ours.Age > turns.Age {
		t.Errorf("%+v; in turn %+v", ours, turns)
	}
	// An interval for all is as good as all in turn.
	every, err := r.Policy(t.Context(), revisit.Policy{Budget: 80.1, Every: revisit.Policy{Budget: 80}.Round(int64(len(h.Pages)))})
	if err != nil || math.Abs(every.Freshness-turns.Freshness) > 0.02 {
		t.Errorf("every: %+v; in turn %+v, %v", every, turns, err)
	}
}

// TestFreshnessAndAgeOfKnownLooks has looks at days 0, 10, 20 and 30 at a page that changes on known days.
func TestFreshnessAndAgeOfKnownLooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		changes    []float64
		fresh, age float64
	}{
		{nil, 1, 0},
		{[]float64{5}, 1, 0},                              // seen before the last third
		{[]float64{25}, 0.5, 12.5 / 10},                   // ∫ from 25 to 30 of t-25
		{[]float64{22, 24}, 0.2, 32. / 10},                // since the first
		{[]float64{15, 24}, 0.4, 18. / 10},                // the one before was seen
		{[]float64{20, 30}, 1, 0},                         // seen as it happens; at the end
		{[]float64{1, 2, 3, 11, 20.5}, 0.05, 45.125 / 10}, // 9.5²/2
	} {
		course := func() *Course {
			return &Course{
				Weight: []float64{1}, Host: []int32{0}, Hosts: 1, Web: NewTrace([][]float64{c.changes}), Days: 30, Gated: true, Tick: 1,
				Budget: func(float64) float64 { return 2 },
			}
		}
		run, err := course().Run(t.Context(), &Fixed{[]float64{10}, zero()})
		kept := course().Keep([]float64{10}, func() float64 { return 0 })
		for _, s := range []Score{run, kept} {
			if err != nil || math.Abs(s.Freshness-c.fresh) > 1e-9 || math.Abs(s.Age-c.age) > 1e-9 || s.Visits != 3 {
				t.Errorf("changes at %v: %+v, want %v fresh, age %v; %v", c.changes, s, c.fresh, c.age, err)
			}
		}
	}
}

// zero returns a source of the smallest number.
func zero() *rand.Rand { return rand.New(zeros{}) }

type zeros struct{}

func (zeros) Uint64() uint64 { return 0 }

func TestAgeGoesOnBetweenLooks(t *testing.T) {
	t.Parallel()
	w := NewTrace([][]float64{{2, 5}})
	w.Look(0, -1, 1)
	for _, c := range []struct{ from, to, want float64 }{{1, 2, 0}, {1, 4, 2}, {3, 6, 7.5}, {2, 2, 0}} {
		if got := w.Age(0, 1, c.from, c.to); got != c.want {
			t.Errorf("from %v to %v: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h, _, _ := some(t, 50, 60, 8)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := NewReplay(h, nil)
	if _, err := r.Policy(ctx, revisit.Policy{Budget: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := r.InTurn(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
