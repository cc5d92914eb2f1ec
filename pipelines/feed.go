package pipelines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Cursor is a place in a feed: behind the entry whose number it is. 0 is the beginning.
type Cursor int64

// Change is an entry of the feed: what a visit found to be new, changed, gone or back. Its JSON is a contract.
type Change struct {
	Cursor   Cursor    `json:"cursor"`
	News     News      `json:"news"` // never unchanged
	Kind     string    `json:"kind"` // of the item; "" if it is a page
	Key      string    `json:"key"`  // of the item; "" if it is a page
	URL      string    `json:"url"`  // the page, or where the item was last seen
	Crawl    string    `json:"crawl"`
	Revision int64     `json:"revision"` // of the item or page: 1 when it is new, and one more with each entry
	At       time.Time `json:"at"`       // when the page was fetched
	Recorded time.Time `json:"recorded"` // when it was entered into the feed
	// Status is the page's HTTP status; 0 of items.
	Status int `json:"status,omitempty"`
	// Links are the links of a page that are new or gone; nil: none, or the crawl does not keep track of them.
	Links *LinkChange `json:"links,omitempty"`
	// Fields tells what became of an item's fields: all of them if it is new, none if it is gone.
	Fields []FieldChange `json:"fields,omitempty"`
	// More is how many changed fields are left out of Fields, because there are too many.
	More int `json:"more,omitempty"`
}

// LinkChange tells the links of a page apart that are new or gone. Each list has up to 100 URLs, and up to 24 KiB of them.
type LinkChange struct {
	New  []string `json:"new,omitempty"`
	Gone []string `json:"gone,omitempty"`
	More int      `json:"more,omitempty"` // links that are left out
}

const (
	maxChangedLinks     = 100
	maxChangedLinkBytes = 24 << 10
)

// NewLinkChange returns what is to be told of links, nil for none.
func NewLinkChange(added, gone []string) *LinkChange {
	if len(added) == 0 && len(gone) == 0 {
		return nil
	}
	c := &LinkChange{New: firstLinks(added), Gone: firstLinks(gone)}
	c.More = len(added) + len(gone) - len(c.New) - len(c.Gone)
	return c
}

// firstLinks returns as many of the links as an entry may have.
func firstLinks(links []string) []string {
	size := 0
	for i, link := range links {
		if size += len(link); i == maxChangedLinks || size > maxChangedLinkBytes {
			return links[:i]
		}
	}
	return links
}

// IsPage reports whether the entry is about a page, not an item.
func (c *Change) IsPage() bool { return c.Kind == "" }

// ID identifies the entry among all feeds of one store: what, and which revision of it. Entered twice, it is one entry.
func (c *Change) ID() string {
	if c.IsPage() {
		return fmt.Sprintf("/ %d %s %s", c.Revision, c.Crawl, c.URL)
	}
	return fmt.Sprintf("%s %d %s", c.Kind, c.Revision, c.Key)
}

