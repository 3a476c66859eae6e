package codec

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestGenericValuesKeepTheirTypes(t *testing.T) {
	for text, want := range map[string]any{
		`1`:                        int64(1),
		`-0`:                       int64(0),
		`9223372036854775807`:      int64(math.MaxInt64),
		`-9223372036854775808`:     int64(math.MinInt64),
		`1.0`:                      1.0,
		`1e2`:                      100.0,
		`1e400`:                    math.Inf(1),
		` true `:                   true,
		`"\ud83d\ude00\u00e9\/"`:   "😀é/",
		`"\ud83d x"`:               "\ufffd x",
		`"\ud83d\u0041"`:           "\ufffdA",
		`{"a": 1, "a": 2}`:         map[string]any{"a": int64(2)},
		`[[], {}]`:                 []any{[]any{}, map[string]any{}},
		`{"__type__": "datetime"}`: map[string]any{"__type__": "datetime"},
		`{"__type__": "bytes", "__value__": "x", "more": 1}`:                                map[string]any{"__type__": "bytes", "__value__": "x", "more": int64(1)},
		`{"__value__": "aGk=", "__type__": "base64"}`:                                       []byte("hi"),
		`{"\u005f_type__": "bytes", "__value__": "x"}`:                                      []byte("x"),
		`{"__type__": "date", "__value__": "2024-01-02T03:04:05"}`:                          Date{2024, 1, 2},
		`{"__type__": "time", "__value__": "03:04:05.000006-01:30"}`:                        TimeOfDay{Hour: 3, Minute: 4, Second: 5, Nanosecond: 6000, HasOffset: true, Offset: -5400},
		`{"__type__": "datetime", "__value__": "2024-01-02T03:04:05Z"}`:                     time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		`{"__type__": "decimal", "__value__": "-sNaN12"}`:                                   Decimal("-sNaN12"),
		`{"__type__": "bytes", "__value__": {"__type__": "bytes", "__value__": "x"}}`:       nil, // an error: bytes of bytes
		`{"k": {"__type__": "decimal", "__value__": "1"}, "l": ["2024-01-02T03:04:05"]}`:    map[string]any{"k": Decimal("1"), "l": []any{"2024-01-02T03:04:05"}},
		`{"__type__": "uuid", "__value__": {"hex": "12345678-1234-5678-1234-56781234567"}}`: nil,
	} {
		got, err := JSON([]byte(text)).Any()
		if want == nil {
			if err == nil {
				t.Errorf("%s gives %v", text, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		same(t, text, got, want)
	}
}

func TestANaiveTimeIsToldFromUTC(t *testing.T) {
	naive, err := JSON([]byte(`{"__type__": "datetime", "__value__": "2024-01-02T03:04:05"}`)).Any()
	if err != nil || naive.(time.Time).Location() != Naive {
		t.Errorf("%v, %v", naive, err)
	}
	utc, err := JSON([]byte(`{"__type__": "datetime", "__value__": "2024-01-02T03:04:05+00:00"}`)).Any()
	if err != nil || utc.(time.Time).Location() != time.UTC || !utc.(time.Time).Equal(naive.(time.Time)) {
		t.Errorf("%v, %v", utc, err)
	}
	if time.FixedZone("", 0) == Naive {
		t.Error("Naive is shared with other zones of offset 0")
	}
}

func TestBrokenJSONIsAnErrorWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		``:            "at byte 0: want a value, got the end",
		`{`:           `at byte 1: want a name in double quotes, got the end`,
		`[1 2]`:       `at byte 3: want "," or ']', got '2'`,
		`[1,]`:        `at byte 3: want a value, got ']'`,
		`{"a":1,}`:    `at byte 7: want a name`,
		`{"a" 1}`:     `at byte 5: want ":"`,
		`[01]`:        `at byte 2`,
		`-`:           `want a digit`,
		`1.`:          `want a digit after the point`,
		`1e`:          `want a digit in the exponent`,
		`+1`:          `got '+'`,
		`.5`:          `got '.'`,
		`nul`:         `want a value, got 'n'`,
		`nan`:         `want a value, got 'n'`,
		`-infinity`:   `want a digit, got 'i'`,
		`-Infinit`:    `want a value`,
		`"a`:          `at byte 0: this string has no end`,
		"\"a\nb\"":    `control character`,
		`"\x"`:        `no such escape`,
		`"\u12g4"`:    `four hex digits`,
		"\"\xff\"":    `at byte 1: not UTF-8`,
		`1 2`:         `want the end, got '2'`,
		`[1]]`:        `want the end`,
		`'a'`:         `got '\''`,
		"\ufeff1":     `got byte 0xef`,
		`{"a":1 "b"}`: `want ","`,
		`{1:2}`:       `want a name`,
		`{"__type__": "complex", "__value__": 1}`:               `unsupported __type__ "complex"`,
		`[1, {"__type__": 7, "__value__": 1}]`:                  `at byte 4: the __type__ of a typed value is not a string`,
		`{"__type__": "datetime", "__value__": "2024-02-30"}`:   `not an ISO 8601 text`,
		`{"__type__": "datetime", "__value__": 5}`:              `is not a string`,
		`{"__type__": "decimal", "__value__": "1e"}`:            `is no number`,
		`{"__type__": "base64", "__value__": "a"}`:              `typed value "base64"`,
		`{"__type__": "uuid", "__value__": {"int": 5}}`:         `its __value__ is not`,
		strings.Repeat("[", MaxDepth+1):                         `more than 200 arrays and objects`,
		strings.Repeat(`{"a":`, MaxDepth+1):                     `more than 200 arrays and objects`,
		strings.Repeat("1", 4301):                               `an integer of 4301 digits`,
		"[" + strings.Repeat("[", 1_000_000):                    `more than 200`,
		`{"a": ` + strings.Repeat(`[{"a":`, 1_000_000) + `1}]}`: `more than 200`,
	} {
		_, err := JSON([]byte(text)).Any()
		if text == "" {
			err = checkJSON(nil)
		}
		var se *SyntaxError
		if !errors.As(err, &se) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v; want %q", text, err, want)
		}
		if strings.Contains(text, "__type__") {
			continue // syntax alone is fine
		}
		if err := checkJSON([]byte(text)); err == nil {
			t.Errorf("%.40s passes the check", text)
		}
	}
	deepest := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	if err := checkJSON([]byte(deepest)); err != nil {
		t.Error(err)
	}
}

