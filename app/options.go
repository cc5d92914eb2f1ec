package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
)

// defaultDir is where crawls without a Redis are kept.
const defaultDir = ".lycosa"

// options are the flags that verbs share.
type options struct {
	redis      string
	dir        string
	crawl      string
	out        []string
	sets       []string
	overrides  []override
	dedup      string
	dedupStore string
	scheme     string
	learn      string
	logLevel   string
	quiet      bool
	json       bool
	confirm    int
	startURLs  string
	grace      time.Duration
}

// placeFlags are those that say where crawls are kept.
func (o *options) placeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.redis, "redis", "", "keep the crawl on Redis: redis://HOST, rediss://HOST, several addresses with commas for a cluster, redis+sentinel://HOST/MASTER [$LYCOSA_REDIS]; absent: in --dir, without a server")
	f.StringVar(&o.dir, "dir", defaultDir, "folder of crawls kept without Redis, and of items without --out [$LYCOSA_DIR]")
}

func (o *options) logFlags(f *pflag.FlagSet) {
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error [$LYCOSA_LOG_LEVEL]")
}

// crawlFlags are those of verbs that work with a spider.
func (o *options) crawlFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.out, "out", "o", nil, "where items go, repeatable: - (JSON lines on standard output), FILE.jsonl, FILE.csv, mongodb://HOST/DB [$LYCOSA_OUT]; absent: DIR/CRAWL/items.jsonl")
	o.placeFlags(f)
	f.StringVar(&o.crawl, "crawl", "", "name of the crawl (default: the spider's name)")
	o.settingFlag(f, "concurrency", "concurrency", "N", "pages in flight in this process (default 16)")
	o.settingFlag(f, "delay", "delay", "D", "least time between two requests to one host, over the whole fleet, like 500ms (default none)")
	o.settingFlag(f, "per-host", "per_host", "N", "pages of one host in flight, over the whole fleet (default 2; 1 with --delay)")
	o.settingFlag(f, "lease", "lease", "D", "how long a page may go unheard of before another worker takes it over (default 60s)")
	o.settingFlag(f, "max-pages", "max_pages", "N", "end the crawl after so many pages; 0: no limit")
	o.settingFlag(f, "max-depth", "max_depth", "N", "follow so many links in a row from a start URL; 0: no limit")
	f.StringArrayVar(&o.sets, "set", nil, "KEY=VALUE, repeatable: a parameter of the spider, or a setting by its YAML name ("+strings.Join(settingNames(), ", ")+")")
	o.settingFlag(f, "user-agent", "user_agent", "S", "User-Agent header; its first word is what robots.txt knows the crawler by")
	o.settingFlag(f, "ignore-robots", "ignore_robots", "", "do not ask for robots.txt").NoOptDefVal = "true"
	o.settingFlag(f, "allow-private", "allow_private", "", "let pages lead to loopback and private addresses").NoOptDefVal = "true"
	f.StringVar(&o.startURLs, "start-urls", "", "list, set or sorted set on Redis that other programs push start URLs to; - for none (default CRAWL:start_urls)")
	f.IntVar(&o.confirm, "confirm", 0, "replicas of Redis that must have a link before its page counts as done, so that no failover loses it")
	o.filterFlags(f)
	o.logFlags(f)
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	f.BoolVar(&o.json, "json", false, "end with a summary as one JSON object, on the last line of standard error")
}

func (o *options) graceFlag(f *pflag.FlagSet) {
	f.DurationVar(&o.grace, "grace", 30*time.Second, "how long pages under way may go on after a signal")
}

func (o *options) settingFlag(f *pflag.FlagSet, flag, name, kind, help string) *pflag.Flag {
	s, ok := settingOf(name)
	if !ok {
		panic("no setting " + name)
	}
	return f.VarPF(&settingFlag{setting: s, flag: flag, kind: kind, to: &o.overrides}, flag, "", help)
}

// settle fills in the environment where no flag was given, and checks what can be checked without a spider.
func (o *options) settle(cmd *cobra.Command, getenv func(string) string) error {
	fromEnv := func(flag, name string, to *string) {
		if value := getenv(name); value != "" && !cmd.Flags().Changed(flag) {
			*to = value
		}
	}
	fromEnv("redis", "LYCOSA_REDIS", &o.redis)
	fromEnv("dir", "LYCOSA_DIR", &o.dir)
	fromEnv("log-level", "LYCOSA_LOG_LEVEL", &o.logLevel)
	if cmd.Flags().Lookup("out") != nil && !cmd.Flags().Changed("out") {
		o.out = strings.Fields(getenv("LYCOSA_OUT"))
	}
	if o.dir == "" {
		return usagef("--dir is empty")
	}
	if info, err := os.Stat(o.dir); err == nil && !info.IsDir() {
		return usagef("--dir %s is no folder", o.dir)
	}
	if o.crawl != "" {
		if err := checkCrawlName("--crawl", o.crawl); err != nil {
			return err
		}
	}
	if o.logLevel != "" {
		if _, err := levelOf(o.logLevel); err != nil {
			return err
		}
	}
	switch {
	case o.confirm < 0:
		return usagef("--confirm %d: must not be negative", o.confirm)
	case o.confirm > 0 && o.redis == "":
		return usagef("--confirm %d: only a Redis has replicas, and --redis (or LYCOSA_REDIS) is missing", o.confirm)
	}
	if o.grace < 0 {
		return usagef("--grace %v: must not be negative", o.grace)
	}
	return nil
}

