package fetch

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Fetcher makes one HTTP exchange.
//
// Fetch sends the request and reads the whole answer. It waits no longer than its own deadline and returns
// soon after ctx ends. Whatever the status, an answer is not an error; no redirect is followed. An error is
// an [*Error], and then the response is nil. Fetch does not keep or change the request; the response belongs
// to the caller. It may be called from many goroutines at once.
type Fetcher interface {
	Fetch(ctx context.Context, req *Request) (*Response, error)
}

// Request is what to send.
type Request struct {
	// Method is GET if empty.
	Method string
	// URL is http or https, in the form that browsers send (WHATWG): it goes out as it is, without the fragment.
	URL string
	// Header is sent in addition to the default User-Agent, Accept and Accept-Encoding, or in their place.
	// Host names another virtual host.
	Header http.Header
	// Body is sent if it is not empty.
	Body []byte
	// AllowPrivate lets this one request reach addresses that are refused otherwise; see Config.AllowPrivate.
	AllowPrivate bool
	// MaxBody replaces Config.MaxBody for this request, if positive.
	MaxBody int64
	// Prefix takes the first MaxBody bytes of a body that is longer, flagged Cut, instead of an error.
	Prefix bool
}

// Response is what came back.
type Response struct {
	URL    string // of the request
	Status int    // 100 to 599, or whatever three digits the server sent
	Proto  string // "HTTP/1.1", "HTTP/2.0"
	// Header is as received: Content-Encoding and Content-Length speak of the wire, not of Body.
	Header http.Header
	// Body has its content codings undone. It is in the charset of the site: see Text.
	Body []byte
	// WireBytes is the size of the body as it was received, without the framing of chunks.
	WireBytes int64
	// Flags tell what was odd, but good enough.
	Flags Flags
	// Sent is the time from the call until the request had left.
	Sent time.Duration
	// Elapsed is the time from the call until the last byte was read.
	Elapsed time.Duration
	// FetchedAt is when the answer was complete.
	FetchedAt time.Time
	// RemoteAddr is who answered: the server, or the proxy.
	RemoteAddr netip.AddrPort
}

// Flags tell what was odd about an answer that is good enough to be used.
type Flags uint8

const (
	// EncodingLie: the body is not in the coding that Content-Encoding declares, and was taken as it is.
	EncodingLie Flags = 1 << iota
	// TrailingGarbage: something that is not of the coding follows the compressed body, and was left out.
	TrailingGarbage
	// Cut: the body is longer than Body; see Request.Prefix.
	Cut
)

// Has reports whether all of the flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

// String returns the names of the flags: "encoding_lie,trailing_garbage".
func (f Flags) String() string {
	var names []string
	for i, name := range []string{"encoding_lie", "trailing_garbage", "cut"} {
		if f.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
