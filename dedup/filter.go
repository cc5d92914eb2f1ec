package dedup

import "context"

// Filter remembers fingerprints.
//
// All methods may be called from many goroutines at once.
type Filter interface {
	// Add records the fingerprints and reports for each, in order, whether it was new. A
	// fingerprint that stands twice in one call is new at most once. Adding is idempotent: after
	// an error the same call may be repeated, but answers of the repetition may say "seen" for
	// what the failed call recorded.
	Add(ctx context.Context, fps ...Fingerprint) (fresh []bool, err error)

	// Has reports for each fingerprint, in order, whether it was added before. It records
	// nothing.
	Has(ctx context.Context, fps ...Fingerprint) (seen []bool, err error)

	// Len returns the number of fingerprints added; an approximate filter returns its estimate.
	Len(ctx context.Context) (int64, error)
}
