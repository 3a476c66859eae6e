package store

import (
	"context"
	"database/sql"
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
}

const orderColumns = `id, customer, sku, quantity, total, state, placed, payment, confirmed IS NOT NULL`

func scanOrder(row interface{ Scan(...any) error }) (Order, error) {
	var o Order
	var placed int64
	err := row.Scan(&o.ID, &o.Customer, &o.SKU, &o.Quantity, &o.Total, &o.State, &placed, &o.Payment, &o.Confirmed)
	o.Placed = time.Unix(placed, 0).UTC()
	return o, err
}

// PlaceOrders adds orders in state placed, in one transaction, and returns their ids. Totals come from the stock's prices.
func (s *Store) PlaceOrders(ctx context.Context, orders []Order) ([]int64, error) {
	ids := make([]int64, len(orders))
	err := s.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO orders (customer, sku, quantity, total, placed)
			SELECT ?, sku, ?, ? * price, ? FROM stock WHERE sku = ? RETURNING id`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, o := range orders {
			err := insert.QueryRowContext(ctx, o.Customer, o.Quantity, o.Quantity, o.Placed.Unix(), o.SKU).Scan(&ids[i])
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("article %q: %w", o.SKU, ErrNotFound)
			}
			if err != nil {
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

// Order reads one order.
func (s *Store) Order(ctx context.Context, id int64) (Order, error) {
	if err := s.open(ctx); err != nil {
		return Order{}, err
	}
	o, err := scanOrder(s.read.QueryRowContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Order{}, fmt.Errorf("order %d: %w", id, err)
	}
	return o, nil
}

// Reserve sets the goods of a placed order aside, or finds that it is sold out. On an order that is further already it
// does nothing: whoever moves the order also takes the goods, in one transaction, so that they are taken once.
func (s *Store) Reserve(ctx context.Context, id int64) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		moved, err := changed(tx.ExecContext(ctx, `UPDATE orders SET state = ? WHERE id = ? AND state = ?`, Reserved, id, Placed))
		if err != nil || !moved {
			return err
		}
		taken, err := changed(tx.ExecContext(ctx, `UPDATE stock SET on_hand = on_hand - o.quantity
			FROM orders o WHERE o.id = ? AND stock.sku = o.sku AND stock.on_hand >= o.quantity`, id))
		if err != nil || taken {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE orders SET state = ? WHERE id = ?`, SoldOut, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("reserve order %d: %w", id, err)
	}
	return nil
}

// Pay notes the bank's reference on a reserved order. On a paid one it does nothing.
func (s *Store) Pay(ctx context.Context, id int64, reference string) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE orders SET state = ?, payment = ? WHERE id = ? AND state = ?`, Paid, reference, id, Reserved)
		return err
	})
	if err != nil {
		return fmt.Errorf("pay order %d: %w", id, err)
	}
	return nil
}

// Confirm notes that the customer's confirmation is on its way.
func (s *Store) Confirm(ctx context.Context, id int64, at time.Time) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE orders SET confirmed = ? WHERE id = ? AND confirmed IS NULL`, at.Unix(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm order %d: %w", id, err)
	}
	return nil
}

// CountOrders is how many orders were placed from since until before until.
func (s *Store) CountOrders(ctx context.Context, since, until time.Time) (int, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM orders WHERE placed >= ? AND placed < ?`, since.Unix(), until.Unix()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count orders: %w", err)
	}
	return n, nil
}

// Orders are the orders placed from since until before until, oldest first, as they stand now. They are read one by one:
// a year of them takes no more memory than a day. After an error there are no more.
func (s *Store) Orders(ctx context.Context, since, until time.Time) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		if err := s.open(ctx); err != nil {
			yield(Order{}, err)
			return
		}
		rows, err := s.read.QueryContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE placed >= ? AND placed < ? ORDER BY placed, id`,
			since.Unix(), until.Unix())
		if err != nil {
			yield(Order{}, fmt.Errorf("read orders: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanOrder(rows)
			if err != nil {
				yield(Order{}, fmt.Errorf("read orders: %w", err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Order{}, fmt.Errorf("read orders: %w", err))
		}
	}
}
