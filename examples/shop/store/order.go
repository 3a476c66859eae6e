package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A State is how far an order has come. It only ever moves forward:
//
//	placed ──► reserved ──► paid
//	   └─────► sold_out
type State string

const (
	Placed   State = "placed"   // the customer wants it
	Reserved State = "reserved" // the goods are set aside
	Paid     State = "paid"     // the money is ours
	SoldOut  State = "sold_out" // there were not enough goods
)

// An Order is one customer's order of one article.
type Order struct {
	ID        int64
	Customer  string // mail address
	SKU       string
	Quantity  int
	Total     Cents
	State     State
	Placed    time.Time
	Payment   string // the bank's reference; "" until paid
	Confirmed bool   // the customer has been told
	Task      string // id of the task that processes it, "" when somebody else sends one
}

const orderColumns = `id, customer, sku, quantity, total, state, placed, payment, confirmed IS NOT NULL, task`

func scanOrder(row scanner) (Order, error) {
	var o Order
	var placed int64
	err := row.Scan(&o.ID, &o.Customer, &o.SKU, &o.Quantity, &o.Total, &o.State, &placed, &o.Payment, &o.Confirmed, &o.Task)
	o.Placed = time.Unix(placed, 0).UTC()
	return o, err
}

// ProcessOrder is the task that takes a placed order on.
const ProcessOrder = "apps.orders.tasks.process_order"

const insertOrder = `INSERT INTO orders (customer, sku, quantity, total, placed)
	SELECT CAST(? AS TEXT), sku, CAST(? AS {int}), CAST(? AS {int}) * price, CAST(? AS {int}) FROM stock WHERE sku = ? RETURNING id, total`

