package memdedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// The compound rate must hold at every size, not only when a layer is full.
func TestRateHoldsOverTheWholeGrowth(t *testing.T) {
	t.Parallel()
	const n, asked = 100_000, 50_000
	fps := random(n + asked)
	others := fps[n:]
	for _, expected := range []uint{0, 10_000} {
		for _, rate := range []float64{0.1, 0.01, 0.001} {
			b := newBloom(t, expected, rate)
			worst, next := 0.0, 10_000
			for i, fp := range fps[:n] {
				b.AddOne(fp)
				if i+1 < next {
					continue
				}
				next *= 2
				wrong := 0
				for _, fp := range others {
					if b.HasOne(fp) {
						wrong++
					}
				}
				worst = max(worst, float64(wrong)/asked)
				if estimate := b.Rate(); math.Abs(estimate-float64(wrong)/asked) > 0.1*rate+4*math.Sqrt(rate/asked) {
					t.Errorf("%d, %g: with %d the rate is %g, estimated %g", expected, rate, i+1, float64(wrong)/asked, estimate)
				}
			}
			t.Logf("expected %d, asked for %g: at most %.4g, %d layers, %.2f bytes each", expected, rate, worst,
				len(*b.layers.Load()), float64(b.Bytes())/n)
			if most := 1.1*rate + 4*math.Sqrt(rate/asked); worst > most {
				t.Errorf("expected %d: rate %g, asked for %g", expected, worst, rate)
			}
		}
	}
}

// With its size known a filter takes at most a quarter more than the best possible one.
func TestSizedBloomIsCompact(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.1, 0.01, 1e-3, 1e-4} {
		const n = 1_000_000
		b := newBloom(t, n, rate)
		optimum := -math.Log(rate) / (math.Ln2 * math.Ln2) / 8 * n
		if ratio := float64(b.Bytes()) / optimum; ratio > 1.25 {
			t.Errorf("rate %g: %.3f times the optimum", rate, ratio)
		}
	}
}

// What was saved once must be read for ever: the bits of a fingerprint never move.
func TestBloomPositionsNeverChange(t *testing.T) {
	t.Parallel()
	l := dedup.BloomLayer{Capacity: 1000, Blocks: 1000, Hashes: 8}
	for short, want := range map[uint64][]uint64{
		0x0123456789abcdef: {2247, 2090, 2247, 2522, 2407, 2261, 2444, 2492},
		0xffffffffffffffff: {511_645, 511_989, 511_911, 511_530, 511_689, 511_639, 511_711, 511_953},
		0:                  {0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if got := l.Locations(nil, dedup.FromShort(short)); !slices.Equal(got, want) {
			t.Errorf("%016x: %v, want %v", short, got, want)
		}
	}
}

func TestBitsAndBloomsFindsTheSameBits(t *testing.T) {
	t.Parallel()
	b, fps := newBloom(t, 0, 0.01), random(40_000)
	for _, fp := range fps[:20_000] {
		b.AddOne(fp)
	}
	bits := b.Bits()
	filters := Filters(bits)
	for i, fp := range fps {
		seen := false
		for j, f := range filters {
			seen = seen || f.TestLocations(bits.Layers[j].Locations(nil, fp))
		}
		if seen != b.HasOne(fp) {
			t.Fatalf("fingerprint %d: %v in bits-and-blooms, %v here", i, seen, !seen)
		}
	}
	if n := filters[0].BitSet().Count(); n == 0 {
		t.Error("the filter of bits-and-blooms is empty")
	}
}

func TestSavedBloomIsLoaded(t *testing.T) {
	t.Parallel()
	b, fps := newBloom(t, 1000, 0.01), random(20_000)
	for _, fp := range fps[:10_000] {
		b.AddOne(fp)
	}
	var file bytes.Buffer
	n, err := b.WriteTo(&file)
	if err != nil || n != int64(file.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, file.Len(), err)
	}
	loaded, err := LoadBloom(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i, fp := range fps {
		if loaded.HasOne(fp) != b.HasOne(fp) {
			t.Fatalf("fingerprint %d changed", i)
		}
	}
	was, _ := b.Len(t.Context())
	is, _ := loaded.Len(t.Context())
	if was != is || loaded.Rate() != b.Rate() {
		t.Errorf("%d at %g, was %d at %g", is, loaded.Rate(), was, b.Rate())
	}
	for _, fp := range fps[10_000:] { // it goes on as it was
		b.AddOne(fp)
		loaded.AddOne(fp)
	}
	if !slices.EqualFunc(b.Bits().Layers, loaded.Bits().Layers, func(x, y dedup.BloomBitsLayer) bool {
		return x.BloomLayer == y.BloomLayer && x.Added == y.Added && slices.Equal(x.Words, y.Words)
	}) {
		t.Error("the loaded filter went another way")
	}
}

func TestForeignNewerAndDamagedBloomsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBloom(t, 1000, 0.01)
	for _, fp := range random(3000) {
		b.AddOne(fp)
	}
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	newer := slices.Clone(whole)
	binary.LittleEndian.PutUint32(newer[len("lycosa bloom\n"):], 2)
	promising := slices.Clone(whole[:100]) // a head that promises 2^31 blocks
	binary.LittleEndian.PutUint64(promising[45:], 1<<31)
	for name, tc := range map[string]struct {
		file []byte
		want error
	}{
		"empty":     {nil, dedup.ErrNotBloom},
		"foreign":   {[]byte("GIF89a, a picture of a spider, and a long one"), dedup.ErrNotBloom},
		"newer":     {newer, dedup.ErrNewerBloom},
		"promising": {promising, dedup.ErrDamagedBloom},
	} {
		if _, err := LoadBloom(bytes.NewReader(tc.file)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for n := len("lycosa bloom\n") + 4; n < len(whole); n += 97 {
		if _, err := LoadBloom(bytes.NewReader(whole[:n])); !errors.Is(err, dedup.ErrDamagedBloom) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for at := len("lycosa bloom\n") + 4; at < len(whole); at += 89 {
		changed := slices.Clone(whole)
		changed[at] ^= 1
		if _, err := LoadBloom(bytes.NewReader(changed)); !errors.Is(err, dedup.ErrDamagedBloom) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
}
