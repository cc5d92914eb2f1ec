package csvpipe

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/internal/itemfile"
)

// metaColumns end every header.
var metaColumns = []string{"_kind", "_key", "_url", "_crawl", "_fetched_at", "_more"}

// maxColumns bounds a header: of a map, a page may choose the names.
const maxColumns = 1000

// table is one file.
type table struct {
	path    string
	file    *itemfile.File
	kind    string         // "" until there is a row
	columns []string       // names of the fields; nil until there is a header
	index   map[string]int // of columns
	known   map[string]pipelines.Digest
}

func openTable(ctx context.Context, path string, logger *slog.Logger) (*table, error) {
	t := &table{path: path, known: make(map[string]pipelines.Digest)}
	var err error
	t.file, err = itemfile.Open(ctx, path, itemfile.Config{
		Quoted:   true,
		Learn:    t.learn,
		Repaired: func(path string, cut int64) { itemfile.LogRepair(logger, path, cut) },
	})
	return t, err
}

// learn notes what a record of the file says.
func (t *table) learn(raw []byte) error {
	cells, err := split(string(raw))
	if err != nil {
		return err
	}
	if t.columns == nil {
		fields := len(cells) - len(metaColumns)
		if fields < 0 || !slices.Equal(cells[fields:], metaColumns) {
			return fmt.Errorf("its header does not end with %s: csvpipe did not write it", strings.Join(metaColumns, ","))
		}
		for i, cell := range cells[:fields] {
			cells[i] = Plain(cell)
		}
		t.setColumns(cells[:fields])
		return nil
	}
	if want := len(t.columns) + len(metaColumns); len(cells) != want {
		return fmt.Errorf("a row has %d cells, the header %d", len(cells), want)
	}
	kind, key := cells[len(t.columns)], Plain(cells[len(t.columns)+1])
	if t.kind == "" {
		t.kind = kind
	}
	t.known[key] = t.digest(cells)
	return nil
}

func (t *table) setColumns(names []string) {
	t.columns = append(make([]string, 0, len(names)), names...)
	t.index = make(map[string]int, len(names))
	for i, name := range t.columns {
		t.index[name] = i
	}
}

// digest covers the cells of the fields and _more.
func (t *table) digest(cells []string) pipelines.Digest {
	var b []byte
	for _, cell := range append(slices.Clone(cells[:len(t.columns)]), cells[len(cells)-1]) {
		b = append(b, cell...)
		b = append(b, 0xff) // not part of UTF-8
	}
	return pipelines.DigestOf(b)
}

// write appends the records that are new or changed. taken is false, and nothing is written, if the file is another
// kind's.
func (t *table) write(ctx context.Context, kind string, records []record, sync bool) (count pipelines.Stats, taken bool, err error) {
	news := make(map[string]pipelines.Digest, len(records))
	var fresh []string // columns, if the file has none yet
	err = t.file.Update(ctx, func() []byte {
		if t.kind != "" && t.kind != kind {
			return nil
		}
		taken = true
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		if t.columns == nil {
			fresh = columnsOf(records)
			t.setColumns(fresh)
			_ = w.Write(header(fresh)) // to memory
		}
		for i := range records {
			row := t.row(&records[i])
			key, digest := records[i].meta.Key, t.digest(row)
			old, seen := news[key]
			if !seen {
				old, seen = t.known[key]
			}
			switch {
			case !seen:
				count.New++
			case old == digest:
				count.Same++
				continue
			default:
				count.Changed++
			}
			news[key] = digest
			_ = w.Write(row) // to memory
		}
		w.Flush()
		return out.Bytes()
	})
	if err == nil && sync {
		err = t.file.Sync()
	}
	if err != nil {
		if fresh != nil {
			t.columns, t.index = nil, nil
		}
		return pipelines.Stats{}, taken, err
	}
	if taken {
		t.kind = kind
	}
	maps.Copy(t.known, news)
	return count, taken, nil
}

// columnsOf returns the names of the records' fields, in the order they appear.
func columnsOf(records []record) []string {
	names := []string{}
	seen := make(map[string]bool)
	for i := range records {
		for _, f := range records[i].fields {
			if len(names) < maxColumns && !seen[f.Name] && !slices.Contains(metaColumns, f.Name) {
				seen[f.Name] = true
				names = append(names, f.Name)
			}
		}
	}
	return names
}

func header(columns []string) []string {
	cells := make([]string, 0, len(columns)+len(metaColumns))
	for _, name := range columns {
		cells = append(cells, harmless(name))
	}
	return append(cells, metaColumns...)
}

func (t *table) row(r *record) []string {
	cells := make([]string, len(t.columns), len(t.columns)+len(metaColumns))
	var more pipelines.Object
	for _, f := range r.fields {
		if i, ok := t.index[f.Name]; ok {
			cells[i] = cell(f.Value)
		} else {
			more = append(more, f)
		}
	}
	cells = append(cells, r.meta.Kind, harmless(r.meta.Key), harmless(r.meta.URL), harmless(r.meta.Crawl))
	fetched, moreText := "", ""
	if !r.meta.FetchedAt.IsZero() {
		fetched = r.meta.FetchedAt.Format(time.RFC3339Nano)
	}
	if r.meta.DuplicateOf != "" { // a column would make a file of old another one
		more = append(more, pipelines.Field{Name: "_duplicate_of", Value: r.meta.DuplicateOf})
	}
	if more != nil {
		slices.SortFunc(more, func(a, b pipelines.Field) int { return strings.Compare(a.Name, b.Name) })
		moreText = string(more.AppendJSON(nil))
	}
	return append(cells, fetched, moreText)
}
