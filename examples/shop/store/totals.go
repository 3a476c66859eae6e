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
	if err := s.open(ctx); err != nil {
		return t, err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*), count(confirmed), sum(CASE state WHEN 'paid' THEN total ELSE 0 END)
		FROM orders WHERE id > ? GROUP BY state`, after)
	if err != nil {
		return t, fmt.Errorf("count orders by state: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state State
		var n, confirmed int
		var taken Cents
		if err := rows.Scan(&state, &n, &confirmed, &taken); err != nil {
			return t, fmt.Errorf("count orders by state: %w", err)
		}
		t.Orders[state] = n
		t.Confirmed += confirmed
		t.Taken += taken
	}
	if err := rows.Err(); err != nil {
		return t, fmt.Errorf("count orders by state: %w", err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(amount), 0) FROM charges WHERE order_id > ?`, after).Scan(&t.Charges, &t.Charged)
	if err != nil {
		return t, fmt.Errorf("count charges: %w", err)
	}
	return t, nil
}
