// Package crawltest tests spiders on recorded pages, without network or queues.
//
//	items, followed, err := crawltest.Run(t, books.Spider, "detail", "https://shop.example/b/1", page)
package crawltest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/pipelines"
)

// FetchedAt is when the pages of this package were fetched.
var FetchedAt = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// Run has the handler of a route read an HTML page, and returns the items it emitted and the requests it queued, in
// order. The error is the handler's: what [crawler.Drop] made, a [*crawler.FieldError], its panic. A spider
// that is built wrongly ends the test.
func Run(tb testing.TB, s crawler.Spider, route, url, html string) ([]pipelines.Item, []*crawler.Request, error) {
	tb.Helper()
	return RunResponse(tb, s, route, url, "text/html; charset=utf-8", []byte(html))
}

// RunResponse is [Run] for an answer that is no HTML, or not in UTF-8.
func RunResponse(tb testing.TB, s crawler.Spider, route, url, contentType string, body []byte) ([]pipelines.Item, []*crawler.Request, error) {
	tb.Helper()
	if err := s.Check(); err != nil {
		tb.Fatal(err)
	}
	handled, err := s.Handle(tb.Context(), crawler.Request{URL: url, Route: route}, &fetch.Response{
		Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: body, FetchedAt: FetchedAt,
	})
	return handled.Items, handled.Requests, err
}

// Lines returns items as they stand in a file of JSON lines, each with its kind and key in front: what a golden file
// shows. An item that does not encode ends the test.
func Lines(tb testing.TB, items []pipelines.Item) string {
	tb.Helper()
	var b strings.Builder
	for i := range items {
		o, err := pipelines.Fields(items[i].Value)
		if err != nil {
			tb.Fatalf("item %d: %v", i, err)
		}
		b.WriteString(items[i].Kind + " " + items[i].Key + " " + string(o.AppendJSON(nil)) + "\n")
	}
	return b.String()
}

// URLs returns route and URL of requests, one a line.
func URLs(requests []*crawler.Request) string {
	var b strings.Builder
	for _, r := range requests {
		b.WriteString(r.Route + " " + r.URL + "\n")
	}
	return b.String()
}
