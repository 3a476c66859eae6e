package codec

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Conversions of one generic scalar, each losing nothing or failing.

func mismatch(want string, src any) error { return &TypeError{Want: want, Got: nameOf(src)} }

// nameOf is what a generic value is called in errors.
func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64, *big.Int, float64:
		return "number"
	case string:
		return "string"
	case []byte:
		return "bytes"
	case time.Time:
		return "date-time"
	case Date:
		return "date"
	case TimeOfDay:
		return "time of day"
	case Decimal:
		return "decimal"
	case uuid.UUID:
		return "uuid"
	case []any:
		return "array"
	case map[string]any, object:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// typeName is what a Go type takes, in the same words.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Pointer:
		return typeName(t.Elem())
	}
	return t.String()
}

func assignInt(dst reflect.Value, src any) error {
	n, isSmall := src.(int64)
	if !isSmall {
		wide, err := integerOf(src)
		if err != nil {
			return err
		}
		if dst.CanUint() && wide.IsUint64() && !dst.OverflowUint(wide.Uint64()) {
			dst.SetUint(wide.Uint64())
			return nil
		}
		if !wide.IsInt64() {
			return outOfRange(dst.Type(), src)
		}
		n = wide.Int64()
	}
	switch {
	case dst.CanInt() && !dst.OverflowInt(n):
		dst.SetInt(n)
	case dst.CanUint() && n >= 0 && !dst.OverflowUint(uint64(n)):
		dst.SetUint(uint64(n))
	default:
		return outOfRange(dst.Type(), src)
	}
	return nil
}

func outOfRange(t reflect.Type, src any) error {
	var low, high string
	bits := t.Bits()
	if reflect.Zero(t).CanUint() {
		low, high = "0", strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
	} else {
		low, high = strconv.FormatInt(math.MinInt64>>(64-bits), 10), strconv.FormatInt(math.MaxInt64>>(64-bits), 10)
	}
	return &TypeError{Want: "integer from " + low + " to " + high, Got: clip(Repr(src))}
}

// integerOf is a number that has no fraction.
func integerOf(src any) (*big.Int, error) {
	switch src := src.(type) {
	case int64:
		return big.NewInt(src), nil
	case *big.Int:
		return src, nil
	case float64:
		if src == math.Trunc(src) && !math.IsInf(src, 0) {
			n, _ := big.NewFloat(src).Int(nil)
			return n, nil
		}
		return nil, &TypeError{Want: "integer", Got: Repr(src)}
	case Decimal:
		if n, ok := src.integer(); ok {
			return n, nil
		}
		return nil, &TypeError{Want: "integer", Got: clip(string(src))}
	}
	return nil, mismatch("integer", src)
}

func assignFloat(dst reflect.Value, src any) error {
	var f float64
	switch src := src.(type) {
	case int64:
		f = float64(src)
	case float64:
		f = src
	case *big.Int:
		if f, _ = new(big.Float).SetInt(src).Float64(); math.IsInf(f, 0) {
			return &TypeError{Want: "number that fits a float", Got: fmt.Sprintf("an integer of %d bits", src.BitLen())}
		}
	case Decimal:
		var err error
		if f, err = src.Float(); err != nil {
			return err
		}
	default:
		return mismatch("number", src)
	}
	if dst.OverflowFloat(f) && !math.IsInf(f, 0) {
		return &TypeError{Want: "number that fits 32 bits", Got: Repr(f)}
	}
	dst.SetFloat(f)
	return nil
}

// textOf is the text of what Python too would print as one: dates, decimals and UUIDs have a canonical spelling.
func textOf(src any) (string, bool) {
	switch src := src.(type) {
	case string:
		return src, true
	case []byte:
		return string(src), utf8.Valid(src)
	case time.Time:
		b, err := appendDateTime(nil, src, 'T')
		return string(b), err == nil
	case Date:
		return src.String(), true
	case TimeOfDay:
		return src.String(), true
	case Decimal:
		return string(src), true
	case uuid.UUID:
		return src.String(), true
	}
	return "", false
}

func timeOf(src any) (time.Time, error) {
	switch src := src.(type) {
	case time.Time:
		return src, nil
	case Date:
		return src.Time(Naive), nil
	case string:
		t, err := parseDateTime(src)
		if err != nil {
			return t, &TypeError{Want: "date-time in ISO 8601", Got: fmt.Sprintf("%q", clip(src))}
		}
		return t, nil
	}
	return time.Time{}, mismatch("date-time", src)
}

func dateOf(src any) (Date, error) {
	switch src := src.(type) {
	case Date:
		return src, nil
	case time.Time:
		year, month, day := src.Date()
		return Date{year, month, day}, nil
	case string:
		if src == "" {
			return Date{}, nil
		}
		d, err := parseDate(src)
		if err != nil {
			return d, &TypeError{Want: "date in ISO 8601", Got: fmt.Sprintf("%q", clip(src))}
		}
		return d, nil
	}
	return Date{}, mismatch("date", src)
}

func timeOfDayOf(src any) (TimeOfDay, error) {
	switch src := src.(type) {
	case TimeOfDay:
		return src, nil
	case string:
		t, err := parseTimeOfDay(src)
		if err != nil {
			return t, &TypeError{Want: "time of day in ISO 8601", Got: fmt.Sprintf("%q", clip(src))}
		}
		return t, nil
	}
	return TimeOfDay{}, mismatch("time of day", src)
}

func decimalOf(src any) (Decimal, error) {
	switch src := src.(type) {
	case Decimal:
		return src, nil
	case string:
		if d := Decimal(src); d.valid() {
			return d, nil
		}
		return "", &TypeError{Want: "decimal", Got: fmt.Sprintf("%q", clip(src))}
	case int64, *big.Int:
		b, err := appendAny(nil, src, 0)
		return Decimal(b), err
	case float64:
		switch {
		case math.IsNaN(src):
			return "NaN", nil
		case math.IsInf(src, 1):
			return "Infinity", nil
		case math.IsInf(src, -1):
			return "-Infinity", nil
		}
		return Decimal(appendFloatRepr(nil, src, 64)), nil
	}
	return "", mismatch("decimal", src)
}

func uuidOf(src any) (uuid.UUID, error) {
	switch src := src.(type) {
	case uuid.UUID:
		return src, nil
	case string:
		id, err := uuid.Parse(src)
		if err != nil {
			return id, &TypeError{Want: "uuid", Got: fmt.Sprintf("%q", clip(src))}
		}
		return id, nil
	}
	return uuid.UUID{}, mismatch("uuid", src)
}
