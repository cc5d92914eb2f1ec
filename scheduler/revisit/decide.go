package revisit

import (
	"net/http"
	"time"
)

// Answer is the kind of an answer to a visit.
type Answer uint8

// The answers.
const (
	OK          Answer = iota // 200, and 302, 303, 307 whose target was fetched: a signature over content (and final URL)
	NotModified               // 304
	MovedAway                 // 301, 308: the signature is that of the target
	NotFound                  // 404
	GoneForGood               // 410
	Refused                   // 401, 403, 451
	Unavailable               // 429, 5xx, timeout, no connection
	Robots                    // robots.txt forbids the URL
	SoftMissing               // 200 or a redirect that shows the host's "not found" page
	Block                     // 200 or a redirect that shows a wall: a login, a captcha
	Truncated                 // cut short, or cannot be parsed
	Listed                    // no answer: a URL taken for gone is linked or listed again
)

// AnswerOf returns the kind of an answer with an HTTP status. The caller knows better where a 200 is a soft 404, a block
// page or cut short. Any other 4xx is a refusal.
func AnswerOf(status int) Answer {
	switch {
	case status == http.StatusNotModified:
		return NotModified
	case status == http.StatusMovedPermanently, status == http.StatusPermanentRedirect:
		return MovedAway
	case status >= 200 && status < 400:
		return OK
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusGone:
		return GoneForGood
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return Unavailable
	case status >= 400 && status < 500:
		return Refused
	}
	return Unavailable
}

// Observation is what a visit showed. Begin with [Observed]: an Age of 0 means that the page changed just now.
type Observation struct {
	Answer Answer
	// Signature of the content (OK), or of the target (MovedAway).
	Signature uint64
	// SameETag: the entity tag is the one stored, but for -gzip, --gzip or W/. The content is then taken for the same.
	SameETag bool
	// Conditional: validators were sent.
	Conditional bool
	// Untrusted: this host's validators lie, or this URL's do.
	Untrusted bool
	// Age is the time since the content changed, if the host's Last-Modified can be trusted; below 0 if not.
	Age time.Duration
	// Phase spreads the first revisit, 0 to 1: see [Phase].
	Phase float64
	// Wait is what the host asked for: Retry-After, or its back-off.
	Wait time.Duration
	// Early: the visit came before it was due, by an operator's hand. A second 404 then says nothing.
	Early bool
	// HostDenies: a fifth of the host's answers are refusals, so the host is to be paused rather than the page.
	HostDenies bool
	// Redeployed: the host has changed its template, so a new signature says nothing of the content.
	Redeployed bool
}

// Observed returns the observation of an answer with a signature and no further knowledge.
func Observed(a Answer, signature uint64) Observation {
	return Observation{Answer: a, Signature: signature, Age: -1}
}

// Change is what a visit says of the content.
type Change uint8

// The changes.
const (
	NoNews      Change = iota // nothing was learnt
	New                       // first look
	Unchanged                 // as before
	Changed                   // as never before
	Rebaselined               // another signature, but the template is what changed: not to be reported
)

func (c Change) String() string {
	return [...]string{"no news", "new", "unchanged", "changed", "rebaselined"}[min(c, Rebaselined)]
}

// Verdict is what is to be done with the URL.
type Verdict uint8

// The verdicts.
const (
	Keep          Verdict = iota // visit again at Due
	Recheck                      // nothing is certain yet: visit again at Due
	Unconditional                // visit again at Due, without validators
	Vanished                     // report that it is gone; look once more at Due
	Restored                     // report that it is back; visit again at Due
	Elsewhere                    // the target is a URL of its own: push it; visit this one again at Due
	Forget                       // gone for good: no more visits, Due is zero
	Shelve                       // park until robots.txt changes; Due is zero
	PauseHost                    // hold the host until Due
)

func (v Verdict) String() string {
	return [...]string{
		"keep", "recheck", "unconditional", "gone", "restore", "moved", "drop", "park", "pause host",
	}[min(v, PauseHost)]
}

// Decision is what [Policy.Decide] decides.
type Decision struct {
	Record  Record
	Due     time.Time
	Verdict Verdict
	Change  Change
}

