package redisfrontier

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// schema is the version of the keys and of what they hold. A crawl of another schema is left alone.
const schema = "5"

// Config says which crawl to open, and how. Only Crawl must be set.
type Config struct {
	// Crawl is the crawl's name: 1 to 64 of A-Z, a-z, 0-9, dot, underscore and dash.
	Crawl string
	// Partitions is the number of parts the crawl is cut into, at most 4096. It is fixed when the crawl is created; another
	// number is refused later. Default: what the crawl has; for a new crawl one, and 256 on a
	// Redis Cluster. One Redis gains nothing by more: they are what is spread over the servers of a cluster.
	Partitions int
	// Lease is how long a claim holds. Default one minute.
	Lease time.Duration
	// Pace is that of every host without one of its own. Default: what the crawl has; for a new crawl one
	// request at a time without delay. A pace that differs from what the crawl has becomes the crawl's.
	Pace scheduler.Pace
	// MaxExpired is how often the lease of a task may run out; once more, and it is a dead letter. Default 10.
	// Attempts and expiries are counted up to 255: a greater number is no limit.
	MaxExpired int
	// Worker names this process in its leases, in at most 255 bytes. Default: host name and process id.
	Worker string
	// Filter is how the crawl remembers what it has seen. It is fixed when the crawl is created; another one is refused later. Default: what
	// the crawl has; for a new crawl sets of integers. A Bloom filter loses pages, at its rate; a TwoTier
	// one queues what only looked seen after the rest of its call.
	Filter redisdedup.Spec
	// Exact opens the exact half of a TwoTier filter: the same store for the whole fleet, and another one for each epoch of a crawl,
	// since what an earlier crawl of the name has seen says nothing about this one. It is called for such crawls alone; without it
	// they cannot push. If the store has a method Purge(context.Context) error, Purge calls it.
	Exact func(crawl CrawlInfo) (dedup.Exact, error)
	// Settings are the crawl's own, such as its scope. They are kept when the crawl is created; a setting that differs
	// later is refused, one that is missing here or there is not.
	Settings map[string]string
	// Patience is how long a step is repeated while Redis is away, before it returns an error. Default 30 seconds.
	Patience time.Duration
	// Confirm is how many replicas must have a push before Push returns, so that no failover loses what Push has accepted: the
	// default, 0, leaves the last moments of pushes to whether the replicas had them. Each server of a cluster needs so many.
	// One replica on the same machine brought one pusher of batches of 64 from 28,000 to 20,000 URLs a second, to 0.7 of the rate
	// (BenchmarkConfirmedPush, medians, two busy cores); elsewhere it costs a push the way to the replica and back.
	Confirm int
	// ConfirmTimeout is how long the replicas are waited for at a time; it must be less than the client's ReadTimeout. The wait
	// is repeated for Patience, then Push returns an error that wraps scheduler.ErrUnavailable. Default one second.
	ConfirmTimeout time.Duration
	// Known is how many fingerprints this process remembers as known to Redis, at about 20 bytes each.
	// Default 1,000,000; negative: none.
	Known int
	// Duplicates is how many different pages are remembered to find duplicates of (see [scheduler.Duplicates]), the same number
	// in the whole fleet. See docs/duplicates.md for their size. Without such a search it costs nothing. Default 1,000,000.
	Duplicates int
	// SeedKey is the list, set or sorted set that people push start URLs to. Default "<crawl>:start_urls"; "-": none.
	SeedKey string
	// Logger is told of the beginning and the end of an outage, and of settings of Redis that endanger the crawl.
	// Default slog.Default().
	Logger *slog.Logger
	// Now, if set, is the clock instead of the server's: for tests. It counts in whole milliseconds.
	Now func() time.Time
}

