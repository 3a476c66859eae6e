package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/examples/shop/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dill = store.Article{SKU: "dill", Name: "Dill", Price: 125, OnHand: 3}

func open(t *testing.T) *store.Store {
	t.Helper()
	s := store.New(filepath.Join(t.TempDir(), "a shop?#%20.db")) // names that a URL would take apart
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Stock(t.Context(), []store.Article{dill}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnOrderCostsWhatTheShelfSays(t *testing.T) {
	s := open(t)
	ids, err := s.PlaceOrders(t.Context(), []store.Order{{Customer: "a@example.com", SKU: "dill", Quantity: 3, Placed: time.Unix(1e9, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Order(t.Context(), ids[0])
	if err != nil || o.Total != 375 || o.State != store.Placed || !o.Placed.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOrdersArePlacedTogetherOrNotAtAll(t *testing.T) {
	s := open(t)
	_, err := s.PlaceOrders(t.Context(), []store.Order{{SKU: "dill", Quantity: 1}, {SKU: "rhubarb", Quantity: 1}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound of rhubarb", err)
	}
	if last, err := s.LastOrder(t.Context()); err != nil || last != 0 {
		t.Errorf("order %d was placed (%v)", last, err)
	}
}

func TestStockingAgainAddsToTheShelf(t *testing.T) {
	s := open(t)
	more := dill
	more.Price, more.OnHand = 130, 2
	if err := s.Stock(t.Context(), []store.Article{more}); err != nil {
		t.Fatal(err)
	}
	all, err := s.Articles(t.Context())
	if err != nil || len(all) != 1 || all[0].OnHand != 5 || all[0].Price != 130 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestReadingOrdersStopsWithItsContext(t *testing.T) {
	s := open(t)
	if err := s.ImportOrders(t.Context(), make([]store.Order, 1)); err == nil {
		t.Error("an order without article, quantity and state was imported")
	}
	past := make([]store.Order, 500)
	for i := range past {
		past[i] = store.Order{SKU: "dill", Quantity: 1, State: store.Paid, Placed: time.Unix(int64(i), 0)}
	}
	if err := s.ImportOrders(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, failed := 0, error(nil)
	for _, err := range s.Orders(ctx, time.Unix(0, 0), time.Unix(1000, 0)) {
		if err != nil {
			failed = err
			continue
		}
		if read++; read == 10 {
			cancel()
		}
	}
	if !errors.Is(failed, context.Canceled) || read == len(past) {
		t.Errorf("read %d orders, then %v; want it to stop", read, failed)
	}
}

func TestCents(t *testing.T) {
	for c, want := range map[store.Cents]string{0: "0.00", 5: "0.05", 120: "1.20", 123456: "1234.56", -5: "-0.05", -250: "-2.50"} {
		if got := c.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(c), got, want)
		}
	}
}
