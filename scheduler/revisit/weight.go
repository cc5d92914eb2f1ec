package revisit

import (
	"fmt"
	"math"
	"strconv"
)

// Weight is how much a page matters beside others, kept as a logarithm in half octaves: 2^((w-128)/2). Only ratios of
// weights count. Zero means that the page matters not at all: it is seen at the maximum interval.
type Weight uint8

// The classes that can be named instead of a number.
const (
	WeightLow    Weight = 124 // 1/4
	WeightNormal Weight = 128 // 1
	WeightHigh   Weight = 132 // 4
)

// WeightOf returns the weight nearest to w; 0 if w is not above 0.
func WeightOf(w float64) Weight {
	if !(w > 0) {
		return 0
	}
	return Weight(min(max(math.Round(128+2*math.Log2(w)), 1), 255))
}

// Float returns the weight as a number, 0 to 2^63.5.
func (w Weight) Float() float64 {
	if w == 0 {
		return 0
	}
	return math.Exp2(float64(int(w)-128) / 2)
}

// Times returns the weight times 2^(halfOctaves/2), as far as a weight goes. No weight stays none.
func (w Weight) Times(halfOctaves int) Weight {
	if w == 0 {
		return 0
	}
	return Weight(min(max(int(w)+halfOctaves, 1), 255))
}

// ParseWeight reads low, normal, high or a number that is not negative.
func ParseWeight(s string) (Weight, error) {
	switch s {
	case "low":
		return WeightLow, nil
	case "normal":
		return WeightNormal, nil
	case "high":
		return WeightHigh, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("weight: %.80q: want low, normal, high or a number such as 2.5", s)
	}
	return WeightOf(f), nil
}

// DefaultWeight returns √(1+inlinks) · 2^(-depth/2), the weight of a page that nobody weighed: depth is the number of
// links between it and a start page, inlinks the number of known pages that link to it. In-links stand in for
// PageRank, whose expectation is proportional to them (Fortunato et al., WAW 2006); the root is there because the
// links of a template are counted once a page.
func DefaultWeight(depth, inlinks int) Weight {
	return WeightOf(math.Sqrt(1+float64(max(inlinks, 0))) * math.Exp2(-float64(max(depth, 0))/2))
}
