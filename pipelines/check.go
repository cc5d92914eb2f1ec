package pipelines

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of an item.
const (
	MaxKind = 64   // bytes of Item.Kind
	MaxKey  = 1024 // bytes of Item.Key: MongoDB indexes no longer ones before version 4.2, and people read them
	// MaxValue is the size of the largest value, in bytes of JSON: MongoDB's limit for a document.
	MaxValue = 16 << 20
)

// Check returns an error wrapping [ErrItem] if kind or key of the item are not what their comments ask for. It
// does not look at the value; [Fields] does.
func (i *Item) Check() error {
	switch {
	case !validKind(i.Kind):
		return fmt.Errorf("%w: kind %.80q is not of the form [A-Za-z][A-Za-z0-9_-]*, at most %d bytes", ErrItem, i.Kind, MaxKind)
	case i.Key == "":
		return fmt.Errorf("%w: a %s without a key", ErrItem, i.Kind)
	case len(i.Key) > MaxKey:
		return fmt.Errorf("%w: key %.40q... has %d bytes, at most %d are allowed", ErrItem, i.Key, len(i.Key), MaxKey)
	case !utf8.ValidString(i.Key):
		return fmt.Errorf("%w: key %.80q is not UTF-8", ErrItem, i.Key)
	case strings.IndexByte(i.Key, 0) >= 0:
		return fmt.Errorf("%w: key %.80q has a NUL byte", ErrItem, i.Key)
	}
	return nil
}

func validKind(kind string) bool {
	if kind == "" || len(kind) > MaxKind {
		return false
	}
	for i, c := range []byte(kind) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return true
}

// Meta is what a store keeps beside the fields of an item, under the name "_meta".
type Meta struct {
	Kind        string    `json:"kind"`
	Key         string    `json:"key"`
	URL         string    `json:"url"`
	Crawl       string    `json:"crawl"`
	FetchedAt   time.Time `json:"fetched_at,omitzero"`
	DuplicateOf string    `json:"duplicate_of,omitempty"`
}

// Meta returns what is kept beside the item's fields.
func (i *Item) Meta() Meta {
	return Meta{
		Kind:        i.Kind,
		Key:         i.Key,
		URL:         strings.ToValidUTF8(i.Source.URL, "\ufffd"),
		Crawl:       strings.ToValidUTF8(i.Source.Crawl, "\ufffd"),
		FetchedAt:   i.Source.FetchedAt.UTC(),
		DuplicateOf: cut(i.Source.DuplicateOf, MaxKey),
	}
}

// ID identifies an item in a store that holds several kinds.
type ID struct{ Kind, Key string }

// ID returns kind and key of the item.
func (i *Item) ID() ID { return ID{i.Kind, i.Key} }
