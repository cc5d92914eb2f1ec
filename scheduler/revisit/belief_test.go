package revisit_test

import (
	"math"
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// integrate returns ∫ f over the positive numbers, by the substitution λ = e^u.
func integrate(f func(x float64) float64) float64 {
	const step = 0.002
	var sum float64
	for u := -60.0; u < 12; u += step {
		x := math.Exp(u)
		sum += f(x) * x * step
	}
	return sum
}

// posterior returns mean and variance of prior times likelihood, by integration.
func posterior(b revisit.Belief, likelihood func(rate float64) float64) (mean, variance float64) {
	density := func(x float64) float64 { return math.Exp((b.A-1)*math.Log(x)-b.B*x) * likelihood(x) }
	norm := integrate(density)
	mean = integrate(func(x float64) float64 { return x * density(x) }) / norm
	return mean, integrate(func(x float64) float64 { return x * x * density(x) })/norm - mean*mean
}

func TestUpdatesHaveTheMomentsOfThePosterior(t *testing.T) {
	t.Parallel()
	for _, b := range []revisit.Belief{{A: 0.5, B: 2.5}, {A: 1, B: 1}, {A: 3, B: 40}, {A: 20, B: 5}} {
		for _, tau := range []float64{0.01, 0.3, 2, 15, 100} {
			for _, eps := range []float64{1e-4, 0.01, 0.05} {
				mean, variance := posterior(b, func(x float64) float64 { return 1 - (1-eps)*math.Exp(-x*tau) })
				sameMoments(t, b.Changed(tau, eps), mean, variance)
			}
			mean, variance := posterior(b, func(x float64) float64 { return math.Exp(-x * tau) })
			sameMoments(t, b.Unchanged(tau), mean, variance)
			mean, variance = posterior(b, func(x float64) float64 { return x * math.Exp(-x*tau) })
			sameMoments(t, b.ChangedAt(tau), mean, variance)
		}
	}
}

func sameMoments(t *testing.T, got revisit.Belief, mean, variance float64) {
	t.Helper()
	if e := got.Mean()/mean - 1; math.Abs(e) > 1e-5 {
		t.Errorf("mean %v, want %v", got.Mean(), mean)
	}
	if v := got.A / got.B / got.B; math.Abs(v/variance-1) > 1e-4 {
		t.Errorf("variance %v, want %v", v, variance)
	}
}

func TestBeliefFindsTheRate(t *testing.T) {
	t.Parallel()
	// A page that changes every second day, seen daily: e^(-1/2) of the visits show no change.
	b := revisit.DefaultPrior(1)
	unchanged := math.Exp(-0.5)
	due := 0.0
	for range 400 {
		if due += unchanged; due >= 1 {
			due--
			b = b.Unchanged(1)
		} else {
			b = b.Changed(1, 0.01)
		}
	}
	if b.Mean() < 0.45 || b.Mean() > 0.55 {
		t.Errorf("the rate is believed to be %v a day, want 0.5", b.Mean())
	}
}

func TestBeliefStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	for _, b := range []revisit.Belief{{A: 0.05, B: 1e-4}, {A: 30, B: 1e-4}, {A: 0.05, B: 1e30}, {A: 30, B: 1e30}, {A: 0.5, B: 1}} {
		for _, tau := range []float64{-1, 0, 1e-300, 1e-9, 1e-3, 1, 1e9, 1e300} {
			for _, eps := range []float64{0, 1e-12, 0.01, 0.999} {
				for _, got := range []revisit.Belief{b.Unchanged(tau), b.Changed(tau, eps), b.ChangedAt(tau)} {
					if !(got.A >= 0.0499) || !(got.A <= 30.001) || !(got.B >= 0.999e-4) || math.IsInf(got.B, 0) {
						t.Fatalf("%v after %v with ε %v: %v", b, tau, eps, got)
					}
				}
			}
		}
	}
}

func TestFreshnessIsWhatTheBeliefExpects(t *testing.T) {
	t.Parallel()
	for _, b := range []revisit.Belief{{A: 0.5, B: 2.5}, {A: 1, B: 3}, {A: 30, B: 5}} {
		for _, s := range []float64{0.1, 2, 50} {
			want, _ := posterior(b, func(float64) float64 { return 1 })
			norm := integrate(func(x float64) float64 { return math.Exp((b.A-1)*math.Log(x) - b.B*x) })
			fresh := integrate(func(x float64) float64 { return math.Exp((b.A-1)*math.Log(x) - b.B*x - x*s) }) / norm
			mean := integrate(func(x float64) float64 {
				return math.Exp((b.A-1)*math.Log(x)-b.B*x) * -math.Expm1(-x*s) / (x * s)
			}) / norm
			if math.Abs(b.Mean()/want-1) > 1e-6 || math.Abs(b.Fresh(s)/fresh-1) > 1e-6 || math.Abs(b.MeanFresh(s)/mean-1) > 1e-6 {
				t.Errorf("%v after %v: mean %v %v, fresh %v %v, on average %v %v", b, s, b.Mean(), want, b.Fresh(s), fresh, b.MeanFresh(s), mean)
			}
		}
	}
	if got := (revisit.Belief{A: 1, B: 1}).MeanFresh(0); got != 1 {
		t.Errorf("always looked at, a page is fresh for %v of the time", got)
	}
}
