package codec

import (
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// An object is a JSON object whose members keep their order, for writers that must not lose it. It never leaves the package.
type object []member

type member struct {
	name  string
	value any
}

// A reader builds generic values out of JSON text, kombu's typed envelopes resolved.
type reader struct {
	scanner
	ordered bool // objects become object instead of map[string]any
}

// readJSON is the generic value of one JSON text.
func readJSON(raw []byte, ordered bool) (any, error) {
	if err := checkUTF8("JSON", raw); err != nil {
		return nil, err
	}
	r := reader{scanner: scanner{data: raw}, ordered: ordered}
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	return v, r.end()
}

func (r *reader) value() (any, error) {
	r.space()
	start := r.pos
	k, err := r.scalar()
	if err != nil {
		return nil, err
	}
	switch k {
	case kindTrue:
		return true, nil
	case kindFalse:
		return false, nil
	case kindString:
		return unquote(r.data[start:r.pos]), nil
	case kindInt:
		return parseInt(r.data[start:r.pos]), nil
	case kindFloat:
		return parseFloat(r.data[start:r.pos]), nil
	case kindArray:
		return r.array()
	case kindObject:
		return r.object()
	}
	return nil, nil
}

func (r *reader) array() (any, error) {
	if err := r.open(); err != nil {
		return nil, err
	}
	items := []any{}
	for first := true; ; first = false {
		more, err := r.next(']', first)
		if err != nil || !more {
			return items, err
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
}

func (r *reader) object() (any, error) {
	if err := r.open(); err != nil {
		return nil, err
	}
	start := r.pos
	var list object
	var table map[string]any
	if r.ordered {
		list = object{}
	} else {
		table = map[string]any{}
	}
	for first := true; ; first = false {
		more, err := r.next('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		r.space()
		at := r.pos
		if err := r.name(); err != nil {
			return nil, err
		}
		name := unquote(trimName(r.data[at:r.pos]))
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		if r.ordered {
			list = append(list, member{name, v})
		} else {
			table[name] = v
		}
	}
	if r.ordered {
		list = lastWins(list, func(m member) string { return m.name })
		if typ, v, ok := list.envelope(); ok {
			return r.unwrap(start, typ, v)
		}
		return list, nil
	}
	if len(table) == 2 {
		typ, ok1 := table[envelopeType]
		v, ok2 := table[envelopeValue]
		if ok1 && ok2 {
			return r.unwrap(start, typ, v)
		}
	}
	return table, nil
}

// unwrap resolves an envelope that began at start.
func (r *reader) unwrap(start int, typ, v any) (any, error) {
	opened, err := openEnvelope(typ, v)
	if err != nil {
		return nil, &SyntaxError{Format: "JSON", Offset: start - 1, Reason: err.Error()}
	}
	return opened, nil
}

// trimName cuts what follows the closing quote: white space and the colon.
func trimName(b []byte) []byte {
	for b[len(b)-1] != '"' {
		b = b[:len(b)-1]
	}
	return b
}

// lastWins drops all but the last of members with one name; it takes the place of the first, as in a Python dict.
func lastWins[M any](members []M, name func(M) string) []M {
	if len(members) < 2 {
		return members
	}
	if len(members) <= 8 {
		kept := members[:0]
	next:
		for _, m := range members {
			for i := range kept {
				if name(kept[i]) == name(m) {
					kept[i] = m
					continue next
				}
			}
			kept = append(kept, m)
		}
		return kept
	}
	at := make(map[string]int, len(members))
	kept := members[:0]
	for _, m := range members {
		if i, ok := at[name(m)]; ok {
			kept[i] = m
			continue
		}
		at[name(m)] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

// parseInt reads an integer the scanner has passed: int64, or *big.Int beyond it.
func parseInt(b []byte) any {
	if len(b) <= 18 { // cannot overflow
		neg := b[0] == '-'
		if neg {
			b = b[1:]
		}
		var n int64
		for _, c := range b {
			n = n*10 + int64(c-'0')
		}
		if neg {
			n = -n
		}
		return n
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return n
	}
	n, _ := new(big.Int).SetString(string(b), 10)
	return n
}

// parseFloat reads a float the scanner has passed. Out of range is infinite, as in Python.
func parseFloat(b []byte) float64 {
	switch string(b) {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	f, _ := strconv.ParseFloat(string(b), 64)
	return f
}

// unquote is the text of a string the scanner has passed, quotes included. Half a surrogate pair becomes U+FFFD.
func unquote(b []byte) string {
	b = b[1 : len(b)-1]
	i := 0
	for i < len(b) && b[i] != '\\' {
		i++
	}
	if i == len(b) {
		return string(b)
	}
	out := make([]byte, i, len(b))
	copy(out, b)
	for i < len(b) {
		c := b[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		c = b[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hexRune(b[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 <= len(b) && b[i] == '\\' && b[i+1] == 'u' {
					low = hexRune(b[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

func hexRune(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | unhex(c)
	}
	return r
}
