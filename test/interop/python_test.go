package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/testenv"
)

// A client is one long-lived Celery client that runs the Python it is given.
type client struct {
	*process
	in  io.WriteCloser
	out chan string
}

func (w *world) python(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.Command(testenv.Python(t), args...)
	cmd.Dir = "testdata"
	cmd.Env = append(os.Environ(), "INTEROP_SETTINGS="+w.settings, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	return cmd
}

func (w *world) newClient(t *testing.T) *client {
	t.Helper()
	cmd := w.python(t, "client.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = out
	c := &client{in: in, out: make(chan string, 1)}
	c.process = startProcess(t, "Python's client", cmd)
	out.Close()
	go func() {
		defer r.Close()
		defer close(c.out)
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			select {
			case c.out <- line:
			case <-c.ended:
				return
			}
		}
	}()
	t.Cleanup(func() { in.Close() })
	return c
}

// run runs code; given is there under that name, as JSON has it. The value of the last expression goes into out, if that
// is not nil.
func (c *client) run(t *testing.T, out any, code string, given ...any) {
	t.Helper()
	ask, err := json.Marshal(map[string]any{"code": code, "given": given})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.Write(append(ask, '\n')); err != nil {
		t.Fatalf("Python's client is gone: %v\n%s", err, c.said())
	}
	var line string
	select {
	case line = <-c.out:
	case <-time.After(patience + 20*time.Second):
		t.Fatalf("Python has not answered\n%s", code)
	}
	var answer struct {
		Value json.RawMessage
		Error *struct{ Type, Text, Traceback string }
	}
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		t.Fatalf("Python's client answered %q: %v\n%s", line, err, c.said())
	}
	if answer.Error != nil {
		t.Fatalf("%s\n%s", strings.TrimSpace(code), answer.Error.Traceback)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer.Value, out); err != nil {
		t.Fatalf("%s\ngave %s: %v", code, answer.Value, err)
	}
}

// value is run with a result of a known type.
func value[T any](t *testing.T, c *client, code string, given ...any) T {
	t.Helper()
	var v T
	c.run(t, &v, code, given...)
	return v
}

// A caught exception, as the caller of get() sees it.
type caught struct {
	Type, Module, State, Traceback string
	Args, Bases                    []string
}

func (c caught) String() string {
	return fmt.Sprintf("%s %s.%s(%s)", c.State, c.Module, c.Type, strings.Join(c.Args, ", "))
}

// startWorker starts Python's worker and waits until it consumes. more are settings over the file's.
func (w *world) startWorker(t *testing.T, queue string, more map[string]any, args ...string) *process {
	t.Helper()
	cmd := w.python(t, append([]string{"-m", "celery", "-A", "tasks:app", "worker", "-Q", queue, "-n", queue + "@py", "-l", "INFO",
		"--without-gossip", "--without-mingle", "--without-heartbeat"}, args...)...)
	if more != nil {
		text, err := json.Marshal(more)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "INTEROP_MORE="+string(text))
	}
	p := startProcess(t, "Python's worker of "+queue, cmd)
	p.await(" ready.")
	return p
}

// needs skips a test whose Python module is not installed, aloud; in CI it fails.
func (w *world) needs(t *testing.T, module string) {
	t.Helper()
	if !value[bool](t, w.client, "import importlib.util; importlib.util.find_spec(given[0]) is not None", module) {
		if strings.EqualFold(os.Getenv("CI"), "true") {
			t.Fatalf("CI must run every test, but Python cannot import %s: apt-get install python3-%[1]s", module)
		}
		t.Skipf("NOT TESTED: Python cannot import %s: apt-get install python3-%[1]s", module)
	}
}
