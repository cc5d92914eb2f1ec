package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/memfrontier"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// place is where crawls are kept: on a Redis, or in a folder.
type place struct {
	redis redis.UniversalClient // nil: in the folder
	name  string                // fit to be shown: no password
	dir   string
	log   *slog.Logger

	confirm int             // replicas that must have what is queued
	seeds   string          // the key of start URLs; empty: its default, -: none
	filter  redisdedup.Spec // of a crawl that is created; zero: no wish
	store   string          // the exact half of a two-tier filter: a folder, or mongodb://

	mu     sync.Mutex
	closes []func() // guarded by mu
}

// atClose has do called when the place is closed.
func (p *place) atClose(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closes = append(p.closes, do)
}

// place connects to the Redis, if there is one. It writes nothing.
func (o *options) place(ctx context.Context, log *slog.Logger) (*place, error) {
	p := &place{name: o.dir, dir: o.dir, log: log, confirm: o.confirm, seeds: o.startURLs}
	if o.redis == "" {
		if o.dedup != "" || o.dedupStore != "" {
			return nil, usagef("--dedup and --dedup-store are for crawls on a Redis; without one, each fingerprint is kept exactly in this process")
		}
		return p, nil
	}
	if err := o.filter(p); err != nil {
		return nil, err
	}
	p.name = withoutPassword(o.redis)
	if _, err := redisfrontier.Options(o.redis); err != nil {
		return nil, usagef("--redis: %w", err)
	}
	silenceRedis()
	var err error
	if p.redis, err = redisfrontier.Dial(ctx, o.redis); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &exitError{code: exitRedis, err: err}
	}
	return p, nil
}

// silenceRedis keeps the client from writing to standard error by itself: what it has to say comes back as errors.
var silenceRedis = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

// Printf implements the client's logger.
func (silence) Printf(context.Context, string, ...any) {}

// needRedis explains why a verb cannot do without.
func (o *options) needRedis(verb string) error {
	if o.redis != "" {
		return nil
	}
	return usagef("--redis (or LYCOSA_REDIS) is missing: workers share a crawl on a Redis; without one, lycosa crawl does all in one process (see lycosa %s --help)", verb)
}

func (p *place) shared() bool { return p.redis != nil }

func (p *place) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, do := range p.closes {
		do()
	}
	p.closes = nil
	if p.redis != nil {
		if err := p.redis.Close(); err != nil {
			p.log.Debug("closing the connection to Redis", "err", err)
		}
	}
}

