package simulate_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit/simulate"
)

// One page changes each day at noon, and nine never do.
func Example() {
	var text strings.Builder
	fmt.Fprintln(&text, "# days=90")
	for i := range 9 {
		fmt.Fprintf(&text, "calm-%d\t\n", i)
	}
	fmt.Fprint(&text, "busy\t")
	for i := range 90 {
		fmt.Fprintf(&text, "%d.5,", i)
	}
	history, err := simulate.Read(strings.NewReader(text.String()), "pages.tsv")
	if err != nil {
		fmt.Println(err)
		return
	}
	replay := simulate.NewReplay(history, nil)
	ctx := context.Background()
	ours, err := replay.Policy(ctx, revisit.Policy{Budget: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	turns, err := replay.InTurn(ctx, 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d pages, %d changes: %.0f %% fresh, %.0f %% if all are visited in turn\n",
		len(history.Pages), history.Changes(), 100*ours.Freshness, 100*turns.Freshness)
	// Output: 10 pages, 90 changes: 98 % fresh, 94 % if all are visited in turn
}
