package crawler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// visit is one lease on its way through steps 5 to 9 of the package documentation.
type visit struct {
	*plan
	w     *Worker
	crawl string
	lease *scheduler.Lease
	req   *Request
	url   dedup.URL
	page  *Page

	look   *look            // what is done beside if the page is visited again; else nil
	taken  bool             // out of the budget, as a page that was never fetched
	seed   string           // key of the seed the request goes back to
	listed uint64           // signature of the entries of a sitemap
	links  map[string]int64 // links refused, by reason
	result scheduler.Result
	err    error // of a frontier or store that did not take what the visit had to say
}

// run does the visit from top to bottom and returns its result. An error means that there is none: the worker is
// stopping, the lease is lost, or something has failed for good.
func (v *visit) run(ctx context.Context) (scheduler.Result, error) {
	v.result.Lease = v.lease
	defer v.settleBudget()
	if !v.decode() {
		return v.over(ctx)
	}
	switch v.req.Route {
	case robotsRoute.name:
		return v.askRobots(ctx)
	case hubRoute.name:
		return v.subscribe(ctx)
	}
	if !v.prepared(ctx) || !v.affordable(ctx) || !v.allowed(ctx) {
		return v.over(ctx)
	}
	resp, ok := v.fetch(ctx)
	if !ok {
		return v.over(ctx)
	}
	v.page = newPage(v, resp)
	if !v.compare(ctx) {
		return v.over(ctx)
	}
	sig, ok := v.signature(ctx)
	if !ok {
		return v.over(ctx)
	}
	if err := v.handle(ctx); err != nil {
		v.failed(ctx, "handler", err)
		return v.over(ctx)
	}
	v.conclude(scheduler.Done(), "ok")
	if !v.settle(ctx, resp, sig) {
		return v.over(ctx)
	}
	v.observe()
	if err := v.store(ctx); err != nil {
		return v.result, fmt.Errorf("items of %s: %w", v.req.URL, err)
	}
	if err := v.linksOnce(ctx); err != nil {
		return v.result, fmt.Errorf("links of %s: %w", v.req.URL, err)
	}
	if err := v.push(ctx); err != nil {
		return v.result, fmt.Errorf("links of %s: %w", v.req.URL, err)
	}
	if err := v.hint(ctx); err != nil {
		return v.result, fmt.Errorf("hints of %s: %w", v.req.URL, err)
	}
	v.result.Items = len(v.page.items)
	v.reckon()
	return v.result, nil
}

// over returns the result of a visit that ended before its page was stored, or why there is none: when the visit was cut short,
// whatever failed says nothing about the page.
func (v *visit) over(ctx context.Context) (scheduler.Result, error) {
	switch {
	case ctx.Err() != nil:
		return v.result, context.Cause(ctx)
	case v.err != nil:
		return v.result, fmt.Errorf("%s: %w", v.req.URL, v.err)
	}
	v.reckon()
	return v.result, nil
}

func (v *visit) conclude(verdict scheduler.Verdict, outcome string) {
	v.result.Verdict, v.result.Outcome = verdict, outcome
}

// decode reads the payload and finds the route; false if the visit ends here.
func (v *visit) decode() bool {
	var err error
	if v.req, err = DecodePayload(v.lease.Payload); err != nil {
		if errors.Is(err, errNewerPayload) {
			v.conclude(scheduler.Park("newer-payload"), "parked")
		} else {
			v.conclude(scheduler.Drop(err.Error()), "bad_payload")
		}
		return false
	}
	if v.url, err = v.canon.Parse(v.req.URL); err != nil {
		v.conclude(scheduler.Drop("payload: "+err.Error()), "bad_payload")
		return false
	}
	if _, ok := v.routes[v.req.Route]; !ok {
		v.conclude(scheduler.Park(v.req.Route), "parked")
		return false
	}
	v.seed = v.scope.seedOf(v.req, v.url)
	v.look = v.newLook()
	return true
}

// outcomeDeferred counts pages that were not fetched, but put off.
const outcomeDeferred = "deferred"

