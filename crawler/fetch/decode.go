package fetch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxCodings is how many content codings may be stacked.
	maxCodings = 4
	// freeRatio is how many decompressed bytes no ratio is asked about.
	freeRatio = 1 << 20
	// maxTrailing is how much garbage behind a compressed body is read, so that the connection can be used again.
	maxTrailing = 64 << 10
	// zstdWindow is the largest window that HTTP allows (RFC 9659).
	zstdWindow = 8 << 20
	// wireBuffer is how much of the wire is read at once for a decoder.
	wireBuffer = 8 << 10
	// trustLength is the largest Content-Length that a body is allocated by.
	trustLength = 256 << 10
	// keepScratch is the largest buffer that is kept for the next body.
	keepScratch = 1 << 20
)

// readBody reads the body, undoes its content codings and enforces the limits.
func (x *exchange) readBody(answer *http.Response) ([]byte, error) {
	codings, err := x.codings(answer.Header)
	if err != nil {
		return nil, err
	}
	if answer.Body == http.NoBody || answer.ContentLength == 0 {
		return nil, nil
	}
	wire := &wireReader{x: x, body: answer.Body}
	if len(codings) == 0 {
		return x.readAll(wire, answer.ContentLength)
	}

	body, err := x.decode(wire, codings)
	if err != nil || x.flags.Has(Cut) {
		return body, err
	}
	// What the outermost decoder did not ask for: chunks that end the body, or garbage.
	if n, _ := io.CopyN(io.Discard, wire, maxTrailing); n > 0 {
		x.flags |= TrailingGarbage
	}
	return body, x.broken
}

// decode undoes the last coding, and lets another call undo those before it.
func (x *exchange) decode(source io.Reader, codings []string) ([]byte, error) {
	if len(codings) == 0 {
		return x.readAll(source, -1)
	}
	last := len(codings) - 1
	l := newLayer(source, &x.flags, x.maxBody()+freeRatio)
	defer func() { l.free() }()
	if err := l.open(codings[last]); err != nil {
		return nil, err
	}
	return x.decode(l, codings[:last])
}

// codings returns the content codings of an answer, in the order in which they were applied.
func (x *exchange) codings(h http.Header) ([]string, error) {
	var codings []string
	for _, line := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch name {
			case "", "identity":
			case "gzip", "deflate", "br", "zstd":
				codings = append(codings, name)
			case "x-gzip":
				codings = append(codings, "gzip")
			case "none", "binary", "8bit", "7bit", "utf-8", "utf8", "iso-8859-1", "text/html": // seen in the wild; no coding at all
				x.flags |= EncodingLie
			default:
				return nil, refuse(ReasonUndecodable, "the content coding %.40q is unknown", name)
			}
			if len(codings) > maxCodings {
				return nil, refuse(ReasonUndecodable, "more than %d content codings", maxCodings)
			}
		}
	}
	return codings, nil
}

// wireReader counts the bytes of the body and remembers what ended it.
type wireReader struct {
	x    *exchange
	body io.Reader
}

func (w *wireReader) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	w.x.wire.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		w.x.broken = err
	}
	return n, err
}

// readAll reads to the end, within the limits. length is what to expect, if it is not negative.
func (x *exchange) readAll(r io.Reader, length int64) ([]byte, error) {
	limit := x.maxBody()
	if length >= 0 && length <= min(limit, trustLength) {
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		return body, x.drain(r)
	}

	scratch := scratches.Get().(*[]byte)
	body := (*scratch)[:0]
	defer func() {
		if cap(body) > keepScratch {
			body = nil // the caller has it, or nobody
		} else {
			*scratch = body[:0]
		}
		scratches.Put(scratch)
	}()
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		if err := x.checkSize(int64(len(body)), limit); err != nil {
			return nil, err
		}
		if int64(len(body)) > limit {
			x.flags |= Cut
			body = body[:limit]
			err = io.EOF
		}
		if errors.Is(err, io.EOF) {
			if cap(body) > keepScratch {
				return body, nil
			}
			return append(make([]byte, 0, len(body)), body...), nil
		}
		if err != nil {
			return nil, decodeError(err)
		}
	}
}

