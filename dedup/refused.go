package dedup

import (
	"fmt"
	"strings"
)

// Reason is why a URL was refused. The values are stable and few, fit to count by.
type Reason string

// The reasons for which a URL is refused.
const (
	ReasonScheme   Reason = "scheme"   // neither http nor https; RefusedError.Scheme says which
	ReasonTooLong  Reason = "too_long" // longer than Rules.MaxLength, or a user name and password over 1 KiB
	ReasonControl  Reason = "control"  // control characters other than tab and line ends inside
	ReasonEncoding Reason = "encoding" // not UTF-8
	ReasonRelative Reason = "relative" // a relative reference without a base
	ReasonHost     Reason = "host"     // a host DNS cannot carry: empty label, label over 63 bytes, over 253 in all
	ReasonInvalid  Reason = "invalid"  // the WHATWG URL standard calls it a failure
)

// RefusedError says that a URL cannot be crawled, and why. A refusal is an everyday event: pages are
// full of mailto: and javascript: links. It is for counting, not for logging one by one.
type RefusedError struct {
	// URL is the reference as it was given, cut to 256 bytes. It is raw: print it quoted.
	URL string
	// Reason says why it was refused.
	Reason Reason
	// Scheme is the scheme in lower case when Reason is ReasonScheme, cut to 32 bytes.
	Scheme string
}

const (
	maxRefusedURL    = 256
	maxRefusedScheme = 32
)

// refuse copies what it keeps of ref: ref may hang on to a whole page, and errors live long.
func refuse(ref string, why Reason) *RefusedError {
	return &RefusedError{URL: strings.Clone(ref[:min(len(ref), maxRefusedURL)]), Reason: why}
}

func refuseScheme(ref, scheme string) *RefusedError {
	e := refuse(ref, ReasonScheme)
	e.Scheme = strings.Clone(scheme[:min(len(scheme), maxRefusedScheme)])
	return e
}

// Error implements error in one line; the URL is quoted, control characters of a hostile page
// escaped.
func (e *RefusedError) Error() string {
	switch e.Reason {
	case ReasonScheme:
		return fmt.Sprintf("URL %q refused: scheme %q is not http or https", e.URL, e.Scheme)
	case ReasonTooLong:
		return fmt.Sprintf("URL %q... refused: too long", e.URL)
	case ReasonControl:
		return fmt.Sprintf("URL %q refused: control character inside", e.URL)
	case ReasonEncoding:
		return fmt.Sprintf("URL %q refused: not UTF-8", e.URL)
	case ReasonRelative:
		return fmt.Sprintf("URL %q refused: relative, and nothing to resolve it against", e.URL)
	case ReasonHost:
		return fmt.Sprintf("URL %q refused: no such host can exist", e.URL)
	default:
		return fmt.Sprintf("URL %q refused: not a valid URL", e.URL)
	}
}

// Kind is a label to count refusals by: the Reason, or for a scheme "scheme_mailto", "scheme_tel"
// and so on for the usual ones and "scheme_other" for all else, so that a page cannot invent labels.
func (e *RefusedError) Kind() string {
	if e.Reason != ReasonScheme {
		return string(e.Reason)
	}
	switch e.Scheme {
	case "about", "blob", "data", "file", "ftp", "intent", "javascript", "mailto", "sms", "tel", "whatsapp":
		return "scheme_" + e.Scheme
	default:
		return "scheme_other"
	}
}
