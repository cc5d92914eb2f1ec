// Package filededup is the exact half of a two-tier filter in files of one process: some 8 bytes a fingerprint on disk, and
// one page read a look-up for each of a few sorted files.
//
// New fingerprints are appended to a log. When it holds a million they become a sorted file, and sorted files of like size become one,
// so that there are as many of them as the number of millions has binary digits. In memory stand the log's fingerprints and one of each
// 512 others.
package filededup

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// Store is a [dedup.Exact] in a folder. It keeps the first 64 bits of each fingerprint. It can be open once at a time. Make one
// with [Open].
type Store struct {
	dir   string
	limit int

	mu   sync.RWMutex // guards all below
	lock *os.File
	log  *os.File
	size int64 // of the log, whole records
	tail map[uint64]struct{}
	runs []*run // oldest and largest first
	next int    // number of the next run
	err  error  // why nothing can be recorded any more
}

var _ dedup.Exact = (*Store)(nil)

// ErrInUse says that the store is open already, in this process or another.
var ErrInUse = errors.New("fingerprints are in use by another process")

// ErrForeign says that a file in the folder is none of this package, or of a newer version.
var ErrForeign = errors.New("not a file of fingerprints that this version reads")

// ErrDamaged says that a file of fingerprints is cut short or changed.
var ErrDamaged = errors.New("damaged file of fingerprints")

const (
	logLimit = 1 << 20
	page     = 512 // fingerprints
	record   = 8   // bytes
	magic    = "lycosa fps 1\n\x00\x00\x00"
)

var table = crc64.MakeTable(crc64.ECMA)

// Open opens the store in a folder, which is made if it is not there. A log that ends in half a record, as a crash leaves it, is cut.
func Open(dir string) (*Store, error) { return open(dir, logLimit) }

