package pipelines

import (
	"context"
	"time"
)

// Item is one thing a spider found.
type Item struct {
	// Kind names what it is: "book". It becomes the collection in MongoDB. [A-Za-z][A-Za-z0-9_-]*, at most
	// 64 bytes.
	Kind string
	// Key identifies the item among those of its kind: the same key is the same item. At most 1,024 bytes.
	Key string
	// Value encodes to a JSON object: a struct with json tags, or a map with string keys.
	Value any
	// Source says where it was found.
	Source Source
}

// Source is where and when an item was found.
type Source struct {
	URL       string    // canonical URL of the page
	Crawl     string    // name of the crawl
	FetchedAt time.Time // when the page was fetched, UTC
	// DuplicateOf names the page that shows the same as this one, and was there first, by its URL or fingerprint. Empty: none that is
	// known.
	DuplicateOf string
}

// Pipeline takes items to where they stay.
type Pipeline interface {
	// Process returns nil when every item is durable or was dropped on purpose. It may be called from
	// many goroutines at once. It keeps trying while its store is away, until ctx ends; an error means the
	// items may or may not be stored, and the same ones will come again. It does not keep or change the slice.
	Process(ctx context.Context, items []Item) error
}

// Closer is implemented by pipelines that hold files or connections. Close makes what was processed durable; it
// is called once, after the last Process.
type Closer interface {
	Close(ctx context.Context) error
}
