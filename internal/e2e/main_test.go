// Package e2e runs the command as users do: as processes, against real servers and sites on loopback.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/app"
	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// asCommand in the environment turns this test binary into the command.
const asCommand = "LYCOSA_E2E_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		app.Main(siteSpider, docsSpider, manualSpider())
	}
	os.Exit(m.Run())
}

// The spider of internal/testsite.
type sitePage struct {
	URL   string `json:"url"`
	Title string `json:"title" css:"title" item:"required"`
	H1    string `json:"h1" css:"h1" item:"required"`
	Price string `json:"price" css:".price"`
	Links int    `json:"links"`
}

func (sitePage) ItemKind() string { return "page" }

var sitePages = crawler.NewRoute[struct{}]("page")

var siteSpider = crawler.Spider{
	Name: "site", Items: []any{sitePage{}},
	Scope: crawler.AnyHost, Settings: crawler.Settings{AllowPrivate: true}, // pages of one host link to others
	Routes: crawler.Routes(sitePages.To(func(_ context.Context, p *crawler.Page, _ struct{}) error {
		page, err := crawler.One[sitePage](p)
		if err != nil {
			return err
		}
		page.URL, page.Links = p.URL, p.Find("a[href]").Length()
		p.Emit(page)
		p.Follow(sitePages)
		return nil
	})),
}

// The spider of documentation packages.
type document struct {
	Title string `json:"title" css:"title"` // one page of SQLite has none
}

var docsPages = crawler.NewRoute[struct{}]("doc")

var docsSpider = crawler.Spider{
	Name: "docs", Items: []any{document{}},
	Routes: crawler.Routes(docsPages.To(func(_ context.Context, p *crawler.Page, _ struct{}) error {
		if p.DocErr() != nil {
			return nil // pictures, archives
		}
		page, err := crawler.One[document](p)
		if err != nil {
			return err
		}
		p.Emit(page)
		p.Follow(docsPages)
		return nil
	})),
}

// manualSpider is docsSpider for a crawl that comes again.
func manualSpider() crawler.Spider {
	s := docsSpider
	s.Name, s.Revisit = "manual", &crawler.Revisit{Policy: revisit.Policy{Every: 24 * time.Hour}, TrackLinks: true}
	return s
}

// process is the command under way.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    bytes.Buffer
	mu     sync.Mutex // guards log
	log    bytes.Buffer
	ended  chan struct{}
	result error
}

// start runs the command in a folder of its own. It is killed when the test ends.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	p.cmd.Stdout = &p.out
	logs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			p.mu.Lock()
			fmt.Fprintln(&p.log, lines.Text())
			p.mu.Unlock()
		}
		p.result = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("lycosa %s\n%s", strings.Join(args, " "), p.stderr())
		}
	})
	return p
}

// run runs the command to its end and checks its exit code.
func run(t *testing.T, exit int, args ...string) *process {
	t.Helper()
	p := start(t, args...)
	p.wait(exit)
	return p
}

func (p *process) wait(exit int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(10 * time.Minute): // no measure of speed: a busy machine may need many times what a quiet one does
		p.t.Fatalf("%v does not end", p.cmd.Args[1:])
	}
	if got := p.cmd.ProcessState.ExitCode(); got != exit {
		p.t.Fatalf("%v: exit code %d, want %d\n%s", p.cmd.Args[1:], got, exit, p.stderr())
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// summary is what --json says at the end.
type summary struct {
	State     string           `json:"state"`
	Exit      int              `json:"exit"`
	Pages     int64            `json:"pages"`
	Items     int64            `json:"items"`
	Dead      int64            `json:"dead"`
	DeadLinks int64            `json:"dead_links"`
	Seen      int64            `json:"seen"`
	Outcomes  map[string]int64 `json:"outcomes"`
	Visits    map[string]int64 `json:"visits"`
}

func (p *process) summary() summary {
	p.t.Helper()
	lines := strings.Split(strings.TrimSpace(p.stderr()), "\n")
	var s summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		p.t.Fatalf("the last line of standard error is no summary: %v\n%s", err, p.stderr())
	}
	return s
}

// readItems reads items of JSON lines files by kind and key; one key in two files is two workers' work.
func readItems(t *testing.T, files ...string) (items map[string]json.RawMessage, twice []string) {
	t.Helper()
	items = make(map[string]json.RawMessage)
	for _, file := range files {
		lines, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for dec := json.NewDecoder(bytes.NewReader(lines)); dec.More(); {
			var raw json.RawMessage
			var meta struct {
				Meta struct{ Kind, Key string } `json:"_meta"`
			}
			if err := dec.Decode(&raw); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if err := json.Unmarshal(raw, &meta); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			key := meta.Meta.Kind + " " + meta.Meta.Key
			if _, ok := items[key]; ok {
				twice = append(twice, key)
			}
			items[key] = raw
		}
	}
	return items, twice
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // other processes work
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no go.mod above the test")
	return ""
}
