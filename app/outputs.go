package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/csvpipe"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/pipelines/jsonpipe"
	"github.com/lycosa-crawl/lycosa/pipelines/mongopipe"
)

// outKind is what an --out names.
type outKind int

const (
	outStdout outKind = iota
	outJSON
	outCSV
	outMongo
)

// output is a place for items.
type output struct {
	kind outKind
	dest string // as it was given
}

// String is fit to be shown: no password.
func (o output) String() string {
	if o.kind == outMongo {
		return withoutPassword(o.dest)
	}
	return o.dest
}

type outputs []output

// parseOutputs reads the --out flags. It touches nothing.
func parseOutputs(dests []string) (outputs, error) {
	var all outputs
	seen := make(map[string]bool)
	for _, dest := range dests {
		out, err := parseOutput(dest)
		if err != nil {
			return nil, err
		}
		if seen[out.String()] {
			return nil, usagef("--out %s is given twice", out)
		}
		seen[out.String()] = true
		all = append(all, out)
	}
	return all, nil
}

func parseOutput(dest string) (output, error) {
	scheme, _, isURL := strings.Cut(dest, "://")
	switch {
	case dest == "-":
		return output{outStdout, dest}, nil
	case dest == "":
		return output{}, usagef("--out is empty: want -, FILE.jsonl, FILE.csv or mongodb://HOST/DB")
	case isURL && (scheme == "mongodb" || scheme == "mongodb+srv"):
		return output{outMongo, dest}, nil
	case isURL:
		return output{}, usagef("--out %s: cannot write there; want -, FILE.jsonl, FILE.csv or mongodb://HOST/DB", withoutPassword(dest))
	}
	out := output{dest: dest}
	switch ext := strings.ToLower(filepath.Ext(dest)); ext {
	case ".jsonl", ".ndjson":
		out.kind = outJSON
	case ".csv":
		out.kind = outCSV
	default:
		return output{}, usagef("--out %s: a file ends in .jsonl or .csv", dest)
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() {
		return output{}, usagef("--out %s is a folder", dest)
	}
	if info, err := os.Stat(filepath.Dir(dest)); err == nil && !info.IsDir() {
		return output{}, usagef("--out %s: %s is no folder", dest, filepath.Dir(dest))
	}
	return out, nil
}

func (all outputs) has(kind outKind) bool {
	for _, o := range all {
		if o.kind == kind {
			return true
		}
	}
	return false
}

// names returns what the outputs are shown as.
func (all outputs) names() []string {
	names := make([]string, len(all))
	for i, o := range all {
		names[i] = o.String()
	}
	return names
}

// tracked returns pipe, or one that knows what it was given before, if the crawl comes again and pipe does not know: the
// items are then kept in the crawl's folder as well, and pipe gets those that are new or have changed.
func (j *job) tracked(place *place, pipe pipelines.Pipeline, log *slog.Logger) (pipelines.Pipeline, error) {
	if _, knows := pipe.(pipelines.Tracker); knows || j.spider.Revisit == nil {
		return pipe, nil
	}
	if place.shared() {
		log.Warn("no feed of changes is kept: each visit of a page writes its items anew; -o mongodb://HOST/DB keeps one", "crawl", j.crawl)
		return pipe, nil
	}
	store, err := filestore.Open(place.itemStore(j.crawl), filestore.Config{History: j.spider.Revisit.History, NoFeed: j.spider.Revisit.NoFeed, Logger: log})
	switch {
	case errors.Is(err, filestore.ErrInUse):
		err = fmt.Errorf("crawl %s in %s is in use by another process; with --redis several can share it", j.crawl, place.dir)
		fallthrough
	case err != nil:
		return nil, errors.Join(err, closePipe(context.Background(), pipe))
	}
	return pipelines.Tracked(store, pipe), nil
}

// itemStore is the file that the items of a crawl in a folder are kept in, if it comes again.
func (p *place) itemStore(crawl string) string { return filepath.Join(p.folder(crawl), changesFile) }

// open opens the outputs: those that can be away first, so that nothing is created if one is. keep says how much those keep
// that keep revisions; nil: the default.
func (all outputs) open(ctx context.Context, stdout io.Writer, keep *crawler.Revisit, log *slog.Logger) (pipelines.Pipeline, error) {
	pipes := make([]pipelines.Pipeline, len(all))
	for _, remote := range []bool{true, false} {
		for i, o := range all {
			if (o.kind == outMongo) != remote {
				continue
			}
			var err error
			if pipes[i], err = o.open(ctx, stdout, keep, log); err != nil {
				return nil, errors.Join(err, closePipes(context.WithoutCancel(ctx), pipes))
			}
		}
	}
	if len(pipes) == 1 {
		return pipes[0], nil
	}
	return pipelines.Tee(pipes...), nil
}

func closePipes(ctx context.Context, pipes []pipelines.Pipeline) error {
	var errs []error
	for _, p := range pipes {
		errs = append(errs, closePipe(ctx, p))
	}
	return errors.Join(errs...)
}

func closePipe(ctx context.Context, p pipelines.Pipeline) error {
	if closer, ok := p.(pipelines.Closer); ok {
		return closer.Close(ctx)
	}
	return nil
}

func (o output) open(ctx context.Context, stdout io.Writer, keep *crawler.Revisit, log *slog.Logger) (p pipelines.Pipeline, err error) {
	switch o.kind {
	case outStdout:
		return jsonpipe.New(stdout, jsonpipe.Config{Logger: log}), nil
	case outMongo:
		c := mongopipe.Config{URI: o.dest, Logger: log}
		if keep != nil {
			c.History, c.NoFeed = keep.History, keep.NoFeed
		}
		p, err = mongopipe.New(ctx, c)
		if err != nil && ctx.Err() == nil && !errors.Is(err, pipelines.ErrUnavailable) {
			err = usagef("--out: %w", err)
		}
	case outCSV:
		p, err = csvpipe.Open(ctx, o.dest, csvpipe.Config{Logger: log})
		err = o.cannot(ctx, err)
	default:
		p, err = jsonpipe.Open(ctx, o.dest, jsonpipe.Config{Logger: log})
		err = o.cannot(ctx, err)
	}
	if err != nil {
		return nil, err // and no pipeline: a nil one in an interface would not be nil
	}
	return p, nil
}

// cannot makes an error of a file one of the item store.
func (o output) cannot(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %s: %w", pipelines.ErrUnavailable, o, err)
}
