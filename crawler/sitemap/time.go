package sitemap

import (
	"regexp"
	"strings"
	"time"
)

// layouts are tried in turn, after the text was made uniform: see ParseTime. Fractions of seconds are read without being named.
var layouts = [...]string{
	// W3C, Date and Time Formats, 1998: what the protocol asks for.
	"2006-01-02T15:04:05Z07:00", "2006-01-02", "2006-01-02T15:04Z07:00", "2006-01", "2006",
	// ISO 8601 otherwise, and without a zone.
	"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15Z07:00", "2006-01-02T15", "2006-01-02Z07:00",
	"20060102T150405Z07:00", "20060102T150405", "20060102",
	// As one writes.
	"2006-1-2T15:04:05Z07:00", "2006-1-2T15:04:05", "2006-1-2",
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04 MST", "2 Jan 2006",
	"2 January 2006", "Jan 2, 2006", "January 2, 2006", "2-Jan-2006", "2-Jan-06 15:04:05 MST",
	"Jan 2 15:04:05 2006", "Jan 2 15:04:05 MST 2006", "2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04:05 MST",
}

var (
	weekday  = regexp.MustCompile(`^(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+`)
	slashes  = regexp.MustCompile(`^(\d{4})[/.](\d{1,2})[/.](\d{1,2})`)
	dateTime = regexp.MustCompile(`^(\d{4}-\d{1,2}-\d{1,2})(?:\s+|\s*[Tt]\s*)(\d{1,2}:\d{2}|\d{2})`)
	zone     = regexp.MustCompile(`^(\d{4}.*?)\s*(?i:([+-]\d{2})(?::?(\d{2}))?|(z)|utc|gmt)$`)
)

// ParseTime reads the date of a sitemap: a W3C date of any precision, whose time is the beginning of what it names, or one of
// the forms that are seen in its place: another separator, no zone, which is taken for UTC, RFC 822. What it cannot
// read, and what lies before the web or is no day of the calendar, is the zero time.
func ParseTime(s string) time.Time {
	if s = strings.TrimFunc(s, blank); s == "" || len(s) > 64 {
		return time.Time{}
	}
	if t, err := time.Parse(layouts[0], s); err == nil { // as it should be
		return saneOrZero(t)
	}
	s = weekday.ReplaceAllString(strings.Join(strings.Fields(s), " "), "")
	s = slashes.ReplaceAllString(s, "$1-$2-$3")
	s = dateTime.ReplaceAllString(s, "${1}T$2")
	if m := zone.FindStringSubmatch(s); len(m) > 0 && strings.Contains(m[1], "T") {
		switch {
		case m[2] == "":
			s = m[1] + "Z"
		case m[3] == "":
			s = m[1] + m[2] + ":00"
		default:
			s = m[1] + m[2] + ":" + m[3]
		}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return saneOrZero(t)
		}
	}
	return time.Time{}
}

// sane reports whether a page may have been modified then: not before there were any. The future is for others to judge.
func sane(t time.Time) bool { return t.Year() >= 1990 && t.Year() <= 9999 }

func saneOrZero(t time.Time) time.Time {
	if !sane(t) {
		return time.Time{}
	}
	return t.UTC()
}
