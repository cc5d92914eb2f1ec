// Package redisnear is the index of near texts in Redis, for a fleet: what one worker stored, all find.
//
//	seen, err := redisnear.New(client, redisnear.Config{Crawl: "shop", Epoch: epoch, Limit: 1_000_000})
//	of, distance, ok, err := seen.LookupOrAdd(ctx, near.Of(text), url)
//
// A look-up is one script, which compares the Sims that share a band with the one asked for. It promises what [near.Index]
// does, and both pass neartest.
package redisnear