// The waits of the specification.
const (
	goneWait      = 30 * 24 * time.Hour // doubled for each recheck
	goneMost      = 180 * 24 * time.Hour
	goneRechecks  = 3
	gone410Wait   = 90 * 24 * time.Hour // one recheck
	movedWait     = 7 * 24 * time.Hour
	movedLongWait = 30 * 24 * time.Hour // after movedSettled equal answers
	movedSettled  = 3
	deniedWait    = 7 * 24 * time.Hour // doubled each time
	deniedMost    = 180 * 24 * time.Hour
	pauseWait     = 24 * time.Hour // of a host that denies a fifth of its pages
	failWait      = 2 * time.Hour  // doubled for each failure in a row
	failMost      = 8              // failures in a row are a 404
	missingWait   = 24 * time.Hour // the least between two 404s that make a page gone
)

// Decide returns what a visit makes of a URL. It is the whole of what each answer does:
//
//	answer                    belief                            signature    due
//	first 200                 host's prior; age: a+1, b+age     set          random part of the interval
//	304                       unchanged; untrusted: nothing     kept         interval; untrusted: at once, unconditional
//	200, same signature/ETag  unchanged                         kept         interval
//	200, new signature        changed; with age: a+1, b+age     replaced     interval
//	301, 308                  nothing                           the target's interval at a tenth of the weight, ≥ 7 d; ≥ 30 d from
//	                                                                         the third equal answer on
//	302, 303, 307             as 200, the signature being over final URL and content
//	404                       nothing                           kept         max(1 d, half the interval); the second makes it gone
//	gone: 404 twice           nothing                           kept         30 d, 60 d, 120 d, then dropped
//	410                       nothing                           kept         gone at once, 90 d, then dropped
//	gone, and 200             changed if the signature is new   replaced     interval, at the old weight and belief
//	gone, and linked again    nothing                           kept         at once
//	401, 403, 451, block page nothing                           kept         7 d · 2^k, ≤ 180 d; or the host is paused
//	429, 5xx, timeout         nothing                           kept         max(host's wait, 2 h · 2^streak ≤ interval); the eighth: 404
//	robots.txt                nothing                           kept         parked
//	soft 404                  as 404
//	truncated                 nothing                           kept         again in 2 h once, then the interval
//	template redeployed       nothing                           replaced     interval
//
// The interval is [Policy.Interval]'s, or Every or Cron. Whatever shows no content lets the time since the last
// look run on. While a URL is gone, every answer but content and a redirect is one more recheck that failed.
func (p Policy) Decide(r Record, o Observation, t Terms, now time.Time) Decision {
	switch o.Answer {
	case OK:
		return p.content(r, o, t, now)
	case NotModified:
		return p.notModified(r, o, t, now)
	case MovedAway:
		return p.moved(r, o, t, now)
	case Listed:
		if r.State() != Gone {
			return Decision{Record: r, Due: now.Add(r.Plan.Interval()), Verdict: Keep}
		}
		return Decision{Record: r, Due: now, Verdict: Recheck}
	case Robots:
		return Decision{Record: r, Verdict: Shelve}
	}
	if r.State() == Gone {
		return stillGone(r, now)
	}
	switch o.Answer {
	case GoneForGood:
		become(&r, Gone, goneRechecks-1)
		return after(r, gone410Wait, now, Vanished)
	case NotFound, SoftMissing:
		return p.missing(r, o, now)
	case Refused, Block:
		return denied(r, o, now)
	case Truncated:
		return p.truncated(r, t, now)
	default:
		return p.unavailable(r, o, now)
	}
}

// after plans a visit after wait.
func after(r Record, wait time.Duration, now time.Time, v Verdict) Decision {
	r.Plan = PlanOf(wait)
	return Decision{Record: r, Due: now.Add(wait), Verdict: v}
}

func (p Policy) content(r Record, o Observation, t Terms, now time.Time) Decision {
	d := Decision{Verdict: Keep}
	state, known := r.State(), r.Validators()
	if state == Gone {
		d.Verdict = Restored
	}
	same := r.Signature == o.Signature || o.SameETag
	switch {
	case r.Seen == 0:
		d.Change = New
		r.Signature = o.Signature
		d.Record, d.Due = p.first(r, o.Age, o.Phase, now, t)
		return d
	case same && state == Gone: // how long it was away says nothing of how often it changes
		d.Change = Unchanged
		d.Record, d.Due = p.unlearnt(r, t, now)
	case same:
		d.Change = Unchanged
		d.Record, d.Due = p.visited(r, false, -1, now, t)
	case o.Redeployed:
		d.Change = Rebaselined
		d.Record, d.Due = p.unlearnt(r, t, now)
	default:
		d.Change = Changed
		d.Record, d.Due = p.visited(r, true, o.Age, now, t)
	}
	if !o.SameETag {
		d.Record.Signature = o.Signature
	}
	switch {
	case known == ValidatorsLie || o.Untrusted:
		setValidators(&d.Record, ValidatorsLie)
	case o.Conditional && same:
		setValidators(&d.Record, ValidatorsIgnored)
	case known != ValidatorsUnknown:
		setValidators(&d.Record, known)
	}
	return d
}

