package jsonpipe_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/jsonpipe"
	"github.com/lycosa-crawl/lycosa/pipelines/pipetest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestSuite(t *testing.T) {
	t.Parallel()
	pipetest.Run(t, func(t *testing.T) pipetest.Harness {
		path := filepath.Join(t.TempDir(), "out", "items.jsonl")
		return pipetest.Harness{
			Open:   func(t *testing.T) pipelines.Pipeline { return open(t, path, quiet) },
			Read:   func(t *testing.T) []pipetest.Stored { return read(t, path) },
			Dead:   func(t *testing.T) int { return len(lines(t, strings.TrimSuffix(path, ".jsonl")+".dead.jsonl")) },
			Shared: true,
		}
	})
}

func TestSyncedLinesAreWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.jsonl")
	p, err := jsonpipe.Open(t.Context(), path, jsonpipe.Config{Sync: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1)}); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 1 {
		t.Errorf("the file holds %q", got)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, logger *slog.Logger) *jsonpipe.Pipeline {
	t.Helper()
	p, err := jsonpipe.Open(t.Context(), path, jsonpipe.Config{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lines(t *testing.T, path string) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, len(data)+1)
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	return lines
}

func read(t *testing.T, path string) []pipetest.Stored {
	t.Helper()
	last := make(map[pipelines.ID]pipetest.Stored)
	for _, line := range lines(t, path) {
		dec := json.NewDecoder(strings.NewReader(line))
		dec.UseNumber()
		var stored pipetest.Stored
		if err := dec.Decode(&stored.Fields); err != nil {
			t.Fatalf("%.100s: %v", line, err)
		}
		raw, _ := json.Marshal(stored.Fields["_meta"])
		if err := json.Unmarshal(raw, &stored.Meta); err != nil {
			t.Fatal(err)
		}
		delete(stored.Fields, "_meta")
		last[pipelines.ID{Kind: stored.Kind, Key: stored.Key}] = stored
	}
	var all []pipetest.Stored
	for _, stored := range last {
		all = append(all, stored)
	}
	return all
}

func thing(key string, value any) pipelines.Item {
	return pipelines.Item{Kind: "thing", Key: key, Value: map[string]any{"v": value}}
}

func TestRepeatedItemAddsNoLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.jsonl")
	for range 3 {
		p := open(t, path, quiet)
		if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1), thing("b", 2.0), thing("c", time.Unix(1, 5).UTC())}); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, path); len(got) != 3 {
		t.Errorf("the file holds %d lines, want 3: %q", len(got), got)
	}
}

func TestUnfinishedLineIsCutOffAndLogged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.jsonl")
	p := open(t, path, quiet)
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1), thing("b", 2)}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-9); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	_ = p.Close(t.Context())
	var log bytes.Buffer
	p = open(t, path, slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), "unfinished") {
		t.Errorf("nothing was logged: %q", log.String())
	}
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1), thing("b", 2)}); err != nil {
		t.Fatal(err)
	}
	if got := p.Stats(); got != (pipelines.Stats{New: 1, Same: 1}) {
		t.Errorf("stats are %+v: b is new again, a is not", got)
	}
	if got := read(t, path); len(got) != 2 {
		t.Errorf("%d items, want 2", len(got))
	}
}

func TestForeignLinesAreLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.jsonl")
	const foreign = "# a comment\n{\"a\":1}\n\n{\"_meta\":5}\n[1,2]\n"
	if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, path, quiet)
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1)}); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if !strings.HasPrefix(string(got), foreign) || strings.Count(string(got), "\n") != 6 {
		t.Errorf("the file holds %q", got)
	}
}

// calls is a writer that notes each call.
type calls struct {
	texts []string
	err   error
}

func (c *calls) Write(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.texts = append(c.texts, string(b))
	return len(b), nil
}

func TestWriterGetsABatchInOneWrite(t *testing.T) {
	t.Parallel()
	w := &calls{}
	p := jsonpipe.New(w, jsonpipe.Config{Logger: quiet})
	item := pipelines.Item{
		Kind: "book", Key: "k<1>", Value: struct {
			Zeta  string `json:"zeta"`
			Alpha int    `json:"alpha"`
		}{"a&b", 1},
		Source: pipelines.Source{URL: "https://a.example/?x=1&y=2", Crawl: "books", FetchedAt: time.Unix(0, 0)},
	}
	copied := thing("b", 2)
	copied.Source.DuplicateOf = "https://a.example/?first&y"
	if err := p.Process(t.Context(), []pipelines.Item{item, copied, item, {Kind: "book"}}); err != nil {
		t.Fatal(err)
	}
	want := `{"zeta":"a&b","alpha":1,"_meta":{"kind":"book","key":"k<1>","url":"https://a.example/?x=1&y=2","crawl":"books","fetched_at":"1970-01-01T00:00:00Z"}}
{"v":2,"_meta":{"kind":"thing","key":"b","url":"","crawl":"","duplicate_of":"https://a.example/?first&y"}}
`
	if len(w.texts) != 1 || w.texts[0] != want {
		t.Errorf("written: %q\nwant: %q", w.texts, want)
	}
	if got := p.Stats(); got != (pipelines.Stats{New: 2, Same: 1, Dead: 1}) {
		t.Errorf("stats are %+v", got)
	}
}

func TestFailedWriteIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := &calls{err: io.ErrClosedPipe}
	p := jsonpipe.New(w, jsonpipe.Config{Logger: quiet})
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1)}); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("process: %v", err)
	}
	w.err = nil
	if err := p.Process(t.Context(), []pipelines.Item{thing("a", 1)}); err != nil || len(w.texts) != 1 {
		t.Errorf("the item was not written the second time: %v, %q", err, w.texts)
	}
}

func TestFolderThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := jsonpipe.Open(t.Context(), filepath.Join(path, "items.jsonl"), jsonpipe.Config{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v", err)
	}
}

func ExampleNew() {
	p := jsonpipe.New(os.Stdout, jsonpipe.Config{})
	err := p.Process(context.Background(), []pipelines.Item{{
		Kind: "book", Key: "a897", Value: map[string]any{"title": "A Light in the Attic", "price": 51.77},
		Source: pipelines.Source{URL: "https://books.example/a897", Crawl: "books", FetchedAt: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)},
	}})
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"price":51.77,"title":"A Light in the Attic","_meta":{"kind":"book","key":"a897","url":"https://books.example/a897","crawl":"books","fetched_at":"2026-01-02T15:04:05Z"}}
}
