package crawler

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gobwas/glob"

	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// Revisit has a crawl come again: to each page when it is likely to have changed, with the validators of the last visit, so that
// what did not change costs next to nothing. Such a crawl is never finished, only up to date.
//
//	Revisit: &crawler.Revisit{Policy: revisit.Policy{Budget: 10_000, Max: 180 * 24 * time.Hour}}
type Revisit struct {
	// Policy says when. Its zero value has no budget: the rates of change decide alone.
	revisit.Policy
	// Signature is what of a page is compared: "main" (the default), "text", "letters", "bytes", "selector:CSS" or
	// "item". See package signature.
	Signature string
	// Ignore are patterns (RE2) of text that counts for nothing.
	Ignore []string
	// Rules are for some of the pages. The first that matches a page counts.
	Rules []RevisitRule
	// History is how many revisions of an item a store keeps that keeps revisions. Default 10; below 0: none.
	History int
	// TrackLinks remembers what each page links to, and counts the pages that link to each. Then pages weigh the more, the more
	// pages link to them; one that no page links to any more weighs a tenth, until one does; a page that was taken for gone is looked
	// for when a page links to it anew; and the feed tells which links of a changed page are new or gone. It costs memory of the
	// frontier: 5 to 10 bytes a link, and 16 a page that is linked to.
	TrackLinks bool
	// NoFeed has such a store keep no feed of changes.
	NoFeed bool
}

// RevisitRule says how some pages are visited again. What it leaves out is as for all others.
type RevisitRule struct {
	// Route is the route of the pages, or [SitemapRoute]; empty: any.
	Route string
	// Match is a glob on the canonical URL of the pages, as in Spider.Include; empty: any.
	Match string
	// Never has the pages fetched once.
	Never bool
	// Weight says how much the pages matter beside others: "low", "normal", "high", or a number. Empty: the less, the
	// more links they are away from a start URL, and with TrackLinks the more, the more pages link to them. See [revisit.DefaultWeight]; [Page.SetWeight] is for one page.
	Weight string
	// Min and Max bound the interval; zero: as for all others.
	Min, Max time.Duration
	// Every is a plain interval, and Cron a clock, in place of what the rates of change say.
	Every time.Duration
	Cron  *revisit.Cron
	// Signature and Ignore take the place of those of Revisit.
	Signature string
	Ignore    []string
}

// revisits is a Revisit ready for use; nil: each URL is fetched once.
type revisits struct {
	policy     revisit.Policy
	rules      []visitRule // the last one matches all
	trackLinks bool
}

type visitRule struct {
	route     string
	match     *glob.Pattern
	never     bool
	weight    revisit.Weight
	weighed   bool
	policy    revisit.Policy
	signature signature.Options
	noisy     signature.Options // for pages whose signature is never the same
}

func (s *Revisit) compile(routes map[string]Binding) (*revisits, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // each URL once
	}
	if err := s.Policy.Validate(); err != nil {
		return nil, err
	}
	r := &revisits{policy: s.Policy, trackLinks: s.TrackLinks}
	for i, rule := range slices.Concat(s.Rules, []RevisitRule{{}}) {
		fail := func(err error) error { return fmt.Errorf("Rules[%d]: %w", i, err) }
		if i == len(s.Rules) {
			fail = func(err error) error { return err }
		}
		if _, ok := routes[rule.Route]; !ok && rule.Route != "" && rule.Route != SitemapRoute {
			return nil, fail(fmt.Errorf("Route: there is no route %q", rule.Route))
		}
		compiled, err := s.compileRule(&rule)
		if err != nil {
			return nil, fail(err)
		}
		r.rules = append(r.rules, compiled)
	}
	return r, nil
}

func (s *Revisit) compileRule(rule *RevisitRule) (visitRule, error) {
	v := visitRule{route: rule.Route, never: rule.Never, policy: rule.over(s.Policy)}
	var err error
	if rule.Match != "" {
		if v.match, err = glob.Compile(rule.Match); err != nil {
			return v, fmt.Errorf("Match: %q is no glob: %w", rule.Match, err)
		}
	}
	if rule.Weight != "" {
		if v.weight, err = revisit.ParseWeight(rule.Weight); err != nil {
			return v, err
		}
		v.weighed = true
	}
	if rule.Every > 0 && rule.Cron != nil {
		return v, errors.New("every and cron exclude each other")
	}
	if err := v.policy.Validate(); err != nil {
		return v, err
	}
	ignore := s.Ignore
	if rule.Ignore != nil {
		ignore = rule.Ignore
	}
	if v.signature, err = signature.Parse(cmp.Or(rule.Signature, s.Signature), ignore); err != nil {
		return v, err
	}
	v.noisy, err = signature.Parse("letters", ignore)
	return v, err
}

