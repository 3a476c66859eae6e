package redis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Settings come from YAML, JSON, the environment or a URL: the same number may be an int, a float or text.

func asInt(v any) (int, error) {
	switch n := v.(type) {
	case int:
		return n, nil
	case int32:
		return int(n), nil
	case int64:
		return int(n), nil
	case uint64:
		if n <= math.MaxInt64 {
			return int(n), nil
		}
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int(n), nil
		}
	case string:
		if i, err := strconv.Atoi(strings.TrimSpace(n)); err == nil {
			return i, nil
		}
	}
	return 0, fmt.Errorf("want a whole number, got %s", show(v))
}

// asDuration reads seconds, as Celery writes durations.
func asDuration(v any) (time.Duration, error) {
	var seconds float64
	switch n := v.(type) {
	case time.Duration:
		return n, nil
	case float64:
		seconds = n
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
		if err != nil {
			return 0, fmt.Errorf("want seconds, got %s", show(v))
		}
		seconds = f
	default:
		i, err := asInt(v)
		if err != nil {
			return 0, fmt.Errorf("want seconds, got %s", show(v))
		}
		seconds = float64(i)
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e9 {
		return 0, fmt.Errorf("want seconds, got %s", show(v))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func asBool(v any) (bool, error) {
	switch b := v.(type) {
	case bool:
		return b, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(b)) {
		case "true", "yes", "on", "1", "t", "y":
			return true, nil
		case "false", "no", "off", "0", "f", "n", "":
			return false, nil
		}
	default:
		if i, err := asInt(v); err == nil && (i == 0 || i == 1) {
			return i == 1, nil
		}
	}
	return false, fmt.Errorf("want true or false, got %s", show(v))
}

// asText accepts numbers too: a password of digits is one in YAML.
func asText(v any) (string, error) {
	switch s := v.(type) {
	case string:
		return s, nil
	case int, int32, int64, uint64:
		return fmt.Sprint(s), nil
	}
	return "", fmt.Errorf("want text, got a %T", v)
}

func asMap(v any) (map[string]any, error) {
	switch m := v.(type) {
	case map[string]any:
		return m, nil
	case map[any]any:
		out := make(map[string]any, len(m))
		for k, v := range m {
			out[fmt.Sprint(k)] = v
		}
		return out, nil
	}
	return nil, fmt.Errorf("want a table, got a %T", v)
}

// show prints a value of the user's in an error; values that may be secret are never given to it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%v (%T)", v, v)
}
