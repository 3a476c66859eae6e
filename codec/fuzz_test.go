package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
)

// seedGolden adds every captured body.
func seedGolden(f *testing.F) {
	names, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("no golden vectors: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var v struct {
			Body         []byte `json:"-"`
			Text         string `json:"body"`
			BodyEncoding string `json:"body_encoding"`
		}
		if err := json.Unmarshal(b, &v); err != nil {
			f.Fatal(err)
		}
		v.Body = []byte(v.Text)
		if v.BodyEncoding == "base64" {
			if err := json.Unmarshal([]byte(`"`+v.Text+`"`), &v.Body); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(v.Body)
	}
}

// What is read can be written, and reads back as the same.
func FuzzJSON(f *testing.F) {
	seedGolden(f)
	f.Add([]byte(`{"__type__": "time", "__value__": "03:04:05.000006-01:30:15"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := JSON(raw).Any()
		checked := checkJSON(raw)
		if err == nil && checked != nil && len(raw) > 0 {
			t.Fatalf("reads but does not pass the check: %v", checked)
		}
		if std := json.Valid(raw); std && checked != nil && len(raw) < 4000 && bytes.Count(raw, []byte{'['})+bytes.Count(raw, []byte{'{'}) <= MaxDepth &&
			!bytes.ContainsRune(raw, '\ufffd') && bytes.Equal(bytes.ToValidUTF8(raw, nil), raw) {
			t.Fatalf("encoding/json takes it, the check says %v", checked)
		}
		_ = ReprArgs([]Value{JSON(raw)}) // whatever it is, it can be shown
		if err != nil {
			return
		}
		out, err := AppendJSON(nil, v)
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := JSON(out).Any()
		if err != nil {
			t.Fatalf("written but cannot be read: %v\n%s", err, out)
		}
		back, err := AppendJSON(nil, again)
		if err != nil || !bytes.Equal(out, back) {
			t.Fatalf("%s\nbecomes\n%s (%v)", out, back, err)
		}
		_ = Repr(v)
	})
}

func FuzzSplit(f *testing.F) {
	seedGolden(f)
	f.Add([]byte(`{"a": [1, NaN], "a": -Infinity}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, errAny := readJSON(raw, false)
		items, errArray := SplitArray(raw)
		members, errObject := SplitObject(raw)
		if errArray == nil && errObject == nil {
			t.Fatal("both an array and an object")
		}
		if errAny == nil && errArray != nil && errObject != nil {
			var te *TypeError
			if !errors.As(errArray, &te) || !errors.As(errObject, &te) {
				t.Fatalf("valid, but %v and %v", errArray, errObject)
			}
		}
		for _, v := range items {
			if err := checkJSON(v.Raw()); err != nil {
				t.Fatalf("item %q: %v", v.Raw(), err)
			}
		}
		seen := map[string]bool{}
		for _, m := range members {
			if err := checkJSON(m.Value.Raw()); err != nil || seen[m.Name] {
				t.Fatalf("member %q twice, or %v", m.Name, err)
			}
			seen[m.Name] = true
		}
	})
}

// fuzzReader feeds a binary or YAML reader; what it reads must survive being written in the same format.
func fuzzReader(f *testing.F, contentType string) {
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := Unmarshal(contentType, "", body)
		if err != nil {
			return
		}
		want, err := AppendJSON(nil, v)
		if err != nil {
			t.Fatalf("read but has no JSON: %v", err)
		}
		_ = Repr(v)
		e, err := Marshal(contentType, v)
		if err != nil {
			if contentType == typeMsgpack && bytes.Contains(want, []byte(`"datetime"`)) {
				return // timestamps are read, never written
			}
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := Unmarshal(contentType, "", e.Body)
		if err != nil {
			t.Fatalf("written but cannot be read: %v\n%q", err, e.Body)
		}
		if got, err := AppendJSON(nil, again); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s\nbecomes\n%s\nthrough %q (%v)", want, got, e.Body, err)
		}
	})
}

func FuzzMsgpack(f *testing.F) {
	seedGolden(f)
	f.Add([]byte("\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x05"))
	fuzzReader(f, typeMsgpack)
}

func FuzzYAML(f *testing.F) {
	seedGolden(f)
	for _, s := range []string{"<<: [{a: 1}, {b: !!int 017}]", "- &a [1, 2]\n- *a\n", "2024-01-02 03:04:05.5 +01:00", "!!binary |\n AP8=", "? a\n: >\n x\n y", "'a''b': \"\\x41\\\n b\""} {
		f.Add([]byte(s))
	}
	fuzzReader(f, typeYAML)
}

func FuzzDecompress(f *testing.F) {
	for i, name := range aliases {
		for _, body := range []string{"", "hello hello hello", string(noise(300))} {
			_, packed, err := Compress(name, []byte(body))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), packed)
		}
	}
	const limit = 1 << 16
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		c := compressions()[int(which)%len(compressions())]
		out, err := Decompress(c.mime, body, limit)
		if err != nil {
			return
		}
		if len(out) > limit {
			t.Fatalf("%d bytes pass a limit of %d", len(out), limit)
		}
		_, packed, err := Compress(c.mime, out)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decompress(c.mime, packed, limit); err != nil || !bytes.Equal(back, out) {
			t.Fatalf("packed again it reads as %d bytes, %v; was %d", len(back), err, len(out))
		}
	})
}

// fuzzTarget has a field of every kind that Assign knows.
type fuzzTarget struct {
	everything
	Bool  bool
	I8    int8
	U64   uint64
	F32   float32
	S     string
	P     **int
	Sl    []order
	B     []byte
	Arr   [3]int16
	M     map[string]order
	IM    map[int]any
	T     time.Time
	D     Date
	TD    TimeOfDay
	Dec   Decimal
	ID    uuid.UUID
	Big   *big.Int
	V     Value
	Raw   json.RawMessage
	Self  *fuzzTarget
	Any   any
	Month time.Month
}

func FuzzAssign(f *testing.F) {
	for _, s := range []string{`{"Bool": true, "I8": -1, "U64": 18446744073709551615, "F32": 1e3, "S": "x", "P": 1, "Arr": [1,2,3], "Self": {"Any": [1]}}`,
		`{"Sl": [{"order_id": 1, "items": [{"count": 2}]}], "M": {"a": {"total": 1}}, "IM": {"5": null}, "V": {"x": 1}, "Raw": [1]}`,
		`{"T": "2024-01-02", "D": {"__type__": "date", "__value__": "2024-01-02"}, "TD": "03:04", "Dec": 1.5, "ID": "12345678123456781234567812345678", "Big": 5}`,
		`{"as_text": "5", "Number": 5, "Float32": null, "B": {"__type__": "bytes", "__value__": "x"}, "deep": 1, "S": {"__type__": "decimal", "__value__": "1"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var fast, slow fuzzTarget
		v := JSON(raw)
		errFast := v.Decode(&fast)
		x, err := v.Any()
		if err != nil {
			if errFast == nil && len(raw) > 0 {
				t.Fatalf("no JSON (%v), yet it decodes", err)
			}
			return
		}
		errSlow := Assign(&slow, x)
		if (errFast == nil) != (errSlow == nil) {
			t.Fatalf("Decode says %v, Assign %v", errFast, errSlow)
		}
		// A type without interfaces goes through encoding/json: it must end the same.
		var plain, generic order
		errPlain, errGeneric := v.Decode(&plain), Assign(&generic, x)
		if (errPlain == nil) != (errGeneric == nil) {
			t.Fatalf("encoding/json path says %v, Assign %v", errPlain, errGeneric)
		}
	})
}
