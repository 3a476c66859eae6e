package codec

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// genText draws text that is awkward to quote: quotes, blanks, escapes, other planes, words YAML takes for something else.
func genText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("ab '\"\\\n\t\x00\x7f\x85é\u2028漢😀:#-[]{},&*!|>%@`~?=<_.0123"))),
		rapid.SampledFrom([]string{"", "yes", "No", "on", "null", "~", "1", "017", "0o17", "1_000", "1:30", "1.5", "1e3", ".inf", "-.INF",
			".nan", "2024-01-02", "2024-01-02 03:04:05", "2024-1-2 3:04:05", "=", "<<", "- a", "a: b", " lead", "trail ", "---", "...", "!x", "0x1F",
			"0b1", "__type__", "true", "%a", "@a", "\ufeffbom", "a #b", "line\nline", "tab\there", "trailing\n", "\n", "\r\n", "\u0085"}),
		rapid.StringMatching(`[a-z ]{0,60}`),
	)
}

// genScalar draws one generic scalar. plainOnly leaves out what JSON alone can carry.
func genScalar(plainOnly bool) *rapid.Generator[any] {
	gens := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Float64Range(-1e300, 1e300).AsAny(),
		rapid.SampledFrom([]any{0.0, math.Copysign(0, -1), 1e16, 1e-5, 123456789012345.6, 5e-324, math.Inf(1), math.Inf(-1), 9007199254740993.0,
			1e22, 1e15, 0.0001, 1.5e300}),
		genText().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			n := new(big.Int).SetUint64(rapid.Uint64Min(1<<63).Draw(t, "big"))
			return n
		}),
	}
	if !plainOnly {
		gens = append(gens, genTime().AsAny(), genDate().AsAny(),
			rapid.Custom(func(t *rapid.T) any {
				return TimeOfDay{Hour: rapid.IntRange(0, 23).Draw(t, "h"), Minute: rapid.IntRange(0, 59).Draw(t, "m"),
					Second: rapid.IntRange(0, 59).Draw(t, "s"), Nanosecond: 1000 * rapid.IntRange(0, 999999).Draw(t, "us")}
			}),
			rapid.SampledFrom([]any{Decimal("1.50"), Decimal("-3E+2"), Decimal("NaN"), Decimal("Infinity"), Decimal("0E-10")}),
			rapid.Custom(func(t *rapid.T) any {
				return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
			}))
	}
	return rapid.OneOf(gens...)
}

func genTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		loc := rapid.SampledFrom([]*time.Location{Naive, time.UTC, time.FixedZone("", 3600), time.FixedZone("", -5*3600-1800)}).Draw(t, "zone")
		us := rapid.SampledFrom([]int{0, 1, 500000, 999999}).Draw(t, "us")
		d := genDate().Draw(t, "date")
		return time.Date(d.Year, d.Month, d.Day, rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "m"),
			rapid.IntRange(0, 59).Draw(t, "s"), us*1000, loc)
	})
}

func genDate() *rapid.Generator[Date] {
	return rapid.Custom(func(t *rapid.T) Date {
		return Date{rapid.IntRange(2, 9998).Draw(t, "y"), time.Month(rapid.IntRange(1, 12).Draw(t, "mo")), rapid.IntRange(1, 28).Draw(t, "d")}
	})
}

func genValue(scalar *rapid.Generator[any], depth int) *rapid.Generator[any] {
	if depth == 0 {
		return scalar
	}
	return rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(genValue(scalar, depth-1), 0, 5).Draw(t, "list")
		case 1:
			return rapid.MapOfN(genText().Filter(func(s string) bool { return !strings.HasPrefix(s, "__") }), genValue(scalar, depth-1), 0, 4).Draw(t, "dict")
		}
		return scalar.Draw(t, "scalar")
	})
}

func TestPythonReadsAndWritesTheSameJSON(t *testing.T) {
	p := newPython(t)
	rapid.Check(t, func(rt *rapid.T) {
		raw, err := AppendJSON(nil, genValue(genScalar(false), 4).Draw(rt, "value"))
		if err != nil {
			rt.Fatal(err)
		}
		back, err := p.ask("json", string(raw))
		if err != nil || back != string(raw) {
			rt.Fatalf("we write  %s\nPython has %s (%v)", raw, back, err)
		}
		v, err := JSON([]byte(back)).Any()
		if err != nil {
			rt.Fatal(err)
		}
		if again, err := AppendJSON(nil, v); err != nil || string(again) != back {
			rt.Fatalf("read and written again: %s (%v), want %s", again, err, back)
		}
	})
}

