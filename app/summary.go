package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// summary is what a crawl came to. Its JSON is a contract with scripts. The numbers are the crawl's, whoever crawled it,
// but for elapsed_seconds, pages_per_second and dead_items, which are this process's.
type summary struct {
	Crawl          string                    `json:"crawl"`
	Spider         string                    `json:"spider"`
	State          string                    `json:"state"` // done, limit (--max-pages), interrupted or failed
	Exit           int                       `json:"exit"`
	Error          string                    `json:"error,omitempty"`
	Pages          int64                     `json:"pages"`      // that a handler has read
	Fetched        int64                     `json:"fetched"`    // answers that came, whatever their status
	Items          int64                     `json:"items"`      // that handlers have found
	DeadItems      int64                     `json:"dead_items"` // of them, that could not be stored
	Dead           int64                     `json:"dead"`
	DeadLinks      int64                     `json:"dead_links"`
	Parked         int64                     `json:"parked"`
	Retries        int64                     `json:"retries"`
	Expired        int64                     `json:"expired"`
	Duplicates     int64                     `json:"duplicates"`
	Seen           int64                     `json:"seen"`
	Left           int64                     `json:"left"`  // still to be done
	Hosts          int64                     `json:"hosts"` // most with work at one time
	Bytes          int64                     `json:"bytes"`
	Outcomes       map[string]int64          `json:"outcomes"`
	Visits         map[string]int64          `json:"visits,omitempty"`          // outcomes of this process, of a crawl that comes again
	Stored         *pipelines.Stats          `json:"stored,omitempty"`          // what became of its items, likewise
	Compared       *scheduler.DuplicateStats `json:"page_duplicates,omitempty"` // duplicates among pages, in crawls that look for them
	NotFollowed    map[string]int64          `json:"not_followed"`              // links, by reason
	ElapsedSeconds float64                   `json:"elapsed_seconds"`
	PagesPerSecond float64                   `json:"pages_per_second"`
	Out            []string                  `json:"out"`

	givenUp []count // dead letters by reason
	place   *place
}

// conclude sums up after the sessions have ended, and returns what the command ends with.
func (p *program) conclude(ctx context.Context, o *options, sessions []*session, closing error) error {
	var worst error
	all := make([]*summary, len(sessions))
	code := exitDone
	for i, s := range sessions {
		err := s.err
		if err == nil {
			err = closing
		}
		all[i] = s.sum(ctx, err)
		if rank(all[i].Exit) > rank(code) {
			code, worst = all[i].Exit, err
		}
	}
	last := ""
	if o.json {
		var err error
		if last, err = lastLine(all, code); err != nil {
			return err
		}
	} else {
		for _, s := range all {
			p.print(s)
		}
	}
	if code == exitDone {
		if last != "" {
			fmt.Fprintln(p.screen, last)
		}
		return nil
	}
	return &exitError{code: code, err: worst, last: last}
}

// rank orders exit codes: what failed outweighs what was interrupted, and that dead letters.
func rank(code int) int {
	return slices.Index([]int{exitDone, exitDeadLetters, exitInterrupted, exitFailed, exitUsage, exitRedis, exitStore}, code)
}

func lastLine(all []*summary, code int) (string, error) {
	var value any = all[0]
	if len(all) > 1 {
		value = struct {
			Exit   int        `json:"exit"`
			Crawls []*summary `json:"crawls"`
		}{code, all}
	}
	raw, err := json.Marshal(value)
	return string(raw), err
}

