// Package pipelines takes the items that spiders emit to where they stay.
//
// A [Pipeline] is given batches of items from several pages at once. When Process returns nil, every
// item of the batch is durable or was dropped on purpose; only then does the engine push the links of those
// pages and finish them. So Process must be idempotent: after a crash the same items come again under
// the same keys.
//
// Stages look at each item on its way ([With]), and [Unique] keeps an item that many pages show from being stored many times.
//
// [Merge] makes one item of the parts that several pages show.
//
// A crawl that comes again gives whole visits to a [Tracker], which knows what it was given before and keeps a [Feed] of what is new,
// changed, gone or back; [Tracked] passes on what is new or changed to pipelines that only append. mongopipe and filestore are
// trackers, package forward sends their feed to others.
//
// jsonpipe (JSON lines), csvpipe and mongopipe are the other drivers; pipetest is the suite they pass.
package pipelines
