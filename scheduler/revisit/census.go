package revisit

import (
	"iter"
	"math"
	"time"
)

// Cell stands for all pages of nearly the same weight and belief: the weight's half octave, and those of A and B. Counts of
// cells are enough to tell what a budget buys.
type Cell uint32

// CellOf returns the cell of a record that was seen and is not gone; ok is false for any other.
func CellOf(r Record) (c Cell, ok bool) {
	if r.A <= 0 || r.State() == Gone {
		return 0, false
	}
	w := WeightOf(r.EffectiveWeight())
	return Cell(w)<<16 | Cell(halfOctave(float64(r.A)))<<8 | Cell(halfOctave(float64(r.B))), true
}

func halfOctave(x float64) uint8 { return uint8(min(max(math.Round(128+2*math.Log2(x)), 0), 255)) }

func (c Cell) weight() float64 { return Weight(c >> 16 & 0xff).Float() }

func (c Cell) belief() Belief {
	exp := func(k Cell) float64 { return math.Exp2((float64(k&0xff) - 128) / 2) }
	return Belief{exp(c >> 8), exp(c)}
}

// Census is the number of pages in each cell.
type Census map[Cell]int64

// Count returns the census of some records.
func Count(records iter.Seq[Record]) Census {
	c := make(Census)
	for r := range records {
		c.Replace(Record{}, r)
	}
	return c
}

// Replace counts that the record of a page changed; a zero Record stands for a page that is not known.
func (c Census) Replace(before, after Record) {
	if cell, ok := CellOf(before); ok {
		if c[cell]--; c[cell] == 0 {
			delete(c, cell)
		}
	}
	if cell, ok := CellOf(after); ok {
		c[cell]++
	}
}

// Prospect is what a budget buys.
type Prospect struct {
	Budget    Budget  // fetches a day that are used
	Theta     float64 // at this multiplier
	Freshness float64 // expected share of the weight that is as it was seen, 0 to 1
}

// Prospect returns what budget fetches a day would buy, once the plans have settled, age being that of the crawl by then: the
// multiplier is found by bisection. An unlimited budget buys what the policy's own bounds leave. Host limits
// are not taken into account.
//
// Prospect(2*B) against Prospect(B) says what twice the budget would buy.
func (c Census) Prospect(p Policy, budget Budget, age time.Duration) Prospect {
	var pages int64
	for _, n := range c {
		pages += n
	}
	p.Budget = budget
	t := Terms{Round: p.Round(pages), Age: age}
	free := c.at(p, t)
	if pages == 0 || budget <= 0 || free.Budget <= budget {
		return free
	}
	low, high := -700.0, 700.0 // ln θ
	for range 60 {
		mid := (low + high) / 2
		t.Theta = math.Exp(mid)
		if c.at(p, t).Budget > budget {
			low = mid
		} else {
			high = mid
		}
	}
	t.Theta = math.Exp(high)
	return c.at(p, t)
}

// at returns what is spent and reached at the terms.
func (c Census) at(p Policy, t Terms) Prospect {
	out := Prospect{Theta: t.Theta}
	var weight float64
	interval := p.Every
	if p.Cron != nil {
		interval = p.Cron.usual()
	}
	for cell, n := range c {
		w, b := cell.weight(), cell.belief()
		if !p.clocked() {
			interval = p.Interval(w, b, t)
		}
		tau := days(interval)
		out.Budget += Budget(float64(n) / tau)
		out.Freshness += float64(n) * w * b.MeanFresh(tau)
		weight += float64(n) * w
	}
	if weight > 0 {
		out.Freshness /= weight
	}
	return out
}
