package simulate

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// some returns a history of pages on three hosts whose rates of change are far apart, and its two forms.
func some(t *testing.T, pages int, days float64, seed uint64) (h *History, text, feed string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var tsv, jsonl strings.Builder
	entry := func(news, url string, at float64) {
		fmt.Fprintf(&jsonl, `{"cursor":1,"news":%q,"kind":"","key":"","url":%q,"crawl":"c","revision":1,"at":%q,"recorded":%[3]q}`+"\n",
			news, url, start.Add(time.Duration(at*day)).Format(time.RFC3339Nano))
	}
	fmt.Fprintf(&tsv, "# days=%v source=none\n", days)
	for i := range pages {
		url := fmt.Sprintf("http://h%d.example/%d", i%3, i)
		entry("new", url, 0)
		fmt.Fprintf(&tsv, "%s\t", url)
		rate := min(max(lognormal(rng), 1e-3), 5)
		comma := ""
		for at := rng.ExpFloat64() / rate; at < days; at += rng.ExpFloat64() / rate {
			entry([]string{"changed", "changed", "gone", "back"}[rng.IntN(4)], url, at)
			fmt.Fprintf(&tsv, "%s%v", comma, at)
			comma = ","
		}
		fmt.Fprintln(&tsv)
	}
	fmt.Fprintf(&jsonl, `{"news":"changed","kind":"book","key":"1","url":"http://h0.example/0","crawl":"c","at":%q}`+"\n",
		start.Add(time.Duration(days*day)).Format(time.RFC3339Nano))
	h, err := Read(strings.NewReader(tsv.String()), "t")
	if err != nil {
		t.Fatal(err)
	}
	return h, tsv.String(), jsonl.String()
}

func TestTextAndFeedAgree(t *testing.T) {
	t.Parallel()
	a, _, feed := some(t, 120, 60, 3)
	b, err := Read(strings.NewReader(feed), "feed")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Pages, b.Pages) || a.Days != b.Days || a.Changes() != b.Changes() || a.Changes() < 500 || !b.Feed || a.Feed || b.Late != 0 {
		t.Fatalf("%d pages, %v days, %d changes; the feed has %d, %v, %d", len(a.Pages), a.Days, a.Changes(), len(b.Pages), b.Days, b.Changes())
	}
	for i := range a.Times {
		for k := range a.Times[i] {
			if d := a.Times[i][k] - b.Times[i][k]; d > 1e-9 || d < -1e-9 {
				t.Fatalf("page %d changes at %v; in the feed at %v", i, a.Times[i][k], b.Times[i][k])
			}
		}
	}
}

func TestFeedOutOfOrderIsInOrder(t *testing.T) {
	t.Parallel()
	_, _, feed := some(t, 20, 30, 4)
	want, err := Read(strings.NewReader(feed), "feed")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(feed))
	slices.Reverse(lines)
	lines = append(lines, lines[3]) // and one twice
	got, err := Read(strings.NewReader(strings.Join(lines, "")), "feed")
	if err != nil {
		t.Fatal(err)
	}
	if got.Days != want.Days || !got.Start.Equal(want.Start) || got.Changes() != want.Changes() {
		t.Fatalf("%v days, %d changes; want %v, %d", got.Days, got.Changes(), want.Days, want.Changes())
	}
	for i, page := range want.Pages {
		if k := slices.Index(got.Pages, page); !slices.Equal(got.Times[k], want.Times[i]) {
			t.Errorf("%s: %v, want %v", page, got.Times[k], want.Times[i])
		}
	}
}

func TestPagesFoundLateAreCounted(t *testing.T) {
	t.Parallel()
	h, err := Read(strings.NewReader(`{"news":"new","url":"http://a/","crawl":"c","at":"2026-01-01T00:00:00Z"}
{"news":"new","url":"http://a/2","crawl":"c","at":"2026-01-02T00:00:00Z"}

{"news":"new","url":"http://a/3","crawl":"c","at":"2026-01-05T00:00:00Z"}
{"news":"changed","url":"http://a/4","crawl":"c","at":"2026-01-21T00:00:00Z"}
`), "feed")
	if err != nil || h.Days != 20 || len(h.Pages) != 4 || h.Late != 2 || h.Changes() != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
}

