package protocol

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

// capturedEvents are the messages of celeryev that Celery sent.
func capturedEvents(t testing.TB) []captured {
	t.Helper()
	var found []captured
	for _, m := range capturedMessages(t, "events", "release") {
		if m.text("exchange") == "celeryev" {
			found = append(found, m)
		}
	}
	if len(found) < 60 {
		t.Fatalf("%d messages of events in testdata", len(found))
	}
	return found
}

func TestCapturedEventsAreReadAndWrittenByteForByte(t *testing.T) {
	types := map[string]int{}
	for _, m := range capturedEvents(t) {
		events, err := DecodeEvents(m.envelope(t), DecodeOptions{})
		if err != nil {
			t.Errorf("%s: %v", m.where, err)
			continue
		}
		key, batch := m.text("routing_key"), m.text("body")[0] == '['
		var text []byte
		for i, e := range events {
			types[e.Type()]++
			if i > 0 {
				text = append(text, ", "...)
			}
			if text, err = AppendEvent(text, e); err != nil {
				t.Errorf("%s: %v", m.where, err)
			}
			if want := EventRoutingKey(e.Type()); !batch && key != want {
				t.Errorf("%s: sent to %s, we send to %s", m.where, key, want)
			}
			if want := EventBatchKey(EventGroup(e.Type())); batch && key != want {
				t.Errorf("%s: sent to %s, we send to %s", m.where, key, want)
			}
			if _, custom := e.Body.(*CustomEvent); len(e.Extra) > 0 && !custom {
				t.Errorf("%s: unknown members %v", m.where, e.Extra)
			}
		}
		if batch {
			text = append(append([]byte{'['}, text...), ']')
		}
		hostname := m.json["headers"].(map[string]any)["hostname"].(string)
		env, err := EncodeEvents(text, hostname, "")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m.envelope(t), env); d != "" {
			t.Errorf("%s (-Celery +Umbel):\n%s", m.where, d)
		}
	}
	for _, typ := range []string{TypeTaskSent, TypeTaskReceived, TypeTaskStarted, TypeTaskSucceeded, TypeTaskFailed, TypeTaskRetried,
		TypeTaskRevoked, TypeTaskRejected, TypeWorkerOnline, TypeWorkerHeartbeat, TypeWorkerOffline, "worker-elect"} {
		if types[typ] == 0 {
			t.Errorf("no captured %s", typ)
		}
	}
}

