package revisit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Budget is a number of fetches a day; 0 is unlimited.
type Budget float64

// String returns the budget as [ParseBudget] reads it.
func (b Budget) String() string {
	if b <= 0 {
		return "unlimited"
	}
	return strconv.FormatFloat(float64(b), 'g', -1, 64) + "/d"
}

// ParseBudget reads a rate such as 10000/d, of fetches a second (s), minute (m), hour (h) or day (d), or unlimited.
func ParseBudget(s string) (Budget, error) {
	if s == "unlimited" {
		return 0, nil
	}
	amount, unit, _ := strings.Cut(s, "/")
	a, err := strconv.ParseFloat(strings.TrimSpace(amount), 64)
	perDay, known := map[string]float64{"s": 86400, "m": 1440, "h": 24, "d": 1}[strings.TrimSpace(unit)]
	if b := a * perDay; err == nil && known && b > 0 && !math.IsInf(b, 0) {
		return Budget(b), nil
	}
	return 0, fmt.Errorf("budget: %.80q: want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited", s)
}

// ParseObjective reads freshness or staleness.
func ParseObjective(s string) (Objective, error) {
	for _, o := range []Objective{Freshness, Staleness} {
		if s == o.String() {
			return o, nil
		}
	}
	return 0, fmt.Errorf("objective: %.80q: want freshness or staleness", s)
}

// Parse reads a policy from the fields budget, new_share, min, max, objective, every and cron, all of them optional,
// and validates it. Durations are those of [time.ParseDuration], with d for days beside.
func Parse(fields map[string]string) (Policy, error) {
	var p Policy
	for _, name := range slices.Sorted(maps.Keys(fields)) { // so that the same text has the same error
		value := strings.TrimSpace(fields[name])
		var err error
		switch name {
		case "budget":
			p.Budget, err = ParseBudget(value)
		case "new_share":
			p.NewShare, err = parseShare(value)
		case "min":
			p.Min, err = parseDuration(name, value)
		case "max":
			p.Max, err = parseDuration(name, value)
		case "objective":
			p.Objective, err = ParseObjective(value)
		case "every":
			p.Every, err = parseDuration(name, value)
		case "cron":
			p.Cron, err = ParseCron(value)
		default:
			err = fmt.Errorf("unknown field %.80q: want budget, new_share, min, max, objective, every or cron", name)
		}
		if err != nil {
			return Policy{}, err
		}
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// Fields returns the policy as [Parse] reads it; what is by default is left out.
func (p Policy) Fields() map[string]string {
	fields := map[string]string{"budget": p.Budget.String()}
	for name, d := range map[string]time.Duration{"min": p.Min, "max": p.Max, "every": p.Every} {
		if d > 0 {
			fields[name] = d.String()
		}
	}
	switch {
	case p.NewShare < 0:
		fields["new_share"] = "0"
	case p.NewShare > 0:
		fields["new_share"] = strconv.FormatFloat(p.NewShare, 'g', -1, 64)
	}
	if p.Objective != Freshness {
		fields["objective"] = p.Objective.String()
	}
	if p.Cron != nil {
		fields["cron"] = p.Cron.String()
	}
	return fields
}

// parseShare reads a share of 0 to 1; 0 is none, which the field's zero value is not.
func parseShare(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || !(f >= 0 && f <= 1):
		return 0, fmt.Errorf("new_share: %.80q: want a share from 0 to 1", s)
	case f == 0:
		return -1, nil
	}
	return f, nil
}

// parseDuration reads a positive duration such as 1h30m, 30d or 1d12h.
func parseDuration(field, s string) (time.Duration, error) {
	var d time.Duration
	rest := s
	if number, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16) // 65535 days are 179 years: no overflow
		if err != nil {
			return 0, badDuration(field, s)
		}
		d, rest = time.Duration(n)*24*time.Hour, tail
	}
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 || d+more < d {
			return 0, badDuration(field, s)
		}
		d += more
	}
	if d <= 0 {
		return 0, badDuration(field, s)
	}
	return d, nil
}

func badDuration(field, s string) error {
	return fmt.Errorf("%s: %.80q: want a duration such as 90s, 1h30m or 30d", field, s)
}
