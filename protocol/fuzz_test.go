package protocol

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

// What every decoder promises, whatever comes: no panic, an error of a known kind, and what was read can be written and
// read again to the same.

// seeds are the bodies and headers of captured messages.
func seeds(f *testing.F, add func(env *Envelope, headers []byte)) {
	f.Helper()
	for i, m := range capturedMessages(f, "publish", "worker") {
		if i%4 != 0 && m.text("case") == "" {
			continue // enough of each kind
		}
		headers, err := json.Marshal(m.json["headers"])
		if err != nil {
			f.Fatal(err)
		}
		add(m.envelope(f), headers)
	}
}

// headersFrom makes a header table out of fuzzed JSON.
func headersFrom(data []byte) (Table, bool) {
	var h Table
	if json.Unmarshal(data, &h) != nil {
		return nil, false
	}
	for name, v := range h {
		h[name] = narrowed(v)
	}
	return h, true
}

// narrowed gives AMQP's types to JSON's.
func narrowed(v any) any {
	switch x := v.(type) {
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return narrow(int64(x))
		}
	case []any:
		for i := range x {
			x[i] = narrowed(x[i])
		}
	case map[string]any:
		for name := range x {
			x[name] = narrowed(x[name])
		}
	}
	return v
}

func FuzzDecodeTask(f *testing.F) {
	seeds(f, func(env *Envelope, headers []byte) {
		f.Add(headers, env.Properties.ContentType, env.Body)
	})
	f.Fuzz(func(t *testing.T, headers []byte, contentType string, body []byte) {
		h, ok := headersFrom(headers)
		if !ok {
			t.Skip("no object")
		}
		o := accepting(t)
		o.Limit = 1 << 20
		env := &Envelope{Properties: Properties{ContentType: contentType, ContentEncoding: "utf-8"}, Headers: h, Body: body}
		task, err := DecodeTask(env, o)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		if task.Name == "" || task.ID == "" || task.Retries < 0 || task.TimeLimit < 0 || task.SoftTimeLimit < 0 {
			t.Fatalf("accepted %+v", task)
		}
		decoded, err := task.DecodeBody(o)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		mustSurvive(t, task, decoded)
	})
}

func mustBeKnown(t *testing.T, err error) {
	t.Helper()
	var invalid *InvalidTaskError
	var cut *DecodeError
	if !errors.As(err, &invalid) && !errors.As(err, &cut) && !errors.Is(err, ErrUnknownMessage) {
		t.Fatalf("error of unknown kind %T: %v", err, err)
	}
}

// mustSurvive sends a received task again and wants the same task to arrive.
func mustSurvive(t *testing.T, task *Task, body *Body) {
	t.Helper()
	env, err := EncodeTask(task, body, EncodeOptions{Now: time.Unix(1700000000, 0)})
	if err != nil {
		// Go's times have years that Python's do not.
		if year := task.ETA.Year(); year < 1 || year > 9999 {
			return
		}
		if year := task.Expires.Year(); year < 1 || year > 9999 {
			return
		}
		t.Fatalf("received but cannot be sent: %v", err)
	}
	again, err := DecodeTask(env, DecodeOptions{})
	if err != nil {
		t.Fatalf("sent but not readable: %v", err)
	}
	decoded, err := again.DecodeBody(DecodeOptions{})
	if err != nil {
		t.Fatalf("sent but its body is not readable: %v\n%s", err, env.Body)
	}
	third, err := EncodeTask(again, decoded, EncodeOptions{Now: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(env, third); d != "" {
		t.Fatalf("sent twice, it differs:\n%s", d)
	}
	if again.Name != task.Name || again.ID != task.ID || again.Retries != task.Retries || again.TimeLimit != task.TimeLimit ||
		!again.ETA.Truncate(time.Microsecond).Equal(task.ETA.Truncate(time.Microsecond)) || again.Group != task.Group {
		t.Fatalf("sent %+v\narrived %+v", task, again)
	}
}

func FuzzDecodeBody(f *testing.F) {
	seeds(f, func(env *Envelope, _ []byte) {
		mime, _ := env.Headers["compression"].(string)
		f.Add(env.Properties.ContentType, mime, env.Body)
	})
	f.Fuzz(func(t *testing.T, contentType, compression string, data []byte) {
		env := minimal("")
		env.Properties.ContentType, env.Body = contentType, data
		if compression != "" {
			env.Headers["compression"] = compression
		}
		o := accepting(t)
		o.Limit = 1 << 20
		task, err := DecodeTask(env, o)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		body, err := task.DecodeBody(o)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		mustSurvive(t, task, body)
	})
}

func FuzzDecodeResult(f *testing.F) {
	for _, doc := range capturedDocuments(f) {
		if len(doc) < 2000 {
			f.Add(doc)
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := DecodeResult("application/json", "utf-8", doc)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		first, err := AppendResult(nil, r)
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := DecodeResultJSON(first)
		if err != nil {
			t.Fatalf("written but not readable: %v\n%s", err, first)
		}
		second, err := AppendResult(nil, again)
		if err != nil || string(first) != string(second) {
			t.Fatalf("written twice, it differs: %v\n%s\n%s", err, first, second)
		}
		if e, err := DecodeException(r.Result); err == nil {
			_, _ = e.Repr(), e.Error()
			if _, err := DecodeException(e.Value()); err != nil {
				t.Fatalf("exception written but not readable: %v\n%s", err, e.Value().Raw())
			}
		}
	})
}

func FuzzDecodeSignature(f *testing.F) {
	f.Add([]byte(`{"task": "gapp.add", "args": [2], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false}`))
	f.Add([]byte(`{"task": "celery.chord", "kwargs": {"header": [], "body": {"task": "x"}}, "immutable": 1, "chord_size": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSignature(codec.JSON(data))
		if err != nil {
			return
		}
		first, err := s.AppendJSON(nil)
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := DecodeSignature(codec.JSON(first))
		if err != nil {
			t.Fatalf("written but not readable: %v\n%s", err, first)
		}
		second, err := again.AppendJSON(nil)
		if err != nil || string(first) != string(second) {
			t.Fatalf("written twice, it differs: %v\n%s\n%s", err, first, second)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, c := range readJSONFile(f, "python/times.json").([]any) {
		f.Add(c.(map[string]any)["text"].(string))
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s)
		if err != nil {
			return
		}
		text := FormatTime(at)
		again, err := ParseTime(text)
		if err != nil || !again.Equal(at.Truncate(time.Microsecond)) || FormatTime(again) != text {
			t.Fatalf("%q is %v, written %q, read %v, %v", s, at, text, again, err)
		}
	})
}

func FuzzResultTuple(f *testing.F) {
	f.Add([]byte(`[["a", [["b", null], null]], [[["c", null], null]]]`))
	f.Add([]byte(`"a"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tuple, err := DecodeResultTuple(codec.JSON(data))
		if err != nil {
			return
		}
		first, err := tuple.AppendJSON(nil)
		if err != nil {
			t.Skip(err) // short forms nest deeper when written in full
		}
		again, err := DecodeResultTuple(codec.JSON(first))
		if err != nil {
			t.Fatalf("written but not readable: %v\n%s", err, first)
		}
		if d := cmp.Diff(tuple, again); d != "" {
			t.Fatalf("written and read, it differs:\n%s", d)
		}
	})
}
