package crawler

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// look is what a visit does beside the rest when its page is to be visited again: it asks for what is new, finds out
// whether there is any, and plans the next visit.
type look struct {
	*visit
	rule   *visitRule
	memory memory // as it came with the page

	host        *hostBudget
	terms       revisit.Terms
	conditional bool // validators were sent
	audit       bool // they would have been, but the host's honesty is being looked at

	next memory // as it goes with the page
	sums sums
	news revisit.Change
	back bool // the page had been taken for gone

	weighed  bool     // the spider has said how much it weighs
	appeared []string // links that are new, and those that vanished
	vanished []string
}

// newLook returns what is to be done beside; nil if the page is fetched once.
func (v *visit) newLook() *look {
	rule := v.revisits.rule(v.req, v.url)
	if rule == nil {
		return nil
	}
	l := &look{visit: v, rule: rule}
	if m := v.req.memory; m != nil {
		l.memory = *m
	} else {
		l.memory.record = revisit.NewRecord(rule.weightOf(v.req, 0))
	}
	l.next = l.memory
	if l.weighed = rule.weighed; l.weighed {
		l.weigh(rule.weight)
	}
	l.spare()
	return l
}

// weigh says how much the page matters, before anything makes it weigh less.
func (l *look) weigh(w revisit.Weight) {
	unlinked := l.next.unlinked
	l.next.record.Weight, l.next.spared, l.next.unlinked = w, false, false
	l.spare()
	l.next.unlink(unlinked)
}

// known reports whether the page was visited before.
func (l *look) known() bool { return l != nil && l.req.memory != nil }

// hostOf is what is known of the page's host; nil if that was not looked up.
func (l *look) hostOf() *hostBudget {
	if l == nil {
		return nil
	}
	return l.host
}

// stored is the record of the page as it counts in the sums; zero if there is none.
func (v *visit) stored() revisit.Record {
	if v.req != nil && v.req.memory != nil {
		return v.req.memory.record
	}
	return revisit.Record{}
}

// ready reads what the plan of the page depends on.
func (l *look) ready(ctx context.Context) error {
	var err error
	l.terms, l.host, err = l.w.budget.terms(ctx, l.lease.Host, time.Now())
	return err
}

// header returns the header of the request: with the validators of the visit before (RFC 9110, section 13), unless they are
// known to lie or this is the visit in twenty that finds out.
func (l *look) header() http.Header {
	m := &l.memory
	if !l.known() || m.etag == "" && m.modified == "" || m.record.Validators() == revisit.ValidatorsLie {
		return l.req.Header
	}
	host := l.w.budget.knownOf(l.host)
	// The first visit after the first look is never an audit: a recrawl of a site that has not changed parses nothing.
	again := m.record.Validators() != revisit.ValidatorsUnknown || !host.honesty().Trusted()
	// Which visit it is, is left to chance, and is the same if the visit is repeated.
	n := int64(1000 * revisit.Phase(l.lease.ID.Short()^uint64(m.record.Seen)<<32))
	if l.audit = again && host.honesty().Audit(n); l.audit {
		return l.req.Header
	}
	l.conditional = true
	h := l.req.Header.Clone()
	if h == nil {
		h = make(http.Header, 2)
	}
	if m.etag != "" {
		h.Set("If-None-Match", strings.Join(spellings(m.etag), ", "))
	}
	if m.modified != "" {
		h.Set("If-Modified-Since", m.modified)
	}
	return h
}

// codings are what servers append to an entity tag when they compress, and may not know again afterwards (Apache bug 39727).
var codings = []string{"-gzip", "--gzip", ";gzip", ":gzip", "-br", "-zstd", "-df"}

// plainTag returns an entity tag without W/ and what a compressing server appends.
func plainTag(tag string) string {
	tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
	inner, ok := strings.CutSuffix(strings.TrimPrefix(tag, `"`), `"`)
	if !ok {
		return tag
	}
	for _, coding := range codings {
		if cut, ok := strings.CutSuffix(inner, coding); ok {
			return `"` + strings.TrimSuffix(cut, "-") + `"`
		}
	}
	return `"` + inner + `"`
}

