package frontiertest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func pushCases() []testCase {
	return []testCase{
		{"PushedTaskIsClaimed", pushedTaskIsClaimed},
		{"PayloadIsOpaque", payloadIsOpaque},
		{"PushedTasksBelongToTheCaller", pushedTasksBelongToTheCaller},
		{"SeenIsNotQueuedTwice", seenIsNotQueuedTwice},
		{"SeenStaysSeenWhenFinished", seenStaysSeenWhenFinished},
		{"DontFilterQueuesSeenTask", dontFilterQueuesSeenTask},
		{"DontRecordLeavesTaskUnseen", dontRecordLeavesTaskUnseen},
		{"MalformedTaskFailsTheWholePush", malformedTaskFailsTheWholePush},
		{"BigBatch", bigBatch},
		{"TaskWithLaterDueWaits", taskWithLaterDueWaits},
		{"CrawlsDoNotMeet", crawlsDoNotMeet},
	}
}

func pushedTaskIsClaimed(r *rig) {
	f := r.open(Options{})
	pushed := withPriority(task("a.example:8443", 7), 3)
	r.push(f, pushed)
	before := time.Now()
	l := r.one(f)

	r.is(l, pushed)
	if l.Host != pushed.Host || l.Priority != pushed.Priority {
		r.Errorf("claimed host %q, priority %d; want %q, %d", l.Host, l.Priority, pushed.Host, pushed.Priority)
	}
	if l.ID.Short() != pushed.ID.Short() {
		r.Errorf("claimed ID %v, want the first 64 bits of %v", l.ID, pushed.ID)
	}
	if l.Attempt != 1 || l.Expired != 0 || l.Token <= 0 {
		r.Errorf("attempt %d, expired %d, token %d; want 1, 0, a positive one", l.Attempt, l.Expired, l.Token)
	}
	if d := l.Deadline.Sub(l.Claimed); d != lease {
		r.Errorf("the deadline is %v after the claim, want %v", d, lease)
	}
	if l.Claimed.After(time.Now()) && l.Claimed.After(r.clock.Now()) || l.Claimed.Before(before.Add(-enough)) {
		r.Errorf("claimed at %v, want now", l.Claimed)
	}
	r.finish(f, scheduler.Done(), l)
	r.none(f)
	r.sound(f)
}

func payloadIsOpaque(r *rig) {
	f := r.open(Options{Ordered: true})
	payloads := [][]byte{
		nil,
		{0},
		{0xff, 0xfe, '\r', '\n', 0, ' '},
		[]byte(`{"json":"with \"quotes\""}`),
		bytes.Repeat([]byte{1, 2, 3, 0}, scheduler.MaxPayload/4),
	}
	for i, p := range payloads {
		t := task("a.example", i)
		t.Payload = p
		r.push(f, t)
	}
	for i, want := range payloads {
		l := r.one(f)
		if !bytes.Equal(l.Payload, want) {
			r.Errorf("payload %d came back as %d bytes, %.20q; want %d bytes, %.20q", i, len(l.Payload), l.Payload, len(want), want)
		}
		r.finish(f, scheduler.Done(), l)
	}
	r.sound(f)
}

func pushedTasksBelongToTheCaller(r *rig) {
	f := r.open(Options{})
	batch := tasks("a.example", 3)
	r.push(f, batch...)
	for i := range batch {
		clear(batch[i].Payload)
		batch[i].Host = "b.example"
	}
	for i, l := range r.all(f, 3) {
		if r.is(l, task("a.example", i)); l.Host != "a.example" {
			r.Errorf("host is %q", l.Host)
		}
	}
}

func seenIsNotQueuedTwice(r *rig) {
	f := r.open(Options{})
	first := task("a.example", 0)
	r.push(f, first)
	// Once more while queued, and twice in one call beside a new one.
	second := task("a.example", 1)
	added, err := f.Push(r.ctx, first, second, second)
	r.must(err)
	r.want("added", int64(added), 1)
	r.all(f, 2)
	r.none(f)
	s := r.stats(f)
	r.want("Seen", s.Seen, 2)
	r.want("Duplicates", s.Duplicates, 2)
	r.want("Leased", s.Leased, 2)
}

func seenStaysSeenWhenFinished(r *rig) {
	f := r.open(Options{})
	batch := tasks("a.example", 4)
	r.push(f, batch...)
	verdicts := []scheduler.Verdict{scheduler.Done(), scheduler.Drop("no"), scheduler.Gone("404"), scheduler.Park("x")}
	for i, l := range r.all(f, 4) {
		r.finish(f, verdicts[i], l)
	}
	added, err := f.Push(r.ctx, batch...)
	r.must(err)
	r.want("added", int64(added), 0)
	r.none(f)
}

