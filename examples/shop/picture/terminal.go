package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A span is text of one look.
type span struct {
	text string
	look int // SGR code: 0 plain, 1 bold, 2 faint, 31 red, 32 green, 33 yellow
}

// A terminal is lines of text and a cursor, as far as the demo needs them: lines are written from their beginning, and
// replaced as a whole.
type terminal struct {
	rows [][]span
	at   int // row of the cursor
	look int
	rest []byte // an escape sequence or character that is not complete
}

// Write takes what a program sends.
func (t *terminal) Write(p []byte) (int, error) {
	text := append(t.rest, p...)
	for len(text) > 0 {
		n, err := t.take(text)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		text = text[n:]
	}
	t.rest = bytes.Clone(text)
	return len(p), nil
}

// take reads one piece of the text and returns its length, 0 when it is not complete.
func (t *terminal) take(text []byte) (int, error) {
	for len(t.rows) <= t.at {
		t.rows = append(t.rows, nil)
	}
	switch c := text[0]; {
	case c == '\n':
		t.at++
		return 1, nil
	case c == '\r':
		return 1, nil
	case c == 0x1b:
		return t.escape(text)
	case c < ' ':
		return 0, fmt.Errorf("character %#x is not known here", c)
	case !utf8.FullRune(text):
		return 0, nil
	}
	end := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' })
	if end < 0 {
		end = len(text)
		for end > 0 && !utf8.Valid(text[:end]) { // the last character goes on in the next piece
			end--
		}
	}
	t.rows[t.at] = append(t.rows[t.at], span{string(text[:end]), t.look})
	return end, nil
}

// escape obeys ESC [ number letter.
func (t *terminal) escape(text []byte) (int, error) {
	end := bytes.IndexAny(text, "ABCDEFGHJKmhl")
	if end < 0 {
		return 0, nil
	}
	code := strings.TrimPrefix(string(text[1:end]), "[")
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0, fmt.Errorf("escape sequence %q is not known here", text[:end+1])
	}
	switch text[end] {
	case 'A':
		t.at = max(0, t.at-n)
	case 'K':
		t.rows[t.at] = nil
	case 'm':
		t.look = n
	default:
		return 0, fmt.Errorf("escape sequence %q is not known here", text[:end+1])
	}
	return end + 1, nil
}
