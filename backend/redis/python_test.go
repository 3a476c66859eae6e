package redis

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// app is the Python side: argv is the URL, what task ids begin with, and what the script wants. Ids are unique, because
// channels are shared by all tests, and Celery 5.2 knows no global_keyprefix.
const app = `
import sys
from celery import Celery
from celery.result import AsyncResult
app = Celery("t", broker="memory://", backend=sys.argv[1])
p = sys.argv[2]
`

func TestPythonReadsWhatWeStored(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	p := r.Prefix()
	b := dial(t, backend.Config{URL: r.URL()})
	ok := success(p + "ok")
	ok.Result = codec.Of(map[string]any{"total": 4.5, "name": "grüße", "list": []any{int64(1), nil, true}})
	ok.DateDone = time.Date(2026, 11, 23, 10, 0, 9, 163799000, time.UTC)
	bad := failure(p + "bad")
	bad.Traceback, bad.HasTraceback = "Traceback: here", true
	step := &protocol.Result{TaskID: p + "step", Status: "PROGRESS", Result: codec.Of(map[string]any{"done": int64(3)})}
	store(t, b, ok, bad, step)
	out := testenv.RunPython(t, app+`
r = AsyncResult(p + "ok", app=app)
print(r.get(timeout=20), r.state, r.date_done)
r = AsyncResult(p + "bad", app=app)
try: r.get(timeout=20)
except ValueError as e: print(repr(e), r.state, r.traceback)
r = AsyncResult(p + "step", app=app)
print(r.state, r.info)
r = AsyncResult(p + "none", app=app)
print(r.state, r.result)
`, r.URL(), p)
	want := "{'list': [1, None, True], 'name': 'grüße', 'total': 4.5} SUCCESS 2026-11-23 10:00:09.163799+00:00\n" +
		"ValueError('boom') FAILURE Traceback: here\n" +
		"PROGRESS {'done': 3}\n" +
		"PENDING None\n"
	if out != want {
		t.Errorf("Python says\n%s\nwant\n%s", out, want)
	}
}

// AsyncResult.get waits on its subscription: only the published message can wake it.
func TestPythonIsWokenByWhatWeStoreLater(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	p := r.Prefix()
	b := dial(t, backend.Config{URL: r.URL()})
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), "-c", app+`
r = AsyncResult(p + "later", app=app)
app.backend.result_consumer.start(p + "later")
print("waiting", flush=True)
print("got", r.get(timeout=30), flush=True)
`, r.URL(), p)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(pipe)
	if !out.Scan() || out.Text() != "waiting" {
		cmd.Wait()
		t.Fatalf("Python says %q\n%s", out.Text(), stderr.String())
	}
	key := "celery-task-meta-" + p + "later"
	testenv.Await(t, "Python's subscription", func() bool {
		return len(r.Do("PUBSUB", "CHANNELS", key).([]any)) == 1
	}, nil)
	store(t, b, success(p+"later"))
	if !out.Scan() || out.Text() != "got 5" {
		t.Errorf("Python says %q", out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}

func TestWeAreToldWhatPythonStores(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	p := r.Prefix()
	b := dial(t, backend.Config{URL: r.URL()})
	told := make(chan *protocol.Result, 10)
	stop, err := b.Watch(t.Context(), []string{p + "py", p + "failed"}, func(r *protocol.Result) { told <- r })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	testenv.RunPython(t, app+`
app.backend.store_result(p + "py", None, "STARTED")
app.backend.store_result(p + "py", {"a": [1, 2.0, "ü"]}, "SUCCESS")
app.backend.store_result(p + "failed", KeyError("k"), "FAILURE", traceback="tb")
`, r.URL(), p)
	for _, want := range []string{"py STARTED null", `py SUCCESS {"a": [1, 2.0, "\u00fc"]}`,
		`failed FAILURE {"exc_type": "KeyError", "exc_message": ["k"], "exc_module": "builtins"}`} {
		d := receive(t, told)
		if got := fmt.Sprintf("%s %s %s", strings.TrimPrefix(d.TaskID, p), d.Status, d.Result.Raw()); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
	// And what Python finished is not overwritten by us, nor ours by Python.
	store(t, b, failure(p+"py"))
	store(t, b, success(p+"ours"))
	out := testenv.RunPython(t, app+`
app.backend.store_result(p + "ours", KeyError("k"), "FAILURE")
print(AsyncResult(p + "py", app=app).state, AsyncResult(p + "ours", app=app).state)
`, r.URL(), p)
	if out != "SUCCESS SUCCESS\n" {
		t.Errorf("states are %s", out)
	}
}

// Each serializer of Celery that is not pickle, both ways.
func TestPythonAndWeReadEachOthersSerializers(t *testing.T) {
	t.Parallel()
	for _, serializer := range []string{"json", "msgpack", "yaml"} {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			r := testenv.Redis(t)
			p := r.Prefix()
			c := backend.Config{URL: r.URL(), Serializer: serializer}
			accept, err := codec.NewAccept(serializer)
			if err != nil {
				t.Fatal(err)
			}
			c.Accept = accept
			b := dial(t, c)
			store(t, b, success(p+"ours"))
			out := testenv.RunPython(t, app+`
try: __import__({"msgpack": "msgpack", "yaml": "yaml"}.get(sys.argv[3], "json"))
except ImportError: print("not installed"); sys.exit()
app.conf.result_serializer = sys.argv[3]
app.conf.result_accept_content = [sys.argv[3]]
print(AsyncResult(p + "ours", app=app).get(timeout=20))
app.backend.store_result(p + "theirs", [1, "two", None], "SUCCESS")
`, r.URL(), p, serializer)
			if out == "not installed\n" {
				t.Skipf("Python has no %s", serializer)
			}
			if out != "5\n" {
				t.Errorf("Python reads %q", out)
			}
			d, err := b.Get(t.Context(), p+"theirs")
			if err != nil {
				t.Fatal(err)
			}
			if v, err := d.Result.Any(); err != nil || fmt.Sprint(v) != "[1 two <nil>]" {
				t.Errorf("we read %v, %v", v, err)
			}
		})
	}
}

func TestAPickledResultIsRefusedInWords(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	p := r.Prefix()
	b := dial(t, backend.Config{URL: r.URL()})
	testenv.RunPython(t, app+`
app.conf.result_serializer = "pickle"
app.backend.store_result(p + "pickled", 1, "SUCCESS")
`, r.URL(), p)
	_, err := b.Get(t.Context(), p+"pickled")
	if err == nil || !strings.Contains(err.Error(), "result_serializer=pickle") {
		t.Errorf("Get: %v", err)
	}
}

// receive is <-c with an end.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("not reached")
	}
}

var _ backend.Backend = (*Backend)(nil)
