package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// The audit trail: who did what, when, from where, and what came of it. An entry is written in the transaction of the change
// that it tells of, so that there is neither a change without its entry nor an entry without its change. The database itself
// refuses to change an entry, and to remove one that is younger than LeastRetention.

// An Entry is one line of the audit trail.
type Entry struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	From    string    `json:"from"`
	Action  string    `json:"action"`
	Object  string    `json:"object"` // such as order/7; "" for none
	Outcome string    `json:"outcome"`
	Args    string    `json:"args_sha256,omitempty"`
	Task    string    `json:"task_id,omitempty"`
	Detail  Detail    `json:"detail,omitzero"`
}

// A Detail is what of a change must be known to repeat it. It holds no personal data.
type Detail struct {
	SKU      string `json:"sku,omitempty"`
	Quantity int    `json:"quantity,omitempty"`
	Total    Cents  `json:"total,omitempty"`
	Payment  string `json:"payment,omitempty"`
	File     string `json:"file,omitempty"`
	Rows     int    `json:"rows,omitempty"`
	Bytes    int64  `json:"bytes,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	N        int    `json:"n,omitempty"`
}

// Actions of the audit trail.
const (
	OrderPlaced     = "order.place"
	OrderReserved   = "order.reserve"
	OrderSoldOut    = "order.sold_out"
	OrderPaid       = "order.pay"
	OrderConfirmed  = "order.confirm"
	OrdersImported  = "orders.import"
	BankCharged     = "bank.charge"
	StockAdded      = "stock.add"
	StockBalance    = "stock.balance" // what was left of a shelf when older entries were removed
	ReportRequested = "report.request"
	ReportBegun     = "report.begin"
	ReportReady     = "report.ready"
	ReportFailed    = "report.fail"
	ReportCancelled = "report.cancel"
	ReportFetched   = "report.download"
	ReportExpired   = "report.expire"
	MailSent        = "mail.send"
	TaskPublished   = "task.publish"
	TaskEnded       = "task.end"
	AuditPruned     = "audit.prune"
	AuditExported   = "audit.export"
)

// LeastRetention is how long entries are kept at least.
const LeastRetention = 90 * 24 * time.Hour

func orderObject(id int64) string  { return "order/" + strconv.FormatInt(id, 10) }
func reportObject(id int64) string { return "report/" + strconv.FormatInt(id, 10) }

// note appends an entry within a transaction.
func (t *tx) note(ctx context.Context, action, object, outcome string, d Detail) error {
	detail, err := json.Marshal(d)
	if err != nil {
		return err
	}
	a := ActorOf(ctx)
	return t.exec(ctx, `INSERT INTO audit (at, who, origin, action, object, outcome, args, task, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		time.Now().UnixMilli(), a.Who, a.From, action, object, outcome, a.Args, a.Task, string(detail))
}

// Note appends an entry of something that changes nothing in this database.
func (s *Store) Note(ctx context.Context, action, object, outcome string) error {
	if err := s.change(ctx, func(t *tx) error { return t.note(ctx, action, object, outcome, Detail{}) }); err != nil {
		return fmt.Errorf("note %s in the audit trail: %w", action, err)
	}
	return nil
}

const entryColumns = `seq, at, who, origin, action, object, outcome, args, task, detail`

func scanEntry(row scanner) (Entry, error) {
	var e Entry
	var at int64
	var detail string
	err := row.Scan(&e.Seq, &at, &e.Who, &e.From, &e.Action, &e.Object, &e.Outcome, &e.Args, &e.Task, &detail)
	if err != nil {
		return e, err
	}
	e.At = time.UnixMilli(at).UTC()
	return e, json.Unmarshal([]byte(detail), &e.Detail)
}

// Audit is up to limit entries before seq before (0: the newest), the newest first. object "" means all.
func (s *Store) Audit(ctx context.Context, object string, before int64, limit int) ([]Entry, error) {
	if before <= 0 {
		before = 1 << 62
	}
	query, args := `SELECT `+entryColumns+` FROM audit WHERE seq < ?`, []any{before}
	if object != "" {
		query, args = query+` AND object = ?`, append(args, object)
	}
	var all []Entry
	err := s.rows(ctx, func(row scanner) error {
		e, err := scanEntry(row)
		all = append(all, e)
		return err
	}, query+` ORDER BY seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return all, nil
}

// Trail is the whole audit trail, oldest first, read one by one. After an error there are no more.
func (s *Store) Trail(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := s.rows(ctx, func(row scanner) error {
			e, err := scanEntry(row)
			if err == nil && !yield(e, nil) {
				return errStop
			}
			return err
		}, `SELECT `+entryColumns+` FROM audit ORDER BY seq`)
		if err != nil && !errors.Is(err, errStop) {
			yield(Entry{}, fmt.Errorf("read the audit trail: %w", err))
		}
	}
}

// PruneAudit removes entries of before a time, which is at least LeastRetention ago, and returns how many there were. What
// they say of the stock is kept as one entry for each article, so that CheckAudit goes on.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (n int, err error) {
	err = s.change(ctx, func(t *tx) error {
		left, order := map[string]int{}, []string{}
		err := t.rows(ctx, func(row scanner) error {
			e, err := scanEntry(row)
			if err != nil {
				return err
			}
			n++
			if change, ok := e.stock(); ok {
				if _, known := left[e.Detail.SKU]; !known {
					order = append(order, e.Detail.SKU)
				}
				left[e.Detail.SKU] += change
			}
			return nil
		}, `SELECT `+entryColumns+` FROM audit WHERE at < ? ORDER BY seq`, before.UnixMilli())
		if err != nil || n == 0 {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM audit WHERE at < ?`, before.UnixMilli()); err != nil {
			return err
		}
		for _, sku := range order {
			if err := t.note(ctx, StockBalance, "stock/"+sku, "", Detail{SKU: sku, Quantity: left[sku]}); err != nil {
				return err
			}
		}
		return t.note(ctx, AuditPruned, "", before.UTC().Format(time.RFC3339), Detail{N: n})
	})
	if err != nil {
		return 0, fmt.Errorf("remove old entries of the audit trail: %w", err)
	}
	return n, nil
}

// pruned is before which time entries have been removed; zero when none were.
func (s *Store) pruned(ctx context.Context) (time.Time, error) {
	row, err := s.row(ctx, `SELECT outcome FROM audit WHERE action = ? ORDER BY seq DESC LIMIT 1`, AuditPruned)
	var text string
	if err == nil {
		err = row.Scan(&text)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("read the audit trail: %w", err)
	}
	return time.Parse(time.RFC3339, text)
}

// stock is by how much an entry changes what is on a shelf.
func (e Entry) stock() (change int, ok bool) {
	switch e.Action {
	case StockAdded, StockBalance:
		return e.Detail.Quantity, true
	case OrderReserved:
		return -e.Detail.Quantity, true
	}
	return 0, false
}

// errStop ends an iteration.
var errStop = errors.New("stop")
