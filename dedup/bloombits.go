package dedup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"math"
)

// BloomBits is a Bloom filter as it is saved, loaded, and carried between Redis and a process.
type BloomBits struct {
	Plan   BloomPlan
	Layers []BloomBitsLayer
}

// BloomBitsLayer is one layer with its bits.
type BloomBitsLayer struct {
	BloomLayer

	Added int64    // fingerprints in it
	Words []uint64 // as many as Size says
}

// The errors of [BloomBits.ReadFrom].
var (
	// ErrNotBloom says that a file holds no Bloom filter of lycosa.
	ErrNotBloom = errors.New("no Bloom filter of lycosa")
	// ErrNewerBloom says that a newer lycosa wrote the filter.
	ErrNewerBloom = errors.New("Bloom filter of a newer version")
	// ErrOlderBloom says that a version of lycosa before the first release wrote the filter, whose bits lie elsewhere.
	ErrOlderBloom = errors.New("Bloom filter of a version before the first release")
	// ErrDamagedBloom says that a file is cut short or changed.
	ErrDamagedBloom = errors.New("damaged Bloom filter")
)

const (
	bloomMagic   = "lycosa bloom\n"
	bloomVersion = 2
)

var bloomTable = crc64.MakeTable(crc64.ECMA)

// WriteTo implements [io.WriterTo]. All numbers are in little endian:
//
//	"lycosa bloom\n", version (4 bytes), expected (8), rate (8, float), number of layers (4)
//	of each layer: capacity (8), blocks (8), hashes (4), added (8), words (8 each)
//	CRC-64/ECMA of all before (8)
func (b *BloomBits) WriteTo(w io.Writer) (int64, error) {
	buffered := bufio.NewWriterSize(w, 1<<16)
	sum := &summed{w: buffered, sum: crc64.New(bloomTable)}
	head := append(make([]byte, 0, 64), bloomMagic...)
	head = binary.LittleEndian.AppendUint32(head, bloomVersion)
	head = binary.LittleEndian.AppendUint64(head, uint64(b.Plan.Expected)) //nolint:gosec // the same 64 bits
	head = binary.LittleEndian.AppendUint64(head, math.Float64bits(b.Plan.Rate))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(b.Layers))) //nolint:gosec // at most MaxBloomLayers
	_, err := sum.Write(head)
	for i := 0; i < len(b.Layers) && err == nil; i++ {
		l := &b.Layers[i]
		_, err = sum.Write(l.appendHead(head[:0]))
		for first := 0; first < len(l.Words) && err == nil; first += 512 {
			chunk := make([]byte, 0, 4096)
			for _, word := range l.Words[first:min(first+512, len(l.Words))] {
				chunk = binary.LittleEndian.AppendUint64(chunk, word)
			}
			_, err = sum.Write(chunk)
		}
	}
	if err == nil {
		_, err = sum.Write(binary.LittleEndian.AppendUint64(nil, sum.sum.Sum64()))
	}
	if err == nil {
		err = buffered.Flush()
	}
	return sum.n, err
}

const bloomLayerHead = 8 + 8 + 4 + 8

func (l *BloomBitsLayer) appendHead(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Capacity)) //nolint:gosec // the same 64 bits, here and below
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Blocks))   //nolint:gosec // same
	b = binary.LittleEndian.AppendUint32(b, uint32(l.Hashes))   //nolint:gosec // 1 to 16
	return binary.LittleEndian.AppendUint64(b, uint64(l.Added)) //nolint:gosec // same
}

// summed counts and sums what passes.
type summed struct {
	w   io.Writer
	r   io.Reader
	sum hash.Hash64
	n   int64
}

// Write implements [io.Writer].
func (s *summed) Write(b []byte) (int, error) {
	_, _ = s.sum.Write(b) // a hash never fails
	n, err := s.w.Write(b)
	s.n += int64(n)
	return n, err
}

// Read implements [io.Reader].
func (s *summed) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	_, _ = s.sum.Write(b[:n])
	s.n += int64(n)
	return n, err
}

// ReadFrom implements [io.ReaderFrom]. It reads what WriteTo wrote and not beyond. An error wraps [ErrNotBloom], [ErrNewerBloom],
// [ErrOlderBloom], [ErrDamagedBloom] or what the reader said; b is then unchanged.
func (b *BloomBits) ReadFrom(r io.Reader) (int64, error) {
	in := &summed{r: r, sum: crc64.New(bloomTable)}
	read, err := readBloom(in)
	if err == nil {
		*b = *read
	}
	return in.n, err
}

