package revisit

import "math"

// Objective is what the budget is spent for.
type Objective uint8

const (
	// Freshness maximises the weighted share of the time that pages are as they were seen. A page that surely changes
	// faster than it can be followed is given up: it is seen at the maximum interval.
	Freshness Objective = iota
	// Staleness minimises the weighted harmonic penalty 1 + 1/2 + … + 1/k of k unseen changes (Kolobov et al.,
	// NeurIPS 2019). It gives no page up, and costs 0.1 to 1.7 % of freshness.
	Staleness
)

func (o Objective) String() string {
	if o == Staleness {
		return "staleness"
	}
	return "freshness"
}

// Value is the marginal value V(τ) of a visit after tau days: with the penalty C(s) of being s days without a
// look, V(τ) = w·∫₀^τ s dC(s). At the best use of a budget every page is visited when its V reaches the same
// multiplier θ, which is the price of a fetch (Cho & Garcia-Molina, TODS 2003, for freshness and known rates).
// The unit is that of the weight times days. With z = τ/b, expected over the belief:
//
//	freshness  C = 1-e^(-λs)              V = w·b·G_a(z)   G_a = (1-(1+z)^(1-a))/(a-1) - z(1+z)^(-a)
//	staleness  C = ∫₀^(λs) (1-e^(-t))/t   V = w·b·H_a(z)   H_a = z - (1-(1+z)^(1-a))/(a-1)
//
// V rises with τ; for freshness and a > 1 no further than w·b/(a-1).
func (o Objective) Value(w float64, b Belief, tau float64) float64 {
	if !(tau > 0) {
		return 0
	}
	g, _ := o.gain(b.A, tau/b.B)
	return w * b.B * g
}

// Interval returns the inverse of Value: the interval in days at which a visit is worth theta, at most most. It
// is 0 if theta is not above 0, and most if no visit ever is worth that much.
//
// Newton's method on ln V over ln τ: that curve is concave, with slope 2 for small τ, so from a point left of the
// root every step stays left of it and converges. V ≤ w·b·a·z²/2, and ≤ w·b·z for staleness, gives the point.
func (o Objective) Interval(theta, w float64, b Belief, most float64) float64 {
	y := theta / (w * b.B)
	zmax := most / b.B
	switch {
	case !(theta > 0) || !(most > 0):
		return 0
	case !(y < math.MaxFloat64) || !(zmax > 0): // w is 0, or as good as that
		return most
	}
	z := math.Sqrt(2 * y / b.A)
	if o == Staleness {
		z = max(z, y)
	}
	if !(z < zmax) {
		return most
	}
	if g, _ := o.gain(b.A, zmax); !(g > y) {
		return most
	}
	for range 60 {
		g, slope := o.gain(b.A, z)
		if !(g > 0) || !(slope > 0) { // beyond what numbers can tell apart
			break
		}
		step := math.Log(y/g) * g / slope
		if step = min(max(step, -1), 4); math.Abs(step) < 1e-2 {
			z *= 1 + step + step*step/2
		} else {
			z *= math.Exp(step)
		}
		if math.Abs(step) < 1e-5 { // the next error is its square
			break
		}
	}
	return min(z*b.B, most)
}

// gain returns G_a(z) or H_a(z), and its derivative by ln z, for z > 0.
func (o Objective) gain(a, z float64) (g, slope float64) {
	l := math.Log1p(z)
	p := math.Exp(-a * l) // (1+z)^(-a)
	if t := (a + 1) * z; t < 1e-3 {
		// Both are differences of nearly equal terms; the series of a·∫ s(1+s)^(-a-1) and of its kin.
		if o == Freshness {
			return a * z * z * (0.5 - t/3 + t*(a+2)*z/8), a * z * z * p / (1 + z)
		}
		return a * z * z * (0.5 - t/6 + t*(a+2)*z/24), -z * math.Expm1(-a*l)
	}
	if o == Freshness {
		return area(a, z, l, p) - z*p, a * z * z * p / (1 + z)
	}
	return z - area(a, z, l, p), z * (1 - p)
}

// area returns ∫₀^z (1+s)^(-a) ds = (1-(1+z)^(1-a))/(a-1), given l = ln(1+z) and p = (1+z)^(-a).
func area(a, z, l, p float64) float64 {
	if u := (a - 1) * l; math.Abs(u) < 1e-2 { // the limit for a → 1 is l
		return l * (1 - u/2*(1-u/3*(1-u/4*(1-u/5))))
	}
	return (1 - p*(1+z)) / (a - 1)
}
