package envelope

// Field tables as bytes. AMQP's own encoding would do, but its decoders live in its client libraries; this one keeps every
// type that protocol.Table may hold, and nothing else.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// maxNesting bounds tables within tables.
const maxNesting = 64

// Kinds of values. They are written to files: never renumber.
const (
	kindNil byte = iota
	kindFalse
	kindTrue
	kindInt32
	kindInt64
	kindFloat
	kindString
	kindBytes
	kindTime
	kindArray
	kindTable
)

var errDamaged = errors.New("stored message is damaged")

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}

// AppendTable writes a table. Equal tables are equal bytes.
func AppendTable(dst []byte, t protocol.Table) ([]byte, error) { return appendTable(dst, t, true, 0) }

// ReadTable reads what AppendTable wrote.
func ReadTable(b []byte) (protocol.Table, error) {
	s := &scanner{rest: b}
	t := s.table(0)
	if s.err == nil && len(s.rest) > 0 {
		s.fail()
	}
	return t, s.err
}

// Same reports whether two values of tables are equal, type included.
func Same(a, b any) bool {
	x, errX := appendValue(nil, a, true, 0)
	y, errY := appendValue(nil, b, true, 0)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// appendTable writes a table; sorted makes equal tables equal bytes.
func appendTable(dst []byte, t protocol.Table, sorted bool, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("tables nest deeper than %d", maxNesting)
	}
	dst = binary.AppendUvarint(dst, uint64(len(t)))
	var err error
	if sorted {
		for _, k := range slices.Sorted(maps.Keys(t)) {
			if dst, err = appendField(dst, k, t[k], sorted, depth); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	for k, v := range t {
		if dst, err = appendField(dst, k, v, sorted, depth); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendField(dst []byte, name string, v any, sorted bool, depth int) ([]byte, error) {
	dst, err := appendValue(appendString(dst, name), v, sorted, depth)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", name, err)
	}
	return dst, nil
}

func appendValue(dst []byte, v any, sorted bool, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, kindNil), nil
	case bool:
		if v {
			return append(dst, kindTrue), nil
		}
		return append(dst, kindFalse), nil
	case int32:
		return binary.AppendVarint(append(dst, kindInt32), int64(v)), nil
	case int8:
		return binary.AppendVarint(append(dst, kindInt32), int64(v)), nil
	case uint8:
		return binary.AppendVarint(append(dst, kindInt32), int64(v)), nil
	case int16:
		return binary.AppendVarint(append(dst, kindInt32), int64(v)), nil
	case uint16:
		return binary.AppendVarint(append(dst, kindInt32), int64(v)), nil
	case int64:
		return binary.AppendVarint(append(dst, kindInt64), v), nil
	case int:
		return binary.AppendVarint(append(dst, kindInt64), int64(v)), nil
	case uint32:
		return binary.AppendVarint(append(dst, kindInt64), int64(v)), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, kindFloat), math.Float64bits(v)), nil
	case float32:
		return binary.LittleEndian.AppendUint64(append(dst, kindFloat), math.Float64bits(float64(v))), nil
	case string:
		return appendString(append(dst, kindString), v), nil
	case []byte:
		dst = binary.AppendUvarint(append(dst, kindBytes), uint64(len(v)))
		return append(dst, v...), nil
	case time.Time:
		return appendTime(append(dst, kindTime), v), nil
	case []any:
		if depth >= maxNesting {
			return nil, fmt.Errorf("arrays nest deeper than %d", maxNesting)
		}
		dst = binary.AppendUvarint(append(dst, kindArray), uint64(len(v)))
		var err error
		for _, e := range v {
			if dst, err = appendValue(dst, e, sorted, depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case protocol.Table:
		return appendTable(append(dst, kindTable), v, sorted, depth+1)
	default:
		return nil, fmt.Errorf("a header cannot hold a %T", v)
	}
}

// A scanner reads what the append functions wrote. The first error sticks.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail() { s.rest, s.err = nil, errDamaged }

func (s *scanner) uvarint() uint64 {
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) varint() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) byte() byte {
	if len(s.rest) == 0 {
		s.fail()
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *scanner) take(n uint64) []byte {
	if n > uint64(len(s.rest)) {
		s.fail()
		return nil
	}
	b := s.rest[:n:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scanner) string() string { return string(s.take(s.uvarint())) }

func (s *scanner) time() time.Time {
	sec := s.varint()
	return time.Unix(sec, int64(s.uvarint()%1e9)).UTC()
}

// count reads a number of elements of at least one byte each, so that a damaged length cannot ask for memory.
func (s *scanner) count() int {
	n := s.uvarint()
	if n > uint64(len(s.rest)) {
		s.fail()
		return 0
	}
	return int(n)
}

func (s *scanner) table(depth int) protocol.Table {
	if depth > maxNesting {
		s.fail()
		return nil
	}
	n := s.count()
	t := make(protocol.Table, n)
	for range n {
		name := s.string()
		t[name] = s.value(depth)
	}
	return t
}

func (s *scanner) value(depth int) any {
	switch s.byte() {
	case kindNil:
		return nil
	case kindFalse:
		return false
	case kindTrue:
		return true
	case kindInt32:
		return int32(s.varint())
	case kindInt64:
		return s.varint()
	case kindFloat:
		if b := s.take(8); b != nil {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case kindString:
		return s.string()
	case kindBytes:
		return append([]byte{}, s.take(s.uvarint())...)
	case kindTime:
		return s.time()
	case kindArray:
		n := s.count()
		if depth >= maxNesting {
			s.fail()
			return nil
		}
		a := make([]any, 0, n)
		for range n {
			a = append(a, s.value(depth+1))
		}
		return a
	case kindTable:
		return s.table(depth + 1)
	default:
		s.fail()
	}
	return nil
}
