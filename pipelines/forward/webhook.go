package forward

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// Webhook posts batches as JSON lines (application/x-ndjson), one [pipelines.Change] a line.
//
// The header Idempotency-Key is the same for the same batch, however often it is posted. Any 2xx is a receipt. 408, 425, 429, 5xx and an
// address that does not answer have the batch posted again, not before a Retry-After; any other answer refuses it. Redirects are not
// followed: they would turn the POST into a GET.
type Webhook struct {
	// URL is where to post. User name and password in it are sent as basic authentication.
	URL string
	// Client posts. Default: one that gives up after Timeout.
	Client *http.Client
	// Timeout is how long an answer may take. Default 30s.
	Timeout time.Duration
	// UserAgent is the header. Default "lycosa".
	UserAgent string
}

// Send implements [Sink].
func (w *Webhook) Send(ctx context.Context, batch []pipelines.Change) error {
	var body []byte
	for i := range batch {
		var err error
		if body, err = batch[i].AppendJSON(body); err != nil {
			return fmt.Errorf("%w: cursor %d: %w", ErrRefused, batch[i].Cursor, err)
		}
		body = append(body, '\n')
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(w.Timeout, 30*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Idempotency-Key", pipelines.DigestOf(body).String())
	req.Header.Set("User-Agent", cmp.Or(w.UserAgent, "lycosa"))
	client := http.Client{}
	if w.Client != nil {
		client = *w.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	says, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // of no interest if it fails
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return &DelayError{fmt.Errorf("%s: %.200q", resp.Status, says), retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	default:
		return fmt.Errorf("%w: %s: %.200q", ErrRefused, resp.Status, says)
	}
}

// retryAfter reads the header: seconds or a date (RFC 9110, 10.2.3). 0 if there is none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
