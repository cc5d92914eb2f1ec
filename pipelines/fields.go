package pipelines

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Object is a JSON object whose fields keep their order: the form in which every driver gets an item's value.
type Object []Field

// Field is a name and its value: nil, bool, string, int64, float64, [time.Time] in UTC, a slice of any, [Object], or
// [json.Number] for a number that neither int64 nor float64 can hold.
type Field struct {
	Name  string
	Value any
}

// Lookup returns the value of the field, and false if there is none.
func (o Object) Lookup(name string) (any, bool) {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value, true
		}
	}
	return nil, false
}

// Fields encodes the value of an item for a store. Names, order and omissions are those of encoding/json: its
// encoding is the truth, so a field is called the same in a file and in MongoDB. Beyond JSON, what is a float or
// a time in Go is one in the result: a price of 3.0 does not become an integer.
//
// Invalid UTF-8 becomes U+FFFD. An [Object] is returned as it is. A value that does not encode, is no object, is larger than MaxValue, or has a field named "_id" or
// "_meta" gives an error wrapping [ErrItem].
func Fields(value any) (o Object, err error) {
	defer func() {
		if p := recover(); p != nil { // from a MarshalJSON of the spider's author
			o, err = nil, fmt.Errorf("%w: encoding a %T panics: %v", ErrItem, value, p)
		}
	}()
	o, done := value.(Object)
	var raw []byte
	if done {
		raw = o.AppendJSON(nil)
	} else if raw, err = encodeValue(value); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrItem, err)
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("%w: a %T encodes to %.20s, not to a JSON object", ErrItem, value, raw)
	}
	if len(raw) > MaxValue {
		return nil, fmt.Errorf("%w: a %T encodes to %d bytes, at most %d are allowed", ErrItem, value, len(raw), MaxValue)
	}
	if !done {
		p := parser{rest: raw}
		o, _ = retype(p.object(), reflect.ValueOf(value)).(Object)
	}
	for _, reserved := range []string{"_id", "_meta"} {
		if _, taken := o.Lookup(reserved); taken {
			return nil, fmt.Errorf("%w: the field name %s is reserved", ErrItem, reserved)
		}
	}
	return o, nil
}

func encodeValue(value any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

// retype returns node, the encoding of v, with floats and times as such. Where the two do not run in
// parallel, because a type encodes itself, the JSON stands as it is.
func retype(node any, v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.Kind() == reflect.Pointer && encodesItself(v.Type()) && v.Type().Elem() != timeType {
			return node
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return node
	}
	if v.Type() == timeType {
		if s, ok := node.(string); ok {
			if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
				return t.UTC()
			}
		}
		return node
	}
	if encodesItself(v.Type()) {
		return node
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return retypeFloat(node)
	case reflect.Struct:
		if o, ok := node.(Object); ok {
			retypeStruct(o, v)
		}
	case reflect.Map:
		if o, ok := node.(Object); ok && v.Type().Key().Kind() == reflect.String && !v.Type().Key().Implements(textType) {
			for i := range o {
				key := reflect.ValueOf(o[i].Name).Convert(v.Type().Key())
				o[i].Value = retype(o[i].Value, v.MapIndex(key))
			}
		}
	case reflect.Slice, reflect.Array:
		if list, ok := node.([]any); ok && len(list) == v.Len() {
			for i := range list {
				list[i] = retype(list[i], v.Index(i))
			}
		}
	}
	return node
}

func retypeFloat(node any) any {
	switch n := node.(type) {
	case int64:
		return float64(n)
	case json.Number:
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return node
}

func retypeStruct(o Object, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			embedded := v.Field(i)
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			if embedded.Kind() == reflect.Struct && !encodesItself(embedded.Type()) {
				retypeStruct(o, embedded)
				continue
			}
		}
		if !field.IsExported() {
			continue
		}
		if name == "" {
			name = field.Name
		}
		for j := range o {
			if o[j].Name == name {
				o[j].Value = retype(o[j].Value, v.Field(i))
			}
		}
	}
}

func encodesItself(t reflect.Type) bool {
	if t.Implements(marshalerType) || t.Implements(textType) {
		return true
	}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	p := reflect.PointerTo(t)
	return p.Implements(marshalerType) || p.Implements(textType)
}

// ParseObject reads a JSON object. Of fields with the same name the last one counts.
func ParseObject(raw []byte) (Object, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return nil, fmt.Errorf("%.20q is no JSON object", raw)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%.20q... is no valid JSON", raw)
	}
	p := parser{rest: raw}
	return p.object(), nil
}

// parser takes JSON apart that is known to be valid, and therefore no deeper than encoding/json's 10,000 levels.
type parser struct{ rest []byte }

func (p *parser) value() any {
	switch p.space(); p.rest[0] {
	case '{':
		return p.object()
	case '[':
		return p.list()
	case '"':
		return p.string()
	case 't':
		p.rest = p.rest[len("true"):]
		return true
	case 'f':
		p.rest = p.rest[len("false"):]
		return false
	case 'n':
		p.rest = p.rest[len("null"):]
		return nil
	default:
		return p.number()
	}
}

func (p *parser) object() Object {
	p.rest = p.rest[1:]
	o := Object{}
	var index map[string]int // of the names, once there are many
	for !p.closed('}') {
		name := p.string()
		p.space()
		p.rest = p.rest[1:] // the colon
		value := p.value()
		if len(o) == 16 {
			index = make(map[string]int)
			for i := range o {
				index[o[i].Name] = i
			}
		}
		if at := place(o, index, name); at >= 0 {
			o[at].Value = value
			continue
		}
		if index != nil {
			index[name] = len(o)
		}
		o = append(o, Field{name, value})
	}
	return o
}

func place(o Object, index map[string]int, name string) int {
	if index != nil {
		if at, ok := index[name]; ok {
			return at
		}
		return -1
	}
	for i := range o {
		if o[i].Name == name {
			return i
		}
	}
	return -1
}

func (p *parser) list() []any {
	p.rest = p.rest[1:]
	list := []any{}
	for !p.closed(']') {
		list = append(list, p.value())
	}
	return list
}

// closed skips a comma, and reports whether the end of an object or a list was read.
func (p *parser) closed(end byte) bool {
	p.space()
	c := p.rest[0]
	if c == ',' || c == end {
		p.rest = p.rest[1:]
		p.space()
	}
	return c == end
}

func (p *parser) string() string {
	end, plain := 1, true
	for ; p.rest[end] != '"'; end++ {
		if p.rest[end] == '\\' {
			plain = false
			end++
		} else if p.rest[end] >= 0x80 {
			plain = false // Unmarshal replaces what is not UTF-8
		}
	}
	quoted := p.rest[:end+1]
	p.rest = p.rest[end+1:]
	if plain {
		return string(quoted[1:end])
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid, as the whole text is
	return s
}

func (p *parser) number() any {
	end := 0
	for end < len(p.rest) && strings.IndexByte("+-.eE0123456789", p.rest[end]) >= 0 {
		end++
	}
	text := string(p.rest[:end])
	p.rest = p.rest[end:]
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f + 0 // no negative zero: as text it would come back as an integer
		}
	}
	return json.Number(text)
}

func (p *parser) space() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\t' || p.rest[0] == '\n' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}
