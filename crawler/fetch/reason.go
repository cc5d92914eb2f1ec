package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Reason is why there is no answer, in one word.
type Reason string

// The reasons.
const (
	ReasonTimeoutConnect Reason = "timeout_connect" // no connection in time
	ReasonTimeoutHeaders Reason = "timeout_headers" // connected, but the head of the answer did not come in time
	ReasonTimeoutBody    Reason = "timeout_body"    // the body did not come in time, or came too slowly
	ReasonDNS            Reason = "dns"             // the host's address cannot be found
	ReasonConnRefused    Reason = "conn_refused"    // nobody listens
	ReasonUnreachable    Reason = "unreachable"     // there is no way to the host
	ReasonConnClosed     Reason = "conn_closed"     // closed before the head of the answer was complete
	ReasonTruncated      Reason = "truncated"       // a part of the body is missing
	ReasonTLS            Reason = "tls"             // the handshake failed: an invalid certificate, an old version, a weak key
	ReasonProxy          Reason = "proxy"           // the proxy refuses
	ReasonProtocolError  Reason = "protocol_error"  // that was not HTTP

	ReasonTooLarge         Reason = "too_large"         // the body is beyond the limit
	ReasonHeadersTooLarge  Reason = "headers_too_large" // the head is beyond the limit
	ReasonBomb             Reason = "bomb"              // decompressed, the body is beyond any sane ratio
	ReasonUndecodable      Reason = "undecodable"       // the content coding is unknown or broken
	ReasonUnasked304       Reason = "unasked_304"       // "not modified", but the request had no condition
	ReasonForbiddenAddress Reason = "forbidden_address" // the host is in a network that is not to be reached
	ReasonForbiddenPort    Reason = "forbidden_port"    // the port belongs to another protocol
	ReasonForbiddenScheme  Reason = "forbidden_scheme"  // neither http nor https
	ReasonInvalidRequest   Reason = "invalid_request"   // the URL, method or a header cannot be sent
	ReasonCanceled         Reason = "canceled"          // the context of the call ended
)

// Temporary reports whether the same request may succeed later.
func (r Reason) Temporary() bool {
	switch r {
	case ReasonTimeoutConnect, ReasonTimeoutHeaders, ReasonTimeoutBody, ReasonDNS, ReasonConnRefused, ReasonUnreachable, ReasonConnClosed, ReasonTruncated, ReasonProxy, ReasonCanceled:
		return true
	case ReasonTLS, ReasonProtocolError, ReasonTooLarge, ReasonHeadersTooLarge, ReasonBomb, ReasonUndecodable, ReasonUnasked304, ReasonForbiddenAddress, ReasonForbiddenPort,
		ReasonForbiddenScheme, ReasonInvalidRequest:
		return false
	}
	return false
}

// Error says why there is no answer.
type Error struct {
	Reason Reason
	URL    string // of the request
	Status int    // if the head of an answer was received
	Err    error
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("fetch %s: %s (status %d): %v", e.URL, e.Reason, e.Status, e.Err)
	}
	return fmt.Sprintf("fetch %s: %s: %v", e.URL, e.Reason, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an error of [Fetcher.Fetch], and "" if it is none.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// refusal is an error that knows its reason.
type refusal struct {
	reason Reason
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(reason Reason, format string, args ...any) error {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// phase is how far an exchange has come.
type phase int32

const (
	connecting phase = iota
	waiting          // for the head of the answer
	reading          // the body
	finished
)

// timeout is the reason if the time is over in a phase.
func (p phase) timeout() Reason {
	switch p {
	case connecting:
		return ReasonTimeoutConnect
	case waiting:
		return ReasonTimeoutHeaders
	default:
		return ReasonTimeoutBody
	}
}

// reason classifies an error, most of which are of net/http. ctx is that of the exchange, in which a deadline of our own
// shows only by its cause.
func (x *exchange) reason(ctx context.Context, err error) Reason {
	var known *refusal
	var nerr net.Error
	at := x.phase()
	switch cause := context.Cause(ctx); {
	case errors.As(err, &known):
		return known.reason
	case errors.Is(cause, errDeadline), errors.Is(cause, errTooSlow):
		return at.timeout()
	case ctx.Err() != nil:
		return ReasonCanceled
	case isDNS(err):
		return ReasonDNS
	case errors.As(err, &nerr) && nerr.Timeout():
		return at.timeout()
	case isTLS(err):
		return ReasonTLS
	case strings.Contains(err.Error(), "response headers exceeded"), // net/http has no type for it, nor for the next
		strings.Contains(err.Error(), "response header list larger"):
		return ReasonHeadersTooLarge
	}
	switch {
	case strings.HasPrefix(err.Error(), "net/http: invalid"): // what the caller asked for
		return ReasonInvalidRequest
	case at == connecting && x.client.proxy != nil:
		return ReasonProxy
	case at == connecting:
		return connectReason(err)
	case !isClosed(err):
		return ReasonProtocolError
	case at == waiting:
		return ReasonConnClosed
	default:
		return ReasonTruncated
	}
}

func connectReason(err error) Reason {
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonConnRefused
	case isClosed(err):
		return ReasonConnClosed
	case errors.As(err, &op) && op.Op == "dial":
		return ReasonUnreachable
	default:
		return ReasonProtocolError
	}
}

// isClosed reports whether err says that the other side is gone.
func isClosed(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "server closed idle connection") || strings.Contains(text, "readLoopPeekFailLocked") ||
		strings.Contains(text, "client connection lost") || isHTTP2(err)
}

// isHTTP2 reports whether err is about a stream or a connection of HTTP/2. The types are private to net/http.
func isHTTP2(err error) bool {
	text := err.Error()
	return strings.Contains(text, "http2: ") || strings.HasPrefix(text, "stream error: ") ||
		strings.HasPrefix(text, "connection error: ")
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func isTLS(err error) bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var op *net.OpError
	return errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &unknown) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") ||
		errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "tls: ") ||
		strings.HasPrefix(err.Error(), "x509: ")
}
