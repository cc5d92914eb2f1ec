package declare

import (
	"context"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/gobwas/glob"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/dedup"
)

// Load reads a spider from a file. What is wrong with the spider is a [*Error]; a file that cannot be read is what
// package os says.
func Load(path string) (crawler.Spider, error) {
	f, err := os.Open(path)
	if err != nil {
		return crawler.Spider{}, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return crawler.Spider{}, err
	}
	return Parse(path, src)
}

// Parse reads a spider. The name stands in errors for the file's. An error is always a [*Error].
func Parse(name string, src []byte) (crawler.Spider, error) {
	r := &reader{file: name, src: strings.TrimPrefix(string(src), "\ufeff")}
	root := r.parse()
	if r.err != nil {
		return crawler.Spider{}, r.err
	}
	spider := r.spider(root)
	if r.err == nil {
		if err := spider.Check(); err != nil {
			r.fail(value{node: root.node}, "%v", err)
		}
	}
	if r.err != nil {
		return crawler.Spider{}, r.err
	}
	return spider, nil
}

func (r *reader) spider(root value) crawler.Spider {
	o := r.object(root, "name", "start", "route", "sitemaps", "scope", "settings", "canonical", "params", "routes", "revisit")
	var s crawler.Spider
	if v, ok := o.need("name"); ok {
		s.Name = r.spiderName(v)
	}
	if v, ok := o.get("settings"); ok {
		s.Settings = r.settings(v)
	}
	if v, ok := o.get("canonical"); ok {
		s.Canonical = r.canonical(v)
	}
	if v, ok := o.get("scope"); ok {
		r.scope(v, &s)
	}
	if v, ok := o.get("params"); ok {
		s.Params = map[string]string{}
		for _, e := range r.entries(v) {
			s.Params[e.name] = r.scalar(e.value)
		}
	}
	if v, ok := o.need("routes"); ok {
		r.routes(v, &s)
	}
	first := r.start(o, &s)
	names := s.RouteNames()
	if v, ok := o.get("sitemaps"); ok {
		r.sitemaps(v, &s, first)
		names = append(names, crawler.SitemapRoute)
	}
	if v, ok := o.get("revisit"); ok {
		s.Revisit = r.revisit(v, names)
	}
	return s
}

var spiderName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (r *reader) spiderName(v value) string {
	name := r.scalar(v)
	if !spiderName.MatchString(name) {
		r.fail(v, "%.80q: a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", name)
	}
	return name
}

func (r *reader) settings(v value) crawler.Settings {
	var s crawler.Settings
	set := map[string]func(value){
		"concurrency":   func(v value) { s.Concurrency = r.count(v) },
		"per_host":      func(v value) { s.PerHost = r.count(v) },
		"delay":         func(v value) { s.Delay = r.duration(v, 0) },
		"max_depth":     func(v value) { s.MaxDepth = r.count(v) },
		"max_pages":     func(v value) { s.MaxPages = r.whole(v, 1) },
		"max_attempts":  func(v value) { s.MaxAttempts = r.count(v) },
		"retry_delay":   func(v value) { s.RetryDelay = r.duration(v, 1) },
		"lease":         func(v value) { s.Lease = r.duration(v, 1e9) },
		"timeout":       func(v value) { s.Timeout = r.duration(v, 1) },
		"max_body":      func(v value) { s.MaxBody = r.size(v) },
		"max_redirects": func(v value) { s.MaxRedirects = r.count(v) },
		"duplicates":    func(v value) { s.Duplicates = r.duplicates(v) },
		"obey_robots":   func(v value) { s.IgnoreRobots = !r.bool(v) },
		"user_agent":    func(v value) { s.UserAgent = r.text(v) },
		"allow_private": func(v value) { s.AllowPrivate = r.bool(v) },
	}
	for _, e := range r.entries(v) {
		read, ok := set[e.name]
		if !ok {
			r.fail(e.key, "unknown key %.80q: want %s", e.name, or(settingNames))
			break
		}
		if read(e.value); r.err != nil {
			break
		}
		if err := checkSettings(s); err != "" {
			r.fail(e.value, "%s", err)
		}
	}
	return s
}

var settingNames = []string{
	"delay", "concurrency", "per_host", "max_depth", "max_pages", "max_attempts", "retry_delay", "timeout", "lease",
	"max_body", "max_redirects", "duplicates", "obey_robots", "user_agent", "allow_private",
}

