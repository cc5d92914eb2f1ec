package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxDeadValue is how many bytes of a value a [DeadItem] keeps.
const MaxDeadValue = 64 << 10

// DeadItem is an item that could not be stored, and why. Stores keep them apart from the items.
type DeadItem struct {
	Meta
	Error string    `json:"error"`
	Value string    `json:"value"` // JSON text, cut after MaxDeadValue; or only the Go type, if it does not encode
	At    time.Time `json:"at"`
}

// Bury makes a DeadItem of an item. Whatever is wrong with the item, the result is valid UTF-8 of bounded size.
func Bury(item Item, why error, at time.Time) DeadItem {
	meta := item.Meta()
	meta.Kind, meta.Key = cut(meta.Kind, MaxKey), cut(meta.Key, MaxKey)
	meta.URL, meta.Crawl = cut(meta.URL, 4<<10), cut(meta.Crawl, MaxKey)
	return DeadItem{
		Meta:  meta,
		Error: cut(why.Error(), 4<<10),
		Value: cut(deadValue(item.Value), MaxDeadValue),
		At:    at.UTC().Truncate(time.Millisecond),
	}
}

func deadValue(value any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", value)
		}
	}()
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return string(raw)
}

func cut(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "?")
}

// Graveyard is implemented by pipelines that keep dead items. All drivers of this project do, as far as their
// store has a place for them.
type Graveyard interface {
	// Bury keeps dead items where people find them. The same item buried twice may stand there once or
	// twice. Otherwise it promises what Process does.
	Bury(ctx context.Context, dead ...DeadItem) error
}

// Stats count what became of the items that a pipeline was given in this process.
type Stats struct {
	New     int64 `json:"new"`     // stored, not known before
	Changed int64 `json:"changed"` // stored over an older version
	Same    int64 `json:"same"`    // stored already, with the same fields
	Dead    int64 `json:"dead"`    // could not be stored, ever: see Graveyard
}

// Counter is implemented by pipelines that count. All drivers of this project do.
type Counter interface{ Stats() Stats }
