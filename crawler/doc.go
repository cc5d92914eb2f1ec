// Package crawler is the engine, and what the author of a spider sees.
//
// A [Spider] names its start URLs, its scope and its routes. A route is a stable name and the type of what
// rides along with a request; a handler is bound to it. A handler reads a [Page], emits items and follows
// links:
//
//	var Listing = crawler.NewRoute[struct{}]("listing")
//
//	var Spider = crawler.Spider{
//		Name:   "books",
//		Start:  crawler.Start(Listing, "https://books.toscrape.com/"),
//		Scope:  crawler.SameHost,
//		Routes: crawler.Routes(Listing.To(listing)),
//	}
//
// # The ten steps of a URL
//
//	 1  href + base -> canonical URL              dedup; refused ones are counted by reason
//	 2  method, URL, body -> fingerprint          dedup
//	 3  unseen? then queued                       frontier Push, one atomic step
//	 4  claim: best task of a due host -> lease   frontier Claim
//	 5  budget of a recrawl, robots, fetch        scheduler/revisit, crawler/robots, crawler/fetch
//	 6  the handler: items and links, buffered    this package
//	 7  items -> pipeline until durable           pipelines
//	 8  links -> steps 1 to 3                     frontier Push
//	 9  finish with a verdict                     frontier Finish
//	10  when to come again                        part of 9
//
// The order store, push, finish is what makes a crash harmless: whatever step a worker dies in, the lease
// expires, the page is done again, items come again under the same keys and links are seen already. A
// handler that fails half-way leaves nothing behind, because what it emitted and followed was only
// buffered.
package crawler
