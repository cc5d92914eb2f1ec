package quotes_test

import (
	"os"
	"testing"

	"github.com/lycosa-crawl/lycosa/crawler/crawltest"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
)

func TestQuotes(t *testing.T) {
	for _, c := range []struct{ route, url, want string }{
		{
			"page", "https://quotes.toscrape.com/",
			`quote https://quotes.toscrape.com/#1 {"text":"Patience is a web.","author":"Ann Orb","about":"https://quotes.toscrape.com/author/Ann-Orb","tags":["patience","webs"]}` + "\n" +
				`quote https://quotes.toscrape.com/#3 {"text":"I went out for flies.","author":"Charles Orb","tags":[]}` + "\n" +
				"page https://quotes.toscrape.com/page/2/\n" +
				"author https://quotes.toscrape.com/author/Ann-Orb\n",
		},
		{
			"author", "https://quotes.toscrape.com/author/Ann-Orb",
			`author Ann Orb {"name":"Ann Orb","born":"1879-03-14T00:00:00Z","from":"Ulm, Germany","about":"Wove <em>much</em>."}` + "\n",
		},
	} {
		t.Run(c.route, func(t *testing.T) {
			s, err := declare.Load("quotes.yaml")
			if err != nil {
				t.Fatal(err)
			}
			page, err := os.ReadFile("testdata/" + c.route + ".html")
			if err != nil {
				t.Fatal(err)
			}
			items, followed, err := crawltest.Run(t, s, c.route, c.url, string(page))
			if err != nil {
				t.Fatal(err)
			}
			if got := crawltest.Lines(t, items) + crawltest.URLs(followed); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}
