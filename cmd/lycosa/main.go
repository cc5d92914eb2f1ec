// Command lycosa crawls with spiders written in YAML. A program with spiders of its own in Go is the same one line,
// with the spiders between the brackets.
package main

import "github.com/lycosa-crawl/lycosa/app"

func main() { app.Main() }
