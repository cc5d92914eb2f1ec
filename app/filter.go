package app

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/filededup"
	"github.com/lycosa-crawl/lycosa/dedup/mongodedup"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func (o *options) filterFlags(f *pflag.FlagSet) {
	f.StringVar(&o.dedup, "dedup", "", "how a new crawl on Redis remembers what it has seen: intset[:SIZE] (default; 9 bytes a URL), set, bloom[:RATE[,SIZE]] (loses pages at that rate) or twotier[:RATE[,SIZE]] (asks --dedup-store)")
	o.schemeFlag(f)
	f.StringVar(&o.dedupStore, "dedup-store", "", "the exact half of --dedup twotier: mongodb://HOST/DB, shared by the fleet, or a folder, for one process alone")
}

func (o *options) schemeFlag(f *pflag.FlagSet) {
	f.StringVar(&o.scheme, "fingerprint", "", "what a new crawl recognises requests by: lycosa (default), or as Scrapy does, to take over what that has seen: scrapy-redis (0.8 and later), scrapy (2.6 and later), scrapy-old")
}

// filter reads the flags. Nothing is opened.
func (o *options) filter(p *place) (err error) {
	if o.dedup != "" {
		if p.filter, err = redisdedup.ParseSpec(o.dedup); err != nil {
			return usagef("--dedup: %w", err)
		}
	}
	p.store = o.dedupStore
	if p.filter.Kind == redisdedup.TwoTier && p.store == "" {
		return usagef("--dedup %s: --dedup-store is missing", o.dedup)
	}
	if isMongo(p.store) {
		c, err := connstring.ParseAndValidate(p.store)
		if err != nil {
			return usagef("--dedup-store %s: %w", withoutPassword(p.store), err)
		}
		if c.Database == "" {
			return usagef("--dedup-store %s: the name of the database is missing", withoutPassword(p.store))
		}
	}
	return nil
}

func isMongo(store string) bool {
	return strings.HasPrefix(store, "mongodb://") || strings.HasPrefix(store, "mongodb+srv://")
}

// exact returns what opens the exact half of a two-tier filter, or nil. Each crawl has a store of its own, and its successor
// of the name another.
func (p *place) exact() func(redisfrontier.CrawlInfo) (dedup.Exact, error) {
	if p.store == "" {
		return nil
	}
	return func(crawl redisfrontier.CrawlInfo) (dedup.Exact, error) {
		name := "seen_" + crawl.Name + "_" + crawl.Epoch
		if !isMongo(p.store) {
			s, err := filededup.Open(filepath.Join(p.store, name))
			if err != nil {
				return nil, err
			}
			p.atClose(func() { s.Close() })
			return s, nil
		}
		c, err := connstring.ParseAndValidate(p.store)
		if err != nil {
			return nil, err
		}
		client, err := mongo.Connect(mongooptions.Client().ApplyURI(p.store))
		if err != nil {
			return nil, err
		}
		p.atClose(func() { _ = client.Disconnect(context.Background()) })
		return mongodedup.New(client.Database(c.Database), name), nil
	}
}
