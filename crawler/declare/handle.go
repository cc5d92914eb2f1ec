package declare

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/PuerkitoBio/goquery"

	"github.com/lycosa-crawl/lycosa/crawler"
)

// route is what a route's handler does.
type route struct {
	items  []*item
	follow []link
}

// link says which links of a page are followed, and where to.
type link struct {
	selectors []string // none: all links
	to        crawler.Route[struct{}]
}

func (rt *route) handle(ctx context.Context, p *crawler.Page, _ struct{}) error {
	rows := map[string]int{}
	for _, it := range rt.items {
		if err := it.emit(ctx, p, rows); err != nil {
			return err
		}
	}
	for _, l := range rt.follow {
		p.Follow(l.to, l.selectors...)
	}
	return nil
}

// emit reads the item from the page, or one from each element. rows counts the elements of each kind.
func (it *item) emit(ctx context.Context, p *crawler.Page, rows map[string]int) error {
	if why := p.DocErr(); why != nil {
		if it.each == "" && it.requires() {
			return crawler.Drop(why.Error())
		}
		return nil
	}
	if it.each == "" {
		v, err := it.read(p, p.Doc().Selection)
		if err == nil {
			p.EmitAs(it.kind, it.keyOf(v), v.Interface())
		}
		return err
	}
	found := p.Find(it.each)
	var first *missingError
	complete := 0
	for i := range found.Length() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rows[it.kind]++
		v, err := it.read(p, found.Eq(i))
		if missing, ok := errors.AsType[*missingError](err); ok {
			if first == nil {
				first = missing
			}
			continue
		}
		if err != nil {
			return err
		}
		complete++
		key := it.keyOf(v)
		if key == "" {
			key = p.URL + "#" + strconv.Itoa(rows[it.kind])
		}
		p.EmitAs(it.kind, key, v.Interface())
	}
	if first != nil && complete == 0 {
		return fmt.Errorf("none of %d elements that match %q has all that is required: %w", found.Length(), it.each, first)
	}
	return nil
}

func (it *item) requires() bool {
	for i := range it.fields {
		if it.fields[i].required {
			return true
		}
	}
	return false
}

// missingError says that a required field is missing.
type missingError struct{ crawler.FieldError }

func (e *missingError) Unwrap() error { return &e.FieldError }

// read reads the item's fields from within a selection. If a required one is missing, the error is a [*missingError].
func (it *item) read(p *crawler.Page, from *goquery.Selection) (reflect.Value, error) {
	v := reflect.New(it.typ)
	if err := p.Read(v.Interface(), from); err != nil {
		return v, it.named(err)
	}
	v = v.Elem()
	for i := range it.fields {
		f, into := &it.fields[i], v.Field(i)
		if f.count != nil {
			into.SetInt(int64(from.FindMatcher(f.count).Length()))
		}
		if f.required && (f.list && into.Len() == 0 || !f.list && into.IsNil()) {
			return v, &missingError{crawler.FieldError{Type: it.kind, Field: f.name, Detail: "is required, but nothing matches"}}
		}
	}
	return v, nil
}

// named puts the names of the file into an error about a field of the type that was made of them.
func (it *item) named(err error) error {
	if field, ok := errors.AsType[*crawler.FieldError](err); ok {
		if i, bad := strconv.Atoi(strings.TrimPrefix(field.Field, "F")); bad == nil && i < len(it.fields) {
			return &crawler.FieldError{Type: it.kind, Field: it.fields[i].name, Detail: field.Detail}
		}
	}
	return err
}

// keyOf returns the key of an item, "" if no field is the key.
func (it *item) keyOf(v reflect.Value) string {
	if it.key < 0 {
		return ""
	}
	key := v.Field(it.key).Elem()
	if key.CanInt() {
		return strconv.FormatInt(key.Int(), 10)
	}
	return key.String()
}