// over returns the policy with what the rule has of its own.
func (r *RevisitRule) over(p revisit.Policy) revisit.Policy {
	if r.Every > 0 || r.Cron != nil {
		p.Every, p.Cron, p.Min, p.Max, p.Objective = r.Every, r.Cron, 0, 0, revisit.Freshness
	}
	if r.Min > 0 || r.Max > 0 {
		if r.Every == 0 && r.Cron == nil {
			p.Every, p.Cron = 0, nil
		}
		p.Min, p.Max = cmp.Or(r.Min, p.Min), cmp.Or(r.Max, p.Max)
	}
	return p
}

// rule returns the one that a request for a page comes under; nil if it is fetched once. Only what a GET gets is visited
// again.
func (r *revisits) rule(req *Request, u dedup.URL) *visitRule {
	if r == nil || req.Method != "" && req.Method != http.MethodGet || req.DontRecord || req.Route == robotsRoute.name {
		return nil
	}
	for i := range r.rules {
		rule := &r.rules[i]
		if (rule.route == "" || rule.route == req.Route) && (rule.match == nil || rule.match.Match(u.String())) {
			if rule.never {
				return nil
			}
			return rule
		}
	}
	return nil
}

// weightOf returns the weight of a page that did not say so itself, to which so many pages link.
func (r *visitRule) weightOf(req *Request, inlinks int) revisit.Weight {
	if r.weighed {
		return r.weight
	}
	if req.Route == sitemapRoute.name { // it stands for all of its pages
		return revisit.WeightHigh
	}
	return revisit.DefaultWeight(req.Depth, inlinks)
}

// memory is what is known of a page from earlier visits. It rides along in its payload.
type memory struct {
	record   revisit.Record
	etag     string // as received; empty: none
	modified string // Last-Modified, as received
	spared   bool   // it weighs less, for its path yields nothing but duplicates
	noisy    bool   // its signature is never the same: it is compared by letters
	links    []byte // what it links to; see packLinks
	unlinked bool   // no page links to it any more, so it weighs less
}

// unlink has the page weigh less because no page links to it any more, or as before.
func (m *memory) unlink(yes bool) {
	if yes == m.unlinked {
		return
	}
	m.unlinked = yes
	half := unlinkedWeight
	if yes {
		half = -half
	}
	m.record.Weight = m.record.Weight.Times(half)
}

// Validators longer than that are not kept: they would cost more than they save.
const maxValidator = 128

func (m *memory) appendTo(dst []byte) []byte {
	dst = append(dst, `,"c":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, m.record.Append(nil))
	dst = append(dst, '"')
	if m.etag != "" {
		dst = appendString(append(dst, `,"e":`...), m.etag)
	}
	if m.modified != "" {
		dst = appendString(append(dst, `,"l":`...), m.modified)
	}
	if m.noisy {
		dst = append(dst, `,"n":1`...)
	}
	if m.spared {
		dst = append(dst, `,"q":1`...)
	}
	if m.unlinked {
		dst = append(dst, `,"a":1`...)
	}
	if len(m.links) > 0 {
		dst = append(dst, `,"o":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, m.links)
		dst = append(dst, '"')
	}
	return dst
}

// memory reads what appendTo wrote; nil if there is none.
func (w *wire) memory() (*memory, error) {
	if len(w.C) == 0 {
		return nil, nil //nolint:nilnil // a page that was not visited before
	}
	record, err := revisit.ParseRecord(w.C)
	if err != nil {
		return nil, err
	}
	return &memory{record: record, etag: w.E, modified: w.L, noisy: w.N != 0, spared: w.Q != 0, unlinked: w.A != 0, links: w.O}, nil
}

// Learnt is what earlier visits have taught about a page; see package revisit.
type Learnt struct {
	Seen          time.Time `json:"seen,omitzero"`   // the last look that showed content
	ChangesPerDay float64   `json:"changes_per_day"` // as it is believed
	Interval      float64   `json:"interval_days"`   // between two visits, as it is planned
	Weight        float64   `json:"weight"`
	State         string    `json:"state"` // live, missing, gone, moved or denied
	Hinted        bool      `json:"hinted,omitempty"`
	Noisy         bool      `json:"noisy,omitempty"`    // it is never the same, and compared by its letters
	Unlinked      bool      `json:"unlinked,omitempty"` // no page links to it any more
	ETag          string    `json:"etag,omitempty"`
	LastModified  string    `json:"last_modified,omitempty"`
}

// Learnt returns what earlier visits have taught about the page; nil if there was none, or the crawl does not come again.
func (r *Request) Learnt() *Learnt {
	m := r.memory
	if m == nil {
		return nil
	}
	l := &Learnt{
		Seen: m.record.SeenAt(), Interval: m.record.Plan.Interval().Hours() / 24, Weight: m.record.EffectiveWeight(),
		State: m.record.State().String(), Hinted: m.record.Hinted(), Noisy: m.noisy, Unlinked: m.unlinked, ETag: m.etag, LastModified: m.modified,
	}
	if b := m.record.Belief(); b.B > 0 {
		l.ChangesPerDay = b.Mean()
	}
	return l
}
