package store

import (
	"context"
	"fmt"
)

// Charge writes the bank's side of a payment, once for each order: charging again returns the first reference.
func (s *Store) Charge(ctx context.Context, order int64, amount Cents, reference string) (string, error) {
	err := s.change(ctx, func(t *tx) error {
		first, err := t.changes(ctx, `INSERT INTO charges (order_id, amount, reference) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, order, amount, reference)
		if err != nil {
			return err
		}
		if first {
			return t.note(ctx, BankCharged, orderObject(order), reference, Detail{Total: amount})
		}
		return t.row(ctx, `SELECT reference FROM charges WHERE order_id = ?`, order).Scan(&reference)
	})
	if err != nil {
		return "", fmt.Errorf("charge order %d: %w", order, err)
	}
	return reference, nil
}
