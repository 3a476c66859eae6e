package umbel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
)

// A goldenCanvas is what Celery published for a workflow.
type goldenCanvas struct {
	goldenMessage
	Messages []goldenMessage
	Tuple    json.RawMessage `json:"client_result_tuple"`
}

type goldenMessage struct {
	Headers map[string]any
	Body    string
}

func readGolden(t *testing.T, name string) goldenCanvas {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("protocol", "testdata", "publish", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var g goldenCanvas
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if g.Messages == nil {
		g.Messages = []goldenMessage{g.goldenMessage}
	}
	return g
}

// canvasApp has no tasks: everything is called by name.
func canvasApp(t *testing.T) *App {
	t.Helper()
	return New("golden", WithConfig(Config{BrokerURL: []string{"memory://"}, ResultBackend: "disabled"}))
}

func TestWorkflowsArePublishedAsCeleryPublishesThem(t *testing.T) {
	a := canvasApp(t)
	add := func(args ...any) *Signature { return a.Signature("gapp.add", Args(args)) }
	mul := func(args ...any) *Signature { return a.Signature("gapp.mul", Args(args)) }
	xsum := func(args ...any) *Signature { return a.Signature("gapp.xsum", Args(args)) }
	errback := a.Signature("gapp.errback_old", nil)
	echo := a.Signature("gapp.echo", nil)
	for name, s := range map[string]*Signature{
		"canvas_chain3":                Chain(add(2, 2), add(4), mul(8)),
		"canvas_chain_immutable":       Chain(add(2, 2), add(1, 1).Immutable(), mul(8)),
		"canvas_chain_ending_in_group": Chain(add(1, 1), Group(add(2), mul(3))),
		"canvas_chain_group_upgrade":   Chain(add(1, 1), Group(add(2), mul(3)), xsum()),
		"canvas_chain_options": Chain(add(2, 2), add(4).Set(Queue("celery"), Priority(3), Countdown(1e9)), mul(8)).
			Link(echo).OnError(errback),
		"canvas_chord":                 Chord(Group(add(1, 1), add(2, 2)), xsum()),
		"canvas_chord_body_chain":      Chord(Group(add(1, 1), add(2, 2)), Chain(xsum(), add(10))),
		"canvas_chord_chain_members":   Chord(Group(Chain(add(1, 1), mul(2)), add(3, 3)), xsum()),
		"canvas_chord_empty_header":    Chord(Group(), xsum()),
		"canvas_chord_link_error":      Chord(Group(add(1, 1), add(2, 2)), xsum()).OnError(errback),
		"canvas_chord_single":          Chord(Group(add(1, 1)), xsum()),
		"canvas_chunks":                a.Chunks("gapp.add", 2, Args{1, 2}, Args{3, 4}, Args{5, 6}),
		"canvas_deep_mix":              Chain(add(1, 1), Group(Chain(add(2), mul(3)), Chord(Group(add(1), add(2)), xsum())), xsum(), add(100)),
		"canvas_group":                 Group(add(1, 1), add(2, 2), add(3, 3)),
		"canvas_group_then_task":       Chain(Group(add(2, 1), mul(3, 1)), xsum()),
		"canvas_map":                   a.Map("gapp.xsum", []int{1, 2}, []int{3, 4}),
		"canvas_starmap":               a.Starmap("gapp.add", Args{1, 2}, Args{3, 4}),
		"canvas_nested_chord_in_chord": Chord(Group(Chord(Group(add(1, 1), add(2, 2)), xsum()), add(3, 3)), xsum()),
		"canvas_stamped_chain":         Chain(add(1, 1), mul(2)).Stamp("mystamp", "abc").Stamp("other", []string{"x", "y"}),
		"canvas_stamped_visitor": Group(add(1, 1).Link(echo).OnError(errback), mul(2, 2)).StampFunc(
			func(at StampPlace, _ *Signature) map[string]any {
				switch at {
				case StampGroup:
					return map[string]any{"in_group": "g1"}
				case StampCallback:
					return map[string]any{"on_callback": true}
				case StampErrback:
					return map[string]any{"on_errback": true}
				}
				return map[string]any{"visitor_id": "vid-1"}
			}),
	} {
		t.Run(name, func(t *testing.T) {
			want := readGolden(t, name)
			got := published(t, a, s)
			if name == "canvas_chord_body_chain" {
				got.Tuple, want.Tuple = []byte("null"), []byte("null") // Celery's leaves out the first step of the body
			}
			if a, b := canonical(t, got), canonical(t, want); a != b {
				t.Fatal(cmp.Diff(strings.Split(b, "\n"), strings.Split(a, "\n")))
			}
		})
	}
}

// published is what the app publishes for a workflow.
func published(t *testing.T, a *App, s *Signature) goldenCanvas {
	t.Helper()
	var g goldenCanvas
	a.Intercept(func(_ context.Context, m *broker.Message) error {
		g.Messages = append(g.Messages, goldenMessage{m.Headers, string(m.Body)})
		return nil
	})
	defer a.Intercept(nil)
	b := &starter{newID: ids(), replyTo: a.oid}
	tuple, err := b.start(s, nil, place{})
	if err != nil {
		t.Fatal(err)
	}
	b.sizes = nil // no store to count in
	if err := a.begin(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if g.Tuple, err = tuple.AppendJSON(nil); err != nil {
		t.Fatal(err)
	}
	return g
}

func ids() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	}
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// canonical is a canvas as text in which ids are numbered in the order they appear, null options are left out, and what
// differs between two processes or releases of Celery is too: who sent it, and ids that a chain in a chain is given.
func canonical(t *testing.T, g goldenCanvas) string {
	t.Helper()
	var parts []any
	for _, m := range g.Messages {
		h := maps.Clone(m.Headers)
		maps.DeleteFunc(h, func(k string, v any) bool {
			return v == nil || slices.Contains([]string{"origin", "lang", "argsrepr", "kwargsrepr"}, k)
		})
		if names, ok := h["stamped_headers"].([]any); ok {
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		var body any
		if err := json.Unmarshal([]byte(m.Body), &body); err != nil {
			t.Fatal(err)
		}
		body.([]any)[2].(map[string]any)["chain"] = orEmpty(body.([]any)[2].(map[string]any)["chain"])
		parts = append(parts, h, tidy(body))
	}
	var tuple any
	if err := json.Unmarshal(g.Tuple, &tuple); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(append(parts, tuple), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	return uuids.ReplaceAllStringFunc(string(text), func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("id-%d", len(seen)+1)
		}
		return seen[id]
	})
}

func orEmpty(v any) any {
	if v == nil {
		return []any{}
	}
	return v
}

// tidy drops null options everywhere.
func tidy(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
	case map[string]any:
		for k, x := range v {
			v[k] = tidy(x)
			if k == "options" {
				o, _ := x.(map[string]any)
				maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
				if names, ok := o["stamped_headers"].([]any); ok {
					slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
				}
			}
		}
	}
	return v
}