// sum takes the last numbers of a session that ended with err.
func (s *session) sum(ctx context.Context, err error) *summary {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if failed := s.meter.read(after); failed != nil {
		s.log.Warn("the last numbers are missing", "crawl", s.crawl, "err", failed)
	}
	now := s.meter.snapshot()
	sum := &summary{
		Crawl: s.crawl, Spider: s.spider.Name, Pages: handled(now.Outcomes), Fetched: answers(now.Outcomes),
		Items: now.Items, Dead: now.Dead, DeadLinks: now.Gone, Parked: now.Parked, Retries: now.Retries, Expired: now.Expired,
		Duplicates: now.Duplicates, Seen: now.Seen, Left: now.Active(), Hosts: now.mostHosts, Bytes: now.Bytes,
		Outcomes: now.Outcomes, NotFollowed: s.refused, ElapsedSeconds: now.elapsed.Seconds(), Out: s.outs.names(), place: s.place,
	}
	if sum.Outcomes == nil {
		sum.Outcomes = map[string]int64{}
	}
	if sum.NotFollowed == nil {
		sum.NotFollowed = map[string]int64{}
	}
	if seconds := sum.ElapsedSeconds; seconds > 0 {
		sum.PagesPerSecond = float64(max(0, sum.Pages-handled(s.before.Outcomes))) / seconds
	}
	if counter, ok := s.pipeline.(pipelines.Counter); ok {
		stored := counter.Stats()
		sum.DeadItems = stored.Dead
		if s.spider.Revisit != nil {
			sum.Stored = &stored
		}
	}
	if s.spider.Revisit != nil {
		sum.Visits = make(map[string]int64)
		for name, n := range now.Outcomes {
			if n -= s.before.Outcomes[name]; n > 0 {
				sum.Visits[name] = n
			}
		}
		sum.PagesPerSecond = float64(answers(sum.Visits)) / max(sum.ElapsedSeconds, 0.001)
	}
	done := now.Active() == 0 && now.Seen > 0
	switch {
	case err != nil:
		sum.State, sum.Exit, sum.Error = "failed", codeOf(ctx, err), oneLine(err.Error())
	case ctx.Err() != nil && (!s.untilDone || !done):
		sum.State, sum.Exit = "interrupted", exitInterrupted
	case s.limited:
		sum.State = "limit"
	default:
		sum.State = "done"
	}
	if sum.Exit == exitDone && sum.Dead+sum.DeadItems > 0 {
		sum.Exit = exitDeadLetters
	}
	if found, failed := compared(after, s.frontier); failed != nil {
		s.log.Warn("the number of duplicates is missing", "crawl", s.crawl, "err", failed)
	} else {
		sum.Compared = found
	}
	if sum.Dead > 0 {
		sum.givenUp = reasons(after, s.frontier)
	}
	return sum
}

// handled counts the outcomes of pages that a handler has read.
func handled(outcomes map[string]int64) (n int64) {
	for _, name := range []string{"ok", "changed", "unchanged", "template", "back"} {
		n += outcomes[name]
	}
	return n
}

// answered are the outcomes, beside those of HTTP, of pages that had an answer.
var answered = []string{
	"ok", "handler", "bad_redirect", "changed", "unchanged", "template", "back", "not_modified", "distrusted", "moved", "missing", "gone",
	"forgotten", "refused", "soft_missing", "blocked",
}

// answers counts the outcomes of pages that had an answer.
func answers(outcomes map[string]int64) (n int64) {
	for name, count := range outcomes {
		if slices.Contains(answered, name) || strings.HasPrefix(name, "http_") || strings.HasPrefix(name, "redirect") {
			n += count
		}
	}
	return n
}

// count is how often something happened.
type count struct {
	what string
	n    int64
}

// byNumber returns the counts, largest first.
func byNumber(m map[string]int64) []count {
	all := make([]count, 0, len(m))
	for what, n := range m {
		all = append(all, count{what, n})
	}
	slices.SortFunc(all, func(a, b count) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.what, b.what)) })
	return all
}

// reasons groups the first thousand dead letters by their reason, as far as reasons do not speak of the single page.
func reasons(ctx context.Context, f scheduler.Frontier) []count {
	yard, ok := f.(scheduler.Undertaker)
	if !ok {
		return nil
	}
	m := make(map[string]int64)
	seen := 0
	_ = yard.Dead(ctx, func(d scheduler.DeadLetter) bool { // what cannot be listed is only not shown
		if !d.Gone {
			m[reason(d.Why)]++
			seen++
		}
		return !d.Gone && seen < 1000
	})
	return byNumber(m)
}

// reason is a dead letter's why without the page: its first line, without the number of the attempt, and of a fetch that
// failed without the URL.
func reason(why string) string {
	why, _, _ = strings.Cut(why, "\n")
	why, _, _ = strings.Cut(why, " (attempt ")
	if rest, ok := strings.CutPrefix(why, "fetch "); ok {
		if _, what, ok := strings.Cut(rest, ": "); ok {
			why, _, _ = strings.Cut(what, ":")
		}
	}
	return oneLine(why)
}

