package app

import (
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/internal/servers"
)

func TestCrawlOfAnotherSpiderOrScopeIsRefused(t *testing.T) {
	t.Parallel()
	site, dir, redis := newSite(t, 10), t.TempDir(), servers.Redis(t).URL
	spider := siteSpider(site.URL + "/0")
	other, wider := spider, spider
	other.Name, wider.Scope = "other", crawler.AnyHost
	first, second, third := command{spiders: []crawler.Spider{spider}}, command{spiders: []crawler.Spider{other}}, command{spiders: []crawler.Spider{wider}}
	refused := func(got result, setting string) {
		t.Helper()
		text := strings.TrimSpace(got.want(t, exitUsage).err)
		if !strings.Contains(text, "crawl site was created with "+setting) || strings.Contains(text, "\n") {
			t.Errorf("standard error: %s", text)
		}
	}

	first.run(t, "seed", "site", "--redis", redis).want(t, exitDone)
	refused(second.run(t, "seed", "other", "--crawl", "site", "--redis", redis), `spider = "site", not "other"`)
	refused(second.run(t, "crawl", "other", "--crawl", "site", "--redis", redis, "--dir", dir, "--quiet"), `spider = "site", not "other"`)
	refused(second.run(t, "worker", "other", "--crawl", "site", "--redis", redis, "--dir", dir, "--quiet", "--until-done"), `spider = "site", not "other"`)
	refused(third.run(t, "crawl", "site", "--redis", redis, "--dir", dir, "--quiet"), `spider scope = "host", not "any"`)

	// What does not decide about pages may change, and a crawl that is over makes way for its successor.
	first.run(t, "crawl", "site", "--redis", redis, "--dir", dir, "--quiet", "--per-host", "3").want(t, exitDone)
	refused(second.run(t, "crawl", "other", "--crawl", "site", "--redis", redis, "--dir", dir, "--quiet"), `spider = "site", not "other"`)
	third.run(t, "crawl", "site", "--redis", redis, "--dir", dir, "--quiet").want(t, exitDone)
	second.run(t, "crawl", "other", "--crawl", "site", "--redis", redis, "--dir", dir, "--quiet", "--fresh").want(t, exitDone)
	refused(first.run(t, "seed", "site", "--redis", redis), `spider = "other", not "site"`)
}

func TestCrawlInAFolderIsRefusedToAnotherSpider(t *testing.T) {
	t.Parallel()
	site, dir := newSite(t, 10), t.TempDir()
	spider := siteSpider(site.URL + "/0")
	other, wider := spider, spider
	other.Name, wider.Scope = "other", crawler.AnyHost
	first, second, third := command{spiders: []crawler.Spider{spider}}, command{spiders: []crawler.Spider{other}}, command{spiders: []crawler.Spider{wider}}
	first.run(t, "crawl", "site", "--dir", dir, "--quiet", "--max-pages", "3").want(t, exitDone)
	for _, c := range []struct {
		got     result
		setting string
	}{
		{second.run(t, "crawl", "other", "--crawl", "site", "--dir", dir, "--quiet"), `spider = "site", not "other"`},
		{third.run(t, "crawl", "site", "--dir", dir, "--quiet"), `spider scope = "host", not "any"`},
	} {
		if text := strings.TrimSpace(c.got.want(t, exitUsage).err); !strings.Contains(text, "crawl site was created with "+c.setting) || strings.Contains(text, "\n") {
			t.Errorf("standard error: %s", text)
		}
	}
	first.run(t, "crawl", "site", "--dir", dir, "--quiet").want(t, exitDone)
	third.run(t, "crawl", "site", "--dir", dir, "--quiet").want(t, exitDone) // the first is over
	second.run(t, "crawl", "other", "--crawl", "site", "--dir", dir, "--quiet", "--fresh").want(t, exitDone)
}

func TestConfirmIsCheckedAndReachesTheFrontier(t *testing.T) {
	t.Parallel()
	c := command{spiders: []crawler.Spider{siteSpider("http://127.0.0.1:1/0")}}
	for _, args := range [][]string{{"--confirm", "-1", "--redis", "redis://127.0.0.1:1"}, {"--confirm", "1"}} {
		got := c.run(t, append([]string{"seed", "site"}, args...)...).want(t, exitUsage)
		if !strings.Contains(got.err, "--confirm "+args[1]) {
			t.Errorf("%v: %s", args, got.err)
		}
	}
	site := newSite(t, 10)
	c = command{spiders: []crawler.Spider{siteSpider(site.URL + "/0")}}
	master := servers.Sentinel(t, 1, time.Hour)
	c.run(t, "crawl", "site", "--redis", master.URL, "--dir", t.TempDir(), "--quiet", "--confirm", "1").want(t, exitDone)
}