var crawlName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c Config) validate() error {
	switch {
	case !crawlName.MatchString(c.Crawl):
		return fmt.Errorf("redisfrontier: Crawl %.80q: a crawl's name is 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'", c.Crawl)
	case c.Partitions < 0 || c.Partitions > 4096:
		return fmt.Errorf("redisfrontier: Partitions (%d) must be 1 to 4096", c.Partitions)
	case c.Lease < time.Millisecond:
		return fmt.Errorf("redisfrontier: Lease (%v) must be at least 1ms", c.Lease)
	case c.MaxExpired < 0:
		return fmt.Errorf("redisfrontier: MaxExpired (%d) must not be negative", c.MaxExpired)
	case len(c.Worker) > 255:
		return fmt.Errorf("redisfrontier: Worker has %d bytes, at most 255 are allowed", len(c.Worker))
	case c.Confirm < 0:
		return fmt.Errorf("redisfrontier: Confirm (%d) must not be negative", c.Confirm)
	case c.ConfirmTimeout < time.Millisecond:
		return fmt.Errorf("redisfrontier: ConfirmTimeout (%v) must be at least 1ms", c.ConfirmTimeout)
	case c.Duplicates < 0:
		return fmt.Errorf("redisfrontier: Duplicates (%d) must not be negative", c.Duplicates)
	case c.Patience < 0:
		return fmt.Errorf("redisfrontier: Patience (%v) must not be negative", c.Patience)
	}
	if c.Filter != (redisdedup.Spec{}) {
		if err := c.Filter.WithDefaults().Check(); err != nil {
			return fmt.Errorf("redisfrontier: Filter: %w", err)
		}
	}
	return validatePace(c.Pace)
}

