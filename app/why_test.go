package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// places runs a test on a folder and on a Redis, with the flags that lead there.
func places(t *testing.T, test func(t *testing.T, flags ...string)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		test(t, "--dir", t.TempDir())
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, "--dir", t.TempDir(), "--redis", servers.Redis(t).URL)
	})
}

// on is a command at one place.
type on struct {
	command
	t     *testing.T
	flags []string
}

func (o on) run(args ...string) result {
	o.t.Helper()
	return o.command.run(o.t, append(args, o.flags...)...)
}

func (o on) why(url string, args ...string) why {
	o.t.Helper()
	var w why
	got := o.run(append([]string{"why", "site", url, "--json"}, args...)...).want(o.t, exitDone)
	if err := json.Unmarshal([]byte(got.out), &w); err != nil {
		o.t.Fatalf("%v: %s", err, got.out)
	}
	if w.Verdict == "" || w.Crawl != "site" {
		o.t.Errorf("why %s: %+v", url, w)
	}
	return w
}

func (o on) status() status {
	o.t.Helper()
	return readStatus(o.t, o.command, o.flags...)
}

func TestWhyExplainsWhatBecameOfAURL(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, flags ...string) {
		site := newSite(t, 10)
		site.broken[7], site.broken[8] = 500, 404
		spider := siteSpider(site.URL + "/0")
		spider.Exclude = []string{"*/excluded*"}
		spider.Settings.MaxDepth = 3
		o := on{command{spiders: []crawler.Spider{spider}}, t, flags}
		o.run("seed", "site", site.URL+"/0", site.URL+"/9").want(t, exitDone)

		w := o.why(strings.ToUpper(site.URL[:4]) + site.URL[4:] + "/9#top")
		if w.URL != site.URL+"/9" || w.State != "queued" || w.Ahead == nil || *w.Ahead != 1 || w.Route != "page" || w.Host != site.URL[7:] ||
			len(w.Fingerprint) != 32 || w.Robots != "unknown" || w.HostState.Queued != 2 || w.Spider != "site" || w.Refused != "" ||
			w.Verdict != "It is queued, and 1 page of its host stands before it; it waits for a free worker." {
			t.Errorf("queued: %+v", w)
		}
		if onRedis := len(flags) > 2; onRedis != (w.Partition != nil) || onRedis != (w.Partitions == 1) {
			t.Errorf("partition: %+v", w)
		}
		o.run("pause", "site").want(t, exitDone)
		if w := o.why(site.URL + "/0"); !w.Start || *w.Ahead != 0 || w.Verdict != "It is queued, and it is the next of its host; the crawl is paused." {
			t.Errorf("paused: %+v", w)
		}
		o.run("resume", "site").want(t, exitDone)
		o.run("crawl", "site").want(t, exitDeadLetters)

		for url, want := range map[string]struct{ state, refused, verdict string }{
			site.URL + "/3":              {"done", "", "It is finished: nothing is left to be done."},
			site.URL + "/7":              {"dead", "", "at attempt 2: status 500 Internal Server Error (attempt 2 of 2)."},
			site.URL + "/8":              {"gone", "", "It is a dead link, asked for "},
			site.URL + "/77":             {"unseen", "", "no page within 3 links of a start URL has led to it"},
			site.URL + "/excluded?b&a":   {"unseen", "excluded", "spider site excludes */excluded*."},
			"http://elsewhere.example/x": {"unseen", "scope", `it is outside the scope "host" of spider site.`},
			"mailto:me@example.com":      {"refused", "scheme", `scheme "mailto" is not http or https`},
		} {
			w := o.why(url)
			if w.State != want.state || w.Refused != want.refused || !strings.Contains(w.Verdict, want.verdict) {
				t.Errorf("%s: %+v, want %+v", url, w, want)
			}
			if robots := map[bool]string{true: "allowed"}[w.Host == site.URL[7:]]; robots != "" && w.Robots != robots {
				t.Errorf("%s: robots.txt %s, want %s", url, w.Robots, robots)
			}
			text := o.run("why", "site", url).want(t, exitDone).out
			if lines := strings.Split(strings.TrimSpace(text), "\n"); !strings.Contains(lines[len(lines)-1], want.verdict) || lines[0] == "" {
				t.Errorf("%s:\n%s", url, text)
			}
		}
		if w := o.why(site.URL + "/7"); w.Status != 500 || w.Attempt != 2 || w.First.IsZero() || w.At.Before(w.First) || w.Why == "" {
			t.Errorf("dead: %+v", w)
		}
	})
}

