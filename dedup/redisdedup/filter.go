package redisdedup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// ErrNoFilter is returned when the filter does not exist, or was purged while it was open.
var ErrNoFilter = errors.New("no such filter")

// Config says which filter to open, and how. Only Name must be set.
type Config struct {
	// Name is the filter's name: 1 to 64 of A-Z, a-z, 0-9, dot, underscore and dash.
	Name string
	// Spec is fixed when the filter is created; another one is refused later.
	Spec Spec
	// Exact is the exact half of a TwoTier filter.
	Exact dedup.Exact
}

// Filter is a filter in Redis: many processes share it. Make one with [Open].
type Filter struct {
	client  redis.UniversalClient
	spec    Spec
	exact   dedup.Exact
	prefix  string
	keys    []string
	scripts scripts
	hint    Hint
}

var _ dedup.Filter = (*Filter)(nil)

var filterName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// version is that of what the keys hold. A filter of another one is refused.
const version = "2"

// batch is the most fingerprints that one script gets, so that none blocks Redis for long.
const batch = 500

// SpecError says that a filter was created as another one.
type SpecError struct{ Name, Has, Want string }

func (e *SpecError) Error() string {
	return fmt.Sprintf("filter %s was created as %s, not %s: use another name, or purge it", e.Name, e.Has, e.Want)
}

// Open opens a filter, and creates it if there is none of the name. All its keys lie in one hash slot. The client stays the
// caller's.
func Open(ctx context.Context, client redis.UniversalClient, c Config) (*Filter, error) {
	spec := c.Spec.WithDefaults()
	if !filterName.MatchString(c.Name) {
		return nil, fmt.Errorf("redisdedup: Name %.80q: a filter's name is 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'", c.Name)
	}
	if err := spec.Check(); err != nil {
		return nil, fmt.Errorf("redisdedup: Spec: %w", err)
	}
	if (spec.Kind == TwoTier) != (c.Exact != nil) {
		return nil, errors.New("redisdedup: Exact: a twotier filter needs it, and no other one takes it")
	}
	layers, err := spec.Layers(1)
	if err != nil {
		return nil, fmt.Errorf("redisdedup: Spec: %w", err)
	}
	f := &Filter{client: client, spec: spec, exact: c.Exact, prefix: "lycosa:dedup:{" + c.Name + "}:", scripts: scriptsOf(spec.Kind)}
	f.keys = []string{f.prefix + "m", f.prefix + "!"}
	has, err := f.scripts.create.Run(ctx, client, []string{f.keys[0], f.prefix + "bp"}, spec.String(), layers, spec.Sets(1), version).Slice()
	if err != nil {
		return nil, fmt.Errorf("filter %s: %w", c.Name, err)
	}
	if len(has) != 2 {
		return nil, errReply
	}
	if has[1] != version {
		return nil, fmt.Errorf("filter %s: another version of lycosa made it, whose keys this one cannot read: use another name", c.Name)
	}
	if is, _ := has[0].(string); is != spec.String() {
		return nil, &SpecError{Name: c.Name, Has: is, Want: spec.String()}
	}
	return f, nil
}

// Spec returns what the filter is.
func (f *Filter) Spec() Spec { return f.spec }

// run runs a script of the filter.
func (f *Filter) run(ctx context.Context, s *redis.Script, args ...any) (any, error) {
	reply, err := s.Run(ctx, f.client, f.keys, args...).Result()
	if err != nil && strings.HasPrefix(err.Error(), "NOFILTER") {
		return nil, ErrNoFilter
	}
	return reply, err
}

// inBatches calls do for some of the fingerprints at a time.
func inBatches(fps []dedup.Fingerprint, do func(first int, part []dedup.Fingerprint) error) error {
	for first := 0; first < len(fps); first += batch {
		if err := do(first, fps[first:min(first+batch, len(fps))]); err != nil {
			return err
		}
	}
	return nil
}

