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
// # Crawls that come again
//
// Track keeps more. Pages stand in the collection pages, under crawl, blank and URL: first_seen, last_seen, changed_at, gone_at, status,
// signature, revision, and the first 1,000 items they show. An item that is gone keeps its fields and gets _meta.gone_at. The last
// revisions of an item are kept in KIND_history, under KEY@REVISION, with the fields and _meta they had. The collection changes
// is the feed, its _id the cursor. A kind that is called pages, changes or something_history is refused.
//
// # How the feed is exact
//
// An item or page and its change are written in one step: the document carries the change (_meta.pending, or pending), and is written only
// if revision and last_seen are what the decision was based on. Then the change is entered into the feed, and then taken from the
// document. Whoever finds one in a document enters it before anything else: the repeated visit, another writer, and New, which looks
// for those that a dead worker has left. An entry names the thing and its revision (id, unique), so it stands there once.
//
// The number of an entry is the last one and one; of two writers who try the same the unique index on _id lets one. So entries become
// visible in the order of their numbers, without gaps, and a reader that goes on behind the last it has seen misses none. Entries are
// read as a majority of the servers has them, so none is taken back after a failover.
//
// This rests on what MongoDB promises of a single document: that an update whose filter no longer matches does nothing. FerretDB 1.x on
// SQLite does not keep that promise between concurrent writers; use it with one process at most.
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
