package simulate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// History is when the pages of a crawl changed.
type History struct {
	Pages []string    // names or URLs
	Times [][]float64 // of the changes of each page: days since the history begins, ascending
	Days  float64     // that the history covers
	// Feed says that the history was read from a feed of changes: it knows of a change what the crawl knew of it.
	Feed bool
	// Start is when the history begins; zero if that is not known, as it is not outside of a feed.
	Start time.Time
	// Late is the number of pages that a feed tells of only after the first tenth of its time.
	Late int
}

// Changes returns the number of changes of all pages.
func (h *History) Changes() (n int) {
	for _, times := range h.Times {
		n += len(times)
	}
	return n
}

// maxLine is the longest line of a file that is read.
const maxLine = 1 << 20

// Read reads a history, in one of two formats. An error names the file as name, and the line.
//
// Text begins with "# days=N", N being the days that it covers; more of that line is not used. Then comes a line a page: its name, a
// tab, and the days of its changes since the history began, with commas between.
//
// JSON lines are the feed of a crawl that comes again, as lycosa changes --json writes it. Pages are those of its entries, in their order;
// entries of items are passed over. A page changed when it did, was gone, or came back. The history is from the first entry to the last,
// and each page is taken to be there from its beginning.
func Read(in io.Reader, name string) (*History, error) {
	l := newLines(in, name)
	if first, _ := l.in.Peek(1); string(first) == "{" {
		return readFeed(l)
	}
	return readText(l)
}

// lines are those of a file, but for empty ones.
type lines struct {
	name string
	in   *bufio.Reader
	scan *bufio.Scanner
	n    int // of the line that was read last, from 1
}

func newLines(in io.Reader, name string) *lines {
	l := &lines{name: name, in: bufio.NewReader(in)}
	l.scan = bufio.NewScanner(l.in)
	l.scan.Buffer(nil, maxLine)
	return l
}

func (l *lines) next() bool {
	for l.scan.Scan() {
		l.n++
		if len(l.scan.Bytes()) > 0 {
			return true
		}
	}
	return false
}

// wrong returns an error about the line that was read last.
func (l *lines) wrong(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", l.name, l.n, fmt.Errorf(format, args...))
}

// end returns what ended the lines before their end.
func (l *lines) end() error {
	err := l.scan.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		l.n++
		return l.wrong("longer than %d bytes", maxLine)
	case err != nil:
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}

func readText(l *lines) (*History, error) {
	h := &History{}
	known := make(map[string]bool)
	for l.next() {
		line := l.scan.Text()
		if head, ok := strings.CutPrefix(line, "#"); ok {
			if err := h.head(head); err != nil {
				return nil, l.wrong("%w", err)
			}
			continue
		}
		page, list, ok := strings.Cut(line, "\t")
		switch {
		case !ok:
			return nil, l.wrong("no tab between a page and its changes")
		case h.Days == 0:
			return nil, l.wrong(`no line "# days=N" before the first page`)
		case known[page]:
			return nil, l.wrong("%.80q for the second time", page)
		}
		known[page] = true
		times, err := h.changes(list)
		if err != nil {
			return nil, l.wrong("%w", err)
		}
		h.Pages, h.Times = append(h.Pages, page), append(h.Times, times)
	}
	if err := l.end(); err != nil {
		return nil, err
	}
	if len(h.Pages) == 0 {
		return nil, fmt.Errorf("%s: no pages", l.name)
	}
	return h, nil
}

// head reads a line that began with a number sign.
func (h *History) head(line string) error {
	for field := range strings.FieldsSeq(line) {
		v, ok := strings.CutPrefix(field, "days=")
		if !ok {
			continue
		}
		days, err := strconv.ParseFloat(v, 64)
		switch {
		case err != nil || !(days > 0) || days > maxDays:
			return fmt.Errorf("days=%.80s: want a number above 0, and no more than %d", v, maxDays)
		case h.Days != 0:
			return errors.New("days= for the second time")
		}
		h.Days = days
	}
	return nil
}

// maxDays is a hundred years: an instant that much later is one still.
const maxDays = 36525

// changes reads the days of a page's changes.
func (h *History) changes(list string) (times []float64, err error) {
	for v := range strings.SplitSeq(list, ",") {
		if v == "" {
			continue
		}
		t, err := strconv.ParseFloat(v, 64)
		if err != nil || !(t >= 0 && t <= h.Days) {
			return nil, fmt.Errorf("%.80q: want the day of a change, from 0 to %v", v, h.Days)
		}
		times = append(times, t)
	}
	slices.Sort(times)
	return slices.Compact(times), nil
}

// entry is what is read of an entry of a feed.
type entry struct {
	News  string    `json:"news"`
	Kind  string    `json:"kind"`
	URL   string    `json:"url"`
	Crawl string    `json:"crawl"`
	At    time.Time `json:"at"`
}

