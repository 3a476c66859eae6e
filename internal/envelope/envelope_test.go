package envelope

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// value draws any value that a table may hold.
func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int32().AsAny(), rapid.Int64().AsAny(),
		rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) }).AsAny(),
		rapid.String().AsAny(), rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		}),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 4).AsAny(),
			rapid.Deferred(func() *rapid.Generator[protocol.Table] { return table(depth - 1) }).AsAny())
	}
	return rapid.OneOf(kinds...)
}

func table(depth int) *rapid.Generator[protocol.Table] {
	return rapid.MapOfN(rapid.String(), value(depth), 0, 5)
}

func TestEnvelopesAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		m := broker.Message{Exchange: text.Draw(t, "exchange"), RoutingKey: text.Draw(t, "key"), Envelope: protocol.Envelope{
			Headers: table(3).Draw(t, "headers"),
			Properties: protocol.Properties{
				ContentType: text.Draw(t, "type"), ContentEncoding: text.Draw(t, "encoding"), DeliveryMode: rapid.Uint8().Draw(t, "mode"),
				HasPriority: rapid.Bool().Draw(t, "has priority"), CorrelationID: text.Draw(t, "correlation"), ReplyTo: text.Draw(t, "reply"),
				Expiration: text.Draw(t, "expiration"), MessageID: text.Draw(t, "id"), Type: text.Draw(t, "kind"),
				UserID: text.Draw(t, "user"), AppID: text.Draw(t, "app"),
			}}}
		if m.Properties.HasPriority {
			m.Properties.Priority = rapid.Uint8().Draw(t, "priority")
		}
		if rapid.Bool().Draw(t, "has time") {
			m.Properties.Timestamp = time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "timestamp"), 0).UTC()
		}
		b, err := Encode(&m)
		if err != nil {
			t.Fatal(err)
		}
		var got broker.Message
		if err := Decode(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
		for n := range b { // what is cut off is an error, never a panic or another message
			var cut broker.Message
			if err := Decode(b[:n], &cut); err == nil {
				t.Errorf("%d of %d bytes were read as a whole envelope", n, len(b))
			}
		}
	})
}

func TestHeadersThatCannotBeKeptAreRefused(t *testing.T) {
	deep := protocol.Table{}
	for range 100 {
		deep = protocol.Table{"d": deep}
	}
	list := []any{}
	for range 100 {
		list = []any{list}
	}
	for what, v := range map[string]any{"a channel": make(chan int), "a struct": struct{}{}, "an uint64": uint64(1), "depth": deep, "deep lists": list} {
		_, err := Encode(&broker.Message{Envelope: protocol.Envelope{Headers: protocol.Table{"h": v}}})
		if err == nil || !strings.Contains(err.Error(), `field "h"`) {
			t.Errorf("%s: %v, want an error that names the field", what, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	m := &broker.Message{RoutingKey: "celery", Envelope: protocol.Envelope{Headers: protocol.Table{}}}
	m.Headers["nested"] = []any{protocol.Table{"time": time.Unix(1, 0)}, []byte("x"), 1.5}
	b, err := Encode(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m broker.Message
		if Decode(b, &m) != nil {
			return
		}
		again, err := Encode(&m)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var twice broker.Message
		if err := Decode(again, &twice); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, twice, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Error(diff)
		}
	})
}
