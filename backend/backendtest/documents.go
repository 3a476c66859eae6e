package backendtest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// done is when documents of final states say they were done.
var done = time.Date(2026, 11, 23, 10, 0, 9, 163799000, time.UTC)

// doc makes a document in Celery's shape for its state, addressed to this backend's reply queue if it has one.
func (h *harness) doc(id string, state protocol.State, result any) *protocol.Result {
	r := &protocol.Result{
		TaskID: id, Status: state, Result: codec.Of(result), HasChildren: true,
		ReplyTo: h.ReplyTo(), CorrelationID: id,
	}
	if state.Exception() {
		r.Result = exception("ValueError", fmt.Sprint(result))
		r.HasTraceback = true
		r.Traceback = "Traceback (most recent call last):\n  File \"/app/tasks.py\", line 7, in charge\nValueError: " + fmt.Sprint(result)
	}
	if state.Ready() {
		r.DateDone = done
	}
	return r
}

func exception(class, message string) codec.Value {
	return (&protocol.Exception{Type: class, Module: "builtins", Message: []codec.Value{codec.Of(message)}}).Value()
}

// documentTests: what a document may hold comes back as it was.
var documentTests = []namedTest{
	{"every state comes back as stored", func(h *harness) {
		states := []protocol.State{
			protocol.Started, protocol.Progress, protocol.Retry, protocol.Success, protocol.Failure, protocol.Revoked,
			"UPLOADING", "half done", "übertragen",
		}
		for _, s := range states {
			want := h.doc("state-"+string(s), s, "value")
			h.store(want)
			h.wantSame(h.get(want.TaskID), want)
		}
	}},
	{"odd results come back as stored", func(h *harness) {
		deep := any("bottom")
		for range 50 {
			deep = []any{deep}
		}
		results := map[string]any{
			"null": nil, "true": true, "zero": int64(0), "float one": 1.0, "large integer": int64(math.MaxInt64),
			"negative": int64(math.MinInt64), "tiny": 5e-324, "empty text": "", "unicode": "grüße 漢字 🌱\u2028",
			"nul": "a\x00b", "quotes": "'\"\\`$1 %s ?", "empty list": []any{}, "empty map": map[string]any{},
			"nested": map[string]any{"a": []any{int64(1), map[string]any{"b": nil, "ü": []any{}}}}, "deep": deep,
			"time": time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), "bytes": []byte{0, 1, 254, 255},
		}
		for name, v := range results {
			want := h.doc("odd "+name, protocol.Success, v)
			h.store(want)
			h.wantSame(h.get(want.TaskID), want)
		}
	}},
	{"raw JSON comes back byte for byte", func(h *harness) {
		for i, raw := range []string{
			`NaN`, `[Infinity, -Infinity, NaN]`, `1.0`, `1e400`, `123456789012345678901234567890`,
			`{"b": 1, "a": 2}`, `"\u00fc\ud83c\udf31"`, `{"__type__": "uuid", "__value__": {"hex": "60000000000040008000000000000001", "version": 4}}`,
		} {
			want := h.doc(fmt.Sprintf("raw-%d", i), protocol.Success, nil)
			want.Result = codec.JSON([]byte(raw))
			h.store(want)
			got := h.get(want.TaskID)
			h.wantSame(got, want)
			if s := string(got.Result.Raw()); s != raw {
				h.Errorf("result %s came back as %s", raw, s)
			}
		}
	}},
	{"a result of 5 MiB comes back whole", func(h *harness) {
		want := h.doc("large", protocol.Success, strings.Repeat("0123456789abcdef", 5<<20/16))
		h.store(want)
		h.wantSame(h.get("large"), want)
		many, err := h.GetMany(h.ctx, []string{"large"})
		if err != nil {
			h.Fatal(err)
		}
		h.wantSame(many["large"], want)
	}},
	{"every field comes back", func(h *harness) {
		parent := protocol.ResultTuple{ID: "first"}
		want := h.doc("full", protocol.Failure, "boom")
		want.Children = []protocol.ResultTuple{
			{ID: "second", Parent: &parent},
			{ID: "group", IsGroup: true, Members: []protocol.ResultTuple{{ID: "m1"}, {ID: "m2"}}},
		}
		want.GroupID, want.ParentID = "group", "parent"
		want.Extended = &protocol.Extended{
			Name: "shop.charge", Args: codec.JSON([]byte(`[1, "zwei", null]`)), Kwargs: codec.JSON([]byte(`{"total": 42.0}`)),
			Worker: "high@web1", Retries: 3, Queue: "high_priority",
		}
		want.StampedHeaders = []string{"tenant"}
		want.Stamps = []codec.NamedValue{{Name: "tenant", Value: codec.JSON([]byte(`["acme"]`))}}
		h.store(want)
		h.wantSame(h.get("full"), want)
	}},
	{"null children and no children are kept apart", func(h *harness) {
		null, none := h.doc("null", protocol.Revoked, "revoked"), h.doc("none", protocol.Revoked, "revoked")
		null.HasChildren = false
		null.HasTraceback, none.HasTraceback = false, false
		h.store(null, none)
		h.wantSame(h.get("null"), null)
		h.wantSame(h.get("none"), none)
	}},
	{"ids are arbitrary text", func(h *harness) {
		ids := []string{
			"plain", "with space", "käse 漢字 🌱", `quote'"back\slash`, "'; drop table umbel_results; --", "50%_*?[a]{b}",
			"a:b/c.d#e", "UPPER", "upper", strings.Repeat("long", 60), "\ttab\nline",
		}
		for _, id := range ids {
			h.store(h.doc(id, protocol.Success, "of "+id))
		}
		for _, id := range ids {
			h.wantSame(h.get(id), h.doc(id, protocol.Success, "of "+id))
		}
		many, err := h.GetMany(h.ctx, ids)
		if err != nil {
			h.Fatal(err)
		}
		for _, id := range ids {
			h.wantSame(many[id], h.doc(id, protocol.Success, "of "+id))
		}
	}},
	{"what the caller does with a document later changes nothing", func(h *harness) {
		mine := h.doc("mine", protocol.Success, nil)
		raw := []byte(`"before"`)
		mine.Result = codec.JSON(raw)
		h.store(mine)
		copy(raw, `"AFTER!"`)
		mine.Status = protocol.Failure
		want := h.doc("mine", protocol.Success, "before")
		h.wantSame(h.get("mine"), want)
		h.get("mine").Status = "MINE"
		h.wantSame(h.get("mine"), want)
	}},
}