func open(dir string, limit int) (_ *Store, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as the frontier's folder
		return nil, err
	}
	s := &Store{dir: dir, limit: limit, tail: map[uint64]struct{}{}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".tmp") {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
			continue
		}
		var n int
		if _, err := fmt.Sscanf(name, "run-%d", &n); err != nil {
			continue
		}
		r, err := openRun(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		s.runs = append(s.runs, r)
		s.next = max(s.next, n+1)
	}
	slices.SortFunc(s.runs, func(a, b *run) int { return cmp.Compare(b.count, a.count) })
	if err := s.openLog(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) openLog() (err error) {
	if s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_RDWR|os.O_CREATE, 0o644); err != nil { //nolint:gosec // as above
		return err
	}
	r := bufio.NewReaderSize(s.log, 1<<16)
	var b [record]byte
	for {
		_, err := io.ReadFull(r, b[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		s.tail[binary.LittleEndian.Uint64(b[:])] = struct{}{}
		s.size += record
	}
	return s.log.Truncate(s.size)
}

// Close closes the files.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, r := range s.runs {
		errs = append(errs, r.file.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.runs, s.log, s.lock, s.err = nil, nil, nil, os.ErrClosed
	return errors.Join(errs...)
}

// Purge closes the store and deletes its folder with all that it holds.
func (s *Store) Purge(context.Context) error {
	s.mu.RLock()
	open := s.lock != nil
	s.mu.RUnlock()
	if !open { // somebody else may have it open
		return os.ErrClosed
	}
	return errors.Join(s.Close(), os.RemoveAll(s.dir))
}

// Has implements [dedup.Exact].
func (s *Store) Has(ctx context.Context, fps ...dedup.Fingerprint) (seen []bool, err error) {
	seen = make([]bool, len(fps))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.log == nil {
		return nil, os.ErrClosed
	}
	for i := range fps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if seen[i], err = s.has(fps[i].Short()); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func (s *Store) has(fp uint64) (bool, error) {
	if _, ok := s.tail[fp]; ok {
		return true, nil
	}
	for _, r := range s.runs {
		if ok, err := r.has(fp); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// Record implements [dedup.Exact]. It returns when the disk has the fingerprints.
func (s *Store) Record(_ context.Context, fps ...dedup.Fingerprint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	var b []byte
	for i := range fps {
		fp := fps[i].Short()
		known, err := s.has(fp)
		if err != nil {
			return err
		}
		if !known {
			b = binary.LittleEndian.AppendUint64(b, fp)
			s.tail[fp] = struct{}{}
		}
	}
	if len(b) == 0 {
		return nil
	}
	_, err := s.log.WriteAt(b, s.size)
	if err == nil {
		err = s.log.Sync()
	}
	if err != nil {
		// The tail may say more than the disk has: nothing may be built on it.
		s.err = fmt.Errorf("log of fingerprints in %s: %w", s.dir, err)
		return s.err
	}
	s.size += int64(len(b))
	if len(s.tail) >= s.limit {
		if err := s.turn(); err != nil {
			s.err = fmt.Errorf("files of fingerprints in %s: %w", s.dir, err)
			return s.err
		}
	}
	return nil
}

// turn makes a sorted file of the log, and merges files of like size. A crash on the way leaves some fingerprints in two
// files, which does no harm.
func (s *Store) turn() error {
	fps := make([]uint64, 0, len(s.tail))
	for fp := range s.tail {
		fps = append(fps, fp)
	}
	slices.Sort(fps)
	r, err := s.write(func(emit func(uint64) error) error {
		for _, fp := range fps {
			if err := emit(fp); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	if err := s.log.Truncate(0); err != nil {
		return err
	}
	s.size, s.tail = 0, map[uint64]struct{}{}
	for n := len(s.runs); n > 1 && s.runs[n-2].count < 2*s.runs[n-1].count; n = len(s.runs) {
		a, b := s.runs[n-2], s.runs[n-1]
		merged, err := s.write(func(emit func(uint64) error) error { return merge(a, b, emit) })
		if err != nil {
			return err
		}
		s.runs = append(s.runs[:n-2], merged)
		for _, old := range []*run{a, b} {
			if err := errors.Join(old.file.Close(), os.Remove(old.file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// write makes a sorted file of what emit is called with: magic, fingerprints, the first of each page, their number, and a checksum
// of magic, firsts and number. All numbers have 8 bytes, little endian.
func (s *Store) write(produce func(emit func(uint64) error) error) (_ *run, err error) {
	name := filepath.Join(s.dir, fmt.Sprintf("run-%08d", s.next))
	file, err := os.Create(name + ".tmp")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	w := bufio.NewWriterSize(file, 1<<18)
	if _, err := w.WriteString(magic); err != nil {
		return nil, err
	}
	r := &run{file: file}
	var b [record]byte
	err = produce(func(fp uint64) error {
		if r.count%page == 0 {
			r.firsts = append(r.firsts, fp)
		}
		r.count++
		binary.LittleEndian.PutUint64(b[:], fp)
		_, err := w.Write(b[:])
		return err
	})
	if err == nil {
		_, err = w.Write(r.foot())
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return nil, err
	}
	file.Close()
	s.next++
	return openRun(name)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// A run is a sorted file.
type run struct {
	file   *os.File
	count  int64
	firsts []uint64
}

func (r *run) foot() []byte {
	b := make([]byte, 0, record*(len(r.firsts)+2))
	for _, fp := range r.firsts {
		b = binary.LittleEndian.AppendUint64(b, fp)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(r.count)) //nolint:gosec // a number of records
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(append([]byte(magic), b...), table))
}

func openRun(name string) (_ *run, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, len(magic))
	if _, err := file.ReadAt(head, 0); err != nil || string(head) != magic {
		return nil, ErrForeign
	}
	var b [record]byte
	if _, err := file.ReadAt(b[:], max(0, info.Size()-2*record)); err != nil {
		return nil, ErrDamaged
	}
	r := &run{file: file, count: int64(binary.LittleEndian.Uint64(b[:]))} //nolint:gosec // checked by the size
	pages := (r.count + page - 1) / page
	if r.count < 0 || r.count > info.Size() || int64(len(magic))+record*(r.count+pages+2) != info.Size() {
		return nil, ErrDamaged
	}
	foot := make([]byte, record*(pages+2))
	if _, err := file.ReadAt(foot, int64(len(magic))+record*r.count); err != nil {
		return nil, err
	}
	for i := range pages {
		r.firsts = append(r.firsts, binary.LittleEndian.Uint64(foot[record*i:]))
	}
	if !slices.Equal(foot, r.foot()) {
		return nil, ErrDamaged
	}
	return r, nil
}

func (r *run) has(fp uint64) (bool, error) {
	at, first := slices.BinarySearch(r.firsts, fp)
	if first {
		return true, nil
	}
	if at == 0 {
		return false, nil
	}
	n := min(page, r.count-int64(at-1)*page)
	b := make([]byte, record*n)
	if _, err := r.file.ReadAt(b, int64(len(magic))+record*page*int64(at-1)); err != nil {
		return false, err
	}
	low, high := int64(0), n
	for low < high {
		middle := (low + high) / 2
		switch v := binary.LittleEndian.Uint64(b[record*middle:]); {
		case v == fp:
			return true, nil
		case v < fp:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false, nil
}

// merge calls emit with the fingerprints of both files, in order.
func merge(a, b *run, emit func(uint64) error) error {
	ra, rb := a.reader(), b.reader()
	x, okA, errA := ra()
	y, okB, errB := rb()
	for {
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		var least uint64
		switch {
		case okA && okB:
			least = min(x, y)
		case okA:
			least = x
		case okB:
			least = y
		default:
			return nil
		}
		if err := emit(least); err != nil {
			return err
		}
		if okA && x == least {
			x, okA, errA = ra()
		}
		if okB && y == least {
			y, okB, errB = rb()
		}
	}
}

func (r *run) reader() func() (uint64, bool, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r.file, int64(len(magic)), record*r.count), 1<<18)
	var b [record]byte
	return func() (uint64, bool, error) {
		_, err := io.ReadFull(in, b[:])
		if errors.Is(err, io.EOF) {
			return 0, false, nil
		}
		return binary.LittleEndian.Uint64(b[:]), err == nil, err
	}
}
