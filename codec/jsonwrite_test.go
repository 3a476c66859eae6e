package codec

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

type inner struct {
	A int `json:"a"`
	B string
}

type Shared struct {
	ID   int `json:"id"`
	Name string
}

type hidden struct{ Seen string }

type everything struct {
	Shared
	*Pointed
	hidden
	Name    string // hides Shared.Name
	Renamed bool   `json:"renamed_to"`
	Skipped string `json:"-"`
	//lint:ignore SA5008 encoding/json reads this as the name "-", and so must we
	Dash      int `json:"-,"`
	private   int
	Empty     []int          `json:",omitempty"`
	Zero      time.Time      `json:"zero,omitzero"`
	AsText    int64          `json:"as_text,string"`
	TextText  string         `json:",string"`
	PtrText   *float64       `json:"ptr_text,string"`
	Nested    inner          `json:"nested"`
	Ptr       *inner         `json:"ptr"`
	Map       map[string]int `json:"map"`
	IntKeys   map[int]string `json:"int_keys"`
	Any       any            `json:"any"`
	Raw       json.RawMessage
	Number    json.Number
	Float32   float32
	Array     [2]uint8
	Addr      netip.Addr
	Interface error `json:"interface"`
}

type Pointed struct {
	Deep int `json:"deep"`
}

