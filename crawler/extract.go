package crawler

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// URL is a string field that extraction makes absolute, relative to the page, in canonical form.
type URL string

// One reads a T from the whole page, by the tags of its fields:
//
//	css:"th:contains(UPC) + td"   where: the first match (all of them, for a slice); absent: the page, or the element itself
//	attr:"src"                    what: an attribute; absent: the text, white space collapsed; "html": the inner HTML
//	re:"[\\d.]+"                  which part: the first group of the first match, or the whole match
//	layout:"2 Jan 2006"           how a time.Time is written; absent: RFC 3339 and the common date forms
//	item:"key,required"           key: the item's key; required: an error if there is no match or no text
//
// Fields may be string, bool, ints, uints, floats, time.Time, *url.URL and [URL] (both made absolute), anything with
// UnmarshalText, structs with tags of their own (read inside the match), and pointers to and slices of
// those. A number is read as it stands, but for thousands separators ("1,234.5"); cut out currency signs with re.
// A bool is whether there is a match: of css, or of re, or an element that has attr. A field without
// any of the tags is left alone.
//
// A field that cannot be read is a [*FieldError]. A T with a wrong tag is an error too; list T in Spider.Items to
// have it refused when the spider is built.
func One[T any](p *Page) (T, error) {
	var v T
	x, err := p.visit.plan.extractor(reflect.TypeFor[T]())
	if err != nil {
		return v, Drop(err.Error())
	}
	err = x.read(p, p.Doc().Selection, reflect.ValueOf(&v).Elem())
	return v, err
}

// All reads a T from each element that matches the selector, with the tags read inside it.
func All[T any](p *Page, each string) ([]T, error) {
	x, err := p.visit.plan.extractor(reflect.TypeFor[T]())
	if err != nil {
		return nil, Drop(err.Error())
	}
	found, err := p.find(each)
	if err != nil {
		return nil, err
	}
	all := make([]T, found.Length())
	for i := range all {
		if err := x.read(p, found.Eq(i), reflect.ValueOf(&all[i]).Elem()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// extractor reads one struct type from a selection.
type extractor struct {
	typ    reflect.Type
	fields []fieldReader
	key    []int // index of the key field; nil: none
}

type fieldReader struct {
	name     string
	index    []int
	match    cascadia.Selector // nil: the element itself
	attr     string
	re       *regexp.Regexp
	layout   string
	required bool
	typ      reflect.Type
	nested   *extractor // of the (element) type, if that is a struct with tags
}

func newExtractor(t reflect.Type) (*extractor, error) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v: an item type must be a struct", t)
	}
	return structExtractor(t, nil)
}

func structExtractor(t reflect.Type, within []reflect.Type) (*extractor, error) {
	if slices.Contains(within, t) {
		return nil, fmt.Errorf("%s contains itself", t)
	}
	x := &extractor{typ: t}
	for _, f := range reflect.VisibleFields(t) {
		r, isKey, err := newFieldReader(f, append(within, t))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		if isKey {
			if x.key != nil {
				return nil, fmt.Errorf("%s.%s: a second key", t, f.Name)
			}
			x.key = f.Index
		}
		if r != nil {
			x.fields = append(x.fields, *r)
		}
	}
	return x, nil
}

// newFieldReader reads a field's tags; nil if it has none that extract.
func newFieldReader(f reflect.StructField, within []reflect.Type) (r *fieldReader, isKey bool, err error) {
	css, hasCSS := f.Tag.Lookup("css")
	attr, hasAttr := f.Tag.Lookup("attr")
	re, hasRe := f.Tag.Lookup("re")
	item, hasItem := f.Tag.Lookup("item")
	extracts := hasCSS || hasAttr || hasRe
	if !extracts && !hasItem {
		return nil, false, nil
	}
	if !f.IsExported() {
		return nil, false, errors.New("is unexported, so it cannot be set")
	}
	r = &fieldReader{name: f.Name, index: f.Index, attr: attr, layout: f.Tag.Get("layout"), typ: f.Type}
	for option := range strings.SplitSeq(item, ",") {
		switch strings.TrimSpace(option) {
		case "key":
			isKey = true
		case "required":
			r.required = true
		case "":
		default:
			return nil, false, fmt.Errorf("item:%q: want key, required or both", item)
		}
	}
	if isKey && !isKeyType(f.Type) {
		return nil, false, fmt.Errorf("a key must be a string or a whole number, not %s", f.Type)
	}
	if r.required && !extracts {
		return nil, false, errors.New("is required, but has no css, attr or re to be read by")
	}
	if !extracts {
		return nil, isKey, nil
	}
	if hasCSS && strings.TrimSpace(css) != "" {
		if r.match, err = cascadia.Compile(css); err != nil {
			return nil, false, fmt.Errorf("css:%q: %w", css, err)
		}
	}
	if hasRe {
		if r.re, err = regexp.Compile(re); err != nil {
			return nil, false, fmt.Errorf("re:%q: %w", re, err)
		}
	}
	r.nested, err = checkFieldType(f.Type, within)
	if r.nested != nil && (hasAttr || hasRe) {
		return nil, false, fmt.Errorf("%s has fields of its own, so attr and re do not fit", f.Type)
	}
	return r, isKey, err
}

func isKeyType(t reflect.Type) bool {
	k := t.Kind()
	return k == reflect.String || k >= reflect.Int && k <= reflect.Uint64
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	urlType    = reflect.TypeFor[URL]()
	netURLType = reflect.TypeFor[*url.URL]()
)

// checkFieldType returns an error if no field of type t can be read, and the extractor of a nested struct.
func checkFieldType(t reflect.Type, within []reflect.Type) (*extractor, error) {
	if t == timeType || t == netURLType || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return nil, nil
	}
	switch k := t.Kind(); {
	case k == reflect.String, k == reflect.Bool, k >= reflect.Int && k <= reflect.Uint64, k == reflect.Float32, k == reflect.Float64:
		return nil, nil
	case k == reflect.Struct:
		x, err := structExtractor(t, within)
		if err == nil && len(x.fields) == 0 {
			return nil, fmt.Errorf("%s has no field with a css, attr or re tag, and no UnmarshalText", t)
		}
		return x, err
	case k == reflect.Pointer, k == reflect.Slice:
		if e := t.Elem().Kind(); e == reflect.Slice || e == reflect.Pointer && t.Elem() != netURLType {
			return nil, fmt.Errorf("%s cannot be read from a page", t)
		}
		return checkFieldType(t.Elem(), within)
	}
	return nil, fmt.Errorf("%s cannot be read from a page", t)
}

