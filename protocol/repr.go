package protocol

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/codec"
)

// Python's own repr, which the texts of chord errors and events hold. It differs from what argsrepr shows (codec.Repr):
// it escapes, chooses its quotes and has no budget.

// reprDepth bounds nesting: deeper is shown as "...".
const reprDepth = 50

// Repr is a value as Python shows it, whole, with the members of objects in the order they came.
func Repr(v codec.Value) string { return string(appendOrdered(nil, v, 0)) }

func appendOrdered(dst []byte, v codec.Value, depth int) []byte {
	if depth > reprDepth {
		return append(dst, "..."...)
	}
	switch kindOf(v) {
	case objectKind:
		fields, err := members(v)
		if err != nil || v.Raw() == nil {
			return append(dst, reprOf(v)...)
		}
		dst = append(dst, '{')
		for i, f := range fields {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendReprString(dst, f.Name), ": "...)
			dst = appendOrdered(dst, f.Value, depth+1)
		}
		return append(dst, '}')
	case arrayKind:
		items, err := elements(v)
		if err != nil {
			return append(dst, reprOf(v)...)
		}
		dst = append(dst, '[')
		for i, item := range items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendOrdered(dst, item, depth+1)
		}
		return append(dst, ']')
	}
	return append(dst, reprOf(v)...)
}

func reprOf(v codec.Value) string {
	x, err := v.Any()
	if err != nil { // a Go value that is nothing to Python, or text that is no JSON
		if raw := v.Raw(); raw != nil {
			return string(raw)
		}
		return codec.Repr(v)
	}
	return string(appendRepr(nil, x, 0))
}

func appendRepr(dst []byte, v any, depth int) []byte {
	if depth > reprDepth {
		return append(dst, "..."...)
	}
	switch x := v.(type) {
	case nil:
		return append(dst, "None"...)
	case bool:
		if x {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case string:
		return appendReprString(dst, x)
	case []byte:
		return appendReprBytes(dst, x)
	case float64:
		return appendReprFloat(dst, x)
	case float32:
		return appendReprFloat(dst, float64(x))
	case []any:
		dst = append(dst, '[')
		for i, item := range x {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendRepr(dst, item, depth+1)
		}
		return append(dst, ']')
	case map[string]any:
		names := make([]string, 0, len(x))
		for name := range x {
			names = append(names, name)
		}
		slices.Sort(names)
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendReprString(dst, name), ": "...)
			dst = appendRepr(dst, x[name], depth+1)
		}
		return append(dst, '}')
	case codec.Decimal:
		return append(append(append(dst, "Decimal('"...), x...), "')"...)
	case uuid.UUID:
		return append(append(append(dst, "UUID('"...), x.String()...), "')"...)
	case codec.Date:
		return fmt.Appendf(dst, "datetime.date(%d, %d, %d)", x.Year, x.Month, x.Day)
	case codec.TimeOfDay:
		dst = fmt.Appendf(dst, "datetime.time(%d, %d", x.Hour, x.Minute)
		return append(appendReprSeconds(dst, x.Second, x.Nanosecond/1000), ')')
	case time.Time:
		return appendReprTime(dst, x)
	}
	return fmt.Appendf(dst, "%v", v)
}

// appendReprString quotes as Python does: single quotes unless the text has some and no double ones.
func appendReprString(dst []byte, s string) []byte {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	dst = append(dst, q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < ' ' || r >= 0x7f && r < 0x100 && !unicode.IsPrint(r):
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r < 0x10000:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
	}
	return append(dst, q)
}

func appendReprBytes(dst, b []byte) []byte {
	q := byte('\'')
	if bytes.IndexByte(b, '\'') >= 0 && bytes.IndexByte(b, '"') < 0 {
		q = '"'
	}
	dst = append(dst, 'b', q)
	for _, c := range b {
		switch {
		case c == q || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c >= 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, q)
}

func appendReprFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	text, err := codec.AppendJSON(nil, f)
	if err != nil {
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
	return append(dst, text...)
}

func appendReprTime(dst []byte, t time.Time) []byte {
	dst = fmt.Appendf(dst, "datetime.datetime(%d, %d, %d, %d, %d", t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute())
	dst = appendReprSeconds(dst, t.Second(), t.Nanosecond()/1000)
	if t.Location() != codec.Naive {
		if _, offset := t.Zone(); offset == 0 {
			dst = append(dst, ", tzinfo=datetime.timezone.utc"...)
		} else {
			days, rest := 0, offset
			if offset < 0 {
				days, rest = -1, offset+24*3600
			}
			dst = append(dst, ", tzinfo=datetime.timezone(datetime.timedelta("...)
			if days != 0 {
				dst = append(dst, "days=-1, "...)
			}
			dst = fmt.Appendf(dst, "seconds=%d))", rest)
		}
	}
	return append(dst, ')')
}

// appendReprSeconds leaves out what is zero, as Python does.
func appendReprSeconds(dst []byte, second, micro int) []byte {
	if second != 0 || micro != 0 {
		dst = fmt.Appendf(dst, ", %d", second)
	}
	if micro != 0 {
		dst = fmt.Appendf(dst, ", %d", micro)
	}
	return dst
}
