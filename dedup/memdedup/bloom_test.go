package memdedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
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
		0x0123456789abcdef: {1554, 1587, 1650, 1724, 1761, 1796, 1861, 1913},
		0xffffffffffffffff: {383_630, 383_710, 383_751, 383_764, 383_826, 383_870, 383_924, 383_995},
		0:                  {0, 48, 96, 144, 192, 240, 288, 336},
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
	binary.LittleEndian.PutUint32(newer[len("lycosa bloom\n"):], 3)
	older := slices.Clone(whole)
	binary.LittleEndian.PutUint32(older[len("lycosa bloom\n"):], 1)
	promising := slices.Clone(whole[:100]) // a head that promises 2^31 blocks
	binary.LittleEndian.PutUint64(promising[45:], 1<<31)
	for name, tc := range map[string]struct {
		file []byte
		want error
	}{
		"empty":     {nil, dedup.ErrNotBloom},
		"foreign":   {[]byte("GIF89a, a picture of a spider, and a long one"), dedup.ErrNotBloom},
		"newer":     {newer, dedup.ErrNewerBloom},
		"older":     {older, dedup.ErrOlderBloom},
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

// Lua multiplies 32 bits by the number of blocks, and has 53.
func TestBlocksAreExactInLua(t *testing.T) {
	t.Parallel()
	for _, expected := range []int64{0, 1, 1e6, 1e8, 12_345_678_901} {
		plan := dedup.BloomPlan{Expected: expected, Rate: 0.001}
		for i := range dedup.MaxBloomLayers {
			l := plan.Layer(i)
			if n := bits.Len64(uint64(l.Blocks)) - bits.TrailingZeros64(uint64(l.Blocks)); n > 21 || l.Blocks < 1 || l.Bytes() < 1 {
				t.Errorf("layer %d of %d: %d blocks have %d bits", i, expected, l.Blocks, n)
			}
		}
	}
}
