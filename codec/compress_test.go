package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"pgregory.net/rapid"
)

var aliases = []string{"gzip", "bzip2", "lzma", "brotli", "zstd"}

func TestEveryCompressionRoundTrips(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"gzip", "zlib", "bzip2", "bzip", "lzma", "xz", "brotli", "zstd", "zstandard", "application/x-gzip", "application/zstd"}).Draw(rt, "name")
		body := rapid.SliceOf(rapid.Byte()).Draw(rt, "body")
		body = bytes.Repeat(body, rapid.IntRange(1, 50).Draw(rt, "times"))
		mime, packed, err := Compress(name, body)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := Decompress(mime, packed, int64(max(1, len(body)))) // exactly the limit must pass
		if err != nil || !bytes.Equal(got, body) {
			rt.Fatalf("%s: %d bytes came back as %d, %v", name, len(body), len(got), err)
		}
	})
}

func TestCompressionSurvivesManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			body := noise(1000 * (i + 1))
			for range 5 {
				for _, name := range aliases {
					mime, packed, err := Compress(name, body)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := Decompress(mime, packed, 1<<20)
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestTruncatedCompressedContentIsAnError(t *testing.T) {
	body := []byte(strings.Repeat("truncated somewhere ", 30))
	for _, name := range aliases {
		mime, packed, err := Compress(name, body)
		if err != nil {
			t.Fatal(err)
		}
		for n := range packed {
			if out, err := Decompress(mime, packed[:n], 1<<20); err == nil {
				t.Errorf("%s cut to %d of %d bytes gives %d bytes and no error", name, n, len(packed), len(out))
			}
		}
	}
}

func TestTrailingGarbageIsAnError(t *testing.T) {
	for _, name := range aliases {
		mime, packed, err := Compress(name, []byte("the end"))
		if err != nil {
			t.Fatal(err)
		}
		for _, tail := range []string{"x", "\x00", "garbage that follows", "\x00\x00\x00\x00x"} {
			if out, err := Decompress(mime, append(bytes.Clone(packed), tail...), 1<<20); err == nil {
				t.Errorf("%s followed by %q gives %q and no error", name, tail, out)
			}
		}
	}
}

func TestFlippedBitsNeverPassChecksums(t *testing.T) {
	body := []byte(strings.Repeat("checksums are for this ", 20))
	for _, name := range aliases {
		if name == "brotli" { // it has none
			continue
		}
		mime, packed, err := Compress(name, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := range packed {
			damaged := bytes.Clone(packed)
			damaged[i] ^= 1 << (i % 8)
			if got, err := Decompress(mime, damaged, 1<<20); err == nil && !bytes.Equal(got, body) {
				t.Errorf("%s with byte %d damaged gives other content and no error", name, i)
			}
		}
	}
}

func TestTrueGzipIsReadToo(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, "a true gzip stream")
	w.Close()
	got, err := Decompress("application/x-gzip", b.Bytes(), 100)
	if err != nil || string(got) != "a true gzip stream" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Decompress("application/x-gzip", append(b.Bytes(), "tail"...), 100); err == nil {
		t.Error("garbage after gzip passes")
	}
}

func TestSeveralXZStreamsAndBlocksAreOneFile(t *testing.T) {
	var whole bytes.Buffer
	for i, check := range []byte{xz.CRC32, xz.CRC64, xz.SHA256, xz.None} {
		cfg := xz.WriterConfig{CheckSum: check, BlockSize: 10, NoCheckSum: check == xz.None, DictCap: 1 << 16}
		if check == xz.None {
			cfg.CheckSum = 0
		}
		w, err := cfg.NewWriter(&whole)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, strings.Repeat("block ", 10))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		whole.Write(make([]byte, 4*i))
	}
	got, err := Decompress("xz", whole.Bytes(), 240)
	if err != nil || string(got) != strings.Repeat("block ", 40) {
		t.Errorf("%q, %v", got, err)
	}
	var bomb *BombError
	if _, err := Decompress("xz", whole.Bytes(), 239); !errors.As(err, &bomb) {
		t.Errorf("a byte over the limit: %v", err)
	}
}

func TestAnUnknownCompressionNamesTheKnown(t *testing.T) {
	if _, err := Decompress("application/x-lz4", []byte("x"), 10); err == nil || !strings.Contains(err.Error(), "zstd") {
		t.Errorf("%v", err)
	}
	if _, _, err := Compress("lz4", []byte("x")); err == nil || !strings.Contains(err.Error(), `"lz4"`) {
		t.Errorf("%v", err)
	}
}

const bombSize = 1 << 30

// flusher is a compressor that can be made to write out what it holds.
type flusher interface {
	io.Writer
	Flush() error
}

// bombOf packs a gibibyte of zeros. Packing them all takes long, so one packed mebibyte is repeated: whole streams where
// the format lets them follow each other, else what the writer gives between two flushes, once that no longer changes.
func bombOf(t *testing.T, name string) []byte {
	zeros := make([]byte, 1<<20)
	var b bytes.Buffer
	var w flusher
	switch name {
	case "gzip":
		w = zlib.NewWriter(&b)
	case "brotli":
		w = brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 1, LGWin: 24})
	default:
		_, packed, err := Compress(name, zeros)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Repeat(packed, bombSize>>20)
	}
	var ends []int
	for range 4 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, b.Len())
	}
	body := b.Bytes()
	third, fourth := body[ends[1]:ends[2]], body[ends[2]:]
	if !bytes.Equal(third, fourth) {
		t.Fatalf("%s writes the same zeros differently each time", name)
	}
	return append(bytes.Clone(body), bytes.Repeat(fourth, bombSize>>20-4)...)
}

