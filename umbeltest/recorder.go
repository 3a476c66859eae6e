// Package umbeltest helps to test code that sends tasks: it records what is sent and asserts on it.
//
//	sent := umbeltest.Record(t, tasks.App)
//	checkout(ctx, cart) // the code under test
//	umbeltest.RequireSent(t, sent, tasks.ProcessOrder, tasks.Order{ID: 7, Total: 42})
//
// To run tasks in the caller instead, use App.Eager.
package umbeltest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Recorder keeps what an app sends. It is safe for many goroutines.
type Recorder struct {
	mu   sync.Mutex // guards sent
	sent []Message
}

// A Message is one recorded send.
type Message struct {
	Name       string // task
	ID         string
	Exchange   string
	RoutingKey string // the queue's name, on the default exchange
	ETA        time.Time
	Expires    time.Time
	Priority   uint8
	Headers    map[string]any // the sender's own

	task *protocol.Task
	body *protocol.Body
}

// Record makes app keep its messages in the returned Recorder, in place of sending them, until the test ends.
func Record(t testing.TB, app *umbel.App) *Recorder {
	t.Helper()
	r := &Recorder{}
	accept, err := app.Accept()
	if err != nil {
		t.Fatalf("umbeltest: %v", err)
	}
	app.Intercept(func(_ context.Context, m *broker.Message) error {
		task, err := protocol.DecodeTask(&m.Envelope, protocol.DecodeOptions{Accept: accept})
		if err != nil {
			return err
		}
		body, err := task.DecodeBody(protocol.DecodeOptions{Accept: accept})
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent = append(r.sent, Message{Name: task.Name, ID: task.ID, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
			ETA: task.ETA, Expires: task.Expires, Priority: task.Properties.Priority, Headers: task.CustomHeaders(), task: task, body: body})
		return nil
	})
	t.Cleanup(func() { app.Intercept(nil) })
	return r
}

// Sent are the messages so far, in the order they were sent.
func (r *Recorder) Sent() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// Reset forgets what was sent so far.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = nil
}

// Input decodes the message's single positional argument, or its arguments as umbel.Args with Kwargs last.
func (m Message) Input() (umbel.Args, error) {
	var args umbel.Args
	for _, v := range m.body.Args {
		x, err := v.Any()
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	if len(m.body.Kwargs) > 0 {
		kwargs := umbel.Kwargs{}
		for _, kw := range m.body.Kwargs {
			x, err := kw.Value.Any()
			if err != nil {
				return nil, err
			}
			kwargs[kw.Name] = x
		}
		args = append(args, kwargs)
	}
	return args, nil
}

// Inputs are the inputs with which a task was sent, in order, as its handler would receive them.
func Inputs[In, Out any](t testing.TB, r *Recorder, task *umbel.Task[In, Out]) []In {
	t.Helper()
	var out []In
	for _, m := range r.Sent() {
		if m.Name != task.Name() {
			continue
		}
		in, err := task.Decode(m.body)
		if err != nil {
			t.Fatalf("umbeltest: what was sent to %s does not fit its input: %v", task.Name(), err)
		}
		out = append(out, in)
	}
	return out
}

// RequireSent fails the test unless the task was sent with an input equal to want, and returns that message.
func RequireSent[In, Out any](t testing.TB, r *Recorder, task *umbel.Task[In, Out], want In) Message {
	t.Helper()
	var near []string
	for _, m := range r.Sent() {
		if m.Name != task.Name() {
			continue
		}
		in, err := task.Decode(m.body)
		if err != nil {
			near = append(near, err.Error())
			continue
		}
		if equal(in, want) {
			return m
		}
		near = append(near, fmt.Sprintf("%+v", in))
	}
	switch {
	case len(near) > 0:
		t.Fatalf("task %s was not sent with %+v, but with:\n  %s", task.Name(), want, strings.Join(near, "\n  "))
	case len(r.Sent()) == 0:
		t.Fatalf("task %s was not sent: nothing was", task.Name())
	default:
		t.Fatalf("task %s was not sent; sent were: %s", task.Name(), strings.Join(r.names(), ", "))
	}
	return Message{}
}

// RequireSentTimes fails the test unless the task was sent n times.
func RequireSentTimes[In, Out any](t testing.TB, r *Recorder, task *umbel.Task[In, Out], n int) {
	t.Helper()
	if got := len(Inputs(t, r, task)); got != n {
		t.Fatalf("task %s was sent %d times, want %d; sent were: %s", task.Name(), got, n, strings.Join(r.names(), ", "))
	}
}

// RequireNotSent fails the test if the task was sent at all.
func RequireNotSent[In, Out any](t testing.TB, r *Recorder, task *umbel.Task[In, Out]) {
	t.Helper()
	RequireSentTimes(t, r, task, 0)
}

func (r *Recorder) names() []string {
	var names []string
	for _, m := range r.Sent() {
		names = append(names, m.Name)
	}
	return names
}

// equal compares values as the wire leaves them: times by instant, unexported fields of either not at all.
func equal[T any](a, b T) bool {
	opt := cmp.Exporter(func(reflect.Type) bool { return true })
	times := cmp.Comparer(func(x, y time.Time) bool { return x.Equal(y) })
	values := cmp.Comparer(func(x, y codec.Value) bool { return string(x.Raw()) == string(y.Raw()) })
	return cmp.Equal(a, b, opt, times, values)
}
