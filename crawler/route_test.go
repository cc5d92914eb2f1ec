package crawler

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestWhatCannotRideAlongIsRefused(t *testing.T) {
	t.Parallel()
	type inner struct{ secret int } //nolint:unused // it is what the test is about
	type good struct {
		Name  string
		When  time.Time
		Tags  []string
		Inner map[string]*struct{ N int }
	}
	spider := func(b Binding) error {
		return Spider{Name: "s", Routes: Routes(b)}.Check()
	}
	if err := spider(bind[good]()); err != nil {
		t.Errorf("a plain struct is refused: %v", err)
	}
	for want, err := range map[string]error{
		"C: a chan cannot":               spider(bind[struct{ C chan int }]()),
		"F: a func cannot":               spider(bind[struct{ F func() }]()),
		"secret: is unexported":          spider(bind[inner]()),
		"In.secret: is unexported":       spider(bind[struct{ In []inner }]()),
		"E: an interface (error) cannot": spider(bind[struct{ E error }]()),
		"A: would be lost on the way": spider(bind[struct {
			A int `json:"-"`
		}]()),
		"M: a map with keys of struct": spider(bind[struct{ M map[struct{}]int }]()),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, want)
		}
	}
}

func bind[M any]() Binding {
	return NewRoute[M]("r").To(func(context.Context, *Page, M) error { return nil })
}

func TestSpiderIsCheckedWhenItIsBuilt(t *testing.T) {
	t.Parallel()
	route := NewRoute[struct{}]("page")
	ok := Spider{
		Name: "s", Start: Start(route, "https://example.com/"),
		Routes: Routes(route.To(func(context.Context, *Page, struct{}) error { return nil })),
	}
	if err := ok.Check(); err != nil {
		t.Fatal(err)
	}
	type wrongTag struct {
		Price float64 `css:"p["`
	}
	type wrongRe struct {
		Price float64 `css:"p" re:"("`
	}
	type wrongType struct {
		C chan int `css:"p"`
	}
	type wrongItem struct {
		ID string `css:"p" item:"primary"`
	}
	type twoKeys struct {
		A string `css:"p" item:"key"`
		B string `css:"p" item:"key"`
	}
	for want, change := range map[string]func(*Spider){
		`Name ""`:                           func(s *Spider) { s.Name = "" },
		`Name "a b"`:                        func(s *Spider) { s.Name = "a b" },
		"Routes is empty":                   func(s *Spider) { s.Routes = nil },
		"Routes[0] has no handler":          func(s *Spider) { s.Routes = []Binding{{}} },
		"route page is bound twice":         func(s *Spider) { s.Routes = append(s.Routes, s.Routes[0]) },
		`Start[0]: route "other" is not`:    func(s *Spider) { s.Start = Start(NewRoute[struct{}]("other"), "https://example.com/") },
		"Start[0]: route page carries":      func(s *Spider) { s.Start = Start(NewRoute[int]("page"), "https://example.com/") },
		"Start[0]: ":                        func(s *Spider) { s.Start = Start(route, "example.com") },
		"Include[0]":                        func(s *Spider) { s.Include = []string{"[a"} },
		"Settings.Delay is negative":        func(s *Spider) { s.Settings.Delay = -1 },
		"Settings.Concurrency is too large": func(s *Spider) { s.Settings.Concurrency = 1 << 30 },
		"Settings.Lease (1ms) is shorter":   func(s *Spider) { s.Settings.Lease = time.Millisecond },
		"wrongTag.Price: css":               func(s *Spider) { s.Items = []any{wrongTag{}} },
		"wrongRe.Price: re":                 func(s *Spider) { s.Items = []any{wrongRe{}} },
		"wrongType.C: chan int cannot":      func(s *Spider) { s.Items = []any{wrongType{}} },
		"wrongItem.ID: item":                func(s *Spider) { s.Items = []any{wrongItem{}} },
		"twoKeys.B: a second key":           func(s *Spider) { s.Items = []any{twoKeys{}} },
		"must be a struct":                  func(s *Spider) { s.Items = []any{5} },
	} {
		s := ok
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, want)
		}
	}
}
