package pipelines

import "context"

// News is what a visit says of a page or an item, compared with the visit before.
type News string

// The news.
const (
	NewsNew       News = "new"
	NewsChanged   News = "changed"
	NewsUnchanged News = "unchanged"
	NewsGone      News = "gone" // it was there, and is no more
	NewsBack      News = "back" // it was gone, and is there again
)

// Visit is one look at a page in a crawl that comes again.
type Visit struct {
	// Source names the page, the crawl, and when the page was fetched.
	Source Source
	// Status is the HTTP status: 304 of a page that was not sent again.
	Status int
	// News is what became of the page itself, as its content signature says. An item may have changed on a page that did not,
	// and the other way round. New or back, it is for the tracker to know whether that is so.
	News News
	// Signature is the content signature that News was decided upon, or empty. A page that is said to have changed and has
	// the signature that the tracker knows already did not: a worker may have recorded a visit and died before its page was
	// finished, and the next worker compares with the visit before that.
	Signature string
	// Parsed says that Items are all that the page shows now: an item that it showed at an earlier visit and that is not among
	// them is gone from it. If it is false and the page is not gone, the items are those of the visit before; Items may
	// still hold some, to be stored.
	Parsed bool
	Items  []Item
	// Links are the links that are new on the page or gone from it, if the crawl keeps track of links. Nil: none are.
	Links *LinkChange
}

// Tracker is implemented by pipelines that know what they were given before, and keep the feed of changes. A crawl
// that comes again gives its pages to Track, and nothing to Process.
//
// A page that is gone takes its items with it. An item that several pages show is gone when the page it was last seen on is
// visited again without it, or is gone; if another page goes on showing it, it is back with the next visit of that one. An item that one visit of a call shows no more and another shows
// has moved.
type Tracker interface {
	Pipeline
	// Track stores what the visits show, and enters what is new, changed, gone or back into the feed: each change once
	// and, for one page or item, in order, however often a visit is repeated after an error or a crash. Otherwise it
	// promises what Process does. A visit that is older than what is known of a page or item changes nothing of it.
	Track(ctx context.Context, visits []Visit) error
}

// Teller is implemented by trackers that tell what is new before they record it. All drivers of this project do.
type Teller interface {
	Tracker
	// TrackTo does what Track does, and calls tell with the items that are about to be recorded as new, changed or back. They
	// are recorded only when it returns nil; its error is returned. After a crash, or if another worker was faster, an item may be
	// told once more, but none that is recorded was not told. tell must not call the tracker.
	TrackTo(ctx context.Context, visits []Visit, tell func(ctx context.Context, items []Item) error) error
}
