package dedup

import "context"

// Exact is the exact half of a two-tier filter: a store that remembers fingerprints cheaply, asked only about those that
// a Bloom filter takes for seen. It may keep their first 64 bits alone.
//
// All methods may be called from many goroutines, and from many processes unless the store says otherwise.
type Exact interface {
	// Has reports for each fingerprint, in order, whether it was recorded.
	Has(ctx context.Context, fps ...Fingerprint) (seen []bool, err error)

	// Record records the fingerprints. When it returns nil they survive a crash of the process. Recording is
	// idempotent: after an error the same call may be repeated.
	Record(ctx context.Context, fps ...Fingerprint) error
}
