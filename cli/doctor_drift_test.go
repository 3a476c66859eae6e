//go:build unix

package cli_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/testenv"
)

// connectTo runs doctor connect and holds its exit code and what it says.
func connectTo(t *testing.T, settings, brokerURL string, args ...string) func(code int, want ...string) {
	t.Helper()
	t.Setenv("UMBEL_BROKER_CONNECTION_TIMEOUT", "60") // a busy machine
	got, out, errs := umbelRun(t, append([]string{"--config", settings, "doctor", "connect", brokerURL}, args...)...)
	if strings.Contains(out+errs, "guest:guest") || strings.Contains(out+errs, "sesame") {
		t.Errorf("a password is shown:\n%s%s", out, errs)
	}
	text := strings.Join(strings.Fields(out), " ") // lines are folded
	return func(code int, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("nothing says %q in\n%s%s", w, out, errs)
			}
		}
		if got != code {
			t.Errorf("exit code %d, want %d\n%s%s", got, code, out, errs)
		}
	}
}

func TestConnectTellsRealTypesAndDrift(t *testing.T) {
	r := testenv.RabbitMQ(t)
	settings := filepath.Join(t.TempDir(), "umbel.yaml")
	write := func(text string) {
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := "/" + url.PathEscape(r.Vhost()) + "/"
	api := "--broker-api=http://" + r.HTTPAddr()
	write("task_default_queue: orders\ntask_default_queue_type: quorum\ntask_default_exchange: shop\ntask_default_routing_key: orders\n")

	connectTo(t, settings, r.URL(), api)(0, `ok api at `+r.HTTPAddr()+`, as "guest", tags administrator`, "queues in use", "orders is not there yet", "ok exchange not there yet: ", "shop")
	r.API(http.MethodPut, "/api/queues"+at+"orders", map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": "quorum"}})
	r.API(http.MethodPut, "/api/exchanges"+at+"shop", map[string]any{"type": "direct", "durable": true})
	connectTo(t, settings, r.URL(), api, "--host-instance-type", "mq.m7g.large")(0, "orders is quorum and agrees with the settings", "of 5000 connections",
		"doubt binding shop ─ orders ─► queue orders is missing", "goes nowhere until")
	r.API(http.MethodDelete, "/api/exchanges"+at+"shop", nil)
	r.API(http.MethodPut, "/api/exchanges"+at+"shop", map[string]any{"type": "topic", "durable": true})
	connectTo(t, settings, r.URL(), api)(1, "wrong exchange shop is topic, durable; the settings say direct, durable", "406 PRECONDITION_FAILED")

	r.API(http.MethodDelete, "/api/queues"+at+"orders", nil)
	r.API(http.MethodPut, "/api/queues"+at+"orders", map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": "quorum", "x-delivery-limit": 20}})
	// The broker lets a client declare the queue without a type, and makes of it what it has: as Amazon MQ does.
	write("task_default_queue: orders\ntask_default_queue_type: classic\n")
	lenient := r.URLAt("amqp", testenv.RabbitMQ4(t, r.Addr()).Addr())
	connectTo(t, settings, lenient, "--broker-api=http://127.0.0.1:1")(0, "doubt api none at 127.0.0.1:1", "connection refused", "not known without it: the real types of queues", "orders agrees with the settings")
	connectTo(t, settings, lenient, api)(1, "wrong queue orders is quorum, durable, x-delivery-limit=20; the settings say classic, durable", "umbel topology migrate orders")
}

func TestConnectSaysWhatItMayNotAsk(t *testing.T) {
	r := testenv.RabbitMQ(t)
	settings := filepath.Join(t.TempDir(), "umbel.yaml")
	if err := os.WriteFile(settings, []byte("task_default_queue: orders\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := "--broker-api=http://" + r.HTTPAddr()
	user := r.Vhost() + "-worker"
	r.User(user, "sesame", ".*", ".*", ".*")
	connectTo(t, settings, r.URLFor(user, "sesame"), api)(0, `doubt api closed to "`+user+`"`, "answers 401", "Give the user the tag management", "orders is not there yet")
	r.API(http.MethodPut, "/api/users/"+url.PathEscape(user), map[string]any{"password": "sesame", "tags": "management"})
	connectTo(t, settings, r.URLFor(user, "sesame"), api)(0, "ok api", "tags management", `doubt load not known`, "sees its own connections only")

	// broker_password is the API's, too.
	if err := os.WriteFile(settings, []byte("task_default_queue: orders\nbroker_password: sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	connectTo(t, settings, strings.Replace(r.URLFor(user, "sesame"), ":sesame@", "@", 1), api)(0, "ok api", "tags management")

	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/vhosts/"):
			http.NotFound(w, r)
		case r.URL.Path == "/api/users":
			_, _ = w.Write([]byte("[]"))
		default:
			_, _ = w.Write([]byte("{}"))
		}
	}))
	defer elsewhere.Close()
	if err := os.WriteFile(settings, []byte("task_default_queue: orders\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	connectTo(t, settings, r.URL(), "--broker-api="+elsewhere.URL)(0, "doubt api none of this broker's", `has no virtual host "`+r.Vhost()+`"`)
}
