package cli

import (
	"strings"
	"testing"
)

func TestAValueIsFoldedAfterCommas(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{'a': 1}", "{'a': 1}"},
		{"{'id': 'x', 'name': 'orders.charge', 'args': [1, 2]}", "{'id': 'x',|  'name': 'orders.charge',|  'args': [1, 2]}"},
		{"{'text': 'one, two, three, four, five', 'b': 2}", "{'text': 'one, two, three, four, five',|  'b': 2}"},
		{`{'quoted': 'it\'s, well, "so", long', 'b': 2}`, `{'quoted': 'it\'s, well, "so", long',|  'b': 2}`},
		{`{"it's, well, long, very": 1, 'b': 2}`, `{"it's, well, long, very": 1,|  'b': 2}`},
		{"{'ä': 'ööööööööööööö', 'b': 'ü'}", "{'ä': 'ööööööööööööö',|  'b': 'ü'}"},
		{"nocommasbutverylongindeedandlonger", "nocommasbutverylongindeedandlonger"},
		{"", ""},
		{"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]", "[1, 2, 3, 4, 5, 6, 7,|  8, 9, 10, 11, 12,|  13, 14, 15, 16, 17,|  18]"},
	} {
		if got, want := fold(c.text, 22, "  "), strings.ReplaceAll(c.want, "|", "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, want)
		}
	}
}

// Folding changes blanks between members, and nothing else.
func FuzzFold(f *testing.F) {
	f.Add("{'a, b': [1, 2, 'c\\', d']}", 10)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if strings.ContainsAny(text, "\n\r") || strings.ToValidUTF8(text, "?") != text {
			return // no reply is shown so
		}
		if got := strings.ReplaceAll(fold(text, width%100, "~~"), "\n~~", " "); got != text {
			t.Errorf("%q has become %q", text, got)
		}
	})
}
