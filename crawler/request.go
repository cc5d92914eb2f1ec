package crawler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// payloadVersion is the version of the JSON that Request encodes to.
const payloadVersion = 1

// Request is one page to be fetched: what travels through the frontier.
type Request struct {
	URL    string          // canonical
	Method string          // empty: GET
	Header http.Header     // sent beside the worker's own
	Body   []byte          // nil: none
	Route  string          // name of the route whose handler gets the page
	With   json.RawMessage // what rides along, as JSON; empty: the zero value
	Depth  int             // links followed from a start URL to here
	Hops   int             // redirects followed in a row to here
	Seed   string          // what the scope is relative to, where that is not implied; see plan.seedOf

	Priority   int  // see scheduler.MinPriority; not part of the payload
	DontFilter bool // fetch even if seen; not part of the payload
	DontRecord bool // with DontFilter: and do not record it as seen; not part of the payload

	memory   *memory // what is known of the page from earlier visits; nil: nothing
	deferred bool    // it was put off once, until the budget has something left for it
}

// Deferred reports whether the page was put off, before its first visit, until the budget of revisits has something left for it.
func (r *Request) Deferred() bool { return r.deferred && r.memory == nil }

// errNewerPayload says that a newer lycosa made the payload.
var errNewerPayload = errors.New("payload of a newer version")

// wire is the payload's form: version 1. Short names, since every queued URL carries them.
type wire struct {
	V int             `json:"v"`
	U string          `json:"u"`
	R string          `json:"r"`
	D int             `json:"d"`
	M string          `json:"m"`
	H http.Header     `json:"h"`
	B []byte          `json:"b"`
	W json.RawMessage `json:"w"`
	K int             `json:"k"`
	S string          `json:"s"`
	C []byte          `json:"c"`
	E string          `json:"e"`
	L string          `json:"l"`
	N int             `json:"n"`
	Q int             `json:"q"`
	A int             `json:"a"`
	O []byte          `json:"o"`
	P int             `json:"p"`
}

// AppendPayload appends the request as versioned JSON:
//
//	{"v":1,"u":URL,"r":ROUTE,"d":DEPTH,"m":METHOD,"h":HEADER,"b":BODY in base64,"w":WITH,"k":HOPS,"s":SEED,
//	 "c":RECORD in base64,"e":ETAG,"l":LAST-MODIFIED,"n":1 if noisy,
//	 "q":1 if it weighs less as a likely duplicate,"a":1 if it does because no page links to it,"o":LINKS,
//	 "p":1 if it was put off for the budget}
//
// Those from c to o are of a page that is visited again: see package revisit for the record. Everything but v, u and r is left out when it is zero.
func (r *Request) AppendPayload(dst []byte) []byte {
	dst = append(dst, `{"v":1,"u":`...)
	dst = appendString(dst, r.URL)
	dst = append(dst, `,"r":`...)
	dst = appendString(dst, r.Route)
	if r.Depth != 0 {
		dst = strconv.AppendInt(append(dst, `,"d":`...), int64(r.Depth), 10)
	}
	if r.Method != "" && r.Method != http.MethodGet {
		dst = appendString(append(dst, `,"m":`...), r.Method)
	}
	if len(r.Header) > 0 {
		if h, err := json.Marshal(r.Header); err == nil {
			dst = append(append(dst, `,"h":`...), h...)
		}
	}
	if len(r.Body) > 0 {
		dst = append(dst, `,"b":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, r.Body)
		dst = append(dst, '"')
	}
	if len(r.With) > 0 {
		dst = append(append(dst, `,"w":`...), r.With...)
	}
	if r.Hops != 0 {
		dst = strconv.AppendInt(append(dst, `,"k":`...), int64(r.Hops), 10)
	}
	if r.Seed != "" {
		dst = appendString(append(dst, `,"s":`...), r.Seed)
	}
	if r.memory != nil {
		dst = r.memory.appendTo(dst)
	}
	if r.deferred {
		dst = append(dst, `,"p":1`...)
	}
	return append(dst, '}')
}

// DecodePayload reads what [Request.AppendPayload] wrote.
func DecodePayload(payload []byte) (*Request, error) {
	var w wire
	if err := json.Unmarshal(payload, &w); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	switch {
	case w.V > payloadVersion:
		return nil, fmt.Errorf("%w: %d, this build reads %d", errNewerPayload, w.V, payloadVersion)
	case w.V < 1:
		return nil, errors.New("payload: no version")
	case w.U == "":
		return nil, errors.New("payload: no URL")
	case w.R == "":
		return nil, errors.New("payload: no route")
	}
	memory, err := w.memory()
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return &Request{
		URL: w.U, Method: w.M, Header: w.H, Body: w.B, Route: w.R, With: w.W,
		Depth: w.D, Hops: w.K, Seed: w.S, memory: memory, deferred: w.P != 0,
	}, nil
}

// appendString appends s as a JSON string. Unlike encoding/json it leaves <, > and & alone: they are frequent
// in URLs, and payloads are read by people.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}
