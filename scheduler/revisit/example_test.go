package revisit_test

import (
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// A crawl of three pages that may fetch two of them a day, over ninety days. One page changes every other day, one every
// month, one never.
func Example() {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	policy, err := revisit.Parse(map[string]string{"budget": "2/d", "min": "1h"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctl := revisit.NewController(policy, began)
	changeDays := []int{2, 30, 100000} // between two changes of a page

	records := make([]revisit.Record, len(changeDays))
	due := make([]time.Time, len(changeDays))
	for i := range records { // all are known before the first is fetched
		records[i] = revisit.NewRecord(revisit.WeightNormal)
		ctl.Track("shop.example", revisit.Record{}, records[i])
	}
	for i, r := range records {
		records[i], due[i] = policy.First(r.Weight, 1, -1, revisit.Phase(uint64(i)), began, ctl.Terms("shop.example", began))
		ctl.Track("shop.example", r, records[i])
	}
	for now := began; now.Before(began.AddDate(0, 0, 90)); now = now.Add(time.Hour) {
		ctl.Tick(now)
		for i, r := range records {
			if due[i].After(now) {
				continue
			}
			period := time.Duration(changeDays[i]) * 24 * time.Hour
			changed := now.Sub(began)/period != r.SeenAt().Sub(began)/period
			records[i], due[i] = policy.Visited(r, changed, now, ctl.Terms("shop.example", now))
			ctl.Track("shop.example", r, records[i])
		}
	}
	for i, r := range records {
		fmt.Printf("changes every %d days: seen about every %.0f\n", changeDays[i], r.Plan.Interval().Hours()/24)
	}
	// Output:
	// changes every 2 days: seen about every 1
	// changes every 30 days: seen about every 3
	// changes every 100000 days: seen about every 6
}

// Decide has an answer for each answer of a server: here a page is not found twice, and is back.
func ExamplePolicy_Decide() {
	var policy revisit.Policy
	know := revisit.Terms{Theta: 1, Round: 5 * 24 * time.Hour, Age: 90 * 24 * time.Hour}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := revisit.NewRecord(revisit.WeightNormal)
	for _, o := range []revisit.Observation{
		revisit.Observed(revisit.OK, 0xbeef),
		revisit.Observed(revisit.NotFound, 0),
		revisit.Observed(revisit.NotFound, 0),
		revisit.Observed(revisit.OK, 0xcafe),
	} {
		d := policy.Decide(r, o, know, now)
		fmt.Println(d.Verdict, d.Change, d.Record.State())
		r, now = d.Record, d.Due
	}
	// Output:
	// keep new live
	// recheck no news missing
	// gone no news gone
	// restore changed live
}
