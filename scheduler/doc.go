// Package scheduler is the contract of the crawl frontier: what is queued, who holds it, what
// happens to it afterwards. It holds no implementation: memfrontier (in process) and redisfrontier
// (shared by a fleet) are the drivers, frontiertest is the suite that both pass.
//
// # The states of a task
//
//	        Push (unseen)            Claim                    Finish
//	unseen ---------------> queued ----------> leased ----------------------> done
//	          |                ^                 |
//	          | Due later      | due             |-- Retry ----> delayed ---> queued, attempt + 1
//	          +--> delayed ----+                 |-- Revisit --> scheduled -> queued, when due
//	                           |                 |-- Release --> queued, in front, no attempt counted
//	                           +-----------------|-- (deadline passes) -> queued, in front, expiry counted
//	                                             |-- Park -----> parked ----> queued, by Unpark
//	                                             |-- Drop -----> dead letter > queued, by Replay, as a first attempt
//	                                             +-- Gone -----> dead link --> queued, by Replay, as a first attempt
//
// Queued, leased and delayed tasks are the crawl's work, and so is a scheduled one whose time has come, whether a driver
// counts it as queued already or not: the crawl is done when there are none. Those scheduled for later, parked, dead and done
// ones are not.
//
// # Laws
//
// Nothing is lost: "seen" and "queued" are one atomic step; a claim is a lease, not a removal. A
// task whose lease expired more often than MaxExpired allows becomes a dead letter, it does not
// vanish.
//
// Nothing is done twice that matters: each claim carries a [Token]; a finish with a token that is
// no longer current is refused with a [LostError].
//
// The crawl knows when it is done: [Frontier.Done] is exact if every task's children are pushed
// before the task is finished.
//
// Every host keeps its pace: a host's delay and concurrency are part of the frontier's state, so
// they hold whichever worker serves it.
package scheduler
