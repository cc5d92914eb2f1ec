package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// why is what why shows of a URL. Its JSON is a contract with scripts.
type why struct {
	Crawl       string `json:"crawl"`
	URL         string `json:"url"` // canonical; as given if it cannot be fetched
	Fingerprint string `json:"fingerprint,omitempty"`
	Host        string `json:"host,omitempty"`
	Partition   *int   `json:"partition,omitempty"` // on Redis
	Partitions  int    `json:"partitions,omitempty"`
	Spider      string `json:"spider,omitempty"` // empty: none is known, and the next five say nothing
	Start       bool   `json:"start"`            // a start URL of the spider
	Robots      string `json:"robots,omitempty"` // allowed, disallowed, unknown, ignored
	// Refused is why the URL cannot be fetched ("scheme", "invalid", ...), or a link to it is not followed: scope,
	// excluded, not_included, depth.
	Refused string `json:"refused,omitempty"`
	Exclude string `json:"exclude,omitempty"` // the glob that excludes it

	State    string    `json:"state"` // as scheduler.Place; refused if the URL cannot be fetched
	Paused   bool      `json:"paused"`
	Route    string    `json:"route,omitempty"`
	Depth    int       `json:"depth,omitempty"`
	Priority int       `json:"priority,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Expired  int       `json:"expired,omitempty"`
	First    time.Time `json:"first,omitzero"` // when it first failed or expired
	Ahead    *int64    `json:"ahead,omitempty"`
	Due      time.Time `json:"due,omitzero"`
	Worker   string    `json:"worker,omitempty"`
	Claimed  time.Time `json:"claimed,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Label    string    `json:"label,omitempty"` // what it is parked under
	Why      string    `json:"why,omitempty"`   // of a dead letter or dead link, as the next two
	Status   int       `json:"status,omitempty"`
	At       time.Time `json:"at,omitzero"`

	Learnt    *crawler.Learnt `json:"learnt,omitempty"`   // of a page that is visited again
	Deferred  bool            `json:"deferred,omitempty"` // never fetched, and put off for the budget of revisits
	HostState *whyHost        `json:"host_state,omitempty"`
	Verdict   string          `json:"verdict"` // one sentence for people

	now time.Time
}

type whyHost struct {
	Queued       int64     `json:"queued"`
	Leased       int64     `json:"leased"`
	Next         time.Time `json:"next,omitzero"` // not served before
	Full         bool      `json:"full"`          // not served before a lease ends
	DelaySeconds float64   `json:"delay_seconds"`
	Concurrency  int       `json:"concurrency"`
}

func (p *program) whyCommand() *cobra.Command {
	var o options
	var spider string
	cmd := &cobra.Command{
		Use:   "why CRAWL URL [flags]",
		Short: "Explain what became of a URL, or what keeps it waiting",
		Long: `Explain what became of a URL, or what keeps it waiting: whether the crawl has seen it,
where it stands in its queue, which worker has it and until when, why it was given
up. If the spider is known, also whether its scope, its globs or robots.txt would
refuse it. Nothing is fetched, and the crawl goes on undisturbed.

The spider is the one compiled in under the crawl's name, or that of --spider; its
rules decide which spellings of a URL are one.`,
		Example: `  lycosa why books https://books.toscrape.com/catalogue/page-2.html --spider books.yaml
  lycosa why books https://books.toscrape.com/ --redis redis://localhost:6379/0
  lycosa why books https://books.toscrape.com/ --json | jq -r .state`,
		Args: argRange(2, 2, "CRAWL URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.spiderOf(args[0], spider)
			if err != nil {
				return err
			}
			return p.withCrawl(cmd, &o, args[:1], func(ctx context.Context, _ *place, name string, f scheduler.Frontier) error {
				w, err := explain(ctx, name, f, s, args[1])
				if err != nil {
					return err
				}
				if o.json {
					return json.NewEncoder(p.out).Encode(w)
				}
				return p.printWhy(w)
			})
		},
	}
	o.placeFlags(cmd.Flags())
	cmd.Flags().StringVar(&spider, "spider", "", "SPIDER, a name or the path of a YAML file (default: the one compiled in under the crawl's name)")
	o.logFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	return cmd
}

