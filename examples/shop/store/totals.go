package store

import (
	"context"
	"fmt"
)

// Totals are the figures of the shop's orders.
type Totals struct {
	Orders    map[State]int
	Confirmed int
	Taken     Cents // paid by customers
	Charges   int   // made by the bank
	Charged   Cents // by the bank: more than Taken only if a worker died between the two
}

// Totals counts the orders with an id above after.
func (s *Store) Totals(ctx context.Context, after int64) (Totals, error) {
	t := Totals{Orders: make(map[State]int)}
	err := s.rows(ctx, func(row scanner) error {
		var state State
		var n, confirmed int
		var taken Cents
		err := row.Scan(&state, &n, &confirmed, &taken)
		t.Orders[state] = n
		t.Confirmed += confirmed
		t.Taken += taken
		return err
	}, `SELECT state, count(*), count(confirmed), CAST(sum(CASE state WHEN 'paid' THEN total ELSE 0 END) AS BIGINT)
		FROM orders WHERE id > ? GROUP BY state`, after)
	if err != nil {
		return t, fmt.Errorf("count orders by state: %w", err)
	}
	row, err := s.row(ctx, `SELECT count(*), CAST(coalesce(sum(amount), 0) AS BIGINT) FROM charges WHERE order_id > ?`, after)
	if err == nil {
		err = row.Scan(&t.Charges, &t.Charged)
	}
	if err != nil {
		return t, fmt.Errorf("count charges: %w", err)
	}
	return t, nil
}
