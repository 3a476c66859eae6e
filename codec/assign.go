package codec

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
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
	case nil, bool, int64, float64, string, []byte, time.Time, Date, TimeOfDay, Decimal, uuid.UUID, *big.Int, []any, map[string]any:
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

func assignSlice(dst reflect.Value, src any) error {
	if dst.Type().Elem().Kind() == reflect.Uint8 {
		switch src := src.(type) {
		case []byte:
			dst.SetBytes(slices.Clone(src))
			return nil
		case string:
			dst.SetBytes([]byte(src))
			return nil
		}
	}
	items, ok := src.([]any)
	if !ok {
		if dst.Type().Elem().Kind() == reflect.Uint8 {
			return mismatch("bytes", src)
		}
		return mismatch("array", src)
	}
	out := reflect.MakeSlice(dst.Type(), len(items), len(items))
	for i, item := range items {
		if err := assign(out.Index(i), item); err != nil {
			return under(err, index(i))
		}
	}
	dst.Set(out)
	return nil
}

func assignArray(dst reflect.Value, src any) error {
	if b, ok := src.([]byte); ok && dst.Type().Elem().Kind() == reflect.Uint8 {
		if len(b) != dst.Len() {
			return &TypeError{Want: fmt.Sprintf("%d bytes", dst.Len()), Got: fmt.Sprint(len(b))}
		}
		reflect.Copy(dst, reflect.ValueOf(b).Convert(reflect.SliceOf(dst.Type().Elem())))
		return nil
	}
	items, ok := src.([]any)
	if !ok {
		return mismatch("array", src)
	}
	if len(items) != dst.Len() {
		return &TypeError{Want: fmt.Sprintf("array of %d items", dst.Len()), Got: fmt.Sprint(len(items))}
	}
	for i, item := range items {
		if err := assign(dst.Index(i), item); err != nil {
			return under(err, index(i))
		}
	}
	return nil
}

func assignMap(dst reflect.Value, src any) error {
	table, ok := src.(map[string]any)
	if !ok {
		return mismatch("object", src)
	}
	t := dst.Type()
	out := reflect.MakeMapWithSize(t, len(table))
	for name, item := range table {
		key := reflect.New(t.Key()).Elem()
		if err := assignKey(key, name); err != nil {
			return under(err, name)
		}
		value := reflect.New(t.Elem()).Elem()
		if err := assign(value, item); err != nil {
			return under(err, name)
		}
		out.SetMapIndex(key, value)
	}
	dst.Set(out)
	return nil
}

// assignKey reads a member's name into a map's key type.
func assignKey(dst reflect.Value, name string) error {
	if dst.Kind() == reflect.String {
		dst.SetString(name)
		return nil
	}
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return ownError(u.UnmarshalText([]byte(name)), dst.Type())
	}
	switch dst.Kind() {
	case reflect.Interface:
		return assignInterface(dst, name)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		s := scanner{data: []byte(name)}
		if k, err := s.scalar(); err != nil || k != kindInt || s.pos != len(name) || name[0] <= ' ' {
			return &TypeError{Want: "integer as a name", Got: fmt.Sprintf("%q", clip(name))}
		}
		return assignInt(dst, parseInt([]byte(name)))
	}
	return fmt.Errorf("a map key of type %s cannot be read", dst.Type())
}

func assignStruct(dst reflect.Value, src any) error {
	table, ok := src.(map[string]any)
	if !ok {
		return mismatch("object", src)
	}
	fields := fieldsOf(dst.Type())
	for i := range fields {
		f := &fields[i]
		item, ok := lookup(table, f.name, fields)
		if !ok {
			continue
		}
		fv, err := f.reach(dst)
		if err != nil {
			return under(err, f.name)
		}
		if text, ok := item.(string); ok && f.asString {
			item, err = readJSON([]byte(text), false)
			if err != nil {
				return under(&TypeError{Want: typeName(f.typ) + " inside a string", Got: fmt.Sprintf("%q", clip(text))}, f.name)
			}
		}
		if err := assign(fv, item); err != nil {
			return under(err, f.name)
		}
	}
	return nil
}

// lookup finds the member for a field: by its name, else by a name that differs in case only and is no other field's.
func lookup(table map[string]any, name string, fields []field) (any, bool) {
	if v, ok := table[name]; ok {
		return v, true
	}
	best, found := "", false
	for key := range table {
		if !strings.EqualFold(key, name) || slices.ContainsFunc(fields, func(f field) bool { return f.name == key }) {
			continue
		}
		if !found || key < best {
			best, found = key, true
		}
	}
	return table[best], found
}

// reach is find that fills nil embedded pointers on the way.
func (f *field) reach(v reflect.Value) (reflect.Value, error) {
	for i, n := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !v.CanSet() {
					return v, fmt.Errorf("embedded pointer to unexported type %s cannot be set", v.Type().Elem())
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(n)
	}
	return v, nil
}

var plainTypes sync.Map // reflect.Type → bool

// isPlain says whether encoding/json fills t just as Assign would where it succeeds. It would not for interfaces (every
// number becomes a float64), []byte (base64), arrays (any length passes) and big.Int (reading time without a bound).
func isPlain(t reflect.Type) bool {
	if p, ok := plainTypes.Load(t); ok {
		return p.(bool)
	}
	p := plainType(t, map[reflect.Type]bool{})
	plainTypes.Store(t, p)
	return p
}

func plainType(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if t == reflect.TypeFor[big.Int]() {
		return false
	}
	if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Array:
		return false
	case reflect.Pointer:
		return plainType(t.Elem(), seen)
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Uint8 && plainType(t.Elem(), seen)
	case reflect.Map:
		return plainType(t.Key(), seen) && plainType(t.Elem(), seen)
	case reflect.Struct:
		for _, f := range fieldsOf(t) {
			if !plainType(f.typ, seen) {
				return false
			}
		}
	}
	return true
}
