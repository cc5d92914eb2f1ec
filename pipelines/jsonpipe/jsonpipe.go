// Package jsonpipe writes items as JSON lines: to a file, or to any [io.Writer] such as standard output.
//
// A line holds the item's own fields, and "_meta" as the last one:
//
//	{"upc":"a897fe39b1053632","price":51.77,"_meta":{"kind":"book","key":"a897fe39b1053632","url":"https://...","crawl":"books","fetched_at":"2026-01-02T15:04:05Z"}}
//
// # One item, one line
//
// The file is appended to, never rewritten. An item that stands in it already with the same fields is not written
// again, whatever its URL, crawl and time: so what a crash repeats leaves no trace. An item whose fields
// changed is appended, and of several lines with the same kind and key the last one counts.
//
// To know what stands there, Open reads the file. It keeps 32 bytes an item, which with the map around them
// come to some 70 bytes: about 70 MB for a million items.
//
// Several processes may append to one file, if it is on a local disk of a Unix system.
//
// # What survives what
//
// When Process returns, the lines are with the operating system: they survive a kill -9 of the process, and not a
// loss of power, unless [Config].Sync is set. An unfinished last line, which a crash may leave, is cut off
// when the file is opened next, and logged.
//
// # Dead items
//
// An item that cannot be written (it does not encode, say) is appended to a file beside, items.dead.jsonl for
// items.jsonl, as a [pipelines.DeadItem]. Beside a writer there is no place: the log has to do.
package jsonpipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/internal/itemfile"
)

// Config says how to write. The zero value is the default.
type Config struct {
	// Sync makes Process wait until its lines survive a loss of power (fsync). Default: they are with the
	// operating system.
	Sync bool
	// Logger hears of repaired files and dead items. Default: slog.Default().
	Logger *slog.Logger
}

// Pipeline writes items as JSON lines.
type Pipeline struct {
	config Config
	out    io.Writer      // nil, or
	file   *itemfile.File // nil

	turn  itemfile.Turn                         // guards out and file, and the following
	known map[pipelines.Digest]pipelines.Digest // kind and key -> fields
	yard  itemfile.Yard
	stats pipelines.Stats
}

var (
	_ pipelines.Pipeline  = (*Pipeline)(nil)
	_ pipelines.Closer    = (*Pipeline)(nil)
	_ pipelines.Graveyard = (*Pipeline)(nil)
	_ pipelines.Counter   = (*Pipeline)(nil)
)

// New returns a pipeline that writes to w, one Write a batch. It never closes w. An error of w is final for the
// batch, part of which may have been written.
func New(w io.Writer, c Config) *Pipeline {
	p := build(c)
	p.out = w
	return p
}

// Open returns a pipeline that appends to the file at path. File and folders are created if need be.
func Open(ctx context.Context, path string, c Config) (*Pipeline, error) {
	p := build(c)
	p.yard.Path = itemfile.DeadPath(path)
	file, err := itemfile.Open(ctx, path, itemfile.Config{Learn: p.learn, Repaired: p.repaired})
	if err != nil {
		return nil, err
	}
	p.file = file
	return p, nil
}

func build(c Config) *Pipeline {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Pipeline{
		config: c,
		turn:   itemfile.NewTurn(),
		known:  make(map[pipelines.Digest]pipelines.Digest),
		yard:   itemfile.Yard{Logger: c.Logger},
	}
}

// line is an item on its way to the file.
type line struct {
	id     pipelines.Digest
	fields pipelines.Digest
	text   []byte
}

// Process writes the items that are new or changed.
func (p *Pipeline) Process(ctx context.Context, items []pipelines.Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lines := make([]line, 0, len(items))
	var dead []pipelines.DeadItem
	for i := range items {
		l, err := encode(&items[i])
		if err != nil {
			dead = append(dead, pipelines.Bury(items[i], err, time.Now()))
			continue
		}
		lines = append(lines, l)
	}
	if len(dead) > 0 {
		if err := p.Bury(ctx, dead...); err != nil {
			return err
		}
	}
	return p.write(ctx, lines)
}

func encode(item *pipelines.Item) (line, error) {
	if err := item.Check(); err != nil {
		return line{}, err
	}
	fields, err := pipelines.Fields(item.Value)
	if err != nil {
		return line{}, err
	}
	meta, err := metaJSON(item.Meta())
	if err != nil {
		return line{}, err
	}
	text := fields.AppendJSON(nil)
	text = text[:len(text)-1]
	if len(fields) > 0 {
		text = append(text, ',')
	}
	text = append(text, `"_meta":`...)
	text = append(text, meta...)
	text = append(text, "}\n"...)
	return line{id: idOf(item.Kind, item.Key), fields: fields.Digest(), text: text}, nil
}

func metaJSON(meta pipelines.Meta) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(meta)
	return bytes.TrimSpace(buf.Bytes()), err
}

func idOf(kind, key string) pipelines.Digest { return pipelines.DigestOf([]byte(kind + "\x00" + key)) }

// write appends the lines whose items are not known with the same fields.
func (p *Pipeline) write(ctx context.Context, lines []line) error {
	if len(lines) == 0 {
		return nil
	}
	if err := p.turn.Take(ctx); err != nil {
		return err
	}
	defer p.turn.Release()
	var news map[pipelines.Digest]pipelines.Digest
	var count pipelines.Stats
	choose := func() (data []byte) {
		news, count = make(map[pipelines.Digest]pipelines.Digest, len(lines)), pipelines.Stats{}
		for _, l := range lines {
			old, seen := news[l.id]
			if !seen {
				old, seen = p.known[l.id]
			}
			switch {
			case !seen:
				count.New++
			case old == l.fields:
				count.Same++
				continue
			default:
				count.Changed++
			}
			news[l.id] = l.fields
			data = append(data, l.text...)
		}
		return data
	}
	if err := p.append(ctx, choose); err != nil {
		return err
	}
	maps.Copy(p.known, news)
	p.stats.New += count.New
	p.stats.Changed += count.Changed
	p.stats.Same += count.Same
	return nil
}

func (p *Pipeline) append(ctx context.Context, choose func() []byte) error {
	if p.file == nil {
		data := choose()
		if len(data) == 0 {
			return nil
		}
		_, err := p.out.Write(data)
		return err
	}
	if err := p.file.Update(ctx, choose); err != nil {
		return err
	}
	if p.config.Sync {
		return p.file.Sync()
	}
	return nil
}

// learn notes an item that stands in the file. Lines that are not ours are left alone.
func (p *Pipeline) learn(record []byte) error {
	o, err := pipelines.ParseObject(record)
	if err != nil || len(o) == 0 || o[len(o)-1].Name != "_meta" {
		return nil //nolint:nilerr // somebody else's line
	}
	meta, _ := o[len(o)-1].Value.(pipelines.Object)
	kind, _ := meta.Lookup("kind")
	key, _ := meta.Lookup("key")
	kindText, isKind := kind.(string)
	keyText, isKey := key.(string)
	if isKind && isKey {
		p.known[idOf(kindText, keyText)] = o[:len(o)-1].Digest()
	}
	return nil
}

func (p *Pipeline) repaired(path string, cut int64) {
	itemfile.LogRepair(p.config.Logger, path, cut)
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
	if p.file == nil {
		return nil
	}
	return errors.Join(p.file.Close(), p.yard.Close())
}
