package dedup_test

import (
	"errors"
	"fmt"
	"log"

	"golang.org/x/text/encoding/charmap"

	"github.com/lycosa-crawl/lycosa/dedup"
)

func ExampleRules_Compile() {
	canonical, err := dedup.Rules{DropTracking: true, DropParams: []string{"ref", "from*"}}.Compile()
	if err != nil {
		log.Fatal(err)
	}
	u, err := canonical.Parse("HTTP://Example.COM:80/%7Eann/./books?page=2&utm_source=mail&ref=home&id=7#top")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u)

	_, err = dedup.Rules{KeepParams: []string{"[a"}}.Compile()
	fmt.Println(err)
	// Output:
	// http://example.com/~ann/books?id=7&page=2
	// dedup: KeepParams[0] ("[a"): syntax error in pattern
}

func ExampleCanonicalizer_Resolve() {
	canonical, err := dedup.Rules{}.Compile()
	if err != nil {
		log.Fatal(err)
	}
	document, err := canonical.Parse("https://example.com/books/index.html")
	if err != nil {
		log.Fatal(err)
	}

	for _, href := range []string{"page2.html", "../about", "?page=2", "//cdn.example.com/x y", "mailto:ann@example.com"} {
		u, err := canonical.Resolve(document, href)
		if refused, ok := errors.AsType[*dedup.RefusedError](err); ok {
			fmt.Println("refused:", refused.Kind())
			continue
		}
		fmt.Println(u.Host(), u.RequestURI())
	}
	// Output:
	// example.com /books/page2.html
	// example.com /about
	// example.com /books/index.html?page=2
	// cdn.example.com /x%20y
	// refused: scheme_mailto
}

func ExampleCanonicalizer_Base() {
	canonical, err := dedup.Rules{}.Compile()
	if err != nil {
		log.Fatal(err)
	}
	document, err := canonical.Parse("https://example.com/books/index.html")
	if err != nil {
		log.Fatal(err)
	}

	base := canonical.Base(document, "/shop/") // <base href="/shop/">
	u, err := canonical.Resolve(base, "cart")
	fmt.Println(u, err)
	// Output:
	// https://example.com/shop/cart <nil>
}

func ExampleEncodeQuery() {
	canonical, err := dedup.Rules{}.Compile()
	if err != nil {
		log.Fatal(err)
	}
	u, err := canonical.Parse(dedup.EncodeQuery("http://example.ru/поиск?q=кот", charmap.Windows1251))
	fmt.Println(u, err)
	// Output:
	// http://example.ru/%D0%BF%D0%BE%D0%B8%D1%81%D0%BA?q=%EA%EE%F2 <nil>
}

func ExampleOf() {
	fmt.Println(dedup.Of("GET", "http://example.com/", nil))
	// Output:
	// ce676c8080fd53fc3ea8d0c78986f192
}
