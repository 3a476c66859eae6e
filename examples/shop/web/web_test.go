package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/payment"
	"github.com/umbel-go/umbel/examples/shop/relay"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/examples/shop/trail"
	"github.com/umbel-go/umbel/examples/shop/web"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only decides how long a failing test takes.
const patience = 90 * time.Second

// A rig is a shop with its pages.
type rig struct {
	t      *testing.T
	store  *store.Store
	app    *umbel.App
	url    string
	client *http.Client
}

// open opens a shop whose shelves are full; working says whether somebody runs its tasks.
func open(t *testing.T, working bool, c web.Config) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, store: store.New(filepath.Join(dir, "shop.db"))}
	memory := "memory://" + strings.NewReplacer("/", "-", "_", "-").Replace(strings.ToLower(t.Name()))
	r.app = umbel.New("shop", umbel.WithConfig(umbel.Config{BrokerURL: []string{memory}, ResultBackend: memory}))
	r.app.Use(trail.New(r.app, r.store))
	files := objects.Folder(filepath.Join(dir, "reports"))
	mail := notifications.Register(r.app, notifications.Outbox(filepath.Join(dir, "outbox")), r.store)
	orders.Register(r.app, r.store, &payment.Bank{Ledger: r.store}, mail)
	reports.Register(r.app, r.store, files, mail)
	c.App, c.Store, c.Files, c.Relay = r.app, r.store, files, relay.New(r.app, r.store)
	h, err := web.Handler(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(h)
	server.Start()
	r.url = server.URL
	r.client = &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	g, ctx := errgroup.WithContext(ctx)
	if working {
		g.Go(func() error { return c.Relay.Run(ctx) })
		g.Go(func() error { return worker.New(r.app, worker.Config{Concurrency: 4, Pool: "goroutine"}).Run(ctx) })
	}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		stop()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		_ = r.app.Close()
		_ = r.store.Close()
	})
	err = r.store.Stock(t.Context(), []store.Article{{SKU: "dill", Name: "Dill, mammoth", Price: 249, OnHand: 100}, {SKU: "celeriac", Name: "Celeriac", Price: 900}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type answer struct {
	*http.Response
	body string
}

// send makes a request; edit may be nil.
func (r *rig) send(method, path, body string, edit func(*http.Request)) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if edit != nil {
		edit(req)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

// ask sends and requires a status; the answer is decoded.
func (r *rig) ask(status int, method, path, body string, edit func(*http.Request)) map[string]any {
	r.t.Helper()
	a := r.send(method, path, body, edit)
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.StatusCode != status {
		r.t.Fatalf("%s %s: %s %s, want %d", method, path, a.Status, a.body, status)
	}
	return v
}

func keyed(key string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Idempotency-Key", key) }
}

func (r *rig) await(what string, so func() bool) {
	r.t.Helper()
	testenv.Await(r.t, what, so, nil)
}

func TestAnOrderByTheAPI(t *testing.T) {
	r := open(t, true, web.Config{})
	body := `{"customer": "Ada <ada@example.com>", "sku": "dill", "quantity": 2}`
	a := r.send("POST", "/api/orders", body, keyed("k"))
	if a.StatusCode != 202 || a.Header.Get("Location") != "/api/orders/1" || !strings.Contains(a.body, `"state":"placed"`) || !strings.Contains(a.body, `"total":"4.98"`) {
		t.Errorf("%s %v %s", a.Status, a.Header, a.body)
	}
	if again := r.ask(202, "POST", "/api/orders", body, keyed("k")); again["id"] != 1.0 {
		t.Errorf("the same request again: %v", again)
	}
	r.ask(422, "POST", "/api/orders", `{"customer": "bob@example.com", "sku": "dill"}`, keyed("k"))
	r.await("paid and confirmed", func() bool {
		o := r.ask(200, "GET", "/api/orders/1", "", nil)
		return o["state"] == "paid" && o["confirmed"] == true && o["customer"] == "ada@example.com"
	})
	if list := r.ask(200, "GET", "/api/orders", "", nil)["orders"].([]any); len(list) != 1 {
		t.Errorf("orders: %v", list)
	}
	entries := r.ask(200, "GET", "/api/audit?object=order/1", "", nil)["entries"].([]any)
	if last := entries[0].(map[string]any); last["action"] != "order.confirm" || last["who"] != "task apps.orders.tasks.send_order_confirmation" ||
		!strings.HasPrefix(last["from"].(string), "celery@") || len(last["args_sha256"].(string)) != 64 || last["task_id"] == nil {
		t.Errorf("audit of what a task did: %v", last)
	}
	ends := 0
	for e, err := range r.store.Trail(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == store.TaskEnded && e.Outcome == "SUCCESS" {
			ends++
		}
	}
	if ends == 0 {
		t.Error("the audit trail knows of no task's end")
	}
	first := entries[len(entries)-1].(map[string]any)
	if first["action"] != "order.place" || first["who"] != "web" || first["from"] != "127.0.0.1" || first["args_sha256"] != store.Hash([]byte(body)) {
		t.Errorf("audit: %v", first)
	}
}

func TestARequestThatMakesNoSenseIsRefused(t *testing.T) {
	r := open(t, false, web.Config{})
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/api/orders", `{"customer": "ada", "sku": "dill"}`, 400, "no mail address"},
		{"/api/orders", `{"customer": "ada@example.com", "sku": "rhubarb"}`, 404, "no such thing"},
		{"/api/orders", `{"customer": "ada@example.com", "sku": "dill", "quantity": -1}`, 400, "want 1 to 1000"},
		{"/api/orders", `{"customer": "ada@example.com", "sku": "dill", "price": 1}`, 400, "unknown field"},
		{"/api/orders", `{"customer": `, 400, "the body"},
		{"/api/orders", `{} {}`, 400, "more than one"},
		{"/api/orders", `a=b`, 415, "application/json"},
		{"/api/orders", `{"customer": "` + strings.Repeat("x", 100_000) + `"}`, 413, "too large"},
		{"/api/reports", `{"since": "yesterday"}`, 400, "want a day"},
		{"/api/reports", `{"since": "2026-02-01", "until": "2026-01-01"}`, 400, "after the last"},
		{"/api/reports", `{"email": "x\r\nBcc: y@example.com"}`, 400, "no mail address"},
	} {
		a := r.send("POST", c.path, c.body, nil)
		if a.StatusCode != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s %.60s: %s %s, want %d and %q", c.path, c.body, a.Status, a.body, c.status, c.says)
		}
	}
	for _, path := range []string{"/api/orders/7", "/api/orders/x", "/api/reports/7", "/api/reports/7/file", "/api/reports/7/events", "/api/nothing"} {
		r.ask(404, "GET", path, "", nil)
	}
	if n, _, err := r.store.Outbox(t.Context()); err != nil || n != 0 {
		t.Errorf("%d tasks wait, %v", n, err)
	}
}

// An event of a stream.
type event struct{ id, name, data string }

// stream reads events of a report, from the beginning of a connection, until f has had enough.
func (r *rig) stream(id int, last string, f func(event) (more bool)) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/api/reports/%d/events", r.url, id), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		r.t.Fatalf("content type %q", kind)
	}
	var e event
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.data != "" && !f(e) {
				return
			}
			e = event{}
		}
	}
}

