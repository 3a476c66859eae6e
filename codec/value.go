package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/google/uuid"
)

// A Value is one argument, result or option: still encoded JSON where the wire was JSON, so that it is decoded once and
// straight into the type that wants it, or a decoded value where the wire was msgpack or YAML. The zero Value is null.
type Value struct {
	raw     []byte // JSON text; nil when decoded holds the value
	decoded any
}

// A NamedValue is one keyword argument, option or object member, in the order of the message.
type NamedValue struct {
	Name  string
	Value Value
}

// JSON wraps encoded JSON text. The text is not copied and not checked.
func JSON(raw []byte) Value { return Value{raw: raw} }

// Of wraps a Go value, to be encoded when it is written.
func Of(v any) Value { return Value{decoded: v} }

// Raw is the JSON text as it came, nil when the value came from elsewhere. It is shared, not copied.
func (v Value) Raw() []byte { return v.raw }

// IsNull says whether the value is null: None in Python, nil in Go.
func (v Value) IsNull() bool {
	if v.raw != nil {
		raw := bytes.TrimSpace(v.raw)
		return len(raw) == 0 || string(raw) == "null"
	}
	if v.decoded == nil {
		return true
	}
	switch rv := reflect.ValueOf(v.decoded); rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return rv.IsNil()
	}
	return false
}

// Any is the value in its generic form: nil, bool, int64, *big.Int beyond int64, float64, string, []byte, time.Time (in
// Naive when it came without an offset), Date, TimeOfDay, Decimal, uuid.UUID, []any or map[string]any. A raw value that
// is no JSON is a *SyntaxError.
func (v Value) Any() (any, error) {
	if v.raw == nil {
		return generic(v.decoded, false, 0)
	}
	if len(v.raw) == 0 {
		return nil, nil
	}
	return readJSON(v.raw, false)
}

// ordered is Any with objects that keep the order of their members.
func (v Value) ordered(depth int) (any, error) {
	if v.raw == nil {
		return generic(v.decoded, true, depth)
	}
	if len(v.raw) == 0 {
		return nil, nil
	}
	return readJSON(v.raw, true)
}

// Decode stores the value in *dst, which must be a non-nil pointer: as encoding/json would where the text is plain JSON
// and the type holds no interface, by Assign everywhere else. A value that does not fit is a *TypeError that names the
// field. A *any gets Any.
func (v Value) Decode(dst any) error {
	if decodeScalar(v.raw, dst) {
		return nil
	}
	switch dst := dst.(type) {
	case *any:
		if dst != nil {
			x, err := v.Any()
			if err == nil {
				*dst = x
			}
			return err
		}
	case *Value:
		if dst != nil {
			*dst = v
			return nil
		}
	case *json.RawMessage:
		if dst != nil && v.raw != nil {
			*dst = append((*dst)[:0], v.raw...)
			return nil
		}
	}
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("decode into %T: want a pointer that is not nil", dst)
	}
	if v.raw != nil && isPlain(rv.Type().Elem()) && !mayHoldEnvelope(v.raw) {
		// What encoding/json will not take, NaN for one, Assign may; and where it will not either, its error has the words.
		if json.Unmarshal(v.raw, dst) == nil {
			return nil
		}
	}
	x, err := v.Any()
	if err != nil {
		return err
	}
	return Assign(dst, x)
}

// mayHoldEnvelope looks for an envelope's name in any spelling. A false alarm costs time, a miss would cost the value.
func mayHoldEnvelope(raw []byte) bool {
	return bytes.Contains(raw, []byte(envelopeType)) || bytes.Contains(raw, []byte(`\u005`)) || bytes.Contains(raw, []byte(`\u007`))
}

// AppendJSON appends the value as JSON: raw text as it came, anything else as the function AppendJSON writes it.
func (v Value) AppendJSON(dst []byte) ([]byte, error) {
	if len(v.raw) > 0 {
		return append(dst, v.raw...), nil
	}
	return AppendJSON(dst, v.decoded)
}

func (v Value) appendJSON(dst []byte, depth int) ([]byte, error) {
	if len(v.raw) > 0 {
		return append(dst, v.raw...), nil
	}
	return appendAny(dst, v.decoded, depth)
}

// MarshalJSON lets a Value stand in a type that encoding/json writes.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil) }

// UnmarshalJSON keeps a copy of the text, to be decoded later.
func (v *Value) UnmarshalJSON(raw []byte) error {
	*v = Value{raw: bytes.Clone(raw)}
	return nil
}

// String is the value's Repr, for logs.
func (v Value) String() string { return Repr(v) }

// generic turns any Go value into its generic form: what is generic already is shared, the rest goes through JSON. With
// ordered, objects keep their order where they have one.
func generic(v any, ordered bool, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string, time.Time, TimeOfDay, uuid.UUID:
		return v, nil
	case Date:
		if v == (Date{}) {
			return nil, nil
		}
		return v, nil
	case Decimal:
		if v == "" {
			return nil, nil
		}
		return v, nil
	case int:
		return int64(v), nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case *big.Int:
		if v == nil {
			return nil, nil
		}
		if v.IsInt64() {
			return v.Int64(), nil
		}
		return v, nil
	case Value:
		if v.raw == nil {
			return generic(v.decoded, ordered, depth+1)
		}
		if ordered {
			return v.ordered(depth + 1)
		}
		return v.Any()
	case []any:
		if v == nil {
			return nil, nil
		}
		return genericList(v, ordered, depth)
	case []Value:
		if v == nil {
			return nil, nil
		}
		return genericList(v, ordered, depth)
	case map[string]any:
		if v == nil {
			return nil, nil
		}
		return genericTable(v, ordered, depth)
	case []NamedValue:
		return genericNamed(v, ordered, depth)
	case object:
		if ordered {
			return v, nil
		}
		return genericObject(v, depth)
	}
	raw, err := AppendJSON(nil, v)
	if err != nil {
		return nil, err
	}
	return readJSON(raw, ordered)
}

func genericList[T any](items []T, ordered bool, depth int) (any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		g, err := generic(item, ordered, depth+1)
		if err != nil {
			return nil, under(err, index(i))
		}
		out[i] = g
	}
	return out, nil
}

func genericTable(m map[string]any, ordered bool, depth int) (any, error) {
	out := make(map[string]any, len(m))
	for name, item := range m {
		g, err := generic(item, ordered, depth+1)
		if err != nil {
			return nil, under(err, name)
		}
		out[name] = g
	}
	return out, nil
}

func genericObject(o object, depth int) (any, error) {
	table := make(map[string]any, len(o))
	for _, m := range o {
		g, err := generic(m.value, false, depth+1)
		if err != nil {
			return nil, under(err, m.name)
		}
		table[m.name] = g
	}
	return table, nil
}

func genericNamed(members []NamedValue, ordered bool, depth int) (any, error) {
	list := make(object, 0, len(members))
	table := make(map[string]any, len(members))
	for _, m := range members {
		g, err := generic(m.Value, ordered, depth+1)
		if err != nil {
			return nil, under(err, m.Name)
		}
		if ordered {
			list = append(list, member{m.Name, g})
		} else {
			table[m.Name] = g
		}
	}
	if ordered {
		return list, nil
	}
	return table, nil
}