// PlaceOrders adds orders in state placed, in one transaction, and returns their ids. Totals come from the stock's prices.
// Whoever calls it sends the task process_order of each.
func (s *Store) PlaceOrders(ctx context.Context, orders []Order) ([]int64, error) {
	ids := make([]int64, len(orders))
	err := s.change(ctx, func(t *tx) error {
		insert, err := t.prepare(ctx, t.dialect.schema(insertOrder))
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, o := range orders {
			if ids[i], err = t.place(ctx, insert, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("place %d orders: %w", len(orders), err)
	}
	return ids, nil
}

func (t *tx) place(ctx context.Context, insert *sql.Stmt, o Order) (id int64, err error) {
	var total Cents
	err = insert.QueryRowContext(ctx, o.Customer, o.Quantity, o.Quantity, o.Placed.Unix(), o.SKU).Scan(&id, &total)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("article %q: %w", o.SKU, ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	return id, t.note(ctx, OrderPlaced, orderObject(id), string(Placed), Detail{SKU: o.SKU, Quantity: o.Quantity, Total: total})
}

// RequestOrder places one order and has it processed: the order and the task in the outbox are one transaction. The second
// request of a key returns the first's order.
func (s *Store) RequestOrder(ctx context.Context, o Order, key Key) (id int64, first bool, err error) {
	err = s.change(ctx, func(t *tx) error {
		id, first, err = t.once(ctx, "order", key, func() (int64, error) {
			insert, err := t.prepare(ctx, t.dialect.schema(insertOrder))
			if err != nil {
				return 0, err
			}
			defer insert.Close()
			id, err := t.place(ctx, insert, o)
			if err != nil {
				return 0, err
			}
			task, err := t.enqueue(ctx, ProcessOrder, map[string]json.Number{"order_id": json.Number(fmt.Sprint(id))})
			if err != nil {
				return 0, err
			}
			return id, t.exec(ctx, `UPDATE orders SET task = ? WHERE id = ?`, task, id)
		})
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("place an order: %w", err)
	}
	return id, first, nil
}

// Order reads one order.
func (s *Store) Order(ctx context.Context, id int64) (o Order, err error) {
	row, err := s.row(ctx, `SELECT `+orderColumns+` FROM orders WHERE id = ?`, id)
	if err == nil {
		o, err = scanOrder(row)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Order{}, fmt.Errorf("order %d: %w", id, err)
	}
	return o, nil
}

// LatestOrders are up to limit orders with an id below before (0: the latest), the latest first.
func (s *Store) LatestOrders(ctx context.Context, before int64, limit int) ([]Order, error) {
	if before <= 0 {
		before = 1 << 62
	}
	var all []Order
	err := s.rows(ctx, func(row scanner) error {
		o, err := scanOrder(row)
		all = append(all, o)
		return err
	}, `SELECT `+orderColumns+` FROM orders WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read the latest orders: %w", err)
	}
	return all, nil
}

// Reserve sets the goods of a placed order aside, or finds that it is sold out. On an order that is further already it
// does nothing: whoever moves the order also takes the goods, in one transaction, so that they are taken once.
func (s *Store) Reserve(ctx context.Context, id int64) error {
	err := s.change(ctx, func(t *tx) error {
		moved, err := t.changes(ctx, `UPDATE orders SET state = ? WHERE id = ? AND state = ?`, Reserved, id, Placed)
		if err != nil || !moved {
			return err
		}
		var d Detail
		if err := t.row(ctx, `SELECT sku, quantity FROM orders WHERE id = ?`, id).Scan(&d.SKU, &d.Quantity); err != nil {
			return err
		}
		taken, err := t.changes(ctx, `UPDATE stock SET on_hand = on_hand - ? WHERE sku = ? AND on_hand >= ?`, d.Quantity, d.SKU, d.Quantity)
		if err != nil {
			return err
		}
		if taken {
			return t.note(ctx, OrderReserved, orderObject(id), string(Reserved), d)
		}
		if err := t.exec(ctx, `UPDATE orders SET state = ? WHERE id = ?`, SoldOut, id); err != nil {
			return err
		}
		return t.note(ctx, OrderSoldOut, orderObject(id), string(SoldOut), Detail{})
	})
	if err != nil {
		return fmt.Errorf("reserve order %d: %w", id, err)
	}
	return nil
}

// Pay notes the bank's reference on a reserved order. On a paid one it does nothing.
func (s *Store) Pay(ctx context.Context, id int64, reference string) error {
	err := s.change(ctx, func(t *tx) error {
		paid, err := t.changes(ctx, `UPDATE orders SET state = ?, payment = ? WHERE id = ? AND state = ?`, Paid, reference, id, Reserved)
		if err != nil || !paid {
			return err
		}
		return t.note(ctx, OrderPaid, orderObject(id), string(Paid), Detail{Payment: reference})
	})
	if err != nil {
		return fmt.Errorf("pay order %d: %w", id, err)
	}
	return nil
}

// Confirm notes that the customer's confirmation is on its way.
func (s *Store) Confirm(ctx context.Context, id int64, at time.Time) error {
	err := s.change(ctx, func(t *tx) error {
		first, err := t.changes(ctx, `UPDATE orders SET confirmed = ? WHERE id = ? AND confirmed IS NULL`, at.Unix(), id)
		if err != nil || !first {
			return err
		}
		return t.note(ctx, OrderConfirmed, orderObject(id), "confirmed", Detail{})
	})
	if err != nil {
		return fmt.Errorf("confirm order %d: %w", id, err)
	}
	return nil
}

// CountOrders is how many orders were placed from since until before until.
func (s *Store) CountOrders(ctx context.Context, since, until time.Time) (n int, err error) {
	row, err := s.row(ctx, `SELECT count(*) FROM orders WHERE placed >= ? AND placed < ?`, since.Unix(), until.Unix())
	if err == nil {
		err = row.Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("count orders: %w", err)
	}
	return n, nil
}

// Orders are the orders placed from since until before until, oldest first, as they stand now. They are read one by one:
// a year of them takes no more memory than a day. After an error there are no more.
func (s *Store) Orders(ctx context.Context, since, until time.Time) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		err := s.stream(ctx, func(row scanner) error {
			o, err := scanOrder(row)
			if err == nil && !yield(o, nil) {
				return errStop
			}
			return err
		}, `SELECT `+orderColumns+` FROM orders WHERE placed >= ? AND placed < ? ORDER BY placed, id`, since.Unix(), until.Unix())
		if err != nil && !errors.Is(err, errStop) {
			yield(Order{}, fmt.Errorf("read orders: %w", err))
		}
	}
}
