package memdedup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// The errors of [LoadSet].
var (
	// ErrNotSet says that a file holds no set of lycosa.
	ErrNotSet = errors.New("no set of fingerprints of lycosa")
	// ErrNewerSet says that a newer lycosa wrote the set.
	ErrNewerSet = errors.New("set of fingerprints of a newer version")
	// ErrDamagedSet says that a file is cut short or changed.
	ErrDamagedSet = errors.New("damaged set of fingerprints")
)

const (
	setMagic   = "lycosa set\n"
	setVersion = 1
	// maxChunk bounds the memory that a damaged file can ask for at once.
	maxChunk = 4096
)

var setTable = crc64.MakeTable(crc64.ECMA)

// WriteTo implements [io.WriterTo]: it saves the set for [LoadSet]. What is added meanwhile is in it or not. Numbers
// are in little endian:
//
//	"lycosa set\n", version (4 bytes)
//	of each chunk: fingerprints in it (4), at most 4096, and these (16 each); the last one has none
//	CRC-64/ECMA of all before (8)
func (s *Set) WriteTo(w io.Writer) (int64, error) {
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := &setWriter{w: buffered, sum: crc64.New(setTable)}
	out.write(binary.LittleEndian.AppendUint32([]byte(setMagic), setVersion))
	chunk := make([]byte, 0, 4+16*maxChunk)
	for i := range s.shards {
		for _, k := range s.shards[i].keys() {
			if len(chunk) == 0 {
				chunk = append(chunk, 0, 0, 0, 0)
			}
			chunk = binary.BigEndian.AppendUint64(chunk, k.hi)
			chunk = binary.BigEndian.AppendUint64(chunk, k.lo)
			if len(chunk) == cap(chunk) {
				chunk = out.chunk(chunk)
			}
		}
	}
	if len(chunk) > 0 {
		chunk = out.chunk(chunk)
	}
	out.write(append(chunk, 0, 0, 0, 0))
	out.write(binary.LittleEndian.AppendUint64(nil, out.sum.Sum64()))
	if out.err == nil {
		out.err = buffered.Flush()
	}
	return out.n, out.err
}

// keys returns a copy of what the shard holds.
func (sh *shard) keys() []key {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	keys := make([]key, 0, sh.used)
	if t := sh.table.Load(); t != nil {
		t.each(func(k key) { keys = append(keys, k) })
	}
	return keys
}

// setWriter counts and sums what it writes, up to the first error.
type setWriter struct {
	w   io.Writer
	sum hash.Hash64
	n   int64
	err error
}

func (w *setWriter) write(b []byte) {
	if w.err != nil {
		return
	}
	_, _ = w.sum.Write(b) // a hash never fails
	var n int
	n, w.err = w.w.Write(b)
	w.n += int64(n)
}

// chunk writes a chunk, whose first 4 bytes are free, and empties it.
func (w *setWriter) chunk(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, uint32((len(b)-4)/16)) //nolint:gosec // at most maxChunk
	w.write(b)
	return b[:0]
}

// LoadSet returns the set that a [Set.WriteTo] has written. It reads that and not beyond. An error wraps [ErrNotSet],
// [ErrNewerSet], [ErrDamagedSet] or what the reader said.
func LoadSet(r io.Reader) (*Set, error) {
	sum := crc64.New(setTable)
	in := io.TeeReader(r, sum)
	head := make([]byte, len(setMagic)+4)
	if _, err := io.ReadFull(in, head); err != nil && !cutShort(err) {
		return nil, err
	}
	if string(head[:len(setMagic)]) != setMagic {
		return nil, ErrNotSet
	}
	switch v := binary.LittleEndian.Uint32(head[len(setMagic):]); {
	case v > setVersion:
		return nil, fmt.Errorf("%w: %d, this build reads %d", ErrNewerSet, v, setVersion)
	case v < 1: // or the head is cut short
		return nil, fmt.Errorf("%w: version %d", ErrDamagedSet, v)
	}
	s := NewSet()
	chunk := make([]byte, 16*maxChunk)
	for {
		if _, err := io.ReadFull(in, head[:4]); err != nil {
			return nil, damagedSet(err)
		}
		n := binary.LittleEndian.Uint32(head)
		if n == 0 {
			break
		}
		if n > maxChunk {
			return nil, fmt.Errorf("%w: a chunk of %d fingerprints", ErrDamagedSet, n)
		}
		if _, err := io.ReadFull(in, chunk[:16*n]); err != nil {
			return nil, damagedSet(err)
		}
		for i := range n {
			s.AddOne(dedup.Fingerprint(chunk[16*i : 16*i+16]))
		}
	}
	want := sum.Sum64()
	if _, err := io.ReadFull(in, head[:8]); err != nil {
		return nil, damagedSet(err)
	}
	if got := binary.LittleEndian.Uint64(head); got != want {
		return nil, fmt.Errorf("%w: its checksum is %016x, not %016x", ErrDamagedSet, want, got)
	}
	return s, nil
}

func cutShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func damagedSet(err error) error {
	if cutShort(err) {
		return fmt.Errorf("%w: it is cut short", ErrDamagedSet)
	}
	return err
}