// allocated is how many bytes f allocates in all, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestABombIsRefusedInBoundedMemory(t *testing.T) {
	const limit = 4 << 20
	for _, name := range aliases {
		t.Run(name, func(t *testing.T) {
			packed := bombOf(t, name)
			c, err := compressionNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			var bomb *BombError
			spent := allocated(func() {
				_, err = Decompress(c.mime, packed, limit)
			})
			if !errors.As(err, &bomb) || bomb.Limit != limit {
				t.Fatalf("%d bytes of bomb: %v", len(packed), err)
			}
			t.Logf("%d bytes, a gibibyte unpacked, refused after %d KiB of allocations", len(packed), spent>>10)
			if spent > 48<<20 { // the limit, its doublings, and the largest window a format may ask for, twice
				t.Errorf("refusing it took %d MiB", spent>>20)
			}
		})
	}
}

// A header is only a claim: what it asks for must not be given.
func TestClaimsOfHugeWindowsCostNothing(t *testing.T) {
	var xzBomb bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 20}.NewWriter(&xzBomb)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "short")
	w.Close()
	claim := xzBomb.Bytes()
	claimDictionary(claim, 40) // 4 GiB
	var out []byte
	spent := allocated(func() { out, err = Decompress("xz", claim, 1<<20) })
	if err != nil || string(out) != "short" || spent > 1<<20 {
		t.Errorf("xz with a dictionary of 4 GiB: %q, %v, %d KiB", out, err, spent>>10)
	}
	for name, frame := range map[string]string{
		"window of 1 GiB":     "\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00",
		"window of 2 TiB":     "\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00",
		"content of 2^60":     "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x00\x00\x10\x01\x00\x00",
		"content of 128 MiB":  "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x08\x01\x00\x00",
		"content of 5 MiB":    "\x28\xb5\x2f\xfd\xa0\x00\x00\x50\x00\x01\x00\x00",
		"dictionary unknown ": "\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00",
	} {
		spent := allocated(func() { _, err = Decompress("zstd", []byte(frame), 1<<20) })
		if err == nil || spent > 24<<20 {
			t.Errorf("zstd, %s: %v, %d KiB", name, err, spent>>10)
		}
	}
}

// claimDictionary rewrites the dictionary size of an .xz stream's first block.
func claimDictionary(b []byte, code byte) {
	header := b[12 : 12+(int(b[12])+1)*4]
	body := header[:len(header)-4]
	at := bytes.Index(body, []byte{xzLZMA2, 1})
	body[at+2] = code
	sum := crc32.ChecksumIEEE(body)
	copy(header[len(header)-4:], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
}

func TestRandomBytesNeverPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		for _, name := range aliases {
			mime, packed, err := Compress(name, noise(1+r.IntN(300)))
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(4) {
				packed[r.IntN(len(packed))] = byte(r.Uint32())
			}
			if out, err := Decompress(mime, packed, 4096); err == nil && len(out) > 4096 {
				t.Fatalf("%s passes its limit", name)
			}
		}
	}
}

// Python's zstandard refuses frames that do not tell how much they hold.
func TestZstdFramesTellTheirSize(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 300, 100_000, 5 << 20} {
		_, packed, err := Compress("zstd", noise(size))
		if err != nil {
			t.Fatal(err)
		}
		var h zstd.Header
		if err := h.Decode(packed); err != nil || !h.HasFCS || h.FrameContentSize != uint64(size) {
			t.Errorf("%d bytes: %+v, %v", size, h, err)
		}
	}
}

func TestManyTinyXZBlocksAreRefused(t *testing.T) {
	_, packed, err := Compress("xz", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decompress("xz", bytes.Repeat(packed, maxXZBlocks+1), 1<<20); err == nil || !strings.Contains(err.Error(), "more than 10000 blocks") {
		t.Errorf("%v", err)
	}
}
