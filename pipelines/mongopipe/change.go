package mongopipe

import (
	"encoding/json"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// encodeChange returns a change as it stands in the feed, without _id and recorded.
func encodeChange(c *pipelines.Change) bson.D {
	d := bson.D{
		{Key: "id", Value: c.ID()},
		{Key: "news", Value: string(c.News)},
		{Key: "kind", Value: c.Kind},
		{Key: "key", Value: c.Key},
		{Key: "url", Value: c.URL},
		{Key: "crawl", Value: c.Crawl},
		{Key: "revision", Value: c.Revision},
		{Key: "at", Value: c.At},
	}
	if c.IsPage() {
		d = append(d, bson.E{Key: "status", Value: int64(c.Status)})
		if l := c.Links; l != nil {
			d = append(d, bson.E{Key: "links", Value: bson.D{
				{Key: "new", Value: textsOrNone(l.New)}, {Key: "gone", Value: textsOrNone(l.Gone)}, {Key: "more", Value: int64(l.More)},
			}})
		}
		return d
	}
	fields := make(bson.A, len(c.Fields))
	for i, f := range c.Fields {
		field := bson.D{{Key: "path", Value: f.Path}, {Key: "old", Value: valueOrText(f.Old)}, {Key: "new", Value: valueOrText(f.New)}}
		if f.Cut {
			field = append(field, bson.E{Key: "cut", Value: true})
		}
		fields[i] = field
	}
	d = append(d, bson.E{Key: "fields", Value: fields})
	if c.More > 0 {
		d = append(d, bson.E{Key: "more", Value: int64(c.More)})
	}
	return d
}

// textsOrNone returns a list that is not null.
func textsOrNone(list []string) bson.A {
	a := make(bson.A, len(list))
	for i, text := range list {
		a[i] = text
	}
	return a
}

func textsOf(v bson.RawValue) (list []string) {
	array, _ := v.ArrayOK()
	values, _ := array.Values()
	for _, v := range values {
		text, _ := v.StringValueOK()
		list = append(list, text)
	}
	return list
}

// valueOrText returns a value as BSON, and as JSON in a string if it is nested too deep to stand where it is.
func valueOrText(v any) any {
	const depth = 6 // at which it stands in an item's document
	encoded, err := value(v, depth)
	if err != nil {
		return string(pipelines.AppendJSON(nil, v))
	}
	return encoded
}

// pendingOf returns the change that a document carries, nil if it carries none.
func pendingOf(v bson.RawValue) *pipelines.Change {
	doc, ok := v.DocumentOK()
	if !ok {
		return nil
	}
	c := decodeChange(doc)
	return &c
}

// decodeChange reads what encodeChange wrote, and _id and recorded if they are there.
func decodeChange(doc bson.Raw) pipelines.Change {
	text := func(raw bson.Raw, name string) string {
		s, _ := raw.Lookup(name).StringValueOK()
		return s
	}
	number := func(name string) int64 {
		n, _ := doc.Lookup(name).AsInt64OK()
		return n
	}
	date := func(name string) time.Time {
		at, ok := doc.Lookup(name).TimeOK()
		if !ok {
			return time.Time{}
		}
		return at.UTC()
	}
	c := pipelines.Change{
		Cursor: pipelines.Cursor(number("_id")), News: pipelines.News(text(doc, "news")), Kind: text(doc, "kind"), Key: text(doc, "key"),
		URL: text(doc, "url"), Crawl: text(doc, "crawl"), Revision: number("revision"), At: date("at"), Recorded: date("recorded"),
		Status: int(number("status")), More: int(number("more")),
	}
	if links, ok := doc.Lookup("links").DocumentOK(); ok {
		more, _ := links.Lookup("more").AsInt64OK()
		c.Links = &pipelines.LinkChange{New: textsOf(links.Lookup("new")), Gone: textsOf(links.Lookup("gone")), More: int(more)}
	}
	list, _ := doc.Lookup("fields").ArrayOK()
	values, _ := list.Values()
	for _, v := range values {
		field, _ := v.DocumentOK()
		wasCut, _ := field.Lookup("cut").BooleanOK()
		c.Fields = append(c.Fields, pipelines.FieldChange{
			Path: text(field, "path"), Old: plainValue(field.Lookup("old")), New: plainValue(field.Lookup("new")), Cut: wasCut,
		})
	}
	return c
}

// fieldsOf returns the fields of a document, without _id and _meta.
func fieldsOf(doc bson.Raw) pipelines.Object {
	o := pipelines.Object{}
	elements, _ := doc.Elements()
	for _, e := range elements {
		if key := e.Key(); key != "_id" && key != "_meta" {
			o = append(o, pipelines.Field{Name: key, Value: plainValue(e.Value())})
		}
	}
	return o
}

// plainValue is the reverse of value. What items do not have, and somebody else has put there, becomes text.
func plainValue(v bson.RawValue) any {
	switch v.Type {
	case bson.TypeNull, 0:
		return nil
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeBoolean:
		return v.Boolean()
	case bson.TypeDouble:
		return v.Double()
	case bson.TypeInt32, bson.TypeInt64:
		return v.AsInt64()
	case bson.TypeDateTime:
		return v.Time().UTC()
	case bson.TypeDecimal128:
		return json.Number(v.Decimal128().String())
	case bson.TypeEmbeddedDocument:
		o := pipelines.Object{}
		elements, _ := v.Document().Elements()
		for _, e := range elements {
			o = append(o, pipelines.Field{Name: e.Key(), Value: plainValue(e.Value())})
		}
		return o
	case bson.TypeArray:
		list := []any{}
		values, _ := v.Array().Values()
		for _, element := range values {
			list = append(list, plainValue(element))
		}
		return list
	}
	return v.String()
}