func dontFilterQueuesSeenTask(r *rig) {
	f := r.open(Options{})
	again := task("a.example", 0)
	r.push(f, again)
	r.finish(f, scheduler.Done(), r.one(f))
	again.DontFilter = true
	r.push(f, again)
	r.is(r.one(f), again)

	// It marks what it queues as seen.
	unseen := task("b.example", 0)
	unseen.DontFilter = true
	r.push(f, unseen)
	added, err := f.Push(r.ctx, task("b.example", 0))
	r.must(err)
	r.want("added after DontFilter", int64(added), 0)
	r.want("Seen", r.stats(f).Seen, 2)
	r.sound(f)
}

func dontRecordLeavesTaskUnseen(r *rig) {
	f := r.open(Options{})
	t := task("a.example", 0)
	aside := t
	aside.DontFilter, aside.DontRecord = true, true
	r.push(f, aside)
	r.finish(f, scheduler.Done(), r.one(f))
	r.want("Seen", r.stats(f).Seen, 0)
	r.push(f, t)
	r.finish(f, scheduler.Done(), r.one(f))
	r.push(f, aside)
	added, err := f.Push(r.ctx, t)
	r.must(err)
	r.want("added after it was recorded", int64(added), 0)
	r.want("Seen", r.stats(f).Seen, 1)
	r.sound(f)
}

func malformedTaskFailsTheWholePush(r *rig) {
	f := r.open(Options{})
	large := task("a.example", 99)
	large.Payload = make([]byte, scheduler.MaxPayload+1)
	for _, bad := range []scheduler.Task{task("", 1), task(strings.Repeat("h", 256), 1), large} {
		added, err := f.Push(r.ctx, task("a.example", 0), bad)
		if !errors.Is(err, scheduler.ErrTask) || added != 0 {
			r.Errorf("push of a malformed task added %d, error %v; want 0 and ErrTask", added, err)
		}
	}
	r.none(f)
	r.want("Seen", r.stats(f).Seen, 0)
	// What stood beside it was not marked as seen.
	r.push(f, task("a.example", 0), task(strings.Repeat("h", 255), 1))
}

func bigBatch(r *rig) {
	f := r.open(Options{})
	var batch []scheduler.Task
	for i := range 1000 {
		batch = append(batch, task(fmt.Sprintf("h%d.example", i%37), i))
	}
	r.push(f, batch...)
	added, err := f.Push(r.ctx, batch...)
	r.must(err)
	r.want("added again", int64(added), 0)
	s := r.stats(f)
	r.want("Queued", s.Queued, 1000)
	r.want("Hosts", s.Hosts, 37)
	r.finish(f, scheduler.Done(), r.all(f, 1000)...)
	r.want("Done", r.stats(f).Done, 1000)
	r.want("Hosts", r.stats(f).Hosts, 0)
	r.sound(f)
}

func taskWithLaterDueWaits(r *rig) {
	f := r.open(Options{})
	late := task("a.example", 0)
	late.Due = r.clock.Now().Add(30 * time.Second)
	past := task("a.example", 1)
	past.Due = r.clock.Now().Add(-time.Hour)
	r.push(f, late, past)
	s := r.stats(f)
	r.want("Delayed", s.Delayed, 1)
	r.want("Queued", s.Queued, 1)
	l := r.one(f)
	r.is(l, past)
	r.finish(f, scheduler.Done(), l)
	r.none(f)

	// Delayed is seen.
	added, err := f.Push(r.ctx, task("a.example", 0))
	r.must(err)
	r.want("added", int64(added), 0)

	r.advance(29 * time.Second)
	r.none(f)
	r.advance(2 * time.Second)
	l = r.one(f)
	r.is(l, late)
	r.want("Attempt", int64(l.Attempt), 1)
	r.want("Delayed", r.stats(f).Delayed, 0)
	r.finish(f, scheduler.Done(), l)
	r.sound(f)
}

func crawlsDoNotMeet(r *rig) {
	f := r.open(Options{})
	other := *r
	other.crawl += "-2"
	g := other.open(Options{})
	r.push(f, task("a.example", 0))
	r.none(g)
	r.push(g, task("a.example", 0))
	r.one(f)
	r.one(g)
	r.none(f)
	r.none(g)
}