// checkSettings returns what the engine has against the settings, without the Go name of the field.
func checkSettings(s crawler.Settings) string {
	probe := crawler.NewRoute[struct{}]("probe").To(func(context.Context, *crawler.Page, struct{}) error { return nil })
	err := crawler.Spider{Name: "probe", Routes: crawler.Routes(probe), Settings: s}.Check()
	if err == nil {
		return ""
	}
	why := err.Error()
	if _, rest, ok := strings.Cut(why, "Settings."); ok {
		_, why, _ = strings.Cut(rest, " ")
	}
	return why
}

// count reads a whole number of at least 1 that fits an int32.
func (r *reader) count(v value) int {
	n := r.whole(v, 1)
	if n > 1<<31-1 {
		r.fail(v, "%d is too large", n)
		return 0
	}
	return int(n)
}

func (r *reader) duplicates(v value) crawler.Duplicates {
	d, err := crawler.ParseDuplicates(r.scalar(v))
	if err != nil {
		r.fail(v, "%v", err)
	}
	return d
}

func (r *reader) size(v value) int64 {
	n, err := parseSize(r.scalar(v))
	if err != nil {
		r.fail(v, "%v", err)
	}
	return n
}

func (r *reader) canonical(v value) dedup.Rules {
	o := r.object(v, "drop_params", "keep_params", "drop_tracking", "drop_sessions", "drop_path_sessions", "fold_path_case", "trailing_slash", "unsorted", "keep_fragment", "max_length", "canonical_bodies", "fingerprint_headers", "fingerprint")
	rules := dedup.Rules{
		DropParams: o.texts("drop_params"), KeepParams: o.texts("keep_params"),
		DropTracking: o.bool("drop_tracking"), DropSessions: o.bool("drop_sessions"),
		DropPathSessions: o.bool("drop_path_sessions"), FoldPathCase: o.bool("fold_path_case"),
		Unsorted: o.bool("unsorted"), KeepFragment: o.bool("keep_fragment"),
		CanonicalBodies: o.bool("canonical_bodies"), FingerprintHeaders: o.texts("fingerprint_headers"),
	}
	for _, name := range []string{"drop_params", "keep_params"} {
		if params, ok := o.get(name); ok {
			for _, glob := range r.list(params) {
				if _, err := (dedup.Rules{DropParams: []string{r.text(glob)}}).Compile(); err != nil {
					r.fail(glob, "%q is no glob", r.text(glob))
				}
			}
		}
	}
	if headers, ok := o.get("fingerprint_headers"); ok {
		for _, name := range r.list(headers) {
			if _, err := (dedup.Rules{FingerprintHeaders: []string{r.text(name)}}).Compile(); err != nil {
				r.fail(name, "%q is no name of a header", r.text(name))
			}
		}
	}
	if slash, ok := o.get("trailing_slash"); ok {
		var err error
		if rules.TrailingSlash, err = dedup.ParseTrailingSlash(r.text(slash)); err != nil {
			r.fail(slash, "%v", err)
		}
	}
	if scheme, ok := o.get("fingerprint"); ok {
		var err error
		if rules.Scheme, err = dedup.ParseScheme(r.text(scheme)); err != nil {
			r.fail(scheme, "%v", err)
		}
	}
	if length, ok := o.get("max_length"); ok {
		rules.MaxLength = r.count(length)
		if _, err := (dedup.Rules{MaxLength: rules.MaxLength}).Compile(); err != nil {
			r.fail(length, "%d is too large", rules.MaxLength)
		}
	}
	return rules
}

func (r *reader) scope(v value, s *crawler.Spider) {
	o := r.object(v, "type", "include", "exclude")
	if typ, ok := o.get("type"); ok {
		var err error
		if s.Scope, err = crawler.ParseScope(r.text(typ)); err != nil {
			r.fail(typ, "%v", err)
		}
	}
	s.Include, s.Exclude = o.texts("include"), o.texts("exclude")
	for _, name := range []string{"include", "exclude"} {
		if globs, ok := o.get(name); ok {
			for _, pattern := range r.list(globs) {
				r.glob(pattern)
			}
		}
	}
}

const (
	maxGlob     = 1 << 10
	maxSelector = 4 << 10
)

func (r *reader) glob(v value) {
	pattern := r.text(v)
	if len(pattern) > maxGlob {
		r.fail(v, "the glob is longer than %d bytes", maxGlob)
		return
	}
	if _, err := glob.Compile(pattern); err != nil {
		r.fail(v, "%q is no glob: %s", pattern, strings.TrimPrefix(err.Error(), "glob: "))
	}
}