func (e *entry) check() error {
	switch {
	case !slices.Contains([]string{"new", "changed", "gone", "back"}, e.News):
		return fmt.Errorf("news: %.80q: want new, changed, gone or back", e.News)
	case e.URL == "":
		return errors.New("url: is missing")
	case e.At.IsZero():
		return errors.New("at: is missing")
	case e.At.Year() < 1971 || e.At.Year() > 2099: // a record keeps 32 bits of seconds
		return fmt.Errorf("at: %s: want an instant from 1971 to 2099", e.At.Format(time.RFC3339))
	}
	return nil
}

func readFeed(l *lines) (*History, error) {
	var first, last time.Time
	var crawl string
	index := make(map[string]int)
	var pages []string
	var began []time.Time // first entry of each page
	var changed [][]time.Time
	for l.next() {
		var e entry
		if err := json.Unmarshal(l.scan.Bytes(), &e); err != nil {
			return nil, l.wrong("%w", err)
		}
		if err := e.check(); err != nil {
			return nil, l.wrong("%w", err)
		}
		if l.n == 1 {
			crawl, first, last = e.Crawl, e.At, e.At
		}
		if e.Crawl != crawl {
			return nil, l.wrong("crawl: %.80q: the entries before are of %.80q", e.Crawl, crawl)
		}
		if e.At.Before(first) {
			first = e.At
		}
		if e.At.After(last) {
			last = e.At
		}
		if e.Kind != "" {
			continue
		}
		i, ok := index[e.URL]
		if !ok {
			i = len(pages)
			index[e.URL] = i
			pages, began, changed = append(pages, e.URL), append(began, e.At), append(changed, nil)
		}
		if e.At.Before(began[i]) {
			began[i] = e.At
		}
		if e.News != "new" {
			changed[i] = append(changed[i], e.At)
		}
	}
	if err := l.end(); err != nil {
		return nil, err
	}
	h := &History{Pages: pages, Times: make([][]float64, len(pages)), Days: days(last.Sub(first)), Feed: true, Start: first}
	switch {
	case len(pages) == 0:
		return nil, fmt.Errorf("%s: no entry is about a page", l.name)
	case h.Days == 0:
		return nil, fmt.Errorf("%s: all entries are of one instant, %s: there is no time in which pages could change", l.name, first.Format(time.RFC3339))
	case h.Days > maxDays:
		return nil, fmt.Errorf("%s: entries from %s to %s: want no more than %d days", l.name, first.Format(time.RFC3339), last.Format(time.RFC3339), maxDays)
	}
	for i, instants := range changed {
		for _, at := range instants {
			h.Times[i] = append(h.Times[i], days(at.Sub(first)))
		}
		slices.Sort(h.Times[i])
		h.Times[i] = slices.Compact(h.Times[i])
		if days(began[i].Sub(first)) > h.Days/10 {
			h.Late++
		}
	}
	return h, nil
}

func days(d time.Duration) float64 { return float64(d) / day }

// ReadWeights reads the weights of the pages of a history: a line a page, its name, a tab, and low, normal, high or a number, as
// [revisit.ParseWeight] reads it. Pages without a line weigh normal; lines of pages that the history does not have are counted as others. An
// error names the file as name, and the line.
func ReadWeights(in io.Reader, name string, h *History) (weights []float64, others int, err error) {
	index := make(map[string]int, len(h.Pages))
	weights = make([]float64, len(h.Pages))
	for i, page := range h.Pages {
		index[page], weights[i] = i, revisit.WeightNormal.Float()
	}
	l := newLines(in, name)
	var sum float64
	seen := make([]bool, len(h.Pages))
	for l.next() {
		page, value, ok := strings.Cut(l.scan.Text(), "\t")
		if !ok {
			return nil, 0, l.wrong("no tab between a page and its weight")
		}
		w, err := revisit.ParseWeight(strings.TrimSpace(value))
		if err != nil {
			return nil, 0, l.wrong("%w", err)
		}
		i, ok := index[page]
		switch {
		case !ok:
			others++
			continue
		case seen[i]:
			return nil, 0, l.wrong("%.80q for the second time", page)
		}
		seen[i], weights[i] = true, w.Float()
	}
	if err := l.end(); err != nil {
		return nil, 0, err
	}
	for _, w := range weights {
		sum += w
	}
	switch {
	case !slices.Contains(seen, true):
		return nil, 0, fmt.Errorf("%s: none of its pages is in the history", name)
	case !(sum > 0) || math.IsInf(sum, 0):
		return nil, 0, fmt.Errorf("%s: the weights of all pages together must be above 0", name)
	}
	return weights, others, nil
}