// spellings returns the entity tag as it was received, and as the server may have meant it.
func spellings(tag string) []string {
	plain := plainTag(tag)
	if plain == strings.TrimPrefix(tag, "W/") {
		return []string{tag}
	}
	return []string{tag, plain}
}

func sameTag(a, b string) bool { return a != "" && b != "" && plainTag(a) == plainTag(b) }

// validators takes those of an answer along to the next visit.
func (l *look) validators(h http.Header) {
	keep := func(name string) string {
		if value := h.Get(name); len(value) <= maxValidator && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return value
		}
		return ""
	}
	l.next.etag, l.next.modified = keep("ETag"), keep("Last-Modified")
}

// examine says what a page that was sent and handled shows: what became of its content, and of the host's ways.
func (l *look) examine(ctx context.Context, resp *fetch.Response, sig uint64) (revisit.Observation, error) {
	now := time.Now()
	o := revisit.Observed(revisit.OK, sig)
	o.Conditional, o.Phase = l.conditional, revisit.Phase(l.lease.ID.Short())
	old := &l.memory
	l.validators(resp.Header)
	known := l.known() && old.record.Seen != 0
	o.SameETag = known && sameTag(old.etag, l.next.etag) && !l.audit && !l.lies()
	host := l.w.budget.knownOf(l.host)
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if modified, err := http.ParseTime(l.next.modified); err == nil {
			o.Age = host.dates().Age(modified, date)
		}
	}
	if !known {
		return o, nil
	}
	changed := old.record.Signature != sig && !o.SameETag
	switch {
	case l.internal(): // its entries are what they are
	case changed:
		why, err := l.pretends(ctx, sig)
		if err != nil {
			return o, err
		}
		if why != revisit.OK {
			o.Answer = why
			return o, nil
		}
		if l.w.budget.noise(l.lease.ID.Short(), true, now.Sub(old.record.SeenAt())) && !old.noisy {
			if changed, err = l.pair(ctx, sig); err != nil {
				return o, err
			}
			if !changed { // the two are alike in what is left of them: this is where it begins
				o.Signature, o.Redeployed = l.next.record.Signature, true
				return o, nil
			}
		}
	default:
		l.w.budget.noise(l.lease.ID.Short(), false, now.Sub(old.record.SeenAt()))
	}
	if l.audit {
		same := old.etag != "" && old.etag == l.next.etag || old.etag == "" && old.modified == l.next.modified
		l.sums.honest(host.honesty(), same, !changed)
	}
	if old.modified != "" && l.next.modified != "" {
		l.sums.date(old.modified != l.next.modified, changed)
	}
	_, o.Redeployed = l.w.budget.weather(l.host, changed, false, now)
	return o, nil
}

func (s *sums) honest(before revisit.Honesty, sameValidator, sameContent bool) {
	after := before.Add(sameValidator, sameContent)
	s[sumHonest] += float64(after.Honest - before.Honest)
	s[sumLies] += float64(after.Lies - before.Lies)
}

func (s *sums) date(moved, changed bool) {
	m := revisit.Modified{}.Add(moved, changed)
	s[sumDateTrue] += m.True
	s[sumDateFalse] += m.False
}

// lies reports whether a 304 or an entity tag of this page or host says nothing.
func (l *look) lies() bool {
	host := l.w.budget.knownOf(l.host)
	return l.memory.record.Validators() == revisit.ValidatorsLie || !host.honesty().Trusted()
}

// pretends tells whether a page that changed is no page of its own any more: the host's way of saying that there is none, or a wall
// that stands before many.
func (l *look) pretends(ctx context.Context, sig uint64) (revisit.Answer, error) {
	if l.w.budget.wall(l.host, l.lease.ID.Short(), l.memory.record.Signature, sig) {
		return revisit.Block, nil
	}
	probe, err := l.probe(ctx)
	if err != nil || probe.Signature == 0 {
		return revisit.OK, err
	}
	shown := signature.Page{Signature: sig}
	if l.visit.page.DocErr() == nil {
		shown.Blocks = signature.BlocksOf(l.visit.page.Doc().Nodes[0])
	}
	if signature.SoftMissing(shown, probe) {
		return revisit.SoftMissing, nil
	}
	return revisit.OK, nil
}

const (
	probeName = "revisit-probe"
	probeTTL  = 7 * 24 * time.Hour
)

