package simulate

import (
	"context"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// Replay runs policies over a history. It may be used from many goroutines.
type Replay struct {
	history *History
	weight  []float64
	host    []int32
	hosts   int
	began   time.Time
}

// NewReplay returns the replay of a history whose pages have these weights, in any unit; nil is the same for all. Pages that are named by
// their URLs are on the hosts of these, and the others together on one.
func NewReplay(h *History, weights []float64) *Replay {
	r := &Replay{history: h, weight: make([]float64, len(h.Pages)), host: make([]int32, len(h.Pages)), began: h.Start}
	if r.began.IsZero() {
		r.began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var sum float64
	hosts := make(map[string]int32)
	for i, page := range h.Pages {
		r.weight[i] = 1
		if weights != nil {
			r.weight[i] = weights[i]
		}
		sum += r.weight[i]
		host := hostOf(page)
		if _, ok := hosts[host]; !ok {
			hosts[host] = int32(len(hosts))
		}
		r.host[i] = hosts[host]
	}
	for i := range r.weight {
		r.weight[i] /= sum
	}
	r.hosts = len(hosts)
	return r
}

func hostOf(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	return u.Host
}

// Policy returns what a policy reaches, which must be valid and have a budget. All of the budget is for revisits, and hosts
// allow as much as is asked of them. It ends early only with the error of ctx.
func (r *Replay) Policy(ctx context.Context, p revisit.Policy) (Score, error) {
	c := r.course(p.Budget)
	c.Gated = true // no crawl visits a page before it is due
	l := NewLearner(c, p, r.began, random())
	l.Kin = true
	return c.Run(ctx, l)
}

// InTurn returns what a budget reaches if all pages are visited in turn, whatever they are worth and however often they change. It ends
// early only with the error of ctx.
func (r *Replay) InTurn(ctx context.Context, b revisit.Budget) (Score, error) {
	c := r.course(b)
	return c.Run(ctx, InTurn(c, random()))
}

func (r *Replay) course(b revisit.Budget) *Course {
	round := float64(len(r.weight)) / float64(b)
	return &Course{
		Weight: r.weight, Host: r.host, Hosts: r.hosts, Web: NewTrace(r.history.Times), Days: r.history.Days,
		Budget: func(float64) float64 { return float64(b) },
		Tick:   min(max(round/48, 30./86400), 1./48), // half a minute, as in a crawl, if it goes round in less than half an hour
	}
}

// random returns the same numbers each time, so that a replay can be repeated.
func random() *rand.Rand { return rand.New(rand.NewPCG(1, 3)) }