func (x *extractor) read(p *Page, from *goquery.Selection, into reflect.Value) error {
	for i := range x.fields {
		f := &x.fields[i]
		if err := f.read(p, from, into.FieldByIndex(f.index)); err != nil {
			if _, ok := errors.AsType[*FieldError](err); ok {
				return err
			}
			return &FieldError{Type: x.typ.Name(), Field: f.name, Detail: err.Error()}
		}
	}
	return nil
}

func (f *fieldReader) read(p *Page, from *goquery.Selection, into reflect.Value) error {
	found := from
	if f.match != nil {
		found = from.FindMatcher(f.match)
	}
	t := into.Type()
	if t.Kind() == reflect.Bool {
		n := 0
		for _, node := range found.Nodes {
			if _, ok := f.text(node); ok {
				n++
			}
		}
		into.SetBool(n > 0)
		return nil
	}
	if t.Kind() == reflect.Slice && !reflect.PointerTo(t).Implements(textUnmarshaler) {
		all := reflect.MakeSlice(t, 0, found.Length())
		for i, node := range found.Nodes {
			v := reflect.New(t.Elem()).Elem()
			ok, err := f.one(p, found, i, node, v)
			if err != nil {
				return err
			}
			if ok {
				all = reflect.Append(all, v)
			}
		}
		into.Set(all)
		if all.Len() == 0 && f.required {
			return errors.New("is required, but nothing matches")
		}
		return nil
	}
	if len(found.Nodes) > 0 { // the first match decides
		if ok, err := f.one(p, found, 0, found.Nodes[0], into); ok || err != nil {
			return err
		}
	}
	if f.required {
		return errors.New("is required, but nothing matches")
	}
	return nil
}

// one reads a single value from the i-th node of found; false if there is nothing in it.
func (f *fieldReader) one(p *Page, found *goquery.Selection, i int, node *html.Node, into reflect.Value) (bool, error) {
	if into.Kind() == reflect.Pointer && into.Type() != netURLType {
		into.Set(reflect.New(into.Type().Elem()))
		ok, err := f.one(p, found, i, node, into.Elem())
		if !ok {
			into.SetZero()
		}
		return ok, err
	}
	if f.nested != nil {
		return true, f.nested.read(p, found.Eq(i), into)
	}
	text, ok := f.text(node)
	if !ok || text == "" {
		return false, nil
	}
	return true, p.setText(into, text, f.layout)
}