// probed is a signature.Page as the fleet shares it.
type probed struct {
	Signature uint64   `json:"signature"`
	Blocks    []uint32 `json:"blocks"`
}

// probe returns what the host answers for a URL that cannot exist, zero if that is an honest 404. It asks once a week, when a page of
// the host has changed.
func (l *look) probe(ctx context.Context) (signature.Page, error) {
	var page signature.Page
	var memo probed
	var shared bool
	err := l.w.insist(ctx, func() error {
		value, ok, err := l.w.budget.memo.Load(ctx, l.lease.Host, probeName)
		shared = err == nil && ok && json.Unmarshal(value, &memo) == nil
		return err
	})
	if err != nil || shared {
		return signature.Page{Signature: memo.Signature, Blocks: memo.Blocks}, err
	}
	var nonce [12]byte
	_, _ = rand.Read(nonce[:]) // never fails
	path, _, _ := strings.Cut(l.url.RequestURI(), "?")
	u, err := l.canon.Resolve(l.url, signature.ProbePath(path, nonce))
	if err != nil {
		return page, nil //nolint:nilerr // a page without a sibling is not judged by one
	}
	if !l.mayAsk(ctx, u) {
		return page, nil
	}
	resp, err := l.again(ctx, u.String(), 0)
	if ctx.Err() != nil {
		return page, context.Cause(ctx)
	}
	if err == nil && resp.Status >= 200 && resp.Status < 300 {
		if p := newPage(l.visit, resp); p.DocErr() == nil {
			root := p.Doc().Nodes[0]
			page.Blocks = signature.BlocksOf(root)
			if page.Signature, err = l.rule.signature.OfDocument(root); err != nil { // it is one of items, or selects what is not there
				page.Signature, _ = l.rule.noisy.OfDocument(root)
			}
		} else {
			page.Signature, _ = signature.Options{Method: signature.Bytes}.Of(resp.Body)
		}
	}
	value, err := json.Marshal(probed{page.Signature, page.Blocks})
	if err != nil {
		return page, err
	}
	return page, l.w.insist(ctx, func() error { return l.w.budget.memo.Save(ctx, l.lease.Host, probeName, value, probeTTL) })
}

// mayAsk reports whether robots.txt allows a URL of the page's host.
func (l *look) mayAsk(ctx context.Context, u dedup.URL) bool {
	if l.settings.IgnoreRobots {
		return true
	}
	rules, _, err := l.w.robots.rules(ctx, l.req, u)
	return err == nil && rules.Allowed(l.w.robots.product, u.RequestURI())
}

// again makes one more request to the host under the same lease, at its pace and no sooner than gap. It goes out without validators.
func (l *look) again(ctx context.Context, url string, gap time.Duration) (*fetch.Response, error) {
	if delay := l.w.delay(l.lease.Host); delay > 0 { // nobody else's request is to be closer to this one
		gap = max(gap, delay)
		until := time.Now().Add(gap + delay)
		if err := l.w.insist(ctx, func() error { return l.w.frontier.Hold(ctx, l.lease.Host, until) }); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, gap); err != nil {
		return nil, err
	}
	if !l.w.holds(l.lease) {
		return nil, context.Cause(ctx)
	}
	started := time.Now()
	resp, err := l.w.fetcher.Fetch(ctx, &fetch.Request{
		URL: url, Header: l.req.Header, AllowPrivate: l.settings.AllowPrivate || l.scope.mayBePrivate(l.req, l.url),
	})
	l.result.Sent = started.Sub(l.lease.Claimed)
	if err == nil {
		l.result.Sent += resp.Sent
		l.result.Bytes += resp.WireBytes
	}
	return resp, err
}

