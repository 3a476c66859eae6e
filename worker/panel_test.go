package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// ask sends a command to one node and returns the reply as JSON has it.
func ask(t *testing.T, app *umbel.App, node, command string, args map[string]any) any {
	t.Helper()
	replies, err := app.Control().To(node).Timeout(20*time.Second).Call(deadline(t), command, args)
	if err != nil || len(replies) != 1 {
		t.Fatalf("%s: %v, %v", command, replies, err)
	}
	text, err := replies[0].Value.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// until asks again and again until the reply is as it should be.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not seen in 30 s: %s", what)
		}
	}
}

func TestRevokedTasksDoNotStart(t *testing.T) {
	app := newApp(t, umbel.Config{})
	started := make(chan string, 16)
	hold := umbel.Register(app, "hold", func(ctx context.Context, id string) (string, error) {
		started <- id
		<-ctx.Done()
		return "its result does not count", nil
	})
	fine := umbel.Register(app, "fine", func(_ context.Context, id string) (string, error) { started <- id; return id, nil })
	send := func(task *umbel.Task[string, string], id string, o ...umbel.SendOption) *umbel.Result[string] {
		r, err := task.Send(deadline(t), id, append(o, umbel.TaskID(id))...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// Nobody is there to hear it yet: the record is what the worker finds when it starts.
	unseen := send(fine, "unseen")
	if err := unseen.Revoke(deadline(t)); err != nil {
		t.Fatal(err)
	}
	stamped := send(fine, "stamped", umbel.Stamp("customer", "c7"))
	if err := app.RevokeStamped(deadline(t), map[string][]string{"customer": {"c6", "c7"}}); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, app, worker.Config{Concurrency: 1, Nodename: "w@host"})
	running := send(hold, "running")
	if got := <-started; got != "running" {
		t.Fatalf("%s has started", got)
	}
	waiting, delayed := send(fine, "waiting"), send(fine, "delayed", umbel.Countdown(time.Second))
	last := send(fine, "last", umbel.Stamp("customer", "c8"))
	until(t, "the task waits", func() bool { return len(ask(t, app, "w@host", "reserved", nil).([]any)) >= 2 })
	if err := app.Revoke(deadline(t), []string{"waiting", "delayed"}); err != nil {
		t.Fatal(err)
	}
	if err := running.Revoke(deadline(t), umbel.Terminate()); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*umbel.Result[string]{"unseen": unseen, "stamped": stamped, "waiting": waiting, "delayed": delayed, "running": running} {
		if _, err := r.Get(deadline(t)); err == nil || !strings.Contains(err.Error(), "REVOKED: TaskRevokedError: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	until(t, "why the running one ended", func() bool {
		doc, err := running.Document(deadline(t))
		return err == nil && strings.Contains(string(doc.Result.Raw()), "terminated")
	})
	if v, err := last.Get(deadline(t)); v != "last" || err != nil {
		t.Errorf("a task that nobody revoked: %q, %v", v, err)
	}
	until(t, "every message is settled", func() bool {
		b, err := app.Broker(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Stat(deadline(t), "celery")
		return err == nil && s.Ready+max(s.Unsettled, 0) == 0 && len(ask(t, app, "w@host", "scheduled", nil).([]any)) == 0
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	close(started)
	for id := range started {
		if id != "last" {
			t.Errorf("%s has started although it was revoked", id)
		}
	}
}

func TestRevokingWhatHasEndedChangesNothing(t *testing.T) {
	app := newApp(t, umbel.Config{})
	fails := umbel.Register(app, "fails", func(context.Context, struct{}) (int, error) { return 0, fmt.Errorf("boom") })
	start(t, app, worker.Config{})
	r, err := fails.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); err == nil {
		t.Fatal("it has not failed")
	}
	if err := r.Revoke(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if s, err := r.State(deadline(t)); s != umbel.Failure || err != nil {
		t.Errorf("afterwards: %v, %v", s, err)
	}
}

// Without a store that keeps records the state file does, for this worker.
func TestTheStateFileKeepsWhatWasRevoked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "revoked.json")
	app := newApp(t, umbel.Config{})
	app2 := umbel.New("no results", umbel.WithConfig(umbel.Config{BrokerURL: configOf(t, app).BrokerURL}), umbel.WithLogger(app.Logger()))
	t.Cleanup(func() { _ = app2.Close() })
	ran := make(chan string, 2)
	task := umbel.Register(app2, "t", func(_ context.Context, id string) (int, error) { ran <- id; return 0, nil })
	_, stop := start(t, app2, worker.Config{Nodename: "w@host", StateFile: file})
	if got := ask(t, app2, "w@host", "revoke", map[string]any{"task_id": "a"}); fmt.Sprint(got) != "map[ok:tasks {'a'} flagged as revoked]" {
		t.Errorf("revoke: %v", got)
	}
	until(t, "the state file", func() bool { _, err := os.Stat(file); return err == nil })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	start(t, app2, worker.Config{Nodename: "w@host", StateFile: file})
	for _, id := range []string{"a", "b"} {
		if _, err := task.Send(deadline(t), id, umbel.TaskID(id)); err != nil {
			t.Fatal(err)
		}
	}
	if id := <-ran; id != "b" {
		t.Errorf("%s ran", id)
	}
	if got := ask(t, app2, "w@host", "revoked", nil); fmt.Sprint(got) != "[a]" {
		t.Errorf("revoked: %v", got)
	}
}

func configOf(t *testing.T, app *umbel.App) *umbel.Config {
	t.Helper()
	c, err := app.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestThePoolChangesItsSizeWhileItRuns(t *testing.T) {
	app := newApp(t, umbel.Config{})
	release := make(chan struct{})
	task := umbel.Register(app, "t", func(context.Context, int) (int, error) { <-release; return 0, nil })
	_, stop := start(t, app, worker.Config{Concurrency: 1, Nodename: "w@host"})
	for i := range 12 {
		if _, err := task.Send(deadline(t), i); err != nil {
			t.Fatal(err)
		}
	}
	active := func() int { return len(ask(t, app, "w@host", "active", nil).([]any)) }
	until(t, "one runs", func() bool { return active() == 1 })
	ask(t, app, "w@host", "pool_grow", map[string]any{"n": 3})
	until(t, "four run", func() bool { return active() == 4 })
	pool := ask(t, app, "w@host", "stats", nil).(map[string]any)
	if got := fmt.Sprint(pool["pool"].(map[string]any)["max-concurrency"], pool["prefetch_count"]); got != "4 16" {
		t.Errorf("after growth: %v", got)
	}
	ask(t, app, "w@host", "pool_shrink", map[string]any{"n": 2})
	for range 3 {
		release <- struct{}{}
	}
	until(t, "two run, and no more begin", func() bool { return active() == 2 })
	if got := fmt.Sprint(ask(t, app, "w@host", "pool_shrink", map[string]any{"n": 2})); !strings.Contains(got, "error") {
		t.Errorf("shrunk to nothing: %v", got)
	}
	close(release)
	until(t, "all have run", func() bool {
		total := ask(t, app, "w@host", "stats", nil).(map[string]any)["total"].(map[string]any)
		return total["t"] == 12.
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestConsumersComeAndGo(t *testing.T) {
	app := newApp(t, umbel.Config{})
	release, started := make(chan struct{}), make(chan string, 4)
	task := umbel.Register(app, "t", func(_ context.Context, name string) (string, error) { started <- name; <-release; return name, nil }, umbel.AcksLate())
	w, _ := start(t, app, worker.Config{Concurrency: 4, Nodename: "w@host"})
	if got := fmt.Sprint(ask(t, app, "w@host", "add_consumer", map[string]any{"queue": "more"})); got != "map[ok:add consumer more]" {
		t.Error(got)
	}
	first, err := task.Send(deadline(t), "first", umbel.Queue("more"))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	if got := fmt.Sprint(ask(t, app, "w@host", "cancel_consumer", map[string]any{"queue": "more"})); got != "map[ok:no longer consuming from more]" {
		t.Error(got)
	}
	if n := len(ask(t, app, "w@host", "active_queues", nil).([]any)); n != 1 {
		t.Errorf("%d queues are consumed", n)
	}
	second, err := task.Send(deadline(t), "second", umbel.Queue("more"))
	if err != nil {
		t.Fatal(err)
	}
	release <- struct{}{} // what was taken before still runs to its end
	if v, err := first.Get(deadline(t)); v != "first" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if n := w.Stats().Received; n != 1 {
		t.Errorf("%d deliveries came", n)
	}
	ask(t, app, "w@host", "add_consumer", map[string]any{"queue": "more"})
	<-started
	close(release)
	if v, err := second.Get(deadline(t)); v != "second" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func TestShutdownByRemoteControl(t *testing.T) {
	app := newApp(t, umbel.Config{})
	ready := make(chan struct{})
	w := worker.New(app, worker.Config{Nodename: "w@host", OnReady: func() { close(ready) }})
	done := make(chan error, 1)
	go func() { done <- w.Run(context.Background()) }()
	<-ready
	if err := app.Control().To("w@host").Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAWorkerThatDoesNotListenAnswersNothing(t *testing.T) {
	no := false
	app := newApp(t, umbel.Config{WorkerEnableRemoteControl: &no})
	start(t, app, worker.Config{Nodename: "w@host"})
	nodes, err := app.Control().Timeout(time.Hour).Ping(deadline(t)) // nobody is there: that is known at once
	if len(nodes) != 0 || err != nil {
		t.Errorf("%v, %v", nodes, err)
	}
}

func TestCommandsOfTheAppsOwn(t *testing.T) {
	app := newApp(t, umbel.Config{})
	app.HandleControl(umbel.ControlCommand{Name: "greet", Func: func(_ context.Context, args umbel.ControlArgs) (any, error) {
		var in struct {
			Whom string `json:"whom"`
		}
		if err := args.Decode(&in); err != nil {
			return nil, err
		}
		if in.Whom == "" {
			return nil, fmt.Errorf("greet whom?")
		}
		return []string{"hello", in.Whom}, nil
	}})
	start(t, app, worker.Config{Nodename: "w@host"})
	if d := cmp.Diff([]any{"hello", "Ann"}, ask(t, app, "w@host", "greet", map[string]any{"whom": "Ann"})); d != "" {
		t.Error(d)
	}
	if got := fmt.Sprint(ask(t, app, "w@host", "greet", nil)); got != "map[error:Exception('greet whom?')]" {
		t.Error(got)
	}
	taken := newApp(t, umbel.Config{})
	taken.HandleControl(umbel.ControlCommand{Name: "ping", Func: func(context.Context, umbel.ControlArgs) (any, error) { return nil, nil }})
	if err := worker.New(taken, worker.Config{}).Run(deadline(t)); err == nil || !strings.Contains(err.Error(), `"ping"`) {
		t.Errorf("a name of Celery's own: %v", err)
	}
}

func TestSecretsStaySecretInConf(t *testing.T) {
	app := newApp(t, umbel.Config{BrokerTransportOptions: nil, RedisPassword: "hunter2"})
	start(t, app, worker.Config{Nodename: "w@host"})
	for _, all := range []bool{false, true} {
		conf := ask(t, app, "w@host", "conf", map[string]any{"with_defaults": all}).(map[string]any)
		if strings.Contains(fmt.Sprint(conf), "hunter2") || conf["redis_password"] != "********" {
			t.Errorf("conf shows %v", conf["redis_password"])
		}
		if _, has := conf["result_expires"]; has != all {
			t.Errorf("with_defaults %v: result_expires is there: %v", all, has)
		}
	}
	if got := ask(t, app, "w@host", "conf", nil).(map[string]any)["broker_url"]; got != configOf(t, app).BrokerURL[0] {
		t.Errorf("broker_url is %v: one text, as Celery has it", got)
	}
	if got := fmt.Sprint(ask(t, app, "w@host", "report", nil)); strings.Contains(got, "hunter2") {
		t.Errorf("report shows %v", got)
	}
}

func TestAPausedQueueIsConsumedByNobody(t *testing.T) {
	app := newApp(t, umbel.Config{})
	task := umbel.Register(app, "t", func(_ context.Context, name string) (string, error) { return name, nil })
	fleet := func(nodes int) *umbel.Control { return app.Control().Timeout(20 * time.Second).Limit(nodes) }
	queues := func(node string) string {
		var names []string
		for _, q := range ask(t, app, node, "active_queues", nil).([]any) {
			names = append(names, q.(map[string]any)["name"].(string))
		}
		return strings.Join(names, " ")
	}
	_, _ = start(t, app, worker.Config{Queues: []string{"orders", "mail"}, Nodename: "both@host"})
	_, _ = start(t, app, worker.Config{Queues: []string{"mail"}, Nodename: "mail@host"})
	p, err := fleet(2).PauseQueue(deadline(t), "orders")
	if err != nil || fmt.Sprint(p) != "{[both@host] true}" {
		t.Fatalf("pause: %v, %v", p, err)
	}
	// One that starts meanwhile leaves it alone, and says so.
	_, _ = start(t, app, worker.Config{Queues: []string{"orders"}, Nodename: "late@host"})
	r, err := task.Send(deadline(t), "waits", umbel.Queue("orders"))
	if err != nil {
		t.Fatal(err)
	}
	if got := queues("both@host") + "|" + queues("mail@host") + "|" + queues("late@host"); got != "mail|mail|" {
		t.Errorf("consumed while it is paused: %q", got)
	}
	if got := fmt.Sprint(ask(t, app, "late@host", "add_consumer", map[string]any{"queue": "orders"})); !strings.Contains(got, "is paused") {
		t.Errorf("add_consumer of a paused queue: %s", got)
	}
	if paused, err := app.PausedQueues(deadline(t)); err != nil || fmt.Sprint(paused) != "[orders]" {
		t.Errorf("paused: %v, %v", paused, err)
	}
	if p, err = fleet(3).ResumeQueue(deadline(t), "orders"); err != nil || fmt.Sprint(p) != "{[both@host late@host] true}" {
		t.Fatalf("resume: %v, %v", p, err)
	}
	if v, err := r.Get(deadline(t)); v != "waits" || err != nil {
		t.Errorf("afterwards: %q, %v", v, err)
	}
	if got := queues("mail@host"); got != "mail" {
		t.Errorf("the worker that never consumed it consumes %q", got)
	}
}

func TestMemoryIsSampled(t *testing.T) {
	app := newApp(t, umbel.Config{})
	start(t, app, worker.Config{Nodename: "w@host"})
	dump := func(samples any) string {
		text, _ := ask(t, app, "w@host", "memdump", map[string]any{"samples": samples}).(string)
		return text
	}
	if got := dump(3); !regexp.MustCompile(`\A- rss \(end\): [0-9.]+MB\.\n\z`).MatchString(got) {
		t.Errorf("without a sample: %q", got)
	}
	for range 7 {
		ask(t, app, "w@host", "memsample", nil)
	}
	if got := dump(3); !regexp.MustCompile(`\A- rss \(sample\):\n(-    > [0-9.]+MB,\n){3}- rss \(end\): [0-9.]+MB\.\n\z`).MatchString(got) {
		t.Errorf("three of seven samples: %q", got)
	}
	if got := dump(3); strings.Contains(got, ">") {
		t.Errorf("samples are told twice: %q", got)
	}
	if got := fmt.Sprint(ask(t, app, "w@host", "memdump", map[string]any{"samples": 0})); !strings.Contains(got, "want 1 or more") {
		t.Errorf("no sample wanted: %q", got)
	}
}

func TestAPoolRestartsWhereItIsAllowedAndCan(t *testing.T) {
	for want, c := range map[string]struct {
		allowed bool
		args    map[string]any
	}{
		"Pool restarts not enabled":      {false, nil},
		"goroutines have nothing to":     {true, nil},
		"cannot load its modules anew":   {true, map[string]any{"reload": true}},
		"Pool restarts not enabled'":     {false, map[string]any{"reload": true}},
		"goroutines have nothing to res": {true, map[string]any{"modules": []string{}, "reload": false}},
	} {
		app := newApp(t, umbel.Config{WorkerPoolRestarts: c.allowed})
		_, stop := start(t, app, worker.Config{Nodename: "w@host"})
		if got := fmt.Sprint(ask(t, app, "w@host", "pool_restart", c.args)); !strings.Contains(got, want) || !strings.Contains(got, "error:ValueError(") {
			t.Errorf("allowed %v, %v: %s, want %q", c.allowed, c.args, got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
