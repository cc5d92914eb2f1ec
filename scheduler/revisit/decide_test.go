package revisit_test

import (
	"math"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// page is a live page that was seen ten days ago, with signature 7 and half a change expected since.
func page() revisit.Record {
	return revisit.Record{
		Seen: uint32(epoch.Add(-10 * oneDay).Unix()), A: 2, B: 40, Signature: 7,
		Plan: revisit.PlanOf(10 * oneDay), Weight: revisit.WeightNormal,
	}
}

// after has the page answer, one answer after the other, each when it is due.
func after(t *testing.T, r revisit.Record, answers ...revisit.Observation) (revisit.Decision, time.Time) {
	t.Helper()
	now := epoch
	var d revisit.Decision
	for i, o := range answers {
		if i > 0 {
			if d.Due.IsZero() {
				t.Fatalf("answer %d: the page is not due again", i)
			}
			now = d.Due
		}
		d = revisit.Policy{}.Decide(r, o, terms(0.3), now)
		r = d.Record
	}
	return d, now
}

func seen(a revisit.Answer) revisit.Observation { return revisit.Observed(a, 7) }

func other(a revisit.Answer) revisit.Observation { return revisit.Observed(a, 8) }

func with(o revisit.Observation, set func(*revisit.Observation)) revisit.Observation {
	set(&o)
	return o
}

func repeat(n int, o revisit.Observation) []revisit.Observation {
	all := make([]revisit.Observation, n)
	for i := range all {
		all[i] = o
	}
	return all
}

// TestEachAnswerDoesWhatTheTableSays has the rows of the table on Decide, and of the specification's 5.5, in their order.
func TestEachAnswerDoesWhatTheTableSays(t *testing.T) {
	t.Parallel()
	prior := revisit.DefaultPrior(5)
	page := page()
	b := page.Belief()
	const index = -1 // due by the page's interval, to a tenth
	hour := time.Hour
	then := func(list ...revisit.Observation) []revisit.Observation { return list }
	join := func(list []revisit.Observation, more ...revisit.Observation) []revisit.Observation {
		return append(list, more...)
	}
	gone := func(n int, o revisit.Observation) []revisit.Observation {
		return join(repeat(2, seen(revisit.NotFound)), repeat(n, o)...)
	}
	rows := []struct {
		name    string
		from    revisit.Record
		answers []revisit.Observation
		verdict revisit.Verdict
		change  revisit.Change
		state   revisit.State
		belief  revisit.Belief // zero: not compared
		sig     uint64
		wait    time.Duration
	}{
		{
			"first 200", revisit.NewRecord(revisit.WeightNormal), then(with(seen(revisit.OK), func(o *revisit.Observation) { o.Phase = 1 })),
			revisit.Keep, revisit.New, revisit.Live, prior, 7, index,
		},
		{
			"first 200 with an age", revisit.NewRecord(revisit.WeightNormal), then(with(seen(revisit.OK), func(o *revisit.Observation) { o.Phase, o.Age = 1, 4*oneDay })),
			revisit.Keep, revisit.New, revisit.Live, prior.ChangedAt(4), 7, index,
		},
		{"304", page, then(seen(revisit.NotModified)), revisit.Keep, revisit.Unchanged, revisit.Live, b.Unchanged(10), 7, index},
		{
			"304 that is not trusted", page, then(with(seen(revisit.NotModified), func(o *revisit.Observation) { o.Untrusted = true })),
			revisit.Unconditional, revisit.NoNews, revisit.Live, b, 7, 0,
		},
		{"200, same signature", page, then(seen(revisit.OK)), revisit.Keep, revisit.Unchanged, revisit.Live, b.Unchanged(10), 7, index},
		{
			"200, same ETag", page, then(with(other(revisit.OK), func(o *revisit.Observation) { o.SameETag = true })),
			revisit.Keep, revisit.Unchanged, revisit.Live, b.Unchanged(10), 7, index,
		},
		{"200, new signature", page, then(other(revisit.OK)), revisit.Keep, revisit.Changed, revisit.Live, b.Changed(10, 0.01), 8, index},
		{
			"200, new signature with an age", page, then(with(other(revisit.OK), func(o *revisit.Observation) { o.Age = 3 * oneDay })),
			revisit.Keep, revisit.Changed, revisit.Live, b.ChangedAt(3), 8, index,
		},
		{
			"200, new signature with an age that cannot be", page, then(with(other(revisit.OK), func(o *revisit.Observation) { o.Age = 11 * oneDay })),
			revisit.Keep, revisit.Changed, revisit.Live, b.Changed(10, 0.01), 8, index,
		},
		{"301", page, then(other(revisit.MovedAway)), revisit.Elsewhere, revisit.Changed, revisit.Moved, b, 8, 0},
		{"301 to elsewhere", page, then(seen(revisit.MovedAway), other(revisit.MovedAway)), revisit.Elsewhere, revisit.Changed, revisit.Moved, b, 8, 0},
		{"301 twice", page, repeat(2, other(revisit.MovedAway)), revisit.Elsewhere, revisit.Unchanged, revisit.Moved, b, 8, 0},
		{"404", page, then(seen(revisit.NotFound)), revisit.Recheck, revisit.NoNews, revisit.Missing, b, 7, 5 * oneDay},
		{"404 twice", page, repeat(2, seen(revisit.NotFound)), revisit.Vanished, revisit.NoNews, revisit.Gone, b, 7, 30 * oneDay},
		{
			"404 again too early", page, then(seen(revisit.NotFound), with(seen(revisit.NotFound), func(o *revisit.Observation) { o.Early = true })),
			revisit.Recheck, revisit.NoNews, revisit.Missing, b, 7, 5 * oneDay,
		},
		{"404, then there", page, then(seen(revisit.NotFound), seen(revisit.OK)), revisit.Keep, revisit.Unchanged, revisit.Live, b.Unchanged(15), 7, index},
		{"gone, first recheck", page, gone(1, seen(revisit.NotFound)), revisit.Keep, revisit.NoNews, revisit.Gone, b, 7, 60 * oneDay},
		{"gone, second recheck", page, gone(2, seen(revisit.NotFound)), revisit.Keep, revisit.NoNews, revisit.Gone, b, 7, 120 * oneDay},
		{"gone, third recheck", page, gone(3, seen(revisit.NotFound)), revisit.Forget, revisit.NoNews, revisit.Gone, b, 7, 0},
		{"gone, and unavailable", page, gone(1, seen(revisit.Unavailable)), revisit.Keep, revisit.NoNews, revisit.Gone, b, 7, 60 * oneDay},
		{"410", page, then(seen(revisit.GoneForGood)), revisit.Vanished, revisit.NoNews, revisit.Gone, b, 7, 90 * oneDay},
		{"410, recheck", page, repeat(2, seen(revisit.GoneForGood)), revisit.Forget, revisit.NoNews, revisit.Gone, b, 7, 0},
		{"gone, and 200", page, gone(1, other(revisit.OK)), revisit.Restored, revisit.Changed, revisit.Live, b.Changed(45, 0.01), 8, index},
		{"gone, and 200 as it was", page, gone(1, seen(revisit.OK)), revisit.Restored, revisit.Unchanged, revisit.Live, b, 7, index},
		{"gone, and 304", page, gone(1, seen(revisit.NotModified)), revisit.Restored, revisit.Unchanged, revisit.Live, b, 7, index},
		{"gone, and linked again", page, gone(1, seen(revisit.Listed)), revisit.Recheck, revisit.NoNews, revisit.Gone, b, 7, 0},
		{"403", page, then(seen(revisit.Refused)), revisit.Recheck, revisit.NoNews, revisit.Denied, b, 7, 7 * oneDay},
		{"403 twice", page, repeat(2, seen(revisit.Refused)), revisit.Recheck, revisit.NoNews, revisit.Denied, b, 7, 14 * oneDay},
		{"403 for ever", page, repeat(9, seen(revisit.Refused)), revisit.Recheck, revisit.NoNews, revisit.Denied, b, 7, 180 * oneDay},
		{
			"403 from a host that denies", page, then(with(seen(revisit.Refused), func(o *revisit.Observation) { o.HostDenies = true })),
			revisit.PauseHost, revisit.NoNews, revisit.Live, b, 7, oneDay,
		},
		{"block page", page, then(other(revisit.Block)), revisit.Recheck, revisit.NoNews, revisit.Denied, b, 7, 7 * oneDay},
		{"503", page, then(seen(revisit.Unavailable)), revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 2 * hour},
		{"503 three times", page, repeat(3, seen(revisit.Unavailable)), revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 8 * hour},
		{"503 seven times", page, repeat(7, seen(revisit.Unavailable)), revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 128 * hour},
		{"503 eight times", page, repeat(8, seen(revisit.Unavailable)), revisit.Recheck, revisit.NoNews, revisit.Missing, b, 7, 5 * oneDay},
		{
			"503 no later than planned", func() revisit.Record { r := page; r.Plan = revisit.PlanOf(3 * hour); return r }(),
			repeat(3, seen(revisit.Unavailable)), revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 3 * hour,
		},
		{
			"429 with Retry-After", page, then(with(seen(revisit.Unavailable), func(o *revisit.Observation) { o.Wait = 6 * hour })),
			revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 6 * hour,
		},
		{"503, then there", page, then(seen(revisit.Unavailable), seen(revisit.OK)), revisit.Keep, revisit.Unchanged, revisit.Live, b.Unchanged(10 + 2./24), 7, index},
		{"robots.txt", page, then(seen(revisit.Robots)), revisit.Shelve, revisit.NoNews, revisit.Live, b, 7, 0},
		{"soft 404", page, then(other(revisit.SoftMissing)), revisit.Recheck, revisit.NoNews, revisit.Missing, b, 7, 5 * oneDay},
		{"soft 404 twice", page, repeat(2, other(revisit.SoftMissing)), revisit.Vanished, revisit.NoNews, revisit.Gone, b, 7, 30 * oneDay},
		{"truncated", page, then(other(revisit.Truncated)), revisit.Recheck, revisit.NoNews, revisit.Live, b, 7, 2 * hour},
		{"truncated twice", page, repeat(2, other(revisit.Truncated)), revisit.Keep, revisit.NoNews, revisit.Live, b, 7, index},
		{
			"template redeployed", page, then(with(other(revisit.OK), func(o *revisit.Observation) { o.Redeployed = true })),
			revisit.Keep, revisit.Rebaselined, revisit.Live, b, 8, index,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, now := after(t, row.from, row.answers...)
			if d.Verdict != row.verdict || d.Change != row.change || d.Record.State() != row.state || d.Record.Signature != row.sig {
				t.Errorf("%v, %v, %v, signature %d; want %v, %v, %v, %d", d.Verdict, d.Change, d.Record.State(), d.Record.Signature,
					row.verdict, row.change, row.state, row.sig)
			}
			got := d.Record.Belief()
			if math.Abs(got.A/row.belief.A-1) > 1e-4 || math.Abs(got.B/row.belief.B-1) > 1e-4 {
				t.Errorf("belief %v, want %v", got, row.belief)
			}
			switch wait := d.Due.Sub(now); {
			case row.verdict == revisit.Forget || row.verdict == revisit.Shelve:
				if !d.Due.IsZero() {
					t.Errorf("due %v, want never", d.Due)
				}
			case row.wait == index:
				want := revisit.Policy{}.Interval(1, got, terms(0.3))
				if math.Abs(float64(wait-want)) > 0.101*float64(want) {
					t.Errorf("due after %v, want %v or a tenth more or less", wait, want)
				}
			case row.state != revisit.Moved && wait != row.wait && math.Abs(float64(wait-row.wait)) > 1e-3*float64(row.wait):
				t.Errorf("due after %v, want %v", wait, row.wait)
			}
		})
	}
}

