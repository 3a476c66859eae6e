package codec

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestScalarsDecodeAsEncodingJSONDecodesThem(t *testing.T) {
	for raw, direct := range map[string]bool{
		`""`: true, `"a b~"`: true, `"é"`: false, `"\u0041"`: false, `"a\"b"`: false, `"a`: false, `a"`: false, `"`: false,
		"\"\x7f\"": false, "\"\xff\"": false, ` "a"`: false, "": false, `null`: false,
		`0`: true, `7`: true, `-7`: true, `999999999`: true, `-999999999`: true, `1000000000`: false, `-0`: false, `00`: false, `01`: false,
		`-`: false, `1.0`: false, `1e3`: false, `+1`: false, `7 `: false, `true`: false,
	} {
		var s string
		var n int
		var n64 int64
		got := decodeScalar([]byte(raw), &s)
		if i, i64 := decodeScalar([]byte(raw), &n), decodeScalar([]byte(raw), &n64); i != i64 || int64(n) != n64 {
			t.Errorf("%q: int %v %d, int64 %v %d", raw, i, n, i64, n64)
		} else {
			got = got || i
		}
		if got != direct {
			t.Errorf("%q is decoded directly: %v, want %v", raw, got, direct)
		}
	}
	if decodeScalar([]byte(`"a"`), (*string)(nil)) || decodeScalar([]byte(`1`), (*int)(nil)) || decodeScalar([]byte(`1`), (*int64)(nil)) {
		t.Error("decoded into nil")
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strconv.Itoa(rapid.IntRange(math.MinInt64, math.MaxInt64).Draw(t, "number"))
		if rapid.Bool().Draw(t, "text") {
			raw, err := json.Marshal(rapid.String().Draw(t, "string"))
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		asJSON(t, text, new(string), new(string))
		asJSON(t, text, new(int), new(int))
		asJSON(t, text, new(int64), new(int64))
	})
}

func asJSON[T comparable](t *rapid.T, text string, got, want *T) {
	if decodeScalar([]byte(text), got) {
		if err := json.Unmarshal([]byte(text), want); err != nil || *got != *want {
			t.Fatalf("%s: decoded to %v, encoding/json says %v, %v", text, *got, *want, err)
		}
	}
}
