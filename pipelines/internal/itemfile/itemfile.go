// Package itemfile is a file of records that several processes append to, as jsonpipe and csvpipe need it.
//
// A writer takes the file's lock, reads what others have appended since its last turn, appends its own records in
// one write, and gives the lock back. So each writer knows every record in the file; and a record that ends in the
// middle was left by a crash: whoever holds the lock cuts it off.
package itemfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// MaxRecord is the length of the longest record read back, in bytes. A longer one is passed over unread.
const MaxRecord = 64 << 20

// Config says how to read a file.
type Config struct {
	// Quoted says that a line end between double quotes does not end a record.
	Quoted bool
	// Learn is called for each record in the file, once, in order, with its line end; not for those that this File
	// appended. It must not keep the slice.
	Learn func(record []byte) error
	// Repaired is called when an unfinished record of cut bytes was taken off the end of the file.
	Repaired func(path string, cut int64)
}

// File is a file of records. Its methods must not be called at once.
type File struct {
	f      *os.File
	config Config
	known  int64 // everything before this offset was learnt
}

// Open opens the file for appending, creates it and its folders if need be, and learns what it holds.
func Open(ctx context.Context, path string, c Config) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	file := &File{f: f, config: c}
	if err := file.Update(ctx, func() []byte { return nil }); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, nil
}

// Update appends what build returns, in one write. When build is called, everything in the file has been learnt,
// and nobody else writes until Update returns. After an error nothing was appended.
func (f *File) Update(ctx context.Context, build func() []byte) error {
	unlock, err := lock(ctx, f.f)
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.f.Name(), err)
	}
	defer unlock()
	if err := f.catchUp(ctx); err != nil {
		return fmt.Errorf("read %s: %w", f.f.Name(), err)
	}
	data := build()
	if len(data) == 0 {
		return nil
	}
	if _, err := f.f.Write(data); err != nil {
		return errors.Join(err, f.f.Truncate(f.known)) // a full disk takes a part of it
	}
	f.known += int64(len(data))
	return nil
}

// Sync returns when what was appended survives a loss of power.
func (f *File) Sync() error { return f.f.Sync() }

// Close syncs and closes the file.
func (f *File) Close() error { return errors.Join(f.f.Sync(), f.f.Close()) }

// catchUp learns what was appended since the last turn.
func (f *File) catchUp(ctx context.Context) error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size < f.known {
		return fmt.Errorf("it has %d bytes and had %d: another program changed it", size, f.known)
	}
	if size == f.known {
		return nil
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f.f, f.known, size-f.known), 1<<20)
	var record []byte
	for {
		var length int64
		record, length, err = next(in, record[:0], f.config.Quoted)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if length <= MaxRecord {
			if err := f.config.Learn(record); err != nil {
				return err
			}
		}
		f.known += length
	}
	if torn := size - f.known; torn > 0 {
		if err := f.f.Truncate(f.known); err != nil {
			return err
		}
		f.config.Repaired(f.f.Name(), torn)
	}
	return nil
}

// next reads a whole record into buf, as far as MaxRecord, and returns its length. It returns io.EOF if there is
// none, whole or not.
func next(in *bufio.Reader, buf []byte, quoted bool) (record []byte, length int64, err error) {
	open := false // between quotes
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if length <= MaxRecord {
			buf = append(buf, part...)
		}
		if quoted && bytes.Count(part, []byte{'"'})%2 == 1 {
			open = !open
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return buf, length, err
		case !open:
			return buf, length, nil
		}
	}
}
