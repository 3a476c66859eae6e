package amqpwire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// depthMost bounds nesting. The library takes 32; x-death is 2 deep.
const depthMost = 16

// valid reports whether a Decoder can read a table.
func valid(b []byte) bool {
	return sound('F', b, 0)
}

// sound is valid for tables and arrays.
func sound(container byte, b []byte, depth int) bool {
	s := scanner{rest: b}
	for len(s.rest) > 0 {
		if container == 'F' {
			s.short()
		}
		kind, inside := s.skip()
		if kind != 'F' && kind != 'A' {
			continue
		}
		if depth == depthMost || !sound(kind, inside, depth+1) {
			return false
		}
	}
	return !s.bad
}

// A scanner takes a table apart. Once something is missing it is bad, and everything after that is zero.
type scanner struct {
	rest []byte
	bad  bool
}

// take returns the next n bytes.
func (s *scanner) take(n uint32) []byte {
	if uint64(n) > uint64(len(s.rest)) {
		s.fail()
		return nil
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scanner) fail() { s.rest, s.bad = nil, true }

func (s *scanner) uint8() uint8 {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint16() uint16 {
	if b := s.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scanner) uint64() uint64 {
	if b := s.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// short returns a field's name.
func (s *scanner) short() []byte { return s.take(uint32(s.uint8())) }

// long returns what has a length of 32 bits in front: text, bytes, a table, an array.
func (s *scanner) long() []byte { return s.take(s.uint32()) }

// table reads fields until the end.
func (s *scanner) table(depth int) protocol.Table {
	t := make(protocol.Table, s.count('F'))
	for len(s.rest) > 0 {
		name := intern(s.short())
		t[name] = s.value(depth)
	}
	return t
}

// count returns the number of a table's fields, or of an array's values.
func (s *scanner) count(container byte) int {
	ahead := *s
	n := 0
	for ; len(ahead.rest) > 0; n++ {
		if container == 'F' {
			ahead.short()
		}
		ahead.skip()
	}
	return n
}

// widths are the sizes of values of fixed length by their type, in bytes; 0 is no such type.
var widths = [256]uint8{'t': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2, 'I': 4, 'i': 4, 'l': 8, 'f': 4, 'd': 8, 'D': 5, 'T': 8}

// skip passes over a value with its type in front, and returns what is inside if it has a length.
func (s *scanner) skip() (kind byte, inside []byte) {
	switch kind = s.uint8(); kind {
	case 'S', 'x', 'F', 'A':
		return kind, s.long()
	case 'V':
	default:
		width := widths[kind]
		if width == 0 {
			s.fail()
		}
		s.take(uint32(width))
	}
	return kind, nil
}

// next returns a value with its type in front, as it stands.
func (s *scanner) next() []byte {
	all := s.rest
	s.skip()
	return all[:len(all)-len(s.rest)]
}

// value reads a value with its type in front.
func (s *scanner) value(depth int) any {
	switch kind := s.uint8(); kind {
	case 'V':
		return nil
	case 'S':
		return string(s.long())
	case 't':
		return s.uint8() != 0
	case 'b':
		return int32(int8(s.uint8()))
	case 'B':
		return int32(s.uint8())
	case 's':
		return int32(int16(s.uint16()))
	case 'u':
		return int32(s.uint16())
	case 'I':
		return int32(s.uint32())
	case 'i':
		return int64(s.uint32())
	case 'l':
		return int64(s.uint64())
	case 'f':
		return float64(math.Float32frombits(s.uint32()))
	case 'd':
		return math.Float64frombits(s.uint64())
	case 'D':
		scale := s.uint8()
		return float64(int32(s.uint32())) / math.Pow10(int(scale))
	case 'T':
		return time.Unix(int64(s.uint64()), 0)
	case 'x':
		return append([]byte{}, s.long()...)
	case 'F', 'A':
		if depth == depthMost {
			break
		}
		in := scanner{rest: s.long()}
		var v any
		if kind == 'F' {
			v = in.table(depth + 1)
		} else {
			v = in.array(depth + 1)
		}
		s.bad = s.bad || in.bad
		return v
	}
	s.fail()
	return nil
}

func (s *scanner) array(depth int) []any {
	if len(s.rest) == 0 {
		return nil
	}
	list := make([]any, 0, s.count('A'))
	for len(s.rest) > 0 {
		list = append(list, s.value(depth))
	}
	return list
}
