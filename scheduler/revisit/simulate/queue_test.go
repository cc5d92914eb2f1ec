package simulate

import (
	"math/rand/v2"
	"testing"
)

func TestQueueKeepsOrderAndHostGaps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	const n, hosts, gap = 300, 12, 0.5
	host := make([]int32, n)
	due := make([]float64, n)
	for i := range host {
		host[i], due[i] = int32(rng.IntN(hosts)), 10*rng.Float64()
	}
	q := newQueue(host, hosts, gap)
	q.fill(due)
	next := make([]float64, hosts)
	for now := 0.0; now < 200; now += 0.1 {
		if j := rng.IntN(n); rng.IntN(4) == 0 {
			q.move(int32(j), now+3*rng.Float64())
			due[j] = q.due[j]
		}
		want := -1
		for i := range n {
			if next[host[i]] <= now && (want < 0 || due[i] < due[want]) {
				want = i
			}
		}
		got := q.peek(now)
		if int(got) != want {
			t.Fatalf("at %v: page %d, want %d", now, got, want)
		}
		if got >= 0 {
			due[got] = now + 20*rng.Float64()
			next[host[got]] = now + gap
			q.visited(got, now, due[got])
		}
	}
}
