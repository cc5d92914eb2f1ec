package app

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// changesOf writes one history in both formats: 60 pages over 60 days, every fourth of which changes daily and the others hardly ever.
func changesOf(t *testing.T) (text, feed string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var tsv, jsonl strings.Builder
	entry := func(news, url string, at float64) {
		when := start.Add(time.Duration(at * 24 * float64(time.Hour))).Format(time.RFC3339Nano)
		fmt.Fprintf(&jsonl, `{"cursor":%d,"news":%q,"kind":"","key":"","url":%q,"crawl":"shop","revision":1,"at":%q,"recorded":%[4]q,"status":200}`+"\n", jsonl.Len()+1, news, url, when)
	}
	tsv.WriteString("# days=60 source=test\n")
	for i := range 60 {
		url := fmt.Sprintf("https://shop.example/%d", i)
		entry("new", url, 0)
		tsv.WriteString(url + "\t")
		rate := 0.01
		if i%4 == 0 {
			rate = 1
		}
		for at := rng.ExpFloat64() / rate; at < 60; at += rng.ExpFloat64() / rate {
			entry("changed", url, at)
			fmt.Fprintf(&tsv, "%v,", at)
		}
		tsv.WriteString("\n")
	}
	entry("changed", "https://shop.example/0", 60)
	return tsv.String(), jsonl.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulateTellsWhatABudgetReaches(t *testing.T) {
	t.Parallel()
	text, feed := changesOf(t)
	simulate := func(c command, args ...string) outlook {
		var o outlook
		got := c.run(t, append([]string{"simulate", "--json", "--budget", "20/d", "--budget", "40/d"}, args...)...).want(t, exitDone)
		if err := json.Unmarshal([]byte(got.out), &o); err != nil || strings.Count(got.out, "\n") != 1 || got.err != "" {
			t.Fatalf("%v: %s%s", err, got.out, got.err)
		}
		if len(o.Budgets) != 2 || o.Pages != 60 || o.Days != 60 || o.Scored != 20 {
			t.Fatalf("%+v", o)
		}
		return o
	}
	a := simulate(command{}, "--history", write(t, "pages.tsv", text))
	b := simulate(command{in: feed}, "--history", "-")
	for i, r := range a.Budgets {
		if d := r.Freshness - b.Budgets[i].Freshness; math.Abs(d) > 0.01 {
			t.Errorf("%v/d: text %v, feed %v", r.Budget, r.Freshness, b.Budgets[i].Freshness)
		}
		if r.Freshness < r.InTurn.Freshness || r.Freshness > 1 || r.AgeDays > r.InTurn.AgeDays || r.Twice.Freshness < r.Freshness ||
			r.Visits == 0 || float64(r.Visits) > 60*r.Budget || r.Twice.Visits <= r.Visits {
			t.Errorf("%+v", r)
		}
	}
	if a.Budgets[0].Twice != a.Budgets[1].reached {
		t.Errorf("twice 20/d is %+v, 40/d is %+v", a.Budgets[0].Twice, a.Budgets[1].reached)
	}
	if len(b.Assumed) <= len(a.Assumed) || !strings.Contains(strings.Join(b.Assumed, "\n"), "no earlier") {
		t.Errorf("assumed of the feed: %q", b.Assumed)
	}
	weekly := simulate(command{}, "--history", write(t, "pages.tsv", text), "--every", "7d")
	if w := weekly.Budgets[1]; w.Freshness >= a.Budgets[1].Freshness || w.Visits > 60*60/7 || w.Visits != w.Twice.Visits {
		t.Errorf("weekly: %+v", w)
	}
	heavy := simulate(command{}, "--history", write(t, "pages.tsv", text), "--weights", write(t, "w.tsv", "https://shop.example/0\t1000\nx\t1\n"))
	if h := heavy.Budgets[0]; h.Freshness < a.Budgets[0].Freshness+0.01 || !strings.Contains(strings.Join(heavy.Assumed, "\n"), "1 page with a weight has no history and counts for nothing") {
		t.Errorf("one heavy page: %+v, %q", h, heavy.Assumed)
	}
}

func TestSimulatePrintsATable(t *testing.T) {
	t.Parallel()
	_, feed := changesOf(t)
	got := command{in: feed}.run(t, "simulate", "--history", "-", "--budget", "2/d", "--budget", "1/h").want(t, exitDone)
	for _, want := range []string{
		"standard input: 60 pages, ", "; fresh and age are of the last 20 days\n", "all in turn   twice the budget\n", "\n      2/d   ", "\n     24/d   ",
		"\nassumed:\n  every page is fetched once", "  every page is worth the same\n", "goes round in 30 days: the history is too short",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
}

func TestSimulateRefusesWhatItCannotTell(t *testing.T) {
	t.Parallel()
	text, feed := changesOf(t)
	tsv, broken := write(t, "pages.tsv", text), write(t, "broken.jsonl", feed[:strings.Index(feed, "\n")+1]+`{"news":"odd"}`)
	for _, c := range []struct{ args, want string }{
		{"--budget 1/d", "--history is missing"},
		{"--history " + tsv, "--budget is missing"},
		{"--budget 1/d --history nowhere.tsv", "--history: no such file: nowhere.tsv"},
		{"--budget 1/d --history " + broken, broken + `:2: news: "odd": want new, changed, gone or back`},
		{"--budget many --history " + tsv, `--budget: "many": want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited`},
		{"--budget unlimited --history " + tsv, "--budget unlimited: want a rate such as 10000/d"},
		{"--budget 100/s --history " + tsv, "--budget 8.64e+06/d: twice that would be 1.04e+09 visits in the 60 days of the history, and no more than 1e+09 are simulated"},
		{"--budget 60/d --budget 6/d --max 30d --history " + tsv, "--budget 6/d: max (720h0m0s) is less than six times the 240h0m0s in which a budget of 6/d fetches all 60 URLs once: " +
			"every page would be visited at the maximum; set max to 1441h0m0s or more, or the budget to 12/d or more"},
		{"--budget 60/d --min 1s --every 1d --history " + tsv, "--min and max mean nothing beside every"},
		{"--budget 60/d --weights " + tsv + " --history " + tsv, tsv + ":1: no tab between a page and its weight"},
		{"--budget 60/d --weights - --history -", "--history and --weights cannot both be standard input"},
		{"books --budget 60/d", `takes no argument, but there is "books"`},
	} {
		got := command{in: feed}.run(t, append([]string{"simulate"}, strings.Fields(c.args)...)...).want(t, exitUsage)
		if got.err != "lycosa simulate: "+c.want+"\n" || got.out != "" {
			t.Errorf("%s: %s%s, want %s", c.args, got.out, got.err, c.want)
		}
	}
}

func TestSimulateEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	text, _ := changesOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := command{}.runContext(t, ctx, "simulate", "--history", write(t, "pages.tsv", text), "--budget", "50/s").want(t, exitInterrupted)
	if got.out != "" || !strings.HasPrefix(got.err, "simulating some 1,036,800,000 visits\n") {
		t.Errorf("%s%s", got.out, got.err)
	}
}
