// Package orders takes an order from "placed" to "paid and confirmed". Every step may run twice without harm, because
// every step may: a worker that dies in the middle leaves its task to another one.
package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/payment"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// Tasks are the handles to send orders' tasks by.
type Tasks struct {
	Process *umbel.Task[Order, Receipt]
	Confirm *umbel.Task[Order, Confirmation]

	store *store.Store
	bank  *payment.Bank
	mail  *notifications.Tasks
}

// An Order is the input of both tasks: in Python, process_order.delay(order_id=7) or process_order.delay(7). The rest is
// in the shop's database: a message holds what does not change while it waits.
type Order struct {
	ID int64 `json:"order_id"`
}

// A Receipt is the result of process_order.
type Receipt struct {
	OrderID int64       `json:"order_id"`
	State   store.State `json:"state"` // paid or sold_out
	Total   string      `json:"total"` // such as "12.34"
	Payment string      `json:"payment,omitempty"`
}

// A Confirmation is the result of send_order_confirmation.
type Confirmation struct {
	OrderID int64  `json:"order_id"`
	MailTo  string `json:"mail_to"`
}

// Register makes the tasks of orders known to an app.
func Register(app *umbel.App, s *store.Store, bank *payment.Bank, mail *notifications.Tasks) *Tasks {
	t := &Tasks{store: s, bank: bank, mail: mail}
	again := umbel.Retry{Max: 5, Backoff: time.Second, BackoffMax: 10 * time.Minute, Jitter: true, Never: []error{store.ErrNotFound}}
	t.Process = umbel.Register(app, "apps.orders.tasks.process_order", t.process,
		umbel.AcksLate(), again, umbel.SoftTimeLimit(time.Minute),
		umbel.Summary("reserve the goods of an order, take the money, send the confirmation"))
	t.Confirm = umbel.Register(app, "apps.orders.tasks.send_order_confirmation", t.confirm,
		umbel.AcksLate(), again, umbel.Summary("tell the customer that an order is paid"))
	return t
}

// process moves an order on from wherever it stands, so that it can be interrupted anywhere and run again.
func (t *Tasks) process(ctx context.Context, in Order) (Receipt, error) {
	if err := t.store.Reserve(ctx, in.ID); err != nil {
		return Receipt{}, err
	}
	o, err := t.store.Order(ctx, in.ID)
	if err != nil {
		return Receipt{}, err
	}
	if o.State == store.Reserved {
		if o, err = t.pay(ctx, o); err != nil {
			return Receipt{}, err
		}
	}
	if o.State == store.Paid && !o.Confirmed {
		if _, err := t.Confirm.Send(ctx, in); err != nil {
			return Receipt{}, fmt.Errorf("confirm order %d: %w", o.ID, err)
		}
	}
	return Receipt{OrderID: o.ID, State: o.State, Total: o.Total.String(), Payment: o.Payment}, nil
}

func (t *Tasks) pay(ctx context.Context, o store.Order) (store.Order, error) {
	reference, err := t.bank.Charge(ctx, o)
	if err != nil {
		return o, err
	}
	if err := t.store.Pay(ctx, o.ID, reference); err != nil {
		return o, err
	}
	return t.store.Order(ctx, o.ID)
}

// ErrNotPaid says that somebody wants to confirm an order that is not paid.
var ErrNotPaid = errors.New("the order is not paid")

// confirm hands a mail to the queue of notifications. The mail's key keeps a second one from being sent.
func (t *Tasks) confirm(ctx context.Context, in Order) (Confirmation, error) {
	o, err := t.store.Order(ctx, in.ID)
	if err != nil {
		return Confirmation{}, err
	}
	if o.State != store.Paid {
		return Confirmation{}, umbel.Permanent(fmt.Errorf("confirm order %d, which is %s: %w", o.ID, o.State, ErrNotPaid))
	}
	if !o.Confirmed {
		_, err := t.mail.Send.Send(ctx, notifications.Mail{
			Key:     fmt.Sprintf("order-%d-confirmation", o.ID),
			To:      o.Customer,
			Subject: fmt.Sprintf("Your order %d", o.ID),
			Body:    fmt.Sprintf("Thank you! We have received %s for %d × %s (payment %s).\n", o.Total, o.Quantity, o.SKU, o.Payment),
		})
		if err != nil {
			return Confirmation{}, fmt.Errorf("confirm order %d: %w", o.ID, err)
		}
		if err := t.store.Confirm(ctx, o.ID, time.Now()); err != nil {
			return Confirmation{}, err
		}
	}
	return Confirmation{OrderID: o.ID, MailTo: o.Customer}, nil
}
