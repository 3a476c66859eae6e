package manual

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/testenv"
)

// The way of docs/getting-started.md is gone as written: its program is compiled and its commands run, on SQLite, then on RabbitMQ and
// Redis, then looked at in the monitor. With -v each step says how long it took.
func TestANewcomersWay(t *testing.T) {
	t.Parallel()
	rabbit, redis := testenv.RabbitMQ(t), testenv.Redis(t)
	page, err := os.ReadFile(filepath.Join(root, "docs/getting-started.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	took := func(what string) {
		t.Logf("%s: %v", what, time.Since(at).Round(10*time.Millisecond))
		at = time.Now()
	}
	dir := t.TempDir()
	program := regexp.MustCompile("(?ms)^```go\n(// main.go\n.*?)^```").FindSubmatch(page)
	if program == nil {
		t.Fatal("the page has no main.go")
	}
	hello := build(t, dir, program[1])
	took("a first task is written and built")

	calls := regexp.MustCompile(`(?m)^go run \. call (\S+) '([^']+)' --wait +# (.*)$`).FindSubmatch(page)
	if calls == nil {
		t.Fatal("the page calls nothing")
	}
	call := func() {
		t.Helper()
		if out := output(t, dir, hello, "call", string(calls[1]), string(calls[2]), "--wait"); strings.TrimSpace(out) != string(calls[3]) {
			t.Errorf("it said %q, the page says %q", out, calls[3])
		}
	}
	stop := start(t, dir, "worker ready", hello, "worker")
	call()
	if out := output(t, dir, hello, "queues"); !strings.Contains(out, "celery") {
		t.Errorf("queues says %q", out)
	}
	stop()
	took("it ran on SQLite")

	settings := regexp.MustCompile("(?ms)^```yaml\n(# umbel.yaml.*?)^```").FindSubmatch(page)
	if settings == nil {
		t.Fatal("the page has no umbel.yaml")
	}
	moved := replaceURL(t, replaceURL(t, string(settings[1]), "broker_url", rabbit.URL()), "result_backend", redis.URL())
	if err := os.WriteFile(filepath.Join(dir, "umbel.yaml"), []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, dir, "worker ready", hello, "worker")
	call()
	if out := output(t, dir, hello, "queues", "--json"); !strings.Contains(out, `"celery"`) {
		t.Errorf("queues says %q", out)
	}
	took("it ran on RabbitMQ and Redis")

	if !strings.Contains(string(page), "go run . monitor ") {
		t.Fatal("the page does not start the monitor")
	}
	var url string
	ready := regexp.MustCompile(`at=(http://\S+)`)
	startWith(t, dir, func(line string) bool {
		m := ready.FindStringSubmatch(line)
		if m != nil {
			url = m[1]
		}
		return m != nil
	}, hello, "monitor", "--port", "0")
	if got := get(t, url); !strings.Contains(got, "<title>") {
		t.Errorf("the monitor's page is %.200s", got)
	}
	call()
	testenv.Await(t, "the monitor to have the task", func() bool { return strings.Contains(get(t, url+"api/v1/tasks"), string(calls[1])) }, nil)
	took("it was seen in the monitor")
}

// build compiles the program of a page against this checkout, as a module of its own.
func build(t *testing.T, dir string, program []byte) string {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(here, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(here, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(mod), "module github.com/umbel-go/umbel\n", "module hello\n", 1) +
		fmt.Sprintf("\nrequire github.com/umbel-go/umbel v0.0.0\n\nreplace github.com/umbel-go/umbel => %s\n", here)
	for name, text := range map[string][]byte{"go.mod": []byte(own), "go.sum": sum, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output(t, dir, "go", "build", "-mod=mod", "-o", "hello", ".")
	return filepath.Join(dir, "hello")
}

func replaceURL(t *testing.T, settings, name, url string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + name + `: .*$`)
	if !line.MatchString(settings) {
		t.Fatalf("the page's umbel.yaml has no %s:\n%s", name, settings)
	}
	return line.ReplaceAllLiteralString(settings, name+": "+url)
}

// output runs a command to its end and returns what it printed.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var log strings.Builder
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, log.String())
	}
	return string(out)
}

// start runs a command in the background until it is stopped or the test ends, and returns when it has logged that it is ready.
func start(t *testing.T, dir, ready, name string, args ...string) (stop func()) {
	t.Helper()
	return startWith(t, dir, func(line string) bool { return strings.Contains(line, ready) }, name, args...)
}

func startWith(t *testing.T, dir string, ready func(line string) bool, name string, args ...string) (stop func()) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	c.Stdout = io.Discard
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	seen, ended := make(chan struct{}), make(chan string)
	go func() {
		var text strings.Builder
		ok := false
		for lines := bufio.NewScanner(log); lines.Scan(); {
			fmt.Fprintln(&text, lines.Text())
			if !ok && ready(lines.Text()) {
				ok = true
				close(seen)
			}
		}
		ended <- text.String()
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = c.Process.Signal(syscall.SIGINT)
		select {
		case text := <-ended:
			if err := c.Wait(); err != nil {
				t.Errorf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, text)
			}
		case <-time.After(patience):
			_ = c.Process.Kill()
			<-ended
			t.Errorf("%s %s does not end: %v", filepath.Base(name), strings.Join(args, " "), c.Wait())
		}
	}
	t.Cleanup(stop)
	select {
	case <-seen:
	case text := <-ended:
		stopped = true
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), c.Wait(), text)
	case <-time.After(patience):
		t.Fatalf("%s %s is not ready", filepath.Base(name), strings.Join(args, " "))
	}
	return stop
}

func get(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v", url, r.Status, err)
	}
	return string(body)
}
