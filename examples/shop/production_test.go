package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/internal/testenv/mailserver"
	"github.com/umbel-go/umbel/internal/testenv/objectserver"
)

// killsIn, in the environment, names a folder. A file in it that is called like a point of package step arms the point: the
// next process of the shop to pass it takes the file away and is killed.
const killsIn = "SHOP_TEST_KILLS"

// obeyKills arms this process, which is the shop. "POINT@9" is for the ninth time a process passes, "POINT always" stays armed,
// at "POINT hang" a task hangs for ever, whatever its context says, and at "POINT oom" its process takes memory until there is none.
func obeyKills(folder string) {
	var mu sync.Mutex
	passed := make(map[string]int)
	step.Watch(func(point string) {
		mu.Lock()
		passed[point]++
		n := passed[point]
		mu.Unlock()
		take := func(name string) bool {
			return os.Rename(filepath.Join(folder, name), filepath.Join(folder, name+" done")) == nil
		}
		if _, err := os.Stat(filepath.Join(folder, point+" always")); err == nil || take(point) || take(fmt.Sprintf("%s@%d", point, n)) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		if take(point + " hang") {
			select {}
		}
		if take(point + " oom") {
			exhaust()
		}
	})
}

// starving is what a process says before it takes all memory. Nothing else ends it after that, though the words at its end are Go's, the
// race detector's, or the kernel's.
const starving = "takes memory until there is none"

// exhaust takes memory until this process dies of it, as one does that has a limit.
func exhaust() {
	const most = 128 << 20 // beyond what it has
	text, err := os.ReadFile("/proc/self/statm")
	var pages uint64
	if err == nil {
		_, err = fmt.Sscan(string(text), &pages)
	}
	limit := pages*uint64(os.Getpagesize()) + most
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, starving)
	for hog := [][]byte(nil); ; runtime.KeepAlive(hog) {
		hog = append(hog, bytes.Repeat([]byte("umbel"), 1<<20))
	}
}

// A production is the shop on RabbitMQ over TLS, Redis over TLS, PostgreSQL, S3 and SMTP. Its processes are started again when they
// are killed, as a machine would.
type production struct {
	*fleet
	postgres *testenv.PostgresServer
	mail     *mailserver.Server
	objects  *objectserver.Server
	kills    string
	store    *store.Store

	keepers []*keeper
	webs    []*keeper
}