func TestReprIsCelerysSaferepr(t *testing.T) {
	p := newPython(t, "saferepr")
	scale := rapid.SampledFrom([]int{1, 1, 40})
	rapid.Check(t, func(rt *rapid.T) {
		args := rapid.SliceOfN(genValue(genScalar(false), 5), 0, 6).Draw(rt, "args")
		args = append(args, strings.Repeat("ab cdé'", scale.Draw(rt, "scale")*rapid.IntRange(0, 20).Draw(rt, "n")))
		args = append(args, make([]any, rapid.IntRange(0, 90).Draw(rt, "nulls")), genValue(genScalar(false), 2).Draw(rt, "last"))
		raw, err := AppendJSON(nil, args)
		if err != nil {
			rt.Fatal(err)
		}
		want := p.must("args_repr", string(raw))
		values, err := SplitArray(raw)
		if err != nil {
			rt.Fatal(err)
		}
		if got := ReprArgs(values); got != want {
			rt.Fatalf("raw:\n%s\nPython:\n%s", got, want)
		}
		for i, v := range args {
			values[i] = Of(v)
		}
		if got := ReprArgs(values); got != want {
			rt.Fatalf("decoded:\n%s\nPython:\n%s", got, want)
		}
	})
}

// Every length near the budget, so that each kind of token is the one that no longer fits.
func TestReprEndsAsCelerysDoes(t *testing.T) {
	p := newPython(t, "saferepr")
	for _, tail := range []any{1, nil, "text with blanks", []any{1, 2}, map[string]any{"k": "v"}, map[string]any{}, []any{[]any{[]any{}}}, 1.5,
		[]byte("bytes"), []byte{255, 254, 1, 2}, Date{2024, 1, 2}, []any{}} {
		for n := 990; n < 1026; n++ {
			raw, err := AppendJSON(nil, []any{strings.Repeat("x", n), tail, []any{tail, map[string]any{"a": tail}}})
			if err != nil {
				t.Fatal(err)
			}
			want := p.must("args_repr", string(raw))
			values, _ := SplitArray(raw)
			if got := ReprArgs(values); got != want {
				t.Fatalf("%d then %v:\n%s\nPython:\n%s", n, tail, got[900:], want[900:])
			}
		}
	}
}

func TestPyYAMLReadsWhatIsWritten(t *testing.T) {
	p := newPython(t, "yaml")
	yamlScalars := rapid.OneOf(genScalar(true), genTime().AsAny(), genDate().AsAny())
	rapid.Check(t, func(rt *rapid.T) {
		v := genValue(yamlScalars, 4).Draw(rt, "value")
		e, err := Marshal("yaml", v)
		if err != nil {
			rt.Fatal(err)
		}
		asJSON, err := AppendJSON(nil, v)
		if err != nil {
			rt.Fatal(err)
		}
		read, err := p.ask("yaml_load", string(e.Body))
		if err != nil {
			rt.Fatalf("%v\n%s", err, e.Body)
		}
		if sorted := sortedJSON(rt, read); sorted != string(asJSON) {
			rt.Fatalf("%s\nis to Python\n%s\nwas\n%s", e.Body, sorted, asJSON)
		}
		written := p.must("yaml_dump", string(asJSON))
		back, err := Unmarshal("application/x-yaml", "utf-8", []byte(written))
		if err != nil {
			rt.Fatalf("%v\n%s", err, written)
		}
		if got, _ := AppendJSON(nil, back); string(got) != string(asJSON) {
			rt.Fatalf("%s\nis to us\n%s\nwas\n%s", written, got, asJSON)
		}
		own, err := Unmarshal("application/x-yaml", "utf-8", e.Body)
		if err != nil {
			rt.Fatalf("%v\n%s", err, e.Body)
		}
		if got, _ := AppendJSON(nil, own); string(got) != string(asJSON) {
			rt.Fatalf("%s\nis to us\n%s\nwas\n%s", e.Body, got, asJSON)
		}
	})
}