// drain reads the end of a body all of whose bytes have come.
func (x *exchange) drain(r io.Reader) error {
	var rest [1]byte
	if _, err := r.Read(rest[:]); err != nil && x.broken != nil {
		return err
	}
	return nil
}

// checkSize refuses a body of n bytes so far.
func (x *exchange) checkSize(n, limit int64) error {
	if ratio := x.client.config.MaxRatio; ratio > 0 && n > freeRatio && n/ratio > x.wire.Load() {
		return refuse(ReasonBomb, "%d bytes on the wire are %d decompressed, and that is not all", x.wire.Load(), n)
	}
	if n > limit && !x.req.Prefix {
		return refuse(ReasonTooLarge, "the body has more than %d bytes", limit)
	}
	return nil
}

// decodeError gives an error of a decoder its reason. Errors of the wire get theirs elsewhere.
func decodeError(err error) error {
	var known *refusal
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrChecksum),
		errors.Is(err, zstd.ErrCRCMismatch):
		return refuse(ReasonTruncated, "the compressed body is damaged: %v", err)
	default:
		return refuse(ReasonUndecodable, "the compressed body is broken: %v", err)
	}
}

// layer undoes one content coding.
type layer struct {
	in    *bufio.Reader // coded
	out   io.Reader     // decoded
	flags *Flags
	limit int64 // of decoded bytes: those of an inner layer are not seen by readAll
	next  func() (more bool, err error)
	free  func()
}

func newLayer(source io.Reader, flags *Flags, limit int64) *layer {
	in := readers.Get().(*bufio.Reader)
	in.Reset(source)
	return &layer{in: in, out: in, flags: flags, limit: limit, free: func() {
		in.Reset(eof{}) // lets go of the connection
		readers.Put(in)
	}}
}

// open prepares for a coding; for none at all, if that is what the body is in.
func (l *layer) open(coding string) error {
	head, err := l.in.Peek(sniffLength)
	if len(head) == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return nil // nothing is nothing in any coding
	}
	switch {
	case coding == "gzip" && isGzip(head):
		return l.openGzip()
	case coding == "zstd" && isZstd(head):
		return l.openZstd()
	case coding == "deflate" && !isText(head):
		return l.openDeflate(head)
	case coding == "br" && !isText(head):
		l.openBrotli()
		return nil
	}
	if !isText(head) && http.DetectContentType(head) == "application/octet-stream" {
		return refuse(ReasonUndecodable, "the body is neither %s nor anything known", coding)
	}
	*l.flags |= EncodingLie
	return nil
}

