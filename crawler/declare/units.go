package declare

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const durationForm = "want a duration such as 500ms, 2s, 1h30m or 30d"

// duration reads a duration of at least least.
func (r *reader) duration(v value, least time.Duration) time.Duration {
	d, err := parseDuration(r.scalar(v))
	switch {
	case r.err != nil:
	case err != nil:
		r.fail(v, "%v", err)
	case d < least:
		r.fail(v, "%s is less than %v", r.scalar(v), least)
	}
	return d
}

// parseDuration is time.ParseDuration with days in front: "30d", "1d12h".
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || ok && strings.HasPrefix(rest, "-") {
		return 0, fmt.Errorf("%.80q: %s", s, durationForm)
	}
	var d time.Duration
	if rest != "" || !ok {
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, fmt.Errorf("%.80q: %s", s, durationForm)
		}
	}
	const day = 24 * time.Hour
	if whole := time.Duration(n) * day; d <= math.MaxInt64-whole {
		return whole + d, nil
	}
	return 0, fmt.Errorf("%.80q is too long", s)
}

var sizes = []struct {
	unit  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// parseSize reads a number of bytes, with or without a unit.
func parseSize(s string) (int64, error) {
	number, unit := s, int64(1)
	for _, u := range sizes {
		if before, ok := strings.CutSuffix(s, u.unit); ok {
			number, unit = strings.TrimRight(before, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > math.MaxInt64/unit:
		return 0, fmt.Errorf("%.80q is too large", s)
	case err != nil:
		return 0, fmt.Errorf("%.80q: want a size such as 65536, 10MB or 10MiB", s)
	case n < 1:
		return 0, fmt.Errorf("%.80q: a size is at least 1", s)
	}
	return n * unit, nil
}
