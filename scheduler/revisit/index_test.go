package revisit_test

import (
	"math"
	"testing"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// worth returns w·∫₀^τ s dC(s) by integration, C being the penalty expected over the belief: for freshness
// dC = a·b^a·(b+s)^(-a-1) ds, for staleness dC = (1-(b/(b+s))^a)/s ds.
func worth(o revisit.Objective, b revisit.Belief, tau float64) float64 {
	const steps = 100000 // of ln(1+s/b): the penalty grows most at first
	var sum float64
	width := math.Log1p(tau/b.B) / steps
	for i := range steps {
		grown := math.Exp(width * (float64(i) + 0.5)) // 1+s/b
		s, fresh := b.B*(grown-1), math.Pow(grown, -b.A)
		ds := b.B * grown * width
		if o == revisit.Freshness {
			sum += s * b.A / (b.B + s) * fresh * ds
		} else {
			sum += (1 - fresh) * ds
		}
	}
	return sum
}

func TestValueIsTheIntegralOfThePenalty(t *testing.T) {
	t.Parallel()
	for _, o := range []revisit.Objective{revisit.Freshness, revisit.Staleness} {
		for _, a := range []float64{0.05, 0.5, 0.995, 1, 1.005, 2, 30} {
			for _, tau := range []float64{1e-4, 0.02, 1, 30, 1000} {
				b := revisit.Belief{A: a, B: 3}
				got, want := o.Value(2, b, tau), 2*worth(o, b, tau)
				if math.Abs(got/want-1) > 1e-5 {
					t.Errorf("%v of %v after %v days: %v, want %v", o, b, tau, got, want)
				}
			}
		}
	}
}

func TestValueOfAWellKnownPageIsThatOfItsRate(t *testing.T) {
	t.Parallel()
	const rate, tau = 0.4, 3.0
	b := revisit.Belief{A: 1e7, B: 1e7 / rate}
	x := rate * tau
	if got, want := revisit.Freshness.Value(1, b, tau), (1-math.Exp(-x)*(1+x))/rate; math.Abs(got/want-1) > 1e-5 {
		t.Errorf("freshness: %v, want %v as Cho and Garcia-Molina have it", got, want)
	}
	if got, want := revisit.Staleness.Value(1, b, tau), tau-(1-math.Exp(-x))/rate; math.Abs(got/want-1) > 1e-5 {
		t.Errorf("staleness: %v, want %v", got, want)
	}
}

func TestIntervalIsTheInverseOfValue(t *testing.T) {
	t.Parallel()
	for _, o := range []revisit.Objective{revisit.Freshness, revisit.Staleness} {
		for _, a := range []float64{0.05, 0.3, 0.5, 0.999999, 1, 1.000001, 1.5, 3, 30, 1e4} {
			for _, tau := range []float64{1e-6, 1e-4, 1e-2, 0.5, 3, 40, 900} {
				b := revisit.Belief{A: a, B: 3}
				theta := o.Value(0.1, b, tau)
				if o == revisit.Freshness && a > 1 && theta > 0.1*b.B/(a-1)*(1-1e-6) {
					continue // so near to the most a visit can be worth that the interval is not told by it
				}
				if got := o.Interval(theta, 0.1, b, 1e4); math.Abs(got/tau-1) > 1e-6 {
					t.Errorf("%v of %v at %v: %v days, want %v", o, b, theta, got, tau)
				}
			}
		}
	}
}

func TestIntervalIsANumberWhateverTheInput(t *testing.T) {
	t.Parallel()
	extremes := []float64{0, math.SmallestNonzeroFloat64, 1e-300, 1e-30, 1e-4, 1, 1e4, 1e30, 1e300, math.MaxFloat64, math.Inf(1)}
	for _, o := range []revisit.Objective{revisit.Freshness, revisit.Staleness} {
		for _, theta := range extremes {
			for _, w := range extremes {
				for _, a := range []float64{0.05, 0.5, 1, 1.001, 30} {
					for _, bb := range []float64{1e-4, 1, 1e9, 3e38} {
						for _, most := range []float64{1e-5, 90, 1e5} {
							got := o.Interval(theta, w, revisit.Belief{A: a, B: bb}, most)
							if !(got >= 0 && got <= most) {
								t.Fatalf("%v, θ %v, w %v, belief (%v, %v), most %v: %v", o, theta, w, a, bb, most, got)
							}
						}
					}
				}
			}
		}
	}
}

func TestHopelessPagesAreGivenUpForFreshnessAlone(t *testing.T) {
	t.Parallel()
	b := revisit.Belief{A: 30, B: 0.3} // surely a hundred changes a day
	theta := revisit.Freshness.Value(1, b, 1e6) * 1.01
	if got := revisit.Freshness.Interval(theta, 1, b, 90); got != 90 {
		t.Errorf("freshness: every %v days, want the maximum", got)
	}
	if got := revisit.Staleness.Interval(theta, 1, b, 90); got >= 1 {
		t.Errorf("staleness: every %v days", got)
	}
	unsure := revisit.Belief{A: 0.5, B: 0.005} // perhaps as often
	if got := revisit.Freshness.Interval(theta, 1, unsure, 90); got >= 90 {
		t.Error("a page that is not known is given up")
	}
}
