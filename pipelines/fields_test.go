package pipelines_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

func TestNamesAndValuesAreThoseOfEncodingJSON(t *testing.T) {
	t.Parallel()
	type Base struct {
		ID    int
		Price float64 `json:"price"`
	}
	type pair struct {
		*Base
		Name   string  `json:"name"`
		Skip   string  `json:"-"`
		Dash   string  `json:"-,"` //nolint:staticcheck // it is what the test is about
		Zero   int     `json:",omitempty"`
		Quoted float64 `json:",string"`
		Raw    json.RawMessage
		Num    json.Number
		List   [2]float32
		Any    any
		Key    map[string]*time.Time
		Int    map[int]float64
		hidden float64 //nolint:unused // same
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	for _, value := range []any{
		pair{Base: &Base{1, 2}, Quoted: 3, Raw: json.RawMessage(` {"b":[1.50, 1e3],"a":"\u00e9"} `), Num: "12345678901234567890123", Any: at},
		&pair{Base: &Base{}, Raw: json.RawMessage(`null`), Num: "0", Any: map[string]any{"x": []any{at, 1.0, nil}}, Key: map[string]*time.Time{"t": &at, "n": nil}, Int: map[int]float64{1: 1}},
		map[string]any{"z": "\xff<>&\u2028\x00\x1f\"\\/", "a": []string{}, "e": struct{}{}},
		map[string]float64{"": 1e21, "b": 1e-7, "c": math.MaxFloat64, "d": math.SmallestNonzeroFloat64},
	} {
		o, err := pipelines.Fields(value)
		if err != nil {
			t.Fatal(err)
		}
		var buf strings.Builder
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(value); err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := json.Unmarshal(o.AppendJSON(nil), &got); err != nil {
			t.Fatalf("%s: %v", o.AppendJSON(nil), err)
		}
		if err := json.Unmarshal([]byte(buf.String()), &want); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("encodes to\n%s, encoding/json to\n%s", o.AppendJSON(nil), buf.String())
		}
	}
}

