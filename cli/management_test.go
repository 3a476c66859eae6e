//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/internal/testenv"
)

// umbelRun runs a command line and returns what it printed.
func umbelRun(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var o, e strings.Builder
	code = cli.Run(ctx, umbel.New("umbel"), append([]string{"umbel", "-q"}, args...), cli.Std{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestRabbitMQTellsOfBindingsAndRates(t *testing.T) {
	r := testenv.RabbitMQ(t)
	b, err := broker.Open(t.Context(), broker.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{{Name: "orders", Type: broker.Topic, Durable: true}},
		Queues:   []broker.Queue{{Name: "celery", Durable: true}},
		Bindings: []broker.Binding{{Source: "orders", Queue: "celery", RoutingKey: "orders.#"}}})
	if err != nil {
		t.Fatal(err)
	}
	api := "http://guest:guest@" + r.HTTPAddr() + "/api"
	code, out, errs := umbelRun(t, "-b", r.URL(), "list", "bindings", "--broker-api", api)
	if code != 0 || !strings.HasPrefix(out, "Queue                        Exchange                     Routing Key\n----------------             ----------------             ----------------\n") ||
		!strings.Contains(out, "celery                       orders                       orders.#\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = umbelRun(t, "-b", r.URL(), "list", "bindings", "--broker-api", api, "-j")
	var all []map[string]string
	if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil || len(all) != 2 || all[1]["routing_key"] != "orders.#" {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	code, out, errs = umbelRun(t, "-b", r.URL(), "queues", "--rates", "--broker-api", api)
	if code != 0 || !strings.Contains(out, "in/s  out/s  oldest") || !strings.Contains(out, "celery") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, _, errs = umbelRun(t, "-b", r.URL(), "list", "bindings", "--broker-api", "http://guest:wrong-password@"+r.HTTPAddr())
	if code != 69 || !strings.Contains(errs, "401") || strings.Contains(errs, "wrong-password") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	code, _, errs = umbelRun(t, "-b", "memory://x", "list", "bindings")
	if code != 2 || !strings.Contains(errs, "cannot list bindings") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	code, _, errs = umbelRun(t, "-b", r.URL(), "list", "bindings", "--broker-api", "nonsense")
	if code != 2 {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// What a queue's rates are is shown as the API tells it; the password goes nowhere else.
func TestRatesAsTheAPITellsThem(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked elsewhere, with %v", r.Header) }))
	defer elsewhere.Close()
	head := time.Now().Add(-90 * time.Second).Unix()
	moved, vhost := false, ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "joe" || password != "p:w/d" {
			t.Errorf("asked by %q", user)
		}
		if moved {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		if want := "/rabbit/api/queues/" + vhost; r.URL.Path != want {
			t.Errorf("asked for %s, want %s", r.URL.Path, want)
		}
		_ = json.NewEncoder(w).Encode([]any{map[string]any{"name": "celery", "head_message_timestamp": head,
			"message_stats": map[string]any{"publish_details": map[string]any{"rate": 12.5}, "deliver_get_details": map[string]any{"rate": 3}}}})
	}))
	defer api.Close()
	r := testenv.RabbitMQ(t)
	vhost = r.Vhost()
	b, err := broker.Open(t.Context(), broker.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "celery", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	at := strings.Replace(api.URL, "http://", "http://joe:p%3Aw%2Fd@", 1) + "/rabbit/api/"
	code, out, errs := umbelRun(t, "-b", r.URL(), "queues", "-Q", "celery", "--rates", "--broker-api", at)
	if code != 0 || !regexp.MustCompile(`(?m)^celery +0 +- +0 +12\.5 +3 +\d+m\d+s$`).MatchString(out) {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = umbelRun(t, "-b", r.URL(), "queues", "-Q", "celery", "--rates", "--broker-api", at, "-j")
	if code != 0 || !strings.Contains(out, `"in_rate": 12.5`) {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	moved = true
	if code, _, errs := umbelRun(t, "-b", r.URL(), "queues", "--rates", "--broker-api", at); code != 69 || !strings.Contains(errs, "302") {
		t.Errorf("moved elsewhere: exit code %d, %s", code, errs)
	}
}
