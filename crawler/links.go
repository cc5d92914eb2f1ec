package crawler

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

const (
	maxLinks     = 2000      // of a page that are remembered; if it has more, none are
	maxLinkBytes = 128 << 10 // of them all, likewise

	// unlinkedWeight is by how much a page weighs less that no page links to any more, in half octaves: a tenth or so.
	unlinkedWeight = 7
)

// packLinks packs URLs, each once and in order, for the payload of the page they are on. What they have in common with its own URL, and
// with each other, costs next to nothing.
func packLinks(page string, links []string) []byte {
	if len(links) == 0 {
		return nil
	}
	var packed bytes.Buffer
	_ = flate.StatelessDeflate(&packed, []byte(strings.Join(links, "\n")), true, []byte(page)) // to memory
	return packed.Bytes()
}

// unpackLinks reads what packLinks wrote.
func unpackLinks(page string, packed []byte) ([]string, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(bytes.NewReader(packed), []byte(page)), maxLinkBytes+maxLinks))
	if err != nil {
		return nil, fmt.Errorf("payload: links: %w", err)
	}
	return strings.Split(string(text), "\n"), nil
}

// without returns the URLs of a that b has not. Both are in order.
func without(a, b []string) []string {
	var rest []string
	for _, link := range a {
		if _, ok := slices.BinarySearch(b, link); !ok {
			rest = append(rest, link)
		}
	}
	return rest
}

// followed returns the URLs that the page's handler has asked for, each once and in order; false if they are too many. Requests that
// are more than a URL, and the page itself, are none.
func (v *visit) followed() (list []string, ok bool) {
	size := 0
	own := v.fingerprint(v.req)
	for i := range v.page.requests {
		q := &v.page.requests[i]
		url := q.url.String()
		id := v.fingerprint(q.req)
		if q.req.DontRecord || id == own || id != v.fingerprint(&Request{URL: url}) {
			continue
		}
		if size += len(url); len(list) == maxLinks || size > maxLinkBytes {
			return nil, false
		}
		list = append(list, url)
	}
	slices.Sort(list)
	return slices.Compact(list), true
}

// link adds to the counts of the pages at some canonical URLs, and returns the count of links to this page and then theirs.
func (v *visit) link(ctx context.Context, by int, urls ...string) ([]int64, error) {
	links := make([]scheduler.Link, 1, 1+len(urls))
	links[0] = scheduler.Link{TaskRef: scheduler.TaskRef{Host: v.lease.Host, ID: v.lease.ID}}
	for _, url := range urls {
		u, err := v.canon.Parse(url)
		if err != nil {
			return nil, err // they were made by us
		}
		links = append(links, scheduler.Link{TaskRef: v.ref(u), By: by})
	}
	var counts []int64
	err := v.w.insist(ctx, func() (err error) {
		counts, err = v.w.linker.Link(ctx, links...)
		return err
	})
	return counts, err
}

// linksOnce counts the links of a page that is fetched once: they stay.
func (v *visit) linksOnce(ctx context.Context) error {
	if v.w.linker == nil || v.look != nil {
		return nil
	}
	list, _ := v.followed()
	_, err := v.link(ctx, 1, list...)
	return err
}

// relink notes what the page links to now, and how many pages link to it. If whole is false it links to too many: none is
// counted, and none taken off. Links that are new are counted at once, those that vanished when the page is finished: if the worker dies
// in between, a count is too large, and never too small.
func (l *look) relink(ctx context.Context, now []string, whole bool) error {
	if l.w.linker == nil {
		return nil
	}
	before, err := unpackLinks(l.req.URL, l.memory.links)
	if err != nil { // then all of them are new
		l.w.log.Warn("links of the last visit cannot be read", "url", l.req.URL, "err", err)
	}
	if whole {
		l.appeared, l.vanished = without(now, before), without(before, now)
	}
	counts, err := l.visit.link(ctx, 1, l.appeared...)
	if err != nil {
		return err
	}
	l.next.links = packLinks(l.req.URL, now)
	if own := counts[0]; !l.weighed {
		l.weigh(l.rule.weightOf(l.req, int(max(own, 0))))
	}
	if l.known() {
		return l.reweigh(ctx, l.appeared, false)
	}
	return nil
}

// unlinkAll notes that the page is gone, and its links with it. It must be sent in full should it ever be back.
func (l *look) unlinkAll() {
	if l.w.linker == nil || len(l.memory.links) == 0 {
		return
	}
	l.vanished, _ = unpackLinks(l.req.URL, l.memory.links)
	l.next.links, l.next.etag, l.next.modified = nil, "", ""
}

// part takes the links that vanished off the counts, once the page is finished without them. And it looks whether pages still link to
// this one: the worker that has seen their links come or go did not find it waiting while it was under way.
func (l *look) part(ctx context.Context) error {
	if l == nil || l.w.linker == nil {
		return nil
	}
	counts, err := l.visit.link(ctx, -1, l.vanished...)
	if err != nil {
		return err
	}
	var alone []string
	for i, url := range l.vanished {
		if counts[1+i] == 0 {
			alone = append(alone, url)
		}
	}
	if unlinked := counts[0] == 0 && l.req.Depth > 0; unlinked != l.next.unlinked {
		if err := l.reweigh(ctx, []string{l.req.URL}, unlinked); err != nil {
			return err
		}
	}
	return l.reweigh(ctx, alone, true)
}

// reweigh has pages that wait for their revisit weigh less, because no page links to them, or as before. Those that are under way
// look for themselves: see part.
func (l *look) reweigh(ctx context.Context, urls []string, unlinked bool) error {
	calendar, ok := l.w.frontier.(scheduler.Rescheduler)
	if !ok || len(urls) == 0 {
		return nil
	}
	now := time.Now()
	pages, terms := make([]dedup.URL, len(urls)), make([]revisit.Terms, len(urls))
	refs := make([]scheduler.TaskRef, len(urls))
	for i, url := range urls {
		var err error
		if pages[i], err = l.canon.Parse(url); err != nil {
			return err
		}
		if terms[i], _, err = l.w.budget.terms(ctx, pages[i].Host(), now); err != nil {
			return err
		}
		refs[i] = l.ref(pages[i])
	}
	return l.w.insist(ctx, func() error {
		_, err := calendar.Reschedule(ctx, refs, func(i int, t scheduler.Task) (scheduler.Task, []float64, bool) {
			return l.reweighed(t, pages[i], unlinked, terms[i], now)
		})
		return err
	})
}

// reweighed returns a task that waits for its revisit as it is when its page is linked no more, or again. A page that was taken for
// gone is looked for when a page links to it anew.
func (p *plan) reweighed(t scheduler.Task, u dedup.URL, unlinked bool, terms revisit.Terms, now time.Time) (scheduler.Task, []float64, bool) {
	req, err := DecodePayload(t.Payload)
	if err != nil || req.memory == nil {
		return t, nil, false
	}
	rule, m := p.revisits.rule(req, u), req.memory
	if rule == nil {
		return t, nil, false
	}
	before := m.record
	if !unlinked && before.State() == revisit.Gone && t.Due.After(now) {
		t.Due = rule.policy.Decide(before, revisit.Observed(revisit.Listed, 0), terms, now).Due
		return t, nil, true
	}
	if m.unlinked == unlinked || unlinked && req.Depth == 0 {
		return t, nil, false
	}
	m.unlink(unlinked)
	m.record, t.Due = rule.policy.Reweigh(before, t.Due, m.record.Weight, now, terms)
	t.Payload = req.AppendPayload(nil)
	var s sums
	s.replace(before, m.record)
	return t, s[:], true
}
