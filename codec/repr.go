package codec

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The text that stands for arguments in logs, events and inspect: Python's repr, cut short. Every rule here, also what
// happens to brackets at the very end of the budget, is Celery's, so that both sides of a fleet print the same.
// Celery: celery/utils/saferepr.py.
const (
	reprBudget = 1024 // characters, before the closing brackets
	reprLevels = 3    // lists and dicts inside each other
)

// Repr is the Python repr of a generic or any other Go value, about 1024 characters and three levels at most. What cannot
// be encoded is shown by its Go type.
func Repr(v any) string {
	w := newReprWriter()
	w.value(v, 0)
	return string(w.out)
}

// ReprArgs is argsrepr: the Python repr of args as a tuple, "(2, 'x')", "(1,)", "()". JSON that was not checked before
// and is broken shows as <invalid JSON>.
func ReprArgs(args []Value) string {
	w := newReprWriter()
	closing := ")"
	if len(args) == 1 {
		closing = ",)"
	}
	w.open("(")
	for i, a := range args {
		if i > 0 {
			w.literal(", ")
		}
		if w.full {
			break
		}
		w.value(a, 0)
	}
	w.close(closing)
	return string(w.out)
}

// ReprKwargs is kwargsrepr: the Python repr of a dict, "{'z': 4}".
func ReprKwargs(kwargs []NamedValue) string {
	w := newReprWriter()
	w.named(kwargs, 0)
	return string(w.out)
}

// A reprWriter writes tokens until its budget is used up; from then on only the brackets still open are closed.
type reprWriter struct {
	out   []byte
	left  int // characters
	level int // brackets open
	full  bool
}

func newReprWriter() reprWriter { return reprWriter{out: make([]byte, 0, 128), left: reprBudget} }

// room says whether one more token may be written. The token that finds none is lost, even if it is a bracket.
func (w *reprWriter) room() bool {
	if w.full {
		return false
	}
	if w.left <= 0 {
		w.out = append(w.out, ", ..."...)
		w.full = true
	}
	return !w.full
}

func (w *reprWriter) literal(s string) {
	if w.room() {
		w.out = append(w.out, s...)
		w.left -= len(s)
	}
}

func (w *reprWriter) open(bracket string) {
	w.literal(bracket)
	w.level++
}

func (w *reprWriter) close(bracket string) {
	w.level--
	if w.full {
		w.out = append(w.out, bracket...)
		return
	}
	w.literal(bracket)
}

// token writes text that may be cut.
func (w *reprWriter) token(s string) {
	if w.room() {
		s, cut := truncate(s, w.left)
		w.put(s)
		w.put(cut)
	}
}

func (w *reprWriter) quoted(s string) {
	if !w.room() {
		return
	}
	s, cut := truncate(s, w.left)
	w.put("'")
	for {
		before, after, found := strings.Cut(s, "'")
		if w.put(before); !found {
			break
		}
		w.put(`\'`)
		s = after
	}
	w.put(cut)
	w.put("'")
}

func (w *reprWriter) bytes(b []byte) {
	if !w.room() {
		return
	}
	cut := ""
	if len(b) > w.left {
		b, cut = b[:w.left], "..."
	}
	w.put("b'")
	if utf8.Valid(b) {
		w.put(string(b))
	} else {
		w.put(hex.EncodeToString(b))
	}
	w.put(cut)
	w.put("'")
}

// put writes text whatever its length.
func (w *reprWriter) put(s string) {
	w.out = append(w.out, s...)
	w.left -= utf8.RuneCountInString(s)
}

