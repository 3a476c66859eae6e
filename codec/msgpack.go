package codec

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tinylib/msgp/msgp"
)

// msgpack as kombu uses it: text as str, bytes as bin, integers in their shortest form, no types of its own.

// marshalMsgpack writes v. A struct becomes a map under its json tags, in the order of its fields.
func marshalMsgpack(v any) (string, []byte, error) {
	g, err := generic(v, true, 0)
	if err == nil {
		var body []byte
		if body, err = appendMsgpack(nil, g, 0); err == nil {
			return encodingBinary, body, nil
		}
	}
	return "", nil, fmt.Errorf("encode msgpack: %w", err)
}

func appendMsgpack(dst []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, errDepth
	}
	switch v := v.(type) {
	case nil:
		return msgp.AppendNil(dst), nil
	case bool:
		return msgp.AppendBool(dst, v), nil
	case int64:
		if v >= 0 { // Python writes what is not negative unsigned
			return msgp.AppendUint64(dst, uint64(v)), nil
		}
		return msgp.AppendInt64(dst, v), nil
	case *big.Int:
		if v.IsUint64() {
			return msgp.AppendUint64(dst, v.Uint64()), nil
		}
		return dst, fmt.Errorf("an integer of %d bits: msgpack has 64", v.BitLen())
	case float64:
		return msgp.AppendFloat64(dst, v), nil
	case string:
		return msgp.AppendString(dst, v), nil
	case []byte:
		return msgp.AppendBytes(dst, v), nil
	case []any:
		dst = msgp.AppendArrayHeader(dst, uint32(len(v)))
		for i, item := range v {
			var err error
			if dst, err = appendMsgpack(dst, item, depth+1); err != nil {
				return dst, under(err, index(i))
			}
		}
		return dst, nil
	case object:
		dst = msgp.AppendMapHeader(dst, uint32(len(v)))
		for _, m := range v {
			var err error
			if dst, err = appendMsgpack(msgp.AppendString(dst, m.name), m.value, depth+1); err != nil {
				return dst, under(err, m.name)
			}
		}
		return dst, nil
	case map[string]any:
		dst = msgp.AppendMapHeader(dst, uint32(len(v)))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			var err error
			if dst, err = appendMsgpack(msgp.AppendString(dst, name), v[name], depth+1); err != nil {
				return dst, under(err, name)
			}
		}
		return dst, nil
	}
	return dst, noForm("msgpack", v)
}

// noForm says that a format has no way to write a value kombu does not write either.
func noForm(format string, v any) error {
	switch v.(type) {
	case time.Time, Date, TimeOfDay, Decimal, uuid.UUID:
		return fmt.Errorf("%s has no form for a %s; send it as text, or use the json serializer", format, nameOf(v))
	}
	return fmt.Errorf("%s has no form for %T", format, v)
}

// readMsgpack is the generic value of one msgpack document.
func readMsgpack(body []byte) (any, error) {
	r := msgpackReader{size: len(body), rest: body}
	v, err := r.value(0)
	if err != nil {
		return nil, r.explain(err)
	}
	if len(r.rest) > 0 {
		return nil, r.explain(fmt.Errorf("%d bytes follow the value", len(r.rest)))
	}
	return v, nil
}

// A msgpackReader eats a document from the front. What a header claims is believed only as far as the bytes behind it
// could hold it, so memory is bounded by the size of the body.
type msgpackReader struct {
	size int
	rest []byte
}

func (r *msgpackReader) explain(err error) error {
	if errors.Is(err, msgp.ErrShortBytes) {
		err = errors.New("the body ends inside a value")
	}
	return &SyntaxError{Format: "msgpack", Offset: r.size - len(r.rest), Reason: err.Error()}
}

