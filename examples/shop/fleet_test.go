package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
)

// workerLines are command lines written for Celery, word for word but for the program's name; and one for the queues
// that these leave out.
var workerLines = []string{
	"-A config worker -Q high_priority --concurrency=8 --loglevel=info --max-tasks-per-child=100 -n high_priority_worker@%h",
	"-A config worker -Q default --concurrency=4 --loglevel=info -n default_worker@%h",
	"-A config worker -Q reports --concurrency=2 --loglevel=info --max-tasks-per-child=50 -n reports_worker@%h",
	"-A config worker -Q maintenance --concurrency=1 --loglevel=info -n maintenance_worker@%h",
	"-A config worker -Q low_priority,notifications --concurrency=2 --loglevel=info -n notifications_worker@%h",
}

// asProgram, in the environment, makes the test binary the shop itself.
const asProgram = "SHOP_TEST_AS_PROGRAM"

// A fleet is the shop as processes of their own, on RabbitMQ and Redis.
type fleet struct {
	t      testing.TB
	rabbit *testenv.Rabbit
	folder string
	env    []string
}

func newFleet(t testing.TB) *fleet {
	f := &fleet{t: t, rabbit: testenv.RabbitMQ(t), folder: t.TempDir()}
	f.env = append(os.Environ(), asProgram+"=1", "SHOP_DIR="+f.folder,
		"CELERY_BROKER_URL="+f.rabbit.URL(), "CELERY_RESULT_BACKEND="+testenv.Redis(t).URL())
	return f
}

// shop runs one command of the shop to its end.
func (f *fleet) shop(args ...string) string {
	f.t.Helper()
	return f.run(exec.CommandContext(f.t.Context(), os.Args[0], args...))
}

// client runs the Python script.
func (f *fleet) client(args ...string) []string {
	f.t.Helper()
	out := f.run(exec.CommandContext(f.t.Context(), testenv.Python(f.t), append([]string{"python/client.py"}, args...)...))
	return strings.Split(strings.TrimSpace(out), "\n")
}

func (f *fleet) run(cmd *exec.Cmd) string {
	f.t.Helper()
	var errs bytes.Buffer
	cmd.Env, cmd.Stderr = f.env, &errs
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, errs.String())
	}
	return string(out)
}

// work starts the workers; stop ends them with SIGTERM and requires that each says goodbye with code 0.
func (f *fleet) work(lines ...string) (stop func()) {
	f.t.Helper()
	var all []*exec.Cmd
	for i, line := range lines {
		log, err := os.Create(filepath.Join(f.folder, fmt.Sprintf("worker%d.log", i)))
		if err != nil {
			f.t.Fatal(err)
		}
		cmd := exec.CommandContext(f.t.Context(), os.Args[0], strings.Fields(line)...) // killed at the latest when the test ends
		cmd.Env, cmd.Stdout, cmd.Stderr = f.env, log, log
		err = cmd.Start()
		_ = log.Close() // the child has its own
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, cmd)
	}
	return func() {
		for _, cmd := range all {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				f.t.Errorf("stop %v: %v", cmd.Args, err)
			}
		}
		for i, cmd := range all {
			if err := cmd.Wait(); err != nil {
				text, _ := os.ReadFile(filepath.Join(f.folder, fmt.Sprintf("worker%d.log", i)))
				f.t.Errorf("%v: %v\n%s", cmd.Args, err, text)
			}
		}
	}
}

func TestPythonOrdersFromAFleetStartedByCelerysCommandLines(t *testing.T) {
	f := newFleet(t)
	testenv.Python(t)
	if _, err := os.Stat("python/client.py"); err != nil { // so that a change to it is seen by go test
		t.Fatal(err)
	}
	const past, placed, expired = 2500, 40, 3
	f.shop("seed", "--past", fmt.Sprint(past), "--placed", fmt.Sprint(placed), "--expired", fmt.Sprint(expired))
	stop := f.work(workerLines...)
	queues := []string{"high_priority", "default", "low_priority", "reports", "maintenance", "notifications"}
	for _, q := range queues {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool {
			return q.Consumers == 1 && q.Durable && fmt.Sprint(q.Arguments["x-max-priority"]) == "10"
		})
	}

	order := []string{"order"}
	for n := range placed {
		order = append(order, fmt.Sprint(past+1+n))
	}
	order = append(order, fmt.Sprint(past+1)) // the first one twice
	lines := f.client(order...)
	if len(lines) != placed+1 {
		t.Fatalf("%d receipts, want %d:\n%s", len(lines), placed+1, strings.Join(lines, "\n"))
	}
	paid := 0
	for i, line := range lines {
		var r orders.Receipt
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("receipt %q: %v", line, err)
		}
		if want := int64(past + 1 + i%placed); r.OrderID != want || r.State != store.Paid && r.State != store.SoldOut {
			t.Errorf("receipt %s, want order %d done", line, want)
		}
		if r.State == store.Paid && i < placed {
			paid++
		}
	}

	lines = f.client("report", fmt.Sprint(expired+1), "--until", "2099-01-01", "--email", "owner@example.com")
	var made reports.Summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &made); err != nil || made.Rows != past+placed || len(made.SHA256) != 64 {
		t.Errorf("report: %s, %v", lines, err)
	}
	if text, err := os.ReadFile(filepath.Join(f.folder, "reports", made.File)); err != nil || int64(len(text)) != made.Bytes {
		t.Errorf("file of the report: %d bytes, %v, want %d", len(text), err, made.Bytes)
	}
	for _, args := range [][]string{{"cleanup", "--dry-run"}, {"cleanup"}} {
		var got reports.Cleaned
		if err := json.Unmarshal([]byte(f.client(args...)[0]), &got); err != nil || got.Reports != expired || got.DryRun != (len(args) == 2) {
			t.Errorf("%v: %+v, %v, want %d reports", args, got, err, expired)
		}
	}

	testenv.Await(t, "mails", func() bool { return f.mails() == paid+1 }, func() string { return fmt.Sprintf("%d, want %d", f.mails(), paid+1) })
	for _, q := range queues {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	}
	stop()
	s := store.New(filepath.Join(f.folder, "shop.db"))
	defer s.Close()
	totals, err := s.Totals(t.Context(), past)
	if err != nil || totals.Orders[store.Paid] != paid || totals.Charges != paid || totals.Confirmed != paid || paid == 0 {
		t.Errorf("totals %+v, %v, want %d paid, charged and confirmed", totals, err, paid)
	}
}

// mails is how many mails are in the outbox.
func (f *fleet) mails() int {
	names, err := filepath.Glob(filepath.Join(f.folder, "outbox", "*.eml"))
	if err != nil {
		f.t.Fatal(err)
	}
	return len(names)
}
