package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

const (
	importBatch    = 1000
	importProgress = 5 * time.Second
)

func (p *program) importCommand() *cobra.Command {
	var o options
	var from, spider, probe string
	cmd := &cobra.Command{
		Use:   "import-dupefilter CRAWL [flags]",
		Short: "Take over what a scrapy-redis crawl has seen",
		Long: `Take over what a scrapy-redis crawl has seen: the SHA-1 fingerprints in its set
SPIDER:dupefilter. Their URLs are then not fetched again. The URLs themselves cannot be
had back from a SHA-1, so a crawl that is to know them must make its fingerprints as Scrapy
did, from its first day on: see --fingerprint. If there is no crawl of the name it is
created so.

Only the dupefilter can be read. What scrapy-redis has queued (SPIDER:requests) are pickled
objects of Python, which no other program can read: let the old crawl finish its queue, or
seed the new one. A page that is in the dupefilter and still queued there would not be fetched.

It may be repeated, also after it was interrupted: what is known already stays so. Start
before the first worker does, or pause the crawl.`,
		Example: `  lycosa import-dupefilter books --redis redis://localhost
  lycosa import-dupefilter books --spider books.yaml --from redis://old.example/2/books:dupefilter --redis redis://localhost
  lycosa import-dupefilter books --redis redis://localhost --probe https://books.toscrape.com/catalogue/page-2.html`,
		Args: argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			name, err := o.crawlArg(args)
			if err != nil {
				return err
			}
			if err := o.needRedis("import-dupefilter"); err != nil {
				return err
			}
			return p.importDupefilter(cmd.Context(), &o, name, spider, from, probe)
		},
	}
	o.placeFlags(cmd.Flags())
	cmd.Flags().StringVar(&o.crawl, "crawl", "", "name of the crawl, in place of CRAWL")
	cmd.Flags().StringVar(&from, "from", "", "the dupefilter: redis://HOST[:PORT][/DB]/KEY, or a key on --redis (default CRAWL:dupefilter there)")
	cmd.Flags().StringVar(&spider, "spider", "", "spider to create the crawl for if there is none: its name, or the path of a YAML file (default: the one of the crawl's name)")
	cmd.Flags().StringVar(&probe, "probe", "", "a URL that the old crawl has fetched: nothing is imported unless the dupefilter has it by the crawl's fingerprint")
	o.filterFlags(cmd.Flags())
	o.logFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.quiet, "quiet", false, "show no progress")
	cmd.Flags().BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	return cmd
}

// imported is what import-dupefilter has done. Its JSON is a contract with scripts.
type imported struct {
	Crawl       string `json:"crawl"`
	From        string `json:"from"`
	Fingerprint string `json:"fingerprint"`
	Read        int64  `json:"read"`
	New         int64  `json:"new"`
	Known       int64  `json:"known"` // to the crawl before, or read twice
	Bad         int64  `json:"bad"`   // no SHA-1
	FirstBad    string `json:"first_bad,omitempty"`
}

func (p *program) importDupefilter(ctx context.Context, o *options, name, spider, from, probe string) error {
	source, key, err := parseDupefilter(from, name)
	if err != nil {
		return err
	}
	log := p.logger(o)
	place, err := o.place(ctx, log)
	if err != nil {
		return err
	}
	defer place.close()
	old := place.redis
	if source != "" {
		if old, err = redisfrontier.Dial(ctx, source); err != nil {
			return &exitError{code: exitRedis, err: fmt.Errorf("--from: %w", err)}
		}
		defer old.Close()
	}
	total, err := sizeOf(ctx, old, key)
	if err != nil {
		return err
	}
	done := &imported{Crawl: name, From: key}
	f, err := p.importInto(ctx, o, place, name, spider, func(rules dedup.Rules) error {
		done.Fingerprint = rules.Scheme.String()
		if probe == "" {
			return nil
		}
		return probeDupefilter(ctx, old, key, rules, probe)
	})
	if err != nil {
		return err
	}
	err = done.read(ctx, old, f, total, o.progressLog(log))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%w; before that, %s; the same command goes on with it", err, done)
	}
	return p.imported(o, done)
}

