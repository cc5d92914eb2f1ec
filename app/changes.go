package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/pipelines/forward"
	"github.com/lycosa-crawl/lycosa/pipelines/forward/redisstream"
	"github.com/lycosa-crawl/lycosa/pipelines/mongopipe"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// changesFile is where a crawl without a MongoDB keeps what it knows of its pages and items, in its folder.
const changesFile = "changes.db"

// pageKind is what --kind calls pages.
const pageKind = "page"

// changesOptions are the flags of changes.
type changesOptions struct {
	since  string
	kinds  []string
	follow bool
	to     string
	cursor string
}

func (p *program) changesCommand() *cobra.Command {
	var o options
	var c changesOptions
	cmd := &cobra.Command{
		Use:   "changes CRAWL [flags]",
		Short: "Show what recrawls found: new, changed, gone, back",
		Long: `Show the feed of changes of a crawl that comes again: which pages and items are new,
changed (and which fields, from what to what), gone or back. One line each, in the
order in which they were recorded; --json writes one object a line.

The feed is read from the MongoDB that --out names, or else from the crawl's folder,
which a crawl in this moment keeps to itself: --follow waits for its end.

--to sends it on instead: to a webhook, which gets batches of JSON lines by POST, or to a
Redis stream. --cursor NAME remembers how far that came, so that the next run goes on
there; each change arrives at least once.`,
		Example: `  lycosa changes books
  lycosa changes books --since 2d --kind book
  lycosa changes books -o mongodb://localhost/shop --since 2026-01-02T15:04:05Z --json
  lycosa changes books --cursor daily           what is new since the last time
  lycosa changes books -o mongodb://localhost/shop --follow --to https://example.com/hook --cursor hook
  lycosa changes books --to redis://localhost/0/book-changes --cursor stream`,
		Args: argRange(0, 1, "CRAWL"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.changes(cmd, &o, &c, args) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.out, "out", "o", nil, "the mongodb://HOST/DB that the crawl writes to [$LYCOSA_OUT]; absent: DIR/CRAWL")
	f.StringVar(&o.dir, "dir", defaultDir, "folder of crawls kept without a server [$LYCOSA_DIR]")
	f.StringVar(&o.crawl, "crawl", "", "name of the crawl, in place of CRAWL")
	f.StringVar(&c.since, "since", "", "only what was recorded since: a time (2026-01-02T15:04:05Z, 2026-01-02), a duration back from now (24h, 2d), or behind a cursor (1234)")
	f.StringArrayVar(&c.kinds, "kind", nil, "only items of this kind, repeatable; "+pageKind+" is for pages")
	f.BoolVar(&c.follow, "follow", false, "at the end, wait for more")
	f.StringVar(&c.to, "to", "", "send it there: https://HOST/PATH, or redis://HOST[/DB]/STREAM[?maxlen=N]")
	f.StringVar(&c.cursor, "cursor", "", "go on where the run with this name ended, and remember where this one does")
	o.logFlags(f)
	f.BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	return cmd
}

func (p *program) changes(cmd *cobra.Command, o *options, c *changesOptions, args []string) error {
	ctx := cmd.Context()
	if err := o.settle(cmd, p.getenv); err != nil {
		return err
	}
	crawl, err := o.crawlArg(args)
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	log := p.logger(o)
	source, err := openChanges(ctx, o, c, crawl, log, cmd.Flags().Changed("out"))
	if err != nil {
		return err
	}
	defer source.close()
	config := forward.Config{
		Feed: source.feed, Follow: c.follow, Logger: log,
		Keep: func(change *pipelines.Change) bool { return change.Crawl == crawl && c.wants(change) },
	}
	if c.cursor != "" {
		config.Bookmarks, config.Name = source.bookmarks, crawl+"."+c.cursor
	}
	if config.From, err = c.from(ctx, source.feed, time.Now()); err != nil {
		return source.explain(err)
	}
	if c.to == "" {
		config.Sink = changePrinter{out: p.out, json: o.json}
		_, err := forward.Run(ctx, config)
		return source.explain(err)
	}
	sink, closeSink, err := c.sink(ctx)
	if err != nil {
		return err
	}
	defer closeSink()
	config.Sink = sink
	sent, err := forward.Run(ctx, config)
	log.Info("changes were sent", "crawl", crawl, "to", withoutPassword(c.to), "changes", sent)
	return source.explain(err)
}

func (c *changesOptions) check() error {
	if c.cursor != "" {
		if err := checkCrawlName("--cursor", c.cursor); err != nil {
			return err
		}
	}
	for _, kind := range c.kinds {
		if err := (&pipelines.Item{Kind: kind, Key: "k"}).Check(); err != nil {
			return usagef("--kind %q: want the kind of an item, or %s", kind, pageKind)
		}
	}
	if c.to == "" {
		return nil
	}
	scheme, _, _ := strings.Cut(c.to, "://")
	switch scheme {
	case "http", "https":
		if u, err := url.Parse(c.to); err != nil || u.Host == "" {
			return usagef("--to %s is no URL", withoutPassword(c.to))
		}
	case "redis", "rediss", "redis+sentinel", "rediss+sentinel":
		if _, _, _, err := parseStream(c.to); err != nil {
			return err
		}
	default:
		return usagef("--to %s: want https://HOST/PATH or redis://HOST/STREAM", withoutPassword(c.to))
	}
	return nil
}

func (c *changesOptions) wants(change *pipelines.Change) bool {
	return len(c.kinds) == 0 || slices.Contains(c.kinds, change.Kind) || change.IsPage() && slices.Contains(c.kinds, pageKind)
}

// from is the place that --since names.
func (c *changesOptions) from(ctx context.Context, feed pipelines.Feed, now time.Time) (pipelines.Cursor, error) {
	if c.since == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(c.since, 10, 64); err == nil && n >= 0 {
		return pipelines.Cursor(n), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, c.since); err == nil {
		return feed.Since(ctx, at)
	}
	if at, err := time.ParseInLocation(time.DateOnly, c.since, time.Local); err == nil {
		return feed.Since(ctx, at)
	}
	if back, err := parseDuration(c.since); err == nil && back >= 0 {
		return feed.Since(ctx, now.Add(-back))
	}
	return 0, usagef("--since %q: want a time like 2026-01-02T15:04:05Z, a duration like 24h or 2d, or a cursor", c.since)
}

// changesSource is where the feed of a crawl is.
type changesSource struct {
	feed      pipelines.Feed
	bookmarks pipelines.Bookmarks
	crawl     string
	close     func()
}

func openChanges(ctx context.Context, o *options, c *changesOptions, crawl string, log *slog.Logger, asked bool) (*changesSource, error) {
	outs, err := parseOutputs(o.out)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(outs, func(out output) bool { return out.kind == outMongo })
	if at < 0 && asked {
		return nil, usagef("--out %s: changes are kept in a mongodb://HOST/DB, or without --out in the crawl's folder", outs[0])
	}
	if at >= 0 {
		p, err := mongopipe.New(ctx, mongopipe.Config{URI: outs[at].dest, Logger: log})
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, pipelines.ErrUnavailable) {
				err = usagef("--out: %w", err)
			}
			return nil, err
		}
		return &changesSource{feed: p, bookmarks: p, crawl: crawl, close: func() { _ = p.Close(context.WithoutCancel(ctx)) }}, nil
	}
	path := filepath.Join(o.dir, crawl, changesFile)
	if _, err := os.Stat(path); err != nil && !c.follow {
		return nil, usagef("crawl %s in %s has no changes: its spider does not come again, or it writes to a MongoDB (see -o)", crawl, o.dir)
	}
	var feed pipelines.Feed = filestore.NewReader(path)
	if c.follow {
		feed = &patientFeed{Feed: feed, log: log}
	}
	return &changesSource{
		feed: feed, bookmarks: forward.FileBookmarks{Dir: filepath.Join(o.dir, crawl, "cursors")}, crawl: crawl, close: func() {},
	}, nil
}

