package interop

import "testing"

// workflows: what this version cannot carry on is refused aloud, and not run.
func workflows(t *testing.T, w *world) {
	for name, call := range map[string]string{
		"link":       `send("go.echo", 1, link=signature("py.add", (1,), app=app))`,
		"link_error": `send("go.echo", 1, link_error=signature("py.add", (1,), app=app))`,
		"chain":      `chain(signature("go.echo", (1,), app=app).set(queue="go"), signature("py.add", (1,), app=app)).apply_async().parent`,
		"chord":      `chord([signature("go.echo", (1,), app=app).set(queue="go")], signature("py.echo", app=app)).apply_async().parent.results[0] if 0 else chord([signature("go.echo", (1,), app=app, task_id="in-chord").set(queue="go"), signature("go.echo", (2,), app=app).set(queue="go")], signature("py.echo", app=app)).apply_async() and "in-chord"`,
	} {
		t.Run(name, func(t *testing.T) {
			got := value[caught](t, w.client, "fails("+call+")")
			if got.Type != "NotImplementedError" || got.State != "FAILURE" {
				t.Errorf("caught %v, want a NotImplementedError", got)
			}
		})
	}
}
