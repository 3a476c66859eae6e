package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckAudit replays the audit trail from its beginning and compares what comes of it with the tables: every order, charge,
// report, mail and shelf. It returns what differs, in words; nothing when the trail equals the ledger. It holds one line for
// each order in memory, and is right when nobody writes meanwhile.
func (s *Store) CheckAudit(ctx context.Context) ([]string, error) {
	r := replay{orders: make(map[int64]*Order), charges: make(map[int64]Cents), reports: make(map[string]Entry), stock: make(map[string]int), mails: make(map[string]bool)}
	var err error
	if r.pruned, err = s.pruned(ctx); err != nil {
		return nil, err
	}
	for e, err := range s.Trail(ctx) {
		if err != nil {
			return nil, err
		}
		r.add(e)
	}
	for _, compare := range []func(context.Context, *replay) error{s.compareOrders, s.compareCharges, s.compareReports, s.compareMails, s.compareStock} {
		if err := compare(ctx, &r); err != nil {
			return nil, fmt.Errorf("compare the audit trail with the ledger: %w", err)
		}
	}
	return r.faults, nil
}

// A replay is what the trail says there must be.
type replay struct {
	orders   map[int64]*Order
	imported int
	charges  map[int64]Cents
	reports  map[string]Entry // the last entry that says how a report stands, by object
	mails    map[string]bool
	stock    map[string]int
	pruned   time.Time // entries of before are gone; zero when none are
	faults   []string
}

func (r *replay) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// before are the states an order may be in when an entry moves it on.
var before = map[string]State{OrderReserved: Placed, OrderSoldOut: Placed, OrderPaid: Reserved, OrderConfirmed: Paid}

// after is the state an entry moves an order to.
var after = map[string]State{OrderPlaced: Placed, OrderReserved: Reserved, OrderSoldOut: SoldOut, OrderPaid: Paid, OrderConfirmed: Paid}

func (r *replay) add(e Entry) {
	if change, ok := e.stock(); ok {
		r.stock[e.Detail.SKU] += change
	}
	switch e.Action {
	case OrderPlaced, OrderReserved, OrderSoldOut, OrderPaid, OrderConfirmed:
		r.move(e)
	case OrdersImported:
		r.imported += e.Detail.N
	case BankCharged:
		id := numberOf(e.Object)
		if _, twice := r.charges[id]; twice {
			r.fault("entry %d: %s is charged a second time", e.Seq, e.Object)
		}
		r.charges[id] = e.Detail.Total
	case ReportRequested, ReportBegun, ReportReady, ReportFailed, ReportCancelled, ReportExpired:
		if last := r.reports[e.Object]; e.Action == ReportReady && last.Action == ReportReady {
			r.fault("entry %d: %s is ready a second time", e.Seq, e.Object)
		}
		r.reports[e.Object] = e
	case MailSent:
		if r.mails[e.Object] {
			r.fault("entry %d: %s is sent a second time", e.Seq, e.Object)
		}
		r.mails[e.Object] = true
	}
}

// move takes an order one step on.
func (r *replay) move(e Entry) {
	id := numberOf(e.Object)
	o, known := r.orders[id]
	if !known {
		o = &Order{ID: id, State: before[e.Action]} // its earlier entries may have been removed
		r.orders[id] = o
		if e.Action != OrderPlaced && r.pruned.IsZero() {
			r.fault("entry %d: %s of %s, which was never placed", e.Seq, e.Action, e.Object)
		}
	} else if o.State != before[e.Action] || e.Action == OrderConfirmed && o.Confirmed {
		r.fault("entry %d: %s of %s, which is %s already", e.Seq, e.Action, e.Object, o.State)
	}
	o.State = after[e.Action]
	switch e.Action {
	case OrderPlaced:
		o.SKU, o.Quantity, o.Total = e.Detail.SKU, e.Detail.Quantity, e.Detail.Total
	case OrderPaid:
		o.Payment = e.Detail.Payment
	case OrderConfirmed:
		o.Confirmed = true
	}
}

// numberOf is 7 for order/7.
func numberOf(object string) int64 {
	_, text, _ := strings.Cut(object, "/")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return id
}

