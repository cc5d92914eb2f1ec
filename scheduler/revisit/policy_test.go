package revisit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

func TestPolicyIsReadFromItsFields(t *testing.T) {
	t.Parallel()
	p, err := revisit.Parse(map[string]string{"budget": "500/h", "new_share": "0", "min": "1h", "max": "1d12h", "objective": "staleness"})
	want := revisit.Policy{Budget: 12000, NewShare: -1, Min: time.Hour, Max: 36 * time.Hour, Objective: revisit.Staleness}
	if err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	if p, err = revisit.Parse(map[string]string{"budget": "unlimited", "every": "24h"}); err != nil || p.Every != oneDay || p.Budget != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = revisit.Parse(map[string]string{"cron": "30 6 * * 1-5"}); err != nil || p.Cron.String() != "30 6 * * 1-5" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = revisit.Parse(nil); err != nil || p != (revisit.Policy{}) {
		t.Errorf("no fields: %+v, %v", p, err)
	}
}

func TestBadPolicyIsRefusedByNameInOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{"budget": "10000"}, `budget: "10000": want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited`},
		{map[string]string{"budget": "-1/d"}, `budget: "-1/d": want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited`},
		{map[string]string{"budget": "NaN/d"}, `budget: "NaN/d": want a rate such as 10000/d, of fetches a s, m, h or d, or unlimited`},
		{map[string]string{"min": "soon"}, `min: "soon": want a duration such as 90s, 1h30m or 30d`},
		{map[string]string{"min": "0s"}, `min: "0s": want a duration such as 90s, 1h30m or 30d`},
		{map[string]string{"max": "99999d"}, `max: "99999d": want a duration such as 90s, 1h30m or 30d`},
		{map[string]string{"max": "1d-1h"}, `max: "1d-1h": want a duration such as 90s, 1h30m or 30d`},
		{map[string]string{"min": "10ms"}, `min (10ms) must be at least 1s`},
		{map[string]string{"min": "2d", "max": "1d"}, `max (24h0m0s) is less than min (48h0m0s)`},
		{map[string]string{"max": "30s"}, `max (30s) is less than min (1m0s)`},
		{map[string]string{"objective": "speed"}, `objective: "speed": want freshness or staleness`},
		{map[string]string{"every": "1h", "cron": "@daily"}, `every and cron exclude each other`},
		{map[string]string{"every": "1h", "max": "2h"}, `min and max mean nothing beside every`},
		{map[string]string{"cron": "@daily", "objective": "staleness"}, `objective means nothing beside cron`},
		{map[string]string{"every": "60000d"}, `every (1440000h0m0s) must be at least 1s and at most 100 years`},
		{map[string]string{"new_share": "2"}, `new_share: "2": want a share from 0 to 1`},
		{map[string]string{"cron": "61 * * * *"}, `cron: "61 * * * *": end of range (61) above maximum (59): 61`},
		{map[string]string{"cron": ""}, `cron: "": want five fields, or a word such as @daily`},
		{map[string]string{"cron": "TZ=Nowhere"}, `cron: "TZ=Nowhere": a zone and no fields`},
		{map[string]string{"cron": "0 0 30 2 *"}, `cron: "0 0 30 2 *": no such day`},
		{map[string]string{"budgte": "1/d"}, `unknown field "budgte": want budget, new_share, min, max, objective, every or cron`},
	} {
		_, err := revisit.Parse(c.fields)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v: %v\nwant %s", c.fields, err, c.want)
		}
	}
	for _, p := range []revisit.Policy{
		{Budget: revisit.Budget(math.NaN())},
		{Budget: -1},
		{NewShare: 1.5},
		{FalseAlarm: 1},
		{FalseAlarm: math.NaN()},
		{Objective: 9},
		{Min: -1},
		{Max: -1},
		{Every: -1},
	} {
		if err := p.Validate(); err == nil {
			t.Errorf("%+v is valid", p)
		}
	}
}

func FuzzCronNeverPanics(f *testing.F) {
	for _, s := range []string{"* * * * *", "TZ=", "CRON_TZ=Europe/Berlin 0 5 * * *", "@every 1h", "@every -1h", "@every 1ns", "*/0 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := revisit.ParseCron(s)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", s, err)
			}
			return
		}
		if next := c.Next(epoch); !next.IsZero() && !next.After(epoch) {
			t.Errorf("%q: %v is not after %v", s, next, epoch)
		}
	})
}

func TestMaximumBelowSixRoundsIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Budget: 2000, Max: 90 * oneDay}
	if err := p.Fits(20000); err != nil {
		t.Errorf("six rounds are 60 days: %v", err)
	}
	err := p.Fits(200000)
	const want = "max (2160h0m0s) is less than six times the 2400h0m0s in which a budget of 2000/d fetches all 200000 URLs once: " +
		"every page would be visited at the maximum; set max to 14401h0m0s or more, or the budget to 13334/d or more"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	for _, p := range []revisit.Policy{{Budget: 2000}, {Max: 90 * oneDay}, {Budget: 2000, Every: time.Hour}} {
		if err := p.Fits(200000); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestPlainIntervalAndClockLearnNothing(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Every: 24 * time.Hour}
	r, due := p.First(128, 7, -1, 0.5, epoch, terms(1))
	if !due.Equal(epoch.Add(oneDay)) {
		t.Errorf("first due %v, want a day later", due)
	}
	if _, due = p.Visited(r, true, due, terms(1)); !due.Equal(epoch.Add(2 * oneDay)) {
		t.Errorf("then due %v, want another day later", due)
	}
	cron, err := revisit.ParseCron("CRON_TZ=Europe/Berlin 30 6 * * *")
	if err != nil {
		t.Fatal(err)
	}
	p = revisit.Policy{Cron: cron}
	if _, due = p.First(128, 7, -1, 0.5, epoch, terms(1)); !due.Equal(time.Date(2026, 1, 1, 5, 30, 0, 0, time.UTC)) {
		t.Errorf("due %v, want 6:30 in Berlin", due)
	}
}

