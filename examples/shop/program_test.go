package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program is the shop as a process of its own in a folder with its settings, on the embedded broker.
func program(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "umbel.yaml"), settings, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = folder
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CELERY_") && !strings.HasPrefix(v, "UMBEL_") && !strings.HasPrefix(v, "SHOP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

func TestOneWorkerWithoutOptionsServesTheWholeShop(t *testing.T) {
	folder := t.TempDir()
	worker := program(t, folder, "worker")
	var log bytes.Buffer
	worker.Stdout, worker.Stderr = &log, &log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := program(t, folder, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("shop %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("order", "-n", "9"); strings.Count(out, " paid, PAY-") != 9 {
		t.Errorf("orders:\n%s", out)
	}
	run("seed", "--past", "2000", "--expired", "2")
	if out := run("sales-report", "--email", "owner@example.com"); !strings.Contains(out, "2009 rows") {
		t.Errorf("report:\n%s", out)
	}
	if out := run("call", "apps.reports.tasks.cleanup_expired_reports", "--wait"); !strings.Contains(out, `"reports": 2`) && !strings.Contains(out, `"reports":2`) {
		t.Errorf("cleanup:\n%s", out)
	}
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err != nil {
		t.Errorf("worker: %v\n%s", err, log.String())
	}
}

func TestACommandLineThatMakesNoSenseIsUsage(t *testing.T) {
	for _, args := range [][]string{{"order", "-n", "many"}, {"demo", "now"}, {"sales-report", "--since", "yesterday"}, {"seed", "--what"}} {
		var exit *exec.ExitError
		out, err := program(t, t.TempDir(), args...).CombinedOutput()
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || len(out) == 0 {
			t.Errorf("shop %v: %v, want code 2 and the reason\n%s", args, err, out)
		}
	}
}
