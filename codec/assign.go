package codec

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/google/uuid"
)

// Assign stores a generic value (see Value.Any) in *dst, led by dst's type. It is more liberal than encoding/json where
// nothing is lost: 2.0 is an integer, a Decimal is a number, a UUID or a date is text where text is wanted, and the other
// way round. It is stricter where something would be: overflow, fractions and arrays of another length are errors. A
// string given to []byte is its UTF-8 bytes. Null leaves what cannot be nil as it is; members a struct does not have are
// passed over, and names match without regard to case where none matches exactly.
//
// A value that does not fit is a *TypeError. *dst may then be half filled.
func Assign(dst, src any) error {
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("assign to %T: want a pointer that is not nil", dst)
	}
	return assign(rv.Elem(), src)
}

func assign(dst reflect.Value, src any) error {
	switch src.(type) {
	case nil, bool, int64, float64, string, []byte, time.Time, TimeOfDay, uuid.UUID, []any, map[string]any:
	default: // int, a struct, a Value: anything Of was given
		g, err := generic(src, false, 0)
		if err != nil {
			return err
		}
		src = g
	}
	if src == nil {
		return assignNull(dst)
	}
	if done, err := assignExact(dst, src); done {
		return err
	}
	if dst.Kind() == reflect.Pointer {
		if dst.IsNil() {
			fresh := reflect.New(dst.Type().Elem())
			if err := assign(fresh.Elem(), src); err != nil {
				return err
			}
			dst.Set(fresh)
			return nil
		}
		return assign(dst.Elem(), src)
	}
	if done, err := assignUnmarshaler(dst, src); done {
		return err
	}
	switch dst.Kind() {
	case reflect.Interface:
		return assignInterface(dst, src)
	case reflect.Bool:
		if b, ok := src.(bool); ok {
			dst.SetBool(b)
			return nil
		}
		return mismatch("boolean", src)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return assignInt(dst, src)
	case reflect.Float32, reflect.Float64:
		return assignFloat(dst, src)
	case reflect.String:
		text, ok := textOf(src)
		if !ok {
			return mismatch("string", src)
		}
		dst.SetString(text)
		return nil
	case reflect.Slice:
		return assignSlice(dst, src)
	case reflect.Array:
		return assignArray(dst, src)
	case reflect.Map:
		return assignMap(dst, src)
	case reflect.Struct:
		return assignStruct(dst, src)
	}
	return fmt.Errorf("type %s cannot hold a decoded value", dst.Type())
}

func assignNull(dst reflect.Value) error {
	switch dst.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		dst.SetZero()
		return nil
	}
	if dst.CanAddr() {
		switch u := dst.Addr().Interface().(type) {
		case *Value:
			*u = Value{}
		case *time.Time, *Date, *TimeOfDay, *uuid.UUID, *big.Int:
		case json.Unmarshaler: // a type may want to know, as sql.Null-like types do
			return u.UnmarshalJSON([]byte("null"))
		}
	}
	return nil
}

// assignExact serves the types of generic values themselves.
func assignExact(dst reflect.Value, src any) (done bool, err error) {
	switch p := dst.Addr().Interface().(type) {
	case *any:
		*p = src
	case *Value:
		*p = Of(src)
	case *string:
		text, ok := textOf(src)
		if !ok {
			return true, mismatch("string", src)
		}
		*p = text
	case *time.Time:
		*p, err = timeOf(src)
	case *Date:
		*p, err = dateOf(src)
	case *TimeOfDay:
		*p, err = timeOfDayOf(src)
	case *Decimal:
		*p, err = decimalOf(src)
	case *uuid.UUID:
		*p, err = uuidOf(src)
	case *big.Int:
		n, err := integerOf(src)
		if err == nil {
			p.Set(n)
		}
		return true, err
	default:
		return false, nil
	}
	return true, err
}

// assignUnmarshaler lets a type decode itself: from JSON, else from text.
func assignUnmarshaler(dst reflect.Value, src any) (done bool, err error) {
	switch u := dst.Addr().Interface().(type) {
	case json.Unmarshaler:
		raw, err := plainJSON(src)
		if err != nil {
			return true, err
		}
		return true, ownError(u.UnmarshalJSON(raw), dst.Type())
	case encoding.TextUnmarshaler:
		text, ok := textOf(src)
		if !ok {
			return true, mismatch("string", src)
		}
		return true, ownError(u.UnmarshalText([]byte(text)), dst.Type())
	}
	return false, nil
}

// plainJSON is what a type's own UnmarshalJSON reads: scalars that need an envelope as the text that such types expect.
func plainJSON(src any) ([]byte, error) {
	switch src.(type) {
	case time.Time, Date, TimeOfDay, Decimal, uuid.UUID:
		if text, ok := textOf(src); ok {
			return appendString(nil, text), nil
		}
	}
	return AppendJSON(nil, src)
}

// ownError puts the words of encoding/json, should a type's own method have used it, into ours.
func ownError(err error, t reflect.Type) error {
	if err == nil {
		return nil
	}
	var ute *json.UnmarshalTypeError
	if errors.As(err, &ute) {
		return &TypeError{Path: ute.Field, Want: typeName(ute.Type), Got: ute.Value}
	}
	return fmt.Errorf("decode %s: %w", t, err)
}

func assignInterface(dst reflect.Value, src any) error {
	if !dst.IsNil() && dst.Elem().Kind() == reflect.Pointer && !dst.Elem().IsNil() {
		return assign(dst.Elem().Elem(), src) // the caller put a pointer there to be filled
	}
	if sv := reflect.ValueOf(src); sv.Type().AssignableTo(dst.Type()) {
		dst.Set(sv)
		return nil
	}
	return mismatch(dst.Type().String(), src)
}