// explain says what to do about an error of the feed.
func (s *changesSource) explain(err error) error {
	switch {
	case errors.Is(err, filestore.ErrInUse):
		return fmt.Errorf("the changes of crawl %s are in use by a crawl that runs: try again when it has ended, or --follow", s.crawl)
	case errors.Is(err, context.Canceled):
		return &exitError{code: exitInterrupted} // that is how --follow ends
	}
	return err
}

// patientFeed waits for a file that a crawl has open, instead of failing.
type patientFeed struct {
	pipelines.Feed

	log *slog.Logger
}

// Changes shows nothing while the file is in use: Wait comes next, and waits for its end.
func (f *patientFeed) Changes(ctx context.Context, after pipelines.Cursor, yield func(pipelines.Change) bool) error {
	err := f.Feed.Changes(ctx, after, yield)
	if errors.Is(err, filestore.ErrInUse) {
		f.log.Info("a crawl is running: its changes show when it has ended")
		return nil
	}
	return err
}

// Since waits for the end of the crawl.
func (f *patientFeed) Since(ctx context.Context, t time.Time) (pipelines.Cursor, error) {
	for said := false; ; said = true {
		at, err := f.Feed.Since(ctx, t)
		if !errors.Is(err, filestore.ErrInUse) {
			return at, err
		}
		if !said {
			f.log.Info("a crawl is running: its changes show when it has ended")
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// sink opens what --to names.
func (c *changesOptions) sink(ctx context.Context) (forward.Sink, func(), error) {
	if strings.HasPrefix(c.to, "http") {
		return &forward.Webhook{URL: c.to, UserAgent: "lycosa/" + buildVersion().Version}, func() {}, nil
	}
	server, stream, most, err := parseStream(c.to)
	if err != nil {
		return nil, nil, err
	}
	if _, err := redisfrontier.Options(server); err != nil {
		return nil, nil, usagef("--to: %w", err)
	}
	silenceRedis()
	client, err := redisfrontier.Dial(ctx, server)
	if err != nil {
		return nil, nil, err
	}
	kind, err := client.Type(ctx, stream).Result()
	if err == nil && kind != "none" && kind != "stream" {
		err = usagef("--to %s: the key %s holds a %s, not a stream", withoutPassword(c.to), stream, kind)
	}
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return redisstream.New(client, stream, most), func() { closeRedis(client) }, nil
}

func closeRedis(client redis.UniversalClient) { _ = client.Close() }

// parseStream takes redis://HOST[/DB]/STREAM[?maxlen=N] apart. server is what is left without the last two.
func parseStream(to string) (server, stream string, most int64, err error) {
	rest, query, _ := strings.Cut(to, "?")
	wrong := usagef("--to %s: want redis://HOST[/DB]/STREAM[?maxlen=N]", withoutPassword(to))
	scheme, path, _ := strings.Cut(rest, "://")
	slash := strings.LastIndexByte(path, '/')
	if slash <= 0 || slash == len(path)-1 {
		return "", "", 0, wrong
	}
	if stream, err = url.PathUnescape(path[slash+1:]); err != nil {
		return "", "", 0, wrong
	}
	if _, err := strconv.Atoi(stream); err == nil && !strings.Contains(path[:slash], "/") {
		return "", "", 0, wrong // the number of a database, and no stream
	}
	server = scheme + "://" + path[:slash]
	var params []string
	for param := range strings.SplitSeq(query, "&") {
		value, ok := strings.CutPrefix(param, "maxlen=")
		switch {
		case ok:
			if most, err = strconv.ParseInt(value, 10, 64); err != nil || most < 1 {
				return "", "", 0, usagef("--to %s: maxlen is no number above 0", withoutPassword(to))
			}
		case param != "":
			params = append(params, param)
		}
	}
	if len(params) > 0 {
		server += "?" + strings.Join(params, "&")
	}
	return server, stream, most, nil
}

// changePrinter writes changes for people, or for scripts.
type changePrinter struct {
	out  io.Writer
	json bool
}

// Send implements [forward.Sink].
func (p changePrinter) Send(_ context.Context, batch []pipelines.Change) error {
	var text []byte
	for i := range batch {
		if !p.json {
			text = append(text, changeLine(&batch[i])...)
		} else {
			var err error
			if text, err = batch[i].AppendJSON(text); err != nil {
				return fmt.Errorf("%w: %w", forward.ErrRefused, err)
			}
		}
		text = append(text, '\n')
	}
	if _, err := p.out.Write(text); err != nil {
		return fmt.Errorf("%w: %w", forward.ErrRefused, err) // nobody reads it any more
	}
	return nil
}

// changeLine is a change for people: when, what, and from what to what.
func changeLine(c *pipelines.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-7s  ", c.Recorded.Local().Format(time.DateTime), c.News)
	if c.IsPage() {
		fmt.Fprintf(&b, "%s  %s", pageKind, oneLine(c.URL))
		if c.Status != 200 {
			fmt.Fprintf(&b, "  (status %d)", c.Status)
		}
		if l := c.Links; l != nil {
			b.WriteString("  " + linkWords(l))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s %s", c.Kind, oneLine(c.Key))
	if c.News != pipelines.NewsNew {
		separator := "  "
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "%s%s: %s -> %s", separator, oneLine(f.Path), shortValue(f.Old), shortValue(f.New))
			separator = "; "
		}
		if c.More > 0 {
			fmt.Fprintf(&b, "; %s more", plural(int64(c.More), "field", "fields"))
		}
	}
	fmt.Fprintf(&b, "  %s", oneLine(c.URL))
	return b.String()
}

// linkWords says which links of a page came and went.
func linkWords(l *pipelines.LinkChange) string {
	var words []string
	for _, kind := range []struct {
		sign  string
		links []string
	}{{"+", l.New}, {"-", l.Gone}} {
		const shown = 3
		for _, link := range kind.links[:min(shown, len(kind.links))] {
			words = append(words, kind.sign+oneLine(link))
		}
		if more := len(kind.links) - shown; more > 0 {
			words = append(words, fmt.Sprintf("%s%d links", kind.sign, more))
		}
	}
	if l.More > 0 {
		words = append(words, plural(int64(l.More), "link", "links")+" more")
	}
	return strings.Join(words, " ")
}

// shortValue is a value of a field in at most 60 characters.
func shortValue(value any) string {
	text := "none"
	if value != nil {
		text = oneLine(string(pipelines.AppendJSON(nil, value)))
	}
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:59]) + "…"
	}
	return text
}
