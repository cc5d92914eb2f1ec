package main

import "math"

// oracle is the best that periodic visits can do when every rate is known: (w/λ)·(1-e^(-x)(1+x)) = θ with x = λτ, and θ by
// bisection on Σ 1/τ = budget (Cho & Garcia-Molina, TODS 2003). With limits of hosts, each has a multiplier of its own, at
// least θ.
type oracle struct {
	rate, weight []float64
	host         []int32
	limit        float64 // fetches a day of one host; 0 is none
	interval     []float64
}

// period returns the interval at which a visit is worth theta, infinite if none is.
func period(theta, w, rate float64) float64 {
	y := theta * rate / w
	if !(y < 1) {
		return math.Inf(1)
	}
	// 1-e^(-x)(1+x) rises from x²/2 to 1, concave in logarithms: Newton's method from the left.
	x := math.Sqrt(2 * y)
	for range 50 {
		e := math.Exp(-x)
		g := 1 - e*(1+x)
		if x < 1e-3 {
			g = x * x * (0.5 - x/3 + x*x/8)
		}
		step := math.Log(y/g) * g / (x * x * e)
		x *= math.Exp(min(step, 3))
		if math.Abs(step) < 1e-9 {
			break
		}
	}
	return x / rate
}

// solve sets the intervals, and returns the freshness they bring, Σ w·(1-e^(-x))/x.
func (o *oracle) solve(budget float64) float64 {
	o.interval = make([]float64, len(o.rate))
	floor := o.floors()
	theta := bisect(func(theta float64) bool {
		var sum float64
		for i, r := range o.rate {
			sum += 1 / period(max(theta, floor[o.host[i]]), o.weight[i], r)
		}
		return sum > budget
	})
	var fresh float64
	for i, r := range o.rate {
		o.interval[i] = period(max(theta, floor[o.host[i]]), o.weight[i], r)
		if x := r * o.interval[i]; !math.IsInf(x, 1) {
			fresh += o.weight[i] * -math.Expm1(-x) / x
		}
	}
	return fresh
}

// floors returns the multiplier of each host at which its pages want its limit.
func (o *oracle) floors() []float64 {
	var hosts int32
	for _, h := range o.host {
		hosts = max(hosts, h+1)
	}
	floor := make([]float64, hosts)
	if o.limit <= 0 {
		return floor
	}
	pages := make([][]int, hosts)
	for i, h := range o.host {
		pages[h] = append(pages[h], i)
	}
	for h, list := range pages {
		floor[h] = bisect(func(theta float64) bool {
			var sum float64
			for _, i := range list {
				sum += 1 / period(theta, o.weight[i], o.rate[i])
			}
			return sum > o.limit
		})
	}
	return floor
}

// bisect returns where too turns false, on a logarithmic scale.
func bisect(tooMuch func(theta float64) bool) float64 {
	low, high := -60.0, 20.0
	for range 46 {
		mid := (low + high) / 2
		if tooMuch(math.Exp(mid)) {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp(high)
}