func TestAStructIsWrittenByItsTags(t *testing.T) {
	half := 0.5
	v := everything{
		Shared: Shared{ID: 7, Name: "hidden"}, hidden: hidden{"yes"}, Name: "shown", private: 1, AsText: -5, TextText: `q"`, PtrText: &half,
		Nested: inner{1, "é😀"}, Map: map[string]int{"z": 1, "a": 2}, IntKeys: map[int]string{10: "x", 9: "y"}, Any: []any{1.0, 1e16, nil},
		Raw: json.RawMessage(`{"k":[1,"ü",2]}`), Number: "12.50", Float32: 0.1, Array: [2]uint8{1, 2}, Addr: netip.MustParseAddr("::1"),
	}
	want := `{"id": 7, "Seen": "yes", "Name": "shown", "renamed_to": false, "-": 0, "as_text": "-5", "TextText": "\"q\\\"\"", "ptr_text": "0.5", ` +
		`"nested": {"a": 1, "B": "\u00e9\ud83d\ude00"}, "ptr": null, "map": {"a": 2, "z": 1}, "int_keys": {"10": "x", "9": "y"}, ` +
		`"any": [1.0, 1e+16, null], "Raw": {"k": [1, "\u00fc", 2]}, "Number": 12.50, "Float32": 0.1, "Array": [1, 2], "Addr": "::1", "interface": null}`
	got, err := AppendJSON(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// encoding/json must read the very same struct out of it, and write the same members in the same order.
	var back everything
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	std, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := names(t, std), names(t, got); a != b {
		t.Errorf("members: encoding/json %s, ours %s", a, b)
	}
}

func names(t *testing.T, raw []byte) string {
	members, err := SplitObject(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range members {
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

type list struct {
	Value int   `json:"value"`
	Next  *list `json:"next,omitempty"`
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("on purpose") }

type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return []byte(`{"a":`), nil }

type byPointer struct{ _ int }

func (p *byPointer) MarshalText() ([]byte, error) { return []byte("pointer"), nil }

func TestValuesAreWrittenAsPythonDoes(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	noon := time.Date(2024, 1, 2, 12, 0, 0, 123456789, time.FixedZone("", 19800))
	var nilTime *time.Time
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"null":                    {nil, `null`},
		"integers of every width": {[]any{int8(-1), uint64(math.MaxUint64), uint8(5), uintptr(3)}, `[-1, 18446744073709551615, 5, 3]`},
		"a big integer":           {huge, `123456789012345678901234567890`},
		"a big integer by value":  {*huge, `123456789012345678901234567890`},
		"floats":                  {[]float64{0, math.Copysign(0, -1), 1, -1.5, 1e15, 1e16, 1e-4, 1e-5, 1.7976931348623157e308}, `[0.0, -0.0, 1.0, -1.5, 1000000000000000.0, 1e+16, 0.0001, 1e-05, 1.7976931348623157e+308]`},
		"what is no number":       {[]float64{math.NaN(), math.Inf(1), math.Inf(-1)}, `[NaN, Infinity, -Infinity]`},
		"controls and DEL":        {"\x00\b\f\n\r\t\x1f\x7f/<>&", `"\u0000\b\f\n\r\t\u001f\u007f/<>&"`},
		"bytes that are no UTF-8": {"a\xffb", `"a\ufffdb"`},
		"what was never set": {struct {
			D Date
			N Decimal
			T TimeOfDay
		}{}, `{"D": null, "N": null, "T": {"__type__": "time", "__value__": "00:00:00"}}`},
		"nil slices and maps":            {[]any{[]int(nil), map[string]int(nil), []any(nil), []byte(nil)}, `[null, null, null, null]`},
		"empty slices and maps":          {[]any{[]int{}, map[string]int{}, []byte{}}, `[[], {}, {"__type__": "bytes", "__value__": ""}]`},
		"an aware time":                  {noon, `{"__type__": "datetime", "__value__": "2024-01-02T12:00:00.123456+05:30"}`},
		"a time inside a pointer":        {&noon, `{"__type__": "datetime", "__value__": "2024-01-02T12:00:00.123456+05:30"}`},
		"a nil pointer to a time":        {nilTime, `null`},
		"text with a type of its own":    {[]any{Decimal("1.50"), Date{2024, 1, 2}, TimeOfDay{Hour: 3}}, `[{"__type__": "decimal", "__value__": "1.50"}, {"__type__": "date", "__value__": "2024-01-02"}, {"__type__": "time", "__value__": "03:00:00"}]`},
		"a uuid, also as an item":        {[]uuid.UUID{{15: 5}}, `[{"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000005"}}]`},
		"bytes of a named type":          {json.RawMessage(nil), `null`},
		"keys of many types":             {[]any{map[uint]int{3: 1}, map[any]int{true: 1, 2.0: 2}, map[netip.Addr]int{netip.MustParseAddr("1.2.3.4"): 1}}, `[{"3": 1}, {"2.0": 2, "true": 1}, {"1.2.3.4": 1}]`},
		"a list that ends":               {list{1, &list{2, nil}}, `{"value": 1, "next": {"value": 2}}`},
		"named values keep their order":  {[]NamedValue{{"z", Of(1)}, {"a", JSON([]byte("[1,2]"))}}, `{"z": 1, "a": [1,2]}`},
		"no named values":                {[]NamedValue(nil), `{}`},
		"values, raw ones as they came":  {[]Value{Of("x"), JSON([]byte(`{ "a":1 }`)), {}}, `["x", { "a":1 }, null]`},
		"a method on the pointer, no":    {[]any{byPointer{}}, `[{}]`},
		"a method on the pointer, yes":   {[]byPointer{{}}, `["pointer"]`},
		"a duration, in nanoseconds":     {time.Second, `1000000000`},
		"a month, which prints as text":  {time.May, `5`},
		"an empty json.Number":           {json.Number(""), `0`},
		"a struct without fields to see": {struct{ a int }{1}, `{}`},
	} {
		got, err := AppendJSON([]byte("x"), c.in)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%s:\n got %s (%v)\nwant x%s", name, got, err, c.want)
		}
	}
}

func TestWhatHasNoJSONIsAnErrorWithItsPath(t *testing.T) {
	loop := &list{}
	loop.Next = loop
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"a channel":           {map[string]any{"a": []any{1, make(chan int)}}, `field "a[1]": type chan int has no JSON form`},
		"a function":          {struct{ F func() }{}, `field "F": type func() has no JSON form`},
		"a complex number":    {1i, `type complex128 has no JSON form`},
		"a cycle":             {loop, `inside each other`},
		"the year 0":          {[]time.Time{{}, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, `field "[1]": year 0 is outside Python's`},
		"a day that is none":  {Date{2023, 2, 29}, `does not exist`},
		"a time that is none": {TimeOfDay{Hour: 24}, `does not exist`},
		"a false decimal":     {Decimal("1,5"), `decimal "1,5" is no number`},
		"a false number":      {json.Number("0x1"), `json.Number "0x1" is no number`},
		"a failing method":    {map[string]any{"f": failing{}}, `field "f": on purpose`},
		"a broken method":     {broken{}, `MarshalJSON of codec.broken: invalid JSON at byte 5`},
		"keys without text":   {map[struct{}]int{{}: 1}, `map key of type struct {}`},
	} {
		got, err := AppendJSON([]byte("kept"), c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || string(got) != "kept" {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// What encoding/json reads out of our text is what it reads out of its own.
func TestEncodingJSONReadsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := genValue(rapid.OneOf(rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().Filter(func(f float64) bool {
			return !math.IsInf(f, 0) && !math.IsNaN(f)
		}).AsAny(), rapid.Float32().Filter(func(f float32) bool { return !math.IsInf(float64(f), 0) && f == f }).AsAny(), rapid.String().AsAny()), 4).Draw(rt, "value")
		ours, err := AppendJSON(nil, v)
		if err != nil {
			rt.Fatal(err)
		}
		std, err := json.Marshal(v)
		if err != nil {
			rt.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(ours, &a); err != nil {
			rt.Fatalf("%v: %s", err, ours)
		}
		if err := json.Unmarshal(std, &b); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			rt.Fatal(diff)
		}
	})
}
