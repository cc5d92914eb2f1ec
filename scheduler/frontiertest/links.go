package frontiertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func linkCases() []testCase {
	return []testCase{
		{"LinksAreCounted", linksAreCounted},
		{"ManyPagesAreCountedApart", manyPagesAreCountedApart},
		{"LinksAtOnceAreAllCounted", linksAtOnceAreAllCounted},
		{"LostAnswerMakesNoCountTooSmall", lostAnswerMakesNoCountTooSmall},
		{"CountsOfLinksVanishWithTheCrawl", countsOfLinksVanishWithTheCrawl},
	}
}

func linkTo(page scheduler.Task, by int) scheduler.Link {
	return scheduler.Link{TaskRef: scheduler.TaskRef{Host: page.Host, ID: page.ID}, By: by}
}

// link adds to the counts of pages and asserts what they are then.
func (r *rig) link(f scheduler.Frontier, by int, want int64, pages ...scheduler.Task) {
	r.Helper()
	links := make([]scheduler.Link, len(pages))
	for i := range pages {
		links[i] = linkTo(pages[i], by)
	}
	counts, err := extra[scheduler.Linker](r, f).Link(r.ctx, links...)
	r.must(err)
	if len(counts) != len(pages) {
		r.Fatalf("%d counts of %d pages", len(counts), len(pages))
	}
	for i, n := range counts {
		r.want(fmt.Sprintf("links to page %d", i), n, want)
	}
}

func linksAreCounted(r *rig) {
	f := r.open(Options{})
	a, b, other := task("a.example", 1), task("a.example", 2), task("b.example", 3)
	r.link(f, 0, -1, a, b, other)
	r.link(f, -1, -1, a)
	r.link(f, 0, -1, a)
	r.link(f, 1, 1, a, other)
	r.link(f, 1, 2, a)
	r.link(f, 0, 2, a)
	r.link(f, 0, -1, b)
	r.link(f, -1, 1, a)
	r.link(f, -1, 0, a, other)
	r.link(f, -1, 0, a)
	r.link(f, 0, 0, a, other)
	r.link(f, 1, 1, a)
	counts, err := extra[scheduler.Linker](r, f).Link(r.ctx, linkTo(a, 1), linkTo(b, -1),
		linkTo(other, 0), linkTo(a, 1))
	r.must(err)
	if fmt.Sprint(counts) != "[2 -1 0 3]" {
		r.Errorf("counts %v, want those of each, in order", counts)
	}
	if counts, err := extra[scheduler.Linker](r, f).Link(r.ctx); err != nil || len(counts) != 0 {
		r.Errorf("of none: %v %v", counts, err)
	}
	r.sound(f)
}

func manyPagesAreCountedApart(r *rig) {
	f := r.open(Options{})
	pages := make([]scheduler.Task, 3000)
	for i := range pages {
		pages[i] = task(fmt.Sprintf("%d.example", i%2), i)
	}
	r.link(f, 1, 1, pages...)
	r.link(f, 1, 2, pages[:1500]...)
	r.link(f, -1, 1, pages[:1500]...)
	r.link(f, -1, 0, pages[:10]...)
	r.link(f, 0, 1, pages[10:]...)
	r.sound(f)
}

func linksAtOnceAreAllCounted(r *rig) {
	const workers, each = 4, 25
	page := task("a.example", 1)
	var group sync.WaitGroup
	for range workers {
		f := r.open(Options{})
		group.Go(func() {
			for range each {
				if _, err := extra[scheduler.Linker](r, f).Link(r.ctx, linkTo(page, 1)); err != nil {
					r.Error(err)
				}
			}
		})
	}
	group.Wait()
	r.link(r.open(Options{}), 0, workers*each, page)
}

func lostAnswerMakesNoCountTooSmall(r *rig) {
	var fault atomic.Int32
	f := r.open(Options{Fault: func() Fault { return Fault(fault.Swap(int32(NoFault))) }})
	page := task("a.example", 1)
	r.link(f, 1, 1, page)
	links, least := extra[scheduler.Linker](r, f), int64(1)
	for _, broken := range []Fault{FaultBefore, FaultAfter} {
		for _, by := range []int{1, 1, -1, 1, -1, -1} {
			fault.Store(int32(broken))
			least += int64(by)
			counts, err := links.Link(r.ctx, linkTo(page, by))
			r.must(err)
			if counts[0] < least {
				r.Errorf("count %d, want %d or more", counts[0], least)
			}
		}
	}
	counts, err := links.Link(r.ctx, linkTo(page, 0))
	r.must(err)
	if counts[0] < least {
		r.Errorf("count %d in the end, want %d or more", counts[0], least)
	}
}

func countsOfLinksVanishWithTheCrawl(r *rig) {
	f, late := r.open(Options{}), r.open(Options{})
	pages := make([]scheduler.Task, 700)
	for i := range pages {
		pages[i] = task("a.example", i)
	}
	r.link(f, 1, 1, pages...)
	r.must(extra[scheduler.Purger](r, f).Purge(r.ctx))
	if _, err := extra[scheduler.Linker](r, late).Link(r.ctx, linkTo(pages[0], 1)); !errors.Is(err, scheduler.ErrNoCrawl) {
		r.Errorf("link in a purged crawl: %v, want ErrNoCrawl", err)
	}
	r.link(r.open(Options{}), 0, -1, pages...)
}
