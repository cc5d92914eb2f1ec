package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
				equal = append(equal, c.run(uniform(c, rand.New(rand.NewPCG(seed, 3))))/sc.best)
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
	rates := c.web.(*poisson).rate
	o := oracle{rate: rates, weight: c.weight, host: c.host}
	best := o.solve(c.budget(0))
	if got := c.run(&plain{o.interval, rand.New(rand.NewPCG(7, 7))}) / best; got < 0.99 || got > 1.005 {
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
	tr := newTrace(times)
	sums := func(w web) (fresh, changed, age float64) {
		for i := range n {
			w.look(i, -1, 0)
			w.look(i, 0, 3)
			fresh += w.fresh(i, 3, 3, 5)
			if is, old := w.look(i, 3, 5); is {
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

func TestQueueKeepsOrderAndHostGaps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	const n, hosts, gap = 300, 12, 0.5
	host := make([]int32, n)
	due := make([]float64, n)
	for i := range host {
		host[i], due[i] = int32(rng.IntN(hosts)), 10*rng.Float64()
	}
	q := newQueue(host, hosts, gap)
	q.fill(due)
	next := make([]float64, hosts)
	for now := 0.0; now < 200; now += 0.1 {
		if j := rng.IntN(n); rng.IntN(4) == 0 {
			q.move(int32(j), now+3*rng.Float64())
			due[j] = q.due[j]
		}
		want := -1
		for i := range n {
			if next[host[i]] <= now && (want < 0 || due[i] < due[want]) {
				want = i
			}
		}
		got := q.peek(now)
		if int(got) != want {
			t.Fatalf("at %v: page %d, want %d", now, got, want)
		}
		if got >= 0 {
			due[got] = now + 20*rng.Float64()
			next[host[got]] = now + gap
			q.visited(got, now, due[got])
		}
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

func TestBrokenHistoryIsRefusedByLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"# days=730\na\t1,2\nb":   "h.tsv:3: no tab",
		"# days=730\na\t1,x":      `h.tsv:2: strconv.ParseFloat: parsing "x": invalid syntax`,
		"a\t1":                    `h.tsv: no pages, or no line "# days=N"`,
		"# days=x\na\t1":          `h.tsv:1: strconv.ParseFloat: parsing "x": invalid syntax`,
		"# days=10 source=none\n": `h.tsv: no pages, or no line "# days=N"`,
	} {
		file := filepath.Join(t.TempDir(), "h.tsv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readHistory(file); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
