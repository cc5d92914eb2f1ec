package main

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// world is a population of pages and what is asked of the project's rule there.
type world struct {
	name string
	note string
	gate float64 // ratio to the oracle that must be reached
	// build returns the world for a seed with n pages.
	build func(n int, seed uint64) (*scene, error)
}

// scene is a world for one seed.
type scene struct {
	// course returns the run anew, the same each time: a web remembers what was looked at.
	course func() *simulate.Course
	best   float64        // of the oracle, in the last third
	tune   func(*ours)    // how this world differs for the project's rule
	bar    func() float64 // what is compared with the oracle's best in place of the gate, nil for the gate itself
}

const runDays = 90

// rates of change, a day, within the bounds of the specification.
func lognormal(rng *rand.Rand) float64 { return math.Exp(2*rng.NormFloat64()) / 15 }

func gammaRate(rng *rand.Rand) float64 { // shape .3, mean .3: Marsaglia & Tsang (2000) with the boost for shapes below 1
	const shape = 1.3
	d := shape - 1./3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := (1 + c*x) * (1 + c*x) * (1 + c*x)
		if v > 0 && math.Log(rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v * math.Pow(rng.Float64(), 1/.3)
		}
	}
}

func pareto(rng *rand.Rand) float64 { return math.Pow(1-rng.Float64(), -1/.8) / 100 }

// shape describes a synthetic world.
type shape struct {
	rate       func(*rand.Rand) float64
	perPage    float64 // fetches a day
	zipf       bool    // weights 1/k, or all equal
	correlated bool    // heavy pages change often
	turning    bool    // 30 % of the pages draw another rate at half time
	hosts      int     // of Zipf sizes; 0 is one
	kin        bool    // pages of a host share a factor of their rate
	limit      float64 // fetches a day of a host
	halved     bool    // the budget, at half time
	hinted     float64 // precision of the hints of 30 % of the pages; 0 is none
	tune       func(*ours)
}

func (s shape) build() func(n int, seed uint64) (*scene, error) {
	return func(n int, seed uint64) (*scene, error) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rate := make([]float64, n)
		host, hosts := spread(n, s.hosts, rng)
		factor := make([]float64, hosts)
		for h := range factor {
			factor[h] = rng.NormFloat64()
		}
		draw := func(i int) float64 {
			var r float64
			if s.kin {
				r = math.Exp(1.6*factor[host[i]]+1.2*rng.NormFloat64()) / 15
			} else {
				r = s.rate(rng)
			}
			return min(max(r, 1e-4), 24)
		}
		for i := range rate {
			rate[i] = draw(i)
		}
		weight := weights(n, s.zipf, rng)
		if s.correlated {
			correlate(weight, rate, rng)
		}
		then, turn := rate, math.Inf(1)
		if s.turning {
			then, turn = slices.Clone(rate), runDays/2
			for i := range then {
				if rng.Float64() < .3 {
					then[i] = draw(i)
				}
			}
		}
		budget := func(float64) float64 { return s.perPage * float64(n) }
		last := s.perPage * float64(n)
		var budgets []budgetAt
		if s.halved {
			last /= 2
			budgets = []budgetAt{{runDays / 2, last}}
			budget = func(now float64) float64 {
				if now < runDays/2 {
					return 2 * last
				}
				return last
			}
		}
		o := oracle{rate: then, weight: weight, host: host, limit: s.limit}
		c := simulate.Course{
			Weight: weight, Host: host, Hosts: hosts, Days: runDays, Budget: budget, Limit: s.limit, Tick: 1. / 48,
		}
		sc := &scene{best: o.solve(last)}
		var announced []bool
		if s.hinted > 0 {
			times := drawn(rate, runDays, rng)
			c.Hints, announced = hintsOf(times, rate, s.hinted, rng)
			sc.course = func() *simulate.Course {
				c := c
				c.Web = simulate.NewTrace(times)
				return &c
			}
			sc.bar = func() float64 { // the same changes, and nobody listens
				c := sc.course()
				c.Hints = nil
				deaf := newOurs(c, rand.New(rand.NewPCG(seed, 3)))
				return freshness(c, deaf)
			}
		} else {
			sc.course = func() *simulate.Course {
				c := c
				c.Web = &poisson{rate: rate, then: then, turn: turn, rng: rand.New(rand.NewPCG(seed, 2))}
				return &c
			}
		}
		sc.tune = func(o *ours) {
			o.budgets, o.hinted = budgets, announced
			if s.tune != nil {
				s.tune(o)
			}
		}
		return sc, nil
	}
}

