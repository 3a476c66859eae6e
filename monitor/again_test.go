package monitor_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/protocol"
)

// A calling is what the API tells of a task's arguments.
type calling struct {
	Name, From, Why string
	Args            []any
	Kwargs          map[string]any
	Whole, Hidden   bool
}

func TestATaskRunsAgainAsItWasAndWithOtherArguments(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w9@shop")
	ann := as("ann", "ann's password")
	result := func(id string) string {
		var one shownTask
		r.await("task "+id+" has run", func() bool {
			a := r.send("GET", "/api/v1/tasks/"+id, nil, ann)
			return a.StatusCode == 200 && strings.Contains(string(a.body), `"SUCCESS"`)
		})
		r.send("GET", "/api/v1/tasks/"+id, nil, ann).into(t, &one)
		return one.Result
	}
	id := ""
	r.await("the worker tells of its tasks", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := r.app.Send(ctx, "shop.add", struct{ A, B int }{1, 2}); err != nil {
			t.Fatal(err)
		}
		var page struct{ Tasks []shownTask }
		r.send("GET", "/api/v1/tasks?state=SUCCESS&name=shop.add", nil, ann).into(t, &page)
		if len(page.Tasks) > 0 {
			id = page.Tasks[0].ID
		}
		return len(page.Tasks) > 0
	})
	var c calling
	r.send("GET", "/api/v1/tasks/"+id+"/call", nil, ann).into(t, &c)
	if !c.Whole || c.Name != "shop.add" || c.Kwargs["A"] != 1.0 || c.Kwargs["B"] != 2.0 {
		t.Fatalf("%+v", c)
	}
	for _, x := range []struct {
		body any
		want string
	}{
		{map[string]any{}, "3"},
		{map[string]any{"args": []any{}, "kwargs": map[string]any{"A": 40, "B": 2}}, "42"},
		{map[string]any{"args": []any{5, 6}, "kwargs": map[string]any{}}, "11"},
		{map[string]any{"kwargs": map[string]any{"A": 1, "B": -1}, "queue": "celery"}, "0"},
	} {
		var fresh struct{ ID string }
		a := r.send("POST", "/api/v1/tasks/"+id+"/run", x.body, ann)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%v: %s %s", x.body, a.Status, a.body)
		}
		a.into(t, &fresh)
		if got := result(fresh.ID); got != x.want || fresh.ID == id {
			t.Errorf("%v: task %s returned %s, want %s", x.body, fresh.ID, got, x.want)
		}
	}
	for body, want := range map[string]int{`{"args": 3}`: 400, `{"kwargs": [1]}`: 400, `{"countdown": -1}`: 400, `{"arg": []}`: 400} {
		if a := r.send("POST", "/api/v1/tasks/"+id+"/run", body, ann); a.StatusCode != want {
			t.Errorf("%s: %s %s", body, a.Status, a.body)
		}
	}
	for _, path := range []string{"/run", "/call"} {
		method := map[string]string{"/run": "POST", "/call": "GET"}[path]
		if a := r.send(method, "/api/v1/tasks/"+id+path, map[string]any{}, as("bob", "bob's password")); a.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer: %s", a.Status)
		}
		if a := r.send(method, "/api/v1/tasks/nobody"+path, map[string]any{}, ann); a.StatusCode != http.StatusNotFound {
			t.Errorf("an unknown task: %s", a.Status)
		}
	}
	var log struct {
		Acts []struct{ Who, Action, Target, Detail, Outcome string }
	}
	r.send("GET", "/api/v1/audit", nil, ann).into(t, &log)
	if len(log.Acts) < 5 || log.Acts[0].Who != "bob" || log.Acts[0].Outcome != "refused" {
		t.Fatalf("%+v", log.Acts)
	}
	if last := log.Acts[1]; last.Action != "run again" || last.Target != id || !strings.HasPrefix(last.Detail, "with other arguments") || last.Outcome != "done" {
		t.Errorf("%+v", log.Acts)
	}
}

// What is hidden stays hidden, and is what it was when the task runs again.
func TestHiddenArgumentsAreSentAgainWithoutBeingShown(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Anonymous: access.Owner}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := r.app.Backend(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kwargs := map[string]any{"password": "hunter2", "login": map[string]any{"name": "ann", "api_key": "k-1"}, "n": int64(12345678901234567)}
	doc := &protocol.Result{TaskID: "task-1", Status: protocol.Failure, Extended: extended("shop.pay", kwargs)}
	if err := errors.Join(b.Store(ctx, []*protocol.Result{doc})...); err != nil {
		t.Fatal(err)
	}
	r.say(&protocol.TaskReceived{UUID: "task-1", Name: "shop.pay", Args: "()", Kwargs: "{'password': 'hunter2'}"}, &protocol.TaskReceived{UUID: "task-2", Name: "shop.pay",
		Args: "()", Kwargs: "{'password': 'hunter2'}"}, &protocol.TaskReceived{UUID: "task-3", Name: "shop.pay", Args: "('aaa...',)", Kwargs: "{}"})
	r.await("the tasks are heard of", func() bool { return r.send("GET", "/api/v1/tasks/task-3", nil, nil).StatusCode == 200 })
	a := r.send("GET", "/api/v1/tasks/task-1/call", nil, nil)
	var c calling
	a.into(t, &c)
	if strings.Contains(string(a.body), "hunter2") || strings.Contains(string(a.body), "k-1") || !c.Hidden || !c.Whole || c.Kwargs["password"] != "***" || c.From != "result store" {
		t.Fatalf("%s", a.body)
	}
	for _, body := range []string{`{}`, `{"kwargs": {"password": "***", "login": {"name": "bob", "api_key": "***"}, "n": 12345678901234567}}`} {
		if a := r.send("POST", "/api/v1/tasks/task-1/run", body, nil); a.StatusCode != 200 {
			t.Fatalf("%s: %s %s", body, a.Status, a.body)
		}
	}
	var sent []string
	browseQueue(t, r, "celery", func(body string) { sent = append(sent, body) })
	for i, name := range []string{"ann", "bob"} {
		if len(sent) != 2 || !strings.Contains(sent[i], `"hunter2"`) || !strings.Contains(sent[i], `"k-1"`) || !strings.Contains(sent[i], name) || !strings.Contains(sent[i], "12345678901234567") {
			t.Errorf("message %d of %q", i, sent)
		}
	}
	for id, why := range map[string]string{"task-2": "hidden", "task-3": "cut"} {
		if a := r.send("POST", "/api/v1/tasks/"+id+"/run", `{}`, nil); a.StatusCode != http.StatusConflict || !strings.Contains(string(a.body), why) {
			t.Errorf("%s: %s %s", id, a.Status, a.body)
		}
		if a := r.send("POST", "/api/v1/tasks/"+id+"/run", `{"args": [], "kwargs": {"password": "other"}}`, nil); a.StatusCode != 200 {
			t.Errorf("%s with arguments: %s %s", id, a.Status, a.body)
		}
	}
}
