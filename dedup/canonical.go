package dedup

// Rules say how URLs are brought into canonical form. The zero value is the default:
//
//   - parsed and resolved as browsers do it (WHATWG URL)
//   - only http and https
//   - user name and password off
//   - fragment off
//   - default port off, host in lower case and ASCII (IDNA), trailing dot of the host off
//   - dot segments resolved, an empty path becomes "/"
//   - percent-encoded unreserved characters (RFC 3986 section 2.3) decoded, remaining escapes in upper case
//   - query parameters sorted by name, stably: values of one name keep their order
//   - an empty query ("?" alone) off
//   - tracking parameters (utm_*, gclid, fbclid, ...) and session ids (PHPSESSID, jsessionid, sid, ...) kept,
//     unless DropTracking or DropSessions is set: on some site each of them carries meaning
type Rules struct {
	// DropParams are names of query parameters to drop, as globs: "utm_*", "sid".
	DropParams []string
	// KeepParams, when set, are the only query parameters kept, as globs. DropParams still apply.
	KeepParams []string
	// DropTracking drops the well-known tracking parameters; see TrackingParams.
	DropTracking bool
	// DropSessions drops the well-known session parameters (see SessionParams), and a ";jsessionid=..."
	// at the end of a path segment.
	DropSessions bool
	// Unsorted keeps query parameters in the order given.
	Unsorted bool
	// KeepFragment keeps the fragment; for sites that route by it.
	KeepFragment bool
	// MaxLength is the longest canonical URL accepted, in bytes. Default 2083.
	MaxLength int
}
