package interop

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
)

const typedText = "2026-11-23T10:00:09.163799Z 2026-02-03 1234567890.10 12345678-1234-5678-1234-567812345678"

// values: what JSON has and what it does not have, both ways. kombu 5.2 writes dates, decimals and UUIDs as plain text,
// 5.3 and newer in envelopes; we read both.
func values(t *testing.T, w *world) {
	t.Run("json both ways", func(t *testing.T) {
		for _, v := range []string{`None`, `True`, `0`, `-1`, `2**31`, `-2**63`, `2**70`, `1.0`, `0.1`, `1e300`, `1e-7`, `""`, `"grüße ☂ \U0001f600"`,
			`"\x00\x1f\u2028"`, `[]`, `{}`, `[[], {}, None]`, `{"a": {"b": [1, 2.0, "x"]}, "": 0}`, `float("inf")`} {
			got := value[[]string](t, w.client, fmt.Sprintf(`
import json
v = %s
back = get(send("go.echo", v, kwargs={"k": v}))
[json.dumps(x, sort_keys=True) for x in (v, back["args"][0], back["kwargs"]["k"])]`, v))
			if got[0] != got[1] || got[0] != got[2] {
				t.Errorf("%s came back as %s and %s", got[0], got[1], got[2])
			}
		}
	})
	for _, serializer := range []string{"json", "yaml", "msgpack"} {
		t.Run("python's typed arguments by "+serializer, func(t *testing.T) {
			if serializer == "msgpack" {
				w.needs(t, "msgpack")
			}
			got := value[string](t, w.client, `
import decimal, uuid
get(send("go.typed", datetime.datetime(2026, 11, 23, 10, 0, 9, 163799, tzinfo=datetime.timezone.utc), datetime.date(2026, 2, 3)
    , decimal.Decimal("1234567890.10") if given[0] == "json" else "1234567890.10"
    , uuid.UUID("12345678-1234-5678-1234-567812345678") if given[0] == "json" else "12345678-1234-5678-1234-567812345678"
    , serializer=given[0])) if given[0] != "msgpack" else get(send("go.typed"
    , "2026-11-23T10:00:09.163799+00:00", "2026-02-03", "1234567890.10", "12345678-1234-5678-1234-567812345678", serializer="msgpack"))`, serializer)
			if got != typedText {
				t.Errorf("Go read %s, want %s", got, typedText)
			}
		})
	}
	t.Run("envelopes of newer kombu", func(t *testing.T) {
		got := value[string](t, w.client, `get(send("go.typed",
			{"__type__": "datetime", "__value__": "2026-11-23T10:00:09.163799+00:00"}, {"__type__": "date", "__value__": "2026-02-03"},
			{"__type__": "decimal", "__value__": "1234567890.10"}, {"__type__": "uuid", "__value__": {"hex": "12345678123456781234567812345678"}}))`)
		if got != typedText {
			t.Errorf("Go read %s, want %s", got, typedText)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		for _, c := range []struct{ module, serializer, value, want string }{
			{"json", "json", `{"bytes": "aGk=", "__base64__": True} if 0 else {"__type__": "bytes", "__value__": "hi"}`, `"hi"`},
			{"json", "json", `{"__type__": "base64", "__value__": "/wA="}`, `"\xff\x00"`},
			{"yaml", "yaml", `b"\xff\x00"`, `"\xff\x00"`},
			{"msgpack", "msgpack", `b"\xff\x00"`, `"\xff\x00"`},
		} {
			w.needs(t, c.module)
			if got := value[string](t, w.client, fmt.Sprintf(`get(send("go.bytes", %s, serializer=%q))`, c.value, c.serializer)); got != c.want {
				t.Errorf("%s by %s: Go read %s, want %s", c.value, c.serializer, got, c.want)
			}
		}
	})
	t.Run("python's typed results", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.typed", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			typed
			None  *int
			Big   *big.Int
			Ratio float64
			Text  string
		}
		if err := r.Get(deadline(t), &got); err != nil {
			t.Fatal(err)
		}
		if got.typed.String() != typedText || got.None != nil || got.Big == nil || got.Big.String() != "1180591620717411303424" || got.Ratio != 1 || got.Text != "grüße ☂ 😀" {
			t.Errorf("Go read %v, %+v", got.typed, got)
		}
	})
	t.Run("our typed results in python", func(t *testing.T) {
		got := value[map[string]string](t, w.client, `{k: repr(v) for k, v in get(send("go.returns.typed")).items()}`)
		want := map[string]string{ // dicts, as below
			"at":    "{'__type__': 'datetime', '__value__': '2026-11-23T10:00:09.163799+00:00'}",
			"day":   "{'__type__': 'date', '__value__': '2026-02-03'}",
			"price": "{'__type__': 'decimal', '__value__': '1234567890.10'}",
			"key":   "{'__type__': 'uuid', '__value__': {'hex': '12345678123456781234567812345678'}}",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("our typed values in python", func(t *testing.T) {
		at, day := time.Date(2026, 11, 23, 10, 0, 9, 163799000, time.UTC), umbel.Date{Year: 2026, Month: 2, Day: 3}
		for _, c := range []struct {
			serializer string
			in         umbel.Args
			want       [][]string
		}{
			// What 5.6's worker would turn into objects, 5.2 hands on as the dicts that they are on the wire.
			{"json", umbel.Args{at, day, umbel.Decimal("1234567890.10"), uuid.MustParse("12345678-1234-5678-1234-567812345678"), []byte("hi")}, [][]string{
				{"dict", "{'__type__': 'datetime', '__value__': '2026-11-23T10:00:09.163799+00:00'}"},
				{"dict", "{'__type__': 'date', '__value__': '2026-02-03'}"},
				{"dict", "{'__type__': 'decimal', '__value__': '1234567890.10'}"},
				{"dict", "{'__type__': 'uuid', '__value__': {'hex': '12345678123456781234567812345678'}}"},
				{"dict", "{'__type__': 'bytes', '__value__': 'hi'}"},
			}},
			{"json-plain", umbel.Args{at, day, umbel.Decimal("1234567890.10"), uuid.MustParse("12345678-1234-5678-1234-567812345678"), []byte("hi")}, [][]string{
				{"str", "'2026-11-23T10:00:09.163799Z'"},
				{"str", "'2026-02-03T00:00:00'"},
				{"str", "'1234567890.10'"},
				{"str", "'12345678-1234-5678-1234-567812345678'"},
				{"str", "'aGk='"},
			}},
			// Neither side's YAML has decimals and UUIDs.
			{"yaml", umbel.Args{at, day, []byte("hi")}, [][]string{
				{"datetime", "datetime.datetime(2026, 11, 23, 10, 0, 9, 163799, tzinfo=datetime.timezone.utc)"},
				{"date", "datetime.date(2026, 2, 3)"},
				{"bytes", "b'hi'"},
			}},
		} {
			r, err := w.app.Send(deadline(t), "py.types", c.in, umbel.Serializer(c.serializer))
			if err != nil {
				t.Errorf("%s: %v", c.serializer, err)
				continue
			}
			var got [][]string
			if err := r.Get(deadline(t), &got); err != nil {
				t.Errorf("%s: %v", c.serializer, err)
				continue
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.serializer, d)
			}
		}
	})
}