func TestBrokenHistoryIsRefusedByLine(t *testing.T) {
	t.Parallel()
	entry := func(change, to string) string {
		return strings.Replace(`{"news":"new","kind":"","url":"http://a/","crawl":"c","at":"2026-01-01T00:00:00Z"}`, change, to, 1) + "\n"
	}
	good := entry("", "")
	for text, want := range map[string]string{
		"# days=730\na\t1,2\nb":      "h:3: no tab between a page and its changes",
		"# days=730\na\t1,x":         `h:2: "x": want the day of a change, from 0 to 730`,
		"# days=730\na\t1,731":       `h:2: "731": want the day of a change, from 0 to 730`,
		"# days=730\na\tNaN":         `h:2: "NaN": want the day of a change, from 0 to 730`,
		"# days=730\na\t1\n\na\t2":   `h:4: "a" for the second time`,
		"# days=730\n# days=7\na\t1": "h:2: days= for the second time",
		"a\t1":                       `h:1: no line "# days=N" before the first page`,
		"# days=x\na\t1":             "h:1: days=x: want a number above 0, and no more than 36525",
		"# days=1e99\na\t1":          "h:1: days=1e99: want a number above 0, and no more than 36525",
		"# days=0\na\t1":             "h:1: days=0: want a number above 0, and no more than 36525",
		"# days=10 source=none\n":    "h: no pages",
		"":                           "h: no pages",
		"# days=1\n" + strings.Repeat("a", maxLine): "h:2: longer than 1048576 bytes",
		good + "nothing":                                "h:2: invalid character 'o' in literal null (expecting 'u')",
		good + entry(`"new"`, `"unchanged"`):            `h:2: news: "unchanged": want new, changed, gone or back`,
		good + entry("http://a/", ""):                   "h:2: url: is missing",
		good + entry(`"at"`, `"on"`):                    "h:2: at: is missing",
		good + entry("2026", "1969"):                    "h:2: at: 1969-01-01T00:00:00Z: want an instant from 1971 to 2099",
		good + "\n" + entry(`"c"`, `"d"`):               `h:3: crawl: "d": the entries before are of "c"`,
		entry(`"kind":""`, `"kind":"book"`):             "h: no entry is about a page",
		good + good:                                     "h: all entries are of one instant, 2026-01-01T00:00:00Z: there is no time in which pages could change",
		good + entry("2026", "1971"):                    "",
		good + `{"news":"new","url":"u","at":"today"}`:  `h:2: parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"`,
		entry("2026", "1971") + entry("2026", "2099"):   "h: entries from 1971-01-01T00:00:00Z to 2099-01-01T00:00:00Z: want no more than 36525 days",
		"# days=3\r\na\t1\r\nb\t\r\n":                   "",
		"# days=3\n" + strings.Repeat("a", 9000) + "\t": "",
	} {
		if want == "" {
			want = "<nil>"
		}
		if _, err := Read(strings.NewReader(text), "h"); fmt.Sprint(err) != want {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestWeightsAreReadByPage(t *testing.T) {
	t.Parallel()
	h := &History{Pages: []string{"a", "b", "c"}}
	weights, others, err := ReadWeights(strings.NewReader("b\thigh\nx\t3\nc\t0.5\n"), "w", h)
	if err != nil || others != 1 || !slices.Equal(weights, []float64{1, 4, 0.5}) {
		t.Fatalf("%v, %d, %v", weights, others, err)
	}
	for text, want := range map[string]string{
		"a\t1\nb 2":          "w:2: no tab between a page and its weight",
		"a\tgreat":           `w:1: weight: "great": want low, normal, high or a number such as 2.5`,
		"a\t1\nb\t1\na\t2":   `w:3: "a" for the second time`,
		"x\t1":               "w: none of its pages is in the history",
		"a\t0\nb\t0\nc\t0\n": "w: the weights of all pages together must be above 0",
	} {
		if _, _, err := ReadWeights(strings.NewReader(text), "w", h); fmt.Sprint(err) != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzHistoryIsInOrder(f *testing.F) {
	f.Add("# days=3 source=x\na\t1,2\nb\t\n")
	f.Add(`{"news":"new","url":"http://a/","crawl":"c","at":"2026-01-01T00:00:00Z"}` + "\n" +
		`{"news":"gone","url":"http://a/","crawl":"c","at":"2026-02-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Read(bufio.NewReader(strings.NewReader(text)), "h")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "h:") {
				t.Errorf("no file in the error: %v", err)
			}
			return
		}
		if len(h.Pages) == 0 || len(h.Pages) != len(h.Times) || !(h.Days > 0) {
			t.Fatalf("%+v", h)
		}
		for _, times := range h.Times {
			if !slices.IsSorted(times) || len(times) > 0 && (times[0] < 0 || times[len(times)-1] > h.Days) {
				t.Fatalf("%v of %v days", times, h.Days)
			}
		}
	})
}