// validatePace refuses what a host's record cannot hold.
func validatePace(p scheduler.Pace) error {
	switch {
	case p.Delay < 0 || p.Delay > 40*24*time.Hour:
		return fmt.Errorf("redisfrontier: Pace.Delay (%v) must be 0 to 40 days", p.Delay)
	case p.Concurrency < 0 || p.Concurrency >= math.MaxUint16:
		return fmt.Errorf("redisfrontier: Pace.Concurrency (%d) must be 0 to 65534", p.Concurrency)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.MaxExpired = cmp.Or(c.MaxExpired, 10)
	c.Patience = cmp.Or(c.Patience, 30*time.Second)
	c.ConfirmTimeout = cmp.Or(c.ConfirmTimeout, time.Second)
	c.Known = cmp.Or(c.Known, 1_000_000)
	c.Duplicates = cmp.Or(c.Duplicates, 1_000_000)
	c.SeedKey = cmp.Or(c.SeedKey, c.Crawl+":start_urls")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Worker == "" {
		host, _ := os.Hostname()
		c.Worker = fmt.Sprintf("%.200s/%d", host, os.Getpid())
	}
	return c
}

// Frontier is a crawl in Redis, as one process sees it. Make one with [Open] or [Attach].
type Frontier struct {
	client     redis.UniversalClient
	crawl      string
	epoch      string
	info       CrawlInfo
	keys       [][]string // of each partition
	marks      []string   // the first of them
	lease      time.Duration
	maxExpired int
	worker     string
	patience   time.Duration
	confirm    int
	seedKey    string
	originals  int               // kept for Compare
	seen       *seenScript       // of the crawl's kind of filter
	hints      []redisdedup.Hint // of each partition
	exact      dedup.Exact       // nil: none
	log        *slog.Logger
	now        func() time.Time // nil: the server's clock

	confirmTimeout time.Duration

	known      *known
	duplicates atomic.Int64 // recognised by known, still to be counted in Redis
	away, full outage       // Redis does not answer; it has no memory for more
	wake       *wake

	closed  chan struct{}
	running sync.WaitGroup // the goroutines of this frontier

	mu       sync.Mutex
	isClosed bool // guarded by mu
}

var (
	_ scheduler.Frontier    = (*Frontier)(nil)
	_ scheduler.Pauser      = (*Frontier)(nil)
	_ scheduler.Purger      = (*Frontier)(nil)
	_ scheduler.Parker      = (*Frontier)(nil)
	_ scheduler.Undertaker  = (*Frontier)(nil)
	_ scheduler.Inspector   = (*Frontier)(nil)
	_ scheduler.Steerer     = (*Frontier)(nil)
	_ scheduler.Memo        = (*Frontier)(nil)
	_ scheduler.Registry    = (*Frontier)(nil)
	_ scheduler.SeedSource  = (*Frontier)(nil)
	_ scheduler.Ledger      = (*Frontier)(nil)
	_ scheduler.Rescheduler = (*Frontier)(nil)
	_ scheduler.Duplicates  = (*Frontier)(nil)
	_ scheduler.Checker     = (*Frontier)(nil)
	_ scheduler.Rememberer  = (*Frontier)(nil)
)

// Open opens a crawl, and creates it if there is none of the name. The client stays the caller's; it must not
// repeat commands by itself, as those of [Dial] do not.
func Open(ctx context.Context, client redis.UniversalClient, c Config) (*Frontier, error) {
	return open(ctx, client, c, true)
}

// Attach opens a crawl that exists, to look at it or to steer it. It returns [scheduler.ErrNoCrawl] if there is none.
// The settings of c that differ from the crawl's are refused as by Open.
func Attach(ctx context.Context, client redis.UniversalClient, c Config) (*Frontier, error) {
	return open(ctx, client, c, false)
}

func open(ctx context.Context, client redis.UniversalClient, c Config, create bool) (*Frontier, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := cmp.Or(checkClient(client), checkConfirm(client, c)); err != nil {
		return nil, err
	}
	if err := checkServer(ctx, client, c.Logger); err != nil {
		return nil, err
	}
	f := &Frontier{
		client: client, crawl: c.Crawl, lease: c.Lease, maxExpired: c.MaxExpired, worker: c.Worker, patience: c.Patience,
		seedKey: c.SeedKey, originals: c.Duplicates, log: c.Logger, now: c.Now,
		confirm: c.Confirm, confirmTimeout: c.ConfirmTimeout,
		known: newKnown(c.Known), closed: make(chan struct{}),
		away: outage{log: c.Logger, begun: "redis is unavailable, waiting for it", passed: "redis is back"},
		full: outage{
			log: c.Logger, begun: "redis is out of memory: links wait while the crawl drains; give it more (maxmemory)",
			passed: "redis has memory again",
		},
	}
	f.away.together, f.full.together = f.together, f.together
	f.wake = newWake(f)
	if err := f.enter(ctx, c, create); err != nil {
		return nil, err
	}
	return f, nil
}

// enter finds or creates the crawl.
func (f *Frontier) enter(ctx context.Context, c Config, create bool) error {
	if err := f.resumeSweeps(ctx); err != nil {
		return err
	}
	for {
		info, err := f.control(ctx, c, create)
		if err != nil {
			return err
		}
		if err := info.agrees(c); err != nil {
			return err
		}
		f.info, f.epoch, f.seen = info, info.Epoch, seenScripts[info.Filter.Kind]
		f.keys, f.marks = f.keys[:0], f.marks[:0]
		f.hints = make([]redisdedup.Hint, info.Partitions)
		for p := range info.Partitions {
			keys := partitionKeys(f.crawl, f.epoch, p)
			f.keys, f.marks = append(f.keys, keys), append(f.marks, keys[0])
		}
		f.wake.size(info.Partitions)
		if info.Filter.Kind == redisdedup.TwoTier && c.Exact != nil {
			if f.exact, err = c.Exact(info); err != nil {
				return fmt.Errorf("other store of the filter of crawl %s: %w", f.crawl, err)
			}
		}
		if info.State == StateCreating {
			done, err := f.create(ctx)
			if err != nil {
				return err
			}
			if !done {
				continue // purged meanwhile
			}
		}
		if err := f.enlist(ctx); err != nil {
			return err
		}
		if pace := normal(c.Pace, info.Pace); c.Pace != (scheduler.Pace{}) && pace != info.Pace {
			return f.setCrawlPace(ctx, pace)
		}
		return nil
	}
}

// normal fills the gaps of a pace.
func normal(p, def scheduler.Pace) scheduler.Pace {
	p.Delay = p.Delay.Truncate(time.Millisecond)
	p.Concurrency = cmp.Or(p.Concurrency, def.Concurrency)
	return p
}

// enlist puts the crawl on the list of crawls. It is missing there only if who created it died on the way; to look first lets
// a crawl be opened that has no memory left.
func (f *Frontier) enlist(ctx context.Context) error {
	listed := false
	err := f.command(ctx, func() (err error) {
		listed, err = f.client.SIsMember(ctx, crawlsKey, f.crawl).Result()
		return err
	}, crawlsKey)
	if err != nil || listed {
		return err
	}
	return f.command(ctx, func() error { return f.client.SAdd(ctx, crawlsKey, f.crawl).Err() }, crawlsKey)
}

// control reads the control hash of the crawl, and writes it if there is none.
func (f *Frontier) control(ctx context.Context, c Config, create bool) (CrawlInfo, error) {
	var fields map[string]string
	err := f.command(ctx, func() (err error) {
		fields, err = f.client.HGetAll(ctx, ctlKey(f.crawl)).Result()
		return err
	}, ctlKey(f.crawl))
	switch {
	case err != nil:
		return CrawlInfo{}, err
	case len(fields) > 0:
		return parseInfo(f.crawl, fields)
	case !create:
		return CrawlInfo{}, fmt.Errorf("crawl %s: %w", f.crawl, scheduler.ErrNoCrawl)
	}
	partitions := c.Partitions
	if partitions == 0 {
		partitions = 1
		if _, ok := f.client.(*redis.ClusterClient); ok {
			partitions = 256
		}
	}
	fields, err = f.createControl(ctx, partitions, normal(c.Pace, scheduler.Pace{Concurrency: 1}), c.Filter.WithDefaults(), c.Settings)
	if err != nil {
		return CrawlInfo{}, err
	}
	return parseInfo(f.crawl, fields)
}

// createControl calls create.lua.
func (f *Frontier) createControl(ctx context.Context, partitions int, pace scheduler.Pace, filter redisdedup.Spec, settings map[string]string) (map[string]string, error) {
	if err := filter.Fits(partitions); err != nil {
		return nil, fmt.Errorf("redisfrontier: Filter: %w", err)
	}
	blob, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	created := time.Now().UnixMilli()
	c := &call{script: createScript, keys: []string{ctlKey(f.crawl)}, args: []any{
		schema, strconv.FormatInt(created, 36), created, partitions, pace.Delay.Milliseconds(), pace.Concurrency, blob, filter.String(),
	}}
	if err := f.confirmed(ctx, []*call{c}); err != nil {
		return nil, err
	}
	list, err := stringsOf(c.reply)
	fields := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		fields[list[i]] = list[i+1]
	}
	return fields, err
}

