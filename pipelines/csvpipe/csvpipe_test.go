package csvpipe_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/csvpipe"
	"github.com/lycosa-crawl/lycosa/pipelines/pipetest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestSuite(t *testing.T) {
	t.Parallel()
	pipetest.Run(t, func(t *testing.T) pipetest.Harness {
		dir := filepath.Join(t.TempDir(), "out")
		return pipetest.Harness{
			Open: func(t *testing.T) pipelines.Pipeline { return open(t, filepath.Join(dir, "items.csv")) },
			Read: func(t *testing.T) []pipetest.Stored { return readAll(t, dir) },
			Dead: func(t *testing.T) int {
				data, err := os.ReadFile(filepath.Join(dir, "items.dead.jsonl"))
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				return strings.Count(string(data), "\n")
			},
			Text:   true,
			Shared: true,
		}
	})
}

func open(t *testing.T, path string) *csvpipe.Pipeline {
	t.Helper()
	p, err := csvpipe.Open(t.Context(), path, csvpipe.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cells reads a file by encoding/csv, which takes \r\n within a cell for \n: so \r\n is hidden from it.
func cells(t *testing.T, path string) [][]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const hidden = "\x01cr\x01"
	in := csv.NewReader(strings.NewReader(strings.ReplaceAll(string(data), "\r", hidden)))
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], hidden, "\r")
		}
	}
	return rows
}

func readAll(t *testing.T, dir string) []pipetest.Stored {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	last := make(map[pipelines.ID]pipetest.Stored)
	for _, path := range paths {
		rows := cells(t, path)
		for i := range rows {
			if i == 0 {
				continue
			}
			stored := decode(t, rows[0], rows[i])
			last[pipelines.ID{Kind: stored.Kind, Key: stored.Key}] = stored
		}
	}
	var all []pipetest.Stored
	for _, stored := range last {
		all = append(all, stored)
	}
	return all
}

func decode(t *testing.T, header, row []string) pipetest.Stored {
	t.Helper()
	stored := pipetest.Stored{Fields: make(map[string]any)}
	meta := make(map[string]string)
	for i, name := range header {
		if strings.HasPrefix(name, "_") {
			meta[name] = csvpipe.Plain(row[i])
		} else {
			stored.Fields[csvpipe.Plain(name)] = csvpipe.Plain(row[i])
		}
	}
	stored.Kind, stored.Key, stored.URL, stored.Crawl = meta["_kind"], meta["_key"], meta["_url"], meta["_crawl"]
	if at := meta["_fetched_at"]; at != "" {
		var err error
		if stored.FetchedAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
			t.Fatal(err)
		}
	}
	if more := meta["_more"]; more != "" {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(more), &fields); err != nil {
			t.Fatal(err)
		}
		for name, raw := range fields {
			text := string(raw)
			_ = json.Unmarshal(raw, &text) // other than strings stay JSON
			stored.Fields[name] = text
		}
	}
	return stored
}

func row(kind, key string, value any) pipelines.Item {
	return pipelines.Item{Kind: kind, Key: key, Value: value}
}

func process(t *testing.T, p pipelines.Pipeline, items ...pipelines.Item) {
	t.Helper()
	if err := p.Process(t.Context(), items); err != nil {
		t.Fatal(err)
	}
}

func TestFormulasAreMadeHarmlessAndNumbersAreNot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.csv")
	p := open(t, path)
	type value struct {
		Text any `json:"=text"`
	}
	texts := map[any]string{
		"=HYPERLINK(1)": "'=HYPERLINK(1)", "+cmd": "'+cmd", "-2+3": "'-2+3", "@SUM(1)": "'@SUM(1)", "\t=1": "'\t=1", "\r=1": "'\r=1",
		"'=1": "''=1", "'tis": "'tis", "plain": "plain", "": "", "a=b": "a=b",
		"-5": "-5", "+3.2": "+3.2", "-1e9": "-1e9", "-": "'-", "-5 EUR": "'-5 EUR",
		-5: "-5", -2.5: "-2.5", true: "true",
	}
	for text := range texts {
		process(t, p, row("thing", fmt.Sprintf("=%v", text), value{text}))
	}
	rows := cells(t, path)
	if rows[0][0] != "'=text" {
		t.Errorf("the header says %q, want '=text", rows[0][0])
	}
	got := make(map[string]string)
	for _, r := range rows[1:] {
		got[r[2]] = r[0]
	}
	for text, want := range texts {
		if key := fmt.Sprintf("'=%v", text); got[key] != want {
			t.Errorf("%q stands in a cell as %q, want %q", text, got[key], want)
		}
		if s, ok := text.(string); ok && csvpipe.Plain(want) != s {
			t.Errorf("Plain(%q) = %q, want %q", want, csvpipe.Plain(want), s)
		}
	}
}

