package memfrontier

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// ErrInUse is wrapped by the error of Open on a directory that another frontier, here or in another process,
// has open.
var ErrInUse = errors.New("in use by another process")

// Recovery is what Open found in the directory.
type Recovery struct {
	// Tasks is the number of tasks that are not finished.
	Tasks int64
	// Cut is the number of bytes at the end of the journal that were torn off in the middle of a write. No call
	// that wrote them had returned.
	Cut int64
	// Damaged is the file to which the rest of the journal was moved if a part in its middle could not be read
	// although more follows, as after a power cut or on a failing disk. Empty: none was.
	Damaged string
}

const (
	magic = "lycosa-frontier "
	// format is what is written; oldest is what is read still. Format 3 has payloads and sums of finished tasks, tasks that
	// are planned anew, and what pages show; format 4 has how many pages link to each.
	format = 4
	oldest = 2
	suffix = ".journal"
	// grown is by how much more than three times the size it had when it was made a journal must have
	// grown to be made anew, in bytes.
	grown = 64 << 20
)

// journal is the file that a crawl is kept in. It has one name after another, each with a greater number: a journal that
// has grown long is replaced by one that begins with a snapshot.
type journal struct {
	dir   string
	sync  time.Duration // see Config.Sync
	wait  bool          // see Config.SyncWait
	lock  *os.File
	notes *notes // guarded by Frontier.mu

	stuck   atomic.Bool  // the last write failed
	written atomic.Int64 // how much of notes.sealed is in the file; set under mu

	mu     sync.Mutex // guards all that follows; taken before Frontier.mu
	file   *os.File
	number uint64
	size   int64  // of the part that is known to be whole
	limit  int64  // the size at which it is made anew
	rest   []byte // sealed, not written yet
	spare  []byte
	dirty  bool // a sync is to come
	timer  *time.Timer
	syncs  sync.WaitGroup
	failed error // of a sync; then nobody knows what the disk has
}

// Open returns the frontier of the crawl kept in dir, or of a new one. Only one may be open on a directory at a time:
// the second is refused with ErrInUse.
//
// What Push and Finish return as done is in the hands of the operating system: a process that is killed loses
// none of it. The machine itself may lose the last moments; see Config.Sync. Leases are not kept: after a
// restart every task that was not finished is queued again where it stood, and hosts with a delay
// wait it out once.
//
// A journal that was torn at its end is cut off there; [Frontier.Recovered] says so. One of an older format is made anew in the
// present one. One that is not a journal, or of a newer format, is an error and stays as it is.
//
// When the journal cannot be written, because the disk is full say, calls return an error that wraps
// scheduler.ErrUnavailable. Nothing new is taken in until it can be written again; what is leased can be finished, and
// is noted then.
func Open(dir string, c Config) (*Frontier, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // not secret
		return nil, fmt.Errorf("memfrontier: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("memfrontier: %s: %w", dir, err)
	}
	j := &journal{dir: dir, sync: c.Sync, wait: c.SyncWait, lock: lock, notes: newNotes()}
	f, err := j.load(c)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("memfrontier: %w", err)
	}
	return f, nil
}

// load reads the newest journal, or makes the first.
func (j *journal) load(c Config) (*Frontier, error) {
	numbers, err := j.list()
	if err != nil {
		return nil, err
	}
	s := newState(c)
	f := newFrontier(c, s)
	f.clock = nanos(f.now())
	if len(numbers) == 0 {
		d, err := j.draft(s, f.clock)
		if err == nil {
			err = j.adopt(d)
		}
		if err != nil {
			return nil, err
		}
	} else {
		j.number = numbers[len(numbers)-1]
		if err := j.recover(f); err != nil {
			return nil, err
		}
		for _, old := range numbers[:len(numbers)-1] {
			_ = os.Remove(j.path(old)) // tried again at the next start
		}
	}
	f.recovered.Tasks = s.active() + s.stats.Parked + s.stats.Scheduled
	f.journal, s.journal = j, j.notes
	return f, nil
}

func (j *journal) path(number uint64) string {
	return filepath.Join(j.dir, "frontier-"+strconv.FormatUint(number, 10)+suffix)
}

