package store

import (
	"context"
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
	err := s.change(ctx, func(t *tx) error {
		for _, a := range articles {
			err := t.exec(ctx, `INSERT INTO stock (sku, name, price, on_hand) VALUES (?, ?, ?, ?)
				ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price = excluded.price, on_hand = stock.on_hand + excluded.on_hand`,
				a.SKU, a.Name, a.Price, a.OnHand)
			if err != nil {
				return err
			}
			if err := t.note(ctx, StockAdded, "stock/"+a.SKU, "", Detail{SKU: a.SKU, Quantity: a.OnHand}); err != nil {
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
	var all []Article
	err := s.rows(ctx, func(row scanner) error {
		var a Article
		err := row.Scan(&a.SKU, &a.Name, &a.Price, &a.OnHand)
		all = append(all, a)
		return err
	}, `SELECT sku, name, price, on_hand FROM stock ORDER BY sku`)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return all, nil
}