func TestMovedPageIsSeenAtATenthOfItsWeight(t *testing.T) {
	t.Parallel()
	quick := page()
	quick.A, quick.B = 20, 1
	for n, least := range map[int]time.Duration{1: 7 * oneDay, 2: 7 * oneDay, 3: 30 * oneDay, 5: 30 * oneDay} {
		r := quick
		r.Weight = revisit.WeightOf(1e6) // heavy enough to be visited daily, were it not for the least wait
		if d, now := after(t, r, repeat(n, other(revisit.MovedAway))...); d.Due.Sub(now) != least {
			t.Errorf("answer %d: due after %v, want %v", n, d.Due.Sub(now), least)
		}
	}
	d, now := after(t, page(), other(revisit.MovedAway))
	want := revisit.Policy{}.Interval(0.1, page().Belief(), terms(0.3))
	if got := d.Due.Sub(now); got != want || got <= 7*oneDay {
		t.Errorf("due after %v, want %v, which is more than a week", got, want)
	}
}

func TestValidatorsThatLieAreNotBelievedAgain(t *testing.T) {
	t.Parallel()
	lie := with(seen(revisit.NotModified), func(o *revisit.Observation) { o.Untrusted = true })
	d, _ := after(t, page(), lie, other(revisit.OK))
	if d.Change != revisit.Changed || d.Record.Validators() != revisit.ValidatorsLie {
		t.Fatalf("%v, validators %d", d.Change, d.Record.Validators())
	}
	d = revisit.Policy{}.Decide(d.Record, seen(revisit.NotModified), terms(0.3), epoch.Add(30*oneDay))
	if d.Verdict != revisit.Unconditional {
		t.Errorf("a second 304: %v, want an unconditional visit", d.Verdict)
	}
}

