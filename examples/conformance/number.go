package main

import "fmt"

// Numbers as Python has them: whole ones stay whole, lists can be joined.

type typeError string

func (e typeError) Error() string { return string(e) }

// PythonException names the class.
func (typeError) PythonException() (string, string) { return "builtins", "TypeError" }

func float(v any) (float64, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	}
	return 0, typeError(fmt.Sprintf("%T is no number", v))
}

func plus(x, y any) (any, error) {
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			return a + b, nil
		}
	}
	if a, ok := x.([]any); ok {
		if b, ok := y.([]any); ok {
			return append(append([]any{}, a...), b...), nil
		}
	}
	if a, ok := x.(string); ok {
		if b, ok := y.(string); ok {
			return a + b, nil
		}
	}
	a, err := float(x)
	if err != nil {
		return nil, err
	}
	b, err := float(y)
	return a + b, err
}

func times(x, y any) (any, error) {
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			return a * b, nil
		}
	}
	a, err := float(x)
	if err != nil {
		return nil, err
	}
	b, err := float(y)
	return a * b, err
}

func total(list []any) (sum any, err error) {
	sum = int64(0)
	for _, x := range list {
		if sum, err = plus(sum, x); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// truth is Python's bool().
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return true
}