// list returns the numbers of the journals there are, and removes those that were never completed.
func (j *journal) list() (numbers []uint64, err error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, found := strings.CutPrefix(e.Name(), "frontier-")
		if !found {
			continue
		}
		if strings.HasSuffix(name, suffix+".new") {
			_ = os.Remove(filepath.Join(j.dir, e.Name()))
			continue
		}
		name, found = strings.CutSuffix(name, suffix)
		if n, err := strconv.ParseUint(name, 10, 64); found && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// recover reads the journal into f, and cuts off what is torn.
func (j *journal) recover(f *Frontier) error {
	name := j.path(j.number)
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	p := newReplay(f.s)
	good, err := p.read(file)
	if err == nil && !p.whole {
		err = errors.New("damaged: its snapshot is not whole")
	}
	if err == nil {
		err = j.cut(f, file, good)
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("%s: %w", name, err)
	}
	f.clock = max(f.clock, p.clock)
	p.settle(f.clock)
	f.s.tick(f.clock)
	j.file, j.size, j.limit = file, good, 3*p.snapshot+grown
	if p.format == format {
		return nil
	}
	// What is noted from now on must not be read as of the old format.
	d, err := j.draft(f.s, f.clock)
	if err == nil {
		err = j.adopt(d)
	}
	if err != nil {
		_ = j.file.Close()
		return fmt.Errorf("%s: bring to format %d: %w", name, format, err)
	}
	return nil
}

// read replays the frames of a journal and returns the size of the part that is intact.
func (p *replay) read(file io.Reader) (good int64, err error) {
	in := bufio.NewReaderSize(file, 1<<20)
	head, err := in.ReadString('\n')
	version, found := strings.CutPrefix(head, magic)
	n, bad := strconv.Atoi(strings.TrimSuffix(version, "\n"))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return 0, err
	case errors.Is(err, io.EOF) || !found || bad != nil:
		return 0, errors.New("not a journal of a frontier")
	case n < oldest || n > format:
		return 0, fmt.Errorf("written by another version of lycosa: format %d, this one knows %d to %d", n, oldest, format)
	}
	p.format = n
	good = int64(len(head))
	var body []byte
	for {
		body, err = nextFrame(in, body)
		if errors.Is(err, errTorn) {
			return good, nil
		}
		if err != nil {
			return good, err
		}
		if err := p.frame(body); err != nil {
			return good, fmt.Errorf("damaged at byte %d: %w", good, err)
		}
		good += frameHead + int64(len(body))
		if p.whole && p.snapshot == 0 {
			p.snapshot = good
		}
	}
}

var errTorn = errors.New("no whole frame")

// nextFrame reads a frame into buf, and returns errTorn if none follows that is whole.
func nextFrame(in io.Reader, buf []byte) ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return buf, torn(err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size < 8 || size > frameMax {
		return buf, errTorn
	}
	buf = slices.Grow(buf[:0], int(size))[:size]
	if _, err := io.ReadFull(in, buf); err != nil {
		return buf, torn(err)
	}
	if crc32.Checksum(buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return buf, errTorn
	}
	return buf, nil
}

func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// cut takes off the part of the journal from good on. If a whole frame follows later, more was damaged
// than the last write, and the part is put aside rather than thrown away.
func (j *journal) cut(f *Frontier, file *os.File, good int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.recovered.Cut = info.Size() - good
	if f.recovered.Cut == 0 {
		return nil
	}
	if wholeAfter(file, good, info.Size()) {
		f.recovered.Damaged = file.Name() + ".damaged"
		if err := copyTail(f.recovered.Damaged, file, good, f.recovered.Cut); err != nil {
			return err
		}
	}
	if err := file.Truncate(good); err != nil {
		return err
	}
	return file.Sync()
}

// wholeAfter reports whether the frame at good, which is not whole, is followed by one that is.
func wholeAfter(file *os.File, good, end int64) bool {
	var head [frameHead]byte
	if _, err := file.ReadAt(head[:], good); err != nil {
		return false
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size > frameMax {
		return false
	}
	next := good + frameHead + size
	_, err := nextFrame(io.NewSectionReader(file, next, end-next), nil)
	return err == nil
}

func copyTail(name string, file *os.File, from, size int64) error {
	out, err := os.Create(name) //nolint:gosec // beside the journal
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(file, from, size))
	return errors.Join(err, out.Close())
}

// draft is a journal that is not yet in use: a snapshot under a name that no start looks at.
type draft struct {
	file *os.File
	size int64
}

// draft writes a snapshot of s for the journal with the next number.
func (j *journal) draft(s *state, now int64) (draft, error) {
	file, err := os.Create(j.path(j.number+1) + ".new")
	if err != nil {
		return draft{}, err
	}
	n := newNotes()
	n.sink, n.clock = file, now
	n.buf = append(n.buf, magic+strconv.Itoa(format)+"\n"...)
	head := int64(len(n.buf))
	s.snapshot(n, now)
	if err := n.drain(); err != nil {
		return draft{}, errors.Join(err, discard(file))
	}
	return draft{file, head + n.sealed}, nil
}

