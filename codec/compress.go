package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A BombError says that decompressed content would pass its limit. Nothing beyond the limit was kept.
type BombError struct {
	Mime       string // how it was compressed
	Compressed int    // bytes that came
	Limit      int64  // bytes that were allowed to come out
}

func (e *BombError) Error() string {
	return fmt.Sprintf("decompress %s: %d bytes would grow beyond the limit of %d; raise the limit if this sender may send so much",
		e.Mime, e.Compressed, e.Limit)
}

// A compression is one way to make a body smaller, under kombu's mime type.
type compression struct {
	mime    string
	aliases []string
	pack    func(body []byte) ([]byte, error)

	// unpack returns at most limit bytes, or errLimit.
	unpack func(body []byte, limit int64) ([]byte, error)
}

func compressions() []compression {
	return []compression{
		{"application/x-gzip", []string{"gzip", "zlib"}, packZlib, unpackZlib},
		{"application/x-bz2", []string{"bzip2", "bzip"}, packBzip2, unpackBzip2},
		{"application/x-lzma", []string{"lzma", "xz"}, packXZ, unpackXZ},
		{"application/x-brotli", []string{"brotli"}, packBrotli, unpackBrotli},
		{"application/zstd", []string{"zstd", "zstandard"}, packZstd, unpackZstd},
	}
}

// errLimit: the output would pass its limit.
var errLimit = errors.New("output passes the limit")

func compressionNamed(name string) (compression, error) {
	name = strings.ToLower(name)
	var known []string
	for _, c := range compressions() {
		if c.mime == name {
			return c, nil
		}
		for _, alias := range c.aliases {
			if alias == name {
				return c, nil
			}
			known = append(known, alias)
		}
	}
	return compression{}, fmt.Errorf("compression %q is not known; known are %s", clip(name), strings.Join(known, ", "))
}

// Compress packs a body. The name is an alias (gzip, zlib, bzip2, bzip, lzma, xz, brotli, zstd, zstandard) or kombu's mime
// type; mime is what the header "compression" must say. gzip is a zlib stream, because that is what Celery reads and
// writes under that name.
func Compress(name string, body []byte) (mime string, out []byte, err error) {
	c, err := compressionNamed(name)
	if err != nil {
		return "", nil, err
	}
	out, err = c.pack(body)
	if err != nil {
		return "", nil, fmt.Errorf("compress %s: %w", c.mime, err)
	}
	return c.mime, out, nil
}

// Decompress unpacks a body by the header "compression". More than limit bytes (0 or less means DefaultLimit) are a
// *BombError, and memory stays within a small multiple of the limit whatever the content claims. Content that ends early,
// or goes on after its end, is an error. Under application/x-gzip a true gzip stream is read too.
func Decompress(mime string, body []byte, limit int64) ([]byte, error) {
	c, err := compressionNamed(mime)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = DefaultLimit
	}
	out, err := c.unpack(body, limit)
	switch {
	case errors.Is(err, errLimit):
		return nil, &BombError{Mime: c.mime, Compressed: len(body), Limit: limit}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("decompress %s: the content ends early", c.mime)
	case err != nil:
		return nil, fmt.Errorf("decompress %s: %w", c.mime, err)
	}
	return out, nil
}

// readLimited reads r to its end. The buffer starts at a guess from what came and doubles, never beyond limit.
func readLimited(r io.Reader, compressed int, limit int64) ([]byte, error) {
	out := make([]byte, 0, min(limit, max(512, 4*int64(compressed))))
	for {
		if len(out) == cap(out) {
			if int64(len(out)) >= limit {
				return out, atEnd(r)
			}
			grown := make([]byte, len(out), min(limit, 2*int64(cap(out))))
			copy(grown, out)
			out = grown
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// atEnd says whether a reader that has given all it may has no more.
func atEnd(r io.Reader) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return errLimit
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// noTrailer checks that a stream used up all that came.
func noTrailer(src *bytes.Reader) error {
	if src.Len() > 0 {
		return fmt.Errorf("%d bytes follow the end of the content", src.Len())
	}
	return nil
}
