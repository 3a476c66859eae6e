package python

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// scan cuts source into tokens. Newlines inside brackets, blank lines and comments are none. It ends with an endToken.
func scan(source string) []token {
	s := scanner{source: source, line: 1}
	for s.next() {
	}
	s.newline()
	s.add(endToken, "", s.at)
	return s.tokens
}

type scanner struct {
	source    string
	at        int
	line      int
	lineStart int // the byte at which the line begins
	indent    int // of the logical line
	depth     int // open brackets
	counted   int // the byte up to which column counts
	column    int // characters of the line before counted
	tokens    []token
}

func (s *scanner) add(kind tokenKind, text string, from int) {
	if s.counted < s.lineStart || s.counted > from {
		s.counted, s.column = min(s.lineStart, from), 0
	}
	s.column += utf8.RuneCountInString(s.source[s.counted:from])
	s.counted = from
	s.tokens = append(s.tokens, token{kind: kind, text: text, line: s.line, column: s.column + 1, from: from, to: s.at, indent: s.indent})
}

// newline ends a logical line that has tokens.
func (s *scanner) newline() {
	if n := len(s.tokens); n > 0 && s.tokens[n-1].kind != newlineToken {
		s.add(newlineToken, "", s.at)
	}
}

func (s *scanner) next() bool {
	if s.at >= len(s.source) {
		return false
	}
	fresh := len(s.tokens) == 0 || s.tokens[len(s.tokens)-1].kind == newlineToken
	if fresh && s.at == s.lineStart {
		s.indent = 0
	}
	c := s.source[s.at]
	switch {
	case c == ' ' || c == '\t' || c == '\f':
		if fresh && c == '\t' {
			s.indent += 8 - s.indent%8
		} else if fresh && c == ' ' {
			s.indent++
		}
		s.at++
	case c == '\r':
		s.at++
	case c == '\n':
		if s.depth == 0 {
			s.newline()
		}
		s.at++
		s.line++
		s.lineStart = s.at
	case c == '#':
		if end := strings.IndexByte(s.source[s.at:], '\n'); end >= 0 {
			s.at += end
		} else {
			s.at = len(s.source)
		}
	case c == '\\':
		rest := strings.TrimPrefix(s.source[s.at+1:], "\r")
		if !strings.HasPrefix(rest, "\n") {
			s.fault("a backslash that continues no line")
			return true
		}
		s.at = len(s.source) - len(rest) + 1
		s.line++
		s.lineStart = s.at
	case c >= '0' && c <= '9', c == '.' && s.at+1 < len(s.source) && s.source[s.at+1] >= '0' && s.source[s.at+1] <= '9':
		s.number()
	case c == '"' || c == '\'':
		s.text(s.at, "")
	default:
		s.word()
	}
	return true
}

func (s *scanner) fault(why string) {
	from := s.at
	_, size := utf8.DecodeRuneInString(s.source[s.at:])
	s.at += size
	s.add(errorToken, why, from)
}

func (s *scanner) number() {
	from := s.at
	for s.at < len(s.source) {
		c := s.source[s.at]
		signed := (c == '+' || c == '-') && strings.ContainsRune("eE", rune(s.source[s.at-1])) && !strings.HasPrefix(strings.ToLower(s.source[from:]), "0x")
		if !(c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || signed) {
			break
		}
		s.at++
	}
	s.add(numberToken, s.source[from:s.at], from)
}

// word is a name, the prefix of a string, or a sign.
func (s *scanner) word() {
	from := s.at
	for s.at < len(s.source) {
		r, size := utf8.DecodeRuneInString(s.source[s.at:])
		if !(r == '_' || unicode.IsLetter(r) || s.at > from && (unicode.IsDigit(r) || unicode.Is(unicode.Mn, r))) {
			break
		}
		s.at += size
	}
	if s.at > from {
		word := s.source[from:s.at]
		if s.at < len(s.source) && (s.source[s.at] == '"' || s.source[s.at] == '\'') && len(word) <= 2 && strings.Trim(strings.ToLower(word), "rbfut") == "" {
			s.text(from, strings.ToLower(word))
			return
		}
		s.add(nameToken, word, from)
		return
	}
	for _, sign := range signs {
		if strings.HasPrefix(s.source[s.at:], sign) {
			switch sign {
			case "(", "[", "{":
				s.depth++
			case ")", "]", "}":
				s.depth = max(0, s.depth-1)
			}
			s.at += len(sign)
			s.add(signToken, sign, from)
			return
		}
	}
	s.fault("a character that no Python word begins with")
}

// text is a string, whose prefix begins at from; the scanner stands at its first quote.
func (s *scanner) text(from int, prefix string) {
	line, lineStart := s.line, s.lineStart
	quote := s.source[s.at : s.at+1]
	if strings.HasPrefix(s.source[s.at:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	s.at += len(quote)
	var value strings.Builder
	raw := strings.Contains(prefix, "r")
	for !strings.HasPrefix(s.source[s.at:], quote) {
		if s.at >= len(s.source) || s.source[s.at] == '\n' && len(quote) == 1 {
			s.add(errorToken, "a string that does not end", from)
			return
		}
		if s.source[s.at] == '\\' && s.at+1 < len(s.source) {
			s.escape(&value, raw, strings.Contains(prefix, "b"))
			continue
		}
		if s.source[s.at] == '\n' {
			s.line++
			s.lineStart = s.at + 1
		}
		value.WriteByte(s.source[s.at])
		s.at++
	}
	s.at += len(quote)
	kind, text := stringToken, value.String()
	switch {
	case strings.ContainsAny(prefix, "ft"):
		kind, text = formatToken, s.source[from:s.at]
	case strings.Contains(prefix, "b"):
		kind = bytesToken
	}
	end, endStart := s.line, s.lineStart
	s.line, s.lineStart = line, lineStart
	s.add(kind, text, from)
	s.line, s.lineStart = end, endStart
}
