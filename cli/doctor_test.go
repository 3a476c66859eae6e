//go:build unix

package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestTheWayToTheBrokerIsTriedStepByStep(t *testing.T) {
	r := testenv.RabbitMQ(t)
	t.Setenv("UMBEL_BROKER_CONNECTION_TIMEOUT", "60") // a busy machine
	connect := func(args ...string) (int, string) {
		code, out, errs := umbelRun(t, append([]string{"doctor", "connect"}, args...)...)
		if strings.Contains(out+errs, "guest:guest") {
			t.Errorf("the password is shown:\n%s%s", out, errs)
		}
		return code, out + errs
	}
	expect := func(code int, out string, wantCode int, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("nothing says %q", w)
			}
		}
		if code != wantCode || t.Failed() {
			t.Fatalf("exit code %d, want %d\n%s", code, wantCode, out)
		}
	}
	code, out := connect(r.URL())
	expect(code, out, 0, "ok    login", "ok    consume    the message came back", "ok    queue      celery is not there yet")

	b, err := broker.Open(t.Context(), broker.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	declare := func(arguments protocol.Table) {
		if err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "celery", Durable: true, Arguments: arguments}}}); err != nil {
			t.Fatal(err)
		}
	}
	declare(nil)
	code, out = connect(r.URL())
	expect(code, out, 0, "doubt queue      celery agrees with the settings: 0 ready, 0 consumers", "start a worker with -Q celery")

	if err := b.Delete(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "celery"}}}); err != nil {
		t.Fatal(err)
	}
	declare(protocol.Table{"x-max-priority": int64(3)})
	code, out = connect("--json", r.URL())
	var steps []struct{ Name, Error string }
	if err := json.Unmarshal([]byte(out), &steps); err != nil || code != 1 {
		t.Fatalf("exit code %d: %v\n%s", code, err, out)
	}
	if last := steps[len(steps)-1]; last.Name != "queue" || !strings.Contains(last.Error, "exists with other arguments") {
		t.Errorf("a queue with other arguments: %+v", last)
	}

	code, out = connect(r.URLFor("guest", "wrong"))
	expect(code, out, 69, "wrong login", "check user and password")
	code, out = connect("sqlite://x.db")
	expect(code, out, 2, "only RabbitMQ")
}
