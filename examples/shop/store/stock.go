package store

import (
	"context"
	"database/sql"
	"fmt"
)

// An Article is something the shop sells.
type Article struct {
	SKU    string
	Name   string
	Price  Cents
	OnHand int
}

// Stock puts articles on the shelf: new ones, or more of those that are there.
func (s *Store) Stock(ctx context.Context, articles []Article) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		for _, a := range articles {
			_, err := tx.ExecContext(ctx, `INSERT INTO stock (sku, name, price, on_hand) VALUES (?, ?, ?, ?)
				ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price = excluded.price, on_hand = on_hand + excluded.on_hand`,
				a.SKU, a.Name, a.Price, a.OnHand)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("stock %d articles: %w", len(articles), err)
	}
	return nil
}

// Articles is everything on the shelf, by SKU.
func (s *Store) Articles(ctx context.Context) ([]Article, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT sku, name, price, on_hand FROM stock ORDER BY sku`)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	defer rows.Close()
	var all []Article
	for rows.Next() {
		var a Article
		if err := rows.Scan(&a.SKU, &a.Name, &a.Price, &a.OnHand); err != nil {
			return nil, fmt.Errorf("read stock: %w", err)
		}
		all = append(all, a)
	}
	return all, rows.Err()
}
