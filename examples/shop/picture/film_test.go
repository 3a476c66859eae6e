package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestATerminalShowsWhatWasDrawnLast(t *testing.T) {
	const sent = "title\r\n\x1b[2K\x1b[32m━━\x1b[0m\x1b[2m──\x1b[0m 2 of 4\r\nx\r\n\x1b[2A\x1b[2K\x1b[32m━━━━\x1b[0m 4 of 4\r\n\x1b[2Ky <&>\r\n"
	for name, in := range map[string]io.Reader{"whole": strings.NewReader(sent), "byte by byte": iotest.OneByteReader(strings.NewReader(sent))} {
		t.Run(name, func(t *testing.T) {
			var term terminal
			if _, err := io.Copy(&term, in); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, r := range term.rows {
				line := ""
				for _, s := range r {
					line += s.text
				}
				lines = append(lines, line)
			}
			if got := strings.Join(lines, "|"); strings.TrimRight(got, "|") != "title|━━━━ 4 of 4|y <&>" {
				t.Errorf("shown: %q", got)
			}
		})
	}
}

func TestThePictureIsXMLAndHoldsTheText(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"$ demo"}, strings.NewReader("a <b> & c\n\x1b[31mred\x1b[0m\n"), &out); err != nil {
		t.Fatal(err)
	}
	var text []string
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			text = append(text, strings.TrimSpace(string(s)))
		}
	}
	for _, want := range []string{"$ demo", "a <b> & c", "red"} {
		found := false
		for _, s := range text {
			found = found || s == want
		}
		if !found {
			t.Errorf("%q is not in the picture: %q", want, text)
		}
	}
}

func TestWhatATerminalWouldDoOtherwiseIsRefused(t *testing.T) {
	for _, sent := range []string{"\x1b[2J", "\x1b[?25l", "\a"} {
		if err := run(nil, strings.NewReader(sent), io.Discard); err == nil {
			t.Errorf("%q was taken", sent)
		}
	}
}