func (r *msgpackReader) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("more than %d arrays and maps inside each other", MaxDepth)
	}
	switch t := msgp.NextType(r.rest); t {
	case msgp.NilType:
		rest, err := msgp.ReadNilBytes(r.rest)
		return nil, r.advance(rest, err)
	case msgp.BoolType:
		b, rest, err := msgp.ReadBoolBytes(r.rest)
		return b, r.advance(rest, err)
	case msgp.IntType:
		n, rest, err := msgp.ReadInt64Bytes(r.rest)
		return n, r.advance(rest, err)
	case msgp.UintType:
		n, rest, err := msgp.ReadUint64Bytes(r.rest)
		if n > 1<<63-1 {
			return new(big.Int).SetUint64(n), r.advance(rest, err)
		}
		return int64(n), r.advance(rest, err)
	case msgp.Float32Type:
		f, rest, err := msgp.ReadFloat32Bytes(r.rest)
		return float64(f), r.advance(rest, err)
	case msgp.Float64Type:
		f, rest, err := msgp.ReadFloat64Bytes(r.rest)
		return f, r.advance(rest, err)
	case msgp.StrType:
		return r.text()
	case msgp.BinType:
		b, rest, err := msgp.ReadBytesZC(r.rest)
		return append([]byte{}, b...), r.advance(rest, err)
	case msgp.ArrayType:
		return r.array(depth)
	case msgp.MapType:
		return r.table(depth)
	case msgp.InvalidType:
		if len(r.rest) == 0 {
			return nil, msgp.ErrShortBytes
		}
		return nil, fmt.Errorf("no value begins with 0x%02x", r.rest[0])
	}
	return r.extension()
}

func (r *msgpackReader) advance(rest []byte, err error) error {
	if err == nil {
		r.rest = rest
	}
	return err
}

func (r *msgpackReader) text() (string, error) {
	b, rest, err := msgp.ReadStringZC(r.rest)
	if err == nil && !utf8.Valid(b) {
		err = errors.New("a string is not UTF-8")
	}
	return string(b), r.advance(rest, err)
}

func (r *msgpackReader) array(depth int) (any, error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(r.rest)
	if err != nil {
		return nil, err
	}
	if int64(n) > int64(len(rest)) { // an item takes a byte at least
		return nil, fmt.Errorf("an array claims %d items, %d bytes are left", n, len(rest))
	}
	r.rest = rest
	items := make([]any, 0, min(n, 256)) // the claim alone buys this much; the rest is earned by items
	for i := range n {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		items = append(items, v)
	}
	return items, nil
}

func (r *msgpackReader) table(depth int) (any, error) {
	n, rest, err := msgp.ReadMapHeaderBytes(r.rest)
	if err != nil {
		return nil, err
	}
	if 2*int64(n) > int64(len(rest)) {
		return nil, fmt.Errorf("a map claims %d entries, %d bytes are left", n, len(rest))
	}
	r.rest = rest
	table := make(map[string]any, min(n, 64))
	for range n {
		name, err := r.key()
		if err != nil {
			return nil, err
		}
		if table[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// key reads a map's key: text, or bytes that are text. Python's reader allows nothing else either.
func (r *msgpackReader) key() (string, error) {
	switch t := msgp.NextType(r.rest); t {
	case msgp.StrType:
		return r.text()
	case msgp.BinType:
		b, rest, err := msgp.ReadBytesZC(r.rest)
		if err == nil && !utf8.Valid(b) {
			err = errors.New("a map key is neither text nor UTF-8")
		}
		return string(b), r.advance(rest, err)
	default:
		if len(r.rest) == 0 {
			return "", msgp.ErrShortBytes
		}
		return "", fmt.Errorf("a map key is %s; only text is read", t)
	}
}

// extension reads a timestamp, the one extension that is part of msgpack itself.
func (r *msgpackReader) extension() (any, error) {
	ext := msgp.RawExtension{Type: -1}
	rest, err := msgp.ReadExtensionBytes(r.rest, &ext)
	if err != nil {
		return nil, fmt.Errorf("only the timestamp extension is read: %w", err)
	}
	t, err := timestamp(ext.Data)
	return t, r.advance(rest, err)
}

// timestamp reads the three lengths of a msgpack timestamp.
func timestamp(b []byte) (time.Time, error) {
	var n uint64
	var nano, sec int64
	switch len(b) {
	case 4, 8:
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		sec = int64(n)
		if len(b) == 8 {
			nano, sec = int64(n>>34), int64(n&(1<<34-1))
		}
	case 12:
		for _, c := range b[4:] {
			n = n<<8 | uint64(c)
		}
		sec = int64(n)
		nano = int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
	default:
		return time.Time{}, fmt.Errorf("a timestamp of %d bytes", len(b))
	}
	t := time.Unix(sec, nano).UTC()
	if nano > 999_999_999 || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("a timestamp outside the years 1 to 9999")
	}
	return t, nil
}
