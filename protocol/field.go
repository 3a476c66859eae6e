package protocol

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Fields as other programs write them: a number may come as an integer, a float or text, and everything may be null.
// Each reader below takes what is harmless and says ok = false to the rest.

// text reads a text; null is "".
func text(v any) (string, bool) {
	switch x := v.(type) {
	case nil:
		return "", true
	case string:
		return x, true
	case []byte:
		return string(x), true
	case time.Time:
		return "", false
	case fmt.Stringer: // a uuid, a big number
		return x.String(), true
	case bool, float32, float64:
		return "", false
	}
	if n, ok := integer(v); ok {
		return strconv.Itoa(n), true
	}
	return "", false
}

// integer reads a whole number.
func integer(v any) (int, bool) {
	switch x := v.(type) {
	case int:
		return x, true
	case int8:
		return int(x), true
	case int16:
		return int(x), true
	case int32:
		return int(x), true
	case int64:
		return int(x), int64(int(x)) == x
	case uint8:
		return int(x), true
	case uint16:
		return int(x), true
	case uint32:
		return int(x), int64(int(x)) == int64(x)
	case uint64:
		return int(x), x <= math.MaxInt
	case uint:
		return int(x), x <= math.MaxInt
	case float32:
		return whole(float64(x))
	case float64:
		return whole(x)
	case string:
		n, err := strconv.Atoi(x)
		return n, err == nil
	}
	return 0, false
}

func whole(f float64) (int, bool) {
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 { // also false for NaN
		return 0, false
	}
	return int(f), true
}

// count reads a whole number that is not negative and fits the wire's 32 bits; null is 0.
func count(v any) (int, bool) {
	if v == nil {
		return 0, true
	}
	n, ok := integer(v)
	return n, ok && n >= 0 && n <= math.MaxInt32
}

// seconds reads a number of seconds; null is 0. What is longer than a Duration can hold is the longest Duration.
func seconds(v any) (time.Duration, bool) {
	var f float64
	switch x := v.(type) {
	case nil:
		return 0, true
	case float32:
		f = float64(x)
	case float64:
		f = x
	case codec.Decimal:
		return seconds(string(x))
	case *big.Int:
		f, _ = new(big.Float).SetInt(x).Float64()
	case string:
		var err error
		if f, err = strconv.ParseFloat(x, 64); err != nil {
			return 0, false
		}
	default:
		n, ok := integer(v)
		if !ok {
			return 0, false
		}
		f = float64(n)
	}
	switch {
	case !(f >= 0): // negative or NaN
		return 0, false
	case f >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64, true
	}
	return time.Duration(math.Round(f * float64(time.Second))), true
}

// number writes a duration as a number of seconds: an integer when it is one; 0 is null.
func number(d time.Duration) any {
	switch {
	case d == 0:
		return nil
	case d%time.Second == 0:
		return narrow(int64(d / time.Second))
	}
	return d.Seconds()
}

// narrow picks the integer width that Celery's AMQP client writes.
func narrow(n int64) any {
	if n >= math.MinInt32 && n <= math.MaxInt32 {
		return int32(n)
	}
	return n
}

// moment reads a time; null and "" are the zero time, as in Celery.
func moment(v any) (time.Time, error) {
	switch x := v.(type) {
	case nil:
		return time.Time{}, nil
	case time.Time:
		return x, nil
	case string:
		if x == "" {
			return time.Time{}, nil
		}
		return ParseTime(x)
	case []byte:
		return moment(string(x))
	}
	return time.Time{}, fmt.Errorf("want an ISO 8601 text, got %T", v)
}

// flag reads a yes or no; nil is neither.
func flag(v any) (value, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case nil:
		return false, false
	}
	n, ok := integer(v)
	return n != 0, ok
}

// list reads an array.
func list(v any) ([]any, bool) {
	switch x := v.(type) {
	case []any:
		return x, true
	case []string:
		out := make([]any, len(x))
		for i, s := range x {
			out[i] = s
		}
		return out, true
	}
	return nil, false
}

// texts reads an array of texts; a single text is an array of one.
func texts(v any) ([]string, bool) {
	if v == nil {
		return nil, true
	}
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	items, ok := list(v)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := text(item)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
