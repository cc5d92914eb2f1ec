package frontiertest

import (
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func paceCases() []testCase {
	return []testCase{
		{"HostDelayIsKept", hostDelayIsKept},
		{"HostDelayCountsFromTheRequest", hostDelayCountsFromTheRequest},
		{"HostDelayHoldsAgainstReleaseAndExpiry", hostDelayHoldsAgainstReleaseAndExpiry},
		{"HostConcurrencyIsKept", hostConcurrencyIsKept},
		{"HostsDoNotWaitForEachOther", hostsDoNotWaitForEachOther},
		{"HeldHostIsSilent", heldHostIsSilent},
		{"HoldNeverShortens", holdNeverShortens},
		{"HoldOutlivesAnEmptyQueue", holdOutlivesAnEmptyQueue},
		{"SetPaceOverrides", setPaceOverrides},
	}
}

func hostDelayIsKept(r *rig) {
	o := Options{Pace: scheduler.Pace{Delay: 10 * time.Second, Concurrency: 1}}
	f, g := r.open(o), r.open(o)
	r.push(f, tasks("a.example", 10)...)
	for i := range 4 {
		leases := r.claim(f, 10)
		if len(leases) != 1 {
			r.Fatalf("%d tasks of a host with a delay are claimed at once", len(leases))
		}
		r.is(leases[0], task("a.example", i))
		r.finish(f, scheduler.Done(), leases...)
		r.none(g)
		r.advance(9900 * time.Millisecond)
		r.none(f)
		r.advance(200 * time.Millisecond)
	}
	// The delay holds although the queue was empty in between.
	leases := r.claim(f, 1)
	r.finish(f, scheduler.Done(), leases...)
	for i := 5; i < 10; i++ {
		r.advance(11 * time.Second)
		r.finish(f, scheduler.Done(), r.one(f))
	}
	r.push(f, task("a.example", 10))
	r.none(f)
	r.advance(11 * time.Second)
	r.one(f)
}

func hostDelayCountsFromTheRequest(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Delay: 10 * time.Second, Concurrency: 1}})
	r.push(f, tasks("a.example", 3)...)
	l := r.one(f)
	// The request left 4 seconds after the claim, so the next may leave at 14.
	r.advance(6 * time.Second)
	r.must(f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Sent: 4 * time.Second}))
	r.advance(7900 * time.Millisecond) // 13.9
	r.none(f)
	r.advance(200 * time.Millisecond) // 14.1
	l = r.one(f)
	// A request that left at once and took long does not delay the next one.
	r.advance(25 * time.Second)
	r.must(f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Sent: time.Millisecond}))
	r.one(f)
}

func hostDelayHoldsAgainstReleaseAndExpiry(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Delay: 2 * lease, Concurrency: 1}})
	r.push(f, tasks("a.example", 2)...)
	r.one(f)
	r.advance(lease + time.Second)
	r.none(f) // expired, but its request may have been sent
	r.advance(lease)
	l := r.one(f)
	r.must(f.Finish(r.ctx, scheduler.Result{Lease: l, Verdict: scheduler.Release(), Sent: time.Second}))
	r.none(f)
	r.advance(2*lease + 2*time.Second)
	r.one(f)
	r.sound(f)
}

func hostConcurrencyIsKept(r *rig) {
	o := Options{Pace: scheduler.Pace{Concurrency: 3}}
	f, g := r.open(o), r.open(o)
	r.push(f, tasks("a.example", 20)...)
	leases := append(r.all(f, 2), r.one(g))
	r.none(f)
	r.none(g)
	r.finish(f, scheduler.Done(), leases[0])
	r.finish(f, scheduler.Retry(time.Hour, "x"), leases[1])
	r.all(g, 2)
	r.none(f)
	r.finish(f, scheduler.Release(), leases[2])
	if n := len(r.claim(f, 10)); n != 1 {
		r.Errorf("%d tasks are claimed where one place was free", n)
	}
	r.none(f)
	r.sound(f)
}

