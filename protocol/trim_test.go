package protocol

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

func TestATrimmedTaskIsTheSameTaskToItsNextWorker(t *testing.T) {
	accept, err := codec.NewAccept("json")
	if err != nil {
		t.Fatal(err)
	}
	o := DecodeOptions{Accept: accept}
	headers := Table{
		"lang": "py", "task": "orders.charge", "id": "5f0b", "root_id": "r00t", "parent_id": "par", "group": "g", "group_index": int32(2),
		"retries": int32(1), "timelimit": []any{int32(9), nil}, "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@h", "eta": nil,
		"ignore_result": true, "tenant": "blue", "x-delivery-count": int64(3), "stamps": Table{"s": "t"}, "stamped_headers": []any{"s"},
	}
	receive := func() *Task {
		t.Helper()
		env := &Envelope{Headers: headers, Body: []byte(`[[1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)}
		env.Properties.ContentType, env.Properties.ContentEncoding, env.Properties.CorrelationID = "application/json", "utf-8", "5f0b"
		task, err := DecodeTask(env, o)
		if err == nil {
			_, err = task.DecodeBody(o)
		}
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	encode := func(task *Task) *Envelope {
		t.Helper()
		env, err := EncodeTask(task, nil, EncodeOptions{Serializer: "json"})
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	whole, trimmed := receive(), receive()
	trimmed.Trim()
	if len(trimmed.Headers) != 2 || len(headers) != 18 {
		t.Errorf("%d headers are left, want the sender's own and the broker's; the message has %d", len(trimmed.Headers), len(headers))
	}
	if diff := cmp.Diff(whole.CustomHeaders(), trimmed.CustomHeaders()); diff != "" {
		t.Errorf("custom headers (-whole +trimmed):\n%s", diff)
	}
	if diff := cmp.Diff(encode(whole), encode(trimmed)); diff != "" {
		t.Errorf("next attempt (-whole +trimmed):\n%s", diff)
	}
}