// unlearnt is a look that showed content and says nothing of the rate of change.
func (p Policy) unlearnt(r Record, t Terms, now time.Time) (Record, time.Time) {
	r.Seen = seconds(now)
	become(&r, Live, 0)
	return p.plan(r, now, t)
}

func (p Policy) notModified(r Record, o Observation, t Terms, now time.Time) Decision {
	if r.Seen == 0 || o.Untrusted || r.Validators() == ValidatorsLie {
		setValidators(&r, ValidatorsLie)
		return Decision{Record: r, Due: now, Verdict: Unconditional}
	}
	d := Decision{Verdict: Keep, Change: Unchanged}
	if r.State() == Gone {
		d.Verdict = Restored
		d.Record, d.Due = p.unlearnt(r, t, now)
	} else {
		d.Record, d.Due = p.visited(r, false, -1, now, t)
	}
	setValidators(&d.Record, ValidatorsWork)
	return d
}

func (p Policy) moved(r Record, o Observation, t Terms, now time.Time) Decision {
	d := Decision{Verdict: Elsewhere, Change: Changed}
	streak := 1
	switch {
	case r.State() == Moved && r.Signature == o.Signature:
		d.Change = Unchanged
		streak = r.Streak() + 1
	case r.Seen == 0 && r.State() != Moved:
		d.Change = New
	}
	r.Signature = o.Signature
	become(&r, Moved, streak)
	least := movedWait
	if streak >= movedSettled {
		least = movedLongWait
	}
	wait := p.wait(r, now, t)
	if !p.clocked() {
		wait = max(wait, least)
	}
	r.Plan = PlanOf(wait)
	d.Record, d.Due = r, now.Add(wait)
	return d
}

func (p Policy) missing(r Record, o Observation, now time.Time) Decision {
	switch {
	case r.State() == Missing && !o.Early:
		become(&r, Gone, 0)
		return after(r, goneWait, now, Vanished)
	case r.State() == Missing:
		return after(r, max(missingWait, r.Plan.Interval()), now, Recheck)
	}
	become(&r, Missing, 0)
	return after(r, max(missingWait, r.Plan.Interval()/2), now, Recheck)
}

func stillGone(r Record, now time.Time) Decision {
	k := r.Streak() + 1
	become(&r, Gone, k)
	if k >= goneRechecks {
		r.Plan = 0
		return Decision{Record: r, Verdict: Forget}
	}
	return after(r, min(goneWait<<k, goneMost), now, Keep)
}

func denied(r Record, o Observation, now time.Time) Decision {
	if o.HostDenies {
		return Decision{Record: r, Due: now.Add(max(pauseWait, o.Wait)), Verdict: PauseHost}
	}
	k := 0
	if r.State() == Denied {
		k = r.Streak() + 1
	}
	become(&r, Denied, k)
	return after(r, min(deniedWait<<k, deniedMost), now, Recheck)
}

func (p Policy) unavailable(r Record, o Observation, now time.Time) Decision {
	d := Decision{Record: r, Verdict: Recheck}
	wait := failWait << r.Streak()
	switch r.State() {
	case Denied: // its streak counts refusals; a week later the host may be there again
		wait = deniedWait
	case Moved: // likewise
		wait = movedWait
	default:
		if r.Streak()+1 >= failMost {
			return p.missing(r, o, now)
		}
		if planned := r.Plan.Interval(); planned > 0 {
			wait = min(wait, planned)
		}
		become(&d.Record, r.State(), r.Streak()+1)
		if r.Hinted() {
			markHinted(&d.Record)
		}
	}
	d.Due = now.Add(max(wait, o.Wait))
	return d
}

func (p Policy) truncated(r Record, t Terms, now time.Time) Decision {
	if r.State() == Live && r.Streak() == 0 {
		become(&r, Live, 1)
		return Decision{Record: r, Due: now.Add(failWait), Verdict: Recheck}
	}
	d := Decision{Verdict: Keep}
	become(&r, Live, 0)
	d.Record, d.Due = p.plan(r, now, t)
	return d
}
