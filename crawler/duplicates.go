package crawler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/near"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Duplicates says which pages are taken for duplicates of an earlier page of the crawl. They are handled as any other, but marked
// ([Page.DuplicateOf], [pipelines.Source]), and links to parts of a site that are nothing but duplicates wait behind others.
type Duplicates uint8

// The kinds of duplicates.
const (
	DuplicatesOff   Duplicates = iota // none; the default
	DuplicatesExact                   // the text of the main part and the paths of its links are the same
	DuplicatesNear                    // or the simhashes of the texts differ in 3 bits of 64 at most: see package dedup/near
)

var duplicatesNames = [...]string{DuplicatesOff: "off", DuplicatesExact: "exact", DuplicatesNear: "near"}

// String returns off, exact or near.
func (d Duplicates) String() string {
	if int(d) >= len(duplicatesNames) {
		return fmt.Sprintf("Duplicates(%d)", d)
	}
	return duplicatesNames[d]
}

// ParseDuplicates reads what [Duplicates.String] wrote.
func ParseDuplicates(s string) (Duplicates, error) {
	for d, name := range duplicatesNames {
		if name == s {
			return Duplicates(d), nil //nolint:gosec // one of three
		}
	}
	return 0, fmt.Errorf("duplicates %.80q: want off, exact or near", s)
}

const (
	leastWords = 10 // a page whose main part has fewer words is no duplicate: such texts are alike by chance

	// A path is barren if of at least barrenPages of its pages barrenShare were duplicates.
	barrenPages = 20
	barrenShare = 0.9

	barrenPriority = 4      // by so much are links into it put back
	barrenWeight   = 4      // half octaves, by which its pages weigh less when they are visited again
	maxBarren      = 10_000 // paths remembered by one worker
)

// paths are the parts of the crawl that a page belongs to, the larger one first: its host with one or two directories of its path.
// Queries are a part of their own: for them, the file counts as a directory.
//
//	https://a.example/x/y/z.html   a.example/x/ and a.example/x/y/
//	https://a.example/x?q=1        a.example/x?
//	https://a.example/z.html       a.example/
func paths(u dedup.URL) []string {
	path, _, query := strings.Cut(u.RequestURI(), "?")
	path = strings.TrimPrefix(path, "/")
	end := "/"
	if query {
		path, end = path+"/", "?"
	}
	var list []string
	at := 0
	for range 2 {
		i := strings.IndexByte(path[at:], '/')
		if i < 0 {
			break
		}
		at += i + 1
		if whole := u.Host() + "/" + path[:at-1] + end; len(whole) <= scheduler.MaxContentID {
			list = append(list, whole)
		}
	}
	if at == 0 {
		list = append(list, u.Host()+"/")
	}
	return list
}

// barren are the paths that yield next to nothing but duplicates, as far as this worker has learnt from the pages it fetched:
// what the fleet has counted for their paths came with them.
type barren struct {
	mu    sync.Mutex // guards paths
	paths map[string]bool
}

// learn takes in what the fleet has counted. Paths with too few pages say nothing.
func (b *barren) learn(counts []scheduler.PathCount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range counts {
		if c.Pages < barrenPages {
			continue
		}
		if _, known := b.paths[c.Path]; !known {
			makeRoom(b.paths, maxBarren)
		}
		b.paths[c.Path] = float64(c.Duplicates()) >= barrenShare*float64(c.Pages)
	}
}

// has reports whether a page can be expected to be a duplicate. The smallest path that something is known of decides. Nil has none.
func (b *barren) has(u dedup.URL) (yes bool) {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.paths) == 0 {
		return false
	}
	for _, path := range paths(u) {
		if says, known := b.paths[path]; known {
			yes = says
		}
	}
	return yes
}

// compare finds out whether the page is a duplicate; false if the visit ends here. A page that is no HTML, or has too little
// text, is none; nor is one that cannot be compared because the frontier is away or full.
func (v *visit) compare(ctx context.Context) bool {
	if v.w.duplicates == nil || v.internal() || v.page.DocErr() != nil {
		return true
	}
	text, sig := signature.MainText(v.page.Doc().Nodes[0])
	sim, words := near.Measure(text)
	if words < leastWords {
		return true
	}
	c := scheduler.Content{ID: v.identity(), Exact: sig, Paths: paths(v.url), Again: v.look.known()}
	if v.settings.Duplicates == DuplicatesNear {
		c.Sim = uint64(sim)
	}
	l, err := v.w.duplicates.Compare(ctx, c)
	switch {
	case errors.Is(err, scheduler.ErrUnavailable):
		v.w.log.Debug("not compared with other pages", "url", v.req.URL, "err", err)
		return true
	case err != nil:
		v.err = err
		return false
	}
	v.w.barren.learn(l.Paths)
	v.page.DuplicateOf = l.Of
	return true
}

// identity is what a page is told from others by: its URL, or, if that is too long or does not say all, its fingerprint.
func (v *visit) identity() string {
	id := v.fingerprint(v.req)
	if len(v.req.URL) > scheduler.MaxContentID || id != v.fingerprint(&Request{URL: v.req.URL}) {
		return id.String()
	}
	return v.req.URL
}

// sparing puts a link back that most likely leads to a duplicate.
func (v *visit) sparing(task *scheduler.Task, u dedup.URL) {
	if v.w.barren.has(u) {
		task.Priority = max(task.Priority-barrenPriority, scheduler.MinPriority)
	}
}

// spare has a page weigh less whose path yields nothing but duplicates, and as before when that is over.
func (l *look) spare() {
	if l.w.barren == nil {
		return
	}
	if spared := l.w.barren.has(l.url); spared != l.next.spared {
		l.next.spared = spared
		half := barrenWeight
		if spared {
			half = -half
		}
		l.next.record.Weight = l.next.record.Weight.Times(half)
	}
}
