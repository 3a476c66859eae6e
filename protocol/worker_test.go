package protocol

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

// verdict is what becomes of a message.
type verdict string

const (
	runs    verdict = "runs"
	invalid verdict = "invalid: rejected"         // *InvalidTaskError
	garbled verdict = "undecodable: acknowledged" // *DecodeError
	unknown verdict = "unknown: rejected"         // ErrUnknownMessage
)

func judge(env *Envelope) (verdict, *Task, *Body, error) {
	task, err := DecodeTask(env, DecodeOptions{})
	var body *Body
	if err == nil {
		body, err = task.DecodeBody(DecodeOptions{})
	}
	var bad *InvalidTaskError
	var cut *DecodeError
	switch {
	case err == nil:
		return runs, task, body, nil
	case errors.As(err, &bad):
		return invalid, task, nil, err
	case errors.As(err, &cut):
		return garbled, task, nil, err
	case errors.Is(err, ErrUnknownMessage):
		return unknown, task, nil, err
	}
	return verdict("an error of no known kind: " + err.Error()), task, nil, err
}

// Each malformed message gets the verdict that the captured Celery worker gave. Where that worker ran it only to fail, or
// died of it, ours is an invalid task.
func TestMalformedMessagesGetCelerysVerdict(t *testing.T) {
	t.Parallel()
	stricter := map[string]string{ // case → part of our reason
		"v2_no_id":              "id is missing",
		"v2_two_item_body":      "the body has 2 items",
		"v2_no_content_type":    "no content type",
		"v2_empty_body":         "the body is empty",
		"v2_kwargs_not_mapping": "must be a mapping",
	}
	kinder := map[string]bool{
		"v2_gzip_wrapper": true, // a gzip stream where kombu reads only zlib: no harm in reading both
	}
	file := readJSONFile(t, "worker/bad_messages.json").(map[string]any)
	cases := file["cases"].([]any)
	if len(cases) < 25 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		c := captured{"", c.(map[string]any)}
		name := c.text("case")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := c.envelope(t)
			got, _, _, err := judge(env)
			if reason, ok := stricter[name]; ok {
				if got != invalid || !strings.Contains(err.Error(), reason) {
					t.Fatalf("%s: %v, want invalid with %q", got, err, reason)
				}
				return
			}
			want := celerysVerdict(t, c)
			if kinder[name] && want != runs {
				want = runs
			}
			if got != want {
				t.Fatalf("%s: %v, want %s", got, err, want)
			}
		})
	}
}

// celerysVerdict reads it from the worker's log, and checks it against what became of the message.
func celerysVerdict(t *testing.T, c captured) verdict {
	t.Helper()
	if alive, _ := c.json["worker_alive"].(bool); !alive {
		t.Fatal("the worker died of it: say above what we do")
	}
	lines, _ := c.json["worker_log"].([]any)
	dead, _ := c.json["dead_lettered"].([]any)
	for _, line := range lines {
		line := line.(string)
		switch {
		case strings.Contains(line, "received"), strings.Contains(line, "Received unregistered task"):
			return runs
		case strings.Contains(line, "Received invalid task message") && len(dead) == 1:
			return invalid
		case strings.Contains(line, "Can't decode message body") && len(dead) == 0:
			return garbled
		case strings.Contains(line, "Received and deleted unknown message") && len(dead) == 1:
			return unknown
		}
	}
	t.Fatalf("no verdict in %v", lines)
	return ""
}

func minimal(body string) *Envelope {
	return &Envelope{
		Properties: Properties{ContentType: "application/json", ContentEncoding: "utf-8"},
		Headers:    Table{"task": "t", "id": "i"},
		Body:       []byte(body),
	}
}

