package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// An encoder writes values of one Go type as JSON. It is built once per type and kept.
type encoder func(dst []byte, v reflect.Value, depth int) ([]byte, error)

var encoders sync.Map // reflect.Type → encoder; as many as the program has types

var (
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

func encoderOf(t reflect.Type) encoder {
	if e, ok := encoders.Load(t); ok {
		return e.(encoder)
	}
	// A type may hold itself (a list's next). While its encoder is being built, whoever asks gets one that waits for it:
	// the builder only stores that one and never calls it, so the wait cannot be for itself.
	var built sync.WaitGroup
	var e encoder
	built.Add(1)
	waiting, known := encoders.LoadOrStore(t, encoder(func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		built.Wait()
		return e(dst, v, depth)
	}))
	if known {
		return waiting.(encoder)
	}
	e = newEncoder(t, true)
	built.Done()
	encoders.Store(t, e)
	return e
}

// newEncoder chooses by exact type, then by the type's own methods, then by kind. A method on the pointer serves values
// that have an address, as in encoding/json.
func newEncoder(t reflect.Type, addressable bool) encoder {
	if e := exactEncoder(t); e != nil {
		return e
	}
	if t.Kind() == reflect.Pointer && exactEncoder(t.Elem()) != nil {
		return pointerEncoder(t)
	}
	if t.Kind() != reflect.Pointer && addressable && reflect.PointerTo(t).Implements(marshalerType) && !t.Implements(marshalerType) {
		return ifAddressable(func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return appendMarshaler(dst, v.Addr().Interface().(json.Marshaler))
		}, newEncoder(t, false))
	}
	if t.Implements(marshalerType) {
		return nilIsNull(t, func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return appendMarshaler(dst, v.Interface().(json.Marshaler))
		})
	}
	if t.Kind() != reflect.Pointer && addressable && reflect.PointerTo(t).Implements(textMarshalerType) && !t.Implements(textMarshalerType) {
		return ifAddressable(func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return appendTextMarshaler(dst, v.Addr().Interface().(encoding.TextMarshaler))
		}, newEncoder(t, false))
	}
	if t.Implements(textMarshalerType) {
		return nilIsNull(t, func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return appendTextMarshaler(dst, v.Interface().(encoding.TextMarshaler))
		})
	}
	return kindEncoder(t)
}

// exactEncoder serves the types that have a form of their own on the wire, whatever methods they have.
func exactEncoder(t reflect.Type) encoder {
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[Date](), reflect.TypeFor[TimeOfDay](), reflect.TypeFor[uuid.UUID](),
		reflect.TypeFor[Value](), reflect.TypeFor[[]Value](), reflect.TypeFor[[]NamedValue](), reflect.TypeFor[object](),
		reflect.TypeFor[*big.Int](), reflect.TypeFor[Decimal]():
		return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
			return appendAny(dst, v.Interface(), depth)
		}
	case reflect.TypeFor[big.Int]():
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			n := v.Interface().(big.Int)
			return n.Append(dst, 10), nil
		}
	case reflect.TypeFor[json.Number]():
		return encodeNumber
	}
	return nil
}

func encodeNumber(dst []byte, v reflect.Value, _ int) ([]byte, error) {
	text := v.String()
	if text == "" { // the zero json.Number, as in encoding/json
		text = "0"
	}
	s := scanner{data: []byte(text)}
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		return dst, fmt.Errorf("json.Number %q is no number", clip(text))
	}
	if _, err := s.number(); err != nil || s.pos < len(text) {
		return dst, fmt.Errorf("json.Number %q is no number", clip(text))
	}
	return append(dst, text...), nil
}

func ifAddressable(yes, no encoder) encoder {
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.CanAddr() {
			return yes(dst, v, depth)
		}
		return no(dst, v, depth)
	}
}

func nilIsNull(t reflect.Type, e encoder) encoder {
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		return e
	}
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return e(dst, v, depth)
	}
}

