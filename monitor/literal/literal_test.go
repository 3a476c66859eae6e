package literal

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestWhatPythonShowsIsRead(t *testing.T) {
	for text, want := range map[string]string{
		"()":                         `[]`,
		"(1, 'pears')":               `[1,"pears"]`,
		"(41207,)":                   `[41207]`,
		"[1, -2.5, 1e+20, 5.]":       `[1,-2.5,1e+20,5.0]`,
		"12345678901234567890":       `12345678901234567890`,
		"{'a': None, \"b\": [True]}": `{"a":null,"b":[true]}`,
		"{}":                         `{}`,
		`('it\'s', "say \"x\"")`:     `["it's","say \"x\""]`,
		`('\xe9\u20ac\n\\',)`:        `["é€\n\\"]`,
		"('日本', (1, 2), [(3,)])":     `["日本",[1,2],[[3]]]`,
		"(1)":                        `1`,
		`["json", null, true]`:       `["json",null,true]`,
	} {
		v, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestWhatCannotBeSentAgainIsToldApart(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrCut, "(1, ...": ErrCut, "(1, 'pea": ErrCut, "('pears...',)": ErrCut, "(1, ...)": ErrCut, "[1, 2, 3…": ErrCut, "{'a': ": ErrCut, "(12...": ErrCut,
		"(datetime.date(2026, 1, 1),)": ErrForeign, "{'password': ***}": ErrForeign, "***": ErrForeign, "(b'x',)": ErrForeign, "{1: 2}": ErrForeign,
		"<Order 7>": ErrForeign, "(nan,)": ErrForeign, "{1, 2}": ErrForeign, "1 2": ErrForeign, "('\\q',)": ErrForeign, "--1": ErrForeign,
	} {
		if v, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, %v, want %v", text, v, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"(1, 'a')", "{'a': [None, True, -1.5e3]}", "(((((", "'\\x4", "…"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%q cannot be written as JSON: %v", text, err)
		}
	})
}
