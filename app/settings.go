package app

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
)

// setting is a field of crawler.Settings that people reach by its name in YAML: --set NAME=VALUE. Those with a flag of
// their own are reached by both.
type setting struct {
	name  string
	field func(s *crawler.Settings) any // pointer to the field
	least int64                         // smallest number, or duration, that means something
	not   bool                          // the field says the opposite
	bytes bool                          // a size
}

var settings = []setting{
	{name: "concurrency", field: func(s *crawler.Settings) any { return &s.Concurrency }, least: 1},
	{name: "per_host", field: func(s *crawler.Settings) any { return &s.PerHost }, least: 1},
	{name: "delay", field: func(s *crawler.Settings) any { return &s.Delay }},
	{name: "max_pages", field: func(s *crawler.Settings) any { return &s.MaxPages }},
	{name: "max_depth", field: func(s *crawler.Settings) any { return &s.MaxDepth }},
	{name: "max_attempts", field: func(s *crawler.Settings) any { return &s.MaxAttempts }, least: 1},
	{name: "retry_delay", field: func(s *crawler.Settings) any { return &s.RetryDelay }, least: 1},
	{name: "lease", field: func(s *crawler.Settings) any { return &s.Lease }, least: int64(time.Second)},
	{name: "timeout", field: func(s *crawler.Settings) any { return &s.Timeout }, least: 1},
	{name: "max_body", field: func(s *crawler.Settings) any { return &s.MaxBody }, least: 1, bytes: true},
	{name: "max_redirects", field: func(s *crawler.Settings) any { return &s.MaxRedirects }, least: 1},
	{name: "duplicates", field: func(s *crawler.Settings) any { return &s.Duplicates }},
	{name: "user_agent", field: func(s *crawler.Settings) any { return &s.UserAgent }},
	{name: "obey_robots", field: func(s *crawler.Settings) any { return &s.IgnoreRobots }, not: true},
	{name: "ignore_robots", field: func(s *crawler.Settings) any { return &s.IgnoreRobots }},
	{name: "allow_private", field: func(s *crawler.Settings) any { return &s.AllowPrivate }},
}

func settingNames() []string {
	names := make([]string, len(settings))
	for i := range settings {
		names[i] = settings[i].name
	}
	return names
}

func settingOf(name string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// parse returns what brings the value into the settings, or an error that says what is wanted.
func (s setting) parse(value string) (apply func(*crawler.Settings), err error) {
	switch s.field(new(crawler.Settings)).(type) {
	case *int:
		n, err := s.number(value, strconv.IntSize)
		return func(to *crawler.Settings) { *s.field(to).(*int) = int(n) }, err //nolint:forcetypeassert // the case says so
	case *int64:
		n, err := s.number(value, 64)
		return func(to *crawler.Settings) { *s.field(to).(*int64) = n }, err //nolint:forcetypeassert // same
	case *time.Duration:
		d, err := parseDuration(value)
		switch {
		case err != nil:
		case d < 0:
			err = errors.New("must not be negative")
		case int64(d) < s.least && s.least > 1:
			err = fmt.Errorf("must be at least %v", time.Duration(s.least))
		case int64(d) < s.least:
			err = errors.New("must be more than nothing")
		}
		return func(to *crawler.Settings) { *s.field(to).(*time.Duration) = d }, err //nolint:forcetypeassert // same
	case *bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			err = errors.New("want true or false")
		}
		return func(to *crawler.Settings) { *s.field(to).(*bool) = b != s.not }, err //nolint:forcetypeassert // same
	case *crawler.Duplicates:
		d, err := crawler.ParseDuplicates(value)
		if err != nil {
			err = errors.New("want off, exact or near")
		}
		return func(to *crawler.Settings) { *s.field(to).(*crawler.Duplicates) = d }, err //nolint:forcetypeassert // same
	default:
		return func(to *crawler.Settings) { *s.field(to).(*string) = value }, nil //nolint:forcetypeassert // nothing else is left
	}
}

func (s setting) number(value string, bits int) (int64, error) {
	unit := int64(1)
	if s.bytes {
		value, unit = cutUnit(value)
	}
	n, err := strconv.ParseInt(value, 10, bits)
	switch {
	case errors.Is(err, strconv.ErrRange), n > math.MaxInt64/unit:
		return 0, errors.New("is out of range")
	case err != nil && s.bytes:
		return 0, errors.New("want a size like 65536, 10MB or 10MiB")
	case err != nil:
		return 0, errors.New("want a whole number")
	case n < s.least:
		return 0, fmt.Errorf("must be at least %d", s.least)
	}
	return n * unit, nil
}

// parseDuration is time.ParseDuration with days in front, as in YAML: "30d", "1d12h".
func parseDuration(s string) (time.Duration, error) {
	wrong := errors.New("want a duration like 500ms, 10s, 2m or 1d")
	var days time.Duration
	if number, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || strings.HasPrefix(rest, "-") {
			return 0, wrong
		}
		days, s = time.Duration(n)*24*time.Hour, rest //nolint:durationcheck // n days
		if s == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d > math.MaxInt64-days {
		return 0, wrong
	}
	return days + d, nil
}

// cutUnit takes the unit off a size.
func cutUnit(s string) (number string, unit int64) {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if before, ok := strings.CutSuffix(s, u.name); ok {
			return strings.TrimRight(before, " "), u.bytes
		}
	}
	return s, 1
}

// override is a setting or parameter given on the command line.
type override struct {
	flag  string // as it was typed: "--set max_depth=3"
	apply func(*crawler.Spider)
}

// settingFlag is the flag of a setting. It notes what to override when it is parsed.
type settingFlag struct {
	setting
	flag string
	kind string // shown in the help
	text string
	to   *[]override
}

// String implements pflag.Value.
func (f *settingFlag) String() string { return f.text }

// Type implements pflag.Value.
func (f *settingFlag) Type() string { return f.kind }

// Set implements pflag.Value.
func (f *settingFlag) Set(value string) error {
	apply, err := f.parse(value)
	if err != nil {
		return err
	}
	f.text = value
	*f.to = append(*f.to, override{"--" + f.flag + " " + value, func(s *crawler.Spider) { apply(&s.Settings) }})
	return nil
}

// setFlag reads --set KEY=VALUE for a spider: one of its own parameters, or else a setting.
func setFlag(spider crawler.Spider, pair string) (override, error) {
	key, value, ok := strings.Cut(pair, "=")
	flag := "--set " + pair
	if !ok || key == "" {
		return override{}, usagef("%s: want KEY=VALUE", flag)
	}
	if _, ok := spider.Params[key]; ok {
		return override{flag, func(s *crawler.Spider) { s.Params[key] = value }}, nil
	}
	s, ok := settingOf(key)
	if !ok {
		known := append(sortedKeys(spider.Params), settingNames()...)
		hint := ""
		if near := nearest(key, known); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return override{}, usagef("--set %s: spider %s has no %q%s There are: %s", pair, spider.Name, key, orDot(hint), strings.Join(known, ", "))
	}
	apply, err := s.parse(value)
	if err != nil {
		return override{}, usagef("%s: %w", flag, err)
	}
	return override{flag, func(to *crawler.Spider) { apply(&to.Settings) }}, nil
}

func orDot(s string) string {
	if s == "" {
		return "."
	}
	return s
}
