package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/codec"
)

// kind is the outermost shape of a value, by JSON's names, as errors show it.
type kind string

const (
	nullKind   kind = "null"
	objectKind kind = "an object"
	arrayKind  kind = "an array"
	textKind   kind = "a text"
	otherKind  kind = "a plain value"
)

// kindOf looks at a value without decoding it.
func kindOf(v codec.Value) kind {
	if raw := v.Raw(); raw != nil {
		switch firstByte(raw) {
		case '{':
			return objectKind
		case '[':
			return arrayKind
		case '"':
			return textKind
		case 'n':
			return nullKind
		}
		return otherKind
	}
	x, err := v.Any()
	if err != nil {
		return otherKind
	}
	switch x.(type) {
	case nil:
		return nullKind
	case map[string]any, []codec.NamedValue:
		return objectKind
	case []any, []codec.Value:
		return arrayKind
	case string:
		return textKind
	}
	return otherKind
}

// elements splits an array, whatever serializer it came from. Null is an empty array.
func elements(v codec.Value) ([]codec.Value, error) {
	if v.IsNull() {
		return nil, nil
	}
	if raw := v.Raw(); raw != nil {
		return codec.SplitArray(raw)
	}
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	switch items := x.(type) {
	case []any:
		out := make([]codec.Value, len(items))
		for i, item := range items {
			out[i] = codec.Of(item)
		}
		return out, nil
	case []codec.Value:
		return items, nil
	}
	return nil, fmt.Errorf("want an array, got %T", x)
}

// members splits an object, whatever serializer it came from: JSON in the order of the text, others by name. Null is an
// empty object.
func members(v codec.Value) ([]codec.NamedValue, error) {
	if v.IsNull() {
		return nil, nil
	}
	if raw := v.Raw(); raw != nil {
		return codec.SplitObject(raw)
	}
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	switch object := x.(type) {
	case map[string]any:
		out := make([]codec.NamedValue, 0, len(object))
		for name, item := range object {
			out = append(out, codec.NamedValue{Name: name, Value: codec.Of(item)})
		}
		slices.SortFunc(out, func(a, b codec.NamedValue) int { return strings.Compare(a.Name, b.Name) })
		return out, nil
	case []codec.NamedValue:
		return object, nil
	}
	return nil, fmt.Errorf("want an object, got %T", x)
}

// field finds a member by name.
func field(fields []codec.NamedValue, name string) (codec.Value, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return codec.Value{}, false
}

// textOf decodes a value that should be a text; null is "". Raw JSON must have been checked: texts without escapes, which
// nearly all are, are taken as they stand.
func textOf(v codec.Value) (string, bool) {
	if raw := v.Raw(); len(raw) >= 2 && raw[0] == '"' && raw[len(raw)-1] == '"' {
		if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 {
			return string(plain), true
		}
	}
	x, err := v.Any()
	if err != nil {
		return "", false
	}
	return text(x)
}

// appendString writes a JSON text. Names and ids are plain nearly always and take the short way.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			if out, err := codec.AppendJSON(dst, s); err == nil {
				return out
			}
			out, _ := codec.AppendJSON(dst, strings.ToValidUTF8(s, "\uFFFD"))
			return out
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendOrNull writes a text, or null when it is empty.
func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, s)
}

// appendArray writes values as a JSON array with Python's separators.
func appendArray(dst []byte, items []codec.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = item.AppendJSON(dst); err != nil {
			return dst, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

// appendObject writes members as a JSON object with Python's separators.
func appendObject(dst []byte, fields []codec.NamedValue) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendString(dst, f.Name), ": "...)
		if dst, err = f.Value.AppendJSON(dst); err != nil {
			return dst, fmt.Errorf("%q: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}
