// Command books is lycosa with the spider of this folder compiled in: books crawl books.
package main

import (
	"github.com/lycosa-crawl/lycosa/app"
	"github.com/lycosa-crawl/lycosa/examples/books"
)

func main() { app.Main(books.Spider) }
