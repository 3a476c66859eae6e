package cli_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// BenchmarkHealthcheck is the whole command as a container runs it: a process that starts, asks and ends. Goal: 50 ms.
func BenchmarkHealthcheck(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	program, err := exec.LookPath("umbel") // testscript puts the test's own program there, by the names of TestMain
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		cmd := exec.Command(program, "healthcheck", "--metrics", l.Addr().String())
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}
