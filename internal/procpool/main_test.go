package procpool

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is a child as well: the test program is started again by its own tests.
func TestMain(m *testing.M) {
	if _, is := InChild(); is {
		switch os.Getenv("PROCPOOL_TEST_START") {
		case "never":
			time.Sleep(time.Hour)
		case "fails":
			os.Exit(7)
		}
		if err := Parent().Serve(act); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv("PROCPOOL_TEST_PARENT") != "" {
		parent()
	}
	goleak.VerifyTestMain(m)
}

// act is what the tests' children do: a verb, and its object.
func act(call *Call, payload []byte) []byte {
	verb, object, _ := strings.Cut(string(payload), " ")
	number, _ := strconv.Atoi(object)
	switch verb {
	case "echo":
	case "ask":
		answer, err := call.Ask(context.Background(), []byte(object))
		return fmt.Appendf(nil, "%s %v", answer, err)
	case "exit":
		os.Exit(number)
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
		select {}
	case "garbage":
		_, _ = os.NewFile(childOut, "").Write(bytes.Repeat([]byte("x"), 100))
		select {}
	case "goexit":
		runtime.Goexit()
	case "grow":
		held := make([]byte, number<<20)
		for i := 0; i < len(held); i += 4096 {
			held[i] = 1
		}
		runtime.KeepAlive(held)
	case "told":
		return <-call.Told()
	case "spawn":
		sleep := exec.Command("sleep", "1000")
		if err := sleep.Start(); err != nil {
			return []byte(err.Error())
		}
		return []byte(strconv.Itoa(sleep.Process.Pid))
	case "look": // what a program started from here inherits
		in, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", childIn))
		out, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", childOut))
		text, err := exec.Command("sh", "-c", "echo pool=$"+marker+"; ls -l /proc/self/fd").CombinedOutput()
		return fmt.Appendf(nil, "%s\n%s\n%s%v", in, out, text, err)
	}
	return payload
}

// open is a pool of these children.
func open(t testing.TB, change func(*Config)) *Pool {
	t.Helper()
	c := Config{Name: t.Name(), Size: 2, Alive: time.Minute, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if s := p.Stats(); len(s.PIDs) > 0 {
			t.Errorf("children %v are left after Close", s.PIDs)
		}
	})
	return p
}

// do has any child do something.
func do(t testing.TB, p *Pool, what string) (answer string, pid int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := p.Take(ctx)
		if err != nil {
			t.Fatalf("take a child for %q: %v", what, err)
		}
		a, err := c.Do(ctx, Errand{Payload: []byte(what), Ask: func(_ context.Context, q []byte) []byte { return append([]byte("yes, "), q...) }})
		c.Leave()
		if err != ErrNotBegun {
			return string(a), c.PID(), err
		}
	}
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z'
}

// await waits for something that happens without our doing.
func await(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is still not: %s", what)
		}
	}
}