// pair fetches the page once more, to see whether it is ever the same. If it is not, it is compared by letters from now on. It
// reports whether the page has changed all the same.
func (l *look) pair(ctx context.Context, first uint64) (changed bool, err error) {
	resp, err := l.again(ctx, l.req.URL, signature.PairGap)
	if ctx.Err() != nil {
		return true, context.Cause(ctx)
	}
	if err != nil || resp.Status != http.StatusOK {
		return true, nil //nolint:nilerr // then there is nothing to compare with
	}
	second := newPage(l.visit, resp)
	if l.visit.page.DocErr() != nil || second.DocErr() != nil || l.rule.signature.Method == signature.Items {
		return true, nil //nolint:nilerr // nor is there here
	}
	other, err := l.rule.signature.OfDocument(second.Doc().Nodes[0])
	if err != nil || other == first {
		return true, nil //nolint:nilerr // it does change that often
	}
	letters, err := l.rule.noisy.OfDocument(l.visit.page.Doc().Nodes[0])
	if err != nil {
		return true, nil //nolint:nilerr // as above
	}
	l.next.noisy, l.next.record.Signature = true, letters
	return false, nil
}

// signature returns that of the page, before its handler sees it; 0 if it is one of the items, or there is none.
func (l *look) signature() (uint64, error) {
	options := l.rule.signature
	if l.memory.noisy {
		options = l.rule.noisy
	}
	p := l.visit.page
	switch {
	case options.Method == signature.Items, l.internal():
		return 0, nil
	case options.Method == signature.Bytes:
		return options.Of(p.Body)
	case p.DocErr() != nil: // what is no HTML
		return signature.Options{Method: signature.Bytes}.Of(p.Body)
	}
	return options.OfDocument(p.Doc().Nodes[0])
}

// itemSignature returns that of the items, if they are what is compared; of a sitemap that of its entries.
func (l *look) itemSignature(sig uint64) uint64 {
	if l.internal() {
		return l.listed
	}
	if l.rule.signature.Method != signature.Items {
		return sig
	}
	encoded := make([][]byte, 0, len(l.visit.page.items))
	for i := range l.visit.page.items {
		item := &l.visit.page.items[i]
		fields, err := pipelines.Fields(item.Value)
		if err != nil {
			continue // the pipeline buries it
		}
		encoded = append(encoded, fields.AppendJSON([]byte(item.Kind+"\x00"+item.Key+"\x00")))
	}
	return signature.Item(encoded...)
}

// settle decides what an answer makes of the page, and what becomes of the visit.
func (l *look) settle(o revisit.Observation) revisit.Decision {
	now := time.Now()
	o.Untrusted = l.lies()
	d := l.rule.policy.Decide(l.next.record, o, l.terms, now)
	before := l.memory.record
	l.news, l.back = d.Change, d.Verdict == revisit.Restored
	l.next.record = d.Record
	if d.Change == revisit.New {
		l.sums[sumFirst]++
	} else {
		l.sums[sumLooks]++
	}
	if before.Hinted() && !d.Record.Hinted() {
		c := revisit.Control{Pages: 1, Budget: 1}.Unplanned(before.Plan, now.Sub(before.SeenAt()))
		l.sums[sumUnplanned] += c.Extra
	}
	if l.known() && (d.Change == revisit.Changed || d.Change == revisit.Unchanged) {
		h := revisit.Hints{}.Add(before.Hinted(), d.Change == revisit.Changed, before.Fresh(now))
		l.sums[sumHintRight] += h.Right
		l.sums[sumHintWrong] += h.Wrong
		l.sums[sumHintMissed] += h.Missed
		l.sums[sumHintFresh] += h.Fresh
	}
	switch d.Verdict {
	case revisit.Forget:
		l.conclude(scheduler.Gone("gone for good"), "forgotten")
		return d
	case revisit.Shelve:
		d.Due = now.Add(robotsTTL)
	case revisit.Unconditional:
		l.next.etag, l.next.modified = "", ""
	case revisit.Vanished:
		l.unlinkAll()
	}
	l.sums.replace(l.stored(), d.Record)
	l.plan(d.Due, outcomeOf(o, d))
	return d
}

// plan has the page come again at due, with what is known of it.
func (l *look) plan(due time.Time, outcome string) {
	req := *l.req
	req.memory, req.deferred = &l.next, false
	l.conclude(scheduler.Revisit(due).WithPayload(req.AppendPayload(nil)), outcome)
}

