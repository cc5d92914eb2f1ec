package revisit

import "math"

// Belief is a gamma distribution over a page's rate of change λ, in changes a day, which is taken to be that of a
// Poisson process: density ∝ λ^(A-1)·e^(-Bλ), mean A/B, variance A/B². B is in days. It is exact for irregular gaps,
// needs no history, and is never without an answer.
//
// The time until the next change is then Lomax distributed: P(no change within s) = (B/(B+s))^A.
type Belief struct{ A, B float64 }

// Bounds of a belief. Above maxShape, pages that change their habits would be unlearnt too slowly; at minShape
// and below, the belief says nothing.
const (
	minShape = 0.05
	maxShape = 30
	minRate  = 1e-4 // days
)

// DefaultPrior is the belief before the first look at a page of which nothing is known: Gamma(½, ½·round), where
// round is N/B in days, the time in which the budget fetches every page once. Its mean is one change a round.
func DefaultPrior(round float64) Belief { return Belief{0.5, 0.5 * round}.clamped() }

// Mean returns the expected rate, changes a day.
func (b Belief) Mean() float64 { return b.A / b.B }

// Fresh returns the probability that nothing changed within s days.
func (b Belief) Fresh(s float64) float64 { return math.Exp(-b.A * math.Log1p(max(s, 0)/b.B)) }

// MeanFresh returns the expected share of the time that a page is fresh that is visited every tau days:
// (1/τ)·∫₀^τ (B/(B+s))^A ds.
func (b Belief) MeanFresh(tau float64) float64 {
	if !(tau > 0) {
		return 1
	}
	z := tau / b.B
	l := math.Log1p(z)
	return area(b.A, z, l, math.Exp(-b.A*l)) / z
}

// Unchanged is the belief after tau days without a change: b + τ. Exact (right-censored).
func (b Belief) Unchanged(tau float64) Belief {
	return Belief{b.A, b.B + max(tau, 0)}.clamped()
}

// ChangedAt is the belief after the page was seen to have changed, for the last time age days ago, by an age
// that can be trusted: (a+1, b+age). Exact: looking back, the time to the last change of a Poisson process is an
// Exp(λ) draw. That holds at the first look at a page, too.
func (b Belief) ChangedAt(age float64) Belief {
	return Belief{b.A + 1, b.B + max(age, 0)}.clamped()
}

// Changed is the belief after the page was seen to have changed at some time within the last tau days, by a detector
// that raises a false alarm with probability eps. The likelihood is 1-(1-ε)e^(-λτ); the posterior is replaced by the
// gamma distribution of the same mean m and variance v. With q = 1-ε, L = ln(1+τ/b), d_k = 1-q·e^(-(a+k)L):
//
//	m = a/b · d₁/d₀    m₂ = a(a+1)/b² · d₂/d₀    v = m₂-m²    a' = m²/v    b' = m/v
func (b Belief) Changed(tau, eps float64) Belief {
	if !(tau > 0) {
		return b
	}
	l := math.Log1p(tau / b.B)
	p := math.Exp(-b.A * l) // e^(-aL); each further e^(-L) is 1/(1+τ/b)
	step := 1 / (1 + tau/b.B)
	q := 1 - eps
	d0 := eps - q*math.Expm1(-b.A*l) // p may be next to 1
	d1 := 1 - q*p*step
	d2 := 1 - q*p*step*step
	if tau < 1e-3*b.B {
		d1 = eps - q*math.Expm1(-(b.A+1)*l)
		d2 = eps - q*math.Expm1(-(b.A+2)*l)
	}
	m := b.A * d1 / d0              // in units of 1/b
	m2 := b.A * (b.A + 1) * d2 / d0 // in units of 1/b²
	v := m2 - m*m
	if !(v > 0) || math.IsInf(v, 0) { // rounding; the limit of small τ is one more change
		return Belief{b.A + 1, b.B}.clamped()
	}
	return Belief{m * m / v, m / v * b.B}.clamped()
}

// clamped keeps the mean while the shape is brought within its bounds.
func (b Belief) clamped() Belief {
	switch {
	case b.A > maxShape:
		b.B *= maxShape / b.A
		b.A = maxShape
	case b.A < minShape:
		b.B *= minShape / b.A
		b.A = minShape
	}
	b.B = min(max(b.B, minRate), math.MaxFloat32)
	return b
}

func (b Belief) valid() bool {
	return b.A > 0 && b.B > 0 && !math.IsInf(b.A, 0) && !math.IsInf(b.B, 0)
}

// into stores the belief in a record.
func (b Belief) into(r *Record) { r.A, r.B = float32(b.A), float32(b.B) }