// spiderOf returns the spider that was named, or the one compiled in under the crawl's name, or nil.
func (p *program) spiderOf(crawl, named string) (*crawler.Spider, error) {
	if named == "" {
		for i := range p.spiders {
			if p.spiders[i].Name == crawl {
				named = crawl
			}
		}
	}
	if named == "" {
		return nil, nil
	}
	s, err := p.spider(named)
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, usage(err)
	}
	return &s, nil
}

// explain finds out all there is to know about a URL. The spider may be nil.
func explain(ctx context.Context, crawl string, f scheduler.Frontier, s *crawler.Spider, raw string) (*why, error) {
	inspector, ok := f.(scheduler.Inspector)
	if !ok {
		return nil, fmt.Errorf("crawl %s cannot be looked into where it is", crawl)
	}
	stats, err := f.Stats(ctx)
	if err != nil {
		return nil, err
	}
	w := &why{Crawl: crawl, Paused: stats.Paused}
	memo, _ := f.(scheduler.Memo)
	e, err := explainBy(ctx, s, crawler.Request{URL: raw}, memo)
	if refused, ok := errors.AsType[*dedup.RefusedError](err); ok {
		w.URL, w.State, w.Refused = refused.URL, "refused", string(refused.Reason)
		w.Verdict = "It cannot be crawled: " + refused.Error() + "."
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	at, err := inspector.Inspect(ctx, e.Host, e.Fingerprint)
	if err != nil {
		return nil, err
	}
	if req, err := crawler.DecodePayload(at.Task.Payload); err == nil { // none of what is unseen or done
		if e, err = explainBy(ctx, s, *req, memo); err != nil {
			return nil, err
		}
		w.Route, w.Depth, w.Learnt, w.Deferred = req.Route, req.Depth, req.Learnt(), req.Deferred()
	}
	if s != nil {
		w.Spider, w.Start, w.Robots, w.Refused, w.Exclude = s.Name, e.Start, string(e.Robots), e.Refused, e.Exclude
	}
	w.URL, w.Fingerprint, w.Host = e.URL, e.Fingerprint.String(), e.Host
	if parted, ok := f.(partitioned); ok {
		n := parted.Partition(e.Host)
		w.Partition, w.Partitions = &n, parted.Partitions()
	}
	w.fill(&at)
	w.Verdict = w.verdict(s)
	return w, nil
}

// partitioned is a frontier that is cut into parts.
type partitioned interface {
	Partition(host string) int
	Partitions() int
}

// explainBy asks the spider. Without one the default rules decide which spellings are one.
func explainBy(ctx context.Context, s *crawler.Spider, req crawler.Request, memo scheduler.Memo) (crawler.Explanation, error) {
	if s != nil {
		return s.Explain(ctx, req, memo)
	}
	canon, err := dedup.Rules{}.Compile()
	if err != nil {
		return crawler.Explanation{}, err
	}
	u, err := canon.Parse(req.URL)
	if err != nil {
		return crawler.Explanation{}, err
	}
	return crawler.Explanation{URL: u.String(), Fingerprint: canon.Fingerprint(req.Method, u.String(), req.Header, req.Body), Host: u.Host()}, nil
}

// fill takes over what the frontier says.
func (w *why) fill(at *scheduler.Whereabouts) {
	w.State, w.now = string(at.Place), at.Now
	w.Priority, w.Attempt, w.Expired, w.First = at.Task.Priority, at.Attempt, at.Expired, utc(at.First)
	w.Due, w.Worker, w.Claimed, w.Deadline, w.Label = utc(at.Task.Due), at.Worker, utc(at.Claimed), utc(at.Deadline), at.Label
	if at.Place == scheduler.PlaceQueued {
		w.Ahead = &at.Ahead
	}
	if d := at.Letter; d != nil {
		w.Why, w.Status, w.At = d.Why, d.Status, utc(d.At)
	}
	h := at.Host
	w.HostState = &whyHost{
		Queued: h.Queued, Leased: h.Leased, Full: h.Full(), DelaySeconds: h.Pace.Delay.Seconds(), Concurrency: h.Pace.Concurrency,
	}
	if h.Next.After(at.Now) {
		w.HostState.Next = h.Next.UTC()
	}
}

// utc keeps the zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// verdict is all of it in one sentence.
func (w *why) verdict(s *crawler.Spider) string {
	switch scheduler.Place(w.State) {
	case scheduler.PlaceUnseen:
		return w.whyUnseen(s)
	case scheduler.PlaceQueued:
		return w.whyQueued()
	case scheduler.PlaceLeased:
		who := "A worker"
		if w.Worker != "" {
			who = "Worker " + oneLine(w.Worker)
		}
		if !w.Deadline.After(w.now) {
			return fmt.Sprintf("%s had it and was not heard of: its lease ran out %s, and it comes back with the next claim.", who, w.when(w.Deadline))
		}
		return fmt.Sprintf("%s is at it since %s, and has it until %s.", who, w.when(w.Claimed), w.when(w.Deadline))
	case scheduler.PlaceDelayed:
		if w.Attempt > 1 {
			return fmt.Sprintf("Attempt %d failed; it is tried again %s%s.", w.Attempt-1, w.when(w.Due), w.unlessPaused())
		}
		return fmt.Sprintf("It is not to be fetched before %s%s.", w.when(w.Due), w.unlessPaused())
	case scheduler.PlaceScheduled:
		if w.Deferred {
			return fmt.Sprintf("It was never fetched: the budget has nothing left for new pages, and its turn is %s%s.", w.when(w.Due), w.unlessPaused())
		}
		return fmt.Sprintf("It was fetched, and is to be visited again %s%s.", w.when(w.Due), w.unlessPaused())
	case scheduler.PlaceParked:
		return fmt.Sprintf("It was put aside for a build that knows its route %s.", oneLine(w.Label))
	case scheduler.PlaceDead:
		return fmt.Sprintf("It was given up %s at attempt %d: %s.", w.when(w.At), w.Attempt, strings.TrimSuffix(oneLine(reasonLine(w.Why)), "."))
	case scheduler.PlaceGone:
		return fmt.Sprintf("It is a dead link, asked for %s: %s.", w.when(w.At), strings.TrimSuffix(oneLine(reasonLine(w.Why)), "."))
	default:
		if w.Robots == string(crawler.RobotsDisallowed) {
			return "It is finished: robots.txt does not let it be fetched."
		}
		return "It is finished: nothing is left to be done."
	}
}

func (w *why) whyUnseen(s *crawler.Spider) string {
	switch {
	case w.Refused == "scope":
		return fmt.Sprintf("It was never queued: links to it are not followed, it is outside the scope %q of spider %s.", s.Scope, s.Name)
	case w.Refused == "excluded":
		return fmt.Sprintf("It was never queued: links to it are not followed, spider %s excludes %s.", s.Name, oneLine(w.Exclude))
	case w.Refused != "":
		return fmt.Sprintf("It was never queued: links to it are not followed, no Include of spider %s matches it.", s.Name)
	case w.Robots == string(crawler.RobotsDisallowed):
		return "It was never queued; and robots.txt would not let it be fetched."
	case w.Start:
		return "It was never queued, although it is a start URL: the crawl was not seeded with it."
	case s != nil && s.Settings.MaxDepth > 0:
		return fmt.Sprintf("It was never queued: no page within %d links of a start URL has led to it so far, and nobody seeded it.", s.Settings.MaxDepth)
	default:
		return "It was never queued: no page has led to it so far, and nobody seeded it."
	}
}

func (w *why) whyQueued() string {
	place := "it is the next of its host"
	if n := *w.Ahead; n > 0 {
		place = plural(n, "page", "pages") + " of its host stand before it"
		if n == 1 {
			place = "1 page of its host stands before it"
		}
	}
	switch h := w.HostState; {
	case w.Paused:
		return fmt.Sprintf("It is queued, and %s; the crawl is paused.", place)
	case !h.Next.IsZero():
		return fmt.Sprintf("It is queued, and %s; the host is not asked before %s.", place, w.when(h.Next))
	case h.Full:
		return fmt.Sprintf("It is queued, and %s; the host has %s under way, and no more at once are allowed.", place, plural(h.Leased, "page", "pages"))
	default:
		return fmt.Sprintf("It is queued, and %s; it waits for a free worker.", place)
	}
}

func (w *why) unlessPaused() string {
	if w.Paused {
		return ", once the crawl goes on: it is paused"
	}
	return ""
}

// when tells a time, and how far it is from now by the frontier's clock.
func (w *why) when(t time.Time) string {
	d := t.Sub(w.now)
	far := "in " + roughly(d)
	if d <= 0 {
		far = roughly(-d) + " ago"
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format(time.DateTime), far)
}

// roughly is a duration as precise as people ask for it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

func (p *program) printWhy(w *why) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s\n", oneLine(w.URL))
	if w.State == "refused" {
		fmt.Fprintf(&b, "%s\n", oneLine(w.Verdict))
		_, err := p.out.Write([]byte(b.String()))
		return err
	}
	line("fingerprint", "%s", w.Fingerprint)
	if w.Partitions > 1 {
		line("partition", "%d of 0 to %d", *w.Partition, w.Partitions-1)
	}
	if w.Spider == "" {
		line("spider", "unknown; --spider tells what its scope and robots.txt say")
	} else {
		line("spider", "%s: %s", w.Spider, w.scopeWords())
		line("robots.txt", "%s", map[string]string{
			"allowed": "allows it", "disallowed": "disallows it", "ignored": "is not obeyed", "unknown": "not asked for yet, or not lately",
		}[w.Robots])
	}
	line("state", "%s", w.State)
	if w.Route != "" {
		line("route", "%s, %s from a start URL, priority %d", oneLine(w.Route), plural(int64(w.Depth), "link", "links"), w.Priority)
	}
	if l := w.Learnt; l != nil {
		line("learnt", "%s", w.learntWords())
	}
	if !w.First.IsZero() {
		line("attempts", "%d, %d of its leases ran out, in trouble since %s", w.Attempt, w.Expired, w.when(w.First))
	}
	line("host", "%s: %s", w.Host, w.hostWords())
	fmt.Fprintf(&b, "%s\n", oneLine(w.Verdict))
	_, err := p.out.Write([]byte(b.String()))
	return err
}