// create makes the partitions of a crawl whose control hash is written. Who dies on the way leaves it to the
// next who opens the crawl.
func (f *Frontier) create(ctx context.Context) (done bool, err error) {
	if err := f.initPartitions(ctx); err != nil {
		return false, err
	}
	done, err = f.amend(ctx, "state", StateRunning)
	if err == nil && !done {
		err = f.sweep(ctx, f.epoch, f.info.Partitions)
	}
	return done, err
}

// initPartitions calls init.lua.
func (f *Frontier) initPartitions(ctx context.Context) error {
	layers, err := f.info.Filter.Layers(len(f.keys))
	if err != nil {
		return err
	}
	calls := make([]*call, len(f.keys))
	for p := range calls {
		calls[p] = f.call(initScript, p, schema, f.info.Pace.Delay.Milliseconds(), f.info.Pace.Concurrency, layers, f.info.Filter.Sets(len(f.keys)))
	}
	return f.confirmed(ctx, calls)
}

// amend calls amend.lua: it changes fields of the control hash, unless the crawl is gone.
func (f *Frontier) amend(ctx context.Context, fields ...any) (done bool, err error) {
	c := &call{script: amendScript, keys: []string{ctlKey(f.crawl)}, args: append([]any{f.epoch}, fields...)}
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return false, err
	}
	return c.reply == int64(1), nil
}

// Info returns what the crawl was when it was opened.
func (f *Frontier) Info() CrawlInfo { return f.info }

// closing is how long Close waits for a Redis that does not answer. What is on its way to it then ends with the client, or
// with the client's timeouts.
const closing = time.Second

// Close ends waiting calls and frees what the frontier holds. The client stays open.
func (f *Frontier) Close() error {
	f.mu.Lock()
	if !f.isClosed {
		f.isClosed = true
		close(f.closed)
	}
	f.mu.Unlock()
	ended := make(chan struct{})
	go func() { f.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(closing):
	}
	return nil
}

// start runs do in a goroutine that Close waits for, unless the frontier is closed.
func (f *Frontier) start(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isClosed {
		f.running.Go(do)
	}
}

