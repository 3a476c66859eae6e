package codec

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

type order struct {
	ID    int64   `json:"order_id"`
	Total float64 `json:"total"`
	Items []struct {
		Count uint8 `json:"count"`
	} `json:"items"`
	Note *string
	When time.Time `json:"when"`
}

func TestAStructIsReadFromPlainAndTypedJSON(t *testing.T) {
	note := "n"
	want := order{ID: 7, Total: 42, Note: &note, When: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Items: []struct {
		Count uint8 `json:"count"`
	}{{1}, {2}}}
	for name, text := range map[string]string{
		"plain":                       `{"order_id": 7, "total": 42, "items": [{"count": 1}, {"count": 2}], "note": "n", "when": "2024-01-02T03:04:05Z", "unknown": {}}`,
		"with a typed value":          `{"order_id": 7, "total": {"__type__": "decimal", "__value__": "42.0"}, "items": [{"count": 1}, {"count": 2.0}], "NOTE": "n", "when": {"__type__": "datetime", "__value__": "2024-01-02T03:04:05+00:00"}}`,
		"as an older kombu wrote it":  `{"order_id": 7.0, "total": 42, "items": [{"count": 1}, {"count": 2}], "Note": "n", "when": "2024-01-02T03:04:05+00:00"}`,
		"with names in another case":  `{"Order_ID": 7, "TOTAL": 42.0, "iTEMS": [{"count": 1}, {"COUNT": 2}], "Note": "n", "when": "2024-01-02T04:04:05+01:00"}`,
		"with a date-time and blanks": ` { "order_id" : 7 , "total" : 42 , "items":[{"count":1},{"count":2}],"Note":"n","when":"2024-01-02 03:04:05Z" } `,
	} {
		var got order
		if err := JSON([]byte(text)).Decode(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" { // cmp compares times as instants
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatDoesNotFitIsATypeErrorWithItsPath(t *testing.T) {
	type target struct {
		Total float64            `json:"total"`
		N     int8               `json:"n"`
		U     uint16             `json:"u"`
		Items []order            `json:"items"`
		Map   map[string]bool    `json:"map"`
		Keys  map[int]string     `json:"keys"`
		Text  string             `json:"text"`
		Arr   [2]int             `json:"arr"`
		When  time.Time          `json:"when"`
		ID    uuid.UUID          `json:"id"`
		Dec   Decimal            `json:"dec"`
		Day   Date               `json:"day"`
		Ptr   **int              `json:"ptr"`
		Blob  []byte             `json:"blob"`
		F32   float32            `json:"f32"`
		Str   int                `json:"str,string"`
		Deep  map[string][]order `json:"deep"`
		Addr  netip.Addr         `json:"addr"`
		Big   *big.Int           `json:"big"`
	}
	for text, want := range map[string]string{
		`{"total": "x"}`:              `field "total": want number, got string`,
		`{"n": 128}`:                  `field "n": want integer from -128 to 127, got 128`,
		`{"n": 1.5}`:                  `field "n": want integer, got 1.5`,
		`{"n": 1e300}`:                `field "n": want integer from -128 to 127, got 1e+300`,
		`{"n": NaN}`:                  `field "n": want integer, got nan`,
		`{"n": true}`:                 `field "n": want integer, got boolean`,
		`{"u": -1}`:                   `field "u": want integer from 0 to 65535, got -1`,
		`{"u": 18446744073709551616}`: `field "u": want integer from 0 to 65535, got 18446744073709551616`,
		`{"items": [{}, {"items": [{"count": {}}]}]}`: `field "items[1].items[0].count": want integer, got object`,
		`{"items": {"a": 1}}`:                         `field "items": want array, got object`,
		`{"map": {"k": 1}}`:                           `field "map.k": want boolean, got number`,
		`{"map": []}`:                                 `field "map": want object, got array`,
		`{"keys": {"x": "y"}}`:                        `field "keys.x": want integer as a name, got "x"`,
		`{"text": 5}`:                                 `field "text": want string, got number`,
		`{"text": {"__type__": "base64", "__value__": "//4="}}`: `field "text": want string, got bytes`,
		`{"arr": [1, 2, 3]}`:                   `field "arr": want array of 2 items, got 3`,
		`{"when": "tomorrow"}`:                 `field "when": want date-time in ISO 8601, got "tomorrow"`,
		`{"when": 5}`:                          `field "when": want date-time, got number`,
		`{"id": "x"}`:                          `field "id": want uuid, got "x"`,
		`{"dec": "x"}`:                         `field "dec": want decimal, got "x"`,
		`{"day": "2023-02-29"}`:                `field "day": want date in ISO 8601, got "2023-02-29"`,
		`{"ptr": "x"}`:                         `field "ptr": want integer, got string`,
		`{"blob": [1, "x"]}`:                   `field "blob[1]": want integer, got string`,
		`{"blob": 1}`:                          `field "blob": want bytes, got number`,
		`{"f32": 1e300}`:                       `field "f32": want number that fits 32 bits, got 1e+300`,
		`{"str": "x"}`:                         `field "str": want integer inside a string, got "x"`,
		`{"deep": {"k": [{}, {"total": []}]}}`: `field "deep.k[1].total": want number, got array`,
		`{"addr": 1}`:                          `field "addr": want string, got number`,
		`{"big": 1.5}`:                         `field "big": want integer, got 1.5`,
		`[]`:                                   `want object, got array`,
		`5`:                                    `want object, got number`,
		`{"total": {"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000000"}}}`: `field "total": want number, got uuid`,
	} {
		var got target
		err := JSON([]byte(text)).Decode(&got)
		var te *TypeError
		if !errors.As(err, &te) || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
	err := JSON([]byte(`{"addr": "x"}`)).Decode(&target{})
	if err == nil || err.Error() != `field "addr": decode netip.Addr: ParseAddr("x"): unable to parse IP` {
		t.Errorf("a type's own error: %v", err)
	}
}

func TestAssignConvertsWithoutLoss(t *testing.T) {
	id := uuid.MustParse("12345678-1234-5678-1234-567812345678")
	huge, _ := new(big.Int).SetString("18446744073709551615", 10)
	noon := time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)
	three := 3
	for name, c := range map[string]struct {
		src  any
		want any // its type is the target's
	}{
		"a whole float is an integer":        {3.0, 3},
		"a whole decimal is an integer":      {Decimal("3.00"), int8(3)},
		"a decimal with an exponent":         {Decimal("-3E+2"), -300},
		"a decimal is a float":               {Decimal("1.50"), 1.5},
		"an integer is a float":              {int64(2), float32(2)},
		"2^64-1 is a uint64":                 {huge, uint64(math.MaxUint64)},
		"a big integer is a float":           {huge, 1.8446744073709552e19},
		"a big integer is a big.Int":         {huge, *huge},
		"an integer is a big.Int":            {int64(5), big.NewInt(5)},
		"an integer is a decimal":            {int64(5), Decimal("5")},
		"a float is a decimal":               {1.5, Decimal("1.5")},
		"a uuid is text":                     {id, id.String()},
		"text is a uuid":                     {id.String(), id},
		"a time is text":                     {noon, "2024-01-02T12:00:00+00:00"},
		"a time is a date":                   {noon, Date{2024, 1, 2}},
		"a date is a time":                   {Date{2024, 1, 2}, time.Date(2024, 1, 2, 0, 0, 0, 0, Naive)},
		"text is a time of day":              {"03:04", TimeOfDay{Hour: 3, Minute: 4}},
		"text is bytes":                      {"abc", []byte("abc")},
		"bytes are text":                     {[]byte("abc"), "abc"},
		"bytes fill an array":                {[]byte("ab"), [2]byte{'a', 'b'}},
		"numbers are bytes":                  {[]any{int64(1), int64(255)}, []byte{1, 255}},
		"text of a named type":               {"x", reflectString("x")},
		"a text unmarshaler":                 {"1.2.3.4", netip.MustParseAddr("1.2.3.4")},
		"a JSON unmarshaler":                 {[]any{int64(1), "é"}, json.RawMessage(`[1, "\u00e9"]`)},
		"a pointer to a pointer":             {int64(3), new(&three)},
		"an interface":                       {map[string]any{"a": 1.5}, any(map[string]any{"a": 1.5})},
		"integer keys":                       {map[string]any{"-7": "x"}, map[int]string{-7: "x"}},
		"keys that read text":                {map[string]any{"1.2.3.4": true}, map[netip.Addr]bool{netip.MustParseAddr("1.2.3.4"): true}},
		"a Go value that is not generic yet": {struct{ A []int8 }{[]int8{1}}, map[string][]uint{"A": {1}}},
		"a raw value":                        {JSON([]byte(`[1, 2]`)), []int{1, 2}},
		"null empties a slice":               {nil, []int(nil)},
	} {
		dst := reflect.New(reflect.TypeOf(c.want))
		if err := Assign(dst.Interface(), c.src); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		opts := cmp.Options{cmp.Comparer(func(a, b big.Int) bool { return a.Cmp(&b) == 0 }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
		if diff := cmp.Diff(c.want, dst.Elem().Interface(), opts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

type reflectString string

func TestNullLeavesScalarsAndEmptiesTheRest(t *testing.T) {
	v := struct {
		N int
		P *int
		S []int
		M map[string]int
		A any
		V Value
		T time.Time
	}{N: 5, P: new(int), S: []int{1}, M: map[string]int{"a": 1}, A: 1, V: Of(1), T: time.Unix(1, 0)}
	if err := JSON([]byte(`{"N": null, "P": null, "S": null, "M": null, "A": null, "V": null, "T": null}`)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.N != 5 || v.P != nil || v.S != nil || v.M != nil || v.A != nil || !v.V.IsNull() || v.T.Unix() != 1 {
		t.Errorf("%+v", v)
	}
}

func TestIntegersInsideInterfacesStayIntegers(t *testing.T) {
	var v struct {
		A any
		L []any
		M map[string]any
	}
	if err := JSON([]byte(`{"A": 9007199254740993, "L": [1, 1.0], "M": {"b": 123456789012345678901}}`)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.A != int64(9007199254740993) || v.L[0] != int64(1) || v.L[1] != 1.0 || v.M["b"].(*big.Int).String() != "123456789012345678901" {
		t.Errorf("%#v", v)
	}
}

func TestNaNIsReadIntoTypedFloats(t *testing.T) {
	var v []float64
	if err := JSON([]byte(`[NaN, Infinity, -Infinity, 1]`)).Decode(&v); err != nil || !math.IsNaN(v[0]) || !math.IsInf(v[1], 1) || !math.IsInf(v[2], -1) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestDecodeWantsAPointer(t *testing.T) {
	var nilPointer *int
	for _, dst := range []any{nil, 5, "x", nilPointer, (*any)(nil), (*Value)(nil)} {
		if err := JSON([]byte(`5`)).Decode(dst); err == nil {
			t.Errorf("%T is taken", dst)
		}
		if err := Assign(dst, int64(5)); err == nil {
			t.Errorf("%T is assigned", dst)
		}
	}
	var c chan int
	if err := JSON([]byte(`5`)).Decode(&c); err == nil {
		t.Error("a channel is filled")
	}
}

func TestEmbeddedPointersAreMade(t *testing.T) {
	var v everything
	if err := JSON([]byte(`{"deep": 5, "id": 3, "Name": "n", "Seen": "s", "as_text": "12", "TextText": "\"x\"", "any": 1}`)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Pointed == nil || v.Deep != 5 || v.ID != 3 || v.Name != "n" || v.Shared.Name != "" || v.Seen != "s" || v.AsText != 12 || v.TextText != "x" {
		t.Errorf("%+v", v)
	}
}

func TestAValueKeepsItsText(t *testing.T) {
	var v struct{ V, W Value }
	text := `{"V": {"b":1, "a" : NaN}, "W": [1]}`
	if err := JSON([]byte(text)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := JSON([]byte(text)).Decode(&raw); err != nil || string(raw) != text {
		t.Errorf("%s, %v", raw, err)
	}
	var w struct{ W Value }
	if err := JSON([]byte(`{"W": {"b":1, "a" : 2}}`)).Decode(&w); err != nil || string(w.W.Raw()) != `{"b":1, "a" : 2}` {
		t.Errorf("%s, %v", w.W.Raw(), err)
	}
	for _, null := range []Value{{}, Of(nil), JSON([]byte(" null ")), JSON(nil), Of([]int(nil)), Of((*int)(nil))} {
		if !null.IsNull() {
			t.Errorf("%v is not null", null)
		}
	}
	for _, some := range []Value{Of(0), JSON([]byte(`0`)), Of(""), Of([]int{})} {
		if some.IsNull() {
			t.Errorf("%v is null", some)
		}
	}
	std, err := json.Marshal(map[string]Value{"a": JSON([]byte(`[1, 2]`)), "b": Of(1.5)})
	if err != nil || string(std) != `{"a":[1,2],"b":1.5}` {
		t.Errorf("%s, %v", std, err)
	}
}

// The way through encoding/json and the way through generic values lead to the same struct.
func TestBothWaysOfDecodingAgree(t *testing.T) {
	type flat struct {
		I    int64
		U    uint32
		F    float64
		S    string
		B    *bool
		L    []float32
		M    map[string]map[int8]string
		T    time.Time
		D    Date
		ID   uuid.UUID
		Next *flat `json:"next,omitempty"`
	}
	if !isPlain(reflect.TypeFor[flat]()) || isPlain(reflect.TypeFor[struct{ A []any }]()) || isPlain(reflect.TypeFor[struct{ B []byte }]()) {
		t.Fatal("isPlain is wrong")
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.Custom(func(rt *rapid.T) flat {
			f := flat{
				I: rapid.Int64().Draw(rt, "i"), U: rapid.Uint32().Draw(rt, "u"), F: rapid.Float64Range(-1e200, 1e200).Draw(rt, "f"), S: rapid.String().Draw(rt, "s"),
				L: rapid.SliceOf(rapid.Float32Range(-1e30, 1e30)).Draw(rt, "l"), D: genDate().Draw(rt, "d"), T: genTime().Draw(rt, "t").UTC(),
				M:  map[string]map[int8]string{rapid.String().Draw(rt, "k"): {rapid.Int8().Draw(rt, "n"): "x"}},
				ID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id")),
			}
			if rapid.Bool().Draw(rt, "b") {
				f.B = new(bool)
			}
			return f
		}).Draw(rt, "in")
		in.Next = &flat{S: "next"}
		std, err := json.Marshal(in)
		if err != nil {
			rt.Fatal(err)
		}
		ours, err := AppendJSON(nil, in)
		if err != nil {
			rt.Fatal(err)
		}
		var viaStd, viaAssign, viaEnvelopes flat
		if err := json.Unmarshal(std, &viaStd); err != nil {
			rt.Fatal(err)
		}
		x, err := JSON(std).Any()
		if err != nil {
			rt.Fatal(err)
		}
		if err := Assign(&viaAssign, x); err != nil {
			rt.Fatal(err)
		}
		if err := JSON(ours).Decode(&viaEnvelopes); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(viaStd, viaAssign); diff != "" {
			rt.Fatalf("encoding/json and Assign differ: %s", diff)
		}
		if diff := cmp.Diff(viaStd, viaEnvelopes); diff != "" {
			rt.Fatalf("encoding/json and our own text differ: %s", diff)
		}
	})
}
