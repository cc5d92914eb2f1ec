package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/PuerkitoBio/goquery"
)

// bareItem is what a page yields, as the YAML spider of this benchmark reads it too.
type bareItem struct {
	URL   string `json:"url"`
	Title string `json:"title"`
	H1    string `json:"h1"`
	Price string `json:"price"`
	Links int    `json:"links"`
}

// bare is the floor for a crawler with a DOM: net/http, goquery, a map of what was seen, a slice of what is to come,
// goroutines. No robots.txt, no leases, no retries, nothing that survives it.
type bare struct {
	client *http.Client
	hosts  map[string]bool

	mu    sync.Mutex // guards the fields below
	idle  *sync.Cond
	seen  map[string]bool
	queue []string
	busy  int
	out   *json.Encoder
}

func runBare(seeds []string, conc int, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	b := &bare{
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conc}},
		hosts:  map[string]bool{}, seen: map[string]bool{}, out: json.NewEncoder(out),
	}
	b.idle = sync.NewCond(&b.mu)
	for _, seed := range seeds {
		u, err := url.Parse(seed)
		if err != nil {
			return err
		}
		b.hosts[u.Host] = true
		b.seen[seed] = true
		b.queue = append(b.queue, seed)
	}
	var wg sync.WaitGroup
	errs := make(chan error, conc)
	for range conc {
		wg.Go(func() {
			for at, ok := b.next(); ok; at, ok = b.next() {
				item, links, err := b.visit(at)
				if err != nil {
					errs <- fmt.Errorf("%s: %w", at, err)
					item = nil
				}
				b.done(item, links)
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err = <-errs:
	default:
	}
	return errors.Join(err, out.Close())
}

func (b *bare) next() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) == 0 && b.busy > 0 {
		b.idle.Wait()
	}
	if len(b.queue) == 0 {
		return "", false
	}
	at := b.queue[0]
	b.queue = b.queue[1:]
	b.busy++
	return at, true
}

func (b *bare) visit(at string) (*bareItem, []string, error) {
	resp, err := b.client.Get(at) //nolint:noctx // a bare loop has none
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	base, err := url.Parse(at)
	if err != nil {
		return nil, nil, err
	}
	anchors := doc.Find("a[href]")
	item := &bareItem{
		URL: at, Title: strings.TrimSpace(doc.Find("title").Text()), H1: strings.TrimSpace(doc.Find("h1").First().Text()),
		Price: strings.TrimSpace(doc.Find(".price").First().Text()), Links: anchors.Length(),
	}
	links := make([]string, 0, item.Links)
	anchors.Each(func(_ int, a *goquery.Selection) {
		href, _ := a.Attr("href")
		u, err := base.Parse(href)
		if err != nil || !b.hosts[u.Host] {
			return
		}
		u.Fragment = ""
		u.RawQuery = u.Query().Encode()
		links = append(links, u.String())
	})
	return item, links, nil
}

func (b *bare) done(item *bareItem, links []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, link := range links {
		if !b.seen[link] {
			b.seen[link] = true
			b.queue = append(b.queue, link)
		}
	}
	if item != nil {
		_ = b.out.Encode(item)
	}
	b.busy--
	b.idle.Broadcast()
}
