package main

import "math"

// rule is a way to decide when to come again. It is told of every look, and returns when the page is due next, in days.
type rule interface {
	first(i int, age float64) (due float64)
	visited(i int, now, since float64, changed bool, age float64) (due float64)
	tick(now float64)
}

// hinter is a rule that listens to hints.
type hinter interface {
	hint(i int, now, due float64) float64
}

// hint says, rightly or not, that a page has changed.
type hint struct {
	at   float64
	page int32
}

// course is one run: pages, what they are worth, how they change, and what may be spent.
type course struct {
	weight []float64
	host   []int32
	hosts  int
	web    web
	hints  []hint // in the order of time

	days   float64
	budget func(now float64) float64 // fetches a day
	limit  float64                   // of one host; 0 is none
	gated  bool                      // a page is never visited before it is due
	tick   float64                   // days between two ticks
}

// run has every page fetched at the start and then gives out one slot each 1/B: to the earliest due page, which may be
// pulled forward once half of its interval is over. It returns the weighted freshness of the last third.
func (c *course) run(r rule) float64 {
	n := len(c.weight)
	from := c.days * 2 / 3
	last := make([]float64, n)
	due := make([]float64, n)
	for i := range n {
		_, age := c.web.look(i, -1, 0)
		due[i] = r.first(i, age)
	}
	gap := 0.0
	if c.limit > 0 {
		gap = 1 / c.limit
	}
	q := newQueue(c.host, c.hosts, gap)
	q.fill(due)

	listener, _ := r.(hinter)
	hints := c.hints
	if listener == nil {
		hints = nil
	}
	var fresh float64
	ticked := 0.0
	for now := 0.0; now < c.days; now += 1 / c.budget(now) {
		for ; len(hints) > 0 && hints[0].at <= now; hints = hints[1:] {
			i := hints[0].page
			if d := listener.hint(int(i), hints[0].at, q.due[i]); d < q.due[i] {
				q.move(i, d)
			}
		}
		if now >= ticked {
			r.tick(now)
			ticked += c.tick
		}
		i := q.peek(now)
		if i < 0 || q.due[i] > now && (c.gated || now-last[i] < (q.due[i]-last[i])/2) {
			continue
		}
		if now > from {
			fresh += c.weight[i] * c.web.fresh(int(i), last[i], max(last[i], from), now)
		}
		changed, age := c.web.look(int(i), last[i], now)
		next := r.visited(int(i), now, now-last[i], changed, age)
		last[i] = now
		q.visited(i, now, next)
	}
	for i := range n {
		fresh += c.weight[i] * c.web.fresh(i, last[i], max(last[i], from), c.days)
	}
	return fresh / (c.days - from)
}

// kept returns the freshness of the last third if each page is visited at its own interval, without slots: what the
// oracle's plan brings on a history that is no Poisson process. phase spreads the pages.
func (c *course) kept(interval []float64, phase func() float64) float64 {
	from := c.days * 2 / 3
	var fresh float64
	for i, tau := range interval {
		last := 0.0
		if !math.IsInf(tau, 1) {
			for now := tau * phase(); now < c.days; now += tau {
				if now > from {
					fresh += c.weight[i] * c.web.fresh(i, last, max(last, from), now)
				}
				c.web.look(i, last, now)
				last = now
			}
		}
		fresh += c.weight[i] * c.web.fresh(i, last, max(last, from), c.days)
	}
	return fresh / (c.days - from)
}