func newProduction(t *testing.T) *production {
	p := &production{postgres: testenv.Postgres(t), mail: mailserver.Start(t), objects: objectserver.Start(t)}
	p.fleet = &fleet{t: t, rabbit: testenv.RabbitMQ(t), folder: t.TempDir()}
	p.kills = filepath.Join(p.folder, "kills")
	if err := os.Mkdir(p.kills, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(p.folder, "database")
	if err := os.WriteFile(secret, []byte(p.postgres.URL()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = append(os.Environ(), asProgram+"=1", killsIn+"="+p.kills, "SSL_CERT_FILE="+testenv.CA(t).File,
		"CELERY_BROKER_URL="+p.rabbit.TLSURL(), "CELERY_RESULT_BACKEND="+testenv.Redis(t).TLSURL(),
		"SHOP_DATABASE_URL_FILE="+secret, "SHOP_OBJECTS_URL="+p.objects.URL("csv"), "SHOP_MAIL_URL="+p.mail.URL())
	p.env = append(p.env, objectserver.Environ()...)
	p.store = store.New(p.postgres.URL())
	t.Cleanup(func() { _ = p.store.Close() })
	return p
}

// A keeper runs one process, and runs it again when it was killed, or has died for want of memory.
type keeper struct {
	args []string
	log  string

	mu        sync.Mutex // guards what follows
	cmd       *exec.Cmd
	address   string // of its pages, since it has begun the last time
	stopped   bool
	starvings int        // that its log has told of
	ended     chan error // gets why it has ended for good
}

func (p *production) keep(name string, args ...string) *keeper {
	p.t.Helper()
	k := &keeper{args: args, log: filepath.Join(p.folder, name+".log"), ended: make(chan error, 1)}
	begun := make(chan error, 1)
	go func() {
		for first := true; ; first = false {
			done, err := k.start(p)
			if first {
				begun <- err
			}
			if err == nil {
				err = <-done
			}
			k.mu.Lock()
			again := !k.stopped && k.cmd != nil && k.cmd.ProcessState != nil &&
				(k.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL || k.starved())
			k.mu.Unlock()
			if !again {
				k.ended <- err
				return
			}
		}
	}()
	if err := <-begun; err != nil {
		p.t.Fatal(err)
	}
	p.keepers = append(p.keepers, k)
	return k
}

// starved tells whether the process has died for want of memory; it holds true once for each.
func (k *keeper) starved() bool {
	text, err := os.ReadFile(k.log)
	if err != nil {
		return false
	}
	n := bytes.Count(text, []byte(starving))
	was := k.starvings
	k.starvings = n
	return n > was
}

var opened = regexp.MustCompile(`the shop is open: (http://\S+)/`)

func (k *keeper) start(p *production) (<-chan error, error) {
	log, err := os.OpenFile(k.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(p.t.Context(), os.Args[0], k.args...) // killed at the latest when the test ends
	cmd.Env, cmd.Stdout = p.env, log
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.cmd = cmd
	k.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		defer log.Close()
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if m := opened.FindStringSubmatch(lines.Text()); m != nil {
				k.mu.Lock()
				k.address = m[1]
				k.mu.Unlock()
			}
		}
		done <- cmd.Wait()
	}()
	return done, nil
}

// kill ends the process as a crash would; it begins again.
func (k *keeper) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.cmd.Process.Kill()
}

// stop ends all processes in good order.
func (p *production) stop() {
	p.t.Helper()
	for _, k := range p.keepers {
		k.mu.Lock()
		k.stopped = true
		_ = k.cmd.Process.Signal(syscall.SIGTERM)
		k.mu.Unlock()
	}
	for _, k := range p.keepers {
		if err := <-k.ended; err != nil {
			text, _ := os.ReadFile(k.log)
			p.t.Errorf("%v: %v\n%s", k.args, err, text)
		}
	}
}

// open starts everything: pages and report workers in pairs, so that one goes on while the other begins again.
func (p *production) open() {
	p.t.Helper()
	for i := range 2 {
		p.webs = append(p.webs, p.keep(fmt.Sprintf("web%d", i), "web", "--address", "127.0.0.1:0", "--relay-lease", "1s"))
	}
	for i, line := range workerLines {
		p.keep(fmt.Sprintf("worker%d", i), strings.Fields(line)...)
		if strings.Contains(line, "-Q reports") || strings.Contains(line, "notifications") {
			p.keep(fmt.Sprintf("worker%d-2", i), strings.Fields(strings.Replace(line, "_worker@", "_worker2@", 1))...)
		}
	}
	for _, q := range []string{"high_priority", "default", "maintenance"} {
		p.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Consumers == 1 })
	}
	for _, q := range []string{"reports", "notifications"} {
		p.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Consumers == 2 })
	}
}

// call asks one of the web processes, and another one when that was killed, under the same idempotency key.
func (p *production) call(method, path, key string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	var last string
	testenv.Await(p.t, method+" "+path, func() bool {
		for _, k := range p.webs {
			k.mu.Lock()
			address := k.address
			k.mu.Unlock()
			status, answer, err := p.ask(method, address+path, key, text)
			if last = fmt.Sprint(status, " ", string(answer), err); err == nil && status < 300 && json.Unmarshal(answer, into) == nil {
				return true
			}
		}
		return false
	}, func() string { return last })
}

func (p *production) ask(method, url, key string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// A report as the API shows it.
type report struct {
	ID    int64  `json:"id"`
	State string `json:"state"`
	Rows  int    `json:"rows"`
	Bytes int64  `json:"bytes"`
	Error string `json:"error"`
}

func (p *production) request(key, since, until string) report {
	p.t.Helper()
	var r report
	p.call("POST", "/api/reports", key, map[string]string{"since": since, "until": until, "email": key + "@example.com"}, &r)
	return r
}

func (p *production) await(id int64, state string) report {
	p.t.Helper()
	var r report
	testenv.Await(p.t, fmt.Sprintf("report %d", id), func() bool {
		p.call("GET", fmt.Sprintf("/api/reports/%d", id), "", nil, &r)
		return r.State == state
	}, func() string { return fmt.Sprintf("%+v, want it %s", r, state) })
	return r
}

func (p *production) arm(name string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.kills, name), nil, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *production) disarm(name string) {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.kills, name)); err != nil {
		p.t.Fatal(err)
	}
}

