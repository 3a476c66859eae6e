package codec

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestEverySerializerRoundTrips(t *testing.T) {
	for _, name := range []string{"json", "msgpack", "yaml"} {
		scalar := genScalar(name != "json")
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				v := genValue(scalar, 4).Draw(rt, "value")
				e, err := Marshal(name, v)
				if err != nil {
					rt.Fatal(err)
				}
				back, err := Unmarshal(e.ContentType, e.ContentEncoding, e.Body)
				if err != nil {
					rt.Fatalf("%v\n%q", err, e.Body)
				}
				want, _ := AppendJSON(nil, v)
				got, _ := AppendJSON(nil, back)
				if string(got) != string(want) {
					rt.Fatalf("%s came back as %s through %q", want, got, e.Body)
				}
			})
		})
	}
}

func TestStructsTravelThroughEverySerializer(t *testing.T) {
	type row struct {
		B    int    `json:"b"`
		A    string `json:"a"`
		Blob []byte `json:"blob"`
	}
	in := []row{{1, "x", []byte{0, 255}}, {2, "yes", nil}}
	for _, name := range []string{"json", "msgpack", "yaml"} {
		e, err := Marshal(name, in)
		if err != nil {
			t.Fatal(err)
		}
		v, err := UnmarshalValue(e.ContentType, e.ContentEncoding, e.Body)
		if err != nil {
			t.Fatal(err)
		}
		var out []row
		if err := v.Decode(&out); err != nil || len(out) != 2 || out[0].B != 1 || out[1].A != "yes" || string(out[0].Blob) != "\x00\xff" {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	e, err := Marshal("msgpack", in[:1])
	if err != nil || string(e.Body) != "\x91\x83\xa1b\x01\xa1a\xa1x\xa4blob\xc4\x02\x00\xff" {
		t.Errorf("fields in their order: %q, %v", e.Body, err)
	}
}

func TestRawContentPassesAsItIs(t *testing.T) {
	for _, c := range []struct {
		contentType, encoding, body string
		want                        any
	}{
		{"application/data", "binary", "\xff\x00", []byte("\xff\x00")},
		{"application/data", "utf-8", "é", "é"},
		{"application/text", "", "x", "x"},
		{"", "", "x", "x"},
		{"application/text", "latin-1", "\xe9", "é"},
		{"application/text", "us-ascii", "e", "e"},
	} {
		got, err := Unmarshal(c.contentType, c.encoding, []byte(c.body))
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		same(t, c.contentType+" "+c.encoding, got, c.want)
	}
	for _, c := range [][3]string{{"application/data", "utf-8", "\xff"}, {"application/text", "us-ascii", "é"}, {"application/data", "ebcdic", "x"}} {
		if v, err := Unmarshal(c[0], c[1], []byte(c[2])); err == nil {
			t.Errorf("%v gives %v", c, v)
		}
	}
	for _, v := range []any{"é", []byte{0, 255}, Of("x"), JSON([]byte(`"x"`))} {
		if e, err := Marshal("raw", v); err != nil || e.ContentType != "application/data" {
			t.Errorf("%v: %v, %v", v, e, err)
		}
	}
	if _, err := Marshal("raw", 5); err == nil {
		t.Error("5 is raw")
	}
}

func TestAnEmptyBodyIsNothing(t *testing.T) {
	for _, ct := range []string{"application/json", "application/x-msgpack", "application/x-yaml", "application/data", ""} {
		if v, err := Unmarshal(ct, "utf-8", nil); v != nil || err != nil {
			t.Errorf("%s: %v, %v", ct, v, err)
		}
		if v, err := UnmarshalValue(ct, "utf-8", nil); !v.IsNull() || err != nil {
			t.Errorf("%s: %v, %v", ct, v, err)
		}
	}
}

func TestUnknownContentTypesAreNamed(t *testing.T) {
	if _, err := Unmarshal("application/x-foo", "", []byte("x")); err == nil || !strings.Contains(err.Error(), `"application/x-foo"`) {
		t.Error(err)
	}
	if _, err := Unmarshal("json", "", []byte("1")); err == nil {
		t.Error("an alias passes for a content type")
	}
	if _, err := Marshal("foo", 1); err == nil || !strings.Contains(err.Error(), "msgpack") {
		t.Error(err)
	}
	if v, err := Unmarshal("Application/JSON; charset=utf-8", "", []byte("1")); v != int64(1) || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestPickleIsAlwaysRefused(t *testing.T) {
	for _, name := range []string{"pickle", "application/x-python-serialize", "application/x-pickle", "Application/X-Python-Serialize; a=b"} {
		if _, err := Marshal(name, 1); !errors.Is(err, ErrPickle) {
			t.Errorf("Marshal %s: %v", name, err)
		}
		if _, err := Unmarshal(name, "binary", nil); !errors.Is(err, ErrPickle) {
			t.Errorf("Unmarshal %s: %v", name, err)
		}
		if _, err := UnmarshalValue(name, "binary", []byte("x")); !errors.Is(err, ErrPickle) {
			t.Errorf("UnmarshalValue %s: %v", name, err)
		}
		if _, err := NewAccept("json", name); !errors.Is(err, ErrPickle) || !strings.Contains(err.Error(), "run code") {
			t.Errorf("NewAccept %s: %v", name, err)
		}
	}
	err := Accept{}.Check("application/x-python-serialize")
	if !errors.Is(err, ErrPickle) || err.Error() != "Refusing to deserialize untrusted content of type pickle (application/x-python-serialize)" {
		t.Errorf("Check: %v", err)
	}
}

func TestAcceptKnowsAliasesAndContentTypes(t *testing.T) {
	var zero Accept
	two, err := NewAccept("msgpack", "application/x-yaml", "application/x-foo")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a           Accept
		contentType string
		want        string
	}{
		{zero, "application/json", ""},
		{zero, "application/json; charset=utf-8", ""},
		{zero, "application/data", ""},
		{zero, "application/text", ""},
		{zero, "", ""},
		{zero, "application/x-yaml", "Refusing to deserialize untrusted content of type yaml (application/x-yaml)"},
		{zero, "application/x-foo", "Refusing to deserialize untrusted content of type application/x-foo (application/x-foo)"},
		{two, "application/json", "Refusing to deserialize untrusted content of type json (application/json)"},
		{two, "application/x-msgpack", ""},
		{two, "application/x-yaml", ""},
		{two, "application/x-foo", ""},
	} {
		err := c.a.Check(c.contentType)
		if got := errorText(err); got != c.want {
			t.Errorf("%q: %q, want %q", c.contentType, got, c.want)
		}
		var de *DisallowedError
		if err != nil && (!errors.As(err, &de) || errors.Is(err, ErrPickle)) {
			t.Errorf("%q: %T", c.contentType, err)
		}
	}
	if _, err := NewAccept("jsn"); err == nil || !strings.Contains(err.Error(), "json, json-plain, msgpack") {
		t.Errorf("%v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMsgpackSaysWhatItCannotCarry(t *testing.T) {
	for name, v := range map[string]any{"date-time": time.Unix(0, 0), "uuid": uuid.New(), "decimal": Decimal("1"), "date": Date{2024, 1, 1}} {
		_, err := Marshal("msgpack", map[string]any{"a": []any{v}})
		if err == nil || !strings.Contains(err.Error(), `field "a[0]": msgpack has no form for a `+name) {
			t.Errorf("%v", err)
		}
	}
	if _, err := Marshal("msgpack", new(big.Int).Lsh(big.NewInt(1), 64)); err == nil {
		t.Error("2^64 is written")
	}
	if _, err := Marshal("yaml", []any{uuid.New()}); err == nil || !strings.Contains(err.Error(), "YAML has no form for a uuid") {
		t.Errorf("%v", err)
	}
}

func TestHostileMsgpackIsAnErrorInBoundedMemory(t *testing.T) {
	for name, body := range map[string]string{
		"an array of 2^32-1":        "\xdd\xff\xff\xff\xff",
		"a map of 2^32-1":           "\xdf\xff\xff\xff\xff",
		"a string of 4 GiB":         "\xdb\xff\xff\xff\xffabc",
		"bytes of 4 GiB":            "\xc6\xff\xff\xff\xffabc",
		"an extension of 4 GiB":     "\xc9\xff\xff\xff\xff\xffabc",
		"two million nestings":      strings.Repeat("\x91", 2_000_000),
		"two million maps":          strings.Repeat("\x81\xa1a", 2_000_000),
		"claims within claims":      strings.Repeat("\xdc\xff\xff", 150) + strings.Repeat("\xc0", 70_000),
		"trailing bytes":            "\xc0\xc0",
		"an unused prefix":          "\xc1",
		"a string that is no UTF-8": "\xa1\xff",
		"a key that is a number":    "\x81\x01\x02",
		"a key that is missing":     "\x81",
		"an unknown extension":      "\xd4\x05\x00",
		"half an integer":           "\xcf\x00",
		"a timestamp of 5 bytes":    "\xc7\x05\xff\x00\x00\x00\x00\x00",
		"a timestamp out of range":  "\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff",
		"an empty extension":        "\xc7\x00\xff",
	} {
		var err error
		spent := allocated(func() { _, err = Unmarshal("application/x-msgpack", "binary", []byte(body)) })
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%s: %v", name, err)
		}
		if spent > 8<<20 {
			t.Errorf("%s takes %d KiB", name, spent>>10)
		}
	}
	v, err := Unmarshal("application/x-msgpack", "binary", []byte("\x92\xd6\xff\x00\x00\x00\x05\x81\xc4\x01k\xca\x3f\x80\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "liberal forms", v, []any{time.Unix(5, 0).UTC(), map[string]any{"k": 1.0}})
}

func TestHostileYAMLIsAnErrorInBoundedMemory(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		d := string(rune('0' + i))
		e := string(rune('1' + i))
		laughs += "a" + e + ": &a" + e + " [" + strings.Repeat("*a"+d+", ", 9) + "x]\n"
	}
	for name, body := range map[string]string{
		"a billion laughs":           laughs,
		"an alias inside itself":     "&a [*a, *a]",
		"a merge inside itself":      "&a {<<: *a}",
		"deep flow":                  strings.Repeat("[", 100_000),
		"deep blocks":                strings.Repeat("- ", 5000) + "x",
		"deep maps":                  strings.Repeat("{a: ", 5000),
		"a long string, repeated":    "- &a " + strings.Repeat("x", 100_000) + "\n" + strings.Repeat("- *a\n", 100_000),
		"a body beyond what is read": "- " + strings.Repeat("x", maxYAML),
		"a list of ten million":      "[" + strings.Repeat("1,", 5_000_000) + "]",
		"a list of half a million":   strings.Repeat("- 1\n", 500_000),
		"a Python object":            "!!python/object/apply:os.system [x]",
		"an integer of a million":    "!!int " + strings.Repeat("9", 1_000_000),
		"a sexagesimal of a million": "!!int " + strings.Repeat("9:", 500_000) + "1",
		"text that is no UTF-8":      "a: \xff",
		"a NUL":                      "a: \x00",
	} {
		var err error
		spent := allocated(func() { _, err = Unmarshal("application/x-yaml", "utf-8", []byte(body)) })
		if err == nil {
			t.Errorf("%s is read", name)
		}
		if spent > 256<<20 {
			t.Errorf("%s takes %d MiB", name, spent>>20)
		}
	}
}