func TestFieldsOfEvents(t *testing.T) {
	var got []EventBody
	for _, m := range capturedEvents(t) {
		if strings.HasPrefix(m.where, "events/task_revoked_terminated") || strings.HasPrefix(m.where, "events/worker_offline") {
			events, err := DecodeEvents(m.envelope(t), DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				got = append(got, e.Body)
			}
		}
	}
	id := "20000000-0000-4000-8000-000000000007"
	want := []EventBody{
		&TaskSent{UUID: id, RootID: id, Name: "gapp.nap", Args: "(20,)", Kwargs: "{}", Queue: "celery", RoutingKey: "celery"},
		&TaskReceived{UUID: id, Name: "gapp.nap", Args: "(20,)", Kwargs: "{}", RootID: id},
		&TaskStarted{UUID: id},
		&TaskRevoked{UUID: id, Terminated: true, Signum: codec.JSON([]byte("15"))},
		&WorkerStatus{Kind: TypeWorkerOffline, Freq: 2, Processed: 15, LoadAvg: [3]float64{2.01, 1.73, 1.27}, Ident: "py-celery",
			Version: "5.6.2", System: "Linux"},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b codec.Value) bool { return a.String() == b.String() })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestABriefHeartbeatHasNoCounts(t *testing.T) {
	e := &Event{Hostname: "w@h", PID: 1, Clock: 2, Timestamp: 3.5,
		Body: &WorkerStatus{Kind: TypeWorkerHeartbeat, Freq: 5, Brief: true, Ident: "umbel", Version: "1", System: "Linux"}}
	text, err := AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"hostname": "w@h", "utcoffset": 0, "pid": 1, "clock": 2, "freq": 5, "sw_ident": "umbel", "sw_ver": "1", "sw_sys": "Linux", "timestamp": 3.5, "type": "worker-heartbeat"}`
	if string(text) != want {
		t.Errorf("wrote %s", text)
	}
	env, _ := EncodeEvents(text, "w@h", "msgpack")
	msgpack, _ := codec.NewAccept("msgpack")
	again, err := DecodeEvents(env, DecodeOptions{Accept: msgpack})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]*Event{e}, again); d != "" {
		t.Errorf("through msgpack (-want +got):\n%s", d)
	}
}

func TestBadEventsDoNotTakeGoodOnesWithThem(t *testing.T) {
	for body, good := range map[string]int{
		`[{"type": "task-started", "uuid": "a"}, {"uuid": "b"}, 7, {"type": "task-sent", "retries": "x"}, {"type": "task-mine", "n": 1}]`: 2,
		`{"type": "worker-online", "clock": -1}`:                0,
		`{"type": "worker-online", "clock": 1e300}`:             0,
		`{"type": "worker-online", "timestamp": NaN}`:           0,
		`{"type": "worker-heartbeat", "loadavg": [1, 2, 3, 4]}`: 0,
		`{"type": "task-revoked", "uuid": "a", "expired": [1]}`: 0,
		`{"type": [7]}`: 0,
		`"text"`:        0,
		``:              0,
		`[`:             0,
	} {
		events, err := DecodeEvents(&Envelope{Properties: Properties{ContentType: "application/json", ContentEncoding: "utf-8"}, Body: []byte(body)}, DecodeOptions{})
		var decode *DecodeError
		if len(events) != good || !errors.As(err, &decode) {
			t.Errorf("%s: %d events, %v", body, len(events), err)
		}
	}
	if _, err := DecodeEvents(&Envelope{Properties: Properties{ContentType: "application/x-python-serialize"}, Body: []byte("x")}, DecodeOptions{}); !errors.Is(err, codec.ErrPickle) {
		t.Errorf("a pickle: %v", err)
	}
}

func TestTimesOfEvents(t *testing.T) {
	at := time.Date(2026, 11, 25, 18, 0, 0, 123456000, time.UTC)
	if e := (&Event{Timestamp: UnixSeconds(at)}); !e.Time().Equal(at) {
		t.Errorf("%v comes back as %v", at, e.Time())
	}
	if e := (&Event{Timestamp: 1e200}); !e.Time().IsZero() {
		t.Errorf("a time beyond all clocks is %v", e.Time())
	}
}

func FuzzDecodeEvents(f *testing.F) {
	for _, m := range capturedEvents(f) {
		if body := m.text("body"); len(body) < 1500 {
			f.Add("application/json", []byte(body))
		}
	}
	f.Add("application/x-msgpack", []byte("\x81\xa4type\xactask-started"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		o := accepting(t)
		o.Limit = 1 << 20
		events, err := DecodeEvents(&Envelope{Properties: Properties{ContentType: contentType, ContentEncoding: "utf-8"}, Body: body}, o)
		if err != nil {
			mustBeKnown(t, err)
		}
		for _, e := range events {
			_ = e.Time()
			first, err := AppendEvent(nil, e)
			if err != nil {
				continue // values of other serializers that JSON does not have
			}
			env, err := EncodeEvents(first, e.Hostname, "json")
			if err != nil {
				t.Fatal(err)
			}
			again, err := DecodeEvents(env, DecodeOptions{})
			if err != nil {
				t.Fatalf("written but not readable: %v\n%s", err, first)
			}
			second, err := AppendEvent(nil, again[0])
			if err != nil || string(first) != string(second) {
				t.Fatalf("written twice, it differs: %v\n%s\n%s", err, first, second)
			}
		}
	})
}