// open opens the spider's crawl and creates it if there is none.
func (p *place) open(ctx context.Context, crawl string, spider crawler.Spider) (scheduler.Frontier, error) {
	s := spider.Settings
	pace := scheduler.Pace{Delay: s.Delay, Concurrency: s.PerHost}
	if pace.Concurrency == 0 && pace.Delay == 0 {
		pace.Concurrency = 2 // as crawler.Settings says
	}
	if p.redis != nil {
		f, err := redisfrontier.Open(ctx, p.redis, redisfrontier.Config{
			Crawl: crawl, Pace: pace, Lease: s.Lease, Confirm: p.confirm, SeedKey: p.seeds, Filter: p.filter, Exact: p.exact(), Settings: fixed(spider), Logger: p.log,
		})
		if other, ok := errors.AsType[*redisfrontier.SettingError](err); ok && other.Setting == "Filter" {
			return nil, usagef("--dedup: %w", err)
		}
		if err != nil {
			return nil, err // and no frontier: a nil one in an interface would not be nil
		}
		return f, nil
	}
	f, err := p.openFolder(crawl, memfrontier.Config{Pace: pace, Lease: s.Lease})
	if err != nil {
		return nil, err
	}
	if err := agree(ctx, f, crawl, fixed(spider)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// agree has a crawl in a folder keep the settings that it was created with, and returns an error for those of another.
func agree(ctx context.Context, f *memfrontier.Frontier, crawl string, want map[string]string) error {
	const place, name, ttl = ".", "settings", 100 * 366 * 24 * time.Hour // no host is called that
	text, ok, err := f.Load(ctx, place, name)
	if err != nil {
		return err
	}
	if !ok {
		if text, err = json.Marshal(want); err != nil {
			return err
		}
		return f.Save(ctx, place, name, text, ttl)
	}
	var has map[string]string
	if err := json.Unmarshal(text, &has); err != nil {
		return fmt.Errorf("crawl %s: settings %.80q: %w", crawl, text, err)
	}
	for _, setting := range sortedKeys(want) {
		if has[setting] != want[setting] {
			return &redisfrontier.SettingError{Crawl: crawl, Setting: setting, Has: strconv.Quote(has[setting]), Want: strconv.Quote(want[setting])}
		}
	}
	return nil
}

// schemeSetting is the setting of a crawl that says what it recognises requests by. Crawls that are older have it not.
const schemeSetting = "spider fingerprint"

// schemeOf returns what the crawl recognises requests by, or "" if it does not say.
func schemeOf(f scheduler.Frontier) string {
	if shared, ok := f.(*redisfrontier.Frontier); ok {
		return shared.Info().Settings[schemeSetting]
	}
	return ""
}

// fixed are the settings that all workers of a crawl must have in common, from its first day on: another spider would read
// the pages otherwise, another scope would follow some links here and not there, another canonical form would fetch
// what is known once more. Delay, concurrency and limits may change.
func fixed(spider crawler.Spider) map[string]string {
	scope := []string{spider.Scope.String()}
	for _, glob := range slices.Sorted(slices.Values(spider.Include)) {
		scope = append(scope, "include "+glob)
	}
	for _, glob := range slices.Sorted(slices.Values(spider.Exclude)) {
		scope = append(scope, "exclude "+glob)
	}
	var canonical []string
	rules := reflect.ValueOf(spider.Canonical)
	for i := range rules.NumField() {
		if !rules.Field(i).IsZero() {
			name := rules.Type().Field(i).Name
			if name == "Scheme" {
				name = "fingerprint"
			}
			canonical = append(canonical, fmt.Sprintf("%s %v", name, rules.Field(i)))
		}
	}
	return map[string]string{
		"spider": spider.Name, "spider scope": strings.Join(scope, ", "),
		"spider canonical URLs": cmp.Or(strings.Join(canonical, ", "), "default"),
		"spider revisits":       strconv.FormatBool(spider.Revisit != nil),
		schemeSetting:           spider.Canonical.Scheme.String(),
	}
}

func (p *place) openFolder(crawl string, c memfrontier.Config) (*memfrontier.Frontier, error) {
	f, err := memfrontier.Open(p.folder(crawl), c)
	switch {
	case errors.Is(err, memfrontier.ErrInUse):
		return nil, fmt.Errorf("crawl %s in %s is in use by another process; with --redis several can share it", crawl, p.dir)
	case err != nil:
		return nil, fmt.Errorf("crawl %s: %w", crawl, err)
	}
	if r := f.Recovered(); r.Damaged != "" {
		p.log.Error("a part of the journal could not be read and was put aside", "crawl", crawl, "file", r.Damaged, "bytes", r.Cut)
	} else if r.Cut > 0 {
		p.log.Warn("cut off an unfinished write, as a crash leaves it", "crawl", crawl, "bytes", r.Cut)
	}
	return f, nil
}

func (p *place) folder(crawl string) string { return filepath.Join(p.dir, crawl) }

// attach opens a crawl that exists. One that does not is an error of usage.
func (p *place) attach(ctx context.Context, crawl string) (scheduler.Frontier, error) {
	if p.redis == nil {
		if !p.exists(crawl) {
			return nil, p.noCrawl(ctx, crawl)
		}
		f, err := p.openFolder(crawl, memfrontier.Config{})
		if err != nil {
			return nil, err // and no frontier: a nil one in an interface would not be nil
		}
		return f, nil
	}
	f, err := redisfrontier.Attach(ctx, p.redis, redisfrontier.Config{Crawl: crawl, Exact: p.exact(), Logger: p.log})
	switch {
	case errors.Is(err, scheduler.ErrNoCrawl):
		return nil, p.noCrawl(ctx, crawl)
	case err != nil:
		return nil, err
	}
	return f, nil
}

func (p *place) noCrawl(ctx context.Context, crawl string) error {
	names, err := p.list(ctx)
	switch near := nearest(crawl, names); {
	case err != nil || len(names) == 0:
		return usagef("no crawl %q on %s: there is none at all", crawl, p.name)
	case near != "":
		return usagef("no crawl %q on %s; did you mean %q?", crawl, p.name, near)
	default:
		return usagef("no crawl %q on %s; there are: %s", crawl, p.name, strings.Join(names[:min(len(names), 20)], ", "))
	}
}

// exists reports whether the folder holds a crawl.
func (p *place) exists(crawl string) bool {
	entries, err := os.ReadDir(p.folder(crawl))
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return strings.HasPrefix(e.Name(), "frontier-") && strings.HasSuffix(e.Name(), ".journal")
	})
}

// list returns the names of the crawls, sorted.
func (p *place) list(ctx context.Context) ([]string, error) {
	if p.redis != nil {
		crawls, err := redisfrontier.List(ctx, p.redis)
		names := make([]string, len(crawls))
		for i, c := range crawls {
			names[i] = c.Name
		}
		return names, err
	}
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checkCrawlName("", e.Name()) == nil && p.exists(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// withoutPassword returns a connection string fit to be shown. Whatever stands before the last @ is taken for
// somebody's name and password, for people forget to escape the latter.
func withoutPassword(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	rest, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, secret := strings.Cut(rest[:at], ":")
		if secret {
			user += ":xxxxx"
		}
		rest = user + rest[at:]
	}
	if query == "" || strings.Contains(query, "@") {
		return scheme + rest
	}
	params := strings.Split(query, "&")
	for i, param := range params {
		if name, _, ok := strings.Cut(param, "="); ok && strings.Contains(strings.ToLower(name), "pass") {
			params[i] = name + "=xxxxx"
		}
	}
	return scheme + rest + "?" + strings.Join(params, "&")
}