func TestSplittingLeavesItemsAsTheyCame(t *testing.T) {
	items, err := SplitArray([]byte(` [ 1.50 , {"a":[1, NaN]},"x\"]" ,[] , -Infinity ] `))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range items {
		got = append(got, string(v.Raw()))
	}
	if s := strings.Join(got, "|"); s != `1.50|{"a":[1, NaN]}|"x\"]"|[]|-Infinity` {
		t.Errorf("%s", s)
	}
	members, err := SplitObject([]byte(`{"b": 1, "\u0061": 2, "b" : {"c": 3}, "a": null}`))
	if err != nil || len(members) != 2 || members[0].Name != "b" || string(members[0].Value.Raw()) != `{"c": 3}` ||
		members[1].Name != "a" || !members[1].Value.IsNull() {
		t.Errorf("%v, %v", members, err)
	}
	var many strings.Builder
	for range 3 {
		for c := 'a'; c <= 'z'; c++ {
			many.WriteString(`,"` + string(c) + `":` + `[1]`)
		}
	}
	if members, err = SplitObject([]byte("{" + many.String()[1:] + "}")); err != nil || len(members) != 26 {
		t.Errorf("%d, %v", len(members), err)
	}
	for _, empty := range []string{"[]", " [ ] "} {
		if items, err := SplitArray([]byte(empty)); err != nil || items == nil || len(items) != 0 {
			t.Errorf("%q: %v, %v", empty, items, err)
		}
	}
	var te *TypeError
	if _, err := SplitArray([]byte(`{"a": 1}`)); !errors.As(err, &te) || te.Got != "object" {
		t.Errorf("%v", err)
	}
	if _, err := SplitObject([]byte(`"a"`)); !errors.As(err, &te) || te.Got != "string" {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{`[1`, `[1]x`, `[1}`, ``, `[[1]`, `{"a": 1`, `[{"a" 1}]`, "[\"\xff\"]", `{"a": [}`} {
		if _, err := SplitArray([]byte(bad)); err == nil {
			t.Errorf("%q splits", bad)
		}
		if _, err := SplitObject([]byte(bad)); err == nil {
			t.Errorf("%q splits", bad)
		}
	}
}

func TestAnItemCannotGrowIntoItsNeighbour(t *testing.T) {
	raw := []byte(`[1, 2]`)
	items, err := SplitArray(raw)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(items[0].Raw(), "999"...)
	if string(raw) != `[1, 2]` {
		t.Errorf("the text is now %s", raw)
	}
}