func (l *layer) Read(p []byte) (int, error) {
	for {
		n, err := l.out.Read(p)
		if l.limit -= int64(n); l.limit < 0 {
			return 0, refuse(ReasonTooLarge, "a layer of the body is too large")
		}
		if n > 0 && (err == nil || errors.Is(err, io.EOF)) {
			return n, nil
		}
		if err == nil {
			continue
		}
		if isExcess(err) {
			*l.flags |= TrailingGarbage
			l.out = eof{}
			if n > 0 {
				return n, nil
			}
			continue
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if l.next == nil {
			return 0, io.EOF
		}
		if more, err := l.next(); !more || err != nil {
			l.next = nil
			if err != nil {
				return 0, err
			}
		}
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// isExcess reports whether a decoder is done and complains about what follows.
func isExcess(err error) bool {
	return err.Error() == "brotli: excessive input" || errors.Is(err, zstd.ErrMagicMismatch)
}

// openGzip reads one member after another. What follows the last one is left out.
func (l *layer) openGzip() error {
	z := gzips.Get().(*gzip.Reader)
	l.chainFree(func() { gzips.Put(z) })
	if err := z.Reset(l.in); err != nil {
		return headError(err)
	}
	z.Multistream(false)
	l.out = z
	l.next = func() (bool, error) {
		more, err := l.trailing(isGzip)
		if !more || err != nil {
			return false, err
		}
		if err := z.Reset(l.in); err != nil {
			*l.flags |= TrailingGarbage // begins like a member, and is none
			l.out = eof{}
			return false, nil //nolint:nilerr // the members before it are whole
		}
		z.Multistream(false)
		return true, nil
	}
	return nil
}

// openDeflate takes what the standard means, zlib, and what some servers send, deflate alone.
func (l *layer) openDeflate(head []byte) error {
	l.next = func() (bool, error) { return l.trailing(nil) }
	if len(head) >= 2 && head[0]&0x0F == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		z, err := zlib.NewReader(l.in)
		if err != nil {
			return headError(err)
		}
		l.out = z
		return nil
	}
	f := flates.Get().(flateReader)
	l.chainFree(func() { flates.Put(f) })
	l.out = f
	return f.Reset(l.in, nil)
}

// flateReader is what flate.NewReader returns.
type flateReader interface {
	io.Reader
	flate.Resetter
}

func (l *layer) openBrotli() {
	b := brotlis.Get().(*brotli.Reader)
	l.chainFree(func() { brotlis.Put(b) })
	_ = b.Reset(l.in) // never fails
	l.out = b
}

func (l *layer) openZstd() error {
	z, ok := zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return err
		}
	}
	l.chainFree(func() {
		if z.Reset(nil) == nil { // lets go of the input
			zstds.Put(z)
		}
	})
	l.out = z
	return z.Reset(l.in)
}

// chainFree adds to what free does.
func (l *layer) chainFree(more func()) {
	before := l.free
	l.free = func() {
		more()
		before()
	}
}

// trailing looks at what follows the end of a stream: another one, as starts says, nothing, or garbage.
func (l *layer) trailing(starts func(head []byte) bool) (more bool, err error) {
	head, err := l.in.Peek(2)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return false, nil
	case len(head) == 0:
		return false, err
	case starts != nil && starts(head):
		return true, nil
	}
	*l.flags |= TrailingGarbage
	l.out = eof{}
	return false, nil
}

// headError is about the head of a compressed stream, in which any end is too early.
func headError(err error) error {
	if errors.Is(err, io.EOF) {
		return decodeError(io.ErrUnexpectedEOF)
	}
	return decodeError(err)
}

// sniffLength is how much of a body is looked at to see whether it is coded.
const sniffLength = 64

func isGzip(head []byte) bool { return len(head) >= 2 && head[0] == 0x1F && head[1] == 0x8B }

// isZstd knows frames and skippable frames.
func isZstd(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	return string(head[:4]) == "\x28\xB5\x2F\xFD" || head[0]&0xF0 == 0x50 && string(head[1:4]) == "\x2A\x4D\x18"
}

// isText reports whether the beginning of a body reads as text: compressed data of some length never does.
func isText(head []byte) bool {
	for len(head) > 0 {
		c, n := utf8.DecodeRune(head)
		if c == utf8.RuneError && n == 1 {
			return len(head) < utf8.UTFMax && !utf8.FullRune(head) // cut off here
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7F {
			return false
		}
		head = head[n:]
	}
	return true
}

// Gunzip undoes gzip, of which at most limit bytes may come: for files that are compressed themselves, such as sitemaps, and may
// or may not have been decompressed on the way. What is not gzip is returned as it is.
func Gunzip(body []byte, limit int64) ([]byte, error) {
	if !isGzip(body) {
		return body, nil
	}
	x := &exchange{client: &Client{config: Config{MaxBody: limit}}, req: new(Request)}
	return x.decode(bytes.NewReader(body), []string{"gzip"})
}

// What is used again. sync.Pool keeps none of it beyond two garbage collections.
var (
	readers   = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, wireBuffer) }}
	gzips     = sync.Pool{New: func() any { return new(gzip.Reader) }}
	flates    = sync.Pool{New: func() any { return flate.NewReader(eof{}) }}
	brotlis   = sync.Pool{New: func() any { return brotli.NewReader(eof{}) }}
	zstds     sync.Pool
	scratches = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}
)