// start reads the start URLs and their route, which it returns.
func (r *reader) start(o object, s *crawler.Spider) (route string) {
	if r.err != nil {
		return ""
	}
	first := 0
	if v, ok := o.get("route"); ok {
		name := r.text(v)
		if first = slices.Index(s.RouteNames(), name); first < 0 {
			r.unknownRoute(v, name, s.RouteNames())
			return ""
		}
	}
	route = s.Routes[first].Name()
	target := crawler.NewRoute[struct{}](route)
	v, ok := o.get("start")
	if !ok { // seeds that are given later go to the first route
		s.Routes[0], s.Routes[first] = s.Routes[first], s.Routes[0]
		return route
	}
	for _, u := range r.list(v) {
		raw, _ := r.url(u, s)
		s.Start = append(s.Start, crawler.Start(target, raw)...)
	}
	return route
}

// url reads a URL that can be fetched, and returns it as written and canonical.
func (r *reader) url(v value, s *crawler.Spider) (raw, canonical string) {
	raw = r.text(v)
	canon, err := s.Canonical.Compile()
	if err == nil {
		var u dedup.URL
		u, err = canon.Parse(raw)
		canonical = u.String()
	}
	if err != nil && r.err == nil {
		r.fail(v, "%v", err)
	}
	return raw, canonical
}

// sitemaps reads where URLs come from beside links. Without a route they go to that of the start URLs.
func (r *reader) sitemaps(v value, s *crawler.Spider, route string) {
	whole := map[string]bool{} // sitemaps of which nothing is left
	for _, one := range r.list(v) {
		o := r.object(one, "from", "url", "route", "include")
		var m crawler.Sitemap
		var canonical string
		from, robots := o.get("from")
		at, fixed := o.get("url")
		switch {
		case robots && fixed:
			r.fail(at, "url and from exclude each other")
		case robots:
			if word := r.text(from); word != "robots" && r.err == nil {
				r.fail(from, "%.80q: want robots, or url in its place", word)
			}
		case fixed:
			m.URL, canonical = r.url(at, s)
		default:
			r.fail(one, "want url, or from: robots")
		}
		name := route
		if to, ok := o.get("route"); ok {
			if name = r.text(to); r.err == nil && !slices.Contains(s.RouteNames(), name) {
				r.unknownRoute(to, name, s.RouteNames())
			}
		}
		m.Target = crawler.NewRoute[struct{}](name)
		if globs, ok := o.get("include"); ok {
			for _, pattern := range r.list(globs) {
				r.glob(pattern)
				m.Include = append(m.Include, r.text(pattern))
			}
		}
		if whole[canonical] {
			r.fail(one, "an earlier entry without include takes all of the same sitemap")
		}
		whole[canonical] = len(m.Include) == 0
		s.Sitemaps = append(s.Sitemaps, m)
	}
}

func (r *reader) unknownRoute(v value, name string, known []string) {
	r.fail(v, "unknown route %.80q: want %s", name, or(known))
}

var routeName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

func (r *reader) routes(v value, s *crawler.Spider) {
	entries := r.entries(v)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.name
		if !routeName.MatchString(e.name) {
			r.fail(e.key, "%.80q: the name of a route is 1 to 32 of a-z, 0-9, '_' and '-'", e.name)
			return
		}
	}
	for _, e := range entries {
		rt := r.route(e, names)
		for _, it := range rt.items {
			s.Items = append(s.Items, it.example())
		}
		s.Routes = append(s.Routes, crawler.NewRoute[struct{}](e.name).To(rt.handle))
	}
}

func (r *reader) route(e entry, names []string) *route {
	rt := &route{}
	o := r.object(e.value, "items", "follow")
	if v, ok := o.get("items"); ok {
		unkeyed := map[string]bool{}
		for _, one := range r.list(v) {
			it := r.item(one)
			if it.key < 0 && unkeyed[it.kind] {
				r.fail(one, "a second %s without a key in this route: the two would be told apart by nothing", it.kind)
			}
			unkeyed[it.kind] = unkeyed[it.kind] || it.key < 0
			rt.items = append(rt.items, it)
		}
	}
	if v, ok := o.get("follow"); ok {
		for _, one := range r.list(v) {
			rt.follow = append(rt.follow, r.link(one, e.name, names))
		}
	}
	return rt
}

func (r *reader) link(v value, here string, names []string) link {
	o := r.object(v, "css", "route")
	l := link{to: crawler.NewRoute[struct{}](here)}
	if css, ok := o.get("css"); ok {
		r.selector(css)
		l.selectors = []string{r.text(css)}
	}
	if to, ok := o.get("route"); ok {
		name := r.text(to)
		if r.err == nil && !slices.Contains(names, name) {
			r.unknownRoute(to, name, names)
		}
		l.to = crawler.NewRoute[struct{}](name)
	}
	return l
}
