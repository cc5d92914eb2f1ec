package declare

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/pipelines"
)

// item is a kind of item, as a struct type made of its fields: what reads and encodes the structs of spiders in Go then
// reads and encodes this one.
type item struct {
	kind   string
	each   string // selector; empty: the page
	key    int    // index of the key field; -1: none
	fields []field
	typ    reflect.Type
}

// field is one of an item's; the field with the same index of its type.
type field struct {
	name     string
	css      string
	attr     string
	re       string
	typ      string
	layout   string
	list     bool
	required bool
	count    cascadia.Selector // not nil: how many elements match
}

// maxFields of an item: more would be a mistake, and storing takes time that grows with their square.
const maxFields = 500

func (r *reader) item(v value) *item {
	it := &item{key: -1}
	o := r.object(v, "kind", "each", "key", "fields")
	if kind, ok := o.need("kind"); ok {
		it.kind = r.text(kind)
		probe := pipelines.Item{Kind: it.kind, Key: "probe"}
		if err := probe.Check(); err != nil {
			r.fail(kind, "%.80q: a kind is a letter and up to %d letters, digits, '_' and '-'", it.kind, pipelines.MaxKind-1)
		}
	}
	if each, ok := o.get("each"); ok {
		r.selector(each)
		it.each = r.text(each)
	}
	if fields, ok := o.need("fields"); ok {
		for _, e := range r.entries(fields) {
			if len(it.fields) == maxFields {
				r.fail(e.key, "more than %d fields", maxFields)
				break
			}
			it.fields = append(it.fields, r.field(e))
		}
	}
	if key, ok := o.get("key"); ok {
		it.key = r.key(key, it.fields)
	}
	if r.err == nil {
		it.typ = structOf(it.fields)
	}
	return it
}

func (r *reader) key(v value, fields []field) int {
	name := r.text(v)
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	switch {
	case r.err != nil:
		return -1
	case i < 0:
		r.fail(v, "no field is called %.80q", name)
	case fields[i].list, fields[i].count != nil, !slices.Contains([]string{"string", "int", "url"}, fields[i].typ):
		r.fail(v, "the field %s cannot be a key: a key is one string, int or url", name)
	default:
		fields[i].required = true
	}
	return i
}

var types = []string{"string", "int", "float", "bool", "time", "url", "html"}

// fieldName is what JSON, CSV and MongoDB take alike.
var fieldName = regexp.MustCompile(`^[\p{L}\p{Nd}_][\p{L}\p{Nd}_-]{0,127}$`)

