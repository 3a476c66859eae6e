package codec

import (
	"fmt"
	"unicode/utf8"
)

// JSON as Python's json module reads it: RFC 8259 and the bare words NaN, Infinity and -Infinity.

// maxDigits is how long an integer may be, Python's own limit: reading a number takes time that grows with the square.
const maxDigits = 4300

// A scanner walks JSON text. It checks all it passes and builds nothing.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

// A kind is what a JSON value starts as.
type kind byte

const (
	kindNull kind = iota
	kindTrue
	kindFalse
	kindString
	kindInt
	kindFloat // also NaN and the infinities
	kindArray
	kindObject
)

func (s *scanner) fail(format string, args ...any) error {
	return &SyntaxError{Format: "JSON", Offset: s.pos, Reason: fmt.Sprintf(format, args...)}
}

// here names the byte at the position, for errors.
func (s *scanner) here() string {
	if s.pos >= len(s.data) {
		return "the end"
	}
	if c := s.data[s.pos]; c >= utf8.RuneSelf || c < ' ' {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("%q", s.data[s.pos])
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.fail("want the end, got %s", s.here())
	}
	return nil
}

// scalar passes one value that is no array or object, and tells the kind of any value. At an array or object it stays on
// the bracket.
func (s *scanner) scalar() (kind, error) {
	switch c := s.peek(); c {
	case '{':
		return kindObject, nil
	case '[':
		return kindArray, nil
	case '"':
		return kindString, s.str()
	case 'n':
		return kindNull, s.word("null")
	case 't':
		return kindTrue, s.word("true")
	case 'f':
		return kindFalse, s.word("false")
	case 'N':
		return kindFloat, s.word("NaN")
	case 'I':
		return kindFloat, s.word("Infinity")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	return 0, s.fail("want a value, got %s", s.here())
}

func (s *scanner) word(w string) error {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return s.fail("want a value, got %s", s.here())
	}
	s.pos += len(w)
	return nil
}

func (s *scanner) number() (kind, error) {
	if s.data[s.pos] == '-' {
		s.pos++
		if s.pos < len(s.data) && s.data[s.pos] == 'I' {
			return kindFloat, s.word("Infinity")
		}
	}
	start := s.pos
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else if s.digits() == 0 {
		return 0, s.fail("want a digit, got %s", s.here())
	}
	whole := s.pos - start
	k := kindInt
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if k = kindFloat; s.digits() == 0 {
			return 0, s.fail("want a digit after the point, got %s", s.here())
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if k = kindFloat; s.digits() == 0 {
			return 0, s.fail("want a digit in the exponent, got %s", s.here())
		}
	}
	if k == kindInt && whole > maxDigits {
		return 0, s.fail("an integer of %d digits; Python and Umbel read at most %d", whole, maxDigits)
	}
	return k, nil
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// str passes a string, quotes included.
func (s *scanner) str() error {
	start := s.pos
	s.pos++
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.fail("a control character inside a string must be escaped, got %s", s.here())
		default:
			s.pos++
		}
	}
	s.pos = start
	return s.fail("this string has no end")
}

func (s *scanner) escape() error {
	s.pos++
	if s.pos >= len(s.data) {
		return s.fail("the text ends inside a string")
	}
	switch s.data[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if s.pos >= len(s.data) || unhex(s.data[s.pos]) < 0 {
				return s.fail("want four hex digits after \\u, got %s", s.here())
			}
			s.pos++
		}
		return nil
	}
	return s.fail("no such escape: %s", s.here())
}

// skip passes one value whole.
func (s *scanner) skip() error {
	k, err := s.scalar()
	if err != nil || k < kindArray {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	closing := byte(']')
	if k == kindObject {
		closing = '}'
	}
	for first := true; ; first = false {
		more, err := s.next(closing, first)
		if err != nil || !more {
			return err
		}
		if k == kindObject {
			if err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// open enters the array or object at the position; next leaves it.
func (s *scanner) open() error {
	if s.depth++; s.depth > MaxDepth {
		return s.fail("more than %d arrays and objects inside each other", MaxDepth)
	}
	s.pos++
	return nil
}

// next stands before the next item, or has passed the closing bracket and says false.
func (s *scanner) next(closing byte, first bool) (bool, error) {
	c := s.peek()
	if c == closing {
		s.pos++
		s.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, s.fail("want \",\" or %q, got %s", closing, s.here())
	}
	s.pos++
	return true, nil
}

// name passes an object's member name and its colon.
func (s *scanner) name() error {
	if s.peek() != '"' {
		return s.fail("want a name in double quotes, got %s", s.here())
	}
	if err := s.str(); err != nil {
		return err
	}
	if s.peek() != ':' {
		return s.fail("want \":\", got %s", s.here())
	}
	s.pos++
	return nil
}

func unhex(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// checkJSON says whether raw is one JSON value of valid UTF-8.
func checkJSON(raw []byte) error {
	if err := checkUTF8("JSON", raw); err != nil {
		return err
	}
	s := scanner{data: raw}
	if err := s.skip(); err != nil {
		return err
	}
	return s.end()
}

func checkUTF8(format string, raw []byte) error {
	if utf8.Valid(raw) {
		return nil
	}
	at := 0
	for at < len(raw) {
		r, n := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return &SyntaxError{Format: format, Offset: at, Reason: "not UTF-8"}
}