// truncate cuts text of n characters or more back to the last blank before them; cut is then the dots that follow.
func truncate(s string, n int) (text, cut string) {
	if len(s) < n {
		return s, ""
	}
	at := 0
	for range n {
		if at >= len(s) {
			return s, ""
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	s = s[:at]
	if blank := strings.LastIndexByte(s, ' '); blank >= 0 {
		s = s[:blank]
	}
	return s, "..."
}

// deep writes the stand-in for what is nested too deep.
func (w *reprWriter) deep(opening, closing string) bool {
	if w.level < reprLevels {
		return false
	}
	w.token(opening + "..." + closing)
	return true
}

// value writes one value; goDepth counts Go values inside each other, which brackets alone do not bound.
func (w *reprWriter) value(v any, goDepth int) {
	if w.full {
		return
	}
	switch v := v.(type) {
	case nil:
		w.token("None")
	case bool:
		w.token(pythonBool(v))
	case string:
		w.quoted(v)
	case []byte:
		if v == nil {
			w.token("None")
			return
		}
		w.bytes(v)
	case int:
		w.token(strconv.Itoa(v))
	case int64:
		w.token(strconv.FormatInt(v, 10))
	case float64:
		w.token(pythonFloat(v, 64))
	case *big.Int:
		w.bigInt(v)
	case time.Time:
		w.token(pythonDateTime(v))
	case Date:
		if v == (Date{}) {
			w.token("None")
			return
		}
		w.token(fmt.Sprintf("datetime.date(%d, %d, %d)", v.Year, v.Month, v.Day))
	case TimeOfDay:
		w.token("datetime.time(" + pythonClock(v) + ")")
	case Decimal:
		if v == "" {
			w.token("None")
			return
		}
		w.token("Decimal('" + string(v) + "')")
	case uuid.UUID:
		w.token("UUID('" + v.String() + "')")
	case Value:
		if len(v.raw) > 0 {
			w.json(v.raw)
			return
		}
		if goDepth++; goDepth > MaxDepth {
			w.token("...")
			return
		}
		w.value(v.decoded, goDepth)
	case []NamedValue:
		w.named(v, goDepth)
	case []any:
		if v == nil {
			w.token("None")
			return
		}
		w.list(len(v), func(i int) { w.value(v[i], goDepth+1) })
	case map[string]any:
		if v == nil {
			w.token("None")
			return
		}
		names := slices.Sorted(maps.Keys(v))
		w.dict(len(names), func(i int) string { return names[i] }, func(i int) { w.value(v[names[i]], goDepth+1) })
	case object:
		w.dict(len(v), func(i int) string { return v[i].name }, func(i int) { w.value(v[i].value, goDepth+1) })
	default:
		w.reflected(reflect.ValueOf(v), goDepth)
	}
}

func (w *reprWriter) bigInt(n *big.Int) {
	switch {
	case n == nil:
		w.token("None")
	case n.BitLen() > 4*reprBudget: // its digits could not be shown anyway, and take long to find
		w.token(fmt.Sprintf("<int of %d bits>", n.BitLen()))
	default:
		w.token(n.String())
	}
}

func (w *reprWriter) named(kwargs []NamedValue, goDepth int) {
	w.dict(len(kwargs), func(i int) string { return kwargs[i].Name }, func(i int) { w.value(kwargs[i].Value, goDepth+1) })
}

func (w *reprWriter) dict(n int, name func(int) string, value func(int)) {
	if w.deep("{", "}") {
		return
	}
	w.open("{")
	for i := 0; i < n && !w.full; i++ {
		if i > 0 {
			w.literal(", ")
		}
		w.quoted(name(i))
		w.literal(": ")
		value(i)
	}
	w.close("}")
}

func (w *reprWriter) list(n int, value func(int)) {
	if w.deep("[", "]") {
		return
	}
	w.open("[")
	for i := 0; i < n && !w.full; i++ {
		if i > 0 {
			w.literal(", ")
		}
		value(i)
	}
	w.close("]")
}

// reflected writes Go values that are not generic: containers item by item, so that a large one costs no more than what
// is shown of it, everything else as what it becomes on the wire.
func (w *reprWriter) reflected(v reflect.Value, goDepth int) {
	t := v.Type()
	own := t.Implements(marshalerType) || t.Implements(textMarshalerType) || exactEncoder(t) != nil
	if goDepth++; goDepth > MaxDepth {
		w.token("...")
		return
	}
	switch kind := v.Kind(); {
	case (kind == reflect.Pointer || kind == reflect.Slice || kind == reflect.Map) && v.IsNil():
		w.token("None")
	case own:
		w.encoded(v)
	case kind == reflect.Pointer:
		w.value(v.Elem().Interface(), goDepth)
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		w.bytes(v.Bytes())
	case kind == reflect.Slice, kind == reflect.Array:
		w.list(v.Len(), func(i int) { w.value(v.Index(i).Interface(), goDepth) })
	case kind == reflect.Map && t.Key().Kind() == reflect.String:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		w.dict(len(keys), func(i int) string { return keys[i].String() }, func(i int) { w.value(v.MapIndex(keys[i]).Interface(), goDepth) })
	default:
		w.encoded(v)
	}
}

func (w *reprWriter) encoded(v reflect.Value) {
	raw, err := AppendJSON(nil, v.Interface())
	if err != nil {
		w.token("<" + v.Type().String() + ">")
		return
	}
	w.json(raw)
}