// Partition returns the number of the partition that a host is in, from 0 on.
func (f *Frontier) Partition(host string) int { return f.partition(host) }

// Partitions returns the number of partitions.
func (f *Frontier) Partitions() int { return len(f.keys) }

// partition returns the partition of a host.
func (f *Frontier) partition(host string) int {
	return int(xxhash.Sum64String(host) % uint64(len(f.keys))) //nolint:gosec // at most 4096
}

// call prepares a call of a partition script. Its first argument is the clock's.
func (f *Frontier) call(s *script, part int, args ...any) *call {
	return &call{script: s, part: part, keys: f.keys[part], args: append([]any{f.clock()}, args...)}
}

// clock is the time that scripts are told: that of the test, or 0 for the server's.
func (f *Frontier) clock() int64 {
	if f.now == nil {
		return 0
	}
	return f.now().UnixMilli()
}

// everywhere runs a script on every partition, and returns the replies.
func (f *Frontier) everywhere(ctx context.Context, prepare func(part int) *call) ([]any, error) {
	calls := make([]*call, len(f.keys))
	for p := range calls {
		calls[p] = prepare(p)
	}
	if err := f.repeat(ctx, calls); err != nil {
		return nil, err
	}
	replies := make([]any, len(calls))
	for i, c := range calls {
		replies[i] = c.reply
	}
	return replies, nil
}

// errReply says that Redis answered what no script of ours answers.
var errReply = errors.New("unexpected reply of redis")

func stringsOf(reply any) ([]string, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errReply, reply)
	}
	out := make([]string, len(list))
	for i, v := range list {
		if out[i], ok = v.(string); !ok && v != nil {
			return nil, fmt.Errorf("%w: %T in a list of strings", errReply, v)
		}
	}
	return out, nil
}

// The states of a crawl.
const (
	StateCreating = "creating"
	StateRunning  = "running"
	StatePaused   = "paused"
)

// CrawlInfo is what a crawl's control hash says.
type CrawlInfo struct {
	Name       string
	Epoch      string // tells a crawl from an earlier one of the name
	Created    time.Time
	Partitions int
	Pace       scheduler.Pace
	Filter     redisdedup.Spec
	Settings   map[string]string
	State      string
}

// SchemaError says that a crawl was made by another version of lycosa.
type SchemaError struct{ Crawl, Schema string }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("crawl %s has schema %.20q, this version of lycosa reads %q: use the version that made it, or purge the crawl",
		e.Crawl, e.Schema, schema)
}

// SettingError says that a crawl was created with another setting.
type SettingError struct{ Crawl, Setting, Has, Want string }

func (e *SettingError) Error() string {
	return fmt.Sprintf("crawl %s was created with %s = %s, not %s: use another crawl, or purge it", e.Crawl, e.Setting, e.Has, e.Want)
}

func parseInfo(crawl string, fields map[string]string) (CrawlInfo, error) {
	info := CrawlInfo{Name: crawl, Epoch: fields["epoch"], State: fields["state"]}
	if fields["schema"] != schema {
		return info, &SchemaError{Crawl: crawl, Schema: fields["schema"]}
	}
	created, err1 := strconv.ParseInt(fields["created"], 10, 64)
	partitions, err2 := strconv.Atoi(fields["partitions"])
	delay, err3 := strconv.ParseInt(fields["delay"], 10, 64)
	concurrency, err4 := strconv.Atoi(fields["concurrency"])
	err5 := json.Unmarshal([]byte(fields["settings"]), &info.Settings)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return info, fmt.Errorf("control hash %s: %w", ctlKey(crawl), err)
	}
	if info.Epoch == "" || partitions < 1 || partitions > 4096 {
		return info, fmt.Errorf("control hash %s: epoch %q with %d partitions", ctlKey(crawl), info.Epoch, partitions)
	}
	info.Filter = redisdedup.Spec{Kind: redisdedup.IntSet} // of crawls that do not say
	if text := fields["filter"]; text != "" {
		var err error
		if info.Filter, err = redisdedup.ParseSpec(text); err != nil {
			return info, fmt.Errorf("control hash %s: %w", ctlKey(crawl), err)
		}
	}
	info.Created, info.Partitions = time.UnixMilli(created), partitions
	info.Pace = scheduler.Pace{Delay: time.Duration(delay) * time.Millisecond, Concurrency: concurrency}
	return info, nil
}