func (r *reader) field(e entry) field {
	f := field{name: e.name, typ: "string"}
	switch {
	case e.name == "_id" || e.name == "_meta":
		r.fail(e.key, "the field name %s is reserved", e.name)
	case !fieldName.MatchString(e.name):
		r.fail(e.key, "%.80q is no field name: want letters, digits, '_' and '-'", e.name)
	}
	if describe(e.value.node) == "text" {
		r.selector(e.value)
		f.css = r.text(e.value)
		return f
	}
	o := r.object(e.value, "css", "attr", "re", "type", "layout", "list", "count", "required")
	f.attr, f.list, f.required = o.text("attr"), o.bool("list"), o.bool("required")
	if css, ok := o.get("css"); ok {
		r.selector(css)
		f.css = r.text(css)
	}
	if attr, ok := o.get("attr"); ok && strings.ContainsAny(f.attr, " \t\r\n\"'<>/=") {
		r.fail(attr, "%.80q is no name of an attribute", f.attr)
	}
	if re, ok := o.get("re"); ok {
		f.re = r.text(re)
		if _, err := regexp.Compile(f.re); err != nil {
			r.fail(re, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	if typ, ok := o.get("type"); ok {
		if f.typ = r.text(typ); r.err == nil && !slices.Contains(types, f.typ) {
			line, column := start(typ.node)
			r.failAt(line, column, e.value.path, "unknown type %.80q: want %s", f.typ, or(types))
		}
	}
	if layout, ok := o.get("layout"); ok {
		f.layout = r.layout(layout, f.typ)
	}
	r.combination(o, &f)
	return f
}

// layout reads how a time is written.
func (r *reader) layout(v value, typ string) string {
	layout := r.text(v)
	if r.err == nil && typ != "time" {
		r.fail(v, "layout is for type time, not for %s", typ)
	}
	if odd := time.Date(2009, 11, 17, 20, 34, 58, 651387237, time.UTC); r.err == nil && odd.Format(layout) == layout {
		r.fail(v, "%.80q names no part of a time: write 2 January 2006, 15:04:05 in the form that the page has", layout)
	}
	return layout
}

// combination refuses what does not go together.
func (r *reader) combination(o object, f *field) {
	bad := func(name, why string) {
		if v, ok := o.get(name); ok {
			r.fail(v, "%s", why)
		}
	}
	if o.bool("count") {
		for _, name := range []string{"attr", "re", "type", "list", "required"} {
			bad(name, name+" does not go with count, which counts the elements that match css")
		}
		css, ok := o.get("css")
		if !ok {
			r.fail(o.whole, "count needs css: what is to be counted")
			return
		}
		f.count, f.typ = r.selector(css), "int"
		return
	}
	switch f.typ {
	case "html":
		bad("attr", "attr does not go with type html, which is what is inside the element")
	case "bool":
		bad("list", "list does not go with type bool, which says whether there is a match")
		bad("required", "required does not go with type bool: it is false if there is no match")
	}
	if f.attr == "html" {
		bad("attr", "write type: html for what is inside the element")
	}
}

// selector checks a selector and returns it compiled.
func (r *reader) selector(v value) cascadia.Selector {
	css := r.text(v)
	if r.err != nil {
		return nil
	}
	if len(css) > maxSelector {
		r.fail(v, "the selector is longer than %d bytes", maxSelector)
		return nil
	}
	match, err := cascadia.Compile(css)
	if err != nil {
		r.fail(v, "selector %.80q: %v", css, err)
	}
	return match
}

// structOf makes the type of an item. Its tags are those of package crawler, and its fields pointers, so that what is
// missing is told from what is zero and left out.
func structOf(fields []field) reflect.Type {
	all := make([]reflect.StructField, len(fields))
	for i := range fields {
		f := &fields[i]
		all[i] = reflect.StructField{Name: "F" + strconv.Itoa(i), Type: f.goType(), Tag: f.tag()}
	}
	return reflect.StructOf(all)
}

func (f *field) goType() reflect.Type {
	var t reflect.Type
	switch f.typ {
	case "int":
		t = reflect.TypeFor[int64]()
	case "float":
		t = reflect.TypeFor[float64]()
	case "bool":
		return reflect.TypeFor[bool]()
	case "time":
		t = reflect.TypeFor[time.Time]()
	case "url":
		t = reflect.TypeFor[crawler.URL]()
	default:
		t = reflect.TypeFor[string]()
	}
	switch {
	case f.count != nil:
		return t
	case f.list:
		return reflect.SliceOf(t)
	default:
		return reflect.PointerTo(t)
	}
}

// optional reports whether the field is left out of an item if it is missing.
func (f *field) optional() bool { return !f.list && f.count == nil && f.typ != "bool" }

func (f *field) tag() reflect.StructTag {
	name := f.name
	if f.optional() {
		name += ",omitempty"
	}
	tag := "json:" + strconv.Quote(name)
	if f.count != nil {
		return reflect.StructTag(tag)
	}
	attr := f.attr
	if f.typ == "html" {
		attr = "html"
	}
	tag += " css:" + strconv.Quote(f.css)
	for _, t := range [][2]string{{"attr", attr}, {"re", f.re}, {"layout", f.layout}} {
		if t[1] != "" {
			tag += " " + t[0] + ":" + strconv.Quote(t[1])
		}
	}
	return reflect.StructTag(tag)
}

// example is a value of the item's type, by which the engine checks it.
func (it *item) example() any {
	if it.typ == nil {
		return struct{}{}
	}
	return reflect.Zero(it.typ).Interface()
}
