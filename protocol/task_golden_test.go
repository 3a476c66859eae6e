package protocol

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/umbel-go/umbel/codec"
)

// serializers by the content type they write.
var serializers = map[string]string{
	"application/json":      "json",
	"application/x-msgpack": "msgpack",
	"application/x-yaml":    "yaml",
}

// Every captured task message is decoded, written again by the same serializer, compression and protocol, and must be the
// same: headers one by one, properties, and the body byte for byte.
func TestCapturedTasksAreWrittenAsTheyCame(t *testing.T) {
	t.Parallel()
	compared := 0
	for _, m := range capturedMessages(t, "publish", "flows", "rpc", "delayed", "release") {
		env := m.envelope(t)
		if _, ok := env.Headers["task"]; !ok && !strings.HasPrefix(m.text("body"), `{"task"`) {
			continue // result documents of rpc:// and control messages; document_test.go has the former
		}
		compared++
		t.Run(m.where, func(t *testing.T) {
			t.Parallel()
			if env.Properties.ContentType == "application/x-python-serialize" {
				mustRefusePickle(t, env)
				return
			}
			task, body := mustDecode(t, env)
			o := EncodeOptions{
				Serializer: serializers[env.Properties.ContentType], Protocol: task.Version,
				Compression: compressionOf(env), Now: nowOf(t, task),
			}
			got, err := EncodeTask(task, body, o)
			if err != nil {
				t.Fatal(err)
			}
			if m.where == "flows/expired.json.published_messages_in_order[0]" {
				// Put there by hand with the header alone, as if its expiration property had not been honoured.
				env.Properties.Expiration = "0"
			}
			if strings.HasSuffix(m.where, "task_expires_datetime.json") {
				// Three years ahead, which RabbitMQ refuses.
				env.Properties.Expiration = ""
			}
			compare(t, env, got)
		})
	}
	if compared < 200 {
		t.Fatalf("compared %d task messages, want at least 200: is testdata complete?", compared)
	}
}

func mustDecode(t testing.TB, env *Envelope) (*Task, *Body) {
	t.Helper()
	task, err := DecodeTask(env, accepting(t))
	if err != nil {
		t.Fatal(err)
	}
	body, err := task.DecodeBody(accepting(t))
	if err != nil {
		t.Fatal(err)
	}
	return task, body
}

func mustRefusePickle(t *testing.T, env *Envelope) {
	t.Helper()
	task, err := DecodeTask(env, accepting(t))
	var invalid *InvalidTaskError
	if !errors.Is(err, codec.ErrPickle) || !errors.As(err, &invalid) {
		t.Fatalf("got %v, want an invalid task because of pickle", err)
	}
	if task == nil || task.Name == "" || invalid.ID != task.ID {
		t.Fatalf("got task %+v beside the error, want its header", task)
	}
	// It can still be sent on as it is, to a dead-letter queue and back.
	again, err := EncodeTask(task, nil, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, env, again)
}

// compare wants got to be what came.
func compare(t *testing.T, came, got *Envelope) {
	t.Helper()
	want := make(Table, len(came.Headers))
	for name, v := range came.Headers {
		// What tells of one delivery is not sent again.
		if name != "x-death" && name != "x-delivery-count" && !strings.HasPrefix(name, "x-first-death-") && !strings.HasPrefix(name, "x-last-death-") {
			want[name] = v
		}
	}
	if d := cmp.Diff(want, got.Headers); d != "" {
		t.Errorf("headers (-came +written):\n%s", d)
	}
	properties := came.Properties
	properties.UserID = "" // the broker checks it against whoever sends: it is dropped when a message is sent again
	if d := cmp.Diff(properties, got.Properties); d != "" {
		t.Errorf("properties (-came +written):\n%s", d)
	}
	if mime, ok := came.Headers["compression"].(string); ok {
		// Compressors differ between libraries: what is inside must be the same.
		if a, b := unpacked(t, mime, came.Body), unpacked(t, mime, got.Body); !bytes.Equal(a, b) {
			t.Errorf("body:\n came    %s\n written %s", a, b)
		}
		return
	}
	if !bytes.Equal(came.Body, got.Body) {
		t.Errorf("body:\n came    %q\n written %q", came.Body, got.Body)
	}
}

