package sitemap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mmcdole/gofeed"
)

// readFeed reads a feed as a whole.
func (l *lister) readFeed(text io.Reader) error {
	body, err := io.ReadAll(&limit{r: text, left: maxFeed, of: maxFeed})
	if err != nil {
		return err
	}
	feed, err := parseFeed(body)
	if err != nil {
		return err
	}
	for _, item := range feed.Items {
		if err := l.add(linkOf(item), modifiedOf(item), Page); err != nil {
			return err
		}
	}
	return nil
}

// parseFeed has the library parse a feed, once it is known to nest no deeper than its recursion should.
func parseFeed(body []byte) (feed *gofeed.Feed, err error) {
	defer func() {
		if p := recover(); p != nil {
			feed, err = nil, fmt.Errorf("the feed cannot be parsed: %v", p)
		}
	}()
	if body[0] == '{' {
		var head struct {
			Version any               `json:"version"`
			Items   []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(body, &head); err != nil {
			return nil, err
		}
		if head.Version == nil && head.Items == nil {
			return nil, fmt.Errorf("%w: it is JSON, but no feed", ErrUnknown)
		}
	} else {
		x := newElements(bytes.NewReader(body))
		for {
			if _, err := x.next(); errors.Is(err, ErrTooLarge) {
				return nil, err
			} else if err != nil {
				break // the end, or what the library finds as well
			}
		}
	}
	return gofeed.NewParser().Parse(bytes.NewReader(body))
}

// linkOf is where an entry leads: its link, or an identity that is one.
func linkOf(item *gofeed.Item) string {
	if item.Link == "" && len(item.Links) > 0 {
		return item.Links[0]
	}
	if item.Link == "" && absolute(item.GUID) {
		return item.GUID
	}
	return item.Link
}

// modifiedOf is when an entry was updated or published, whichever came later.
func modifiedOf(item *gofeed.Item) time.Time {
	updated, published := timeOf(item.UpdatedParsed, item.Updated), timeOf(item.PublishedParsed, item.Published)
	if published.After(updated) {
		return published
	}
	return updated
}

func timeOf(parsed *time.Time, text string) time.Time {
	if parsed != nil && sane(*parsed) {
		return parsed.UTC()
	}
	return ParseTime(text)
}
