package learn

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
)

// Options say what counts as enough. The zero value is the default.
type Options struct {
	// Least is the part of comparisons that must agree, at the lower end of the interval, for a parameter to be one to
	// drop: 0.5 to 0.999. Default 0.9, for which 35 comparisons must agree without exception.
	Least float64
	// Groups is in how many groups a parameter must have been seen, so that one page with many links does not decide.
	// Default 5.
	Groups int
	// MaxGroups bounds the memory, at some 300 bytes a group. What would begin another is left out and counted. Default 2,000,000.
	MaxGroups int
}

func (o Options) withDefaults() (Options, error) {
	o.Least, o.Groups, o.MaxGroups = cmp.Or(o.Least, 0.9), cmp.Or(o.Groups, 5), cmp.Or(o.MaxGroups, 2_000_000)
	switch {
	case !(o.Least >= 0.5 && o.Least <= 0.999): // and not NaN
		return o, fmt.Errorf("learn: Least (%g) must lie between 0.5 and 0.999", o.Least)
	case o.Groups < 1:
		return o, fmt.Errorf("learn: Groups (%d) must be at least 1", o.Groups)
	case o.MaxGroups < 1:
		return o, fmt.Errorf("learn: MaxGroups (%d) must be at least 1", o.MaxGroups)
	}
	return o, nil
}

const (
	maxParams = 32 // of a URL; one with more is passed over
	maxValues = 8  // of a group: beyond that it would only outweigh others
	wallPaths = 5  // paths of a host with one signature: a login or an error in place of many pages
	z         = 1.96
)

// Learner collects pages. It is not for concurrent use. Make one with [New].
type Learner struct {
	options Options
	seed    maphash.Seed
	groups  map[groupKey]*group
	paths   map[hostSignature]map[uint64]struct{} // on which a signature was seen, up to wallPaths

	pages, passed, left int
}

type groupKey struct {
	host, param string
	rest        uint64 // of the path and the other parameters
}

type hostSignature struct {
	host      string
	signature uint64
}

type group struct {
	path   string
	values []value
}

type value struct {
	value, signature uint64
	noisy            bool // seen with several signatures
}

// New returns an empty learner. An error names the option that is wrong.
func New(o Options) (*Learner, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Learner{options: o, seed: maphash.MakeSeed(), groups: map[groupKey]*group{}, paths: map[hostSignature]map[uint64]struct{}{}}, nil
}

// ErrURL says that a URL is none that parameters can be learnt from.
var ErrURL = errors.New("no absolute http or https URL")

// Add notes a page. Its URL should be canonical: fragments do not count, nor does the order of parameters.
func (l *Learner) Add(rawURL string, signature uint64) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%.100q: %w", rawURL, ErrURL)
	}
	l.pages++
	host, path := strings.ToLower(u.Host), u.EscapedPath()
	l.seenOn(hostSignature{host, signature}, path)
	params := paramsOf(u.RawQuery)
	if len(params) > maxParams {
		l.passed++
		return nil
	}
	names := slices.Sorted(maps.Keys(params))
	var rest maphash.Hash
	rest.SetSeed(l.seed)
	for _, name := range names {
		rest.Reset()
		fmt.Fprintf(&rest, "%s\n%s\n", u.Scheme, path)
		for _, other := range names {
			if other != name {
				fmt.Fprintf(&rest, "%q=%q\n", other, params[other])
			}
		}
		l.note(groupKey{host, name, rest.Sum64()}, path, maphash.String(l.seed, "="+params[name]), signature)
	}
	// The page without a parameter belongs to the groups of those that others of its path have. Which these are, only the
	// end tells: it is noted as a member of each group whose rest is all of it.
	rest.Reset()
	fmt.Fprintf(&rest, "%s\n%s\n", u.Scheme, path)
	for _, name := range names {
		fmt.Fprintf(&rest, "%q=%q\n", name, params[name])
	}
	l.note(groupKey{host, "", rest.Sum64()}, path, 0, signature)
	return nil
}