func unpacked(t *testing.T, mime string, body []byte) []byte {
	t.Helper()
	plain, err := codec.Decompress(mime, body, codec.DefaultLimit)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func compressionOf(env *Envelope) string {
	s, _ := env.Headers["compression"].(string)
	return s
}

// nowOf is the moment at which the task was sent: its expiry less its expiration property.
func nowOf(t *testing.T, task *Task) time.Time {
	t.Helper()
	if task.Properties.Expiration == "" {
		return task.Expires.Add(time.Hour) // of no account unless the task expires, and then it is too late
	}
	left, err := time.ParseDuration(task.Properties.Expiration + "ms")
	if err != nil {
		t.Fatal(err)
	}
	return task.Expires.Add(-left)
}

// A release of Celery and its next version put different ids and keys into the same places, and both must be understood.
func TestFieldsOfCapturedTask(t *testing.T) {
	t.Parallel()
	task, body := mustDecode(t, captured{"", readJSONFile(t, "publish/task_all_options.json").(map[string]any)}.envelope(t))
	yes := true
	want := &Task{
		Version: 2, Name: "gapp.add", ID: "00000000-0000-4000-8000-000000000008", Lang: "py", Shadow: "alias.name",
		Expires: time.Date(2026, 11, 23, 10, 57, 13, 593794000, time.UTC),
		Group:   "00000000-0000-4000-8000-000000900003", GroupIndex: 4, HasGroupIndex: true, Retries: 2,
		TimeLimit: 30 * time.Second, SoftTimeLimit: 20500 * time.Millisecond,
		RootID: "00000000-0000-4000-8000-000000900001", ParentID: "00000000-0000-4000-8000-000000900002",
		ArgsRepr: "(2, 3)", KwargsRepr: "{'z': 4}", Origin: "custom@origin", IgnoreResult: &yes,
		ReplacedTaskNesting: 1, StampedHeaders: []string{"stamp1"}, Stamps: Table{"stamp1": []any{"v1"}},
		Properties: task.Properties, Headers: task.Headers,
	}
	if d := cmp.Diff(want, task, cmpopts.IgnoreUnexported(Task{})); d != "" {
		t.Errorf("task (-want +got):\n%s", d)
	}
	if len(body.Args) != 2 || string(body.Args[1].Raw()) != "3" {
		t.Errorf("args: got %v", body.Args)
	}
	if len(body.Kwargs) != 1 || body.Kwargs[0].Name != "z" {
		t.Errorf("kwargs: got %v", body.Kwargs)
	}
	if len(body.Embed.Callbacks) != 1 || body.Embed.Callbacks[0].Task != "gapp.mul" ||
		len(body.Embed.Errbacks) != 1 || body.Embed.Errbacks[0].Task != "gapp.errback_old" ||
		body.Embed.Chain != nil || body.Embed.Chord != nil {
		t.Errorf("embed: got %+v", body.Embed)
	}
}

func TestChainStepsStayInReverseOrder(t *testing.T) {
	t.Parallel()
	_, body := mustDecode(t, captured{"", readJSONFile(t, "publish/canvas_chain3.json").(map[string]any)}.envelope(t))
	if n := len(body.Embed.Chain); n != 2 || body.Embed.Chain[n-1].Task != "gapp.add" || body.Embed.Chain[0].Task != "gapp.mul" {
		t.Fatalf("got chain %+v, want mul, then add as the next step", body.Embed.Chain)
	}
}

// Signatures inside signatures (links, chain tasks, chord headers) are opaque to a task, yet each of them must be
// readable and written as it came.
func TestCapturedSignaturesAreWrittenAsTheyCame(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, m := range capturedMessages(t, "publish", "flows", "rpc", "delayed", "release") {
		env := m.envelope(t)
		if _, ok := env.Headers["task"]; !ok || env.Properties.ContentType != "application/json" || env.Headers["compression"] != nil {
			continue
		}
		_, body := mustDecode(t, env)
		for _, s := range signaturesIn(body) {
			seen += checkSignature(t, m.where, s)
		}
	}
	if seen < 200 {
		t.Fatalf("saw %d signatures, want at least 200", seen)
	}
}

func signaturesIn(b *Body) []*Signature {
	var all []*Signature
	all = append(all, b.Embed.Callbacks...)
	all = append(all, b.Embed.Errbacks...)
	all = append(all, b.Embed.Chain...)
	if b.Embed.Chord != nil {
		all = append(all, b.Embed.Chord)
	}
	return all
}

// checkSignature writes and reads s and everything in it that is a signature, and returns their number.
func checkSignature(t *testing.T, where string, s *Signature) int {
	t.Helper()
	text, err := s.AppendJSON(nil)
	if err != nil {
		t.Fatal(where, err)
	}
	again, err := DecodeSignature(codec.JSON(text))
	if err != nil {
		t.Fatal(where, err)
	}
	twice, err := again.AppendJSON(nil)
	if err != nil || !bytes.Equal(text, twice) {
		t.Errorf("%s: %v\n came    %s\n written %s", where, err, text, twice)
	}
	n := 1
	for _, f := range append(append([]codec.NamedValue(nil), s.Options...), s.Kwargs...) {
		values := []codec.Value{f.Value}
		if kindOf(f.Value) == arrayKind {
			if values, err = elements(f.Value); err != nil {
				t.Fatal(where, err)
			}
		}
		for _, v := range values {
			if kindOf(v) != objectKind || !bytes.HasPrefix(v.Raw(), []byte(`{"task": "`)) {
				continue
			}
			inner, err := DecodeSignature(v)
			if err != nil {
				t.Fatal(where, err)
			}
			written, err := inner.AppendJSON(nil)
			if err != nil || !bytes.Equal(written, v.Raw()) {
				t.Errorf("%s: %v\n came    %s\n written %s", where, err, v.Raw(), written)
			}
			n += checkSignature(t, where, inner)
		}
	}
	return n
}