func TestLaterFieldsGoIntoMore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.csv")
	p := open(t, path)
	process(t, p, row("thing", "1", map[string]any{"a": 1}), row("thing", "2", map[string]any{"b": 2}))
	process(t, p, row("thing", "3", map[string]any{"c": []int{3}, "a": 4, "_key": "x", "_more": "y"}))
	copied := row("thing", "4", map[string]any{"a": 1, "c": 2})
	copied.Source.DuplicateOf = "https://a.example/first"
	process(t, p, copied)
	got := cells(t, path)
	want := [][]string{
		{"a", "b", "_kind", "_key", "_url", "_crawl", "_fetched_at", "_more"},
		{"1", "", "thing", "1", "", "", "", ""},
		{"", "2", "thing", "2", "", "", "", ""},
		{"4", "", "thing", "3", "", "", "", `{"_key":"x","_more":"y","c":[3]}`},
		{"1", "", "thing", "4", "", "", "", `{"_duplicate_of":"https://a.example/first","c":2}`},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the file holds %q\nwant %q", got, want)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = open(t, path)
	process(t, p, row("thing", "3", map[string]any{"c": []int{3}, "a": 4, "_key": "x", "_more": "y"}))
	if got := p.Stats(); got != (pipelines.Stats{Same: 1}) {
		t.Errorf("stats after reopening are %+v", got)
	}
}

func TestEachKindHasAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := open(t, filepath.Join(dir, "items.csv")), open(t, filepath.Join(dir, "items.csv"))
	process(t, first, row("book", "1", map[string]any{"title": "One"}))
	process(t, second, row("author", "1", map[string]any{"name": "Ann"})) // learns only now whose items.csv is
	if got := cells(t, filepath.Join(dir, "items.csv")); len(got) != 2 || got[0][0] != "title" {
		t.Errorf("items.csv holds %q", got)
	}
	if got := cells(t, filepath.Join(dir, "items.author.csv")); len(got) != 2 || got[0][0] != "name" {
		t.Errorf("items.author.csv holds %q", got)
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"foreign header": "title,price\nOne,1\n",
		"torn header":    "title,_kind,_key,_url,_crawl,_fetched_at\n",
		"ragged row":     "title,_kind,_key,_url,_crawl,_fetched_at,_more\nOne,book,1\n",
		"bad quotes":     "\"title\"x,_kind,_key,_url,_crawl,_fetched_at,_more\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "items.csv")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := csvpipe.Open(t.Context(), path, csvpipe.Config{Logger: quiet})
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("open: %v", err)
			}
			if got, _ := os.ReadFile(path); string(got) != text {
				t.Errorf("the file was changed to %q", got)
			}
		})
	}
}

func TestUnfinishedRowIsCutOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "items.csv")
	p := open(t, path)
	items := []pipelines.Item{
		row("thing", "1", map[string]any{"v": "one\nline \"more\""}),
		row("thing", "2", map[string]any{"v": "two\r\nlines\n"}),
	}
	process(t, p, items...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close(t.Context())
	for size := range whole { // a crash may stop a write anywhere
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		p := open(t, path)
		process(t, p, items...)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != string(whole) {
			t.Fatalf("after a crash at byte %d the file holds %q\nwant %q", size, got, whole)
		}
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "csvpipe")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	p, err := csvpipe.Open(ctx, filepath.Join(dir, "items.csv"), csvpipe.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = p.Process(ctx, []pipelines.Item{{
		Kind: "book", Key: "a897", Value: map[string]any{"price": 51.77, "tags": []string{"poetry"}, "title": "=A Light in the Attic"},
		Source: pipelines.Source{URL: "https://books.example/a897", Crawl: "books", FetchedAt: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)},
	}})
	if err := errors.Join(err, p.Close(ctx)); err != nil {
		fmt.Println(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "items.csv"))
	fmt.Print(string(text))
	// Output:
	// price,tags,title,_kind,_key,_url,_crawl,_fetched_at,_more
	// 51.77,"[""poetry""]",'=A Light in the Attic,book,a897,https://books.example/a897,books,2026-01-02T15:04:05Z,
}
