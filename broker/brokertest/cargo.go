package brokertest

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// moment is a time that AMQP's timestamps, which are whole seconds, can hold.
var moment = time.Unix(1_700_000_123, 0).UTC()

// everyField holds a header of every type a table can have.
func everyField() protocol.Table {
	return protocol.Table{
		"nil": nil, "true": true, "false": false,
		"int32": int32(-7), "int32 min": int32(math.MinInt32), "int32 max": int32(math.MaxInt32),
		"int64": int64(1) << 40, "small int64": int64(5), "int64 min": int64(math.MinInt64), "int64 max": int64(math.MaxInt64),
		"float": 0.1, "whole float": 3.0, "largest float": math.MaxFloat64, "smallest float": -math.SmallestNonzeroFloat64, // RabbitMQ reads no infinity
		"string": "grüße, 世界 \"quoted\" \\ \n \x00 end", "empty string": "", "no utf-8": "\xff\xfe\x80",
		"long string": strings.Repeat("long ", 20_000),
		"bytes":       []byte{0, 1, 127, 128, 255}, "empty bytes": []byte{},
		"time": moment, "epoch": time.Unix(0, 0).UTC(),
		"array": []any{nil, true, int32(1), int64(2), 2.5, "s", []byte("b"), moment, []any{}, []any{"x"}, protocol.Table{"k": "v"}},
		"table": protocol.Table{
			"empty": protocol.Table{}, "null": nil,
			"deep": protocol.Table{"deeper": protocol.Table{"deepest": []any{protocol.Table{"n": int64(1)}}}},
		},
		strings.Repeat("n", 128): "a long name",
		"x.dotted-name_":         "",
	}
}

var cargo = []test{
	{"every header survives", func(e *env) {
		q := e.queue(nil)
		m := text(q, "x")
		m.Headers = everyField()
		e.publish(m)
		d := e.consume(broker.Subscription{Queue: q}).next()
		if diff := cmp.Diff(everyField(), d.Headers, cmpopts.EquateEmpty()); diff != "" {
			e.Errorf("headers (-sent +delivered):\n%s", diff)
		}
		e.ok(d.Ack())
	}},

	{"a message without headers has none", func(e *env) {
		q := e.queue(nil)
		e.put(q, "x")
		d := e.consume(broker.Subscription{Queue: q}).next()
		if len(d.Headers) != 0 {
			e.Errorf("headers %v, want none", d.Headers)
		}
		e.ok(d.Ack())
	}},

	{"every property survives", func(e *env) {
		// UserID is left out: RabbitMQ takes no name but the connection's own.
		full := protocol.Properties{
			ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: protocol.Persistent,
			Priority: 5, HasPriority: true, CorrelationID: "5f3c-1", ReplyTo: "umbeltest.reply", Expiration: "3600000",
			MessageID: "message-1", Timestamp: moment, Type: "type", AppID: strings.Repeat("a", 255),
		}
		none := protocol.Properties{ContentType: "application/x-msgpack", ContentEncoding: "binary", DeliveryMode: protocol.Transient}
		for _, want := range []protocol.Properties{full, none} {
			q := e.queue(nil)
			m := text(q, "x")
			m.Properties = want
			e.publish(m)
			d := e.consume(broker.Subscription{Queue: q}).next()
			if diff := cmp.Diff(want, d.Properties); diff != "" {
				e.Errorf("properties (-sent +delivered):\n%s", diff)
			}
			e.ok(d.Ack())
		}
	}},

	{"a body of any size survives", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		for _, size := range []int{0, 1, 4095, 4096, 131_072, 1 << 20} {
			body := make([]byte, size)
			for i := range body {
				body[i] = byte(i * 7 / 3)
			}
			m := text(q, "")
			m.Body = body
			e.publish(m)
			d := in.next()
			if !bytes.Equal(d.Body, body) {
				e.Errorf("a body of %d bytes came as %d other bytes", size, len(d.Body))
			}
			e.ok(d.Ack())
		}
	}},

	{"a delivery given back comes again unchanged", func(e *env) {
		q := e.queue(nil)
		m := text(q, "body")
		m.Headers = everyField()
		m.Properties.CorrelationID = "id"
		e.publish(m)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		d := in.next()
		d.Headers["int32"] = "changed by the consumer"
		d.Headers["added"] = true
		d.Headers["table"].(protocol.Table)["null"] = "changed too"
		e.ok(d.Reject(true))
		d = in.next()
		got := d.Headers
		delete(got, "x-delivery-count") // quorum queues count there
		delete(got, "x-acquired-count")
		if diff := cmp.Diff(everyField(), got, cmpopts.EquateEmpty()); diff != "" {
			e.Errorf("headers (-sent +delivered):\n%s", diff)
		}
		if string(d.Body) != "body" || d.Properties.CorrelationID != "id" {
			e.Errorf("body %q, correlation id %q", d.Body, d.Properties.CorrelationID)
		}
		e.ok(d.Ack())
	}},
}
