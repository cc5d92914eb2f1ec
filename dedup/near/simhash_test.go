package near_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/cespare/xxhash/v2"

	"github.com/lycosa-crawl/lycosa/dedup/near"
)

// prose returns n words drawn at random from a thousand, of the lengths that English words have.
func prose(r *rand.Rand, n int) []string {
	words := make([]string, n)
	for i := range words {
		w := r.IntN(1000)
		words[i] = fmt.Sprintf("w%0*d", 1+w%7, w)
	}
	return words
}

// Indexes in Redis outlive a release: these must not change.
func TestSimsAreStableOverReleases(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":      "0000000000000000",
		"Hello": "4456d73aa34c01c2",
		"The quick brown fox jumps over the lazy dog":   "51ea88957f2f62fb",
		"Der Bücherwurm frißt 12 Bücher; das 13. nicht": "6d2920188c226909",
		"吾輩は猫である。名前はまだ無い。":                              "c54381481d889e4f",
	} {
		if got := near.Of(text).String(); got != want {
			t.Errorf("the Sim of %q is %s, want %s", text, got, want)
		}
	}
}

func TestOnlyWordsCount(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"One, two; three four", "one two\n\tthree – four!", "(ONE) two/three\xff\xfe four\x00"},
		{"Ärger über Öl", "ÄRGER ÜBER ÖL", "ärger\u00a0über\u3000öl"},
		{"吾輩は猫である", "吾輩は、猫 である。"},
		{"", " ", "…!?\n", "\xff\x80", "💥 — €"},
	} {
		for _, text := range same[1:] {
			if near.Of(text) != near.Of(same[0]) {
				t.Errorf("%q differs from %q", text, same[0])
			}
		}
	}
	seen := make(map[near.Sim]string)
	for _, text := range []string{"", "a", "b", "ab", "a b", "b a", "a b c", "a c b", "ab c", "a bc", "吾", "吾輩", "吾輩は", "0", "1", "नमस्ते", "नमसत"} {
		if other, taken := seen[near.Of(text)]; taken {
			t.Errorf("%q is the same as %q", text, other)
		}
		seen[near.Of(text)] = text
	}
}

// By Charikar each bit differs with a probability of angle/π, of the angle between the vectors of shingles: 64*acos(0.997)/π = 1.6
// bits when one word of 1,000 takes three shingles with it, and 32 when nothing is shared.
func TestDistanceIsTheAngleBetweenTexts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	const rounds = 400
	var found, edited, unrelated int
	for range rounds {
		words := prose(r, 1000)
		sim := near.Of(strings.Join(words, " "))
		words[1+r.IntN(len(words)-2)] = "yesterday"
		d := near.Of(strings.Join(words, " ")).Distance(sim)
		edited += d
		if d <= near.MaxDistance {
			found++
		}
		d = near.Of(strings.Join(prose(r, 1000), " ")).Distance(sim)
		unrelated += d
		if d <= near.MaxDistance {
			t.Errorf("another text is at a distance of %d", d)
		}
	}
	if mean := float64(edited) / rounds; mean < 1.3 || mean > 1.9 {
		t.Errorf("a text with one other word of 1,000 is at a distance of %.2f, want 1.6", mean)
	}
	if found < rounds*85/100 { // 92 of 100, were the bits independent
		t.Errorf("a text with one other word of 1,000 is near in %d of %d cases", found, rounds)
	}
	if mean := float64(unrelated) / rounds; mean < 31 || mean > 33 {
		t.Errorf("texts that have nothing in common are at a distance of %.1f, want 32", mean)
	}
}

// plainly is the definition of a Sim, word for word.
func plainly(text string) near.Sim {
	var words []string
	word := ""
	end := func() {
		if word != "" {
			words = append(words, word)
		}
		word = ""
	}
	for _, c := range text {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.Is(unicode.Nd, c):
			end()
		case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			end()
			word = string(c)
			end()
		default:
			word += string(unicode.ToLower(c))
		}
	}
	end()
	if len(words) == 0 {
		return 0
	}
	for len(words) < 3 {
		words = append([]string{""}, words...)
	}
	var counts [64]int
	for i := 2; i < len(words); i++ {
		var window []byte
		for _, w := range words[i-2 : i+1] {
			var hash uint64
			if w != "" {
				hash = xxhash.Sum64String(w)
			}
			for range 8 {
				window = append(window, byte(hash))
				hash >>= 8
			}
		}
		hash := xxhash.Sum64(window)
		for bit := range counts {
			counts[bit] += int(hash>>bit&1)*2 - 1
		}
	}
	var sim near.Sim
	for bit, n := range counts {
		if n > 0 {
			sim |= 1 << bit
		}
	}
	if sim == 0 {
		return 1
	}
	return sim
}

func TestSimIsTheMajorityOfItsShingles(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 300 {
		text := strings.Join(prose(r, n), " ")
		if got, want := near.Of(text), plainly(text); got != want {
			t.Fatalf("the Sim of %d words is %s, want %s", n, got, want)
		}
	}
}

func FuzzSim(f *testing.F) {
	for _, seed := range []string{"", "a", "The quick brown fox", "吾輩は猫である。", "สวัสดีชาวโลก", "\xff\xc3", "İstanbul ǅ ﬁ ß", "a\u0301 \u0301b", "٣٤ ½ Ⅷ", strings.Repeat("x", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sim := near.Of(text)
		if want := plainly(text); sim != want {
			t.Fatalf("the Sim of %q is %s, want %s", text, sim, want)
		}
		if around := near.Of(" \xff" + text + ".\n"); around != sim {
			t.Fatalf("the Sim of %q depends on what is around it", text)
		}
	})
}

func TestSimCostsNoAllocation(t *testing.T) {
	text := strings.Join(prose(rand.New(rand.NewPCG(5, 6)), 1000), " ")
	var sim near.Sim
	if allocs := testing.AllocsPerRun(10, func() { sim ^= near.Of(text) }); allocs > 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
	if bits.OnesCount64(uint64(sim)) == 0 { // of eleven runs
		t.Error("no Sim")
	}
}

// BenchmarkOf takes texts of 10 KB.
func BenchmarkOf(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, text := range map[string]string{
		"ascii": strings.Join(prose(r, 3000), " "),
		"latin": strings.Join(prose(r, 3000), "é "),
		"han":   strings.Repeat("吾輩は猫である。名前はまだ無い。", 300),
	} {
		text = strings.ToValidUTF8(text[:10<<10], "")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				near.Of(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10, "ns/KB")
		})
	}
}

func ExampleOf() {
	night := "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals, when it was checked by a violent " +
		"gust of wind which swept up the streets (for it is in London that our scene lies), rattling along the house-tops, and " +
		"fiercely agitating the scanty flame of the lamps that struggled against the darkness."
	loud := strings.ToUpper(strings.ReplaceAll(night, ",", " –"))
	fmt.Println(near.Of(night).Distance(near.Of(loud)))
	fmt.Println(near.Of(night).Distance(near.Of("Call me Ishmael. Some years ago, never mind how long precisely.")) > near.MaxDistance)
	// Output:
	// 0
	// true
}