// affordable puts a page off that was never fetched while the budget has nothing left for such; false if the visit ends here. One that has
// been tried already is tried on: a page that is put off begins anew, and would never use up its attempts.
func (v *visit) affordable(ctx context.Context) bool {
	b := v.w.budget
	if b == nil || b.policy.Budget == 0 || v.req.memory != nil || v.req.Depth == 0 || v.lease.Attempt > 1 || v.lease.Expired > 0 {
		return true
	}
	now := time.Now()
	if v.err = b.refresh(ctx, now); v.err != nil {
		return false
	}
	turn := b.admit(now, v.req.deferred)
	if v.taken = turn.IsZero(); v.taken {
		return true
	}
	req := *v.req
	req.deferred = true
	v.conclude(scheduler.Revisit(turn).WithPayload(req.AppendPayload(nil)), outcomeDeferred)
	return false
}

// settleBudget says that the page is under way no more.
func (v *visit) settleBudget() {
	if v.taken {
		v.w.budget.admitted()
	}
}

// allowed asks robots.txt; false if the visit ends here.
func (v *visit) allowed(ctx context.Context) bool {
	if v.settings.IgnoreRobots {
		return true
	}
	if !v.w.holds(v.lease) {
		return false
	}
	rules, paced, err := v.w.robots.rules(ctx, v.req, v.url)
	switch {
	case err != nil:
		v.failed(ctx, "robots", err)
		return false
	case v.look.known() && !rules.Allowed(v.w.robots.product, v.url.RequestURI()):
		v.err = v.look.answer(ctx, revisit.Robots, 0, 0)
		return false
	case !rules.Allowed(v.w.robots.product, v.url.RequestURI()):
		v.conclude(scheduler.Done(), "robots")
		return false
	case !paced.IsZero() && !v.lease.Claimed.After(paced): // the page waits for its turn at the host's own pace
		v.conclude(scheduler.Release(), "")
		return false
	}
	return true
}

// fetch gets the page; false if the visit ends here.
func (v *visit) fetch(ctx context.Context) (*fetch.Response, bool) {
	if !v.w.holds(v.lease) {
		return nil, false
	}
	header := v.req.Header
	if v.look != nil {
		header = v.look.header()
	}
	started := time.Now()
	resp, err := v.w.fetcher.Fetch(ctx, &fetch.Request{
		Method: v.req.Method, URL: v.req.URL, Header: header, Body: v.req.Body,
		AllowPrivate: v.settings.AllowPrivate || v.scope.mayBePrivate(v.req, v.url),
		MaxBody:      v.maxBody(), Prefix: v.req.Route == sitemapRoute.name,
	})
	v.result.Sent = started.Sub(v.lease.Claimed)
	if err != nil {
		v.failed(ctx, cmp.Or(string(fetch.ReasonOf(err)), "fetch"), err)
		return nil, false
	}
	v.result.Sent += resp.Sent
	v.result.Status, v.result.Bytes = resp.Status, resp.WireBytes
	return resp, v.judge(ctx, resp)
}

// judge decides by the status of an answer; true if it is a page for the handler.
func (v *visit) judge(ctx context.Context, resp *fetch.Response) bool {
	outcome := fmt.Sprintf("http_%d", resp.Status)
	why := fmt.Sprintf("status %d %s", resp.Status, http.StatusText(resp.Status))
	switch status := resp.Status; {
	case status >= 200 && status < 300:
		return true
	case v.look.known():
		v.err = v.look.judge(ctx, resp)
	case status == http.StatusMovedPermanently, status == http.StatusFound, status == http.StatusSeeOther,
		status == http.StatusTemporaryRedirect, status == http.StatusPermanentRedirect:
		if target, ok := v.redirect(ctx, resp); ok && v.look != nil {
			v.err = v.look.moved(ctx, resp.Status, target)
		}
	case isMissing(status) && v.guessed():
		v.later(guessAgain, "no_sitemap")
	case status == http.StatusNotFound, status == http.StatusGone:
		v.conclude(scheduler.Gone(why), outcome)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		after := v.retryAfter(ctx, resp)
		v.retry(outcome, why, after)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500 && status < 600:
		v.retry(outcome, why, v.backoff())
	default:
		v.conclude(scheduler.Drop(why), outcome)
	}
	return false
}

