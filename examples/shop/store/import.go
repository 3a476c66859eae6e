package store

import (
	"context"
	"database/sql"
	"fmt"
)

// ImportOrders adds orders of the past, in whatever state they ended, in one transaction.
func (s *Store) ImportOrders(ctx context.Context, orders []Order) error {
	err := s.change(ctx, func(t *tx) error {
		insert, err := t.prepare(ctx, `INSERT INTO orders (customer, sku, quantity, total, state, placed, payment, confirmed, imported)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, o := range orders {
			confirmed := sql.NullInt64{Int64: o.Placed.Unix(), Valid: o.Confirmed}
			_, err := insert.ExecContext(ctx, o.Customer, o.SKU, o.Quantity, o.Total, o.State, o.Placed.Unix(), o.Payment, confirmed)
			if err != nil {
				return err
			}
		}
		return t.note(ctx, OrdersImported, "", fmt.Sprintf("%d orders", len(orders)), Detail{N: len(orders)})
	})
	if err != nil {
		return fmt.Errorf("import %d orders: %w", len(orders), err)
	}
	return nil
}

// LastOrder is the highest id of an order, 0 when there is none.
func (s *Store) LastOrder(ctx context.Context) (id int64, err error) {
	row, err := s.row(ctx, `SELECT coalesce(max(id), 0) FROM orders`)
	if err == nil {
		err = row.Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("last order: %w", err)
	}
	return id, nil
}
