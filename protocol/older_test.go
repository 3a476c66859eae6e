package protocol

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Celery 5.2 has no stamps and no replaced_task_nesting, and its date_done is naive.
func TestOlderCeleryIsUnderstood(t *testing.T) {
	t.Parallel()
	file := readJSONFile(t, "python/celery52.json").(map[string]any)
	for i, m := range file["messages"].([]any) {
		env := captured{"", m.(map[string]any)}.envelope(t)
		task, body := mustDecode(t, env)
		sent, err := EncodeTask(task, body, EncodeOptions{Now: task.Expires})
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(env.Headers)
		want["replaced_task_nesting"], want["stamped_headers"], want["stamps"] = int32(0), nil, Table{}
		if d := cmp.Diff(want, sent.Headers); d != "" {
			t.Errorf("message %d: headers (-came +written):\n%s", i, d)
		}
		if d := cmp.Diff(string(env.Body), string(sent.Body)); d != "" {
			t.Errorf("message %d: body (-came +written):\n%s", i, d)
		}
	}
	docs := file["documents"].([]any)
	if len(docs) < 6 {
		t.Fatalf("%d documents", len(docs))
	}
	for _, doc := range docs {
		r, err := DecodeResultJSON([]byte(doc.(string)))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if r.Status.Ready() == r.DateDone.IsZero() {
			t.Errorf("%s: done at %v", doc, r.DateDone)
		}
		if written, err := AppendResult(nil, r); err != nil || string(written) != doc {
			t.Errorf("%v\n came    %s\n written %s", err, doc, written)
		}
	}
}
