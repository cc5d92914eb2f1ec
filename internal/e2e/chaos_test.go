package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/servers"
)

// needRedisServer skips the test where chaos would have no Redis to start.
func needRedisServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("LYCOSA_REQUIRE_SERVERS") != "1" {
		t.Skip("redis-server is not on PATH")
	}
}

// TestNothingIsLostInChaos is a short run of the command: about twenty faults, each kind among them.
func TestNothingIsLostInChaos(t *testing.T) {
	t.Parallel()
	needRedisServer(t)
	mongo := servers.Mongo(t)
	const pages = 300
	p := run(t, 0, "chaos", "--duration", "11s", "--workers", "5", "--pages", "300", "--hosts", "6", "--lease", "2s", "--latency", "100ms",
		"--kill-every", "600ms", "--seed", "3", "--mongodb", mongo.URI, "--max-refetched", "80", "--json")
	var v struct {
		Exit    int            `json:"exit"`
		Seed    uint64         `json:"seed"`
		Faults  map[string]int `json:"faults"`
		Rounds  int            `json:"rounds"`
		Workers struct {
			Size, Started, Failed int
		} `json:"workers"`
		Pages struct {
			Reachable, Fetched, Missing, Private int
		} `json:"pages"`
		Items struct {
			Store                 string
			Right, Missing, Wrong int
		} `json:"items"`
		Finished struct {
			Want, Done, OK, Dead, Left int
		} `json:"finished"`
		Refetched struct {
			Unexplained, Expired int
		} `json:"refetched"`
		Delay       struct{ Gaps, Breaches int } `json:"delay"`
		Concurrency struct {
			Hosts, Breaches, Widest int
		} `json:"concurrency"`
		EarlyDone  int               `json:"early_done"`
		Invariants []string          `json:"invariants"`
		Breaches   []json.RawMessage `json:"breaches"`
	}
	if err := json.Unmarshal(p.out.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, p.out.Bytes())
	}
	all := pages * v.Rounds
	switch {
	case v.Exit != 0 || v.Seed != 3 || v.Rounds < 1 || v.Breaches == nil || len(v.Breaches) > 0 || v.Invariants == nil || len(v.Invariants) > 0,
		v.Pages.Reachable != all || v.Pages.Fetched != all || v.Pages.Missing+v.Pages.Private > 0,
		v.Items.Store != "mongodb" || v.Items.Right != all || v.Items.Missing+v.Items.Wrong > 0,
		v.Finished.Want <= all || v.Finished.Done != v.Finished.Want || v.Finished.OK != all || v.Finished.Dead+v.Finished.Left > 0,
		v.EarlyDone+v.Refetched.Unexplained+v.Refetched.Expired+v.Workers.Failed > 0,
		v.Delay.Gaps < 100 || v.Delay.Breaches > 0 || v.Concurrency.Hosts < 6 || v.Concurrency.Breaches > 0 || v.Concurrency.Widest != 2,
		v.Workers.Size != 5 || v.Workers.Started <= 5+v.Faults["kill"]-1:
		t.Errorf("%s", p.out.Bytes())
	}
	for _, kind := range []string{"kill", "stop", "drain", "redis_kill", "redis_cut", "redis_hang", "store_cut", "store_hang"} {
		if v.Faults[kind] == 0 {
			t.Errorf("no %s among the faults %v", kind, v.Faults)
		}
		if log := p.stderr(); strings.Count(log, "fault kind="+kind+" ") < v.Faults[kind] {
			t.Errorf("not every %s is in the log:\n%s", kind, log)
		}
	}
}

// TestChaosLeavesNoProcessBehind ends the command in two ways: by an interrupt, and by a kill that it cannot answer.
func TestChaosLeavesNoProcessBehind(t *testing.T) {
	t.Parallel()
	needRedisServer(t)
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("only Linux shows what runs, and ends the children of a killed process")
	}
	for name, c := range map[string]struct {
		signal syscall.Signal
		exit   int
	}{
		"interrupted": {syscall.SIGINT, 11},
		"killed":      {syscall.SIGKILL, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "kept")
			p := start(t, "chaos", "--duration", "1h", "--workers", "3", "--pages", "5000", "--mongodb", "none", "--kill-every", "300ms", "--lease", "1s", "--keep", dir)
			within(t, time.Minute, "workers and faults", func() bool {
				return len(running(t, dir)) == 4 && // three workers and Redis
					strings.Contains(p.stderr(), "fault kind=")
			})
			p.signal(c.signal)
			p.wait(c.exit)
			within(t, 20*time.Second, "no process left", func() bool { return len(running(t, dir)) == 0 })
		})
	}
}

// running returns the processes that work in a folder, or in one below. A zombie has none.
func running(t *testing.T, dir string) (processes []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, dir) {
			processes = append(processes, filepath.Dir(link))
		}
	}
	return processes
}
