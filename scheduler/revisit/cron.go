package revisit

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Cron is a clock that says when all pages are due.
type Cron struct {
	spec     string
	schedule cron.Schedule
}

// ParseCron reads the five fields of crontab(5), minute to day of week, or @hourly, @daily, @weekly, @monthly, @yearly and
// "@every 6h". The zone is UTC unless the text begins with "CRON_TZ=Europe/Berlin ", so a fleet agrees whatever its
// machines are set to.
func ParseCron(spec string) (*Cron, error) {
	full := strings.TrimSpace(spec)
	switch {
	case full == "":
		return nil, fmt.Errorf("cron: %q: want five fields, or a word such as @daily", spec)
	case !strings.HasPrefix(full, "TZ=") && !strings.HasPrefix(full, "CRON_TZ="):
		full = "CRON_TZ=UTC " + full
	case !strings.Contains(full, " "):
		return nil, fmt.Errorf("cron: %.80q: a zone and no fields", spec)
	}
	s, err := cron.ParseStandard(full)
	if err != nil {
		return nil, fmt.Errorf("cron: %.80q: %s", spec, strings.Join(strings.Fields(err.Error()), " ")) // in one line
	}
	c := &Cron{spec: spec, schedule: s}
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() { // a leap year, and the parser looks five years ahead
		return nil, fmt.Errorf("cron: %.80q: no such day", spec)
	}
	return c, nil
}

// Next returns the first instant of the clock after now; zero if there is none within five years.
func (c *Cron) Next(now time.Time) time.Time { return c.schedule.Next(now) }

// String returns the text that was parsed.
func (c *Cron) String() string { return c.spec }

// usual returns the mean interval of the clock, over its first hundred instants of a year.
func (c *Cron) usual() time.Duration {
	first := c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	last := first
	n := 0
	for n < 100 {
		next := c.Next(last)
		if next.IsZero() {
			break
		}
		last = next
		n++
	}
	if n == 0 {
		return duration(5 * 365) // one instant in five years
	}
	return last.Sub(first) / time.Duration(n)
}
