package revisit

import (
	"math"
	"time"
)

// Kin is what the pages of a host have taught about its next page: the moments of the logarithm of their rates. Pages of a
// host are alike, so a page of which nothing is known is believed to be like the others.
type Kin struct {
	Pages   int64
	Sum     float64 // Σ ln λ, λ in changes a day being the mean of a page's belief
	Squares float64 // Σ (ln λ)²
}

// kinWeight is how many pages the default prior is worth.
const kinWeight = 4

// Replace returns the moments after the record of a page changed; a Record that was never fetched does not count.
func (k Kin) Replace(before, after Record) Kin {
	if before.A > 0 {
		x := math.Log(before.Belief().Mean())
		k.Pages--
		k.Sum -= x
		k.Squares -= x * x
	}
	if after.A > 0 {
		x := math.Log(after.Belief().Mean())
		k.Pages++
		k.Sum += x
		k.Squares += x * x
	}
	return k
}

// Prior returns the belief over a new page of the host: with the shape of the default prior, and the geometric mean of the
// rates of the host's pages and of four that are as the default has it. round is N/B in days.
func (k Kin) Prior(round float64) Belief {
	b := DefaultPrior(round)
	if k.Pages <= 0 {
		return b
	}
	mean := (k.Sum + kinWeight*math.Log(b.Mean())) / float64(k.Pages+kinWeight)
	return Belief{b.A, b.A / math.Exp(mean)}.clamped()
}

// Hints counts what came of the hints of a host: sitemap dates, feed entries, WebSub deliveries, each kind on its own.
// The zero value knows nothing, and takes a hint to be right every second time.
type Hints struct {
	Right  float64 // hinted, and changed when visited
	Wrong  float64 // hinted, and unchanged
	Missed float64 // changed when visited, without a hint
	Fresh  float64 // hinted: Σ of the probability that nothing had changed, as it was without the hint
}

// Delivered is what is known of a WebSub hub before its first delivery (W3C, WebSub, 2018): a delivery is a change.
var Delivered = Hints{Right: 20, Fresh: 20}

// Add returns the counts after a visit. fresh is [Record.Fresh] just before.
func (h Hints) Add(hinted, changed bool, fresh float64) Hints {
	switch {
	case hinted && changed:
		h.Right++
		h.Fresh += fresh
	case hinted:
		h.Wrong++
		h.Fresh += fresh
	case changed:
		h.Missed++
	}
	return h
}

// Precision returns the probability p that a hint announces a change that nobody would have guessed: with it, a page is as
// it was with probability (1-p)·fresh, so 1-p is the number of wrong hints over the expected number were hints
// noise, shrunk by two hints of which one was wrong. A mere count of right ones would praise the noise on pages
// that change all the time.
func (h Hints) Precision() float64 {
	return min(max(1-(h.Wrong+1)/(h.Fresh+2), 0), 1)
}

// Bounds for planning a page by its unannounced changes alone: where hints are worse, that costs more than it gains.
const (
	trustHints  = 0.9
	enoughHints = 20
)

// Recall returns the share of changes that are announced, for [Terms.Recall]; 0 unless precision and recall are both
// at least 0.9 over 20 changes or more.
func (h Hints) Recall() float64 {
	if h.Right+h.Missed < enoughHints || h.Precision() < trustHints {
		return 0
	}
	if r := (h.Right + 1) / (h.Right + h.Missed + 2); r >= trustHints {
		return r
	}
	return 0
}

