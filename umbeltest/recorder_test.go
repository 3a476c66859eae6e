package umbeltest_test

import (
	"context"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/umbeltest"
)

type order struct {
	ID  int64     `json:"order_id"`
	Due time.Time `json:"due,omitzero"`
}

func TestRecorder(t *testing.T) {
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"amqp://nowhere.invalid"}}))
	process := umbel.Register(app, "process", func(context.Context, order) (string, error) { return "", nil }, umbel.Queue("high"))
	mail := umbel.Register(app, "mail", func(context.Context, string) (string, error) { return "", nil })
	sent := umbeltest.Record(t, app)

	due := time.Now()
	if _, err := process.Send(t.Context(), order{ID: 7, Due: due}, umbel.Priority(9), umbel.Header("tenant", "acme")); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.SendMany(t.Context(), []string{"a@example.org", "b@example.org"}); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Send(t.Context(), "tasks.add", umbel.Args{2, 2, umbel.Kwargs{"z": 1}}); err != nil {
		t.Fatal(err)
	}

	m := umbeltest.RequireSent(t, sent, process, order{ID: 7, Due: due.Truncate(time.Microsecond)})
	if m.RoutingKey != "high" || m.Priority != 9 || m.Headers["tenant"] != "acme" {
		t.Errorf("recorded %+v, want queue high, priority 9 and the header tenant", m)
	}
	umbeltest.RequireSentTimes(t, sent, mail, 2)
	if got := sent.Sent(); len(got) != 4 || got[3].Name != "tasks.add" {
		t.Errorf("recorded %d messages, want 4, the last by name", len(got))
	}

	fake := &fakeT{TB: t}
	fake.run(func() { umbeltest.RequireSent(fake, sent, process, order{ID: 8}) })
	if !fake.failed {
		t.Error("RequireSent must fail for an input that was not sent")
	}
	sent.Reset()
	fake = &fakeT{TB: t}
	fake.run(func() { umbeltest.RequireSentTimes(fake, sent, mail, 1) })
	if !fake.failed {
		t.Error("RequireSentTimes must fail when nothing was sent")
	}
	umbeltest.RequireNotSent(t, sent, mail)
}

// fakeT is a test that may fail.
type fakeT struct {
	testing.TB
	failed bool
}

func (f *fakeT) Fatalf(string, ...any) { f.failed = true; panic(f) }

func (f *fakeT) run(body func()) {
	defer func() {
		if p := recover(); p != nil && p != any(f) {
			panic(p)
		}
	}()
	body()
}