// outcomeOf is the word that a visit is counted by.
func outcomeOf(o revisit.Observation, d revisit.Decision) string {
	switch {
	case d.Verdict == revisit.Vanished:
		return "gone"
	case d.Verdict == revisit.Restored:
		return "back"
	case o.Answer == revisit.MovedAway:
		return "moved"
	case o.Answer == revisit.NotModified && d.Verdict == revisit.Unconditional:
		return "distrusted"
	case o.Answer == revisit.NotModified:
		return "not_modified"
	case d.Change == revisit.New:
		return "ok"
	case d.Change == revisit.Unchanged:
		return "unchanged"
	case d.Change == revisit.Changed:
		return "changed"
	case d.Change == revisit.Rebaselined:
		return "template"
	}
	return [...]string{
		revisit.OK: "ok", revisit.NotModified: "not_modified", revisit.MovedAway: "moved", revisit.NotFound: "missing",
		revisit.GoneForGood: "gone", revisit.Refused: "refused", revisit.Unavailable: "unavailable", revisit.Robots: "robots",
		revisit.SoftMissing: "soft_missing", revisit.Block: "blocked", revisit.Truncated: "truncated", revisit.Listed: "listed",
	}[o.Answer]
}

// answer is settle for a known page that was not sent: not modified, moved, not there, refused, unavailable.
func (l *look) answer(ctx context.Context, a revisit.Answer, sig uint64, wait time.Duration) error {
	now := time.Now()
	o := revisit.Observed(a, sig)
	o.Conditional, o.Wait = l.conditional, wait
	refused := a == revisit.Refused
	if refused || a == revisit.NotModified {
		o.HostDenies, _ = l.w.budget.weather(l.host, false, refused, now)
	}
	d := l.settle(o)
	if d.Verdict == revisit.PauseHost {
		if err := l.w.insist(ctx, func() error { return l.w.frontier.Hold(ctx, l.lease.Host, d.Due) }); err != nil {
			return err
		}
		l.w.log.Warn("host refuses many of its pages, and is left alone", "host", l.lease.Host, "until", d.Due.UTC().Format(time.RFC3339))
	}
	switch {
	case d.Verdict == revisit.Vanished:
		return l.track(ctx, pipelines.NewsGone, false)
	case d.Verdict == revisit.Restored:
		return l.track(ctx, pipelines.NewsBack, false)
	case d.Change == revisit.Unchanged:
		return l.track(ctx, pipelines.NewsUnchanged, false)
	case d.Change == revisit.Changed, d.Change == revisit.New: // it moved
		return l.track(ctx, pipelines.NewsChanged, false)
	}
	return nil
}

// tracked is the news of a page that was sent.
func (l *look) tracked() pipelines.News {
	switch {
	case l.back:
		return pipelines.NewsBack
	case l.news == revisit.New:
		return pipelines.NewsNew
	case l.news == revisit.Changed:
		return pipelines.NewsChanged
	}
	return pipelines.NewsUnchanged
}

// track brings what became of the page to the pipeline, if that wants to know.
func (l *look) track(ctx context.Context, news pipelines.News, parsed bool) error {
	if l.internal() { // nothing to anybody but the crawl itself
		return nil
	}
	visit := pipelines.Visit{
		Source: pipelines.Source{URL: l.req.URL, Crawl: l.crawl, FetchedAt: time.Now().UTC()},
		Status: l.result.Status, News: news, Parsed: parsed, Signature: fmt.Sprintf("%016x", l.next.record.Signature),
	}
	if parsed {
		visit.Source.FetchedAt, visit.Source.DuplicateOf = l.visit.page.FetchedAt, l.visit.page.DuplicateOf
		visit.Items = l.visit.page.items
		if l.known() {
			visit.Links = pipelines.NewLinkChange(l.appeared, l.vanished)
		}
	}
	if l.w.tracks == nil {
		return l.w.stores.submit(ctx, visit.Items...)
	}
	return l.w.tracks.submit(ctx, visit)
}

// survives settles a known page that could not be fetched or handled, so that it is visited again; false if it goes the way of all
// others: its handler is given the attempts that any page has, and may give the page up.
func (l *look) survives(ctx context.Context, outcome string, err error) bool {
	var verdict *verdictError
	var field *FieldError
	answer := revisit.Unavailable
	switch {
	case errors.As(err, &verdict):
		return false
	case outcome == "frontier":
		return false
	case outcome == "handler" && !errors.As(err, &field) && l.lease.Attempt < l.settings.MaxAttempts:
		return false
	case outcome == "handler", fetch.ReasonOf(err) == fetch.ReasonTruncated:
		answer = revisit.Truncated
	}
	l.w.log.Warn("to be visited again", "url", l.req.URL, "why", firstLine(err.Error()))
	l.err = l.answer(ctx, answer, 0, 0)
	return true
}

