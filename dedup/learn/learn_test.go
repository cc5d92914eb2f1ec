package learn_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/dedup/learn"
)

func learner(t *testing.T, o learn.Options) *learn.Learner {
	t.Helper()
	l, err := learn.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func add(t *testing.T, l *learn.Learner, signature int, format string, args ...any) {
	t.Helper()
	if err := l.Add(fmt.Sprintf(format, args...), uint64(signature)); err != nil { //nolint:gosec // small
		t.Fatal(err)
	}
}

func finding(t *testing.T, r learn.Report, host, param string) learn.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Host == host && f.Param == param {
			return f
		}
	}
	t.Fatalf("nothing is found of %s on %s: %+v", param, host, r)
	return learn.Finding{}
}

// shop adds pages whose content is decided by id alone; each is seen with two values of ref, and without.
func shop(t *testing.T, l *learn.Learner, host string, pages int) {
	t.Helper()
	for i := range pages {
		add(t, l, 1000+i, "https://%s/item?id=%d&ref=home", host, i)
		add(t, l, 1000+i, "https://%s/item?ref=mail&id=%d#top", host, i)
		add(t, l, 1000+i, "https://%s/item?id=%d", host, i)
	}
}

func TestIdleParameterIsFoundAndTheOtherKept(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	shop(t, l, "a.example", 30)
	r := l.Report()
	if f := finding(t, r, "a.example", "ref"); f.Verdict != learn.Drop || f.Same != 60 || f.Other != 0 || f.Groups != 30 || f.Paths != 1 || f.Least < 0.9 {
		t.Errorf("%+v", f)
	}
	if f := finding(t, r, "a.example", "id"); f.Verdict != learn.Keep || f.Same != 0 || f.Against != "/item" {
		t.Errorf("%+v", f)
	}
	if r.Pages != 90 || !slices.Equal(r.Params, []string{"ref"}) {
		t.Errorf("%+v", r)
	}
}

func TestFewAgreementsProveNothing(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	shop(t, l, "a.example", 10)
	if f := finding(t, l.Report(), "a.example", "ref"); f.Verdict != learn.Unsure {
		t.Errorf("%+v", f)
	}
	l = learner(t, learn.Options{Least: 0.5, Groups: 11})
	shop(t, l, "a.example", 10)
	if f := finding(t, l.Report(), "a.example", "ref"); f.Verdict != learn.Unsure {
		t.Errorf("with too few groups: %+v", f)
	}
}

func TestParameterThatMattersOnAnotherHostOrPathIsNotDropped(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	shop(t, l, "a.example", 30)
	for i := range 30 {
		add(t, l, 5000+i, "https://b.example/list?ref=%d", i)
	}
	if r := l.Report(); len(r.Params) != 0 || finding(t, r, "a.example", "ref").Verdict != learn.Drop || finding(t, r, "b.example", "ref").Verdict != learn.Keep {
		t.Errorf("%+v", r)
	}
	l = learner(t, learn.Options{})
	shop(t, l, "a.example", 300)
	for i := range 10 {
		add(t, l, 5000+i, "https://a.example/list?ref=%d", i)
	}
	if f := finding(t, l.Report(), "a.example", "ref"); f.Verdict != learn.Keep || f.Against != "/list" {
		t.Errorf("on one path it matters: %+v", f)
	}
}

func TestPagesThatStandForManyAndNoisyOnesSayNothing(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	for i := range 60 { // a login in place of each page
		for _, sort := range []string{"up", "down"} {
			add(t, l, 7, "https://a.example/p%d?sort=%s", i, sort)
		}
	}
	for i := range 60 { // another text at each fetch
		add(t, l, 100+i, "https://b.example/?sort=up&p=%d", i)
		add(t, l, 200+i, "https://b.example/?sort=up&p=%d", i)
		add(t, l, 300+i, "https://b.example/?sort=down&p=%d", i)
	}
	for _, f := range l.Report().Findings {
		if f.Host == "a.example" || f.Param == "sort" {
			t.Errorf("%+v", f)
		}
	}
}

// One page for whatever id: either id is idle or all of it is an error page, and a single group cannot tell.
func TestOneContentForAllIsNoProof(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	for i := range 60 {
		for j := range 3 {
			add(t, l, 7, "https://a.example/p?a=%d&b=%d", i, j)
		}
	}
	if r := l.Report(); len(r.Params) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestNamesBecomeGlobsThatRulesTake(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{})
	for i := range 40 {
		for j := range 2 {
			add(t, l, i, "https://a.example/p?id=%d&f%%5B%%2A%%5D=%d", i, j)
		}
	}
	r := l.Report()
	c, err := dedup.Rules{DropParams: r.Params}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := c.Parse("https://a.example/p?f[*]=1&f[a]=2"); err != nil || u.String() != "https://a.example/p?f[a]=2" {
		t.Errorf("%q makes it %s, %v", r.Params, u, err)
	}
}

func TestMemoryIsBoundedAndWhatIsLeftOutCounted(t *testing.T) {
	t.Parallel()
	l := learner(t, learn.Options{MaxGroups: 10})
	shop(t, l, "a.example", 30)
	if r := l.Report(); r.Left == 0 || r.Pages != 90 {
		t.Errorf("%+v", r)
	}
	add(t, l, 1, "https://a.example/?%s", strings.Repeat("a=1&b=2&", 1)+func() (q string) {
		for i := range 40 {
			q += fmt.Sprintf("p%d=1&", i)
		}
		return q
	}())
	if r := l.Report(); r.Passed != 1 {
		t.Errorf("%+v", r)
	}
}

func TestWrongInputIsNamed(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]learn.Options{"Least": {Least: 2}, "Groups": {Groups: -1}, "MaxGroups": {MaxGroups: -1}} {
		if _, err := learn.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	l := learner(t, learn.Options{})
	for _, raw := range []string{"", "/a?b=1", "mailto:a@b", "ftp://h/?a=1", "http://%zz/"} {
		if err := l.Add(raw, 1); !errors.Is(err, learn.ErrURL) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
