package app

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

const (
	pollEvery  = time.Second      // on a terminal; each poll costs the frontier a round trip
	lineEvery  = 10 * time.Second // off one
	rateWindow = 10 * time.Second
)

// meter follows a crawl's numbers.
type meter struct {
	crawl    string
	frontier scheduler.Frontier
	started  time.Time

	mu      sync.Mutex // guards all that follows
	last    scheduler.Stats
	at      time.Time
	history []reading // of the last rateWindow
	hosts   int64     // most with work at one time
}

type reading struct {
	at   time.Time
	done int64
}

// newMeter takes the first reading.
func newMeter(ctx context.Context, crawl string, f scheduler.Frontier) (*meter, error) {
	m := &meter{crawl: crawl, frontier: f, started: time.Now()}
	err := m.read(ctx)
	return m, err
}

// read asks the frontier.
func (m *meter) read(ctx context.Context) error {
	m.mu.Lock()
	f := m.frontier
	m.mu.Unlock()
	stats, err := f.Stats(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.at = stats, time.Now()
	m.hosts = max(m.hosts, stats.Hosts)
	m.history = append(m.history, reading{m.at, stats.Done})
	for len(m.history) > 2 && m.at.Sub(m.history[0].at) > rateWindow {
		m.history = m.history[1:]
	}
	return nil
}

// follow goes on with another frontier: the crawl was purged and is there again.
func (m *meter) follow(f scheduler.Frontier) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frontier, m.history = f, nil
}

// snapshot is a meter at one moment.
type snapshot struct {
	scheduler.Stats
	crawl     string
	rate      float64 // pages a second, of late
	elapsed   time.Duration
	mostHosts int64
}

func (m *meter) snapshot() snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := snapshot{Stats: m.last, crawl: m.crawl, elapsed: time.Since(m.started), mostHosts: m.hosts}
	if n := len(m.history); n > 1 {
		from, to := m.history[0], m.history[n-1]
		if span := to.at.Sub(from.at).Seconds(); span > 0 && to.done > from.done {
			s.rate = float64(to.done-from.done) / span
		}
	}
	return s
}

// errors are attempts that failed, whether tried again or given up.
func (s snapshot) errors() int64 { return s.Retries + s.Dead + s.Expired }

// watch shows progress until ctx ends: a panel on a terminal, a log line now and then elsewhere.
func (p *program) watch(ctx context.Context, log *slog.Logger, every time.Duration, panel bool, meters ...*meter) {
	if !panel {
		every = lineEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	defer p.screen.show()
	for {
		var lines []string
		for _, m := range meters {
			lines = append(lines, m.snapshot().panel(p.screen.style)...)
		}
		if panel {
			p.screen.show(lines...)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, m := range meters {
			if err := m.read(ctx); err != nil {
				if ctx.Err() == nil {
					log.Debug("no numbers", "crawl", m.crawl, "err", err)
				}
				continue
			}
			if s := m.snapshot(); !panel {
				log.Info("progress", "crawl", s.crawl, "pages", s.Done, "known", s.Seen, "rate", perSecond(s.rate), "items", s.Items,
					"errors", s.errors(), "hosts", s.Hosts, "elapsed", s.elapsed.Round(time.Second), "paused", s.Paused)
			}
		}
	}
}

// panel is two lines:
//
//	books ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌ 312 of 1,045 pages · 24.3/s · 0:12
//	      290 items · 2 errors · 3 hosts · 700 queued · 16 under way
func (s snapshot) panel(r *lipgloss.Renderer) []string {
	strong := r.NewStyle().Bold(true)
	faint := r.NewStyle().Faint(true)
	good := r.NewStyle().Foreground(lipgloss.Color("2"))
	bad := r.NewStyle().Foreground(lipgloss.Color("1"))

	known := max(s.Seen, s.Done)
	first := []string{
		fmt.Sprintf("%s of %s", strong.Render(thousands(s.Done)), plural(known, "page", "pages")),
		perSecond(s.rate), clock(s.elapsed),
	}
	if s.Paused {
		first = append(first, bad.Render("paused"))
	}
	failed := plural(s.errors(), "error", "errors")
	if s.errors() > 0 {
		failed = bad.Render(failed)
	}
	second := []string{
		plural(s.Items, "item", "items"), failed, plural(s.Hosts, "host", "hosts"),
		thousands(s.Queued+s.Delayed) + " queued", thousands(s.Leased) + " under way",
	}
	const size = 24
	filled := 0
	if known > 0 {
		filled = int(size * s.Done / known)
	}
	bar := good.Render(strings.Repeat("━", filled)) + faint.Render(strings.Repeat("╌", size-filled))
	dot := faint.Render(" · ")
	return []string{
		strong.Render(s.crawl) + " " + bar + " " + strings.Join(first, dot),
		strings.Repeat(" ", len(s.crawl)+1) + strings.Join(second, dot),
	}
}

func perSecond(rate float64) string {
	if rate >= 100 {
		return thousands(int64(rate)) + "/s"
	}
	return strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
}

// clock is 0:07, 12:34 or 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// thousands is 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
