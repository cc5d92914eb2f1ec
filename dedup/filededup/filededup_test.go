package filededup

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup"
)

func random(n int) []dedup.Fingerprint {
	r := rand.New(rand.NewPCG(7, 8))
	fps := make([]dedup.Fingerprint, n)
	for i := range fps {
		binary.BigEndian.PutUint64(fps[i][:8], r.Uint64())
	}
	return fps
}

func reopen(t *testing.T, s *Store, dir string) *Store {
	t.Helper()
	if s != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func expect(t *testing.T, s *Store, fps []dedup.Fingerprint, want bool) {
	t.Helper()
	seen, err := s.Has(t.Context(), fps...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range seen {
		if seen[i] != want {
			t.Fatalf("fingerprint %d: %v, want %v", i, seen[i], want)
		}
	}
}

func TestRecordedIsKnownForEver(t *testing.T) {
	t.Parallel()
	dir, fps := t.TempDir(), random(30_000)
	s := reopen(t, nil, dir)
	for i := 0; i < 20_000; i += 250 {
		if err := s.Record(t.Context(), fps[i:i+250]...); err != nil {
			t.Fatal(err)
		}
		if i%5000 == 0 {
			s = reopen(t, s, dir)
		}
		expect(t, s, fps[:i+250], true)
		if err := s.Record(t.Context(), fps[i:i+250]...); err != nil { // twice does no harm
			t.Fatal(err)
		}
	}
	expect(t, s, fps[20_000:], false)
	if n := len(s.runs); n > 6 {
		t.Errorf("%d files for 20 logs", n)
	}
	s = reopen(t, s, dir)
	expect(t, s, fps[:20_000], true)
	expect(t, s, fps[20_000:], false)
}

func TestEdgesAreFingerprintsLikeOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, nil, dir)
	edges := []dedup.Fingerprint{dedup.FromShort(0), dedup.FromShort(1), dedup.FromShort(1<<64 - 1)}
	expect(t, s, edges, false)
	if err := s.Record(t.Context(), append(random(1000), edges...)...); err != nil {
		t.Fatal(err)
	}
	expect(t, s, edges, true)
	expect(t, s, []dedup.Fingerprint{dedup.FromShort(2), dedup.FromShort(1<<64 - 2)}, false)
}

// A crash leaves half a record at the end of the log, and unfinished files.
func TestCrashCostsAtMostWhatWasNotConfirmed(t *testing.T) {
	t.Parallel()
	dir, fps := t.TempDir(), random(1500)
	s := reopen(t, nil, dir)
	if err := s.Record(t.Context(), fps[:1200]...); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), fps[1200:1300]...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString("abc"); err != nil {
		t.Fatal(err)
	}
	log.Close()
	if err := os.WriteFile(filepath.Join(dir, "run-00000009.tmp"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, nil, dir)
	expect(t, s, fps[:1300], true)
	expect(t, s, fps[1300:], false)
	if err := s.Record(t.Context(), fps[1300:]...); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	expect(t, s, fps, true)
}

func TestForeignAndDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, nil, dir)
	if err := s.Record(t.Context(), random(1000)...); err != nil {
		t.Fatal(err)
	}
	s.Close()
	name := filepath.Join(dir, "run-00000000")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte(nil), whole...)
	changed[len(changed)-20] ^= 1
	for want, file := range map[error][][]byte{
		ErrForeign: {nil, []byte("GIF89a"), append([]byte("lycosa fps 2\n\x00\x00\x00"), whole[16:]...)},
		ErrDamaged: {whole[:16], whole[:20], whole[:len(whole)-1], whole[:len(whole)-8], changed},
	} {
		for i, b := range file {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(dir); !errors.Is(err, want) || s != nil {
				t.Errorf("%v %d: %v", want, i, err)
			}
		}
	}
}

func TestFolderIsOpenedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, nil, dir)
	if other, err := Open(dir); !errors.Is(err, ErrInUse) || other != nil {
		t.Errorf("the second Open: %v", err)
	}
	reopen(t, s, dir)
}

func TestPurgeLeavesNoFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "fps")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), dedup.FromShort(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if seen, err := again.Has(t.Context(), dedup.FromShort(1)); err != nil || seen[0] {
		t.Errorf("what was purged is seen: %v, %v", seen, err)
	}
	if err := s.Purge(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second Purge: %v, and the folder of whoever opened it since is in danger", err)
	}
}
