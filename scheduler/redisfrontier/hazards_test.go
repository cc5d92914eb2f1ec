package redisfrontier_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

func TestCrawlDrainsWhenRedisIsOutOfMemory(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t, "--maxmemory-policy", "noeviction")
	ctx := context.Background()
	client := dial(t, server.URL)
	log := &logbook{}
	c := redisfrontier.Config{Crawl: "oom", Lease: time.Minute, Patience: 200 * time.Millisecond, Known: -1, Logger: slog.New(log)}
	f := openWith(t, client, c)
	const tasks = 300
	if n, err := f.Push(ctx, someTasks(0, tasks, 3)...); err != nil || n != tasks {
		t.Fatal(n, err)
	}
	setMemory(t, client, "1") // no command that may take memory is accepted any more

	for range 3 {
		_, err := f.Push(ctx, someTasks(tasks, 1, 1)...)
		if !errors.Is(err, scheduler.ErrUnavailable) || !strings.Contains(err.Error(), "redis is out of memory (maxmemory is reached)") {
			t.Fatalf("push: %v", err)
		}
	}
	soundly(t, f)
	// A longer push waits for memory meanwhile.
	c.Patience, c.Logger = time.Hour, quiet()
	patient := openWith(t, client, c) // who comes late may help to drain
	pushed := make(chan error, 1)
	go func() {
		n, err := patient.Push(ctx, someTasks(tasks, 10, 1)...)
		if err == nil && n != 10 {
			err = fmt.Errorf("%d were added, want 10", n)
		}
		pushed <- err
	}()

	// What the scripts of a worker do goes on, every verdict included.
	verdicts := []scheduler.Verdict{
		scheduler.Done(), scheduler.Release(), scheduler.Retry(time.Millisecond, "x"), scheduler.Drop("x"), scheduler.Gone("x"),
		scheduler.Park("x"), scheduler.Revisit(time.Now().Add(time.Hour)),
	}
	for i := 0; ; i++ {
		if done, err := f.Done(ctx); err != nil || done {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		leases, err := f.Claim(ctx, 10)
		if err != nil {
			t.Fatalf("claim: %v", err)
		}
		if err := f.Extend(ctx, leases...); err != nil {
			t.Fatalf("extend: %v", err)
		}
		results := make([]scheduler.Result, len(leases))
		for j, l := range leases {
			verdict := scheduler.Done()
			if i < 10 {
				verdict = verdicts[j%len(verdicts)]
			}
			results[j] = scheduler.Result{Lease: l, Verdict: verdict, Outcome: "ok"}
		}
		if err := f.Finish(ctx, results...); err != nil {
			t.Fatalf("finish: %v", err)
		}
	}
	_, beat := f.Heartbeat(ctx, scheduler.WorkerInfo{ID: "w"}, time.Minute)
	for name, err := range map[string]error{
		"Heartbeat": beat, "WaitDone": f.WaitDone(ctx), "Hold": f.Hold(ctx, "a.example", time.Now().Add(time.Hour)),
		"SetPace": f.SetPace(ctx, "b.example", scheduler.Pace{Delay: time.Second}),
		"Pause":   f.Pause(ctx), "Resume": f.Resume(ctx),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	begin := time.Now()
	if err := patient.Save(ctx, "a.example", "robots", []byte("x"), time.Hour); !errors.Is(err, scheduler.ErrUnavailable) {
		t.Errorf("Save: %v after %v", err, time.Since(begin)) // at once, however patient: it is a memo
	}
	soundly(t, f)
	select {
	case err := <-pushed:
		t.Fatalf("a push found memory: %v", err)
	default:
	}

	setMemory(t, client, "0")
	if err := <-pushed; err != nil {
		t.Errorf("the push that waited: %v", err)
	}
	if _, err := f.Push(ctx, someTasks(tasks+10, 1, 1)...); err != nil {
		t.Errorf("push with memory again: %v", err)
	}
	if s, err := f.Stats(ctx); err != nil || s.Seen != tasks+11 || s.Queued != 11 {
		t.Errorf("%+v %v", s, err)
	}
	soundly(t, f)
	if log.count("out of memory") != 1 || log.count("has memory again") != 1 || log.count(unavailable) != 0 {
		t.Errorf("the log says:\n%s", log)
	}
}

func TestWorkersGoOnWhenThereIsMemoryAgain(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	client := dial(t, server.URL)
	fl := newFleet(t, 3, redisfrontier.Config{Crawl: "oom", Lease: 10 * time.Second}, func() redis.UniversalClient { return dial(t, server.URL) })
	fl.progress(200)
	setMemory(t, client, "1")
	await(t, "all workers to run out of memory", func() bool {
		n := 0
		for _, log := range fl.logs {
			n += min(1, log.count("out of memory"))
		}
		return n == len(fl.logs)
	})
	setMemory(t, client, "0")
	fl.progress(200)
	fl.conclude()
	fl.toldOnce("out of memory", "has memory again")
	for _, log := range fl.logs {
		if log.count(unavailable) > 0 {
			t.Errorf("a Redis without memory is there all the same:\n%s", log)
		}
	}
}

func setMemory(t *testing.T, client redis.UniversalClient, most string) {
	t.Helper()
	if err := client.ConfigSet(context.Background(), "maxmemory", most).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestClientThatRepeatsByItselfIsRefused(t *testing.T) {
	t.Parallel()
	clients := map[string]redis.UniversalClient{
		"MaxRetries":   redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), // three by default
		"MaxRedirects": redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}}),
		"MaxRetries 2": redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, MaxRedirects: -1, MaxRetries: 2}),
	}
	for field, client := range clients {
		_, err := redisfrontier.Open(context.Background(), client, redisfrontier.Config{Crawl: "x"})
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", field, err)
		}
		client.Close()
	}
}

