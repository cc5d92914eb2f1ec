package testsite

import (
	"fmt"
	"slices"
	"strings"
)

// Item is what a crawler should extract from a page.
type Item struct {
	URL   string `json:"url"`   // canonical
	Title string `json:"title"` // text of <title>
	H1    string `json:"h1"`    // text of <h1>
	Price string `json:"price"` // text of .price: "12.34 EUR"
	Links int    `json:"links"` // number of a[href]
}

// DiffItems returns one line for each item of want that got lacks or has in another form, and for each of got that is
// too many. Order does not matter.
func DiffItems(want, got []Item) []string {
	byURL := make(map[string][]Item, len(got))
	for _, g := range got {
		byURL[g.URL] = append(byURL[g.URL], g)
	}
	var diff []string
	for _, w := range want {
		gs := byURL[w.URL]
		delete(byURL, w.URL)
		switch {
		case len(gs) == 0:
			diff = append(diff, "missing: "+w.URL)
		case len(gs) > 1:
			diff = append(diff, fmt.Sprintf("%d times: %s", len(gs), w.URL))
		case gs[0] != w:
			diff = append(diff, fmt.Sprintf("wrong: got %+v, want %+v", gs[0], w))
		}
	}
	for u := range byURL {
		diff = append(diff, "unknown: "+u)
	}
	slices.SortFunc(diff, strings.Compare)
	return diff
}
