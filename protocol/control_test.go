package protocol

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every captured command and reply is read, and what was read is written as it came, byte for byte.
func TestControlMessagesAreCelerys(t *testing.T) {
	requests, replies := 0, 0
	for _, m := range capturedMessages(t, "control") {
		env := m.envelope(t)
		if strings.HasPrefix(m.text("body"), `{"method"`) {
			requests++
			r, err := DecodeControlRequest(env, accepting(t))
			if err != nil {
				t.Errorf("%s: %v", m.where, err)
				continue
			}
			out, err := EncodeControlRequest(r, EncodeOptions{})
			sameControl(t, m.where, env, out, err)
			continue
		}
		if m.text("exchange") != "reply.celery.pidbox" {
			continue // an event
		}
		replies++
		r, err := DecodeControlReply(env, accepting(t))
		if err != nil {
			t.Errorf("%s: %v", m.where, err)
			continue
		}
		out, err := EncodeControlReply(r, EncodeOptions{})
		sameControl(t, m.where, env, out, err)
	}
	if requests < 60 || replies < 50 {
		t.Errorf("compared %d requests and %d replies", requests, replies)
	}
}

func sameControl(t *testing.T, where string, want, got *Envelope, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if diff := cmp.Diff(want.Properties, got.Properties); diff != "" {
		t.Errorf("%s: properties: %s", where, diff)
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-6 })
	if diff := cmp.Diff(want.Headers, got.Headers, near); diff != "" {
		t.Errorf("%s: headers: %s", where, diff)
	}
	if !bytes.Equal(want.Body, got.Body) {
		t.Errorf("%s:\n got %s\nwant %s", where, got.Body, want.Body)
	}
}

func TestControlMessagesThatMakeNoSense(t *testing.T) {
	for name, body := range map[string]string{
		"no object": `[1]`, "no method": `{"arguments": {}}`, "method is a list": `{"method": [1]}`, "not JSON": `{`,
		"destination is a number": `{"method": "ping", "destination": 3}`, "arguments are a list": `{"method": "ping", "arguments": [1]}`,
		"reply_to is a text": `{"method": "ping", "reply_to": "x"}`, "null": `null`,
	} {
		env := &Envelope{Properties: Properties{ContentType: "application/json", ContentEncoding: "utf-8"}, Body: []byte(body)}
		if r, err := DecodeControlRequest(env, DecodeOptions{}); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		} else {
			mustBeKnown(t, err)
		}
	}
	env := &Envelope{Properties: Properties{ContentType: "application/x-python-serialize"}, Body: []byte(`{"method": "ping"}`)}
	if _, err := DecodeControlRequest(env, accepting(t)); err == nil {
		t.Error("pickle was read")
	}
}

func FuzzDecodeControl(f *testing.F) {
	for i, m := range capturedMessages(f, "control") {
		if i%3 != 0 {
			continue
		}
		headers, err := json.Marshal(m.json["headers"])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(headers, "application/json", []byte(m.text("body")))
	}
	f.Fuzz(func(t *testing.T, headers []byte, contentType string, body []byte) {
		h, ok := headersFrom(headers)
		if !ok {
			t.Skip("no object")
		}
		o := accepting(t)
		o.Limit = 1 << 20
		env := &Envelope{Properties: Properties{ContentType: contentType, ContentEncoding: "utf-8"}, Headers: h, Body: body}
		if r, err := DecodeControlRequest(env, o); err != nil {
			mustBeKnown(t, err)
		} else if out, err := EncodeControlRequest(r, EncodeOptions{}); err == nil {
			again, err := DecodeControlRequest(out, o)
			if err != nil || again.Method != r.Method || len(again.Arguments) != len(r.Arguments) || again.Ticket != r.Ticket && r.Ticket != "" {
				t.Errorf("written and read again: %+v, %v; want %+v", again, err, r)
			}
		}
		if r, err := DecodeControlReply(env, o); err != nil {
			mustBeKnown(t, err)
		} else if out, err := EncodeControlReply(r, EncodeOptions{}); err == nil {
			if again, err := DecodeControlReply(out, o); err != nil || again.Node != r.Node {
				t.Errorf("written and read again: %+v, %v; want %+v", again, err, r)
			}
		}
	})
}