func TestNumbersKeepAllTheirDigits(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	// In milliseconds this time has 13 digits, in tokens, which are microseconds, 16: more than %.14g prints.
	now := time.UnixMilli(1764000000123)
	f := openWith(t, client, redisfrontier.Config{
		Crawl: "digits", Partitions: 1, Pace: scheduler.Pace{Concurrency: 1000}, Now: func() time.Time { return now }, Logger: quiet(),
	})
	fingerprints := []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<63 + 1, math.MaxUint64 - 1, math.MaxUint64}
	for i := range 200 {
		fingerprints = append(fingerprints, 0x9e3779b97f4a7c15*uint64(i+1)) //nolint:gosec // no negative i
	}
	var tasks []scheduler.Task
	for _, fp := range fingerprints {
		tasks = append(tasks, scheduler.Task{ID: dedup.FromShort(fp), Host: "a.example", Payload: fmt.Append(nil, fp)})
	}
	for range 2 {
		if _, err := f.Push(ctx, tasks...); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := f.Stats(ctx); err != nil || s.Seen != int64(len(tasks)) || s.Queued != int64(len(tasks)) {
		t.Fatalf("%+v %v", s, err)
	}
	var last scheduler.Token
	for claimed := 0; claimed < len(tasks); {
		leases, err := f.Claim(ctx, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leases {
			if fmt.Sprint(l.ID.Short()) != string(l.Payload) {
				t.Errorf("fingerprint %s came back as %d", l.Payload, l.ID.Short())
			}
			if l.Token <= last || l.Token < 1764000000123000 || l.Token > 1764000000124000 {
				t.Errorf("token %d after %d", l.Token, last)
			}
			last = l.Token
		}
		claimed += len(leases)
		var results []scheduler.Result
		for _, l := range leases {
			results = append(results, scheduler.Result{Lease: l, Verdict: scheduler.Done(), Bytes: 1<<53 - 1})
		}
		if err := f.Finish(ctx, results[0]); err != nil {
			t.Fatal(err)
		}
		for i := range results {
			results[i].Bytes = 0
		}
		if err := f.Finish(ctx, results[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := f.Stats(ctx); s.Bytes%(1<<53-1) != 0 || s.Bytes == 0 {
		t.Errorf("%d bytes, want a multiple of %d", s.Bytes, int64(1<<53-1))
	}

	// Due to the millisecond, and as late as a time can be.
	far := []time.Time{time.UnixMilli(1<<53 + 1), time.UnixMilli(math.MaxInt64 - 1), time.Unix(1<<33, 0)}
	for i, due := range append(far, now.Add(time.Millisecond)) {
		task := scheduler.Task{ID: dedup.FromShort(uint64(i + 2)), Host: "b.example", Due: due, DontFilter: true, Payload: []byte(due.String())} //nolint:gosec // small
		if _, err := f.Push(ctx, task); err != nil {
			t.Fatal(err)
		}
	}
	nothing, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if leases, err := f.Claim(nothing, 10); len(leases) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("claimed a millisecond early: %v %v", leases, err)
	}
	now = now.Add(time.Millisecond)
	leases, err := f.Claim(ctx, 10)
	if err != nil || len(leases) != 1 || string(leases[0].Payload) != now.String() {
		t.Errorf("claimed when due: %v %v", leases, err)
	}
	if s, err := f.Stats(ctx); err != nil || s.Delayed != int64(len(far)) {
		t.Errorf("%+v %v", s, err)
	}
	soundly(t, f)
}

// TestFingerprintSetsNeverBecomeHashTables pushes so many that a few partitions have sets by the hundred.
func TestFingerprintSetsNeverBecomeHashTables(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	f := openWith(t, client, redisfrontier.Config{Crawl: "sets", Partitions: 2, Known: -1, Logger: quiet()})
	const total, step = 300_000, 5000
	for first := 0; first < total; first += step {
		list := make([]scheduler.Task, step)
		for i := range list {
			url := fmt.Sprintf("https://h%d.example/%d", i%50, first+i)
			list[i] = scheduler.Task{ID: dedup.Of("", url, nil), Host: fmt.Sprintf("h%d.example", i%50)}
		}
		if n, err := f.Push(ctx, list...); err != nil || n != step {
			t.Fatal(n, err)
		}
	}
	sets, members := 0, int64(0)
	keys := client.Scan(ctx, 0, "lycosa:*:s:*", 1000).Iterator()
	for keys.Next(ctx) {
		encoding, err := client.ObjectEncoding(ctx, keys.Val()).Result()
		if err != nil {
			t.Fatal(err)
		}
		n := client.SCard(ctx, keys.Val()).Val()
		if encoding != "intset" {
			t.Fatalf("%s with %d members is a %s", keys.Val(), n, encoding)
		}
		sets, members = sets+1, members+n
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	if members != total || sets < total/512 {
		t.Errorf("%d sets hold %d fingerprints, want %d", sets, members, total)
	}
}

func TestEvictionPolicyIsWarnedAboutInOneLine(t *testing.T) {
	t.Parallel()
	for policy, warnings := range map[string]int{"allkeys-lru": 1, "volatile-ttl": 1, "noeviction": 0} {
		log := &logbook{}
		openWith(t, dial(t, servers.Redis(t, "--maxmemory-policy", policy).URL), redisfrontier.Config{Crawl: "x", Logger: slog.New(log)})
		if n := log.count("set maxmemory-policy to noeviction"); n != warnings || len(log.lines) != warnings {
			t.Errorf("under %s the log says:\n%s", policy, log)
		}
	}
}

func TestRedisOlderThan7IsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"6.2.14", "5.0.7", "2.8.0"} {
		client := dialWith(t, "redis://"+oldRedis(t, version), func(*redis.UniversalOptions) {})
		_, err := redisfrontier.Open(context.Background(), client, redisfrontier.Config{Crawl: "x"})
		want := "redis " + version + " at hand, lycosa needs 7.0 or newer"
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// oldRedis answers INFO as the version would, and every other command with an error.
func oldRedis(t *testing.T, version string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveOld(conn, "# Server\r\nredis_version:"+version+"\r\nredis_mode:standalone\r\n")
		}
	}()
	return l.Addr().String()
}

func serveOld(conn net.Conn, info string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(enough))
	r := bufio.NewReader(conn)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		args := make([]string, n)
		for i := range args {
			if _, err := r.ReadString('\n'); err != nil { // its length
				return
			}
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			args[i] = strings.TrimSpace(line)
		}
		if strings.EqualFold(args[0], "info") {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(info), info)
		} else {
			fmt.Fprintf(conn, "-ERR unknown command `%s`\r\n", args[0])
		}
	}
}

