package pipelines_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

func objectOf(t *testing.T, raw string) pipelines.Object {
	t.Helper()
	o, err := pipelines.ParseObject([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDiffNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after, want string }{
		{"nothing", `{"a":1,"b":{"c":[1,2]}}`, `{"b":{"c":[1,2]},"a":1.0}`, ``},
		{"order within objects of lists", `{"a":[{"x":1,"y":2}]}`, `{"a":[{"y":2,"x":1}]}`, ``},
		{"a value", `{"a":1,"b":2}`, `{"a":1,"b":3}`, `b 2 3`},
		{"a type", `{"a":1}`, `{"a":"1"}`, `a 1 "1"`},
		{"added and removed, in order", `{"z":1,"a":1}`, `{"y":2,"b":2}`, `y null 2|b null 2|z 1 null|a 1 null`},
		{"all of a new one", `{}`, `{"a":1,"b":{"c":2}}`, `a null 1|b null {"c":2}`},
		{"nested", `{"p":{"amount":1,"in":{"x":1}}}`, `{"p":{"amount":2,"in":{"x":2}}}`, `p.amount 1 2|p.in.x 1 2`},
		{"an object becomes a number", `{"p":{"amount":1}}`, `{"p":1}`, `p {"amount":1} 1`},
		{"lists of values as a whole", `{"l":["a","b"]}`, `{"l":["a","c"]}`, `l ["a","b"] ["a","c"]`},
		{"lists of as many objects by index", `{"l":[{"x":1},{"x":2}]}`, `{"l":[{"x":1},{"x":3,"y":4}]}`, `l.1.x 2 3|l.1.y null 4`},
		{"lists of more objects as a whole", `{"l":[{"x":1}]}`, `{"l":[{"x":1},{"x":2}]}`, `l [{"x":1}] [{"x":1},{"x":2}]`},
		{"empty lists", `{"l":[]}`, `{"l":[1]}`, `l [] [1]`},
	} {
		changes, more := pipelines.Diff(objectOf(t, c.before), objectOf(t, c.after))
		var got []string
		for _, f := range changes {
			got = append(got, fmt.Sprintf("%s %s %s", f.Path, pipelines.AppendJSON(nil, f.Old), pipelines.AppendJSON(nil, f.New)))
		}
		if text := strings.Join(got, "|"); text != c.want || more != 0 {
			t.Errorf("%s: %q and %d more, want %q", c.name, text, more, c.want)
		}
	}
}

func TestDiffIsBounded(t *testing.T) {
	t.Parallel()
	var many, fat pipelines.Object
	for i := range 1000 {
		many = append(many, pipelines.Field{Name: fmt.Sprint(i), Value: int64(i)})
		fat = append(fat, pipelines.Field{Name: fmt.Sprint(i), Value: strings.Repeat("\x01ü", 1<<19/1000)})
	}
	deep := pipelines.Object{{Name: "x", Value: int64(1)}}
	for range 5000 {
		deep = pipelines.Object{{Name: "x", Value: deep}}
	}
	list := pipelines.Object{{Name: "l", Value: slices.Repeat([]any{"<ü>"}, 10_000)}}
	for name, o := range map[string]pipelines.Object{"many": many, "fat": fat, "deep": deep, "list": list} {
		changes, more := pipelines.Diff(nil, o)
		raw, err := json.Marshal(changes)
		if err != nil || len(raw) > pipelines.MaxChange || !json.Valid(raw) {
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		}
		if len(changes)+more != len(o) || len(changes) == 0 {
			t.Errorf("%s: %d changes and %d more of %d", name, len(changes), more, len(o))
		}
		if name == "list" && (!changes[0].Cut || !strings.HasPrefix(changes[0].New.(string), `["<ü>",`)) {
			t.Errorf("a value that is cut is %.60v, cut: %v", changes[0].New, changes[0].Cut)
		}
	}
}

func TestChangeSurvivesJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	c := pipelines.Change{
		Cursor: 7, News: pipelines.NewsChanged, Kind: "book", Key: "<k&>", URL: "https://a.example/?a&b", Crawl: "shop", Revision: 3, At: at, Recorded: at,
		Fields: []pipelines.FieldChange{
			{Path: "a.b", Old: int64(1) << 60, New: 2.5},
			{Path: "o", Old: nil, New: pipelines.Object{{Name: "z", Value: "1"}, {Name: "a", Value: []any{true}}}},
		},
	}
	line, err := c.AppendJSON(nil)
	if err != nil || bytes.ContainsAny(line, "\n") || !strings.Contains(string(line), "<k&>") {
		t.Fatalf("%s, %v", line, err)
	}
	var back pipelines.Change
	if err := json.Unmarshal(line, &back); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%#v", back), fmt.Sprintf("%#v", c); got != want {
		t.Errorf("it comes back as\n%s\nwant\n%s", got, want)
	}
}

func TestChangesHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	all := []pipelines.Change{
		{Kind: "a", Key: "b", Revision: 1},
		{Kind: "a", Key: "b", Revision: 11},
		{Kind: "a", Key: "1 b", Revision: 1},
		{Kind: "ab", Key: "", Revision: 1},
		{URL: "b", Crawl: "a", Revision: 1},
		{URL: "https://b", Crawl: "c", Revision: 1},
		{URL: "https://b", Crawl: "c", Revision: 2},
	}
	for i := range all {
		ids[all[i].ID()] = true
	}
	if len(ids) != len(all) {
		t.Errorf("%d changes have the IDs %v", len(all), ids)
	}
}