func TestErrorsCarryIDAndName(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Envelope){
		"eta":          func(e *Envelope) { e.Headers["eta"] = "soon" },
		"retries":      func(e *Envelope) { e.Headers["retries"] = "many" },
		"timelimit":    func(e *Envelope) { e.Headers["timelimit"] = []any{-1, nil} },
		"root id":      func(e *Envelope) { e.Headers["root_id"] = Table{} },
		"content type": func(e *Envelope) { e.Properties.ContentType = "application/x-yaml" },
		"pickle":       func(e *Envelope) { e.Properties.ContentType = "application/x-python-serialize" },
		"compression":  func(e *Envelope) { e.Headers["compression"] = "application/x-nope" },
		"mime type":    func(e *Envelope) { e.Headers["compression"] = Table{} },
		"empty":        func(e *Envelope) { e.Body = nil },
		"not JSON":     func(e *Envelope) { e.Body = []byte(`[[], {}, {`) },
		"text":         func(e *Envelope) { e.Body = []byte(`"text"`) },
		"embed":        func(e *Envelope) { e.Body = []byte(`[[], {}, []]`) },
		"signature":    func(e *Envelope) { e.Body = []byte(`[[], {}, {"chord": {"args": []}}]`) },
		"signatures":   func(e *Envelope) { e.Body = []byte(`[[], {}, {"chain": 1}]`) },
		"args":         func(e *Envelope) { e.Body = []byte(`[{}, {}, {}]`) },
		"object":       func(e *Envelope) { e.Body = []byte(`{"kwargs": {}}`) },
		"bad hybrid":   func(e *Envelope) { e.Body = []byte(`{"args": [}`) },
		"v1 kwargs": func(e *Envelope) {
			e.Headers, e.Body = nil, []byte(`{"task": "t", "id": "i", "kwargs": []}`)
		},
		"v1 eta": func(e *Envelope) { e.Headers, e.Body = nil, []byte(`{"task": "t", "id": "i", "eta": "soon"}`) },
	} {
		env := minimal(`[[], {}, {}]`)
		spoil(env)
		_, _, _, err := judge(env)
		var bad *InvalidTaskError
		var cut *DecodeError
		switch {
		case errors.As(err, &bad):
			if bad.ID != "i" || bad.Name != "t" {
				t.Errorf("%s: %v has id %q and name %q", name, err, bad.ID, bad.Name)
			}
		case errors.As(err, &cut):
			if cut.ID != "i" || cut.Name != "t" {
				t.Errorf("%s: %v has id %q and name %q", name, err, cut.ID, cut.Name)
			}
		default:
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestGarbledProtocolOneIsKnownByItsCorrelationID(t *testing.T) {
	t.Parallel()
	env := minimal(`{"task": "t", "id"`)
	env.Headers, env.Properties.CorrelationID = nil, "c"
	_, err := DecodeTask(env, DecodeOptions{})
	var cut *DecodeError
	if !errors.As(err, &cut) || cut.ID != "c" {
		t.Errorf("got %v", err)
	}
}

func TestRefusedContentIsRecognisable(t *testing.T) {
	t.Parallel()
	env := minimal(`- []`)
	env.Properties.ContentType = "application/x-yaml"
	task, err := DecodeTask(env, DecodeOptions{})
	var refused *codec.DisallowedError
	if !errors.As(err, &refused) || task == nil || task.ID != "i" {
		t.Errorf("v2: %v, task %v", err, task)
	}
	env.Headers = nil
	if _, err = DecodeTask(env, DecodeOptions{}); !errors.As(err, &refused) {
		t.Errorf("v1: %v", err)
	}
	var cut *DecodeError
	if !errors.As(err, &cut) { // Celery acknowledges it, unlike one of protocol 2
		t.Errorf("v1: %v is no *DecodeError", err)
	}
}

func TestHeadersOfOthersAreReadLiberally(t *testing.T) {
	t.Parallel()
	env := minimal(`[null, null, null]`)
	env.Headers = Table{
		"task": []byte("t"), "id": int64(17), "retries": 2.0, "group": nil, "group_index": "3", "timelimit": []any{"1.5"},
		"root_id": "r", "eta": "", "expires": []byte("2024-01-02"), "ignore_result": int32(1), "stamped_headers": "s",
		"stamps": []any{}, "origin": Table{}, "lang": 3.5, "mine": []any{int8(1)},
	}
	got, task, body, err := judge(env)
	if got != runs {
		t.Fatal(err)
	}
	if task.Name != "t" || task.ID != "17" || task.Retries != 2 || !task.HasGroupIndex || task.GroupIndex != 3 ||
		task.TimeLimit.Seconds() != 1.5 || task.SoftTimeLimit != 0 || !task.ETA.IsZero() || FormatTime(task.Expires) != "2024-01-02T00:00:00" ||
		task.IgnoreResult == nil || !*task.IgnoreResult || len(task.StampedHeaders) != 1 || task.Origin != "" || task.Lang != "" {
		t.Errorf("got %+v", task)
	}
	if len(body.Args)+len(body.Kwargs) != 0 {
		t.Errorf("got body %+v", body)
	}
}

func TestHybridIsBodyThenHeaders(t *testing.T) {
	t.Parallel()
	env := minimal(`{"task": "other", "id": "other", "args": [1], "kwargs": {"a": 2}, "eta": "2024-01-02T03:04:05", "retries": 1, ` +
		`"callbacks": [{"task": "next"}], "chain": [{"task": "never"}], "chord": null}`)
	env.Headers["retries"] = int32(4)
	got, task, body, err := judge(env)
	if got != runs {
		t.Fatal(err)
	}
	if task.Version != 2 || task.Name != "t" || task.ID != "i" || task.Retries != 4 || FormatTime(task.ETA) != "2024-01-02T03:04:05" {
		t.Errorf("got %+v", task)
	}
	if len(body.Args) != 1 || len(body.Kwargs) != 1 || len(body.Embed.Callbacks) != 1 || body.Embed.Chain != nil {
		t.Errorf("got body %+v", body)
	}
}

func TestTasksetIsTheGroupOfProtocolOne(t *testing.T) {
	t.Parallel()
	for body, group := range map[string]string{
		`{"task": "t", "id": "i", "group": "g", "taskset": "s"}`:  "s",
		`{"task": "t", "id": "i", "group": "g", "taskset": null}`: "g",
		`{"task": "t", "id": "i", "taskset": "s"}`:                "s",
		`{"task": "t", "id": "i"}`:                                "",
	} {
		env := minimal(body)
		env.Headers = Table{"mine": "kept"}
		got, task, decoded, err := judge(env)
		if got != runs || task.Group != group || task.Version != 1 {
			t.Errorf("%s: %v, task %+v", body, err, task)
			continue
		}
		if task.ArgsRepr != "[]" || task.KwargsRepr != "{}" {
			t.Errorf("args shown as %s %s", task.ArgsRepr, task.KwargsRepr)
		}
		// Sent again it becomes protocol 2, with the sender's own header.
		env, err = EncodeTask(task, decoded, EncodeOptions{})
		if err != nil || env.Headers["mine"] != "kept" || env.Headers["task"] != "t" {
			t.Errorf("%v: %+v", err, env)
		}
	}
}

func TestDecodingTwiceGivesOneBody(t *testing.T) {
	t.Parallel()
	task, body := mustDecode(t, minimal(`[[1], {}, {"callbacks": null, "later": 5}]`))
	again, err := task.DecodeBody(DecodeOptions{})
	if err != nil || again != body {
		t.Errorf("got another body, or %v", err)
	}
	if d := cmp.Diff([]codec.NamedValue{{Name: "later", Value: codec.JSON([]byte("5"))}}, body.Embed.Extra, sameText); d != "" {
		t.Errorf("unknown keys: %s", d)
	}
}
