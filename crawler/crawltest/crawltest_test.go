package crawltest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/crawltest"
)

type note struct {
	ID   int    `json:"id" attr:"id" item:"key"`
	Text string `json:"text" css:"b" item:"required"`
}

func spider(handler func(ctx context.Context, p *crawler.Page, with string) error) crawler.Spider {
	route := crawler.NewRoute[string]("page")
	return crawler.Spider{Name: "notes", Routes: crawler.Routes(route.To(handler))}
}

func TestItemsAndRequestsComeInOrder(t *testing.T) {
	t.Parallel()
	route := crawler.NewRoute[string]("page")
	s := spider(func(_ context.Context, p *crawler.Page, _ string) error {
		notes, err := crawler.All[note](p, "p")
		for _, n := range notes {
			p.Emit(n)
		}
		p.Follow(route.With("along"), "a")
		return err
	})
	items, followed, err := crawltest.Run(t, s, "page", "HTTPS://notes.example:443/x?b&a",
		`<p id=2><b>two</b><p id=1><b>one</b><a href=y>y</a><a href=https://elsewhere.example/>z</a>`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := crawltest.Lines(t, items), "note 2 {\"id\":2,\"text\":\"two\"}\nnote 1 {\"id\":1,\"text\":\"one\"}\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := crawltest.URLs(followed), "page https://notes.example/y\n"; got != want || string(followed[0].With) != `"along"` {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if src := items[0].Source; src.URL != "https://notes.example/x?a&b" || src.Crawl != "notes" || !src.FetchedAt.Equal(crawltest.FetchedAt) {
		t.Errorf("source %+v", src)
	}
}

func TestHandlerThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return crawler.Drop("enough") },
		"panic": func() error { panic("enough") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := spider(func(_ context.Context, p *crawler.Page, _ string) error {
				p.EmitAs("note", "1", map[string]int{"a": 1})
				return fail()
			})
			items, followed, err := crawltest.Run(t, s, "page", "https://notes.example/", "")
			if err == nil || !strings.Contains(err.Error(), "enough") || len(items)+len(followed) != 0 {
				t.Errorf("%d items, %d requests, error %v", len(items), len(followed), err)
			}
		})
	}
}

func TestTextIsReadInItsCharset(t *testing.T) {
	t.Parallel()
	s := spider(func(_ context.Context, p *crawler.Page, _ string) error {
		p.EmitAs("note", "1", map[string]string{"charset": p.Charset, "text": p.Text("b")})
		return nil
	})
	items, _, err := crawltest.RunResponse(t, s, "page", "https://notes.example/", "text/html; charset=iso-8859-1", []byte("<b>gr\xfcn</b>"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := crawltest.Lines(t, items), "note 1 {\"charset\":\"windows-1252\",\"text\":\"grün\"}\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestReadFillsAStructFromWithinASelection(t *testing.T) {
	t.Parallel()
	s := spider(func(_ context.Context, p *crawler.Page, _ string) error {
		var last note
		if err := p.Read(&last, p.Find("p").Last()); err != nil {
			return err
		}
		p.Emit(last)
		return nil
	})
	items, _, err := crawltest.Run(t, s, "page", "https://notes.example/", "<p id=1><b>one</b><p id=2><b>two</b>")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := crawltest.Lines(t, items), "note 2 {\"id\":2,\"text\":\"two\"}\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	_, _, err = crawltest.Run(t, s, "page", "https://notes.example/", "<p id=1><b>one</b><p id=2>")
	if field, ok := errors.AsType[*crawler.FieldError](err); !ok || field.Field != "Text" {
		t.Errorf("error %v, want a FieldError about Text", err)
	}
}

func TestReadWantsAPointerToAStruct(t *testing.T) {
	t.Parallel()
	var missing *note
	for _, into := range []any{nil, note{}, new(int), missing, map[string]string{}} {
		s := spider(func(_ context.Context, p *crawler.Page, _ string) error {
			return p.Read(into, goquery.NewDocumentFromNode(p.Doc().Nodes[0]).Selection)
		})
		if _, _, err := crawltest.Run(t, s, "page", "https://notes.example/", ""); err == nil || !strings.Contains(err.Error(), "struct") {
			t.Errorf("Read(%T): error %v", into, err)
		}
	}
}