func (s *Store) compareOrders(ctx context.Context, r *replay) error {
	imported := 0
	err := s.rows(ctx, func(row scanner) error {
		var o Order
		var placed int64
		var old int
		if err := row.Scan(&o.ID, &o.SKU, &o.Quantity, &o.Total, &o.State, &placed, &o.Payment, &o.Confirmed, &old); err != nil {
			return err
		}
		if old != 0 {
			imported++
			return nil
		}
		want, known := r.orders[o.ID]
		delete(r.orders, o.ID)
		switch {
		case !known:
			if time.Unix(placed, 0).After(r.pruned) {
				r.fault("order %d is %s, and the trail does not know it", o.ID, o.State)
			}
		case want.State != o.State || want.Confirmed != o.Confirmed:
			r.fault("order %d is %s (confirmed: %t), by the trail %s (%t)", o.ID, o.State, o.Confirmed, want.State, want.Confirmed)
		case want.SKU != "" && (want.SKU != o.SKU || want.Quantity != o.Quantity || want.Total != o.Total):
			r.fault("order %d is of %d × %s for %s, by the trail %d × %s for %s", o.ID, o.Quantity, o.SKU, o.Total, want.Quantity, want.SKU, want.Total)
		case want.Payment != "" && want.Payment != o.Payment:
			r.fault("order %d is paid by %q, by the trail %q", o.ID, o.Payment, want.Payment)
		}
		return nil
	}, `SELECT id, sku, quantity, total, state, placed, payment, confirmed IS NOT NULL, imported FROM orders ORDER BY id`)
	for _, id := range slices.Sorted(maps.Keys(r.orders)) {
		r.fault("order %d is gone, which the trail knows as %s", id, r.orders[id].State)
	}
	if r.pruned.IsZero() && imported != r.imported {
		r.fault("%d orders were imported, by the trail %d", imported, r.imported)
	}
	return err
}

func (s *Store) compareCharges(ctx context.Context, r *replay) error {
	err := s.rows(ctx, func(row scanner) error {
		var id int64
		var amount Cents
		if err := row.Scan(&id, &amount); err != nil {
			return err
		}
		want, known := r.charges[id]
		delete(r.charges, id)
		if (!known && r.pruned.IsZero()) || (known && want != amount) {
			r.fault("order %d is charged %s, by the trail %s", id, amount, want)
		}
		return nil
	}, `SELECT order_id, amount FROM charges ORDER BY order_id`)
	for _, id := range slices.Sorted(maps.Keys(r.charges)) {
		r.fault("the charge of order %d is gone", id)
	}
	return err
}

// standing is the state of a report after an entry.
var standing = map[string]ReportState{ReportRequested: Requested, ReportBegun: Running, ReportReady: Ready, ReportFailed: Failed, ReportCancelled: Cancelled}

func (s *Store) compareReports(ctx context.Context, r *replay) error {
	err := s.rows(ctx, func(row scanner) error {
		var id, bytes int64
		var state ReportState
		var sum string
		if err := row.Scan(&id, &state, &bytes, &sum); err != nil {
			return err
		}
		want, known := r.reports[reportObject(id)]
		delete(r.reports, reportObject(id))
		switch {
		case !known && r.pruned.IsZero():
			r.fault("report %d is %s, and the trail does not know it", id, state)
		case known && standing[want.Action] != state:
			r.fault("report %d is %s, by the trail %s", id, state, standing[want.Action])
		case want.Action == ReportReady && (want.Detail.SHA256 != sum || want.Detail.Bytes != bytes):
			r.fault("report %d has %d bytes and sum %.8s, by the trail %d and %.8s", id, bytes, sum, want.Detail.Bytes, want.Detail.SHA256)
		}
		return nil
	}, `SELECT id, state, bytes, sha256 FROM reports ORDER BY id`)
	for _, object := range slices.Sorted(maps.Keys(r.reports)) {
		if last := r.reports[object]; last.Action != ReportExpired {
			r.fault("%s is gone, which the trail knows as %s", object, standing[last.Action])
		}
	}
	return err
}

func (s *Store) compareMails(ctx context.Context, r *replay) error {
	err := s.rows(ctx, func(row scanner) error {
		var key string
		if err := row.Scan(&key); err != nil {
			return err
		}
		if !r.mails["mail/"+key] && r.pruned.IsZero() {
			r.fault("mail %s was sent, and the trail does not know it", key)
		}
		delete(r.mails, "mail/"+key)
		return nil
	}, `SELECT key FROM mails WHERE sent IS NOT NULL ORDER BY key`)
	for _, object := range slices.Sorted(maps.Keys(r.mails)) {
		r.fault("%s is not known as sent", object)
	}
	return err
}

func (s *Store) compareStock(ctx context.Context, r *replay) error {
	articles, err := s.Articles(ctx)
	for _, a := range articles {
		if want := r.stock[a.SKU]; want != a.OnHand {
			r.fault("%d of %s are on the shelf, by the trail %d", a.OnHand, a.SKU, want)
		}
	}
	return err
}
