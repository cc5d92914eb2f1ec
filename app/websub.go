package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/websub"
)

// hubOptions are the flags of a worker that subscribes to hubs.
type hubOptions struct {
	callback string // public URL; empty: it does not
	listen   string
	key      string
}

const (
	hubListen = "127.0.0.1:8480"
	hubKeyEnv = "LYCOSA_WEBSUB_KEY"
)

func (h *hubOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&h.callback, "websub", "", "public URL of --websub-listen: have hubs of feeds (WebSub) tell there what is new; needs a secret in "+hubKeyEnv+", the same for all workers")
	f.StringVar(&h.listen, "websub-listen", hubListen, "address to be called at by hubs, through a proxy that speaks TLS")
}

// settle reads the environment, and checks what can be checked without a spider.
func (h *hubOptions) settle(f *pflag.FlagSet, getenv func(string) string) error {
	if h.callback == "" {
		if f.Changed("websub-listen") {
			return usagef("--websub-listen %s: --websub is missing, the URL under which hubs reach that address", h.listen)
		}
		return nil
	}
	u, err := url.Parse(h.callback)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return usagef("--websub %q: want an http or https URL without a query", h.callback)
	}
	if h.key = getenv(hubKeyEnv); len(h.key) < websub.MinKey {
		return usagef("--websub: %s must be a secret of at least %d bytes", hubKeyEnv, websub.MinKey)
	}
	return nil
}

// subscribe has those sessions subscribe whose spiders have feeds and come again.
func (h *hubOptions) subscribe(sessions []*session) error {
	if h.callback == "" {
		return nil
	}
	able := false
	for _, s := range sessions {
		if len(s.spider.Sitemaps) == 0 || s.spider.Revisit == nil {
			continue
		}
		able = true
		s.websub = &crawler.WebSub{Callback: strings.TrimSuffix(h.callback, "/") + "/" + s.crawl, Key: []byte(h.key)}
	}
	if !able {
		return usagef("--websub: no spider has both sitemaps and revisit, so there are no feeds to subscribe to")
	}
	return nil
}

// hubServer answers hubs while a worker runs.
type hubServer struct {
	server  *http.Server
	serving sync.WaitGroup
}

// serve listens, if anybody subscribes. Until a crawl is open, hubs are told to come again.
func (h *hubOptions) serve(ctx context.Context, log *slog.Logger, sessions []*session) (*hubServer, error) {
	if h.callback == "" {
		return &hubServer{}, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", h.listen)
	if err != nil {
		return nil, fmt.Errorf("--websub-listen: %w", err)
	}
	hubs := make(map[string]*atomic.Pointer[crawler.Worker])
	for _, s := range sessions {
		if s.websub != nil {
			hubs[s.crawl] = &s.worker
		}
	}
	s := &hubServer{server: &http.Server{
		Handler: hubHandler(hubs), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.serving.Go(func() {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("hubs are not answered any more", "err", err)
		}
	})
	log.Info("hubs of feeds are answered", "at", l.Addr().String(), "as", h.callback)
	return s, nil
}

// hubHandler passes calls on to the crawl that the last but one element of the path names: what a proxy makes of the rest is its own
// affair.
func hubHandler(hubs map[string]*atomic.Pointer[crawler.Worker]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		worker, ok := hubs[path.Base(path.Dir(r.URL.Path))]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if at := worker.Load(); at != nil {
			at.Hub().ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "10")
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
}

// close lets calls under way end.
func (s *hubServer) close(ctx context.Context) {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	s.serving.Wait()
}
