package store_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

func execSQLite(t *testing.T, path, statement string) error {
	return exec(t, "sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String(), statement)
}

func execPostgres(t *testing.T, url, statement string) error { return exec(t, "pgx", url, statement) }

func exec(t *testing.T, driver, dsn, statement string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statement)
	return err
}

// live takes a shop through everything that its trail tells of.
func (l *lab) live(t *testing.T) {
	t.Helper()
	ctx := store.As(t.Context(), store.Actor{Who: "task x", From: "w1@host", Task: "id", Args: store.Hash([]byte("{}"))})
	must(t, l.ImportOrders(ctx, []store.Order{{SKU: "dill", Quantity: 1, State: store.Paid, Placed: time.Unix(1, 0)}}))
	for _, quantity := range []int{2, 9, 1} {
		id := l.order(t, quantity)
		must(t, l.Reserve(ctx, id))
		if quantity == 2 {
			for range 2 { // everything twice
				reference, err := l.Charge(ctx, id, 250, "PAY-1")
				must(t, err)
				must(t, l.Pay(ctx, id, reference))
				must(t, l.Confirm(ctx, id, time.Now()))
			}
		}
	}
	for _, email := range []string{"", "b@example.com"} {
		id, _, err := l.RequestReport(ctx, store.Report{Email: email}, store.Key{})
		must(t, err)
		r, err := l.BeginReport(ctx, store.Report{ID: id})
		must(t, err)
		r.File, r.Rows, r.Bytes, r.SHA256, r.Made, r.Expires = fmt.Sprintf("report-%d.csv", id), 1, 10, "sum", time.Now(), time.Now()
		_, err = l.FinishReport(ctx, r)
		must(t, err)
		if email == "" {
			_, err := l.ForgetReports(ctx, []store.Report{r})
			must(t, err)
		}
	}
	_, err := l.ClaimMail(ctx, "m", "id", time.Now(), time.Minute)
	must(t, err)
	must(t, l.MarkMail(ctx, "m", "proof"))
}

func testTrail(t *testing.T, l *lab) {
	l.live(t)
	l.equal(t)
	entries, err := l.Audit(t.Context(), "order/2", 0, 10) // the first was imported
	must(t, err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "order.confirm order.pay bank.charge order.reserve order.place" {
		t.Errorf("order 2: %s", got)
	}
	if e := entries[0]; e.Who != "task x" || e.From != "w1@host" || e.Task != "id" || len(e.Args) != 64 || time.Since(e.At) > time.Hour || e.Outcome == "" {
		t.Errorf("entry: %+v", e)
	}
	if e := entries[4]; !strings.HasPrefix(e.Who, "cli") {
		t.Errorf("entry of nobody in particular: %+v", e)
	}
	older, err := l.Audit(t.Context(), "", entries[0].Seq, 1)
	if err != nil || len(older) != 1 || older[0].Seq >= entries[0].Seq {
		t.Errorf("the next page: %+v, %v", older, err)
	}
}

func testTampering(t *testing.T, l *lab) {
	l.live(t)
	for _, c := range []struct{ change, back, want string }{
		{`UPDATE orders SET state = 'paid' WHERE id = 4`, `UPDATE orders SET state = 'reserved' WHERE id = 4`, "order 4 is paid"},
		{`UPDATE orders SET total = 1 WHERE id = 2`, `UPDATE orders SET total = 250 WHERE id = 2`, "for 0.01, by the trail"},
		{`UPDATE orders SET payment = 'x' WHERE id = 2`, `UPDATE orders SET payment = 'PAY-1' WHERE id = 2`, `paid by "x"`},
		{`UPDATE charges SET amount = 1`, `UPDATE charges SET amount = 250`, "charged 0.01"},
		{`INSERT INTO charges (order_id, amount, reference) VALUES (77, 1, 'x')`, `DELETE FROM charges WHERE order_id = 77`, "order 77 is charged"},
		{`UPDATE stock SET on_hand = 50`, `UPDATE stock SET on_hand = 0`, "50 of dill are on the shelf, by the trail 0"},
		{`UPDATE reports SET sha256 = 'other'`, `UPDATE reports SET sha256 = 'sum'`, "sum other, by the trail"},
		{`UPDATE mails SET sent = NULL`, `UPDATE mails SET sent = 1`, "mail/m is not known as sent"},
		{`UPDATE orders SET imported = 1 WHERE id = 2`, `UPDATE orders SET imported = 0 WHERE id = 2`, "2 orders were imported, by the trail 1"},
		{`DELETE FROM orders WHERE id = 3`, ``, "order 3 is gone"},
		{`DELETE FROM reports`, ``, "report/2 is gone"},
	} {
		must(t, l.exec(t, c.change))
		faults, err := l.CheckAudit(t.Context())
		if err != nil || !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("%s: %v\n%s\nwant %q", c.change, err, strings.Join(faults, "\n"), c.want)
		}
		if c.back != "" {
			must(t, l.exec(t, c.back))
			l.equal(t)
		}
	}
}

func testAppendOnly(t *testing.T, l *lab) {
	l.live(t)
	for _, statement := range []string{`UPDATE audit SET who = 'nobody'`, `DELETE FROM audit`, `DELETE FROM audit WHERE seq = 1`} {
		if err := l.exec(t, statement); err == nil {
			t.Errorf("%s was done", statement)
		}
	}
	if n, err := l.PruneAudit(t.Context(), time.Now().Add(time.Hour)); err == nil {
		t.Errorf("%d young entries were removed", n)
	}
	l.equal(t)
	// A year ago the shop was stocked with 4 more, and sold 3 of them by one order, which is paid.
	old := time.Now().Add(-365 * 24 * time.Hour)
	insert := `INSERT INTO audit (at, who, origin, action, object, outcome, args, task, detail) VALUES (%d, 'x', 'x', '%s', '%s', '', '', '', '%s')`
	must(t, l.exec(t, fmt.Sprintf(insert, old.UnixMilli(), store.StockAdded, "stock/dill", `{"sku": "dill", "quantity": 4}`)))
	must(t, l.exec(t, fmt.Sprintf(insert, old.UnixMilli(), store.OrderPlaced, "order/900", `{"sku": "dill", "quantity": 3, "total": 375}`)))
	must(t, l.exec(t, fmt.Sprintf(insert, old.UnixMilli(), store.OrderReserved, "order/900", `{"sku": "dill", "quantity": 3}`)))
	must(t, l.exec(t, fmt.Sprintf(`INSERT INTO orders (id, customer, sku, quantity, total, state, placed) VALUES (900, 'a', 'dill', 3, 375, 'reserved', %d)`, old.Unix())))
	must(t, l.exec(t, `UPDATE stock SET on_hand = on_hand + 1`))
	l.equal(t)
	n, err := l.PruneAudit(t.Context(), time.Now().Add(-store.LeastRetention))
	if err != nil || n != 3 {
		t.Errorf("%d old entries were removed, %v, want 3", n, err)
	}
	l.equal(t)
	if n, err := l.PruneAudit(t.Context(), time.Now().Add(-store.LeastRetention)); err != nil || n != 0 {
		t.Errorf("%d more were removed, %v", n, err)
	}
	must(t, l.exec(t, `UPDATE stock SET on_hand = on_hand + 1`))
	if faults, err := l.CheckAudit(t.Context()); err != nil || len(faults) != 1 {
		t.Errorf("after pruning a change of the shelf is not found: %v, %v", faults, err)
	}
}
