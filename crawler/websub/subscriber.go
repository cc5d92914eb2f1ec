package websub

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // hubs may sign with it (section 8), and as an HMAC it holds
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Topic is what is subscribed to.
type Topic struct {
	URL  string // as the publisher calls it: rel=self
	Page string // where the subscriber found it
}

// Delivery is what a hub has sent.
type Delivery struct {
	Topic
	Header http.Header
	Body   []byte // the topic's new content, or its news alone; may be empty
}

// Config says who subscribes, and who is told. All fields are required.
type Config struct {
	// Callback is the public URL under which the Subscriber is reached: hubs call it with one more element of the path.
	Callback string
	// Key seals callbacks and signs deliveries. At least MinKey bytes, the same in all processes of a fleet.
	Key []byte
	// Confirmed is told when a hub has taken a subscription for so long. It must be remembered when it returns nil.
	Confirmed func(ctx context.Context, t Topic, lease time.Duration) error
	// Denied is told when a hub has refused or ended a subscription.
	Denied func(ctx context.Context, t Topic, reason string)
	// Delivered is told of each delivery whose signature is right. It must be taken care of when it returns nil. [ErrGone] ends
	// the subscription; after any other error the hub may try again.
	Delivered func(ctx context.Context, d Delivery) error
}

// MinKey is the least length of Config.Key, in bytes.
const MinKey = 16

// ErrGone is returned by Config.Delivered if nobody cares for the topic any more.
var ErrGone = errors.New("the topic is not wanted any more")

const (
	maxDelivery  = 16 << 20 // bytes: what a feed may have
	maxChallenge = 4 << 10  // bytes
	maxCallback  = 8 << 10  // bytes of its last element
	sealSize     = 16       // bytes

	minLease     = time.Minute
	maxLease     = 60 * 24 * time.Hour
	defaultLease = 24 * time.Hour // of a hub that does not say
)

// Subscriber answers hubs. Any number of goroutines may use it.
type Subscriber struct{ c Config }

var _ http.Handler = (*Subscriber)(nil)

// New checks the config and returns a subscriber.
func New(c Config) (*Subscriber, error) {
	u, err := url.Parse(c.Callback)
	switch {
	case err != nil:
		return nil, fmt.Errorf("websub: Callback: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("websub: Callback %q: want the http or https URL of a folder", c.Callback)
	case len(c.Key) < MinKey:
		return nil, fmt.Errorf("websub: Key has %d bytes, want %d or more", len(c.Key), MinKey)
	case c.Confirmed == nil || c.Denied == nil || c.Delivered == nil:
		return nil, errors.New("websub: Confirmed, Denied and Delivered are required")
	}
	c.Callback = strings.TrimSuffix(c.Callback, "/")
	return &Subscriber{c}, nil
}

// CallbackOf returns the URL at which a hub reaches the subscriber for a topic.
func (s *Subscriber) CallbackOf(t Topic) string {
	name := t.URL + "\x00" + t.Page
	return s.c.Callback + "/" + base64.RawURLEncoding.EncodeToString(append(s.seal("callback", name), name...))
}

// topicOf reads what CallbackOf wrote.
func (s *Subscriber) topicOf(callback string) (Topic, bool) {
	if len(callback) > maxCallback {
		return Topic{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(callback)
	if err != nil || len(raw) < sealSize {
		return Topic{}, false
	}
	name := string(raw[sealSize:])
	at, page, ok := strings.Cut(name, "\x00")
	return Topic{at, page}, ok && hmac.Equal(raw[:sealSize], s.seal("callback", name))
}

// seal returns a MAC of a name under the key, another one for each purpose.
func (s *Subscriber) seal(purpose, name string) []byte {
	mac := hmac.New(sha256.New, s.c.Key)
	_, _ = io.WriteString(mac, purpose+"\x00"+name)
	return mac.Sum(nil)[:sealSize]
}

// secret is what a hub signs the deliveries of a topic with.
func (s *Subscriber) secret(t Topic) string {
	return hex.EncodeToString(s.seal("secret", t.URL+"\x00"+t.Page))
}

// Form returns what is sent to a hub, by POST and as application/x-www-form-urlencoded, to subscribe to a topic or to renew a
// subscription (section 5.1). The hub decides about the lease.
func (s *Subscriber) Form(t Topic, lease time.Duration) url.Values {
	return url.Values{
		"hub.mode": {"subscribe"}, "hub.topic": {t.URL}, "hub.callback": {s.CallbackOf(t)}, "hub.secret": {s.secret(t)},
		"hub.lease_seconds": {strconv.Itoa(int(lease / time.Second))},
	}
}

// ServeHTTP answers a hub: it verifies intents (section 5.3) and takes deliveries (section 7). A request for no callback of ours is
// answered with 404.
func (s *Subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := s.topicOf(path.Base(r.URL.Path))
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.verify(w, r, t)
	case r.Method == http.MethodPost:
		s.take(w, r, t)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	}
}

// verify answers whether a subscription is wanted. An end of one never is: it is let run out.
func (s *Subscriber) verify(w http.ResponseWriter, r *http.Request, t Topic) {
	q := r.URL.Query()
	challenge := q.Get("hub.challenge")
	switch mode := q.Get("hub.mode"); {
	case q.Get("hub.topic") != t.URL:
		http.NotFound(w, r)
	case mode == "denied":
		s.c.Denied(r.Context(), t, q.Get("hub.reason"))
	case mode != "subscribe" || challenge == "" || len(challenge) > maxChallenge:
		http.NotFound(w, r)
	default:
		lease, ok := leaseOf(q.Get("hub.lease_seconds"))
		if !ok {
			http.Error(w, "hub.lease_seconds is no number", http.StatusBadRequest)
			return
		}
		if err := s.c.Confirmed(r.Context(), t, lease); err != nil {
			unavailable(w)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, challenge) //nolint:gosec // section 5.3 asks for it, and nobody's browser takes it for a page
	}
}

func leaseOf(seconds string) (time.Duration, bool) {
	if seconds == "" {
		return defaultLease, true
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return max(minLease, time.Duration(min(n, int64(maxLease/time.Second)))*time.Second), true
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "60")
	http.Error(w, "not now", http.StatusServiceUnavailable)
}

// take takes a delivery. One that is not signed as it should is acknowledged and left alone, so that nobody learns by trying
// (section 8).
func (s *Subscriber) take(w http.ResponseWriter, r *http.Request, t Topic) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, "the delivery is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the delivery was cut off", http.StatusBadRequest)
		return
	}
	if signed(r.Header.Get("X-Hub-Signature"), s.secret(t), body) {
		err = s.c.Delivered(r.Context(), Delivery{t, r.Header, body})
	}
	switch {
	case errors.Is(err, ErrGone):
		http.Error(w, "not wanted any more", http.StatusGone)
	case err != nil:
		unavailable(w)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// hashes are the methods of section 8.
var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}

// signed reports whether the signature ("sha256=...") of a body is right.
func signed(signature, secret string, body []byte) bool {
	method, hexed, _ := strings.Cut(strings.TrimSpace(signature), "=")
	h, known := hashes[strings.ToLower(method)]
	claimed, err := hex.DecodeString(hexed)
	if !known || err != nil {
		return false
	}
	mac := hmac.New(h, []byte(secret))
	_, _ = mac.Write(body)
	return hmac.Equal(claimed, mac.Sum(nil))
}

// Charset returns the charset that a delivery declares in its Content-Type; empty if it does not.
func (d Delivery) Charset() string {
	_, params, err := mime.ParseMediaType(d.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return params["charset"]
}
