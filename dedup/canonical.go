package dedup

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Rules say how URLs are brought into canonical form. The zero value is the default:
//
//   - parsed and resolved as browsers do it (WHATWG URL)
//   - only http and https, with a host that DNS can carry
//   - user name and password off
//   - fragment off
//   - default port off, host in lower case and ASCII (IDNA), trailing dot of the host off
//   - dot segments resolved, an empty path becomes "/"
//   - percent-encoded unreserved characters (RFC 3986 section 2.3) decoded, remaining escapes in
//     upper case; a percent sign that begins no escape stays as it is
//   - query parameters sorted by name, stably: values of one name keep their order; empty ones
//     ("?a=1&&b=2") off
//   - an empty query ("?" alone) off
//   - tracking parameters (utm_*, gclid, fbclid, ...) and session ids (PHPSESSID, jsessionid, sid, ...)
//     kept, unless DropTracking or DropSessions is set: on some site each of them carries meaning
//
// Names of parameters are given as globs in the syntax of [path.Match], except that * and ? match a
// slash as well: "utm_*", "sid", `filter\[*\]`. They are compared with the decoded name, so that
// `a\[\]` stands for "a[]" and for "a%5B%5D". Upper and lower case differ.
type Rules struct {
	// DropParams are query parameters to drop.
	DropParams []string
	// KeepParams, when set, are the only query parameters kept. DropParams still apply.
	KeepParams []string
	// DropTracking drops the well-known tracking parameters; see [TrackingParams].
	DropTracking bool
	// DropSessions drops the well-known session parameters (see [SessionParams]), and a
	// ";jsessionid=..." in a segment of the path.
	DropSessions bool
	// DropPathSessions drops session ids in the path: parameters of a segment with a value that are called as one
	// of [SessionParams] (";sid=...", ";jsessionid=..."), and the segments of ASP.NET ("/(S(...))/").
	DropPathSessions bool
	// FoldPathCase puts the path in lower case, for servers that do not tell "/A" from "/a": ASCII letters alone, and
	// no escapes.
	FoldPathCase bool
	// TrailingSlash says what becomes of the slash at the end of the path. Default KeepSlash.
	TrailingSlash TrailingSlash
	// Unsorted keeps query parameters in the order given.
	Unsorted bool
	// KeepFragment keeps the fragment, unless it is empty; for sites that route by it.
	KeepFragment bool
	// MaxLength is the longest canonical URL accepted, in bytes. Default 2083, at most 16384. Input
	// that is more than 4 KiB longer than that is refused unread; a fragment to be dropped does not
	// count.
	MaxLength int

	// CanonicalBodies has forms and JSON compared by what they say, not by how they are spelled. The Content-Type
	// that the request itself carries tells which they are: in application/x-www-form-urlencoded parameters are
	// sorted as in a query, in application/json and +json names are sorted and insignificant white space is off.
	// Numbers and strings count as written. It changes fingerprints, not what is sent.
	CanonicalBodies bool
	// FingerprintHeaders are names of headers that tell requests apart as well, if the request itself carries
	// them: "Accept-Language". Upper and lower case are one.
	FingerprintHeaders []string
	// Scheme is how fingerprints are made. Default SchemeLycosa. The others leave no room for CanonicalBodies,
	// FingerprintHeaders and KeepFragment.
	Scheme Scheme
}

const (
	defaultMaxLength = 2083
	maxMaxLength     = 16 << 10

	// slack is by how much input may be longer than its canonical form: room for white space,
	// needless escapes and dropped parameters. The general parser takes quadratic time over many
	// segments, so it has to end somewhere.
	slack = 4 << 10

	// roomy is the size of the buffers on the stack; longer URLs cost an allocation each.
	roomy = 512
)

// Compile checks the rules and returns the Canonicalizer that follows them. An error names the
// field that is wrong.
func (r Rules) Compile() (*Canonicalizer, error) {
	if r.MaxLength < 0 || r.MaxLength > maxMaxLength {
		return nil, fmt.Errorf("dedup: MaxLength (%d) must lie between 0 and %d", r.MaxLength, maxMaxLength)
	}
	if r.TrailingSlash < 0 || int(r.TrailingSlash) >= len(slashNames) {
		return nil, fmt.Errorf("dedup: TrailingSlash (%d) must be KeepSlash, RemoveSlash or AddSlash", r.TrailingSlash)
	}
	if err := r.Scheme.check(&r); err != nil {
		return nil, err
	}
	drop, err := compileNames("DropParams", r.DropParams)
	if err != nil {
		return nil, err
	}
	keep, err := compileNames("KeepParams", r.KeepParams)
	if err != nil {
		return nil, err
	}
	headers, err := compileHeaders(r.FingerprintHeaders)
	if err != nil {
		return nil, err
	}

	c := &Canonicalizer{
		scheme:           r.Scheme,
		canonicalBodies:  r.CanonicalBodies,
		headers:          headers,
		maxLength:        cmp.Or(r.MaxLength, defaultMaxLength),
		dropSessions:     r.DropSessions || r.DropPathSessions,
		dropPathSessions: r.DropPathSessions,
		foldPathCase:     r.FoldPathCase,
		trailingSlash:    r.TrailingSlash,
		unsorted:         r.Unsorted,
		keepFragment:     r.KeepFragment,
		drop:             drop,
		keep:             keep,
	}
	c.reshapes = c.dropPathSessions || c.foldPathCase || c.trailingSlash != KeepSlash
	if c.dropPathSessions {
		c.pathSessions.add(sessionParams...)
	}
	if r.DropTracking {
		c.dropFolded.add(trackingParams...)
	}
	if r.DropSessions {
		c.dropFolded.add(sessionParams...)
	}
	c.filters = !c.drop.empty() || !c.keep.empty() || !c.dropFolded.empty()
	return c, nil
}