func discard(file *os.File) error {
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// adopt goes on with the draft in place of the present journal, which is as good as before if this fails.
func (j *journal) adopt(d draft) error {
	if err := d.file.Sync(); err != nil {
		return errors.Join(err, discard(d.file))
	}
	if err := os.Rename(d.file.Name(), j.path(j.number+1)); err != nil {
		return errors.Join(err, discard(d.file))
	}
	syncDir(j.dir)
	if j.file != nil {
		_ = j.file.Close() // all of it is in the new one
		_ = os.Remove(j.path(j.number))
	}
	j.number++
	j.file, j.size, j.limit = d.file, d.size, 3*d.size+grown
	return nil
}

// syncDir makes a new name in dir last. Not every system can; then the name lasts when the system sees fit.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil { //nolint:gosec // the caller's directory
		_ = d.Sync()
		_ = d.Close()
	}
}

// commit returns when the notes up to that size are written. One caller writes for all who wait.
func (j *journal) commit(f *Frontier, upto int64) error {
	if j.written.Load() >= upto {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.written.Load() >= upto {
		return nil
	}
	return j.write(f)
}

// write writes what is noted. After an error it is kept, to be written at the next call to the same place.
// The caller holds j.mu.
func (j *journal) write(f *Frontier) error {
	if j.failed != nil {
		return j.failed
	}
	f.mu.Lock()
	sealed := j.collect()
	f.mu.Unlock()
	if len(j.rest) == 0 {
		return nil
	}
	_, err := j.file.WriteAt(j.rest, j.size)
	if err == nil && j.wait {
		err = j.file.Sync()
	}
	j.stuck.Store(err != nil)
	if err != nil {
		return unavailable(err)
	}
	j.size += int64(len(j.rest))
	j.written.Store(sealed)
	j.reuse()
	j.syncSoon()
	if j.size > j.limit {
		j.compact(f)
	}
	return nil
}

// retry tries again to write what could not be written.
func (j *journal) retry(f *Frontier) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(f)
}

func unavailable(err error) error {
	return fmt.Errorf("%w: journal: %w", scheduler.ErrUnavailable, err)
}

// collect moves the notes to rest and returns how many bytes were noted so far. The caller holds both locks.
func (j *journal) collect() (sealed int64) {
	j.notes.seal()
	if len(j.rest) == 0 {
		j.rest, j.notes.buf, j.spare = j.notes.buf, j.spare[:0], nil
	} else {
		j.rest = append(j.rest, j.notes.buf...)
		j.notes.buf = j.notes.buf[:0]
	}
	return j.notes.sealed
}

// reuse keeps the buffer that was written, unless it is a giant.
func (j *journal) reuse() {
	if cap(j.rest) <= 4*frameFull {
		j.spare = j.rest[:0]
	}
	j.rest = nil
}

// compact makes the journal anew. If that cannot be done now, it is tried again when it has doubled.
func (j *journal) compact(f *Frontier) {
	f.mu.Lock()
	if f.ended != nil {
		f.mu.Unlock()
		return
	}
	j.notes.duplicates()
	sealed := j.collect() // these notes are part of the snapshot; they matter only if it fails
	d, err := j.draft(f.s, f.clock)
	f.mu.Unlock()
	if err == nil {
		err = j.adopt(d)
	}
	if err != nil {
		j.limit = 2 * j.size
		return
	}
	j.written.Store(sealed)
	j.reuse()
}

// syncSoon sees to it that what was written is synced in time. The caller holds j.mu.
func (j *journal) syncSoon() {
	if j.dirty || j.wait || j.sync < 0 {
		return
	}
	j.dirty = true
	j.syncs.Add(1)
	j.timer = time.AfterFunc(j.sync, j.syncNow)
}

// syncNow syncs the file without keeping writers from it.
func (j *journal) syncNow() {
	defer j.syncs.Done()
	j.mu.Lock()
	file := j.file
	j.dirty = false
	j.mu.Unlock()
	err := file.Sync()
	if err == nil || errors.Is(err, os.ErrClosed) { // replaced meanwhile, by one that is synced
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed = unavailable(err)
}

// close writes and syncs the rest and frees the directory. The frontier has ended.
func (j *journal) close(f *Frontier) error {
	j.mu.Lock()
	f.mu.Lock()
	j.notes.duplicates()
	f.mu.Unlock()
	err := j.write(f)
	j.stop()
	if err == nil {
		err = j.file.Sync()
	}
	err = errors.Join(err, j.file.Close())
	j.mu.Unlock()
	j.syncs.Wait()
	return errors.Join(err, j.lock.Close())
}

// remove removes the journal and frees the directory. The frontier has ended.
func (j *journal) remove() error {
	j.mu.Lock()
	j.written.Store(math.MaxInt64) // there is nothing to wait for any more
	j.stop()
	err := errors.Join(j.file.Close(), os.Remove(j.path(j.number)))
	j.mu.Unlock()
	j.syncs.Wait()
	return errors.Join(err, j.lock.Close())
}

// stop stops the timer. The caller holds j.mu.
func (j *journal) stop() {
	if j.timer != nil && j.timer.Stop() {
		j.syncs.Done()
	}
}
