package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// AppendJSON appends v as Python's json.dumps with kombu's encoder writes it: ", " and ": " between items, ASCII only,
// floats as Python's repr (1.0), NaN and Infinity as bare words, map keys sorted. time.Time, Date, TimeOfDay, Decimal,
// uuid.UUID and []byte become kombu's typed envelopes; []NamedValue becomes an object in its order; a struct follows its
// json tags; json.Marshaler and encoding.TextMarshaler are used. Nil slices and maps are null.
//
// Channels, functions, complex numbers and values nested deeper than MaxDepth (a pointer cycle is) are errors that name
// the field. On an error dst comes back as it was.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	n := len(dst)
	out, err := appendAny(dst, v, 0)
	if err != nil {
		return dst[:n], fmt.Errorf("encode JSON: %w", err)
	}
	return out, nil
}

// appendAny writes what an interface holds: the generic values without reflection, everything else by its type's encoder.
func appendAny(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v, 64), nil
	case []any:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return appendList(dst, v, depth, appendAny)
	case map[string]any:
		return appendTable(dst, v, depth)
	case object:
		return appendObject(dst, v, depth)
	case []byte:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return appendBytesValue(dst, v), nil
	case time.Time:
		return appendTimeValue(dst, v)
	case Date:
		return appendDateValue(dst, v)
	case TimeOfDay:
		return appendTimeOfDayValue(dst, v)
	case Decimal:
		return appendDecimalValue(dst, v)
	case uuid.UUID:
		return appendUUIDValue(dst, v), nil
	case *big.Int:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return v.Append(dst, 10), nil
	case Value:
		return v.appendJSON(dst, depth)
	case []Value:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return appendList(dst, v, depth, func(dst []byte, v Value, depth int) ([]byte, error) { return v.appendJSON(dst, depth) })
	case []NamedValue:
		return appendNamed(dst, v, depth)
	}
	rv := reflect.ValueOf(v)
	return encoderOf(rv.Type())(dst, rv, depth)
}

func appendList[T any](dst []byte, items []T, depth int, each func([]byte, T, int) ([]byte, error)) ([]byte, error) {
	if depth++; depth > MaxDepth {
		return dst, errDepth
	}
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',', ' ')
		}
		var err error
		if dst, err = each(dst, item, depth); err != nil {
			return dst, under(err, index(i))
		}
	}
	return append(dst, ']'), nil
}

func appendTable(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	if depth++; depth > MaxDepth {
		return dst, errDepth
	}
	var few [16]string // most tables are small: their names are sorted on the stack
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',', ' ')
		}
		dst = append(appendString(dst, name), ':', ' ')
		var err error
		if dst, err = appendAny(dst, m[name], depth); err != nil {
			return dst, under(err, name)
		}
	}
	return append(dst, '}'), nil
}

func appendObject(dst []byte, o object, depth int) ([]byte, error) {
	if depth++; depth > MaxDepth {
		return dst, errDepth
	}
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',', ' ')
		}
		dst = append(appendString(dst, m.name), ':', ' ')
		var err error
		if dst, err = appendAny(dst, m.value, depth); err != nil {
			return dst, under(err, m.name)
		}
	}
	return append(dst, '}'), nil
}

// appendNamed writes keyword arguments; none at all is {}, as in Python.
func appendNamed(dst []byte, members []NamedValue, depth int) ([]byte, error) {
	if depth++; depth > MaxDepth {
		return dst, errDepth
	}
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',', ' ')
		}
		dst = append(appendString(dst, m.Name), ':', ' ')
		var err error
		if dst, err = m.Value.appendJSON(dst, depth); err != nil {
			return dst, under(err, m.Name)
		}
	}
	return append(dst, '}'), nil
}

var errDepth = fmt.Errorf("more than %d values inside each other; does a pointer lead back to its owner?", MaxDepth)

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// appendMarshaler writes what a type's own MarshalJSON gives.
func appendMarshaler(dst []byte, m json.Marshaler) ([]byte, error) {
	raw, err := m.MarshalJSON()
	if err != nil {
		return dst, err
	}
	out, err := restyle(dst, raw)
	if err != nil {
		return dst, fmt.Errorf("MarshalJSON of %T: %w", m, err)
	}
	return out, nil
}

func appendTextMarshaler(dst []byte, m encoding.TextMarshaler) ([]byte, error) {
	text, err := m.MarshalText()
	if err != nil {
		return dst, err
	}
	return appendString(dst, text), nil
}
