package codec

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// The compressions that a library reads and writes whole. Writers and readers are pooled: each holds a window or tables of
// hundreds of kilobytes.

var zlibWriters = sync.Pool{New: func() any { return zlib.NewWriter(io.Discard) }}

func packZlib(body []byte) ([]byte, error) {
	w := zlibWriters.Get().(*zlib.Writer)
	defer zlibWriters.Put(w)
	return pack(w, body)
}

// pack runs body through a writer that can be reset.
func pack(w interface {
	io.WriteCloser
	Reset(io.Writer)
}, body []byte) ([]byte, error) {
	var out bytes.Buffer
	w.Reset(&out)
	defer w.Reset(io.Discard) // the pool must not keep the caller's bytes alive
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

var zlibReaders sync.Pool // io.ReadCloser with zlib.Resetter: one cannot be made without a stream

func unpackZlib(body []byte, limit int64) ([]byte, error) {
	src := bytes.NewReader(body)
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) { // gzip's magic; no zlib header, whose two bytes are a multiple of 31
		return unpackGzip(src, limit)
	}
	r, ok := zlibReaders.Get().(io.ReadCloser)
	var err error
	if ok {
		err = r.(zlib.Resetter).Reset(src, nil)
	} else {
		r, err = zlib.NewReader(src)
	}
	if err != nil {
		return nil, err
	}
	out, err := readLimited(r, len(body), limit)
	if err != nil {
		return nil, err // the reader's state is not worth keeping
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	zlibReaders.Put(r)
	return out, noTrailer(src)
}

func unpackGzip(src *bytes.Reader, limit int64) ([]byte, error) {
	size := src.Len()
	r, err := gzip.NewReader(src)
	if err != nil {
		return nil, err
	}
	out, err := readLimited(r, size, limit)
	if err != nil {
		return nil, err
	}
	return out, noTrailer(src)
}

// bzip2Writer gives dsnet's Reset the shape of the others.
type bzip2Writer struct{ *bzip2.Writer }

func (w *bzip2Writer) Reset(to io.Writer) { _ = w.Writer.Reset(to) } // it never fails

var bzip2Writers = sync.Pool{New: func() any {
	w, err := bzip2.NewWriter(io.Discard, &bzip2.WriterConfig{Level: bzip2.BestCompression}) // Python's level, 9
	if err != nil {
		panic(err) // the level is a constant of the library's own
	}
	return &bzip2Writer{w}
}}

func packBzip2(body []byte) ([]byte, error) {
	w := bzip2Writers.Get().(*bzip2Writer)
	defer bzip2Writers.Put(w)
	return pack(w, body)
}

// unpackBzip2 reads with the standard library, which refuses what follows the last stream.
func unpackBzip2(body []byte, limit int64) ([]byte, error) {
	if len(body) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return readLimited(stdbzip2.NewReader(bytes.NewReader(body)), len(body), limit)
}

var brotliWriters = sync.Pool{New: func() any { return brotli.NewWriterLevel(io.Discard, 6) }}

func packBrotli(body []byte) ([]byte, error) {
	w := brotliWriters.Get().(*brotli.Writer)
	defer brotliWriters.Put(w)
	return pack(w, body)
}

var brotliReaders = sync.Pool{New: func() any { return brotli.NewReader(nil) }}

// unpackBrotli needs no window bound of its own: brotli's largest is 16 MiB, and the reader takes no larger ones.
func unpackBrotli(body []byte, limit int64) ([]byte, error) {
	if len(body) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	src := bytes.NewReader(body)
	r := brotliReaders.Get().(*brotli.Reader)
	if err := r.Reset(src); err != nil {
		return nil, err
	}
	out, err := readLimited(r, len(body), limit)
	if err != nil {
		return nil, err // the reader's state is not worth keeping
	}
	brotliReaders.Put(r)
	return out, noTrailer(src)
}

// Python's zstandard reads only frames that tell their size. EncodeAll writes it, but under 256 bytes, where it must be
// asked to make the frame a single segment; and a frame even for nothing.
var (
	zstdWriters      = zstdPool()
	zstdShortWriters = zstdPool(zstd.WithSingleSegment(true))
)

const zstdShort = 256 // bytes

func zstdPool(options ...zstd.EOption) *sync.Pool {
	options = append(options, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	return &sync.Pool{New: func() any {
		w, err := zstd.NewWriter(nil, options...)
		if err != nil {
			panic(err) // the options are constants
		}
		return w
	}}
}

func packZstd(body []byte) ([]byte, error) {
	pool := zstdWriters
	if len(body) < zstdShort {
		pool = zstdShortWriters
	}
	w := pool.Get().(*zstd.Encoder)
	defer pool.Put(w)
	return w.EncodeAll(body, nil), nil
}

// maxZstdWindow is the largest window a sender may ask for: zstd's own rule for what every decoder should read.
const maxZstdWindow = 8 << 20

var zstdReaders = sync.Pool{New: func() any {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		panic(err) // the options are constants
	}
	return r
}}

func unpackZstd(body []byte, limit int64) ([]byte, error) {
	if len(body) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	r := zstdReaders.Get().(*zstd.Decoder)
	defer func() {
		_ = r.Reset(nil) // always nil for a nil stream
		zstdReaders.Put(r)
	}()
	if err := r.Reset(bytes.NewReader(body)); err != nil {
		return nil, err
	}
	out, err := readLimited(r, len(body), limit)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = errLimit
	}
	return out, err
}
