package codec

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Assigning to slices, arrays, maps and structs.

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