func TestFieldsKeepTheirOrderAndTypes(t *testing.T) {
	t.Parallel()
	type inner struct {
		F float64
	}
	type Embedded struct {
		Rate float32 `json:"rate"`
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	o, err := pipelines.Fields(struct {
		Z string
		A float64
		Embedded
		I  uint16
		T  *time.Time
		L  []inner
		M  map[string]float64
		S  string // looks like a time, and is none
		H  uint64
		B  any
		Un json.Number
	}{"z", 1, Embedded{2}, 3, &at, []inner{{4}}, map[string]float64{"x": 5}, "2026-01-02T03:04:05Z", math.MaxUint64, 6.0, "7.0"})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{Z string z} {A float64 1} {rate float64 2} {I int64 3} {T time.Time 2026-01-02 02:04:05 +0000 UTC} ` +
		`{L []interface {} [[{F 4}]]} {M pipelines.Object [{x 5}]} {S string 2026-01-02T03:04:05Z} ` +
		`{H json.Number 18446744073709551615} {B float64 6} {Un float64 7}]`
	var got []string
	for _, f := range o {
		got = append(got, fmt.Sprintf("{%s %T %v}", f.Name, f.Value, f.Value))
	}
	if fmt.Sprint(got) != want {
		t.Errorf("fields are\n%v, want\n%s", got, want)
	}
	list, _ := o.Lookup("L")
	if f := list.([]any)[0].(pipelines.Object)[0].Value; f != 4.0 {
		t.Errorf("a float in a struct in a list is a %T", f)
	}
}

func TestDigestIgnoresOrderAndNothingElse(t *testing.T) {
	t.Parallel()
	digest := func(text string) pipelines.Digest {
		o, err := pipelines.ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return o.Digest()
	}
	same := []string{`{"a":1,"b":{"c":2,"d":[{"e":3,"f":4}]}}`, `{"b":{"d":[{"f":4,"e":3}],"c":2},"a":1}`, ` { "a" : 9, "b":{"c":2,"d":[{"e":3,"f":4}]}, "a": 1 }`}
	for _, text := range same[1:] {
		if digest(text) != digest(same[0]) {
			t.Errorf("%s differs from %s", text, same[0])
		}
	}
	seen := make(map[pipelines.Digest]string)
	for _, text := range []string{`{}`, `{"a":1}`, `{"a":"1"}`, `{"a":null}`, `{"a":[]}`, `{"a":{}}`, `{"a":[1,2]}`, `{"a":[2,1]}`, `{"b":1}`, `{"a":1,"b":1}`, `{"a":true}`, `{"a":""}`, `{"a\"":1}`} {
		if other, twice := seen[digest(text)]; twice {
			t.Errorf("%s is the same as %s", text, other)
		}
		seen[digest(text)] = text
	}
	if got := digest(`{"title":"One","price":3}`).String(); got != "896c5a7c7bd1b961d2a0149d1414271a" {
		t.Errorf("the digest is %s: stores keep digests, so this one must not change", got)
	}
}

func TestWhatIsStoredReadsBackTheSame(t *testing.T) {
	t.Parallel()
	o, err := pipelines.Fields(map[string]any{
		"f": 3.0, "t": time.Unix(1, 500).UTC(), "n": math.Copysign(0, -1), "h": uint64(math.MaxUint64), "s": "\xff\u2028", "l": []float64{1e21, 1e20, 0.1},
	})
	if err != nil {
		t.Fatal(err)
	}
	back, err := pipelines.ParseObject(o.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if back.Digest() != o.Digest() {
		t.Errorf("%s reads back as %s", o.AppendJSON(nil), back.AppendJSON(nil))
	}
}

func TestManyNamesAreReadInLinearTime(t *testing.T) {
	t.Parallel()
	values := make(map[string]int)
	for i := range 200_000 {
		values[fmt.Sprint("name", i)] = i
	}
	start := time.Now()
	o, err := pipelines.Fields(values)
	if err != nil || len(o) != len(values) {
		t.Fatal(len(o), err)
	}
	if took := time.Since(start); took > 20*time.Second { // 0.2 s; minutes, if each name were compared with each
		t.Errorf("it took %v", took)
	}
}

func TestWrongItemIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, key, words string
	}{
		{"book", "k", ""},
		{"Book_2-x", strings.Repeat("k", 1024), ""},
		{strings.Repeat("k", 64), "ключ", ""},
		{"", "k", "kind"},
		{"2book", "k", "kind"},
		{"bo.ok", "k", "kind"},
		{"bücher", "k", "kind"},
		{strings.Repeat("k", 65), "k", "kind"},
		{"book", "", "without a key"},
		{"book", strings.Repeat("k", 1025), "1025 bytes"},
		{"book", "\xff", "UTF-8"},
		{"book", "a\x00", "NUL"},
	} {
		item := pipelines.Item{Kind: c.kind, Key: c.key}
		err := item.Check()
		if c.words == "" && err != nil || c.words != "" && (!errors.Is(err, pipelines.ErrItem) || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%q %.10q: %v", c.kind, c.key, err)
		}
	}
}

func TestDeadItemIsBoundedText(t *testing.T) {
	t.Parallel()
	item := pipelines.Item{
		Kind: strings.Repeat("\xff", 1<<20), Key: strings.Repeat("ü", 1<<20), Value: map[string]string{"v": strings.Repeat("ü", 1<<20)},
		Source: pipelines.Source{URL: strings.Repeat("u", 1<<20), Crawl: "c"},
	}
	dead := pipelines.Bury(item, errors.New(strings.Repeat("e", 1<<20)), time.Now())
	raw, err := json.Marshal(dead)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 2*pipelines.MaxDeadValue || strings.Contains(string(raw), `\ufffd`) || !strings.HasPrefix(dead.Value, `{"v":"üü`) {
		t.Errorf("%d bytes, the value is %.20q", len(raw), dead.Value)
	}
	if dead := pipelines.Bury(pipelines.Item{Value: make(chan int)}, errors.New("x"), time.Now()); dead.Value != "chan int" {
		t.Errorf("a value that does not encode is kept as %q", dead.Value)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-0,1e999,"\ud800",{"b":null}],"a":2}`, ` {"":"\u0000é\xff"} `, `{"a":1}x`, `{"n":123456789012345678901234567890}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := pipelines.ParseObject(raw)
		if err != nil {
			return
		}
		text := o.AppendJSON(nil)
		if !json.Valid(text) {
			t.Fatalf("%q becomes %q, which is no JSON", raw, text)
		}
		again, err := pipelines.ParseObject(text)
		if err != nil || again.Digest() != o.Digest() || string(again.AppendJSON(nil)) != string(text) {
			t.Fatalf("%q becomes %q and then %q, %v", raw, text, again.AppendJSON(nil), err)
		}
	})
}

type sample struct {
	UPC   string   `json:"upc"`
	Title string   `json:"title"`
	Price float64  `json:"price"`
	Stock int      `json:"stock"`
	Tags  []string `json:"tags"`
	Image string   `json:"image"`
}

func BenchmarkFields(b *testing.B) {
	value := sample{"a897fe39b1053632", "A Light in the Attic", 51.77, 22, []string{"poetry", "children"}, "https://books.example/media/a897.jpg"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pipelines.Fields(value); err != nil {
			b.Fatal(err)
		}
	}
}