func levelOf(name string) (slog.Level, error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(level.String(), name) {
			return level, nil
		}
	}
	return 0, usagef("--log-level %q: want debug, info, warn or error", name)
}

// logger writes to standard error.
func (p *program) logger(o *options) *slog.Logger {
	level, _ := levelOf(o.logLevel) // settle has checked it
	return slog.New(newLogHandler(p.screen, level))
}

// checkCrawlName refuses what would be no good name of a folder.
func checkCrawlName(what, name string) error {
	for _, c := range name {
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return usagef("%s %q: a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", what, name)
		}
	}
	if name == "" || len(name) > 64 {
		return usagef("%s %q: a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", what, name)
	}
	if strings.Trim(name, ".") == "" {
		return usagef("%s %q: a name is more than dots", what, name)
	}
	return nil
}

// crawlArg returns the crawl that a verb like status is about.
func (o *options) crawlArg(args []string) (string, error) {
	if len(args) == 0 && o.crawl == "" {
		return "", usagef("the name of a crawl is missing (lycosa list shows them)")
	}
	if len(args) > 0 && o.crawl != "" && o.crawl != args[0] {
		return "", usagef("two crawls are named: %s and --crawl %s", args[0], o.crawl)
	}
	name := o.crawl
	if len(args) > 0 {
		name = args[0]
	}
	return name, checkCrawlName("crawl", name)
}

// job is a spider with all that the command line has to say about it.
type job struct {
	spider crawler.Spider
	crawl  string
}

// job finds the spider and applies the flags. urls, if there are any, replace its start URLs.
func (p *program) job(o *options, name string, urls []string) (job, error) {
	spider, err := p.spider(name)
	if err != nil {
		return job{}, err
	}
	if err := spider.Check(); err != nil {
		return job{}, usage(err)
	}
	j := job{spider: spider, crawl: cmp.Or(o.crawl, spider.Name)}
	if err := checkCrawlName("crawl", j.crawl); err != nil {
		return job{}, err
	}
	overrides := make([]override, 0, len(o.sets)+len(o.overrides))
	for _, pair := range o.sets {
		set, err := setFlag(spider, pair)
		if err != nil {
			return job{}, err
		}
		overrides = append(overrides, set)
	}
	if o.scheme != "" {
		if j.spider.Canonical.Scheme, err = dedup.ParseScheme(o.scheme); err != nil {
			return job{}, usagef("--fingerprint: %w", err)
		}
		if _, err := j.spider.Canonical.Compile(); err != nil {
			return job{}, usagef("--fingerprint %s: %w", o.scheme, err)
		}
	}
	j.spider.Params = maps.Clone(spider.Params)
	for _, over := range append(overrides, o.overrides...) {
		over.apply(&j.spider)
		if err := j.spider.Check(); err != nil {
			return job{}, usagef("%s: %w", over.flag, err)
		}
	}
	if err := checkURLs(spider, urls); err != nil {
		return job{}, err
	}
	return j, nil
}

// outputs are where the items of the crawl go. Nothing is opened.
func (o *options) outputs(crawl string) (outputs, error) {
	if len(o.out) == 0 {
		return outputs{{outJSON, filepath.Join(o.dir, crawl, "items.jsonl")}}, nil
	}
	return parseOutputs(o.out)
}

// startAt makes the URLs the spider's start URLs: scope and the permission to visit a private host follow them. A spider
// that has none keeps none; each URL is then a seed with a scope of its own.
func (j *job) startAt(urls []string) {
	if len(urls) > 0 && len(j.spider.Start) > 0 {
		j.spider.Start = crawler.Start(j.spider.Start[0].Target, urls...)
	}
}

// ownSeeds is how many URLs the spider starts with by itself: start URLs, and sitemaps that it names.
func ownSeeds(s crawler.Spider) int {
	n := len(s.Start)
	for _, m := range s.Sitemaps {
		if m.URL != "" {
			n++
		}
	}
	return n
}

// checkURLs refuses URLs that cannot be fetched.
func checkURLs(spider crawler.Spider, urls []string) error {
	canon, err := spider.Canonical.Compile()
	if err != nil {
		return usage(err)
	}
	for _, u := range urls {
		if _, err := canon.Parse(u); err != nil {
			return usage(err)
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// plural is "1 page", "2 pages".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %s", thousands(n), many)
}
