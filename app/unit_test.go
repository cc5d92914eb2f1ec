package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// fakeStats has numbers and nothing else.
type fakeStats struct{ scheduler.Frontier }

func (fakeStats) Stats(context.Context) (scheduler.Stats, error) {
	return scheduler.Stats{Queued: 700, Leased: 16, Seen: 1045, Done: 312, Items: 290, Retries: 2, Dead: 1, Hosts: 1}, nil
}

func TestLogLinesCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	var text buffer
	log := slog.New(newLogHandler(&text, slog.LevelInfo))
	log.Debug("unseen")
	log.With("crawl", "books").WithGroup("page").Warn("given\x1b[2J up", "url", "http://example.com/\x1b[31m\nx", "n", 3)
	got := text.String()
	if len(got) < 9 || got[2] != ':' || got[5] != ':' {
		t.Fatalf("no time in front: %q", got)
	}
	if want := `WARN  given\x1b[2J up crawl=books page.url="http://example.com/\x1b[31m\nx" page.n=3` + "\n"; got[9:] != want {
		t.Errorf("got  %swant %s", got[9:], want)
	}
}

func TestLogAppearsAboveThePanel(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "terminal") // whose width nobody knows: 80
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text buffer
	s := newScreen(&text)
	s.file = file
	s.show("one", strings.Repeat("wide ", 30))
	fmt.Fprintln(s, "log")
	fmt.Fprint(s, "half ")
	s.show("two", "three")
	fmt.Fprintln(s, "line")
	s.show()
	clipped := strings.Repeat("wide ", 30)[:78] + "…"
	want := "one\n" + clipped + "\n" +
		"\x1b[2A\r\x1b[J" + "log\n" + "one\n" + clipped + "\n" +
		"\x1b[2A\r\x1b[J" + "half " + "line\n" + "two\nthree\n" +
		"\x1b[2A\r\x1b[J"
	if text.String() != want {
		t.Errorf("got  %q\nwant %q", text.String(), want)
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"redis://localhost:6379/0":                                          "redis://localhost:6379/0",
		"redis://:secret@localhost:6379/0":                                  "redis://:xxxxx@localhost:6379/0",
		"rediss://me:sec/ret@localhost":                                     "rediss://me:xxxxx@localhost",
		"redis://:se@cr,et@a:1,b:2":                                         "redis://:xxxxx@a:1,b:2",
		"redis://:secret@a:1,redis://:secret@b:2":                           "redis://:xxxxx@b:2",
		"redis+sentinel://:secret@s:26379/master/1":                         "redis+sentinel://:xxxxx@s:26379/master/1",
		"mongodb://me:secret@h/db?w=1&tlsCertificateKeyFilePassword=secret": "mongodb://me:xxxxx@h/db?w=1&tlsCertificateKeyFilePassword=xxxxx",
		"mongodb://me:secret@h/db?x=@secret":                                "mongodb://me:xxxxx@h/db",
		":secret@localhost":                                                 ":xxxxx@localhost",
		"localhost:6379":                                                    "localhost:6379",
	} {
		if got := withoutPassword(raw); got != want || strings.Contains(got, "ret") {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestNearestName(t *testing.T) {
	t.Parallel()
	names := []string{"books", "news", "recipes"}
	for typed, want := range map[string]string{"boks": "books", "Books": "books", "nwes": "news", "rec": "recipes", "zzz": "", "": "", "x": ""} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// TestSetReadsWhatYAMLReads compares --set with the settings of a spider in YAML.
func TestSetReadsWhatYAMLReads(t *testing.T) {
	t.Parallel()
	for _, pair := range []string{
		"concurrency=3", "per_host=4", "delay=1d", "delay=0d12h", "delay=250ms", "max_pages=100", "max_depth=7", "max_attempts=9",
		"retry_delay=3s", "lease=2m", "timeout=5s", "max_body=10MB", "max_body=3KiB", "max_body=77", "max_redirects=2", "user_agent=me/1",
		"obey_robots=false", "allow_private=true",
		"delay=-1s", "delay=d", "delay=5", "concurrency=0", "concurrency=x", "lease=1ms", "max_body=0", "max_body=1TB", "timeout=0s", "speed=3",
	} {
		name, value, _ := strings.Cut(pair, "=")
		yaml, yamlErr := declare.Parse("t.yaml", fmt.Appendf(nil, "name: t\nsettings: {%s: %s}\nroutes: {page: {follow: [{css: a}]}}\n", name, value))
		var flag crawler.Spider
		over, flagErr := setFlag(crawler.Spider{Name: "t"}, pair)
		if flagErr == nil {
			over.apply(&flag)
		}
		if (yamlErr == nil) != (flagErr == nil) {
			t.Errorf("%s: YAML says %v, --set %v", pair, yamlErr, flagErr)
		} else if yamlErr == nil && yaml.Settings != flag.Settings {
			t.Errorf("%s: YAML %+v, --set %+v", pair, yaml.Settings, flag.Settings)
		}
	}
}

func TestReasonsSpeakOfNoPage(t *testing.T) {
	t.Parallel()
	for why, want := range map[string]string{
		"status 500 Internal Server Error (attempt 4 of 4)":                             "status 500 Internal Server Error",
		"fetch http://example.com/x: conn_refused: dial tcp: refused (attempt 4 of 4)":  "conn_refused",
		"fetch http://example.com/x: truncated (status 200): unexpected EOF":            "truncated (status 200)",
		"panic: index out of range [3] with length 3\ngoroutine 7 [running]:\nmain.f()": "panic: index out of range [3] with length 3",
		"bad\x1b[31m": `bad\x1b[31m`,
	} {
		if got := reason(why); got != want {
			t.Errorf("%q: got %q, want %q", why, got, want)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0:00", 67 * time.Second: "1:07", 3723 * time.Second: "1:02:03"} {
		if got := clock(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}
