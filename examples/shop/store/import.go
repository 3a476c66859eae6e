package store

import (
	"context"
	"database/sql"
	"fmt"
)

// ImportOrders adds orders of the past, in whatever state they ended, in one transaction.
func (s *Store) ImportOrders(ctx context.Context, orders []Order) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO orders (customer, sku, quantity, total, state, placed, payment, confirmed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
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
		return nil
	})
	if err != nil {
		return fmt.Errorf("import %d orders: %w", len(orders), err)
	}
	return nil
}

// LastOrder is the highest id of an order, 0 when there is none.
func (s *Store) LastOrder(ctx context.Context) (int64, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	var id int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM orders`).Scan(&id); err != nil {
		return 0, fmt.Errorf("last order: %w", err)
	}
	return id, nil
}