// AppendJSON appends the entry as one line of JSON, without the line's end.
func (c *Change) AppendJSON(dst []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return dst, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Feed is implemented by stores that keep the changes they were told of. Its methods may be called from many goroutines.
type Feed interface {
	// Changes calls yield for the entries behind a place, in order, until it returns false or there are no more. An entry
	// stays where it is, and none appears before one that was shown already: who goes on behind the last entry seen misses
	// none, whoever writes meanwhile.
	Changes(ctx context.Context, after Cursor, yield func(Change) bool) error
	// Since returns the place before the first entry that was recorded at t or later. Several writers' clocks may differ: a
	// few entries behind it may be older.
	Since(ctx context.Context, t time.Time) (Cursor, error)
	// Wait returns nil once there is an entry behind the place, and the error of ctx when that ends first.
	Wait(ctx context.Context, after Cursor) error
}

// Bookmarks keeps cursors by name, so that a reader of a feed goes on where it was.
type Bookmarks interface {
	// Bookmark returns the cursor kept under the name, 0 if there is none.
	Bookmark(ctx context.Context, name string) (Cursor, error)
	// SetBookmark keeps a cursor under the name. When it returns nil, the cursor is durable.
	SetBookmark(ctx context.Context, name string, at Cursor) error
}

// FieldChange is one difference between two versions of an item.
type FieldChange struct {
	// Path names the field, with dots where objects lie in one another: "price.amount". A number is an index of a list.
	Path string `json:"path"`
	// Old and New are values as in [Field]; nil is null as well as a field that is not there.
	Old any `json:"old"`
	New any `json:"new"`
	// Cut says that Old or New was too large: what is left of it is the beginning of its text or of its JSON, as a string.
	Cut bool `json:"cut,omitempty"`
}

// UnmarshalJSON keeps integers and floats apart, as [ParseObject] does.
func (c *FieldChange) UnmarshalJSON(raw []byte) error {
	o, err := ParseObject(raw)
	if err != nil {
		return err
	}
	*c = FieldChange{}
	for _, f := range o {
		switch f.Name {
		case "path":
			c.Path, _ = f.Value.(string)
		case "old":
			c.Old = f.Value
		case "new":
			c.New = f.Value
		case "cut":
			c.Cut, _ = f.Value.(bool)
		}
	}
	return nil
}

// Limits of a change, so that an entry of the feed stays small however large items are.
const (
	maxChangedFields = 100     // entries of Change.Fields
	maxChangedValue  = 2 << 10 // bytes of JSON of Old and of New
	maxChangedBytes  = 48 << 10
	maxChangedDepth  = 32 // levels; what lies deeper is compared as a whole
)

// MaxChange is the largest size of the Fields of a [Change], in bytes of JSON.
const MaxChange = 64 << 10

// Diff returns what tells after from before, in the order of after, and then what after lacks; and how many differences it left out
// because the result would grow beyond [MaxChange].
//
// Objects are descended into. So are lists of the same length that hold nothing but objects, index by index; other lists are
// compared as a whole. Values are the same if their JSON is: 3 and 3.0 are.
func Diff(before, after Object) (changes []FieldChange, more int) {
	d := differ{}
	d.objects("", before, after, 1)
	return d.changes, d.more
}

type differ struct {
	changes []FieldChange
	size    int
	more    int
}

func (d *differ) objects(prefix string, before, after Object, depth int) {
	old := make(map[string]any, len(before))
	for i := range before {
		old[before[i].Name] = before[i].Value
	}
	for i := range after {
		name := after[i].Name
		d.values(prefix+name, old[name], after[i].Value, depth)
		delete(old, name)
	}
	for i := range before {
		if value, left := old[before[i].Name]; left {
			d.values(prefix+before[i].Name, value, nil, depth)
		}
	}
}

func (d *differ) values(path string, before, after any, depth int) {
	if equalValues(before, after) {
		return
	}
	if depth < maxChangedDepth {
		b, isObject := before.(Object)
		a, both := after.(Object)
		if isObject && both {
			d.objects(path+".", b, a, depth+1)
			return
		}
		if b, a := objectsOf(before), objectsOf(after); len(b) > 0 && len(b) == len(a) {
			for i := range b {
				d.objects(fmt.Sprintf("%s.%d.", path, i), b[i], a[i], depth+1)
			}
			return
		}
	}
	d.add(path, before, after)
}

// objectsOf returns the elements of a list that holds nothing but objects.
func objectsOf(value any) []Object {
	list, _ := value.([]any)
	objects := make([]Object, 0, len(list))
	for _, element := range list {
		o, ok := element.(Object)
		if !ok {
			return nil
		}
		objects = append(objects, o)
	}
	return objects
}

func equalValues(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		if b, ok := b.(string); ok {
			return a == b
		}
	case bool:
		if b, ok := b.(bool); ok {
			return a == b
		}
	case int64:
		if b, ok := b.(int64); ok {
			return a == b
		}
	}
	return b != nil && bytes.Equal(appendValue(nil, a, true), appendValue(nil, b, true))
}

func (d *differ) add(path string, before, after any) {
	before, oldSize, oldCut := cutValue(before)
	after, newSize, newCut := cutValue(after)
	size := len(path) + oldSize + newSize
	if len(d.changes) == maxChangedFields || d.size+size > maxChangedBytes {
		d.more++
		return
	}
	d.size += size
	d.changes = append(d.changes, FieldChange{Path: path, Old: before, New: after, Cut: oldCut || newCut})
}

func cutValue(value any) (short any, size int, wasCut bool) {
	raw := appendValue(nil, value, false)
	if len(raw) <= maxChangedValue {
		return value, len(raw), false
	}
	text, ok := value.(string)
	if !ok {
		text = string(raw)
	}
	text = cut(text, maxChangedValue/2) + "…" // half, for what JSON escapes
	return text, len(appendString(nil, text)), true
}