// weights are 1/k in a random order, or equal; their sum is 1.
func weights(n int, zipf bool, rng *rand.Rand) []float64 {
	w := make([]float64, n)
	var sum float64
	for i := range w {
		w[i] = 1
		if zipf {
			w[i] = 1 / float64(i+1)
		}
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	rng.Shuffle(n, func(i, j int) { w[i], w[j] = w[j], w[i] })
	return w
}

// correlate gives the heavier weights to the pages that change more often, with noise.
func correlate(weight, rate []float64, rng *rand.Rand) {
	slices.SortFunc(weight, func(a, b float64) int {
		if a > b {
			return -1
		}
		return 1
	})
	rank := make([]float64, len(rate))
	order := make([]int, len(rate))
	for i, r := range rate {
		rank[i], order[i] = math.Log(r)+corrNoise*rng.NormFloat64(), i
	}
	sort.Slice(order, func(a, b int) bool { return rank[order[a]] > rank[order[b]] })
	sorted := slices.Clone(weight)
	for k, i := range order {
		weight[i] = sorted[k]
	}
}

// corrNoise is the deviation of the noise; that of the logarithms of the rates is 2, too.
const corrNoise = 2

// spread puts pages on hosts of Zipf sizes.
func spread(n, hosts int, rng *rand.Rand) ([]int32, int) {
	host := make([]int32, n)
	if hosts <= 1 {
		return host, 1
	}
	share := make([]float64, hosts)
	var sum float64
	for h := range share {
		sum += 1 / float64(h+1)
		share[h] = sum
	}
	for i := range host {
		host[i] = int32(min(sort.SearchFloat64s(share, rng.Float64()*sum), hosts-1))
	}
	return host, hosts
}

// hintsOf announces nine tenths of the changes of 30 % of the pages within twelve hours, and so many that never were that the
// share of true ones is precision.
func hintsOf(times [][]float64, rate []float64, precision float64, rng *rand.Rand) ([]simulate.Hint, []bool) {
	const recall = .9
	var hints []simulate.Hint
	announced := make([]bool, len(times))
	for i, list := range times {
		if announced[i] = rng.Float64() < .3; !announced[i] {
			continue
		}
		for _, t := range list {
			if rng.Float64() < recall {
				hints = append(hints, simulate.Hint{At: t + rng.Float64()/2, Page: int32(i)})
			}
		}
		if wrong := rate[i] * recall * (1 - precision) / precision; wrong > 0 {
			for t := rng.ExpFloat64() / wrong; t < runDays; t += rng.ExpFloat64() / wrong {
				hints = append(hints, simulate.Hint{At: t, Page: int32(i)})
			}
		}
	}
	sort.Slice(hints, func(a, b int) bool { return hints[a].At < hints[b].At })
	return hints, announced
}

// history is the world of a file of real changes.
func history(file string) func(int, uint64) (*scene, error) {
	return func(_ int, seed uint64) (*scene, error) {
		h, err := readHistory(file)
		if err != nil {
			return nil, err
		}
		times := h.Times
		rng := rand.New(rand.NewPCG(seed, 1))
		n := len(times)
		budget := .05 * float64(n)
		weight := weights(n, true, rng)
		rate := make([]float64, n)
		for i, t := range times {
			rate[i] = max(float64(len(t))/h.Days, 1e-4)
		}
		o := oracle{rate: rate, weight: weight, host: make([]int32, n)}
		o.solve(budget)
		c := simulate.Course{
			Weight: weight, Host: o.host, Hosts: 1, Days: h.Days, Budget: func(float64) float64 { return budget }, Tick: 1. / 48,
		}
		sc := &scene{course: func() *simulate.Course {
			c := c
			c.Web = simulate.NewTrace(times)
			return &c
		}}
		sc.best = sc.course().Keep(o.interval, rng.Float64).Freshness
		return sc, nil
	}
}

func readHistory(file string) (*simulate.History, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return simulate.Read(f, filepath.Base(file))
}

// worlds are those of the specification, then what it asks beyond them.
func worlds(data string) []world {
	wrong := func(by float64) func(*ours) { return func(o *ours) { o.wrong(by) } }
	more := func(o *ours) { o.Kin, o.Modified = true, true }
	synthetic := func(name, note string, gate float64, s shape) world {
		return world{name, note, gate, s.build()}
	}
	a := shape{rate: lognormal, perPage: .2, zipf: true}
	with := func(s shape, change func(*shape)) shape { change(&s); return s }
	return []world{
		synthetic("A", "lognormal, .2 fetches a page and day, Zipf weights", .990, a),
		synthetic("B", "lognormal, .05, Zipf", .980, shape{rate: lognormal, perPage: .05, zipf: true}),
		synthetic("C", "lognormal, 1, Zipf", .997, shape{rate: lognormal, perPage: 1, zipf: true}),
		synthetic("D", "gamma, .2, Zipf", .990, shape{rate: gammaRate, perPage: .2, zipf: true}),
		synthetic("E", "Pareto, .2, Zipf", .995, shape{rate: pareto, perPage: .2, zipf: true}),
		synthetic("F", "lognormal, .2, equal weights", .980, shape{rate: lognormal, perPage: .2}),
		synthetic("G", "lognormal, .05, equal weights", .925, shape{rate: lognormal, perPage: .05}),
		synthetic("H", "as A, weights correlated with rates", .975, shape{rate: lognormal, perPage: .2, zipf: true, correlated: true}),
		synthetic("I", "as A, 30 % of the pages take another rate at half time", .988, shape{rate: lognormal, perPage: .2, zipf: true, turning: true}),
		synthetic("theta*10", "as A, the multiplier begins ten times too high", .990, with(a, func(s *shape) { s.tune = wrong(10) })),
		synthetic("theta/10", "as A, ten times too low", .990, with(a, func(s *shape) { s.tune = wrong(.1) })),
		synthetic("halved", "as A, the budget is halved at half time", .980, with(a, func(s *shape) { s.halved = true })),
		synthetic("caps", "as A, 500 hosts of Zipf sizes, 60 fetches a day each at most", .975, with(a, func(s *shape) { s.hosts, s.limit = 500, 60 })),
		synthetic("hints.9", "as A, hints for 30 % of the pages, right nine times of ten", 0, with(a, func(s *shape) { s.hinted = .9 })),
		synthetic("hints.5", "hints right every second time", 0, with(a, func(s *shape) { s.hinted = .5 })),
		synthetic("hints.1", "hints right one time of ten", 0, with(a, func(s *shape) { s.hinted = .1 })),
		synthetic("recall", "hints right 97 times of 100, and the pages that have them are planned for their other changes alone", 0,
			with(a, func(s *shape) { s.hinted, s.tune = .97, func(o *ours) { o.Recall = o.recall } })),
		synthetic("F+", "as F, pages of a host alike, Last-Modified trusted", .990, shape{perPage: .2, hosts: 500, kin: true, tune: more}),
		synthetic("G+", "as G, pages of a host alike, Last-Modified trusted", .950, shape{perPage: .05, hosts: 500, kin: true, tune: more}),
		{"ota", "terms of service, 761 pages, two years, .05, Zipf", .990, history(filepath.Join(data, "ota.tsv"))},
		{"scoop", "software manifests, 2018 pages, two years, .05, Zipf", .990, history(filepath.Join(data, "scoop.tsv"))},
	}
}