// judge decides by the status of an answer that is no page.
func (l *look) judge(ctx context.Context, resp *fetch.Response) error {
	switch status := resp.Status; status {
	case http.StatusNotModified:
		return l.answer(ctx, revisit.NotModified, 0, 0)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		target, ok := l.redirect(ctx, resp)
		if ok {
			return l.moved(ctx, status, target)
		}
		if l.result.Verdict.Kind == scheduler.KindRetry { // the frontier did not take the target
			return nil
		}
		return l.answer(ctx, revisit.Refused, 0, 0)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return l.answer(ctx, revisit.Unavailable, 0, l.retryAfter(ctx, resp))
	default:
		return l.answer(ctx, revisit.AnswerOf(status), 0, 0)
	}
}

// moved settles a page that is elsewhere, for good or for now. The target is a page of its own.
func (l *look) moved(ctx context.Context, status int, target string) error {
	if err := l.relink(ctx, []string{target}, true); err != nil {
		return err
	}
	sig := signature.Target(target)
	if status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect {
		return l.answer(ctx, revisit.MovedAway, sig, 0)
	}
	if l.known() && l.w.budget.wall(l.host, l.lease.ID.Short(), l.memory.record.Signature, sig) {
		return l.answer(ctx, revisit.Block, 0, 0)
	}
	return l.answer(ctx, revisit.OK, sig, 0)
}

// prepared reads what the plan of a page that is visited again depends on; false if the visit ends here.
func (v *visit) prepared(ctx context.Context) bool {
	if v.look != nil {
		v.err = v.look.ready(ctx)
	}
	return v.err == nil
}

// signature returns that of a page that is visited again, before its handler sees it; false if the visit ends here.
func (v *visit) signature(ctx context.Context) (uint64, bool) {
	if v.look == nil {
		return 0, true
	}
	sig, err := v.look.signature()
	switch {
	case err == nil:
		return sig, true
	case v.look.known(): // what was to be compared is not there
		v.w.log.Warn("to be visited again", "url", v.req.URL, "why", err)
		v.err = v.look.answer(ctx, revisit.Truncated, 0, 0)
		return 0, false
	default:
		sig, err = v.look.rule.noisy.Of(v.page.Body)
		if err != nil {
			v.failed(ctx, "handler", Drop(err.Error()))
		}
		return sig, err == nil
	}
}

// settle plans the next visit of a page that was handled; false if it turned out to be no page.
func (v *visit) settle(ctx context.Context, resp *fetch.Response, sig uint64) bool {
	if v.look == nil {
		return true
	}
	o, err := v.look.examine(ctx, resp, v.look.itemSignature(sig))
	switch {
	case err != nil:
		v.err = err
	case o.Answer != revisit.OK:
		v.look.next = v.look.memory // what was shown in the page's place is nothing to know it by
		v.err = v.look.answer(ctx, o.Answer, 0, 0)
	default:
		links, whole := v.followed()
		if v.err = v.look.relink(ctx, links, whole); v.err != nil {
			return false
		}
		v.look.settle(o)
		return true
	}
	return false
}

// reckon adds what became of the visit to the sums of a crawl that comes again.
func (v *visit) reckon() {
	if v.w.budget == nil {
		return
	}
	var s sums
	putOff := v.result.Outcome == outcomeDeferred
	switch v.result.Verdict.Kind {
	case scheduler.KindRevisit:
		if v.look != nil && !putOff {
			s = v.look.sums
		}
	case scheduler.KindDone, scheduler.KindDrop, scheduler.KindGone:
		if before := v.stored(); before != (revisit.Record{}) { // it will not come again
			s.replace(before, revisit.Record{})
		} else {
			s[sumOnce]++
		}
	default:
		return
	}
	switch waited := v.req != nil && v.req.deferred; {
	case putOff && !waited:
		s[sumDeferred]++
	case waited && !putOff:
		s[sumDeferred]--
	}
	v.result.Sums = s[:]
	v.w.budget.count(v.look.hostOf(), &s)
}
