//go:build unix

package cli_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/testenv"
)

// The way of an operator: look, make, see a queue that differs, move it, and nothing differs.
func TestTopologyAsAnOperatorTypesIt(t *testing.T) {
	r := testenv.RabbitMQ(t)
	dir := t.TempDir()
	settings := filepath.Join(dir, "umbel.yaml")
	if err := os.WriteFile(settings, []byte("task_default_queue: orders\ntask_default_queue_type: quorum\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users.secret")
	if err := os.WriteFile(users, []byte("# of the shop\n"+r.Vhost()+"-worker: sekrit: with a colon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"worker", "producer"} {
		t.Cleanup(func() { _, _, _ = r.TryAPI(http.MethodDelete, "/api/users/"+url.PathEscape(r.Vhost()+"-"+role), nil) })
	}
	run := func(want int, command string, more ...string) (out, errs string) {
		t.Helper()
		args := append(strings.Fields("--config "+settings+" -b "+r.URL()+" topology "+command+" --broker-api http://"+r.HTTPAddr()), more...)
		code, out, errs := umbelRun(t, args...)
		if code != want {
			t.Fatalf("%s: exit code %d\n%s%s", command, code, out, errs)
		}
		return out, errs
	}
	r.API(http.MethodPut, "/api/queues/"+url.PathEscape(r.Vhost())+"/orders", map[string]any{"durable": true})

	out, _ := run(1, "diff --roles worker,producer")
	for _, want := range []string{"differs  queue orders\n  broker:   classic, durable\n  settings: quorum, durable\n", "406", "missing  exchange celeryev", "queues, exchanges and bindings of celery_delayed_*"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, _ = run(0, "apply --roles worker,producer --dry-run")
	if !strings.Contains(out, "missing") || len(r.Queues()) != 1 {
		t.Errorf("a dry run made something:\n%s", out)
	}
	out, _ = run(0, "apply --roles worker,producer --force --generate-passwords", "--passwords", users)
	if !strings.Contains(out, "left as it is: 1\n") || strings.Contains(out, "sekrit") || !strings.Contains(out, r.Vhost()+"-producer: ") || strings.Contains(out, r.Vhost()+"-worker: ") {
		t.Errorf("\n%s", out)
	}
	out, _ = run(0, "migrate orders --dry-run")
	if !strings.Contains(out, "delete    orders (classic, durable)") {
		t.Errorf("\n%s", out)
	}
	out, _ = run(0, "migrate orders --senders-stopped --force")
	if !strings.Contains(out, "0 messages moved") {
		t.Errorf("\n%s", out)
	}
	out, _ = run(0, "diff --roles worker,producer")
	if !strings.Contains(out, "nothing is missing, nothing differs") {
		t.Errorf("\n%s", out)
	}
	out, _ = run(0, "diff --json --roles worker,producer")
	if !strings.Contains(out, `"differences": []`) {
		t.Errorf("\n%s", out)
	}
	// The password with a colon is the worker's.
	if code, _, errs := umbelRun(t, "--config", settings, "-b", r.URLFor(r.Vhost()+"-worker", "sekrit: with a colon"), "queues"); code != 0 {
		t.Errorf("the worker's user: exit code %d, %s", code, errs)
	}
}
