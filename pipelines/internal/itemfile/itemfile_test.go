package itemfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, path string, quoted bool) (f *File, learnt *[]string, cut *int64) {
	t.Helper()
	learnt, cut = new([]string), new(int64)
	f, err := Open(t.Context(), path, Config{
		Quoted:   quoted,
		Learn:    func(record []byte) error { *learnt = append(*learnt, string(record)); return nil },
		Repaired: func(_ string, n int64) { *cut += n },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, learnt, cut
}

func put(t *testing.T, f *File, data string) {
	t.Helper()
	if err := f.Update(t.Context(), func() []byte { return []byte(data) }); err != nil {
		t.Fatal(err)
	}
}

func TestUnfinishedRecordIsCutOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, held, want string
		quoted           bool
	}{
		{"whole", "a\nb\n", "a\nb\n", false},
		{"no line end", "a\nb", "a\n", false},
		{"nothing whole", "abc", "", false},
		{"within quotes", "a,\"b\n\"\nc,\"d\ne", "a,\"b\n\"\n", true},
		{"doubled quotes", "\"a\"\"\n\"\nb,\"\"\"\n", "\"a\"\"\n\"\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte(c.held), 0o600); err != nil {
				t.Fatal(err)
			}
			f, learnt, cut := open(t, path, c.quoted)
			if got := strings.Join(*learnt, ""); got != c.want {
				t.Errorf("learnt %q, want %q", got, c.want)
			}
			if want := int64(len(c.held) - len(c.want)); *cut != want {
				t.Errorf("%d bytes reported cut, want %d", *cut, want)
			}
			put(t, f, "z\n")
			if got, _ := os.ReadFile(path); string(got) != c.want+"z\n" {
				t.Errorf("the file holds %q, want %q", got, c.want+"z\n")
			}
		})
	}
}

func TestEachWriterLearnsWhatTheOthersWrote(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "down", "f")
	a, byA, _ := open(t, path, false)
	b, byB, _ := open(t, path, false)
	put(t, a, "1\n2\n")
	put(t, b, "3\n")
	put(t, a, "")
	if !slices.Equal(*byB, []string{"1\n", "2\n"}) || !slices.Equal(*byA, []string{"3\n"}) {
		t.Errorf("a learnt %q, b learnt %q", *byA, *byB)
	}
}

func TestWritersAtOnceNeverMix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	const writers, turns = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		f, _, _ := open(t, path, false)
		wg.Go(func() {
			for i := range turns {
				line := fmt.Sprintf("%d-%d-%s\n", w, i, strings.Repeat("x", 100*w))
				if err := f.Update(t.Context(), func() []byte { return []byte(line + line) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	_, learnt, cut := open(t, path, false)
	if len(*learnt) != 2*writers*turns || *cut != 0 {
		t.Fatalf("%d records and %d torn bytes, want %d and 0", len(*learnt), *cut, 2*writers*turns)
	}
	for i := 0; i < len(*learnt); i += 2 {
		if (*learnt)[i] != (*learnt)[i+1] {
			t.Fatalf("another writer came between two records of one turn: %.20q, %.20q", (*learnt)[i], (*learnt)[i+1])
		}
	}
}

func TestWaitForTheLockEndsWithCtx(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	a, _, _ := open(t, path, false)
	b, _, _ := open(t, path, false)
	err := a.Update(t.Context(), func() []byte {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := b.Update(ctx, func() []byte { return []byte("b\n") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("update while another holds the lock: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestShrunkenFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f, _, _ := open(t, path, false)
	put(t, f, "12345\n")
	if err := os.Truncate(path, 2); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(t.Context(), func() []byte { return []byte("z\n") }); err == nil {
		t.Fatal("a file that somebody else cut is written to")
	}
}
