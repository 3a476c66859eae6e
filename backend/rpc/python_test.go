package rpc

import (
	"bufio"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

var work = broker.Topology{Queues: []broker.Queue{{Name: "celery", Durable: true}}}

// TestPythonGetsOurReplies: a Celery client waits on its own reply queue for what we store.
func TestPythonGetsOurReplies(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	testenv.Python(t)
	link := brokerAt(t, rabbit.URL())
	worker := opened(t, link, backend.Config{})
	c, err := link.Consume(t.Context(), broker.Subscription{
		Queue: "celery", NoAck: true, Declare: work,
		Deliver: func(d *broker.Delivery) {
			task, err := protocol.DecodeTask(&d.Envelope, protocol.DecodeOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			started := doc(task.ID, protocol.Started, task.Properties.ReplyTo)
			end := doc(task.ID, protocol.Success, task.Properties.ReplyTo)
			end.DateDone = time.Now()
			end.Result = codec.Of(5)
			if task.Name == "shop.fail" {
				end.Status = protocol.Failure
				end.Result = (&protocol.Exception{Type: "ValueError", Module: "builtins", Message: []codec.Value{codec.Of("boom"), codec.Of(42)}}).Value()
			}
			for _, err := range worker.Store(context.Background(), []*protocol.Result{started, end}) {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	out := testenv.RunPython(t, `
import sys
from celery import Celery
app = Celery("shop", broker=sys.argv[1], backend="rpc://")
print(app.send_task("shop.add", args=(2, 3)).get(timeout=25))
try:
    app.send_task("shop.fail").get(timeout=25)
except ValueError as e:
    print(repr(e))
`, rabbit.URL())
	if want := "5\nValueError('boom', 42)\n"; out != want {
		t.Fatalf("python printed %q, want %q", out, want)
	}
}

// TestWeGetPythonsReplies: a Celery worker answers tasks whose reply queue is ours.
func TestWeGetPythonsReplies(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	python := testenv.Python(t)
	link := brokerAt(t, rabbit.URL())
	b := opened(t, link, backend.Config{})
	if err := link.Declare(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", `
import sys
from celery import Celery
app = Celery("shop", broker=sys.argv[1], backend="rpc://")
app.conf.task_track_started = True

@app.task(name="shop.add")
def add(x, y):
    return x + y

@app.task(name="shop.fail")
def fail():
    raise ValueError("boom", 42)

app.worker_main(["worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "INFO"])
`, rabbit.URL())
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
		}
		said <- all.String()
	}()
	defer func() {
		cmd.Process.Kill()
		log := <-said
		cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	}()
	send := func(id, name string, args ...codec.Value) {
		t.Helper()
		env, err := protocol.EncodeTask(&protocol.Task{
			ID: id, Name: name, RootID: id, Properties: protocol.Properties{ReplyTo: b.ReplyTo()},
		}, &protocol.Body{Args: args}, protocol.EncodeOptions{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Publish(t.Context(), &broker.Message{Envelope: *env, RoutingKey: "celery"}); err != nil {
			t.Fatal(err)
		}
	}
	send("a", "shop.add", codec.Of(2), codec.Of(3))
	send("b", "shop.fail")
	if r := await(t, b, "a", protocol.Success); string(r.Result.Raw()) != "5" {
		t.Errorf("result %s", r.Result.Raw())
	}
	r := await(t, b, "b", protocol.Failure)
	if e, err := protocol.DecodeException(r.Result); err != nil || e.Repr() != "ValueError('boom', 42)" {
		t.Errorf("%v, %v", e, err)
	}
}
