package protocol

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/umbel-go/umbel/codec"
)

func TestCapturedDocumentsAreWrittenAsTheyCame(t *testing.T) {
	t.Parallel()
	docs := capturedDocuments(t)
	if len(docs) < 100 {
		t.Fatalf("found %d documents, want at least 100", len(docs))
	}
	exceptions, short := 0, 0
	for where, doc := range docs {
		r, err := DecodeResultJSON(doc)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		got, err := AppendResult(nil, r)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		want := doc
		if strings.HasPrefix(string(doc), `{"task_id"`) {
			// Release 5.6.2 sends a shorter form through rpc://: task_id first, no date_done. We write the present form,
			// which it reads.
			short++
			head, rest, ok := strings.Cut(string(doc), `, "status"`)
			if !ok {
				t.Fatalf("%s: unexpected form %s", where, doc)
			}
			want = []byte(`{"status"` + strings.TrimSuffix(rest, "}") + `, "date_done": null, ` + strings.TrimPrefix(head, "{") + "}")
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n came    %s\n written %s", where, want, got)
		}
		if r.Status.Exception() {
			exceptions++
			e, err := DecodeException(r.Result)
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			if got := e.Value().Raw(); !bytes.Equal(got, r.Result.Raw()) {
				t.Errorf("%s:\n came    %s\n written %s", where, r.Result.Raw(), got)
			}
		}
	}
	if exceptions < 20 || short < 4 {
		t.Errorf("saw %d exceptions and %d documents of the release's rpc form: is testdata complete?", exceptions, short)
	}
}

func TestDocumentInMsgpack(t *testing.T) {
	t.Parallel()
	file := readJSONFile(t, "flows/result_msgpack.json").(map[string]any)
	came, err := base64.StdEncoding.DecodeString(file["body"].(string))
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeResult("application/x-msgpack", "binary", came)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != Success || r.TaskID == "" || r.DateDone.IsZero() || !r.HasChildren {
		t.Fatalf("got %+v", r)
	}
	enc, err := EncodeResult(r, "msgpack")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(enc.Body, came) || enc.ContentType != "application/x-msgpack" || enc.ContentEncoding != "binary" {
		t.Errorf("%+v\n came    %x\n written %x", enc, came, enc.Body)
	}
}

func TestDocumentFields(t *testing.T) {
	t.Parallel()
	doc := `{"status": "RETRY", "result": null, "traceback": "T", "children": [[["c", null], null]], "date_done": null, ` +
		`"group_id": "g", "parent_id": "p", "name": "n", "args": [1], "kwargs": {"a": 2}, "worker": "w", "retries": 3, ` +
		`"queue": "q", "stamped_headers": ["s"], "s": "v", "future": 1, "task_id": "t"}`
	got, err := DecodeResultJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{
		TaskID: "t", Status: Retry, Result: codec.JSON([]byte("null")), Traceback: "T", HasTraceback: true,
		Children: []ResultTuple{{ID: "c"}}, HasChildren: true, GroupID: "g", ParentID: "p",
		Extended: &Extended{Name: "n", Args: codec.JSON([]byte("[1]")), Kwargs: codec.JSON([]byte(`{"a": 2}`)),
			Worker: "w", Retries: 3, Queue: "q"},
		StampedHeaders: []string{"s"},
		Stamps:         []codec.NamedValue{{Name: "s", Value: codec.JSON([]byte(`"v"`))}},
		Extra:          []codec.NamedValue{{Name: "future", Value: codec.JSON([]byte("1"))}},
	}
	if d := cmp.Diff(want, got, sameText); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	written, err := AppendResult(nil, got)
	if err != nil || string(written) != doc {
		t.Errorf("%v\n want %s\n got  %s", err, doc, written)
	}
}

// sameText compares values by the JSON they are.
var sameText = cmp.Comparer(func(a, b codec.Value) bool {
	x, errX := a.AppendJSON(nil)
	y, errY := b.AppendJSON(nil)
	return errX == nil && errY == nil && bytes.Equal(x, y)
})

func TestDocumentsOfOthersAreReadLiberally(t *testing.T) {
	t.Parallel()
	done := time.Date(2021, 3, 4, 5, 6, 7, 0, codec.Naive)
	for name, c := range map[string]struct {
		doc  string
		want Result
	}{
		"only a status": {`{"status": "STARTED"}`, Result{Status: Started}},
		"nulls": {`{"status": "SUCCESS", "result": null, "traceback": null, "children": null, "date_done": null, "group_id": null, "parent_id": null, "task_id": null, "stamped_headers": null}`,
			Result{Status: Success}},
		"5.2 has a naive date": {`{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "date_done": "2021-03-04T05:06:07", "task_id": "t"}`,
			Result{Status: Success, Result: codec.Of(1), HasChildren: true, DateDone: done, TaskID: "t"}},
		"typed date":  {`{"status": "SUCCESS", "date_done": {"__type__": "datetime", "__value__": "2021-03-04T05:06:07"}}`, Result{Status: Success, DateDone: done}},
		"numeric id":  {`{"status": "X", "task_id": 17}`, Result{Status: "X", TaskID: "17"}},
		"no brackets": {`{"status": "X", "children": ["a", ["b", null]]}`, Result{Status: "X", HasChildren: true, Children: []ResultTuple{{ID: "a"}, {ID: "b"}}}},
		"null extended": {`{"status": "X", "name": null, "args": null, "kwargs": null, "worker": null, "retries": null, "queue": null}`,
			Result{Status: "X", Extended: &Extended{}}},
	} {
		got, err := DecodeResultJSON([]byte(c.doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(&c.want, got, sameText, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b time.Time) bool {
			return a.Equal(b) && (a.Location() == codec.Naive) == (b.Location() == codec.Naive)
		})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestBadDocumentsAreErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, want string }{
		"empty":        {``, "empty"},
		"no object":    {`[1]`, "an array, want an object"},
		"cut off":      {`{"status": "SUCC`, "JSON"},
		"no status":    {`{"task_id": "t"}`, "has no status"},
		"null status":  {`{"status": null}`, "has no status"},
		"list status":  {`{"status": []}`, "status: want a text"},
		"bad date":     {`{"status": "X", "date_done": "soon", "task_id": "t"}`, "date_done"},
		"bad children": {`{"status": "X", "children": [[1, 2, 3]]}`, "children"},
		"bad retries":  {`{"status": "X", "retries": -1}`, "retries"},
	} {
		_, err := DecodeResult("application/json", "utf-8", []byte(c.doc))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestUnencodableResultIsNamed(t *testing.T) {
	t.Parallel()
	_, err := AppendResult(nil, &Result{TaskID: "t", Status: Success, Result: codec.Of(func() {})})
	if err == nil || !strings.Contains(err.Error(), "task t: result: ") {
		t.Errorf("got %v", err)
	}
}
