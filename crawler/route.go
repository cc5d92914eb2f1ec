package crawler

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
)

// Route is the name under which a kind of page travels through the frontier, and the type of what rides along
// with a request for one. It holds no handler, so handlers may refer to any route without an initialisation
// cycle. The name must stay the same over releases: queued requests carry it.
//
// M travels as JSON. Types that do not survive that (channels, functions, structs with unexported
// fields) are refused when the spider is built.
type Route[M any] struct{ name string }

// NewRoute returns the route with the name: [a-z0-9_-]{1,32}.
func NewRoute[M any](name string) Route[M] { return Route[M]{name} }

// Name returns the route's name.
func (r Route[M]) Name() string { return r.name }

// To binds a handler to the route. The handler is called once for each page, from many goroutines
// at once; its error, or its panic, costs that page alone: see [Drop] and [RetryAfter].
func (r Route[M]) To(handler func(ctx context.Context, p *Page, with M) error) Binding {
	return Binding{
		name: r.name,
		with: reflect.TypeFor[M](),
		handle: func(ctx context.Context, p *Page, raw json.RawMessage) error {
			var with M
			if len(raw) > 0 {
				if err := json.Unmarshal(raw, &with); err != nil {
					return Drop(fmt.Sprintf("route %s: what rides along does not fit %s: %v", r.name, reflect.TypeFor[M](), err))
				}
			}
			return handler(ctx, p, with)
		},
	}
}

// With returns the route as a target that carries m along.
func (r Route[M]) With(m M) Target { return bound{r.name, reflect.TypeFor[M](), m} }

func (r Route[M]) target() bound { return bound{name: r.name, typ: reflect.TypeFor[M]()} }

// Target is where a followed link goes: a [Route], or a route with something to ride along
// ([Route.With]).
type Target interface{ target() bound }

type bound struct {
	name string
	typ  reflect.Type
	with any // nil: the zero value of typ
}

func (b bound) target() bound { return b }

// encode returns what rides along as JSON; nil for the zero value.
func (b bound) encode() (json.RawMessage, error) {
	if b.with == nil || reflect.ValueOf(b.with).IsZero() {
		return nil, nil
	}
	return json.Marshal(b.with)
}

// Binding is a route with its handler; see [Route.To].
type Binding struct {
	name   string
	with   reflect.Type
	handle func(ctx context.Context, p *Page, with json.RawMessage) error
}

// Name returns the route's name.
func (b Binding) Name() string { return b.name }

// Routes lists a spider's bindings.
func Routes(bindings ...Binding) []Binding { return bindings }

var routeName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

func (b Binding) check() error {
	if !routeName.MatchString(b.name) {
		return fmt.Errorf("route %q: a name is 1 to 32 of a-z, 0-9, _ and -", b.name)
	}
	if err := checkTravels(b.with, b.with.String(), map[reflect.Type]bool{}); err != nil {
		return fmt.Errorf("route %s: %w", b.name, err)
	}
	return nil
}

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// checkTravels reports what in a type would not survive JSON. at names the place.
func checkTravels(t reflect.Type, at string, seen map[reflect.Type]bool) error {
	if seen[t] {
		return nil
	}
	seen[t] = true
	ptr := reflect.PointerTo(t)
	if ptr.Implements(jsonMarshaler) && ptr.Implements(jsonUnmarshaler) ||
		ptr.Implements(textMarshaler) && ptr.Implements(textUnmarshaler) {
		return nil
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		return fmt.Errorf("%s: a %s cannot ride along with a request", at, t.Kind())
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s: an interface (%s) cannot ride along with a request, its type would be lost", at, t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return checkTravels(t.Elem(), at, seen)
	case reflect.Map:
		if k := t.Key().Kind(); k != reflect.String && (k < reflect.Int || k > reflect.Uint64) {
			return fmt.Errorf("%s: a map with keys of %s cannot ride along with a request", at, t.Key())
		}
		return checkTravels(t.Elem(), at, seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if f.Tag.Get("json") == "-" {
				return fmt.Errorf("%s.%s: would be lost on the way (json:\"-\")", at, f.Name)
			}
			if !f.IsExported() && !f.Anonymous {
				return fmt.Errorf("%s.%s: is unexported and would be lost on the way", at, f.Name)
			}
			if err := checkTravels(f.Type, at+"."+f.Name, seen); err != nil {
				return err
			}
		}
	}
	return nil
}