func TestWhyDoesWithoutASpider(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 3), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	c.run(t, "seed", "site", "--crawl", "other", "--dir", dir).want(t, exitDone)
	text := c.run(t, "why", "other", site.URL+"/0", "--dir", dir).want(t, exitDone).out
	if !strings.Contains(text, "unknown; --spider tells") || !strings.Contains(text, "It is queued") {
		t.Errorf("without a spider:\n%s", text)
	}
	text = c.run(t, "why", "other", site.URL+"/0", "--dir", dir, "--spider", "site").want(t, exitDone).out
	if !strings.Contains(text, "site: a start URL") || !strings.Contains(text, "not asked for yet") {
		t.Errorf("with --spider:\n%s", text)
	}
	got := c.run(t, "why", "other", site.URL+"/0", "--dir", dir, "--spider", "sitee").want(t, exitUsage)
	if !strings.Contains(got.err, `did you mean "site"?`) || strings.Count(got.err, "\n") != 1 {
		t.Errorf("stderr %q", got.err)
	}
}

func TestWhyNamesWhoHoldsAURL(t *testing.T) {
	t.Parallel()
	site, redis := newSite(t, 3), servers.Redis(t)
	site.started, site.release = make(chan int, 10), make(chan struct{})
	o := on{command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}, t, []string{"--dir", t.TempDir(), "--redis", redis.URL}}
	done := make(chan result)
	go func() { done <- o.run("crawl", "site", "--per-host", "1") }()
	<-site.started
	w := o.why(site.URL + "/0")
	if w.State != "leased" || !strings.HasSuffix(w.Worker, fmt.Sprintf("/%d", os.Getpid())) || !w.HostState.Full || w.HostState.Leased != 1 ||
		w.Claimed.IsZero() || !w.Deadline.After(w.Claimed) || !strings.HasPrefix(w.Verdict, "Worker "+w.Worker+" is at it since ") {
		t.Errorf("leased: %+v", w)
	}
	o.run("seed", "site", site.URL+"/2", "--per-host", "1").want(t, exitDone)
	if w := o.why(site.URL + "/2"); w.State != "queued" || !strings.Contains(w.Verdict, "the host has 1 page under way, and no more at once are allowed.") {
		t.Errorf("queued at a full host: %+v", w)
	}
	got := o.run("crawl", "site", "--fresh").want(t, exitFailed)
	if got.err != "lycosa crawl: --fresh: 1 worker is at work on crawl site; stop them first\n" {
		t.Errorf("stderr %q", got.err)
	}
	close(site.release)
	(<-done).want(t, exitDone)
}

