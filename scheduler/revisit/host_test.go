package revisit_test

import (
	"math"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

func TestHintBringsThePageForwardByItsPrecision(t *testing.T) {
	t.Parallel()
	r := page() // a change in twenty days
	due := epoch.Add(60 * oneDay)
	for p, want := range map[float64]time.Time{
		0: due, 0.5: due.Add(-duration(20 * math.Ln2)), 0.999: epoch, 1: epoch,
	} {
		got, at := revisit.Hint(r, due, p, epoch)
		if d := at.Sub(want); d < -time.Minute || d > time.Minute {
			t.Errorf("precision %v: due %v, want %v", p, at, want)
		}
		if got.Hinted() != (p > 0) {
			t.Errorf("precision %v: hinted is %v", p, got.Hinted())
		}
	}
	overdue := epoch.Add(-oneDay)
	if _, at := revisit.Hint(r, overdue, 0.5, epoch); !at.Equal(overdue) {
		t.Errorf("a page that is overdue since %v is due %v", overdue, at)
	}
}

func TestHintForAPageThatIsNotThere(t *testing.T) {
	t.Parallel()
	due := epoch.Add(30 * oneDay)
	gone := revisit.Policy{}.Decide(page(), revisit.Observed(revisit.GoneForGood, 0), terms(1), epoch).Record
	if r, at := revisit.Hint(gone, due, 0.5, epoch); !at.Equal(epoch) || r.State() != revisit.Gone {
		t.Errorf("gone: %v, due %v; want a recheck at once", r.State(), at)
	}
	missing := revisit.Policy{}.Decide(page(), revisit.Observed(revisit.NotFound, 0), terms(1), epoch).Record
	if r, at := revisit.Hint(missing, due, 1, epoch); !at.Equal(due) || r.State() != revisit.Missing {
		t.Errorf("missing: %v, due %v; want a day between two 404s", r.State(), at)
	}
	if _, at := revisit.Hint(revisit.NewRecord(128), due, 1, epoch); !at.Equal(due) {
		t.Errorf("never fetched: due %v", at)
	}
}

func TestPrecisionIsLearntAndNoiseEarnsNone(t *testing.T) {
	t.Parallel()
	var good, noise revisit.Hints
	if p := good.Precision(); p != 0.5 {
		t.Errorf("unknown: %v, want 0.5", p)
	}
	for i := range 200 {
		good = good.Add(true, i%10 != 0, 0.9)  // right nine times of ten, on pages that were fresh otherwise
		noise = noise.Add(true, i%5 != 0, 0.2) // four fifths changed, as they would have anyway
	}
	if p := good.Precision(); p < 0.85 || p > 0.92 {
		t.Errorf("good hints: %v", p)
	}
	if p := noise.Precision(); p > 0.05 {
		t.Errorf("noise: %v, although four in five pages had changed", p)
	}
	if p := revisit.Delivered.Precision(); p < 0.95 {
		t.Errorf("WebSub: %v", p)
	}
}

func TestRecallCountsOnlyWhereHintsAreGood(t *testing.T) {
	t.Parallel()
	if r := (revisit.Hints{Right: 95, Fresh: 95, Missed: 5}).Recall(); r < 0.9 || r > 0.95 {
		t.Errorf("%v, want about 0.94", r)
	}
	for _, h := range []revisit.Hints{{}, {Right: 10, Fresh: 10}, {Right: 95, Fresh: 95, Missed: 40}, {Right: 95, Wrong: 60, Fresh: 150}} {
		if r := h.Recall(); r != 0 {
			t.Errorf("%+v: %v", h, r)
		}
	}
}

func TestSitemapThatStampsItsBuildIsFound(t *testing.T) {
	t.Parallel()
	stamped, honest := make([]time.Time, 100), make([]time.Time, 100)
	for i := range stamped {
		stamped[i] = epoch.Add(time.Duration(i) * time.Second)
		honest[i] = epoch.Add(-time.Duration(i) * oneDay)
	}
	stamped[3] = epoch.Add(-90 * oneDay)
	if !revisit.Stamped(stamped) || revisit.Stamped(honest) || revisit.Stamped(stamped[:5]) || revisit.Stamped(nil) {
		t.Error("a sitemap is taken for the wrong kind")
	}
}

func TestLastModifiedIsUsedOnlyWhereItIsTrue(t *testing.T) {
	t.Parallel()
	var m revisit.Modified
	modified := epoch.Add(-5 * oneDay)
	if m.Age(modified, epoch) >= 0 {
		t.Error("trusted without a single visit")
	}
	for i := range 40 {
		m = m.Add(i%4 == 0, i%4 == 0)
	}
	if got := m.Age(modified, epoch); got != 5*oneDay {
		t.Errorf("age %v, want five days", got)
	}
	for name, at := range map[string]time.Time{"none": {}, "the answer's own": epoch.Add(-30 * time.Second), "in the future": epoch.Add(oneDay)} {
		if got := m.Age(at, epoch); got >= 0 {
			t.Errorf("%s: age %v, want none", name, got)
		}
	}
	for range 3 {
		m = m.Add(true, false) // a build stamps every page
	}
	if m.Trusted() {
		t.Errorf("%+v is trusted", m)
	}
}

func TestOneLieMakesEveryVisitUnconditional(t *testing.T) {
	t.Parallel()
	var h revisit.Honesty
	audits := 0
	for n := range int64(200) {
		if h.Audit(n) {
			audits++
			h = h.Add(true, true)
		}
	}
	if audits != 10 || !h.Trusted() {
		t.Errorf("%d audits of 200 visits, trusted: %v", audits, h.Trusted())
	}
	h = h.Add(true, false)
	if h.Trusted() || !h.Audit(0) {
		t.Error("trusted after a lie")
	}
	if h := (revisit.Honesty{}).Add(false, true); !h.Trusted() {
		t.Error("a tag that moves without need is no lie")
	}
}

func TestNewTemplateAndShutDoorAreWeather(t *testing.T) {
	t.Parallel()
	var w revisit.Weather
	now := epoch
	visit := func(n int, changed, refused bool) {
		for range n {
			w = w.Add(changed, refused, now)
		}
	}
	visit(20, false, false)
	visit(3, true, false)
	now = now.Add(2 * time.Hour)
	visit(4, false, false)
	visit(5, true, false)
	if w.Redeployed(now) {
		t.Error("five changes are a new template")
	}
	visit(8, true, false)
	if !w.Redeployed(now) || w.Denies(now) {
		t.Errorf("13 of 17 changed: %+v", w)
	}
	if w.Redeployed(now.Add(time.Hour)) {
		t.Error("still so an hour later")
	}
	now = now.Add(time.Hour)
	visit(8, false, false)
	visit(2, false, true)
	if !w.Denies(now) || w.Redeployed(now) {
		t.Errorf("two of ten refused: %+v", w)
	}
}

func TestNewPageIsBelievedToBeLikeItsHost(t *testing.T) {
	t.Parallel()
	var k revisit.Kin
	if got, want := k.Prior(5), revisit.DefaultPrior(5); got != want {
		t.Errorf("unknown host: %v, want %v", got, want)
	}
	quick := page()
	quick.A, quick.B = 10, 1
	for range 100 {
		k = k.Replace(revisit.Record{}, quick)
	}
	if got := k.Prior(5).Mean(); got < 7 || got > 10 {
		t.Errorf("a host of pages that change ten times a day: %v", got)
	}
	for range 100 {
		k = k.Replace(quick, revisit.Record{})
	}
	if got := k.Prior(5).Mean(); math.Abs(got-0.2) > 1e-6 {
		t.Errorf("without its pages: %v", got)
	}
}