func readBloom(in *summed) (*BloomBits, error) {
	head := make([]byte, len(bloomMagic)+4)
	if _, err := io.ReadFull(in, head); err != nil && !short(err) {
		return nil, err
	}
	if string(head[:len(bloomMagic)]) != bloomMagic {
		return nil, ErrNotBloom
	}
	switch v := binary.LittleEndian.Uint32(head[len(bloomMagic):]); {
	case v > bloomVersion:
		return nil, fmt.Errorf("%w: %d, this build reads %d", ErrNewerBloom, v, bloomVersion)
	case v == 1:
		return nil, fmt.Errorf("%w: %d, this build reads %d", ErrOlderBloom, v, bloomVersion)
	}
	head = make([]byte, 8+8+4)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, damaged(err)
	}
	b := &BloomBits{Plan: BloomPlan{
		Expected: int64(binary.LittleEndian.Uint64(head)), //nolint:gosec // the same 64 bits
		Rate:     math.Float64frombits(binary.LittleEndian.Uint64(head[8:])),
	}}
	layers := binary.LittleEndian.Uint32(head[16:])
	if err := b.Plan.Check(); err != nil || layers > MaxBloomLayers {
		return nil, fmt.Errorf("%w: %d layers, %w", ErrDamagedBloom, layers, err)
	}
	for range layers {
		l, err := readBloomLayer(in)
		if err != nil {
			return nil, err
		}
		b.Layers = append(b.Layers, l)
	}
	want := in.sum.Sum64()
	if _, err := io.ReadFull(in, head[:8]); err != nil {
		return nil, damaged(err)
	}
	if got := binary.LittleEndian.Uint64(head); got != want {
		return nil, fmt.Errorf("%w: its checksum is %016x, not %016x", ErrDamagedBloom, want, got)
	}
	return b, nil
}

// readBloomLayer takes memory as the words come: a damaged head promises any number of them.
func readBloomLayer(in io.Reader) (l BloomBitsLayer, err error) {
	head := make([]byte, bloomLayerHead)
	if _, err := io.ReadFull(in, head); err != nil {
		return l, damaged(err)
	}
	l.Capacity = int64(binary.LittleEndian.Uint64(head))   //nolint:gosec // checked below
	l.Blocks = int64(binary.LittleEndian.Uint64(head[8:])) //nolint:gosec // checked below
	l.Hashes = int(binary.LittleEndian.Uint32(head[16:]))  //nolint:gosec // checked below
	l.Added = int64(binary.LittleEndian.Uint64(head[20:])) //nolint:gosec // checked below
	if err := l.check(); err != nil {
		return l, err
	}
	chunk := make([]byte, 1<<16)
	for left := l.Size(); left > 0; {
		part := chunk[:min(left*8, int64(len(chunk)))]
		if _, err := io.ReadFull(in, part); err != nil {
			return l, damaged(err)
		}
		for i := 0; i < len(part); i += 8 {
			l.Words = append(l.Words, binary.LittleEndian.Uint64(part[i:]))
		}
		left -= int64(len(part)) / 8
	}
	return l, nil
}

func (l *BloomBitsLayer) check() error {
	if l.Capacity < 1 || l.Blocks < 1 || l.Blocks > maxBloomBlocks || l.Hashes < 1 || l.Hashes > maxBloomHashes || l.Bytes() > maxBloomBytes || l.Added < 0 {
		return fmt.Errorf("%w: a layer of %d blocks, %d hashes, %d of %d fingerprints", ErrDamagedBloom, l.Blocks, l.Hashes, l.Added, l.Capacity)
	}
	return nil
}

// Check returns an error wrapping [ErrDamagedBloom] if the filter cannot be one.
func (b *BloomBits) Check() error {
	if len(b.Layers) > MaxBloomLayers {
		return fmt.Errorf("%w: %d layers", ErrDamagedBloom, len(b.Layers))
	}
	for i := range b.Layers {
		l := &b.Layers[i]
		if err := l.check(); err != nil {
			return err
		}
		if int64(len(l.Words)) != l.Size() {
			return fmt.Errorf("%w: a layer of %d blocks with %d words", ErrDamagedBloom, l.Blocks, len(l.Words))
		}
	}
	return b.Plan.Check()
}

func short(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func damaged(err error) error {
	if short(err) {
		return fmt.Errorf("%w: it is cut short", ErrDamagedBloom)
	}
	return err
}