func TestDeadLettersAreChosenReplayedAndDropped(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, flags ...string) {
		site := newSite(t, 13)
		site.broken[9], site.broken[10], site.broken[11], site.broken[12] = 500, 403, 404, 410
		o := on{command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}, t, flags}
		o.run("crawl", "site").want(t, exitDeadLetters)
		count := func(args ...string) int {
			t.Helper()
			return strings.Count(o.run(append([]string{"dead", "site"}, args...)...).want(t, exitDone).out, "\n")
		}
		for args, want := range map[string]int{
			"": 4, "--failed": 2, "--links": 2, "--failed --links": 4, "--status 403": 1, "--why Gone": 1, "--why status --links": 2,
			"--host " + site.URL[7:]: 4, "--host elsewhere.example": 0, "--older 1h": 0, "--newer 1h": 4, "--newer 1d --status 500": 1,
		} {
			if n := count(strings.Fields(args)...); n != want {
				t.Errorf("dead %s lists %d, want %d", args, n, want)
			}
		}
		if got := o.run("dead", "site", "--drop", "--status", "410").want(t, exitDone).out; got != "site: 1 page dropped from the list\n" {
			t.Errorf("drop: %q", got)
		}
		var n map[string]any
		got := o.run("dead", "site", "--replay", "--failed", "--json").want(t, exitDone).out
		if err := json.Unmarshal([]byte(got), &n); err != nil || n["replayed"] != 2.0 || n["crawl"] != "site" {
			t.Errorf("replay: %q, %v", got, err)
		}
		if s := o.status(); s.Queued != 2 || s.Dead != 0 || s.Gone != 1 || s.State != "running" || count() != 1 {
			t.Errorf("status %+v", s)
		}
		if w := o.why(site.URL + "/9"); w.State != "queued" || w.Attempt != 1 || !w.First.IsZero() {
			t.Errorf("replayed: %+v", w)
		}
		delete(site.broken, 9)
		delete(site.broken, 10)
		o.run("crawl", "site").want(t, exitDone)
		if s := o.status(); s.State != "done" || s.Pages != 11 || s.Dead != 0 {
			t.Errorf("status %+v", s)
		}
		if n := site.pages()["/3"]; n != 1 {
			t.Errorf("/3 was fetched %d times", n)
		}
		if got := o.run("dead", "site", "--replay").want(t, exitDone).out; got != "site: 1 page queued again\n" {
			t.Errorf("replay of the last: %q", got)
		}
	})
}

// TestCrawlsAreSteeredWhereverTheyAre is about pause, resume, list, --fresh and purge.
func TestCrawlsAreSteeredWhereverTheyAre(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, flags ...string) {
		site := newSite(t, 13)
		o := on{command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}, t, flags}
		o.run("crawl", "site", "--max-pages", "4").want(t, exitDone)
		if got := o.run("pause", "site").want(t, exitDone).out; got != "site paused\n" {
			t.Errorf("pause: %q", got)
		}
		if s := o.status(); s.State != "paused" || s.Queued == 0 {
			t.Errorf("status %+v", s)
		}
		if got := o.run("list").want(t, exitDone).out; !strings.Contains(got, "  site                 paused ") {
			t.Errorf("list\n%s", got)
		}
		if got := o.run("resume", "site").want(t, exitDone).out; got != "site goes on\n" {
			t.Errorf("resume: %q", got)
		}
		o.run("crawl", "site", "--fresh").want(t, exitDone)
		if s := o.status(); s.State != "done" || s.Pages != 13 || s.Seen != 13 || site.pages()["/0"] != 2 {
			t.Errorf("after --fresh: %+v", s)
		}
		if got := o.run("purge", "site").want(t, exitDone).out; got != "site purged: 13 URLs forgotten, items kept\n" {
			t.Errorf("purge: %q", got)
		}
		for _, args := range []string{"status site", "pause site", "resume site", "purge site", "dead site", "why site " + site.URL} {
			if got := o.run(strings.Fields(args)...).want(t, exitUsage); strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, `no crawl "site"`) {
				t.Errorf("%s: %q", args, got.err)
			}
		}
		if got := o.run("list").want(t, exitDone).out; !strings.Contains(got, ": none\n") {
			t.Errorf("list\n%s", got)
		}
	})
}

func TestLookingIntoAFolderInUseIsRefused(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 3), t.TempDir()
	site.started, site.release = make(chan int, 10), make(chan struct{})
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan result)
	go func() { done <- c.runContext(t, ctx, "crawl", "site", "--dir", dir) }()
	<-site.started
	for _, args := range []string{"why site " + site.URL + "/0", "dead site", "status site", "pause site", "purge site", "crawl site --fresh"} {
		got := c.run(t, append(strings.Fields(args), "--dir", dir)...).want(t, exitFailed)
		if !strings.Contains(got.err, "in use by another process") || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: stderr %q", args, got.err)
		}
	}
	close(site.release)
	(<-done).want(t, exitDone)
}
