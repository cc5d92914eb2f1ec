package declare_test

import (
	"errors"
	"fmt"

	"github.com/lycosa-crawl/lycosa/crawler/declare"
)

func ExampleParse() {
	spider, err := declare.Parse("quotes.yaml", []byte(`
name: quotes
start: [https://quotes.toscrape.com/]
routes:
  page:
    items:
      - kind: quote
        each: .quote
        fields:
          text: .text
          tags: {css: .tag, list: true}
    follow: [{css: li.next a}]
`))
	fmt.Println(spider.Name, spider.RouteNames(), err)
	// Output: quotes [page] <nil>
}

func ExampleError() {
	_, err := declare.Parse("books.yaml", []byte(`name: books
routes:
  detail:
    items:
      - kind: book
        fields:
          price: {css: .price, type: flot}
`))
	if wrong, ok := errors.AsType[*declare.Error](err); ok {
		fmt.Println(wrong.Summary())
	}
	fmt.Println()
	fmt.Println(err)
	// Output:
	// books.yaml:7:38: routes.detail.items[0].fields.price: unknown type "flot": want string, int, float, bool, time, url or html
	//
	// books.yaml:7:38: routes.detail.items[0].fields.price: unknown type "flot": want string, int, float, bool, time, url or html
	//     5 |       - kind: book
	//     6 |         fields:
	// >   7 |           price: {css: .price, type: flot}
	//                                              ^
}
