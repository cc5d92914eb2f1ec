// Package simulate says what a budget of visits would reach before it is spent. A [Course] is one run over some pages: how they
// change ([Web]), what may be spent, and who decides when to come again ([Rule]). Its time is a number of days, and there is
// no other clock in it; a run depends on its arguments alone.
//
//	h, err := simulate.Read(file, "books.jsonl")          // when the pages of a crawl changed
//	replay := simulate.NewReplay(h, nil)
//	ours, err := replay.Policy(ctx, policy)               // by the crawl's own policy
//	plain, err := replay.InTurn(ctx, policy.Budget)       // all pages in turn
//
// [History] has the formats that are read. bench/revisit runs the same courses over synthetic worlds, beside the rules of
// others, and holds them against an oracle.
//
// # What is measured
//
// Freshness is the share of weight and time for which a page is as it was at its last visit; the age of a page is the time
// since its first change that was not seen, 0 while there is none (Cho and Garcia-Molina, "Effective page refresh policies for
// web crawlers", TODS 2003). Both are taken over the last third of the run: what comes before is for the rule to learn in.
package simulate
