package redisfrontier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options reads where Redis is:
//
//	redis://[[user]:password@]host[:port][/db]
//	rediss://...                                            with TLS
//	redis://host:port,host:port,...                         a Redis Cluster
//	redis+sentinel://[...@]host[:port],.../master[/db]      what Sentinels lead
//
// The scheme may be left out. The client made of it repeats nothing by itself.
func Options(rawURL string) (*redis.UniversalOptions, error) {
	bad := func(why string) error { return fmt.Errorf("redis URL %s: %s", redact(rawURL), why) }
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		scheme, rest = "redis", rawURL
	}
	o := &redis.UniversalOptions{
		MaxRetries: -1, MaxRedirects: -1, DialerRetries: 1, DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		ContextTimeoutEnabled:    true,
		PoolTimeout:              10 * time.Second,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	sentinel, defaultPort := false, "6379"
	switch scheme {
	case "redis", "rediss":
	case "redis+sentinel", "rediss+sentinel":
		sentinel, defaultPort = true, "26379"
	default:
		return nil, bad("want redis://, rediss:// or redis+sentinel://")
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, err := url.Parse("redis://" + rest[:at] + "@host")
		if err != nil {
			return nil, bad("user and password cannot be read")
		}
		o.Username = user.User.Username()
		o.Password, _ = user.User.Password()
		rest = rest[at+1:]
	}
	if strings.ContainsAny(rest, "?#") {
		return nil, bad("parameters are not known")
	}
	rest = strings.ReplaceAll(rest, ","+scheme+"://", ",") // each address may have its scheme
	hosts, path, _ := strings.Cut(rest, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := address(host, defaultPort)
		if err != nil {
			return nil, bad(err.Error())
		}
		o.Addrs = append(o.Addrs, addr)
	}
	if strings.HasPrefix(scheme, "rediss") {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if len(o.Addrs) == 1 {
			o.TLSConfig.ServerName, _, _ = net.SplitHostPort(o.Addrs[0])
		}
	}
	if sentinel {
		o.MasterName, path, _ = strings.Cut(path, "/")
		if o.MasterName == "" {
			return nil, bad("the name of the master is missing: redis+sentinel://host:port/master")
		}
	}
	if path = strings.TrimSuffix(path, "/"); path != "" {
		db, err := strconv.Atoi(path)
		if err != nil || db < 0 {
			return nil, bad(fmt.Sprintf("%q is no number of a database", path))
		}
		if db > 0 && len(o.Addrs) > 1 && !sentinel {
			return nil, bad("a Redis Cluster has database 0 alone")
		}
		o.DB = db
	}
	return o, nil
}

func address(host, defaultPort string) (string, error) {
	if host == "" {
		return "", errors.New("an address is empty")
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || name == "" {
		return "", fmt.Errorf("%q is no host:port", host)
	}
	return net.JoinHostPort(name, port), nil
}

// redact returns the URL without its password.
func redact(rawURL string) string {
	at := strings.LastIndexByte(rawURL, '@')
	if at < 0 {
		return rawURL
	}
	scheme, _, ok := strings.Cut(rawURL[:at], "://")
	if !ok {
		return "***" + rawURL[at:]
	}
	return scheme + "://***" + rawURL[at:]
}

// Dial connects to the Redis that rawURL names; see [Options]. If it cannot be reached the error says so in one line and
// wraps scheduler.ErrUnavailable. The client is the caller's to close.
func Dial(ctx context.Context, rawURL string) (redis.UniversalClient, error) {
	o, err := Options(rawURL)
	if err != nil {
		return nil, err
	}
	client := redis.NewUniversalClient(o)
	if err := client.Ping(ctx).Err(); err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if fateOf(err) == broken {
			return nil, fmt.Errorf("redis at %s: %w", redact(rawURL), err)
		}
		return nil, fmt.Errorf("redis at %s: %w", redact(rawURL), unavailable(err))
	}
	return client, nil
}