// progressLog is where progress goes.
func (o *options) progressLog(log *slog.Logger) *slog.Logger {
	if o.quiet {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func (p *program) imported(o *options, done *imported) (err error) {
	if o.json {
		return json.NewEncoder(p.out).Encode(done)
	}
	_, err = fmt.Fprintln(p.out, done)
	return err
}

// String is the closing line.
func (i *imported) String() string {
	text := fmt.Sprintf("%s read from %s: %s new to %s, %s known already", plural(i.Read, "fingerprint", "fingerprints"), oneLine(i.From), thousands(i.New), i.Crawl, thousands(i.Known))
	if i.Bad > 0 {
		text += fmt.Sprintf("; %s no SHA-1 and passed over, the first %s", plural(i.Bad, "entry is", "entries are"), strconv.QuoteToASCII(i.FirstBad))
	}
	return text
}

// parseDupefilter reads --from: another Redis or "", and the key.
func parseDupefilter(from, crawl string) (source, key string, err error) {
	if !strings.Contains(from, "://") {
		return "", cmp.Or(from, crawl+":dupefilter"), nil
	}
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
		return "", "", usagef("--from %s: want redis://HOST[:PORT][/DB]/KEY, or a key", withoutPassword(from))
	}
	db, rest, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if _, err := strconv.ParseUint(db, 10, 16); err != nil {
		db, rest, ok = "", strings.TrimPrefix(u.Path, "/"), true
	}
	if !ok || rest == "" {
		rest = crawl + ":dupefilter"
	}
	u.Path = "/" + db
	if _, err := redisfrontier.Options(u.String()); err != nil {
		return "", "", usagef("--from: %w", err)
	}
	return u.String(), rest, nil
}

// sizeOf returns how many fingerprints the dupefilter has, or what is wrong with the key.
func sizeOf(ctx context.Context, old redis.UniversalClient, key string) (int64, error) {
	kind, err := old.Type(ctx, key).Result()
	if err != nil {
		return 0, &exitError{code: exitRedis, err: fmt.Errorf("--from %s: %w", oneLine(key), err)}
	}
	switch kind {
	case "set":
		return old.SCard(ctx, key).Result()
	case "none":
		return 0, usagef("--from %s: there is no such key", oneLine(key))
	default:
		return 0, usagef("--from %s: it is a %s, and a dupefilter is a set; queues of scrapy-redis hold pickled objects of Python, which cannot be read", oneLine(key), kind)
	}
}

// importInto opens the crawl, which is created if there is none. Before that, check is asked about the rules of its
// fingerprints.
func (p *program) importInto(ctx context.Context, o *options, place *place, name, spider string, check func(dedup.Rules) error) (*redisfrontier.Frontier, error) {
	f, err := place.attach(ctx, name)
	if exit, ok := errors.AsType[*exitError](err); ok && exit.code == exitUsage {
		return p.importIntoNew(ctx, o, place, name, spider, check, err)
	}
	if err != nil {
		return nil, err
	}
	var rules dedup.Rules
	scheme := cmp.Or(schemeOf(f), dedup.SchemeLycosa.String())
	rules.Scheme, err = dedup.ParseScheme(scheme)
	switch {
	case err != nil:
	case o.scheme != "" && o.scheme != scheme:
		err = usagef("--fingerprint: crawl %s was created with %s, not %s: use another crawl, or purge it", name, scheme, o.scheme)
	case rules.Scheme == dedup.SchemeLycosa:
		err = usagef("crawl %s recognises requests by lycosa's own fingerprints, to which those of Scrapy say nothing: use another crawl, or purge it and import into a new one", name)
	}
	if err == nil {
		err = check(rules)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return onRedis(f)
}

func onRedis(f scheduler.Frontier) (*redisfrontier.Frontier, error) {
	shared, ok := f.(*redisfrontier.Frontier)
	if !ok {
		return nil, errors.Join(errors.New("the crawl is not on a Redis"), f.Close())
	}
	return shared, nil
}

// importIntoNew creates the crawl. Missing is what is wrong if no spider is at hand.
func (p *program) importIntoNew(ctx context.Context, o *options, place *place, name, spider string, check func(dedup.Rules) error, missing error) (*redisfrontier.Frontier, error) {
	if _, err := p.spider(name); err != nil && spider == "" {
		return nil, usagef("%w; to create it, name its spider by --spider", missing)
	}
	job, err := p.job(o, cmp.Or(spider, name), nil)
	if err != nil {
		return nil, err
	}
	if job.spider.Canonical.Scheme == dedup.SchemeLycosa {
		if o.scheme != "" {
			return nil, usagef("--fingerprint %s: fingerprints of Scrapy say nothing to it", o.scheme)
		}
		job.spider.Canonical.Scheme = dedup.SchemeScrapyRedis
		if _, err := job.spider.Canonical.Compile(); err != nil {
			return nil, usage(err)
		}
	}
	if err := check(job.spider.Canonical); err != nil {
		return nil, err
	}
	f, err := place.open(ctx, name, job.spider)
	if err != nil {
		return nil, err
	}
	return onRedis(f)
}

// probeDupefilter returns an error unless the dupefilter has the URL by the scheme of the rules.
func probeDupefilter(ctx context.Context, old redis.UniversalClient, key string, rules dedup.Rules, raw string) error {
	canon, err := rules.Compile()
	if err != nil {
		return err
	}
	u, err := canon.Parse(raw)
	if err != nil {
		return usagef("--probe: %w", err)
	}
	var by []string
	for scheme := dedup.SchemeScrapy; scheme <= dedup.SchemeScrapyOld; scheme++ {
		is, err := old.SIsMember(ctx, key, fmt.Sprintf("%x", scheme.SHA1("GET", u.String(), nil))).Result()
		if err != nil {
			return &exitError{code: exitRedis, err: err}
		}
		if is && scheme == rules.Scheme {
			return nil
		}
		if is {
			by = append(by, scheme.String())
		}
	}
	if len(by) > 0 {
		return usagef("--probe %s: the dupefilter has it by the fingerprint %s, and the crawl's is %s: purge the crawl, and import with --fingerprint %s", u, by[0], rules.Scheme, by[0])
	}
	return usagef("--probe %s: the dupefilter has it by no fingerprint that lycosa knows", u)
}

// read brings the set into the crawl. SSCAN returns each member that is there all the while, some of them more than once.
func (i *imported) read(ctx context.Context, old redis.UniversalClient, f *redisfrontier.Frontier, total int64, log *slog.Logger) error {
	if n := f.Partitions(); n > 1 {
		log.Warn("a SHA-1 does not tell its host: each partition keeps all of them", "partitions", n)
	}
	shown := time.Now()
	fps := make([]dedup.Fingerprint, 0, 2*importBatch)
	for cursor := uint64(0); ; {
		members, next, err := old.SScan(ctx, i.From, cursor, "", importBatch).Result()
		if err != nil {
			return fmt.Errorf("read %s: %w: %w", oneLine(i.From), scheduler.ErrUnavailable, err)
		}
		fps = fps[:0]
		bad, firstBad := int64(0), ""
		for _, m := range members {
			fp, err := dedup.ParseSHA1(m)
			if err != nil {
				bad++
				firstBad = cmp.Or(firstBad, m[:min(len(m), 80)], "empty")
				continue
			}
			fps = append(fps, fp)
		}
		fresh, err := f.Know(ctx, fps...)
		if err != nil {
			return err
		}
		i.Read += int64(len(members))
		i.New += int64(fresh)
		i.Known += int64(len(fps) - fresh)
		i.Bad += bad
		i.FirstBad = cmp.Or(i.FirstBad, firstBad)
		if time.Since(shown) > importProgress {
			shown = time.Now()
			log.Info("importing", "crawl", i.Crawl, "read", i.Read, "of", total, "new", i.New)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
