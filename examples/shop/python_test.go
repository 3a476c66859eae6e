package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A python is the shop's other implementation at work beside Go's: one worker of each, and queues that move between them.
type python struct {
	*fleet
	shop *shop
}

const (
	goNode     = "go@shop"
	pythonNode = "python@shop"
)

var taskQueue = map[string]string{
	"apps.orders.tasks.process_order":            "high_priority",
	"apps.orders.tasks.send_order_confirmation":  "default",
	"apps.orders.tasks.rate_limited_task":        "default",
	"apps.orders.tasks.resilient_task":           "default",
	"apps.reports.tasks.generate_report":         "reports",
	"apps.reports.tasks.cleanup_expired_reports": "maintenance",
	"apps.notifications.tasks.send_mail":         "notifications",
}

// Each task of the shop is called from Python and from Go, and done by Go and by Python, whoever does the tasks around it: what comes
// of it is the same. Results, rows, file and checksum, mails, dead letters, and the audit trail down to sums of arguments.
func TestEachTaskIsDoneByPythonAsByGo(t *testing.T) {
	f := newFleet(t)
	for _, name := range []string{"client", "worker", "store", "trail", "orders", "reports", "notifications"} { // so that a change is seen by go test
		if _, err := os.Stat(filepath.Join("python", name+".py")); err != nil {
			t.Fatal(err)
		}
	}
	p := &python{fleet: f, shop: f.here(places{Folder: f.folder})}
	t.Cleanup(func() { _ = p.shop.close() })
	if err := errors.Join(p.shop.stock(t.Context()), p.shop.importPast(t.Context(), 1519)); err != nil {
		t.Fatal(err)
	}
	err := p.shop.store.ImportOrders(t.Context(), []store.Order{{Customer: `=HYPERLINK("x","y")`, SKU: "dill", Quantity: 1, Total: 249, State: store.Paid,
		Placed: time.Now().AddDate(0, 0, -3), Payment: "OLD-1"}})
	if err != nil {
		t.Fatal(err)
	}
	stopGo := f.work("worker -n " + goNode + " -c 2")
	stopPython := p.work()
	queues := []string{"high_priority", "default", "reports", "maintenance", "notifications"}
	for _, q := range queues {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Consumers == 1 })
	}

	until := time.Now().UTC().Format(time.DateOnly) // the books of the past, the same in every round
	var want string
	mine := []string{} // Python's
	for round, c := range []struct {
		python []string
		call   func(task, kwargs string) string
	}{
		{nil, nil},
		{queues, p.fromGo},
		{[]string{"high_priority", "reports", "notifications"}, nil},
		{[]string{"default", "maintenance"}, p.fromGo},
	} {
		for _, q := range queues {
			if was, is := slices.Contains(mine, q), slices.Contains(c.python, q); was && !is {
				p.move(q, pythonNode, goNode)
			} else if is && !was {
				p.move(q, goNode, pythonNode)
			}
		}
		mine = c.python
		got := p.round(round, until, c.call, func(task string) string {
			if slices.Contains(mine, taskQueue[task]) {
				return pythonNode
			}
			return goNode
		})
		if round == 0 {
			want = got
			t.Logf("as Go does it:\n%s", want)
		} else if got != want {
			t.Errorf("with %v in Python's hands:\n%s", mine, difference(want, got))
		}
		f.rabbit.AwaitQueue("default.dlq", func(q testenv.RabbitQueue) bool { return q.Messages == round+1 })
	}
	stopGo()
	stopPython()
	for _, q := range queues {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	}
	if faults, err := p.shop.store.CheckAudit(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("the audit trail differs from the ledger: %v\n%s", err, strings.Join(faults, "\n"))
	}
}

// What the Python side cannot keep in order it does not touch.
func TestPythonRefusesPlacesItDoesNotKnow(t *testing.T) {
	for name, value := range map[string]string{"SHOP_DATABASE_URL": "postgres://shop:hunter2@db/shop", "SHOP_OBJECTS_URL": "s3://reports", "SHOP_MAIL_URL": "smtp://shop:hunter2@mail"} {
		cmd := exec.CommandContext(t.Context(), testenv.Python(t), "python/worker.py")
		cmd.Env = append(os.Environ(), "CELERY_BROKER_URL=memory://", "CELERY_RESULT_BACKEND=cache+memory://", "PYTHONDONTWRITEBYTECODE=1", name+"="+value)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), name) || strings.Contains(string(out), "hunter2") || strings.Contains(string(out), "Traceback") {
			t.Errorf("%s=%s: %v, want it refused\n%s", name, value, err, out)
		}
	}
}

// work starts Python's worker, with a queue of its own for now; stop ends it.
func (p *python) work() (stop func()) {
	p.t.Helper()
	log, err := os.Create(filepath.Join(p.folder, "python.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), testenv.Python(p.t), "python/worker.py", "-n", pythonNode, "-c", "1", "-Q", "python")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(p.env, "PYTHONDONTWRITEBYTECODE=1"), log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = log.Close()
		if p.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			p.t.Logf("Python's worker:\n%s", text)
		}
	})
	p.rabbit.AwaitQueue("python", func(q testenv.RabbitQueue) bool { return q.Consumers == 1 })
	return func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			p.t.Errorf("stop Python's worker: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			p.t.Errorf("Python's worker: %v", err)
		}
	}
}

