package redisdedup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Kind is how Redis remembers fingerprints.
type Kind string

// The kinds.
const (
	// IntSet keeps 64 bits of each fingerprint in sets of integers that Redis packs: 9 bytes each. It is the default.
	IntSet Kind = "intset"
	// Set keeps them in one plain set of decimal numbers, which is easy to read with redis-cli: 60 bytes each.
	Set Kind = "set"
	// Bloom keeps a Bloom filter that grows: 1.3 bytes each at a rate of 1 %, 2.1 at 0.1 %. The rate is that of pages that are lost.
	Bloom Kind = "bloom"
	// TwoTier keeps a Bloom filter in Redis and asks another store, exact and cheap, about what looks seen: no page is
	// lost. The price is a look-up in that store for each link that was seen before and that no process remembers.
	TwoTier Kind = "twotier"
)

// Spec says how fingerprints are remembered. The zero Spec is an IntSet.
type Spec struct {
	// Kind is the kind. Default IntSet.
	Kind Kind
	// Rate, of Bloom and TwoTier, is the part of unseen fingerprints that the Bloom filter may take for seen: 1e-6 to 0.5.
	// Default 0.001.
	Rate float64
	// Expected, of IntSet, Bloom and TwoTier, is how many fingerprints there will be. If it is 0 the filter begins small: a Bloom
	// filter takes up to four times the memory as it grows, sets of integers take a third more work.
	Expected int64
}

// ParseSpec reads set, intset[:SIZE] or KIND[:RATE[,SIZE]]: "intset:1e8", "bloom:0.001,1e8".
func ParseSpec(text string) (Spec, error) {
	wrong := func(why string, args ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("filter %.80q: %s; want intset[:SIZE], set, bloom[:RATE[,SIZE]] or twotier[:RATE[,SIZE]]", text, fmt.Sprintf(why, args...))
	}
	kind, params, ok := strings.Cut(text, ":")
	s := Spec{Kind: Kind(kind)}
	if ok {
		rate, size, sized := strings.Cut(params, ",")
		var err error
		if s.Kind == IntSet {
			size, sized = params, true
		} else if s.Rate, err = strconv.ParseFloat(rate, 64); err != nil || s.Rate == 0 {
			return wrong("%q is no rate", rate)
		}
		if sized {
			n, err := strconv.ParseFloat(size, 64)
			if err != nil || n < 1 || n > 1e15 || n != float64(int64(n)) {
				return wrong("%q is no size", size)
			}
			s.Expected = int64(n)
		}
	}
	if kind == "" {
		return wrong("it names no kind")
	}
	s = s.WithDefaults()
	if err := s.Check(); err != nil {
		return wrong("%s", err)
	}
	return s, nil
}

// WithDefaults fills the gaps.
func (s Spec) WithDefaults() Spec {
	if s.Kind == "" {
		s.Kind = IntSet
	}
	if s.layered() && s.Rate == 0 {
		s.Rate = 0.001
	}
	return s
}

func (s Spec) layered() bool { return s.Kind == Bloom || s.Kind == TwoTier }

// Check returns an error if there is no such filter.
func (s Spec) Check() error {
	switch s.Kind {
	case IntSet, Set:
		if s.Rate != 0 || s.Kind == Set && s.Expected != 0 {
			return fmt.Errorf("%s knows neither rate nor size", s.Kind)
		}
		if s.Expected < 0 || s.Expected > 1e12 {
			return fmt.Errorf("a filter for %d fingerprints", s.Expected)
		}
		return nil
	case Bloom, TwoTier:
		return s.plan().Check()
	case "":
		return errors.New("it names no kind")
	default:
		return fmt.Errorf("there is no kind %.40q", string(s.Kind))
	}
}

// String returns what [ParseSpec] reads.
func (s Spec) String() string {
	text := string(s.Kind)
	if s.Kind == IntSet && s.Expected > 0 {
		text += ":" + strconv.FormatInt(s.Expected, 10)
	}
	if s.layered() {
		text += ":" + strconv.FormatFloat(s.Rate, 'g', -1, 64)
		if s.Expected > 0 {
			text += "," + strconv.FormatInt(s.Expected, 10)
		}
	}
	return text
}

// load is how many fingerprints a set of integers holds on average, and mostSets how many there are at most: LOAD and MOST in
// lua/seen_intset.lua.
const (
	load     = 200
	mostSets = 1 << 31
)

// Sets returns the number of sets of integers with which one of so many partitions begins: what is expected fills them.
func (s Spec) Sets(partitions int) int64 {
	if s.Kind != IntSet {
		return 1
	}
	return min(max(1, s.Expected/int64(partitions)/load), mostSets)
}

func (s Spec) plan() dedup.BloomPlan { return dedup.BloomPlan{Expected: s.Expected, Rate: s.Rate} }

// maxLayer is how large a layer may be in one partition: 256 MiB.
const maxLayer = 1 << 28

// Fits returns an error if the filter takes more partitions than so many.
func (s Spec) Fits(partitions int) error {
	if !s.layered() {
		return nil
	}
	plan := s.plan()
	plan.Expected = (plan.Expected + int64(partitions) - 1) / int64(partitions)
	if l := plan.Layer(0); l.Bytes() > maxLayer {
		return fmt.Errorf("filter %s: its first layer takes %d MiB in each of %d partitions, at most %d are allowed: use more partitions",
			s, l.Bytes()>>20, partitions, maxLayer>>20)
	}
	return nil
}

// Layers returns the shapes of the Bloom layers as the scripts read them, for one of so many partitions; "" for the kinds
// that have none.
func (s Spec) Layers(partitions int) (string, error) {
	if !s.layered() {
		return "", nil
	}
	if err := s.Fits(partitions); err != nil {
		return "", err
	}
	plan := s.plan()
	plan.Expected = (plan.Expected + int64(partitions) - 1) / int64(partitions)
	var text []byte
	for i := range dedup.MaxBloomLayers {
		l := plan.Layer(i)
		if l.Bytes() > maxLayer {
			// From here on each layer is as large as one can be, and not larger.
			most := int64(maxLayer) / l.BlockBytes() >> 10 << 10 // Lua tells 21 bits of it apart
			l = dedup.BloomLayer{Capacity: int64(float64(l.Capacity) * float64(most) / float64(l.Blocks)), Blocks: most, Hashes: l.Hashes}
		}
		text = fmt.Appendf(text, "%d %d %d ", l.Capacity, l.Blocks, l.Hashes)
	}
	return string(text), nil
}
