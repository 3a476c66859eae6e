package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// A captured message and where it was found.
type captured struct {
	where string // file and path inside it
	json  map[string]any
}

// capturedMessages finds every object with headers and a body in the files of some folders of testdata.
func capturedMessages(t testing.TB, folders ...string) []captured {
	t.Helper()
	var found []captured
	eachFile(t, folders, func(name string, doc any) {
		walk(name, doc, func(where string, object map[string]any) {
			_, headers := object["headers"].(map[string]any)
			_, body := object["body"].(string)
			if headers && body {
				found = append(found, captured{where, object})
			}
		})
	})
	return found
}

// capturedDocuments finds every result document: those Redis held, and those rpc:// sent.
func capturedDocuments(t testing.TB) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	folders := []string{"flows", "rpc", "worker", "release"}
	eachFile(t, folders, func(name string, doc any) {
		walk(name, doc, func(where string, object map[string]any) {
			key, _ := object["key"].(string)
			if value, ok := object["value"].(string); ok && strings.HasPrefix(key, "celery-task-meta-") {
				found[where] = []byte(value)
			}
		})
	})
	for _, m := range capturedMessages(t, folders...) {
		if strings.HasPrefix(m.text("body"), `{"status"`) || strings.HasPrefix(m.text("body"), `{"task_id"`) {
			found[m.where] = []byte(m.text("body"))
		}
	}
	return found
}

func eachFile(t testing.TB, folders []string, visit func(name string, doc any)) {
	t.Helper()
	for _, folder := range folders {
		names, err := fs.Glob(os.DirFS("testdata"), folder+"/*.json")
		if err != nil || len(names) == 0 {
			t.Fatalf("testdata/%s: %d files, %v", folder, len(names), err)
		}
		for _, name := range names {
			visit(name, readJSONFile(t, name))
		}
	}
}

func readJSONFile(t testing.TB, name string) any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return parseJSON(t, data)
}

func parseJSON(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
	return doc
}

func walk(where string, doc any, visit func(string, map[string]any)) {
	switch x := doc.(type) {
	case map[string]any:
		visit(where, x)
		for name, v := range x {
			walk(where+"."+name, v, visit)
		}
	case []any:
		for i, v := range x {
			walk(where+"["+string(codecInt(i))+"]", v, visit)
		}
	}
}

func codecInt(i int) []byte { b, _ := json.Marshal(i); return b }

func (c captured) text(name string) string { s, _ := c.json[name].(string); return s }

// envelope is the message as a driver would deliver it.
func (c captured) envelope(t testing.TB) *Envelope {
	t.Helper()
	env := &Envelope{Headers: Table{}, Body: []byte(c.text("body"))}
	if c.text("body_encoding") == "base64" {
		var err error
		if env.Body, err = base64.StdEncoding.DecodeString(c.text("body")); err != nil {
			t.Fatal(c.where, err)
		}
	}
	for name, v := range c.json["headers"].(map[string]any) {
		env.Headers[name] = wireValue(t, v)
	}
	props, _ := c.json["properties"].(map[string]any)
	p := &env.Properties
	for name, v := range props {
		switch name {
		case "content_type":
			p.ContentType = v.(string)
		case "content_encoding":
			p.ContentEncoding = v.(string)
		case "delivery_mode":
			p.DeliveryMode = uint8(number64(t, v))
		case "priority":
			p.Priority, p.HasPriority = uint8(number64(t, v)), true
		case "correlation_id":
			p.CorrelationID = v.(string)
		case "reply_to":
			p.ReplyTo = v.(string)
		case "expiration":
			p.Expiration = v.(string)
		case "message_id":
			p.MessageID = v.(string)
		case "type":
			p.Type = v.(string)
		case "user_id":
			p.UserID = v.(string)
		case "app_id":
			p.AppID = v.(string)
		default:
			t.Fatalf("%s: property %q is not known to this test", c.where, name)
		}
	}
	return env
}

func number64(t testing.TB, v any) int64 {
	t.Helper()
	n, err := v.(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wireValue turns the file's JSON into what Celery's AMQP client would have put into a table: integers of 32 bits where
// they fit, floats elsewhere, timestamps.
func wireValue(t testing.TB, v any) any {
	t.Helper()
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return narrow(n)
		}
		f, err := x.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = wireValue(t, item)
		}
		return out
	case map[string]any:
		if s, ok := x["__datetime__"].(string); ok && len(x) == 1 {
			at, err := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(s, "+00:00"))
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		out := make(Table, len(x))
		for name, item := range x {
			out[name] = wireValue(t, item)
		}
		return out
	}
	return v
}

// accepting is options that accept what the captures hold.
func accepting(t testing.TB) DecodeOptions {
	t.Helper()
	a, err := codec.NewAccept("json", "msgpack", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	return DecodeOptions{Accept: a}
}