func sortedJSON(t interface{ Fatal(...any) }, text string) string {
	v, err := JSON([]byte(text)).Any()
	if err != nil {
		t.Fatal(err)
	}
	out, err := AppendJSON(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What YAML 1.1 makes of plain scalars, PyYAML being the judge.
func TestYAMLScalarsMeanWhatPyYAMLSays(t *testing.T) {
	p := newPython(t, "yaml")
	// What we read and Python does not: two words that YAML 1.1 means for keys only, dates as keys, a tab after a colon.
	liberal := map[string]bool{"=": true, "<<": true, "{1: a, true: b, null: c, 1.5: d, 2024-01-02: e}": true, "a:\tb": true}
	for _, s := range []string{"yes", "Yes", "yEs", "y", "n", "on", "OFF", "true", "TRUE", "null", "~", "", "Null", "nULL", "0", "-0", "+1", "017", "-017",
		"08", "0o17", "0b101", "0x1F", "-0x1f", "1_000", "1_000.5", "1:30", "1:30:30", "-1:30", "1:30.5", "190:20:30.15", "1:60", "1e3", "1.e3", "1.0e3",
		"1.0e+3", "1.5E-3", ".5", "-.5", "+.5", "1.", ".inf", "-.Inf", "+.INF", ".nan", ".NaN", "nan", "inf", "2024-01-02", "2024-1-2", "2024-01-02T03:04:05Z",
		"2024-01-02 03:04:05", "2024-01-02 3:04:05.5", "2024-01-02 03:04:05.123456789 +01:00", "2024-01-02t03:04:05-5", "2024-01-02 03:04:05 Z",
		"2024-01-02 03:04:05 -05:30", "2024-13-02", "=", "<<", "1_", "_1", "0_", "0b", "0x", "+", "-", ".", "..", "1.2.3", "12345678901234567890123", "0777777777777777777777777",
		"!!str 1", "!!int 017", "!!int \"5\"", "!!float 1", "!!float 1e3", "!!bool yes", "!!null x", "!!binary AP8=", "!!timestamp 2024-01-02", "!!int x", "! 12",
		"!!python/object:os.system x", "!x y", "'1'", "\"1\"", "\"\\xE9\\u6f22\\U0001F600\"", "|\n  a\n  b\n", ">\n  a\n  b\n", "&a x", "*a", "[1, 2", "{a: 1}", "{a}", "? x",
		"{1: a, true: b, null: c, 1.5: d, 2024-01-02: e}", "{[1]: a}", "!!set {a, b}", "a: 1\na: 2\n", "<<: {a: 1, b: 2}\na: 3\n", "{7: a, true: b, null: c, 1.5: d}",
		"<<: [{a: 1}, {a: 2, b: 2}]\n", "x: &x {a: 1}\ny: {<<: *x, b: 2}\nz: [*x, *x]\n", "a\n---\nb\n", "--- a\n", "--- a\n...\n", "%YAML 1.1\n---\na\n", "#c\n",
		"a: b: c", "\tb", "a:\tb", "- \t- b", "\"\\q\"", "'it''s'", "&a [*a]", "key: [a, b]\n", "\ufeffa: 1\n", "- !!str\n- !!null\n", "12e03", "-2E+05", "1.5e5"} {
		want, wantErr := p.ask("yaml_load", s)
		got, gotErr := Unmarshal("application/x-yaml", "utf-8", []byte(s))
		if s == "" {
			continue // an empty body is nobody's to decode
		}
		if wantErr != nil || gotErr != nil {
			if liberal[s] && gotErr == nil {
				continue
			}
			if (wantErr != nil) != (gotErr != nil) {
				t.Errorf("%q: we say %v (%v), Python %s (%v)", s, got, gotErr, want, wantErr)
			}
			continue
		}
		g, err := AppendJSON(nil, got)
		if err != nil || string(g) != sortedJSON(t, want) {
			t.Errorf("%q: we read %s (%v), Python %s", s, g, err, want)
		}
	}
}

func TestPythonMsgpackAgrees(t *testing.T) {
	p := newPython(t, "msgpack")
	rapid.Check(t, func(rt *rapid.T) {
		v := genValue(genScalar(true), 4).Draw(rt, "value")
		asJSON, err := AppendJSON(nil, v)
		if err != nil {
			rt.Fatal(err)
		}
		e, err := Marshal("msgpack", v)
		if err != nil {
			rt.Fatal(err)
		}
		if want := p.must("msgpack_dump", string(asJSON)); want != base64.StdEncoding.EncodeToString(e.Body) {
			rt.Fatalf("we write %x, Python %s", e.Body, want)
		}
		if read := p.must("msgpack_load", base64.StdEncoding.EncodeToString(e.Body)); read != string(asJSON) {
			rt.Fatalf("Python reads %s, was %s", read, asJSON)
		}
	})
}

func TestPythonCompressionAgrees(t *testing.T) {
	p := newPython(t)
	for _, body := range []string{"", "a", strings.Repeat("hello ", 20000), string(noise(100_000))} {
		for _, alias := range []string{"gzip", "bzip2", "lzma"} {
			name := fmt.Sprintf("%s of %d bytes", alias, len(body))
			b64 := base64.StdEncoding.EncodeToString([]byte(body))
			mime, packed, err := Compress(alias, []byte(body))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got, err := p.ask("decompress "+alias, base64.StdEncoding.EncodeToString(packed)); err != nil || got != b64 {
				t.Errorf("%s: Python cannot read ours: %v", name, err)
			}
			theirs, err := base64.StdEncoding.DecodeString(p.must("compress "+alias, b64))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Decompress(mime, theirs, int64(max(1, len(body)))); err != nil || string(got) != body {
				t.Errorf("%s: we cannot read Python's: %v", name, err)
			}
		}
	}
}

// noise is n bytes that do not compress, the same every time.
func noise(n int) []byte {
	out := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return out
}
