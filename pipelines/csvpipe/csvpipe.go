// Package csvpipe writes items as CSV (RFC 4180, UTF-8, comma, header line), for spreadsheets and data frames.
//
// # Columns
//
// A file has one header, so it holds items of one kind: items.csv those of the kind that came first, items.author.csv
// those of kind author, and so on. The columns are the fields of the first batch of that kind, in order, and then
//
//	_kind _key _url _crawl _fetched_at _more
//
// A field that has no column, because it appeared later or its name is one of these, goes into _more, a JSON
// object. So nothing is lost, and a header never changes. What an item's page is a duplicate of stands there, too, as
// _duplicate_of.
//
// # Cells
//
// Strings stand as they are, numbers and booleans as in JSON, times as RFC 3339, lists and objects as JSON. A null, an
// absent field and an empty string are all an empty cell: whoever must tell them apart wants JSON lines.
//
// A text that a spreadsheet would take for a formula (it starts with =, +, -, @, tab, CR or LF, and is no plain
// number) gets an apostrophe in front, for pages choose what stands in it. So does one that has apostrophes in front of such a
// start already; [Plain] undoes it exactly. Numbers are never touched.
//
// # Appending
//
// Files are appended to, under the rules of package jsonpipe: an item that stands there already with the same
// fields is not written again, a changed one is appended and the last row counts, several processes may share a file, and an
// unfinished last row is cut off. A file whose header csvpipe did not write is refused.
//
// Dead items are kept in items.dead.jsonl.
package csvpipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/internal/itemfile"
)

// Config says how to write. The zero value is the default.
type Config struct {
	// Sync makes Process wait until its rows survive a loss of power (fsync). Default: they are with the operating
	// system.
	Sync bool
	// Logger hears of repaired files and dead items. Default: slog.Default().
	Logger *slog.Logger
}

// Pipeline writes items as CSV.
type Pipeline struct {
	config Config
	path   string

	turn   itemfile.Turn     // guards the following
	main   *table            // the file at path
	others map[string]*table // by kind
	yard   itemfile.Yard
	stats  pipelines.Stats
}

var (
	_ pipelines.Pipeline  = (*Pipeline)(nil)
	_ pipelines.Closer    = (*Pipeline)(nil)
	_ pipelines.Graveyard = (*Pipeline)(nil)
	_ pipelines.Counter   = (*Pipeline)(nil)
)

// Open returns a pipeline that appends to the file at path and to those beside it. Files and folders are created if
// need be.
func Open(ctx context.Context, path string, c Config) (*Pipeline, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	p := &Pipeline{
		config: c,
		path:   path,
		turn:   itemfile.NewTurn(),
		others: make(map[string]*table),
		yard:   itemfile.Yard{Path: itemfile.DeadPath(path), Logger: c.Logger},
	}
	var err error
	p.main, err = openTable(ctx, path, c.Logger)
	return p, err
}

// record is an item on its way to its file.
type record struct {
	meta   pipelines.Meta
	fields pipelines.Object
}

// Process writes the items that are new or changed.
func (p *Pipeline) Process(ctx context.Context, items []pipelines.Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var kinds []string // in the order they came
	byKind := make(map[string][]record)
	var dead []pipelines.DeadItem
	for i := range items {
		item := &items[i]
		fields, err := check(item)
		if err != nil {
			dead = append(dead, pipelines.Bury(*item, err, time.Now()))
			continue
		}
		if byKind[item.Kind] == nil {
			kinds = append(kinds, item.Kind)
		}
		byKind[item.Kind] = append(byKind[item.Kind], record{item.Meta(), fields})
	}
	if len(dead) > 0 {
		if err := p.Bury(ctx, dead...); err != nil {
			return err
		}
	}
	if err := p.turn.Take(ctx); err != nil {
		return err
	}
	defer p.turn.Release()
	for _, kind := range kinds {
		if err := p.write(ctx, kind, byKind[kind]); err != nil {
			return err
		}
	}
	return nil
}

func check(item *pipelines.Item) (pipelines.Object, error) {
	if err := item.Check(); err != nil {
		return nil, err
	}
	return pipelines.Fields(item.Value)
}

// write appends the records, all of one kind, to the file of that kind.
func (p *Pipeline) write(ctx context.Context, kind string, records []record) error {
	t := p.main
	if t.kind != "" && t.kind != kind {
		return p.writeOther(ctx, kind, records)
	}
	count, taken, err := t.write(ctx, kind, records, p.config.Sync)
	if err != nil {
		return err
	}
	if !taken { // another process gave it to its own first kind
		return p.writeOther(ctx, kind, records)
	}
	p.add(count)
	return nil
}

func (p *Pipeline) writeOther(ctx context.Context, kind string, records []record) error {
	t := p.others[kind]
	if t == nil {
		ext := filepath.Ext(p.path)
		path := strings.TrimSuffix(p.path, ext) + "." + kind + ext
		var err error
		if t, err = openTable(ctx, path, p.config.Logger); err != nil {
			return err
		}
		p.others[kind] = t
	}
	count, taken, err := t.write(ctx, kind, records, p.config.Sync)
	if err == nil && !taken {
		err = fmt.Errorf("%s holds items of kind %s, not %s", t.path, t.kind, kind)
	}
	p.add(count)
	return err
}

func (p *Pipeline) add(count pipelines.Stats) {
	p.stats.New += count.New
	p.stats.Changed += count.Changed
	p.stats.Same += count.Same
}

// Bury appends dead items to the file beside, and logs them.
func (p *Pipeline) Bury(ctx context.Context, dead ...pipelines.DeadItem) error {
	if err := p.turn.Take(ctx); err != nil {
		return err
	}
	defer p.turn.Release()
	if err := p.yard.Bury(ctx, dead); err != nil {
		return err
	}
	p.stats.Dead += int64(len(dead))
	return nil
}

// Stats counts since the pipeline was opened.
func (p *Pipeline) Stats() pipelines.Stats {
	_ = p.turn.Take(context.Background())
	defer p.turn.Release()
	return p.stats
}

// Close syncs and closes the files. It waits for a Process that still runs.
func (p *Pipeline) Close(ctx context.Context) error {
	if err := p.turn.Take(ctx); err != nil {
		return err
	}
	defer p.turn.Release()
	errs := []error{p.main.file.Close(), p.yard.Close()}
	for _, t := range p.others {
		errs = append(errs, t.file.Close())
	}
	return errors.Join(errs...)
}
