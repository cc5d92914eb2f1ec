package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

// Config says how large a run is and what goes wrong in it. The zero value of a field is its default, but for those
// that say otherwise.
type Config struct {
	// Command is the lycosa binary. Required.
	Command string
	// Dir is the folder of the run: logs, the data of the servers, items. Required; it must exist.
	Dir string
	// Logger is told of every fault. Default: nothing is logged.
	Logger *slog.Logger

	// Workers is how many processes crawl at a time. Default 8.
	Workers int
	// Pages and Hosts are those of the site. Default 2000 and 20.
	Pages, Hosts int
	// Latency is how long the site takes for a page. Zero is none.
	Latency time.Duration
	// Delay is what every second host asks for in its robots.txt as Crawl-delay. Zero is none.
	Delay time.Duration
	// PerHost is how many requests may be in flight at once to a host that asks for no delay. Default 2.
	PerHost int
	// Lease is the workers' lease, at least a second. Default 5s.
	Lease time.Duration

	// Duration is how long faults go on. Rounds follow each other until then, and the last one is crawled to its
	// end in peace. Zero is one round with faults up to its end.
	Duration time.Duration
	// KillEvery is the mean time between two faults; half of them are kills. Default 3s.
	KillEvery time.Duration
	// Seed makes the same faults again, and the same sites. Default 1.
	Seed uint64
	// NoRedisKill leaves Redis running; it is cut off the net all the same.
	NoRedisKill bool
	// MongoDB is the URI of a running server to store items in, under databases of the run's own.
	MongoDB string
	// Mongod is the binary of a server to start for the items, a mongod or the project's FerretDB. With neither, items go
	// to files, and the store does not fail.
	Mongod string

	// MaxRefetched is the largest share of pages that may be fetched more than once, in per cent. Zero is none.
	MaxRefetched float64
}

func (c Config) withDefaults() Config {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.Workers = cmp.Or(c.Workers, 8)
	c.Pages = cmp.Or(c.Pages, 2000)
	c.Hosts = cmp.Or(c.Hosts, 20)
	c.PerHost = cmp.Or(c.PerHost, 2)
	c.Lease = cmp.Or(c.Lease, 5*time.Second)
	c.KillEvery = cmp.Or(c.KillEvery, 3*time.Second)
	c.Seed = cmp.Or(c.Seed, 1)
	return c
}

// Validate returns what is wrong with the configuration, in one line.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Workers < 1 || c.Workers > 500:
		return fmt.Errorf("workers %d: must be from 1 to 500", c.Workers)
	case c.Hosts < 1 || c.Hosts > 250:
		return fmt.Errorf("hosts %d: must be from 1 to 250", c.Hosts)
	case c.Pages < 10*c.Hosts || c.Pages > 1_000_000:
		return fmt.Errorf("pages %d: must be from 10 for each host (%d) to 1000000", c.Pages, 10*c.Hosts)
	case c.Lease < time.Second || c.Lease > time.Minute:
		return fmt.Errorf("lease %v: must be from 1s to 1m", c.Lease)
	case c.PerHost < 1 || c.PerHost > 1000:
		return fmt.Errorf("per-host %d: must be from 1 to 1000", c.PerHost)
	case c.KillEvery < 50*time.Millisecond:
		return fmt.Errorf("kill-every %v: must be at least 50ms", c.KillEvery)
	case c.Duration < 0:
		return fmt.Errorf("duration %v: must not be negative", c.Duration)
	case c.Latency < 0 || c.Latency > c.Lease/2:
		return fmt.Errorf("latency %v: must be from 0 to half the lease (%v)", c.Latency, c.Lease)
	case c.Delay != 0 && (c.Delay < 10*time.Millisecond || c.Delay > c.Lease/2):
		return fmt.Errorf("delay %v: must be 0, or from 10ms to half the lease (%v)", c.Delay, c.Lease)
	case c.MaxRefetched < 0 || c.MaxRefetched > 100:
		return fmt.Errorf("max-refetched %g: must be from 0 to 100, in per cent", c.MaxRefetched)
	case c.MongoDB != "" && c.Mongod != "":
		return errors.New("mongodb and mongod exclude each other")
	}
	if c.MongoDB != "" {
		_, err := singleHost(c.MongoDB)
		return err
	}
	return nil
}

// singleHost reads the URI of a MongoDB. A proxy stands for one server, so there must be one.
func singleHost(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return nil, errors.New("mongodb: the URI cannot be read")
	case u.Scheme != "mongodb":
		return nil, errors.New("mongodb: want mongodb://HOST:PORT")
	case u.Hostname() == "":
		return nil, errors.New("mongodb: the URI names no host")
	}
	if u.Port() == "" {
		u.Host += ":27017"
	}
	return u, nil
}