func TestIntervalKeepsItsBounds(t *testing.T) {
	t.Parallel()
	b := revisit.Belief{A: 1, B: 20}
	p := revisit.Policy{Min: time.Hour, Max: 60 * oneDay}
	for _, c := range []struct {
		name  string
		p     revisit.Policy
		theta float64
		t     revisit.Terms
		want  time.Duration
	}{
		{"min", p, 1e-12, revisit.Terms{Theta: 1e-12, Round: oneDay, Age: 90 * oneDay}, time.Hour},
		{"max", p, 0, revisit.Terms{Theta: 1e9, Round: oneDay, Age: 90 * oneDay}, 60 * oneDay},
		{"a free fetch", p, 0, revisit.Terms{Age: 90 * oneDay}, 2 * oneDay}, // a tenth of the 20 days between changes
		{"a young crawl", p, 0, revisit.Terms{Theta: 1e9, Round: 5 * oneDay, Age: oneDay}, 12 * oneDay},
		{"a slow host", p, 0, revisit.Terms{Theta: 1e9, Round: 5 * oneDay, HostRound: 20 * oneDay, Age: oneDay}, 42 * oneDay},
		{"a long round", revisit.Policy{}, 0, revisit.Terms{Theta: 1e9, Round: 50 * oneDay, Age: 900 * oneDay}, 300 * oneDay},
	} {
		if got := c.p.Interval(1, b, c.t); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestVisitKeepsMinAndMaxAlsoByChance(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Min: time.Hour, Max: 30 * oneDay}
	for _, theta := range []float64{1e-12, 1e9} {
		r, due := p.First(128, 7, -1, 1, epoch, terms(theta))
		now := epoch
		for range 200 {
			if wait := due.Sub(now); wait < time.Hour || wait > 30*oneDay {
				t.Fatalf("θ %v: due after %v", theta, wait)
			}
			now = due
			r, due = p.Visited(r, false, now, terms(theta))
		}
	}
}

func TestEqualPagesDoNotComeBackTogether(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{}
	waits := make(map[time.Duration]bool)
	for i := range 100 {
		r, _ := p.First(128, uint64(i), -1, 1, epoch, terms(1))
		now := epoch.Add(oneDay)
		_, due := p.Visited(r, false, now, terms(1))
		waits[due.Sub(now)] = true
	}
	if len(waits) < 95 {
		t.Errorf("100 pages seen together have %d different intervals", len(waits))
	}
}

func TestFirstRevisitsAreSpreadOverTheInterval(t *testing.T) {
	t.Parallel()
	var quarters [4]int
	for i := range uint64(4000) {
		quarters[int(4*revisit.Phase(i))]++
	}
	for _, n := range quarters {
		if n < 900 || n > 1100 {
			t.Fatalf("phases of 4000 fingerprints in a row, by quarter: %v", quarters)
		}
	}
	p := revisit.Policy{}
	_, due := p.First(128, 7, -1, 1, epoch, terms(1))
	_, half := p.First(128, 7, -1, 0.5, epoch, terms(1))
	if got, want := half.Sub(epoch), due.Sub(epoch)/2; got < want-time.Second || got > want+time.Second {
		t.Errorf("phase 0.5: due after %v, want %v", got, want)
	}
}

func TestClockThatJumpsCostsLittle(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{}
	r, _ := p.First(128, 7, -1, 1, epoch, terms(1))
	back, due := p.Visited(r, true, epoch.Add(-1000*oneDay), terms(1))
	if back.A != r.A || back.B != r.B {
		t.Errorf("a look before the last one changed the belief from (%v, %v) to (%v, %v)", r.A, r.B, back.A, back.B)
	}
	if due.Before(epoch.Add(-1000 * oneDay)) {
		t.Errorf("due %v", due)
	}
	ahead, _ := p.Visited(r, false, epoch.Add(100000*oneDay), terms(1))
	if ahead.B > r.B+2*90 {
		t.Errorf("a jump of 270 years makes b %v", ahead.B)
	}
	early, _ := p.Visited(r, false, time.Time{}, terms(1))
	if early.Seen == 0 {
		t.Error("a clock at year 1 makes the page one that was never seen")
	}
}

func TestSecondVisitTakesWhatTheHostHasTaughtSince(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{}
	know := terms(1)
	know.Prior = revisit.Belief{A: 0.5, B: 100}
	r, _ := p.First(128, 7, -1, 1, epoch, terms(1))
	second, _ := p.Visited(r, false, epoch.Add(oneDay), know)
	if second.A != 0.5 || second.B != 101 {
		t.Errorf("belief (%v, %v), want the host's and a day", second.A, second.B)
	}
	third, _ := p.Visited(second, false, epoch.Add(2*oneDay), terms(1))
	if third.B != 102 {
		t.Errorf("b is %v, want 102: a third visit takes no prior", third.B)
	}
	dated, _ := p.First(128, 7, 40*oneDay, 1, epoch, terms(1))
	if got, _ := p.Visited(dated, false, epoch.Add(oneDay), know); got.B != dated.B+1 {
		t.Errorf("b is %v: what Last-Modified said is lost", got.B)
	}
}

func TestHintedPagesArePlannedForTheOtherChanges(t *testing.T) {
	t.Parallel()
	b := revisit.Belief{A: 2, B: 10}
	know := terms(1)
	know.Recall = 0.9
	if got, want := (revisit.Policy{}).Interval(1, b, know), (revisit.Policy{}).Interval(1, revisit.Belief{A: 2, B: 100}, terms(1)); got.Round(time.Second) != want.Round(time.Second) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPageOfAnotherWeightIsPlannedAsIfItHadAlwaysWeighedThat(t *testing.T) {
	t.Parallel()
	p := revisit.Policy{Budget: 1000}
	terms := revisit.Terms{Theta: 0.5, Round: 10 * oneDay, Age: 100 * oneDay}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r, _ := p.First(revisit.WeightNormal, 1, -1, 0.5, now, terms)
	r, due := p.Visited(r, true, now.Add(oneDay), terms)
	seen := r.SeenAt()
	at := seen.Add(time.Hour)

	lighter, later := p.Reweigh(r, due, r.Weight.Times(-6), at, terms)
	if lighter.Plan.Interval() <= r.Plan.Interval() || !later.After(due) || lighter.Belief() != r.Belief() || lighter.Weight != r.Weight.Times(-6) {
		t.Errorf("lighter: %v at %v, was %v at %v", lighter.Plan.Interval(), later, r.Plan.Interval(), due)
	}
	if back, again := p.Reweigh(lighter, later, r.Weight, at, terms); back != r || !again.Equal(due) {
		t.Errorf("and as before: %+v at %v, was %+v at %v", back, again, r, due)
	}
	if _, soon := p.Reweigh(r, due, r.Weight, due.Add(oneDay), terms); !soon.Equal(due.Add(oneDay)) {
		t.Errorf("what is overdue comes at %v, not now", soon)
	}
	hinted, brought := revisit.Hint(r, due, 0.9, at)
	if _, kept := p.Reweigh(hinted, brought, r.Weight.Times(-6), at, terms); !kept.Equal(brought) {
		t.Errorf("a hint that was given is put off from %v to %v", brought, kept)
	}
	clock := revisit.Policy{Every: oneDay}
	if kept, same := clock.Reweigh(r, due, r.Weight.Times(-6), at, terms); !same.Equal(due) || kept.Plan != r.Plan {
		t.Errorf("a plain interval is moved from %v to %v", due, same)
	}
}
