package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Ledger = (*Backend)(nil)

// Record: see backend.Ledger.
func (b *Backend) Record(ctx context.Context, book string, records []backend.Record, most int) error {
	return b.withBook(ctx, "write into", book, func(m map[string]backend.Record) {
		for _, r := range records {
			r.Expires = time.UnixMilli(r.Expires.UnixMilli())
			m[r.Name] = r
		}
		all := slices.SortedFunc(maps.Values(m), sooner)
		for _, r := range all[:max(len(all)-most, 0)] {
			delete(m, r.Name)
		}
	})
}

// Erase: see backend.Ledger.
func (b *Backend) Erase(ctx context.Context, book string, names []string) error {
	return b.withBook(ctx, "erase from", book, func(m map[string]backend.Record) {
		for _, n := range names {
			delete(m, n)
		}
	})
}

// Records: see backend.Ledger.
func (b *Backend) Records(ctx context.Context, book string) (all []backend.Record, err error) {
	err = b.withBook(ctx, "read", book, func(m map[string]backend.Record) {
		all = slices.SortedFunc(maps.Values(m), sooner)
	})
	return all, err
}

func sooner(a, b backend.Record) int {
	if c := a.Expires.Compare(b.Expires); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// withBook runs f on a book's records that have not expired.
func (b *Backend) withBook(ctx context.Context, what, book string, f func(map[string]backend.Record)) error {
	s := b.space
	if err := s.open(ctx, b); err != nil {
		return fmt.Errorf("%s book %q: %w", what, book, err)
	}
	defer s.mu.Unlock()
	if s.books == nil {
		s.books = make(map[string]map[string]backend.Record)
	}
	m := s.books[book]
	if m == nil {
		m = make(map[string]backend.Record)
		s.books[book] = m
	}
	now := time.Now()
	maps.DeleteFunc(m, func(_ string, r backend.Record) bool { return !now.Before(r.Expires) })
	f(m)
	return nil
}