func hostsDoNotWaitForEachOther(r *rig) {
	f := r.open(Options{Pace: scheduler.Pace{Delay: time.Hour, Concurrency: 1}})
	const hosts = 50
	for i := range hosts {
		r.push(f, tasks(fmt.Sprintf("h%d.example", i), 3)...)
	}
	served := map[string]bool{}
	for _, l := range r.all(f, hosts) {
		served[l.Host] = true
	}
	r.want("hosts served", int64(len(served)), hosts)
	r.none(f)
}

func heldHostIsSilent(r *rig) {
	f, g := r.open(Options{}), r.open(Options{})
	r.push(f, tasks("a.example", 3)...)
	r.push(f, task("b.example", 0))
	l := r.one(f)
	for l.Host != "a.example" {
		l = r.one(f)
	}
	r.must(g.Hold(r.ctx, "a.example", r.clock.Now().Add(30*time.Second)))
	r.finish(f, scheduler.Retry(0, "429"), l)
	if r.stats(f).Leased == 0 { // else b.example was the first
		r.is(r.one(g), task("b.example", 0))
	}
	r.push(f, task("a.example", 9))
	r.advance(29 * time.Second)
	r.none(f)
	r.none(g)
	r.advance(2 * time.Second)
	r.all(f, 4)
	r.sound(f)
}

func holdNeverShortens(r *rig) {
	f := r.open(Options{})
	r.push(f, task("a.example", 0))
	now := r.clock.Now()
	r.must(f.Hold(r.ctx, "a.example", now.Add(time.Minute)))
	r.must(f.Hold(r.ctx, "a.example", now.Add(time.Second)))
	r.must(f.Hold(r.ctx, "a.example", now.Add(-time.Hour)))
	r.must(f.Hold(r.ctx, "a.example", time.Time{}))
	r.advance(59 * time.Second)
	r.none(f)
	r.advance(2 * time.Second)
	r.one(f)
}

func holdOutlivesAnEmptyQueue(r *rig) {
	f := r.open(Options{})
	r.must(f.Hold(r.ctx, "a.example", r.clock.Now().Add(time.Minute))) // a host nobody has heard of
	r.push(f, task("a.example", 0))
	r.none(f)
	r.advance(61 * time.Second)
	r.finish(f, scheduler.Done(), r.one(f))
	r.must(f.Hold(r.ctx, "a.example", r.clock.Now().Add(time.Minute))) // drained
	r.push(f, task("a.example", 1))
	r.none(f)
	r.advance(61 * time.Second)
	r.one(f)
	r.sound(f)
}

func setPaceOverrides(r *rig) {
	o := Options{Pace: scheduler.Pace{Concurrency: 2}}
	f, g := r.open(o), r.open(o)
	r.must(f.SetPace(r.ctx, "slow.example", scheduler.Pace{Delay: 20 * time.Second, Concurrency: 1}))
	r.must(f.SetPace(r.ctx, "wide.example", scheduler.Pace{Concurrency: 5}))
	for _, host := range []string{"slow.example", "wide.example", "own.example"} {
		r.push(f, tasks(host, 20)...)
	}
	count := map[string]int{}
	leases := r.all(g, 1+5+2)
	for _, l := range leases {
		count[l.Host]++
	}
	if count["slow.example"] != 1 || count["wide.example"] != 5 || count["own.example"] != 2 {
		r.Errorf("claimed %v, want 1 of slow, 5 of wide, 2 of own", count)
	}
	r.none(f)
	for _, l := range leases {
		if l.Host != "own.example" {
			r.finish(f, scheduler.Done(), l)
		}
	}
	// The zero pace is the crawl's own again.
	r.must(f.SetPace(r.ctx, "slow.example", scheduler.Pace{}))
	r.must(f.SetPace(r.ctx, "wide.example", scheduler.Pace{}))
	r.advance(21 * time.Second)
	clear(count)
	for _, l := range r.all(g, 2+2) {
		count[l.Host]++
	}
	if count["slow.example"] != 2 || count["wide.example"] != 2 {
		r.Errorf("claimed %v, want 2 of slow, 2 of wide", count)
	}
	r.none(f)
	r.sound(f)
}
