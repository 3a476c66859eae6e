package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dill = store.Article{SKU: "dill", Name: "Dill", Price: 125, OnHand: 3}

// A lab is a fresh database, which may be opened by several at once.
type lab struct {
	*store.Store
	location string
	exec     func(t *testing.T, statement string) error // past the store
}

// On both databases the same must hold.
var suite = map[string]func(*testing.T, *lab){
	"an order costs what the shelf says":                    testPrice,
	"orders are placed together or not at all":              testPlaceTogether,
	"stocking again adds to the shelf":                      testStockAgain,
	"reading orders stops with its context":                 testReadingStops,
	"goods are never sold twice":                            testSoldOnce,
	"a request is made once for each key":                   testKeys,
	"a request and its task are written together":           testOutbox,
	"what a relay has claimed is nobody else's for a while": testClaims,
	"a report goes its way, and only forward":               testReport,
	"numbers of reports are never used again":               testNumbers,
	"a mail is one task's at a time":                        testMail,
	"the audit trail equals the ledger":                     testTrail,
	"a change past the trail is found":                      testTampering,
	"the audit trail is only ever appended to":              testAppendOnly,
}

func TestStore(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *lab{"sqlite": openSQLite, "postgres": openPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range suite {
				t.Run(name, func(t *testing.T) {
					l := open(t)
					t.Cleanup(func() { _ = l.Close() })
					if err := l.Stock(t.Context(), []store.Article{dill}); err != nil {
						t.Fatal(err)
					}
					test(t, l)
				})
			}
		})
	}
}

func openSQLite(t *testing.T) *lab {
	path := filepath.Join(t.TempDir(), "a shop?#%20.db") // names that a URL would take apart
	return &lab{Store: store.New(path), location: path, exec: func(t *testing.T, statement string) error { return execSQLite(t, path, statement) }}
}

func openPostgres(t *testing.T) *lab {
	url := testenv.Postgres(t).URL()
	return &lab{Store: store.New(url), location: url, exec: func(t *testing.T, statement string) error { return execPostgres(t, url, statement) }}
}

