package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// TestPolicyBeatsRoundRobinInSmallWorlds runs two small worlds of the benchmark, with bounds that a broken policy misses: that
// the same pages at equal intervals miss them proves it.
func TestPolicyBeatsRoundRobinInSmallWorlds(t *testing.T) {
	t.Parallel()
	for name, bound := range map[string]float64{"A": 0.975, "F": 0.968} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, equal []float64
			for seed := uint64(1); seed <= 3; seed++ {
				sc, err := find(t, name).build(2000, seed)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, sc.score(seed))
				c := sc.course()
				equal = append(equal, freshness(c, uniform(c, rand.New(rand.NewPCG(seed, 3))))/sc.best)
			}
			if mean(got) < bound {
				t.Errorf("%.4f of the oracle's freshness, want %v", got, bound)
			}
			if mean(equal) >= bound {
				t.Errorf("equal intervals reach %.4f: the bound of %v proves nothing", equal, bound)
			}
		})
	}
}

func find(t *testing.T, name string) world {
	t.Helper()
	for _, w := range worlds("") {
		if w.name == name {
			return w
		}
	}
	t.Fatalf("no world %s", name)
	return world{}
}

// TestOracleKeepsBudgetAndIsTheBest compares the oracle with all plans that move a little of the budget.
func TestOracleKeepsBudgetAndIsTheBest(t *testing.T) {
	t.Parallel()
	rate := []float64{0.001, 0.05, 0.3, 2, 24}
	weight := []float64{0.1, 0.4, 0.2, 0.25, 0.05}
	o := oracle{rate: rate, weight: weight, host: make([]int32, len(rate))}
	best := o.solve(2)
	fresh := func(f []float64) (sum float64) {
		for i, r := range rate {
			if x := r / f[i]; f[i] > 0 {
				sum += weight[i] * -math.Expm1(-x) / x
			}
		}
		return sum
	}
	f := make([]float64, len(rate))
	var spent float64
	for i, tau := range o.interval {
		f[i] = 1 / tau
		spent += f[i]
	}
	if math.Abs(spent-2) > 1e-6 || math.Abs(fresh(f)-best) > 1e-9 {
		t.Fatalf("spends %v of 2, freshness %v, said %v", spent, fresh(f), best)
	}
	for i := range f {
		for j := range f {
			if d := 0.01; i != j && f[i] > d {
				f[i] -= d
				f[j] += d
				if got := fresh(f); got > best+1e-9 {
					t.Errorf("%v from page %d to %d is better: %v, best %v", d, i, j, got, best)
				}
				f[i] += d
				f[j] -= d
			}
		}
	}
}

// TestSimulationAgreesWithTheFormula runs known intervals through the slots: freshness must be that of the formula.
func TestSimulationAgreesWithTheFormula(t *testing.T) {
	t.Parallel()
	sc, err := find(t, "A").build(4000, 7)
	if err != nil {
		t.Fatal(err)
	}
	c := sc.course()
	rates := c.Web.(*poisson).rate
	o := oracle{rate: rates, weight: c.Weight, host: c.Host}
	best := o.solve(c.Budget(0))
	if got := freshness(c, &simulate.Fixed{Interval: o.interval, Rand: rand.New(rand.NewPCG(7, 7))}) / best; got < 0.99 || got > 1.005 {
		t.Errorf("the oracle's own plan reaches %v of what it should", got)
	}
}

func TestLooksAndFreshnessOfBothWebsAgree(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	const n = 40000
	rate, then := make([]float64, n), make([]float64, n)
	for i := range rate {
		rate[i], then[i] = 0.3, 1.1
	}
	p := &poisson{rate: rate, then: then, turn: 4, rng: rng}
	times := make([][]float64, n)
	for i := range times {
		for at := rng.ExpFloat64() / 0.3; at < 4; at += rng.ExpFloat64() / 0.3 {
			times[i] = append(times[i], at)
		}
		for at := 4 + rng.ExpFloat64()/1.1; at < 10; at += rng.ExpFloat64() / 1.1 {
			times[i] = append(times[i], at)
		}
	}
	tr := simulate.NewTrace(times)
	sums := func(w simulate.Web) (fresh, changed, age float64) {
		for i := range n {
			w.Look(i, -1, 0)
			w.Look(i, 0, 3)
			fresh += w.Fresh(i, 3, 3, 5)
			if is, old := w.Look(i, 3, 5); is {
				changed++
				age += old
			}
		}
		return fresh / n, changed / n, age / changed
	}
	f1, c1, a1 := sums(p)
	f2, c2, a2 := sums(tr)
	if math.Abs(f1-f2) > 0.02 || math.Abs(c1-c2) > 0.02 || math.Abs(a1-a2) > 0.02 {
		t.Errorf("Poisson: fresh %v, changed %v, age %v; trace: %v, %v, %v", f1, c1, a1, f2, c2, a2)
	}
}

func TestMissedGateIsAnErrorAndAbsentDataIsSaid(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := find(t, "F")
	w.gate = 1.5
	b := &bench{n: 300, seeds: []uint64{1}, worlds: []world{w}}
	err := b.run(&out)
	if err == nil || !strings.Contains(err.Error(), "below the gate: F") || !strings.Contains(out.String(), "MISSED") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	b.worlds = worlds(filepath.Join(t.TempDir(), "none"))
	b.worlds = b.worlds[len(b.worlds)-2:]
	if err := b.run(&out); err != nil || strings.Count(out.String(), "LYCOSA_REVISIT_DATA") != 2 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
