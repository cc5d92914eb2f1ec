// Package mongopipe writes items to MongoDB.
//
// # Documents
//
// The collection is the item's kind, _id its key. The fields stand at top level, times as dates, integers as 64-bit
// integers; a number that no 64-bit type can hold is a Decimal128. Beside them stands
//
//	_meta: {
//	  kind, key, url, crawl, fetched_at   // of the latest visit
//	  first_seen, last_seen, changed_at   // when the page was fetched: first, latest, and when the fields last changed
//	  hash                                // of the fields, whatever their order
//	  revision                            // 1, and one more with each change
//	  duplicate_of                        // the page that the one of the latest visit is a duplicate of, if it is
//	}
//
// An item whose fields did not change moves last_seen, and url, crawl, fetched_at and duplicate_of with it; one whose fields changed
// replaces its document.
//
// # Writing
//
// A batch costs two round trips a kind: one read of what stands there, one unordered bulk write. No write depends on
// luck: each names the revision it was decided upon, and is decided anew if somebody else was there first. So a batch may be
// repeated, and several processes may write the same items.
//
// # When MongoDB is away
//
// Process goes on trying until its context ends, with growing pauses, and says so once in the log when MongoDB goes
// away and once when it is back. Writes are acknowledged by a majority, unless the URI asks for something else;
// unacknowledged ones are refused.
//
// # Dead items
//
// An item that MongoDB cannot take costs itself and not its batch: it is kept in the collection _dead_items, as a
// [pipelines.DeadItem] whose _id is a hash of kind and key. These are items that [pipelines.Fields] refuses, those with a
// field name that starts with $ or holds a dot or NUL, documents larger than 16 MB or nested deeper than 100 levels, and
// whatever the server refuses for itself: by a validation rule or a unique index of yours, or because it cannot take the
// document at all. A server that hangs up on a request, and is there when asked, is given the batch in halves until the document
// is found.
package mongopipe
