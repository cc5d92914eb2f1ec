// Package books crawls the practice shop books.toscrape.com; books.yaml is the same spider without Go.
package books

import (
	"context"

	"github.com/lycosa-crawl/lycosa/crawler"
)

// Book is what the pages of the route [Detail] hold.
type Book struct {
	UPC     string      `json:"upc" css:"th:contains(UPC) + td" item:"key,required"`
	Title   string      `json:"title" css:"h1" item:"required"`
	Price   float64     `json:"price" css:".product_main .price_color" re:"[\\d.]+" item:"required"`
	InStock bool        `json:"in_stock" css:".product_main .instock"`
	Image   crawler.URL `json:"image,omitempty" css:"#product_gallery img" attr:"src"`
}

// Spider has two routes, each with its handler.
var (
	Listing = crawler.NewRoute[struct{}]("listing")
	Detail  = crawler.NewRoute[struct{}]("detail")
	Spider  = crawler.Spider{
		Name: "books", Start: crawler.Start(Listing, "https://books.toscrape.com/"), Settings: crawler.Settings{PerHost: 1},
		Routes: crawler.Routes(Listing.To(listing), Detail.To(detail)), Items: []any{Book{}},
	}
)

func listing(_ context.Context, p *crawler.Page, _ struct{}) error {
	p.Follow(Detail, "article.product_pod h3 a")
	p.Follow(Listing, "li.next a")
	return nil
}

func detail(_ context.Context, p *crawler.Page, _ struct{}) error {
	book, err := crawler.One[Book](p)
	p.Emit(book) // counts only if the handler returns nil
	return err
}
