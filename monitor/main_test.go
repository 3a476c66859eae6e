package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/protocol"

	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 90 * time.Second

var spaces atomic.Int64

// A rig is a running monitor, and somebody who sends events to it.
type rig struct {
	t         *testing.T
	app       *umbel.App
	broker    broker.Broker
	brokerURL string
	results   string // URL of the result store
	url       string // of the monitor, with its prefix
	client    *http.Client
	tell      *event.Dispatcher
}

// The users of a rig.
var (
	annHash, _ = access.Hash("ann's password")
	bobHash, _ = access.Hash("bob's password")
	users      = []access.User{{Name: "ann", Role: access.Owner, Hash: annHash}, {Name: "bob", Role: access.Viewer, Hash: bobHash}}
)

func start(t *testing.T, c monitor.Config) *rig {
	t.Helper()
	return startOn(t, fmt.Sprintf("memory://monitor-test-%d", spaces.Add(1)), c)
}

func startOn(t *testing.T, url string, c monitor.Config) *rig {
	t.Helper()
	return startApp(t, umbel.Config{BrokerURL: []string{url}, ResultBackend: "memory://"}, c)
}

func startApp(t *testing.T, settings umbel.Config, c monitor.Config) *rig {
	t.Helper()
	app := umbel.New("watched")
	if err := app.Configure(settings); err != nil {
		t.Fatal(err)
	}
	if c.Every = time.Second; c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.History.URL == "" {
		c.History.URL = filepath.Join(t.TempDir(), "h.db")
	}
	m, err := monitor.New(app, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	r := &rig{t: t, app: app, brokerURL: settings.BrokerURL[0], results: settings.ResultBackend, client: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("monitor: %v", err)
		}
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	select {
	case <-m.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("the monitor is not ready")
	}
	prefix := strings.TrimSuffix(c.Prefix, "/")
	r.url = m.Scheme() + "://" + m.Addr() + prefix
	if r.broker, err = app.Broker(ctx); err != nil {
		t.Fatal(err)
	}
	r.tell = event.NewDispatcher(event.DispatcherConfig{Broker: r.broker, Hostname: "w1@host"})
	told := make(chan struct{})
	go func() { r.tell.Run(); close(told) }()
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r.tell.Close(end)
		<-told
	})
	r.tell.Enable()
	return r
}

// say sends events, in order.
func (r *rig) say(bodies ...protocol.EventBody) {
	for _, b := range bodies {
		r.tell.Send(b)
	}
}

// An answer is a response that was read.
type answer struct {
	*http.Response
	body []byte
}

func (a *answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s %s: %v in %q", a.Request.Method, a.Request.URL, err, a.body)
	}
}

// send makes a request; body nil is none, a string goes as it is, other values as JSON. edit may be nil.
func (r *rig) send(method, path string, body any, edit func(*http.Request)) *answer {
	r.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, r.url+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(req)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return &answer{resp, text}
}

func (r *rig) get(path string, v any) {
	r.t.Helper()
	a := r.send("GET", path, nil, nil)
	if a.StatusCode != http.StatusOK {
		r.t.Fatalf("GET %s: %s: %s", path, a.Status, a.body)
	}
	a.into(r.t, v)
}

// await asks until it is so.
func (r *rig) await(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); ; {
		if so() {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

func as(name, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

// life are the events of a task that succeeds.
func life(id, name string) []protocol.EventBody {
	return []protocol.EventBody{
		&protocol.TaskReceived{UUID: id, Name: name, Args: "(1, 'pears')", Kwargs: "{'password': 'hunter2'}", RootID: id},
		&protocol.TaskStarted{UUID: id}, &protocol.TaskSucceeded{UUID: id, Result: "'done'", Runtime: 0.25},
	}
}

func heartbeat() protocol.EventBody {
	return &protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat, Freq: 2, Active: 3, Processed: 42, LoadAvg: [3]float64{0.1, 0.2, 0.3}, Ident: "umbel",
		Version: "1.0", System: "Linux"}
}

func extended(name string, kwargs map[string]any) *protocol.Extended {
	return &protocol.Extended{Name: name, Args: codec.Of([]any{}), Kwargs: codec.Of(kwargs)}
}

// browseQueue shows the bodies of what waits in a queue.
func browseQueue(t *testing.T, r *rig, queue string, f func(body string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := r.broker.(broker.Browser).Browse(ctx, queue, 100, func(m *broker.Message) (bool, error) {
		text, err := protocol.DecodeTask(&m.Envelope, protocol.DecodeOptions{})
		if err != nil {
			return false, err
		}
		body, err := text.DecodeBody(protocol.DecodeOptions{})
		if err != nil {
			return false, err
		}
		kwargs := make(map[string]any)
		for _, v := range body.Kwargs {
			kwargs[v.Name] = v.Value
		}
		out, err := json.Marshal(map[string]any{"args": body.Args, "kwargs": kwargs})
		f(string(out))
		return false, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