// order places one order of so much dill.
func (l *lab) order(t *testing.T, quantity int) int64 {
	t.Helper()
	ids, err := l.PlaceOrders(t.Context(), []store.Order{{Customer: "a@example.com", SKU: "dill", Quantity: quantity, Placed: time.Unix(1e9, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testPrice(t *testing.T, l *lab) {
	id := l.order(t, 3)
	o, err := l.Order(t.Context(), id)
	if err != nil || o.Total != 375 || o.State != store.Placed || !o.Placed.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := l.Order(t.Context(), id+1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an order that does not exist: %v", err)
	}
	latest, err := l.LatestOrders(t.Context(), 0, 10)
	if err != nil || len(latest) != 1 || latest[0].ID != id {
		t.Errorf("latest: %+v, %v", latest, err)
	}
}

func testPlaceTogether(t *testing.T, l *lab) {
	_, err := l.PlaceOrders(t.Context(), []store.Order{{SKU: "dill", Quantity: 1}, {SKU: "rhubarb", Quantity: 1}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound of rhubarb", err)
	}
	if last, err := l.LastOrder(t.Context()); err != nil || last != 0 {
		t.Errorf("order %d was placed (%v)", last, err)
	}
}

func testStockAgain(t *testing.T, l *lab) {
	more := dill
	more.Price, more.OnHand = 130, 2
	must(t, l.Stock(t.Context(), []store.Article{more}))
	all, err := l.Articles(t.Context())
	if err != nil || len(all) != 1 || all[0].OnHand != 5 || all[0].Price != 130 {
		t.Errorf("%+v, %v", all, err)
	}
}

func testReadingStops(t *testing.T, l *lab) {
	if err := l.ImportOrders(t.Context(), make([]store.Order, 1)); err == nil {
		t.Error("an order without article, quantity and state was imported")
	}
	past := make([]store.Order, 500)
	for i := range past {
		past[i] = store.Order{SKU: "dill", Quantity: 1, State: store.Paid, Placed: time.Unix(int64(i), 0)}
	}
	must(t, l.ImportOrders(t.Context(), past))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, failed := 0, error(nil)
	for _, err := range l.Orders(ctx, time.Unix(0, 0), time.Unix(1000, 0)) {
		if err != nil {
			failed = err
			continue
		}
		if read++; read == 10 {
			cancel()
		}
	}
	if !errors.Is(failed, context.Canceled) || read == len(past) {
		t.Errorf("read %d orders, then %v; want it to stop", read, failed)
	}
	read = 0
	for range l.Orders(t.Context(), time.Unix(0, 0), time.Unix(1000, 0)) {
		if read++; read == 10 {
			break
		}
	}
	if n, err := l.CountOrders(t.Context(), time.Unix(100, 0), time.Unix(200, 0)); err != nil || n != 100 {
		t.Errorf("counted %d, %v", n, err)
	}
}

func testSoldOnce(t *testing.T, l *lab) {
	other := store.New(l.location) // as another process would open it
	defer other.Close()
	var ids []int64
	for range 12 {
		ids = append(ids, l.order(t, 1))
	}
	var wg sync.WaitGroup
	for i, id := range ids {
		for _, s := range []*store.Store{l.Store, other} { // each twice, and at once
			wg.Go(func() {
				if err := s.Reserve(t.Context(), id); err != nil {
					t.Errorf("order %d: %v", i, err)
				}
			})
		}
	}
	wg.Wait()
	totals, err := l.Totals(t.Context(), 0)
	articles, err2 := l.Articles(t.Context())
	if err != nil || err2 != nil || totals.Orders[store.Reserved] != 3 || totals.Orders[store.SoldOut] != 9 || articles[0].OnHand != 0 {
		t.Errorf("totals %+v, %v; shelf %+v; want 3 of 12 orders served", totals, err, articles)
	}
	l.equal(t)
}

// equal requires that the audit trail equals the tables.
func (l *lab) equal(t *testing.T) {
	t.Helper()
	faults, err := l.CheckAudit(t.Context())
	if err != nil || len(faults) > 0 {
		t.Errorf("audit: %v\n%s", err, strings.Join(faults, "\n"))
	}
}

func testKeys(t *testing.T, l *lab) {
	o := store.Order{Customer: "a@example.com", SKU: "dill", Quantity: 1, Placed: time.Unix(1e9, 0)}
	key := store.Key{Text: "k1", Hash: "h1"}
	var mu sync.Mutex
	ids, firsts := map[int64]bool{}, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			id, first, err := l.RequestOrder(t.Context(), o, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ids[id] = true; first {
				firsts++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || firsts != 1 {
		t.Errorf("eight requests of one key made orders %v, %d of them the first", ids, firsts)
	}
	if _, _, err := l.RequestOrder(t.Context(), o, store.Key{Text: "k1", Hash: "other"}); !errors.Is(err, store.ErrKeyTaken) {
		t.Errorf("the key for another request: %v", err)
	}
	if _, first, err := l.RequestReport(t.Context(), store.Report{}, key); err != nil || !first {
		t.Errorf("the key for a report: %t, %v", first, err)
	}
	// A request that fails keeps no key.
	bad := o
	bad.SKU = "rhubarb"
	if _, _, err := l.RequestOrder(t.Context(), bad, store.Key{Text: "k2", Hash: "h2"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("rhubarb: %v", err)
	}
	if _, first, err := l.RequestOrder(t.Context(), o, store.Key{Text: "k2", Hash: "h3"}); err != nil || !first {
		t.Errorf("after a failure: %t, %v", first, err)
	}
	l.equal(t)
}

func testOutbox(t *testing.T, l *lab) {
	id, _, err := l.RequestOrder(t.Context(), store.Order{Customer: "a@example.com", SKU: "dill", Quantity: 1, Placed: time.Now()}, store.Key{})
	must(t, err)
	report, _, err := l.RequestReport(t.Context(), store.Report{Since: time.Unix(0, 0), Until: time.Unix(9, 0), Email: "b@example.com"}, store.Key{})
	must(t, err)
	if n, oldest, err := l.Outbox(t.Context()); err != nil || n != 2 || time.Since(oldest) > time.Hour {
		t.Errorf("outbox: %d since %v, %v", n, oldest, err)
	}
	out, err := l.ClaimOutgoing(t.Context(), time.Now(), time.Minute, 10)
	if err != nil || len(out) != 2 || out[0].Task != store.ProcessOrder || out[1].Task != store.GenerateReport {
		t.Fatalf("outbox: %+v, %v", out, err)
	}
	o, err := l.Order(t.Context(), id)
	if err != nil || o.Task != out[0].TaskID || string(out[0].Kwargs) != `{"order_id":1}` || id != 1 {
		t.Errorf("order %+v, %v; outbox %+v", o, err, out[0])
	}
	r, err := l.Report(t.Context(), report)
	if err != nil || r.Task != out[1].TaskID || r.State != store.Requested || string(out[1].Kwargs) != `{"email":"b@example.com","report_id":1}` {
		t.Errorf("report %+v, %v; outbox %+v", r, err, out[1])
	}
	must(t, l.MarkOutgoing(t.Context(), out[0], nil, time.Time{}))
	must(t, l.MarkOutgoing(t.Context(), out[0], nil, time.Time{})) // a second relay
	must(t, l.MarkOutgoing(t.Context(), out[1], errors.New("no broker"), time.Now().Add(-time.Second)))
	again, err := l.ClaimOutgoing(t.Context(), time.Now(), time.Minute, 10)
	if err != nil || len(again) != 1 || again[0].TaskID != out[1].TaskID {
		t.Errorf("after one was sent: %+v, %v", again, err)
	}
	must(t, l.MarkOutgoing(t.Context(), again[0], nil, time.Time{}))
	must(t, l.ForgetOutgoing(t.Context(), time.Now().Add(time.Hour)))
	published := 0
	for e, err := range l.Trail(t.Context()) {
		must(t, err)
		if e.Action == store.TaskPublished {
			published++
		}
	}
	if published != 2 {
		t.Errorf("%d entries of published tasks, want 2", published)
	}
}

func testClaims(t *testing.T, l *lab) {
	const n = 20
	for range n {
		_, _, err := l.RequestReport(t.Context(), store.Report{}, store.Key{})
		must(t, err)
	}
	other := store.New(l.location)
	defer other.Close()
	now := time.Now()
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for i := range 6 {
		s := []*store.Store{l.Store, other}[i%2]
		wg.Go(func() {
			for {
				out, err := s.ClaimOutgoing(t.Context(), now, time.Minute, 3)
				if err != nil {
					t.Error(err)
				}
				if len(out) == 0 {
					return
				}
				mu.Lock()
				for _, o := range out {
					seen[o.TaskID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("task %s was claimed %d times", id, times)
		}
	}
	// Two that look at once may find the same rows, and one goes away empty-handed; what is left is there for the next.
	rest, err := l.ClaimOutgoing(t.Context(), now, time.Minute, n)
	if err != nil || len(rest)+len(seen) != n {
		t.Errorf("%d claimed, %d left, %v, want %d", len(seen), len(rest), err, n)
	}
	if again, err := l.ClaimOutgoing(t.Context(), now.Add(time.Minute+time.Second), time.Minute, 2*n); err != nil || len(again) != n {
		t.Errorf("%d after the lease, %v, want all %d", len(again), err, n)
	}
}

func testReport(t *testing.T, l *lab) {
	ctx := t.Context()
	id, _, err := l.RequestReport(ctx, store.Report{Since: time.Unix(100, 0), Until: time.Unix(200, 0)}, store.Key{})
	must(t, err)
	begun, err := l.BeginReport(ctx, store.Report{ID: id, Since: time.Unix(0, 0), Until: time.Unix(9, 0)})
	if err != nil || begun.State != store.Running || !begun.Since.Equal(time.Unix(100, 0)) || !begun.Until.Equal(time.Unix(200, 0)) {
		t.Errorf("begun: %+v, %v, want the days of the request", begun, err)
	}
	if of, err := l.ReportOf(ctx, begun.Task); err != nil || of != id {
		t.Errorf("report of its task: %d, %v", of, err)
	}
	must(t, l.FailReport(ctx, id, "no disk"))
	if r, err := l.BeginReport(ctx, store.Report{ID: id}); err != nil || r.State != store.Running || r.Error != "" {
		t.Errorf("begun again: %+v, %v", r, err)
	}
	done := begun
	done.File, done.Rows, done.Bytes, done.SHA256, done.Made, done.Expires = "report-1.csv", 3, 90, "abc", time.Unix(300, 0), time.Unix(400, 0)
	first, err := l.FinishReport(ctx, done)
	if err != nil || first.State != store.Ready || first.SHA256 != "abc" {
		t.Errorf("finished: %+v, %v", first, err)
	}
	done.SHA256 = "def"
	if second, err := l.FinishReport(ctx, done); err != nil || second != first {
		t.Errorf("finished again: %+v, %v", second, err)
	}
	if r, err := l.BeginReport(ctx, store.Report{ID: id}); err != nil || r != first {
		t.Errorf("begun when it was ready: %+v, %v", r, err)
	}
	must(t, l.FailReport(ctx, id, "too late"))
	if ended, err := l.CancelReport(ctx, id); err != nil || ended {
		t.Errorf("cancelled when it was ready: %t, %v", ended, err)
	}
	gone, _, err := l.RequestReport(ctx, store.Report{}, store.Key{})
	must(t, err)
	if ended, err := l.CancelReport(ctx, gone); err != nil || !ended {
		t.Errorf("cancelled: %t, %v", ended, err)
	}
	if r, err := l.BeginReport(ctx, store.Report{ID: gone}); err != nil || r.State != store.Cancelled {
		t.Errorf("begun when it was cancelled: %+v, %v", r, err)
	}
	l.equal(t)
	expired, err := l.ExpiredReports(ctx, time.Unix(401, 0), time.Hour, 0, 10)
	if err != nil || len(expired) != 1 || expired[0].ID != id {
		t.Errorf("expired: %+v, %v", expired, err)
	}
	expired, err = l.ExpiredReports(ctx, time.Now().Add(2*time.Hour), time.Hour, 0, 10)
	if err != nil || len(expired) != 2 {
		t.Errorf("expired two hours later: %+v, %v", expired, err)
	}
	for range 2 {
		_, err := l.ForgetReports(ctx, expired)
		must(t, err)
	}
	if left, err := l.LatestReports(ctx, 0, 10); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	l.equal(t)
}

func testNumbers(t *testing.T, l *lab) {
	ctx := t.Context()
	if r, err := l.BeginReport(ctx, store.Report{ID: 70, Until: time.Unix(9, 0)}); err != nil || r.State != store.Running {
		t.Errorf("a report that nobody requested: %+v, %v", r, err)
	}
	next, err := l.NextReport(ctx)
	if err != nil || next != 71 {
		t.Errorf("next is %d, %v, want 71", next, err)
	}
	id, _, err := l.RequestReport(ctx, store.Report{}, store.Key{})
	if err != nil || id != 72 {
		t.Errorf("requested %d, %v, want 72", id, err)
	}
	_, err = l.ForgetReports(ctx, []store.Report{{ID: 72}})
	must(t, err)
	if id, _, err = l.RequestReport(ctx, store.Report{}, store.Key{}); err != nil || id != 73 {
		t.Errorf("requested %d after the last was removed, %v, want 73", id, err)
	}
}

func testMail(t *testing.T, l *lab) {
	ctx, now := t.Context(), time.Now()
	claim := func(task string, at time.Time) (string, error) { return l.ClaimMail(ctx, "m", task, at, time.Minute) }
	if proof, err := claim("a", now); err != nil || proof != "" {
		t.Errorf("first: %q, %v", proof, err)
	}
	if _, err := claim("b", now); !errors.Is(err, store.ErrMailBusy) {
		t.Errorf("another task meanwhile: %v", err)
	}
	if _, err := claim("a", now); err != nil {
		t.Errorf("the same task again: %v", err)
	}
	if _, err := claim("b", now.Add(2*time.Minute)); err != nil {
		t.Errorf("another one when the lease is over: %v", err)
	}
	must(t, l.MarkMail(ctx, "m", "by b"))
	must(t, l.MarkMail(ctx, "m", "by a"))
	for _, task := range []string{"a", "b", "c"} {
		if proof, err := claim(task, now.Add(time.Hour)); err != nil || proof != "by b" {
			t.Errorf("task %s when it is sent: %q, %v", task, proof, err)
		}
	}
	l.equal(t)
}

func TestManyMayOpenANewDatabaseAtOnce(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *lab{"sqlite": openSQLite, "postgres": openPostgres} {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					s := store.New(l.location)
					defer s.Close()
					if err := s.Ping(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAPasswordIsInNoError(t *testing.T) {
	s := store.New("postgres://ann:hunter2@127.0.0.1:1/shop?sslmode=disable")
	err := s.Ping(t.Context())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if bad := store.New("postgres://ann:hunter2%zz@127.0.0.1/shop").Ping(t.Context()); bad == nil || strings.Contains(bad.Error(), "hunter2") {
		t.Errorf("got %v", bad)
	}
}

func TestAFileOfAnOlderShopIsRefused(t *testing.T) {
	l := openSQLite(t)
	if err := l.exec(t, "CREATE TABLE orders (id INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	if err := l.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "older shop") {
		t.Errorf("got %v", err)
	}
}

func TestCents(t *testing.T) {
	for c, want := range map[store.Cents]string{0: "0.00", 5: "0.05", 120: "1.20", 123456: "1234.56", -5: "-0.05", -250: "-2.50"} {
		if got := c.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(c), got, want)
		}
	}
}