// Canonicalizer brings URLs into canonical form, following the [Rules] it was compiled from. It
// never changes: one of them serves all goroutines.
type Canonicalizer struct {
	maxLength    int
	dropSessions bool // of the path: ";jsessionid=..."
	unsorted     bool
	keepFragment bool

	reshapes         bool // any of the following is set
	dropPathSessions bool
	foldPathCase     bool
	trailingSlash    TrailingSlash

	pathSessions names // what dropPathSessions drops, in lower case

	filters    bool  // any of the following is set
	drop, keep names // of the user
	dropFolded names // of the built-in lists, in lower case

	scheme          Scheme
	canonicalBodies bool
	headers         []string // of the fingerprint, in canonical form, sorted
}

// Parse returns the canonical form of an absolute URL. An error is always a [*RefusedError].
func (c *Canonicalizer) Parse(raw string) (URL, error) {
	return c.Resolve(URL{}, raw)
}

// Resolve returns the canonical form of a reference found in a document, resolved against base: the
// document's URL, or what [Canonicalizer.Base] made of it. With the zero URL as base it accepts
// absolute URLs only. An error is always a [*RefusedError].
//
// That base is canonical changes no answer: what the canonical form leaves out of a document's URL
// either never passes from a base to a reference, or would be left out of the result again. Rules.TrailingSlash and
// the segments that Rules.DropPathSessions drops are the exception: what is fetched, and so resolved against, has
// another last slash or fewer segments than the link said.
func (c *Canonicalizer) Resolve(base URL, ref string) (URL, error) {
	ref = strings.TrimFunc(ref, isControlOrSpace)
	if i := strings.IndexByte(ref, '#'); i >= 0 && !c.keepFragment {
		ref = ref[:i+1] // with the sign: a space before it must not come to stand at the end
	}

	var room [roomy]byte
	if len(ref) <= c.maxLength+slack {
		if p, ok := split(appendJoined(room[:0], base.s, ref)); ok {
			return c.assemble(ref, &p)
		}
	}

	p, err := c.splitAny(base, ref)
	if err != nil {
		return URL{}, err
	}
	u, err := c.assemble(ref, &p)
	if err != nil {
		return URL{}, err
	}
	return c.settle(ref, u)
}

// Base returns what the references of a document are to be resolved against when the document has a
// <base href>: href resolved against the document's own URL.
//
// As in browsers, an href that cannot be parsed, or is a data: or javascript: URL, is ignored, and
// the answer is document. One that leads elsewhere (ftp:, mailto:) gives the zero URL: relative
// references then lead nowhere and are refused, absolute ones are accepted.
func (c *Canonicalizer) Base(document URL, href string) URL {
	base, err := c.Resolve(document, href)
	if err == nil {
		return base
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Reason == ReasonScheme &&
		refused.Scheme != "data" && refused.Scheme != "javascript" {
		return URL{}
	}
	return document
}

// assemble writes the parts of a parsed URL in canonical form.
func (c *Canonicalizer) assemble(ref string, p *parts) (URL, error) {
	var room [roomy]byte
	b := c.appendCanonical(room[:0], p)
	if len(b) > c.maxLength {
		return URL{}, refuse(ref, ReasonTooLong)
	}
	return URL{s: string(b)}, nil
}

// settle makes sure that u, which came out of the general parser, is canonical: that it comes out
// of another round unchanged. One round is enough for all that is known; the check costs little
// beside the general parser, and a URL with two canonical forms would be fetched twice for ever.
func (c *Canonicalizer) settle(ref string, u URL) (URL, error) {
	var room [roomy]byte
	for range 3 {
		p, ok := split(append(room[:0], u.s...))
		if !ok {
			var err error
			if p, err = c.splitAny(URL{}, u.s); err != nil {
				return URL{}, err
			}
		}
		again, err := c.assemble(ref, &p)
		if err != nil || again == u {
			return again, err
		}
		u = again
	}
	return URL{}, refuse(ref, ReasonInvalid)
}
