package python

import (
	"strconv"
	"strings"
)

// simple are the escapes of one letter.
var simple = map[byte]byte{'\\': '\\', '\'': '\'', '"': '"', 'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escape reads what follows a backslash, at which the scanner stands. One that Python does not know stays as it is.
func (s *scanner) escape(value *strings.Builder, raw, bytes bool) {
	c := s.source[s.at+1]
	if c == '\n' {
		s.line++
		s.lineStart = s.at + 2
	}
	if raw {
		value.WriteString(s.source[s.at : s.at+2])
		s.at += 2
		return
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if bytes && c != 'x' {
		digits = 0
	}
	b, short := simple[c]
	switch {
	case c == '\n': // joins two lines
		s.at += 2
	case short:
		value.WriteByte(b)
		s.at += 2
	case digits > 0 && s.at+2+digits <= len(s.source):
		n, err := strconv.ParseUint(s.source[s.at+2:s.at+2+digits], 16, 32)
		if err != nil || n > 0x10ffff {
			value.WriteString(s.source[s.at : s.at+2])
			s.at += 2
			return
		}
		if bytes {
			value.WriteByte(byte(n))
		} else {
			value.WriteRune(rune(n))
		}
		s.at += 2 + digits
	case c >= '0' && c <= '7':
		end := s.at + 1
		for end < len(s.source) && end < s.at+4 && s.source[end] >= '0' && s.source[end] <= '7' {
			end++
		}
		n, _ := strconv.ParseUint(s.source[s.at+1:end], 8, 32)
		if bytes {
			value.WriteByte(byte(n))
		} else {
			value.WriteRune(rune(n))
		}
		s.at = end
	default:
		value.WriteByte('\\')
		s.at++
	}
}