// text returns the part of a node that the field is read from; false if it lacks the attribute or the expression does
// not match.
func (f *fieldReader) text(node *html.Node) (string, bool) {
	return textOf(node, f.attr, f.re)
}

func textOf(node *html.Node, attr string, re *regexp.Regexp) (text string, ok bool) {
	switch attr {
	case "":
		text, ok = collapsedText(node), true
	case "html":
		html, err := goquery.NewDocumentFromNode(node).Html()
		text, ok = strings.TrimSpace(html), err == nil
	default:
		text, ok = attrOf(node, attr)
	}
	if !ok || re == nil {
		return text, ok
	}
	switch m := re.FindStringSubmatch(text); {
	case m == nil:
		return "", false
	case len(m) > 1:
		return strings.TrimSpace(m[1]), true
	default:
		return strings.TrimSpace(m[0]), true
	}
}

func attrOf(node *html.Node, name string) (string, bool) {
	for i := range node.Attr {
		if node.Attr[i].Key == name && node.Attr[i].Namespace == "" {
			return strings.TrimSpace(node.Attr[i].Val), true
		}
	}
	return "", false
}

// collapsedText returns the text inside a node, each run of white space as one blank, none at the ends.
func collapsedText(node *html.Node) string {
	var b strings.Builder
	gap := false
	for n := range node.Descendants() {
		if n.Type == html.TextNode {
			gap = appendCollapsed(&b, n.Data, gap)
		}
	}
	return b.String()
}

func appendCollapsed(b *strings.Builder, s string, gap bool) bool {
	for _, r := range s {
		switch r {
		case ' ', '\t', '\n', '\r', '\f', '\u00a0':
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteRune(r)
	}
	return gap
}

// setText converts text to the type of into and sets it.
func (p *Page) setText(into reflect.Value, text, layout string) error {
	switch t := into.Type(); {
	case t == timeType:
		at, err := parseTime(text, layout)
		if err == nil {
			into.Set(reflect.ValueOf(at))
		}
		return err
	case t == urlType, t == netURLType:
		u, err := p.resolve(text)
		if err != nil {
			return err
		}
		if t == urlType {
			into.SetString(u.String())
			return nil
		}
		parsed, err := url.Parse(u.String())
		if err == nil {
			into.Set(reflect.ValueOf(parsed))
		}
		return err
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		return into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) //nolint:forcetypeassert // the case says so
	}
	switch k := into.Kind(); {
	case k == reflect.String:
		into.SetString(text)
	case k >= reflect.Int && k <= reflect.Int64:
		n, err := strconv.ParseInt(plainNumber(text), 10, into.Type().Bits())
		if err != nil {
			return numberError(text, into.Type(), err)
		}
		into.SetInt(n)
	case k >= reflect.Uint && k <= reflect.Uint64:
		n, err := strconv.ParseUint(plainNumber(text), 10, into.Type().Bits())
		if err != nil {
			return numberError(text, into.Type(), err)
		}
		into.SetUint(n)
	case k == reflect.Float32 || k == reflect.Float64:
		n, err := strconv.ParseFloat(plainNumber(text), into.Type().Bits())
		if err != nil {
			return numberError(text, into.Type(), err)
		}
		into.SetFloat(n)
	default:
		return fmt.Errorf("%s cannot be read from a page", into.Type())
	}
	return nil
}

func numberError(text string, t reflect.Type, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%.60q is out of range for %s", text, t)
	}
	return fmt.Errorf("%.60q is no %s", text, t)
}

var thousands = regexp.MustCompile(`^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$`)

// plainNumber takes thousands separators out: "1,234.5" is 1234.5.
func plainNumber(s string) string {
	s = strings.TrimSpace(s)
	if thousands.MatchString(s) {
		return strings.ReplaceAll(s, ",", "")
	}
	return s
}

var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
	time.RFC1123Z, time.RFC1123, time.RFC850, time.ANSIC, "2 January 2006", "2 Jan 2006", "January 2, 2006", "Jan 2, 2006",
}

// parseTime reads a time by a layout, or by the common ones. Without a zone it is UTC.
func parseTime(s, layout string) (time.Time, error) {
	if layout != "" {
		return time.Parse(layout, s)
	}
	for _, l := range timeLayouts {
		if at, err := time.Parse(l, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is no time known without a layout", s)
}
