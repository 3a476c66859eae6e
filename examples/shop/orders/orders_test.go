package orders_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/payment"
	"github.com/umbel-go/umbel/examples/shop/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fixture is a shop with ten bulbs on the shelf, whose tasks run in the caller.
type fixture struct {
	*orders.Tasks
	app    *umbel.App
	store  *store.Store
	bank   *payment.Bank
	outbox string
}

func setup(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{app: umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://" + t.Name()}})),
		store: store.New(filepath.Join(dir, "shop.db")), outbox: filepath.Join(dir, "outbox")}
	f.app.Eager(true)
	f.bank = &payment.Bank{Ledger: f.store}
	f.Tasks = orders.Register(f.app, f.store, f.bank, notifications.Register(f.app, notifications.Outbox(f.outbox), f.store))
	t.Cleanup(func() { _ = f.store.Close() })
	if err := f.store.Stock(t.Context(), []store.Article{{SKU: "bulb", Name: "Bulb", Price: 150, OnHand: 10}}); err != nil {
		t.Fatal(err)
	}
	return f
}

// place adds an order of so many bulbs.
func (f *fixture) place(t *testing.T, quantity int) int64 {
	t.Helper()
	ids, err := f.store.PlaceOrders(t.Context(), []store.Order{{Customer: "ada@example.com", SKU: "bulb", Quantity: quantity, Placed: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

func (f *fixture) process(t *testing.T, id int64) (orders.Receipt, error) {
	t.Helper()
	r, err := f.Process.Send(t.Context(), orders.Order{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return r.Get(t.Context())
}

// left is how many bulbs are on the shelf.
func (f *fixture) left(t *testing.T) int {
	t.Helper()
	articles, err := f.store.Articles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return articles[0].OnHand
}

func (f *fixture) mails(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(f.outbox)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(files)
}

// requirePaidOnce checks everything that must have happened once to an order of three bulbs, the only one.
func (f *fixture) requirePaidOnce(t *testing.T, id int64) {
	t.Helper()
	o, err := f.store.Order(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if o.State != store.Paid || !o.Confirmed || o.Payment == "" {
		t.Errorf("order: %+v, want it paid and confirmed", o)
	}
	totals, err := f.store.Totals(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if totals.Charges != 1 || totals.Charged != 450 || totals.Taken != 450 {
		t.Errorf("money: %+v, want one charge of 4.50", totals)
	}
	if n := f.left(t); n != 7 {
		t.Errorf("%d bulbs are left, want 7", n)
	}
	if n := f.mails(t); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

func TestAnOrderIsPaidAndConfirmed(t *testing.T) {
	f := setup(t)
	id := f.place(t, 3)
	receipt, err := f.process(t, id)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.OrderID != id || receipt.State != store.Paid || receipt.Total != "4.50" || receipt.Payment == "" {
		t.Errorf("receipt: %+v", receipt)
	}
	f.requirePaidOnce(t, id)
}

func TestAnOrderProcessedAgainAndAtOnceIsPaidOnce(t *testing.T) {
	f := setup(t)
	id := f.place(t, 3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				if r, err := f.process(t, id); err != nil || r.State != store.Paid {
					t.Errorf("receipt %+v, %v", r, err)
				}
			}
		})
	}
	wg.Wait()
	f.requirePaidOnce(t, id)
}

// A worker may die between any two steps; the next one finds the order there.
func TestAnOrderLeftInTheMiddleGoesOn(t *testing.T) {
	for name, steps := range map[string]int{"before the first step": 0, "goods reserved": 1, "money moved": 2, "payment noted": 3, "confirmation sent": 4} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			ctx, id := t.Context(), f.place(t, 3)
			o := store.Order{ID: id, Total: 450}
			var reference string
			for i, step := range []func() error{
				func() error { return f.store.Reserve(ctx, id) },
				func() (err error) { reference, err = f.bank.Charge(ctx, o); return err },
				func() error { return f.store.Pay(ctx, id, reference) },
				func() error {
					r, err := f.Confirm.Send(ctx, orders.Order{ID: id})
					if err != nil {
						return err
					}
					_, err = r.Get(ctx)
					return err
				},
			} {
				if i == steps {
					break
				}
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := f.process(t, id); err != nil || r.State != store.Paid {
				t.Errorf("receipt %+v, %v", r, err)
			}
			f.requirePaidOnce(t, id)
		})
	}
}

func TestASoldOutOrderCostsNothing(t *testing.T) {
	f := setup(t)
	id := f.place(t, 11)
	for range 2 {
		receipt, err := f.process(t, id)
		if err != nil || receipt.State != store.SoldOut || receipt.Payment != "" {
			t.Errorf("receipt %+v, %v", receipt, err)
		}
	}
	totals, err := f.store.Totals(t.Context(), 0)
	if err != nil || totals.Charges != 0 || f.left(t) != 10 || f.mails(t) != 0 {
		t.Errorf("totals %+v, %v; %d left; %d mails", totals, err, f.left(t), f.mails(t))
	}
}

func TestGoodsAreNeverSoldTwice(t *testing.T) {
	f := setup(t)
	other := store.New(filepath.Join(filepath.Dir(f.outbox), "shop.db")) // as another process would open it
	defer other.Close()
	var wg sync.WaitGroup
	for i := range 20 {
		id := f.place(t, 1)
		s := []*store.Store{f.store, other}[i%2]
		wg.Go(func() {
			if err := s.Reserve(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	totals, err := f.store.Totals(t.Context(), 0)
	if err != nil || totals.Orders[store.Reserved] != 10 || totals.Orders[store.SoldOut] != 10 || f.left(t) != 0 {
		t.Errorf("totals %+v, %v; %d left; want 10 of 20 orders served", totals, err, f.left(t))
	}
}

func TestAnOrderThatDoesNotExistFailsAtOnce(t *testing.T) {
	f := setup(t)
	runs := &counter{}
	f.app.Use(runs)
	var failed *umbel.TaskError
	if _, err := f.process(t, 99); !errors.As(err, &failed) || failed.State != umbel.Failure || runs.n != 1 {
		t.Errorf("got %v after %d runs, want a failure after one", err, runs.n)
	}
}

func TestAnOrderIsTriedAgainWhenTheBankDoesNotAnswer(t *testing.T) {
	f := setup(t)
	f.bank.Moody = 1
	runs := &counter{}
	f.app.Use(runs)
	id := f.place(t, 3)
	if receipt, err := f.process(t, id); err != nil || receipt.State != store.Paid {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	f.requirePaidOnce(t, id)
	if runs.n != 4 { // process_order twice, the confirmation, the mail
		t.Errorf("%d runs, want 4", runs.n)
	}
}

// A counter is middleware that counts runs.
type counter struct{ n int }

func (c *counter) TaskPrerun(context.Context, *umbel.Request) { c.n++ }

func TestAnOrderThatIsNotPaidIsNotConfirmed(t *testing.T) {
	f := setup(t)
	r, err := f.Confirm.Send(t.Context(), orders.Order{ID: f.place(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(t.Context()); err == nil || f.mails(t) != 0 {
		t.Errorf("got %v and %d mails", err, f.mails(t))
	}
}

func TestPythonMayPassTheOrderByPositionOrByName(t *testing.T) {
	f := setup(t)
	for _, in := range []any{umbel.Args{f.place(t, 1)}, umbel.Kwargs{"order_id": f.place(t, 1)}} {
		r, err := f.app.Send(t.Context(), "apps.orders.tasks.process_order", in)
		if err != nil {
			t.Fatal(err)
		}
		var receipt orders.Receipt
		if err := r.Get(t.Context(), &receipt); err != nil || receipt.State != store.Paid {
			t.Errorf("%v: receipt %+v, %v", in, receipt, err)
		}
	}
}