func kindEncoder(t reflect.Type) encoder {
	switch t.Kind() {
	case reflect.Bool:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return strconv.AppendBool(dst, v.Bool()), nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return strconv.AppendInt(dst, v.Int(), 10), nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
			return strconv.AppendUint(dst, v.Uint(), 10), nil
		}
	case reflect.Float32:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) { return appendFloat(dst, v.Float(), 32), nil }
	case reflect.Float64:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) { return appendFloat(dst, v.Float(), 64), nil }
	case reflect.String:
		return func(dst []byte, v reflect.Value, _ int) ([]byte, error) { return appendString(dst, v.String()), nil }
	case reflect.Interface:
		return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
			return appendAny(dst, v.Interface(), depth)
		}
	case reflect.Pointer:
		return pointerEncoder(t)
	case reflect.Slice:
		return sliceEncoder(t)
	case reflect.Array:
		return itemsEncoder(t)
	case reflect.Map:
		return mapEncoder(t)
	case reflect.Struct:
		return structEncoder(t)
	}
	return func(dst []byte, v reflect.Value, _ int) ([]byte, error) {
		return dst, fmt.Errorf("type %s has no JSON form", t)
	}
}

func pointerEncoder(t reflect.Type) encoder {
	elem := encoderOf(t.Elem())
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		if depth++; depth > MaxDepth {
			return dst, errDepth
		}
		return elem(dst, v.Elem(), depth)
	}
}

func sliceEncoder(t reflect.Type) encoder {
	items := itemsEncoder(t)
	isBytes := t.Elem().Kind() == reflect.Uint8 && !t.Elem().Implements(marshalerType) && !t.Elem().Implements(textMarshalerType)
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		if isBytes {
			return appendBytesValue(dst, v.Bytes()), nil
		}
		return items(dst, v, depth)
	}
}

func itemsEncoder(t reflect.Type) encoder {
	item := encoderOf(t.Elem())
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if depth++; depth > MaxDepth {
			return dst, errDepth
		}
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',', ' ')
			}
			var err error
			if dst, err = item(dst, v.Index(i), depth); err != nil {
				return dst, under(err, index(i))
			}
		}
		return append(dst, ']'), nil
	}
}

func mapEncoder(t reflect.Type) encoder {
	item := encoderOf(t.Elem())
	type entry struct {
		name  string
		value reflect.Value
	}
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		if depth++; depth > MaxDepth {
			return dst, errDepth
		}
		entries := make([]entry, 0, v.Len())
		for iter := v.MapRange(); iter.Next(); {
			name, err := mapKey(iter.Key())
			if err != nil {
				return dst, err
			}
			entries = append(entries, entry{name, iter.Value()})
		}
		slices.SortFunc(entries, func(a, b entry) int {
			switch {
			case a.name < b.name:
				return -1
			case a.name > b.name:
				return 1
			}
			return 0
		})
		dst = append(dst, '{')
		for i, e := range entries {
			if i > 0 {
				dst = append(dst, ',', ' ')
			}
			dst = append(appendString(dst, e.name), ':', ' ')
			var err error
			if dst, err = item(dst, e.value, depth); err != nil {
				return dst, under(err, e.name)
			}
		}
		return append(dst, '}'), nil
	}
}

// mapKey is a key as json.dumps spells it: text, or the JSON of a number, a bool or None.
func mapKey(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if k.Type().Implements(textMarshalerType) {
		if k.Kind() == reflect.Pointer && k.IsNil() {
			return "", nil
		}
		text, err := k.Interface().(encoding.TextMarshaler).MarshalText()
		return string(text), err
	}
	switch k.Kind() {
	case reflect.Interface:
		if k.IsNil() {
			return "null", nil
		}
		return mapKey(k.Elem())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(k.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(k.Uint(), 10), nil
	case reflect.Bool:
		return strconv.FormatBool(k.Bool()), nil
	case reflect.Float32:
		return string(appendFloat(nil, k.Float(), 32)), nil
	case reflect.Float64:
		return string(appendFloat(nil, k.Float(), 64)), nil
	}
	return "", fmt.Errorf("a map key of type %s has no JSON form", k.Type())
}