// agrees returns an error if the crawl cannot be opened with the settings of c.
func (i CrawlInfo) agrees(c Config) error {
	if c.Partitions != 0 && c.Partitions != i.Partitions {
		return &SettingError{Crawl: i.Name, Setting: "Partitions", Has: strconv.Itoa(i.Partitions), Want: strconv.Itoa(c.Partitions)}
	}
	if want := c.Filter.WithDefaults(); c.Filter != (redisdedup.Spec{}) && want != i.Filter {
		return &SettingError{Crawl: i.Name, Setting: "Filter", Has: i.Filter.String(), Want: want.String()}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		if has, ok := i.Settings[name]; ok && has != c.Settings[name] {
			return &SettingError{Crawl: i.Name, Setting: name, Has: strconv.Quote(has), Want: strconv.Quote(c.Settings[name])}
		}
	}
	return nil
}

// List returns the crawls in this Redis, by name.
func List(ctx context.Context, client redis.UniversalClient) ([]CrawlInfo, error) {
	names, err := client.SMembers(ctx, crawlsKey).Result()
	if err != nil {
		return nil, readError(err)
	}
	slices.Sort(names)
	var crawls []CrawlInfo
	for _, name := range names {
		fields, err := client.HGetAll(ctx, ctlKey(name)).Result()
		if err != nil {
			return nil, readError(err)
		}
		if len(fields) == 0 {
			continue // purged, and its purge died before it was struck from the list
		}
		info, err := parseInfo(name, fields)
		if other, ok := errors.AsType[*SchemaError](err); ok {
			info.State = fmt.Sprintf("schema %.20q", other.Schema)
		} else if err != nil {
			return nil, err
		}
		crawls = append(crawls, info)
	}
	return crawls, nil
}

func readError(err error) error {
	if f := fateOf(err); f == ambiguous || f == refused {
		return unavailable(err)
	}
	return err
}

// checkClient refuses a client that repeats commands by itself: a claim that is executed twice leases tasks to nobody.
func checkClient(client redis.UniversalClient) error {
	switch c := client.(type) {
	case *redis.Client:
		if n := c.Options().MaxRetries; n > 0 {
			return fmt.Errorf("redisfrontier: the client repeats commands by itself (MaxRetries %d): set MaxRetries to -1, or use Dial", n)
		}
	case *redis.ClusterClient:
		if n := c.Options().MaxRedirects; n > 0 {
			return fmt.Errorf("redisfrontier: the client repeats commands by itself (MaxRedirects %d): set MaxRedirects and MaxRetries to -1, or use Dial", n)
		}
		if n := c.Options().MaxRetries; n > 0 {
			return fmt.Errorf("redisfrontier: the client repeats commands by itself (MaxRetries %d): set MaxRetries to -1, or use Dial", n)
		}
	default:
		return fmt.Errorf("redisfrontier: client %T is neither *redis.Client nor *redis.ClusterClient", client)
	}
	return nil
}

// checkServer refuses a Redis that is too old, and warns of one that may throw the crawl away.
func checkServer(ctx context.Context, client redis.UniversalClient, log *slog.Logger) error {
	text, err := client.Info(ctx, "server").Result()
	if err != nil {
		return readError(err)
	}
	version := infoField(text, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("redis %s at hand, lycosa needs 7.0 or newer", version)
	}
	_, cluster := client.(*redis.ClusterClient)
	switch mode := infoField(text, "redis_mode"); {
	case mode == "sentinel":
		return errors.New("this is a Sentinel, not a Redis: its URL is redis+sentinel://host:port/master")
	case mode == "cluster" && !cluster:
		return errors.New("this redis is part of a cluster: its URL names several of its nodes, redis://host:port,host:port")
	}
	if text, err = client.Info(ctx, "memory").Result(); err != nil {
		return readError(err)
	}
	if policy := infoField(text, "maxmemory_policy"); policy != "" && policy != "noeviction" {
		log.Warn("redis may throw away parts of the crawl: set maxmemory-policy to noeviction", "maxmemory-policy", policy)
	}
	return nil
}

func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
