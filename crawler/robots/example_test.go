package robots_test

import (
	"fmt"

	"github.com/lycosa-crawl/lycosa/crawler/robots"
)

func ExampleRules_Agent() {
	rules := robots.Parse([]byte(`
		User-agent: *
		Disallow: /cart
		Crawl-delay: 2
		Sitemap: https://shop.example/sitemap.xml
	`))
	group := rules.Agent(robots.Product("lycosa/1.0 (+https://github.com/lycosa-crawl/lycosa)"))
	fmt.Println(group.Allowed("https://shop.example/books"))
	fmt.Println(group.Allowed("https://shop.example/cart/7"))
	fmt.Println(group.CrawlDelay())
	fmt.Println(rules.Sitemaps())
	// Output:
	// true
	// false
	// 2s true
	// [https://shop.example/sitemap.xml]
}