// retryAfter holds the host for as long as it asks, or for as long as this page waits, and returns how long.
func (v *visit) retryAfter(ctx context.Context, resp *fetch.Response) time.Duration {
	after, asked := fetch.RetryAfter(resp.Header, resp.FetchedAt, time.Hour)
	if !asked {
		after = v.backoff()
	}
	// Retry-After is heard by the whole fleet, also if this page is given up.
	until := time.Now().Add(after)
	if err := v.w.insist(ctx, func() error { return v.w.frontier.Hold(ctx, v.lease.Host, until) }); err != nil {
		v.w.log.Debug("host is not held", "host", v.lease.Host, "err", err)
	}
	return after
}

// redirect queues the target instead of this page: it has a host, a pace and a robots.txt of its own, and may have been
// seen already. It returns the target, canonical, and whether that is in good order, in scope or not.
func (v *visit) redirect(ctx context.Context, resp *fetch.Response) (to string, ok bool) {
	location := resp.Header.Get("Location")
	target, err := v.canon.Resolve(v.url, location)
	if err != nil {
		v.conclude(scheduler.Drop(fmt.Sprintf("status %d to %.200q: %v", resp.Status, location, err)), "bad_redirect")
		return "", false
	}
	req := *v.req
	req.memory, req.deferred = nil, false
	req.URL, req.Hops = target.String(), v.req.Hops+1
	if resp.Status == http.StatusSeeOther || resp.Status < 304 && req.Method == http.MethodPost { // Fetch standard, 4.4 step 12
		req.Method, req.Body = "", nil
	}
	if target.Host() != v.url.Host() { // what was meant for one host is not shown to another
		req.Header = withoutSecrets(req.Header)
	}
	switch {
	case v.fingerprint(&req) == v.fingerprint(v.req):
		v.conclude(scheduler.Drop(fmt.Sprintf("status %d to itself", resp.Status)), "redirect_loop")
		return "", false
	case req.Hops > v.settings.MaxRedirects:
		v.conclude(scheduler.Drop(fmt.Sprintf("more than %d redirects", v.settings.MaxRedirects)), "redirect_loop")
		return "", false
	case v.req.Depth == 0: // a start URL that has moved takes its scope along
		req.Seed = v.movedSeed(target)
	default:
		if why := v.scope.refusal(target, v.seed); why != "" {
			v.conclude(scheduler.Done(), "redirect_"+why)
			return req.URL, true
		}
		req.Seed = v.scope.carry(v.seed, target)
	}
	task := v.task(&req, target)
	if err := task.Check(); err != nil {
		v.conclude(scheduler.Drop(err.Error()), "bad_redirect")
		return "", false
	}
	tasks := []scheduler.Task{task}
	if v.req.Depth == 0 && !v.internal() && target.Host() != v.url.Host() { // and its sitemaps
		tasks = append(tasks, v.robotsTasks(false, queued{&req, target})...)
	}
	if err := v.w.pushes.submit(ctx, tasks...); err != nil {
		v.failed(ctx, "frontier", err)
		return "", false
	}
	v.conclude(scheduler.Done(), "redirect")
	return req.URL, true
}

func withoutSecrets(h http.Header) http.Header {
	if len(h) == 0 {
		return h
	}
	h = h.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
		h.Del(name)
	}
	return h
}

func newPage(v *visit, resp *fetch.Response) *Page {
	p := &Page{
		URL: v.req.URL, Request: v.req, Status: resp.Status, Header: resp.Header, Body: resp.Body,
		FetchedAt: resp.FetchedAt.UTC(), Elapsed: resp.Elapsed, visit: v, url: v.url,
	}
	if contentType := resp.Header.Get("Content-Type"); fetch.IsText(contentType, resp.Body) {
		p.Body, p.Charset = fetch.Text(resp.Body, contentType)
	}
	return p
}

// handle calls the route's handler. Its panic is an error of this page.
func (v *visit) handle(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	if err := v.routes[v.req.Route].handle(ctx, v.page, v.req.With); err != nil {
		return err
	}
	return v.page.err
}

// observe shows the page to who wants to see all of them.
func (v *visit) observe() {
	if v.w.config.OnPage != nil && !v.internal() {
		v.w.config.OnPage(v.page)
	}
}