func TestServerThatIgnoresConditionsIsNoted(t *testing.T) {
	t.Parallel()
	d, _ := after(t, page(), with(seen(revisit.OK), func(o *revisit.Observation) { o.Conditional = true }))
	if got := d.Record.Validators(); got != revisit.ValidatorsIgnored {
		t.Errorf("validators %d, want ignored", got)
	}
	d, _ = after(t, page(), seen(revisit.NotModified), other(revisit.OK))
	if got := d.Record.Validators(); got != revisit.ValidatorsWork {
		t.Errorf("validators %d after a 304 and a change, want working", got)
	}
}

func TestHintOfAFailingPageIsNotForgotten(t *testing.T) {
	t.Parallel()
	r, _ := revisit.Hint(page(), epoch.Add(oneDay), 0.9, epoch)
	d, _ := after(t, r, seen(revisit.Unavailable))
	if !d.Record.Hinted() {
		t.Error("the hint is forgotten although nothing was seen")
	}
	if d, _ = after(t, r, seen(revisit.Unavailable), seen(revisit.OK)); d.Record.Hinted() {
		t.Error("the hint is still there after a look")
	}
}

func TestStatusesAreAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]revisit.Answer{
		200: revisit.OK, 206: revisit.OK, 301: revisit.MovedAway, 302: revisit.OK, 303: revisit.OK, 304: revisit.NotModified, 307: revisit.OK,
		308: revisit.MovedAway, 401: revisit.Refused, 403: revisit.Refused, 404: revisit.NotFound, 408: revisit.Unavailable,
		410: revisit.GoneForGood, 418: revisit.Refused, 429: revisit.Unavailable, 451: revisit.Refused, 500: revisit.Unavailable,
		503: revisit.Unavailable, 0: revisit.Unavailable, 999: revisit.Unavailable,
	} {
		if got := revisit.AnswerOf(status); got != want {
			t.Errorf("status %d is answer %d, want %d", status, got, want)
		}
	}
}
