package testsite

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// handler answers at the address of one host. A Host header that names another host of the site wins, as on a
// server of many hosts.
func (s *Site) handler(local int) http.Handler {
	byName := map[string]int{}
	for h := range s.cfg.Hosts {
		byName[strings.TrimPrefix(s.web.origin(h), "http://")] = h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.answers.enter() {
			return
		}
		defer s.answers.leave()
		host, ok := byName[r.Host]
		if !ok {
			host = local
		}
		if strings.HasPrefix(r.URL.Path, "/_") {
			s.control(w, r)
			return
		}
		s.answer(w, r, host)
	})
}

func (s *Site) answer(w http.ResponseWriter, r *http.Request, host int) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	u := s.web.canonical(host, r.URL)
	switch r.URL.Path {
	case "/robots.txt":
		s.ledger.aside(host, u, r.UserAgent())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(s.web.robots(host)))
		return
	case "/sitemap.xml":
		s.ledger.aside(host, u, r.UserAgent())
		w.Header().Set("Content-Type", "application/xml; charset=utf-8")
		_, _ = w.Write(s.web.sitemap(host))
		return
	}

	p := s.web.byURL[u]
	visit := s.ledger.begin(host, u, r.UserAgent())
	defer visit.end()
	if s.pause(r.Context(), p) != nil {
		return // the client has gone
	}
	status, location := s.verdict(p, u, r.Header, visit.nth)
	visit.answered(status)
	switch status {
	case http.StatusOK:
		s.validators(w, p)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(p.body)))
		_, _ = w.Write(p.body)
	case http.StatusNotModified:
		s.validators(w, p)
		w.WriteHeader(status)
	case http.StatusNotFound:
		http.Error(w, "no such page", status)
	case http.StatusServiceUnavailable:
		http.Error(w, "come again", status)
	default:
		http.Redirect(w, r, location, status)
	}
}

// verdict is the status of the nth request for a URL, and where it leads to.
func (s *Site) verdict(p *page, u string, h http.Header, nth int) (status int, location string) {
	switch m, moved := s.web.moved[u]; {
	case moved:
		return m.status, m.to
	case p == nil:
		return http.StatusNotFound, ""
	case p.flaky && nth <= s.cfg.FlakyTimes:
		return http.StatusServiceUnavailable, ""
	case s.cfg.Validators && hasCopy(h, p):
		return http.StatusNotModified, ""
	default:
		return http.StatusOK, ""
	}
}

// hasCopy says whether the client holds the page; If-None-Match outweighs If-Modified-Since (RFC 9110, 13.2.2).
func hasCopy(h http.Header, p *page) bool {
	if tags := h.Get("If-None-Match"); tags != "" {
		return tags == "*" || strings.Contains(tags, p.etag)
	}
	since, err := http.ParseTime(h.Get("If-Modified-Since"))
	return err == nil && !modified.After(since)
}

func (s *Site) validators(w http.ResponseWriter, p *page) {
	if s.cfg.Validators {
		w.Header().Set("ETag", p.etag)
		w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
	}
}

// pause waits as long as the page takes.
func (s *Site) pause(ctx context.Context, p *page) error {
	d := s.cfg.Latency
	if p != nil && p.slow {
		d += s.cfg.SlowBy
	}
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Site) control(w http.ResponseWriter, r *http.Request) {
	enc := json.NewEncoder(w)
	switch r.URL.Path {
	case "/_stats":
		w.Header().Set("Content-Type", "application/json")
		_ = enc.Encode(s.Report())
	case "/_items":
		w.Header().Set("Content-Type", "application/jsonl")
		for _, item := range s.Items() {
			_ = enc.Encode(item)
		}
	case "/_seeds":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(strings.Join(s.Roots(), "\n") + "\n"))
	case "/_reset":
		s.Reset()
	default:
		http.NotFound(w, r)
	}
}
