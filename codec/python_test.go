package codec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// A python answers questions about what Python itself reads and writes: testdata/oracle.py, one process per test.
type python struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	have string
}

// newPython starts the interpreter that Debian's Celery belongs to, or skips the test and says what is missing.
func newPython(t *testing.T, needs ...string) *python {
	t.Helper()
	path, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip("SKIPPED: no /usr/bin/python3 to compare with")
	}
	cmd := exec.Command(path, "testdata/oracle.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // the script ends with its input
		if err := cmd.Wait(); err != nil {
			t.Errorf("oracle.py: %v", err)
		}
	})
	p := &python{t: t, in: in, out: bufio.NewReader(out)}
	p.have = p.must("have", "")
	for _, n := range needs {
		if !strings.Contains(p.have, n) {
			t.Skipf("SKIPPED: Python here has no %s to compare with (it has: %s)", n, p.have)
		}
	}
	return p
}

func (p *python) ask(op, text string) (string, error) {
	p.t.Helper()
	q, err := json.Marshal(map[string]string{"op": op, "text": text})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(q, '\n')); err != nil {
		p.t.Fatalf("oracle.py has gone: %v", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("oracle.py has gone: %v", err)
	}
	var reply struct{ OK, Error string }
	if err := json.Unmarshal(line, &reply); err != nil {
		p.t.Fatal(err)
	}
	if reply.Error != "" {
		return "", fmt.Errorf("python: %s", reply.Error)
	}
	return reply.OK, nil
}

func (p *python) must(op, text string) string {
	p.t.Helper()
	s, err := p.ask(op, text)
	if err != nil {
		p.t.Fatalf("%s %q: %v", op, text, err)
	}
	return s
}
