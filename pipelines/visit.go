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
	// and the other way round.
	News News
	// Parsed says that Items are all that the page shows now: an item that it showed at an earlier visit and that is not among
	// them is gone from it. If it is false and the page is not gone, the items are those of the visit before.
	Parsed bool
	Items  []Item
}

// Tracker is implemented by pipelines that know what they were given before, and keep the feed of changes. A crawl
// that comes again gives its pages to Track, and nothing to Process.
type Tracker interface {
	Pipeline
	// Track stores what the visits show, and enters what is new, changed, gone or back into the feed: each change once
	// and, for one page or item, in order, however often a visit is repeated after an error or a crash. Otherwise it
	// promises what Process does. A visit that is older than what is known of a page or item changes nothing of it.
	Track(ctx context.Context, visits []Visit) error
}
