package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// The .xz container, read here rather than by the library: its header may ask for 4 GiB of dictionary, and Python's
// asks for 8 MiB however short the text. LZMA2 says in the clear how much each chunk unpacks to, so a block's true size is
// known, and refused, before anything is unpacked, and the dictionary need never be larger.
//
//	stream = header, block…, index, footer        file = stream, then zero padding in fours, again
//	block  = header, LZMA2 chunks, padding, check
//
// Format: tukaani.org/xz/xz-file-format.txt, version 1.2.

var (
	xzMagic       = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	xzFooterMagic = []byte{'Y', 'Z'}
	crc64ECMA     = crc64.MakeTable(crc64.ECMA)
)

const (
	xzLZMA2 = 0x21 // the filter's id

	// maxXZBlocks is how many blocks a body may have: each costs a fresh decoder of some 30 KiB, however little it holds.
	// Python writes one, the xz tool one for every few megabytes.
	maxXZBlocks = 10_000
)

// packXZ writes one stream with a dictionary no larger than the body.
func packXZ(body []byte) ([]byte, error) {
	var out bytes.Buffer
	dict := min(max(len(body), lzma.MinDictCap), 8<<20)
	w, err := xz.WriterConfig{DictCap: dict, BufSize: max(dict, 4096)}.NewWriter(&out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unpackXZ(body []byte, limit int64) ([]byte, error) {
	r := xzReader{rest: body, limit: limit}
	for first := true; first || len(r.rest) > 0; first = false {
		if !first && len(r.rest) >= 4 && string(r.rest[:4]) == "\x00\x00\x00\x00" {
			r.rest = r.rest[4:] // stream padding
			continue
		}
		if err := r.stream(); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

// An xzReader eats a file from the front.
type xzReader struct {
	rest   []byte
	out    []byte
	limit  int64
	blocks int
}

type xzRecord struct{ unpadded, unpacked uint64 }

func (r *xzReader) take(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, io.ErrUnexpectedEOF
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

// checked takes n bytes and the CRC32 of them that follows.
func (r *xzReader) checked(n int, what string) ([]byte, error) {
	b, err := r.take(n + 4)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("the checksum of the %s is wrong", what)
	}
	return b[:n], nil
}

func (r *xzReader) stream() error {
	if !bytes.HasPrefix(r.rest, xzMagic) {
		if bytes.HasPrefix(xzMagic, r.rest) {
			return io.ErrUnexpectedEOF
		}
		return errors.New("no .xz stream begins here")
	}
	r.rest = r.rest[len(xzMagic):]
	flags, err := r.checked(2, "stream header")
	if err != nil {
		return err
	}
	check, err := newXZCheck(flags)
	if err != nil {
		return err
	}
	var records []xzRecord
	for {
		if len(r.rest) == 0 {
			return io.ErrUnexpectedEOF
		}
		if r.rest[0] == 0 { // the index
			break
		}
		record, err := r.block(check)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	indexSize, err := r.index(records)
	if err != nil {
		return err
	}
	sum, err := r.take(4)
	if err != nil {
		return err
	}
	footer, err := r.take(8)
	if err != nil {
		return err
	}
	size := (uint64(binary.LittleEndian.Uint32(footer)) + 1) * 4
	if crc32.ChecksumIEEE(footer[:6]) != binary.LittleEndian.Uint32(sum) || size != uint64(indexSize) ||
		!bytes.Equal(footer[4:6], flags) || !bytes.Equal(footer[6:], xzFooterMagic) {
		return errors.New("the stream footer is wrong")
	}
	return nil
}

// newXZCheck is the integrity check that the stream's flags name, nil for none.
func newXZCheck(flags []byte) (func() hash.Hash, error) {
	if flags[0] == 0 {
		switch flags[1] {
		case 0:
			return nil, nil
		case 1:
			return func() hash.Hash { return crc32.NewIEEE() }, nil
		case 4:
			return func() hash.Hash { return crc64.New(crc64ECMA) }, nil
		case 10:
			return sha256.New, nil
		}
	}
	return nil, fmt.Errorf("stream flags %x are not known", flags)
}

func (r *xzReader) block(newCheck func() hash.Hash) (record xzRecord, err error) {
	if r.blocks++; r.blocks > maxXZBlocks {
		return record, fmt.Errorf("more than %d blocks", maxXZBlocks)
	}
	headerSize := (int(r.rest[0]) + 1) * 4
	header, err := r.checked(headerSize-4, "block header")
	if err != nil {
		return record, err
	}
	dict, packedSize, unpackedSize, err := readXZBlockHeader(header)
	if err != nil {
		return record, err
	}
	unpacked, packed, err := measureLZMA2(r.rest)
	if err != nil {
		return record, err
	}
	if packedSize >= 0 && packedSize != int64(packed) || unpackedSize >= 0 && unpackedSize != unpacked {
		return record, errors.New("a block is not as long as its header says")
	}
	if unpacked > r.limit-int64(len(r.out)) {
		return record, errLimit
	}
	data, err := r.take(packed)
	if err != nil {
		return record, err
	}
	start := len(r.out)
	if err := r.unpack(data, dict, int(unpacked)); err != nil {
		return record, err
	}
	unpadded := headerSize + packed
	if err := r.padding(unpadded); err != nil {
		return record, err
	}
	if newCheck != nil {
		sum := newCheck()
		sum.Write(r.out[start:])
		want, err := r.take(sum.Size())
		if err != nil {
			return record, err
		}
		got := sum.Sum(nil)
		if sum.Size() < sha256.Size { // CRCs are written little endian
			slices.Reverse(got)
		}
		if !bytes.Equal(want, got) {
			return record, errors.New("the checksum of a block is wrong")
		}
		unpadded += sum.Size()
	}
	return xzRecord{uint64(unpadded), uint64(unpacked)}, nil
}

// padding passes the zeros that make n a multiple of four.
func (r *xzReader) padding(n int) error {
	b, err := r.take(-n & 3)
	if err != nil {
		return err
	}
	for _, c := range b {
		if c != 0 {
			return errors.New("padding that is not zero")
		}
	}
	return nil
}

// readXZBlockHeader reads sizes (-1 where the header does not tell) and the dictionary size. The only filter is LZMA2.
func readXZBlockHeader(header []byte) (dict, packed, unpacked int64, err error) {
	bad := errors.New("a block header is malformed")
	flags := header[1]
	rest := header[2:]
	packed, unpacked = -1, -1
	if flags&0x3c != 0 {
		return 0, 0, 0, bad
	}
	for _, size := range []struct {
		present bool
		to      *int64
	}{{flags&0x40 != 0, &packed}, {flags&0x80 != 0, &unpacked}} {
		if !size.present {
			continue
		}
		v, n := xzVarint(rest)
		if n == 0 {
			return 0, 0, 0, bad
		}
		*size.to, rest = int64(v), rest[n:]
	}
	if flags&3 != 0 || len(rest) < 3 || rest[0] != xzLZMA2 {
		return 0, 0, 0, errors.New("a filter beside LZMA2 is not supported")
	}
	if rest[1] != 1 || rest[2] > 40 {
		return 0, 0, 0, bad
	}
	if dict, err = lzma.DecodeDictCap(rest[2]); err != nil {
		return 0, 0, 0, bad
	}
	for _, c := range rest[3:] {
		if c != 0 {
			return 0, 0, 0, bad
		}
	}
	return dict, packed, unpacked, nil
}

// measureLZMA2 walks the headers of a block's chunks to its end marker: how much they take and how much they become.
func measureLZMA2(b []byte) (unpacked int64, packed int, err error) {
	for {
		if packed >= len(b) {
			return 0, 0, io.ErrUnexpectedEOF
		}
		control := b[packed]
		header, size := 3, 0
		switch {
		case control == 0:
			return unpacked, packed + 1, nil
		case control >= 0x80:
			if header = 5; control >= 0xc0 {
				header = 6 // new properties
			}
		case control > 2:
			return 0, 0, fmt.Errorf("an LZMA2 chunk cannot begin with 0x%02x", control)
		}
		if packed+header > len(b) {
			return 0, 0, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint16(b[packed+1:])) + 1
		if control >= 0x80 {
			n += int64(control&0x1f) << 16
			size = int(binary.BigEndian.Uint16(b[packed+3:])) + 1
		} else {
			size = int(n)
		}
		unpacked += n
		packed += header + size
	}
}

func (r *xzReader) unpack(data []byte, dict int64, size int) error {
	if size == 0 {
		return nil
	}
	z, err := lzma.Reader2Config{DictCap: int(min(dict, max(int64(size), lzma.MinDictCap)))}.NewReader2(bytes.NewReader(data))
	if err != nil {
		return err
	}
	start := len(r.out)
	r.out = slices.Grow(r.out, size)[:start+size]
	if _, err := io.ReadFull(z, r.out[start:]); err != nil {
		return err
	}
	return atEnd(z)
}

// index checks that the list of blocks says what was read.
func (r *xzReader) index(records []xzRecord) (size int, err error) {
	whole := r.rest
	n := 1
	varint := func() (uint64, error) {
		v, k := xzVarint(whole[n:])
		if k == 0 {
			return 0, errors.New("the index is malformed")
		}
		n += k
		return v, nil
	}
	count, err := varint()
	if err != nil {
		return 0, err
	}
	if count != uint64(len(records)) {
		return 0, fmt.Errorf("the index lists %d blocks, %d were there", count, len(records))
	}
	for _, want := range records {
		var got xzRecord
		if got.unpadded, err = varint(); err == nil {
			got.unpacked, err = varint()
		}
		if err != nil {
			return 0, err
		}
		if got != want {
			return 0, errors.New("the index does not fit the blocks")
		}
	}
	padded := (n + 3) &^ 3
	if _, err = r.checked(padded, "index"); err != nil {
		return 0, err
	}
	for _, c := range whole[n:padded] {
		if c != 0 {
			return 0, errors.New("padding that is not zero")
		}
	}
	return padded + 4, nil
}

// xzVarint reads a number of up to 63 bits, seven to the byte, lowest first; n is 0 when there is none.
func xzVarint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		c := b[n]
		v |= uint64(c&0x7f) << (7 * n)
		n++
		if c < 0x80 {
			if c == 0 && n > 1 {
				return 0, 0 // not the shortest form
			}
			return v, n
		}
	}
	return 0, 0
}
