package memdedup

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/lycosa-crawl/lycosa/dedup"
)

func TestSavedSetIsLoadedWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 4096, 20_000} {
		s, fps := NewSet(), random(n)
		for i, fp := range fps {
			if i%3 == 0 {
				clear(fp[:8]) // those that have no place in the table
				fps[i] = fp
			}
			s.AddOne(fps[i])
		}
		var file bytes.Buffer
		if written, err := s.WriteTo(&file); err != nil || written != int64(file.Len()) {
			t.Fatal(written, err)
		}
		file.WriteString("more")
		back, err := LoadSet(&file)
		if err != nil {
			t.Fatal(err)
		}
		if file.String() != "more" {
			t.Errorf("%d: it was read beyond its end: %q is left", n, file.String())
		}
		was, _ := s.Len(t.Context())
		if is, _ := back.Len(t.Context()); is != was || was != int64(n) {
			t.Errorf("%d fingerprints, %d saved, %d loaded", n, was, is)
		}
		for i, fp := range fps {
			if !back.HasOne(fp) {
				t.Fatalf("fingerprint %d of %d was lost", i, n)
			}
		}
	}
}

func TestLoadSetNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := NewSet()
	for _, fp := range random(5000) {
		s.AddOne(fp)
	}
	var saved, bloom bytes.Buffer
	b, err := NewBloom(10, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := s.WriteTo(&saved)
	_, err2 := b.WriteTo(&bloom)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	file := saved.Bytes()
	changed := func(at int) []byte {
		b := bytes.Clone(file)
		b[at] ^= 1
		return b
	}
	newer := bytes.Clone(file)
	newer[11] = 2
	for what, tc := range map[string]struct {
		file []byte
		want error
	}{
		"empty": {nil, ErrNotSet}, "foreign": {bloom.Bytes(), ErrNotSet}, "newer": {newer, ErrNewerSet},
		"head cut": {file[:13], ErrDamagedSet}, "cut": {file[:len(file)/2], ErrDamagedSet}, "sum cut": {file[:len(file)-1], ErrDamagedSet},
		"changed": {changed(len(file) / 2), ErrDamagedSet}, "sum changed": {changed(len(file) - 1), ErrDamagedSet},
		"size changed": {changed(18), ErrDamagedSet},
	} {
		if _, err := LoadSet(bytes.NewReader(tc.file)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", what, err, tc.want)
		}
	}
	broken := errors.New("broken disk")
	if _, err := LoadSet(io.MultiReader(bytes.NewReader(file[:100]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("broken disk: %v", err)
	}
}

func TestWhatWasAddedIsSeenWhileOthersGrowTheSet(t *testing.T) {
	t.Parallel()
	s, fps := NewSet(), random(100_000)
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := part; i < len(fps); i += 4 {
				if !s.AddOne(fps[i]) || !s.HasOne(fps[i]) || s.AddOne(fps[i]) {
					t.Errorf("fingerprint %d is lost, or new twice", i)
					return
				}
			}
		})
	}
	if s.HasOne(dedup.FromShort(1)) {
		t.Fatal("what was never added is seen")
	}
	wg.Wait()
}