func TestSignaturesOfCeleryAreReadAndWrittenUnchanged(t *testing.T) {
	files, err := filepath.Glob("protocol/testdata/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(file string, v any)
	walk = func(file string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(file, x)
			}
		case string:
			var inner any
			if strings.HasPrefix(v, "[[") && json.Unmarshal([]byte(v), &inner) == nil {
				walk(file, inner)
			}
		case map[string]any:
			if _, is := v["subtask_type"]; is && v["task"] != nil {
				n++
				text, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				var s Signature
				if err := json.Unmarshal(text, &s); err != nil {
					t.Errorf("%s: %s: %v", file, text, err)
					return
				}
				again, err := json.Marshal(&s)
				if err != nil {
					t.Errorf("%s: %s: %v", file, text, err)
					return
				}
				var got any
				if err := json.Unmarshal(again, &got); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(dropNull(v), dropNull(got)); d != "" {
					t.Errorf("%s: %s", file, d)
				}
				return
			}
			for _, x := range v {
				walk(file, x)
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if json.NewDecoder(bytes.NewReader(text)).Decode(&v) == nil {
			walk(file, v)
		}
	}
	if n < 80 {
		t.Fatalf("only %d signatures were found", n)
	}
}

// dropNull leaves out "chord": null, which says the same as no chord.
func dropNull(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = dropNull(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any)
		for k, x := range v {
			if k != "chord" || x != nil {
				out[k] = dropNull(x)
			}
		}
		return out
	}
	return v
}

func TestGroupsOfOneAndOfNoneInChainsAreUnrolled(t *testing.T) {
	a := canvasApp(t)
	call := func(name string) *Signature { return a.Signature(name, nil) }
	for _, tt := range []struct{ s, same *Signature }{
		{Chain(call("a"), Group(call("b"))), Chain(call("a"), call("b"))},
		{Chain(call("a"), Group(call("b")), call("c")), Chain(call("a"), call("b"), call("c"))},
		{Chain(call("a"), Group(), call("c")), Chain(call("a"), call("c"))},
		{Chain(Chain(call("a")), Chain(Chain(call("b"), call("c")))), Chain(call("a"), call("b"), call("c"))},
		{Chain(Group(call("a")), call("b")), Chord(Group(call("a")), call("b"))},
		{Chain(call("a"), Group(Chain(call("b"), call("c")))), Chain(call("a"), call("b"), call("c"))},
		{Chain(Chord(Group(call("a")), call("b")), call("c")), Chord(Group(call("a")), Chain(call("b"), call("c")))},
		{Chain(Chord(Group(call("a")), call("b")), Group(call("c"), call("d"))), Chord(Group(call("a")), Chain(call("b"), Group(call("c"), call("d"))))},
	} {
		if got, want := canonical(t, published(t, a, tt.s)), canonical(t, published(t, a, tt.same)); got != want {
			t.Error(cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
		}
	}
}

func TestASignatureCanBeAnArgument(t *testing.T) {
	a := canvasApp(t)
	s := Chord(Group(a.Signature("x", Args{1}), a.Signature("y", nil)), a.Signature("z", nil))
	text, err := codec.AppendJSON(nil, map[string]any{"sig": s})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Sig Signature }
	if err := codec.JSON(text).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Sig.Task() != "celery.chord" || len(got.Sig.head.tasks) != 2 {
		t.Fatalf("%s gave %+v", text, got.Sig)
	}
}

// A group of a hundred thousand members, from its signatures to messages on their way.
func BenchmarkGroupOf100000(b *testing.B) {
	a := New("bench", WithConfig(Config{BrokerURL: []string{"memory://"}, ResultBackend: "disabled"}))
	sent := 0
	a.Intercept(func(context.Context, *broker.Message) error { sent++; return nil })
	steps := make([]Step, 100_000)
	for i := range steps {
		steps[i] = a.Signature("add", Args{i})
	}
	b.ReportAllocs()
	for b.Loop() {
		sent = 0
		if _, err := Group(steps...).SendGroup(b.Context()); err != nil || sent != len(steps) {
			b.Fatal(sent, err)
		}
	}
}