// orders places n orders of one dill and waits until the customers have been told.
func (p *production) orders(name string, n int) {
	p.t.Helper()
	type order struct {
		ID        int64  `json:"id"`
		State     string `json:"state"`
		Confirmed bool   `json:"confirmed"`
	}
	placed := make([]order, n)
	for i := range placed {
		p.call("POST", "/api/orders", fmt.Sprintf("%s-%d", name, i), map[string]any{"customer": "ada@example.com", "sku": "dill", "quantity": 1}, &placed[i])
	}
	for i := range placed {
		o := &placed[i]
		testenv.Await(p.t, fmt.Sprintf("order %d", o.ID), func() bool {
			p.call("GET", fmt.Sprintf("/api/orders/%d", o.ID), "", nil, o)
			return o.State == "paid" && o.Confirmed
		}, func() string { return fmt.Sprintf("%+v, want it paid and confirmed", *o) })
	}
}

// mailed counts mails by their Message-ID.
func (p *production) mailed() map[string]int {
	ids := make(map[string]int)
	for _, m := range p.mail.Mails() {
		ids[m.Header.Get("Message-ID")]++
	}
	return ids
}

// long is how many orders of the past make a report that goes up in parts.
const long = 110_000

// past writes orders of the past by one statement, and their entry of the audit trail.
func (p *production) past() {
	p.t.Helper()
	p.shop("seed", "--past", "3000")
	p.postgres.Query(fmt.Sprintf(`INSERT INTO orders (customer, sku, quantity, total, state, placed, payment, confirmed, imported)
		SELECT 'customer-' || n || '@example.com', 'dill', 1, 249, 'paid', %d + n, 'OLD-' || n, 1, 1 FROM generate_series(1, %d) n`,
		time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC).Unix(), long))
	p.postgres.Query(fmt.Sprintf(`INSERT INTO audit (at, who, origin, action, object, outcome, args, task, detail)
		VALUES (%d, 'test', '', 'orders.import', '', '', '', '', '{"n": %d}')`, time.Now().UnixMilli(), long))
}

