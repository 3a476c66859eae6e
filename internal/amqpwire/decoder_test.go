package amqpwire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/umbel-go/umbel/protocol"
)

func TestEveryKindOfValue(t *testing.T) {
	want := protocol.Table{
		"lang": "py", "eta": nil, "retries": int32(1), "timelimit": []any{nil, nil}, "stamps": protocol.Table{},
		"x-death": []any{protocol.Table{"count": int64(1), "queue": "q", "time": time.Unix(1_700_000_000, 0)}},
		"t":       true, "b": int32(-1), "B": int32(255), "s": int32(-1), "u": int32(65535), "i": int64(4294967295), "f": 1.0, "d": 1.0,
		"D": 1.23, "x": []byte{0, 255}, "": "",
	}
	if !valid(fields()) {
		t.Error("the table is not valid")
	}
	if diff := cmp.Diff(want, new(Decoder).Decode(fields())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whoever gets a table may do with it what it likes.
func TestTablesShareNothingThatChanges(t *testing.T) {
	var d Decoder
	first := d.Decode(fields())
	want := new(Decoder).Decode(fields())
	for range 2 {
		first["lang"], first["more"] = "changed", true
		first["timelimit"].([]any)[0] = 1
		first["x-death"].([]any)[0].(protocol.Table)["queue"] = "changed"
		first["stamps"].(protocol.Table)["more"] = true
		first["x"].([]byte)[0] = 7
		next := d.Decode(fields())
		if diff := cmp.Diff(want, next); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		first = next
	}
}

// What a Decoder remembers must not show in what it decodes.
func FuzzDecoder(f *testing.F) {
	f.Add(fields(), fields())
	f.Add([]byte("\x01aV\x01bV"), []byte("\x01bV\x01aI\x00\x00\x00\x01"))
	f.Add([]byte("\x01aV\x01bV\x01cV"), []byte("\x01at\x01\x01aV"))
	f.Add([]byte("\x01at\x01\x01aV"), []byte("\x01at\x02\x01aV"))
	f.Add([]byte("\x01xx\x00\x00\x00\x01y\x01zV"), []byte("\x01xV\x01zV\x01wV"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if !valid(a) || !valid(b) {
			new(Decoder).Decode(a) // harmless, if meaningless
			return
		}
		alone := func(table []byte) protocol.Table {
			s := scanner{rest: table}
			return s.table(0)
		}
		var d Decoder
		for _, table := range [][]byte{a, a, b, a, b, b, a} {
			if diff := cmp.Diff(alone(table), d.Decode(table), cmpopts.EquateNaNs()); diff != "" {
				t.Fatalf("(-alone +after others):\n%s", diff)
			}
		}
		for range turns + 1 {
			d.Decode(b)
		}
		if diff := cmp.Diff(alone(a), d.Decode(a), cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("(-alone +after many others):\n%s", diff)
		}
	})
}
