package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// TestHintBringsVisitsForward tells a crawl of pages that wait, that are queued, and that it does not know.
func TestHintBringsVisitsForward(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, flags ...string) {
		site := newSite(t, 10)
		spider := siteSpider(site.URL + "/0")
		spider.Revisit = &crawler.Revisit{Policy: revisit.Policy{Every: 5000 * 24 * time.Hour}} // too far for a hint to make it due
		o := on{command{spiders: []crawler.Spider{spider}}, t, flags}
		o.run("crawl", "site").want(t, exitDone)
		o.run("seed", "site", site.URL+"/77").want(t, exitDone)
		before := [2]time.Time{o.why(site.URL + "/1").Due, o.why(site.URL + "/2").Due}

		hint := func(want string, args ...string) {
			t.Helper()
			if got := o.run(append([]string{"hint", "site"}, args...)...).want(t, exitDone).out; got != want {
				t.Errorf("hint %q says %q, want %q", args, got, want)
			}
		}
		hint("visited since    "+site.URL+"/1\n", site.URL+"/1", "--at", "1h")
		hint(fmt.Sprintf("brought forward  %[1]s/1#top\nnot known        %[1]s/88\nnot waiting      %[1]s/77\nalready hinted   %[1]s/1\n", site.URL),
			site.URL+"/1#top", site.URL+"/88", site.URL+"/77", site.URL+"/1")
		hint("already hinted   "+site.URL+"/1\n", site.URL+"/1", "--at", time.Now().Add(time.Second).UTC().Format(time.RFC3339))

		after := [2]time.Time{o.why(site.URL + "/1").Due, o.why(site.URL + "/2").Due}
		if !after[0].Before(before[0]) || !after[1].Equal(before[1]) {
			t.Errorf("due were %v, are %v", before, after)
		}
		if w := o.why(site.URL + "/1"); w.State != "scheduled" || w.Learnt == nil || !w.Learnt.Hinted {
			t.Errorf("hinted: %+v", w)
		}

		o.in = fmt.Sprintf("# published\n%[1]s/1\n\n%[1]s/2\n%[1]s/3\n%[1]s/99\n", site.URL)
		hint("2 brought forward, 1 already hinted, 1 not known\n", "-")
		o.in = ""
		hint("0 brought forward\n", "-")
		var r hintReport
		out := o.run("hint", "site", site.URL+"/2", site.URL+"/4", "--json").want(t, exitDone).out
		if err := json.Unmarshal([]byte(out), &r); err != nil || r.Crawl != "site" || r.Taken != 1 || r.AlreadyHinted != 1 || len(r.URLs) != 2 ||
			r.URLs[1] != (hintedURL{site.URL + "/4", crawler.HintTaken}) {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func TestHintWithAMalformedURLTellsNoneAndLinesBeforeItAreTold(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, flags ...string) {
		site := newSite(t, 5)
		spider := siteSpider(site.URL + "/0")
		spider.Revisit = &crawler.Revisit{}
		o := on{command{spiders: []crawler.Spider{spider}}, t, flags}
		o.run("crawl", "site").want(t, exitDone)
		got := o.run("hint", "site", site.URL+"/1", "mailto:me@example.com").want(t, exitUsage)
		if got.out != "" || !strings.Contains(got.err, `URL "mailto:me@example.com" refused`) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("stdout %q, stderr %q", got.out, got.err)
		}
		if got := o.run("hint", "site", "mailto:me@example.com", "--json").want(t, exitUsage); got.out != "" {
			t.Errorf("stdout %q", got.out)
		}
		if w := o.why(site.URL + "/1"); w.Learnt == nil || w.Learnt.Hinted {
			t.Errorf("one beside a malformed URL is hinted at: %+v", w)
		}
		o.in = site.URL + "/1\nhttp://exa%20mple.com/\n" + site.URL + "/2\n"
		got = o.run("hint", "site", "-").want(t, exitUsage)
		if got.out != "1 brought forward\n" || !strings.Contains(got.err, "line 2 of standard input: ") || strings.Count(got.err, "\n") != 1 {
			t.Errorf("stdout %q, stderr %q", got.out, got.err)
		}
		if w := o.why(site.URL + "/2"); w.Learnt == nil || w.Learnt.Hinted {
			t.Errorf("a line behind the malformed one is hinted at: %+v", w)
		}
	})
}

// TestHintOfACrawlThatDoesNotComeAgain has no page that waits.
func TestHintOfACrawlThatDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 3), t.TempDir()
	c := command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}, env: map[string]string{"LYCOSA_DIR": dir}}
	c.run(t, "crawl", "site", "--quiet").want(t, exitDone)
	if got := c.run(t, "hint", "site", site.URL+"/1").want(t, exitDone).out; got != "not waiting      "+site.URL+"/1\n" {
		t.Errorf("%q", got)
	}
}
