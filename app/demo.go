package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/pipelines/filestore"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

const (
	demoLatency = 50 * time.Millisecond
	demoEvery   = 200 * time.Millisecond // the demo's frontier is in this process: asking it costs nothing
	demoRows    = 6
)

// product is an item of the demo's spider. The tags say where on the page each field stands.
type product struct {
	SKU      string  `json:"sku"      css:".sku"    item:"key,required"`
	Name     string  `json:"name"     css:"h1"      item:"required"`
	Category string  `json:"category" css:".category"`
	Price    float64 `json:"price"    css:".price"  re:"[\\d.]+"`
	Stock    int     `json:"stock"    css:".stock"  re:"\\d+"`
	Rating   float64 `json:"rating"   css:".rating" attr:"data-rating"`
}

var (
	demoListing = crawler.NewRoute[struct{}]("listing")
	demoProduct = crawler.NewRoute[struct{}]("product")
)

// demoSpider crawls a shop at the URL.
func demoSpider(url string) crawler.Spider {
	return crawler.Spider{
		Name:     "shop",
		Start:    crawler.Start(demoListing, url),
		Items:    []any{product{}},
		Settings: crawler.Settings{PerHost: 8},
		Revisit:  &crawler.Revisit{Policy: revisit.Policy{Every: 24 * time.Hour}},
		Routes: crawler.Routes(
			demoListing.To(func(_ context.Context, p *crawler.Page, _ struct{}) error {
				p.Follow(demoListing, "nav a", "a.next")
				p.Follow(demoProduct, "article h3 a", "a.offer")
				return nil
			}),
			demoProduct.To(func(_ context.Context, p *crawler.Page, _ struct{}) error {
				item, err := crawler.One[product](p)
				if err != nil {
					return err
				}
				p.Emit(item)
				p.Follow(demoProduct, "aside a")
				return nil
			}),
		),
	}
}

// demoYAML is a spider for a practice site, for those who want to go on.
const demoYAML = `# A spider for a site that was made to practise on.
name: books
start: [https://books.toscrape.com/]
settings: {delay: 500ms}
routes:
  listing:
    follow:
      - {css: "li.next a", route: listing}
      - {css: "article.product_pod h3 a", route: detail}
  detail:
    items:
      - kind: book
        key: upc
        fields:
          upc:   {css: "th:contains(UPC) + td", required: true}
          title: h1
          price: {css: .price_color, re: '[\d.]+', type: float}
          image: {css: "#product_gallery img", attr: src, type: url}
`

func (p *program) demoCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo [--dir DIR]",
		Short: "See it work: no server, no network, ten seconds",
		Long: `See it work, without a server and without a network: a shop of some 280 pages is opened
on this machine and crawled; then the shop changes and the spider comes again: only
what was modified is sent in full, and shown as old and new value. Everything is kept in a temporary folder.`,
		Example: "  lycosa demo",
		Args:    argRange(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context(), dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the crawl and its items (default: a temporary one)")
	return cmd
}

func (p *program) demo(ctx context.Context, dir string) error {
	dir, err := demoFolder(dir)
	if err != nil {
		return err
	}
	shop := newShop(demoLatency)
	url, closeShop, err := serve(ctx, shop)
	if err != nil {
		return err
	}
	defer closeShop()
	p.say("A shop opens on %s; a spider crawls it.", url)
	before, err := p.crawlShop(ctx, dir, url, true)
	if err != nil {
		return err
	}
	p.say("\nThe first of %s:", plural(int64(len(before.products)), "item", "items"))
	fmt.Fprintln(p.out, p.productTable(before.products))
	whole, _ := shop.answers()

	p.say("\nOvernight some pages change. The spider comes again, and asks for what is new.")
	shop.change()
	after, err := p.crawlShop(ctx, dir, url, false)
	if err != nil {
		return err
	}
	again, unmodified := shop.answers()
	p.say("\n%s were sent in full, %s had not been modified. What changed:", plural(again-whole, "page", "pages"), thousands(unmodified))
	fmt.Fprintln(p.out, p.changeTable(after.changes, before.products))

	books := filepath.Join(dir, "books.yaml")
	if err := os.WriteFile(books, []byte(demoYAML), 0o644); err != nil {
		return err
	}
	p.say(`
The items are in %[2]s, one a line; what is new or changed was appended.
Try next:
  head -n 3 %[2]s
  %[1]s changes shop --dir %[3]s        # all that became of them, as a feed
  %[1]s status shop --dir %[3]s         # and when the pages are due again
  %[1]s dead shop --dir %[3]s           # a link of the shop that leads nowhere
  %[1]s crawl %[4]s --max-pages 20      # a spider in YAML; needs the network`,
		programName(), filepath.Join(dir, "shop", "items.jsonl"), dir, books)
	return nil
}

func (p *program) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func demoFolder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "lycosa-demo-")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return "", usagef("--dir %s is no folder", dir)
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// serve serves the handler on loopback.
func serve(ctx context.Context, h http.Handler) (url string, shut func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			listener.Close()
		}
	})
	return "http://" + listener.Addr().String() + "/", func() {
		server.Close()
		wg.Wait()
	}, nil
}

