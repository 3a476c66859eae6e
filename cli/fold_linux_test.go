package cli

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

// aTerminal is one that nobody sits at: what is written to out is read from in.
func aTerminal(t *testing.T) (in *bufio.Reader, out *os.File) {
	t.Helper()
	front, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	if err := unix.IoctlSetPointerInt(int(front.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(front.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	out, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return bufio.NewReader(front), out
}

// A task in a worker's hands, which is some 300 columns as Celery prints it, fits a terminal of 80.
func TestRepliesFitATerminal(t *testing.T) {
	const task = `[{"id":"011ec617-4229-4a90-969a-415f57436036","name":"go.nap","args":[30,"a, b"],"kwargs":{},"type":"go.nap","hostname":"go2@box",` +
		`"time_start":1795664914.5,"acknowledged":true,"delivery_info":{"exchange":"","routing_key":"low","priority":0,"redelivered":false},"worker_pid":13139}]`
	reply := control.Reply{Node: "go2@box", Value: codec.JSON([]byte(task))}
	in, out := aTerminal(t)
	p := &program{Std: Std{Out: out}}
	p.sayReply(reply, true)
	var lines []string
	for len(lines) == 0 || !strings.HasSuffix(lines[len(lines)-1], "}") {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	for _, l := range lines {
		if len(l) > 80 {
			t.Errorf("%d columns: %s", len(l), l)
		}
	}
	if len(lines) != 6 || !strings.HasPrefix(lines[1], "    * {'id': '011ec617-") || !strings.HasPrefix(lines[2], "       '") {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}

	var piped strings.Builder
	(&program{Std: Std{Out: &piped}}).sayReply(reply, true)
	if n := strings.Count(piped.String(), "\n"); n != 2 {
		t.Errorf("%d lines for another program, want Celery's two:\n%s", n, piped.String())
	}
}
