package declare

import (
	"maps"
	"slices"
	"strings"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// policyKeys are the keys of a policy, as revisit.Parse knows them.
var policyKeys = []string{"budget", "new_share", "min", "max", "objective", "every", "cron"}

// revisit reads when pages are visited again.
func (r *reader) revisit(v value, routes []string) *crawler.Revisit {
	o := r.object(v, append(slices.Clone(policyKeys), "signature", "ignore", "history", "feed", "track_links", "rules")...)
	s := &crawler.Revisit{Policy: r.policy(v, o, policyKeys)}
	s.TrackLinks = o.bool("track_links")
	s.Signature, s.Ignore = r.signature(o)
	if history, ok := o.get("history"); ok {
		if s.History = int(min(r.whole(history, 0), 1<<30)); s.History == 0 {
			s.History = -1 // none, which the field's zero value is not
		}
	}
	if feed, ok := o.get("feed"); ok {
		s.NoFeed = !r.bool(feed)
	}
	if rules, ok := o.get("rules"); ok {
		for _, one := range r.list(rules) {
			s.Rules = append(s.Rules, r.revisitRule(one, routes))
		}
	}
	return s
}

func (r *reader) revisitRule(v value, routes []string) crawler.RevisitRule {
	own := []string{"min", "max", "every", "cron"}
	o := r.object(v, append(own, "route", "match", "never", "weight", "signature", "ignore")...)
	p := r.policy(v, o, own)
	rule := crawler.RevisitRule{Never: o.bool("never"), Min: p.Min, Max: p.Max, Every: p.Every, Cron: p.Cron}
	if route, ok := o.get("route"); ok {
		rule.Route = r.text(route)
		if r.err == nil && !slices.Contains(routes, rule.Route) {
			r.unknownRoute(route, rule.Route, routes)
		}
	}
	if match, ok := o.get("match"); ok {
		rule.Match = r.text(match)
		r.glob(match)
	}
	if weight, ok := o.get("weight"); ok {
		rule.Weight = r.scalar(weight)
		if _, err := revisit.ParseWeight(rule.Weight); err != nil {
			r.fail(weight, "%s", strings.TrimPrefix(err.Error(), "weight: "))
		}
	}
	rule.Signature, rule.Ignore = r.signature(o)
	return rule
}

// policy reads the keys of a policy, each for itself and then together.
func (r *reader) policy(v value, o object, keys []string) revisit.Policy {
	fields := make(map[string]string)
	for _, key := range keys {
		field, ok := o.get(key)
		if !ok {
			continue
		}
		fields[key] = r.scalar(field)
		if _, err := revisit.Parse(map[string]string{key: fields[key]}); err != nil && r.err == nil {
			r.fail(field, "%s", strings.TrimPrefix(err.Error(), key+": "))
		}
	}
	if r.err != nil {
		return revisit.Policy{}
	}
	p, err := revisit.Parse(fields)
	if err != nil {
		at := v
		for _, key := range slices.Sorted(maps.Keys(fields)) { // the last key that the error speaks of first
			if field, ok := o.get(key); ok && strings.HasPrefix(err.Error(), key+" ") {
				at = field
			}
		}
		r.fail(at, "%v", err)
	}
	return p
}

func (r *reader) signature(o object) (method string, ignore []string) {
	if v, ok := o.get("signature"); ok {
		method = r.text(v)
		if _, err := signature.Parse(method, nil); err != nil && r.err == nil {
			r.fail(v, "%s", strings.TrimPrefix(err.Error(), "signature: "))
		}
	}
	if v, ok := o.get("ignore"); ok {
		for _, pattern := range r.list(v) {
			if _, err := signature.Parse("main", []string{r.text(pattern)}); err != nil && r.err == nil {
				r.fail(pattern, "%s", strings.TrimPrefix(err.Error(), "signature: "))
			}
			ignore = append(ignore, r.text(pattern))
		}
	}
	return method, ignore
}