// paramsOf returns the values of each parameter, decoded, several of one name joined.
func paramsOf(query string) map[string]string {
	params := map[string]string{}
	for one := range strings.SplitSeq(query, "&") {
		if one == "" {
			continue
		}
		name, val, _ := strings.Cut(one, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		if name == "" {
			continue
		}
		if before, ok := params[name]; ok {
			val = before + "&" + val
		}
		params[name] = val
	}
	return params
}

func (l *Learner) seenOn(key hostSignature, path string) {
	paths := l.paths[key]
	if paths == nil {
		if len(l.paths) >= l.options.MaxGroups {
			return
		}
		paths = make(map[uint64]struct{}, 1)
		l.paths[key] = paths
	}
	if len(paths) < wallPaths {
		paths[maphash.String(l.seed, path)] = struct{}{}
	}
}

func (l *Learner) note(key groupKey, path string, val, signature uint64) {
	g := l.groups[key]
	if g == nil {
		if len(l.groups) >= l.options.MaxGroups {
			l.left++
			return
		}
		g = &group{path: path}
		l.groups[key] = g
	}
	for i := range g.values {
		if v := &g.values[i]; v.value == val {
			v.noisy = v.noisy || v.signature != signature
			return
		}
	}
	if len(g.values) < maxValues {
		g.values = append(g.values, value{value: val, signature: signature})
	}
}

// Verdict is what the evidence says of a parameter.
type Verdict string

// The verdicts.
const (
	Drop   Verdict = "drop"   // pages are the same whatever its value
	Keep   Verdict = "keep"   // they are not, more often than not or on some path
	Unsure Verdict = "unsure" // there is too little evidence, or it is divided
)

// Finding is the evidence about a parameter on a host.
type Finding struct {
	Host    string  `json:"host"`
	Param   string  `json:"param"`
	Verdict Verdict `json:"verdict"`
	Same    int     `json:"same"`              // comparisons that agree
	Other   int     `json:"other"`             // and that do not
	Least   float64 `json:"least"`             // the part that agrees, at the lower end of Wilson's interval
	Most    float64 `json:"most"`              // and at the upper one
	Groups  int     `json:"groups"`            // of pages that differ in the parameter alone
	Paths   int     `json:"paths"`             // that these are on
	Against string  `json:"against,omitempty"` // the path with the most comparisons that do not agree
}

// Report is what was learnt.
type Report struct {
	Pages    int       `json:"pages"`
	Passed   int       `json:"passed"`      // pages with too many parameters
	Left     int       `json:"left"`        // groups that memory forbade
	Findings []Finding `json:"findings"`    // by host, the most agreements first
	Params   []string  `json:"drop_params"` // to drop on all hosts on which they were seen: globs for dedup.Rules
}

// Report judges what was collected.
func (l *Learner) Report() Report {
	type place struct{ host, param string }
	evidence := map[place]*evidence{}
	for key, g := range l.groups {
		if key.param == "" {
			continue
		}
		at := place{key.host, key.param}
		if evidence[at] == nil {
			evidence[at] = newEvidence()
		}
		evidence[at].add(l, key, g)
	}
	r := Report{Pages: l.pages, Passed: l.passed, Left: l.left, Findings: []Finding{}, Params: []string{}}
	verdicts := map[string]map[Verdict]int{}
	for at, e := range evidence {
		if e.same+e.other == 0 {
			continue
		}
		f := e.judge(l.options)
		f.Host, f.Param = at.host, at.param
		r.Findings = append(r.Findings, f)
		if verdicts[f.Param] == nil {
			verdicts[f.Param] = map[Verdict]int{}
		}
		verdicts[f.Param][f.Verdict]++
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(b.Same, a.Same), cmp.Compare(a.Param, b.Param))
	})
	for _, param := range slices.Sorted(maps.Keys(verdicts)) {
		if verdicts[param][Drop] > 0 && verdicts[param][Keep] == 0 {
			r.Params = append(r.Params, glob(param))
		}
	}
	return r
}

// evidence is what the groups of one parameter on one host say.
type evidence struct {
	same, other, groups int
	byPath              map[string]*[2]int // same, other
	signatures          map[uint64]struct{}
}

func newEvidence() *evidence {
	return &evidence{byPath: map[string]*[2]int{}, signatures: map[uint64]struct{}{}}
}

// add compares the pages of a group. Pages that are never the same, and those that stand for many, say nothing.
func (e *evidence) add(l *Learner, key groupKey, g *group) {
	values := slices.Clone(g.values)
	if without := l.groups[groupKey{key.host, "", key.rest}]; without != nil {
		values = append(values, without.values...)
	}
	values = slices.DeleteFunc(values, func(v value) bool {
		return v.noisy || len(l.paths[hostSignature{key.host, v.signature}]) >= wallPaths
	})
	if len(values) < 2 {
		return
	}
	on := e.byPath[g.path]
	if on == nil {
		on = new([2]int)
		e.byPath[g.path] = on
	}
	e.groups++
	for i, v := range values[1:] {
		if v.signature == values[i].signature {
			e.same++
			on[0]++
		} else {
			e.other++
			on[1]++
		}
	}
	e.signatures[values[0].signature] = struct{}{}
}

func (e *evidence) judge(o Options) Finding {
	f := Finding{Verdict: Unsure, Same: e.same, Other: e.other, Groups: e.groups, Paths: len(e.byPath)}
	f.Least, f.Most = wilson(e.same, e.same+e.other)
	divided := false
	worst := 0
	for _, path := range slices.Sorted(maps.Keys(e.byPath)) {
		on := e.byPath[path]
		// On this path alone it is more likely than not that it matters.
		if _, most := wilson(on[0], on[0]+on[1]); most < 0.5 {
			divided = true
		}
		if on[1] > worst {
			worst, f.Against = on[1], path
		}
	}
	switch {
	case divided || f.Most < 0.5:
		f.Verdict = Keep
	case f.Least >= o.Least && f.Groups >= o.Groups && len(e.signatures) > 1:
		f.Verdict = Drop
	}
	return f
}

// wilson is the interval of 95 % in which the rate lies of which k of n were seen.
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}

// glob returns the glob that matches the name alone.
func glob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
