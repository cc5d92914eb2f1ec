package revisit_test

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

const oneDay = 24 * time.Hour

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// terms are those of a crawl that fetches each page every five days, and is a month old.
func terms(theta float64) revisit.Terms {
	return revisit.Terms{Theta: theta, Round: 5 * oneDay, Age: 30 * oneDay}
}

func TestRecordIsTwentyFourBytesAsDocumented(t *testing.T) {
	t.Parallel()
	r := revisit.Record{Seen: 0x04030201, A: 0.5, B: 2.5, Signature: 0x0807060504030201, Plan: 0x0201, Weight: 0x80}
	b := r.Append([]byte("x"))
	const want = "78" + "01020304" + "0000003f" + "00002040" + "0102030405060708" + "0102" + "80" + "00"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
	got, err := revisit.ParseRecord(b[1:])
	if err != nil || got != r {
		t.Errorf("read back %+v, %v; want %+v", got, err, r)
	}
}

func TestRecordOfAnotherLengthOrWithoutSenseIsRefused(t *testing.T) {
	t.Parallel()
	nan := revisit.Record{Seen: 1, A: float32(math.NaN()), B: 1}
	negative := revisit.Record{Seen: 1, A: 1, B: -1}
	for _, b := range [][]byte{nil, make([]byte, 23), make([]byte, 25), nan.Append(nil), negative.Append(nil)} {
		if r, err := revisit.ParseRecord(b); err == nil {
			t.Errorf("%x was read as %+v", b, r)
		}
	}
}

func FuzzRecordReadBackIsTheSame(f *testing.F) {
	f.Add(make([]byte, 24))
	f.Add(revisit.Record{Seen: 1, A: 1, B: 2, Signature: 3, Plan: 4, Weight: 5}.Append(nil))
	policy := revisit.Policy{}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := revisit.ParseRecord(b)
		if err != nil {
			return
		}
		if got := r.Append(nil); string(got) != string(b) {
			t.Fatalf("%x was read and written as %x", b, got)
		}
		for answer := revisit.OK; answer <= revisit.Listed; answer++ {
			d := policy.Decide(r, revisit.Observed(answer, 7), terms(1), epoch)
			if _, err := revisit.ParseRecord(d.Record.Append(nil)); err != nil {
				t.Fatalf("%+v after answer %d: %v", r, answer, err)
			}
			if !d.Due.IsZero() && d.Due.Before(epoch) {
				t.Fatalf("%+v after answer %d: due %v, before now", r, answer, d.Due)
			}
		}
	})
}

func TestPlanKeepsIntervalsToAFewHundredthsOfAPercent(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{31 * time.Second, time.Minute, time.Hour, oneDay, 90 * oneDay, 10000 * oneDay} {
		p := revisit.PlanOf(d)
		if got := p.Interval(); math.Abs(float64(got-d)) > 0.0004*float64(d) {
			t.Errorf("%v is kept as %v", d, got)
		}
		if got := p.Rate() * p.Interval().Hours() / 24; math.Abs(got-1) > 1e-6 {
			t.Errorf("%v: rate times interval is %v, want 1", d, got)
		}
	}
	if p := revisit.PlanOf(0); p != 1 {
		t.Errorf("no time at all is kept as %d, want the least plan", p)
	}
	if p := revisit.PlanOf(math.MaxInt64); p.Interval() < 200*365*oneDay {
		t.Errorf("the longest duration is kept as %v", p.Interval())
	}
	if p := revisit.Plan(0); p.Interval() != 0 || p.Rate() != 0 {
		t.Errorf("no plan: interval %v, rate %v", p.Interval(), p.Rate())
	}
}

func TestWeightIsKeptToAHalfOctave(t *testing.T) {
	t.Parallel()
	for _, w := range []float64{1e-12, 1e-3, 0.25, 1, 1.4, 77, 1e12} {
		if got := revisit.WeightOf(w).Float() / w; got < 0.84 || got > 1.19 {
			t.Errorf("%v is kept as %v times that", w, got)
		}
	}
	for _, w := range []float64{0, -1, math.NaN()} {
		if got := revisit.WeightOf(w); got != 0 || got.Float() != 0 {
			t.Errorf("%v is kept as %v", w, got.Float())
		}
	}
	if revisit.WeightOf(math.Inf(1)) != 255 {
		t.Error("an infinite weight is not the greatest")
	}
	if a, b := revisit.DefaultWeight(0, 0), revisit.DefaultWeight(2, 0); a.Float() != 1 || b.Float() != 0.5 {
		t.Errorf("a start page weighs %v, two links on %v", a.Float(), b.Float())
	}
	if a, b := revisit.DefaultWeight(3, 0), revisit.DefaultWeight(3, 15); b.Float() != 4*a.Float() {
		t.Errorf("fifteen links more make %v of %v", b.Float(), a.Float())
	}
}

func TestWeightIsANumberOrAClass(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]revisit.Weight{
		"low": revisit.WeightLow, "normal": revisit.WeightNormal, "high": revisit.WeightHigh, "2": 130, "0": 0,
	} {
		if got, err := revisit.ParseWeight(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "NaN", "Inf", "heavy"} {
		if got, err := revisit.ParseWeight(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