// Add implements [dedup.Filter]. It calls add.lua.
func (f *Filter) Add(ctx context.Context, fps ...dedup.Fingerprint) (fresh []bool, err error) {
	fresh = make([]bool, len(fps))
	err = inBatches(fps, func(first int, part []dedup.Fingerprint) error {
		args := f.args(part)
		answers, counter, err := f.add(ctx, args)
		if err == nil && f.exact != nil {
			err = Settle(ctx, f.exact, part, answers, counter, f.add, f.confirm)
		}
		for i := range answers {
			fresh[first+i] = answers[i] == New
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return fresh, nil
}

// args returns the fingerprints as the scripts take them.
func (f *Filter) args(fps []dedup.Fingerprint) []any {
	args := make([]any, 0, len(fps)*f.spec.Kind.Args())
	for _, fp := range fps {
		args = f.hint.AppendArgs(args, f.spec.Kind, fp)
	}
	return args
}

func (f *Filter) add(ctx context.Context, args []any) (answers []byte, counter string, err error) {
	reply, err := f.run(ctx, f.scripts.add, args...)
	if err != nil {
		return nil, "", err
	}
	list, _ := reply.([]any)
	if len(list) != 3 {
		return nil, "", errReply
	}
	text, ok1 := list[0].(string)
	counter, ok2 := list[1].(string)
	told, ok3 := list[2].(string)
	if !ok1 || !ok2 || !ok3 || len(text) != len(args)/f.spec.Kind.Args() {
		return nil, "", errReply
	}
	return []byte(text), counter, f.hint.Told(f.spec.Kind, told)
}

var errReply = errors.New("unexpected reply of redis")

// confirm calls confirm.lua.
func (f *Filter) confirm(ctx context.Context, args []any) error {
	_, err := f.run(ctx, f.scripts.confirm, args...)
	return err
}

// Has implements [dedup.Filter]. It calls has.lua.
func (f *Filter) Has(ctx context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	seen = make([]bool, len(fps))
	err = inBatches(fps, func(first int, part []dedup.Fingerprint) error {
		args := f.args(part)
		reply, err := f.run(ctx, f.scripts.has, args...)
		if err != nil {
			return err
		}
		list, _ := reply.([]any)
		if len(list) != 2 {
			return errReply
		}
		text, ok1 := list[0].(string)
		told, ok2 := list[1].(string)
		if !ok1 || !ok2 || len(text) != len(part) {
			return errReply
		}
		if err := f.hint.Told(f.spec.Kind, told); err != nil {
			return err
		}
		var ask []dedup.Fingerprint
		for i := range part {
			seen[first+i] = text[i] == '1'
			if text[i] == '2' {
				ask = append(ask, part[i])
			}
		}
		if len(ask) == 0 {
			return nil
		}
		known, err := f.exact.Has(ctx, ask...)
		if err != nil {
			return err
		}
		for i, j := 0, 0; i < len(part); i++ {
			if text[i] == '2' {
				seen[first+i] = known[j]
				j++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return seen, nil
}

// Len implements [dedup.Filter].
func (f *Filter) Len(ctx context.Context) (int64, error) {
	s, err := f.Stats(ctx)
	return s.Count, err
}

// Stats calls info.lua.
func (f *Filter) Stats(ctx context.Context) (Stats, error) {
	reply, err := f.run(ctx, f.scripts.info)
	if err != nil {
		return Stats{}, err
	}
	list, _ := reply.([]any)
	if len(list) != 2 {
		return Stats{}, errReply
	}
	count, ok := list[0].(int64)
	if !ok {
		return Stats{}, errReply
	}
	return ParseStats(f.spec, count, list[1])
}

// Check recounts everything and names every broken invariant: for tests. It calls check.lua.
func (f *Filter) Check(ctx context.Context) (broken []string, err error) {
	reply, err := f.run(ctx, f.scripts.check)
	if err != nil {
		return nil, err
	}
	list, _ := reply.([]any)
	for _, what := range list {
		broken = append(broken, fmt.Sprint(what))
	}
	return broken, nil
}

// Purge deletes the filter, in small steps. What the exact half holds stays. It calls purge.lua.
func (f *Filter) Purge(ctx context.Context) error {
	for {
		reply, err := f.run(ctx, f.scripts.purge, 500)
		if errors.Is(err, ErrNoFilter) || reply == int64(1) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Export reads the bits of a Bloom or TwoTier filter; memdedup can ask them.
func (f *Filter) Export(ctx context.Context) (*dedup.BloomBits, error) {
	return ReadBits(ctx, f.client, f.prefix, f.spec.plan())
}

// Import brings bits into a Bloom filter of the same plan that is empty. It is not one step: nobody else may use the filter
// meanwhile.
func (f *Filter) Import(ctx context.Context, bits *dedup.BloomBits) error {
	if f.spec.Kind != Bloom {
		return fmt.Errorf("import into a %s filter: only a bloom filter takes bits", f.spec.Kind)
	}
	if err := bits.Check(); err != nil {
		return err
	}
	if bits.Plan != f.spec.plan() {
		return &SpecError{Name: f.prefix, Has: f.spec.String(), Want: Spec{Kind: Bloom, Rate: bits.Plan.Rate, Expected: bits.Plan.Expected}.String()}
	}
	if n, err := f.Len(ctx); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("import: the filter holds %d fingerprints, it must be empty", n))
	}
	return writeBits(ctx, f.client, f.prefix, bits)
}

// Stats is how a filter stands.
type Stats struct {
	Spec  Spec
	Count int64 // fingerprints in it
	Bytes int64 // of Redis' memory
	// Fill is how full it is: of the newest Bloom layer, or of the largest set of integers against the 512 that none may
	// pass; 0 for a plain set.
	Fill float64
	// Rate estimates, from what each layer holds, the part of unseen fingerprints that is taken for seen now. Without a Bloom
	// filter it is the part that a collision of 64 bits would hide.
	Rate float64
	// Measured is the same by the bits that are set in the Bloom filter, of a part of it if it is larger than 4 MiB a
	// layer; otherwise it is Rate.
	Measured float64
	// Layers, or sets of integers, or 1.
	Parts int64
}

// ParseStats reads what seen_info in lua/ returned for a filter that holds count fingerprints.
func ParseStats(spec Spec, count int64, info any) (Stats, error) {
	s := Stats{Spec: spec, Count: count, Rate: float64(count) / (1 << 63) / 2, Parts: 1}
	list, _ := info.([]any)
	numbers := make([]int64, len(list))
	for i, v := range list {
		var ok bool
		if numbers[i], ok = v.(int64); !ok {
			return s, errReply
		}
	}
	switch {
	case len(numbers) == 0:
		return s, errReply
	case spec.Kind == IntSet && len(numbers) == 3:
		s.Parts, s.Fill = numbers[1], float64(numbers[2])/512
	case spec.Kind == Set && len(numbers) == 1:
	case spec.layered() && len(numbers)%5 == 2:
		missed, measured := 1.0, 1.0
		s.Parts = int64(len(numbers) / 5)
		for i := 2; i < len(numbers); i += 5 {
			l := dedup.BloomLayer{Capacity: numbers[i], Blocks: numbers[i+1], Hashes: int(numbers[i+2])}
			holds := l.Capacity
			if i+5 == len(numbers) {
				holds = numbers[1]
				s.Fill = float64(holds) / float64(l.Capacity)
			}
			missed *= 1 - l.Rate(holds)
			if looked := numbers[i+3]; looked > 0 {
				measured *= 1 - l.RateOfBits(float64(numbers[i+4])/float64(looked*l.BlockBytes()*8))
			}
		}
		s.Rate, s.Measured = 1-missed, 1-measured
		s.Bytes = numbers[0]
		return s, nil
	default:
		return s, errReply
	}
	s.Bytes, s.Measured = numbers[0], s.Rate
	return s, nil
}

// ReadBits reads the Bloom layers behind a prefix of keys.
func ReadBits(ctx context.Context, client redis.UniversalClient, prefix string, plan dedup.BloomPlan) (*dedup.BloomBits, error) {
	shapes, err := client.Get(ctx, prefix+"bp").Result()
	if err != nil {
		return nil, fmt.Errorf("layers at %sbp: %w", prefix, err)
	}
	counters, err := client.HMGet(ctx, prefix+"m", "bn", "ba").Result()
	if err != nil {
		return nil, err
	}
	layers, err1 := strconv.Atoi(fmt.Sprint(counters[0]))
	added, err2 := strconv.ParseInt(fmt.Sprint(counters[1]), 10, 64)
	fields := strings.Fields(shapes)
	if err := errors.Join(err1, err2); err != nil || layers*3 > len(fields) {
		return nil, fmt.Errorf("layers at %sm: %d of %d: %w", prefix, layers, len(fields)/3, err)
	}
	bits := &dedup.BloomBits{Plan: plan}
	for n := range layers {
		var l dedup.BloomBitsLayer
		var errs [3]error
		l.Capacity, errs[0] = strconv.ParseInt(fields[3*n], 10, 64)
		l.Blocks, errs[1] = strconv.ParseInt(fields[3*n+1], 10, 64)
		l.Hashes, errs[2] = strconv.Atoi(fields[3*n+2])
		if err := errors.Join(errs[:]...); err != nil || l.Blocks < 1 || l.Hashes < 1 || l.Blocks > maxLayer || l.Bytes() > maxLayer {
			return nil, fmt.Errorf("layer %d at %sbp: %d blocks of %d hashes, %w", n, prefix, l.Blocks, l.Hashes, err)
		}
		l.Added = l.Capacity
		if n == layers-1 {
			l.Added = added
		}
		if err := readLayer(ctx, client, prefix, n, &l); err != nil {
			return nil, err
		}
		bits.Layers = append(bits.Layers, l)
	}
	if err := bits.Check(); err != nil {
		return nil, err
	}
	return bits, nil
}