func TestProductionBearsKillsAtEveryStep(t *testing.T) {
	p := newProduction(t)
	p.past()
	p.open()
	recent := time.Now().AddDate(0, 0, -40).Format(time.DateOnly)

	// Whoever passes a point of a report's way is killed there, once. The report is made all the same, once.
	want := make(map[int64]int)     // rows by report
	mayBeTwice := map[string]bool{} // mails, by Message-ID: SMTP cannot be asked whether one was taken
	for _, point := range []string{"outbox claimed", "outbox published", "report begun", "report half written", "report written", "report noted",
		"report told", "mail claimed", "mail delivered", "mail noted"} {
		p.arm(point)
		r := p.request(strings.ReplaceAll(point, " ", "-"), recent, "")
		p.await(r.ID, "ready")
		id := fmt.Sprintf("<report-%d-ready@shop.example>", r.ID)
		testenv.Await(t, "kill at "+point+", and the mail", func() bool {
			_, err := os.Stat(filepath.Join(p.kills, point+" done"))
			return err == nil && p.mailed()[id] > 0
		}, func() string { return fmt.Sprint(p.mailed()) })
		mayBeTwice[id] = point == "mail delivered"
		want[r.ID] = 3000
	}
	p.arm("report half written@95") // 8 MB of it are in the bucket by then, as parts
	r := p.request("long", "2020-01-01", "2020-12-31")
	p.await(r.ID, "ready")
	want[r.ID] = long

	// A report that kills each worker that begins it is given up. Orders do not mind.
	p.arm("report begun always")
	poison := p.request("poison", recent, "")
	p.orders("poison", 8)
	p.await(poison.ID, "failed")
	p.disarm("report begun always")
	p.rabbit.AwaitQueue("reports.dlq", func(q testenv.RabbitQueue) bool { return q.Messages == 1 })

	// Nor do they mind one that hangs and heeds nobody, until its worker is killed.
	p.arm("report begun hang")
	hung := p.request("hung", recent, "")
	testenv.Await(t, "a report that hangs", func() bool { _, err := os.Stat(filepath.Join(p.kills, "report begun hang done")); return err == nil }, nil)
	p.orders("hung", 8)
	if got := p.await(hung.ID, "running"); got.Rows != 0 {
		t.Errorf("the report that hangs: %+v", got)
	}
	for _, k := range p.keepers {
		if slices.Contains(k.args, "reports") {
			k.kill()
		}
	}
	want[hung.ID] = p.await(hung.ID, "ready").Rows
	if n := want[hung.ID]; n < 3000+8 || n > 3000+16 { // those placed before it was requested, or within the second
		t.Errorf("the report that hung has %d rows", n)
	}

	// Nor one that takes memory until its worker dies.
	p.arm("report begun oom")
	greedy := p.request("greedy", recent, "")
	p.orders("greedy", 8)
	want[greedy.ID] = p.await(greedy.ID, "ready").Rows
	if n := want[greedy.ID]; n < 3000+16 || n > 3000+24 {
		t.Errorf("the report that took all memory has %d rows", n)
	}
	starved := 0
	for _, k := range p.keepers {
		k.mu.Lock()
		starved += k.starvings
		k.mu.Unlock()
	}
	if starved == 0 {
		t.Error("no worker has died for want of memory")
	}

	const placed = 24 // orders
	testenv.Await(t, "mails", func() bool { return len(p.mailed()) >= len(want)+placed },
		func() string { return fmt.Sprintf("%d, want %d: %v", len(p.mailed()), len(want)+placed, p.mailed()) })
	for _, q := range []string{"high_priority", "default", "low_priority", "reports", "maintenance", "notifications"} {
		p.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	}
	p.stop()
	p.check(want, mayBeTwice, placed)
}

// check looks at everything there is: files, rows, mails, money, and the audit trail.
func (p *production) check(want map[int64]int, mayBeTwice map[string]bool, orders int) {
	t := p.t
	t.Helper()
	for _, v := range objectserver.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	files, err := objects.Open(p.objects.URL("csv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = files.Each(t.Context(), func(o objects.Object) error {
		n++
		var id int64
		_, _ = fmt.Sscanf(o.Name, "report-%d.csv", &id)
		row, err := p.store.Report(t.Context(), id)
		if err != nil {
			return err
		}
		body, size, err := files.Open(t.Context(), o.Name)
		if err != nil {
			return err
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if row.State != store.Ready || row.File != o.Name || row.Rows != want[id] || row.Bytes != size || row.SHA256 != store.Hash(text) || bytes.Count(text, []byte("\n")) != want[id]+1 {
			t.Errorf("file %s of %d bytes has the row %+v, want %d rows", o.Name, size, row, want[id])
		}
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("%d files, %v, want one for each of %d reports", n, err, len(want))
	}
	// Of the long report's killed attempt parts are left, which the cleanup of a later day removes.
	if left, err := files.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || left > 1 {
		t.Errorf("%d unfinished uploads, %v", left, err)
	}

	mails := p.mailed()
	for id, times := range mails {
		if times != 1 && (!mayBeTwice[id] || times > 2) {
			t.Errorf("mail %s came %d times", id, times)
		}
	}
	if len(mails) != len(want)+orders {
		t.Errorf("%d mails, want %d: one for each report and each order", len(mails), len(want)+orders)
	}
	totals, err := p.store.Totals(t.Context(), 3000+long)
	if err != nil || totals.Orders[store.Paid] != orders || totals.Charges != orders || totals.Charged != totals.Taken || totals.Confirmed != orders {
		t.Errorf("totals %+v, %v, want %d orders paid, charged and confirmed", totals, err, orders)
	}
	faults, err := p.store.CheckAudit(t.Context())
	if err != nil || len(faults) > 0 {
		t.Errorf("the audit trail differs from the ledger: %v\n%s", err, strings.Join(faults, "\n"))
	}
}