// admit takes a request that the handler asked for, if depth and scope allow.
func (v *visit) admit(p *Page, req *Request, u dedup.URL) bool {
	why := v.scope.refusal(u, v.seed)
	if limit := v.settings.MaxDepth; limit > 0 && req.Depth > limit {
		why = "depth"
	}
	if why != "" {
		v.count(why)
		return false
	}
	req.Seed = v.scope.carry(v.seed, u)
	p.requests = append(p.requests, queued{req, u})
	return true
}

// refused counts a link that is no URL to fetch.
func (v *visit) refused(err error) {
	if r, ok := errors.AsType[*dedup.RefusedError](err); ok {
		v.count(string(r.Reason))
	}
}

func (v *visit) count(why string) {
	if v.links == nil {
		v.links = make(map[string]int64)
	}
	v.links[why]++
}

// store hands the items to the pipelines and returns when they are durable.
func (v *visit) store(ctx context.Context) error {
	if v.look != nil {
		return v.look.track(ctx, v.look.tracked(), true)
	}
	return v.w.stores.submit(ctx, v.page.items...)
}

// push queues the requests of the page that were not seen before.
func (v *visit) push(ctx context.Context) error {
	tasks := make([]scheduler.Task, 0, len(v.page.requests))
	own := make(map[dedup.Fingerprint]bool, len(v.page.requests)+1)
	own[v.fingerprint(v.req)] = true
	for _, q := range v.page.requests {
		task := v.task(q.req, q.url)
		if v.look.known() && v.look.news == revisit.Changed { // what a change has brought is what is looked for
			task.Priority = min(task.Priority+1, scheduler.MaxPriority)
		}
		v.sparing(&task, q.url)
		if own[task.ID] && !task.DontFilter {
			continue
		}
		own[task.ID] = true
		if err := task.Check(); err != nil {
			v.count("malformed")
			v.w.log.Warn("link is not followed", "page", v.req.URL, "url", q.req.URL, "err", err)
			continue
		}
		tasks = append(tasks, task)
	}
	for some := range slices.Chunk(tasks, pushChunk) {
		if err := v.w.pushes.submit(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// pushChunk is how many links of a page are queued at once, so that those of a large sitemap let others through.
const pushChunk = 1000

// failed decides what becomes of a page that could not be fetched or handled.
func (v *visit) failed(ctx context.Context, outcome string, err error) {
	if v.look.known() && ctx.Err() == nil && v.look.survives(ctx, outcome, err) {
		return
	}
	var verdict *verdictError
	var field *FieldError
	var fetchErr *fetch.Error
	why := err.Error()
	switch {
	case errors.Is(err, errNoSitemap):
		v.later(guessAgain, "no_sitemap")
	case errors.As(err, &verdict) && verdict.drop, errors.As(err, &field):
		v.conclude(scheduler.Drop(why), outcome)
	case errors.As(err, &fetchErr) && !fetchErr.Reason.Temporary():
		v.conclude(scheduler.Drop(why), outcome)
	case errors.As(err, &verdict):
		v.retry(outcome, why, max(verdict.after, v.backoff()))
	case errors.Is(err, errRobotsUnreachable):
		v.retry(outcome, why, max(robotsRetry, v.backoff()))
	default:
		v.retry(outcome, why, v.backoff())
	}
}

// retry tries the page again later, until its attempts are used up.
func (v *visit) retry(outcome, why string, after time.Duration) {
	if v.lease.Attempt >= v.settings.MaxAttempts {
		v.conclude(scheduler.Drop(fmt.Sprintf("%s (attempt %d of %d)", strings.TrimSpace(why), v.lease.Attempt, v.settings.MaxAttempts)), outcome)
		return
	}
	v.conclude(scheduler.Retry(after, why), outcome)
}

// maxBackoff bounds the wait between two attempts.
const maxBackoff = time.Hour

// backoff returns the wait before the next attempt: RetryDelay, doubled for each attempt made, with a quarter of jitter
// so that what failed together does not come back together.
func (v *visit) backoff() time.Duration {
	d := v.settings.RetryDelay << min(max(v.lease.Attempt-1, 0), 30)
	if d <= 0 || d > maxBackoff {
		d = maxBackoff
	}
	return d - d/8 + rand.N(d/4+1) //nolint:gosec // jitter
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