// trip is what a crawl of the shop brings home.
type trip struct {
	products map[string]product // that are new or have changed
	changes  []pipelines.Change // of products
}

// crawlShop crawls the shop, from the beginning or all its known pages again.
func (p *program) crawlShop(ctx context.Context, dir, url string, fresh bool) (*trip, error) {
	o := &options{dir: dir, logLevel: "warn", grace: 5 * time.Second}
	log := p.logger(o)
	place, err := o.place(ctx, log)
	if err != nil {
		return nil, err
	}
	j := job{spider: demoSpider(url), crawl: "shop"}
	outs, err := o.outputs(j.crawl)
	if err != nil {
		return nil, err
	}
	file, err := outs.open(ctx, p.out, j.spider.Revisit, log)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := os.Remove(place.itemStore(j.crawl)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	seen := &shelf{products: make(map[string]product)}
	pipe, err := j.tracked(place, pipelines.Tee(file, seen), log)
	if err != nil {
		return nil, err
	}
	s := &session{job: j, place: place, outs: outs, pipeline: pipe, untilDone: true, grace: o.grace, log: log}
	s.frontier, err = s.begin(ctx, nil, fresh)
	if err == nil && !fresh {
		_, err = crawler.VisitAll(ctx, s.frontier)
	}
	if err != nil {
		return nil, errors.Join(err, closePipe(context.WithoutCancel(ctx), pipe))
	}
	began := time.Now()
	if err := p.work(ctx, o, log, demoEvery, s); err != nil {
		return nil, err
	}
	home := &trip{products: seen.products}
	home.changes, err = productChanges(ctx, place.itemStore(j.crawl), began)
	return home, err
}

// productChanges reads the feed of a crawl.
func productChanges(ctx context.Context, path string, since time.Time) (changes []pipelines.Change, err error) {
	feed := filestore.NewReader(path)
	from, err := feed.Since(ctx, since)
	if err != nil {
		return nil, err
	}
	err = feed.Changes(ctx, from, func(c pipelines.Change) bool {
		if !c.IsPage() {
			changes = append(changes, c)
		}
		return true
	})
	slices.SortStableFunc(changes, func(a, b pipelines.Change) int { return strings.Compare(a.Key, b.Key) })
	return changes, err
}

// shelf is a pipeline that remembers products.
type shelf struct {
	mu       sync.Mutex // guards products
	products map[string]product
}

// Process implements pipelines.Pipeline.
func (s *shelf) Process(_ context.Context, items []pipelines.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		if p, ok := item.Value.(product); ok {
			s.products[item.Key] = p
		}
	}
	return nil
}

func euros(price float64) string { return fmt.Sprintf("€%.2f", price) }

func (p *program) productTable(products map[string]product) string {
	t := newTable(p.out, "SKU", "name", "category", "price", "stock", "rating")
	for _, sku := range slices.Sorted(maps.Keys(products))[:min(demoRows, len(products))] {
		is := products[sku]
		t.Row(is.SKU, is.Name, is.Category, euros(is.Price), fmt.Sprint(is.Stock), fmt.Sprint(is.Rating))
	}
	return t.String()
}

func (p *program) changeTable(changes []pipelines.Change, before map[string]product) string {
	t := newTable(p.out, "SKU", "name", "what", "change")
	for _, c := range changes {
		name := before[c.Key].Name
		switch c.News {
		case pipelines.NewsGone:
			t.Row(c.Key, name, "gone", "was "+euros(before[c.Key].Price))
		case pipelines.NewsNew:
			for _, f := range c.Fields {
				switch f.Path {
				case "name":
					name, _ = f.New.(string)
				case "price":
					t.Row(c.Key, name, "new", "for "+shown(f.Path, f.New))
				}
			}
		default:
			for _, f := range c.Fields {
				t.Row(c.Key, name, f.Path, shown(f.Path, f.Old)+" → "+shown(f.Path, f.New))
			}
		}
	}
	return t.String()
}

// shown is a field of a product as people write it.
func shown(field string, v any) string {
	if field != "price" {
		return fmt.Sprint(v)
	}
	switch price := v.(type) {
	case float64:
		return euros(price)
	case int64: // in JSON, a price without cents
		return euros(float64(price))
	}
	return fmt.Sprint(v)
}

func newTable(out io.Writer, headers ...string) *table.Table {
	r := lipgloss.NewRenderer(out)
	cell := r.NewStyle().Padding(0, 1)
	return table.New().Headers(headers...).Border(lipgloss.RoundedBorder()).BorderStyle(r.NewStyle().Faint(true)).
		StyleFunc(func(row, _ int) lipgloss.Style {
			if row == table.HeaderRow {
				return cell.Bold(true)
			}
			return cell
		})
}

// programName is what a person types to start this program.
func programName() string {
	name := os.Args[0]
	if strings.Contains(name, string(filepath.Separator)+"go-build") { // go run has built it
		return "go run ./cmd/lycosa"
	}
	if base := filepath.Base(name); filepath.IsAbs(name) || base == name {
		return base
	}
	return name
}