func TestCrawlNameThatBreaksKeysIsRefused(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	for _, name := range []string{"", " ", "a b", "a{b}", "a:b", "a~b", "a*", "a/b", "a\nb", "ä", "\x00", strings.Repeat("a", 65), "a}"} {
		_, err := redisfrontier.Open(context.Background(), client, redisfrontier.Config{Crawl: name})
		if err == nil || !strings.Contains(err.Error(), "Crawl") || strings.Contains(err.Error(), "\n") {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if keys := client.Keys(context.Background(), "*").Val(); len(keys) > 0 {
		t.Errorf("names that were refused left %q", keys)
	}
}

func TestSettingThatDiffersIsRefusedByName(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	ctx := context.Background()
	c := redisfrontier.Config{
		Crawl: "settings", Partitions: 4, Settings: map[string]string{"spider": "books", "scope": "host"},
		Pace: scheduler.Pace{Delay: time.Second, Concurrency: 1}, Logger: quiet(),
	}
	openWith(t, client, c)
	for name, change := range map[string]func(*redisfrontier.Config){
		`spider = "books", not "news"`: func(c *redisfrontier.Config) { c.Settings = map[string]string{"spider": "news"} },
		`scope = "host", not "any"`:    func(c *redisfrontier.Config) { c.Settings = map[string]string{"spider": "books", "scope": "any"} },
		"Partitions = 4, not 8":        func(c *redisfrontier.Config) { c.Partitions = 8 },
	} {
		other := c
		change(&other)
		for _, open := range []func(context.Context, redis.UniversalClient, redisfrontier.Config) (*redisfrontier.Frontier, error){
			redisfrontier.Open, redisfrontier.Attach,
		} {
			_, err := open(ctx, client, other)
			if !errors.As(err, new(*redisfrontier.SettingError)) || !strings.Contains(err.Error(), "crawl settings was created with "+name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// What may change, and what is not said or was not said, is no reason.
	c.Partitions, c.Pace, c.Settings = 0, scheduler.Pace{Delay: time.Minute, Concurrency: 1}, map[string]string{"new": "x"}
	if f := openWith(t, client, c); f.Info().Pace != c.Pace {
		t.Errorf("the crawl's pace is %v, want %v", f.Info().Pace, c.Pace)
	}
}