// move gives a queue from one worker to the other, as an operator would.
func (p *python) move(queue, from, to string) {
	p.t.Helper()
	p.fleet.shop("control", "cancel_consumer", queue, "-d", from, "-t", "30")
	p.fleet.shop("control", "add_consumer", queue, "-d", to, "-t", "30")
}

// fromGo calls a task and returns its result as client.py prints it.
func (p *python) fromGo(task, kwargs string) string {
	p.t.Helper()
	var in map[string]json.RawMessage
	if err := json.Unmarshal([]byte(kwargs), &in); err != nil {
		p.t.Fatal(err)
	}
	args := make(umbel.Kwargs)
	for name, text := range in {
		args[name] = text
	}
	r, err := p.shop.app.Send(p.t.Context(), task, args)
	if err != nil {
		p.t.Fatal(err)
	}
	var value any
	err = r.Get(p.t.Context(), &value)
	var failed *umbel.TaskError
	if errors.As(err, &failed) {
		value = map[string]string{"failed": failed.Message}
	} else if err != nil {
		p.t.Fatalf("%s(%s): %v", task, kwargs, err)
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// runs is how many runs of tasks a round takes, attempts that are made again among them.
const runs = 22

// round has everything done once, and returns what has come of it, without what differs from one time to the next. node says whose
// each task must be.
func (p *python) round(n int, until string, call func(task, kwargs string) string, node func(task string) string) string {
	t, ctx := p.t, p.t.Context()
	t.Helper()
	before, err := p.shop.store.Audit(ctx, "", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Forty orders, so that the bank loses its first answer about the last one.
	batch := make([]store.Order, 40)
	for i := range batch {
		batch[i] = store.Order{Customer: "ada@example.com", SKU: "dill", Quantity: 1 + i, Placed: time.Now()}
	}
	batch[1].SKU, batch[2].SKU, batch[2].Quantity = "lovage", "celeriac", 1000
	ids, err := p.shop.store.PlaceOrders(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.shop.importExpired(ctx, 1); err != nil {
		t.Fatal(err)
	}
	expired, err := p.shop.store.LatestReports(ctx, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	report := expired[0].ID + 1
	names := map[string]string{fmt.Sprint("report", report): "R", fmt.Sprint("report", expired[0].ID): "X", fmt.Sprint("hello", n): "H"}
	for i, name := range map[int]string{0: "A", 1: "B", 2: "SOLD", 39: "MOODY"} {
		names[fmt.Sprint("order", ids[i])], names[fmt.Sprint("pay", ids[i])] = name, name
	}
	plain := func(text string) string { // with names for numbers
		return numbered.ReplaceAllStringFunc(text, func(s string) string {
			m := numbered.FindStringSubmatch(s)
			if name, ok := names[strings.ToLower(m[1])+m[3]]; ok {
				return m[1] + m[2] + name
			}
			return s
		})
	}

	calls := []string{}
	for _, i := range []int{0, 1, 2, 39} {
		calls = append(calls, "apps.orders.tasks.process_order", fmt.Sprintf(`{"order_id":%d}`, ids[i]))
	}
	hello := fmt.Sprintf(`{"key":"hello-%d","to":"ada@example.com","subject":"Grüße","body":"Danke × 2\n"}`, n)
	calls = append(calls,
		"apps.orders.tasks.send_order_confirmation", fmt.Sprintf(`{"order_id":%d}`, ids[2]),
		"apps.reports.tasks.generate_report", fmt.Sprintf(`{"report_id":%d,"until":%q,"email":"owner@example.com"}`, report, until),
		"apps.reports.tasks.generate_report", fmt.Sprintf(`{"report_id":%d}`, report),
		"apps.reports.tasks.cleanup_expired_reports", `{"dry_run":true}`,
		"apps.reports.tasks.cleanup_expired_reports", `{}`,
		"apps.notifications.tasks.send_mail", hello,
		"apps.notifications.tasks.send_mail", hello,
		"apps.orders.tasks.rate_limited_task", `{}`,
		"apps.orders.tasks.resilient_task", `{"failing":1}`)
	var results []string
	if call == nil {
		results = p.client(append([]string{"call"}, calls...)...)
	} else {
		for c := range slices.Chunk(calls, 2) {
			results = append(results, call(c[0], c[1]))
		}
	}
	if len(results) != len(calls)/2 {
		t.Fatalf("%d results of %d calls: %s", len(results), len(calls)/2, results)
	}
	var b strings.Builder
	for i, text := range results {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if at, ok := value.(string); ok && strings.HasPrefix(at, "20") {
			value = "a time"
		}
		canonical, _ := json.Marshal(value)
		fmt.Fprintf(&b, "result %s(%s) = %s\n", calls[2*i], plain(calls[2*i+1]), plain(string(canonical)))
	}

	trail := p.trail(before[0].Seq, node, plain)
	for _, i := range []int{0, 1, 2, 39} {
		o, err := p.shop.store.Order(ctx, ids[i])
		fmt.Fprintf(&b, "%s is %s, %s, %q, confirmed %t, %v\n", plain(fmt.Sprint("order ", o.ID)), o.State, o.Total, plain(o.Payment), o.Confirmed, err)
	}
	totals, err := p.shop.store.Totals(ctx, ids[0]-1)
	fmt.Fprintf(&b, "charges %d of %s, %v\n", totals.Charges, totals.Charged, err)
	r, err := p.shop.store.Report(ctx, report)
	fmt.Fprintf(&b, "report %s, %s, %d rows, %d bytes, %s, to %s until %s, kept %s, %v\n", r.State, plain(r.File), r.Rows, r.Bytes, r.SHA256, r.Email,
		r.Until.Format(time.DateOnly), r.Expires.Sub(r.Made), err)
	text, err := os.ReadFile(filepath.Join(p.folder, "reports", r.File))
	fmt.Fprintf(&b, "file %d bytes, %s, %v\n", len(text), store.Hash(text), err)
	_, err = p.shop.store.Report(ctx, expired[0].ID)
	_, gone := os.Stat(filepath.Join(p.folder, "reports", expired[0].File))
	fmt.Fprintf(&b, "expired report: %v, its file is gone: %t\n", plain(fmt.Sprint(err)), errors.Is(gone, os.ErrNotExist))
	return b.String() + p.outbox(plain) + trail
}

// numbered are words with a number behind them that differs from round to round.
var numbered = regexp.MustCompile(`(?i)(order|report|pay|hello)(/| |-|_id": ?)0*(\d+)`)

// trail waits until all has been done, and returns the entries after one, sorted: an order of tasks is not promised.
func (p *python) trail(after int64, node func(task string) string, plain func(string) string) string {
	t := p.t
	t.Helper()
	var all []store.Entry
	testenv.Await(t, "the ends of all tasks", func() bool {
		var err error
		if all, err = p.shop.store.Audit(t.Context(), "", 0, 500); err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(e store.Entry) bool { return e.Seq <= after })
		ended := 0
		for _, e := range all {
			if e.Action == store.TaskEnded {
				ended++
			}
		}
		return ended >= runs
	}, func() string {
		var b strings.Builder
		for _, e := range all {
			fmt.Fprintf(&b, "%+v\n", e)
		}
		return b.String()
	})
	var lines []string
	for _, e := range all {
		task, is := strings.CutPrefix(e.Who, "task ")
		if !is { // what this test has prepared
			continue
		}
		if e.From != node(task) || e.Task == "" || e.At.Before(time.Now().Add(-time.Hour)) || e.At.After(time.Now()) {
			t.Errorf("%+v, want it of now, from %s", e, node(task))
		}
		object, args := e.Object, "…"
		if e.Action == store.TaskEnded {
			object = "task"
			if e.Object != "task/"+e.Task {
				t.Errorf("%+v is of another task", e)
			}
		}
		if e.Action == store.OrderReserved {
			id, _ := strconv.Atoi(strings.TrimPrefix(e.Object, "order/"))
			if want := store.Hash(fmt.Appendf(nil, `[[],{"order_id":%d}]`, id)); e.Args != want {
				t.Errorf("%+v, want the sum of its arguments: %s", e, want)
			}
		}
		if slices.Contains([]string{"rate_limited_task", "resilient_task", "cleanup_expired_reports"}, task[strings.LastIndex(task, ".")+1:]) {
			args = e.Args // the same in every round
		}
		if len(e.Args) != 64 {
			t.Errorf("%+v, want a SHA-256 of the arguments", e)
		}
		detail, _ := json.Marshal(e.Detail)
		lines = append(lines, plain(fmt.Sprintf("trail %s %s %s %s %s %s\n", task, e.Action, object, e.Outcome, detail, args)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// outbox reads all mails and removes them.
func (p *python) outbox(plain func(string) string) string {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.folder, "outbox", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	var lines []string
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			p.t.Fatal(err)
		}
		m, err := mail.ReadMessage(file)
		if err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
		body := m.Body
		if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(body)
		}
		text, err := io.ReadAll(body)
		_ = file.Close()
		if err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
		from, err := m.Header.AddressList("From")
		to, err2 := m.Header.AddressList("To")
		subject, err3 := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		sent, err4 := m.Header.Date()
		if err := errors.Join(err, err2, err3, err4); err != nil || time.Since(sent) > time.Hour {
			p.t.Errorf("%s: of %v, %v", name, sent, err)
		}
		kind, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
		lines = append(lines, plain(fmt.Sprintf("mail %s %s from %s to %s, %s: %q, %q\n", filepath.Base(name), m.Header.Get("Message-ID"), from[0], to[0],
			kind, subject, strings.ReplaceAll(string(text), "\r\n", "\n"))))
		if err := os.Remove(name); err != nil {
			p.t.Fatal(err)
		}
	}
	return strings.Join(lines, "")
}

// difference are the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	if b.Len() == 0 {
		return "the same lines, not the same number of times:\n" + got
	}
	return b.String()
}