// A client that comes back is sent the last event at once, and misses nothing.
func TestProgressIsPushedAndTheLastEventReplayed(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	step.Watch(func(point string) {
		if point == "report half written" {
			select {
			case held <- struct{}{}:
			default:
			}
			<-hold
		}
	})
	defer step.Watch(func(string) {})
	r := open(t, true, web.Config{})
	past := make([]store.Order, 3500)
	for i := range past {
		past[i] = store.Order{SKU: "dill", Quantity: 1, State: store.Paid, Placed: time.Unix(int64(i), 0)}
	}
	if err := r.store.ImportOrders(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	if v := r.ask(202, "POST", "/api/reports", `{"email": "owner@example.com"}`, nil); v["id"] != 1.0 || v["state"] != "requested" {
		t.Errorf("report: %v", v)
	}
	r.ask(409, "GET", "/api/reports/1/file", "", nil)
	<-held
	hold <- struct{}{} // a thousand rows are told of, the next thousand not
	var seen event
	r.stream(1, "", func(e event) bool { seen = e; return !strings.Contains(e.data, `"done":1000`) })
	if !strings.Contains(seen.data, `"state":"running"`) || !strings.Contains(seen.data, `"of":3500`) || seen.name != "report" || seen.id == "" {
		t.Errorf("while it is written: %+v", seen)
	}
	r.stream(1, seen.id, func(e event) bool { // comes back
		if e != seen {
			t.Errorf("the first event of a client that comes back: %+v, want the last one: %+v", e, seen)
		}
		return false
	})
	close(hold)
	r.stream(1, seen.id, func(e event) bool { seen = e; return true }) // to its end
	if !strings.Contains(seen.data, `"state":"ready"`) || !strings.Contains(seen.data, `"rows":3500`) {
		t.Errorf("at the end: %+v", seen)
	}
	r.stream(1, "", func(e event) bool { // too late is not too late
		if e != seen {
			t.Errorf("after the end: %+v", e)
		}
		return true
	})

	a := r.send("GET", "/api/reports/1/file", "", nil)
	v := r.ask(200, "GET", "/api/reports/1", "", nil)
	if a.StatusCode != 200 || v["sha256"] != store.Hash([]byte(a.body)) || strings.Count(a.body, "\n") != 3501 || a.Header.Get("Content-Length") != fmt.Sprint(len(a.body)) ||
		!strings.Contains(a.Header.Get("Content-Disposition"), `"report-1.csv"`) || !strings.HasPrefix(a.Header.Get("Repr-Digest"), "sha-256=:") {
		t.Errorf("file: %s %v, %d bytes of %v", a.Status, a.Header, len(a.body), v)
	}
	last := r.ask(200, "GET", "/api/audit?object=report/1&limit=1", "", nil)["entries"].([]any)[0].(map[string]any)
	if last["action"] != "report.download" {
		t.Errorf("audit: %v", last)
	}
}

func TestAReportIsCancelled(t *testing.T) {
	r := open(t, false, web.Config{})
	r.ask(202, "POST", "/api/reports", `{}`, nil)
	ended := make(chan event, 1)
	began := make(chan struct{})
	go func() {
		n := 0
		r.stream(1, "", func(e event) bool {
			if n++; n == 1 {
				close(began)
			}
			select {
			case <-ended:
			default:
			}
			ended <- e
			return true
		})
		close(ended)
	}()
	<-began
	if v := r.ask(200, "POST", "/api/reports/1/cancel", "", nil); v["state"] != "cancelled" {
		t.Errorf("cancelled: %v", v)
	}
	var last event
	for e := range ended {
		last = e
	}
	if !strings.Contains(last.data, `"state":"cancelled"`) {
		t.Errorf("the last event: %+v", last)
	}
	r.ask(409, "POST", "/api/reports/1/cancel", "", nil)
}

var hidden = regexp.MustCompile(`name="key" value="([^"]+)"`)

// Without JavaScript pages do all there is to do, and a form that is sent twice is one request.
func TestFormsOfPages(t *testing.T) {
	r := open(t, false, web.Config{})
	page := r.send("GET", "/orders", "", nil)
	key := hidden.FindStringSubmatch(page.body)
	if key == nil {
		t.Fatal(page.body)
	}
	form := url.Values{"key": {key[1]}, "customer": {"ada@example.com"}, "sku": {"dill"}, "quantity": {"3"}}.Encode()
	for range 2 {
		if a := r.send("POST", "/orders", form, nil); a.StatusCode != 303 || a.Header.Get("Location") != "/orders/1" {
			t.Errorf("%s %s", a.Status, a.Header.Get("Location"))
		}
	}
	if a := r.send("POST", "/reports", "since=2026-01-01&until=2026-01-31&email=", nil); a.Header.Get("Location") != "/reports/1" {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if a := r.send("POST", "/reports/1/cancel", "x=", nil); a.StatusCode != 303 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for path, says := range map[string]string{"/": "in work", "/orders": "dill", "/orders/1": "7.47", "/orders?before=1": "no older orders", "/reports": "2026-01-01 to 2026-01-31",
		"/reports/1": "cancelled", "/audit": "order.place", "/audit?object=order/1": "Audit of order/1"} {
		if a := r.send("GET", path, "", nil); a.StatusCode != 200 || !strings.Contains(a.body, says) {
			t.Errorf("%s: %s, want %q in\n%s", path, a.Status, says, a.body)
		}
	}
	for path, status := range map[string]int{"/orders/9": 404, "/nothing": 404, "/orders?before=x": 400, "/static/../web.go": 301, "/static/layout.html": 404, "/static/none.css": 404} {
		if a := r.send("GET", path, "", nil); a.StatusCode != status && !(status == 301 && a.StatusCode == 307) {
			t.Errorf("%s: %s, want %d", path, a.Status, status)
		}
	}
	if a := r.send("POST", "/orders", "sku=dill&quantity=x&customer=a@example.com", nil); a.StatusCode != 400 || !strings.Contains(a.body, "want a number") {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

func TestWhatCustomersWriteIsTextOnPages(t *testing.T) {
	r := open(t, false, web.Config{})
	const evil = `<script>alert(1)</script>@example.com`
	if err := r.store.ImportOrders(t.Context(), []store.Order{{Customer: evil, SKU: "dill", Quantity: 1, State: store.Paid, Placed: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/orders", "/orders/1"} {
		a := r.send("GET", path, "", nil)
		if strings.Contains(a.body, "<script>alert") || !strings.Contains(a.body, "&lt;script&gt;alert") {
			t.Errorf("%s shows a customer's text as it is", path)
		}
		if p := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'self';") || strings.Contains(p, "unsafe") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, a.Header)
		}
		for _, word := range []string{`style="`, "onclick", "javascript:", "http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(a.body, "http://www.w3.org", ""), word) {
				t.Errorf("%s holds %q, which the policy forbids", path, word)
			}
		}
	}
}

func TestOtherSitesAndStrangersAreKeptOut(t *testing.T) {
	r := open(t, false, web.Config{})
	if a := r.send("POST", "/orders", "sku=dill&quantity=1&customer=a@example.com", func(q *http.Request) { q.Header.Set("Origin", "https://evil.example") }); a.StatusCode != 403 {
		t.Errorf("another site's form: %s", a.Status)
	}
	if a := r.send("GET", "/api/orders", "", func(q *http.Request) { q.Host = "evil.example" }); a.StatusCode != 421 {
		t.Errorf("another name for this machine: %s", a.Status)
	}

	r = open(t, false, web.Config{Password: "sesame"})
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
	}{
		"nobody":          {nil, 401},
		"wrong":           {func(q *http.Request) { q.SetBasicAuth("ann", "wrong") }, 401},
		"empty":           {func(q *http.Request) { q.SetBasicAuth("", "") }, 401},
		"a person":        {func(q *http.Request) { q.SetBasicAuth("ann", "sesame") }, 200},
		"a program":       {func(q *http.Request) { q.Header.Set("Authorization", "Bearer sesame") }, 200},
		"by another name": {func(q *http.Request) { q.SetBasicAuth("ann", "sesame"); q.Host = "shop.example" }, 200},
	} {
		if a := r.send("GET", "/api/articles", "", c.edit); a.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, a.Status, c.status)
		}
	}
	r.ask(202, "POST", "/api/orders", `{"customer": "ada@example.com", "sku": "dill"}`, func(q *http.Request) { q.SetBasicAuth("ann", "sesame") })
	if e, err := r.store.Audit(t.Context(), "order/1", 0, 1); err != nil || e[0].Who != "web ann" {
		t.Errorf("audit: %+v, %v", e, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := r.send("GET", path, "", nil); a.StatusCode != 204 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestTheTrailIsExportedWhole(t *testing.T) {
	r := open(t, false, web.Config{})
	r.ask(202, "POST", "/api/orders", `{"customer": "ada@example.com", "sku": "dill"}`, nil)
	a := r.send("GET", "/api/audit/export", "", nil)
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	var last store.Entry
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 4 || last.Action != store.AuditExported {
		t.Errorf("%d lines, the last %+v, %v", len(lines), last, err)
	}
	if bytes.Contains([]byte(a.body), []byte("ada@example.com")) {
		t.Error("the trail holds a customer's address")
	}
	for _, q := range []string{"?limit=0", "?limit=501", "?before=-1", "?limit=x"} {
		r.ask(400, "GET", "/api/audit"+q, "", nil)
	}
}