// print writes the summary for people.
func (p *program) print(s *summary) {
	strong := p.screen.style.NewStyle().Bold(true)
	faint := p.screen.style.NewStyle().Faint(true)
	line := func(label, format string, args ...any) {
		fmt.Fprintf(p.screen, "  %s %s\n", faint.Render(fmt.Sprintf("%-11s", label)), fmt.Sprintf(format, args...))
	}
	state := map[string]string{
		"done": "done", "limit": "ended by --max-pages", "interrupted": "interrupted and drained", "failed": "failed",
	}[s.State]
	elapsed := time.Duration(s.ElapsedSeconds * float64(time.Second))
	fmt.Fprintf(p.screen, "%s: %s after %s\n", strong.Render(s.Crawl), state, elapsed.Round(elapsedGrain(elapsed)))
	if s.Visits != nil {
		printVisits(line, s)
	} else {
		line("pages", "%s (%s)", thousands(s.Pages), perSecond(s.PagesPerSecond))
		line("items", "%s in %s", thousands(s.Items), strings.Join(s.Out, ", "))
	}
	if s.DeadItems > 0 {
		line("", "%s could not be stored; they are kept beside the others", plural(s.DeadItems, "item", "items"))
	}
	if s.Left > 0 {
		line("left", "%s; the same command goes on", plural(s.Left, "page", "pages"))
	}
	if s.Dead > 0 {
		line("given up", "%s; see %s dead %s%s", plural(s.Dead, "page", "pages"), programName(), s.Crawl, s.place.flags())
		for _, c := range s.givenUp[:min(len(s.givenUp), 5)] {
			line("", "%s × %s", thousands(c.n), c.what)
		}
	}
	if s.DeadLinks > 0 {
		line("dead links", "%s (404, 410)", thousands(s.DeadLinks))
	}
	if s.Parked > 0 {
		line("parked", "%s, for a build that knows their route", plural(s.Parked, "page", "pages"))
	}
	if n := s.Outcomes["robots"]; n > 0 {
		line("robots.txt", "keeps %s from being fetched", plural(n, "page", "pages"))
	}
	if s.Compared != nil {
		printCompared(line, s.Compared, 1)
	}
	line("duplicates", "%s of %s were known already", plural(s.Duplicates, "link", "links"), thousands(s.Duplicates+s.Seen))
}

// printVisits writes what a crawl that comes again did this time.
func printVisits(line func(label, format string, args ...any), s *summary) {
	var visits []string
	for _, v := range []struct{ outcome, word string }{
		{"ok", "new"},
		{"changed", "changed"},
		{"template", "with a new template"},
		{"back", "back"},
		{"unchanged", "unchanged"},
		{"not_modified", "not modified"},
		{"gone", "gone"},
		{"missing", "missing"},
		{"moved", "moved"},
		{"unavailable", "unavailable"},
	} {
		if n := s.Visits[v.outcome]; n > 0 {
			visits = append(visits, thousands(n)+" "+v.word)
		}
	}
	if n := s.Visits["deferred"]; n > 0 {
		visits = append(visits, thousands(n)+" put off for the budget")
	}
	line("pages", "%s (%s)", cmp.Or(strings.Join(visits, ", "), "none was due"), perSecond(s.PagesPerSecond))
	if i := s.Stored; i != nil {
		line("items", "%s new, %s changed, %s the same; in %s", thousands(i.New), thousands(i.Changed), thousands(i.Same), strings.Join(s.Out, ", "))
	} else {
		line("items", "%s in %s", thousands(s.Items), strings.Join(s.Out, ", "))
	}
}

// elapsedGrain is how precisely a duration is shown.
func elapsedGrain(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return 10 * time.Millisecond
	}
	return 100 * time.Millisecond
}

// flags are what another command needs to find the place.
func (p *place) flags() string {
	switch {
	case p == nil:
		return ""
	case p.shared():
		return " --redis " + p.name
	case p.dir != defaultDir:
		return " --dir " + p.dir
	}
	return ""
}

var errNoList = errors.New("this frontier keeps no list")