// Hint returns record and due time of a page after a hint of precision p: the hint multiplies the probability that
// the page is as it was by 1-p, which is the same as being (b/a)·ln(1/(1-p)) older:
//
//	due ← max(now, due - (b/a)·ln(1/(1-p)))
//
// (after Busa-Fekete et al., WWW 2025, simplified). A page taken for gone is due at once. For one that is missing or
// denied, the answers decide alone.
func Hint(r Record, due time.Time, p float64, now time.Time) (Record, time.Time) {
	switch r.State() {
	case Missing, Denied:
		return r, due
	case Gone:
		markHinted(&r)
		return r, earlier(due, now)
	}
	if r.Seen == 0 || !(p > 0) {
		return r, due
	}
	markHinted(&r)
	if p < 1 {
		shift := duration(-math.Log1p(-p) / r.Belief().Mean())
		if shifted := due.Add(-shift); shifted.After(now) {
			return r, shifted
		}
	}
	return r, earlier(due, now)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Stamped reports whether the dates of a sitemap are those of its build rather than of its pages: at least nine tenths of ten
// or more share a day. Such dates are no hints.
func Stamped(lastmod []time.Time) bool {
	if len(lastmod) < 10 {
		return false
	}
	count := make(map[int64]int)
	most := 0
	for _, at := range lastmod {
		n := at.Unix() / 86400
		count[n]++
		most = max(most, count[n])
	}
	return 10*most >= 9*len(lastmod)
}

// Modified counts whether a host's Last-Modified tells the truth: it stands still while the content does, and moves when that
// moves.
type Modified struct{ True, False float64 }

// Add returns the counts after a visit of a page that was seen before.
func (m Modified) Add(moved, changed bool) Modified {
	if moved == changed {
		m.True++
	} else {
		m.False++
	}
	return m
}

// Trusted reports whether Last-Modified may be used: right in at least 95 % of at least 20 visits.
func (m Modified) Trusted() bool {
	n := m.True + m.False
	return n >= 20 && m.True >= 0.95*n
}

// Age returns the age of the content by a Last-Modified, for [Observation.Age]: below 0 if it cannot be used, because
// the host is not trusted, the date lies in the future, or is within a minute of the answer's own Date, as
// that of a page built for the answer is.
func (m Modified) Age(modified, date time.Time) time.Duration {
	age := date.Sub(modified)
	if modified.IsZero() || date.IsZero() || !m.Trusted() || age <= time.Minute {
		return -1
	}
	return age
}

// Honesty counts what audits say of a host's entity tags: an audit is a visit without validators, whose answer
// shows whether a tag stood still while the content moved.
type Honesty struct{ Honest, Lies int64 }

// auditEvery is how many visits there are to an audit.
const auditEvery = 20

// Audit reports whether visit number n of a host goes out without validators: one in twenty, and every one once
// the host was caught lying.
func (h Honesty) Audit(n int64) bool { return h.Lies > 0 || n%auditEvery == auditEvery-1 }

// Add returns the counts after an audit of a page with an entity tag or Last-Modified.
func (h Honesty) Add(sameValidator, sameContent bool) Honesty {
	if sameValidator && !sameContent {
		h.Lies++
	} else {
		h.Honest++
	}
	return h
}

// Trusted reports whether a 304 of this host means that nothing changed. One lie is enough.
func (h Honesty) Trusted() bool { return h.Lies == 0 }

// Weather is what a host's answers have in common within an hour: it tells a new template from many changed pages, and
// a host that shuts its door from pages that are shut.
type Weather struct {
	Hour                     int64   // unix hours
	Visits, Changed, Refused float64 // within the hour
	Long, LongChanged        float64 // before it
}

// Limits of what is taken for weather.
const (
	redeployShare = 0.5 // of an hour's visits changed,
	usualShare    = 0.2 // against less than this in the long run
	refusedShare  = 0.2
	enoughVisits  = 10
)

// Add returns the counts after a visit at now that showed content or a refusal.
func (w Weather) Add(changed, refused bool, now time.Time) Weather {
	if hour := now.Unix() / 3600; hour != w.Hour {
		w = Weather{Hour: hour, Long: w.Long + w.Visits, LongChanged: w.LongChanged + w.Changed}
	}
	w.Visits++
	if changed {
		w.Changed++
	}
	if refused {
		w.Refused++
	}
	return w
}

// Redeployed reports whether more than half of at least ten visits of this hour showed a change, against less than a fifth
// in the long run: the template has changed, and a new signature says nothing of the content.
func (w Weather) Redeployed(now time.Time) bool {
	return now.Unix()/3600 == w.Hour && w.Visits >= enoughVisits && w.Changed > redeployShare*w.Visits &&
		w.Long >= enoughVisits && w.LongChanged < usualShare*w.Long
}

// Denies reports whether at least a fifth of at least ten visits of this hour were refused: the host is to be paused.
func (w Weather) Denies(now time.Time) bool {
	return now.Unix()/3600 == w.Hour && w.Visits >= enoughVisits && w.Refused >= refusedShare*w.Visits
}
