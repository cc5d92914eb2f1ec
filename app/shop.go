package app

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// shop is the web site that the demo crawls: some hundred pages that are linked as those of a real shop are, and change. It
// is the same on every machine.
type shop struct {
	latency time.Duration

	mu       sync.RWMutex // guards the fields below
	products []*ware
	sold     map[string]bool // SKUs of products that are no more

	whole, unmodified atomic.Int64 // pages sent, and those that were not since the crawler has them
}

// ware is a product as the shop knows it.
type ware struct {
	SKU      string
	Name     string
	Category string
	Price    int // cents
	Stock    int
	Rating   int // tenths
}

const shopPageSize = 8

var shopCategories = []string{
	"Axes", "Boats", "Clocks", "Drums", "Easels", "Flutes", "Globes", "Hammocks", "Inks", "Kites", "Lamps", "Maps",
}

// newShop opens a shop with 20 products in each category.
func newShop(latency time.Duration) *shop {
	makers := []string{"Alder", "Birch", "Cedar", "Dune", "Ember"}
	models := []string{"Classic", "Travel", "Pocket", "Grand"}
	s := &shop{latency: latency}
	for c, category := range shopCategories {
		for i := range len(makers) * len(models) {
			n := c*20 + i
			s.products = append(s.products, &ware{
				SKU:      fmt.Sprintf("%s-%03d", strings.ToUpper(category[:2]), i+1),
				Name:     fmt.Sprintf("%s %s %s", makers[i%len(makers)], models[i/len(makers)], strings.TrimSuffix(category, "s")),
				Category: category,
				Price:    499 + n*7919%9500,
				Stock:    n * 31 % 40,
				Rating:   25 + n*17%26,
			})
		}
	}
	return s
}

// change does what happens in a shop over a night: prices and stock move, one product comes, one goes.
func (s *shop) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.products {
		switch i % 60 {
		case 7:
			p.Price = p.Price * 9 / 10
		case 29:
			p.Price += 250
		}
		if i%80 == 41 {
			p.Stock = 0
		}
	}
	s.sold = map[string]bool{s.products[100].SKU: true}
	s.products = slices.Delete(s.products, 100, 101)
	s.products = append(s.products, &ware{SKU: "MA-021", Name: "Ember Night Map", Category: "Maps", Price: 2990, Stock: 12, Rating: 48})
}

func (s *shop) category(name string) []*ware {
	var all []*ware
	for _, p := range s.products {
		if p.Category == name {
			all = append(all, p)
		}
	}
	return all
}

// ServeHTTP implements http.Handler.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.latency > 0 && r.URL.Path != "/robots.txt" {
		select {
		case <-time.After(s.latency):
		case <-r.Context().Done():
			return
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	page := shopPage{Categories: shopCategories}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/":
		page.Title, page.Home = "The Wolf Spider's Shop", true
	case r.URL.Path == "/robots.txt":
		fmt.Fprint(w, "User-agent: *\nDisallow: /cart\n")
		return
	case len(parts) == 2 && parts[0] == "category" && s.list(&page, parts[1], cmp.Or(r.URL.Query().Get("page"), "1")):
	case len(parts) == 2 && parts[0] == "product" && s.show(&page, parts[1]):
	case len(parts) == 2 && s.sold[parts[1]]:
		http.Error(w, "sold for good", http.StatusGone)
		return
	default:
		http.NotFound(w, r)
		return
	}
	var body bytes.Buffer
	if err := shopTemplate.Execute(&body, &page); err != nil {
		panic(err) // a template that does not fit its data
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("ETag", fmt.Sprintf(`"%016x"`, xxhash.Sum64(body.Bytes())))
	counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	http.ServeContent(counted, r, "", time.Time{}, bytes.NewReader(body.Bytes()))
	if counted.status == http.StatusNotModified {
		s.unmodified.Add(1)
	} else {
		s.whole.Add(1)
	}
}

// answers returns how many pages were sent so far, and how many were not, since the crawler had them.
func (s *shop) answers() (whole, unmodified int64) { return s.whole.Load(), s.unmodified.Load() }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// list fills in a page of a category; false if there is none.
func (s *shop) list(page *shopPage, category, number string) bool {
	all := s.category(category)
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || (n-1)*shopPageSize >= len(all) {
		return false
	}
	page.Title, page.Category = category, category
	page.Listed = all[(n-1)*shopPageSize : min(n*shopPageSize, len(all))]
	if n*shopPageSize < len(all) {
		page.Next = n + 1
	}
	return true
}

// show fills in the page of a product; false if there is none.
func (s *shop) show(page *shopPage, sku string) bool {
	i := slices.IndexFunc(s.products, func(p *ware) bool { return p.SKU == sku })
	if i < 0 {
		return false
	}
	p := s.products[i]
	page.Title, page.Category, page.Product = p.Name, p.Category, p
	all := s.category(p.Category)
	at := slices.Index(all, p)
	page.Related = []*ware{all[(at+1)%len(all)], all[(at+7)%len(all)]}
	return true
}

// shopPage is what the template shows.
type shopPage struct {
	Title      string
	Home       bool
	Categories []string
	Category   string
	Listed     []*ware
	Next       int
	Product    *ware
	Related    []*ware
}

// Euros is a price as people write it.
func (p *ware) Euros() string { return fmt.Sprintf("€%d.%02d", p.Price/100, p.Price%100) }

// Stars is the rating out of five.
func (p *ware) Stars() string { return fmt.Sprintf("%d.%d", p.Rating/10, p.Rating%10) }

var shopTemplate = template.Must(template.New("shop").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head><body>
<nav><a href="/">Home</a>{{range .Categories}} <a href="/category/{{.}}">{{.}}</a>{{end}} <a href="/cart">Cart</a></nav>
<h1>{{.Title}}</h1>
{{if .Home}}<p class="news">New: a <a class="offer" href="/product/XX-404">sold-out special offer</a>.</p>
{{end}}{{range .Listed}}<article><h3><a href="/product/{{.SKU}}">{{.Name}}</a></h3><p>{{.Euros}}</p></article>
{{end}}{{if .Next}}<p><a class="next" href="?page={{.Next}}">Next</a></p>
{{end}}{{with .Product}}<main><p>Article <span class="sku">{{.SKU}}</span> in <span class="category">{{.Category}}</span></p>
<p class="price">{{.Euros}}</p><p class="stock">{{if .Stock}}{{.Stock}} in stock{{else}}0, sold out{{end}}</p>
<p class="rating" data-rating="{{.Stars}}">{{.Stars}} of 5 stars</p></main>
<aside>{{range $.Related}}<a href="/product/{{.SKU}}">{{.Name}}</a> {{end}}</aside>
{{end}}</body></html>
`))
