package fetch

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter returns how long a server asks to be left alone, between 0 and limit, and false if it does not say so in a
// way that can be understood. It understands seconds and dates; now is what dates are compared with.
func RetryAfter(h http.Header, now time.Time, limit time.Duration) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), limit)), true
	}
	seconds, err := strconv.ParseFloat(value, 64)
	switch {
	case math.IsNaN(seconds), err != nil && !math.IsInf(seconds, 0): // out of range is infinite, and clamped
		return 0, false
	case seconds >= limit.Seconds():
		return limit, true
	default:
		return max(0, time.Duration(seconds*float64(time.Second))), true
	}
}
