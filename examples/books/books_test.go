package books_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/crawltest"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
	"github.com/lycosa-crawl/lycosa/examples/books"
)

// each runs a test with the spider in Go and with its twin in YAML.
func each(t *testing.T, test func(t *testing.T, s crawler.Spider)) {
	t.Helper()
	twin, err := declare.Load("books.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("go", func(t *testing.T) { test(t, books.Spider) })
	t.Run("yaml", func(t *testing.T) { test(t, twin) })
}

func page(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestListingLeadsToBooksAndToTheNextPage(t *testing.T) {
	each(t, func(t *testing.T, s crawler.Spider) {
		items, followed, err := crawltest.Run(t, s, "listing", "https://books.toscrape.com/", page(t, "listing.html"))
		if err != nil {
			t.Fatal(err)
		}
		want := "detail https://books.toscrape.com/catalogue/the-wolf-spider_7/index.html\n" +
			"detail https://books.toscrape.com/catalogue/webs-and-how-to-weave-them_8/index.html?ref=front\n" +
			"listing https://books.toscrape.com/catalogue/page-2.html\n"
		if got := crawltest.URLs(followed); got != want || len(items) != 0 {
			t.Errorf("%d items, followed\n%swant\n%s", len(items), got, want)
		}
	})
}

func TestDetailIsABook(t *testing.T) {
	const url = "https://books.toscrape.com/catalogue/the-wolf-spider_7/index.html"
	for name, want := range map[string]string{
		"detail.html": `book a1b2c3d4e5f60007 {"upc":"a1b2c3d4e5f60007","title":"The Wolf Spider & Its Kin","price":12,"in_stock":true,` +
			`"image":"https://books.toscrape.com/media/large/7.jpg"}` + "\n",
		"bare.html": `book 0009 {"upc":"0009","title":"Pamphlet","price":1.99,"in_stock":false}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s crawler.Spider) {
				items, followed, err := crawltest.Run(t, s, "detail", url, page(t, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := crawltest.Lines(t, items); got != want || len(followed) != 0 {
					t.Errorf("followed %d, items\n%swant\n%s", len(followed), got, want)
				}
			})
		})
	}
}

func TestPageWithoutABookIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, s crawler.Spider) {
		_, _, err := crawltest.Run(t, s, "detail", "https://books.toscrape.com/x", "<h1>Sold out</h1>")
		if _, ok := errors.AsType[*crawler.FieldError](err); !ok {
			t.Errorf("error %v, want a FieldError", err)
		}
	})
}

// TestReadmeShowsThisSpider keeps the README's code code that compiles.
func TestReadmeShowsThisSpider(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"books.go", "books.yaml"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(string(raw), "\n") // without the comment above
		if !strings.Contains(string(readme), code+"```") {
			t.Errorf("the README does not show %s as it is", name)
		}
	}
}
