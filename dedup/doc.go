// Package dedup decides whether two requests are the same one, and remembers which were seen.
//
// A URL passes three steps before it is queued:
//
//	href + base URL  --Canonicalizer-->  canonical URL  --Of-->  Fingerprint  --Filter-->  seen or new
//
// The canonical form is the WHATWG serialisation (https://url.spec.whatwg.org) with the layer of
// [Rules] on top. It is idempotent: the canonical form of a canonical URL is itself.
// A fingerprint covers the method, the canonical URL and the body. It is stable over releases,
// because crawls outlive them.
//
// The package is a leaf: it imports nothing else of lycosa. Drivers of [Filter] are memdedup (in
// process) and redisdedup; deduptest is the suite that each of them passes.
//
// All that is about requests. Package near is about what they bring: texts that are almost the same.
package dedup
