package codec

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A field is one member of a struct under encoding/json's rules: its tags, its embedding, its precedence.
type field struct {
	name      string
	quoted    string // `"name": ` ready to be written
	index     []int
	typ       reflect.Type
	omitEmpty bool
	omitZero  bool
	asString  bool // the tag's ",string": the value travels inside a JSON string
	tagged    bool
}

var fieldLists sync.Map // reflect.Type → []field

// fieldsOf lists a struct's members in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldLists.Load(t); ok {
		return f.([]field)
	}
	f, _ := fieldLists.LoadOrStore(t, collectFields(t))
	return f.([]field)
}

// collectFields walks embedded structs level by level. A name found on a level hides the same name further down; twice
// on one level, the tagged one wins, and two equals hide each other.
func collectFields(t reflect.Type) []field {
	type level struct {
		typ   reflect.Type
		index []int
	}
	var all []field
	next := []level{{typ: t}}
	seen := map[reflect.Type]bool{}
	for len(next) > 0 {
		current := next
		next = nil
		count := map[reflect.Type]int{} // a struct embedded twice on one level hides itself
		for _, l := range current {
			count[l.typ]++
		}
		for _, l := range current {
			if seen[l.typ] {
				continue
			}
			seen[l.typ] = true
			for i := range l.typ.NumField() {
				sf := l.typ.Field(i)
				index := append(slices.Clone(l.index), i)
				f, embedded, ok := readField(sf, index)
				if !ok {
					continue
				}
				if embedded {
					next = append(next, level{deref(sf.Type), index})
					continue
				}
				all = append(all, f)
				if count[l.typ] > 1 {
					all = append(all, f)
				}
			}
		}
	}
	return dominant(all)
}

// readField reads one struct field's tag; embedded says that the members of its struct stand in its place.
func readField(sf reflect.StructField, index []int) (f field, embedded, ok bool) {
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return f, false, false
	}
	name, rest, _ := strings.Cut(tag, ",")
	if !validName(name) {
		name = ""
	}
	structType := deref(sf.Type)
	if sf.Anonymous {
		if !sf.IsExported() && structType.Kind() != reflect.Struct {
			return f, false, false
		}
		if name == "" && structType.Kind() == reflect.Struct {
			return f, true, true
		}
	}
	if !sf.IsExported() {
		return f, false, false
	}
	f = field{name: name, index: index, typ: sf.Type, tagged: name != ""}
	for option := range strings.SplitSeq(rest, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			switch structType.Kind() {
			case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
				reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
				reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
				f.asString = true
			}
		}
	}
	if f.name == "" {
		f.name = sf.Name
	}
	f.quoted = string(appendString(nil, f.name)) + ": "
	return f, false, true
}

// dominant keeps the one field of each name that Go's rules would choose.
func dominant(all []field) []field {
	slices.SortStableFunc(all, func(a, b field) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(len(a.index), len(b.index)), boolOrder(a.tagged, b.tagged),
			slices.Compare(a.index, b.index))
	})
	kept := all[:0]
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].name == all[i].name {
			end++
		}
		first := all[i]
		if end == i+1 || len(all[i+1].index) != len(first.index) || all[i+1].tagged != first.tagged {
			kept = append(kept, first)
		}
		i = end
	}
	slices.SortFunc(kept, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return slices.Clip(kept)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func validName(s string) bool {
	return s != "" && !strings.ContainsAny(s, "\\\"'\x60,") // what encoding/json takes for a name, minus oddities it warns of
}

// find is the field's value inside a struct; false when an embedded pointer on the way is nil.
func (f *field) find(v reflect.Value) (reflect.Value, bool) {
	for i, n := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(n)
	}
	return v, true
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}

func structEncoder(t reflect.Type) encoder {
	fields := fieldsOf(t)
	encoders := make([]encoder, len(fields))
	for i, f := range fields {
		encoders[i] = encoderOf(f.typ)
		if f.asString {
			encoders[i] = stringEncoder(encoders[i])
		}
	}
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if depth++; depth > MaxDepth {
			return dst, errDepth
		}
		dst = append(dst, '{')
		first := true
		for i := range fields {
			f := &fields[i]
			fv, ok := f.find(v)
			if !ok || f.omitEmpty && isEmpty(fv) || f.omitZero && isZero(fv) {
				continue
			}
			if !first {
				dst = append(dst, ',', ' ')
			}
			first = false
			dst = append(dst, f.quoted...)
			var err error
			if dst, err = encoders[i](dst, fv, depth); err != nil {
				return dst, under(err, f.name)
			}
		}
		return append(dst, '}'), nil
	}
}

// stringEncoder is the tag's ",string": the JSON of a scalar inside a JSON string.
func stringEncoder(e encoder) encoder {
	return func(dst []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return append(dst, "null"...), nil
		}
		inner, err := e(nil, v, depth)
		if err != nil {
			return dst, err
		}
		return appendString(dst, inner), nil
	}
}
