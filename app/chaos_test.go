package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/internal/chaos"
)

func TestChaosRefusesWhatItCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"chaos now", `takes no argument, but there is "now"`},
		{"chaos --workers 0", `--workers 0: must be at least 1`},
		{"chaos --workers 501", `--workers 501: must be from 1 to 500`},
		{"chaos --hosts 251 --pages 5000", `--hosts 251: must be from 1 to 250`},
		{"chaos --pages 100", `--pages 100: must be from 10 for each host (200) to 1000000`},
		{"chaos --lease 100ms", `--lease 100ms: must be from 1s to 1m`},
		{"chaos --lease 0", `--lease 0: want a duration like 3s`},
		{"chaos --delay 3s", `--delay 3s: must be 0, or from 10ms to half the lease (5s)`},
		{"chaos --latency 3s", `--latency 3s: must be from 0 to half the lease (5s)`},
		{"chaos --duration -1s", `--duration -1s: must not be negative`},
		{"chaos --kill-every 1ms", `--kill-every 1ms: must be at least 50ms`},
		{"chaos --max-refetched 101", `--max-refetched 101: must be from 0 to 100, in per cent`},
		{"chaos --mongodb localhost", `--mongodb: want mongodb://HOST:PORT`},
		{"chaos --mongodb none --mongod mongod", `--mongodb none and --mongod exclude each other`},
		{"chaos --mongod /no/such/mongod", `--mongod /no/such/mongod: no such program`},
		{"chaos --keep " + dir, `--keep ` + dir + `: the folder must be empty`},
		{"chaos --log-level loud", `--log-level "loud": want debug, info, warn or error`},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			got := command{}.run(t, strings.Fields(c.args)...)
			if want := "lycosa chaos: " + c.want + "\n"; got.code != exitUsage || got.err != want || got.out != "" {
				t.Errorf("exit code %d\n got %swant %s", got.code, got.err, want)
			}
		})
	}
}

func TestChaosNeedsARedisServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := command{}.run(t, "chaos", "--mongodb", "none")
	if got.code != exitRedis || got.err != "lycosa chaos: redis-server is not on PATH; install Redis 6.2 or later\n" {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
}

// TestVerdictNamesWhatWasBroken looks at the table of a round in which one page is missing.
func TestVerdictNamesWhatWasBroken(t *testing.T) {
	t.Parallel()
	v := chaos.Judge(7, &chaos.Record{Round: 3, Missing: []string{"http://127.0.0.9/lost"}, Lease: time.Second})
	var out bytes.Buffer
	p := &program{out: &out, screen: newScreen(&out)}
	if err := p.printVerdict(v); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if broken := strings.Contains(line, "BROKEN"); broken != strings.Contains(line, "every page is fetched") {
			t.Errorf("%s", line)
		}
	}
	if !strings.Contains(out.String(), "\npages, round 3: never fetched: http://127.0.0.9/lost\n") {
		t.Errorf("%s", out.String())
	}
	raw, err := json.Marshal(v)
	if err != nil || !strings.Contains(string(raw), `"exit":1`) || !strings.Contains(string(raw), `"check":"pages"`) {
		t.Errorf("%s, %v", raw, err)
	}
}
