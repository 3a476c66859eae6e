package codec

import (
	"encoding"
	"encoding/json"
	"math/big"
	"reflect"
	"sync"
)

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
