package monitor_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/worker"
)

// employ runs a worker on the rig's broker, with a task that holds until it is cancelled.
func (r *rig) employ(name string) {
	r.t.Helper()
	app := umbel.New("shop")
	if err := app.Configure(umbel.Config{BrokerURL: []string{r.brokerURL}, ResultBackend: r.results}); err != nil {
		r.t.Fatal(err)
	}
	umbel.Register(app, "shop.hold", func(ctx context.Context, _ struct{}) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	umbel.Register(app, "shop.add", func(_ context.Context, in struct{ A, B int }) (int, error) { return in.A + in.B, nil })
	umbel.Register(app, "shop.fail", func(context.Context, struct{}) (int, error) { return 0, errors.New("no pears") })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.New(app, worker.Config{Nodename: name, Concurrency: 2}).Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("worker: %v", err)
		}
		if err := app.Close(); err != nil {
			r.t.Error(err)
		}
	})
	last := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the worker's latest answer: %s", last)
		}
	}()
	r.await("the worker answers", func() bool {
		a := r.send("POST", "/api/v1/workers/"+name+"/rate_limit", map[string]any{"task_name": "shop.hold", "rate_limit": "100/m"}, as("ann", "ann's password"))
		last = a.Status + " " + string(a.body)
		return a.StatusCode == 200
	})
}

func TestActionsReachWorkersAndAreWrittenDown(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w9@shop")
	ann, bob := as("ann", "ann's password"), as("bob", "bob's password")
	for _, c := range []struct {
		path string
		body any
		who  func(*http.Request)
		want int
		text string
	}{
		{"/api/v1/workers/w9@shop/pool_grow", map[string]any{"n": 2}, ann, 200, ""},
		{"/api/v1/workers/w9@shop/pool_grow", map[string]any{"n": 2}, bob, 403, ""},
		{"/api/v1/workers/w9@shop/pool_grow", map[string]any{"m": 2}, ann, 400, "none of"},
		{"/api/v1/workers/w9@shop/add_consumer", map[string]any{"queue": "extra"}, ann, 200, "extra"},
		{"/api/v1/workers/w9@shop/rate_limit", map[string]any{"task_name": "shop.hold", "rate_limit": "200/m"}, ann, 200, "rate limit"},
		{"/api/v1/workers/w9@shop/rate_limit", map[string]any{"task_name": "nobody", "rate_limit": "200/m"}, ann, 409, "nknown task"},
		{"/api/v1/workers/w9@shop/conf", map[string]any{}, ann, 404, ""},
		{"/api/v1/workers/gone@shop/pool_grow", map[string]any{"n": 1}, ann, 504, "did not answer"},
		{"/api/v1/workers/w9@shop/shutdown", map[string]any{}, bob, 403, ""},
		{"/api/v1/tasks/x/revoke", map[string]any{}, bob, 403, ""},
		{"/api/v1/queues/celery/purge", map[string]any{"confirm": "celery"}, bob, 403, ""},
		{"/api/v1/queues/celery/purge", map[string]any{"confirm": "other"}, ann, 400, "confirm"},
		{"/api/v1/queues/nothing/purge", map[string]any{"confirm": "nothing"}, ann, 404, "no such queue"},
	} {
		a := r.send("POST", c.path, c.body, c.who)
		if a.StatusCode != c.want || !strings.Contains(string(a.body), c.text) {
			t.Errorf("%s %v: %s %s, want %d with %q", c.path, c.body, a.Status, a.body, c.want, c.text)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "waste", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.broker.Publish(ctx, &broker.Message{RoutingKey: "waste"}); err != nil {
		t.Fatal(err)
	}
	if a := r.send("POST", "/api/v1/queues/waste/purge", map[string]any{"confirm": "waste"}, ann); !strings.Contains(string(a.body), "removed 1 messages") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	held, err := r.app.Send(ctx, "shop.hold", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if a := r.send("POST", "/api/v1/tasks/"+held.ID()+"/revoke", map[string]any{"terminate": true}, ann); a.StatusCode != 200 {
		t.Errorf("revoke: %s %s", a.Status, a.body)
	}
	var log struct {
		Acts []struct{ Who, From, Action, Target, Detail, Outcome string }
	}
	r.send("GET", "/api/v1/audit", nil, ann).into(t, &log)
	told := map[string]string{}
	for _, a := range log.Acts {
		told[a.Who+" "+a.Action+" "+a.Target+" "+a.Detail] = a.Outcome
	}
	for want, outcome := range map[string]string{
		"ann pool_grow w9@shop n: 2":                                     "done",
		"ann pool_grow gone@shop n: 1":                                   "failed: the worker did not answer: it is gone, or too busy",
		"ann rate_limit w9@shop task_name: shop.hold; rate_limit: 200/m": "done",
		"ann purge waste removed 1 messages":                             "done",
		"ann revoke " + held.ID() + " terminate: true":                   "done",
		"bob POST /api/v1/workers/w9@shop/pool_grow ":                    "refused",
		"bob POST /api/v1/tasks/x/revoke ":                               "refused",
	} {
		if told[want] != outcome {
			t.Errorf("%s: %q, want %q", want, told[want], outcome)
		}
	}
	if t.Failed() {
		t.Logf("%+v", log)
	}
}

// Who hangs up before the answer has acted all the same.
func TestWhatIsDoneForSomebodyWhoHangsUpIsWrittenDown(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w9@shop") // else nobody would be waited for
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/api/v1/workers/gone@shop/pool_grow", strings.NewReader(`{"n": 7}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	as("ann", "ann's password")(req)
	sent := make(chan struct{})
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}))
	ended := make(chan error, 1)
	go func() {
		a, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			a.Body.Close()
		}
		ended <- err
	}()
	<-sent
	cancel() // the worker is waited for, for seconds
	if err := <-ended; err == nil {
		t.Fatal("the monitor has answered before the client hung up")
	}
	r.await("a line of the audit log", func() bool {
		a := r.send("GET", "/api/v1/audit", nil, as("ann", "ann's password"))
		return strings.Contains(string(a.body), `"target":"gone@shop","detail":"n: 7"`)
	})
}

// A worker that was started without -E is asked for events, and its tasks are seen.
func TestTasksOfARealWorkerAreSeen(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w9@shop")
	ann := as("ann", "ann's password")
	var page struct{ Tasks []shownTask }
	defer func() {
		if t.Failed() {
			for _, path := range []string{"/api/v1/tasks?limit=3", "/api/v1/workers", "/api/v1/overview"} {
				t.Logf("%s: %s", path, r.send("GET", path, nil, ann).body)
			}
		}
	}()
	r.await("a task is seen from start to end", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := r.app.Send(ctx, "shop.add", struct{ A, B int }{1, 2}); err != nil {
			t.Fatal(err)
		}
		r.send("GET", "/api/v1/tasks?state=SUCCESS&name=shop.add", nil, ann).into(t, &page)
		return len(page.Tasks) > 0
	})
	if p := page.Tasks[0]; p.Worker != "w9@shop" || p.Result != "3" {
		t.Errorf("%+v", p)
	}
}

func TestReadOnlyHoldsForEveryone(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users, ReadOnly: true}})
	for _, path := range []string{"/api/v1/tasks/x/revoke", "/api/v1/workers/w/pool_grow", "/api/v1/workers/w/shutdown", "/api/v1/queues/q/purge", "/api/v1/schedules", "/api/v1/schedules/x/edit", "/api/v1/schedules/x/remove"} {
		if a := r.send("POST", path, map[string]any{}, as("ann", "ann's password")); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}