func (w *why) scopeWords() string {
	switch {
	case w.Start:
		return "a start URL"
	case w.Refused == "scope":
		return "out of scope"
	case w.Refused == "excluded":
		return "excluded by " + oneLine(w.Exclude)
	case w.Refused == "not_included":
		return "no Include matches"
	default:
		return cmp.Or(map[string]string{"depth": "too many links from a start URL"}[w.Refused], "in scope")
	}
}

func (w *why) learntWords() string {
	l := w.Learnt
	words := "never seen"
	if !l.Seen.IsZero() {
		words = "seen " + w.when(l.Seen)
	}
	if l.ChangesPerDay > 0 {
		words += fmt.Sprintf(", changes about every %s", daysText(1/l.ChangesPerDay))
	}
	words += fmt.Sprintf(", visited about every %s, weight %.2g, %s", daysText(l.Interval), l.Weight, l.State)
	if l.Unlinked {
		words += ", no page links to it any more"
	}
	if l.Noisy {
		words += ", never the same"
	}
	return words
}

// daysText is a number of days in the unit that fits.
func daysText(days float64) string {
	switch {
	case days >= 1:
		return fmt.Sprintf("%.3g days", days)
	case days >= 1./24:
		return fmt.Sprintf("%.3g hours", days*24)
	default:
		return fmt.Sprintf("%.3g minutes", days*24*60)
	}
}

func (w *why) hostWords() string {
	h := w.HostState
	words := fmt.Sprintf("%s queued, %s of %s under way", thousands(h.Queued), thousands(h.Leased), thousands(int64(h.Concurrency)))
	if h.DelaySeconds > 0 {
		words += fmt.Sprintf(", %v between two", time.Duration(h.DelaySeconds*float64(time.Second)))
	}
	if !h.Next.IsZero() {
		words += ", not asked before " + w.when(h.Next)
	}
	return words
}
